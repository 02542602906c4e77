"""What all prompts share, and the prompts for a terminal without lists: numbers and plain lines.

Writes to one stream, and reads standard input. The end of input raises KeyboardInterrupt.
"""

import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from wizard.core.models.inputs import Choice
from wizard.terminal.keyboard import Keyboard
from wizard.terminal.text import cells, wrapped

WHY, BACK, DETAILS, ESCAPE = "?", "<", "d", "escape"
"""Typed in place of an answer: the explanation, the previous question, the details, and Esc."""

CONFIRM_KEYS = {True: "Y/n", False: "y/N"}
SELECT_KEYS = "arrows or letters, Enter"
TICK_KEYS = "Space ticks, Enter continues, letters filter"

YES_OR_NO = {"y": True, "yes": True, "n": False, "no": False}


@dataclass(frozen=True, kw_only=True, eq=False)
class Prompt:
    """One prompt of a question; it may be shown several times."""

    text: str
    explanation: str = ""
    """The text for `?`; empty: it has no effect."""
    back: bool = False
    """Whether `<` has an effect."""
    no_way_back: str = ""
    """The message for `<` where it has no effect."""
    details: Callable[[], None] | None = None
    """Shows more, for `d`."""
    escape: str | None = None
    """The answer that Esc stands for, where it does not go back; None: it ends the run."""
    escape_text: str = ""
    """The same text as it is shown."""


Check = Callable[[Collection[str]], str | None]
"""Why these values cannot be the answer; None where they can."""

Ask = Callable[[], Any]
"""Shows a prompt and returns its answer. Called again, it still has the pointer, the ticks and the text."""


class HelpOrBack(Exception):
    """`?`, `<`, `d` or Esc instead of an answer."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Prompts(Protocol):
    """Each kind of prompt. The answer raises HelpOrBack for `?`, `<`, `d` and Esc, KeyboardInterrupt for Ctrl-C."""

    def text(self, prompt: Prompt, *, default: str) -> Ask: ...
    def secret(self, prompt: Prompt) -> Ask: ...
    def confirm(self, prompt: Prompt, *, default: bool) -> Ask:
        """A line, which is empty for the default."""

    def select(self, prompt: Prompt, choices: Sequence[Choice], *, default: str | None) -> Ask: ...
    def checkbox(self, prompt: Prompt, choices: Sequence[Choice], *, checked: Collection[str], check: Check) -> Ask: ...
    def page(self, content: Callable[[], str]) -> None:
        """Show a long text until the person returns; `content` is called for each width."""


def refusal(choice: Choice) -> str:
    """Why a disabled choice is not the answer."""
    return f"{choice.title} cannot be chosen: {choice.disabled}"


def word_fault(typed: str, choices: Sequence[Choice]) -> str:
    """Why a word is not the answer, with those that are."""
    offered = ", ".join(f"{choice.words[0]}: {choice.title}" for choice in choices if choice.words)
    return f'"{typed.strip()}" is not a choice. Type {offered}'


def instruction(prompt: Prompt, keys: str, room: int, *, escape: bool = False) -> str:
    """The keys that have an effect, in parentheses: as much as fits in `room` columns, at least `keys`, which answer.

    `escape`: with that of Esc.
    """
    keys_of = (
        ("d details", prompt.details),
        ("? why", prompt.explanation),
        ("< or Esc back" if escape else "< back", prompt.back),
        ("Esc cancels", escape and not prompt.back),
    )
    others = [text for text, is_shown in keys_of if is_shown]
    short = " ".join(text.split()[0] for text in others)
    texts = ["; ".join(filter(None, (keys, other))) for other in (", ".join(others), short)]
    text = next((text for text in texts if cells(text) + 2 <= room), keys)
    return f"({text})" if text else ""


class PlainPrompts:
    """Numbered choices and one line for each answer; for `TERM=dumb` and for encodings without the signs."""

    def __init__(self, out: TextIO, *, width: int, write: Callable[[str], None], keyboard: Keyboard) -> None:
        self._out, self._width, self._write, self._keyboard = out, width, write, keyboard

    def text(self, prompt: Prompt, *, default: str) -> Ask:
        """A line; an empty one is the default."""
        return lambda: self._line(prompt, "", default)

    def secret(self, prompt: Prompt) -> Ask:
        """A line that is not shown while it is typed."""
        return lambda: self._line(prompt, "", is_secret=True)

    def confirm(self, prompt: Prompt, *, default: bool) -> Ask:
        return lambda: self._line(prompt, "y/n", "y" if default else "n")

    def select(self, prompt: Prompt, choices: Sequence[Choice], *, default: str | None) -> Ask:
        """The value of one choice, by its number, its value, or one of its words."""
        preset = [] if default is None else [default]
        ask = self._list(prompt, "number", choices, preset, lambda values: None if len(values) == 1 else "choose one")
        return lambda: ask()[0]

    def checkbox(self, prompt: Prompt, choices: Sequence[Choice], *, checked: Collection[str], check: Check) -> Ask:
        """The values of several choices, by their numbers."""
        return self._list(prompt, "numbers, with commas; 0: none", choices, checked, check, mark=" [chosen]")

    def page(self, content: Callable[[], str]) -> None:
        self._out.write(content())

    def _list(
        self,
        prompt: Prompt,
        keys: str,
        choices: Sequence[Choice],
        preset: Collection[str],
        check: Check,
        mark: str = "",
    ) -> Ask:
        names = {name.lower(): choice for choice in choices for name in (choice.value, *choice.words)}
        names |= {str(number): choice for number, choice in enumerate(choices, 1)}
        chosen = [str(n) for n, choice in enumerate(choices, 1) if choice.value in preset and not choice.disabled]

        def ask() -> list[str]:
            for number, choice in enumerate(choices, 1):
                note = f" - {choice.note}" if choice.note else ""
                state = f" ({choice.disabled})" if choice.disabled else mark if choice.value in preset else ""
                self._write(f"  {number}. {choice.title}{note}{state}")
            while True:
                typed = self._line(prompt, keys, ",".join(chosen))
                parts = [part.strip().lower() for part in typed.split(",") if part.strip() not in ("", "0")]
                entries = [names[part] for part in parts if part in names and not names[part].disabled]
                values = list(dict.fromkeys(choice.value for choice in entries))
                if len(entries) == len(parts):
                    fault = check(values)
                elif any(choice.words for choice in choices):
                    fault = word_fault(typed, choices)
                else:
                    fault = f"type a number from 1 to {len(choices)} of a choice that is not disabled"
                if not fault:
                    return values
                self._write(f"! {fault}")

        return ask

    def _line(self, prompt: Prompt, keys: str, default: str = "", *, is_secret: bool = False) -> str:
        preset = f"[{default}] " if default else ""
        hint = instruction(prompt, keys, self._width - cells(f"{prompt.text}  {preset}") - 1)
        typed = self._read(" ".join(filter(None, (prompt.text, hint, preset.rstrip()))), is_secret=is_secret)
        if typed in (WHY, BACK) or (typed == DETAILS and prompt.details):
            if not (typed == DETAILS or (prompt.explanation if typed == WHY else prompt.back)):
                self._out.write("\a")
            raise HelpOrBack(typed)
        return typed if is_secret else typed.strip() or default

    def _read(self, text: str, *, is_secret: bool) -> str:
        with self._keyboard.line(echo=not is_secret):
            encoding = self._out.encoding or "utf-8"
            encodable = text.encode(encoding, "replace").decode(encoding)
            self._out.write("\n  ".join(wrapped(encodable, self._width)) + (": " if is_secret else " "))
            self._out.flush()
            line = sys.stdin.readline()
        if is_secret and self._keyboard.is_terminal:
            # Nothing has shown the Enter either.
            self._out.write("\n")
        if not line:
            raise KeyboardInterrupt
        return line.rstrip("\n")
