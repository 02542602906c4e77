"""The checklist on the page: the guide's items, each with its evidence, the rules it serves and prowler's checks.

Pure.
"""

from __future__ import annotations

from wizard.compliance.elements import badge, pairs, section, table
from wizard.compliance.markup import Fact, Form, Markup, cite, code, join, tag


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
