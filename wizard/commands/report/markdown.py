"""The report as Markdown: the same facts in the same order as the page, for whoever reads it as text.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from wizard.commands.report.html import Fact
from wizard.commands.report.sections.access import access_as_text
from wizard.commands.report.sections.architecture import architecture_as_text
from wizard.commands.report.sections.checklist import checklist_as_text
from wizard.commands.report.sections.cost import cost_as_text
from wizard.commands.report.sections.findings import findings_as_text, unread_as_text, well_as_text
from wizard.commands.report.sections.retention import retention_as_text
from wizard.commands.report.sections.rotation import rotation_as_text
from wizard.commands.report.text import Piece, cell, code, heading, pairs, paragraph, when
from wizard.core.json_documents import Document


def markdown(document: Document) -> str:
    """The whole text, from the report's document alone."""
    return "".join(piece.text for piece in pieces(document))


def pieces(document: Document) -> Iterator[Piece]:
    """The text, part by part."""
    report = Fact(document)
    for part in _PARTS:
        yield from part(report)


def _head(report: Fact) -> Iterator[Piece]:
    summary = report["summary"]
    yield from heading("#", "Compliance report: ", report["stack"])
    yield from pairs(
        (
            ("Made", when(report["madeAt"])),
            ("Account", [code(report["account"])]),
            ("Region", [code(report["region"])]),
            ("Environment", cell(report["environment"])),
            ("Read with", [code(report["madeBy"])]),
            ("Held against", cell(report["law"])),
        )
    )
    yield from paragraph(
        "Of ",
        summary["items"],
        " items of the checklist: ",
        summary["done"],
        " done, ",
        summary["open"],
        " open, ",
        summary["person"],
        " need a person, ",
        summary["unknown"],
        " unknown. Open findings of the doctor: ",
        summary["findings"],
        ". Things that could not be read: ",
        summary["unread"],
        ". What could not be read is told as unknown, never as done. This is evidence of technical safeguards around "
        "one key; it is no certificate, and takes the place of no risk analysis.",
    )


_PARTS = (
    _head,
    checklist_as_text,
    findings_as_text,
    well_as_text,
    architecture_as_text,
    access_as_text,
    rotation_as_text,
    retention_as_text,
    cost_as_text,
    unread_as_text,
)
