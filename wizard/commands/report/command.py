"""`report` from the command line to its end: one set of facts, kept as a page, as text and as data.

Asks AWS and changes nothing there; writes three new files to a new folder, and never over any that is there.
"""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from wizard import PROJECT_FOLDER
from wizard.commands import deployed_stack
from wizard.commands.cost.command import assumptions_of
from wizard.commands.report import document
from wizard.commands.report.collect import gather
from wizard.commands.report.cost import GIVEN
from wizard.commands.report.markdown import markdown
from wizard.commands.report.page import page
from wizard.commands.review.command import DEFAULT_FOLDER as REVIEWS
from wizard.core import json_documents
from wizard.core.errors import SetupError, UsageError
from wizard.core.models.progress import Mark
from wizard.core.ports.run import UserInterface
from wizard.setup.steps import Clients, Request

DEFAULT_FOLDER = PROJECT_FOLDER / "reports"
"""Beside Pulumi.<stack>.yaml."""

PAGE, TEXT, DATA = "report.html", "report.md", "report.json"

_MARKS = {"done": Mark.OK, "open": Mark.FAIL, "needs a person": Mark.WARN, "unknown": Mark.WARN}


def run(options: argparse.Namespace, request: Request, clients: Clients) -> tuple[int, json_documents.Document]:
    """The report of a stack. Raises StackNotFound for one that is not built."""
    assumptions = assumptions_of(options)
    given = {name: GIVEN for name in ("requests", "instances", "cache_minutes") if getattr(options, name) is not None}
    if options.out:
        _refuse_taken(options.out)
    clients.ui.working("reading the account")
    found = deployed_stack.find(request, clients)
    facts = gather(found, clients, reviews=REVIEWS, assumptions=assumptions, given=given)
    folder = options.out or _folder(facts.stack, facts.made_at)
    told = document.document(facts, files={"folder": str(folder), "page": PAGE, "text": TEXT, "data": DATA})
    _keep(folder, {DATA: document.text(told), PAGE: page(told), TEXT: markdown(told)})
    _show(clients.ui, told)
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


def _show(ui: UserInterface, told: json_documents.Document) -> None:
    ui.section("Compliance checklist")
    for item in told["checklist"]:
        ui.line(f"{item['asked']}: {item['evidence']}", mark=_MARKS[item["state"]])
    summary, files = told["summary"], told["files"]
    if summary["findings"]:
        ui.line(f"{summary['findings']} open findings: python -m wizard doctor --stack {told['stack']}", mark=Mark.WARN)
    if summary["unread"]:
        ui.line(f"{summary['unread']} things could not be read; the report names them", mark=Mark.WARN)
    for name in ("page", "text", "data"):
        ui.line(f"{files['folder']}/{files[name]}", mark=Mark.OK)
