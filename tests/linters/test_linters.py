"""parliament, cloudsplaining and checkov find nothing in what the program builds, or the exception has its reason."""

from __future__ import annotations

import pytest

from tests.linters import weak_plans
from tests.linters.conftest import Judged, Plan
from tests.linters.exceptions import Exemption, dead, standing
from tests.linters.terraform_plan import policy_documents
from tests.linters.terraform_types import Document

pytestmark = pytest.mark.thorough


def test_no_linter_finds_anything_but_the_exceptions(judged: Judged, exemptions: tuple[Exemption, ...]) -> None:
    found = standing(judged.findings, exemptions)
    assert not found, "\n".join(map(str, found))


def test_every_exception_still_covers_a_finding(judged: Judged, exemptions: tuple[Exemption, ...]) -> None:
    assert dead(judged.findings, exemptions) == []


@pytest.mark.parametrize(
    ("configuration", "tool", "check"),
    [
        ("weak-no-public-access-block", "checkov", "CKV2_AWS_6"),
        ("weak-public-access-block-of-another-bucket", "checkov", "CKV2_AWS_6"),
        ("weak-no-versioning", "checkov", "CKV_AWS_21"),
        ("weak-no-rotation", "checkov", "CKV_AWS_7"),
        ("weak-no-validation", "checkov", "CKV_AWS_36"),
        ("weak-key-for-everybody", "checkov", "CKV_AWS_33"),
        ("weak-key-for-everybody", "cloudsplaining", "InternetAccessible"),
        ("weak-all-of-s3", "cloudsplaining", "DataExfiltration"),
        ("weak-all-of-s3", "cloudsplaining", "ResourceExposure"),
        ("weak-all-of-s3", "parliament", "RESOURCE_STAR"),
        ("weak-misspelled-action", "parliament", "UNKNOWN_ACTION"),
    ],
)
def test_a_weakness_is_found(judged: Judged, configuration: str, tool: str, check: str) -> None:
    assert (tool, check) in judged.said_of(configuration)
    assert (tool, check) not in judged.said_of(weak_plans.OF)


def test_checkov_joins_each_bucket_with_what_guards_it(judged: Judged, plans: dict[str, Plan]) -> None:
    # Each of these looks from the bucket to another resource, by reference.
    for check in ("CKV2_AWS_6", "CKV2_AWS_61", "CKV_AWS_21"):
        for configuration in plans:
            assert (configuration, check, "aws_s3_bucket.audit_trail") in judged.verdict.passed


def test_every_kind_of_policy_document_is_read(plans: dict[str, Plan]) -> None:
    read = {document.kind for plan in plans.values() for document in policy_documents(plan)}
    assert read == set(Document)
