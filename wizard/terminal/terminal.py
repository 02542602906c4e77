"""The terminal: messages and questions for a person.

Writes to one stream, and reads standard input and the variables that `text.capabilities_of` reads.
"""

import io
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TextIO

from wizard.core.models.inputs import Back, Choice, InputType, Mark, Question
from wizard.core.next_command import Run
from wizard.terminal.keyboard import Keyboard
from wizard.terminal.prompts import (
    DETAILS,
    ESCAPE,
    WHY,
    HelpOrBack,
    PlainPrompts,
    PromptRequest,
    Prompts,
    PromptState,
    refusal,
)
from wizard.terminal.screen import Screen
from wizard.terminal.status_line import Clock, Timer, every

_ANOTHER = "\0another"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Prompt:
    """One prompt; it may be shown several times."""

    request: PromptRequest
    explanation: str
    no_way_back: str
    """The message for `<` where it has no effect."""
    details: Callable[[], None] | None = None
    escape: Any = None
    """The answer that Esc stands for, where it does not go back; None: it ends the run."""
    escape_text: str = ""
    """The same text as it is shown."""


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
        prompt = self._prompt(
            question.prompt,
            question.explanation or question.why,
            back=question.back,
            no_way_back="this is the first question",
        )
        titles = {choice.value: choice.title for choice in question.choices}
        is_confirmation = question.kind is InputType.CONFIRM
        text = "No" if is_confirmation else self._clean(titles.get(question.escape or "", ""))
        prompt = replace(
            prompt,
            request=replace(prompt.request, has_details=question.details is not None),
            details=question.details,
            escape=False if is_confirmation else question.escape,
            escape_text=text,
        )
        if is_confirmation:
            return self._repeat(prompts, prompt, partial(prompts.confirm, default=question.default != "no"))
        return question.parse(self._ask_by_kind(prompts, question, prompt))

    def confirm(
        self, prompt: str, *, default: bool = True, why: str = "", explanation: str = "", back: bool = False
    ) -> bool:
        """Ask for yes or no. `?` and `<` work as in `ask`; Esc is No where it does not go back."""
        prompts = self._begin_question(why)
        entry = self._prompt(prompt, explanation or why, back=back, no_way_back="there is no previous question here")
        entry = replace(entry, escape=False, escape_text="No")
        return bool(self._repeat(prompts, entry, partial(prompts.confirm, default=default)))

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
        from wizard.terminal.menus import DrawnPrompts

        return DrawnPrompts(
            self._out, width=width, on_answer=self._show_answer, write=self.line, keyboard=self.keyboard
        )

    def _prompt(
        self,
        text: str,
        explanation: str,
        *,
        back: bool,
        no_way_back: str = "",
    ) -> _Prompt:
        request = PromptRequest(
            text=self._clean(text),
            has_explanation=bool(explanation),
            back=back,
        )
        return _Prompt(request=request, explanation=explanation, no_way_back=no_way_back)

    def _repeat(self, prompts: Prompts, prompt: _Prompt, ask: Callable[[PromptRequest], Any]) -> Any:
        state = PromptState()
        while True:
            try:
                return ask(replace(prompt.request, state=state))
            except HelpOrBack as request:
                state = request.state
                if request.key == WHY:
                    self._explain(prompt.explanation)
                elif request.key == DETAILS and prompt.details is not None:
                    prompts.page(partial(self._text_of, prompt.details))
                elif prompt.request.back:
                    raise Back from None
                elif request.key == ESCAPE:
                    self._show_answer(prompt.request.text, prompt.escape_text)
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
            question = [("? ", "cyan"), (prompt, "bold")]
            indent = "  "
            self._wrapped([*question, (" ", ""), (self._clean(answer), "cyan")] if answer else question, "", indent)

    def _ask_by_kind(self, prompts: Prompts, question: Question, prompt: _Prompt) -> Any:
        choices = [
            Choice(
                value=choice.value,
                title=self._clean(choice.title),
                checked=choice.checked,
                note=self._clean(choice.note),
                disabled=self._clean(choice.disabled) if choice.disabled else None,
                words=choice.words,
            )
            for choice in question.choices
        ]
        default = question.default if isinstance(question.default, str) else None
        if question.kind is InputType.SECRET:
            while fault := question.check(typed := self._repeat(prompts, prompt, prompts.secret)):
                self.line(fault, mark=Mark.WARN)
            return typed
        if question.kind is InputType.TEXT or all(choice.disabled for choice in choices):
            preset = default or ", ".join(question.default or ())
            return self._ask_text(prompts, prompt, preset, question.check)
        if question.kind is InputType.CHECKBOX:
            return self._ask_several(prompts, question, prompt, choices)
        return self._ask_one(prompts, question, prompt, choices, default)

    def _ask_text(self, prompts: Prompts, prompt: _Prompt, default: str, check: Callable[[str], str | None]) -> str:
        # On a line of its own: the one line that a prompt has for it would cut a long message.
        while fault := check(typed := self._repeat(prompts, prompt, partial(prompts.text, default=default))):
            self.line(fault, mark=Mark.WARN)
            default = typed if prompts.edits_default else default
        return str(typed)

    def _second_prompt(self, prompt: _Prompt, text: str) -> _Prompt:
        # Of the same question: `<` returns to its first prompt.
        return self._prompt(text, prompt.explanation, back=True)

    def _ask_one(
        self, prompts: Prompts, question: Question, prompt: _Prompt, choices: list[Choice], default: str | None
    ) -> str:
        if question.free_text:
            choices.append(Choice(value=_ANOTHER, title=f"Another (type its {question.typed_as})"))
        default = default or next((choice.value for choice in choices if choice.checked), None)
        while True:
            value: str = self._repeat(prompts, prompt, partial(prompts.select, choices=choices, default=default))
            if value != _ANOTHER:
                return value
            try:
                second = self._second_prompt(prompt, f"Which {question.typed_as}?")
                return self._ask_text(prompts, second, "", question.check)
            except Back:
                default = _ANOTHER

    def _ask_several(
        self, prompts: Prompts, question: Question, prompt: _Prompt, choices: list[Choice]
    ) -> tuple[str, ...]:
        if question.free_text:
            choices.append(Choice(value=_ANOTHER, title=f"Another (type its {question.typed_as})"))
        preset = (question.default,) if isinstance(question.default, str) else question.default or ()
        checked = {choice.value for choice in choices if choice.checked} | set(preset)
        disabled = {choice.value: choice for choice in choices if choice.disabled}

        def check(values: Collection[str]) -> str | None:
            if refused := next((disabled[value] for value in values if value in disabled), None):
                return refusal(refused)
            return None if values or question.optional else "Choose at least one: Space ticks it."

        while True:
            values = self._repeat(
                prompts, prompt, partial(prompts.checkbox, choices=choices, checked=checked, check=check)
            )
            checked = set(values)
            if _ANOTHER in values:
                try:
                    typed = self._ask_text(prompts, self._second_prompt(prompt, question.another), "", question.check)
                except Back:
                    continue
                values = [*(value for value in values if value != _ANOTHER), typed]
            return tuple(values)
