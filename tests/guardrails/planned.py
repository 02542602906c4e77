"""A planned stack: what a run of the program registered, as the engine sends it to the pack; and changes of it.

Touches nothing. The cloud is the mock of `tests.components.conftest`; the engine's part (the provider, the settings) is
added here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from guardrails.rules import RULES, STACK_RULES
from guardrails.rules.resource import Resource
from guardrails.rules.settings import Settings, SettingsError, read
from tests.components.configurations import CONFIG, as_text
from tests.components.conftest import Recording, Registration

PROVIDER = "urn:pulumi:production::eonpro-kms::pulumi:providers:aws::default_7_51_1"
COMPONENTS = "eonpro:kms:"

Stack = list[Resource]


def planned(recording: Recording, **changes: Any) -> Stack:
    """The inputs of what a run registered, with the settings that it ran with; `refers_to` as the engine has it."""
    configuration = configuration_of(changes)
    settings: Settings | None = None
    unreadable = ""
    try:
        settings = read(configuration)
    except SettingsError as error:
        unreadable = str(error)
    return [
        replace(resource_of(each, configuration), settings=settings, unreadable=unreadable)
        for each in recording.resources
    ]


def root_of(recording: Recording, **changes: Any) -> Resource:
    """The root of the stack, with the stack's outputs."""
    type_ = "pulumi:pulumi:Stack"
    urn = f"urn:pulumi:production::eonpro-kms::{type_}::eonpro-kms-production"
    return Resource(type=type_, urn=urn, props=recording.stack_outputs, configuration=configuration_of(changes))


def configuration_of(changes: Mapping[str, Any]) -> dict[str, str]:
    """The configuration of the plain stack with these changes, as the engine gives it."""
    return as_text({**CONFIG, **{key if ":" in key else f"eonpro-kms:{key}": value for key, value in changes.items()}})


def resource_of(registration: Registration, configuration: Mapping[str, str]) -> Resource:
    return Resource(
        type=registration.type,
        urn=registration.urn,
        # Its outputs begin with its inputs; the rules for a resource read these alone.
        props=registration.outputs,
        protected=registration.protected,
        ignored=registration.ignored,
        aliases=tuple(f"urn:pulumi:production::eonpro-kms::{each}" for each in registration.aliases),
        provider=PROVIDER if registration.is_custom else None,
        refers_to=registration.refers_to,
        configuration=configuration,
    )


def with_inputs(resource: Resource) -> Resource:
    """The resource as a rule for one resource gets it: without what the cloud adds."""
    return replace(resource, props={name: value for name, value in resource.props.items() if name not in ADDED})


ADDED = frozenset({"arn", "keyId"})
"""Outputs of the mock of the cloud; `arn` is an input of some resources, which keep it."""


def refusals(stack: Stack) -> Iterator[tuple[str, str]]:
    """Rule and message of each violation of the stack, as an update would have it: every value is known."""
    for resource in stack:
        for rule in RULES:
            for message in rule.violations(as_input(resource)):
                yield rule.name, message
    for stack_rule in STACK_RULES:
        yield from ((stack_rule.name, message) for _, message in stack_rule.check(stack))


def refusals_of(resource: Resource) -> Iterator[str]:
    """What the rules for one resource say of it."""
    for rule in RULES:
        yield from rule.violations(as_input(resource))


def as_input(resource: Resource) -> Resource:
    if resource.type in (
        "aws:sns/topicPolicy:TopicPolicy",
        "aws:cloudwatch/eventTarget:EventTarget",
    ):
        return resource
    return with_inputs(resource)


def find(stack: Stack, type_: str, name: str) -> Resource:
    """The resource of a type by its name in the program."""
    [found] = [each for each in stack if each.type.endswith(f":{type_}") and each.name == name]
    return found


def changed(stack: Stack, type_: str, name: str, **changes: Any) -> Stack:
    """The stack with other inputs of one resource; None removes an input, a function is applied to it."""
    resource = find(stack, type_, name)
    props = dict(resource.props)
    for key, value in changes.items():
        props[key] = value(props.get(key)) if callable(value) else value
    props = {key: value for key, value in props.items() if value is not None}
    return [replace(each, props=props) if each is resource else each for each in stack]


def without(stack: Stack, *types: str, name: str | None = None) -> Stack:
    """The stack without the resources of these types."""
    return [
        each for each in stack if not (each.type.rpartition(":")[2] in types and (name is None or each.name == name))
    ]


def document(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(**elements: Any) -> dict[str, Any]:
    return {"Effect": "Allow", **elements}
