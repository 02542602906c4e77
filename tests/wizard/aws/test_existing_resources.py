"""What the account already has under the stack's names."""

from __future__ import annotations

import json

import pytest

from wizard.aws.client import connect
from wizard.core.errors import PermissionDenied, Unreachable
from wizard.core.models.account import Existing

ACCOUNT = "123456789012"
IAM = f"arn:aws:iam::{ACCOUNT}"
BUCKET = f"eonpro-cloudtrail-logs-{ACCOUNT}-us-east-1"
ACCESS_LOGS = f"eonpro-access-logs-{ACCOUNT}-us-east-1"
DOCUMENT = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}]}
)


@pytest.fixture
def full(boto) -> str:
    """An account where every name is taken; gives the key's ARN."""
    iam, s3, trails = boto("iam"), boto("s3"), boto("cloudtrail")
    key = str(boto("kms").create_key()["KeyMetadata"]["Arn"])
    for number in range(60):
        boto("kms").create_alias(AliasName=f"alias/a{number}", TargetKeyId=key)
    boto("kms").create_alias(AliasName="alias/eonpro-phi-key", TargetKeyId=key)
    boto("kms").create_alias(AliasName="alias/eonpro-audit-key", TargetKeyId=key)
    for role in ("eonpro-app-role", "eonpro-execution-role", "eonpro-secrets-role", "eonpro-trail-logs-role"):
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=DOCUMENT)
    iam.create_user(UserName="eonpro-app-user")
    for policy in ("EONPROKMSAccess", "EONPROParameterAccess", "EONPROSecretAccess"):
        iam.create_policy(PolicyName=policy, PolicyDocument=DOCUMENT)
    iam.create_open_id_connect_provider(Url="https://oidc.vercel.com/eonpro-staging", ThumbprintList=[])
    iam.create_open_id_connect_provider(Url="https://oidc.vercel.com/eonpro", ThumbprintList=[])
    s3.create_bucket(Bucket=BUCKET)
    s3.create_bucket(Bucket=ACCESS_LOGS)
    for ending in ("-older", ""):
        boto("logs").create_log_group(logGroupName=f"/aws/cloudtrail/eonpro-audit-trail{ending}")
    for topic in ("eonpro-alerts", "eonpro-fallback-alerts"):
        boto("sns").create_topic(Name=topic)
    trails.create_trail(Name="eonpro-audit-trail", S3BucketName=BUCKET, IsMultiRegionTrail=True)
    trails.start_logging(Name="eonpro-audit-trail")
    return key


def test_an_empty_account_has_every_name_free(aws, settings):
    assert aws.existing_resources.find_existing(settings) == Existing()


def test_every_name_that_is_taken_is_told(full, aws, settings):
    found = aws.existing_resources.find_existing(settings)
    assert found.alias_target.arn == full
    assert found.found.get("app_role") == f"{IAM}:role/eonpro-app-role"
    assert found.found.get("execution_role") == f"{IAM}:role/eonpro-execution-role"
    assert found.found.get("app_policy") == f"{IAM}:policy/EONPROKMSAccess"
    assert found.found.get("parameter_policy") == f"{IAM}:policy/EONPROParameterAccess"
    assert found.found.get("oidc_provider") == f"{IAM}:oidc-provider/oidc.vercel.com/eonpro"
    assert found.found["trail"] == f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/eonpro-audit-trail"
    assert found.found["trail_bucket"] == "ours"
    assert (found.other_keys["alias/eonpro-audit-key"].arn, found.found.get("access_log_bucket")) == (full, "ours")
    assert found.found.get("alert_topic") == f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-alerts"
    assert found.found.get("fallback_topic") == f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-fallback-alerts"


@pytest.fixture
def look(full, aws, settings_of):
    """What is found in the account where every name is taken, for settings with these changes."""
    return lambda **changes: aws.existing_resources.find_existing(settings_of(**changes))


USER, ROLE = f"{IAM}:user/eonpro-app-user", f"{IAM}:role/eonpro-app-role"
EKS = {"deploy_targets": ["eks"], "eks_cluster": "clinic"}


@pytest.mark.parametrize(
    ("changes", "there", "absent"),
    [
        (
            {"trail_key": False, "access_logging": False, "alerts": False},
            {},
            "access_log_bucket alert_topic log_group log_role app_user secrets_role secret_policy",
        ),
        (
            {"cloudwatch_logs": True},
            {
                "log_group": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/cloudtrail/eonpro-audit-trail",
                "log_role": f"{IAM}:role/eonpro-trail-logs-role",
            },
            "",
        ),
        ({"deploy_targets": ["vercel"], "vercel_access": "user"}, {"app_user": USER}, "app_role oidc_provider"),
        ({"vercel_access": "user"}, {"app_user": USER, "app_role": ROLE}, "oidc_provider"),
        (
            EKS,
            {
                "secrets_role": f"{IAM}:role/eonpro-secrets-role",
                "parameter_policy": f"{IAM}:policy/EONPROParameterAccess",
            },
            "execution_role oidc_provider",
        ),
        *(
            (
                {**target, "secret_store": "secrets-manager"},
                {"secret_policy": f"{IAM}:policy/EONPROSecretAccess"},
                "parameter_policy",
            )
            for target in ({"deploy_targets": ["ecs"]}, EKS)
        ),
    ],
    ids=["nothing more", "a log group", "vercel's user", "user and role", "eks", "a secret of ecs", "a secret of eks"],
)
def test_what_is_looked_up_follows_from_the_settings(look, changes, there, absent):
    found = look(**changes)
    assert there.items() <= found.found.items() and not found.found.keys() & set(absent.split())
    assert bool(found.other_keys) is changes.get("trail_key", True)


def test_a_log_group_of_a_longer_name_is_another(boto, aws, settings_of):
    boto("logs").create_log_group(logGroupName="/aws/cloudtrail/eonpro-audit-trail-older")
    assert aws.existing_resources.find_existing(settings_of(cloudwatch_logs=True)) == Existing()


def test_a_bucket_for_access_logs_that_is_somebody_elses_is_told(script, scripted, settings):
    script.answer(f"HEAD /{ACCESS_LOGS}", "", status=403)
    script.answer("GET /", "<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>")
    assert scripted.existing_resources.find_existing(settings).found["access_log_bucket"] == "foreign"


def test_another_environments_names_are_its_own(full, aws, settings_of):
    found = aws.existing_resources.find_existing(settings_of(environment="staging"))
    assert found == Existing(found={"oidc_provider": f"{IAM}:oidc-provider/oidc.vercel.com/eonpro"})


def test_what_the_settings_bring_along_is_not_looked_up(full, aws, settings_of):
    brought = settings_of(
        deploy_targets=["ecs"],
        app_principal_arn=f"{IAM}:role/of-theirs",
        ecs_execution_role_arn=f"{IAM}:role/theirs-too",
        existing_trail_arn=f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/theirs",
        trail_bucket=BUCKET,
    )
    found = aws.existing_resources.find_existing(brought)
    assert (
        found.found.get("app_role"),
        found.found.get("execution_role"),
        found.found.get("trail"),
        found.found.get("trail_bucket"),
    ) == (None, None, None, None)
    assert found.found.get("oidc_provider") is None
    assert (found.other_keys, found.found.get("access_log_bucket")) == ({}, None)
    assert found.found.get("alert_topic") is not None
    assert found.alias_target.arn == full


def test_for_vercel_alone_nothing_of_ecs_is_looked_up(full, aws, settings_of):
    found = aws.existing_resources.find_existing(settings_of(deploy_targets=["vercel"]))
    assert (
        found.found.get("execution_role"),
        found.found.get("parameter_policy"),
        found.found.get("secrets_role"),
    ) == (None, None, None)
    assert found.found.get("app_role") == f"{IAM}:role/eonpro-app-role"


def test_an_endpoint_without_a_service_counts_as_free(scripted, settings):
    """The scripted endpoint answers 501 to everything."""
    assert scripted.existing_resources.find_existing(settings) == Existing()


def test_every_look_up_that_is_denied_is_named_at_once(script, scripted, settings):
    script.refuse("ListAliases", "AccessDeniedException")
    script.refuse("GetRole", "AccessDenied", status=403)
    script.refuse("GetTopicAttributes", "AuthorizationError", status=403)
    with pytest.raises(PermissionDenied) as refusal:
        scripted.existing_resources.find_existing(settings)
    for action in ("kms:ListAliases", "iam:GetRole", "sns:GetTopicAttributes"):
        assert action in refusal.value.message


def test_an_alias_whose_key_may_not_be_described_is_never_called_free(script, scripted, settings):
    alias = {"AliasName": "alias/eonpro-phi-key", "TargetKeyId": "1"}
    script.answer("ListAliases", {"Aliases": [alias]})
    script.refuse("DescribeKey", "AccessDeniedException")
    with pytest.raises(PermissionDenied, match="kms:DescribeKey"):
        scripted.existing_resources.find_existing(settings)


def test_an_endpoint_that_went_away_is_no_free_name(moto_url, environ, settings):
    with pytest.raises(Unreachable):
        connect(environ={**environ, "AWS_ENDPOINT_URL_IAM": "http://127.0.0.1:1"}).existing_resources.find_existing(
            settings
        )
