"""Clinics that are set up once, for the tests of the onboarding and those of the commands that come after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.onboarding.clinic import Clinic, running_clinic


@pytest.fixture(scope="session")
def onboarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """A clinic set up for Vercel, once; a test that changes it puts it back."""
    with running_clinic(tmp_path_factory.mktemp("onboarded")) as made:
        made.set_up("vercel")
        yield made


@pytest.fixture(scope="session")
def on_ecs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """A clinic set up for ECS, once; a test that changes it puts it back."""
    with running_clinic(tmp_path_factory.mktemp("on-ecs")) as made:
        made.set_up("ecs")
        yield made
