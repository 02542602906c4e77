"""A Pulumi plan as the plan that Terraform would show for the same resources, for linters that read only that.

Pure: touches nothing but its arguments.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.linters.rendering import PlannedResource
from tests.linters.terraform_types import MAPS, TYPES, Document, TerraformType

_IDENTIFYING = re.compile(r"^(id|arn|name|bucket)$|(Arn|Id)$")


class Untranslatable(ValueError):
    """A resource that the table of types does not tell how to spell."""


@dataclass(frozen=True, kw_only=True)
class PolicyDocument:
    """A policy document of a plan, and where it stands."""

    address: str
    kind: Document
    text: str
    own_arn: str | None
    """ARN of the thing it belongs to, where the document itself need not name it; None for an identity policy."""


def type_of(resource: PlannedResource) -> TerraformType:
    """The resource's type in Terraform's spelling; raises Untranslatable."""
    try:
        return TYPES[resource.type]
    except KeyError:
        raise Untranslatable(f"no linter reads {resource.urn}: add {resource.type} to terraform_types.py") from None


def address_of(resource: PlannedResource) -> str:
    """The resource's address in the plan: type and name."""
    return f"{type_of(resource).name}.{_name(resource)}"


def terraform_plan(resources: Sequence[PlannedResource]) -> dict[str, Any]:
    """The plan as `terraform show -json` spells a plan that creates these resources.

    What comes from another resource is unknown in such a plan and stands in the configuration, as a reference: by it
    the linters know, say, which bucket a public access block blocks.
    https://developer.hashicorp.com/terraform/internals/json-format
    """
    addresses = {resource.urn: address_of(resource) for resource in resources}
    if len(set(addresses.values())) < len(resources):
        twice = sorted(one for one in set(addresses.values()) if list(addresses.values()).count(one) > 1)
        raise Untranslatable(f"two resources have one address: {', '.join(twice)}")
    by_urn = {resource.urn: resource for resource in resources}
    planned, changes, configured = [], [], []
    for resource in resources:
        block = _Block(type=type_of(resource))
        for name, value in sorted(resource.inputs.items()):
            if name != "__defaults":
                sources = [by_urn[urn] for urn in resource.depends.get(name, ())]
                block.add(name, value, _references(sources))
        identity = {
            "address": addresses[resource.urn],
            "mode": "managed",
            "type": block.type.name,
            "name": _name(resource),
        }
        provider = {"provider_name": "registry.terraform.io/hashicorp/aws"}
        planned.append({**identity, **provider, "schema_version": 0, "values": block.values})
        change = {"actions": ["create"], "before": None, "after": block.values, "after_unknown": block.unknown}
        changes.append({**identity, **provider, "change": change})
        configured.append({**identity, "provider_config_key": "aws", "expressions": block.expressions})
    return {
        "format_version": "1.2",
        "terraform_version": "1.9.0",
        "planned_values": {"root_module": {"resources": planned}},
        "resource_changes": changes,
        "configuration": {
            "provider_config": {"aws": {"name": "aws", "full_name": "registry.terraform.io/hashicorp/aws"}},
            "root_module": {"resources": configured},
        },
    }


def policy_documents(resources: Sequence[PlannedResource]) -> tuple[PolicyDocument, ...]:
    """Every policy document of the plan; raises Untranslatable for one in a place that the table does not name."""
    found = []
    for resource in resources:
        kinds = type_of(resource).documents
        for name, value in resource.inputs.items():
            if not (isinstance(value, str) and _is_policy(value)):
                continue
            if name not in kinds:
                raise Untranslatable(f"no linter reads the policy in {name} of {resource.urn}: see terraform_types.py")
            own_arn = None if kinds[name] is Document.IDENTITY else resource.outputs.get("arn")
            found.append(PolicyDocument(address=address_of(resource), kind=kinds[name], text=value, own_arn=own_arn))
    return tuple(found)


class _Block:
    """The attributes of a resource, or of a block in it: what is known, what is not, and what refers to another."""

    def __init__(self, *, type: TerraformType) -> None:
        self.type = type
        self.values: dict[str, Any] = {}
        self.unknown: dict[str, Any] = {}
        self.expressions: dict[str, Any] = {}

    def add(self, name: str, value: object, references: Mapping[str, str]) -> None:
        """Adds a property; `references` are the addresses, by value, of what its value may come from."""
        spelled = self.type.renamed.get(name) or _snake(name)
        if isinstance(value, Mapping) and name not in MAPS:
            value = [value]
        elif isinstance(value, list) and name not in self.type.renamed and name not in self.type.lists:
            raise Untranslatable(f"{self.type.name}: the list {name} is not in terraform_types.py")
        if isinstance(value, list) and any(isinstance(member, Mapping) for member in value):
            blocks = [self._nested(member, references) for member in value]
            self.values[spelled] = [block.values for block in blocks]
            self.unknown[spelled] = [block.unknown for block in blocks]
            self.expressions[spelled] = [block.expressions for block in blocks]
        elif isinstance(value, list):
            sources = [_source(member, references) for member in value]
            self.values[spelled] = [None if source else member for member, source in zip(value, sources, strict=True)]
            self.expressions[spelled] = _expression([source for source in sources if source])
        elif source := _source(value, references):
            self.unknown[spelled] = True
            self.expressions[spelled] = _expression([source])
        else:
            self.values[spelled] = value

    def _nested(self, member: Mapping[str, Any], references: Mapping[str, str]) -> _Block:
        block = _Block(type=self.type)
        for name, value in sorted(member.items()):
            if name != "__defaults":
                block.add(name, value, references)
        return block


def _references(sources: Sequence[PlannedResource]) -> dict[str, str]:
    """By value, the address of the attribute that a value is known by; the id before others of the same value."""
    return {
        value: f"{address_of(source)}.{_snake(attribute)}"
        for source in sources
        for attribute, value in reversed(tuple(source.outputs.items()))
        if isinstance(value, str) and value and _IDENTIFYING.search(attribute)
    }


def _source(value: object, references: Mapping[str, str]) -> str | None:
    """The address that the value comes from: it is that attribute's value, or a text around it."""
    # A policy is written out even where it names another resource: the linters read it.
    if not isinstance(value, str) or _is_policy(value):
        return None
    within = [known for known in references if known in value]
    return references[max(within, key=len)] if within else None


def _expression(addresses: Sequence[str]) -> dict[str, Any]:
    # Terraform names the attribute, then the resource that has it.
    listed = [each for address in addresses for each in (address, address.rpartition(".")[0])]
    return {"references": listed} if listed else {}


def _name(resource: PlannedResource) -> str:
    return re.sub(r"\W", "_", resource.name)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _is_policy(text: str) -> bool:
    if not text.lstrip().startswith("{"):
        return False
    try:
        read = json.loads(text)
    except json.JSONDecodeError:
        return False
    return isinstance(read, dict) and "Statement" in read
