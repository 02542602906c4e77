"""The checklist on the page: the guide's items, each with its evidence, the rules it serves and prowler's checks.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from wizard.commands.report import text
from wizard.commands.report.html import Fact, Form, Markup, badge, cite, code, join, pairs, section, table, tag


def checklist(report: Fact) -> Markup:
    """The part of the page: first all of it at a glance, then item by item."""
    items = report["checklist"]
    glance = [
        (tag("a", each["asked"], href=_href(each)), badge(each["state"]), cite(each["readAt"], Form.MOMENT))
        for each in items
    ]
    return section(
        "checklist",
        "Compliance checklist",
        table("The checklist at a glance", ("Item", "State", "Read"), glance, class_="glance"),
        *(_item(each) for each in items),
    )


def _href(item: Fact) -> str:
    return f"#item-{item['number'].value}"


def _item(item: Fact) -> Markup:
    calls = join(*(part for call in item["calls"] for part in (code(call), " ")))
    safeguards = [tag("li", each["section"], ", ", each["name"]) for each in item["safeguards"]]
    rows = [(code(each["id"]), badge(each["result"]), each["evidence"]) for each in item["checks"]]
    return tag(
        "article",
        tag("header", tag("h3", item["asked"]), badge(item["state"])),
        tag("p", item["evidence"], class_="evidence"),
        tag("p", "Next: ", code(item["next"]), class_="next") if item["next"] else None,
        pairs(
            ("Read from", calls if item["calls"] else join("nothing: it is a person's to do")),
            ("Read at", cite(item["readAt"], Form.MOMENT)),
            ("Serves", tag("ul", *safeguards, class_="sections")),
            class_="facts",
        ),
        table("Checks of prowler on the same thing", ("Check", "Result", "By what was read"), rows) if rows else None,
        id=_href(item)[1:],
        class_="item",
    )


def checklist_as_text(report: Fact) -> Iterator[text.Piece]:
    """The same as Markdown."""
    yield from text.heading("##", "Compliance checklist")
    yield from text.table(
        ("Item", "State", "Evidence"),
        ((text.cell(i["asked"]), text.cell(i["state"]), text.cell(i["evidence"])) for i in report["checklist"]),
    )
    for item in report["checklist"]:
        yield from text.heading("###", item["asked"])
        rows = [
            ("State", text.cell(item["state"])),
            ("Evidence", text.cell(item["evidence"])),
            ("Read from", text.codes(item["calls"], "nothing: it is a person's to do")),
            ("Read at", text.when(item["readAt"])),
        ]
        if item["next"]:
            rows.append(("Next", [text.code(item["next"])]))
        for each in item["safeguards"]:
            rows.append(("Serves", text.cell(each["section"], ", ", each["name"])))
        yield from text.pairs(rows)
        if item["checks"]:
            yield from text.table(
                ("Check of prowler", "Result", "By what was read"),
                (
                    ([text.code(each["id"])], text.cell(each["result"]), text.cell(each["evidence"]))
                    for each in item["checks"]
                ),
            )
