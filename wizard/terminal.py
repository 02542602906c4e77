"""The terminal: questions put to a person, beside what is told to one.

Touches the stream it is given, standard input, and the variables that `terminal_screen` reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TextIO

from wizard.facts import Mark
from wizard.input import Choice, Kind, Question
from wizard.terminal_lines import Lines
from wizard.terminal_prompts import LONG_LIST, Menus, Prompts
from wizard.terminal_screen import Screen

__all__ = ["Mark", "Terminal"]

_ANOTHER = "\0another"


class Terminal(Screen):
    """Where the wizard speaks and listens. Whatever it is given is text, never markup."""

    def __init__(
        self,
        *,
        interactive: bool,
        out: TextIO,
        width: int | None = None,
        colour: bool | None = None,
        python: str = "python",
    ) -> None:
        super().__init__(out=out, width=width, colour=colour, python=python)
        self.interactive = interactive
        self._prompts: Prompts | None = None

    def ask(self, question: Question) -> Any:
        """The answer's value. Raises KeyboardInterrupt for Ctrl-C, RuntimeError (a bug) with nobody there."""
        prompts = self._asking(question.why)
        if question.kind is Kind.CONFIRM:
            return prompts.confirm(self._clean(question.prompt), default=question.default != "no")
        return question.parse(self._answer(prompts, question))

    def confirm(self, prompt: str, *, default: bool = True, why: str = "") -> bool:
        """Yes or no."""
        return self._asking(why).confirm(self._clean(prompt), default=default)

    def _asking(self, why: str) -> Prompts:
        if not self.interactive:
            raise RuntimeError("a question, and nobody to ask: it should have been found missing before")
        self.settle()
        self.line()
        if why:
            self._paragraph(why, style="dim")
        if self._prompts is None:
            self._prompts = Lines(self._out, self.line) if self._plain else Menus(self._out)
        return self._prompts

    def _answer(self, prompts: Prompts, question: Question) -> Any:
        prompt = self._clean(question.prompt)
        choices = [
            Choice(
                value=each.value,
                title=self._clean(each.title),
                checked=each.checked,
                note=self._clean(each.note),
                disabled=self._clean(each.disabled) if each.disabled else None,
            )
            for each in question.choices
        ]
        default = question.default if isinstance(question.default, str) else None
        if question.kind is Kind.SECRET:
            while fault := question.check(typed := prompts.secret(prompt)):
                self.line(fault, mark=Mark.WARN)
            return typed
        if question.kind is Kind.TEXT or all(choice.disabled for choice in choices):
            preset = default or ", ".join(question.default or ())
            return self._typed(prompts, prompt, preset, question.check)
        if question.kind is Kind.CHECKBOX:
            return self._ticked(prompts, question, prompt, choices)
        return self._selected(prompts, question, prompt, choices, default)

    def _typed(self, prompts: Prompts, prompt: str, default: str, check: Callable[[str], str | None]) -> str:
        # Told on a line of its own: the one line that a prompt has for it would cut a long fault off.
        while fault := check(typed := prompts.text(prompt, default=default)):
            self.line(fault, mark=Mark.WARN)
            default = typed if prompts.edits else default
        return typed

    def _selected(
        self, prompts: Prompts, question: Question, prompt: str, choices: list[Choice], default: str | None
    ) -> str:
        if question.free_text:
            choices.append(Choice(value=_ANOTHER, title="Another (type its ARN)"))
        default = default or next((choice.value for choice in choices if choice.checked), None)
        search = question.kind is Kind.SEARCH or len(choices) > LONG_LIST
        shut = {choice.value: choice for choice in choices if choice.disabled}
        while (value := prompts.select(prompt, choices, default=default, search=search)) in shut:
            self.line(f"{shut[value].title} cannot be chosen: {shut[value].disabled}", mark=Mark.WARN)
        if value == _ANOTHER:
            return self._typed(prompts, "Its ARN?", "", question.check)
        return value

    def _ticked(self, prompts: Prompts, question: Question, prompt: str, choices: list[Choice]) -> tuple[str, ...]:
        preset = (question.default,) if isinstance(question.default, str) else question.default or ()
        checked = {choice.value for choice in choices if choice.checked} | set(preset)
        shut = {choice.value: choice for choice in choices if choice.disabled}
        least = 0 if question.optional or question.free_text else 1
        while True:
            values = prompts.checkbox(prompt, choices, checked=checked, least=least)
            for value in [value for value in values if value in shut]:
                self.line(f"{shut[value].title} cannot be chosen: {shut[value].disabled}", mark=Mark.WARN)
            if any(value in shut for value in values):
                checked = set(values) - set(shut)
                continue
            if question.free_text:
                typed = self._typed(
                    prompts,
                    "Any other? Type its ARN, or press Enter to go on.",
                    "",
                    lambda text: question.check(text) if text.strip() else None,
                )
                values += [typed] if typed.strip() else []
            if values or question.optional:
                return tuple(values)
            self.line("At least one is needed.", mark=Mark.WARN)
