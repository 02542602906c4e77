"""The guardrails for the whole stack: required resources, and a single policy for the application."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from guardrails.rules import STACK_RULES, Resource
from guardrails.rules import resource_types as types
from tests.guardrails.resources import APP_POLICY, resource

LOGS = "eonpro-cloudtrail-logs"
BUCKET_SETTINGS = (
    types.PUBLIC_ACCESS_BLOCK,
    types.VERSIONING[0],
    types.ENCRYPTION[0],
    types.LIFECYCLES[0],
    types.BUCKET_POLICY,
)


def child(type_: str, within: str, props: dict[str, Any], **refers_to: Resource) -> Resource:
    child = resource(type_, props, within=within)
    return replace(child, refers_to={setting: (other.urn,) for setting, other in refers_to.items()})


KEY = resource(types.KEY, {"keyId": "mrk-1", "arn": "arn:1"}, within=types.PHI_KEY)
REPLICA = resource(types.REPLICA_KEY, {"keyId": "mrk-1", "arn": "arn:2"}, within=types.PHI_KEY)
TRAIL_KEY = resource(types.KEY, {"keyId": "k-2", "arn": "arn:3"}, within=types.AUDIT_TRAIL)
BUCKET = resource(types.BUCKET, {"bucket": LOGS}, within=types.AUDIT_TRAIL)
TRAIL = child(types.TRAIL, types.AUDIT_TRAIL, {}, s3BucketName=BUCKET)
ACCESS = resource(types.ROLE_ATTACHMENT, {"role": "web", "policyArn": APP_POLICY}, within=types.APP_ACCESS)
STACK = (
    resource(types.PHI_KEY, {}),
    resource(types.AUDIT_TRAIL, {}),
    KEY,
    child(types.ALIAS, types.PHI_KEY, {"targetKeyId": "mrk-1", "targetKeyArn": "arn:1"}, targetKeyId=KEY),
    TRAIL_KEY,
    BUCKET,
    TRAIL,
    *(child(setting, types.AUDIT_TRAIL, {}, bucket=BUCKET) for setting in BUCKET_SETTINGS),
    ACCESS,
)


def violations_of(*resources: Resource) -> list[tuple[str, str]]:
    """Rule and URN of each violation."""
    return [(rule.name, urn) for rule in STACK_RULES for urn, _ in rule.check(resources)]


def without(type_: str) -> list[Resource]:
    return [each for each in STACK if each.type != type_]


def test_the_complete_stack_passes() -> None:
    assert violations_of(*STACK) == []


def test_a_stack_with_an_existing_trail_passes() -> None:
    without_trail = [each for each in STACK if not each.is_within(types.AUDIT_TRAIL)]
    assert violations_of(*without_trail) == []


@pytest.mark.parametrize("setting", BUCKET_SETTINGS)
def test_a_bucket_without_one_of_its_settings_is_refused(setting: str) -> None:
    assert violations_of(*without(setting)) == [("required-resources", BUCKET.urn)]


@pytest.mark.parametrize(
    ("missing", "reported"),
    [
        (types.ALIAS, KEY),
        (types.TRAIL, BUCKET),
        (types.AUDIT_TRAIL, STACK[0]),
    ],
)
def test_resources_that_the_key_needs_are_required(missing: str, reported: Resource) -> None:
    assert violations_of(*without(missing)) == [("required-resources", reported.urn)]


def test_a_trail_without_its_bucket_is_refused() -> None:
    remaining = [each for each in without(types.BUCKET) if each.type not in BUCKET_SETTINGS]
    assert violations_of(*remaining) == [("required-resources", TRAIL.urn)]


def test_a_component_without_its_key_is_refused() -> None:
    remaining = [each for each in STACK if each not in (KEY,) and each.type != types.ALIAS]
    assert violations_of(*remaining) == [("required-resources", STACK[0].urn)]


def test_a_replica_without_an_alias_is_refused_and_with_one_it_passes() -> None:
    assert violations_of(*STACK, REPLICA) == [("required-resources", REPLICA.urn)]
    by_dependency = child(types.ALIAS, types.PHI_KEY, {}, targetKeyId=REPLICA)
    by_name = resource(types.ALIAS, {"targetKeyArn": "arn:2"}, within=types.PHI_KEY)
    assert violations_of(*STACK, REPLICA, by_dependency) == violations_of(*STACK, REPLICA, by_name) == []


def test_a_second_bucket_needs_its_own_settings() -> None:
    second = resource(types.BUCKET, {"bucket": "second"}, within=types.AUDIT_TRAIL, name="second")
    assert violations_of(*STACK, second) == [("required-resources", second.urn)] * 4
    # By a literal name, and not by a dependency.
    settings = [
        resource(setting, {"bucket": "second"}, within=types.AUDIT_TRAIL, name="second") for setting in BUCKET_SETTINGS
    ]
    assert violations_of(*STACK, second, *settings) == []


def test_a_dependency_is_known_while_the_value_is_not() -> None:
    unknown = unknown_checking_proxy({"bucket": UNKNOWN_STRING_VALUE})
    assert (
        violations_of(*(replace(each, props=unknown) if each.type in BUCKET_SETTINGS else each for each in STACK)) == []
    )
    without_dependency = [
        replace(each, props=unknown, refers_to={}) if each.type == types.VERSIONING[0] else each for each in STACK
    ]
    assert violations_of(*without_dependency) == [("required-resources", BUCKET.urn)]


@pytest.mark.parametrize(
    ("type_", "props"),
    [
        (types.ROLE_ATTACHMENT, {"role": "web", "policyArn": "arn:aws:iam::123456789012:policy/More"}),
        (
            types.POLICY_ATTACHMENT,
            {"roles": ["other", "web"], "policyArn": "arn:aws:iam::123456789012:policy/More"},
        ),
        (types.ROLE_POLICY, {"role": "web", "policy": "{}"}),
    ],
)
def test_a_second_policy_of_the_application_is_refused(type_: str, props: dict[str, Any]) -> None:
    second = resource(type_, props)
    assert violations_of(*STACK, second) == [("application-single-policy", second.urn)]


def test_policies_of_another_role_pass() -> None:
    assert violations_of(*STACK, resource(types.ROLE_POLICY, {"role": "eonpro-execution-role", "policy": "{}"})) == []
