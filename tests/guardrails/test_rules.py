"""Each guardrail with a configuration that passes and with every one that trips it."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from guardrails.rules import BUCKETS, KMS_KEYS, LIFECYCLES, PUBLIC_ACCESS_BLOCKS, RULES, TRAIL

KEY, REPLICA, _ = KMS_KEYS
KEY_POLICY = "aws:kms/keyPolicy:KeyPolicy"
PRIVATE = PUBLIC_ACCESS_BLOCKS[0]
LIFECYCLE = LIFECYCLES[0]
BUCKET = BUCKETS[0]

# What the components of this project build, as the engine hands it to a policy pack.
GOOD: dict[str, dict[str, Any]] = {
    KEY: {"enableKeyRotation": True, "rotationPeriodInDays": 365.0, "deletionWindowInDays": 30.0},
    PRIVATE: {
        "blockPublicAcls": True,
        "blockPublicPolicy": True,
        "ignorePublicAcls": True,
        "restrictPublicBuckets": True,
    },
    LIFECYCLE: {
        "rules": [
            {
                "id": "expire-after-retention",
                "status": "Enabled",
                "expiration": {"days": 2557.0},
                "noncurrentVersionExpiration": {"noncurrentDays": 2557.0},
                "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7.0},
            }
        ]
    },
    TRAIL: {"isMultiRegionTrail": True, "enableLogFileValidation": True, "enableLogging": True},
}


def violations(resource_type: str, props: dict[str, Any]) -> dict[str, int]:
    """Which guardrails a resource trips, and how often each."""
    found = {rule.name: len(rule.check(resource_type, props)) for rule in RULES}
    return {name: count for name, count in found.items() if count}


def rule(**parts: Any) -> dict[str, Any]:
    return {"rules": [{"id": "short", "status": "Enabled", **parts}]}


@pytest.mark.parametrize("resource_type", GOOD)
def test_what_this_project_builds_passes_every_guardrail(resource_type: str) -> None:
    assert violations(resource_type, GOOD[resource_type]) == {}


@pytest.mark.parametrize(
    ("resource_type", "change", "guardrail"),
    [
        (KEY, {"enableKeyRotation": False}, "phi-key-rotation"),
        (KEY, {"enableKeyRotation": None}, "phi-key-rotation"),
        (KEY, {"rotationPeriodInDays": 89.0}, "phi-key-rotation"),
        (KEY, {"rotationPeriodInDays": 2561.0}, "phi-key-rotation"),
        (KEY, {"deletionWindowInDays": 29.0}, "phi-key-deletion-window"),
        (KEY, {"deletionWindowInDays": 7.0}, "phi-key-deletion-window"),
        (REPLICA, {"deletionWindowInDays": 7.0}, "phi-key-deletion-window"),
        (KEY, {"bypassPolicyLockoutSafetyCheck": True}, "phi-key-policy-lockout-check"),
        (REPLICA, {"bypassPolicyLockoutSafetyCheck": True}, "phi-key-policy-lockout-check"),
        (KEY_POLICY, {"bypassPolicyLockoutSafetyCheck": True}, "phi-key-policy-lockout-check"),
        (PRIVATE, {"blockPublicAcls": False}, "trail-bucket-private"),
        (PRIVATE, {"blockPublicPolicy": False}, "trail-bucket-private"),
        (PRIVATE, {"ignorePublicAcls": False}, "trail-bucket-private"),
        (PRIVATE, {"restrictPublicBuckets": None}, "trail-bucket-private"),
        (LIFECYCLE, rule(expiration={"days": 2191.0}), "trail-retention"),
        (LIFECYCLE, rule(expiration={"date": "2040-01-01T00:00:00Z"}), "trail-retention"),
        (LIFECYCLE, rule(noncurrentVersionExpiration={"noncurrentDays": 30.0}), "trail-retention"),
        (LIFECYCLES[1], rule(expiration={"days": 365.0}), "trail-retention"),
        (BUCKET, {"lifecycleRules": [{"enabled": True, "expiration": {"days": 90.0}}]}, "trail-retention"),
        (
            BUCKET,
            {"lifecycleRules": [{"enabled": True, "noncurrentVersionExpiration": {"days": 90.0}}]},
            "trail-retention",
        ),
        (TRAIL, {"isMultiRegionTrail": False}, "trail-complete"),
        (TRAIL, {"isMultiRegionTrail": None}, "trail-complete"),
        (TRAIL, {"enableLogFileValidation": False}, "trail-complete"),
        (TRAIL, {"enableLogFileValidation": None}, "trail-complete"),
        (TRAIL, {"enableLogging": False}, "trail-complete"),
    ],
)
def test_each_weakening_trips_exactly_its_guardrail(resource_type: str, change: dict[str, Any], guardrail: str) -> None:
    changed = {**GOOD.get(resource_type, {}), **change}
    props = {name: value for name, value in changed.items() if value is not None}
    assert violations(resource_type, props) == {guardrail: 1}


@pytest.mark.parametrize(
    ("resource_type", "change"),
    [
        (KEY, {"rotationPeriodInDays": 90.0}),
        (KEY, {"rotationPeriodInDays": 2560.0}),
        (KEY, {"bypassPolicyLockoutSafetyCheck": False}),
        (LIFECYCLE, rule(expiration={"days": 2192.0})),
        (LIFECYCLE, rule(expiration={"days": 0.0, "expiredObjectDeleteMarker": True})),
        (LIFECYCLE, {"rules": [{"status": "Disabled", "expiration": {"days": 1.0}}]}),
        (BUCKET, {"lifecycleRules": [{"enabled": False, "expiration": {"days": 1.0}}]}),
        (BUCKET, {"bucket": "eonpro-cloudtrail-logs"}),
    ],
)
def test_the_bounds_themselves_pass(resource_type: str, change: dict[str, Any]) -> None:
    assert violations(resource_type, {**GOOD.get(resource_type, {}), **change}) == {}


@pytest.mark.parametrize("left_out", ["rotationPeriodInDays", "deletionWindowInDays"])
def test_what_aws_sets_well_by_itself_may_be_left_out(left_out: str) -> None:
    assert violations(KEY, {name: value for name, value in GOOD[KEY].items() if name != left_out}) == {}


def test_logging_left_out_is_logging_on() -> None:
    assert violations(TRAIL, {"isMultiRegionTrail": True, "enableLogFileValidation": True}) == {}


def test_every_violation_is_told_and_not_only_the_first() -> None:
    assert violations(PRIVATE, {}) == {"trail-bucket-private": 4}
    assert violations(TRAIL, {"enableLogging": False}) == {"trail-complete": 3}
    short = {"expiration": {"days": 1.0}, "noncurrentVersionExpiration": {"noncurrentDays": 1.0}}
    assert violations(LIFECYCLE, rule(**short)) == {"trail-retention": 2}


def test_other_resources_are_nobody_s_business() -> None:
    assert violations("aws:iam/role:Role", {"name": "eonpro-app-role"}) == {}


def test_a_violation_says_what_to_do() -> None:
    [rotation] = [rule.check(KEY, {}) for rule in RULES if rule.name == "phi-key-rotation"]
    assert rotation == ["Automatic rotation of the key is off: set enableKeyRotation to true."]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK deprecates its own older names
@pytest.mark.parametrize("token", [*KMS_KEYS, KEY_POLICY, *PUBLIC_ACCESS_BLOCKS, *LIFECYCLES, *BUCKETS, TRAIL])
def test_every_resource_type_is_one_of_the_installed_provider_sdk(token: str) -> None:
    _, module, name = token.split(":")
    resource = getattr(importlib.import_module("pulumi_aws." + module.split("/")[0]), name)
    assert resource.pulumi_type == token
