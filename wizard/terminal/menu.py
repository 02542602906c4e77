"""One menu: choices with a pointer, with ticks or without, narrowed by typing.

Touches the terminal only through the application that it makes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TextIO

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.layout import (
    ConditionalContainer,
    Dimension,
    FormattedTextControl,
    HSplit,
    Layout,
    Window,
)
from prompt_toolkit.output import create_output
from prompt_toolkit.styles import Style

from wizard.core.models.inputs import Choice
from wizard.terminal.prompt_types import (
    BACK,
    CONFIRM_KEYS,
    LONG_LIST,
    NO_KEYS,
    SEARCH_KEYS,
    SELECT_KEYS,
    TICK_KEYS,
    TICK_SEARCH_KEYS,
    WHY,
    HelpOrBack,
    PromptRequest,
    PromptState,
    instruction,
    selectable,
)
from wizard.terminal.text import cells, divided, shortened

STYLE = Style.from_dict(
    {
        "qmark": "ansicyan",
        "question": "bold",
        "answer": "ansicyan",
        "pointed": "bold",
        "shut": "italic",
        "none": "ansired",
        "fault": "ansiyellow",
    }
)
"""Colours by the names that a person's own palette has."""

_ROWS = 10
"""The most a menu shows at once: what led to the question has to stay on a screen of 24 lines."""


class Menu:
    """What a menu shows, and what its keys do. What is shut is stepped over, but shown."""

    def __init__(
        self,
        choices: Sequence[Choice],
        *,
        width: int,
        search: bool,
        pointed: str | None = None,
        ticked: Collection[str] | None = None,
        least: int = 0,
        kept: PromptState,
    ) -> None:
        """`ticked` None: one choice is taken by Enter. `search`: typing narrows it. `kept`: goes before the others."""
        self._choices = choices
        self._width = width
        self._search = search
        self._least = least
        self._filter = kept.filter or ""
        chosen = ticked if kept.ticked is None else kept.ticked
        self._ticked = None if chosen is None else [each.value for each in choices if each.value in chosen]
        self._fault = ""
        self._at = 0
        self._point_at(kept.pointed or pointed)

    def kept(self) -> PromptState:
        """What stands in it, to be put back."""
        return PromptState(
            pointed=self._pointed.value,
            ticked=None if self._ticked is None else tuple(self._ticked),
            filter=self._filter,
        )

    def application(self, question: StyleAndTextTuples, session: dict[str, Any]) -> Application[Any]:
        """The menu under its question; its result is the value, or the list of those ticked."""

        def shown(text: Callable[[], StyleAndTextTuples], height: int) -> ConditionalContainer:
            return ConditionalContainer(
                Window(FormattedTextControl(text), height=height), filter=Condition(lambda: bool(text()))
            )

        asked = Window(FormattedTextControl(question, show_cursor=False), dont_extend_height=True, wrap_lines=True)
        listed = Window(FormattedTextControl(self._lines, show_cursor=False), height=Dimension(max=_ROWS))
        return Application(
            layout=Layout(HSplit([asked, listed, shown(self._narrowed, 2), shown(self._faulty, 1)])),
            key_bindings=self._bindings(),
            style=STYLE,
            **session,
        )

    @property
    def _found(self) -> Sequence[Choice]:
        wanted = self._filter.lower()
        return [choice for choice in self._choices if wanted in _words(choice).lower()]

    @property
    def _offered(self) -> Sequence[Choice]:
        return self._found or self._choices

    @property
    def _pointed(self) -> Choice:
        return self._offered[self._at]

    def _point_at(self, value: str | None) -> None:
        offered = self._offered
        self._at = next((number for number, each in enumerate(offered) if each.value == value), 0)
        if not self._open(offered[self._at]):
            self._move(1)

    def _open(self, choice: Choice) -> bool:
        # In a list that is searched what is shut can be pointed at: it may be all that was found.
        return self._search or not choice.disabled

    def _move(self, step: int) -> None:
        offered = self._offered
        for _ in offered:
            self._at = (self._at + step) % len(offered)
            if self._open(offered[self._at]):
                return

    def _narrow(self, text: str) -> None:
        self._filter = text
        self._at = 0

    def _tick(self) -> None:
        assert self._ticked is not None
        value = self._pointed.value
        if value in self._ticked:
            self._ticked.remove(value)
        else:
            self._ticked.append(value)
        self._fault = ""

    def _enter(self, event: KeyPressEvent) -> None:
        if self._ticked is not None and len(self._ticked) < self._least:
            self._fault = "Tick at least one with the space bar."
        elif self._ticked is not None:
            order = [choice.value for choice in self._choices]
            event.app.exit(result=sorted(self._ticked, key=order.index))
        elif self._found:
            event.app.exit(result=self._pointed.value)
        else:
            # With nothing found everything shows again, and Enter would take the first, which nobody chose.
            event.app.output.bell()

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()

        def on(*keys: str) -> Callable[[Callable[[KeyPressEvent], None]], None]:
            def bind(act: Callable[[KeyPressEvent], None]) -> None:
                for key in keys:
                    bindings.add(key, eager=key != "<any>")(act)

            return bind

        on("down", "c-n")(lambda _: self._move(1))
        on("up", "c-p")(lambda _: self._move(-1))
        on("enter")(self._enter)
        on("c-c", "c-q", "<sigint>")(lambda event: event.app.exit(exception=KeyboardInterrupt))
        on("c-d")(lambda event: event.app.exit(exception=EOFError))
        if self._search:
            on("backspace")(lambda _: self._narrow(self._filter[:-1]))
        if self._ticked is not None:
            on(" ")(lambda _: self._tick())

        @on("<any>")
        def _(event: KeyPressEvent) -> None:
            if self._search and event.data.isprintable():
                self._narrow(self._filter + event.data)

        return bindings

    def _lines(self) -> StyleAndTextTuples:
        fragments: StyleAndTextTuples = []
        for number, choice in enumerate(self._offered):
            pointed = number == self._at
            style = "class:pointed" if pointed else ""
            if pointed:
                fragments.append(("[SetCursorPosition]", ""))
            fragments.append((style, " » " if pointed else "   "))
            sign = ""
            if not self._open(choice):
                style, sign = "class:shut", "- "
            elif self._ticked is not None:
                sign = "● " if choice.value in self._ticked else "○ "
            fragments.append((style, sign + shortened(_words(choice), self._width - 3 - len(sign), end="…")))
            fragments.append(("", "\n"))
        return fragments[:-1]

    def _narrowed(self) -> StyleAndTextTuples:
        style = "" if self._found else "class:none"
        return [("", "\n/ "), (style, self._filter), ("", "...")] if self._filter else []

    def _faulty(self) -> StyleAndTextTuples:
        return [("class:fault", f"! {self._fault}")] if self._fault else []


def _words(choice: Choice) -> str:
    beside = choice.disabled or choice.note
    return f"{choice.title} ({beside})" if beside else choice.title


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

    def text(self, put: PromptRequest, *, default: str) -> str:
        """A line, prefilled with the default."""
        return self._line(put, default, masked=False)

    def secret(self, put: PromptRequest) -> str:
        """A line that is masked as it is typed."""
        return self._line(put, "", masked=True)

    def select(self, put: PromptRequest, choices: Sequence[Choice], *, default: str | None, search: bool) -> str:
        """The value of one choice."""
        pointed = default if default in selectable(choices, search=search) else None
        menu = Menu(choices, width=self._width, search=search, pointed=pointed, kept=put.kept)
        hint = self._instruction(put, SEARCH_KEYS if search else SELECT_KEYS)
        value = str(self._ask(menu.application(self._question(put.text, hint), self._session), put, menu.kept))
        self._answered(put.text, _titles(choices)[value])
        return value

    def checkbox(
        self, put: PromptRequest, choices: Sequence[Choice], *, checked: Collection[str], least: int
    ) -> list[str]:
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

    def confirm(self, put: PromptRequest, *, default: bool) -> bool:
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
        confirmed = bool(self._ask(session.app, put, lambda: PromptState(yes=answer)))
        self._answered(put.text, "Yes" if confirmed else "No")
        return confirmed

    def _line(self, put: PromptRequest, default: str, *, masked: bool) -> str:
        # Loaded here: the first question is a menu, and nobody waits for what is not shown yet.
        import questionary

        line = questionary.password if masked else questionary.text
        hint = self._instruction(put, NO_KEYS, beside=default)
        words = f"{put.text} {hint}".rstrip()
        question = line(words, default=default, style=STYLE, **self._session)
        buffer = question.application.current_buffer
        # What is typed may hold these signs: only at the beginning are they no text.
        typed = str(self._ask(question.application, put, PromptState, free=lambda: bool(buffer.text == default)))
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

    def _instruction(self, put: PromptRequest, keys: Sequence[str], *, beside: str = "") -> str:
        # Beside the last line of the question, if it takes several.
        *lines, last = divided([(f"? {put.text}", "")], self._width - 2)
        taken = cells("".join(text for text, _ in last)) + (2 if lines else 0)
        return instruction(put, keys, self._width - taken - cells(f"  {beside}") - 1)

    def _ask(
        self,
        application: Any,
        put: PromptRequest,
        kept: Callable[[], PromptState],
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


def _bind_asides(
    application: Any, put: PromptRequest, kept: Callable[[], PromptState], free: Callable[[], bool]
) -> None:
    bindings = KeyBindings()

    def bind(key: str, *, silent: bool) -> None:
        @bindings.add(key, eager=True, filter=Condition(free))
        def _(event: KeyPressEvent) -> None:
            if not silent:
                event.app.output.bell()
            event.app.exit(exception=HelpOrBack(key, kept()))

    bind(WHY, silent=put.explained)
    bind(BACK, silent=put.back)
    # The last one that is eager wins: these go before the letters of a filter.
    application.key_bindings = merge_key_bindings([application.key_bindings, bindings])


def _titles(choices: Sequence[Choice]) -> Mapping[str, str]:
    return {choice.value: choice.title for choice in choices}
