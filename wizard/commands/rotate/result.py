"""What a rotation, a restoration or an adoption came to: frozen facts, and the documents made from them.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from wizard.commands.push.document import redeploy
from wizard.commands.rotate.deliver import RotationDelivery
from wizard.commands.rotate.replace_version import Opened
from wizard.core import json_documents, next_command
from wizard.core.errors import UsageError
from wizard.core.models.delivery import Delivered, Verification, VerificationState
from wizard.core.models.deployment import Redeployed, RedeployState
from wizard.core.models.progress import Mark
from wizard.core.models.rotation import DataKeyVersion, KeyRotations, VersionOrigin
from wizard.core.ports.run import UserInterface


class Action(StrEnum):
    """What was asked for."""

    CMK = "cmk"
    SCHEDULE = "schedule"
    REENCRYPT = "reencrypt"
    DATA_KEY = "data-key"
    PROMOTE = "promote"
    RESTORE = "restore"
    ADOPT = "adopt"


@dataclass(frozen=True, kw_only=True)
class RotateResult:
    """How it ended."""

    action: Action
    stack: str
    changed: bool
    """Whether this run changed anything but what is delivered."""
    versions: tuple[DataKeyVersion, ...] = ()
    """As they stand now, the oldest first; empty where only the KMS key was concerned."""
    subject: DataKeyVersion | None = None
    """The version that it was about."""
    opened: Opened | None = None
    """How it is known that the stack's key opens it; None where it did not become current."""
    rotations: KeyRotations | None = None
    """Of the KMS key, as they stand now; None where only data keys were concerned."""
    handed: RotationDelivery | None = None
    """Where it was delivered; None where nothing had to be."""
    redeploys: tuple[Redeployed, ...] = ()
    next: tuple[str, ...] = ()
    """What is left to do, a command or a sentence each, in order."""

    @property
    def ok(self) -> bool:
        """Whether no proof and no redeploy failed."""
        proved = self.handed is None or all(proof.state is not VerificationState.FAILED for proof in self.handed.proofs)
        return proved and all(
            each.state not in (RedeployState.FAILED, RedeployState.ROLLED_BACK) for each in self.redeploys
        )


def document(outcome: RotateResult) -> json_documents.Document:
    """The document of `rotate`, `restore` and `adopt`."""
    command = outcome.action.value if outcome.action in (Action.RESTORE, Action.ADOPT) else "rotate"
    subject = outcome.subject
    return {
        **json_documents.head(command, ok=outcome.ok),
        "stack": outcome.stack,
        "action": outcome.action.value,
        "changed": outcome.changed,
        "fingerprint": None if subject is None else subject.fingerprint,
        "opened": None if outcome.opened is None else outcome.opened.how.value,
        "versions": versions(outcome.versions),
        "rotations": None if outcome.rotations is None else rotations(outcome.rotations),
        "delivered": [delivered(each) for each in outcome.handed.delivered] if outcome.handed else [],
        "proofs": [proof(each) for each in outcome.handed.proofs] if outcome.handed else [],
        "redeploys": [redeploy(each) for each in outcome.redeploys],
        "next": [next_command.document(each) for each in outcome.next],
    }


def listing(stack: str, found: Sequence[DataKeyVersion], *, next: str) -> json_documents.Document:
    """The document of a `restore` that was told no version: what there is to choose from."""
    return {
        **json_documents.head("restore", ok=False),
        "stack": stack,
        "action": "list",
        "changed": False,
        "fingerprint": None,
        "opened": None,
        "versions": versions(found),
        "rotations": None,
        "delivered": [],
        "proofs": [],
        "redeploys": [],
        "next": [next_command.document(next)],
        "exitCode": UsageError.exit_code,
    }


def versions(found: Sequence[DataKeyVersion]) -> list[dict[str, Any]]:
    """The kept versions, without their values."""
    return [
        {
            "fingerprint": each.fingerprint,
            "keyArn": each.key_arn,
            "parameter": each.parameter,
            "origin": each.origin.value,
            "keptAt": _time(each.kept_at),
            "sameAs": each.same_as,
            "current": each.current,
            "wasCurrent": each.was_current,
            "kept": each.kept,
        }
        for each in found
    ]


def rotations(found: KeyRotations) -> dict[str, Any]:
    """The rotations of the KMS key; what is not told is null."""
    return {
        "enabled": found.enabled,
        "periodDays": found.period_days,
        "nextAt": _time(found.next_at),
        "onDemandLimit": found.on_demand_limit,
        "onDemandLeft": found.on_demand_left,
        "onDemandStarted": _time(found.on_demand_started),
        "done": [{"at": _time(each.at), "onDemand": each.on_demand} for each in found.rotations],
    }


def delivered(each: Delivered) -> dict[str, Any]:
    """One delivery."""
    return {
        "target": each.target,
        "place": each.place,
        "state": each.state.value,
        "fingerprint": each.fingerprint,
        "checkedBy": each.checked_by,
    }


def proof(each: Verification) -> dict[str, Any]:
    """One proof."""
    return {
        "target": each.target,
        "state": each.state.value,
        "principal": each.principal,
        "detail": each.detail,
        "at": each.at,
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")


ORIGINS = {
    VersionOrigin.FIRST: "the first",
    VersionOrigin.MADE: "made new",
    VersionOrigin.REENCRYPTED: "re-encrypted",
    VersionOrigin.ADOPTED: "adopted from ENCRYPTION_KEY",
    VersionOrigin.RESTORED: "from a backup",
    VersionOrigin.UNKNOWN: "unknown (its tags do not say)",
}


def show_versions(ui: UserInterface, versions: Sequence[DataKeyVersion], own_keys: Sequence[str]) -> None:
    """The kept versions, each with what it is; then those that another key than the stack's opens."""
    rows = []
    for each in versions:
        state = "current" if each.current else "was current" if each.was_current else "beside"
        origin = ORIGINS[each.origin]
        if each.same_as != each.fingerprint:
            origin += f", {each.same_as.removeprefix('sha256:')}"
        rows.append((each.fingerprint, state, f"{each.kept_at:%Y-%m-%d}" if each.kept_at else "not told", origin))
    ui.table(rows, headings=("version", "now", "kept", "origin"))
    for each in versions:
        if each.key_arn not in own_keys:
            ui.line(f"{each.fingerprint} is opened by {each.key_arn or 'a key that its tags do not name'}")


def warn_of_altered(ui: UserInterface, names: Sequence[str]) -> None:
    """Entries of the kept versions that no longer hold what their name says."""
    for name in names:
        ui.line(f"{name} no longer holds the version that it is the name for: somebody replaced it", mark=Mark.FAIL)


def show_next(ui: UserInterface, steps: Sequence[str]) -> None:
    """What is left to do, in order."""
    if steps:
        ui.section("Next steps")
    for number, each in enumerate(steps, 1):
        if isinstance(each, next_command.Command):
            ui.line(f"{number}. {each.advice}:" if each.advice else f"{number}.")
            ui.verbatim(each)
        else:
            ui.line(f"{number}. {each}")


def show_rotations(ui: UserInterface, found: KeyRotations) -> None:
    """The rotations of the KMS key: those that were, what is left, and what comes."""
    period = "every " + (f"{found.period_days} days" if found.period_days else "so often (not told)")
    ui.line(f"automatic rotation: {period if found.enabled else 'off'}", mark=Mark.OK if found.enabled else Mark.WARN)
    if found.enabled:
        ui.line(f"next: {found.next_at:%Y-%m-%d}" if found.next_at else "next: not told")
    for each in found.rotations:
        ui.line(f"rotated {each.at:%Y-%m-%d %H:%M} UTC, {'on demand' if each.on_demand else 'automatically'}")
    if not found.rotations:
        ui.line("never rotated yet")
    if found.on_demand_started:
        ui.line(f"a rotation on demand is under way since {found.on_demand_started:%Y-%m-%d %H:%M} UTC")
    if found.on_demand_limit is None:
        ui.line("rotations on demand left: unknown, for Service Quotas does not tell the limit here", mark=Mark.WARN)
    else:
        ui.line(f"rotations on demand left: {found.on_demand_left} of {found.on_demand_limit}")


def cost_of_another(found: KeyRotations) -> str:
    """What one more rotation costs: KMS adds $1 a month after each of the first two, and nothing after those.

    https://aws.amazon.com/kms/pricing/
    """
    done = len(found.rotations) + (found.on_demand_started is not None)
    if done < 2:
        return f"it is the key's rotation number {done + 1}: $1 a month more from then on"
    return "the key has been rotated twice already: one more costs nothing"
