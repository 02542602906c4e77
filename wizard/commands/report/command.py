"""`report`: one set of facts, written as a page, as Markdown and as JSON.

Reads AWS and changes nothing there; writes three new files to a folder, and never overwrites one.
"""

from datetime import datetime
from pathlib import Path

from wizard import PROJECT_FOLDER
from wizard.commands import deployed_stack
from wizard.commands.cost.command import assumptions_of
from wizard.commands.report import ReportOptions, document
from wizard.commands.report.collect import gather, read_scan
from wizard.commands.report.cost import COMMAND_LINE
from wizard.commands.report.render import markdown, page
from wizard.commands.review.command import DEFAULT_FOLDER as REVIEWS
from wizard.core import files, json_documents
from wizard.core.errors import SetupError, UsageError
from wizard.core.models.inputs import Mark
from wizard.core.next_command import wizard
from wizard.core.ports.run import UserInterface
from wizard.setup.steps import Clients, Request

DEFAULT_FOLDER = PROJECT_FOLDER / "reports"
"""Next to Pulumi.<stack>.yaml."""

PAGE, TEXT, DATA = "report.html", "report.md", "report.json"

_MARKS = {"done": Mark.OK, "open": Mark.FAIL, "needs a person": Mark.WARN, "unknown": Mark.WARN}


def run(options: ReportOptions, request: Request, clients: Clients) -> tuple[int, json_documents.Document]:
    """The report of a stack. Raises StackNotFound when it is not deployed."""
    assumptions = assumptions_of(options)
    sources = {
        name: COMMAND_LINE for name in ("requests", "instances", "cache_minutes") if getattr(options, name) is not None
    }
    if options.out:
        _refuse_existing(options.out)
    scan = read_scan(options.phi_scan) if options.phi_scan else None
    clients.ui.working("reading the account")
    stack = deployed_stack.find(request, clients)
    facts = gather(stack, clients, reviews=REVIEWS, assumptions=assumptions, sources=sources, scan=scan)
    folder = options.out or _folder(facts.stack, facts.created_at)
    report = document.document(facts, files={"folder": str(folder), "page": PAGE, "text": TEXT, "data": DATA})
    _write(folder, {DATA: document.text(report), PAGE: page(report), TEXT: markdown(report)})
    _show(clients.ui, report)
    return 0, report


def _folder(stack: str, at: datetime) -> Path:
    folder = DEFAULT_FOLDER / stack / f"{at:%Y-%m-%dT%H-%M-%SZ}"
    # Relative to the current folder: the report must not contain paths of this machine.
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def _refuse_existing(folder: Path) -> None:
    existing = [name for name in (PAGE, TEXT, DATA) if (folder / name).exists()]
    if existing:
        raise UsageError(
            f"{folder} already has a report: {', '.join(existing)}; nothing was overwritten",
            wizard("report"),
        )


def _write(folder: Path, texts: dict[str, str]) -> None:
    _refuse_existing(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            if not files.create(folder / name, text.encode(), private=False):
                _refuse_existing(folder)
    except OSError as error:
        raise SetupError(
            f"the report cannot be written to {folder}: {error}", wizard("report", "--out", "FOLDER")
        ) from error


def _show(ui: UserInterface, report: json_documents.Document) -> None:
    ui.section("Compliance checklist")
    for item in report["checklist"]:
        ui.line(f"{item['title']}: {item['evidence']}", mark=_MARKS[item["state"]])
    summary, files = report["summary"], report["files"]
    if summary["findings"]:
        ui.line(f"{summary['findings']} findings: {wizard('doctor', '--stack', report['stack'])}", mark=Mark.WARN)
    if summary["unread"]:
        ui.line(f"{summary['unread']} things could not be read; the report lists them", mark=Mark.WARN)
    for name in ("page", "text", "data"):
        ui.line(f"{files['folder']}/{files[name]}", mark=Mark.OK)
