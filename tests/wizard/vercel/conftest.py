"""A stand-in for Vercel on loopback, with one team and one project, made anew for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.vercel import create_app
from tests.wizard.vercel.test_client import TOKEN, Place, serve


@pytest.fixture
def vercel() -> Iterator[Place]:
    yield from serve(create_app(token=TOKEN, team="clinic", project="eonpro"))
