"""The report as one page: HTML that asks no other address for anything, and needs no script to be read.

Reads the style and the script that lie beside this file, nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from wizard.commands.report.html import STATES, Fact, Form, Markup, cite, code, join, pairs, sign, signs, tag
from wizard.commands.report.sections import (
    access,
    architecture,
    checklist,
    cost,
    retention,
    rotation,
)
from wizard.commands.report.sections import (
    findings as findings_part,
)
from wizard.core.json_documents import Document

PARTS = (
    ("checklist", "Checklist"),
    ("findings", "Open findings"),
    ("architecture", "Architecture"),
    ("access", "Access"),
    ("rotation", "Rotation"),
    ("retention", "Retention"),
    ("cost", "Cost"),
    ("unread", "Not read"),
)


def page(document: Document) -> str:
    """The whole page, from the report's document alone."""
    report = Fact(document)
    style, script = _beside("page.css"), _beside("page.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        Markup('<meta charset="utf-8">'),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", Markup(_title(report))),
        tag("style", Markup(style)),
    )
    body = tag(
        "body",
        tag("a", "Skip to the report", href="#report", class_="skip"),
        signs(),
        _header(report),
        _contents(),
        tag(
            "main",
            _summary(report),
            checklist.checklist(report),
            findings_part.findings(report),
            architecture.architecture(report),
            access.access(report),
            rotation.rotation(report),
            retention.retention(report),
            cost.cost(report),
            findings_part.unread(report),
            id="report",
            tabindex="-1",
        ),
        _footer(report),
        tag("script", Markup(script)),
    )
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


@cache
def _beside(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _title(report: Fact) -> str:
    from html import escape

    return escape(f"Compliance report: {report['stack'].told()}, {report['madeAt'].told(Form.DAY)}")


def _header(report: Fact) -> Markup:
    alias = report["accountAlias"]
    return tag(
        "header",
        tag("p", "EONPRO · encryption of health data", class_="over"),
        tag("h1", "Compliance report: ", report["stack"]),
        pairs(
            ("Made", cite(report["madeAt"], Form.MOMENT)),
            ("Account", join(code(report["account"]), " (", alias, ")") if alias else code(report["account"])),
            ("Region", code(report["region"])),
            ("Environment", report["environment"]),
            ("Read with", code(report["madeBy"])),
            ("Held against", report["law"]),
            class_="facts",
        ),
        class_="top",
    )


def _contents() -> Markup:
    links = (tag("li", tag("a", name, href=f"#{place}")) for place, name in PARTS)
    return tag("nav", tag("ul", *links), aria_label="Parts of the report")


def _summary(report: Fact) -> Markup:
    summary = report["summary"]
    tiles = [
        tag(
            "li",
            sign(STATES[state][1]),
            tag("span", summary[name], class_="count"),
            tag("span", STATES[state][2], class_="name"),
            class_=f"tile {STATES[state][0]}",
        )
        for name, state in (("done", "done"), ("open", "open"), ("person", "needs a person"), ("unknown", "unknown"))
    ]
    findings = summary["findings"]
    told = (
        join("Open findings of the doctor: ", findings, ". ")
        if findings.is_known
        else join("The doctor could not be asked. ")
    )
    return tag(
        "section",
        tag("h2", "Summary", id="summary-heading"),
        tag("p", "Of ", summary["items"], " items of the checklist:"),
        tag("ul", *tiles, class_="tiles"),
        tag("p", told, "Things that could not be read: ", summary["unread"], "."),
        tag(
            "p",
            "What could not be read is told as unknown, never as done. This is evidence of technical safeguards around "
            "one key; it is no certificate, and takes the place of no risk analysis.",
            class_="small",
        ),
        id="summary",
        aria_labelledby="summary-heading",
    )


def _footer(report: Fact) -> Markup:
    return tag(
        "footer",
        tag(
            "p",
            "Made by ",
            tag("code", "python -m wizard report"),
            " from one set of facts, which ",
            code(report["files"]["data"]),
            " holds; each number on this page names its place there. Everything was read, nothing was changed. "
            "No secret is in this report: a data key is known by its fingerprint.",
        ),
    )
