"""The program, run to its end: which resources it asks for, how they are kept, and what the stack tells."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

ACCOUNT = "111122223333"
KEY_ARN = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
STACK = "pulumi:pulumi:Stack"

COMPONENTS = {
    "eonpro:kms:AppPrincipal": "app-principal",
    "eonpro:kms:PhiKey": "phi-key",
    "eonpro:kms:AppAccess": "app-access",
    "eonpro:kms:AuditTrail": "audit-trail",
    "eonpro:kms:Delivery": "delivery",
}
KEY = ["aws:kms/alias:Alias", "aws:kms/key:Key"]
TRAIL = [
    "aws:cloudtrail/trail:Trail",
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
]
OIDC = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"
POLICY = "aws:iam/policy:Policy"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
ROLE_ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
USER_ATTACHMENT = "aws:iam/userPolicyAttachment:UserPolicyAttachment"

EXISTING_ROLE = f"arn:aws:iam::{ACCOUNT}:role/teams/portal"
EXISTING_USER = f"arn:aws:iam::{ACCOUNT}:user/apps/portal"
ECS_ONLY = {"deployTargets": ["ecs"], "vercelTeam": None, "vercelProject": None}
BOTH = {"deployTargets": ["ecs", "vercel"]}

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def vercel(run_program: Run) -> Any:
    return run_program()


@pytest.fixture(scope="module")
def ecs(run_program: Run) -> Any:
    return run_program(**ECS_ONLY)


def _trusted(recording: Any) -> list[str]:
    trust = json.loads(recording.named("eonpro-app-role").inputs["assumeRolePolicy"])
    return [statement["Sid"] for statement in trust["Statement"]]


@pytest.mark.parametrize(
    ("changes", "resources"),
    [
        ({}, [*KEY, *TRAIL, OIDC, ROLE, POLICY, ROLE_ATTACHMENT]),
        (ECS_ONLY, [*KEY, *TRAIL, *2 * [ROLE, POLICY, ROLE_ATTACHMENT], ROLE_POLICY]),
        (BOTH, [*KEY, *TRAIL, OIDC, *2 * [ROLE, POLICY, ROLE_ATTACHMENT], ROLE_POLICY]),
        ({"appPrincipalArn": EXISTING_ROLE}, [*KEY, *TRAIL, POLICY, ROLE_ATTACHMENT]),
        ({"appPrincipalArn": EXISTING_USER}, [*KEY, *TRAIL, POLICY, USER_ATTACHMENT]),
        (
            {"vercelOidcProviderArn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/acme"},
            [*KEY, *TRAIL, ROLE, POLICY, ROLE_ATTACHMENT],
        ),
        (
            {
                "existingTrailArn": f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/organization",
                "trailBucket": "organization-logs",
            },
            [*KEY, OIDC, ROLE, POLICY, ROLE_ATTACHMENT],
        ),
        (
            {**ECS_ONLY, "ecsExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/ecs/starter"},
            [*KEY, *TRAIL, ROLE, *2 * [POLICY, ROLE_ATTACHMENT]],
        ),
    ],
    ids=[
        "vercel",
        "ecs",
        "both",
        "existing-role",
        "existing-user",
        "existing-oidc-provider",
        "existing-trail",
        "existing-execution-role",
    ],
)
def test_the_program_makes_what_the_settings_need_and_nothing_else(
    run_program: Run, changes: dict[str, Any], resources: list[str]
) -> None:
    recording = run_program(**changes)
    assert recording.types == sorted([*COMPONENTS, *resources])


def test_component_types_and_names_are_what_every_stack_knows_them_by(vercel: Any) -> None:
    """They are part of each URN: with another the engine would delete the key and make a new one."""
    components = {one.type: one.name for one in vercel.resources if one.type.startswith("eonpro:")}
    assert components == COMPONENTS
    assert {one.parent for one in vercel.resources if one.type in COMPONENTS} == {STACK}


def test_every_resource_is_its_component_s_child_under_a_lasting_name(run_program: Run) -> None:
    recording = run_program(**BOTH)
    children = {(one.parent, one.type, one.name) for one in recording.resources if one.type not in COMPONENTS}
    assert children == {
        ("eonpro:kms:AppPrincipal", OIDC, "app-principal-vercel"),
        ("eonpro:kms:AppPrincipal", ROLE, "app-principal"),
        *(("eonpro:kms:PhiKey", type_, "phi-key") for type_ in KEY),
        ("eonpro:kms:AppAccess", POLICY, "app-access"),
        ("eonpro:kms:AppAccess", ROLE_ATTACHMENT, "app-access"),
        *(("eonpro:kms:AuditTrail", type_, "audit-trail") for type_ in TRAIL),
        ("eonpro:kms:Delivery", ROLE, "delivery-execution"),
        ("eonpro:kms:Delivery", ROLE_POLICY, "delivery-execution"),
        ("eonpro:kms:Delivery", POLICY, "delivery-parameters"),
        ("eonpro:kms:Delivery", ROLE_ATTACHMENT, "delivery-parameters"),
    }


def test_key_alias_and_the_guarded_trail_bucket_are_protected_and_retained(vercel: Any) -> None:
    kept = {one.type for one in vercel.resources if one.protected and one.retained}
    assert kept == {*KEY, *(type_ for type_ in TRAIL if type_.startswith("aws:s3/"))}


def test_the_trail_is_protected_but_not_left_behind_to_write_for_ever(vercel: Any) -> None:
    trail = vercel.one("aws:cloudtrail/trail:Trail")
    assert (trail.protected, trail.retained) == (True, False)


def test_access_can_be_taken_away(vercel: Any) -> None:
    free = {one.type for one in vercel.resources if one.type.startswith("aws:") and not one.protected}
    assert free == {OIDC, ROLE, POLICY, ROLE_ATTACHMENT}


def test_a_shared_oidc_provider_stays_for_whom_else_may_trust_it(vercel: Any) -> None:
    assert vercel.one(OIDC).retained


def test_the_key_is_symmetric_rotated_and_slow_to_delete(vercel: Any) -> None:
    inputs = vercel.one("aws:kms/key:Key").inputs
    assert inputs["customerMasterKeySpec"] == "SYMMETRIC_DEFAULT"
    assert inputs["keyUsage"] == "ENCRYPT_DECRYPT"
    assert inputs["description"] == "EONPRO PHI encryption key for HIPAA compliance"
    assert (inputs["enableKeyRotation"], inputs["rotationPeriodInDays"]) == (True, 365)
    assert inputs["deletionWindowInDays"] == 30
    assert "bypassPolicyLockoutSafetyCheck" not in inputs


def test_another_rotation_period_is_no_other_change(run_program: Run, vercel: Any) -> None:
    changed = run_program(rotationPeriodDays=180)
    before = {one.urn: one.inputs for one in vercel.resources}
    differing = [one for one in changed.resources if before[one.urn] != one.inputs]
    assert [one.type for one in differing] == ["aws:kms/key:Key"]
    key = differing[0].inputs
    assert key["rotationPeriodInDays"] == 180
    assert {**key, "rotationPeriodInDays": 365} == before[differing[0].urn]


def test_the_key_s_policy_names_the_principal_that_was_made_before_it(vercel: Any) -> None:
    key = vercel.one("aws:kms/key:Key")
    statements = json.loads(key.inputs["policy"])["Statement"]
    principals = {one["Sid"]: one["Principal"]["AWS"] for one in statements}
    assert principals["Allow use of the key for EONPRO"] == [f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role"]
    assert principals["Allow administration of the key"] == [f"arn:aws:iam::{ACCOUNT}:role/admin"]
    assert key.depends_on == {ROLE}


def test_the_application_s_policy_is_on_the_key_s_arn_and_not_on_the_alias(vercel: Any) -> None:
    (statement,) = json.loads(vercel.named("EONPROKMSAccess").inputs["policy"])["Statement"]
    assert statement["Resource"] == KEY_ARN


@pytest.mark.parametrize(
    ("changes", "trusted"),
    [({}, ["TrustVercel"]), (ECS_ONLY, ["TrustEcsTasks"]), (BOTH, ["TrustVercel", "TrustEcsTasks"])],
)
def test_the_role_trusts_the_targets_and_nobody_else(
    run_program: Run, changes: dict[str, Any], trusted: list[str]
) -> None:
    assert _trusted(run_program(**changes)) == trusted


@pytest.mark.parametrize(
    ("arn", "attachment", "field"),
    [(EXISTING_ROLE, ROLE_ATTACHMENT, "role"), (EXISTING_USER, USER_ATTACHMENT, "user")],
)
def test_an_existing_principal_gets_the_policy_by_its_name_without_the_path(
    run_program: Run, arn: str, attachment: str, field: str
) -> None:
    recording = run_program(appPrincipalArn=arn)
    assert recording.one(attachment).inputs[field] == "portal"
    assert recording.stack_outputs["appPrincipalArn"] == arn
    assert arn in recording.one("aws:kms/key:Key").inputs["policy"]


def test_an_existing_oidc_provider_is_trusted_under_its_own_issuer(run_program: Run) -> None:
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com"
    recording = run_program(vercelOidcProviderArn=provider)
    (statement,) = json.loads(recording.one(ROLE).inputs["assumeRolePolicy"])["Statement"]
    assert statement["Principal"] == {"Federated": provider}
    assert set(statement["Condition"]["StringEquals"]) == {"oidc.vercel.com:aud", "oidc.vercel.com:sub"}


def test_a_made_oidc_provider_is_the_one_the_role_trusts_and_comes_first(vercel: Any) -> None:
    provider, role = vercel.one(OIDC), vercel.one(ROLE)
    assert provider.inputs["url"] == "https://oidc.vercel.com/acme"
    assert provider.inputs["clientIdLists"] == ["https://vercel.com/acme"]
    assert f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/acme" in role.inputs["assumeRolePolicy"]
    assert OIDC in role.depends_on


def test_the_trail_sees_every_region_and_global_services_and_can_be_validated(vercel: Any) -> None:
    trail = vercel.one("aws:cloudtrail/trail:Trail")
    switched_on = {name for name, value in trail.inputs.items() if value is True}
    assert switched_on == {
        "isMultiRegionTrail",
        "includeGlobalServiceEvents",
        "enableLogFileValidation",
        "enableLogging",
    }
    assert trail.inputs["s3BucketName"] == f"eonpro-cloudtrail-logs-{ACCOUNT}-us-east-1"


def test_the_trail_starts_when_its_bucket_is_guarded(vercel: Any) -> None:
    assert vercel.one("aws:cloudtrail/trail:Trail").depends_on == {type_ for type_ in TRAIL if "s3/" in type_}


def test_the_trail_bucket_is_private_versioned_and_encrypted(vercel: Any) -> None:
    private = vercel.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock").inputs
    assert [value for name, value in private.items() if name != "bucket"] == [True] * 4
    versioned = vercel.one("aws:s3/bucketVersioning:BucketVersioning").inputs
    assert versioned["versioningConfiguration"] == {"status": "Enabled"}
    owned = vercel.one("aws:s3/bucketOwnershipControls:BucketOwnershipControls").inputs
    assert owned["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    encrypted = vercel.one("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration")
    assert encrypted.inputs["rules"] == [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]
    assert vercel.one("aws:s3/bucket:Bucket").inputs["forceDestroy"] is False


@pytest.mark.parametrize("days", [2192, 2557, 3650])
def test_no_version_of_a_log_expires_before_the_retention(run_program: Run, days: int) -> None:
    recording = run_program(trailRetentionDays=days)
    inputs = recording.one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration").inputs
    (rule,) = inputs["rules"]
    assert rule["status"] == "Enabled"
    assert rule["expiration"] == {"days": days}
    assert rule["noncurrentVersionExpiration"] == {"noncurrentDays": days}


def test_ecs_reads_exactly_the_three_parameters(ecs: Any) -> None:
    arns = [
        f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/eonpro/production/{name}"
        for name in ("AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY")
    ]
    (statement,) = json.loads(ecs.named("EONPROParameterAccess").inputs["policy"])["Statement"]
    assert statement["Action"] == ["ssm:GetParameters"]
    assert statement["Resource"] == arns
    assert [entry["valueFrom"] for entry in ecs.stack_outputs["taskSecrets"]] == arns


def test_the_execution_role_may_not_use_the_key(ecs: Any) -> None:
    attached = {one.inputs["role"]: one.inputs["policyArn"] for one in ecs.all(ROLE_ATTACHMENT)}
    assert attached == {
        "eonpro-app-role": f"arn:aws:iam::{ACCOUNT}:policy/EONPROKMSAccess",
        "eonpro-execution-role": f"arn:aws:iam::{ACCOUNT}:policy/EONPROParameterAccess",
    }
    assert "kms:" not in ecs.one(ROLE_POLICY).inputs["policy"]


def test_a_named_execution_role_gets_the_reading_and_nothing_else(run_program: Run) -> None:
    recording = run_program(**ECS_ONLY, ecsExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/ecs/starter")
    (reading,) = (one for one in recording.all(ROLE_ATTACHMENT) if one.inputs["role"] == "starter")
    assert reading.inputs["policyArn"].endswith("policy/EONPROParameterAccess")


def test_the_stack_tells_what_other_programs_rely_on(vercel: Any, ecs: Any) -> None:
    told = {
        "keyArn": KEY_ARN,
        "keyId": "1234abcd-12ab-34cd-56ef-1234567890ab",
        "aliasName": "alias/eonpro-phi-key",
        "appPolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/EONPROKMSAccess",
        "appPrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role",
        "trailArn": f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/eonpro-audit-trail",
        "trailBucket": f"eonpro-cloudtrail-logs-{ACCOUNT}-us-east-1",
        "parameterPrefix": "/eonpro/production",
    }
    assert vercel.stack_outputs == told
    assert set(ecs.stack_outputs) == {*told, "taskSecrets"}


def test_an_existing_trail_is_told_with_its_bucket(run_program: Run) -> None:
    arn = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/organization"
    outputs = run_program(existingTrailArn=arn, trailBucket="organization-logs").stack_outputs
    assert (outputs["trailArn"], outputs["trailBucket"]) == (arn, "organization-logs")


def test_every_component_registers_its_outputs(ecs: Any) -> None:
    assert set(ecs.component_outputs) == {*COMPONENTS, STACK}
    assert all(ecs.component_outputs.values())


def test_another_environment_shares_no_name_with_production(run_program: Run) -> None:
    def names(recording: Any) -> set[str]:
        return {
            one.inputs[field]
            for one in recording.resources
            for field in ("name", "bucket")
            if field in one.inputs and one.type != ROLE_POLICY
        }

    production, staging = run_program(**BOTH), run_program(**BOTH, environment="staging")
    assert names(staging) == {f"{name}-staging" for name in names(production)}
    assert staging.stack_outputs["parameterPrefix"] == "/eonpro/staging"
    tags = [one.inputs["tags"] for one in staging.resources if "tags" in one.inputs]
    assert tags == [{"Application": "EONPRO", "Environment": "Staging"}] * len(tags)


def test_in_another_partition_every_arn_is_of_that_partition(run_program: Run) -> None:
    recording = run_program(
        **ECS_ONLY,
        administrators=[f"arn:aws-us-gov:iam::{ACCOUNT}:role/admin"],
        appPrincipalArn=f"arn:aws-us-gov:iam::{ACCOUNT}:role/portal",
        **{"aws:region": "us-gov-west-1"},
    )
    documents = [
        recording.one("aws:kms/key:Key").inputs["policy"],
        recording.named("EONPROParameterAccess").inputs["policy"],
        recording.one("aws:s3/bucketPolicy:BucketPolicy").inputs["policy"],
    ]
    for document in documents:
        assert "arn:aws-us-gov:" in document
        assert "arn:aws:" not in document


def test_faults_of_the_configuration_are_told_together_each_with_its_command(run_program: Run) -> None:
    with pytest.raises(pulumi.RunError) as refusal:
        run_program(accountId="12", rotationPeriodDays=7, administrators=["everybody"])
    message = str(refusal.value)
    assert message.startswith("The stack production cannot be built from its configuration:")
    assert "'12' is not an AWS account id" in message
    assert "'everybody' is not the ARN of an IAM user or role" in message
    assert "pulumi config set --stack production eonpro-kms:accountId VALUE" in message
    assert "pulumi config set --stack production eonpro-kms:rotationPeriodDays VALUE" in message
    assert "pulumi config set --stack production --path 'eonpro-kms:administrators[N]' VALUE" in message


def test_without_a_region_the_provider_s_own_key_is_advised(run_program: Run) -> None:
    with pytest.raises(pulumi.RunError, match="pulumi config set --stack production aws:region VALUE"):
        run_program(**{"aws:region": None})


def test_faults_between_settings_advise_no_key_that_does_not_exist(run_program: Run) -> None:
    with pytest.raises(pulumi.RunError, match="vercelTeam") as refusal:
        run_program(vercelTeam=None)
    assert "pulumi config set" not in str(refusal.value)


def test_nothing_is_registered_when_the_configuration_is_refused(run_program: Run, recording: Any) -> None:
    with pytest.raises(pulumi.RunError):
        run_program(recording, accountId=None)
    assert recording.resources == []


@pytest.mark.parametrize("allowed", [None, ["999999999999"]])
def test_an_account_that_the_provider_may_confuse_is_warned_of(run_program: Run, allowed: Any) -> None:
    (warning,) = run_program(**{"aws:allowedAccountIds": allowed}).log
    assert f"--path 'aws:allowedAccountIds[0]' {ACCOUNT}" in warning


def test_a_good_configuration_is_not_commented_on(vercel: Any) -> None:
    assert vercel.log == []
