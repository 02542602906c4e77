"""Documents of `rotate`, `restore` and `adopt` --json, one for each way that they can end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.wizard.fakes import KEY, OTHER_KEY, wrapped
from tests.wizard.push.push_documents import redeployed
from tests.wizard.test_report import delivered, proof
from wizard.facts import ProofState
from wizard.facts_deployment import RedeployState
from wizard.facts_rotation import EscrowedVersion, KeyRotations, Origin, Rotation
from wizard.rotation.delivering import Handed
from wizard.rotation.outcome import Action, Outcome, document, listing
from wizard.rotation.replacing import Opened, Opening

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
VERSIONS = tuple(
    EscrowedVersion(
        wrapped=wrapped(origin),
        key_arn={Origin.UNKNOWN: None, Origin.REWRAPPED: OTHER_KEY}.get(origin, KEY),
        parameter=f"/eonpro/production/data-keys/{wrapped(origin).fingerprint[7:]}",
        origin=origin,
        kept_at=None if origin is Origin.UNKNOWN else AT,
        same_as=wrapped(Origin.FIRST if origin is Origin.REWRAPPED else origin).fingerprint,
        current=origin is Origin.MADE,
        was_current=origin in (Origin.MADE, Origin.FIRST),
        kept=origin is not Origin.FIRST,
    )
    for origin in Origin
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
HANDED = Handed(delivered=(delivered("vercel"), delivered("ecs")), proofs=(proof("vercel"), proof("ecs")))
FAILED = Handed(delivered=(delivered("vercel"),), proofs=(proof("vercel", ProofState.FAILED),))


def _told(action: Action, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"stack": "production", "changed": True, "next": ("do this",)}
    return document(Outcome(action=action, **(given | more)))


def _put_in_place(action: Action, how: Opening, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"versions": VERSIONS, "subject": VERSIONS[1], "handed": HANDED}
    return _told(action, opened=Opened(how=how, words="opened"), **(given | more))


DOCUMENTS: dict[str, dict[str, dict[str, Any]]] = {
    "rotate": {
        "cmk": _told(Action.CMK, rotations=ROTATED),
        "schedule": _told(Action.SCHEDULE, rotations=UNTOLD, changed=False, next=()),
        "rewrap": _told(Action.REWRAP, versions=VERSIONS, subject=VERSIONS[2]),
        "data-key": _told(Action.DATA_KEY, versions=VERSIONS, subject=VERSIONS[1]),
        **{f"promote, {how}": _put_in_place(Action.PROMOTE, how) for how in Opening},
        **{
            f"promote, redeploy {state}": _put_in_place(
                Action.PROMOTE, Opening.APPLICATION, redeploys=(redeployed(state),)
            )
            for state in RedeployState
        },
        "failed proof": _put_in_place(Action.PROMOTE, Opening.LEDGER, handed=FAILED),
    },
    "restore": {
        "restore": _put_in_place(Action.RESTORE, Opening.REENCRYPTED),
        "list": listing("production", VERSIONS, next="restore --version FINGERPRINT"),
        "nothing to list": listing("production", (), next="restore --from-backup PLACE"),
    },
    "adopt": {
        "first": _put_in_place(Action.ADOPT, Opening.APPLICATION),
        "beside": _told(Action.ADOPT, versions=VERSIONS, subject=VERSIONS[3]),
    },
}
