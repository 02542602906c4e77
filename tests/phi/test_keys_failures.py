"""The cached key when its source fails: what goes on serving and how long, what is dropped, when it is asked again."""

from __future__ import annotations

import gc
import logging
import queue
import sys
import types

import pytest

from phi import KeyDropped, KeyUnwrapped, RecordRefused, StaleServed, UnwrapError, UnwrapFailed, errors
from phi.errors import (
    AccessDenied,
    Disabled,
    Garbled,
    NoCredentials,
    TerminalUnwrapError,
    Throttled,
    TransientUnwrapError,
    Unreachable,
    WrongKey,
)
from tests.phi.key_sources import KEY, LONG, OTHER_KEY, Standing

AWAY = Unreachable("KMS did not answer.")
DENIED = AccessDenied("The principal may not.")


@pytest.fixture
def standing() -> Standing:
    return Standing()


@pytest.fixture
def held(standing: Standing) -> Standing:
    standing.asked(0)
    standing.told.rest()
    return standing


def kinds() -> list[type[UnwrapError]]:
    found, seen = [UnwrapError], []
    while found:
        one = found.pop()
        seen.append(one)
        found += one.__subclasses__()
    return [one for one in seen if one.__module__ == errors.__name__]


def test_every_kind_of_unwrap_error_is_either_transient_or_terminal() -> None:
    leaves = [one for one in kinds() if one not in (UnwrapError, TransientUnwrapError, TerminalUnwrapError)]
    assert len(leaves) == 14
    for leaf in leaves:
        assert issubclass(leaf, TransientUnwrapError) != issubclass(leaf, TerminalUnwrapError)
        assert leaf("x").transient is issubclass(leaf, TransientUnwrapError)
    transient = {leaf.__name__ for leaf in leaves if issubclass(leaf, TransientUnwrapError)}
    assert transient == {"Unreachable", "Throttled", "NoCredentials", "Garbled"}


def test_a_refusal_anew_has_its_words_and_not_its_frames() -> None:
    with pytest.raises(UnwrapError) as met:
        raise DENIED from ValueError("x")
    met.value.note = "kept"  # type: ignore[attr-defined]
    anew = met.value.again()
    assert type(anew) is AccessDenied and str(anew) == str(DENIED) and anew is not met.value
    assert anew.__traceback__ is None and anew.__cause__ is None and anew.__context__ is None
    assert anew.note == "kept"  # type: ignore[attr-defined]


def test_a_failure_without_a_key_is_told_and_remembered_for_a_pause_that_doubles(standing: Standing) -> None:
    standing.source.failure = AWAY
    counts = []
    for moment in (0.0, 0.9, 1.0, 2.9, 3.0, 6.9, 7.0):
        with pytest.raises(Unreachable, match=r"KMS did not answer\."):
            standing.at(moment).data_key()
        counts.append(standing.source.unwraps)
    assert counts == [1, 1, 2, 2, 3, 3, 4]
    standing.source.failure = None
    assert standing.at(15).data_key() == KEY
    standing.source.failure = AWAY
    standing.asked(15 + 270)  # the pauses begin anew
    standing.asked(15 + 270.9)
    assert standing.source.unwraps == 6
    standing.asked(15 + 271)
    assert standing.source.unwraps == 7


def test_a_terminal_failure_without_a_key_pauses_alike(standing: Standing) -> None:
    standing.source.failure = DENIED
    for moment, unwraps in ((0.0, 1), (0.9, 1), (1.0, 2)):
        with pytest.raises(AccessDenied):
            standing.at(moment).cipher()
        assert standing.source.unwraps == unwraps


def test_who_met_a_failure_sees_its_cause_and_who_comes_later_its_words(standing: Standing) -> None:
    standing.source.failure = Unreachable("KMS did not answer.")
    standing.source.failure.__cause__ = OSError("a cause")
    with pytest.raises(Unreachable) as first:
        standing.cached.data_key()
    with pytest.raises(Unreachable) as later:
        standing.cached.data_key()
    assert isinstance(first.value.__cause__, OSError) and later.value.__cause__ is None
    assert later.value is not first.value and str(later.value) == str(first.value)


def test_a_remembered_failure_keeps_no_callers_frame_alive(standing: Standing) -> None:
    standing.source.failure = Unreachable("KMS did not answer.")

    class Patient:
        pass

    def request() -> None:
        patient = Patient()
        assert patient
        standing.cached.data_key()

    with pytest.raises(Unreachable):
        request()
    standing.source.failure = None
    gc.collect()
    assert not [one for one in gc.get_objects() if type(one) is Patient]


def test_a_transient_failure_ahead_of_the_ttl_leaves_the_key_and_is_tried_again_after_a_pause(held: Standing) -> None:
    held.source.failure = Throttled("Fewer requests.")
    counts = []
    for moment in (270.0, 270.9, 271.0, 272.9, 273.0):
        assert held.asked(moment) == KEY
        counts.append(held.source.unwraps)
    assert counts == [2, 2, 3, 3, 4]
    for _ in range(3):
        assert held.told.next() == UnwrapFailed(
            which="current", cause="Throttled", transient=True, seconds=0, ahead=True
        )
    held.source.failure, held.source.key = None, OTHER_KEY
    held.asked(277.0)
    assert held.asked(277.1) == OTHER_KEY
    held.asked(277 + 269.9)
    assert held.source.unwraps == 5


def test_in_an_outage_the_key_serves_to_the_end_of_its_grace_and_not_longer(held: Standing) -> None:
    held.source.failure = AWAY
    for moment in (270.0, 299.9, 300.0, 1000.0, 3899.9):
        assert held.asked(moment) == KEY
    with pytest.raises(Unreachable):
        held.at(3900).data_key()
    assert KeyDropped(which="current", cause="Unreachable") in held.told.rest()
    assert held.cached._held is None
    held.source.failure = None
    assert held.at(4000).data_key() == KEY


def test_in_an_outage_no_caller_waits_for_an_attempt(held: Standing) -> None:
    held.source.failure = AWAY
    held.asked(270)
    held.source.gate.clear()
    assert held.at(400).data_key() == held.at(401).data_key() == KEY
    held.source.gate.set()
    held.landed()
    assert held.source.unwraps == 3


def test_an_outage_costs_two_attempts_a_minute_however_many_calls_there_are(held: Standing) -> None:
    held.source.failure = AWAY
    for second in range(400, 1000):
        held.asked(second)
    assert held.source.unwraps - 1 <= 5 + 600 / 30


def test_the_first_asker_in_an_outage_tries_and_then_has_the_present_key(held: Standing) -> None:
    held.source.failure = AWAY
    assert held.at(300).data_key() == KEY
    assert len(set(held.source.threads)) == 1
    assert held.told.rest() == [
        UnwrapFailed(which="current", cause="Unreachable", transient=True, seconds=0, ahead=False),
        StaleServed(seconds=0),
    ]


def test_stale_serving_is_told_once_an_attempt_and_not_once_a_call(held: Standing) -> None:
    held.source.failure = AWAY
    for moment in (290, 299):
        held.asked(moment)
        assert isinstance(held.told.next(), UnwrapFailed)
    for _ in range(5):
        held.asked(300)
    assert held.told.rest() == [StaleServed(seconds=0)]
    held.source.failure = None
    held.asked(301)
    assert held.told.next() == StaleServed(seconds=1)
    assert isinstance(held.told.next(), KeyUnwrapped)
    held.asked(302)
    assert held.told.rest() == []


def test_without_grace_an_expired_key_is_not_served_when_the_source_fails() -> None:
    standing = Standing(grace=0)
    standing.asked(0)
    standing.source.failure = AWAY
    assert standing.asked(299.9) == KEY
    for moment in (300.0, 300.5):
        with pytest.raises(Unreachable):
            standing.at(moment).data_key()
    assert standing.cached._held is None and standing.cached._serving.until < 0


@pytest.mark.parametrize("moment", [270.0, 300.0, 3899.0])
def test_a_terminal_failure_drops_the_key_at_once(held: Standing, moment: float) -> None:
    held.source.failure = Disabled("The key is disabled.")
    if moment < 300:
        assert held.asked(moment) == KEY  # this one began the refresh, and waited for nothing
    with pytest.raises(Disabled, match=r"The key is disabled\."):
        held.at(moment).data_key()
    assert held.cached._held is None and held.source.unwraps == 2
    assert held.told.next() == UnwrapFailed(
        which="current", cause="Disabled", transient=False, seconds=0, ahead=moment < 300
    )
    assert held.told.next() == KeyDropped(which="current", cause="Disabled")
    held.source.failure = None
    assert held.at(moment + 1).data_key() == KEY


def test_a_terminal_failure_during_an_outage_drops_the_key_too(held: Standing) -> None:
    held.source.failure = AWAY
    held.asked(290)
    held.source.failure = DENIED
    assert held.asked(350) == KEY
    with pytest.raises(AccessDenied):
        held.at(350.1).cipher()


@pytest.mark.parametrize("key", [bytes(31), bytes(33), b"", "k" * 32, bytearray(32), None])
def test_a_source_that_gives_no_data_key_is_a_terminal_failure(held: Standing, key: object) -> None:
    held.source.key = key  # type: ignore[assignment]
    with pytest.raises(UnwrapError, match="something else than the 32 bytes of a data key") as refused:
        held.at(300).data_key()
    assert refused.value.cause == "WrongLength" and held.cached._held is None


def test_a_defect_of_the_source_is_raised_drops_the_key_and_is_not_remembered(held: Standing) -> None:
    held.source.failure = ZeroDivisionError("a defect")
    for unwraps in (2, 3):
        with pytest.raises(ZeroDivisionError):
            held.at(300).data_key()
        assert held.source.unwraps == unwraps
    assert held.told.rest() == [KeyDropped(which="current", cause="ZeroDivisionError")]
    held.source.failure = None
    assert held.at(300).data_key() == KEY


def test_a_defect_during_a_refresh_is_shown_and_the_next_caller_asks(
    held: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: queue.Queue[sys.UnraisableHookArgs] = queue.Queue()
    monkeypatch.setattr(sys, "unraisablehook", shown.put)
    held.source.failure = RecordRefused()
    assert held.at(270).data_key() == KEY
    assert held.told.next() == KeyDropped(which="current", cause="RecordRefused")
    held.source.failure = None
    assert held.at(270).data_key() == KEY and held.source.unwraps == 3
    assert shown.get(timeout=LONG).exc_type is RecordRefused


def test_ctrl_c_during_an_unwrap_leaves_the_key_and_nobody_hanging(held: Standing) -> None:
    held.source.failure = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        held.at(300).data_key()
    assert held.cached._held is not None and held.cached._flight is None and held.told.rest() == []
    held.source.failure = AWAY
    assert held.at(300).data_key() == KEY


def test_ctrl_c_in_the_hook_leaves_nobody_hanging(held: Standing) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    held.cached._teller._hook = interrupted
    with pytest.raises(KeyboardInterrupt):
        held.at(5000).data_key()
    held.cached._teller._hook = None
    assert held.cached._flight is None and held.cached.data_key() == KEY


def test_a_hook_that_raises_is_logged_once_and_breaks_nothing(held: Standing, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError("of the hook")

    held.cached._teller._hook = broken
    with caplog.at_level(logging.DEBUG, "phi"):
        assert held.at(400).data_key() == KEY
        assert held.at(800).data_key() == KEY
    [record] = caplog.records
    assert (record.name, record.levelname) == ("phi", "ERROR") and record.getMessage() == (
        "The on_event hook of a cached key raised; it will not be told again if it does."
    )
    assert isinstance(record.exc_info, tuple) and record.exc_info[0] is ZeroDivisionError
    assert held.source.unwraps == 3


def test_where_no_thread_is_to_be_had_the_key_goes_on_as_in_an_outage(
    held: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("phi.keys._thread", types.SimpleNamespace(start_new_thread=none_left))
    assert held.at(270).data_key() == held.at(270.9).data_key() == KEY
    assert str(held.cached._failure) == "The refresh was not begun: no thread was to be had."
    assert held.told.rest() == [
        UnwrapFailed(which="current", cause="Unreachable", transient=True, seconds=0, ahead=True)
    ]
    monkeypatch.undo()
    held.asked(271)
    assert held.source.unwraps == 2
    assert isinstance(held.told.next(), KeyUnwrapped)


def test_a_forgotten_failure_is_not_waited_out(standing: Standing) -> None:
    standing.source.failure = AWAY
    for _ in range(3):
        with pytest.raises(Unreachable):
            standing.cached.data_key()
        standing.cached.forget()
    assert standing.source.unwraps == 3
    with pytest.raises(Unreachable):
        standing.cached.data_key()
    for moment, unwraps in ((0.9, 4), (1.0, 5)):
        with pytest.raises(Unreachable):
            standing.at(moment).data_key()
        assert standing.source.unwraps == unwraps


@pytest.mark.parametrize("kind", [NoCredentials, Garbled, WrongKey])
def test_the_word_of_a_failure_is_its_kind(kind: type[UnwrapError]) -> None:
    assert kind("x").cause == ("BadCredentials" if kind is NoCredentials else kind.__name__)
