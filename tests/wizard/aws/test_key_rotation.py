"""A key's rotations and the re-encryption of a data key, as AWS answers them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, PermissionDenied, ResourceError
from wizard.core.models.rotation import KeyRotations, Rotation

KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
OTHER_KEY = KEY.replace("1111", "9999")
ONE, TWO = (WrappedDataKey(value=base64.b64encode(bytes([octet]) * 184).decode()) for octet in (1, 2))
MAY, JUNE, NEXT = (datetime(2026, month, 1, tzinfo=UTC) for month in (5, 6, 12))


def quotas(*names: str) -> dict[str, object]:
    return {"Quotas": [{"QuotaName": name, "Value": 25.0} for name in names]}


@pytest.fixture
def told(script):
    """A key that was rotated twice, and a quota that is told."""
    script.answer(
        "GetKeyRotationStatus",
        {"KeyRotationEnabled": True, "RotationPeriodInDays": 180, "NextRotationDate": NEXT.timestamp()},
    )
    script.answer(
        "ListKeyRotations",
        {
            "Truncated": False,
            "Rotations": [
                {"RotationDate": JUNE.timestamp(), "RotationType": "ON_DEMAND"},
                {"RotationDate": MAY.timestamp(), "RotationType": "AUTOMATIC"},
            ],
        },
    )
    script.answer("ListServiceQuotas", quotas("AWS KMS keys", "On-demand rotation"))
    return script


def test_rotations_are_told_the_oldest_first_with_what_is_left(scripted, told):
    found = scripted.key_rotation.rotations(KEY)
    assert found.rotations == (Rotation(at=MAY, on_demand=False), Rotation(at=JUNE, on_demand=True))
    assert (found.enabled, found.period_days, found.next_at) == (True, 180, NEXT)
    assert (found.on_demand_limit, found.on_demand_left, found.on_demand_started) == (25, 24, None)


def test_one_that_is_under_way_is_told_and_counts(scripted, told):
    told.answer("GetKeyRotationStatus", {"KeyRotationEnabled": False, "OnDemandRotationStartDate": JUNE.timestamp()})
    found = scripted.key_rotation.rotations(KEY)
    assert (found.enabled, found.period_days, found.on_demand_started, found.on_demand_left) == (False, None, JUNE, 23)


def test_a_quota_that_only_aws_defaults_know_is_taken(scripted, told):
    told.answer("ListServiceQuotas", quotas("AWS KMS keys"))
    told.answer("ListAWSDefaultServiceQuotas", quotas("On-demand rotations per KMS key"))
    assert scripted.key_rotation.rotations(KEY).on_demand_limit == 25


def test_a_limit_that_may_not_be_asked_for_is_unknown(scripted, told):
    for operation in ("ListServiceQuotas", "ListAWSDefaultServiceQuotas"):
        told.refuse(operation, "AccessDeniedException")
    assert scripted.key_rotation.rotations(KEY).on_demand_left is None


def test_rotations_that_may_not_be_listed_are_no_rotations_of_nought(scripted, told):
    told.refuse("ListKeyRotations", "AccessDeniedException")
    with pytest.raises(PermissionDenied, match="kms:ListKeyRotations"):
        scripted.key_rotation.rotations(KEY)


@pytest.mark.parametrize(
    ("code", "word"),
    [("LimitExceededException", "all its on-demand rotations"), ("ConflictException", "already in progress")],
)
def test_a_rotation_that_kms_refuses_is_told_in_words(scripted, script, code, word):
    script.refuse("RotateKeyOnDemand", code)
    with pytest.raises(ResourceError, match=word):
        scripted.key_rotation.rotate_on_demand(KEY, before=KeyRotations(enabled=True, period_days=365, next_at=None))


def test_a_reencryption_names_both_keys_and_no_context(scripted, script):
    script.answer("ReEncrypt", {"CiphertextBlob": TWO.value, "SourceKeyId": KEY, "KeyId": OTHER_KEY})
    assert scripted.key_rotation.reencrypt(ONE, source=KEY, destination=OTHER_KEY) == TWO
    (asked,) = script.requests
    assert asked == {"CiphertextBlob": ONE.value, "SourceKeyId": KEY, "DestinationKeyId": OTHER_KEY}


@pytest.mark.parametrize("code", ("IncorrectKeyException", "InvalidCiphertextException"))
def test_a_data_key_that_the_source_does_not_open_is_a_conflict(scripted, script, code):
    script.refuse("ReEncrypt", code)
    with pytest.raises(DataKeyConflict, match=f"does not decrypt the data key {ONE.fingerprint}"):
        scripted.key_rotation.reencrypt(ONE, source=KEY, destination=OTHER_KEY)


@pytest.mark.parametrize(
    ("code", "error"), [("AccessDeniedException", PermissionDenied), ("DisabledException", ResourceError)]
)
def test_a_reencryption_that_may_not_be_is_told(scripted, script, code, error):
    script.refuse("ReEncrypt", code)
    with pytest.raises(error):
        scripted.key_rotation.reencrypt(ONE, source=KEY, destination=OTHER_KEY)
