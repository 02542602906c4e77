"""The month's bill: figures reckoned by hand from AWS's pages, and what has to hold of any of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.wizard.fakes.clients import TRAIL, settings
from wizard.core.cost import prices
from wizard.core.cost.drivers import (
    LOG_FILES,
    Assumptions,
    Driver,
    Estimate,
    estimate,
    trail_requests,
)

EXISTING = {"existing_trail_arn": TRAIL, "trail_bucket": "clinic-logs"}
BARE = settings(**EXISTING, alerts=False)
"""A key and its uses, nothing else."""


def part(bill: Estimate, driver: Driver) -> Decimal:
    """One driver's part in US dollars; 0 where the set-up does not include it."""
    return sum((item.monthly for item in bill.items if item.driver is driver), Decimal(0))


def assumed(**changes: Any) -> Assumptions:
    return Assumptions(**changes)


@pytest.mark.parametrize(
    ("instances", "minutes", "requests"), [(1, 1, 43_800), (1, 5, 8_760), (10, 5, 87_600), (4, 60, 2_920), (0, 5, 0)]
)
def test_an_instance_asks_whenever_its_cache_ends(instances: int, minutes: float, requests: int) -> None:
    assert assumed(instances=instances, cache_minutes=minutes).application_requests == requests


def test_given_requests_replace_those_of_the_instances() -> None:
    assert assumed(requests=7, instances=100).application_requests == 7


@pytest.mark.parametrize(
    ("requests", "dollars"),
    [
        (0, "0"),
        (20_000, "0"),
        (20_001, "0.000003"),
        (30_000, "0.03"),
        (100_000, "0.24"),  # AWS's own example on the page
        (1_020_000, "3.00"),
    ],
)
def test_requests_cost_three_cents_for_ten_thousand_after_twenty_thousand(requests: int, dollars: str) -> None:
    assert part(estimate(BARE, assumed(requests=requests)), Driver.REQUESTS) == Decimal(dollars)


def test_each_log_file_is_one_kms_request_where_the_logs_have_a_key() -> None:
    assert trail_requests(settings(), assumed(active_regions=3)) == 3 * 8_760 == 3 * LOG_FILES
    assert trail_requests(settings(trail_key=False), assumed()) == 0
    assert trail_requests(BARE, assumed()) == 0


def test_retained_logs_add_up_from_month_to_month() -> None:
    # 2 ** 30 bytes a month.
    month = {"events": 1024**2, "event_bytes": 1024}
    assert part(estimate(settings(), assumed(**month, months=1)), Driver.LOG_STORAGE) == Decimal("0.023")
    assert part(estimate(settings(), assumed(**month, months=10)), Driver.LOG_STORAGE) == Decimal("0.23")


def test_log_files_under_128_kb_are_not_archived_and_larger_ones_are() -> None:
    small = estimate(settings(), assumed(months=24))
    assert part(small, Driver.ARCHIVE_STORAGE) == part(small, Driver.ARCHIVE_TRANSITIONS) == 0
    large = estimate(settings(), assumed(months=24, events=10_000_000))
    months = Decimal(365) / (Decimal(43_800) / 1440)
    gigabytes = Decimal(10_000_000 * 500) / 1024**3
    assert part(large, Driver.LOG_STORAGE) == gigabytes * months * Decimal("0.023")
    moved = Decimal(43_800 // 5 + 43_800 // 60) * Decimal("0.02") / 1000
    assert part(large, Driver.ARCHIVE_STORAGE) == gigabytes * (24 - months) * Decimal("0.004")
    assert part(large, Driver.ARCHIVE_TRANSITIONS) == moved


def test_a_driver_of_an_option_is_included_only_with_the_option() -> None:
    def drivers(**changes: Any) -> set[Driver]:
        return {item.driver for item in estimate(settings(**changes)).items}

    always = {Driver.KEY, Driver.REQUESTS}
    assert {item.driver for item in estimate(BARE).items} == always
    assert drivers() == always | {Driver.TRAIL_KEY, Driver.LOG_WRITES, Driver.LOG_STORAGE, Driver.ALARMS}
    assert drivers(cloudwatch_logs=True) - drivers() == {Driver.CLOUDWATCH_INGESTION, Driver.CLOUDWATCH_STORAGE}
    assert drivers(secret_store="secrets-manager") - drivers() == {Driver.SECRETS, Driver.SECRET_READS}


def test_the_ordinary_set_up_for_vercel_costs_two_dollars_and_some_cents() -> None:
    # Two keys, an alarm, (17,520 + 8,760 - 20,000) requests, 9,490 objects, a year of 50 MB a month.
    logs = Decimal(100_000 * 500) / 1024**3 * 12 * Decimal("0.023")
    expected = 2 + Decimal("0.10") + 6_280 * Decimal("0.000003") + 9_490 * Decimal("0.000005") + logs
    assert estimate(settings()).monthly == expected
    assert round(expected, 2) == Decimal("2.18")


@pytest.mark.parametrize("wrong", [{"cache_minutes": 0}, {"cache_minutes": -1}, {"requests": -1}, {"instances": -2}])
def test_an_impossible_assumption_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        assumed(**wrong)


def test_every_price_has_its_page_of_aws() -> None:
    all_prices = [price for price in vars(prices).values() if isinstance(price, prices.Price)]
    assert len(all_prices) > 8
    assert [price for price in all_prices if not price.page.startswith("https://aws.amazon.com/")] == []


COUNTS = some.integers(min_value=0, max_value=10**9)


@given(requests=COUNTS)
def test_paid_and_free_requests_are_all_requests(requests: int) -> None:
    bill = estimate(BARE, assumed(requests=requests))
    assert part(bill, Driver.REQUESTS) + bill.free_value == Decimal(requests) * Decimal("0.03") / 10_000
    assert bill.free_value <= Decimal("0.06")
