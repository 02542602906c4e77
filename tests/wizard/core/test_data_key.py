"""The wrapped data key as a value: one spelling, one fingerprint, and never in a repr or an error."""

from __future__ import annotations

import base64
import hashlib
import traceback

import pytest

from wizard.core.data_key import (
    FINGERPRINT,
    SHORTEST_BLOB,
    Damage,
    MalformedDataKey,
    WrappedDataKey,
    damage,
    is_remnant,
)

BLOB = bytes(range(184))
VALUE = base64.b64encode(BLOB).decode()


def test_the_value_is_the_base64_of_the_blob() -> None:
    key = WrappedDataKey.from_blob(BLOB)
    assert (key.value, key.blob) == (VALUE, BLOB)


def test_the_fingerprint_is_of_the_decoded_blob() -> None:
    fingerprint = WrappedDataKey(value=VALUE).fingerprint
    assert fingerprint == "sha256:" + hashlib.sha256(BLOB).hexdigest()[:16]
    assert FINGERPRINT.fullmatch(fingerprint)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "empty"),
        (f" {VALUE}", "white space"),
        (f"{VALUE}\n", "white space"),
        (f'"{VALUE}"', "quotation marks"),
        (f"'{VALUE}'", "quotation marks"),
        (VALUE[:-1], "not base64"),
        (VALUE.replace("A", "-", 1), "not base64"),
        (VALUE[:40] + "\n" + VALUE[40:], "base64"),
        ("ключ" * 60, "base64"),
        (base64.b64encode(BLOB[: SHORTEST_BLOB - 1]).decode(), "too short"),
        (base64.b64encode(bytes(32)).decode(), "too short"),
    ],
)
def test_a_value_that_cannot_be_a_wrapped_key_is_refused_with_the_reason(value, why) -> None:
    with pytest.raises(MalformedDataKey, match=why):
        WrappedDataKey(value=value)


def test_base64_with_bits_left_over_is_a_second_spelling_and_refused() -> None:
    # 184 bytes leave one over: the last character before `==` has four bits that say nothing.
    spelling = VALUE[:-3] + chr(ord(VALUE[-3]) + 1) + "=="
    assert base64.b64decode(spelling, validate=True) == BLOB
    with pytest.raises(MalformedDataKey, match="canonical"):
        WrappedDataKey(value=spelling)


def test_a_blob_that_is_too_short_is_refused_too() -> None:
    with pytest.raises(MalformedDataKey, match="31 bytes"):
        WrappedDataKey.from_blob(bytes(31))


@pytest.mark.parametrize("bad", [f'"{VALUE}"', VALUE[:-1], VALUE[:40]])
def test_a_refusal_holds_nothing_of_the_value(bad) -> None:
    with pytest.raises(MalformedDataKey) as refused:
        WrappedDataKey(value=bad)
    assert bad.strip("\"'")[:20] not in str(refused.value)
    assert refused.value.__cause__ is None
    assert bad not in "".join(traceback.format_exception_only(refused.value))


def test_a_repr_holds_nothing_of_the_value() -> None:
    assert VALUE[:12] not in repr(WrappedDataKey(value=VALUE))


OURS = WrappedDataKey.from_blob(bytes(range(184)))
OTHER = WrappedDataKey.from_blob(bytes(reversed(range(184))))


@pytest.mark.parametrize(
    ("value", "found", "remnant"),
    [
        (OURS.value, None, True),
        (OTHER.value, None, False),
        ("", Damage.EMPTY, True),
        (' "" \n', Damage.EMPTY, True),
        (f'"{OURS.value}"', Damage.QUOTED, True),
        (f"{OURS.value}\n", Damage.QUOTED, True),
        (f"'{OTHER.value}'", Damage.QUOTED, False),
        (OURS.value[:99], Damage.TRUNCATED, True),
        (OURS.value[:120], Damage.TRUNCATED, True),
        (OTHER.value[:99], Damage.MALFORMED, False),
        (OTHER.value[:40], Damage.TRUNCATED, False),
        (OURS.value[:8], Damage.TRUNCATED, False),
        ("ask Ada for the key", Damage.MALFORMED, False),
    ],
)
def test_what_is_wrong_with_a_value_and_whether_anything_is_lost_with_it(value, found, remnant) -> None:
    assert damage(value, of=OURS) is found
    assert is_remnant(value, of=OURS) is remnant


def test_without_a_data_key_to_compare_with_only_the_form_tells() -> None:
    assert [damage(value, of=None) for value in (OURS.value, OURS.value[:120], "")] == [None, None, Damage.EMPTY]
