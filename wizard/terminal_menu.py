"""One menu: choices with a pointer, with ticks or without, narrowed by typing.

Touches the terminal only through the application that it makes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import (
    ConditionalContainer,
    Dimension,
    FormattedTextControl,
    HSplit,
    Layout,
    Window,
)
from prompt_toolkit.styles import Style

from wizard.input import Choice
from wizard.terminal_prompts import Kept
from wizard.terminal_text import shortened

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
        kept: Kept,
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

    def kept(self) -> Kept:
        """What stands in it, to be put back."""
        return Kept(
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
