"""Columns a batch at a time: what the Spark adapter does with them, without Spark.

Touches nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from phi import DecryptionError, PhiCipher
from phi.adapters.columns import OverlappingKeys, decrypted, encrypted, reencrypted, standings

OLD_KEY, NEW_KEY, FOREIGN_KEY = (bytes([n]) * 32 for n in (1, 2, 3))
OLD, NEW, FOREIGN = PhiCipher(OLD_KEY), PhiCipher(NEW_KEY), PhiCipher(FOREIGN_KEY)


def flat(batches: Iterable[list[Any]]) -> list[Any]:
    return [one for batch in batches for one in batch]


def test_columns_are_encrypted_and_decrypted_batch_by_batch_with_nulls_in_their_places():
    batches: list[list[str | None]] = [["Jane", None, "Jöhn"], [""], [], ["患者"]]
    records = list(encrypted(NEW, batches))
    assert [len(batch) for batch in records] == [3, 1, 0, 1]
    assert flat(decrypted(NEW, records)) == ["Jane", None, "Jöhn", None, "患者"]


def test_batches_are_taken_one_at_a_time_and_never_ahead():
    taken: list[int] = []

    def batches() -> Iterator[list[str | None]]:
        for number in range(3):
            taken.append(number)
            yield [OLD.encrypt(str(number))]

    results = reencrypted(NEW, OLD, batches())
    next(results)
    assert taken == [0]


def test_a_record_that_does_not_open_fails_a_decryption():
    with pytest.raises(DecryptionError):
        list(decrypted(NEW, [[NEW.encrypt("Jane"), OLD.encrypt("Joe")]]))


def test_re_encryption_leaves_every_record_under_the_new_key_and_a_second_run_changes_nothing():
    batches = [[OLD.encrypt("a"), OLD.encrypt("b"), None], [NEW.encrypt("c"), OLD.encrypt("d"), None]]
    once = list(reencrypted(NEW, OLD, batches))
    assert flat(decrypted(NEW, once)) == ["a", "b", None, "c", "d", None]
    assert once[1][0] == batches[1][0], "a record under the new key was written anew"
    assert list(reencrypted(NEW, OLD, once)) == once


def test_what_no_key_opens_stays_as_it_is_beside_records_that_are_re_encrypted():
    kept = [FOREIGN.encrypt("x"), "plain text", "", None]
    record = OLD.encrypt("Jane")
    assert record is not None
    spoilt = ("B" if record[0] == "A" else "A") + record[1:]
    (result,) = reencrypted(NEW, OLD, [[*kept, spoilt, record]])
    assert result[:5] == [*kept, spoilt]
    assert NEW.decrypt(result[5]) == "Jane"


def test_standings_count_what_is_to_do_what_is_done_and_what_no_key_opens():
    batches = [[OLD.encrypt("a"), NEW.encrypt("b"), None, ""], [FOREIGN.encrypt("c"), "plain", OLD.encrypt("d")]]
    found = flat(standings(NEW, OLD, batches))
    assert found == ["old", "new", "empty", "empty", "neither", "neither", "old"]
    after = flat(standings(NEW, OLD, reencrypted(NEW, OLD, batches)))
    assert Counter(after) == {"new": 3, "empty": 2, "neither": 2}


@pytest.mark.parametrize("of", [reencrypted, standings])
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
def test_keys_that_are_not_apart_are_refused_before_anything_is_read(of, new: PhiCipher, old: PhiCipher):
    """Where the new fields read old records, all would pass for done, and the old key be let go."""

    batches = iter([["not read"]])
    with pytest.raises(OverlappingKeys):
        list(of(new, old, batches))
    assert next(batches) == ["not read"]
