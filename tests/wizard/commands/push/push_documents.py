"""Documents of `push --json`, one for each way that a push can end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from components.settings import Target
from tests.wizard.fakes.clients import KEY, STORED_KEY, wrapped
from tests.wizard.setup.test_report import delivered, proof
from wizard.account.notices import Notice
from wizard.account.views import Diagnosis
from wizard.commands.push.deliver import Pushed, document
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.deployment import Deployment, Instances, Redeployed, RedeployState
from wizard.core.models.vercel import PRODUCTION, Scope
from wizard.core.models.verification import VerificationState
from wizard.core.next_command import shell

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUNS = Deployment(target="vercel", id="dpl_1", name="portal-1.vercel.app", made=AT, state="READY")
PUSHED = Pushed(
    stored_data_key=StoredDataKey(parameter=STORED_KEY, wrapped=wrapped(), key_arn=KEY, version=1),
    delivered=(replace(delivered("vercel"), environment="production"), delivered("ecs")),
    proofs=(proof("vercel"), proof("ecs")),
)
BESIDE = Pushed(
    stored_data_key=PUSHED.stored_data_key,
    delivered=(replace(delivered("vercel"), environment="the branch feature of preview"),),
    proofs=(),
    warnings=("preview has production's data key",),
    renamed="it has another name",
)
STALE = Instances(target=Target.VERCEL, deployment=RUNS, changed=AT, stale=True)
UNKNOWN = Instances(target=Target.EKS, deployment=None, why="pods read the values when they start")

STRANGER = Notice.wrong(
    "grant-foreign", what="a grant allows ada Decrypt", why="she reads records", command=shell("aws", "kms")
)


def _told(pushed: Pushed = PUSHED, **more: Any) -> Mapping[str, Any]:
    given: dict[str, Any] = {"targets": (Target.VERCEL, Target.ECS), "scopes": (PRODUCTION,)}
    given |= {"redeploys": (), "stale": (), "access": Diagnosis(stack="production")}
    return document("production", pushed, **(given | more))


def redeployed(state: RedeployState) -> Redeployed:
    """One redeploy that ended so."""
    after = None if state is RedeployState.SKIPPED else replace(RUNS, id="dpl_2")
    return Redeployed(target="vercel", state=state, before=RUNS, after=after, why="why", seconds=41.2)


DOCUMENTS: dict[str, Mapping[str, Any]] = {
    "delivered": _told(),
    "no Vercel": _told(targets=(Target.ECS,)),
    "a branch": _told(BESIDE, scopes=(Scope(environment="preview", branch="feature"),)),
    "stale": _told(stale=(STALE, UNKNOWN)),
    "a failed proof": _told(replace(PUSHED, proofs=(proof("vercel", VerificationState.FAILED),))),
    "a stranger": _told(access=Diagnosis(stack="production", notices=(STRANGER, Notice.unknown("grants", why="no")))),
    **{f"redeploy {state}": _told(redeploys=(redeployed(state),)) for state in RedeployState},
}
