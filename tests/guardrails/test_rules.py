"""Each guardrail with what trips it, and with the legitimate shape that passes in its place."""

from __future__ import annotations

import importlib
from collections import Counter
from typing import Any

import pytest
from pulumi_policy.proxy import UNKNOWN_BOOLEAN_VALUE, UNKNOWN_STRING_VALUE, UnknownValueError, unknown_checking_proxy
from tests.guardrails.breaches import BREACHES, Breach
from tests.guardrails.shapes import ALSO_GOOD, GOOD, KEY_POLICY, made

from guardrails.rules import RULES, Resource, types


def violations(resource: Resource) -> Counter[str]:
    """Which guardrails a resource trips, and how often each."""
    return Counter(rule.name for rule in RULES for _ in rule.violations(resource))


def told(name: str, type_: str, props: dict[str, Any]) -> list[str]:
    """What a guardrail says; the unknown it meets after that is swallowed."""
    found: list[str] = []
    [rule] = [rule for rule in RULES if rule.name == name]
    try:
        for one in rule.violations(made(type_, unknown_checking_proxy(props))):
            found.append(one)
    except UnknownValueError:
        found.append("unknown")
    return found


@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: f"{breach.type.rpartition(':')[2]}")
def test_what_breaks_compliance_is_refused_by_exactly_its_rules(breach: Breach) -> None:
    resource = made(breach.type, breach.props, within=breach.within, protected=breach.protected)
    assert set(violations(resource)) == breach.rules


@pytest.mark.parametrize("type_", GOOD)
def test_what_this_project_builds_passes_every_guardrail(type_: str) -> None:
    assert violations(made(type_, GOOD[type_])) == {}


@pytest.mark.parametrize(("type_", "props"), ALSO_GOOD)
def test_other_legitimate_shapes_pass_every_guardrail(type_: str, props: dict[str, Any]) -> None:
    assert violations(made(type_, props)) == {}


def test_every_rule_is_tripped_by_a_breach_that_has_a_passing_twin() -> None:
    with_twin = {name for breach in BREACHES if breach.type in GOOD for name in breach.rules}
    assert with_twin == {rule.name for rule in RULES}


def test_every_type_a_rule_looks_at_is_looked_at_here() -> None:
    tried = {*GOOD, *(breach.type for breach in BREACHES)}
    old_names = {type_ for type_ in types_of_rules() if type_.endswith("V2")}
    assert types_of_rules() - tried - old_names == {types.PUBLIC_ACCESS_BLOCKS[1]}


def test_names_are_kebab_case_and_each_is_there_once() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    assert all(name == name.lower() and name.replace("-", "").isalpha() for name in names)


def test_every_violation_is_told_and_not_only_the_first() -> None:
    assert violations(made(types.PUBLIC_ACCESS_BLOCK, {})) == {"trail-bucket-private": 4}
    assert violations(made(types.TRAIL, {"enableLogging": False})) == {"trail-complete": 3}


def test_other_resources_are_nobody_s_business() -> None:
    assert violations(made("aws:ssm/parameter:Parameter", {"name": "x", "policy": "{"}, protected=False)) == {}


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
def test_a_policy_that_cannot_be_judged_is_refused(document: str) -> None:
    [sentence] = told("no-wildcard-principal", types.KEY, {"policy": document})
    assert sentence.startswith("The policy cannot be judged: it ")


def test_a_violation_says_what_to_do() -> None:
    assert told("phi-key-rotation", types.KEY, {}) == [
        "Automatic rotation of the key is off: set enableKeyRotation to true."
    ]
    assert told("application-rights", types.KEY, {"policy": KEY_POLICY.replace("kms:GenerateDataKey", "kms:*")}) == [
        "Statement 'Allow use of the key for EONPRO' gives the application kms:*: "
        "it needs kms:Decrypt, kms:GenerateDataKey and kms:DescribeKey and nothing else."
    ]


@pytest.mark.parametrize("name", ["no-wildcard-principal", "application-rights"])
def test_a_policy_that_is_unknown_yet_is_neither_passed_nor_refused(name: str) -> None:
    assert told(name, types.KEY, {"policy": UNKNOWN_STRING_VALUE}) == ["unknown"]


def test_what_is_unknown_yet_hides_nothing_that_is_known() -> None:
    block = {"blockPublicAcls": UNKNOWN_BOOLEAN_VALUE, "blockPublicPolicy": False, "ignorePublicAcls": True}
    assert told("trail-bucket-private", types.PUBLIC_ACCESS_BLOCK, block) == [
        "Public access is not blocked: blockPublicPolicy must be true.",
        "Public access is not blocked: restrictPublicBuckets must be true.",
        "unknown",
    ]
    key = {"enableKeyRotation": UNKNOWN_BOOLEAN_VALUE, "rotationPeriodInDays": 1.0}
    assert told("phi-key-rotation", types.KEY, key)[1:] == ["unknown"]
    rules = [UNKNOWN_STRING_VALUE, {"id": "short", "status": "Enabled", "expiration": {"days": 1.0}}]
    assert told("trail-retention", types.LIFECYCLES[0], {"rules": rules})[1:] == ["unknown"]


def types_of_rules() -> set[str]:
    return {type_ for rule in RULES for type_ in rule.types}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK deprecates its own older names
@pytest.mark.parametrize("token", sorted(types_of_rules()))
def test_every_resource_type_is_one_of_the_installed_provider_sdk(token: str) -> None:
    _, module, name = token.split(":")
    resource = getattr(importlib.import_module("pulumi_aws." + module.split("/")[0]), name)
    assert resource.pulumi_type == token
