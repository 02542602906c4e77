"""The drawings of the cost: bars of its drivers, and curves of what it would be if one thing were different.

Pure.
"""

from __future__ import annotations

import math
from html import escape

from wizard.compliance.elements import label, svg
from wizard.compliance.markup import Child, Fact, Form, Markup, tag

_WIDTH = 960
_LEFT = 300
_ROW = 30

_PLOT_WIDTH, _PLOT_HEIGHT = 440, 210
_X0, _X1, _Y0, _Y1 = 20.0, 420.0, 165.0, 45.0


def bars(drivers: Fact) -> Markup:
    """A bar for each driver."""
    most = max((each["monthly"].value or 0 for each in drivers), default=0) or 1
    drawn: list[Child] = []
    for index, each in enumerate(drivers):
        y = 12 + _ROW * index
        width = (_WIDTH - _LEFT - 110) * (each["monthly"].value or 0) / most
        drawn += [
            label(_LEFT - 16, y + 15, each["what"], class_="row-label", text_anchor="end"),
            tag("rect", x=_LEFT, y=y, width=max(width, 1.5), height=20, rx=3, class_="bar storage"),
            label(_LEFT + max(width, 1.5) + 10, y + 15, each["monthly"], Form.MONEY, class_="date"),
        ]
    description = (
        "A bar for each driver of the cost, as long as its part of a month's bill. The table below says the same."
    )
    return svg("cost-bars", "Cost by driver", description, _WIDTH, 24 + _ROW * len(drivers), *drawn)


def now(each: Fact) -> int:
    """Which point is nearest to how it is now."""
    values = [point["at"].value for point in each["points"]]
    return min(range(len(values)), key=lambda index: abs(values[index] - each["now"].value))


def curve(each: Fact, name: str) -> Markup:
    """The cost over the values of one thing."""
    points = list(each["points"])
    along = [_along(point["at"].value, bool(each["isLogarithmic"])) for point in points]
    costs = [float(point["monthly"].value) for point in points]
    low, high = min(along), max(along)
    top = max(costs) or 1.0
    places = [
        (_X0 + (_X1 - _X0) * ((a - low) / ((high - low) or 1)), _Y0 + (_Y1 - _Y0) * (c / top))
        for a, c in zip(along, costs, strict=True)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    here = now(each)
    drawn: list[Child] = [
        tag("line", x1=_X0, x2=_X1, y1=_Y0, y2=_Y0, class_="axis"),
        tag("polyline", points=line, class_="curve"),
        *(
            tag("circle", cx=x, cy=y, r=6 if i == here else 3, class_="now-point" if i == here else "point")
            for i, (x, y) in enumerate(places)
        ),
    ]
    shown = dict.fromkeys((0, here, len(points) - 1))
    taken: list[float] = []
    for index in shown:
        x, y = places[index]
        if any(abs(x - other) < 70 for other in taken):
            continue
        taken.append(x)
        anchor = "start" if x < _X0 + 60 else "end" if x > _X1 - 60 else "middle"
        drawn += [
            label(x, y - 12, points[index]["monthly"], Form.MONEY, class_="date", text_anchor=anchor),
            label(x, _Y0 + 20, points[index]["at"], class_="tick", text_anchor=anchor),
        ]
    drawn.append(
        tag(
            "text",
            Markup(escape(each["unit"].told())),
            x=_X1,
            y=_Y0 + 38,
            class_="tick",
            text_anchor="end",
            data_fact=each["unit"].pointer,
        )
    )
    description = "A curve of a month's cost over the values of one thing. The table below says the same."
    return svg(f"{name}-curve", "What if", description, _PLOT_WIDTH, _PLOT_HEIGHT, *drawn)


def _along(value: float, logarithmic: bool) -> float:
    return math.log10(max(value, 0.1)) if logarithmic else value
