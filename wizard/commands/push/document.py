"""The document of `push --json`: where the data key was delivered, what was verified, what runs.

Pure: facts in, plain values out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wizard.commands.push.deliver import Pushed
from wizard.core import json_documents
from wizard.core.models.delivery import Delivered, Verification, VerificationState
from wizard.core.models.deployment import Deployment, Instances, Redeployed, RedeployState
from wizard.core.models.vercel_environment import Scope
from wizard.targets.port import deploy_target

_FAILED = (RedeployState.FAILED, RedeployState.ROLLED_BACK)


def document(
    stack: str,
    pushed: Pushed,
    *,
    targets: Iterable[str],
    scopes: tuple[Scope, ...],
    redeploys: tuple[Redeployed, ...],
    stale: tuple[Instances, ...],
) -> json_documents.Document:
    """Of a push; `ok` is whether no proof and no redeploy failed."""
    ok = all(each.state is not VerificationState.FAILED for each in pushed.proofs)
    ok = ok and all(each.state not in _FAILED for each in redeploys)
    has_environments = any(deploy_target(target).has_environments for target in targets)
    return {
        **json_documents.head("push", ok=ok),
        "stack": stack,
        "fingerprint": pushed.stored_data_key.wrapped.fingerprint,
        "scope": _scope(scopes) if has_environments else None,
        "renamed": pushed.renamed,
        "delivered": [_delivered(each) for each in pushed.delivered],
        "proofs": [_proof(each) for each in pushed.proofs],
        "warnings": list(pushed.warnings),
        "redeploys": [redeploy(each) for each in redeploys],
        "staleInstances": [_instances(each) for each in stale],
    }


def redeploy(done: Redeployed) -> dict[str, Any]:
    """One redeploy."""
    return {
        "target": str(done.target),
        "state": str(done.state),
        "before": _deployment(done.before),
        "after": _deployment(done.after),
        "why": done.why,
        "seconds": done.seconds,
    }


def _scope(scopes: tuple[Scope, ...]) -> dict[str, Any]:
    branch = next((scope.branch for scope in scopes if scope.branch), None)
    return {"environments": [scope.environment for scope in scopes], "branch": branch}


def _delivered(result: Delivered) -> dict[str, Any]:
    return {
        "target": result.target,
        "environment": result.environment or None,
        "place": result.place,
        "state": str(result.state),
        "fingerprint": result.fingerprint,
        "checkedBy": result.checked_by,
    }


def _proof(proof: Verification) -> dict[str, Any]:
    return {
        "target": proof.target,
        "state": str(proof.state),
        "principal": proof.principal,
        "detail": proof.detail,
        "at": proof.at,
    }


def _deployment(deployment: Deployment | None) -> dict[str, Any] | None:
    if deployment is None:
        return None
    made = deployment.made.isoformat(timespec="seconds")
    return {
        "id": deployment.id,
        "name": deployment.name,
        "made": made,
        "state": str(deployment.state),
        "revision": deployment.revision,
    }


def _instances(instances: Instances) -> dict[str, Any]:
    changed = instances.changed
    return {
        "target": str(instances.target),
        "deployment": _deployment(instances.deployment),
        "changed": changed.isoformat(timespec="seconds") if changed else None,
        "known": instances.stale is not None,
        "why": instances.why,
    }
