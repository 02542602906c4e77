"""Prompts drawn by questionary: menus with arrows, ticks and a filter.

Touches the terminal it is given, and standard input. Ctrl-C and the end of input raise KeyboardInterrupt.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from typing import Any, Protocol, TextIO

from wizard.input import Choice

LONG_LIST = 10
"""More choices than this are filtered by typing."""

_ROWS = 10
"""The most a menu shows at once: what led to the question has to stay on a screen of 24 lines."""


class Prompts(Protocol):
    """What a person can be asked."""

    edits: bool
    """Whether a default stands in the line, to be edited."""

    def text(self, prompt: str, *, default: str) -> str: ...
    def secret(self, prompt: str) -> str: ...
    def select(self, prompt: str, choices: Sequence[Choice], *, default: str | None, search: bool) -> str: ...
    def checkbox(
        self, prompt: str, choices: Sequence[Choice], *, checked: Collection[str], least: int
    ) -> list[str]: ...
    def confirm(self, prompt: str, *, default: bool) -> bool: ...


class Menus:
    """Menus by questionary: arrows, space, typing to filter."""

    edits = True

    def __init__(self, out: TextIO) -> None:
        self._session: dict[str, Any] = {}
        if out is not sys.stdout and out.isatty():
            from prompt_toolkit.output import create_output

            self._session["output"] = create_output(stdout=out)

    def text(self, prompt: str, *, default: str) -> str:
        """A line, prefilled with the default."""
        import questionary

        return str(_answer(questionary.text(prompt, default=default, **self._session)))

    def secret(self, prompt: str) -> str:
        """A line that is masked as it is typed."""
        import questionary

        return str(_answer(questionary.password(prompt, **self._session)))

    def select(self, prompt: str, choices: Sequence[Choice], *, default: str | None, search: bool) -> str:
        """The value of one choice."""
        import questionary

        hint = "(type to filter, arrows, Enter)" if search else "(arrows, Enter)"
        question = questionary.select(
            prompt,
            choices=_menu(choices, search=search),
            default=default if default in selectable(choices, search=search) else None,
            use_search_filter=search,
            use_jk_keys=False,
            instruction=hint,
            **self._session,
        )
        if search:
            _hold_enter_without_match(question)
        _hold_height(question)
        return str(_answer(question))

    def checkbox(self, prompt: str, choices: Sequence[Choice], *, checked: Collection[str], least: int) -> list[str]:
        """The values of the choices that were ticked."""
        import questionary

        search = len(choices) > LONG_LIST
        ticked = [value for value in selectable(choices, search=search) if value in checked]
        hint = f"(Space ticks, Enter goes on{', type to filter' if search else ''})"
        question = questionary.checkbox(
            prompt,
            choices=_menu(choices, search=search, checked=ticked),
            validate=lambda values: len(values) >= least or "Tick at least one with the space bar.",
            use_search_filter=search,
            use_jk_keys=False,
            instruction=hint,
            **self._session,
        )
        _hold_height(question)
        return [str(value) for value in _answer(question)]

    def confirm(self, prompt: str, *, default: bool) -> bool:
        """Yes or no, after Enter."""
        import questionary

        # Enter is waited for, so that a stray key confirms nothing.
        return bool(_answer(questionary.confirm(prompt, default=default, auto_enter=False, **self._session)))


def _answer(question: Any) -> Any:
    try:
        return question.unsafe_ask()
    except EOFError as error:
        raise KeyboardInterrupt from error


def selectable(choices: Sequence[Choice], *, search: bool) -> list[str]:
    # The filter of questionary tests the wrong entry for being shut, and can then loop for ever:
    # in a filtered list every entry is open to the menu, and what is shut is refused by the caller.
    return [choice.value for choice in choices if search or not choice.disabled]


def _menu(choices: Sequence[Choice], *, search: bool, checked: Collection[str] = ()) -> list[Any]:
    import questionary

    return [
        questionary.Choice(
            f"{choice.title} ({choice.disabled})" if search and choice.disabled else _noted(choice),
            value=choice.value,
            checked=choice.value in checked,
            disabled=None if search else choice.disabled,
        )
        for choice in choices
    ]


def _noted(choice: Choice) -> str:
    return f"{choice.title} ({choice.note})" if choice.note and not choice.disabled else choice.title


def _hold_height(question: Any) -> None:
    from prompt_toolkit.layout import Dimension
    from questionary.prompts.common import InquirerControl

    for window in question.application.layout.find_all_windows():
        if isinstance(window.content, InquirerControl):
            window.height = Dimension(max=_ROWS)


def _hold_enter_without_match(question: Any) -> None:
    # With nothing found the menu shows everything again, and Enter would take the first, which nobody chose.
    from prompt_toolkit.filters import Condition
    from prompt_toolkit.keys import Keys
    from questionary.prompts.common import InquirerControl

    application = question.application
    menu = next(each for each in application.layout.find_all_controls() if isinstance(each, InquirerControl))

    @Condition
    def nothing_found() -> bool:
        wanted = (menu.search_filter or "").lower()
        return not any(wanted in str(choice.title).lower() for choice in menu.choices)

    @application.key_bindings.add(Keys.ControlM, eager=True, filter=nothing_found)  # type: ignore[untyped-decorator]
    def _(event: Any) -> None:
        event.app.output.bell()
