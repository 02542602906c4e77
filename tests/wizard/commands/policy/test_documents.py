"""`policy documents`: what moves documents, for a while; and what to add to the policies of their buckets."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from components.policies.evaluation.account import IamPolicy
from components.policies.evaluation.statements import Request, evaluate_policies
from components.settings import Settings
from tests.wizard.fakes.clients import ACCOUNT, ADMIN, settings
from wizard.account.judgements.s3_documents import refuses_other_encryption
from wizard.commands.policy.command import auditor_policies, for_documents
from wizard.commands.policy.operator import policies_of
from wizard.core.errors import UsageError
from wizard.core.required_permissions.resources import Setup

BUCKET = "clinic-documents"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/9012cdef-12ab-34cd-56ef-1234567890ab"
SETTINGS = settings(document_buckets=(BUCKET,), documents_key=True)
THROUGH_S3 = {
    "kms:viaservice": ("s3.us-east-1.amazonaws.com",),
    "kms:calleraccount": (ACCOUNT,),
    "kms:encryptioncontext:aws:s3:arn": (f"arn:aws:s3:::{BUCKET}",),
    "kms:resourcealiases": ("alias/eonpro-documents-key",),
}


def setup_of(wanted: Settings = SETTINGS) -> Setup:
    return Setup(settings=wanted, operator=ADMIN)


def is_allowed(document: Any, action: str, resource: str, **context: tuple[str, ...]) -> bool:
    request = Request(action=action, resource=resource, context={**dict.fromkeys(THROUGH_S3, ()), **context})
    return evaluate_policies((IamPolicy(name="documents", document=document),), request).is_allowed


def test_who_moves_documents_uses_the_key_through_s3_for_these_buckets_only() -> None:
    document = for_documents(setup_of(), None)["EONPRODocuments"]
    assert is_allowed(document, "kms:ReEncryptTo", KEY, **THROUGH_S3)
    for changed in (
        {"kms:viaservice": ()},
        {"kms:encryptioncontext:aws:s3:arn": ("arn:aws:s3:::another",)},
        {"kms:resourcealiases": ("alias/eonpro-phi-key",)},
    ):
        assert not is_allowed(document, "kms:ReEncryptTo", KEY, **{**THROUGH_S3, **changed}), changed
    objects = f"arn:aws:s3:::{BUCKET}/scan"
    assert is_allowed(document, "s3:UpdateObjectEncryption", objects)
    for action in ("s3:PutObject", "s3:DeleteObject", "s3:PutBucketPolicy", "s3:BypassGovernanceRetention"):
        assert not is_allowed(document, action, objects), action
    assert not is_allowed(document, "s3:GetObject", "arn:aws:s3:::another/scan")
    actions = {action for statement in document["Statement"] for action in statement["Action"]}
    assert {action.partition(":")[0] for action in actions} == {"kms", "s3"}, "no stored key is in its reach"


def test_what_is_added_to_a_bucket_s_policy_refuses_every_other_encryption() -> None:
    documents = for_documents(setup_of(), KEY)
    assert documents.keys() == {"EONPRODocuments", f"bucket {BUCKET}"}
    assert refuses_other_encryption(documents[f"bucket {BUCKET}"], f"arn:aws:s3:::{BUCKET}", KEY)
    assert {each["Effect"] for each in documents[f"bucket {BUCKET}"]["Statement"]} == {"Deny"}


def test_a_stack_without_the_key_and_another_arn_are_refused() -> None:
    with pytest.raises(UsageError, match="no key of the documents"):
        for_documents(setup_of(settings(document_buckets=(BUCKET,))), None)
    with pytest.raises(UsageError, match="not the ARN of a KMS key"):
        for_documents(setup_of(), "alias/eonpro-documents-key")


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_nobody_who_runs_or_audits_the_platform_may_read_or_list_documents(role: str) -> None:
    setup = replace(setup_of(), operator="arn:aws:iam::111122223333:user/somebody")
    printed: Any = policies_of(setup, with_removal=True) if role == "operator" else auditor_policies(setup)
    documents = [printed] if "Statement" in printed else [*printed.values()]
    assert BUCKET in json.dumps(documents)
    for document in documents:
        for action, resource in (
            ("s3:GetObject", f"arn:aws:s3:::{BUCKET}/scan"),
            ("s3:ListBucket", f"arn:aws:s3:::{BUCKET}"),
            ("s3:UpdateObjectEncryption", f"arn:aws:s3:::{BUCKET}/scan"),
            ("kms:Decrypt", KEY),
        ):
            assert not is_allowed(document, action, resource, **THROUGH_S3), action
