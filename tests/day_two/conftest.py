"""Deployments for the commands of day two: fresh ones, and ones set up once that whoever changes them puts back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.onboarding.conftest import deployment as deployment
from tests.onboarding.deployment import Deployment


@pytest.fixture(scope="session")
def on_vercel(onboarded: Deployment) -> Deployment:
    """A deployment set up for Vercel."""
    return onboarded


@pytest.fixture
def no_backup_afterwards(on_vercel: Deployment) -> Iterator[None]:
    """What the account records of the last backup does not outlive the test."""
    yield
    on_vercel.client("ssm").delete_parameters(Names=["/eonpro/production/backup"])
