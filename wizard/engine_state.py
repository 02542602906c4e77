"""What a run that crashed left in the stack's state, and how what it made is taken into that state.

Part of the engine's edge, and pure: an exported deployment in, facts or another deployment out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wizard.engine_events import pending_step
from wizard.facts import Step


def pending_steps(deployment: Mapping[str, Any]) -> tuple[Step, ...]:
    """The operations that were under way, and the resources that were taken in but not read yet."""
    begun = [pending_step(operation) for operation in deployment.get("pending_operations") or ()]
    unread = [
        pending_step({"type": "importing", "resource": resource})
        for resource in deployment.get("resources") or ()
        if resource.get("custom") and resource.get("id") and not set(resource.get("outputs") or ()) - {"region"}
    ]
    return (*begun, *unread)


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
