"""Reading keys: unwrapped with the current one; only their own records fail where one is missing."""

from __future__ import annotations

import pytest

from eonpro_phi import DecryptionError, PhiCipher, UnwrapError
from eonpro_phi.errors import AccessDenied, InvalidCiphertext, Unreachable
from tests.phi.key_sources import KEY, LONG, OTHER_KEY, CacheFixture, CountingSource

FORMER_RECORD = PhiCipher(OTHER_KEY).encrypt("Jane")
UNKNOWN_RECORD = PhiCipher(bytes(32)).encrypt("Jane")
OUTAGE = Unreachable("KMS did not answer.")


@pytest.fixture
def former() -> CountingSource:
    return CountingSource(OTHER_KEY)


@pytest.fixture
def cache(former: CountingSource) -> CacheFixture:
    return CacheFixture(former)


def assert_encrypts(cache: CacheFixture) -> None:
    assert PhiCipher(KEY).decrypt(cache.cached.cipher().encrypt("John")) == "John"


def test_reading_keys_decrypt_and_the_current_key_encrypts(cache: CacheFixture, former: CountingSource) -> None:
    assert cache.cached.cipher().decrypt(FORMER_RECORD) == "Jane"
    assert_encrypts(cache)
    assert cache.cached.data_key() == KEY
    assert (cache.source.unwraps, former.unwraps) == (1, 1)


def test_reading_keys_are_refreshed_with_the_current_one(cache: CacheFixture, former: CountingSource) -> None:
    cipher = cache.cached.cipher()
    cache.key_at(270)
    cache.key_at(300)
    assert (cache.source.unwraps, former.unwraps) == (2, 2)
    assert cache.cached.cipher() is cipher


@pytest.mark.parametrize("failure", [OUTAGE, InvalidCiphertext("It is corrupted.")])
def test_without_a_reading_key_encryption_works_and_its_records_raise_its_error(
    cache: CacheFixture, former: CountingSource, failure: UnwrapError, caplog: pytest.LogCaptureFixture
) -> None:
    former.failure = failure
    assert_encrypts(cache)
    cipher = cache.cached.cipher()
    for _ in range(2):
        with pytest.raises(type(failure), match=str(failure)) as caught:
            cipher.decrypt(FORMER_RECORD)
        assert caught.value is not failure and caught.value.__context__ is None
    assert cipher.decrypt(cipher.encrypt("John")) == "John"
    assert cipher.decrypt(None) is None
    assert caplog.messages == [f"KMS did not return the reading key 1 ({failure.cause}): {failure}"]


def test_lists_and_mappings_raise_the_same_errors(cache: CacheFixture, former: CountingSource) -> None:
    former.failure = OUTAGE
    cipher = cache.cached.cipher()
    mine = cipher.encrypt("John")
    assert cipher.decrypt_many([mine, None]) == ["John", None]
    assert cipher.decrypt_fields({"city": mine, "id": 7}) == {"city": "John", "id": 7}
    assert cipher.decrypt_fields({"id": mine}, fields=["id"]) == {"id": "John"}
    for attempt in (
        lambda: cipher.decrypt_many([mine, FORMER_RECORD]),
        lambda: cipher.decrypt_fields({"city": FORMER_RECORD}),
    ):
        with pytest.raises(Unreachable):
            attempt()


@pytest.mark.parametrize("text", ["no record", "", ":", f"{FORMER_RECORD}=", 7], ids=range(5))
def test_another_text_is_refused_while_a_reading_key_is_missing(
    cache: CacheFixture, former: CountingSource, text: object
) -> None:
    former.failure = OUTAGE
    with pytest.raises(DecryptionError):
        cache.cached.cipher().decrypt(text)  # type: ignore[arg-type]


def test_with_all_keys_a_record_of_another_key_is_refused(cache: CacheFixture) -> None:
    with pytest.raises(DecryptionError):
        cache.cached.cipher().decrypt(UNKNOWN_RECORD)


def test_a_lenient_cipher_returns_text_while_a_reading_key_is_missing(former: CountingSource) -> None:
    former.failure = OUTAGE
    cache = CacheFixture(former, lenient=True)
    cipher = cache.cached.cipher()
    assert cipher.decrypt("Jane Doe") == "Jane Doe"
    with pytest.raises(Unreachable):
        cipher.decrypt(FORMER_RECORD)
    former.failure = None
    cache.key_at(1)
    assert cache.cached.cipher().decrypt("Jane Doe") == "Jane Doe"


def test_a_missing_reading_key_is_retried_soon(cache: CacheFixture, former: CountingSource) -> None:
    former.failure = OUTAGE
    counts = []
    for moment in (0.0, 0.9, 1.0, 2.9, 3.0):
        cache.key_at(moment)
        counts.append(former.unwraps)
    assert counts == [1, 1, 2, 2, 3]
    former.failure = None
    cache.key_at(7)
    assert cache.cached.cipher().decrypt(FORMER_RECORD) == "Jane"
    cache.key_at(7 + 269.9)
    assert former.unwraps == cache.source.unwraps == 4
    cache.key_at(7 + 270)
    assert former.unwraps == 5


def test_a_denied_reading_key_is_retried_at_the_next_refresh(cache: CacheFixture, former: CountingSource) -> None:
    former.failure = AccessDenied("Denied.")
    for moment, unwraps in ((0.0, 1), (269.9, 1), (270.0, 2)):
        cache.key_at(moment)
        assert former.unwraps == unwraps
    former.failure = None
    cache.key_at(540)
    assert cache.cached.cipher().decrypt(FORMER_RECORD) == "Jane"


def test_a_reading_key_is_used_until_its_own_grace_ends(cache: CacheFixture, former: CountingSource) -> None:
    cache.key_at(0)
    cipher = cache.cached.cipher()
    former.failure = OUTAGE
    for moment in range(270, 3900, 10):
        cache.key_at(moment)
    assert cache.cached.cipher() is cipher
    assert cache.at(3899.9).cipher().decrypt(FORMER_RECORD) == "Jane"
    cache.wait_until_finished()
    former.gate.clear()  # so that only the time has an effect
    ended = cache.at(3900).cipher()
    with pytest.raises(Unreachable, match="KMS did not answer"):
        ended.decrypt(FORMER_RECORD)
    assert cache.cached.data_key() == KEY
    former.gate.set()
    cache.wait_until_finished()
    with pytest.raises(Unreachable):  # nor does the late attempt bring it back
        cache.cached.cipher().decrypt(FORMER_RECORD)


def test_a_reading_key_is_used_while_it_is_refreshed(cache: CacheFixture, former: CountingSource) -> None:
    cache.key_at(0)
    former.failure = OUTAGE
    cache.key_at(270)
    former.gate.clear()
    former.entered.clear()
    assert cache.at(271).cipher().decrypt(FORMER_RECORD) == "Jane"
    assert former.entered.wait(LONG)
    former.gate.set()
    cache.wait_until_finished()
    assert cache.cached.cipher().decrypt(FORMER_RECORD) == "Jane"


def test_the_end_of_a_reading_key_affects_no_other() -> None:
    third = bytes(reversed(range(32)))
    away, there = CountingSource(OTHER_KEY), CountingSource(third)
    cache = CacheFixture(away, there, lenient=True)
    cache.key_at(0)
    away.failure = OUTAGE
    for moment in range(270, 3900, 10):
        cache.key_at(moment)
    away.gate.clear()
    cipher = cache.at(3900).cipher()
    assert cipher.decrypt(PhiCipher(third).encrypt("Joan")) == "Joan"
    assert cipher.decrypt("Jane Doe") == "Jane Doe"
    with pytest.raises(Unreachable):
        cipher.decrypt(FORMER_RECORD)
    away.gate.set()
    cache.wait_until_finished()


def test_with_a_cached_reading_key_a_record_of_another_key_is_refused(
    cache: CacheFixture, former: CountingSource
) -> None:
    cache.key_at(0)
    former.failure = OUTAGE
    cache.source.key = bytes(range(64, 96))
    cache.key_at(270)
    cipher = cache.cached.cipher()
    assert cipher.decrypt(FORMER_RECORD) == "Jane"
    with pytest.raises(DecryptionError):
        cipher.decrypt(UNKNOWN_RECORD)


@pytest.mark.parametrize(
    "later", [Unreachable("Another endpoint did not answer."), AccessDenied(str(OUTAGE))], ids=["message", "class"]
)
def test_the_last_failure_is_raised(cache: CacheFixture, former: CountingSource, later: UnwrapError) -> None:
    former.failure = OUTAGE
    cache.key_at(0)
    former.failure = later
    cache.key_at(1)
    with pytest.raises(type(later), match=str(later)):
        cache.cached.cipher().decrypt(FORMER_RECORD)


def test_a_defect_of_a_reading_source_drops_the_current_key_too(cache: CacheFixture, former: CountingSource) -> None:
    cache.key_at(0)
    former.failure = ZeroDivisionError("a defect")
    with pytest.raises(ZeroDivisionError):
        cache.at(300).cipher()
    assert cache.cached._entry is None


def test_a_reading_key_that_is_denied_at_a_refresh_is_dropped_at_once(
    cache: CacheFixture, former: CountingSource
) -> None:
    cache.key_at(0)
    former.failure = AccessDenied("Denied.")
    cache.key_at(270)
    with pytest.raises(AccessDenied):
        cache.cached.cipher().decrypt(FORMER_RECORD)
    assert_encrypts(cache)


def test_without_the_current_key_the_reading_keys_are_not_unwrapped(
    cache: CacheFixture, former: CountingSource
) -> None:
    cache.source.failure = OUTAGE
    with pytest.raises(Unreachable):
        cache.cached.cipher()
    assert former.unwraps == 0


def test_reading_keys_are_independent() -> None:
    third = bytes(reversed(range(32)))
    missing, there = CountingSource(OTHER_KEY), CountingSource(third)
    missing.failure = OUTAGE
    cache = CacheFixture(missing, there)
    cipher = cache.cached.cipher()
    assert cipher.decrypt(PhiCipher(third).encrypt("Joan")) == "Joan"
    cache.key_at(270)
    with pytest.raises(Unreachable):
        cipher.decrypt(FORMER_RECORD)
    there.failure = AccessDenied("Denied.")
    missing.failure = None
    cache.clock.now += 3000  # idle, so that the caller's thread unwraps
    assert cache.cached.cipher().decrypt(FORMER_RECORD) == "Jane"
    with pytest.raises(AccessDenied):
        cache.cached.cipher().decrypt(PhiCipher(third).encrypt("Joan"))
