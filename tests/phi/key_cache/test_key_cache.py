"""The cached key without failures: how often it unwraps, when it refreshes, what it caches, what it shows."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from eonpro_phi import CachedKey, DecryptionError, PhiCipher
from eonpro_phi.cache_entry import retry_delay
from tests.phi.key_sources import KEY, OTHER_KEY, CacheFixture, Clock, CountingSource


@pytest.fixture
def cache() -> CacheFixture:
    return CacheFixture()


def test_no_request_before_the_first_use(cache: CacheFixture) -> None:
    assert cache.source.unwraps == 0
    assert cache.cached.data_key() == KEY
    assert cache.source.unwraps == 1


def test_a_key_in_use_is_unwrapped_again_after_nine_tenths_of_its_ttl(cache: CacheFixture) -> None:
    counts = []
    for moment in (0.0, 1.0, 269.9, 270.0, 270.1, 539.9, 540.0, 540.1):
        assert cache.key_at(moment) == KEY
        counts.append(cache.source.unwraps)
    assert counts == [1, 1, 1, 2, 2, 2, 3, 3]


@pytest.mark.parametrize(("jitter", "moment"), [(0.0, 240.0), (0.5, 255.0), (1.0, 270.0)])
def test_jitter_puts_the_refresh_between_eight_and_nine_tenths(
    cache: CacheFixture, jitter: float, moment: float
) -> None:
    cache.jitter = jitter
    for when, unwraps in ((0.0, 1), (moment - 0.1, 1), (moment, 2)):
        cache.key_at(when)
        assert cache.source.unwraps == unwraps


def test_each_cached_key_has_its_own_refresh_time() -> None:
    keys = [CachedKey(CountingSource(), clock=Clock()) for _ in range(8)]
    for cached in keys:
        cached.data_key()
    assert len({cached._snapshot.valid_until for cached in keys}) > 1
    assert all(1240 <= cached._snapshot.valid_until <= 1270 for cached in keys)


def test_the_refresh_runs_in_the_background_and_the_caller_gets_the_cached_key(cache: CacheFixture) -> None:
    cache.key_at(0)
    cache.source.gate.clear()
    cache.source.key = OTHER_KEY
    assert cache.at(270).data_key() == KEY
    assert cache.cached._snapshot.valid_until == 1300  # nothing is due before the TTL ends
    assert cache.at(299.9).data_key() == KEY
    cache.source.gate.set()
    cache.wait_until_finished()
    assert cache.cached.data_key() == OTHER_KEY
    assert cache.source.unwraps == 2 and len(set(cache.source.threads)) == 2


def test_an_idle_cache_makes_no_requests_and_the_next_caller_unwraps_in_its_own_thread(cache: CacheFixture) -> None:
    cache.key_at(0)
    cache.clock.now += 86_400
    assert cache.source.unwraps == 1
    cache.source.key = OTHER_KEY
    assert cache.cached.data_key() == OTHER_KEY
    assert cache.source.unwraps == 2 and len(set(cache.source.threads)) == 1


def test_past_its_ttl_a_key_is_unwrapped_again_before_it_is_used(cache: CacheFixture) -> None:
    cache.key_at(0)
    cache.source.key = OTHER_KEY
    assert cache.at(300).data_key() == OTHER_KEY
    assert len(set(cache.source.threads)) == 1


def test_the_age_of_a_key_counts_from_the_request(cache: CacheFixture) -> None:
    slow = cache.source.data_key

    def after_269_seconds() -> bytes:
        cache.clock.now += 269
        return slow()

    cache.source.data_key = after_269_seconds  # type: ignore[method-assign]
    cache.at(0).data_key()
    cache.source.data_key = slow  # type: ignore[method-assign]
    cache.cached.data_key()
    assert cache.source.unwraps == 1
    cache.key_at(270)
    assert cache.source.unwraps == 2


def test_a_key_that_arrives_expired_is_returned_once_and_unwrapped_again(cache: CacheFixture) -> None:
    slow = cache.source.data_key

    def after_an_hour() -> bytes:
        cache.clock.now += 3600
        return slow()

    cache.source.data_key = after_an_hour  # type: ignore[method-assign]
    assert cache.at(0).data_key() == KEY
    cache.source.data_key = slow  # type: ignore[method-assign]
    assert cache.cached.data_key() == KEY
    assert cache.source.unwraps == 2 and len(set(cache.source.threads)) == 1


def test_the_cipher_stays_the_same_while_the_key_does(cache: CacheFixture) -> None:
    cipher = cache.cached.cipher()
    assert cipher.decrypt(PhiCipher(KEY).encrypt("x")) == "x"
    cache.key_at(270)
    assert cache.cached.cipher() is cipher
    assert cache.at(90_000).cipher() is cipher
    cache.source.key = OTHER_KEY
    assert cache.at(180_000).cipher() is not cipher
    assert cache.cached.cipher().decrypt(PhiCipher(OTHER_KEY).encrypt("x")) == "x"
    assert cache.source.unwraps == 4


def test_the_cipher_is_strict_by_default() -> None:
    with pytest.raises(DecryptionError):
        CachedKey(CountingSource()).cipher().decrypt("Jane")


def test_the_durations_can_be_changed() -> None:
    cache = CacheFixture(ttl=10.0)
    for moment, unwraps in ((0, 1), (8.9, 1), (9.0, 2)):
        cache.key_at(moment)
        assert cache.source.unwraps == unwraps


@pytest.mark.parametrize(
    "durations",
    [{"ttl": 0}, {"ttl": -1}, {"ttl": float("nan")}, {"grace": -1}],
)
def test_impossible_durations_are_refused(durations: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^ttl must be above 0, and grace 0 or more\.$"):
        CacheFixture(**durations)


@pytest.mark.parametrize("durations", [{"grace": 0}, {"ttl": 0.001}])
def test_the_smallest_durations_are_accepted(durations: dict[str, Any]) -> None:
    assert CacheFixture(**durations).cached.data_key() == KEY


def test_the_pause_doubles_up_to_half_a_minute_and_is_cut_by_chance() -> None:
    assert [retry_delay(number, 1.0) for number in (1, 2, 3, 4, 5, 6, 7, 5000)] == [1, 2, 4, 8, 16, 30, 30, 30]
    assert [retry_delay(number, 0.0) for number in (1, 2, 6)] == [0.5, 1, 15]


def test_a_forgotten_key_is_unwrapped_again(cache: CacheFixture) -> None:
    cache.cached.data_key()
    cache.cached.forget()
    assert cache.cached.cipher().decrypt(PhiCipher(KEY).encrypt("x")) == "x"
    assert cache.source.unwraps == 2
    CacheFixture().cached.forget()


def test_the_cache_shows_no_key(cache: CacheFixture) -> None:
    cache.cached.data_key()
    assert repr(cache.cached) == str(cache.cached) == "CachedKey(ttl=300, grace=3600)"
    shown = repr([vars(cache.cached), cache.cached._entry])
    for secret in (repr(KEY)[2:-1], repr(KEY[:8])[2:-1], KEY.hex()):
        assert secret not in shown


@pytest.mark.parametrize("copier", [pickle.dumps, copy.copy, copy.deepcopy])
def test_the_cache_is_neither_pickled_nor_copied(cache: CacheFixture, copier: Callable[[CachedKey], object]) -> None:
    cache.cached.data_key()
    with pytest.raises(TypeError, match=r"^A CachedKey cannot be copied or pickled: it holds a data key\.$"):
        copier(cache.cached)
