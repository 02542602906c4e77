"""Deployments for the commands of day two: fresh ones, and ones set up once that whoever changes them puts back."""

from __future__ import annotations

import pytest

from tests.onboarding.conftest import deployment as deployment
from tests.onboarding.deployment import Deployment


@pytest.fixture(scope="session")
def on_vercel(onboarded: Deployment) -> Deployment:
    """A deployment set up for Vercel."""
    return onboarded
