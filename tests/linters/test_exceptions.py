"""The list of exceptions: each has its reason, covers what it says and no more, and does not outlive its finding."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.linters.exceptions import dead, read, standing
from tests.linters.findings import Finding

FINDING = Finding(
    tool="checkov", check="CKV_AWS_1", resource="aws_s3_bucket.logs", message="say [this]", configuration="ecs"
)
ENTRY = """
- tool: checkov
  check: CKV_AWS_1
  resource: aws_s3_bucket.*
  message: say [this]
  reason: Here stands why it is not done.
"""


def test_an_exception_covers_its_finding_in_every_configuration() -> None:
    assert standing([FINDING, replace(FINDING, configuration="vercel")], read(ENTRY)) == []


@pytest.mark.parametrize(
    "other",
    [
        replace(FINDING, tool="parliament"),
        replace(FINDING, check="CKV_AWS_11"),
        replace(FINDING, resource="aws_kms_key.logs"),
        replace(FINDING, message="say t"),
    ],
)
def test_an_exception_covers_nothing_else(other: Finding) -> None:
    assert standing([other], read(ENTRY)) == [other]
    assert dead([other], read(ENTRY)) == list(read(ENTRY))


@pytest.mark.parametrize(
    "fault",
    [
        ENTRY.replace("reason: Here stands why it is not done.", ""),
        ENTRY.replace("Here stands why it is not done.", "not needed"),
        ENTRY.replace("Here stands why it is not done.", '"Here stands why\\nit is not done."'),
        ENTRY.replace("message:", "massage:"),
    ],
)
def test_an_exception_without_a_reason_or_with_another_key_is_refused(fault: str) -> None:
    with pytest.raises(ValueError, match="an exception has"):
        read(fault)
