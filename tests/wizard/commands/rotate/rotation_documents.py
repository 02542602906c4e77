"""Documents of `rotate`, `restore` and `adopt` --json, one for each way that they can end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.wizard.commands.push.push_documents import redeployed
from tests.wizard.fakes.clients import KEY, OTHER_KEY, wrapped
from tests.wizard.setup.test_report import delivered, proof
from wizard.commands.rotate.replace_version import DecryptProof, ProofMethod
from wizard.commands.rotate.result import Action, RotateResult, document, listing
from wizard.core.models.deployment import RedeployState
from wizard.core.models.rotation import DataKeyVersion, KeyRotations, Rotation, VersionOrigin
from wizard.core.models.verification import VerificationState

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
VERSIONS = tuple(
    DataKeyVersion(
        wrapped=wrapped(origin),
        key_arn={VersionOrigin.UNKNOWN: None, VersionOrigin.REENCRYPTED: OTHER_KEY}.get(origin, KEY),
        parameter=f"/eonpro/production/data-keys/{wrapped(origin).fingerprint[7:]}",
        origin=origin,
        kept_at=None if origin is VersionOrigin.UNKNOWN else AT,
        same_as=wrapped(VersionOrigin.FIRST if origin is VersionOrigin.REENCRYPTED else origin).fingerprint,
        current=origin is VersionOrigin.MADE,
        was_current=origin in (VersionOrigin.MADE, VersionOrigin.FIRST),
        kept=origin is not VersionOrigin.FIRST,
    )
    for origin in VersionOrigin
)
ROTATED = KeyRotations(
    enabled=True,
    period_days=365,
    next_at=AT,
    rotations=(Rotation(at=AT, on_demand=False), Rotation(at=AT, on_demand=True)),
    on_demand_limit=25,
    on_demand_started=AT,
)
UNTOLD = KeyRotations(enabled=False, period_days=None, next_at=None)
HANDED = {"delivered": (delivered("vercel"), delivered("ecs")), "proofs": (proof("vercel"), proof("ecs"))}
FAILED = {"delivered": (delivered("vercel"),), "proofs": (proof("vercel", VerificationState.FAILED),)}


def _told(action: Action, **more: Any) -> Mapping[str, Any]:
    given: dict[str, Any] = {"stack": "production", "changed": True, "next": ("do this",)}
    return document(RotateResult(action=action, **(given | more)))


def _put_in_place(action: Action, how: ProofMethod, **more: Any) -> Mapping[str, Any]:
    given: dict[str, Any] = {"versions": VERSIONS, "subject": VERSIONS[1], **HANDED}
    return _told(action, opened=DecryptProof(how=how, words="opened", version=VERSIONS[1]), **(given | more))


DOCUMENTS: dict[str, Mapping[str, Mapping[str, Any]]] = {
    "rotate": {
        "cmk": _told(Action.CMK, rotations=ROTATED),
        "schedule": _told(Action.SCHEDULE, rotations=UNTOLD, changed=False, next=()),
        "reencrypt": _told(Action.REENCRYPT, versions=VERSIONS, subject=VERSIONS[2]),
        "data-key": _told(Action.DATA_KEY, versions=VERSIONS, subject=VERSIONS[1]),
        **{f"promote, {how}": _put_in_place(Action.PROMOTE, how) for how in ProofMethod},
        **{
            f"promote, redeploy {state}": _put_in_place(
                Action.PROMOTE, ProofMethod.APPLICATION, redeploys=(redeployed(state),)
            )
            for state in RedeployState
        },
        "failed proof": _put_in_place(Action.PROMOTE, ProofMethod.KEPT_VERSION, **FAILED),
    },
    "restore": {
        "restore": _put_in_place(Action.RESTORE, ProofMethod.REENCRYPTED),
        "list": listing("production", VERSIONS, next="restore --version FINGERPRINT"),
        "nothing to list": listing("production", (), next="restore --from-backup PLACE"),
    },
    "adopt": {
        "first": _put_in_place(Action.ADOPT, ProofMethod.APPLICATION),
        "beside": _told(Action.ADOPT, versions=VERSIONS, subject=VERSIONS[3]),
    },
}
