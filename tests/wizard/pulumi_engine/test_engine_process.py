"""What a Pulumi command gets, and how long a command that only reads is waited for; a made-up `pulumi`."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from wizard.core.errors import SetupError, Unreachable
from wizard.pulumi_engine import automation, config, process
from wizard.pulumi_engine.automation import Cli
from wizard.pulumi_engine.process import EngineProcess

SECRETS = {
    "VERCEL_TOKEN": "v-secret",
    "ENCRYPTION_KEY": "e-secret",
    "DATABASE_URL": "postgres://secret",
    "GH_TOKEN": "g",
}


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a program `pulumi` first on the PATH: a script of sh."""

    def put(script: str) -> Path:
        program = tmp_path / "bin" / "pulumi"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        return tmp_path

    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    return put


def test_pulumi_version_gets_the_environment_of_every_other_pulumi_command(pulumi) -> None:
    folder = pulumi('env > "$(dirname "$0")/../seen"; echo v3.259.0')
    assert str(Cli().version) == "3.259.0"
    asked = (folder / "seen").read_text()
    assert "PATH=" in asked and not [name for name in SECRETS if f"{name}=" in asked]


def test_a_pulumi_that_says_nothing_is_not_waited_for(pulumi, monkeypatch) -> None:
    pulumi("exec sleep 60")
    # Else the engine of `make setup` is asked in its place.
    monkeypatch.setattr(config, "chosen_engine", lambda: None)
    monkeypatch.setattr(automation, "VERSION_SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(SetupError, match="does not run"):
        EngineProcess().version  # noqa: B018 - it is asked for
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("words", [["whoami", "--json"], ["stack", "export", "--stack", "production"]])
def test_a_command_that_reads_is_given_up_when_the_backend_never_answers(pulumi, monkeypatch, tmp_path, words) -> None:
    pulumi("exec sleep 60")
    monkeypatch.setattr(process, "READING_SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(Unreachable, match=f"pulumi {words[0]}.*within 0.2 s"):
        EngineProcess().run(words, str(tmp_path), {})
    assert time.monotonic() - began < 8


def test_one_that_ignores_its_end_is_killed_with_its_children(pulumi, monkeypatch, tmp_path) -> None:
    pulumi("trap '' INT; sleep 61 & wait; sleep 62")
    monkeypatch.setattr(process, "READING_SECONDS", 0.2)
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(Unreachable, match="pulumi stack export"):
        EngineProcess().run(["stack", "export"], str(tmp_path), {})
    assert time.monotonic() - began < 8


def test_an_update_is_never_given_up_by_a_clock(pulumi, monkeypatch, tmp_path) -> None:
    pulumi("sleep 1; echo done")
    monkeypatch.setattr(process, "READING_SECONDS", 0.1)
    engine = EngineProcess()
    vars(engine)["version"] = None
    assert engine.run(["up"], str(tmp_path), {}).stdout == "done"
