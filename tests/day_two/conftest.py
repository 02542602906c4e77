"""Clinics for the commands of day two: fresh ones, and ones set up once that whoever changes them puts back."""

from __future__ import annotations

import pytest

from tests.onboarding.clinic import Clinic
from tests.onboarding.conftest import clinic as clinic


@pytest.fixture(scope="session")
def on_vercel(onboarded: Clinic) -> Clinic:
    """A clinic set up for Vercel."""
    return onboarded
