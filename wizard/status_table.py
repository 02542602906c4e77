"""The words for how the stacks stand: a screen for a person, and a document for a program.

Pure. At 80 columns, eight stacks fit on one screen of 24 lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wizard.facts import Mark
from wizard.protocols import Talk
from wizard.status_facts import Look, StackStatus, Standing

MARKS = {
    Standing.GOOD: Mark.OK,
    Standing.WRONG: Mark.FAIL,
    Standing.UNKNOWN: Mark.WARN,
    Standing.ELSEWHERE: Mark.INFO,
    Standing.NOT_BUILT: Mark.INFO,
}

WIDTH = 80
"""Columns."""

_INDENT = "  "
_SPARE = 5
"""Columns of a sign before, and of the ellipsis in a name, where only ASCII can be written: `ok `, `...`."""
_GAP = "  "
_HEADINGS = ("stack", "account", "region", "targets", "updated", "res.")
_SIGNS = {Standing.GOOD: "✓", Standing.WRONG: "✗", Standing.UNKNOWN: "?"}


def show(talk: Talk, rows: Sequence[StackStatus]) -> None:
    """One stack in full, several in two lines each."""
    if len(rows) == 1:
        _in_full(talk, rows[0])
        return
    if not rows:
        talk.line("there is no stack, neither here nor in the backend", mark=Mark.INFO)
        talk.line("next: python -m wizard setup")
        return
    cells = [_HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    # A name is the one thing that can be cut and still be known.
    widths[0] = min(widths[0], max(WIDTH - _SPARE - sum(widths[1:]) - len(_GAP) * (len(widths) - 1), 8))
    talk.line(_INDENT + _joined(_HEADINGS, widths))
    for row, line in zip(rows, cells[1:], strict=True):
        talk.line(_joined(line, widths), mark=MARKS[row.standing])
        talk.line(_cut("    " + _second(row), WIDTH - _SPARE))
    for why in dict.fromkeys(
        row.why for row in rows if row.why and row.standing is not Standing.ELSEWHERE and row.account
    ):
        talk.line(_cut(why, WIDTH - _SPARE), mark=Mark.WARN)
    if any(row.standing in (Standing.WRONG, Standing.UNKNOWN) for row in rows):
        talk.line("each in full: python -m wizard status --stack NAME")


def _cells(row: StackStatus) -> tuple[str, ...]:
    return (
        row.stack,
        row.account or "?",
        row.region or "?",
        ",".join(row.targets) or "?",
        _when(row)[:10],
        "?" if row.resources is None and row.in_backend is None else str(row.resources or 0),
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
    """The line below a stack's own: how it stands."""
    if row.standing is Standing.NOT_BUILT:
        return f"not built yet: python -m wizard setup --stack {row.stack}"
    if row.standing is Standing.ELSEWHERE:
        return f"other account: {row.why}"
    if not row.looks:
        return row.why if row.account is None else "unknown"
    # The escrow speaks by its fingerprint.
    told = [row.fingerprint or "no data key"]
    for standing, sign in _SIGNS.items():
        names = [look.what for look in row.of(standing) if look.what != "escrow" or standing is Standing.WRONG]
        if names:
            told.append(f"{sign} {' '.join(names)}")
    return _GAP.join(told)


def _in_full(talk: Talk, row: StackStatus) -> None:
    facts = (
        ("account", row.account or "not known here"),
        ("region", row.region or "not known here"),
        ("environment", row.environment or "not known here"),
        ("targets", ", ".join(row.targets) or "not known here"),
        ("updated", f"{_when(row)} UTC" if row.last_update and not row.updating else _when(row)),
        ("resources", "?" if row.resources is None else str(row.resources)),
        ("data key", row.fingerprint or "?"),
    )
    talk.table(facts)
    for look in row.looks:
        talk.line(f"{look.what}: {look.detail}", mark=MARKS[look.standing])
    if row.standing is Standing.NOT_BUILT or row.standing is Standing.ELSEWHERE:
        talk.line(_second(row), mark=MARKS[row.standing])
    elif row.why:
        talk.line(row.why, mark=Mark.WARN)
    if row.standing is Standing.WRONG:
        talk.line(f"next: python -m wizard setup --stack {row.stack}")


def document(rows: Sequence[StackStatus]) -> dict[str, Any]:
    """All of it as plain values; `ok` is whether nothing is known to be wrong."""
    return {
        "ok": all(row.standing is not Standing.WRONG for row in rows),
        "stacks": [
            {
                "stack": row.stack,
                "standing": row.standing.value,
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
                "checks": [_plain(look) for look in row.looks],
            }
            for row in rows
        ],
    }


def _plain(look: Look) -> dict[str, str]:
    return {"what": look.what, "standing": look.standing.value, "detail": look.detail}
