"""The result of `rotate`, `restore` or `adopt`: the facts, their JSON document, and their lines for the user.

Pure, but for the lines that it prints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from wizard.commands.push.deliver import Redeploy, redeploy_fields
from wizard.commands.rotate.evidence import Scan, ScanEvidence
from wizard.commands.rotate.replace_version import DecryptProof, ProofMethod
from wizard.core import json_documents, next_command
from wizard.core.models.delivery import Delivered
from wizard.core.models.deployment import Redeployed, RedeployState
from wizard.core.models.inputs import Mark
from wizard.core.models.rotation import DataKeyVersion, KeyRotations, VersionOrigin
from wizard.core.models.verification import Verification, VerificationState
from wizard.core.next_command import Result, Text

if TYPE_CHECKING:
    from wizard.terminal.terminal import Terminal


class Action(StrEnum):
    CMK = "cmk"
    SCHEDULE = "schedule"
    REENCRYPT = "reencrypt"
    DATA_KEY = "data-key"
    HASH_KEY = "hash-key"
    PROMOTE = "promote"
    RESTORE = "restore"
    ADOPT = "adopt"


@dataclass(frozen=True, kw_only=True)
class RotateResult:
    """What the command did, and the state after it."""

    action: Action
    stack: str
    changed: bool
    """Whether this run changed anything except at the targets."""
    versions: tuple[DataKeyVersion, ...] = ()
    """After the command, oldest first; empty for an action on the KMS key."""
    subject: DataKeyVersion | None = None
    """The version that the action created or made current."""
    opened: DecryptProof | None = None
    """The proof that the stack's key decrypts it; None if it did not become current."""
    rotations: KeyRotations | None = None
    """Of the KMS key, after the command; None for an action on the data key."""
    delivered: tuple[Delivered, ...] = ()
    """Where the current data key was delivered."""
    proofs: tuple[Verification, ...] = ()
    redeploys: tuple[Redeployed, ...] = ()
    scans: tuple[ScanEvidence, ...] = ()
    """Of the databases, before a promotion."""
    next: tuple[str, ...] = ()
    """The next steps in order, each a command or a sentence."""

    @property
    def ok(self) -> bool:
        """Whether no verification and no redeploy failed, and no traffic has the former data key for a while yet."""
        failed = {RedeployState.FAILED, RedeployState.ROLLED_BACK}.intersection(entry.state for entry in self.redeploys)
        is_shared = self.action in (Action.PROMOTE, Action.RESTORE) and any(done.is_shared for done in self.redeploys)
        return (
            not failed and not is_shared and all(proof.state is not VerificationState.FAILED for proof in self.proofs)
        )


class KeptVersion(TypedDict):
    """A version of the data key, without the wrapped key."""

    fingerprint: json_documents.Fingerprint
    keyArn: str | None
    parameter: str
    origin: VersionOrigin
    keptAt: json_documents.Time | None
    sameAs: json_documents.Fingerprint
    current: bool
    wasCurrent: bool
    kept: bool
    keyCheckValue: Annotated[str, "^[0-9a-f]{16}$"] | None


class DoneRotation(TypedDict):
    at: json_documents.Time
    onDemand: bool


class Rotations(TypedDict):
    """The rotations of the KMS key; null means unknown."""

    enabled: bool
    periodDays: int | None
    nextAt: json_documents.Time | None
    onDemandLimit: int | None
    onDemandLeft: int | None
    onDemandStarted: json_documents.Time | None
    done: list[DoneRotation]


class RotateDocument(json_documents.Head):
    """A rotation, a restoration, or an adoption of a former key."""

    stack: str
    action: Action | Literal["list"]
    changed: bool
    fingerprint: json_documents.Fingerprint | None
    opened: ProofMethod | None
    versions: list[KeptVersion]
    rotations: Rotations | None
    delivered: list[json_documents.Delivery]
    proofs: list[json_documents.Proof]
    redeploys: list[Redeploy]
    scans: list[Scan]
    next: list[next_command.Document]


def document(result: RotateResult) -> RotateDocument:
    """The JSON document of `rotate`, `restore` and `adopt`."""
    command = result.action.value if result.action in (Action.RESTORE, Action.ADOPT) else "rotate"
    subject = result.subject
    return {
        **json_documents.head(command, ok=result.ok),
        "stack": result.stack,
        "action": result.action,
        "changed": result.changed,
        "fingerprint": None if subject is None else subject.fingerprint,
        "opened": None if result.opened is None else result.opened.how,
        "versions": versions(result.versions),
        "rotations": None if result.rotations is None else rotations(result.rotations),
        "delivered": [json_documents.delivery_fields(entry) for entry in result.delivered],
        "proofs": [json_documents.proof_fields(entry) for entry in result.proofs],
        "redeploys": [redeploy_fields(entry) for entry in result.redeploys],
        "scans": [entry.as_json() for entry in result.scans],
        "next": [next_command.document(entry) for entry in result.next],
    }


def listing(stack: str, kept_versions: Sequence[DataKeyVersion], *, next: str) -> RotateDocument:
    """The JSON document of a `restore` without a version: the versions to choose from."""
    return {
        **json_documents.head("restore", ok=True),
        "stack": stack,
        "action": "list",
        "changed": False,
        "fingerprint": None,
        "opened": None,
        "versions": versions(kept_versions),
        "rotations": None,
        "delivered": [],
        "proofs": [],
        "redeploys": [],
        "scans": [],
        "next": [next_command.document(next)],
    }


def versions(kept_versions: Sequence[DataKeyVersion]) -> list[KeptVersion]:
    """The JSON fields of the versions, without the wrapped keys."""
    return [
        {
            "fingerprint": version.fingerprint,
            "keyArn": version.key_arn,
            "parameter": version.parameter,
            "origin": version.origin,
            "keptAt": _time(version.kept_at),
            "sameAs": version.same_as,
            "current": version.current,
            "wasCurrent": version.was_current,
            "kept": version.kept,
            "keyCheckValue": version.wrapped.check_value,
        }
        for version in kept_versions
    ]


def rotations(key_rotations: KeyRotations) -> Rotations:
    """The JSON fields of the KMS key's rotations; null means unknown."""
    return {
        "enabled": key_rotations.enabled,
        "periodDays": key_rotations.period_days,
        "nextAt": _time(key_rotations.next_at),
        "onDemandLimit": key_rotations.on_demand_limit,
        "onDemandLeft": key_rotations.on_demand_left,
        "onDemandStarted": _time(key_rotations.on_demand_started),
        "done": [
            {"at": rotation.at.isoformat(timespec="seconds"), "onDemand": rotation.on_demand}
            for rotation in key_rotations.rotations
        ],
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")


ORIGINS = {
    VersionOrigin.FIRST: "first",
    VersionOrigin.MADE: "new",
    VersionOrigin.REENCRYPTED: "re-encrypted",
    VersionOrigin.ADOPTED: "adopted from ENCRYPTION_KEY",
    VersionOrigin.RESTORED: "from a backup",
    VersionOrigin.UNKNOWN: "unknown (its tags do not say)",
}


def show_versions(ui: Terminal, versions: Sequence[DataKeyVersion], own_keys: Sequence[str]) -> None:
    """A table of the versions, then a line for each version that another key than the stack's decrypts."""
    rows = []
    for version in versions:
        state = "current" if version.current else "was current" if version.was_current else "not used"
        origin = ORIGINS[version.origin]
        if version.same_as != version.fingerprint:
            origin += f", {version.same_as.removeprefix('sha256:')}"
        rows.append(
            (version.fingerprint, state, f"{version.kept_at:%Y-%m-%d}" if version.kept_at else "unknown", origin)
        )
    ui.table(rows, headings=("version", "now", "kept", "origin"))
    for version in versions:
        if version.key_arn not in own_keys:
            ui.line(f"{version.fingerprint} is decrypted by {version.key_arn or 'a key that its tags do not name'}")


def warn_of_altered(ui: Terminal, names: Sequence[str]) -> None:
    """A line for each entry whose value does not fit its name."""
    for name in names:
        ui.line(f"{name} does not hold the version in its name: somebody replaced the value", mark=Mark.FAIL)


def show_next(ui: Terminal, steps: Sequence[str]) -> None:
    if steps:
        ui.section("Next steps")
    for number, step in enumerate(steps, 1):
        if isinstance(step, next_command.Command):
            ui.line(Text(f"{number}. ", step.advice, ":") if step.advice else f"{number}.")
            ui.verbatim(step)
        else:
            ui.line(Text(f"{number}. ", step))


def show_rotations(ui: Terminal, key_rotations: KeyRotations) -> None:
    """The rotations of the KMS key: the schedule, the past rotations, and those on demand."""
    period = f"every {key_rotations.period_days} days" if key_rotations.period_days else "on, period unknown"
    ui.line(
        f"automatic rotation: {period if key_rotations.enabled else 'off'}",
        mark=Mark.OK if key_rotations.enabled else Mark.WARN,
    )
    if key_rotations.enabled:
        ui.line(f"next: {key_rotations.next_at:%Y-%m-%d}" if key_rotations.next_at else "next: unknown")
    for rotation in key_rotations.rotations:
        ui.line(f"rotated {rotation.at:%Y-%m-%d %H:%M} UTC, {'on demand' if rotation.on_demand else 'automatically'}")
    if not key_rotations.rotations:
        ui.line("never rotated yet")
    if key_rotations.on_demand_started:
        ui.line(f"a rotation on demand is in progress since {key_rotations.on_demand_started:%Y-%m-%d %H:%M} UTC")
    if key_rotations.on_demand_limit is None:
        ui.line(
            "rotations on demand left: unknown, because Service Quotas has no limit for this Region, or the caller is "
            "not allowed servicequotas:ListServiceQuotas (`policy auditor` has it)",
            mark=Mark.WARN,
        )
    else:
        ui.line(f"rotations on demand left: {key_rotations.on_demand_left} of {key_rotations.on_demand_limit}")


def cost_of_another(key_rotations: KeyRotations) -> str:
    """The cost of one more rotation: KMS adds $1 a month after each of the first two, and nothing after those.

    https://aws.amazon.com/kms/pricing/
    """
    done = len(key_rotations.rotations) + (key_rotations.on_demand_started is not None)
    if done < 2:
        return f"this is rotation {done + 1} of the key: it costs $1 a month more"
    return "the key was rotated twice already: another rotation costs nothing"


def finish(ui: Terminal, done: RotateResult) -> Result:
    """Show the next steps of a finished action; the exit code and the document."""
    show_next(ui, done.next)
    return int(not done.ok), document(done)
