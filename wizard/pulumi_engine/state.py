"""The stack's state as facts: resources, pending operations of a crashed run, and their import into the state.

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
    """The facts of an exported deployment."""
    resources = deployment.get("resources") or []
    outputs: dict[str, Any] = next((r.get("outputs", {}) for r in resources if r["type"] == "pulumi:pulumi:Stack"), {})
    try:
        read_outputs = Outputs.read(outputs)
    except ContractError:
        read_outputs = None
    values = (value for r in resources for value in (r.get("id"), r.get("outputs", {}).get("arn")))
    return StackState(
        exists=True,
        # The logs have a key of their own, which says nothing of the PHI key.
        has_key=any(r["urn"].endswith("aws:kms/key:Key::phi-key") for r in resources),
        owned=tuple(filter(None, values)),
        pending=pending_steps(deployment),
        outputs=read_outputs,
        resources=tuple(
            StateResource(urn=str(r["urn"]), type=str(r["type"]), id=str(r.get("id") or "")) for r in resources
        ),
        digest=digest(deployment),
    )


def pending_steps(deployment: Mapping[str, Any]) -> tuple[Step, ...]:
    """The unfinished operations, and the resources that were imported but not read yet."""
    unfinished = [pending_step(operation) for operation in deployment.get("pending_operations") or ()]
    unread = [
        pending_step({"type": "importing", "resource": resource})
        for resource in deployment.get("resources") or ()
        if resource.get("custom") and resource.get("id") and not set(resource.get("outputs") or ()) - {"region"}
    ]
    return (*unfinished, *unread)


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


def with_imports(deployment: Mapping[str, Any], created: Mapping[str, str]) -> dict[str, Any]:
    """The deployment with each pending creation in `created` (URN → id) as a resource; a refresh reads it later.

    The operation has all of the resource but its id and outputs; the other operations are dropped.
    """
    imported = [
        {
            **operation["resource"],
            "id": created[operation["resource"]["urn"]],
            # The refresh needs the Region only.
            "outputs": {
                key: value for key, value in operation["resource"].get("inputs", {}).items() if key == "region"
            },
        }
        for operation in deployment.get("pending_operations") or ()
        if operation["type"] == "creating" and operation["resource"]["urn"] in created
    ]
    # Last: the dependencies of a resource come before it.
    return {**deployment, "resources": [*(deployment.get("resources") or ()), *imported], "pending_operations": []}


_VOLATILE = frozenset({"modified", "sourcePosition", "stackTrace", "outputs"})
"""What differs between two exports, two machines or two reads of the same stack."""


def digest(deployment: Mapping[str, Any]) -> str:
    """`sha256:` and 16 hex digits of the state of all resources, in any order; empty for none.

    A refresh without changes keeps it; an update with changes does not.
    """
    resources = deployment.get("resources") or []
    pending = deployment.get("pending_operations") or []
    if not resources and not pending:
        return ""
    entries = sorted(
        json.dumps({key: value for key, value in entry.items() if key not in _VOLATILE}, sort_keys=True)
        for entry in (*resources, *({"pending": operation["type"], **operation["resource"]} for operation in pending))
    )
    return "sha256:" + hashlib.sha256("\n".join(entries).encode()).hexdigest()[:16]
