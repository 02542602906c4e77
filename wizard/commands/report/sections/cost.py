"""The cost, on the page and as text: by driver, by use, and what if one thing were different.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from wizard.commands.report import text
from wizard.commands.report.charts import bars, curve, now
from wizard.commands.report.html import Fact, Form, Markup, cite, figure, join, pairs, section, table, tag


def cost(report: Fact) -> Markup:
    """The part of the page."""
    told = report["cost"]
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
            bars(drivers),
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
            value=now(each),
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
        figure("Curve of the cost", curve(each, name), "US dollars a month"),
        slider,
        tag(
            "div", table("Cost a month by this", ("Value", "Cost"), rows, numbers=frozenset((0, 1))), id=f"{name}-table"
        ),
        tag("p", "Unit: ", each["unit"], class_="unit"),
        class_="what-if",
    )


def cost_as_text(report: Fact) -> Iterator[text.Piece]:
    """The same as Markdown."""
    told = report["cost"]
    yield from text.heading("##", "Cost")
    yield from text.paragraph("In a month: ", text.cited(told["monthly"], Form.MONEY), ", ", told["basis"], ".")
    yield from text.table(
        ("Driver", "Quantity", "Unit", "Price", "Estimate", "By use"),
        (
            (
                text.cell(each["what"]),
                text.cell(each["quantity"]),
                text.cell(each["unit"]),
                text.cell(each["price"]),
                [text.cited(each["monthly"], Form.MONEY)] if each["monthly"].is_known else [text.hand("not planned")],
                [text.cited(each["used"], Form.MONEY)],
            )
            for each in told["drivers"]
        ),
    )
    counted = told["counted"]
    if counted.is_known:
        yield from text.pairs(
            (
                ("By use, a month", [text.cited(counted["monthly"], Form.MONEY)]),
                ("Counted since", text.when(counted["since"], Form.DAY)),
                ("Until", text.when(counted["until"], Form.DAY)),
                ("Calls on the key", text.cell(counted["keyRequests"])),
                ("Requests to KMS in the Region", text.cell(counted["kmsRequests"])),
                ("Octets of logs", text.cell(counted["trailBytes"])),
            )
        )
        for note in counted["notes"]:
            yield from text.paragraph(note)
        if counted["unknown"]:
            yield from text.table(
                ("Could not be counted", "Why"),
                ((text.cell(each["what"]), text.cell(each["why"])) for each in counted["unknown"]),
            )
    yield from text.table(
        ("Assumption", "Value", "Unit", "Where it comes from"),
        (
            (text.cell(each["what"]), text.cell(each["value"]), text.cell(each["unit"]), text.cell(each["source"]))
            for each in told["assumptions"]
        ),
    )
    for each in told["whatIfs"]:
        yield from text.heading("###", "What if: ", each["what"])
        yield from text.paragraph("Now: ", each["now"], " ", each["unit"], ". All else stays.")
        yield from text.table(
            ("Value", "Cost a month"),
            ((text.cell(point["at"]), [text.cited(point["monthly"], Form.MONEY)]) for point in each["points"]),
        )
