"""The policy pack in the real engine: what was built passes it, and a later hand that weakens it is stopped.

Touches the deployments that are set up once, which it only looks at, and one of its own.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardrails.rules import RULES, STACK_RULES
from tests.onboarding.deployment import Deployment

PACK = ("--policy-pack", "guardrails", "--stack", "production")

# A later hand, in the words of Pulumi: one function changes what the components ask for.
LATER_HAND = """
import json

import pulumi
import pulumi_aws as aws


def widened(document):
    if not isinstance(document, str):
        return pulumi.Output.from_input(document).apply(widened)
    return document.replace("kms:GenerateDataKey", "kms:*")


def weaken(args):
    change = WEAKER.get(args.type_)
    if change is None:
        return None
    for name, value in change.items():
        if name == "protect":
            args.opts.protect = value
        else:
            args.props[name] = value(args.props[name]) if callable(value) else value
    return pulumi.ResourceTransformationResult(args.props, args.opts)


pulumi.runtime.register_stack_transformation(weaken)
"""

ON_EVERYTHING = """
EVERYBODY = json.dumps(
    {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject", "Resource": "*"}]}
)
ANY_PROJECT = json.dumps(
    {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/oidc.vercel.com/eonpro"},
                "Action": "sts:AssumeRoleWithWebIdentity",
            }
        ]
    }
)
WEAKER = {
    "aws:kms/key:Key": {
        "enable_key_rotation": False,
        "is_enabled": False,
        "rotation_period_in_days": None,
        "deletion_window_in_days": 7,
        "bypass_policy_lockout_safety_check": True,
        "protect": False,
    },
    "aws:kms/alias:Alias": {"protect": False},
    "aws:iam/policy:Policy": {"policy": widened},
    "aws:iam/role:Role": {"assume_role_policy": ANY_PROJECT},
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": {"block_public_policy": False},
    "aws:s3/bucketPolicy:BucketPolicy": {"policy": EVERYBODY},
    "aws:s3/bucketVersioning:BucketVersioning": {"versioning_configuration": {"status": "Suspended"}},
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": {"rules": [{}]},
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": {
        "rules": [{"id": "short", "status": "Enabled", "expiration": {"days": 30}}]
    },
    "aws:cloudtrail/trail:Trail": {"is_multi_region_trail": False},
}
"""

AFTERWARDS = """
unguarded = aws.s3.Bucket("exports", bucket="eonpro-exports", opts=pulumi.ResourceOptions(protect=True))
aws.s3.BucketObjectLockConfiguration(
    "exports",
    bucket=unguarded.id,
    rule={"default_retention": {"mode": "GOVERNANCE", "days": 1}},
    opts=pulumi.ResourceOptions(protect=True),
)
aws.iam.RolePolicyAttachment(
    "more", role="eonpro-app-role", policy_arn="arn:aws:iam::123456789012:policy/EONPROKMSAccess-2"
)
"""


LET_IN = """
FOREIGN = "arn:aws:iam::999999999999:root"


def let_in(document):
    if not isinstance(document, str):
        return pulumi.Output.from_input(document).apply(let_in)
    policy = json.loads(document)
    action = "sts:AssumeRole" if "sts:" in document else "kms:Decrypt"
    policy["Statement"].append({"Effect": "Allow", "Principal": {"AWS": FOREIGN}, "Action": action})
    return json.dumps(policy)


WEAKER = {
    "aws:kms/key:Key": {"policy": let_in},
    "aws:iam/role:Role": {"assume_role_policy": let_in},
}
"""

AND_MORE = """
aws.iam.RolePolicy(
    "more",
    role="eonpro-app-role",
    policy=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
    ),
)
aws.ssm.Parameter(
    "more", name="/eonpro/production/ENCRYPTED_PHI_KEY", type="String", value="of somebody else", overwrite=True
)
"""


def changed(folder: Path, *, before: str = "", after: str = "") -> Path:
    """A checkout whose program a later hand has changed."""
    program = folder / "__main__.py"
    docstring, end, rest = program.read_text().partition('\n"""\n')
    assert end
    program.write_text(docstring + end + before + rest + after)
    return folder


@pytest.mark.parametrize("example", ["onboarded", pytest.param("on_ecs", marks=pytest.mark.thorough)])
def test_what_the_examples_build_passes_an_update_with_the_pack(example: str, request: pytest.FixtureRequest) -> None:
    deployment: Deployment = request.getfixturevalue(example)
    passed = deployment.pulumi("up", "--yes", "--expect-no-changes", *PACK)
    assert "eonpro-kms-guardrails" in passed.output and "mandatory" not in passed.output


def test_a_later_hand_on_everything_is_told_every_rule_and_changes_nothing(onboarded: Deployment) -> None:
    folder = changed(onboarded.another_folder("later-hand"), before=LATER_HAND + ON_EVERYTHING, after=AFTERWARDS)
    onboarded.forget_calls()
    refused = onboarded.pulumi("preview", *PACK, folder=folder, expect=None)
    assert refused.code != 0
    assert {rule.name for rule in (*RULES, *STACK_RULES) if f"[mandatory] {rule.name} " not in refused.output} == set()
    assert "has no public access block" in refused.output
    assert onboarded.changes() == {}


def test_nobody_else_gets_the_key_and_nothing_overwrites_the_data_key(onboarded: Deployment) -> None:
    folder = changed(onboarded.another_folder("let-in"), before=LATER_HAND + LET_IN, after=AND_MORE)
    onboarded.forget_calls()
    planned = onboarded.pulumi("preview", *PACK, folder=folder, expect=None)
    assert planned.code != 0
    for text in (
        "of the key policy is not listed",
        "of the trust policy of the role is not listed",
        "The application has a policy of its own",
        "no stack may write there",
    ):
        assert text in planned.output, text
    refused = onboarded.pulumi("up", "--yes", "--skip-preview", *PACK, folder=folder, expect=None)
    assert refused.code != 0 and "[mandatory] listed-access " in refused.output
    assert onboarded.changes() == {}


@pytest.mark.thorough
def test_what_a_preview_cannot_know_is_said_and_refused_in_the_update(
    deployment: Deployment, onboarded: Deployment
) -> None:
    onboarded.copy_settings(deployment.folder)
    widen = 'WEAKER = {"aws:iam/policy:Policy": {"policy": widened}}\n'
    folder = changed(deployment.another_folder("widened"), before=LATER_HAND + widen)
    deployment.pulumi("stack", "init", "production", folder=folder)

    planned = deployment.pulumi("preview", *PACK, folder=folder)
    assert "[advisory] application-rights " in planned.output and "can't be known during preview" in planned.output

    refused = deployment.pulumi("up", "--yes", "--skip-preview", *PACK, folder=folder, expect=None)
    assert refused.code != 0 and "[mandatory] application-rights " in refused.output
    iam = deployment.client("iam")
    assert iam.list_policies(Scope="Local")["Policies"] == []

    passed = deployment.pulumi("up", "--yes", "--skip-preview", *PACK)
    assert "mandatory" not in passed.output
    [made] = iam.list_policies(Scope="Local")["Policies"]
    version = iam.get_policy_version(PolicyArn=made["Arn"], VersionId=made["DefaultVersionId"])["PolicyVersion"]
    assert "kms:*" not in json.dumps(version["Document"])
