"""The auditor's policy: what it grants for which set-up, and that nothing of it changes anything or opens a record."""

from __future__ import annotations

import json
from typing import Any

import pytest

import wizard.cli.main as cli
from sandbox.aws.iam.policy import Decision, Request, evaluate
from tests.wizard.commands.policy.test_operator import (
    ACCOUNT,
    EVERYTHING,
    GIVEN,
    each_statement,
    granted,
    listed,
)
from wizard.commands.policy import command
from wizard.commands.policy.operator import for_values

READS = ("Get", "List", "Describe", "Head", "Simulate", "Lookup")


def asked(**changes: Any) -> dict[str, Any]:
    """The auditor's policy for the given answers, with changes."""
    values = {key: value for key, value in {**GIVEN, **changes}.items() if value is not None}
    return for_values(values, {}, build=command.auditor_policies)


SETUPS: dict[str, dict[str, Any]] = {
    "vercel": {},
    "ecs": {"target": "ecs"},
    "eks": {"target": "eks"},
    "a user": {"vercel_access": "user"},
    "secrets": {"target": "ecs", "secret_store": "secrets-manager"},
    "replicas": {"multi_region": "yes", "replica_regions": "us-west-2"},
    "everything": EVERYTHING,
}


@pytest.mark.parametrize("setup", SETUPS)
def test_nothing_of_it_changes_anything(setup):
    actions = {action for action, _ in granted(asked(**SETUPS[setup]))}
    assert actions
    assert [action for action in actions - {"kms:Decrypt"} if not action.partition(":")[2].startswith(READS)] == []


@pytest.mark.parametrize("setup", SETUPS)
def test_nothing_of_it_uses_a_key_but_to_read_the_audit_logs(setup):
    actions = {action for action, _ in granted(asked(**SETUPS[setup])) if action.startswith("kms:")}
    assert actions - {"kms:Decrypt"} <= {
        "kms:DescribeKey",
        "kms:GetKeyLastUsage",
        "kms:GetKeyPolicy",
        "kms:GetKeyRotationStatus",
        "kms:ListAliases",
        "kms:ListGrants",
        "kms:ListKeyRotations",
        "kms:ListResourceTags",
    }


ALIAS, TRAIL = "alias/eonpro-audit-key", f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/eonpro-audit-trail"
LOGS = f"arn:aws:s3:::eonpro-cloudtrail-logs-{ACCOUNT}-us-east-1-an"
TO_READ_A_LOG = {
    "kms:ResourceAliases": (ALIAS,),
    "kms:ViaService": ("s3.us-east-1.amazonaws.com",),
    "kms:EncryptionContext:aws:cloudtrail:arn": (TRAIL,),
    "kms:EncryptionContext:aws:s3:arn": (f"{LOGS}/AWSLogs/{ACCOUNT}/CloudTrail/log.json.gz",),
    "aws:ResourceTag/Application": ("EONPRO",),
    "aws:ResourceTag/Environment": ("Production",),
}
"""The condition keys of the request that S3 sends to KMS for a reader of the audit logs."""


def decrypts(document: dict[str, Any], **changes: tuple[str, ...] | None) -> bool:
    context = {name: value for name, value in {**TO_READ_A_LOG, **changes}.items() if value}
    request = Request(action="kms:Decrypt", resource=f"arn:aws:kms:us-east-1:{ACCOUNT}:key/any", context=context)
    return evaluate(each_statement(document), request) is Decision.ALLOWED


@pytest.mark.parametrize("setup", ["vercel", "everything"])
def test_the_only_use_of_a_key_is_to_read_the_audit_logs_through_s3(setup):
    document = asked(**SETUPS[setup])
    [statement] = [each for each in each_statement(document) if "kms:Decrypt" in listed(each["Action"])]
    assert statement["Resource"] == f"arn:aws:kms:us-east-1:{ACCOUNT}:key/*"
    assert decrypts(document)


REFUSED: dict[str, dict[str, tuple[str, ...] | None]] = {
    "the PHI key": {"kms:ResourceAliases": ("alias/eonpro-phi-key",)},
    "a key without an alias": {"kms:ResourceAliases": None},
    "a direct call": {"kms:ViaService": None},
    "another service": {"kms:ViaService": ("ssm.us-east-1.amazonaws.com",)},
    "no encryption context, as the data key has none": {
        "kms:EncryptionContext:aws:cloudtrail:arn": None,
        "kms:EncryptionContext:aws:s3:arn": None,
    },
    "another trail": {"kms:EncryptionContext:aws:cloudtrail:arn": (f"{TRAIL}-of-another",)},
    "an object that CloudTrail did not write": {"kms:EncryptionContext:aws:cloudtrail:arn": None},
    "another bucket": {"kms:EncryptionContext:aws:s3:arn": ("arn:aws:s3:::backups/production.json",)},
}


@pytest.mark.parametrize("changed", REFUSED)
def test_an_auditor_decrypts_nothing_else(changed):
    assert not decrypts(asked(), **REFUSED[changed])


@pytest.mark.parametrize("logs", [{"trail_key": "no"}, {"trail": TRAIL, "trail_bucket": "their-logs"}])
def test_logs_that_are_not_under_a_key_of_the_stack_need_no_use_of_one(logs):
    assert "kms:Decrypt" not in {action for action, _ in granted(asked(**logs))}


def test_an_auditor_of_an_existing_trail_is_told_that_its_key_is_not_in_the_policy(capsys):
    existing = ["--trail", TRAIL, "--trail-bucket", "their-logs"]
    assert (
        cli.main(["policy", "auditor", "--account", ACCOUNT, "--region", "us-east-1", "--target", "ecs", *existing])
        == 0
    )
    assert f"not in the policy: kms:Decrypt on the key of {TRAIL}" in capsys.readouterr().err


def test_no_action_is_a_pattern_and_what_has_a_name_is_named():
    of_all = {action for action, resource in granted(asked()) if resource == "*"}
    assert not [action for action, _ in granted(asked()) if "*" in action]
    assert {action.partition(":")[0] for action in of_all} <= {
        "account",
        "account-access",
        "cloudtrail",
        "cloudwatch",
        "iam",
        "kms",
        "servicequotas",
    }


def test_keys_are_read_by_the_stacks_tags():
    [statement] = [each for each in each_statement(asked()) if "kms:GetKeyPolicy" in listed(each["Action"])]
    assert statement["Resource"] == f"arn:aws:kms:us-east-1:{ACCOUNT}:key/*"
    assert statement["Condition"] == {
        "StringEquals": {"aws:ResourceTag/Application": "EONPRO", "aws:ResourceTag/Environment": "Production"}
    }


def test_the_former_values_of_a_stored_data_key_that_was_written_over_can_be_looked_for():
    resources = {resource for action, resource in granted(asked()) if action == "ssm:GetParameterHistory"}
    assert resources == {resource for action, resource in granted(asked()) if action == "ssm:GetParameters"} != set()


def test_the_records_of_backups_are_read_where_the_data_key_is_in_secrets_manager():
    read = {resource for action, resource in granted(asked(**SETUPS["secrets"])) if action == "ssm:GetParameters"}
    assert read == {f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/eonpro/production/*"}


def test_a_replica_is_read_in_its_own_region():
    resources = {resource for _, resource in granted(asked(**SETUPS["replicas"]))}
    assert f"arn:aws:kms:us-west-2:{ACCOUNT}:key/*" in resources
    assert f"arn:aws:kms:us-west-2:{ACCOUNT}:key/*" not in {resource for _, resource in granted(asked())}


def test_it_is_printed_alone_and_what_it_cannot_give_beside_it(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    argv = ["policy", "auditor", "--account", ACCOUNT, "--region", "us-east-1", "--target", "ecs"]
    assert cli.main(argv) == 0
    printed = capsys.readouterr()
    assert granted(json.loads(printed.out)) == granted(asked(target="ecs", vercel_team=None))
    assert "s3:GetObject" in printed.err and "not enough for `backup drill`" in printed.err
    assert list(tmp_path.iterdir()) == []


def test_a_strict_key_policy_is_said_to_be_closed_to_it(capsys):
    strict = ["--strict-key-policy", "yes"]
    both = [f"arn:aws:iam::{ACCOUNT}:user/{name}" for name in ("a", "b")]
    named = [word for arn in both for word in ("--administrators", arn)]
    argv = ["policy", "auditor", "--account", ACCOUNT, "--region", "us-east-1", "--target", "ecs", *strict, *named]
    assert cli.main(argv) == 0
    assert "strictKeyPolicy" in capsys.readouterr().err


def test_what_it_lacks_is_asked_for_by_its_own_command(capsys):
    assert cli.main(["policy", "auditor"]) == 2
    assert "-m wizard policy auditor --target" in capsys.readouterr().err
