"""A page of its own for a long text, with paging: the screen before it comes back afterwards.

Touches nothing: prompt_toolkit draws it on the alternate screen and brings the keys.
"""

from collections.abc import Callable
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.formatted_text import ANSI, StyleAndTextTuples, to_formatted_text
from prompt_toolkit.formatted_text.utils import split_lines
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.layout import Dimension, FormattedTextControl, HSplit, Layout, Window

from wizard.terminal.text import cells, shortened

FAREWELL = b"\x1b[?1049l\x1b[?25h\x1b[?2004l\r\n"
"""The sequence that restores the former screen, for a signal that ends the process."""

_KEYS = (
    "Space: next page, b: page before, arrows: a line, q: back to the question",
    "Space: next, b: before, q: back",
    "q: back",
)


class _Page:
    """The part of the text that is on the screen."""

    def __init__(self, content: Callable[[], str]) -> None:
        self._content = content
        self._columns = 0
        self._lines: list[Any] = []
        self._top = 0
        self._rows = 1
        """Number of lines of the text that fit the screen."""

    def fit(self, columns: int, rows: int) -> None:
        """Take the size of the screen, its last row for the keys."""
        if columns != self._columns:
            self._columns = columns
            lines = split_lines(to_formatted_text(ANSI(self._content().strip("\n"))))
            # An ARN can be longer than the screen is wide: it goes on in the next line, as it would below the question.
            self._lines = [piece for line in lines for piece in _folded(line, columns)]
        self._rows = max(rows - 1, 1)
        self.to(self._top)

    def to(self, line: int) -> None:
        self._top = max(min(line, len(self._lines) - self._rows), 0)

    def by(self, lines: int = 0, *, pages: int = 0) -> None:
        self.to(self._top + lines + pages * self._rows)

    def shown(self) -> Any:
        lines = self._lines[self._top : self._top + self._rows]
        return [part for line in lines for part in (*line, ("", "\n"))][:-1]

    def status(self) -> str:
        end = min(self._top + self._rows, len(self._lines))
        where = f"lines {self._top + 1} to {end} of {len(self._lines)}"
        texts = [f"{where}  ({keys})" for keys in _KEYS]
        return next((text for text in texts if len(text) < self._columns), shortened(where, self._columns, end=""))


def _folded(line: StyleAndTextTuples, columns: int) -> list[StyleAndTextTuples]:
    """The line in pieces that are no wider than the screen."""
    pieces: list[StyleAndTextTuples] = [[]]
    used = 0
    for style, text, *_ in line:
        for character in text:
            width = cells(character)
            if used + width > columns:
                pieces.append([])
                used = 0
            pieces[-1].append((style, character))
            used += width
    return pieces


def application(content: Callable[[], str], **options: Any) -> Application[Any]:
    """The page. `content` returns the text, with codes of ECMA-48, for the width that the terminal has now."""
    page, bindings = _Page(content), KeyBindings()

    def bind(act: Callable[[], None], *keys: str) -> None:
        for key in keys:
            bindings.add(key, eager=True)(lambda event: act())

    bind(lambda: page.by(pages=1), " ", "f", "pagedown", "c-f")
    bind(lambda: page.by(pages=-1), "b", "pageup", "c-b")
    bind(lambda: page.by(1), "down", "j", "enter")
    bind(lambda: page.by(-1), "up", "k")
    bind(lambda: page.to(0), "home", "g")
    bind(lambda: page.to(1_000_000), "end", "G")
    for key in ("q", "escape", "d", "<"):
        bindings.add(key, eager=True)(lambda event: event.app.exit(result=None))

    def size(_: object) -> None:
        screen = made.output.get_size()
        page.fit(screen.columns, screen.rows)

    text = FormattedTextControl(page.shown, focusable=True, show_cursor=False)
    layout = HSplit(
        [
            Window(text),
            Window(FormattedTextControl(lambda: [("class:question", page.status())]), height=Dimension.exact(1)),
        ]
    )
    made: Application[Any] = Application(
        layout=Layout(layout, focused_element=text), key_bindings=bindings, full_screen=True, **options
    )
    made.before_render += size
    return made
