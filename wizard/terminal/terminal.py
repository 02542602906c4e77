"""The terminal: messages and questions for a person.

Writes to one stream, and reads standard input and the variables that `TerminalCapabilities` reads.
"""

import io
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TextIO

from wizard.core.models.inputs import Back, Choice, InputType, Mark, Question
from wizard.core.next_command import Run
from wizard.terminal.keyboard import Keyboard
from wizard.terminal.prompts import (
    DETAILS,
    ESCAPE,
    WHY,
    YES_OR_NO,
    Ask,
    HelpOrBack,
    PlainPrompts,
    Prompt,
    Prompts,
    refusal,
)
from wizard.terminal.screen import Screen
from wizard.terminal.status_line import Clock, Timer, every

_ANOTHER = "\0another"


class Terminal(Screen):
    """Writes messages and asks questions. All input is text, never markup."""

    def __init__(
        self,
        *,
        interactive: bool,
        out: TextIO,
        width: int | None = None,
        colour: bool | None = None,
        run: Run | None = None,
        clock: Clock = time.monotonic,
        timer: Timer = every,
        keyboard: Keyboard | None = None,
    ) -> None:
        """`keyboard`: of the run, which holds it."""
        super().__init__(out=out, width=width, colour=colour, run=run, clock=clock, timer=timer)
        self.interactive = interactive
        self.keyboard = keyboard or Keyboard()

    def ask(self, question: Question) -> Any:
        """The answer's value. `?` explains the question and asks it again, with the text typed so far.

        Raises Back for `<` and Esc where there is a previous question, KeyboardInterrupt for Ctrl-C, RuntimeError (a
        bug) where the run is not interactive.
        """
        prompts = self._begin_question(question.why)
        prompt = Prompt(
            text=self._clean(question.prompt),
            explanation=question.explanation or question.why,
            back=question.back,
            no_way_back="this is the first question",
            details=question.details,
            escape=question.escape,
            escape_text=next(
                (self._clean(each.title) for each in question.choices if each.value == question.escape), ""
            ),
        )
        if question.kind is InputType.CONFIRM:
            return self._ask_yes_or_no(prompts, prompt, default=question.default != "no")
        return question.parse(self._ask_by_kind(prompts, question, prompt))

    def confirm(
        self, prompt: str, *, default: bool = True, why: str = "", explanation: str = "", back: bool = False
    ) -> bool:
        """Ask for yes or no. `?` and `<` work as in `ask`; Esc is No where it does not go back."""
        prompts, way_back = self._begin_question(why), "there is no previous question here"
        shown = Prompt(text=self._clean(prompt), explanation=explanation or why, back=back, no_way_back=way_back)
        return self._ask_yes_or_no(prompts, shown, default=default)

    def _begin_question(self, why: str) -> Prompts:
        if not self.interactive:
            raise RuntimeError("a question in a run that is not interactive: its answer was not reported as missing")
        with self._output():
            self._print()
            if why:
                self._paragraph(why, style="dim")
        width = self._capabilities.width
        if not self._capabilities.menus:
            return PlainPrompts(self._out, width=width, write=self.line, keyboard=self.keyboard)
        # Imported only for a person: its libraries take a tenth of a second.
        from wizard.terminal.questions import DrawnPrompts

        return DrawnPrompts(self._out, width=width, on_answer=self._show_answer, keyboard=self.keyboard)

    def _repeat(self, prompts: Prompts, prompt: Prompt, ask: Ask) -> Any:
        """The answer, after as many explanations and details as are asked for."""
        while True:
            try:
                return ask()
            except HelpOrBack as pressed:
                if pressed.key == WHY:
                    self._explain(prompt.explanation)
                elif pressed.key == DETAILS and prompt.details is not None:
                    prompts.page(partial(self._text_of, prompt.details))
                elif prompt.back:
                    raise Back from None
                elif pressed.key == ESCAPE:
                    self._show_answer(prompt.text, prompt.escape_text)
                    if prompt.escape is None:
                        raise KeyboardInterrupt from None
                    return prompt.escape
                else:
                    self.line(prompt.no_way_back, mark=Mark.INFO)

    def _text_of(self, details: Callable[[], None]) -> str:
        """The output of `details`, for the current width of the terminal."""
        out, self._out = self._out, io.StringIO()
        try:
            details()
            return self._out.getvalue()
        finally:
            self._out = out

    def _explain(self, explanation: str) -> None:
        if not explanation:
            self.line("there is no more information about this question", mark=Mark.INFO)
            return
        with self._output():
            self._print()
            for paragraph in explanation.split("\n\n"):
                self._paragraph(paragraph, indent="  ")
                self._print()

    def _show_answer(self, prompt: str, answer: str) -> None:
        with self._output():
            question = f"{self._painted('?', 'cyan')} {self._painted(prompt, 'bold')}"
            self._wrapped(f"{question} {self._painted(self._clean(answer), 'cyan')}", rest="  ")

    def _ask_yes_or_no(self, prompts: Prompts, prompt: Prompt, *, default: bool) -> bool:
        prompt = replace(prompt, escape="no", escape_text="No")
        ask = prompts.confirm(prompt, default=default)
        while (answer := YES_OR_NO.get(typed := self._repeat(prompts, prompt, ask).strip().lower())) is None and typed:
            self.line(f"! type y or n, not {typed}")
        return default if answer is None else answer

    def _ask_by_kind(self, prompts: Prompts, question: Question, prompt: Prompt) -> Any:
        choices = [
            replace(
                choice,
                title=self._clean(choice.title),
                note=self._clean(choice.note),
                disabled=self._clean(choice.disabled) if choice.disabled else None,
            )
            for choice in question.choices
        ]
        if question.kind is InputType.SECRET:
            return self._ask_text(prompts, prompt, prompts.secret(prompt), question.check)
        preset = (question.default,) if isinstance(question.default, str) else question.default or ()
        if question.kind is InputType.TEXT or all(choice.disabled for choice in choices):
            ask = prompts.text(prompt, default=", ".join(preset))
            return self._ask_text(prompts, prompt, ask, question.check)
        if question.free_text:
            choices.append(Choice(value=_ANOTHER, title=f"Another (type its {question.typed_as})"))
        ask_for = self._ask_several if question.kind is InputType.CHECKBOX else self._ask_one
        return ask_for(prompts, question, prompt, choices, [*preset, *(each.value for each in choices if each.checked)])

    def _ask_text(self, prompts: Prompts, prompt: Prompt, ask: Ask, check: Callable[[str], str | None]) -> str:
        # On a line of its own: the one line that a prompt has for it would cut a long message.
        while fault := check(typed := self._repeat(prompts, prompt, ask)):
            self.line(fault, mark=Mark.WARN)
        return str(typed)

    def _ask_another(self, prompts: Prompts, question: Question, prompt: Prompt, text: str) -> str:
        # Of the same question: `<` returns to its first prompt.
        second = Prompt(text=self._clean(text), explanation=prompt.explanation, back=True)
        return self._ask_text(prompts, second, prompts.text(second, default=""), question.check)

    def _ask_one(
        self, prompts: Prompts, question: Question, prompt: Prompt, choices: Sequence[Choice], preset: Sequence[str]
    ) -> str:
        ask = prompts.select(prompt, choices, default=next(iter(preset), None))
        while (value := self._repeat(prompts, prompt, ask)) == _ANOTHER:
            try:
                return self._ask_another(prompts, question, prompt, f"Which {question.typed_as}?")
            except Back:
                continue
        return str(value)

    def _ask_several(
        self, prompts: Prompts, question: Question, prompt: Prompt, choices: Sequence[Choice], preset: Sequence[str]
    ) -> tuple[str, ...]:
        disabled = {choice.value: choice for choice in choices if choice.disabled}

        def check(values: Collection[str]) -> str | None:
            if refused := next((disabled[value] for value in values if value in disabled), None):
                return refusal(refused)
            return None if values or question.optional else "Choose at least one: Space ticks it."

        ask = prompts.checkbox(prompt, choices, checked=preset, check=check)
        while _ANOTHER in (values := self._repeat(prompts, prompt, ask)):
            try:
                typed = self._ask_another(prompts, question, prompt, question.another)
            except Back:
                continue
            return *(value for value in values if value != _ANOTHER), typed
        return tuple(values)
