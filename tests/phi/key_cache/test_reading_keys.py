"""Keys for reading: had with the current one, missed only by the records under them, and never in its way."""

from __future__ import annotations

import pytest

from phi import DecryptionError, KeyDropped, KeyUnwrapped, PhiCipher, UnwrapError, UnwrapFailed
from phi.errors import AccessDenied, InvalidCiphertext, Unreachable
from tests.phi.key_sources import KEY, LONG, OTHER_KEY, CacheFixture, CountingSource

FORMER = PhiCipher(OTHER_KEY).encrypt("Jane")
FORMER_AND_SPOILT = PhiCipher(bytes(32)).encrypt("Jane")
AWAY = Unreachable("KMS did not answer.")


@pytest.fixture
def former() -> CountingSource:
    return CountingSource(OTHER_KEY)


@pytest.fixture
def cache(former: CountingSource) -> CacheFixture:
    return CacheFixture(former)


def assert_it_writes(cache: CacheFixture) -> None:
    assert PhiCipher(KEY).decrypt(cache.cached.cipher().encrypt("John")) == "John"


def test_records_under_a_reading_key_open_and_new_ones_are_under_the_current(
    cache: CacheFixture, former: CountingSource
) -> None:
    assert cache.cached.cipher().decrypt(FORMER) == "Jane"
    assert_it_writes(cache)
    assert cache.cached.data_key() == KEY
    assert (cache.source.unwraps, former.unwraps) == (1, 1)
    assert [event.key_name for event in cache.events.rest() if isinstance(event, KeyUnwrapped)] == [
        "current",
        "reading 1",
    ]


def test_reading_keys_are_renewed_with_the_current_one(cache: CacheFixture, former: CountingSource) -> None:
    cipher = cache.cached.cipher()
    cache.key_at(270)
    cache.key_at(300)
    assert (cache.source.unwraps, former.unwraps) == (2, 2)
    assert cache.cached.cipher() is cipher


@pytest.mark.parametrize("failure", [AWAY, InvalidCiphertext("It is corrupted.")])
def test_a_reading_key_that_was_never_had_stops_no_writing_and_is_named_to_its_readers(
    cache: CacheFixture, former: CountingSource, failure: UnwrapError
) -> None:
    former.failure = failure
    assert_it_writes(cache)
    cipher = cache.cached.cipher()
    for _ in range(2):
        with pytest.raises(type(failure), match=str(failure)) as told:
            cipher.decrypt(FORMER)
        assert told.value is not failure and told.value.__context__ is None
    assert cipher.decrypt(cipher.encrypt("John")) == "John"
    assert cipher.decrypt(None) is None
    assert cache.events.rest()[1] == UnwrapFailed(
        key_name="reading 1", cause=failure.cause, transient=failure.transient, seconds=0, background=False
    )


def test_many_records_are_told_alike(cache: CacheFixture, former: CountingSource) -> None:
    former.failure = AWAY
    cipher = cache.cached.cipher()
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
    cache: CacheFixture, former: CountingSource, text: object
) -> None:
    former.failure = AWAY
    with pytest.raises(DecryptionError):
        cache.cached.cipher().decrypt(text)  # type: ignore[arg-type]


def test_with_every_key_at_hand_a_record_that_none_opens_is_refused(cache: CacheFixture) -> None:
    with pytest.raises(DecryptionError):
        cache.cached.cipher().decrypt(FORMER_AND_SPOILT)


def test_a_lenient_cipher_passes_text_though_a_reading_key_is_missing(former: CountingSource) -> None:
    former.failure = AWAY
    cache = CacheFixture(former, lenient=True)
    cipher = cache.cached.cipher()
    assert cipher.decrypt("Jane Doe") == "Jane Doe" and cipher.passed_through == 1
    with pytest.raises(Unreachable):
        cipher.decrypt(FORMER)
    former.failure = None
    cache.key_at(1)
    assert cache.cached.cipher().decrypt("Jane Doe") == "Jane Doe"


def test_a_reading_key_that_could_not_be_had_is_tried_again_soon(cache: CacheFixture, former: CountingSource) -> None:
    former.failure = AWAY
    counts = []
    for moment in (0.0, 0.9, 1.0, 2.9, 3.0):
        cache.key_at(moment)
        counts.append(former.unwraps)
    assert counts == [1, 1, 2, 2, 3]
    former.failure = None
    cache.key_at(7)
    assert cache.cached.cipher().decrypt(FORMER) == "Jane"
    cache.key_at(7 + 269.9)
    assert former.unwraps == cache.source.unwraps == 4
    cache.key_at(7 + 270)
    assert former.unwraps == 5


def test_a_reading_key_that_was_denied_is_tried_again_with_the_next_refresh(
    cache: CacheFixture, former: CountingSource
) -> None:
    former.failure = AccessDenied("Denied.")
    for moment, unwraps in ((0.0, 1), (269.9, 1), (270.0, 2)):
        cache.key_at(moment)
        assert former.unwraps == unwraps
    former.failure = None
    cache.key_at(540)
    assert cache.cached.cipher().decrypt(FORMER) == "Jane"


def test_a_reading_key_that_is_held_serves_on_in_its_own_grace(cache: CacheFixture, former: CountingSource) -> None:
    cache.key_at(0)
    cipher = cache.cached.cipher()
    former.failure = AWAY
    for moment in range(270, 3900, 10):
        cache.key_at(moment)
    assert cache.cached.cipher() is cipher
    cache.events.rest()
    assert cache.at(3899.9).cipher().decrypt(FORMER) == "Jane"
    cache.wait_until_finished()
    former.gate.clear()  # so that what is seen now comes of the time alone
    ended = cache.at(3900).cipher()
    with pytest.raises(Unreachable, match="KMS did not answer"):
        ended.decrypt(FORMER)
    assert cache.cached.data_key() == KEY
    former.gate.set()
    cache.wait_until_finished()
    with pytest.raises(Unreachable):  # nor does that attempt, at the very end, revive it
        cache.cached.cipher().decrypt(FORMER)
    assert cache.events.rest().count(KeyDropped(key_name="reading 1", cause="Unreachable")) == 1


def test_a_reading_key_that_is_held_serves_while_it_is_asked_for(cache: CacheFixture, former: CountingSource) -> None:
    cache.key_at(0)
    former.failure = AWAY
    cache.key_at(270)
    former.gate.clear()
    former.entered.clear()
    assert cache.at(271).cipher().decrypt(FORMER) == "Jane"
    assert former.entered.wait(LONG)
    former.gate.set()
    cache.wait_until_finished()
    assert cache.cached.cipher().decrypt(FORMER) == "Jane"
    told = [cache.events.next() for _ in range(6)]
    assert not [event for event in told if isinstance(event, KeyDropped)]


def test_a_reading_key_that_ends_takes_no_other_with_it() -> None:
    third = bytes(reversed(range(32)))
    away, there = CountingSource(OTHER_KEY), CountingSource(third)
    cache = CacheFixture(away, there, lenient=True)
    cache.key_at(0)
    away.failure = AWAY
    for moment in range(270, 3900, 10):
        cache.key_at(moment)
    away.gate.clear()
    cipher = cache.at(3900).cipher()
    assert cipher.decrypt(PhiCipher(third).encrypt("Joan")) == "Joan"
    assert cipher.decrypt("Jane Doe") == "Jane Doe"
    with pytest.raises(Unreachable):
        cipher.decrypt(FORMER)
    away.gate.set()
    cache.wait_until_finished()


def test_while_a_reading_key_is_held_a_record_that_none_opens_is_refused(
    cache: CacheFixture, former: CountingSource
) -> None:
    cache.key_at(0)
    former.failure = AWAY
    cache.source.key = bytes(range(64, 96))
    cache.key_at(270)
    cipher = cache.cached.cipher()
    assert cipher.decrypt(FORMER) == "Jane"
    with pytest.raises(DecryptionError):
        cipher.decrypt(FORMER_AND_SPOILT)


@pytest.mark.parametrize(
    "later", [Unreachable("Another endpoint did not answer."), AccessDenied(str(AWAY))], ids=["words", "kind"]
)
def test_readers_are_told_the_last_failure(cache: CacheFixture, former: CountingSource, later: UnwrapError) -> None:
    former.failure = AWAY
    cache.key_at(0)
    former.failure = later
    cache.key_at(1)
    with pytest.raises(type(later), match=str(later)):
        cache.cached.cipher().decrypt(FORMER)


def test_a_defect_of_a_reading_source_tells_what_was_had_before_it(cache: CacheFixture, former: CountingSource) -> None:
    cache.key_at(0)
    cache.events.rest()
    former.failure = ZeroDivisionError("a defect")
    with pytest.raises(ZeroDivisionError):
        cache.at(300).cipher()
    assert cache.events.rest() == [
        KeyUnwrapped(key_name="current", seconds=0, background=False),
        KeyDropped(key_name="current", cause="ZeroDivisionError"),
    ]


def test_a_reading_key_that_is_denied_at_a_refresh_is_dropped_at_once(
    cache: CacheFixture, former: CountingSource
) -> None:
    cache.key_at(0)
    former.failure = AccessDenied("Denied.")
    cache.key_at(270)
    with pytest.raises(AccessDenied):
        cache.cached.cipher().decrypt(FORMER)
    assert_it_writes(cache)
    told = [cache.events.next() for _ in range(5)]
    assert told[-1] == KeyDropped(key_name="reading 1", cause="AccessDenied")


def test_without_the_current_key_the_reading_keys_are_not_asked_for(
    cache: CacheFixture, former: CountingSource
) -> None:
    cache.source.failure = AWAY
    with pytest.raises(Unreachable):
        cache.cached.cipher()
    assert former.unwraps == 0


def test_several_reading_keys_are_each_their_own() -> None:
    third = bytes(reversed(range(32)))
    missing, there = CountingSource(OTHER_KEY), CountingSource(third)
    missing.failure = AWAY
    cache = CacheFixture(missing, there)
    cipher = cache.cached.cipher()
    assert cipher.decrypt(PhiCipher(third).encrypt("Joan")) == "Joan"
    cache.key_at(270)  # still without the one, which is nothing new to tell
    assert not [event for event in cache.events.rest() if isinstance(event, KeyDropped)]
    with pytest.raises(Unreachable):
        cipher.decrypt(FORMER)
    cache.events.rest()
    there.failure = AccessDenied("Denied.")
    missing.failure = None
    cache.clock.now += 3000  # idle, so that the caller asks and tells
    cache.cached.cipher()
    assert [event for event in cache.events.rest() if isinstance(event, KeyDropped)] == [
        KeyDropped(key_name="reading 2", cause="AccessDenied")
    ]
    assert cache.cached.cipher().decrypt(FORMER) == "Jane"
    with pytest.raises(AccessDenied):
        cache.cached.cipher().decrypt(PhiCipher(third).encrypt("Joan"))
