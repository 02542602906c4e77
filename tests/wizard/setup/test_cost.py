"""What it costs: every driver, and every option either as taken or as what it would cost."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wizard.fakes.clients import REPLICA_REGION, TRAIL, multi_region, settings
from wizard.inputs.registry import INPUTS
from wizard.setup.cost import costs, monthly, table

EXISTING = {"existing_trail_arn": TRAIL, "trail_bucket": "clinic-logs"}
OPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "--multi-region yes --replica-regions REGION": (
        {"multi_region": True, "replica_regions": (REPLICA_REGION,)},
        {},
    ),
    "--secret-store parameter-store": ({}, {"secret_store": "secrets-manager"}),
    "--secret-store secrets-manager": ({"secret_store": "secrets-manager"}, {}),
    "--trail create": ({}, EXISTING),
    "--trail ARN uses that one": ({}, EXISTING),
    "--trail ARN": (EXISTING, {}),
    "--trail-archive-days DAYS": ({}, {"trail_archive_days": 0}),
    "--trail-key yes|no": ({}, {"trail_key": False}),
    "--trail-lock none|governance|compliance": ({"trail_lock": "compliance"}, {"trail_lock": "none"}),
    "--access-logging yes|no": ({}, {"access_logging": False}),
    "--cloudwatch-logs yes|no": ({"cloudwatch_logs": True}, {}),
    "--alerts yes|no": ({}, {"alerts": False}),
}
"""The flag of each option, with settings that take it and settings that do not."""


def flags(settings_: Any, *, taken: bool) -> set[str]:
    return {cost.option for cost in costs(settings_) if cost.option and cost.taken is taken}


def test_every_option_with_a_price_is_in_this_table() -> None:
    assert {cost.option for cost in costs(settings()) if cost.option} == set(OPTIONS)


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_is_told_as_taken_or_as_what_it_would_cost_and_never_as_both(option: str) -> None:
    takes, leaves = (settings(**changes) for changes in OPTIONS[option])
    assert option in flags(takes, taken=True) and option not in flags(takes, taken=False)
    assert option in flags(leaves, taken=False) and option not in flags(leaves, taken=True)


@pytest.mark.parametrize("option", OPTIONS)
def test_what_is_not_taken_is_in_the_table_with_its_price_and_its_flag(option: str) -> None:
    takes, leaves = (settings(**changes) for changes in OPTIONS[option])
    (row,) = (row for row in table(leaves) if row[2] == option)
    assert row[1]
    assert option not in {row[2] for row in table(takes)}


def test_every_flag_that_is_told_is_one_that_the_wizard_takes() -> None:
    known = {each.flag for each in INPUTS}
    told = {word for option in OPTIONS for word in option.split() if word.startswith("--")}
    assert told <= known


@pytest.mark.parametrize(
    ("changes", "dollars"),
    [
        ({"alerts": False, "trail_key": False}, 1.00),
        ({"alerts": False}, 2.00),
        ({}, 2.10),
        (EXISTING, 1.10),
        ({"secret_store": "secrets-manager"}, 2.50),
        ({"secret_store": "secrets-manager", "deploy_targets": ("vercel", "ecs")}, 3.30),
        ({"secret_store": "secrets-manager", "deploy_targets": ("eks",), "eks_cluster": "clinic"}, 3.30),
    ],
)
def test_what_is_the_same_every_month_is_summed_up(changes: dict[str, Any], dollars: float) -> None:
    assert monthly(settings(**changes)) == dollars


def test_a_replica_costs_what_a_key_costs_and_its_secrets_too() -> None:
    assert monthly(multi_region()) - monthly(settings()) == 1.0
    two = multi_region(replica_regions=(REPLICA_REGION, "eu-west-1"))
    assert round(monthly(two) - monthly(settings()), 2) == 2.0
    stored = {"secret_store": "secrets-manager", "deploy_targets": ("ecs",)}
    assert round(monthly(multi_region(**stored)) - monthly(settings(**stored)), 2) == 2.2


def test_what_is_taken_comes_first() -> None:
    taken = [cost.taken for cost in costs(settings())]
    assert taken == sorted(taken, reverse=True)
