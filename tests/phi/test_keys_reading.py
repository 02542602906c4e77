"""Keys for reading: had with the current one, missed only by the records under them, and never in its way."""

from __future__ import annotations

import pytest

from phi import KeyDropped, KeyUnwrapped, PhiCipher, RecordRefused, UnwrapError, UnwrapFailed
from phi.errors import AccessDenied, InvalidCiphertext, Unreachable
from tests.phi.key_sources import KEY, LONG, OTHER_KEY, CountingSource, Standing

FORMER = PhiCipher(OTHER_KEY).encrypt("Jane")
FORMER_AND_SPOILT = PhiCipher(bytes(32)).encrypt("Jane")
AWAY = Unreachable("KMS did not answer.")


@pytest.fixture
def former() -> CountingSource:
    return CountingSource(OTHER_KEY)


@pytest.fixture
def standing(former: CountingSource) -> Standing:
    return Standing(former)


def assert_it_writes(standing: Standing) -> None:
    assert PhiCipher(KEY).decrypt(standing.cached.cipher().encrypt("John")) == "John"


def test_records_under_a_reading_key_open_and_new_ones_are_under_the_current(
    standing: Standing, former: CountingSource
) -> None:
    assert standing.cached.cipher().decrypt(FORMER) == "Jane"
    assert_it_writes(standing)
    assert standing.cached.data_key() == KEY
    assert (standing.source.unwraps, former.unwraps) == (1, 1)
    assert [event.which for event in standing.told.rest() if isinstance(event, KeyUnwrapped)] == [
        "current",
        "reading 1",
    ]


def test_reading_keys_are_renewed_with_the_current_one(standing: Standing, former: CountingSource) -> None:
    cipher = standing.cached.cipher()
    standing.asked(270)
    standing.asked(300)
    assert (standing.source.unwraps, former.unwraps) == (2, 2)
    assert standing.cached.cipher() is cipher


@pytest.mark.parametrize("failure", [AWAY, InvalidCiphertext("It is corrupted.")])
def test_a_reading_key_that_was_never_had_stops_no_writing_and_is_named_to_its_readers(
    standing: Standing, former: CountingSource, failure: UnwrapError
) -> None:
    former.failure = failure
    assert_it_writes(standing)
    cipher = standing.cached.cipher()
    for _ in range(2):
        with pytest.raises(type(failure), match=str(failure)) as told:
            cipher.decrypt(FORMER)
        assert told.value is not failure and told.value.__context__ is None
    assert cipher.decrypt(cipher.encrypt("John")) == "John"
    assert cipher.decrypt(None) is None
    assert standing.told.rest()[1] == UnwrapFailed(
        which="reading 1", cause=failure.cause, transient=failure.transient, seconds=0, ahead=False
    )


def test_many_records_are_told_alike(standing: Standing, former: CountingSource) -> None:
    former.failure = AWAY
    cipher = standing.cached.cipher()
    mine = cipher.encrypt("John")
    assert cipher.decrypt_many([mine, None]) == ["John", None]
    assert cipher.decrypt_many({"a": mine}) == {"a": "John"}
    assert cipher.decrypt_fields({"city": mine, "id": 7}) == {"city": "John", "id": 7}
    assert cipher.decrypt_fields({"id": mine}, fields=["id"]) == {"id": "John"}
    for attempt in (
        lambda: cipher.decrypt_many([mine, FORMER]),
        lambda: cipher.decrypt_many({"a": [mine, FORMER]}),
        lambda: cipher.decrypt_fields({"city": FORMER}),
    ):
        with pytest.raises(Unreachable):
            attempt()


@pytest.mark.parametrize("text", ["no record", "", ":", f"{FORMER}=", 7], ids=range(5))
def test_what_is_no_record_is_refused_though_a_reading_key_is_missing(
    standing: Standing, former: CountingSource, text: object
) -> None:
    former.failure = AWAY
    with pytest.raises(RecordRefused):
        standing.cached.cipher().decrypt(text)  # type: ignore[arg-type]


def test_with_every_key_at_hand_a_record_that_none_opens_is_refused(standing: Standing) -> None:
    with pytest.raises(RecordRefused):
        standing.cached.cipher().decrypt(FORMER_AND_SPOILT)


def test_a_lenient_cipher_passes_text_though_a_reading_key_is_missing(former: CountingSource) -> None:
    former.failure = AWAY
    standing = Standing(former, lenient=True)
    cipher = standing.cached.cipher()
    assert cipher.decrypt("Jane Doe") == "Jane Doe" and cipher.passed_through == 1
    with pytest.raises(Unreachable):
        cipher.decrypt(FORMER)
    former.failure = None
    standing.asked(1)
    assert standing.cached.cipher().decrypt("Jane Doe") == "Jane Doe"


def test_a_reading_key_that_could_not_be_had_is_tried_again_soon(standing: Standing, former: CountingSource) -> None:
    former.failure = AWAY
    counts = []
    for moment in (0.0, 0.9, 1.0, 2.9, 3.0):
        standing.asked(moment)
        counts.append(former.unwraps)
    assert counts == [1, 1, 2, 2, 3]
    former.failure = None
    standing.asked(7)
    assert standing.cached.cipher().decrypt(FORMER) == "Jane"
    standing.asked(7 + 269.9)
    assert former.unwraps == standing.source.unwraps == 4
    standing.asked(7 + 270)
    assert former.unwraps == 5


def test_a_reading_key_that_was_denied_is_tried_again_with_the_next_refresh(
    standing: Standing, former: CountingSource
) -> None:
    former.failure = AccessDenied("Denied.")
    for moment, unwraps in ((0.0, 1), (269.9, 1), (270.0, 2)):
        standing.asked(moment)
        assert former.unwraps == unwraps
    former.failure = None
    standing.asked(540)
    assert standing.cached.cipher().decrypt(FORMER) == "Jane"


def test_a_reading_key_that_is_held_serves_on_in_its_own_grace(standing: Standing, former: CountingSource) -> None:
    standing.asked(0)
    cipher = standing.cached.cipher()
    former.failure = AWAY
    for moment in range(270, 3900, 10):
        standing.asked(moment)
    assert standing.cached.cipher() is cipher
    standing.told.rest()
    assert standing.at(3899.9).cipher().decrypt(FORMER) == "Jane"
    standing.landed()
    former.gate.clear()  # so that what is seen now comes of the time alone
    ended = standing.at(3900).cipher()
    with pytest.raises(Unreachable, match="KMS did not answer"):
        ended.decrypt(FORMER)
    assert standing.cached.data_key() == KEY
    former.gate.set()
    standing.landed()
    with pytest.raises(Unreachable):  # nor does that attempt, at the very end, revive it
        standing.cached.cipher().decrypt(FORMER)
    assert standing.told.rest().count(KeyDropped(which="reading 1", cause="Unreachable")) == 1


def test_a_reading_key_that_is_held_serves_while_it_is_asked_for(standing: Standing, former: CountingSource) -> None:
    standing.asked(0)
    former.failure = AWAY
    standing.asked(270)
    former.gate.clear()
    former.entered.clear()
    assert standing.at(271).cipher().decrypt(FORMER) == "Jane"
    assert former.entered.wait(LONG)
    former.gate.set()
    standing.landed()
    assert standing.cached.cipher().decrypt(FORMER) == "Jane"
    told = [standing.told.next() for _ in range(6)]
    assert not [event for event in told if isinstance(event, KeyDropped)]


def test_a_reading_key_that_ends_takes_no_other_with_it() -> None:
    third = bytes(reversed(range(32)))
    away, there = CountingSource(OTHER_KEY), CountingSource(third)
    standing = Standing(away, there, lenient=True)
    standing.asked(0)
    away.failure = AWAY
    for moment in range(270, 3900, 10):
        standing.asked(moment)
    away.gate.clear()
    cipher = standing.at(3900).cipher()
    assert cipher.decrypt(PhiCipher(third).encrypt("Joan")) == "Joan"
    assert cipher.decrypt("Jane Doe") == "Jane Doe"
    with pytest.raises(Unreachable):
        cipher.decrypt(FORMER)
    away.gate.set()
    standing.landed()


def test_while_a_reading_key_is_held_a_record_that_none_opens_is_refused(
    standing: Standing, former: CountingSource
) -> None:
    standing.asked(0)
    former.failure = AWAY
    standing.source.key = bytes(range(64, 96))
    standing.asked(270)
    cipher = standing.cached.cipher()
    assert cipher.decrypt(FORMER) == "Jane"
    with pytest.raises(RecordRefused):
        cipher.decrypt(FORMER_AND_SPOILT)


@pytest.mark.parametrize(
    "later", [Unreachable("Another endpoint did not answer."), AccessDenied(str(AWAY))], ids=["words", "kind"]
)
def test_readers_are_told_the_last_failure(standing: Standing, former: CountingSource, later: UnwrapError) -> None:
    former.failure = AWAY
    standing.asked(0)
    former.failure = later
    standing.asked(1)
    with pytest.raises(type(later), match=str(later)):
        standing.cached.cipher().decrypt(FORMER)


def test_a_defect_of_a_reading_source_tells_what_was_had_before_it(standing: Standing, former: CountingSource) -> None:
    standing.asked(0)
    standing.told.rest()
    former.failure = ZeroDivisionError("a defect")
    with pytest.raises(ZeroDivisionError):
        standing.at(300).cipher()
    assert standing.told.rest() == [
        KeyUnwrapped(which="current", seconds=0, ahead=False),
        KeyDropped(which="current", cause="ZeroDivisionError"),
    ]


def test_a_reading_key_that_is_denied_at_a_refresh_is_dropped_at_once(
    standing: Standing, former: CountingSource
) -> None:
    standing.asked(0)
    former.failure = AccessDenied("Denied.")
    standing.asked(270)
    with pytest.raises(AccessDenied):
        standing.cached.cipher().decrypt(FORMER)
    assert_it_writes(standing)
    told = [standing.told.next() for _ in range(5)]
    assert told[-1] == KeyDropped(which="reading 1", cause="AccessDenied")


def test_without_the_current_key_the_reading_keys_are_not_asked_for(standing: Standing, former: CountingSource) -> None:
    standing.source.failure = AWAY
    with pytest.raises(Unreachable):
        standing.cached.cipher()
    assert former.unwraps == 0


def test_several_reading_keys_are_each_their_own() -> None:
    third = bytes(reversed(range(32)))
    missing, there = CountingSource(OTHER_KEY), CountingSource(third)
    missing.failure = AWAY
    standing = Standing(missing, there)
    cipher = standing.cached.cipher()
    assert cipher.decrypt(PhiCipher(third).encrypt("Joan")) == "Joan"
    standing.asked(270)  # still without the one, which is nothing new to tell
    assert not [event for event in standing.told.rest() if isinstance(event, KeyDropped)]
    with pytest.raises(Unreachable):
        cipher.decrypt(FORMER)
    standing.told.rest()
    there.failure = AccessDenied("Denied.")
    missing.failure = None
    standing.clock.now += 3000  # idle, so that the caller asks and tells
    standing.cached.cipher()
    assert [event for event in standing.told.rest() if isinstance(event, KeyDropped)] == [
        KeyDropped(which="reading 2", cause="AccessDenied")
    ]
    assert standing.cached.cipher().decrypt(FORMER) == "Jane"
    with pytest.raises(AccessDenied):
        standing.cached.cipher().decrypt(PhiCipher(third).encrypt("Joan"))
