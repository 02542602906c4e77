"""`report` from the command line to its end: one set of facts, kept as a page, as text and as data.

Asks AWS and changes nothing there; writes three new files to a new folder, and never over any that is there.
"""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from wizard import documents, standing
from wizard.access_review.command import DEFAULT_FOLDER as REVIEWS
from wizard.compliance import document
from wizard.compliance.gather import gather
from wizard.compliance.markdown import markdown
from wizard.compliance.page import page
from wizard.compliance.spending_facts import GIVEN
from wizard.errors import SetupError, UsageError
from wizard.facts import Mark
from wizard.protocols import Talk
from wizard.spending.command import assumptions_of
from wizard.steps import Doors, Request

DEFAULT_FOLDER = Path(__file__).resolve().parents[2] / "reports"
"""Beside Pulumi.<stack>.yaml."""

PAGE, TEXT, DATA = "report.html", "report.md", "report.json"

_MARKS = {"done": Mark.OK, "open": Mark.FAIL, "needs a person": Mark.WARN, "unknown": Mark.WARN}


def run(options: argparse.Namespace, request: Request, doors: Doors) -> tuple[int, documents.Document]:
    """The report of a stack. Raises StackNotFound for one that is not built."""
    assumptions = assumptions_of(options)
    given = {name: GIVEN for name in ("requests", "instances", "cache_minutes") if getattr(options, name) is not None}
    if options.out:
        _refuse_taken(options.out)
    doors.talk.working("reading the account")
    found = standing.find(request, doors)
    facts = gather(found, doors, reviews=REVIEWS, assumptions=assumptions, given=given)
    folder = options.out or _folder(facts.stack, facts.made_at)
    told = document.document(facts, files={"folder": str(folder), "page": PAGE, "text": TEXT, "data": DATA})
    _keep(folder, {DATA: document.text(told), PAGE: page(told), TEXT: markdown(told)})
    _show(doors.talk, told)
    return 0, told


def _folder(stack: str, at: datetime) -> Path:
    place = DEFAULT_FOLDER / stack / f"{at:%Y-%m-%dT%H-%M-%SZ}"
    # As it is typed where the wizard was started, so that a report that is handed on tells nothing of the machine.
    return place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place


def _refuse_taken(folder: Path) -> None:
    there = [name for name in (PAGE, TEXT, DATA) if (folder / name).exists()]
    if there:
        raise UsageError(
            f"{folder} holds a report already: {', '.join(there)}; nothing was overwritten",
            "python -m wizard report --out ANOTHER-FOLDER",
        )


def _keep(folder: Path, files: dict[str, str]) -> None:
    _refuse_taken(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            with (folder / name).open("x", encoding="utf-8") as opened:
                opened.write(text)
    except OSError as error:
        raise SetupError(
            f"the report cannot be written to {folder}: {error}", "python -m wizard report --out FOLDER"
        ) from error


def _show(talk: Talk, told: documents.Document) -> None:
    talk.section("Compliance checklist")
    for item in told["checklist"]:
        talk.line(f"{item['asked']}: {item['evidence']}", mark=_MARKS[item["state"]])
    summary, files = told["summary"], told["files"]
    if summary["findings"]:
        talk.line(
            f"{summary['findings']} open findings: python -m wizard doctor --stack {told['stack']}", mark=Mark.WARN
        )
    if summary["unread"]:
        talk.line(f"{summary['unread']} things could not be read; the report names them", mark=Mark.WARN)
    for name in ("page", "text", "data"):
        talk.line(f"{files['folder']}/{files[name]}", mark=Mark.OK)
