"""Manually created resources are imported as they are, and changed in place.

It may touch what `engine_project` makes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.sandbox.pulumi_plugins.engine_project import (
    ACCOUNT,
    REGION,
    EngineSetup,
    Project,
    client,
    engine_setup,
)

__all__ = ["engine_setup"]

BUCKET = "made-by-hand-logs"
TRAIL = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/made-by-hand"
POLICY = f"arn:aws:iam::{ACCOUNT}:policy/made-by-hand"
ISSUER = "oidc.vercel.com/made-by-hand"

PROGRAM = """
import json
import pulumi
import pulumi_aws as aws


def document(**statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


class Part(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__("eonpro:kms:Part", name, {})


config = pulumi.Config()
imports = config.get_object("import") or {}
multi_region = config.get_bool("multiRegion")
tags = {"Application": "EONPRO"}


def options(part, kind, *, protect=False, **more):
    return pulumi.ResourceOptions(
        parent=part, protect=protect, retain_on_delete=protect, import_=imports.get(kind), **more
    )


who, what, where = Part("who"), Part("what"), Part("where")
key = aws.kms.Key("key", description="the wanted description", enable_key_rotation=True, rotation_period_in_days=365,
    deletion_window_in_days=30, multi_region=multi_region, tags=tags,
    policy=document(Principal={"AWS": "arn:aws:iam::123456789012:root"}, Action="kms:*", Resource="*"),
    opts=options(what, "Key", protect=True))
aws.kms.Alias("key", name="alias/made-by-hand", target_key_id=key.key_id, opts=options(what, "Alias", protect=True))
role = aws.iam.Role("app", name="made-by-hand", description="the wanted description", tags=tags,
    assume_role_policy=document(Principal={"Service": "ecs-tasks.amazonaws.com"}, Action="sts:AssumeRole",
        Condition={"StringEquals": {"aws:SourceAccount": "123456789012"}}),
    opts=options(who, "Role"))
aws.iam.RolePolicy("app", name="inline", role=role.name, policy=document(Action="ssm:GetParameters", Resource="*"),
    opts=options(who, "RolePolicy"))
aws.iam.OpenIdConnectProvider("vercel", url="https://oidc.vercel.com/made-by-hand", tags=tags,
    client_id_lists=["https://vercel.com/made-by-hand"], opts=options(who, "OpenIdConnectProvider"))
policy = aws.iam.Policy("access", name="made-by-hand", description="IAM cannot change it", tags=tags,
    policy=key.arn.apply(lambda arn: document(Action="kms:Decrypt", Resource=arn)),
    opts=options(who, "Policy", ignore_changes=["description"]))
aws.iam.RolePolicyAttachment("access", role=role.name, policy_arn=policy.arn,
    opts=options(who, "RolePolicyAttachment"))
bucket = aws.s3.Bucket("logs", bucket="made-by-hand-logs", force_destroy=False, tags=tags,
    opts=options(where, "Bucket", protect=True))
guards = [
    aws.s3.BucketVersioning("logs", bucket=bucket.id, versioning_configuration={"status": "Enabled"},
        opts=options(where, "BucketVersioning", protect=True)),
    aws.s3.BucketServerSideEncryptionConfiguration("logs", bucket=bucket.id,
        rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
        opts=options(where, "BucketServerSideEncryptionConfiguration", protect=True)),
    aws.s3.BucketPublicAccessBlock("logs", bucket=bucket.id, block_public_acls=True, block_public_policy=True,
        ignore_public_acls=True, restrict_public_buckets=True,
        opts=options(where, "BucketPublicAccessBlock", protect=True)),
    aws.s3.BucketOwnershipControls("logs", bucket=bucket.id, rule={"object_ownership": "BucketOwnerEnforced"},
        opts=options(where, "BucketOwnershipControls", protect=True)),
    aws.s3.BucketLifecycleConfiguration("logs", bucket=bucket.id,
        rules=[{"id": "keep", "status": "Enabled", "filter": {"prefix": "AWSLogs/"}, "expiration": {"days": 2557},
            "transitions": [{"days": 90, "storage_class": "GLACIER_IR"}]}],
        opts=options(where, "BucketLifecycleConfiguration", protect=True)),
    aws.s3.BucketPolicy("logs", bucket=bucket.id, policy=document(Principal={"Service": "cloudtrail.amazonaws.com"},
        Action="s3:GetBucketAcl", Resource="arn:aws:s3:::made-by-hand-logs"),
        opts=options(where, "BucketPolicy", protect=True)),
]
aws.cloudtrail.Trail("trail", name="made-by-hand", s3_bucket_name=bucket.bucket, is_multi_region_trail=True,
    enable_log_file_validation=True, tags=tags, opts=options(where, "Trail", protect=True, depends_on=guards))
"""


def document(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account in which a person followed a guide by hand, in part."""

    endpoint: str
    key: str
    ids: dict[str, str]
    """The import id of each resource, by the last part of its type."""


@pytest.fixture
def account(moto_url: str) -> Account:
    kms, iam, s3, cloudtrail = (client(moto_url, name) for name in ("kms", "iam", "s3", "cloudtrail"))
    _clear(kms, iam, s3, cloudtrail)
    administration = {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/admin"}, "Action": ["kms:Put*", "kms:Get*"]}
    key = kms.create_key(Description="by hand", Policy=document(**administration, Resource="*"))["KeyMetadata"]
    kms.create_alias(AliasName="alias/made-by-hand", TargetKeyId=key["KeyId"])
    trust = document(Principal={"Service": "ecs-tasks.amazonaws.com"}, Action="sts:AssumeRole")
    iam.create_role(RoleName="made-by-hand", AssumeRolePolicyDocument=trust)
    read = document(Action="ssm:GetParameter", Resource="*")
    iam.put_role_policy(RoleName="made-by-hand", PolicyName="inline", PolicyDocument=read)
    iam.create_open_id_connect_provider(
        Url=f"https://{ISSUER}", ClientIDList=["https://vercel.com/made-by-hand"], ThumbprintList=["0" * 40]
    )
    use = document(Action=["kms:Decrypt", "kms:GenerateDataKey"], Resource=key["Arn"])
    iam.create_policy(PolicyName="made-by-hand", PolicyDocument=use)
    iam.attach_role_policy(RoleName="made-by-hand", PolicyArn=POLICY)
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_policy(
        Bucket=BUCKET,
        Policy=document(Principal={"Service": "cloudtrail.amazonaws.com"}, Action="s3:*", Resource="*"),
    )
    encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    s3.put_bucket_encryption(Bucket=BUCKET, ServerSideEncryptionConfiguration=encryption)
    cloudtrail.create_trail(Name="made-by-hand", S3BucketName=BUCKET, IncludeGlobalServiceEvents=True)
    ids = {
        "Key": key["KeyId"],
        "Alias": "alias/made-by-hand",
        "Role": "made-by-hand",
        "RolePolicy": "made-by-hand:inline",
        "OpenIdConnectProvider": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}",
        "Policy": POLICY,
        "RolePolicyAttachment": f"made-by-hand/{POLICY}",
        "Bucket": BUCKET,
        "BucketVersioning": BUCKET,
        "BucketServerSideEncryptionConfiguration": BUCKET,
        "BucketPolicy": BUCKET,
        "Trail": TRAIL,
    }
    return Account(endpoint=moto_url, key=key["KeyId"], ids=ids)


def _clear(kms: Any, iam: Any, s3: Any, cloudtrail: Any) -> None:
    if BUCKET not in {one["Name"] for one in s3.list_buckets()["Buckets"]}:
        return
    cloudtrail.delete_trail(Name="made-by-hand")
    s3.delete_bucket(Bucket=BUCKET)
    kms.delete_alias(AliasName="alias/made-by-hand")
    iam.detach_role_policy(RoleName="made-by-hand", PolicyArn=POLICY)
    iam.delete_role_policy(RoleName="made-by-hand", PolicyName="inline")
    iam.delete_role(RoleName="made-by-hand")
    for version in iam.list_policy_versions(PolicyArn=POLICY)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=POLICY, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=POLICY)
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}")


def import_file(project: Project, account: Account) -> str:
    """The import file of the program's own preview, with ids, and without resources that do not exist."""
    path = project.directory / "import.json"
    project.pulumi("preview", "--import-file", str(path)).check_returncode()
    wanted = json.loads(path.read_text(encoding="utf-8"))["resources"]
    found = [
        {**one, "id": account.ids[one["type"].rpartition(":")[2]]}
        for one in wanted
        if not one.get("component") and one["type"].rpartition(":")[2] in account.ids
    ]
    parents = {one["parent"] for one in found}
    components = [one for one in wanted if one.get("component") and one["name"] in parents]
    path.write_text(json.dumps({"resources": [*components, *found]}), encoding="utf-8")
    return str(path)


def steps(project: Project) -> list[tuple[str, str]]:
    """What a preview would do: operation and last part of the type."""
    done = project.pulumi("preview", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return [(step["op"], step["urn"].split("::")[2].rpartition(":")[2]) for step in json.loads(done.stdout)["steps"]]


@pytest.mark.thorough
def test_an_import_file_brings_everything_under_its_components_and_the_program_changes_it_in_place(
    engine_setup: EngineSetup, account: Account
) -> None:
    project = engine_setup.project("adopting-by-file", PROGRAM)
    path = import_file(project, account)

    imported = project.pulumi("import", "--file", path, "--generate-code=false", "--protect=false", "--yes")
    planned = steps(project)
    built = project.pulumi("up", "--yes", "--skip-preview")
    settled = project.pulumi("preview", "--refresh", "--expect-no-changes")

    assert imported.returncode == 0, imported.stdout + imported.stderr
    assert {operation for operation, _ in planned} == {"same", "update", "create"}
    assert {kind for operation, kind in planned if operation == "create"} == {
        "BucketPublicAccessBlock",
        "BucketOwnershipControls",
        "BucketLifecycleConfiguration",
    }
    assert built.returncode == 0, built.stdout + built.stderr
    assert settled.returncode == 0, settled.stdout + settled.stderr
    kms = client(account.endpoint, "kms")
    adopted = kms.describe_key(KeyId="alias/made-by-hand")["KeyMetadata"]
    assert (adopted["KeyId"], adopted["Description"]) == (account.key, "the wanted description")
    exported = json.loads(project.pulumi("stack", "export").stdout)["deployment"]["resources"]
    (key,) = [one for one in exported if one["type"] == "aws:kms/key:Key"]
    assert (key["protect"], key["retainOnDelete"]) == (True, True)


@pytest.mark.thorough
def test_a_key_that_would_have_to_be_another_one_is_not_adopted(engine_setup: EngineSetup, account: Account) -> None:
    project = engine_setup.project("adopting-wrongly", PROGRAM, {"import": account.ids, "multiRegion": True})

    done = project.pulumi("preview")

    assert done.returncode != 0
    assert "unable to replace resource" in done.stdout
    described = client(account.endpoint, "kms").describe_key(KeyId=account.key)["KeyMetadata"]
    assert (described["Description"], described["KeyState"]) == ("by hand", "Enabled")


@pytest.mark.thorough
def test_what_is_not_there_is_not_imported(engine_setup: EngineSetup, account: Account) -> None:
    project = engine_setup.project(
        "adopting-nothing", PROGRAM, {"import": {**account.ids, "BucketPublicAccessBlock": BUCKET}}
    )

    done = project.pulumi("preview")

    assert done.returncode != 0
    assert f"resource '{BUCKET}' does not exist" in done.stdout
