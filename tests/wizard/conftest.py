"""Where the command line is run in this process: a project's folder with nothing in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import wizard.cli.main
import wizard.cli.request


@pytest.fixture(autouse=True)
def _no_stack_of_this_checkout(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo leaves a settings file in this checkout; a test of the command line in this process reads none of it."""
    empty = tmp_path_factory.getbasetemp() / "no-stacks"
    if not empty.exists():
        empty.mkdir()
        (empty / "schemas").symlink_to(wizard.PROJECT_FOLDER / "schemas")
    monkeypatch.setattr(wizard.cli.main, "PROJECT_FOLDER", empty)
    monkeypatch.setattr(wizard.cli.request, "PROJECT_FOLDER", empty)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder and a home with nothing in them, and an environment without answers."""
    monkeypatch.setattr(wizard.cli.main, "PROJECT_FOLDER", tmp_path)
    monkeypatch.setattr(wizard.cli.request, "PROJECT_FOLDER", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    for name in list(os.environ):
        if name.startswith(("EONPRO_", "AWS_", "VERCEL_")):
            monkeypatch.delenv(name)
    return tmp_path
