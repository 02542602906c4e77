"""The screen and the document of `status`.

Pure; prints through the user interface.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from wizard.core import json_documents
from wizard.core.models.inputs import Mark
from wizard.core.models.stack import HealthStatus, StackStatus
from wizard.core.next_command import Command, Text, eonpro

if TYPE_CHECKING:
    from wizard.terminal.terminal import Terminal

_LEFT_OUT = "alerts, logs' bucket, versions, backups, drift"
_LEFT_OUT_OF_MANY = f"who else has access, the application, what runs, {_LEFT_OUT}"


MARKS = {
    HealthStatus.GOOD: Mark.OK,
    HealthStatus.WRONG: Mark.FAIL,
    HealthStatus.UNKNOWN: Mark.WARN,
    HealthStatus.ELSEWHERE: Mark.INFO,
    HealthStatus.NOT_BUILT: Mark.INFO,
}

WIDTH = 80
"""Columns."""

_INDENT = "  "
_SPARE = 5
"""Extra columns of the sign and of the ellipsis in ASCII output: `ok `, `...`."""
_GAP = "  "
_HEADINGS = ("stack", "account", "region", "targets", "updated")
_SIGNS = {HealthStatus.GOOD: "✓", HealthStatus.WRONG: "✗", HealthStatus.UNKNOWN: "?"}


def show(ui: Terminal, rows: Sequence[StackStatus], *, all_stacks: bool) -> None:
    """One stack with all details; of all stacks two lines each, for fewer judgements were asked."""
    if not all_stacks:
        _in_full(ui, rows[0])
        return
    if not rows:
        ui.line("no stack exists: there is no settings file here, and no state in the backend", mark=Mark.INFO)
        ui.line("next:")
        ui.verbatim(eonpro("setup"))
        return
    cells = [_HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    # Only the name can be cut and still be recognized.
    widths[0] = min(widths[0], max(WIDTH - _SPARE - sum(widths[1:]) - len(_GAP) * (len(widths) - 1), 8))
    ui.line(_INDENT + _joined(_HEADINGS, widths))
    for row, line in zip(rows, cells[1:], strict=True):
        ui.line(_joined(line, widths), mark=MARKS[row.status])
        ui.line(_cut("    " + _second(row), WIDTH - _SPARE))
    for why in dict.fromkeys(
        row.why for row in rows if row.why and row.status is not HealthStatus.ELSEWHERE and row.account
    ):
        ui.line(_cut(why, WIDTH - _SPARE), mark=Mark.WARN)
    ui.line(f"not asked here: {_LEFT_OUT_OF_MANY}", mark=Mark.INFO)
    open_rows = [row for status in (HealthStatus.WRONG, HealthStatus.UNKNOWN) for row in rows if row.status is status]
    if open_rows:
        ui.line(f"details of {open_rows[0].stack}:")
        ui.verbatim(eonpro("status", "--stack", open_rows[0].stack))
    for row in rows:
        if row.status is HealthStatus.NOT_BUILT:
            ui.line(f"to deploy {row.stack}:")
            ui.verbatim(eonpro("setup", "--stack", row.stack))


def _cells(row: StackStatus) -> tuple[str, ...]:
    return (
        row.stack,
        row.account or "?",
        row.region or "?",
        ",".join(row.targets) or "?",
        _when(row)[:10],
    )


def _when(row: StackStatus) -> str:
    if row.updating:
        return "now"
    if row.last_update:
        return row.last_update.partition(".")[0].replace("T", " ").removesuffix("Z")
    return "?" if row.in_backend is None else "never"


def _joined(cells: Sequence[str], widths: Sequence[int]) -> str:
    return _GAP.join(_cut(cell, width).ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _second(row: StackStatus) -> str:
    """The second line of a stack: its status."""
    if row.status is HealthStatus.NOT_BUILT:
        return "not deployed yet"
    if row.status is HealthStatus.ELSEWHERE:
        return f"other account: {row.why}"
    if not row.checks:
        return row.why if row.account is None else "unknown"
    # The fingerprint stands for the stored data key.
    parts = [row.fingerprint or "no data key"]
    for status, sign in _SIGNS.items():
        names = [
            check.what for check in row.of(status) if check.what != "stored data key" or status is HealthStatus.WRONG
        ]
        if names:
            parts.append(f"{sign} {' '.join(names)}")
    return _GAP.join(parts)


def _in_full(ui: Terminal, row: StackStatus) -> None:
    place = ", ".join(filter(None, (f"account {row.account or 'unknown'}", row.region, *row.targets)))
    updated = "being updated" if row.updating else f"updated {_when(row)[:16]}{' UTC' if row.last_update else ''}"
    ui.line(f"{place} · {updated}")
    backup = f"last backup {row.last_backup[:10]}" if row.last_backup else "no backup is recorded"
    if row.checks:
        ui.line(f"data key {row.fingerprint or 'unknown'} · {backup}")
    for check in row.checks:
        is_below = bool(row.why) and row.why in check.brief
        ui.line(f"{check.what}: {'not known, see below' if is_below else check.brief}", mark=MARKS[check.status])
    if row.status in (HealthStatus.NOT_BUILT, HealthStatus.ELSEWHERE):
        ui.line(_second(row), mark=MARKS[row.status])
    elif row.why:
        ui.line(row.why, mark=Mark.WARN)
    hint = eonpro("setup", "--stack", row.stack) if row.status is HealthStatus.NOT_BUILT else row.hint
    if isinstance(hint, Command):
        ui.line("next:")
        ui.verbatim(hint)
    if row.status is HealthStatus.WRONG:
        ui.line(f"the cause, its repair, and {_LEFT_OUT}:")
        ui.verbatim(eonpro("doctor", "--stack", row.stack))
    elif row.checks:
        ui.line(Text(eonpro("doctor", "--stack", row.stack), f" also checks {_LEFT_OUT}"), mark=Mark.INFO)


class Check(TypedDict):
    what: str
    status: HealthStatus
    detail: str


class Stack(TypedDict):
    """The status of one stack."""

    stack: str
    status: HealthStatus
    why: str
    account: str | None
    region: str | None
    environment: str | None
    targets: list[str]
    inBackend: bool | None
    updatedAt: str | None
    updating: bool
    resources: int | None
    dataKey: json_documents.Fingerprint | None
    lastBackup: str | None
    checks: list[Check]


class StatusDocument(json_documents.Head):
    """How the stacks stand."""

    stacks: list[Stack]


def document(rows: Sequence[StackStatus]) -> StatusDocument:
    """The JSON document; `ok` is false if something is known to be wrong, or a stack's account could not be asked."""
    ok = all(row.status is not HealthStatus.WRONG and not row.exit_code for row in rows)
    return {
        **json_documents.head("status", ok=ok),
        "stacks": [
            {
                "stack": row.stack,
                "status": row.status,
                "why": row.why,
                "account": row.account,
                "region": row.region,
                "environment": row.environment,
                "targets": list(row.targets),
                "inBackend": row.in_backend,
                "updatedAt": row.last_update,
                "updating": row.updating,
                "resources": row.resources,
                "dataKey": row.fingerprint,
                "lastBackup": row.last_backup,
                "checks": [
                    {"what": check.what, "status": check.status, "detail": check.detail} for check in row.checks
                ],
            }
            for row in rows
        ],
    }
