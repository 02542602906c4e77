"""The program, run to its end: the key of the application's documents in S3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from components.policies.boundary import boundary_of, keeping_statements
from components.policies.s3_documents import documents_key_policy
from components.settings import Settings
from tests.components.configurations import ACCOUNT, AS_TEXT, CONFIGURATIONS, IAM, as_text

Recorded = Callable[[str], Any]
KEY, ALIAS = "aws:kms/key:Key", "aws:kms/alias:Alias"
BUCKETS = ["clinic-documents", "clinic-scans"]


@pytest.fixture(scope="module")
def documents(recorded: Recorded) -> Any:
    return recorded("documents")


def test_the_documents_have_a_key_of_their_own_beside_the_phi_key(documents: Any) -> None:
    key = documents.called(KEY, "documents-key")
    assert (key.inputs["enableKeyRotation"], key.inputs["deletionWindowInDays"]) == (True, 30)
    assert key.protected and key.retained
    assert key.inputs["tags"]["Purpose"] == "Documents"
    assert documents.called(ALIAS, "documents-key").inputs["name"] == "alias/eonpro-documents-key"
    assert "Purpose" not in documents.called(KEY, "phi-key").inputs["tags"]


def test_the_application_uses_that_key_only_through_s3_and_only_for_its_buckets(documents: Any) -> None:
    statements = documents.called(KEY, "documents-key").policy["Statement"]
    app = f"{IAM}:role/eonpro-app-role"
    [use] = [one for one in statements if app in (one["Principal"].get("AWS") or ())]
    assert use["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert use["Condition"]["StringEquals"] == {
        "kms:ViaService": "s3.us-east-1.amazonaws.com",
        "kms:CallerAccount": ACCOUNT,
    }
    context = use["Condition"]["StringLike"]["kms:EncryptionContext:aws:s3:arn"]
    assert context == [f"arn:aws:s3:::{bucket}{end}" for bucket in BUCKETS for end in ("", "/*")]


def test_nobody_deletes_that_key_whom_the_settings_do_not_name(documents: Any) -> None:
    of_documents, of_phi = (
        [one for one in documents.called(KEY, name).policy["Statement"] if one["Effect"] == "Deny"]
        for name in ("documents-key", "phi-key")
    )
    assert of_documents == of_phi


def test_the_stack_has_no_resource_of_the_application_s_buckets(documents: Any) -> None:
    assert not [one.urn for one in documents.resources if {*map(str, one.inputs.values())} & {*BUCKETS}]


@pytest.mark.parametrize("name", ["vercel", "ecs"])
def test_without_the_setting_there_is_no_such_key(recorded: Recorded, name: str) -> None:
    assert not [one.urn for one in recorded(name).resources if one.name == "documents-key"]


def _settings(**changes: Any) -> Settings:
    return Settings.from_config({**AS_TEXT, **as_text({f"eonpro-kms:{key}": value for key, value in changes.items()})})


def test_the_boundary_lets_the_application_use_that_key_through_s3_and_not_otherwise() -> None:
    statements = boundary_of(_settings(**CONFIGURATIONS["documents"]))["Statement"]
    [phi] = [one for one in statements if one["Sid"] == "ApplicationUseThePhiKey"]
    assert phi["Condition"]["StringNotEquals"] == {"aws:ResourceTag/Purpose": ["AuditLogs", "Documents"]}
    [key] = [one for one in statements if one["Sid"] == "ApplicationUseTheDocumentsKey"]
    assert key["Condition"]["StringEquals"]["kms:ViaService"] == "s3.us-east-1.amazonaws.com"
    assert key["Condition"]["StringEquals"]["aws:ResourceTag/Purpose"] == "Documents"


def test_an_operator_may_not_use_that_key() -> None:
    [denied] = [
        one for one in keeping_statements(_settings(**CONFIGURATIONS["documents"])) if one["Sid"] == "NoUseOfTheKey"
    ]
    aliases = ["alias/eonpro-phi-key", "alias/eonpro-documents-key"]
    assert denied["Condition"] == {"ForAnyValue:StringEquals": {"kms:ResourceAliases": aliases}}


def test_a_key_in_china_is_used_through_the_service_of_that_partition() -> None:
    document = documents_key_policy(
        account_id=ACCOUNT,
        region="cn-north-1",
        administrators=[],
        app_principal_arns=[],
        buckets=["clinic"],
        partition="aws-cn",
    )
    condition = document["Statement"][-1]["Condition"]
    assert condition["StringEquals"]["kms:ViaService"] == "s3.cn-north-1.amazonaws.com.cn"
    assert condition["StringLike"]["kms:EncryptionContext:aws:s3:arn"][0] == "arn:aws-cn:s3:::clinic"
