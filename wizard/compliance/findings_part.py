"""What is open and what could not be read, on the page.

Pure.
"""

from __future__ import annotations

from wizard.compliance.elements import CHECK, section, sign, table, unknown
from wizard.compliance.markup import Child, Fact, Markup, code, join, tag


def findings(report: Fact) -> Markup:
    """The doctor's findings, each with the command that mends it."""
    doctor = report["doctor"]
    parts: list[Child] = []
    if not doctor["findings"].is_known:
        parts.append(unknown(doctor["why"]))
    elif not doctor["findings"]:
        parts.append(
            tag("p", sign(CHECK), "The doctor found nothing wrong in what it could look at.", class_="note good")
        )
    else:
        rows = [
            (
                join(tag("strong", each["what"]), tag("br"), code(each["cause"])),
                each["why"],
                join(code(each["command"]), join(tag("br"), "then: ", each["then"]) if each["then"] else None),
            )
            for each in doctor["findings"]
        ]
        parts.append(
            table("Open findings, root causes first", ("What is wrong", "Why it matters", "What mends it"), rows)
        )
    if doctor["unlooked"]:
        unlooked = [(each["what"], each["why"]) for each in doctor["unlooked"]]
        parts.append(table("What the doctor could not look at", ("What", "Why"), unlooked))
    if doctor["well"]:
        found = tag("ul", *(tag("li", each) for each in doctor["well"]), class_="well")
        parts += [tag("h3", "What the doctor looked at and found as it should be"), found]
    return section("findings", "Open findings", *parts)


def unread(report: Fact) -> Markup:
    """What could not be read for this report."""
    if not report["unread"]:
        told: Child = tag(
            "p", sign(CHECK), "Everything that was to be read for this report could be read.", class_="note good"
        )
    else:
        rows = [(each["what"], each["why"]) for each in report["unread"]]
        told = table("What could not be read, and why", ("What", "Why"), rows)
    return section("unread", "What could not be read", told)
