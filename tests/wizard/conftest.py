"""Where the command line is run in this process: a project's folder with nothing in it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import wizard.aws.auth.sign_in
import wizard.cli.main
import wizard.cli.request
import wizard.inputs.vercel_cli
from wizard.core.next_command import Text

_PACKAGE = Path(wizard.__file__).parent


@pytest.fixture(autouse=True)
def _no_stack_of_this_checkout(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo leaves a settings file in this checkout; a test of the command line in this process reads none of it."""
    empty = tmp_path_factory.getbasetemp() / "no-stacks"
    empty.mkdir(exist_ok=True)
    monkeypatch.setattr(wizard.cli.main, "PROJECT_FOLDER", empty)
    monkeypatch.setattr(wizard.cli.request, "PROJECT_FOLDER", empty)


@pytest.fixture(autouse=True)
def _no_command_loses_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """An f-string makes plain text of a message: a command in it is shown without the flags of the run."""

    # A sign-in tells what it ran, word for word.
    ran = {Path(module.__file__ or "") for module in (wizard.aws.auth.sign_in, wizard.inputs.vercel_cli)}

    def refused(self: Text, spec: str) -> str:
        caller = sys._getframe(1).f_code
        file = Path(caller.co_filename)
        if self.calls and file.is_relative_to(_PACKAGE) and file not in ran:
            pytest.fail(f"{file}, {caller.co_name}: an f-string of {self!r}")
        return str.__format__(self, spec)

    monkeypatch.setattr(Text, "__format__", refused, raising=False)


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
