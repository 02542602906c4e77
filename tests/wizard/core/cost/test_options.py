"""Every option of the settings is either selected or shown with what it would cost."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wizard.fakes.clients import REPLICA_REGION, TRAIL, multi_region, settings
from wizard.core.cost.drivers import Driver, estimate, options
from wizard.inputs.registry import INPUTS

EXISTING = {"existing_trail_arn": TRAIL, "trail_bucket": "clinic-logs"}
OPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "--multi-region yes --replica-regions REGION": (
        {"multi_region": True, "replica_regions": (REPLICA_REGION,)},
        {},
    ),
    "--secret-store parameter-store": ({}, {"secret_store": "secrets-manager"}),
    "--secret-store secrets-manager": ({"secret_store": "secrets-manager"}, {}),
    "--trail create": ({}, EXISTING),
    "--trail ARN": (EXISTING, {}),
    "--trail-archive-days DAYS": ({}, {"trail_archive_days": 0}),
    "--documents-key yes": ({"document_buckets": ("clinic-documents",), "documents_key": True}, {}),
    "--trail-key yes": ({}, {"trail_key": False}),
    "--trail-lock governance|compliance": ({"trail_lock": "compliance"}, {"trail_lock": "none"}),
    "--access-logging yes": ({}, {"access_logging": False}),
    "--cloudwatch-logs yes": ({"cloudwatch_logs": True}, {}),
    "--alerts yes": ({}, {"alerts": False}),
}
"""The flag of each option, with settings that select it and settings that do not."""


def flags(settings_: Any, *, selected: bool) -> set[str]:
    return {option.flag for option in options(settings_) if option.selected is selected}


def test_every_option_is_in_this_table() -> None:
    assert {option.flag for option in options(settings())} == set(OPTIONS)


@pytest.mark.parametrize("flag", OPTIONS)
def test_an_option_is_selected_or_not_and_never_both(flag: str) -> None:
    with_it, without_it = (settings(**changes) for changes in OPTIONS[flag])
    assert flag in flags(with_it, selected=True) and flag not in flags(with_it, selected=False)
    assert flag in flags(without_it, selected=False) and flag not in flags(without_it, selected=True)


def test_every_option_has_a_price_in_words() -> None:
    assert all(option.price for option in options(settings()))


def test_every_flag_is_one_that_the_wizard_accepts() -> None:
    known = {each.flag for each in INPUTS}
    assert {word for option in OPTIONS for word in option.split() if word.startswith("--")} <= known


FIXED = (Driver.KEY, Driver.REPLICAS, Driver.TRAIL_KEY, Driver.ALARMS, Driver.SECRETS)


def fixed(settings_: Any) -> float:
    """What is the same every month."""
    bill = estimate(settings_)
    return float(sum(bill.of(driver) for driver in FIXED))


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
def test_what_is_the_same_every_month_follows_the_options(changes: dict[str, Any], dollars: float) -> None:
    assert fixed(settings(**changes)) == dollars


def test_a_replica_costs_what_a_key_costs_and_its_secrets_too() -> None:
    assert fixed(multi_region()) - fixed(settings()) == 1.0
    two = multi_region(replica_regions=(REPLICA_REGION, "eu-west-1"))
    assert round(fixed(two) - fixed(settings()), 2) == 2.0
    stored = {"secret_store": "secrets-manager", "deploy_targets": ("ecs",)}
    assert round(fixed(multi_region(**stored)) - fixed(settings(**stored)), 2) == 2.2
