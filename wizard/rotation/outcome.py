"""What a rotation, a restoration or an adoption came to: frozen facts, and the documents made from them.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from wizard import documents
from wizard.errors import UsageError
from wizard.facts import Delivered, Proof, ProofState
from wizard.facts_deployment import Redeployed, RedeployState
from wizard.facts_rotation import EscrowedVersion, KeyRotations
from wizard.push.document import redeploy
from wizard.rotation.delivering import Handed
from wizard.rotation.replacing import Opened


class Action(StrEnum):
    """What was asked for."""

    CMK = "cmk"
    SCHEDULE = "schedule"
    REWRAP = "rewrap"
    DATA_KEY = "data-key"
    PROMOTE = "promote"
    RESTORE = "restore"
    ADOPT = "adopt"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How it ended."""

    action: Action
    stack: str
    changed: bool
    """Whether this run changed anything but what is delivered."""
    versions: tuple[EscrowedVersion, ...] = ()
    """As they stand now, the oldest first; empty where only the KMS key was concerned."""
    subject: EscrowedVersion | None = None
    """The version that it was about."""
    opened: Opened | None = None
    """How it is known that the stack's key opens it; None where it did not become current."""
    rotations: KeyRotations | None = None
    """Of the KMS key, as they stand now; None where only data keys were concerned."""
    handed: Handed | None = None
    """Where it was delivered; None where nothing had to be."""
    redeploys: tuple[Redeployed, ...] = ()
    next: tuple[str, ...] = ()
    """What is left to do, a command or a sentence each, in order."""

    @property
    def ok(self) -> bool:
        """Whether no proof and no redeploy failed."""
        proved = self.handed is None or all(proof.state is not ProofState.FAILED for proof in self.handed.proofs)
        return proved and all(
            each.state not in (RedeployState.FAILED, RedeployState.ROLLED_BACK) for each in self.redeploys
        )


def document(outcome: Outcome) -> documents.Document:
    """The document of `rotate`, `restore` and `adopt`."""
    command = outcome.action.value if outcome.action in (Action.RESTORE, Action.ADOPT) else "rotate"
    subject = outcome.subject
    return {
        **documents.head(command, ok=outcome.ok),
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
        "next": list(outcome.next),
    }


def listing(stack: str, found: Sequence[EscrowedVersion], *, next: str) -> documents.Document:
    """The document of a `restore` that was told no version: what there is to choose from."""
    return {
        **documents.head("restore", ok=False),
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
        "next": [next],
        "exitCode": UsageError.exit_code,
    }


def versions(found: Sequence[EscrowedVersion]) -> list[dict[str, Any]]:
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


def proof(each: Proof) -> dict[str, Any]:
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
