"""How a question is put, whatever draws it: its words, and what can be typed beside an answer.

Pure. The menus and the plain lines follow it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from wizard.core.models.inputs import Choice
from wizard.terminal.text import cells

LONG_LIST = 10
"""More choices than this are filtered by typing."""

WHY, BACK = "?", "<"
"""Typed beside an answer: what is it for, and the question before this one."""

NO_KEYS = ("",)
CONFIRM_KEYS = {True: ("Y/n",), False: ("y/N",)}
SELECT_KEYS = ("arrows, Enter", "arrows")
SEARCH_KEYS = ("type to filter, arrows, Enter", "type to filter", "type")
TICK_KEYS = ("Space ticks, Enter goes on", "Space ticks")
TICK_SEARCH_KEYS = ("Space ticks, Enter goes on, type to filter", "Space ticks, type to filter", "Space ticks")


def _nothing() -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class PromptState:
    """What stood in a prompt when a person turned aside from it."""

    pointed: str | None = None
    """The value of the choice that the pointer was at."""
    ticked: tuple[str, ...] | None = None
    filter: str | None = None
    yes: bool | None = None


@dataclass(frozen=True, kw_only=True)
class PromptRequest:
    """A question as it is put once."""

    text: str
    explained: bool = False
    """Whether `?` has something to tell."""
    back: bool = False
    """Whether `<` leads anywhere."""
    kept: PromptState = PromptState()
    drawn: Callable[[], None] = _nothing
    """Called whenever the prompt was drawn."""


class HelpOrBack(Exception):
    """Not an answer but `?` or `<`."""

    def __init__(self, key: str, kept: PromptState) -> None:
        super().__init__(key)
        self.key = key
        self.kept = kept


class Prompts(Protocol):
    """What a person can be asked. Each raises Aside for `?` and `<`, and KeyboardInterrupt for Ctrl-C."""

    edits: bool
    """Whether a default stands in the line, to be edited."""

    def text(self, put: PromptRequest, *, default: str) -> str: ...
    def secret(self, put: PromptRequest) -> str: ...
    def select(self, put: PromptRequest, choices: Sequence[Choice], *, default: str | None, search: bool) -> str: ...
    def checkbox(
        self, put: PromptRequest, choices: Sequence[Choice], *, checked: Collection[str], least: int
    ) -> list[str]: ...
    def confirm(self, put: PromptRequest, *, default: bool) -> bool: ...


def instruction(put: PromptRequest, keys: Sequence[str], room: int) -> str:
    """What can be pressed, in parentheses; shorter where the line has less room, at last the shortest keys alone.

    `keys`: what answers, in words, the longest first.
    """
    asides = [told for told, there in (("? why", put.explained), ("< back", put.back)) if there]
    briefly = " ".join(key for key, there in ((WHY, put.explained), (BACK, put.back)) if there)
    for beside in (", ".join(asides), briefly, ""):
        for each in keys:
            told = "; ".join(filter(None, (each, beside)))
            if cells(told) + 2 <= room:
                return f"({told})" if told else ""
    return f"({keys[-1]})" if keys[-1] else ""


def selectable(choices: Sequence[Choice], *, search: bool) -> list[str]:
    """The values that a prompt lets a person choose. In a list that is searched the caller refuses what is shut."""
    return [choice.value for choice in choices if search or not choice.disabled]
