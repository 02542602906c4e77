"""The cost on the page: bars of its drivers, and curves of what it would be if one thing were different.

Pure.
"""

from __future__ import annotations

import math
from html import escape

from wizard.compliance.elements import figure, label, pairs, section, svg, table, unknown
from wizard.compliance.markup import Child, Fact, Form, Markup, cite, join, tag

_WIDTH = 960
_LEFT = 300
_ROW = 30

_PLOT_WIDTH, _PLOT_HEIGHT = 440, 210
_X0, _X1, _Y0, _Y1 = 20.0, 420.0, 165.0, 45.0


def cost(report: Fact) -> Markup:
    """The part of the page."""
    told = report["cost"]
    if not told.is_known:
        return section("cost", "Cost", unknown(report["costWhy"]))
    drivers = told["drivers"]
    return section(
        "cost",
        "Cost",
        tag(
            "p",
            "In a month: ",
            tag("strong", cite(told["monthly"], Form.MONEY), class_="total"),
            ", ",
            told["basis"],
            ".",
        ),
        figure(
            "Cost by driver",
            _bars(drivers),
            "US dollars a month, by AWS's published prices; taxes and discounts aside.",
        ),
        _driver_table(drivers),
        _counted(told["counted"]),
        table(
            "What the estimate stands on",
            ("Assumption", "Value", "Unit", "Where it comes from"),
            [(each["what"], each["value"], each["unit"], each["source"]) for each in told["assumptions"]],
            numbers=frozenset((1,)),
        ),
        _what_ifs(told["whatIfs"]),
    )


def _driver_table(drivers: Fact) -> Markup:
    rows = [
        (
            each["what"],
            each["quantity"],
            each["unit"],
            each["price"],
            cite(each["monthly"], Form.MONEY) if each["monthly"].is_known else "not planned",
            cite(each["used"], Form.MONEY),
        )
        for each in drivers
    ]
    headings = ("Driver", "Quantity", "Unit", "Price", "Estimate", "By use")
    return table("Cost by driver, a month", headings, rows, numbers=frozenset((1, 4, 5)))


def _counted(counted: Fact) -> Markup:
    if not counted.is_known:
        return tag("p", "What was really used could not be counted.")
    notes = tag("ul", *(tag("li", each) for each in counted["notes"])) if counted["notes"] else None
    unknown_ = [(each["what"], each["why"]) for each in counted["unknown"]]
    return join(
        pairs(
            ("By use, a month", cite(counted["monthly"], Form.MONEY)),
            ("Counted since", cite(counted["since"], Form.DAY)),
            ("Until", cite(counted["until"], Form.DAY)),
            ("Calls on the key", counted["keyRequests"]),
            ("Requests to KMS in the Region", counted["kmsRequests"]),
            ("Octets of logs", counted["trailBytes"]),
            class_="facts",
        ),
        notes,
        table("What could not be counted", ("What", "Why"), unknown_) if unknown_ else None,
    )


def _bars(drivers: Fact) -> Markup:
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


def _what_ifs(what_ifs: Fact) -> Markup:
    parts = [_what_if(each, index) for index, each in enumerate(what_ifs)]
    lead = tag("p", "One thing varies, all else stays as above; the filled point is how it is now.")
    return join(tag("h3", "What if"), lead, tag("div", *parts, class_="curves"))


def _what_if(each: Fact, index: int) -> Markup:
    points = each["points"]
    name = f"what-if-{chr(ord('a') + index)}"
    rows = [(point["at"], cite(point["monthly"], Form.MONEY)) for point in points]
    slider = tag(
        "p",
        tag("label", each["what"], for_=f"{name}-slider"),
        tag(
            "input",
            type="range",
            id=f"{name}-slider",
            min=0,
            max=len(points) - 1,
            step=1,
            value=_now(each),
            data_points=f"{name}-table",
            data_says=f"{name}-says",
        ),
        tag("output", id=f"{name}-says", for_=f"{name}-slider"),
        class_="slider",
        hidden="hidden",
    )
    return tag(
        "div",
        tag("h4", each["what"]),
        figure("Curve of the cost", _curve(each, name), "US dollars a month"),
        slider,
        tag(
            "div", table("Cost a month by this", ("Value", "Cost"), rows, numbers=frozenset((0, 1))), id=f"{name}-table"
        ),
        tag("p", "Unit: ", each["unit"], class_="unit"),
        class_="what-if",
    )


def _now(each: Fact) -> int:
    values = [point["at"].value for point in each["points"]]
    return min(range(len(values)), key=lambda index: abs(values[index] - each["now"].value))


def _curve(each: Fact, name: str) -> Markup:
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
    now = _now(each)
    drawn: list[Child] = [
        tag("line", x1=_X0, x2=_X1, y1=_Y0, y2=_Y0, class_="axis"),
        tag("polyline", points=line, class_="curve"),
        *(
            tag("circle", cx=x, cy=y, r=6 if i == now else 3, class_="now-point" if i == now else "point")
            for i, (x, y) in enumerate(places)
        ),
    ]
    shown = dict.fromkeys((0, now, len(points) - 1))
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
