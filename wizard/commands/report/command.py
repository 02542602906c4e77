"""`report`: one set of facts, written as a page, as Markdown and as JSON; `report verify` checks one.

Reads AWS and changes nothing there; writes three or four new files to a folder, and never overwrites one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import UndefinedError

from wizard import PROJECT_FOLDER
from wizard.account.access.stored_reviews import REVIEWS
from wizard.account.facts import StackFacts
from wizard.account.judgements import period
from wizard.commands import deployed_stack
from wizard.commands.backup.destination import required_lock
from wizard.commands.cost import assumptions_of
from wizard.commands.report import document
from wizard.commands.report.claims import agreement_of, read_scan
from wizard.commands.report.collect import Inputs, gather
from wizard.commands.report.facts import Agreement
from wizard.commands.report.render import markdown, page
from wizard.core import files, json_documents, safe_text
from wizard.core.clients import Clients, Request
from wizard.core.errors import ResourceError, SetupError, UsageError
from wizard.core.models.inputs import Mark
from wizard.core.models.rotation import S3
from wizard.core.next_command import Sealed, eonpro, plain_name, shell
from wizard.core.safe_text import counted

if TYPE_CHECKING:
    from wizard.terminal.terminal import Terminal

DEFAULT_FOLDER = PROJECT_FOLDER / "reports"
"""Next to Pulumi.<stack>.yaml."""

PAGE, TEXT, DATA = "report.html", "report.md", "report.json"
AGREEMENTS = "agreements.json"

_MARKS = {"done": Mark.OK, "open": Mark.FAIL, "needs a person": Mark.WARN, "unknown": Mark.WARN}


def run(
    request: Request,
    clients: Clients,
    *,
    assumptions: Mapping[str, Any],
    out: Path | None,
    phi_scan: Path | None,
    all_logs: bool,
    since: str | None,
    to: str | None,
    prepared_by: str | None,
    reviewed_by: str | None,
    agreements: tuple[str, ...],
) -> tuple[int, json_documents.Document]:
    """The report of a stack. Raises StackNotFound when it is not deployed."""
    assumed = assumptions_of(assumptions)
    confirmed = {agreement.partner: agreement for agreement in map(agreement_of, agreements)}
    if out:
        _refuse_existing(out)
    before = _earlier(DEFAULT_FOLDER / plain_name(request.stack), since) if since else None
    if to and not to.startswith(S3):
        raise UsageError(f"--to {to} is not a place in S3", eonpro("report", "--to", "s3://BUCKET/PREFIX"))
    scan = read_scan(phi_scan) if phi_scan else None
    clients.ui.working("reading the account")
    stack = deployed_stack.find(request, clients)
    inputs = Inputs(
        reviews=clients.reviews or PROJECT_FOLDER / REVIEWS,
        reports=DEFAULT_FOLDER,
        assumptions=assumed,
        agreements=_agreements(DEFAULT_FOLDER / plain_name(request.stack) / AGREEMENTS, confirmed),
        prepared_by=prepared_by,
        reviewed_by=reviewed_by,
        scan=scan,
        log_files=None if all_logs else period.LOG_FILES,
    )
    if to:
        _require_lock(to, stack)
    facts = gather(stack, clients, inputs)
    folder = out or _folder(facts.stack, facts.created_at)
    copy = f"{to.rstrip('/')}/{facts.stack}/{folder.name}" if to else None
    names = {"folder": str(folder), "copy": copy, "page": PAGE, "text": TEXT, "data": DATA}
    kept = str(_here(DEFAULT_FOLDER / plain_name(request.stack) / AGREEMENTS)) if confirmed else None
    report = document.document(facts, files={**names, "agreements": kept}, before=before)
    texts = {DATA: document.text(report), PAGE: page(report), TEXT: markdown(report)}
    _write(folder, texts)
    if copy:
        _copy(copy, texts, stack)
    _show(clients.ui, report, everything=request.everything)
    return 0, Sealed(report)


def _earlier(folder: Path, since: str) -> json_documents.Document:
    """The newest report of a stack of that day or before. Raises UsageError without one, or for a damaged one."""
    try:
        last = datetime.combine(date.fromisoformat(since), clock.max, UTC)
    except ValueError as error:
        raise UsageError(f"--since {since} is not a date", eonpro("report", "--since", "2026-01-31")) from error
    reports: list[json_documents.Document] = []
    for file in folder.glob(f"*/{DATA}"):
        try:
            report = safe_text.parse_json(files.read_text(file))
            if datetime.fromisoformat(report["createdAt"]) <= last and not document.faults(report):
                reports.append(report)
        except (OSError, ValueError, KeyError, TypeError):
            continue  # `report verify` says what is wrong with it
    if not reports:
        raise UsageError(
            f"{folder.parent.name}/{folder.name} has no intact report of {since} or before", eonpro("report")
        )
    return max(reports, key=lambda report: str(report["createdAt"]))


def _agreements(file: Path, confirmed: dict[str, Agreement]) -> dict[str, Agreement]:
    """The agreements that were confirmed, now and for earlier reports; written where one is new."""
    try:
        stored = safe_text.parse_json(files.read_text(file)) if file.exists() else {}
        known = {partner: Agreement(partner=partner, **fields) for partner, fields in stored.items()}
        if confirmed:
            files.make_folder(file.parent, own=True)
            entries = {
                each.partner: {"signed_on": each.signed_on, "file": each.file}
                for each in {**known, **confirmed}.values()
            }
            files.replace(file, f"{json.dumps(entries, indent=2)}\n".encode())
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise SetupError(
            f"the confirmed agreements in {file} cannot be read or written: {error}",
            eonpro("report", "--agreement", "AWS=2026-01-15:aws-baa.pdf", advice="after the file was repaired"),
        ) from error
    return {**known, **confirmed}


def verify(file: Path, clients: Clients) -> tuple[int, json_documents.Document]:
    """Check a report against its digest, its own facts and every form beside it. Asks no service.

    Of a folder, its `report.json`. Exit code 1 if something differs. Raises UsageError for a file that is no report.
    """
    again = eonpro("report", "verify", "FILE", advice="with the report.json of a report")
    file = file / DATA if file.is_dir() else file
    try:
        report = safe_text.parse_json(files.read_text(file))
        faults = [*document.faults(report)]
        if not faults and files.read(file) != document.text(report).encode():
            faults.append("its text is not as it was written, though its content is")
        forms = {PAGE: page, TEXT: markdown}
        present = [name for name in forms if (file.parent / name).exists()]
        faults += [
            f"{name} beside it is not the form of these facts"
            for name in present
            # The bytes: another end of the lines is an edit too.
            if (file.parent / name).read_bytes() != forms[name](report).encode()
        ]
        result = verified_document(file, report, forms=present, faults=faults)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}", again) from error
    except (ValueError, KeyError, TypeError, AttributeError, UndefinedError) as error:
        what = type(error).__name__
        raise UsageError(f"{file} cannot be read as a report of this version ({what}: {error})", again) from error
    for fault in faults:
        clients.ui.line(f"{file}: {fault}", mark=Mark.FAIL)
    if not faults:
        clients.ui.line(f"{file}: {report['digest']}, unchanged since {report['createdAt']}", mark=Mark.OK)
        clients.ui.line("compare the digest with the one that was signed or sent: the file alone proves no author")
    return int(bool(faults)), result


class VerifiedReport(json_documents.Head):
    """The check of a report."""

    file: str
    digest: str
    stack: str
    createdAt: str
    forms: list[str]
    faults: list[str]


def verified_document(
    file: Path, report: json_documents.Document, *, forms: Sequence[str], faults: Sequence[str]
) -> VerifiedReport:
    return {
        **json_documents.head("report-verify", ok=not faults),
        "file": str(file),
        "digest": report["digest"],
        "stack": report["stack"],
        "createdAt": report["createdAt"],
        "forms": list(forms),
        "faults": list(faults),
    }


def _folder(stack: str, at: datetime) -> Path:
    folder = first = DEFAULT_FOLDER / stack / f"{at:%Y-%m-%dT%H-%M-%SZ}"
    # A run that was interrupted in this very second may have left a part.
    number = 1
    while folder.exists():
        number += 1
        folder = first.with_name(f"{first.name}-{number}")
    return _here(folder)


def _here(path: Path) -> Path:
    """The path relative to the current folder where it is below it: the report must have no paths of this machine."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _require_lock(to: str, stack: StackFacts) -> None:
    bucket = to.removeprefix(S3).partition("/")[0]
    required_lock(bucket, stack.aws.backup_storage, stack.settings.trail_retention_days)


def _refuse_existing(folder: Path) -> None:
    existing = [name for name in (PAGE, TEXT, DATA) if (folder / name).exists()]
    if existing:
        raise UsageError(
            f"{folder} already has a report: {', '.join(existing)}; nothing was overwritten",
            eonpro("report"),
        )


def _write(folder: Path, texts: dict[str, str]) -> None:
    _refuse_existing(folder)
    try:
        files.make_folder(folder)
        for name, text in texts.items():
            if not files.create(folder / name, text.encode()):
                _refuse_existing(folder)
    except OSError as error:
        raise SetupError(
            f"the report cannot be written to {folder}: {error}", eonpro("report", "--out", "FOLDER")
        ) from error


def _copy(place: str, texts: dict[str, str], stack: StackFacts) -> None:
    """The files as locked objects: nobody can change or delete them before the end of the audit trail's."""
    storage, days = stack.aws.writing().backup_storage, stack.settings.trail_retention_days
    bucket, _, prefix = place.removeprefix(S3).partition("/")
    lock = required_lock(bucket, storage, days)
    # The bucket's default retention wins.
    until = None if lock.mode else datetime.now(UTC) + timedelta(days=days)
    for name, text in texts.items():
        key = f"{prefix}/{name}"
        if not storage.create(bucket, key, text.encode(), until=until):
            raise UsageError(f"{S3}{bucket}/{key} exists already; it was not overwritten", eonpro("report"))
        stored = storage.read(bucket, key)
        if stored is None or stored.body != text.encode():
            raise ResourceError(
                f"{S3}{bucket}/{key} differs from what was written",
                shell("aws", "s3api", "head-object", "--bucket", bucket, "--key", key),
            )


def _show(ui: Terminal, report: json_documents.Document, *, everything: bool) -> None:
    """Where the report is, and what is open in it; `everything`: with what is done, and what each item rests on."""
    summary, files = report["summary"], report["files"]
    names = ", ".join(files[name] for name in ("page", "text", "data") if files[name])
    ui.line(f"{files['folder']}/: {names}", mark=Mark.OK)
    if files["copy"]:
        ui.line(f"{files['copy']}/: locked, read back and compared", mark=Mark.OK)
    if files["agreements"]:
        ui.line(f"{files['agreements']}: the confirmed agreements, for later reports", mark=Mark.OK)
    ui.line(f"digest: {report['digest']}")
    rest = "" if everything else "; --all shows what they rest on"
    ui.section("Compliance checklist", f"{summary['done']} of {summary['items']} items are done{rest}")
    for item in report["checklist"]:
        is_open = item["state"] == "open"
        if everything or is_open:
            ui.line(f"{item['title']}: {item['evidence']}", mark=_MARKS[item["state"]])
        elif item["state"] != "done":
            ui.line(f"{item['title']}: {item['evidence'].partition('; ')[0]}", mark=_MARKS[item["state"]])
        if item["next"] and (everything or is_open):
            ui.verbatim(item["next"])
    counts = [counted(summary["findings"], "finding")] if summary["findings"] else []
    counts += [f"{counted(summary['unread'], 'thing')} that could not be read"] if summary["unread"] else []
    if counts:
        ui.line(f"in the report, with the commands: {' and '.join(counts)}", mark=Mark.WARN)
