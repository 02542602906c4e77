"""What the stack's state says: what there is, what a run that crashed left, and how that is taken into the state.

Part of the engine's edge, and pure: an exported deployment in, facts or another deployment out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from components.settings import ContractError, Outputs
from wizard.core.models.delivery import StackState
from wizard.core.models.progress import Step
from wizard.core.models.stack import StateResource


def stack_state(deployment: Mapping[str, Any]) -> StackState:
    """What an exported deployment says of a stack that is there."""
    resources = deployment.get("resources") or []
    outputs: dict[str, Any] = next((r.get("outputs", {}) for r in resources if r["type"] == "pulumi:pulumi:Stack"), {})
    try:
        known = Outputs.read(outputs)
    except ContractError:
        known = None
    values = (value for r in resources for value in (r.get("id"), r.get("outputs", {}).get("arn")))
    return StackState(
        exists=True,
        # The logs have a key of their own, which says nothing of the PHI key.
        has_key=any(r["urn"].endswith("aws:kms/key:Key::phi-key") for r in resources),
        owned=tuple(filter(None, values)),
        pending=pending_steps(deployment),
        outputs=known,
        resources=tuple(
            StateResource(urn=str(r["urn"]), type=str(r["type"]), id=str(r.get("id") or "")) for r in resources
        ),
        digest=digest(deployment),
    )


def pending_steps(deployment: Mapping[str, Any]) -> tuple[Step, ...]:
    """The operations that were under way, and the resources that were taken in but not read yet."""
    begun = [pending_step(operation) for operation in deployment.get("pending_operations") or ()]
    unread = [
        pending_step({"type": "importing", "resource": resource})
        for resource in deployment.get("resources") or ()
        if resource.get("custom") and resource.get("id") and not set(resource.get("outputs") or ()) - {"region"}
    ]
    return (*begun, *unread)


def pending_step(operation: Mapping[str, Any]) -> Step:
    resource = operation["resource"]
    inputs = resource.get("inputs", {})
    return Step(
        urn=resource["urn"],
        op=operation["type"],
        type=resource["type"],
        name=resource["urn"].rsplit("::", 1)[-1],
        physical_name=str(inputs.get("name") or inputs.get("bucket") or ""),
    )


def adopted(deployment: Mapping[str, Any], found: Mapping[str, str]) -> dict[str, Any]:
    """The deployment with each pending creation in `found` (URN → id) as a resource, still to be read by a refresh.

    The operation has all of the resource but its id and outputs; the other operations are dropped.
    """
    taken_in = [
        {
            **operation["resource"],
            "id": found[operation["resource"]["urn"]],
            # Where it is read is all that the refresh needs to know of it.
            "outputs": {
                key: value for key, value in operation["resource"].get("inputs", {}).items() if key == "region"
            },
        }
        for operation in deployment.get("pending_operations") or ()
        if operation["type"] == "creating" and operation["resource"]["urn"] in found
    ]
    # Last: what a resource depends on was made before it and stands before it.
    return {**deployment, "resources": [*(deployment.get("resources") or ()), *taken_in], "pending_operations": []}


_TOLD_ANEW = frozenset({"modified", "sourcePosition", "stackTrace", "outputs"})
"""What differs between two exports, two machines or two reads of one and the same stack."""


def digest(deployment: Mapping[str, Any]) -> str:
    """`sha256:` and 16 hex of what the state holds of each resource, in any order; empty for none.

    A refresh that found nothing changed leaves it as it was; an update that changed something does not.
    """
    resources = deployment.get("resources") or []
    pending = deployment.get("pending_operations") or []
    if not resources and not pending:
        return ""
    told = sorted(
        json.dumps({key: value for key, value in each.items() if key not in _TOLD_ANEW}, sort_keys=True)
        for each in (*resources, *({"pending": operation["type"], **operation["resource"]} for operation in pending))
    )
    return "sha256:" + hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]
