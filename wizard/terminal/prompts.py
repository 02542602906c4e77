"""What all prompts share, and the prompts for a terminal without lists: numbers and plain lines.

Writes to one stream, and reads standard input. The end of input raises KeyboardInterrupt.
"""

import shutil
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from wizard.core.models.inputs import Choice
from wizard.terminal.keyboard import Keyboard
from wizard.terminal.text import cells, divided

WHY, BACK, DETAILS, ESCAPE = "?", "<", "d", "escape"
"""Typed in place of an answer: the explanation, the previous question, the details, and Esc."""

NO_KEYS = ("",)
CONFIRM_KEYS = {True: ("Y/n",), False: ("y/N",)}
SELECT_KEYS = ("arrows or letters, Enter", "arrows, Enter", "arrows")
TICK_KEYS = (
    "Space ticks, Enter continues, letters filter",
    "Space ticks, Enter continues",
    "Space ticks",
)

YES_OR_NO = {"y": True, "yes": True, "n": False, "no": False}


@dataclass(frozen=True, kw_only=True, eq=False)
class PromptState:
    """The state of a prompt when `?` or `<` was typed: the pointer, the ticks, the filter, the text."""

    pointed: str | None = None
    """The value of the choice at the pointer."""
    ticked: tuple[str, ...] | None = None
    filter: str | None = None
    text: str | None = None
    """The text of the line."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PromptRequest:
    """One prompt of a question."""

    text: str
    has_explanation: bool = False
    """Whether `?` has an effect."""
    back: bool = False
    """Whether `<` has an effect."""
    has_details: bool = False
    """Whether `d` has an effect."""
    escape: str | None = None
    """The value that Esc stands for; None: Esc goes back where that is possible, and otherwise ends the run."""
    state: PromptState = PromptState()
    """Called whenever the prompt was drawn."""


CheckTicks = Callable[[Collection[str]], str | None]
"""Why these values cannot be the answer; None where they can."""


class HelpOrBack(Exception):
    """`?`, `<` or `d` instead of an answer."""

    def __init__(self, key: str, state: PromptState) -> None:
        super().__init__(key)
        self.key = key
        self.state = state


class Prompts(Protocol):
    """Each kind of prompt. Raises HelpOrBack for `?` and `<`, KeyboardInterrupt for Ctrl-C."""

    edits_default: bool
    """Whether the default is in the line and can be edited."""

    def text(self, request: PromptRequest, *, default: str) -> str: ...
    def secret(self, request: PromptRequest) -> str: ...
    def select(self, request: PromptRequest, choices: Sequence[Choice], *, default: str | None) -> str: ...
    def checkbox(
        self, request: PromptRequest, choices: Sequence[Choice], *, checked: Collection[str], check: CheckTicks
    ) -> list[str]: ...
    def confirm(self, request: PromptRequest, *, default: bool) -> bool: ...
    def page(self, content: Callable[[], str]) -> None:
        """Show a text on a page of its own until the person returns; `content` is called for each width."""


def refusal(choice: Choice) -> str:
    """Why a disabled choice is not the answer."""
    return f"{choice.title} cannot be chosen: {choice.disabled}"


def word_fault(typed: str, choices: Sequence[Choice]) -> str:
    """Why a word is not the answer, with those that are."""
    offered = ", ".join(f"{choice.words[0]}: {choice.title}" for choice in choices if choice.words)
    return f'"{typed.strip()}" is not a choice. Type {offered}'


def instruction(request: PromptRequest, keys: Sequence[str], room: int, *, escape: bool = False) -> str:
    """The keys that have an effect, in parentheses: as much as fits in `room` columns, at least the shortest text.

    `keys`: the texts for the keys that answer, the longest first. `escape`: with that of Esc.
    """
    keys_of = (
        ("d details", request.has_details),
        ("? why", request.has_explanation),
        ("< or Esc back" if escape else "< back", request.back),
        ("Esc cancels", escape and not request.back),
    )
    others = [text for text, is_shown in keys_of if is_shown]
    short = " ".join(text.split()[0] for text in others)
    for other in (", ".join(others), short, ""):
        for answer in keys:
            text = "; ".join(filter(None, (answer, other)))
            if cells(text) + 2 <= room:
                return f"({text})" if text else ""
    return f"({keys[-1]})" if keys[-1] else ""


def _enabled(choices: Sequence[Choice]) -> list[str]:
    return [choice.value for choice in choices if not choice.disabled]


_NUMBER_KEYS = ("number",)
_NUMBERS_KEYS = ("numbers, with commas; 0: none", "numbers, with commas", "numbers")
_CONFIRM_KEYS = ("y/n",)


class PlainPrompts:
    """Numbered choices and one line for each answer; for `TERM=dumb` and for encodings without the signs."""

    edits_default = False

    def __init__(self, out: TextIO, *, width: int, write: Callable[[str], None], keyboard: Keyboard) -> None:
        self.out, self.width, self.write, self.keyboard = out, width, write, keyboard

    def text(self, request: PromptRequest, *, default: str) -> str:
        """A line; an empty one is the default."""
        return self._line(request, default, NO_KEYS)

    def secret(self, request: PromptRequest) -> str:
        """A line that is not shown while it is typed."""
        hint = self._instruction(request, NO_KEYS, "")
        typed = self._read(request, f"{request.text}{f' {hint}' if hint else ''}: ", echo=False)
        if self.keyboard.is_terminal:
            # Nothing has shown the Enter either.
            self.out.write("\n")
        return self._answer(request, typed)

    def select(self, request: PromptRequest, choices: Sequence[Choice], *, default: str | None) -> str:
        """The value of one choice, by its number, its value, or one of its words."""
        self._list(choices, ())
        offered = default if default in _enabled(choices) else None
        typed = self._checked(
            request,
            _NUMBER_KEYS,
            default=next((str(number) for number, choice in enumerate(choices, 1) if choice.value == offered), ""),
            check=lambda text: self._fault(text, choices, only_one=True),
        )
        return str(self._chosen(typed, choices)[0])

    def checkbox(
        self, request: PromptRequest, choices: Sequence[Choice], *, checked: Collection[str], check: CheckTicks
    ) -> list[str]:
        """The values of several choices, by their numbers."""
        self._list(choices, checked)
        ticked = [value for value in _enabled(choices) if value in checked]
        numbers = [str(number) for number, choice in enumerate(choices, 1) if choice.value in ticked]
        typed = self._checked(
            request,
            _NUMBERS_KEYS,
            default=",".join(numbers),
            check=lambda text: self._fault(text, choices) or check(self._chosen(text, choices)),
        )
        return self._chosen(typed, choices)

    def confirm(self, request: PromptRequest, *, default: bool) -> bool:
        typed = self._checked(
            request,
            _CONFIRM_KEYS,
            default="y" if default else "n",
            check=lambda text: None if text.lower() in YES_OR_NO else "type y or n",
        )
        return YES_OR_NO[typed.lower()]

    def page(self, content: Callable[[], str]) -> None:
        lines = content().rstrip("\n").split("\n")
        rows = max(shutil.get_terminal_size().lines - 2, 1)
        for start in range(0, len(lines), rows):
            for line in lines[start : start + rows]:
                self.out.write(f"{line}\n")
            end = start + rows
            if end < len(lines):
                prompt = f"lines {start + 1} to {end} of {len(lines)} (Enter: more, q: return)"
                if self._read(PromptRequest(text=prompt), prompt, echo=True).strip():
                    return

    def _checked(
        self, request: PromptRequest, keys: Sequence[str], *, default: str, check: Callable[[str], str | None]
    ) -> str:
        while fault := check(typed := self._line(request, default, keys)):
            self.write(f"! {fault}")
        return typed

    def _list(self, choices: Sequence[Choice], checked: Collection[str]) -> None:
        for number, choice in enumerate(choices, 1):
            note = f" - {choice.note}" if choice.note else ""
            state = " [chosen]" if choice.value in checked else ""
            self.write(f"  {number}. {choice.title}{note}{f' ({choice.disabled})' if choice.disabled else state}")

    def _fault(self, text: str, choices: Sequence[Choice], *, only_one: bool = False) -> str | None:
        chosen = self._chosen(text, choices)
        if None in chosen:
            if any(choice.words for choice in choices):
                return word_fault(text, choices)
            return f"type a number from 1 to {len(choices)} of a choice that is not disabled"
        return "choose one" if only_one and len(chosen) != 1 else None

    def _chosen(self, text: str, choices: Sequence[Choice]) -> list[Any]:
        names = {name: choice for choice in choices for name in (choice.value, *choice.words)}
        names |= {str(number): choice for number, choice in enumerate(choices, 1)}
        parts = [part.strip() for part in text.split(",") if part.strip() not in ("", "0")]
        entries = [names.get(part) or names.get(part.lower()) for part in parts]
        values = [None if choice is None or choice.disabled else choice.value for choice in entries]
        return list(dict.fromkeys(values))

    def _line(self, request: PromptRequest, default: str, keys: Sequence[str]) -> str:
        preset = f"[{default}] " if default else ""
        hint = self._instruction(request, keys, preset)
        line = self._read(request, f"{request.text} {f'{hint} ' if hint else ''}{preset}", echo=True)
        return self._answer(request, line.strip()) or default

    def _read(self, request: PromptRequest, prompt: str, *, echo: bool) -> str:
        with self.keyboard.line(echo=echo):
            self._show(prompt)
            line = sys.stdin.readline()
        if not line:
            raise KeyboardInterrupt
        return line.rstrip("\n")

    def _answer(self, request: PromptRequest, typed: str) -> str:
        if typed == DETAILS and request.has_details:
            raise HelpOrBack(typed, PromptState())
        if typed not in (WHY, BACK):
            return typed
        if not (request.has_explanation if typed == WHY else request.back):
            self.out.write("\a")
        raise HelpOrBack(typed, PromptState())

    def _instruction(self, request: PromptRequest, keys: Sequence[str], preset: str) -> str:
        return instruction(request, keys, self.width - cells(f"{request.text}  {preset}") - 1)

    def _show(self, prompt: str) -> None:
        encoding = self.out.encoding or "utf-8"
        encodable = prompt.encode(encoding, "replace").decode(encoding)
        lines = ["".join(text for text, _ in line) for line in divided([(encodable, "")], self.width)]
        self.out.write("\n  ".join(lines) + " ")
        self.out.flush()
