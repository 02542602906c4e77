"""What the account already has under the stack's names."""

from __future__ import annotations

import json

import pytest

from wizard.aws import connect
from wizard.errors import PermissionDenied, Unreachable
from wizard.facts import Existing

ACCOUNT = "123456789012"
IAM = f"arn:aws:iam::{ACCOUNT}"
BUCKET = f"eonpro-cloudtrail-logs-{ACCOUNT}-us-east-1"
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
    for role in ("eonpro-app-role", "eonpro-execution-role"):
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=DOCUMENT)
    for policy in ("EONPROKMSAccess", "EONPROParameterAccess"):
        iam.create_policy(PolicyName=policy, PolicyDocument=DOCUMENT)
    iam.create_open_id_connect_provider(Url="https://oidc.vercel.com/eonpro-staging", ThumbprintList=[])
    iam.create_open_id_connect_provider(Url="https://oidc.vercel.com/eonpro", ThumbprintList=[])
    s3.create_bucket(Bucket=BUCKET)
    trails.create_trail(Name="eonpro-audit-trail", S3BucketName=BUCKET, IsMultiRegionTrail=True)
    trails.start_logging(Name="eonpro-audit-trail")
    return key


def test_an_empty_account_has_every_name_free(aws, settings):
    assert aws.find_existing(settings) == Existing()


def test_every_name_that_is_taken_is_told(full, aws, settings):
    found = aws.find_existing(settings)
    assert found.alias_target.arn == full
    assert found.role_arn == f"{IAM}:role/eonpro-app-role"
    assert found.execution_role_arn == f"{IAM}:role/eonpro-execution-role"
    assert found.app_policy_arn == f"{IAM}:policy/EONPROKMSAccess"
    assert found.parameter_policy_arn == f"{IAM}:policy/EONPROParameterAccess"
    assert found.oidc_provider_arn == f"{IAM}:oidc-provider/oidc.vercel.com/eonpro"
    assert (found.trail.name, found.trail.logging, found.bucket) == ("eonpro-audit-trail", True, "ours")


def test_another_environments_names_are_its_own(full, aws, settings_of):
    found = aws.find_existing(settings_of(environment="staging"))
    assert found == Existing(oidc_provider_arn=f"{IAM}:oidc-provider/oidc.vercel.com/eonpro")


def test_what_the_settings_bring_along_is_not_looked_up(full, aws, settings_of):
    brought = settings_of(
        deploy_targets=["ecs"],
        app_principal_arn=f"{IAM}:role/of-theirs",
        ecs_execution_role_arn=f"{IAM}:role/theirs-too",
        existing_trail_arn=f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/theirs",
        trail_bucket=BUCKET,
    )
    found = aws.find_existing(brought)
    assert (found.role_arn, found.execution_role_arn, found.trail, found.bucket) == (None, None, None, None)
    assert found.oidc_provider_arn is None
    assert found.alias_target.arn == full


def test_for_vercel_alone_nothing_of_ecs_is_looked_up(full, aws, settings_of):
    found = aws.find_existing(settings_of(deploy_targets=["vercel"]))
    assert (found.execution_role_arn, found.parameter_policy_arn) == (None, None)
    assert found.role_arn == f"{IAM}:role/eonpro-app-role"


def test_an_endpoint_without_a_service_counts_as_free(scripted, settings):
    """The scripted endpoint answers 501 to everything."""
    assert scripted.find_existing(settings) == Existing()


def test_every_look_up_that_is_denied_is_named_at_once(script, scripted, settings):
    script.refuse("ListAliases", "AccessDeniedException")
    script.refuse("GetRole", "AccessDenied", status=403)
    with pytest.raises(PermissionDenied) as refusal:
        scripted.find_existing(settings)
    assert "kms:ListAliases" in refusal.value.message and "iam:GetRole" in refusal.value.message


def test_an_alias_whose_key_may_not_be_described_is_never_called_free(script, scripted, settings):
    alias = {"AliasName": "alias/eonpro-phi-key", "TargetKeyId": "1"}
    script.answer("ListAliases", {"Aliases": [alias]})
    script.refuse("DescribeKey", "AccessDeniedException")
    with pytest.raises(PermissionDenied, match="kms:DescribeKey"):
        scripted.find_existing(settings)


def test_an_endpoint_that_went_away_is_no_free_name(moto_url, environ, settings):
    with pytest.raises(Unreachable):
        connect(environ={**environ, "AWS_ENDPOINT_URL_IAM": "http://127.0.0.1:1"}).find_existing(settings)
