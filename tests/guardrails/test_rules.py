"""Each guardrail with inputs that violate it, and valid inputs of the same type."""

from __future__ import annotations

import importlib
from collections import Counter
from typing import Any

import pytest
from pulumi_policy.proxy import UNKNOWN_BOOLEAN_VALUE, UNKNOWN_STRING_VALUE, UnknownValueError, unknown_checking_proxy

from guardrails.rules import RULES, Resource
from guardrails.rules import resource_types as types
from tests.guardrails.resources import ALSO_VALID, KEY_POLICY, VALID, resource
from tests.guardrails.violations import VIOLATIONS, Violation


def violations(resource: Resource) -> Counter[str]:
    """The guardrails that a resource violates, and how often."""
    return Counter(rule.name for rule in RULES for _ in rule.violations(resource))


def messages(name: str, type_: str, props: dict[str, Any]) -> list[str]:
    """The messages of a guardrail; "unknown" last, for an unknown value."""
    texts: list[str] = []
    [rule] = [rule for rule in RULES if rule.name == name]
    try:
        for text in rule.violations(resource(type_, unknown_checking_proxy(props))):
            texts.append(text)
    except UnknownValueError:
        texts.append("unknown")
    return texts


@pytest.mark.parametrize("violation", VIOLATIONS, ids=lambda violation: f"{violation.type.rpartition(':')[2]}")
def test_each_violation_is_reported_by_exactly_its_rules(violation: Violation) -> None:
    changed = resource(violation.type, violation.props, within=violation.within, protected=violation.protected)
    assert set(violations(changed)) == violation.rules


@pytest.mark.parametrize("type_", VALID)
def test_resources_of_this_project_pass_every_guardrail(type_: str) -> None:
    assert violations(resource(type_, VALID[type_])) == {}


@pytest.mark.parametrize(("type_", "props"), ALSO_VALID)
def test_other_valid_inputs_pass_every_guardrail(type_: str, props: dict[str, Any]) -> None:
    assert violations(resource(type_, props)) == {}


def test_every_rule_has_a_violation_with_valid_inputs_of_the_same_type() -> None:
    with_valid_inputs = {name for violation in VIOLATIONS if violation.type in VALID for name in violation.rules}
    assert with_valid_inputs == {rule.name for rule in RULES}


def test_every_type_of_a_rule_is_tested() -> None:
    tested = {*VALID, *(violation.type for violation in VIOLATIONS)}
    old_names = {type_ for type_ in types_of_rules() if type_.endswith("V2")}
    assert types_of_rules() - tested - old_names == {types.PUBLIC_ACCESS_BLOCKS[1]}


def test_names_are_kebab_case_and_unique() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    assert all(name == name.lower() and name.replace("-", "").isalpha() for name in names)


def test_every_violation_is_reported_and_not_only_the_first() -> None:
    assert violations(resource(types.PUBLIC_ACCESS_BLOCK, {})) == {"trail-bucket-private": 4}
    assert violations(resource(types.TRAIL, {"enableLogging": False})) == {"trail-complete": 3}


def test_other_resources_are_not_checked() -> None:
    assert violations(resource("aws:ssm/parameter:Parameter", {"name": "x", "policy": "{"}, protected=False)) == {}


@pytest.mark.parametrize(
    "document",
    [
        "no json",
        "[]",
        '{"statement": []}',
        '{"Statement": ["x"]}',
        '{"Statement": {"Effect": "Perhaps"}}',
        '{"Statement": {"Effect": "Allow", "principal": "*"}}',
        '{"Statement": {"Effect": "Allow", "Principal": "x", "Principal": "*"}}',
        '{"Statement": {"Effect": "Allow", "Principal": "x", "Condition": "y"}}',
    ],
)
def test_an_invalid_policy_document_is_refused(document: str) -> None:
    [message] = messages("no-wildcard-principal", types.KEY, {"policy": document})
    assert message.startswith("The policy cannot be checked: it ")


def test_a_message_says_what_to_do() -> None:
    assert messages("phi-key-rotation", types.KEY, {}) == [
        "Automatic rotation of the key is off: set enableKeyRotation to true."
    ]
    assert messages(
        "application-rights", types.KEY, {"policy": KEY_POLICY.replace("kms:GenerateDataKey", "kms:*")}
    ) == [
        "Statement 'Allow use of the key for EONPRO' allows the application kms:*: "
        "it needs kms:Decrypt, kms:GenerateDataKey and kms:DescribeKey and nothing else."
    ]


@pytest.mark.parametrize("name", ["no-wildcard-principal", "application-rights"])
def test_an_unknown_policy_neither_passes_nor_fails(name: str) -> None:
    assert messages(name, types.KEY, {"policy": UNKNOWN_STRING_VALUE}) == ["unknown"]


def test_an_unknown_value_hides_no_known_violation() -> None:
    block = {"blockPublicAcls": UNKNOWN_BOOLEAN_VALUE, "blockPublicPolicy": False, "ignorePublicAcls": True}
    assert messages("trail-bucket-private", types.PUBLIC_ACCESS_BLOCK, block) == [
        "Public access is not blocked: blockPublicPolicy must be true.",
        "Public access is not blocked: restrictPublicBuckets must be true.",
        "unknown",
    ]
    key = {"enableKeyRotation": UNKNOWN_BOOLEAN_VALUE, "rotationPeriodInDays": 1.0}
    assert messages("phi-key-rotation", types.KEY, key)[1:] == ["unknown"]
    rules = [UNKNOWN_STRING_VALUE, {"id": "short", "status": "Enabled", "expiration": {"days": 1.0}}]
    assert messages("trail-retention", types.LIFECYCLES[0], {"rules": rules})[1:] == ["unknown"]


def types_of_rules() -> set[str]:
    return {type_ for rule in RULES for type_ in rule.types}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK deprecates its own older names
@pytest.mark.parametrize("token", sorted(types_of_rules()))
def test_every_resource_type_is_one_of_the_installed_provider_sdk(token: str) -> None:
    _, module, name = token.split(":")
    resource = getattr(importlib.import_module("pulumi_aws." + module.split("/")[0]), name)
    assert resource.pulumi_type == token
