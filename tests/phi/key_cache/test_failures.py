"""The cached key when its source fails: what stays in use and how long, what is dropped, when it is retried."""

from __future__ import annotations

import gc
import queue
import sys
import types

import pytest

from eonpro_phi import DecryptionError, UnwrapError, errors
from eonpro_phi.errors import (
    AccessDenied,
    Disabled,
    InvalidResponse,
    NoCredentials,
    TerminalUnwrapError,
    Throttled,
    TransientUnwrapError,
    Unreachable,
    WrongKey,
)
from tests.phi.key_sources import KEY, LONG, OTHER_KEY, CacheFixture

OUTAGE = Unreachable("KMS did not answer.")
DENIED = AccessDenied("The principal is denied.")


@pytest.fixture
def cache() -> CacheFixture:
    return CacheFixture()


@pytest.fixture
def warm_cache(cache: CacheFixture) -> CacheFixture:
    cache.key_at(0)
    return cache


def error_classes() -> list[type[UnwrapError]]:
    """Those of the module: the adapter of SQLAlchemy makes others, which may outlive its tests in the same process."""
    return [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, UnwrapError)]


def test_every_kind_of_unwrap_error_is_either_transient_or_terminal() -> None:
    bases = (UnwrapError, TransientUnwrapError, TerminalUnwrapError)
    leaves = [each for each in error_classes() if each not in bases]
    assert len(leaves) == 15
    for leaf in leaves:
        assert issubclass(leaf, TransientUnwrapError) != issubclass(leaf, TerminalUnwrapError)
        assert leaf("x").transient is issubclass(leaf, TransientUnwrapError)
    transient = {leaf.__name__ for leaf in leaves if issubclass(leaf, TransientUnwrapError)}
    assert transient == {"Unreachable", "Throttled", "NoCredentials", "InvalidResponse"}


def test_a_copied_error_has_the_message_and_not_the_frames() -> None:
    with pytest.raises(UnwrapError) as caught:
        raise DENIED from ValueError("x")
    caught.value.note = "kept"  # type: ignore[attr-defined]
    copy = caught.value.copy()
    assert type(copy) is AccessDenied and str(copy) == str(DENIED) and copy is not caught.value
    assert copy.__traceback__ is None and copy.__cause__ is None and copy.__context__ is None
    assert copy.note == "kept"  # type: ignore[attr-defined]


def test_a_failure_without_a_key_is_raised_again_during_a_delay_that_doubles(cache: CacheFixture) -> None:
    cache.source.failure = OUTAGE
    counts = []
    for moment in (0.0, 0.9, 1.0, 2.9, 3.0, 6.9, 7.0):
        with pytest.raises(Unreachable, match=r"KMS did not answer\."):
            cache.at(moment).data_key()
        counts.append(cache.source.unwraps)
    assert counts == [1, 1, 2, 2, 3, 3, 4]
    cache.source.failure = None
    assert cache.at(15).data_key() == KEY
    cache.source.failure = OUTAGE
    cache.key_at(15 + 270)  # the delays start again
    cache.key_at(15 + 270.9)
    assert cache.source.unwraps == 6
    cache.key_at(15 + 271)
    assert cache.source.unwraps == 7


def test_a_terminal_failure_without_a_key_has_the_same_delay(cache: CacheFixture) -> None:
    cache.source.failure = DENIED
    for moment, unwraps in ((0.0, 1), (0.9, 1), (1.0, 2)):
        with pytest.raises(AccessDenied):
            cache.at(moment).cipher()
        assert cache.source.unwraps == unwraps


def test_the_first_caller_gets_the_cause_and_later_callers_the_message(cache: CacheFixture) -> None:
    cache.source.failure = Unreachable("KMS did not answer.")
    cache.source.failure.__cause__ = OSError("a cause")
    with pytest.raises(Unreachable) as first:
        cache.cached.data_key()
    with pytest.raises(Unreachable) as later:
        cache.cached.data_key()
    assert isinstance(first.value.__cause__, OSError) and later.value.__cause__ is None
    assert later.value is not first.value and str(later.value) == str(first.value)


def test_a_cached_failure_keeps_no_callers_frame_alive(cache: CacheFixture) -> None:
    cache.source.failure = Unreachable("KMS did not answer.")

    class Patient:
        pass

    def request() -> None:
        patient = Patient()
        assert patient
        cache.cached.data_key()

    with pytest.raises(Unreachable):
        request()
    cache.source.failure = None
    gc.collect()
    assert not [each for each in gc.get_objects() if type(each) is Patient]


def test_a_transient_failure_before_the_ttl_leaves_the_key_and_is_retried_after_a_delay(
    warm_cache: CacheFixture,
) -> None:
    warm_cache.source.failure = Throttled("Fewer requests.")
    counts = []
    for moment in (270.0, 270.9, 271.0, 272.9, 273.0):
        assert warm_cache.key_at(moment) == KEY
        counts.append(warm_cache.source.unwraps)
    assert counts == [2, 2, 3, 3, 4]
    warm_cache.source.failure, warm_cache.source.key = None, OTHER_KEY
    warm_cache.key_at(277.0)
    assert warm_cache.key_at(277.1) == OTHER_KEY
    warm_cache.key_at(277 + 269.9)
    assert warm_cache.source.unwraps == 5


def test_in_an_outage_the_key_is_used_until_its_grace_ends(warm_cache: CacheFixture) -> None:
    warm_cache.source.failure = OUTAGE
    for moment in (270.0, 299.9, 300.0, 1000.0, 3899.9):
        assert warm_cache.key_at(moment) == KEY
    with pytest.raises(Unreachable):
        warm_cache.at(3900).data_key()
    assert warm_cache.cached._entry is None
    warm_cache.source.failure = None
    assert warm_cache.at(4000).data_key() == KEY


def test_in_an_outage_no_caller_waits_for_an_attempt(warm_cache: CacheFixture) -> None:
    warm_cache.source.failure = OUTAGE
    warm_cache.key_at(270)
    warm_cache.source.gate.clear()
    assert warm_cache.at(400).data_key() == warm_cache.at(401).data_key() == KEY
    warm_cache.source.gate.set()
    warm_cache.wait_until_finished()
    assert warm_cache.source.unwraps == 3


def test_an_outage_costs_two_attempts_a_minute_however_many_calls_there_are(warm_cache: CacheFixture) -> None:
    warm_cache.source.failure = OUTAGE
    for second in range(400, 1000):
        warm_cache.key_at(second)
    assert warm_cache.source.unwraps - 1 <= 5 + 600 / 30


def test_the_first_caller_in_an_outage_tries_and_then_gets_the_cached_key(warm_cache: CacheFixture) -> None:
    warm_cache.source.failure = OUTAGE
    assert warm_cache.at(300).data_key() == KEY
    assert len(set(warm_cache.source.threads)) == 1


def test_each_failed_attempt_is_a_warning_and_a_call_is_none(
    warm_cache: CacheFixture, caplog: pytest.LogCaptureFixture
) -> None:
    warm_cache.source.failure = OUTAGE
    for _ in range(5):
        warm_cache.key_at(290)
    [record] = caplog.records
    assert (record.name, record.levelname) == ("eonpro_phi", "WARNING")
    assert record.getMessage() == "KMS did not return the current key (Unreachable): KMS did not answer."
    warm_cache.source.failure = None
    for moment in (300, 570, 5000):
        warm_cache.key_at(moment)
    warm_cache.cached.forget()
    assert len(caplog.records) == 1


def test_without_grace_an_expired_key_is_not_served_when_the_source_fails() -> None:
    cache = CacheFixture(grace=0)
    cache.key_at(0)
    cache.source.failure = OUTAGE
    assert cache.key_at(299.9) == KEY
    for moment in (300.0, 300.5):
        with pytest.raises(Unreachable):
            cache.at(moment).data_key()
    assert cache.cached._entry is None and cache.cached._snapshot.valid_until < 0


@pytest.mark.parametrize("moment", [270.0, 300.0, 3899.0])
def test_a_terminal_failure_drops_the_key_at_once(warm_cache: CacheFixture, moment: float) -> None:
    warm_cache.source.failure = Disabled("The key is disabled.")
    if moment < 300:
        assert warm_cache.key_at(moment) == KEY  # this call starts the refresh and does not wait
    with pytest.raises(Disabled, match=r"The key is disabled\."):
        warm_cache.at(moment).data_key()
    assert warm_cache.cached._entry is None and warm_cache.source.unwraps == 2
    warm_cache.source.failure = None
    assert warm_cache.at(moment + 1).data_key() == KEY


def test_a_terminal_failure_during_an_outage_drops_the_key_too(warm_cache: CacheFixture) -> None:
    warm_cache.source.failure = OUTAGE
    warm_cache.key_at(290)
    warm_cache.source.failure = DENIED
    assert warm_cache.key_at(350) == KEY
    with pytest.raises(AccessDenied):
        warm_cache.at(350.1).cipher()


@pytest.mark.parametrize("key", [bytes(31), bytes(33), b"", "k" * 32, bytearray(32), None])
def test_another_value_than_a_data_key_is_a_terminal_failure(warm_cache: CacheFixture, key: object) -> None:
    warm_cache.source.key = key  # type: ignore[assignment]
    with pytest.raises(UnwrapError, match="did not return the 32 bytes of a data key") as caught:
        warm_cache.at(300).data_key()
    assert caught.value.cause == "WrongLength" and warm_cache.cached._entry is None


def test_a_defect_of_the_source_is_raised_and_drops_the_key(warm_cache: CacheFixture) -> None:
    warm_cache.source.failure = ZeroDivisionError("a defect")
    for unwraps in (2, 3):
        with pytest.raises(ZeroDivisionError):
            warm_cache.at(300).data_key()
        assert warm_cache.source.unwraps == unwraps
    warm_cache.source.failure = None
    assert warm_cache.at(300).data_key() == KEY


def test_a_defect_during_a_refresh_is_reported_and_the_next_caller_retries(
    warm_cache: CacheFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: queue.Queue[sys.UnraisableHookArgs] = queue.Queue()
    monkeypatch.setattr(sys, "unraisablehook", reported.put)
    warm_cache.source.failure = DecryptionError()
    assert warm_cache.at(270).data_key() == KEY
    warm_cache.wait_until_finished()
    warm_cache.source.failure = None
    assert warm_cache.at(270).data_key() == KEY and warm_cache.source.unwraps == 3
    assert reported.get(timeout=LONG).exc_type is DecryptionError


def test_ctrl_c_during_an_unwrap_leaves_the_key_and_no_caller_waiting(warm_cache: CacheFixture) -> None:
    warm_cache.source.failure = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        warm_cache.at(300).data_key()
    assert warm_cache.cached._entry is not None and warm_cache.cached._attempt is None
    warm_cache.source.failure = OUTAGE
    assert warm_cache.at(300).data_key() == KEY


def test_without_a_free_thread_the_key_stays_in_use_as_in_an_outage(
    warm_cache: CacheFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("eonpro_phi.key_cache._thread", types.SimpleNamespace(start_new_thread=no_thread))
    assert warm_cache.at(270).data_key() == warm_cache.at(270.9).data_key() == KEY
    assert str(warm_cache.cached._failure) == "The refresh did not start: no thread available."
    monkeypatch.undo()
    warm_cache.key_at(271)
    assert warm_cache.source.unwraps == 2


def test_a_forgotten_failure_has_no_delay(cache: CacheFixture) -> None:
    cache.source.failure = OUTAGE
    for _ in range(3):
        with pytest.raises(Unreachable):
            cache.cached.data_key()
        cache.cached.forget()
    assert cache.source.unwraps == 3
    with pytest.raises(Unreachable):
        cache.cached.data_key()
    for moment, unwraps in ((0.9, 4), (1.0, 5)):
        with pytest.raises(Unreachable):
            cache.at(moment).data_key()
        assert cache.source.unwraps == unwraps


@pytest.mark.parametrize("kind", [NoCredentials, InvalidResponse, WrongKey])
def test_the_cause_of_a_failure_is_its_class(kind: type[UnwrapError]) -> None:
    assert kind("x").cause == ("BadCredentials" if kind is NoCredentials else kind.__name__)
