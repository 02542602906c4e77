"""The auditor's policy at work: with exactly this policy every command that reads completes; with less it says so."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from components.settings import Target
from sandbox.aws.iam.policy import Decision, Request, evaluate
from tests.day_two import in_this_process
from tests.day_two.doctor_fixture import deliver_logs, redeployed
from tests.day_two.the_service import service_of
from tests.onboarding.deployment import ACCOUNT, CompletedCommand, Deployment
from tests.onboarding.permissions import saved_settings, user_with
from wizard.cli.commands import READ_ONLY
from wizard.commands.policy.command import REPAIR_READS, auditor_policies, refresh_reads
from wizard.core.required_permissions.resources import Setup

Policies = Mapping[str, Mapping[str, Any]]
STACK = ("--stack", "production")
AUDITOR = f"arn:aws:iam::{ACCOUNT}:user/auditor"
COMMANDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(READ_ONLY, ()),
    "review": ("--out", "reviews-of-the-auditor"),
    "report": ("--out", "report-of-the-auditor"),
}
"""The commands that only read, with their options in CI."""


def printed(deployment: Deployment) -> Policies:
    """What `policy auditor` prints in the deployment's folder, as policies by name."""
    document = json.loads(deployment.wizard("policy", "auditor", "--stack", "production").out)
    return {"auditor": document} if "Statement" in document else document


@contextmanager
def an_auditor(deployment: Deployment, policies: Policies) -> Iterator[dict[str, str | None]]:
    """A user with these managed policies and nothing else; the environment of their commands."""
    iam = deployment.client("iam")
    name = AUDITOR.rpartition("/")[2]
    credentials = user_with(deployment, policies, name)
    try:
        yield {**credentials}
    finally:
        iam.delete_access_key(UserName=name, AccessKeyId=credentials["AWS_ACCESS_KEY_ID"])
        for policy in policies:
            arn = f"arn:aws:iam::{ACCOUNT}:policy/{name}-{policy}"
            iam.detach_user_policy(UserName=name, PolicyArn=arn)
            iam.delete_policy(PolicyArn=arn)
        iam.delete_user(UserName=name)


def without(policies: Policies, action: str) -> Policies:
    """The policies with one action less, wherever it stands."""

    def less(statement: Mapping[str, Any]) -> dict[str, Any]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        return {**statement, "Action": [one for one in actions if one != action]}

    return {
        name: {
            **document,
            "Statement": [kept for each in document["Statement"] if (kept := less(each))["Action"]],
        }
        for name, document in policies.items()
    }


@dataclass(frozen=True, kw_only=True)
class Read:
    """Everything that reads, once, by an auditor with the printed policy; and what that needed."""

    deployment: Deployment
    policies: Policies
    ended: Mapping[str, CompletedCommand]
    changes: Mapping[str, int]
    needed: tuple[Mapping[str, str], ...]
    refused: frozenset[tuple[str, str]]


@pytest.fixture(scope="module", params=["on_vercel", pytest.param("on_ecs", marks=pytest.mark.thorough)])
def read(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Read:
    """Of each deployment, when all is well with it."""
    deployment: Deployment = request.getfixturevalue(request.param)
    out = tmp_path_factory.mktemp("out")
    policies = printed(deployment)
    with deployed(deployment, setup_of(deployment)), an_auditor(deployment, policies) as env:
        deployment.forget_calls()
        before = {json.dumps(each, sort_keys=True) for each in deployment.permissions()}
        ended = {
            command: in_this_process.run(
                deployment, command, "--json", *STACK, *_into(out, command, more), env=env, expect=None
            )
            for command, more in COMMANDS.items()
        }
        changes = deployment.changes()
        leaves_in_json = [json.dumps(each, sort_keys=True) for each in deployment.permissions()]
        refused = frozenset(deployment.refusals(AUDITOR))
    needed = tuple(json.loads(each) for each in leaves_in_json if each not in before)
    return Read(deployment=deployment, policies=policies, ended=ended, changes=changes, needed=needed, refused=refused)


@contextmanager
def deployed(deployment: Deployment, setup: Setup) -> Iterator[None]:
    """The application runs with the variables, so that the doctor has no finding and runs every check.

    CloudTrail has delivered logs, so that the report can validate them.
    """
    deliver_logs(deployment)
    with ExitStack() as stack:
        if Target.ECS in setup.settings.deploy_targets and setup.settings.ecs_service:
            stack.enter_context(service_of(deployment))
            deployment.wizard("push", "--stack", "production", "--non-interactive", "--yes", "--redeploy")
        if Target.VERCEL in setup.settings.deploy_targets:
            redeployed(deployment)
        yield


def setup_of(deployment: Deployment) -> Setup:
    return Setup(settings=saved_settings(deployment), operator=AUDITOR)


def _into(folder: Path, command: str, more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        str(folder / command) if before == "--out" else word for before, word in zip(("", *more), more, strict=False)
    )


def unknowns(document: Mapping[str, Any]) -> list[str]:
    """What a document says that it does not know."""
    match document["command"]:
        case "review":
            return [*document["undecided"], *(each["what"] for each in document["review"]["unread"])]
        case "doctor":
            return [each["what"] for each in document["notChecked"]]
        case "report":
            return [each["what"] for each in document["unread"]]
        case _:
            checks = [each for stack in document["stacks"] for each in stack["checks"]]
            return [each["what"] for each in checks if each["status"] == "unknown"]


@pytest.mark.parametrize("command", COMMANDS)
def test_with_the_printed_policy_a_command_that_reads_completes(read: Read, command: str) -> None:
    ended: CompletedCommand = read.ended[command]
    # The review finds the platform's administrator, and now the auditor's eyes, and says so; it is not refused.
    assert ended.code == (1 if command == "review" else 0), ended.err
    assert "message" not in ended.document


def test_the_auditor_changed_nothing(read: Read) -> None:
    assert read.changes == {}


def test_the_auditor_is_refused_nothing(read: Read) -> None:
    assert read.refused == frozenset()


def test_nothing_is_unknown_to_the_auditor(read: Read) -> None:
    assert {
        command: unknowns(read.ended[command].document) for command in ("review", "report", "doctor", "status")
    } == {
        "review": [],
        "report": [],
        "doctor": [],
        "status": [],
    }


def test_the_auditor_has_no_right_on_the_key(read: Read) -> None:
    principals = read.ended["review"].document["review"]["principals"]
    assert [each for each in principals if each["arn"] == AUDITOR and "yes" in (each["use"], each["administer"])] == []


def test_the_auditor_reads_the_logs_but_decrypts_neither_the_data_key_nor_anything_directly(read: Read) -> None:
    deployment, names = read.deployment, setup_of(read.deployment).settings.names
    outputs, logs = deployment.outputs(), names.trail_bucket
    kms, s3 = deployment.client("kms"), deployment.client("s3")
    context = {"aws:cloudtrail:arn": outputs["trailArn"], "aws:s3:arn": f"arn:aws:s3:::{logs}/AWSLogs/log"}
    under_logs_key = kms.encrypt(KeyId=names.trail_key_alias, Plaintext=b"text", EncryptionContext=context)
    data_key = b64decode(deployment.stored_key_versions()[-1])
    log = s3.list_objects_v2(Bucket=logs, Prefix="AWSLogs/")["Contents"][0]["Key"]
    under_phi_key = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": outputs["keyArn"]}
    s3.put_object(Bucket=logs, Key="AWSLogs/phi", Body=b"", **under_phi_key)
    with an_auditor(deployment, read.policies) as env:
        mine = {"AccessKeyId": env["AWS_ACCESS_KEY_ID"], "SecretAccessKey": env["AWS_SECRET_ACCESS_KEY"]}
        reader, decrypter = deployment.client("s3", credentials=mine), deployment.client("kms", credentials=mine)
        assert reader.get_object(Bucket=logs, Key=log)["Body"].read()
        with pytest.raises(ClientError, match="AccessDenied"):
            reader.get_object(Bucket=logs, Key="AWSLogs/phi")
        with pytest.raises(ClientError, match="AccessDenied"):
            decrypter.decrypt(CiphertextBlob=data_key)
        with pytest.raises(ClientError, match="AccessDenied"):
            decrypter.decrypt(CiphertextBlob=under_logs_key["CiphertextBlob"], EncryptionContext=context)


def test_what_is_printed_is_the_policy_of_the_stacks_settings(read: Read) -> None:
    wanted = auditor_policies(setup_of(read.deployment))
    assert list(read.policies.values()) == list(wanted.values())


def test_every_action_of_it_was_needed(read: Read) -> None:
    used = {each["action"] for each in read.needed if each["principal"] == AUDITOR}
    granted = {
        action
        for document in read.policies.values()
        for statement in document["Statement"]
        for action in (statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]])
    }
    by_the_real_provider = {action for _, action in refresh_reads()}
    where_it_is_spoilt = {action for _, action in REPAIR_READS}
    assert granted - used <= by_the_real_provider | where_it_is_spoilt, "measured.json grants more"


def test_without_any_one_action_of_it_a_call_that_was_made_is_refused(read: Read) -> None:
    needed = [each for each in read.needed if each["principal"] == AUDITOR and each["by"] == "iam"]
    assert needed
    for action in sorted({each["action"] for each in needed}):
        left = [each for document in without(read.policies, action).values() for each in document["Statement"]]
        refused = [
            each
            for each in needed
            if evaluate(left, Request(action=each["action"], resource=each["resource"])) is not Decision.ALLOWED
        ]
        assert {each["action"] for each in refused} >= {action}


def test_a_drill_is_refused_to_the_auditor_who_may_only_read(read: Read, tmp_path: Path) -> None:
    arguments = ("backup", *STACK, "--json", "--to", str(tmp_path / "backup.json"))
    in_this_process.run(read.deployment, *arguments)
    try:
        with an_auditor(read.deployment, read.policies) as env:
            ended = in_this_process.run(read.deployment, "backup", "drill", "--json", *STACK, env=env, expect=3)
    finally:
        read.deployment.client("ssm").delete_parameters(Names=["/eonpro/production/backup"])
    assert "ssm:PutParameter" in ended.document["message"]


LESS = {
    "iam:GetAccountAuthorizationDetails": "review",
    "cloudtrail:GetTrailStatus": "status",
    "kms:GetKeyPolicy": "review",
    "kms:ListGrants": "review",
    "ssm:GetParameters": "status",
    "s3:GetBucketVersioning": "doctor",
}
SOME = ("iam:GetAccountAuthorizationDetails", "cloudtrail:GetTrailStatus")


@pytest.mark.parametrize(
    "action", [pytest.param(one, marks=() if one in SOME else pytest.mark.thorough) for one in LESS]
)
def test_with_one_action_less_something_is_unknown_and_nothing_falls_over(
    read: Read, action: str, tmp_path: Path
) -> None:
    command = LESS[action]
    with an_auditor(read.deployment, without(read.policies, action)) as env:
        more = _into(tmp_path, command, COMMANDS[command])
        ended = in_this_process.run(read.deployment, command, "--json", *STACK, *more, env=env, expect=None)
    assert "Traceback" not in ended.err
    assert "message" not in ended.document
    assert unknowns(ended.document) != []
