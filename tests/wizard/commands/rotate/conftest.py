"""The stack that most of these commands run on, over fakes; no file."""

from __future__ import annotations

import pytest

from tests.wizard.commands.rotate.stack_world import World


@pytest.fixture
def world() -> World:
    return World()
