"""The cached key while all is well: how often it asks, ahead of what, what it keeps, what it shows."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from phi import CachedKey, KeyDropped, KeyUnwrapped, PhiCipher, RecordRefused
from phi.leases import Terms, pause
from tests.phi.key_sources import KEY, OTHER_KEY, Clock, CountingSource, Standing


@pytest.fixture
def standing() -> Standing:
    return Standing()


def test_nothing_is_asked_before_the_first_use(standing: Standing) -> None:
    assert standing.source.unwraps == 0
    assert standing.cached.data_key() == KEY
    assert standing.source.unwraps == 1


def test_a_key_in_use_is_asked_for_again_when_nine_tenths_of_its_time_are_over(standing: Standing) -> None:
    counts = []
    for moment in (0.0, 1.0, 269.9, 270.0, 270.1, 539.9, 540.0, 540.1):
        assert standing.asked(moment) == KEY
        counts.append(standing.source.unwraps)
    assert counts == [1, 1, 1, 2, 2, 2, 3, 3]


@pytest.mark.parametrize(("chance", "moment"), [(0.0, 240.0), (0.5, 255.0), (1.0, 270.0)])
def test_the_moment_of_the_refresh_is_drawn_between_eight_and_nine_tenths(
    standing: Standing, chance: float, moment: float
) -> None:
    standing.chance = chance
    for when, unwraps in ((0.0, 1), (moment - 0.1, 1), (moment, 2)):
        standing.asked(when)
        assert standing.source.unwraps == unwraps


def test_each_key_draws_its_own_moment() -> None:
    drawn = [CachedKey(CountingSource(), clock=Clock()) for _ in range(8)]
    for cached in drawn:
        cached.data_key()
    assert len({cached._serving.until for cached in drawn}) > 1
    assert all(1240 <= cached._serving.until <= 1270 for cached in drawn)


def test_the_refresh_runs_apart_and_the_caller_has_the_present_key(standing: Standing) -> None:
    standing.asked(0)
    standing.source.gate.clear()
    standing.source.key = OTHER_KEY
    assert standing.at(270).data_key() == KEY
    assert standing.cached._serving.until == 1300  # nobody looks again before the TTL is over
    assert standing.at(299.9).data_key() == KEY
    standing.source.gate.set()
    standing.landed()
    assert standing.cached.data_key() == OTHER_KEY
    assert standing.source.unwraps == 2 and len(set(standing.source.threads)) == 2


def test_idle_means_no_calls_and_the_first_asker_after_it_unwraps_in_its_own_thread(standing: Standing) -> None:
    standing.asked(0)
    standing.clock.now += 86_400
    assert standing.source.unwraps == 1
    standing.source.key = OTHER_KEY
    assert standing.cached.data_key() == OTHER_KEY
    assert standing.source.unwraps == 2 and len(set(standing.source.threads)) == 1


def test_past_its_ttl_within_the_grace_a_key_is_asked_about_before_it_serves(standing: Standing) -> None:
    standing.asked(0)
    standing.source.key = OTHER_KEY
    assert standing.at(300).data_key() == OTHER_KEY
    assert len(set(standing.source.threads)) == 1


def test_the_age_of_a_key_counts_from_the_asking(standing: Standing) -> None:
    slow = standing.source.data_key

    def after_269_seconds() -> bytes:
        standing.clock.now += 269
        return slow()

    standing.source.data_key = after_269_seconds  # type: ignore[method-assign]
    standing.at(0).data_key()
    standing.source.data_key = slow  # type: ignore[method-assign]
    standing.cached.data_key()
    assert standing.source.unwraps == 1
    standing.asked(270)
    assert standing.source.unwraps == 2


def test_a_key_that_came_after_its_time_serves_whoever_waited_and_is_asked_for_again(standing: Standing) -> None:
    slow = standing.source.data_key

    def after_an_hour() -> bytes:
        standing.clock.now += 3600
        return slow()

    standing.source.data_key = after_an_hour  # type: ignore[method-assign]
    assert standing.at(0).data_key() == KEY
    standing.source.data_key = slow  # type: ignore[method-assign]
    assert standing.cached.data_key() == KEY
    assert standing.source.unwraps == 2 and len(set(standing.source.threads)) == 1


def test_the_cipher_stays_the_same_while_the_key_does(standing: Standing) -> None:
    cipher = standing.cached.cipher()
    assert cipher.decrypt(PhiCipher(KEY).encrypt("x")) == "x"
    standing.asked(270)
    assert standing.cached.cipher() is cipher
    assert standing.at(90_000).cipher() is cipher
    standing.source.key = OTHER_KEY
    assert standing.at(180_000).cipher() is not cipher
    assert standing.cached.cipher().decrypt(PhiCipher(OTHER_KEY).encrypt("x")) == "x"
    assert standing.source.unwraps == 4


def test_unless_told_otherwise_the_cipher_is_not_lenient() -> None:
    with pytest.raises(RecordRefused):
        CachedKey(CountingSource()).cipher().decrypt("Jane")


def test_the_terms_may_be_others() -> None:
    standing = Standing(ttl=10.0, ahead=0.5)
    for moment, unwraps in ((0, 1), (7.4, 1), (7.5, 2)):
        standing.asked(moment)
        assert standing.source.unwraps == unwraps


@pytest.mark.parametrize(
    "terms", [{"ttl": 0}, {"ttl": -1}, {"ttl": float("nan")}, {"grace": -1}, {"ahead": -0.1}, {"ahead": 1}]
)
def test_terms_that_make_no_sense_are_refused(terms: dict[str, Any]) -> None:
    with pytest.raises(
        ValueError, match=r"^A TTL is above 0, a grace is 0 or more, and a share ahead from 0 to below 1\.$"
    ):
        Standing(**terms)


@pytest.mark.parametrize("terms", [{"grace": 0}, {"ahead": 0}, {"ttl": 0.001}])
def test_the_least_terms_are_accepted(terms: dict[str, Any]) -> None:
    assert Standing(**terms).cached.data_key() == KEY


def test_a_refresh_that_is_not_ahead_is_at_the_end() -> None:
    assert Terms(ttl=300, grace=0, ahead=0).refresh(Terms(ttl=300, grace=0, ahead=0).lease(KEY, 10), 0.5) == 310


def test_the_pause_doubles_up_to_half_a_minute_and_is_cut_by_chance() -> None:
    assert [pause(number, 1.0) for number in (1, 2, 3, 4, 5, 6, 7, 5000)] == [1, 2, 4, 8, 16, 30, 30, 30]
    assert [pause(number, 0.0) for number in (1, 2, 6)] == [0.5, 1, 15]


def test_an_unwrap_is_told_with_the_seconds_it_took(standing: Standing) -> None:
    slow = standing.source.data_key

    def after_two_seconds() -> bytes:
        standing.clock.now += 2
        return slow()

    standing.source.data_key = after_two_seconds  # type: ignore[method-assign]
    standing.at(0).data_key()
    assert standing.told.rest() == [KeyUnwrapped(which="current", seconds=2, ahead=False)]
    standing.at(270).data_key()
    assert standing.told.next() == KeyUnwrapped(which="current", seconds=2, ahead=True)
    standing.at(3000).data_key()
    assert standing.told.rest() == [KeyUnwrapped(which="current", seconds=2, ahead=False)]


def test_a_key_whose_grace_is_over_is_told_to_be_dropped(standing: Standing) -> None:
    standing.asked(0)
    standing.asked(3899.9)
    assert all(isinstance(event, KeyUnwrapped) for event in standing.told.rest())
    standing.asked(3899.9 + 3900)
    assert standing.told.rest()[0] == KeyDropped(which="current", cause="Ended")


def test_a_forgotten_key_is_unwrapped_again(standing: Standing) -> None:
    standing.cached.data_key()
    standing.told.rest()
    standing.cached.forget()
    assert standing.told.rest() == [KeyDropped(which="current", cause="forget")]
    assert standing.cached.cipher().decrypt(PhiCipher(KEY).encrypt("x")) == "x"
    assert standing.source.unwraps == 2
    Standing().cached.forget()


def test_the_cache_shows_no_key(standing: Standing) -> None:
    standing.cached.data_key()
    assert repr(standing.cached) == str(standing.cached) == "CachedKey(ttl=300, grace=3600)"
    shown = repr([vars(standing.cached), standing.cached._held, standing.told.rest()])
    for secret in (repr(KEY)[2:-1], repr(KEY[:8])[2:-1], KEY.hex()):
        assert secret not in shown


@pytest.mark.parametrize("copier", [pickle.dumps, copy.copy, copy.deepcopy])
def test_the_cache_is_neither_pickled_nor_copied(standing: Standing, copier: Callable[[CachedKey], object]) -> None:
    standing.cached.data_key()
    with pytest.raises(TypeError, match=r"^A CachedKey is not copied or pickled: it holds a data key\.$"):
        copier(standing.cached)
