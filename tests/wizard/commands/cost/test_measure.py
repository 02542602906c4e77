"""The bill by what was used: counts told as a month, what is unknown left out and named, nothing taken for nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.wizard.fakes.clients import TRAIL, settings
from wizard.commands.cost.estimate import Assumptions, Driver, estimate
from wizard.commands.cost.measure import Measured, measured, monthly
from wizard.core.models.audit import Usage
from wizard.core.models.rotation import KeyRotations, Rotation

UNTIL = datetime(2026, 11, 24, 12, tzinfo=UTC)
MONTH = timedelta(minutes=43_800)
GIVEN = Assumptions()


def usage(window: timedelta = MONTH, **changes: Any) -> Usage:
    counts: dict[str, Any] = {"kms_requests": 40_000, "key_requests": 30_000, "trail_bytes": 2**30, "trails": 1}
    return Usage(since=UNTIL - window, until=UNTIL, **{**counts, **changes})


def rotations(number: int) -> KeyRotations:
    made = tuple(Rotation(at=UNTIL - timedelta(days=day), on_demand=False) for day in range(number, 0, -1))
    return KeyRotations(enabled=True, period_days=365, next_at=None, rotations=made)


def bill(used: Usage | None = None, *, rotated: int = 0, **changes: Any) -> Measured:
    return measured(settings(**changes), GIVEN, used or usage(), rotations(rotated))


@pytest.mark.parametrize(
    ("count", "days", "told"),
    [
        (30_000, 43_800 / 1440, 30_000),
        (1_000, 10, 3_042),  # 1,000 / 10 * 30.4166…
        (90_000, 90, 30_417),
        (24, 1, 730),
        (24, 0.1, 730),  # a shorter window is told as a day
        (0, 90, 0),
    ],
)
def test_a_count_is_told_as_one_of_a_month(count: int, days: float, told: int) -> None:
    assert monthly(count, days) == told


def test_calls_of_the_key_and_of_the_others_share_the_free_ones() -> None:
    told = bill()
    # 30,000 of the application and 8,760 log files of 40,000 in all: 1,240 are of other keys.
    assert told.bill.assumptions.requests == 30_000 and told.bill.assumptions.other_requests == 1_240
    assert told.bill.of(Driver.REQUESTS) == Decimal(40_000 - 20_000) * Decimal("0.000003")


def test_fewer_requests_than_are_known_of_leave_none_for_others() -> None:
    assert bill(usage(kms_requests=5)).bill.assumptions.other_requests == 0


@pytest.mark.parametrize(("rotated", "dollars"), [(0, 1), (1, 2), (2, 3), (5, 3)])
def test_the_keys_price_follows_its_real_rotations(rotated: int, dollars: int) -> None:
    told = bill(rotated=rotated)
    assert told.bill.of(Driver.KEY) == told.bill.of(Driver.TRAIL_KEY) == dollars
    assert told.rotations == rotated


def test_logs_are_billed_by_their_real_size() -> None:
    assert bill().bill.of(Driver.LOG_STORAGE) == Decimal("0.023")
    assert bill(usage(trail_bytes=0)).bill.of(Driver.LOG_STORAGE) == 0


@pytest.mark.parametrize(("trails", "others"), [(0, 0), (1, 0), (2, 1), (3, 2)])
def test_a_second_trail_that_is_really_there_is_billed(trails: int, others: int) -> None:
    told = bill(usage(trails=trails))
    assert told.bill.assumptions.other_trails == others
    assert (told.bill.of(Driver.TRAIL_EVENTS) > 0) == bool(others)


def test_a_trail_that_was_there_already_is_billed_to_nobody_here() -> None:
    told = bill(usage(trails=4), existing_trail_arn=TRAIL, trail_bucket="clinic-logs")
    assert told.bill.of(Driver.TRAIL_EVENTS) == 0


UNKNOWN = {
    "key_requests": {Driver.REQUESTS},
    "trail_bytes": {Driver.LOG_STORAGE},
    "trails": {Driver.TRAIL_EVENTS},
    "kms_requests": set(),
}


@pytest.mark.parametrize("field", UNKNOWN)
def test_what_is_not_told_is_unknown_with_its_reason_and_not_in_the_bill(field: str) -> None:
    changes: dict[str, Any] = {field: None, "unknown": {field: "denied"}}
    told = bill(usage(**changes))
    assert set(told.unknown) == UNKNOWN[field]
    assert set(told.unknown.values()) <= {"denied"}
    assert all(told.bill.of(driver) == 0 for driver in UNKNOWN[field])
    planned = {item.driver: item for item in estimate(settings()).items}
    assert all(told.beside(planned[driver]) is None for driver in UNKNOWN[field] & planned.keys())


def test_rotations_that_are_not_told_leave_the_keys_unknown() -> None:
    told = measured(settings(), GIVEN, usage(), None, why="denied")
    assert told.unknown == {Driver.KEY: "denied", Driver.TRAIL_KEY: "denied"}
    assert told.rotations is None and told.bill.of(Driver.KEY) == 0


def test_what_others_take_is_noted_where_it_is_not_known() -> None:
    assert any("other keys" in note for note in bill(usage(kms_requests=None)).notes)


def test_a_history_that_was_cut_off_is_told_by_the_time_that_was_read_whole() -> None:
    # 3,000 calls in the newest tenth of the window: as many again in each of the others.
    cut = usage(
        timedelta(days=30),
        key_requests=3_000,
        is_key_requests_cut_off=True,
        key_requests_since=UNTIL - timedelta(days=3),
    )
    told = bill(cut)
    assert told.bill.assumptions.requests == monthly(3_000, 3) == 30_417
    assert any("lower bound" in note for note in told.notes)


def test_a_window_of_hours_is_noted() -> None:
    assert any("shorter than a day" in note for note in bill(usage(timedelta(hours=3))).notes)
    assert bill(usage(timedelta(days=3))).notes == ()


@given(
    fewer=some.integers(min_value=0, max_value=10**7),
    more=some.integers(min_value=0, max_value=10**7),
    days=some.integers(min_value=1, max_value=90),
)
def test_more_use_never_costs_less(fewer: int, more: int, days: int) -> None:
    window = timedelta(days=days)
    low, high = (bill(usage(window, key_requests=one, kms_requests=one)).bill.monthly for one in sorted((fewer, more)))
    assert low <= high


@given(some.sets(some.sampled_from(sorted(UNKNOWN))))
def test_the_bill_never_grows_by_what_is_unknown(fields: set[str]) -> None:
    changes: dict[str, Any] = dict.fromkeys(fields)
    none = replace(usage(trails=2), **changes, unknown=dict.fromkeys(fields, "denied"))
    # Unknown others are taken for none, and the free requests then for ours.
    assert bill(none).bill.monthly <= bill(usage(trails=2)).bill.monthly
