"""The cost by use: counts become those of a month, what is unknown is left out and named, and never counts as zero."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.wizard.fakes.clients import KEY, OTHER_KEY, TRAIL, FakeAwsClient, built, key_fact, settings, trail_fact
from wizard.core.cost.account import AccountFacts, CostByUse, cost_by_use, monthly, not_asked, read_account
from wizard.core.cost.drivers import Assumptions, Driver
from wizard.core.errors import PermissionDenied
from wizard.core.models.rotation import KeyRotations, Rotation
from wizard.core.models.trail import Usage

UNTIL = datetime(2026, 11, 24, 12, tzinfo=UTC)
MONTH = timedelta(minutes=43_800)
GIVEN = Assumptions()


def usage(window: timedelta = MONTH, **changes: Any) -> Usage:
    counts: dict[str, Any] = {"kms_requests": 40_000, "key_requests": 30_000, "trail_bytes": 2**30}
    return Usage(since=UNTIL - window, until=UNTIL, **{**counts, **changes})


def rotations(number: int) -> KeyRotations:
    past = tuple(Rotation(at=UNTIL - timedelta(days=day), on_demand=False) for day in range(number, 0, -1))
    return KeyRotations(enabled=True, period_days=365, next_at=None, rotations=past)


def account(**changes: Any) -> AccountFacts:
    return AccountFacts(**{"rotations": 0, "trail_key_rotations": 0, "other_trails": 0, **changes})


def by_use(used: Usage | None = None, *, facts: AccountFacts | None = None, **changes: Any) -> CostByUse:
    return cost_by_use(settings(**changes), GIVEN, used or usage(), facts or account())


@pytest.mark.parametrize(
    ("count", "days", "expected"),
    [
        (30_000, 43_800 / 1440, 30_000),
        (1_000, 10, 3_042),  # 1,000 / 10 * 30.4166…
        (90_000, 90, 30_417),
        (24, 1, 730),
        (24, 0.1, 730),  # a shorter window counts as a day
        (0, 90, 0),
    ],
)
def test_a_count_becomes_one_of_a_month(count: int, days: float, expected: int) -> None:
    assert monthly(count, days) == expected


def test_calls_on_the_key_and_on_others_share_the_free_requests() -> None:
    cost = by_use()
    # 30,000 of the application and 8,760 log files of 40,000 in all: 1,240 are of other keys.
    assert cost.estimate.assumptions.requests == 30_000 and cost.estimate.assumptions.other_requests == 1_240
    assert cost.estimate.of(Driver.REQUESTS) == Decimal(40_000 - 20_000) * Decimal("0.000003")


def test_fewer_requests_than_known_leave_none_for_other_keys() -> None:
    assert by_use(usage(kms_requests=5)).estimate.assumptions.other_requests == 0


@pytest.mark.parametrize(("rotated", "dollars"), [(0, 1), (1, 2), (2, 3), (5, 3)])
def test_each_keys_price_follows_its_own_rotations(rotated: int, dollars: int) -> None:
    cost = by_use(facts=account(rotations=rotated))
    assert cost.of(Driver.KEY) == dollars and cost.of(Driver.TRAIL_KEY) == 1
    cost = by_use(facts=account(trail_key_rotations=rotated))
    assert cost.of(Driver.KEY) == 1 and cost.of(Driver.TRAIL_KEY) == dollars


def test_logs_are_billed_by_their_real_size() -> None:
    assert by_use().estimate.of(Driver.LOG_STORAGE) == Decimal("0.023")
    assert by_use(usage(trail_bytes=0)).estimate.of(Driver.LOG_STORAGE) == 0


@pytest.mark.parametrize("others", [0, 1, 2])
def test_a_second_trail_is_billed_where_the_account_has_one(others: int) -> None:
    cost = by_use(facts=account(other_trails=others))
    assert (cost.estimate.of(Driver.TRAIL_EVENTS) > 0) == bool(others)


def test_an_existing_trail_that_the_stack_uses_is_not_billed_to_it() -> None:
    cost = by_use(facts=account(other_trails=4), existing_trail_arn=TRAIL, trail_bucket="clinic-logs")
    assert cost.of(Driver.TRAIL_EVENTS) == 0


UNKNOWN = {
    "key_requests": {Driver.REQUESTS},
    "trail_bytes": {Driver.LOG_STORAGE},
    "kms_requests": set(),
}


@pytest.mark.parametrize("field", UNKNOWN)
def test_a_count_that_could_not_be_read_is_unknown_with_its_reason_and_not_in_the_cost(field: str) -> None:
    changes: dict[str, Any] = {field: None, "unknown": {field: "denied"}}
    cost = by_use(usage(**changes))
    assert set(cost.unknown) == UNKNOWN[field]
    assert set(cost.unknown.values()) <= {"denied"}
    assert all(cost.estimate.of(driver) == 0 and cost.of(driver) is None for driver in UNKNOWN[field])


def test_an_account_that_could_not_be_asked_leaves_keys_and_a_second_trail_unknown() -> None:
    cost = by_use(facts=not_asked("denied", settings()))
    assert cost.unknown == dict.fromkeys((Driver.KEY, Driver.TRAIL_KEY, Driver.TRAIL_EVENTS), "denied")
    assert cost.estimate.of(Driver.KEY) == 0


def test_unknown_requests_of_other_keys_are_noted() -> None:
    assert any("other keys" in note for note in by_use(usage(kms_requests=None)).notes)


def test_a_history_that_was_cut_off_counts_over_the_time_that_was_read() -> None:
    # 3,000 calls in the newest tenth of the window: as many again in each of the others.
    cut = usage(
        timedelta(days=30),
        key_requests=3_000,
        is_key_requests_cut_off=True,
        key_requests_since=UNTIL - timedelta(days=3),
    )
    cost = by_use(cut)
    assert cost.estimate.assumptions.requests == monthly(3_000, 3) == 30_417
    assert any("lower bound" in note for note in cost.notes)


def test_a_window_of_hours_is_noted() -> None:
    assert any("shorter than a day" in note for note in by_use(usage(timedelta(hours=3))).notes)
    assert by_use(usage(timedelta(days=3))).notes == ()


@given(
    fewer=some.integers(min_value=0, max_value=10**7),
    more=some.integers(min_value=0, max_value=10**7),
    days=some.integers(min_value=1, max_value=90),
)
def test_more_use_never_costs_less(fewer: int, more: int, days: int) -> None:
    window = timedelta(days=days)
    low, high = (
        by_use(usage(window, key_requests=one, kms_requests=one)).estimate.monthly for one in sorted((fewer, more))
    )
    assert low <= high


@given(some.sets(some.sampled_from(sorted(UNKNOWN))))
def test_the_cost_never_grows_by_what_is_unknown(fields: set[str]) -> None:
    changes: dict[str, Any] = dict.fromkeys(fields)
    none = replace(usage(), **changes, unknown=dict.fromkeys(fields, "denied"))
    # Unknown others count as none, and all free requests as this stack's.
    assert by_use(none).estimate.monthly <= by_use().estimate.monthly


# --- read from the account


def test_the_account_tells_rotations_of_each_key_and_the_other_trails_that_record() -> None:
    aws = FakeAwsClient()
    built(aws, settings())
    aws.keys[OTHER_KEY] = key_fact(OTHER_KEY)
    aws.aliases["alias/eonpro-audit-key"] = OTHER_KEY
    aws.key_rotation.by_key = {KEY: rotations(2), OTHER_KEY: rotations(1)}
    aws.trails = (
        trail_fact(),
        trail_fact(arn=f"{TRAIL}-org", logging=None),
        trail_fact(arn=f"{TRAIL}-billing", multi_region=False),
        trail_fact(arn=f"{TRAIL}-stopped", logging=False),
    )
    assert read_account(aws, settings()) == AccountFacts(rotations=2, trail_key_rotations=1, other_trails=2)


def test_before_the_first_set_up_no_key_has_rotated() -> None:
    assert read_account(FakeAwsClient(), settings()) == account()


@pytest.mark.parametrize(
    ("method", "fields"),
    [("describe_key", {"rotations", "trail_key_rotations"}), ("list_trails", {"other_trails"})],
)
def test_what_may_not_be_read_is_unknown_with_its_reason(method: str, fields: set[str]) -> None:
    aws = FakeAwsClient()
    aws.failures[method] = PermissionDenied("denied", "ask")
    cost = read_account(aws, settings())
    assert cost.unknown == dict.fromkeys(fields, "denied")
    assert all(getattr(cost, field) is None for field in fields)
