"""The guardrails on the stack as a whole: what must be there is there, and the application has one policy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy
from tests.guardrails.shapes import APP_POLICY, made

from guardrails.rules import STACK_RULES, Resource, types

LOGS = "eonpro-cloudtrail-logs"
GUARDS = (
    types.PUBLIC_ACCESS_BLOCK,
    types.VERSIONING[0],
    types.ENCRYPTION[0],
    types.LIFECYCLES[0],
    types.BUCKET_POLICY,
)


def child(type_: str, within: str, props: dict[str, Any], **refers_to: Resource) -> Resource:
    one = made(type_, props, within=within)
    return replace(one, refers_to={setting: (other.urn,) for setting, other in refers_to.items()})


KEY = made(types.KEY, {"keyId": "mrk-1", "arn": "arn:1"}, within=types.PHI_KEY)
REPLICA = made(types.REPLICA_KEY, {"keyId": "mrk-1", "arn": "arn:2"}, within=types.PHI_KEY)
TRAIL_KEY = made(types.KEY, {"keyId": "k-2", "arn": "arn:3"}, within=types.AUDIT_TRAIL)
BUCKET = made(types.BUCKET, {"bucket": LOGS}, within=types.AUDIT_TRAIL)
TRAIL = child(types.TRAIL, types.AUDIT_TRAIL, {}, s3BucketName=BUCKET)
ACCESS = made(types.ROLE_ATTACHMENT, {"role": "web", "policyArn": APP_POLICY}, within=types.APP_ACCESS)
STACK = (
    made(types.PHI_KEY, {}),
    made(types.AUDIT_TRAIL, {}),
    KEY,
    child(types.ALIAS, types.PHI_KEY, {"targetKeyId": "mrk-1", "targetKeyArn": "arn:1"}, targetKeyId=KEY),
    TRAIL_KEY,
    BUCKET,
    TRAIL,
    *(child(guard, types.AUDIT_TRAIL, {}, bucket=BUCKET) for guard in GUARDS),
    ACCESS,
)


def violated(*resources: Resource) -> list[tuple[str, str]]:
    """Rule and resource of each violation."""
    return [(rule.name, urn) for rule in STACK_RULES for urn, _ in rule.check(resources)]


def without(type_: str) -> list[Resource]:
    return [one for one in STACK if one.type != type_]


def test_the_whole_stack_passes() -> None:
    assert violated(*STACK) == []


def test_a_stack_on_a_trail_of_the_account_s_own_passes() -> None:
    ours = [one for one in STACK if not one.is_within(types.AUDIT_TRAIL)]
    assert violated(*ours) == []


@pytest.mark.parametrize("guard", GUARDS)
def test_a_bucket_without_one_of_its_guards_is_refused(guard: str) -> None:
    assert violated(*without(guard)) == [("nothing-missing", BUCKET.urn)]


@pytest.mark.parametrize(
    ("gone", "about"),
    [
        (types.ALIAS, KEY),
        (types.TRAIL, BUCKET),
        (types.AUDIT_TRAIL, STACK[0]),
    ],
)
def test_what_the_key_needs_may_not_go(gone: str, about: Resource) -> None:
    assert violated(*without(gone)) == [("nothing-missing", about.urn)]


def test_a_trail_without_its_bucket_is_refused() -> None:
    gone = [one for one in without(types.BUCKET) if one.type not in GUARDS]
    assert violated(*gone) == [("nothing-missing", TRAIL.urn)]


def test_a_component_without_its_key_is_refused() -> None:
    gone = [one for one in STACK if one not in (KEY,) and one.type != types.ALIAS]
    assert violated(*gone) == [("nothing-missing", STACK[0].urn)]


def test_a_replica_without_an_alias_is_refused_and_with_one_it_passes() -> None:
    assert violated(*STACK, REPLICA) == [("nothing-missing", REPLICA.urn)]
    wired = child(types.ALIAS, types.PHI_KEY, {}, targetKeyId=REPLICA)
    written = made(types.ALIAS, {"targetKeyArn": "arn:2"}, within=types.PHI_KEY)
    assert violated(*STACK, REPLICA, wired) == violated(*STACK, REPLICA, written) == []


def test_a_second_bucket_needs_guards_of_its_own() -> None:
    second = made(types.BUCKET, {"bucket": "second"}, within=types.AUDIT_TRAIL, name="second")
    assert violated(*STACK, second) == [("nothing-missing", second.urn)] * 4
    # By a name that is written out, and not by the program's wiring.
    own = [made(guard, {"bucket": "second"}, within=types.AUDIT_TRAIL, name="second") for guard in GUARDS]
    assert violated(*STACK, second, *own) == []


def test_wiring_is_known_while_the_value_is_not() -> None:
    unknown = unknown_checking_proxy({"bucket": UNKNOWN_STRING_VALUE})
    assert violated(*(replace(one, props=unknown) if one.type in GUARDS else one for one in STACK)) == []
    unwired = [replace(one, props=unknown, refers_to={}) if one.type == types.VERSIONING[0] else one for one in STACK]
    assert violated(*unwired) == [("nothing-missing", BUCKET.urn)]


@pytest.mark.parametrize(
    ("type_", "props"),
    [
        (types.ROLE_ATTACHMENT, {"role": "web", "policyArn": "arn:aws:iam::123456789012:policy/More"}),
        (types.POLICY_ATTACHMENT, {"roles": ["other", "web"], "policyArn": "arn:aws:iam::123456789012:policy/More"}),
        (types.ROLE_POLICY, {"role": "web", "policy": "{}"}),
    ],
)
def test_an_existing_principal_gets_no_second_policy(type_: str, props: dict[str, Any]) -> None:
    more = made(type_, props)
    assert violated(*STACK, more) == [("application-one-policy", more.urn)]


def test_another_role_s_policies_are_its_own() -> None:
    assert violated(*STACK, made(types.ROLE_POLICY, {"role": "eonpro-execution-role", "policy": "{}"})) == []
