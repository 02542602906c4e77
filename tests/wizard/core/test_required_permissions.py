"""What the caller of the set-up has to be allowed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from components.settings import Settings
from wizard.core.required_permissions.table import required, required_to_replace

ACCOUNT = "123456789012"
IAM = f"arn:aws:iam::{ACCOUNT}"
ADMIN = f"{IAM}:user/admin"
SOMEBODY = f"{IAM}:user/somebody"
BUCKET = f"arn:aws:s3:::eonpro-cloudtrail-logs-{ACCOUNT}-us-east-1"
THEIR_TRAIL = {
    "existing_trail_arn": f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/theirs",
    "trail_bucket": "theirs-too",
}
BARE = {"trail_key": False, "trail_lock": "none", "access_logging": False, "alerts": False}


def here(service: str, rest: str, region: str = "us-east-1") -> str:
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{rest}"


@pytest.fixture
def settings_of() -> Callable[..., Settings]:
    """Settings for Vercel and ECS, with what a test changes in them."""
    answers = {
        "account_id": ACCOUNT,
        "region": "us-east-1",
        "administrators": [ADMIN],
        "deploy_targets": ["vercel", "ecs"],
        "vercel_team": "eonpro",
        "vercel_project": "eonpro",
    }
    return lambda **changes: Settings.read({**answers, **changes})


@pytest.fixture
def needed(settings_of) -> Callable[..., set[tuple[str, str]]]:
    """(action, resource) of everything that is needed with these settings."""

    def ask(caller: str = ADMIN, **changes: object) -> set[tuple[str, str]]:
        needs = required(settings_of(**changes), caller)
        return {(action, need.resource) for need in needs for action in need.actions}

    return ask


def actions(needs: set[tuple[str, str]]) -> set[str]:
    return {action for action, _ in needs}


def services(needs: set[tuple[str, str]]) -> set[str]:
    return {action.split(":")[0] for action, _ in needs}


@pytest.mark.parametrize(
    ("changes", "action", "resource"),
    [
        ({}, "kms:CreateAlias", here("kms", "alias/eonpro-phi-key")),
        ({}, "kms:CreateAlias", here("kms", "alias/eonpro-audit-key")),
        ({}, "kms:CreateKey", "*"),
        ({}, "iam:CreatePolicy", f"{IAM}:policy/EONPROKMSAccess"),
        ({}, "iam:CreateRole", f"{IAM}:role/eonpro-app-role"),
        ({}, "iam:CreateOpenIDConnectProvider", f"{IAM}:oidc-provider/oidc.vercel.com/eonpro"),
        ({}, "iam:CreateRole", f"{IAM}:role/eonpro-execution-role"),
        ({}, "iam:CreatePolicy", f"{IAM}:policy/EONPROParameterAccess"),
        ({}, "ssm:PutParameter", here("ssm", "parameter/eonpro/production/ENCRYPTED_PHI_KEY")),
        ({}, "ssm:PutParameter", here("ssm", "parameter/eonpro/production/AWS_REGION")),
        ({}, "s3:PutBucketObjectLockConfiguration", BUCKET),
        ({}, "s3:PutBucketLogging", BUCKET),
        ({}, "s3:CreateBucket", f"arn:aws:s3:::eonpro-access-logs-{ACCOUNT}-us-east-1"),
        ({}, "cloudtrail:StartLogging", here("cloudtrail", "trail/eonpro-audit-trail")),
        ({}, "sns:CreateTopic", here("sns", "eonpro-alerts")),
        ({"alert_emails": ["a@b.example"]}, "sns:Subscribe", here("sns", "eonpro-alerts")),
        ({}, "sns:CreateTopic", here("sns", "eonpro-fallback-alerts")),
        ({"alert_emails": ["a@b.example"]}, "sns:Subscribe", here("sns", "eonpro-fallback-alerts")),
        ({}, "events:PutTargets", here("events", "rule/eonpro-key-changes")),
        ({}, "events:PutTargets", here("events", "rule/eonpro-fallback-alerts")),
        ({}, "events:PutRule", here("events", "rule/eonpro-denied-use")),
        ({}, "cloudwatch:PutMetricAlarm", here("cloudwatch", "alarm:eonpro-denied-use")),
        (
            {"cloudwatch_logs": True},
            "logs:CreateLogGroup",
            here("logs", "log-group:/aws/cloudtrail/eonpro-audit-trail"),
        ),
        ({"cloudwatch_logs": True}, "iam:PassRole", f"{IAM}:role/eonpro-trail-logs-role"),
        ({"vercel_access": "user"}, "iam:CreateUser", f"{IAM}:user/eonpro-app-user"),
        ({"vercel_access": "user"}, "iam:CreateAccessKey", f"{IAM}:user/eonpro-app-user"),
        ({"app_principal_arn": f"{IAM}:role/theirs"}, "iam:AttachRolePolicy", f"{IAM}:role/theirs"),
        ({"app_principal_arn": f"{IAM}:user/x/theirs"}, "iam:AttachUserPolicy", f"{IAM}:user/x/theirs"),
        (
            {"deploy_targets": ["eks"], "eks_cluster": "clinic"},
            "iam:CreateRole",
            f"{IAM}:role/eonpro-secrets-role",
        ),
        (
            {"secret_store": "secrets-manager"},
            "secretsmanager:CreateSecret",
            here("secretsmanager", "secret:/eonpro/production/ENCRYPTED_PHI_KEY-AbCdEf"),
        ),
        ({"secret_store": "secrets-manager"}, "iam:CreatePolicy", f"{IAM}:policy/EONPROSecretAccess"),
        (THEIR_TRAIL, "events:PutRule", here("events", "rule/eonpro-trail-changes")),
    ],
)
def test_each_action_is_needed_on_the_one_thing_it_is_for(needed, changes, action, resource):
    assert (action, resource) in needed(**changes)


@pytest.mark.parametrize(
    ("changes", "gone"),
    [
        (BARE, {"s3:PutBucketObjectLockConfiguration", "s3:PutBucketLogging"}),
        (BARE, {"sns:CreateTopic", "events:PutRule", "cloudwatch:PutMetricAlarm"}),
        (THEIR_TRAIL, {"s3:CreateBucket", "cloudtrail:CreateTrail", "s3:PutBucketLogging"}),
        ({}, {"iam:PassRole", "logs:CreateLogGroup", "sns:Subscribe", "iam:CreateUser", "iam:CreateAccessKey"}),
        ({}, {"secretsmanager:CreateSecret", "kms:ReplicateKey", "kms:GenerateDataKeyWithoutPlaintext"}),
        ({"vercel_access": "user"}, {"iam:CreateOpenIDConnectProvider"}),
        ({"deploy_targets": ["vercel"], "vercel_access": "user"}, {"iam:CreateRole", "iam:AttachRolePolicy"}),
    ],
)
def test_what_the_settings_leave_out_is_not_needed(needed, changes, gone):
    assert not gone & actions(needed(**changes))


def test_nothing_that_reads_phi_is_ever_needed(needed):
    everything = needed(
        SOMEBODY,
        vercel_access="user",
        cloudwatch_logs=True,
        multi_region=True,
        replica_regions=["eu-west-1"],
        alert_emails=["a@b.example"],
    )
    assert not {"kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt", "s3:GetObject"} & actions(everything)
    assert not [action for action in actions(everything) if "*" in action]
    reads = ("Describe", "Get", "List")
    on_all = {action for action, resource in everything if resource == "*"}
    assert {action for action in on_all if not action.partition(":")[2].startswith(reads)} == {"kms:CreateKey"}


def test_for_vercel_alone_the_stored_data_key_and_its_versions_are_all_that_is_stored(needed):
    stored = {resource for action, resource in needed(deploy_targets=["vercel"]) if action.startswith("ssm:")}
    assert stored == {
        here("ssm", "parameter/eonpro/production/ENCRYPTED_PHI_KEY"),
        here("ssm", "parameter/eonpro/production/data-keys/0123456789abcdef"),
    }


def test_a_stored_data_key_in_secrets_manager_is_never_given_another_value(needed):
    given = {resource for action, resource in needed(secret_store="secrets-manager") if action.endswith("SecretValue")}
    written = {
        resource
        for action, resource in needed(secret_store="secrets-manager")
        if action == "secretsmanager:PutSecretValue"
    }
    assert {resource.rsplit("/", 1)[-1] for resource in written} == {"AWS_REGION-AbCdEf", "AWS_KMS_KEY_ID-AbCdEf"}
    assert {resource.partition("/production/")[2] for resource in given - written} == {
        "ENCRYPTED_PHI_KEY-AbCdEf",
        "data-keys/0123456789abcdef-AbCdEf",
    }
    assert len(given) == 4


@pytest.fixture
def replicated(settings_of):
    return settings_of(multi_region=True, replica_regions=["eu-west-1"])


def test_a_replica_is_needed_in_its_own_region_with_all_that_goes_with_it(replicated):
    needs = required(replicated, SOMEBODY)
    there = {(action, need.resource) for need in needs if need.region == "eu-west-1" for action in need.actions}
    assert {
        ("kms:CreateKey", "*"),
        ("kms:CreateAlias", here("kms", "alias/eonpro-phi-key", "eu-west-1")),
        ("ssm:PutParameter", here("ssm", "parameter/eonpro/production/ENCRYPTED_PHI_KEY", "eu-west-1")),
        ("events:PutTargets", here("events", "rule/eonpro-key-changes", "eu-west-1")),
    } <= there
    assert not [action for action, _ in there if action.startswith(("cloudtrail:", "s3:", "sns:", "iam:"))]


def test_a_key_is_replicated_from_its_own_region(replicated):
    need, *_ = [need for need in required(replicated, SOMEBODY) if "kms:ReplicateKey" in need.actions]
    assert (need.resource, need.region) == (here("kms", "key/*"), "us-east-1")


def test_what_forwards_a_replicas_events_is_passed_to_eventbridge(replicated):
    passed = {need.resource for need in required(replicated, ADMIN) if "iam:PassRole" in need.actions}
    assert passed == {f"{IAM}:role/eonpro-alerts-forwarding"}


SSO = f"{IAM}:role/aws-reserved/sso.amazonaws.com"


@pytest.mark.parametrize(
    ("caller", "administers"),
    [
        (ADMIN, True),
        (f"{SSO}/eu-west-1/AWSReservedSSO_KeyAdmin_0123456789abcdef", True),
        (f"{SSO}/eu-west-1/AWSReservedSSO_ReadOnly_0123456789abcdef", False),
        (SOMEBODY, False),
    ],
)
def test_who_administers_the_key_has_its_rights_from_the_keys_own_policy(needed, caller, administers):
    pattern = f"{SSO}/*AWSReservedSSO_KeyAdmin_????????????????"
    found = needed(caller, administrator_patterns=[pattern])
    assert (("kms:GenerateDataKeyWithoutPlaintext", here("kms", "key/*")) in found) is not administers


def test_iam_is_asked_in_its_own_region_and_the_rest_where_the_stack_is(settings_of):
    needs = required(settings_of(region="eu-west-1"), ADMIN)
    assert {need.region for need in needs if need.resource.startswith(IAM)} == {"us-east-1"}
    elsewhere = [need for need in needs if not need.resource.startswith(IAM) and need.region != "eu-west-1"]
    # IAM's events are there too.
    assert {(need.region, need.resource) for need in elsewhere} == {
        ("us-east-1", here("events", f"rule/eonpro-{kind}-changes")) for kind in ("access", "alert")
    }


def test_what_forwards_iams_events_is_passed_to_eventbridge(settings_of):
    needs = required(settings_of(region="eu-west-1"), ADMIN)
    passed = {need.resource for need in needs if "iam:PassRole" in need.actions}
    assert passed == {f"{IAM}:role/eonpro-alerts-forwarding"}


ADOPTED = [
    "key=1234abcd-12ab-34cd-56ef-1234567890ab",
    "alias=alias/eonpro-phi-key",
    "application-role=eonpro-app-role",
    f"application-policy={IAM}:policy/EONPROKMSAccess",
    f"policy-attachment=eonpro-app-role/{IAM}:policy/EONPROKMSAccess",
    "trail=eonpro-audit-trail",
    f"bucket=eonpro-cloudtrail-logs-{ACCOUNT}-us-east-1",
]


def test_what_was_adopted_has_not_to_be_made(needed):
    found = needed(adopted=ADOPTED, deploy_targets=["vercel"], **BARE)
    made = {
        "kms:CreateKey",
        "kms:CreateAlias",
        "iam:CreateRole",
        "iam:CreatePolicy",
        "iam:AttachRolePolicy",
        "cloudtrail:CreateTrail",
        "s3:CreateBucket",
    }
    assert not made & actions(found)
    assert ("s3:PutBucketPolicy", BUCKET) in found


def test_beside_an_adopted_key_the_key_of_the_logs_is_still_made(needed):
    found = needed(adopted=ADOPTED)
    assert ("kms:CreateKey", "*") in found
    assert ("kms:CreateAlias", here("kms", "alias/eonpro-audit-key")) in found
    assert ("kms:CreateAlias", here("kms", "alias/eonpro-phi-key")) not in found


def test_a_trail_of_another_region_is_watched_by_no_rule_here(needed):
    elsewhere = {
        **THEIR_TRAIL,
        "existing_trail_arn": THEIR_TRAIL["existing_trail_arn"].replace("us-east-1", "eu-west-1"),
    }
    assert ("events:PutRule", here("events", "rule/eonpro-trail-changes")) not in needed(**elsewhere)
    assert "sns" in services(needed(**elsewhere))


def test_only_a_promotion_asks_to_overwrite_the_stored_key(settings_of):
    """With the value that the condition of the operator's policy compares: else its refusal is not foreseen."""
    operator, promotion = required(settings_of(), ADMIN), required_to_replace(settings_of())
    stored = here("ssm", "parameter/eonpro/production/ENCRYPTED_PHI_KEY")
    for needs, overwrites in ((operator, "false"), (promotion, "true")):
        puts = [need for need in needs if "ssm:PutParameter" in need.actions and need.resource == stored]
        assert puts and {need.context["ssm:Overwrite"] for need in puts} == {(overwrites,)}
