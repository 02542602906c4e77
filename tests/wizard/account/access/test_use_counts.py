"""Counts of calls over several keys: what is missing makes a count a lower bound, and nought unknown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from wizard.account.access.review import UseCounts
from wizard.core.errors import PermissionDenied
from wizard.core.models.access import History, KeyEvents

NOW = datetime(2026, 7, 1, tzinfo=UTC)
APP = "arn:aws:iam::111122223333:role/team/app"
DENIED = PermissionDenied("you may not", "")


def told(*events: KeyEvents, is_cut_off: bool = False) -> tuple[History, tuple[KeyEvents, ...]]:
    return History(since=NOW - timedelta(days=90), events=len(events), is_cut_off=is_cut_off), events


USED = KeyEvents(principal="arn:aws:iam::111122223333:role/app", uses=2, verifications=1, refused=1, last_use=NOW)
BEFORE = KeyEvents(principal=APP, uses=1, last_use=NOW - timedelta(days=1))


def test_the_calls_on_every_key_are_added_and_the_latest_use_is_the_last():
    assert UseCounts([told(USED), told(BEFORE)]).of(APP) == (3, 1, 1, NOW)


def test_one_who_is_in_no_history_called_never():
    assert UseCounts([told(), told()]).of(APP) == (0, 0, 0, None)


def test_one_who_is_in_a_part_of_the_histories_called_as_often_at_least():
    assert UseCounts([told(USED), DENIED]).of(APP) == (2, 1, 1, NOW)
    assert UseCounts([told(USED, is_cut_off=True)]).of(APP) == (2, 1, 1, NOW)


def test_one_who_is_in_no_part_that_was_read_is_not_known_to_have_called_never():
    partial: tuple[list[Any], ...] = ([told(), DENIED], [told(is_cut_off=True)], [DENIED])
    for histories in partial:
        assert UseCounts(histories).of(APP) == (None, None, None, None)


def test_somebody_of_another_name_is_somebody_else():
    other = KeyEvents(principal="arn:aws:iam::111122223333:role/app2", uses=5)
    assert UseCounts([told(other)]).of(APP) == (0, 0, 0, None)


def test_a_history_that_lacks_one_key_is_none():
    assert UseCounts([told(USED), DENIED]).history is None
    both = UseCounts([told(USED), told(BEFORE, is_cut_off=True)]).history
    assert both is not None and (both.events, both.is_cut_off) == (2, True)
