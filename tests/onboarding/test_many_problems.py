"""As many things wrong at once as can be, of the account, of Vercel and of Pulumi's state: one run tells all of them.

Touches the deployment in which nothing is ever made by a set-up, and puts back what it puts into it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.onboarding.deployment import ACCOUNT, ALIAS, BUCKET, STORED_KEY, Deployment
from tests.onboarding.test_found_beforehand import (
    NOBODY,
    OFFICER,
    a_key,
    a_variable,
    refused,
    somebody_with,
    wrapped_by,
)

GONE = f"arn:aws:iam::{ACCOUNT}:user/gone"
POLICY = "EONPROKMSAccess"
ROLE = "eonpro-app-role"
TRAILS = tuple(f"somebody-elses-{number}" for number in range(5))


@contextmanager
def names_taken(deployment: Deployment, key: str) -> Iterator[None]:
    """A role, a policy, a bucket and a stored data key under the names that the stack would take."""
    iam, s3, ssm = deployment.client("iam"), deployment.client("s3"), deployment.client("ssm")
    trust = {"Version": "2012-10-17", "Statement": []}
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}]}
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust))
    made = iam.create_policy(PolicyName=POLICY, PolicyDocument=json.dumps(policy))["Policy"]["Arn"]
    s3.create_bucket(Bucket=BUCKET)
    tags = [{"Key": "eonpro:key-arn", "Value": key}]
    ssm.put_parameter(Name=STORED_KEY, Value=wrapped_by(deployment, key), Type="SecureString", Tags=tags)
    try:
        yield
    finally:
        ssm.delete_parameter(Name=STORED_KEY)
        s3.delete_bucket(Bucket=BUCKET)
        iam.delete_policy(PolicyArn=made)
        iam.delete_role(RoleName=ROLE)


@contextmanager
def no_room_for_a_trail(deployment: Deployment) -> Iterator[None]:
    """As many trails as a Region takes."""
    s3, trails = deployment.client("s3"), deployment.client("cloudtrail")
    s3.create_bucket(Bucket="somebody-elses-logs")
    for name in TRAILS:
        trails.create_trail(Name=name, S3BucketName="somebody-elses-logs")
    try:
        yield
    finally:
        for name in TRAILS:
            trails.delete_trail(Name=name)
        s3.delete_bucket(Bucket="somebody-elses-logs")


@contextmanager
def stack_of_another_passphrase(deployment: Deployment, stack: str) -> Iterator[None]:
    """An empty stack that this environment's passphrase does not open."""
    deployment.pulumi("stack", "init", stack, "--no-select", env={"PULUMI_CONFIG_PASSPHRASE": "that of somebody else"})
    try:
        yield
    finally:
        deployment.pulumi("stack", "rm", stack, "--yes")


def test_twelve_things_that_are_wrong_are_told_in_one_run_and_nothing_is_made(bare: Deployment):
    with ExitStack() as seeded:
        theirs = seeded.enter_context(a_key(bare, alias=ALIAS))
        seeded.enter_context(names_taken(bare, theirs))
        seeded.enter_context(no_room_for_a_trail(bare))
        seeded.enter_context(a_variable(bare, wrapped_by(bare, theirs)))
        seeded.enter_context(stack_of_another_passphrase(bare, "seeded"))
        denied = ("kms:PutKeyPolicy", "cloudtrail:CreateTrail", "ssm:PutParameter")
        limited = seeded.enter_context(somebody_with(bare, *denied))
        problems = refused(
            bare,
            "--stack",
            "seeded",
            "--environment",
            "production",
            "--administrators",
            f"{OFFICER},{NOBODY}",
            "--deletion-administrators",
            GONE,
            code=3,
            env=limited,
        )
    texts = [problem["what"] for problem in problems]
    phrases = (
        f"the administrator {NOBODY} does not exist",
        f"the deletion administrator {GONE} does not exist",
        "would lock",
        "you are not allowed to do: cloudtrail:CreateTrail, ssm:PutParameter",
        "trails in us-east-1: 5 of 5",
        f"{ALIAS} already points to the key {theirs}",
        f"role/{ROLE} exists already",
        f"policy/{POLICY} exists already",
        f"the bucket {BUCKET} exists already",
        f"{STORED_KEY} already holds a data key",
        "there is an ENCRYPTED_PHI_KEY already",
        "passphrase",
    )
    counted = {phrase: sum(phrase in what for what in texts) for phrase in phrases}
    assert counted == dict.fromkeys(phrases, 1), texts
    assert len(texts) == len(phrases), texts
