"""What was created manually is found with everything that an import needs, whatever of it is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from components.settings import ResourceKind
from wizard.account.comparison.differences import differences_of
from wizard.account.comparison.trail import bucket_of, sharers
from wizard.aws.client import connect
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import PermissionDenied
from wizard.core.models.account import DiscoveredSetup
from wizard.core.models.stack import StackState
from wizard.setup.importing.obstacles import obstacles, repair_conflicts

ACCOUNT = "123456789012"
IAM = f"arn:aws:iam::{ACCOUNT}"
ADMIN, ROLE = f"{IAM}:user/admin", f"{IAM}:role/eonpro-app-role"
POLICY = f"{IAM}:policy/EONPROKMSAccess"
TRAIL = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/eonpro-audit-trail"
BUCKET = f"eonpro-cloudtrail-logs-{ACCOUNT}"
ALIAS = "alias/eonpro-phi-key"
NOTHING = StackState(exists=False, has_key=False)
WRAPPED = WrappedDataKey.from_blob(b"\x01\x02" * 92)


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in statements]})


def delivery(trail: str = TRAIL, bucket: str = BUCKET) -> dict[str, Any]:
    return {
        "Principal": {"Service": "cloudtrail.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/AWSLogs/{ACCOUNT}/*",
        "Condition": {"StringEquals": {"aws:SourceArn": trail, "s3:x-amz-acl": "bucket-owner-full-control"}},
    }


@dataclass(frozen=True, kw_only=True)
class ByHand:
    """The steps of the guide, each to be taken or left out."""

    boto: Callable[..., Any]

    def key(self, **more: Any) -> str:
        policy = document(
            {"Principal": {"AWS": ADMIN}, "Action": ["kms:Put*", "kms:Get*", "kms:Delete*"], "Resource": "*"},
            {"Principal": {"AWS": ROLE}, "Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": "*"},
        )
        tags = [{"TagKey": "Application", "TagValue": "EONPRO"}, {"TagKey": "Environment", "TagValue": "Production"}]
        kms = self.boto("kms")
        arn = str(kms.create_key(Policy=policy, Tags=tags, **more)["KeyMetadata"]["Arn"])
        kms.create_alias(AliasName=ALIAS, TargetKeyId=arn)
        return arn

    def role(self, **more: Any) -> None:
        trust = document({"Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"})
        self.boto("iam").create_role(RoleName="eonpro-app-role", AssumeRolePolicyDocument=trust, **more)

    def policy(self, *, attached: bool = True, **more: Any) -> str:
        iam = self.boto("iam")
        grants = document({"Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": "arn:aws:kms:::key/a"})
        arn = str(iam.create_policy(PolicyName="EONPROKMSAccess", PolicyDocument=grants, **more)["Policy"]["Arn"])
        if attached:
            iam.attach_role_policy(RoleName="eonpro-app-role", PolicyArn=arn)
        return arn

    def bucket(self, *statements: dict[str, Any]) -> None:
        s3 = self.boto("s3")
        s3.create_bucket(Bucket=BUCKET)
        if statements:
            s3.put_bucket_policy(Bucket=BUCKET, Policy=document(*statements))

    def trail(self) -> None:
        self.boto("cloudtrail").create_trail(Name="eonpro-audit-trail", S3BucketName=BUCKET)

    def all(self) -> str:
        key = self.key()
        self.role()
        self.policy()
        self.bucket(delivery())
        self.trail()
        return key


@pytest.fixture
def by_hand(boto) -> ByHand:
    return ByHand(boto=boto)


def ids(found: DiscoveredSetup) -> dict[ResourceKind, str]:
    return {each.thing: each.id for each in found.things}


def test_an_account_by_the_guide_is_found_with_the_engines_ids(by_hand, aws, settings):
    key = by_hand.all()
    found = aws.import_discovery.discover_setup(settings)
    assert ids(found) == {
        ResourceKind.KEY: key.rpartition("/")[2],
        ResourceKind.ALIAS: ALIAS,
        ResourceKind.APPLICATION_ROLE: "eonpro-app-role",
        ResourceKind.APPLICATION_POLICY: POLICY,
        ResourceKind.POLICY_ATTACHMENT: f"eonpro-app-role/{POLICY}",
        ResourceKind.TRAIL: TRAIL,
        ResourceKind.BUCKET: BUCKET,
        ResourceKind.BUCKET_POLICY: BUCKET,
        ResourceKind.BUCKET_VERSIONING: BUCKET,
    }
    assert obstacles(found, settings, NOTHING) == ()


def test_its_documents_and_facts_come_with_it(by_hand, aws, settings):
    key = by_hand.all()
    found = aws.import_discovery.discover_setup(settings)
    assert found.key.arn == key and found.key.tags == {"Application": "EONPRO", "Environment": "Production"}
    assert [each["Principal"]["AWS"] for each in found.key_policy["Statement"]] == [ADMIN, ROLE]
    assert found.role_trust["Statement"][0]["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    assert found.policy["Statement"][0]["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert (found.role_arn, found.policy_arn, found.trail.arn) == (ROLE, POLICY, TRAIL)
    assert found.bucket_policy["Statement"][0]["Action"] == "s3:PutObject"
    assert found.retention.expires_after_days is None


def test_looking_changes_nothing_and_asks_for_no_use_of_the_key(by_hand, environ, settings, asked):
    by_hand.all()
    edge = connect(environ=environ)
    edge.import_discovery.discover_setup(settings)
    assert asked and all(operation.startswith(("Get", "List", "Describe", "Head")) for operation in asked)


def test_an_empty_account_has_nothing(aws, settings):
    assert aws.import_discovery.discover_setup(settings) == DiscoveredSetup()


def test_what_the_bucket_was_told_is_found_too(by_hand, boto, aws, settings):
    by_hand.all()
    s3 = boto("s3")
    shut = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=shut)
    s3.put_bucket_ownership_controls(
        Bucket=BUCKET, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration=encryption)
    rule = {"ID": "soon", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 90}}
    s3.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [rule]})
    found = aws.import_discovery.discover_setup(settings)
    told = set(ids(found))
    assert {thing for thing in ResourceKind if thing.startswith("bucket")} == {
        thing for thing in told if thing.startswith("bucket")
    }
    assert found.retention.expires_after_days == 90


# --- parts of it


def test_a_trail_without_a_key_is_found(by_hand, aws, settings):
    by_hand.bucket()
    by_hand.trail()
    found = aws.import_discovery.discover_setup(settings)
    assert (found.key, bucket_of(found), ids(found)[ResourceKind.TRAIL]) == (None, BUCKET, TRAIL)
    assert ResourceKind.BUCKET_POLICY not in ids(found) and found.bucket_policy is None


def test_a_policy_without_a_role_is_found_unattached(by_hand, aws, settings):
    by_hand.policy(attached=False)
    assert ids(aws.import_discovery.discover_setup(settings)) == {ResourceKind.APPLICATION_POLICY: POLICY}


def test_a_role_without_the_policy_attached_is_told_as_that(by_hand, aws, settings):
    by_hand.role()
    by_hand.policy(attached=False)
    assert set(ids(aws.import_discovery.discover_setup(settings))) == {
        ResourceKind.APPLICATION_ROLE,
        ResourceKind.APPLICATION_POLICY,
    }


def test_a_trails_bucket_that_is_gone_is_not_found_and_stands_against_it(by_hand, boto, aws, settings):
    by_hand.bucket()
    by_hand.trail()
    boto("s3").delete_bucket(Bucket=BUCKET)
    found = aws.import_discovery.discover_setup(settings)
    assert set(ids(found)) == {ResourceKind.TRAIL}
    (problem,) = obstacles(found, settings, NOTHING)
    assert f"the bucket {BUCKET}, which is not in this account, or does not exist" in problem.what


# --- what the settings bring along


def test_a_principal_that_is_brought_along_is_looked_at_for_the_policy_only(by_hand, boto, aws, settings_of):
    by_hand.role()
    boto("iam").create_user(UserName="app", Path="/clinic/")
    boto("iam").attach_user_policy(UserName="app", PolicyArn=by_hand.policy(attached=False))
    found = aws.import_discovery.discover_setup(settings_of(app_principal_arn=f"{IAM}:user/clinic/app"))
    assert ids(found) == {ResourceKind.APPLICATION_POLICY: POLICY, ResourceKind.POLICY_ATTACHMENT: f"app/{POLICY}"}
    assert found.role_arn is None


def test_a_trail_that_is_brought_along_is_not_looked_for(by_hand, aws, settings_of):
    by_hand.bucket()
    by_hand.trail()
    brought = settings_of(existing_trail_arn=TRAIL.replace("eonpro", "clinic"), trail_bucket="of-the-clinic")
    assert aws.import_discovery.discover_setup(brought) == DiscoveredSetup()


# --- found before the plan


def test_a_policy_under_another_path_is_found_and_stands_against_it(by_hand, aws, settings):
    by_hand.role()
    arn = by_hand.policy(Path="/clinic/")
    found = aws.import_discovery.discover_setup(settings)
    assert (found.policy_arn, ids(found)[ResourceKind.POLICY_ATTACHMENT]) == (arn, f"eonpro-app-role/{arn}")
    (problem,) = obstacles(found, settings, NOTHING)
    assert f"the policy {IAM}:policy/clinic/EONPROKMSAccess has a path" in problem.what


def test_a_role_under_another_path_is_found_and_can_be_used_as_it_is(by_hand, aws, settings):
    by_hand.role(Path="/clinic/")
    (problem,) = obstacles(aws.import_discovery.discover_setup(settings), settings, NOTHING)
    assert problem.next == f"use the role as it is: --app-principal {IAM}:role/clinic/eonpro-app-role"


def test_a_permissions_boundary_is_never_taken_away_in_passing(by_hand, aws, settings, settings_of):
    boundary = f"{IAM}:policy/boundary"
    by_hand.boto("iam").create_policy(
        PolicyName="boundary", PolicyDocument=document({"Action": "kms:*", "Resource": "*"})
    )
    by_hand.role(PermissionsBoundary=boundary)
    found = aws.import_discovery.discover_setup(settings)
    (problem,) = repair_conflicts(found, settings, ())
    assert problem.next.startswith(f"keep it: --permissions-boundary {boundary}")
    assert repair_conflicts(found, settings_of(permissions_boundary_arn=boundary), ()) == ()


def test_a_bucket_that_another_trail_writes_to_is_told_with_the_trail(by_hand, aws, settings):
    other = TRAIL.replace("eonpro-audit-trail", "billing")
    by_hand.bucket(delivery(), delivery(other))
    by_hand.trail()
    found = aws.import_discovery.discover_setup(settings)
    assert sharers(found, settings) == (other,)
    assert any(
        "CUTS THIS OFF" in each.desired and "trail/billing" in each.actual for each in differences_of(found, settings)
    )


def test_what_else_the_role_has_is_found(by_hand, aws, settings):
    by_hand.role()
    by_hand.policy()
    iam = by_hand.boto("iam")
    wide = iam.create_policy(PolicyName="wide", PolicyDocument=document({"Action": "*", "Resource": "*"}))
    iam.attach_role_policy(RoleName="eonpro-app-role", PolicyArn=wide["Policy"]["Arn"])
    iam.put_role_policy(
        RoleName="eonpro-app-role", PolicyName="Backup", PolicyDocument=document({"Action": "s3:*", "Resource": "*"})
    )
    assert aws.import_discovery.discover_setup(settings).role_policies == (wide["Policy"]["Arn"], "inline Backup")


@pytest.mark.parametrize("named", ["arn", "id", "alias", "alias-arn"])
def test_the_data_key_of_a_guide_for_ecs_is_found_beside_its_key(by_hand, boto, aws, settings, named):
    arn = by_hand.key()
    alias_arn = f"arn:aws:kms:us-east-1:{ACCOUNT}:{ALIAS}"
    name = {"arn": arn, "id": arn.rpartition("/")[2], "alias": ALIAS, "alias-arn": alias_arn}[named]
    boto("ssm").put_parameter(Name="/eonpro/AWS_KMS_KEY_ID", Value=name, Type="String")
    boto("ssm").put_parameter(Name="/eonpro/ENCRYPTED_PHI_KEY", Value=WRAPPED.value, Type="SecureString")
    found = aws.import_discovery.discover_setup(settings).data_key
    assert found is not None and (found.wrapped, found.exists) == (WRAPPED, True)


@pytest.mark.parametrize("key", [None, f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"])
def test_a_data_key_of_nobody_knows_which_key_is_not_found(by_hand, boto, aws, settings, key):
    by_hand.key()
    if key:
        boto("ssm").put_parameter(Name="/eonpro/AWS_KMS_KEY_ID", Value=key, Type="String")
    boto("ssm").put_parameter(Name="/eonpro/ENCRYPTED_PHI_KEY", Value=WRAPPED.value, Type="SecureString")
    assert aws.import_discovery.discover_setup(settings).data_key is None


def test_what_is_no_data_key_is_found_as_one_that_is_not_told(by_hand, boto, aws, settings):
    arn = by_hand.key()
    boto("ssm").put_parameter(Name="/eonpro/AWS_KMS_KEY_ID", Value=arn, Type="String")
    boto("ssm").put_parameter(Name="/eonpro/ENCRYPTED_PHI_KEY", Value="hunter2", Type="SecureString")
    found = aws.import_discovery.discover_setup(settings).data_key
    assert found is not None and found.hidden


def test_a_key_whose_policy_may_not_be_read_is_no_key_without_one(script, scripted, settings):
    script.answer("ListAliases", {"Aliases": [{"AliasName": ALIAS, "TargetKeyId": "1"}]})
    script.answer("DescribeKey", {"KeyMetadata": {"Arn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1", "KeyId": "1"}})
    script.answer("GetKeyPolicy", {"__type": "AccessDeniedException", "message": "said by the test"}, status=400)
    with pytest.raises(PermissionDenied, match="kms:GetKeyPolicy"):
        scripted.import_discovery.discover_setup(settings)
