"""Counts of calls over several keys: what is missing makes a count a lower bound, and nought unknown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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


def test_a_history_that_lacks_one_key_is_none():
    assert UseCounts([told(USED), DENIED]).history is None
    both = UseCounts([told(USED), told(BEFORE, is_cut_off=True)]).history
    assert both is not None and (both.events, both.is_cut_off) == (2, True)
