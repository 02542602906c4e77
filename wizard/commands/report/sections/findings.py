"""What is open and what could not be read, on the page.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from wizard.commands.report import text
from wizard.commands.report.html import CHECK, Child, Fact, Markup, code, join, section, sign, table, tag, unknown


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


def findings_as_text(report: Fact) -> Iterator[text.Piece]:
    """The findings as Markdown."""
    doctor = report["doctor"]
    yield from text.heading("##", "Open findings")
    if not doctor["findings"].is_known:
        yield from text.paragraph("Unknown: ", doctor["why"])
    elif not doctor["findings"]:
        yield from text.paragraph("The doctor found nothing wrong in what it could look at.")
    else:
        yield from text.table(
            ("Cause", "What is wrong", "Why it matters", "What mends it", "Then"),
            (
                (
                    [text.code(each["cause"])],
                    text.cell(each["what"]),
                    text.cell(each["why"]),
                    [text.code(each["command"])],
                    text.cell(each["then"]),
                )
                for each in doctor["findings"]
            ),
        )
    if doctor["unlooked"]:
        yield from text.table(
            ("Not looked at", "Why"), ((text.cell(each["what"]), text.cell(each["why"])) for each in doctor["unlooked"])
        )


def well_as_text(report: Fact) -> Iterator[text.Piece]:
    """What was found well, as Markdown."""
    well = report["doctor"]["well"]
    if well:
        yield from text.heading("###", "What the doctor looked at and found as it should be")
    for each in well:
        yield from (text.hand("- "), text.cited(each), text.hand("\n"))
    if well:
        yield text.hand("\n")


def unread_as_text(report: Fact) -> Iterator[text.Piece]:
    """What could not be read, as Markdown."""
    yield from text.heading("##", "What could not be read")
    if report["unread"]:
        yield from text.table(
            ("What", "Why"), ((text.cell(each["what"]), text.cell(each["why"])) for each in report["unread"])
        )
    else:
        yield from text.paragraph("Everything that was to be read for this report could be read.")
    yield from text.paragraph(
        "Made by `python -m wizard report` from one set of facts, which ",
        text.code(report["files"]["data"]),
        " holds. Everything was read, nothing was changed. A data key is known by its fingerprint alone.",
    )
