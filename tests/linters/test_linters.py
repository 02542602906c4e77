"""parliament, cloudsplaining and checkov find nothing in what the program builds, or the exception has its reason."""

from __future__ import annotations

import pytest

from tests.linters.conftest import Judged, Plan
from tests.linters.exceptions import Exemption, dead, standing

pytestmark = pytest.mark.thorough


def test_no_linter_finds_anything_but_the_exceptions(judged: Judged, exemptions: tuple[Exemption, ...]) -> None:
    found = standing(judged.findings, exemptions)
    assert not found, "\n".join(map(str, found))


def test_every_exception_still_covers_a_finding(judged: Judged, exemptions: tuple[Exemption, ...]) -> None:
    assert dead(judged.findings, exemptions) == []


def test_checkov_joins_each_bucket_with_what_guards_it(judged: Judged, plans: dict[str, Plan]) -> None:
    # Each of these looks from the bucket to another resource, by reference.
    for check in ("CKV2_AWS_6", "CKV2_AWS_61", "CKV_AWS_21"):
        for configuration in plans:
            assert (configuration, check, "aws_s3_bucket.audit_trail") in judged.verdict.passed
