"""The terminal: questions put to a person, beside what is told to one.

Touches the stream it is given, standard input, and the variables that `terminal_manner` reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TextIO, TypeVar

from wizard.core.models.inputs import Back, Choice, InputType, Question
from wizard.core.models.progress import Mark
from wizard.core.next_command import Run
from wizard.terminal.plain_prompts import Lines
from wizard.terminal.prompt_types import LONG_LIST, WHY, HelpOrBack, PromptRequest, Prompts, PromptState
from wizard.terminal.screen import Screen
from wizard.terminal.status_line import Clock, Ticking, every

_ANOTHER = "\0another"

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """One question, through all the times that it is put."""

    put: PromptRequest
    explanation: str
    no_way_back: str
    """What `<` is answered where it leads nowhere."""


class Terminal(Screen):
    """Where the wizard speaks and listens. Whatever it is given is text, never markup."""

    def __init__(
        self,
        *,
        interactive: bool,
        out: TextIO,
        width: int | None = None,
        colour: bool | None = None,
        run: Run | None = None,
        clock: Clock = time.monotonic,
        ticking: Ticking = every,
    ) -> None:
        super().__init__(out=out, width=width, colour=colour, run=run, clock=clock, ticking=ticking)
        self.interactive = interactive
        self._prompts: Prompts | None = None

    def ask(self, question: Question, *, on_first_render: Callable[[], None] | None = None) -> Any:
        """The answer's value. `?` explains the question, and puts it again as it stood.

        `on_first_render` is called once, when the prompt shows for the first time.
        Raises Back for `<` where the question has one before it, KeyboardInterrupt for Ctrl-C, RuntimeError (a bug)
        with nobody there.
        """
        prompts = self._asking(question.why)
        asked = self._asked(
            question.prompt,
            question.explanation or question.why,
            back=question.back,
            no_way_back="this is the first question",
            on_first_render=on_first_render,
        )
        if question.kind is InputType.CONFIRM:
            return self._put(asked, lambda put: prompts.confirm(put, default=question.default != "no"))
        return question.parse(self._answer(prompts, question, asked))

    def confirm(
        self, prompt: str, *, default: bool = True, why: str = "", explanation: str = "", back: bool = False
    ) -> bool:
        """Yes or no. `?` and `<` as in `ask`."""
        prompts = self._asking(why)
        asked = self._asked(prompt, explanation or why, back=back, no_way_back="there is no way back from here")
        return self._put(asked, lambda put: prompts.confirm(put, default=default))

    def _asking(self, why: str) -> Prompts:
        if not self.interactive:
            raise RuntimeError("a question, and nobody to ask: it should have been found missing before")
        with self._speech():
            self._print()
            if why:
                self._paragraph(why, style="dim")
        if self._prompts is None:
            width = self._manner.width
            if self._manner.menus:
                # Loaded for a person only: who asks nothing draws no menu.
                from wizard.terminal.menu import Menus

                self._prompts = Menus(self._out, width=width, answered=self._answered)
            else:
                self._prompts = Lines(self._out, width=width, write=self.line)
        return self._prompts

    def _asked(
        self,
        prompt: str,
        explanation: str,
        *,
        back: bool,
        no_way_back: str = "",
        on_first_render: Callable[[], None] | None = None,
    ) -> _Asked:
        waiting = [on_first_render] if on_first_render else []

        def drawn() -> None:
            if waiting:
                waiting.pop()()

        put = PromptRequest(text=self._clean(prompt), explained=bool(explanation), back=back, drawn=drawn)
        return _Asked(put=put, explanation=explanation, no_way_back=no_way_back)

    def _put(self, asked: _Asked, ask: Callable[[PromptRequest], _T]) -> _T:
        kept = PromptState()
        while True:
            try:
                return ask(replace(asked.put, kept=kept))
            except HelpOrBack as aside:
                kept = aside.kept
                if aside.key == WHY:
                    self._explain(asked.explanation)
                elif asked.put.back:
                    raise Back from None
                else:
                    self.line(asked.no_way_back, mark=Mark.INFO)

    def _explain(self, explanation: str) -> None:
        if not explanation:
            self.line("there is nothing more to tell of it", mark=Mark.INFO)
            return
        with self._speech():
            self._print()
            for paragraph in explanation.split("\n\n"):
                self._paragraph(paragraph, indent="  ")
                self._print()

    def _answered(self, prompt: str, answer: str) -> None:
        with self._speech():
            question = [("? ", "cyan"), (prompt, "bold")]
            indent = "  "
            self._wrapped([*question, (" ", ""), (self._clean(answer), "cyan")] if answer else question, "", indent)

    def _answer(self, prompts: Prompts, question: Question, asked: _Asked) -> Any:
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
        if question.kind is InputType.SECRET:
            while fault := question.check(typed := self._put(asked, prompts.secret)):
                self.line(fault, mark=Mark.WARN)
            return typed
        if question.kind is InputType.TEXT or all(choice.disabled for choice in choices):
            preset = default or ", ".join(question.default or ())
            return self._typed(prompts, asked, preset, question.check)
        if question.kind is InputType.CHECKBOX:
            return self._ticked(prompts, question, asked, choices)
        return self._selected(prompts, question, asked, choices, default)

    def _typed(self, prompts: Prompts, asked: _Asked, default: str, check: Callable[[str], str | None]) -> str:
        # Told on a line of its own: the one line that a prompt has for it would cut a long fault off.
        while fault := check(typed := self._put(asked, partial(prompts.text, default=default))):
            self.line(fault, mark=Mark.WARN)
            default = typed if prompts.edits else default
        return typed

    def _beside(self, asked: _Asked, prompt: str) -> _Asked:
        # The second line of a question: the way back leads to its first.
        return self._asked(prompt, asked.explanation, back=True)

    def _selected(
        self, prompts: Prompts, question: Question, asked: _Asked, choices: list[Choice], default: str | None
    ) -> str:
        if question.free_text:
            choices.append(Choice(value=_ANOTHER, title=f"Another (type its {question.typed_as})"))
        default = default or next((choice.value for choice in choices if choice.checked), None)
        search = question.kind is InputType.SEARCH or len(choices) > LONG_LIST
        shut = {choice.value: choice for choice in choices if choice.disabled}
        while True:
            value = self._put(asked, partial(prompts.select, choices=choices, default=default, search=search))
            if value in shut:
                self.line(f"{shut[value].title} cannot be chosen: {shut[value].disabled}", mark=Mark.WARN)
                continue
            if value != _ANOTHER:
                return value
            try:
                return self._typed(prompts, self._beside(asked, f"Its {question.typed_as}?"), "", question.check)
            except Back:
                default = _ANOTHER

    def _ticked(self, prompts: Prompts, question: Question, asked: _Asked, choices: list[Choice]) -> tuple[str, ...]:
        preset = (question.default,) if isinstance(question.default, str) else question.default or ()
        checked = {choice.value for choice in choices if choice.checked} | set(preset)
        shut = {choice.value: choice for choice in choices if choice.disabled}
        least = 0 if question.optional or question.free_text else 1
        while True:
            values = self._put(asked, partial(prompts.checkbox, choices=choices, checked=checked, least=least))
            for value in [value for value in values if value in shut]:
                self.line(f"{shut[value].title} cannot be chosen: {shut[value].disabled}", mark=Mark.WARN)
            if any(value in shut for value in values):
                checked = set(values) - set(shut)
                continue
            if question.free_text:
                try:
                    typed = self._typed(
                        prompts,
                        self._beside(asked, "Any other? Type its ARN, or press Enter to go on."),
                        "",
                        lambda text: question.check(text) if text.strip() else None,
                    )
                except Back:
                    checked = set(values)
                    continue
                values += [typed] if typed.strip() else []
            if values or question.optional:
                return tuple(values)
            self.line("At least one is needed.", mark=Mark.WARN)
