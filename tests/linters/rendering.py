"""Renders a configuration's plan: the real engine runs the program against a cloud of its own.

Touches its temporary directory, the sandbox that it starts and ends, and the processes that it starts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.settings import Settings
from tests.onboarding.deployment import Deployment, running_deployment

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How the engine spells a string that a preview cannot know yet."""

STACK = "rendered"


@dataclass(frozen=True, kw_only=True)
class PlannedResource:
    """One resource of a plan, in Pulumi's spelling."""

    urn: str
    type: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    """What is known of the resource once it is there; a reference to it is known by such a value."""
    depends: Mapping[str, Sequence[str]]
    """By property, the URNs of the resources that its value comes from."""

    @property
    def name(self) -> str:
        """The name that the program gave it."""
        return self.urn.rpartition("::")[2]


def rendered(settings: Settings, root: Path, *, look_again: bool = False) -> tuple[PlannedResource, ...]:
    """The plan of the configuration, in which nothing is unknown.

    A first preview does not know the key's ARN, and so none of the policies that name it: the stack is updated once,
    and what the program wanted is read from its state. `look_again` has a preview find nothing to change.
    """
    with running_deployment(root) as deployment:
        _configure(deployment, settings)
        deployment.pulumi("up", "--yes", "--skip-preview", "--stack", STACK)
        if look_again:
            deployment.pulumi("preview", "--expect-no-changes", "--stack", STACK)
        return read_state(deployment.pulumi("stack", "export", "--stack", STACK).document)


def _configure(deployment: Deployment, settings: Settings) -> None:
    # KMS takes no policy that names a principal which is not there.
    for arn in (*settings.administrators, *settings.deletion_administrators, *settings.incident_responders):
        if ":role/" in arn:
            deployment.client("iam").create_role(RoleName=arn.rpartition("/")[2], AssumeRolePolicyDocument="{}")
    # JSON is YAML, too; the engine adds its salt to the file.
    (deployment.folder / f"Pulumi.{STACK}.yaml").write_text(json.dumps({"config": settings.to_config()}))
    deployment.pulumi("stack", "init", STACK)


def read_state(document: Mapping[str, Any]) -> tuple[PlannedResource, ...]:
    """The resources of the cloud in an exported stack; raises ValueError where something is not known."""
    found = tuple(
        PlannedResource(
            urn=one["urn"],
            type=one["type"],
            inputs=one.get("inputs") or {},
            outputs={"id": one.get("id"), **(one.get("outputs") or {})},
            depends={name: urns for name, urns in (one.get("propertyDependencies") or {}).items() if urns},
        )
        for one in document["deployment"]["resources"]
        if one["custom"] and not one["type"].startswith("pulumi:")
    )
    for resource in found:
        if UNKNOWN in json.dumps(resource.inputs):
            raise ValueError(f"the plan does not know all of {resource.urn}: {resource.inputs}")
    return found
