"""Questions asked with questionary: a list with a pointer or ticks, a line of text, a secret, yes or no.

Touches the terminal only through questionary's applications.
"""

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, TextIO

import questionary
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Always, Condition
from prompt_toolkit.key_binding import KeyBindings, KeyBindingsBase, KeyPressEvent, merge_key_bindings
from prompt_toolkit.layout import Dimension, Window
from prompt_toolkit.output import create_output
from prompt_toolkit.renderer import Renderer
from questionary.prompts.common import InquirerControl

from wizard.core.models.inputs import Choice
from wizard.terminal import prompts
from wizard.terminal.text import cells, divided, shortened

STYLE = questionary.Style.from_dict(
    {
        "qmark": "ansicyan",
        "question": "bold",
        "answer": "noinherit ansicyan",
        "pointer": "bold",
        "highlighted": "bold",
        "selected": "noreverse",
        "disabled": "italic",
        "search_success": "noinherit",
        "search_none": "noinherit ansired",
        "validation-toolbar": "noinherit ansiyellow",
    }
)
"""Colours by the names of the ANSI palette, which each person chooses."""

_ROWS = 10
"""The most rows of a list: what led to the question has to stay on a screen of 24 lines."""
_HIDDEN = "********"


class _Message:
    """A question with the keys that have an effect now; questionary formats it whenever it draws."""

    def __init__(self, text: str, hint: str, has_effect: Callable[[], bool]) -> None:
        self._text, self._hint, self._has_effect = text, hint, has_effect

    def __format__(self, spec: str) -> str:
        return " ".join(filter(None, (self._text, self._hint if self._has_effect() else "")))


class QuestionaryPrompts:
    """Prompts of questionary. An answered one is replaced by a line with the question and its answer."""

    edits_default = True

    def __init__(self, out: TextIO, *, width: int, on_answer: Callable[[str, str], None]) -> None:
        """`on_answer` takes the question and the answer, which is empty after Ctrl-C."""
        self._width = width
        self._on_answer = on_answer
        self._options: dict[str, Any] = {"style": STYLE}
        if out is not sys.stdout and out.isatty():
            self._options["output"] = create_output(stdout=out)

    def text(self, request: prompts.PromptRequest, *, default: str) -> str:
        """A line; the default is in it and can be edited."""
        typed = self._line(questionary.text, request, default)
        self._on_answer(request.text, typed)
        return typed

    def secret(self, request: prompts.PromptRequest) -> str:
        """A line that is masked while it is typed."""
        typed = self._line(questionary.password, request, "")
        self._on_answer(request.text, _HIDDEN if typed else "")
        return typed

    def select(
        self, request: prompts.PromptRequest, choices: Sequence[Choice], *, default: str | None, search: bool
    ) -> str:
        text, hint = self._words(request, prompts.SEARCH_KEYS if search else prompts.SELECT_KEYS)
        pointed = request.state.pointed or (default if default in prompts.selectable(choices, search=search) else None)
        question = questionary.select(
            text,
            choices=[self._choice(choice, search=search) for choice in choices],
            default=pointed,
            instruction=hint,
            use_search_filter=search,
            use_jk_keys=False,
            **self._options,
        )
        # questionary marks the default as selected, wherever the pointer is.
        _control(question)[0].selected_options.clear()
        value = str(self._run_list(question, request))
        self._on_answer(request.text, _titles(choices)[value])
        return value

    def checkbox(
        self,
        request: prompts.PromptRequest,
        choices: Sequence[Choice],
        *,
        checked: Collection[str],
        check: prompts.CheckTicks,
    ) -> list[str]:
        search = len(choices) > prompts.LONG_LIST
        text, hint = self._words(request, prompts.TICK_SEARCH_KEYS if search else prompts.TICK_KEYS)
        ticked = checked if request.state.ticked is None else request.state.ticked
        offered = prompts.selectable(choices, search=search)
        question = questionary.checkbox(
            text,
            choices=[
                self._choice(choice, search=search, checked=choice.value in ticked and choice.value in offered)
                for choice in choices
            ],
            initial_choice=request.state.pointed,
            validate=self._validation(check),
            instruction=hint,
            use_search_filter=search,
            use_jk_keys=False,
            **self._options,
        )
        values = [str(value) for value in self._run_list(question, request)]
        titles = _titles(choices)
        self._on_answer(request.text, ", ".join(titles[value] for value in values) or "none")
        return values

    def confirm(self, request: prompts.PromptRequest, *, default: bool) -> bool:
        """Yes or no, after Enter: a stray key confirms nothing."""
        answer = default if request.state.yes is None else request.state.yes
        text, hint = self._words(request, prompts.CONFIRM_KEYS[answer])
        question = questionary.confirm(text, default=answer, instruction=f"{hint} ", auto_enter=False, **self._options)
        typed: dict[str, bool] = {}
        own, bindings = _bindings(question), KeyBindings()
        for key in "yYnN":
            # The letter is remembered here because questionary keeps it to itself.
            original = own.get_bindings_for_keys((key,))[-1]

            @bindings.add(key)
            def _(event: KeyPressEvent, original: Any = original, yes: bool = key in "yY") -> None:
                typed["yes"] = yes
                original.call(event)

        confirmed = bool(
            self._run(question, request, lambda: prompts.PromptState(yes=typed.get("yes", answer)), bindings=bindings)
        )
        self._on_answer(request.text, "Yes" if confirmed else "No")
        return confirmed

    def _line(self, ask: Callable[..., questionary.Question], request: prompts.PromptRequest, default: str) -> str:
        text, hint = self._words(request, prompts.NO_KEYS, default)
        buffer: Buffer | None = None

        def is_unchanged() -> bool:
            # An answer may contain these signs: only before the first change they are commands.
            return buffer is None or bool(buffer.text == default)

        question = ask(_Message(text, hint, is_unchanged), default=default, **self._options)
        buffer = question.application.current_buffer
        return str(self._run(question, request, prompts.PromptState, is_unchanged=is_unchanged))

    def _choice(self, choice: Choice, *, search: bool, checked: bool = False) -> questionary.Choice:
        # In a filtered list a disabled choice can be pointed at: it may be the only match. The caller refuses it.
        disabled = bool(choice.disabled) and not search
        note = choice.disabled or choice.note
        title = f"{choice.title} ({note})" if note else choice.title
        return questionary.Choice(
            title=shortened(title, self._width - len(" » ● "), end="…"),
            value=choice.value,
            checked=checked,
            disabled=disabled,  # type: ignore[arg-type]  # questionary takes True where the title holds the reason
        )

    def _validation(self, check: prompts.CheckTicks) -> Callable[[list[str]], bool | str]:
        def validate(values: list[str]) -> bool | str:
            fault = check(values)
            return shortened(f"! {fault}", self._width - 1, end="…") if fault else True

        return validate

    def _words(self, request: prompts.PromptRequest, keys: Sequence[str], default: str = "") -> tuple[str, str]:
        """The question, broken between words, and the keys that answer it, after its last line."""
        lines = ["".join(text for text, _ in line) for line in divided([(f"? {request.text}", "")], self._width - 2)]
        indent = 2 if len(lines) > 1 else 0
        hint = prompts.instruction(request, keys, self._width - indent - cells(lines[-1]) - cells(f"  {default}") - 1)
        return "\n  ".join(lines).removeprefix("? "), hint

    def _run_list(self, question: questionary.Question, request: prompts.PromptRequest) -> Any:
        control, window = _control(question)
        window.height = Dimension(max=_ROWS)
        for part in question.application.layout.find_all_windows():
            # Otherwise the filter and a refusal are at the bottom of the terminal, far below the list.
            part.dont_extend_height = Always()
        control.search_filter = request.state.filter
        values = [choice.value for choice in control.filtered_choices]
        if request.state.pointed in values:
            control.pointed_at = values.index(request.state.pointed)

        def state() -> prompts.PromptState:
            return prompts.PromptState(
                pointed=control.get_pointed_at().value,
                ticked=tuple(control.selected_options),
                filter=control.search_filter,
            )

        def has_no_match() -> bool:
            return bool(control.search_filter and control.filtered_choices and not control.found_in_search)

        bindings = KeyBindings()
        bindings.add("<sigint>", eager=True)(lambda event: event.app.exit(exception=KeyboardInterrupt))
        bindings.add("c-d", eager=True)(lambda event: event.app.exit(exception=EOFError))
        for key in ("enter", "space"):
            # Without a match questionary shows every choice, and the key would take the first.
            bindings.add(key, eager=True, filter=Condition(has_no_match))(lambda event: event.app.output.bell())
        return self._run(question, request, state, bindings=bindings)

    def _run(
        self,
        question: questionary.Question,
        request: prompts.PromptRequest,
        state: Callable[[], prompts.PromptState],
        *,
        bindings: KeyBindings | None = None,
        is_unchanged: Callable[[], bool] = lambda: True,
    ) -> Any:
        """The answer. The prompt is erased, so that the next line takes its place. Raises HelpOrBack."""
        bindings = bindings or KeyBindings()
        bindings.add("c-z", eager=True)(lambda event: event.app.suspend_to_background())
        keys = [(prompts.WHY, request.has_explanation), (prompts.BACK, request.back)]
        for key, has_effect in [*keys, (prompts.DETAILS, True)] if request.has_details else keys:

            @bindings.add(key, eager=True, filter=Condition(is_unchanged))
            def _(event: KeyPressEvent, key: str = key, has_effect: bool = has_effect) -> None:
                if not has_effect:
                    event.app.output.bell()
                event.app.exit(exception=prompts.HelpOrBack(key, state()))

        application = question.application
        # Of the eager bindings the last one wins: these come before the letters of a filter.
        application.key_bindings = merge_key_bindings([_bindings(question), bindings])
        application.erase_when_done = True
        # A terminal that does not say where its cursor is, or says it late, is no reason for a warning in the question.
        application.renderer.cpr_not_supported_callback = None
        application.after_render += lambda _: request.on_render()
        # The terminal has folded the lines that are too long for its new width: they are all erased.
        application.renderer.erase = partial(  # type: ignore[method-assign]
            _erase, application.renderer, application.renderer.erase
        )
        try:
            return question.unsafe_ask()
        except (KeyboardInterrupt, EOFError) as error:
            self._on_answer(request.text, "")
            raise KeyboardInterrupt from error


def _erase(renderer: Renderer, erase: Callable[..., None], leave_alternate_screen: bool = True) -> None:
    """Erase what is drawn, also where the terminal is narrower than when it was drawn."""
    screen, columns = renderer.last_rendered_screen, renderer.output.get_size().columns
    if screen is not None:
        above = (
            max((x for x, cell in screen.data_buffer[row].items() if cell.char.strip()), default=0)
            for row in range(renderer._cursor_pos.y)
        )
        folded = sum(last // columns for last in above) + renderer._cursor_pos.x // columns
        renderer.output.cursor_up(folded)
    erase(leave_alternate_screen=leave_alternate_screen)


def _control(question: questionary.Question) -> tuple[InquirerControl, Window]:
    return next(
        (window.content, window)
        for window in question.application.layout.find_all_windows()
        if isinstance(window.content, InquirerControl)
    )


def _bindings(question: questionary.Question) -> KeyBindingsBase:
    return question.application.key_bindings or KeyBindings()


def _titles(choices: Sequence[Choice]) -> Mapping[str, str]:
    return {choice.value: choice.title for choice in choices}
