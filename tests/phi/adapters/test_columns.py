"""Batches of columns, as the Spark adapter processes them, without Spark.

Touches nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from eonpro_phi import DecryptionError, PhiCipher
from eonpro_phi.adapters.columns import (
    OverlappingKeys,
    decrypt_batches,
    encrypt_batches,
    record_states,
    reencrypt_batches,
)

OLD_KEY, NEW_KEY, FOREIGN_KEY = (bytes([n]) * 32 for n in (1, 2, 3))
OLD, NEW, FOREIGN = PhiCipher(OLD_KEY), PhiCipher(NEW_KEY), PhiCipher(FOREIGN_KEY)


def flat(batches: Iterable[list[Any]]) -> list[Any]:
    return [value for batch in batches for value in batch]


def test_columns_are_encrypted_and_decrypted_batch_by_batch_with_nulls_in_their_places():
    batches: list[list[str | None]] = [["Jane", None, "Jöhn"], [""], [], ["患者"]]
    records = list(encrypt_batches(NEW, batches))
    assert [len(batch) for batch in records] == [3, 1, 0, 1]
    assert flat(decrypt_batches(NEW, records)) == ["Jane", None, "Jöhn", None, "患者"]


def test_batches_are_read_one_at_a_time():
    read: list[int] = []

    def batches() -> Iterator[list[str | None]]:
        for number in range(3):
            read.append(number)
            yield [OLD.encrypt(str(number))]

    results = reencrypt_batches(NEW, OLD, batches())
    next(results)
    assert read == [0]


def test_one_bad_record_fails_the_decryption():
    with pytest.raises(DecryptionError):
        list(decrypt_batches(NEW, [[NEW.encrypt("Jane"), OLD.encrypt("Joe")]]))


def test_re_encryption_leaves_every_record_under_the_new_key_and_a_second_run_changes_nothing():
    batches = [[OLD.encrypt("a"), OLD.encrypt("b"), None], [NEW.encrypt("c"), OLD.encrypt("d"), None]]
    first = list(reencrypt_batches(NEW, OLD, batches))
    assert flat(decrypt_batches(NEW, first)) == ["a", "b", None, "c", "d", None]
    assert first[1][0] == batches[1][0], "a record under the new key was encrypted again"
    assert list(reencrypt_batches(NEW, OLD, first)) == first


def test_undecryptable_values_stay_unchanged_among_records_that_are_re_encrypted():
    unchanged = [FOREIGN.encrypt("x"), "plain text", "", None]
    record = OLD.encrypt("Jane")
    assert record is not None
    damaged = ("B" if record[0] == "A" else "A") + record[1:]
    (result,) = reencrypt_batches(NEW, OLD, [[*unchanged, damaged, record]])
    assert result[:5] == [*unchanged, damaged]
    assert NEW.decrypt(result[5]) == "Jane"


def test_record_states_show_what_is_to_do_done_and_undecryptable():
    batches = [[OLD.encrypt("a"), NEW.encrypt("b"), None, ""], [FOREIGN.encrypt("c"), "plain", OLD.encrypt("d")]]
    states = flat(record_states(NEW, OLD, batches))
    assert states == ["old", "new", "empty", "empty", "neither", "neither", "old"]
    after = flat(record_states(NEW, OLD, reencrypt_batches(NEW, OLD, batches)))
    assert Counter(after) == {"new": 3, "empty": 2, "neither": 2}


@pytest.mark.parametrize("function", [reencrypt_batches, record_states])
@pytest.mark.parametrize(
    ("new", "old"),
    [
        (PhiCipher(NEW_KEY, reading_keys=[OLD_KEY]), OLD),
        (NEW, PhiCipher(OLD_KEY, reading_keys=[NEW_KEY])),
        (NEW, PhiCipher(NEW_KEY, reading_keys=[OLD_KEY])),
        (NEW, NEW),
    ],
    ids=["new reads old", "old reads new", "old writes under new", "one key"],
)
def test_overlapping_keys_are_refused_before_anything_is_read(function, new: PhiCipher, old: PhiCipher):
    """If the new cipher decrypts old records, all look done, and the old key would be deleted too early."""

    batches = iter([["not read"]])
    with pytest.raises(OverlappingKeys):
        list(function(new, old, batches))
    assert next(batches) == ["not read"]
