"""Prompts of a terminal that can draw: menus with arrows, ticks and a filter, typed lines, masked lines.

Touches the terminal it is given, and standard input. Ctrl-C and the end of input raise KeyboardInterrupt.
Lines are questionary's; menus are drawn upon prompt_toolkit, which is beneath it, because questionary's know neither a
way aside nor what is shut in a list that is filtered, and build three applications for each prompt.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TextIO

from prompt_toolkit import PromptSession
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.output import create_output

from wizard.input import Choice
from wizard.terminal_menu import STYLE, Menu
from wizard.terminal_prompts import (
    BACK,
    CONFIRM_KEYS,
    LONG_LIST,
    NO_KEYS,
    SEARCH_KEYS,
    SELECT_KEYS,
    TICK_KEYS,
    TICK_SEARCH_KEYS,
    WHY,
    Aside,
    Kept,
    Put,
    instruction,
    selectable,
)
from wizard.terminal_text import cells, divided

_HIDDEN = "********"


class Menus:
    """Prompts by prompt_toolkit. One that is answered gives way to a line that says so."""

    edits = True

    def __init__(self, out: TextIO, *, width: int, answered: Callable[[str, str], None]) -> None:
        """`answered` is given the words of the question and those of the answer; none where Ctrl-C was one."""
        self._width = width
        self._answered = answered
        self._session: dict[str, Any] = {}
        if out is not sys.stdout and out.isatty():
            self._session["output"] = create_output(stdout=out)

    def text(self, put: Put, *, default: str) -> str:
        """A line, prefilled with the default."""
        return self._line(put, default, masked=False)

    def secret(self, put: Put) -> str:
        """A line that is masked as it is typed."""
        return self._line(put, "", masked=True)

    def select(self, put: Put, choices: Sequence[Choice], *, default: str | None, search: bool) -> str:
        """The value of one choice."""
        pointed = default if default in selectable(choices, search=search) else None
        menu = Menu(choices, width=self._width, search=search, pointed=pointed, kept=put.kept)
        hint = self._instruction(put, SEARCH_KEYS if search else SELECT_KEYS)
        value = str(self._ask(menu.application(self._question(put.text, hint), self._session), put, menu.kept))
        self._answered(put.text, _titles(choices)[value])
        return value

    def checkbox(self, put: Put, choices: Sequence[Choice], *, checked: Collection[str], least: int) -> list[str]:
        """The values of the choices that were ticked."""
        search = len(choices) > LONG_LIST
        ticked = [value for value in selectable(choices, search=search) if value in checked]
        menu = Menu(choices, width=self._width, search=search, ticked=ticked, least=least, kept=put.kept)
        hint = self._instruction(put, TICK_SEARCH_KEYS if search else TICK_KEYS)
        application = menu.application(self._question(put.text, hint), self._session)
        values = [str(value) for value in self._ask(application, put, menu.kept)]
        titles = _titles(choices)
        self._answered(put.text, ", ".join(titles[value] for value in values) or "none")
        return values

    def confirm(self, put: Put, *, default: bool) -> bool:
        """Yes or no, after Enter."""
        # Enter is waited for, so that a stray key confirms nothing.
        answer = put.kept.yes
        bindings = KeyBindings()

        def typed(value: bool | None) -> Callable[[KeyPressEvent], None]:
            def take(event: KeyPressEvent) -> None:
                nonlocal answer
                answer = value

            return take

        for keys, value in (("yY", True), ("nN", False)):
            for key in keys:
                bindings.add(key)(typed(value))
        bindings.add("backspace")(typed(None))
        bindings.add("enter", eager=True)(lambda event: event.app.exit(result=default if answer is None else answer))
        bindings.add("<any>")(lambda event: None)
        hint = self._instruction(put, CONFIRM_KEYS[default])
        session: PromptSession[bool] = PromptSession(
            lambda: [*self._question(put.text, hint), ("class:answer", {True: "Yes", False: "No", None: ""}[answer])],
            style=STYLE,
            key_bindings=bindings,
            **self._session,
        )
        confirmed = bool(self._ask(session.app, put, lambda: Kept(yes=answer)))
        self._answered(put.text, "Yes" if confirmed else "No")
        return confirmed

    def _line(self, put: Put, default: str, *, masked: bool) -> str:
        # Loaded here: the first question is a menu, and nobody waits for what is not shown yet.
        import questionary

        line = questionary.password if masked else questionary.text
        hint = self._instruction(put, NO_KEYS, beside=default)
        words = f"{put.text} {hint}".rstrip()
        question = line(words, default=default, style=STYLE, **self._session)
        buffer = question.application.current_buffer
        # What is typed may hold these signs: only at the beginning are they no text.
        typed = str(self._ask(question.application, put, Kept, free=lambda: bool(buffer.text == default)))
        self._answered(put.text, (_HIDDEN if typed else "") if masked else typed)
        return typed

    def _question(self, text: str, hint: str) -> StyleAndTextTuples:
        # A terminal would break it within a word.
        pieces = [("? ", "class:qmark"), (text, "class:question"), (f" {hint}" if hint else "", "")]
        fragments: StyleAndTextTuples = []
        for line in divided(pieces, self._width - 2):
            fragments += [("", "\n  ")] if fragments else []
            fragments += [(style, piece) for piece, style in line]
        return [*fragments, ("", " ")]

    def _instruction(self, put: Put, keys: Sequence[str], *, beside: str = "") -> str:
        # Beside the last line of the question, if it takes several.
        *lines, last = divided([(f"? {put.text}", "")], self._width - 2)
        taken = cells("".join(text for text, _ in last)) + (2 if lines else 0)
        return instruction(put, keys, self._width - taken - cells(f"  {beside}") - 1)

    def _ask(
        self,
        application: Any,
        put: Put,
        kept: Callable[[], Kept],
        free: Callable[[], bool] = lambda: True,
    ) -> Any:
        """What the prompt was answered. It is wiped: what is said next stands in its place."""
        _bind_asides(application, put, kept, free)
        application.erase_when_done = True
        application.after_render += lambda _: put.drawn()
        try:
            return application.run()
        except (KeyboardInterrupt, EOFError) as error:
            self._answered(put.text, "")
            raise KeyboardInterrupt from error


def _bind_asides(application: Any, put: Put, kept: Callable[[], Kept], free: Callable[[], bool]) -> None:
    bindings = KeyBindings()

    def bind(key: str, *, silent: bool) -> None:
        @bindings.add(key, eager=True, filter=Condition(free))
        def _(event: KeyPressEvent) -> None:
            if not silent:
                event.app.output.bell()
            event.app.exit(exception=Aside(key, kept()))

    bind(WHY, silent=put.explained)
    bind(BACK, silent=put.back)
    # The last one that is eager wins: these go before the letters of a filter.
    application.key_bindings = merge_key_bindings([application.key_bindings, bindings])


def _titles(choices: Sequence[Choice]) -> Mapping[str, str]:
    return {choice.value: choice.title for choice in choices}
