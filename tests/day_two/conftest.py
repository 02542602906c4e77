"""Deployments for the commands of day two: fresh ones, and ones set up once that whoever changes them puts back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.onboarding.conftest import deployment as deployment
from tests.onboarding.deployment import Deployment, Templates


@pytest.fixture(scope="session")
def on_vercel(onboarded: Deployment) -> Deployment:
    """A deployment set up for Vercel."""
    return onboarded


def on_both(deployment: Deployment) -> None:
    """Set up for Vercel and ECS."""
    on_ecs = ("--ecs-cluster", "eonpro", "--ecs-service", "eonpro", "--ecs-execution-role", "create")
    deployment.set_up("vercel", "--target", "vercel,ecs", *on_ecs)


@pytest.fixture(scope="module")
def life(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment on Vercel and ECS that lives on from test to test of a file."""
    with templates.fork(tmp_path_factory.mktemp("life"), None, before=on_both) as made:
        yield made


@pytest.fixture
def no_backup_afterwards(on_vercel: Deployment) -> Iterator[None]:
    """What the account records of the last backup does not outlive the test."""
    yield
    on_vercel.client("ssm").delete_parameters(Names=["/eonpro/production/backup"])
