"""Prompts as plain lines, for a terminal that cannot draw menus: numbered choices, one answer a line.

Touches the stream that it is given, and standard input. The end of input raises KeyboardInterrupt.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Collection, Sequence
from typing import Any, TextIO

from wizard.core.models.inputs import Choice
from wizard.terminal.prompt_types import (
    BACK,
    NO_KEYS,
    WHY,
    HelpOrBack,
    PromptRequest,
    PromptState,
    instruction,
    selectable,
)
from wizard.terminal.text import cells, divided

_NUMBER_KEYS = ("number",)
_NUMBERS_KEYS = ("numbers, with commas; 0: none", "numbers, with commas", "numbers")
_CONFIRM_KEYS = ("y/n",)


class Lines:
    """Questions and answers, a line each; for `TERM=dumb` and for encodings without the signs."""

    edits = False

    def __init__(self, out: TextIO, *, width: int, write: Callable[[str], None]) -> None:
        self._out = out
        self._width = width
        self._write = write

    def text(self, put: PromptRequest, *, default: str) -> str:
        """A line; empty takes the default."""
        return self._line(put, default, NO_KEYS)

    def secret(self, put: PromptRequest) -> str:
        """A line that is not shown."""
        # Without the room of a default: the answer's own, for a colon.
        hint = self._instruction(put, NO_KEYS, "")
        self._show(f"{put.text}{f' {hint}' if hint else ''}: ")
        put.drawn()
        try:
            typed = getpass.getpass("", stream=self._out)
        except EOFError as error:
            raise KeyboardInterrupt from error
        return self._answer(put, typed)

    def select(self, put: PromptRequest, choices: Sequence[Choice], *, default: str | None, search: bool) -> str:
        """The value of one choice, by its number or by its value."""
        self._list(choices, ())
        wanted = default if default in selectable(choices, search=False) else None
        typed = self._checked(
            put,
            _NUMBER_KEYS,
            default=next((str(number) for number, each in enumerate(choices, 1) if each.value == wanted), ""),
            check=lambda text: self._fault(text, choices, least=1, most=1),
        )
        return str(self._chosen(typed, choices)[0])

    def checkbox(
        self, put: PromptRequest, choices: Sequence[Choice], *, checked: Collection[str], least: int
    ) -> list[str]:
        """The values of several choices, by their numbers."""
        self._list(choices, checked)
        ticked = [value for value in selectable(choices, search=False) if value in checked]
        numbers = [str(number) for number, choice in enumerate(choices, 1) if choice.value in ticked]
        typed = self._checked(
            put,
            _NUMBERS_KEYS,
            default=",".join(numbers),
            check=lambda text: self._fault(text, choices, least=least, most=len(choices)),
        )
        return self._chosen(typed, choices)

    def confirm(self, put: PromptRequest, *, default: bool) -> bool:
        """Yes or no."""
        known = {"y": True, "yes": True, "n": False, "no": False}
        typed = self._checked(
            put,
            _CONFIRM_KEYS,
            default="y" if default else "n",
            check=lambda text: None if text.lower() in known else "type y or n",
        )
        return known[typed.lower()]

    def _checked(
        self, put: PromptRequest, keys: Sequence[str], *, default: str, check: Callable[[str], str | None]
    ) -> str:
        while fault := check(typed := self._line(put, default, keys)):
            self._write(f"! {fault}")
        return typed

    def _list(self, choices: Sequence[Choice], checked: Collection[str]) -> None:
        for number, choice in enumerate(choices, 1):
            note = f" - {choice.note}" if choice.note else ""
            state = " [chosen]" if choice.value in checked else ""
            self._write(f"  {number}. {choice.title}{note}{f' ({choice.disabled})' if choice.disabled else state}")

    def _fault(self, text: str, choices: Sequence[Choice], *, least: int, most: int) -> str | None:
        chosen = self._chosen(text, choices)
        if None in chosen:
            return f"type a number from 1 to {len(choices)} of something that can be chosen"
        if len(chosen) < least:
            return "choose at least one"
        return "choose one" if len(chosen) > most else None

    def _chosen(self, text: str, choices: Sequence[Choice]) -> list[Any]:
        names = {choice.value: choice for choice in choices}
        names |= {str(number): choice for number, choice in enumerate(choices, 1)}
        parts = [part.strip() for part in text.split(",") if part.strip() not in ("", "0")]
        found = [names.get(part) for part in parts]
        values = [None if choice is None or choice.disabled else choice.value for choice in found]
        return list(dict.fromkeys(values))

    def _line(self, put: PromptRequest, default: str, keys: Sequence[str]) -> str:
        preset = f"[{default}] " if default else ""
        hint = self._instruction(put, keys, preset)
        self._show(f"{put.text} {f'{hint} ' if hint else ''}{preset}")
        put.drawn()
        line = sys.stdin.readline()
        if not line:
            raise KeyboardInterrupt
        return self._answer(put, line.strip()) or default

    def _answer(self, put: PromptRequest, typed: str) -> str:
        if typed not in (WHY, BACK):
            return typed
        if not (put.explained if typed == WHY else put.back):
            self._out.write("\a")
        raise HelpOrBack(typed, PromptState())

    def _instruction(self, put: PromptRequest, keys: Sequence[str], preset: str) -> str:
        return instruction(put, keys, self._width - cells(f"{put.text}  {preset}") - 1)

    def _show(self, prompt: str) -> None:
        encoding = self._out.encoding or "utf-8"
        told = prompt.encode(encoding, "replace").decode(encoding)
        lines = ["".join(text for text, _ in line) for line in divided([(told, "")], self._width)]
        self._out.write("\n  ".join(lines) + " ")
        self._out.flush()
