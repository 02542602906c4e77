"""Imports the resources that a stack made and its state lacks; a preview's creations name them.

Part of the client of Pulumi: touches nothing but its arguments.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wizard.core.models.account import UnrecordedResource
from wizard.pulumi_engine.plan import with_resource

if TYPE_CHECKING:
    from pulumi.automation import EngineEvent

_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The engine's placeholder for a value that is known after an update (`plugin.UnknownStringValue`)."""


_CREATES = ("create", "create-replacement")
"""Replacements count: a resource that an earlier update replaced and retained is in the account under its name."""


class Creations:
    """The resources that a preview would create, in the program's order, as its state would have them."""

    def __init__(self) -> None:
        self.resources: list[dict[str, Any]] = []

    def __call__(self, event: EngineEvent) -> None:
        metadata: Any = event.resource_pre_event.metadata if event.resource_pre_event else None
        if metadata is None or getattr(metadata.op, "value", metadata.op) not in _CREATES or metadata.new is None:
            return
        new = metadata.new
        known = {name: value for name, value in (new.inputs or {}).items() if _UNKNOWN not in json.dumps(value)}
        resource = {
            "urn": new.urn,
            "custom": bool(new.custom),
            "type": new.type,
            "inputs": known,
            "parent": new.parent,
            "provider": new.provider,
            "protect": bool(new.protect),
            "retainOnDelete": bool(new.retain_on_delete),
        }
        always = ("custom", "inputs")
        self.resources.append({name: value for name, value in resource.items() if value or name in always})


def with_unrecorded(
    deployment: Mapping[str, Any], creations: Sequence[Mapping[str, Any]], unrecorded: Iterable[UnrecordedResource]
) -> dict[str, Any]:
    """The deployment with each creation that the account has already; a refresh reads it later.

    In a replacement the new resource takes the place of the former one. Resources that a preview would not create are
    left out: the program no longer has them.
    """
    own: dict[tuple[str, str], list[UnrecordedResource]] = {}
    for each in unrecorded:
        own.setdefault((each.type, each.name), []).append(each)
    resources = list(deployment.get("resources") or ())
    recorded = {resource["urn"]: str(resource.get("id") or "") for resource in resources}

    def add(resource: dict[str, Any]) -> None:
        resources[:] = with_resource(resources, resource)
        recorded[resource["urn"]] = str(resource.get("id") or "")

    for creation in creations:
        is_provider = creation["type"].startswith("pulumi:providers:")
        # What is recorded would be replaced; a protected resource never is.
        if creation["urn"] in recorded and (is_provider or not creation["custom"] or creation.get("protect")):
            continue
        if is_provider:
            # Of a stack whose state is empty: the engine gives its providers random ids, too.
            add({**creation, "id": str(uuid.uuid4()), "outputs": creation["inputs"]})
            continue
        if not creation["custom"]:
            # A parent comes before its children.
            add(dict(creation))
            continue
        inputs = creation["inputs"]
        match = [
            each
            for each in own.get((creation["type"], _name(creation["type"], inputs)), ())
            if inputs.get("region") in (None, each.region)
        ]
        if match and creation.get("parent") in (None, *recorded):
            # The refresh needs the Region only.
            outputs = {"region": inputs["region"]} if "region" in inputs else {}
            provider = str(creation["provider"]).rpartition("::")[0]
            reference = f"{provider}::{recorded.get(provider, '')}"
            add({**creation, "id": match[0].id, "outputs": outputs, "provider": reference})
    return {**deployment, "resources": resources}


def _name(type_: str, inputs: Mapping[str, Any]) -> str:
    """The name by which the inputs identify the resource: `UnrecordedResource.name`."""
    if type_ == "aws:kms/key:Key":
        return str((inputs.get("tags") or {}).get("Purpose") or "")
    return str(inputs.get("name") or inputs.get("bucket") or inputs.get("url") or "").removeprefix("https://")
