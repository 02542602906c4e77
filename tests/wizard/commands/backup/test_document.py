"""A backup as a document: it comes back as it went, and whatever was done to it meanwhile is told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from components.settings import SecretStore
from tests.wizard.fakes.clients import ACCOUNT, KEY, OTHER_ACCOUNT, OTHER_KEY, STORED_KEY, settings, wrapped
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, UsageError
from wizard.core.models.rotation import DataKeyVersion, VersionOrigin
from wizard.data_key.backup_document import (
    Backup,
    backup_of,
    digest,
    document,
    is_same,
    parse,
    refuse_foreign,
    text_of,
)

AT = datetime(2026, 11, 24, 12, 30, 15, 999, tzinfo=UTC)


def version(wrapped_: WrappedDataKey, **changes: Any) -> DataKeyVersion:
    return replace(
        DataKeyVersion(
            wrapped=wrapped_,
            key_arn=KEY,
            parameter=STORED_KEY,
            origin=VersionOrigin.FIRST,
            kept_at=None,
            same_as=wrapped_.fingerprint,
            current=False,
        ),
        **changes,
    )


def blob(seed: int) -> WrappedDataKey:
    return WrappedDataKey.from_blob(seed.to_bytes(4, "big") * 40)


def backup(*older: DataKeyVersion) -> Backup:
    current = version(wrapped(), current=True, was_current=True, kept=False)
    return backup_of(
        created_at=AT,
        stack="organization/eonpro-kms/production",
        settings=settings(),
        store=SecretStore.PARAMETER_STORE,
        key_arn=KEY,
        versions=(*older, current),
    )


OLD = version(blob(7), key_arn=OTHER_KEY, origin=VersionOrigin.REENCRYPTED, kept_at=AT, was_current=True)


def refusal(text: bytes | str) -> str:
    with pytest.raises(UsageError) as refused:
        parse(text, "it")
    assert wrapped().value not in refused.value.message
    assert refused.value.message.startswith("it ")
    return refused.value.message


def altered(**changes: Any) -> str:
    """A document with other fields, and a digest that fits: written like this, not damaged."""
    told = document(backup(OLD)) | changes
    return json.dumps({**told, "digest": digest(told)})


def test_a_backup_comes_back_as_it_went() -> None:
    went = backup(OLD)
    assert parse(text_of(went), "it") == went
    assert parse(text_of(went).encode(), "it") == went


def test_it_holds_every_version_and_says_which_is_current() -> None:
    told = document(backup(OLD))
    assert told["wrappedKey"] == wrapped().value and told["keyArn"] == KEY
    assert [(each["keyArn"], each["current"]) for each in told["versions"]] == [(OTHER_KEY, False), (KEY, True)]
    assert (told["account"], told["environment"], told["region"]) == (ACCOUNT, "production", "us-east-1")
    assert told["stack"] == "production" and told["madeAt"] == "2026-11-24T12:30:15+00:00"


def test_the_key_that_the_stored_data_key_does_not_name_is_the_stacks() -> None:
    untagged = version(wrapped(), current=True, key_arn=None)
    older = version(blob(3), key_arn=None)
    made = backup_of(
        created_at=AT,
        stack="production",
        settings=settings(),
        store=SecretStore.PARAMETER_STORE,
        key_arn=KEY,
        versions=(older, untagged),
    )
    # What is not known of an older one stays unknown.
    assert [each.key_arn for each in made.versions] == [None, KEY]
    assert parse(text_of(made), "it") == made


def test_two_backups_of_the_same_are_the_same_whenever_they_were_made() -> None:
    assert is_same(backup(OLD), replace(backup(OLD), created_at=AT + timedelta(days=9)))
    assert not is_same(backup(OLD), backup())


@pytest.mark.parametrize("other", ["[]", "7", "null", "{}", '"text"', '{"format": "another"}'])
def test_another_thing_altogether_is_told(other: str) -> None:
    assert "not a backup of eonpro-kms" in refusal(other)


@pytest.mark.parametrize("other", [b"\xff\xfe\x00", b"\x00" * 50, "[" * 100_000, "not json"])
def test_what_is_no_json_is_told(other: bytes | str) -> None:
    assert "not JSON" in refusal(other)


def test_what_is_too_long_is_not_even_read() -> None:
    assert "too long" in refusal(" " * 1_000_001)


def test_a_backup_of_a_later_form_is_told() -> None:
    assert "'3'" in refusal(altered(version="3"))


@given(data=some.data())
def test_any_octet_that_changed_is_told(data: some.DataObject) -> None:
    text = bytearray(text_of(backup(OLD)).encode())
    at = data.draw(some.integers(min_value=0, max_value=len(text) - 1))
    text[at] ^= 1 << data.draw(some.integers(min_value=0, max_value=6))
    try:
        found = parse(bytes(text), "it")
    except UsageError:
        return
    # White space between the fields may be another; nothing that is read is.
    assert found == backup(OLD)


@pytest.mark.parametrize("field", [name for name in document(backup()) if name not in ("digest", "toRestore")])
def test_a_field_that_is_not_there_is_told(field: str) -> None:
    told = {key: value for key, value in document(backup(OLD)).items() if key != field}
    refusal(json.dumps({**told, "digest": digest(told)}))


CURRENT, OLDER = document(backup(OLD))["versions"][1], document(backup(OLD))["versions"][0]
WRONG: dict[str, dict[str, Any]] = {
    "a fingerprint of another": {"fingerprint": OLD.fingerprint},
    "a key of another version": {"keyArn": OTHER_KEY},
    "a wrapped key of another version": {"wrappedKey": OLD.wrapped.value},
    "a version whose fingerprint is not its own": {"versions": [{**CURRENT, "fingerprint": OLD.fingerprint}]},
    "no version": {"versions": []},
    "versions that are no list": {"versions": {"first": CURRENT}},
    "no current version": {"versions": [OLDER]},
    "two current versions": {"versions": [{**OLDER, "current": True}, CURRENT]},
    "a wrapped key that is none": {"versions": [{**CURRENT, "wrappedKey": "AQID"}]},
    "a wrapped key in quotation marks": {"versions": [{**CURRENT, "wrappedKey": f'"{CURRENT["wrappedKey"]}"'}]},
    "an origin that nobody knows": {"versions": [{**CURRENT, "origin": "bought"}]},
    "a store that nobody knows": {"store": "a drawer"},
    "a time without a zone": {"madeAt": "2026-11-24T12:30:15"},
    "a time that is none": {"madeAt": "yesterday"},
    "an account that is no text": {"account": 111122223333},
    "a key that is none of KMS's": {"keyArn": "x", "versions": [{**CURRENT, "keyArn": "arn:aws:s3:::bucket"}]},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_was_written_by_hand_is_judged_too(wrong: str) -> None:
    assert "contradicts itself" in (told := refusal(altered(**WRONG[wrong]))) or "cannot be used" in told


def test_a_backup_of_another_account_or_environment_is_refused() -> None:
    refuse_foreign(backup(), settings(), "it")
    with pytest.raises(DataKeyConflict, match=f"production of eonpro in the account {OTHER_ACCOUNT}"):
        refuse_foreign(replace(backup(), account=OTHER_ACCOUNT), settings(), "it")
    with pytest.raises(DataKeyConflict, match="environment staging"):
        refuse_foreign(replace(backup(), environment="staging"), settings(), "it")
    with pytest.raises(DataKeyConflict, match="production of clinic"):
        refuse_foreign(backup(), settings().model_copy(update={"application": "clinic"}), "it")
