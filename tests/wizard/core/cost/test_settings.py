"""What is the same every month follows the settings."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wizard.core.cost.test_drivers import part
from tests.wizard.fakes.clients import REPLICA_REGION, TRAIL, multi_region, settings
from wizard.core.cost.drivers import Driver, estimate

EXISTING = {"existing_trail_arn": TRAIL, "trail_bucket": "clinic-logs"}
FIXED = (Driver.KEY, Driver.REPLICAS, Driver.TRAIL_KEY, Driver.ALARMS, Driver.SECRETS)


def fixed(settings_: Any) -> float:
    """What is the same every month."""
    bill = estimate(settings_)
    return float(sum(part(bill, driver) for driver in FIXED))


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
