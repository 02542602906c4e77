"""Draws the results: the time of a field with each library, and the share of its bound that each row uses.

Pure; the drawing is SVG, with colours for a light and for a dark page.
"""

import math
from collections.abc import Iterator, Sequence
from html import escape

from tools.bench.rows import FOR_SCALE, SHORT, Measured, Part

WIDTH = 820
_LEFT, _RIGHT = 24, 24
_NAMES = 210
_ROW = 30
_STYLE = """\
  .page { fill: #ffffff } .bar { fill: #9aa7b4 } .ours { fill: #0b7a75 } .short { fill: #c0392b }
  .line { stroke: #1f2933; stroke-width: 1 } .grid { stroke: #d5dbe1; stroke-width: 1 } .track { fill: #eef1f4 }
  text { fill: #1f2933; font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif }
  .title { font-size: 16px; font-weight: 600 } .small { font-size: 12px; fill: #52606d }
  @media (prefers-color-scheme: dark) {
    .page { fill: #14191f } .bar { fill: #5b6875 } .ours { fill: #2bb3a9 } .short { fill: #ef6f61 }
    .line { stroke: #e4e8ec } .grid { stroke: #333c46 } .track { fill: #212932 }
    text { fill: #e4e8ec } .small { fill: #a5b1bd }
  }"""


def draw(parts: Sequence[Part]) -> str:
    rows = [row for part in parts for row in part.rows]
    body, height = [], 20.0
    for panel in (_libraries(rows), _bounds(rows)):
        lines, height = _stacked(panel, height)
        body += lines
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" role="img">'
    title = "<title>Time of one field by library, and what each row uses of its bound</title>"
    page = f'<rect class="page" width="{WIDTH}" height="{height:.0f}"/>'
    return "\n".join([head, title, f"<style>\n{_STYLE}\n</style>", page, *body, "</svg>", ""])


def _stacked(panel: Iterator[tuple[float, list[str]]], top: float) -> tuple[list[str], float]:
    """The lines of a panel, one band below the other, and the top of the next panel."""
    lines: list[str] = []
    for height, band in panel:
        lines += [f'<g transform="translate(0 {top:.0f})">', *band, "</g>"] if band else []
        top += height
    return lines, top + 12


def _libraries(rows: Sequence[Measured]) -> Iterator[tuple[float, list[str]]]:
    """A bar for each way to encrypt a field, on a logarithmic axis: the slowest takes fifty times the fastest."""
    labelled = [row for row in rows if row.label and row.ours is not None and row.theirs is not None]
    if not labelled:
        return
    bars = [("phi", labelled[0].ours or 0.0), *((row.label, row.theirs or 0.0) for row in labelled)]
    bars.sort(key=lambda bar: bar[1])
    yield 22, [_text(_LEFT, 14, "One field of 50 to 200 bytes, encrypted and written", "title")]
    yield 24, [_text(_LEFT, 14, "microseconds of one core, logarithmic; less is better", "small")]
    low = 10 ** math.floor(math.log10(min(time for _, time in bars)) - 0.1)
    high = max(time for _, time in bars)
    room = WIDTH - _LEFT - _RIGHT - _NAMES - 70

    def place(time: float) -> float:
        return room * math.log(time / low) / math.log(high / low)

    decades = [low * 10**power for power in range(math.ceil(math.log10(high / low) + 0.001))]
    lines = [
        f'<line class="grid" x1="{_LEFT + _NAMES + place(time):.1f}" x2="{_LEFT + _NAMES + place(time):.1f}"'
        f' y1="0" y2="{_ROW * len(bars)}"/>'
        for time in decades
    ]
    yield 0, lines
    for name, time in bars:
        kind = "ours" if name == "phi" else "bar"
        yield (
            _ROW,
            [
                _text(_LEFT, 17, name),
                f'<rect class="{kind}" x="{_LEFT + _NAMES}" y="3" width="{place(time):.1f}" height="20" rx="2"/>',
                _text(_LEFT + _NAMES + place(time) + 8, 17, f"{time / 1000:.2f} µs"),
            ],
        )
    yield 22, [_text(_LEFT + _NAMES + place(time), 12, f"{time / 1000:g}", "small", "middle") for time in decades]
    yield 14, []


def _bounds(rows: Sequence[Measured]) -> Iterator[tuple[float, list[str]]]:
    """A bar for each row with a bound: up to the line is allowed."""
    bounded = [row for row in rows if row.verdict != FOR_SCALE]
    yield 22, [_text(_LEFT, 14, "What each row uses of its bound", "title")]
    yield 20, [_text(_LEFT, 14, "to the line is allowed, past it is short; the figures are ratios", "small")]
    whole = (WIDTH - _LEFT - _RIGHT) / 1.25
    for row in bounded:
        used = min(max(row.bound.used(row.ratio), 0.0), 1.25)
        kind = "short" if row.verdict == SHORT else "ours"
        label = f"{row.ratio:.2f}, {row.bound}" + (f": {SHORT}" if row.verdict == SHORT else "")
        yield (
            _ROW + 14,
            [
                _text(_LEFT, 16, row.name.replace("`", "")),
                _text(WIDTH - _RIGHT, 16, label, "small", "end"),
                f'<rect class="track" x="{_LEFT}" y="22" width="{WIDTH - _LEFT - _RIGHT}" height="10" rx="2"/>',
                f'<rect class="{kind}" x="{_LEFT}" y="22" width="{max(whole * used, 2):.1f}" height="10" rx="2"/>',
                f'<line class="line" x1="{_LEFT + whole:.1f}" x2="{_LEFT + whole:.1f}" y1="19" y2="35"/>',
            ],
        )


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    css_class = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{css_class} text-anchor="{anchor}">{escape(words)}</text>'
