"""Draws what stood on a terminal as SVG: a film that loops by CSS alone, or one still. No script, font or address.

Pure functions: frames to text. A terminal becomes frames in tools/documents/recording.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any
from xml.sax.saxutils import escape

CELL_WIDTH, CELL_HEIGHT, FONT_SIZE = 8.4, 18, 14
"""In units of the drawing: at 800 pixels a terminal of 100 columns has letters of 13."""
MARGIN, TITLE_HEIGHT = 14, 30
BACKGROUND, FOREGROUND = "#16181d", "#d6d9de"
COLOURS = {
    "black": "#6b7280",
    "red": "#ff7b72",
    "green": "#5fd38d",
    "brown": "#e3b341",
    "blue": "#79b8ff",
    "magenta": "#d2a8ff",
    "cyan": "#56d4dd",
    "white": "#f0f3f6",
}
"""pyte's names; it calls yellow brown."""

STYLE = """\
text{{font:{size}px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:{foreground}}}
.b{{font-weight:700}}.i{{font-style:italic}}.d{{opacity:.65}}
"""
# Where nothing moves (reduced motion, a program that knows no animation), the last frame stands.
FILM = """\
.film{{transform:translateY(-{last}px);animation:film {seconds:g}s step-end infinite}}
@keyframes film{{{stops}}}
@media (prefers-reduced-motion:reduce){{.film{{animation:none}}}}
"""


@dataclass(frozen=True)
class Run:
    """Neighbouring characters of one look, from a column on."""

    column: int
    text: str
    colour: str = "default"
    ground: str = "default"
    classes: str = ""


Row = tuple[Run, ...]
"""What stands in one row; empty where nothing does."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A screen, and how long it stands, in seconds."""

    rows: tuple[Row, ...]
    seconds: float

    @property
    def text(self) -> str:
        """The rows as they are read."""
        return "\n".join(
            "".join(f"{' ' * (run.column - before)}{run.text}" for run, before in _with_ends(row)) for row in self.rows
        )


def _with_ends(row: Row) -> list[tuple[Run, int]]:
    ends = [0, *(run.column + len(run.text) for run in row)]
    return list(zip(row, ends, strict=False))


def look(screen: Any, seconds: float) -> Frame:
    """A screen of pyte's as it stands now; `blink` is dim, as tests/terminal/person.py has it."""
    return Frame(rows=tuple(_row(screen, number) for number in range(screen.lines)), seconds=seconds)


def _row(screen: Any, number: int) -> Row:
    cells = [screen.buffer[number][column] for column in range(screen.columns)]
    runs, column = [], 0
    for (fg, bg, classes), same in groupby(cells, key=_look):
        whole = "".join(cell.data for cell in same)
        text = whole if bg != "default" else whole.strip()
        if text:
            runs.append(Run(column + whole.index(text), text, fg, bg, classes))
        column += len(whole)
    return tuple(runs)


def _look(cell: Any) -> tuple[str, str, str]:
    fg, bg = (cell.bg, cell.fg) if cell.reverse else (cell.fg, cell.bg)
    if cell.reverse:
        fg, bg = ("ground" if fg == "default" else fg), ("text" if bg == "default" else bg)
    names = [name for name, has in (("b", cell.bold), ("i", cell.italics), ("d", cell.blink)) if has]
    return fg, bg, " ".join(names)


def film(frames: Sequence[Frame], *, columns: int, title: str, description: str) -> str:
    """The frames one after the other, for ever. A row that stands in many frames is drawn once."""
    rows = len(frames[0].rows)
    names = {row: f"r{number}" for number, row in enumerate(dict.fromkeys(row for one in frames for row in one.rows))}
    height = rows * CELL_HEIGHT
    starts = [0.0, *accumulate(frame.seconds for frame in frames)]
    stops = "".join(
        f"{start / starts[-1]:.4%}{{transform:translateY(-{number * height}px)}}"
        for number, start in enumerate(starts[:-1])
    )
    style = FILM.format(last=(len(frames) - 1) * height, seconds=round(starts[-1], 2), stops=stops)
    definitions = "".join(f'<g id="{name}">{_drawn(row)}</g>\n' for row, name in names.items() if row)
    strip = "".join(
        f'<g transform="translate(0 {number * height})">'
        + "".join(f'<use href="#{names[row]}" y="{y * CELL_HEIGHT}"/>' for y, row in enumerate(frame.rows) if row)
        + "</g>\n"
        for number, frame in enumerate(frames)
    )
    whole = f'<defs>\n{definitions}</defs>\n<g class="film">\n{strip}</g>'
    return _window(whole, style, columns=columns, rows=rows, title=title, description=description)


def still(frame: Frame, *, columns: int, title: str, description: str) -> str:
    """One frame, without the empty rows above and below what it says."""
    rows = list(frame.rows)
    while rows and not rows[-1]:
        rows.pop()
    while rows and not rows[0]:
        rows.pop(0)
    drawn = "".join(
        f'<g transform="translate(0 {y * CELL_HEIGHT})">{_drawn(row)}</g>\n' for y, row in enumerate(rows) if row
    )
    return _window(drawn, "", columns=columns, rows=len(rows), title=title, description=description)


def _drawn(row: Row) -> str:
    return "".join(_ground(run) + _text(run) for run in row)


def _ground(run: Run) -> str:
    if run.ground == "default":
        return ""
    x, width = run.column * CELL_WIDTH, len(run.text) * CELL_WIDTH
    return f'<rect x="{x:g}" width="{width:g}" height="{CELL_HEIGHT}" fill="{_colour(run.ground)}"/>'


def _text(run: Run) -> str:
    # Each run has its length, so that columns stay columns in whatever font there is.
    colour = "" if run.colour == "default" else f' style="fill:{_colour(run.colour)}"'
    classes = f' class="{run.classes}"' if run.classes else ""
    text = escape(run.text.replace(" ", "\xa0"))
    length = "" if len(run.text) == 1 else f' textLength="{len(run.text) * CELL_WIDTH:g}"'
    return f'<text x="{run.column * CELL_WIDTH:g}" y="{FONT_SIZE}"{length}{classes}{colour}>{text}</text>'


def _colour(name: str) -> str:
    if name in ("ground", "text"):
        return BACKGROUND if name == "ground" else FOREGROUND
    if len(name) == 6 and all(digit in "0123456789abcdef" for digit in name):
        return f"#{name}"
    return COLOURS[name.removeprefix("bright")]


def _window(content: str, style: str, *, columns: int, rows: int, title: str, description: str) -> str:
    """The window of a terminal around rows that are clipped to it."""
    inner, height = columns * CELL_WIDTH, rows * CELL_HEIGHT
    width, whole = inner + 2 * MARGIN, height + TITLE_HEIGHT + MARGIN
    dots = "".join(f'<circle cx="{18 + 18 * n}" cy="15" r="5" fill="#4b5563"/>' for n in range(3))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {whole}" role="img" '
        f'aria-labelledby="title description">\n'
        f'<title id="title">{escape(title)}</title>\n<desc id="description">{escape(description)}</desc>\n'
        f"<style>\n{STYLE.format(size=FONT_SIZE, foreground=FOREGROUND)}{style}</style>\n"
        f'<rect width="{width:g}" height="{whole}" rx="8" fill="{BACKGROUND}"/>{dots}\n'
        f'<svg x="{MARGIN}" y="{TITLE_HEIGHT}" width="{inner:g}" height="{height}">\n{content}\n</svg>\n</svg>\n'
    )
