"""The drawing of a timeline: a row for each event, or for each thing that lasts.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from wizard.compliance.elements import label, svg
from wizard.compliance.markup import Child, Fact, Form, Markup, cite, tag

_WIDTH = 960
_LEFT = 250
_RIGHT = 930
_ROW = 30
_TOP = 44
_TOP_WITHOUT_NOW = 6


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of a timeline: an event, or something that lasts."""

    told: Fact | str
    kind: str
    """Class of its mark; a class ends with a shape: `dot`, `diamond`, `ring`, or `bar`."""
    at: Fact
    until: Fact | None = None
    """Of a bar: when it ends; None where it does not."""


def timeline(name: str, title: str, description: str, rows: Sequence[Row], now: Fact | None) -> Markup:
    """From the first to the last time; `now` is marked where it is given."""
    times = [row.at.time for row in rows]
    times += [row.until.time for row in rows if row.until is not None and row.until.is_known]
    times += [now.time] if now is not None else []
    first, last = min(times), max(times)
    span = max(last - first, timedelta(days=1))

    def x(when: datetime) -> float:
        return _LEFT + (_RIGHT - _LEFT) * ((when - first) / span)

    top = _TOP if now is not None else _TOP_WITHOUT_NOW
    height = top + _ROW * len(rows) + 10
    drawn: list[Child] = []
    for index, row in enumerate(rows):
        y = top + _ROW * index + _ROW / 2
        drawn += [
            tag("line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, class_="rail"),
            label(_LEFT - 18, y + 4, row.told, class_="row-label", text_anchor="end"),
            *_mark(row, x, y),
        ]
    if now is not None:
        at, end = x(now.time), top + _ROW * len(rows) + 2
        anchor = "end" if at > (_LEFT + _RIGHT) / 2 else "start"
        told = tag(
            "text",
            "this report, ",
            cite(now, Form.DAY, in_drawing=True),
            x=at,
            y=top - 14,
            class_="now",
            text_anchor=anchor,
        )
        drawn += [tag("line", x1=at, x2=at, y1=top - 8, y2=end, class_="now"), told]
    return svg(name, title, description, _WIDTH, height, *drawn)


def _mark(row: Row, x: Callable[[datetime], float], y: float) -> list[Child]:
    at = x(row.at.time)
    shape = row.kind.split()[-1]
    if shape == "bar":
        ends = row.until is not None and row.until.is_known
        end = x(row.until.time) if ends and row.until is not None else float(_RIGHT)
        bar = tag("rect", x=at, y=y - 9, width=max(end - at, 3.0), height=18, rx=3, class_=row.kind)
        inside = end - at > 150
        where = (end - 8, "end", "in-bar") if inside else (end + 8, "start", "date")
        if not ends or row.until is None:
            return [bar, label(end - 8, y + 4, "without end", class_="in-bar", text_anchor="end")]
        if not inside and end > _RIGHT - 130:
            where = (at - 8, "end", "date")
        return [bar, label(where[0], y + 4, row.until, Form.DAY, class_=where[2], text_anchor=where[1])]
    left = at > (_LEFT + _RIGHT) / 2 + 120
    date = label(
        at - 14 if left else at + 14, y + 4, row.at, Form.DAY, class_="date", text_anchor="end" if left else "start"
    )
    if shape == "diamond":
        mark = tag("path", d=f"M{at:.1f} {y - 8:.1f}l8 8l-8 8l-8 -8z", class_=row.kind)
    else:
        mark = tag("circle", cx=at, cy=y, r=6, class_=row.kind)
    return [mark, date]
