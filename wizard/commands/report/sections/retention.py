"""How long the audit log is kept, on the page and as text.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from wizard.commands.report import text
from wizard.commands.report.charts import Row, timeline
from wizard.commands.report.html import Child, Fact, Form, Markup, cite, code, figure, pairs, section, table, unknown


def retention(report: Fact) -> Markup:
    """The part of the page about how long the audit log is kept."""
    told = report["retention"]
    parts: list[Child] = [unknown(told["why"])] if told["why"] else []
    phases = told["phases"]
    if phases:
        rows = [
            Row(told=each["name"], kind=f"{_kind(index)} bar", at=each["fromDate"], until=each["untilDate"])
            for index, each in enumerate(phases)
        ]
        drawn = timeline(
            "retention-timeline",
            "Timeline of retention",
            "The life of a log file that is written at the time of the report: in which storage it lies, how long it "
            "is locked, how long it has to be kept. The table below says the same.",
            rows,
            None,
        )
        parts += [
            figure(
                "Timeline of retention",
                drawn,
                "The rule asks that documentation be kept; applying its time to audit logs is common practice.",
            ),
            table(
                "The life of a log file that is written at the time of the report",
                ("Phase", "From day", "Until day", "From", "Until", "Why"),
                [
                    (
                        each["name"],
                        each["fromDay"],
                        each["untilDay"] if each["untilDay"].is_known else "without end",
                        cite(each["fromDate"], Form.DAY),
                        cite(each["untilDate"], Form.DAY) if each["untilDate"].is_known else "without end",
                        each["why"],
                    )
                    for each in phases
                ],
                numbers=frozenset((1, 2)),
            ),
        ]
    about = pairs(
        ("Bucket", code(told["bucket"])),
        ("Days kept", _kept(told)),
        ("Days that are asked for", told["requiredDays"]),
        ("Lock of the objects", told["lock"] if told["lock"].is_known else "none, or unknown"),
        class_="facts",
    )
    return section("retention", "Retention of the audit log", about, *parts)


def _kept(told: Fact) -> Child:
    if told["keptDays"].is_known:
        return told["keptDays"]
    return "without end" if told["phases"] else "unknown"


def _kind(index: int) -> str:
    return ("storage", "archive", "lock", "required")[index % 4]


def retention_as_text(report: Fact) -> Iterator[text.Piece]:
    """The same as Markdown."""
    told = report["retention"]
    yield from text.heading("##", "Retention of the audit log")
    if told["why"]:
        yield from text.paragraph("Unknown: ", told["why"])
    kept = (
        text.cell(told["keptDays"])
        if told["keptDays"].is_known
        else [text.hand("without end" if told["phases"] else "unknown")]
    )
    yield from text.pairs(
        (
            ("Bucket", [text.code(told["bucket"])]),
            ("Days kept", kept),
            ("Days that are asked for", text.cell(told["requiredDays"])),
            (
                "Lock of the objects",
                text.cell(told["lock"]) if told["lock"].is_known else [text.hand("none, or unknown")],
            ),
        )
    )
    if told["phases"]:
        yield from text.table(
            ("Phase of a log file written now", "From day", "Until day", "From", "Until", "Why"),
            (
                (
                    text.cell(each["name"]),
                    text.cell(each["fromDay"]),
                    text.cell(each["untilDay"]) if each["untilDay"].is_known else [text.hand("without end")],
                    text.when(each["fromDate"], Form.DAY),
                    text.when(each["untilDate"], Form.DAY, "without end"),
                    text.cell(each["why"]),
                )
                for each in told["phases"]
            ),
        )
