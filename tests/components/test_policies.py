"""The policies as documents: each variant against its golden file, and who may do what by them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from components import policies

GOLDEN = Path(__file__).parent / "golden"

ACCOUNT = "111122223333"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/admin"
SECOND_ADMIN = f"arn:aws:iam::{ACCOUNT}:user/ops/second"
APP = f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TRAIL = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/eonpro-audit-trail"


def _key(**changes: Any) -> policies.Policy:
    return policies.key_policy(
        **{"account_id": ACCOUNT, "administrators": (ADMIN,), "app_principal_arn": APP, **changes}
    )


def _vercel(**changes: str) -> list[policies.Statement]:
    provider = policies.vercel_oidc_provider_arn(account_id=ACCOUNT, team="acme")
    return policies.vercel_trust_statements(
        **{"oidc_provider_arn": provider, "team": "acme", "project": "portal", **changes}
    )


def _ecs() -> list[policies.Statement]:
    return policies.ecs_trust_statements(account_id=ACCOUNT, region="us-east-1")


def _parameters(region: str, partition: str) -> list[str]:
    return [
        policies.parameter_arn(
            account_id=ACCOUNT, region=region, name=f"/eonpro/production/{name}", partition=partition
        )
        for name in ("AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY")
    ]


def _bucket(**changes: str) -> policies.Policy:
    return policies.trail_bucket_policy(
        **{"bucket": "eonpro-logs", "account_id": ACCOUNT, "trail_arn": TRAIL, **changes}
    )


DOCUMENTS: dict[str, Callable[[], policies.Policy]] = {
    "key": _key,
    "key-two-administrators": lambda: _key(administrators=(ADMIN, SECOND_ADMIN)),
    "key-application-is-a-user": lambda: _key(app_principal_arn=f"arn:aws:iam::{ACCOUNT}:user/eonpro"),
    "key-gov": lambda: _key(
        administrators=(ADMIN.replace("arn:aws:", "arn:aws-us-gov:"),),
        app_principal_arn=APP.replace("arn:aws:", "arn:aws-us-gov:"),
        partition="aws-us-gov",
    ),
    "application": lambda: policies.application_policy(key_arn=KEY),
    "trust-vercel": lambda: policies.policy(_vercel()),
    "trust-vercel-preview": lambda: policies.policy(_vercel(vercel_environment="preview")),
    "trust-vercel-global-issuer": lambda: policies.policy(
        _vercel(oidc_provider_arn=f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com")
    ),
    "trust-ecs": lambda: policies.policy(_ecs()),
    "trust-vercel-and-ecs": lambda: policies.policy([*_vercel(), *_ecs()]),
    "trust-execution": policies.execution_trust_policy,
    "task-start": policies.task_start_policy,
    "parameters": lambda: policies.parameter_policy(parameter_arns=_parameters("us-east-1", "aws")),
    "parameters-china": lambda: policies.parameter_policy(parameter_arns=_parameters("cn-north-1", "aws-cn")),
    "trail-bucket": _bucket,
    "trail-bucket-gov": lambda: _bucket(
        partition="aws-us-gov",
        trail_arn=policies.trail_arn(
            account_id=ACCOUNT, region="us-gov-west-1", name="eonpro-audit-trail", partition="aws-us-gov"
        ),
    ),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_policy_is_the_one_that_was_reviewed(name: str) -> None:
    """To take a change over: UPDATE_GOLDEN=1, which fails for every file it changes; then review the diff."""
    file = GOLDEN / f"{name}.json"
    text = json.dumps(DOCUMENTS[name](), indent=2) + "\n"
    if os.environ.get("UPDATE_GOLDEN") == "1" and (not file.exists() or file.read_text() != text):
        file.write_text(text)
        pytest.fail(f"wrote {file.name}: review it, and run again without UPDATE_GOLDEN")
    assert text == file.read_text()


def test_every_golden_file_has_its_policy() -> None:
    assert {file.stem for file in GOLDEN.glob("*.json")} == set(DOCUMENTS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_policy_is_longer_than_aws_takes(name: str) -> None:
    # The least of them: 2,048 characters for a role's trust policy, white space not counted.
    document = json.dumps(DOCUMENTS[name](), separators=(",", ":"))
    assert len(document) <= (2048 if name.startswith("trust") else 6144)


def _allowed(statements: list[policies.Statement], action: str) -> bool:
    return any(
        fnmatchcase(action, pattern)
        for statement in statements
        if statement["Effect"] == "Allow"
        for pattern in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    )


@pytest.mark.parametrize(
    "action",
    [
        "kms:Encrypt",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:CreateGrant",
        "kms:PutKeyPolicy",
        "kms:DisableKey",
        "kms:ScheduleKeyDeletion",
        "kms:GetKeyPolicy",
        "kms:UpdateAlias",
        "ssm:GetParameters",
    ],
)
def test_the_application_may_not(action: str) -> None:
    assert not _allowed(policies.application_statements(key_arn=KEY), action)
    assert not _allowed([policies.application_use_statement(app_principal_arn=APP)], action)


def test_the_application_may_exactly_decrypt_generate_and_describe() -> None:
    allowed = {"kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"}
    (identity,) = policies.application_statements(key_arn=KEY)
    assert set(identity["Action"]) == allowed
    assert set(policies.application_use_statement(app_principal_arn=APP)["Action"]) == allowed


def test_the_application_policy_names_the_one_key() -> None:
    (statement,) = policies.application_statements(key_arn=KEY)
    assert statement["Resource"] == KEY


@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/eonpro-phi-key",
        "alias/eonpro-phi-key",
        f"arn:aws:kms:us-east-1:{ACCOUNT}:key/*",
        "*",
        "",
    ],
)
def test_an_application_policy_on_anything_but_one_key_is_refused(arn: str) -> None:
    with pytest.raises(ValueError, match="not the ARN of one KMS key"):
        policies.application_policy(key_arn=arn)


@pytest.mark.parametrize(
    "action", ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:CreateGrant"]
)
def test_an_administrator_may_not_use_the_key_or_hand_its_use_on(action: str) -> None:
    assert not _allowed([policies.administration_statement(administrators=(ADMIN,))], action)
    assert not _allowed([policies.deletion_statement(administrators=(ADMIN,))], action)


def test_the_deletion_of_the_key_is_allowed_by_one_statement_alone() -> None:
    deleting = [
        statement["Sid"]
        for statement in _key()["Statement"]
        if statement["Principal"] == {"AWS": [ADMIN]} and _allowed([statement], "kms:ScheduleKeyDeletion")
    ]
    assert deleting == ["Allow deletion of the key"]


def test_every_trust_in_vercel_compares_audience_and_subject_in_full() -> None:
    (statement,) = _vercel()
    assert list(statement["Condition"]) == ["StringEquals"]
    assert statement["Condition"]["StringEquals"] == {
        "oidc.vercel.com/acme:aud": "https://vercel.com/acme",
        "oidc.vercel.com/acme:sub": "owner:acme:project:portal:environment:production",
    }


def test_no_statement_has_a_wildcard_principal_unless_it_denies() -> None:
    for make in DOCUMENTS.values():
        for statement in make()["Statement"]:
            if statement.get("Principal") == "*":
                assert statement["Effect"] == "Deny"


def test_cloudtrail_is_let_in_for_the_one_trail_only() -> None:
    allowing = [statement for statement in _bucket()["Statement"] if statement["Effect"] == "Allow"]
    assert [statement["Principal"] for statement in allowing] == [{"Service": "cloudtrail.amazonaws.com"}] * 2
    assert [statement["Condition"]["StringEquals"]["aws:SourceArn"] for statement in allowing] == [TRAIL] * 2
