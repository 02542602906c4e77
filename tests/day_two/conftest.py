"""Clinics for the commands of day two: fresh ones, and ones set up once that whoever changes them puts back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.onboarding.clinic import Clinic, running_clinic


@pytest.fixture
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """A clinic with a fresh, empty cloud."""
    with running_clinic(tmp_path_factory.mktemp("clinic")) as made:
        yield made


@pytest.fixture(scope="session")
def on_vercel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """A clinic set up for Vercel, once; a test that changes it puts it back."""
    with running_clinic(tmp_path_factory.mktemp("on-vercel")) as made:
        made.set_up("vercel")
        yield made


@pytest.fixture(scope="session")
def on_ecs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """A clinic set up for ECS, once; a test that changes it puts it back."""
    with running_clinic(tmp_path_factory.mktemp("on-ecs")) as made:
        made.set_up("ecs")
        yield made
