"""The engine as a child process and Ctrl-C: told once, waited for, never killed half-way.

The `pulumi` here is a stand-in, a script on the PATH that says what happened to it; the real one is in test_engine.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from pulumi.automation.errors import CommandError, StackNotFoundError

from tools.bootstrap.packages import shebang
from wizard.cli import request
from wizard.core.errors import SetupError
from wizard.core.next_command import Text, shell
from wizard.pulumi_engine import config
from wizard.pulumi_engine.backend import list_stacks
from wizard.pulumi_engine.process import EngineProcess

STAND_IN = """{shebang}
import json, os, signal, sys
from pathlib import Path

if sys.argv[1:] == ["version"]:
    print("v3.259.0")
    sys.exit()

command = sys.argv[2]
interrupts = []

def interrupted(number, frame):
    interrupts.append(number)
    Path(f"interrupt-{{len(interrupts)}}").touch()

signal.signal(signal.SIGINT, interrupted)
if command == "facts":
    print(json.dumps([sys.argv[1:], os.getpgid(0) == os.getpid(), os.environ["GIVEN"], sys.stdin.read()]))
if command == "stack":
    print(json.dumps([{{"name": name}} for name in sorted(os.environ)]))
if command == "environment":
    print(json.dumps(dict(os.environ)))
if command == "fail":
    print("error: no stack named 'x' found", file=sys.stderr)
    sys.exit(6)
if command == "preview":
    Path("started").touch()
    while not interrupts:
        signal.sigtimedwait([], 0.02)
    Path("ended").touch()
if command == "up":
    Path("started").touch()
    while not Path("go-on").exists():
        signal.sigtimedwait([], 0.02)
    Path("saved").write_text(str(len(interrupts)))
    sys.exit(int(os.environ.get("ENDS_WITH", "0")))
"""


class Place:
    """A folder with the stand-in, and a thread that does something while it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []

    def wait_for(self, name: str) -> None:
        for _ in range(500):
            if (self.folder / name).exists():
                return
            threading.Event().wait(0.02)

    def up(
        self, meanwhile: Callable[[], None], process: EngineProcess | None = None, **environment: str
    ) -> EngineProcess:
        """`up`, held against interrupts, while `meanwhile` runs beside it."""
        process = process or EngineProcess()
        thread = threading.Thread(target=meanwhile)
        thread.start()
        try:
            with process.defer_interrupts(lambda: self.said.append("wait")):
                process.run(["up"], str(self.folder), environment)
        finally:
            (self.folder / "go-on").touch()
            thread.join()
        return process


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    stand_in = tmp_path / "bin" / "pulumi"
    stand_in.parent.mkdir()
    stand_in.write_text(STAND_IN.format(shebang=shebang(Path(sys.executable))))
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.parent}{os.pathsep}{os.environ['PATH']}")
    return Place(tmp_path)


@pytest.fixture
def chosen(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The stand-in as the engine that `make setup` chose; PATH has none."""
    choice = place.folder / "choice.json"
    choice.write_text(json.dumps({"path": str(place.folder / "bin" / "pulumi")}))
    monkeypatch.setattr(config, "CHOICE", choice)
    monkeypatch.setenv("PATH", str(place.folder))
    return place


def test_the_engine_that_make_setup_chose_is_found_without_one_on_the_path(chosen) -> None:
    assert "PATH" in [stack.name for stack in list_stacks(chosen.folder, {})]
    assert str(EngineProcess().version) == "3.259.0"


def test_a_command_that_an_engine_too_old_refuses_is_run_by_the_one_that_make_setup_chose(chosen) -> None:
    old = chosen.folder / "pulumi"
    old.write_text('#!/bin/sh\n[ "$1" = version ] && echo v2.0.0 && exit\nexit 1\n')
    old.chmod(0o755)
    assert EngineProcess().run(["facts"], str(chosen.folder), {"GIVEN": "value"}).code == 0


def test_a_printed_command_calls_the_engine_where_it_is(chosen, monkeypatch) -> None:
    monkeypatch.chdir("/")
    folder = shlex.split(request.run_of(()).project or "")[0]
    text = Text("`pulumi` of Pulumi: ", shell("pulumi", "stack", "ls"))
    there = f"`pulumi` of Pulumi: cd {folder} && "
    assert request.run_of(()).complete(text) == f"{there}{chosen.folder}/bin/pulumi stack ls"
    monkeypatch.setenv("PATH", str(chosen.folder / "bin"))
    assert request.run_of(()).complete(text) == f"{there}pulumi stack ls"


def test_a_chosen_engine_that_was_deleted_is_none(chosen) -> None:
    (chosen.folder / "bin" / "pulumi").unlink()
    with pytest.raises(SetupError, match="no `pulumi`") as refused:
        EngineProcess()
    assert refused.value.hint == "make setup"


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_command_is_never_interactive_and_has_its_own_process_group(place) -> None:
    lines: list[str] = []
    result = EngineProcess().run(["facts"], str(place.folder), {"GIVEN": "to the child"}, lines.append)
    assert lines == ['[["--non-interactive", "facts"], true, "to the child", ""]']
    assert (result.stdout, result.code) == (lines[0], 0)


SECRETS = ("VERCEL_TOKEN", "EONPRO_APP_SECRET_ACCESS_KEY", "ENCRYPTION_KEY", "ENCRYPTED_PHI_KEY", "DATABASE_URL")
NEEDED = ("PATH", "HOME", "AWS_PROFILE", "AWS_ENDPOINT_URL", "PULUMI_HOME", "AZURE_CLIENT_ID", "HTTPS_PROXY")


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator's environment: secrets of other programs, and what Pulumi needs."""
    for name in (*SECRETS, *NEEDED[1:]):
        monkeypatch.setenv(name, "value")


@pytest.mark.usefixtures("operator")
def test_no_plug_in_of_pulumi_gets_the_token_of_vercel_or_the_credentials_of_the_application(place) -> None:
    names = set(json.loads(EngineProcess().run(["environment"], str(place.folder), {"GIVEN": "value"}).stdout))
    assert names & set(SECRETS) == set()
    assert {*NEEDED, "GIVEN"} <= names


def test_no_module_of_the_project_takes_the_place_of_one_of_the_guardrails(place) -> None:
    # Pulumi starts them by `python -m` in the project's folder, which Python would search first.
    assert json.loads(EngineProcess().run(["environment"], str(place.folder), {}).stdout)["PYTHONSAFEPATH"] == "1"


@pytest.mark.usefixtures("operator")
def test_the_list_of_the_stacks_is_asked_for_without_these_secrets_too(place) -> None:
    names = {stack.name for stack in list_stacks(place.folder, {"GIVEN": "value"})}
    assert names & set(SECRETS) == set()
    assert {*NEEDED, "GIVEN"} <= names


ENDS_BEFORE = f"""
import sys, threading
from pathlib import Path

sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from wizard.cli import main
from wizard.pulumi_engine.process import EngineProcess

threading.Thread(target=EngineProcess().run, args=(["preview"], ".", {{}}), daemon=True).start()
while not Path("started").exists():
    threading.Event().wait(0.02)
main._leave(130)
"""


def test_a_command_beside_others_ends_before_the_wizard(place: Place) -> None:
    done = subprocess.run([sys.executable, "-c", ENDS_BEFORE], cwd=place.folder, check=False, env=dict(os.environ))
    assert done.returncode == 130
    assert (place.folder / "ended").exists()


def test_a_program_that_was_missing_may_be_installed_while_the_wizard_runs(place, monkeypatch) -> None:
    path, program = os.environ["PATH"], cache(EngineProcess)
    monkeypatch.setenv("PATH", str(place.folder))
    monkeypatch.setattr(config, "CHOICE", place.folder / "none")
    with pytest.raises(SetupError, match="make setup"):
        program()
    monkeypatch.setenv("PATH", path)
    assert str(program().version) == "3.259.0"


def test_a_command_that_fails_is_the_automation_apis_error(place) -> None:
    with pytest.raises(StackNotFoundError):
        EngineProcess().run(["fail"], str(place.folder), {})


def test_an_interrupt_reaches_the_update_although_a_command_of_another_thread_began_and_ended_meanwhile(place) -> None:
    process = EngineProcess()

    def meanwhile() -> None:
        place.wait_for("started")
        process.run(["environment"], str(place.folder), {})
        interrupt()
        place.wait_for("interrupt-1")
        (place.folder / "go-on").touch()

    place.up(meanwhile, process)
    assert (place.folder / "saved").read_text() == "1"


def test_an_interrupt_is_passed_on_once_and_waited_for_and_a_second_is_not_passed_on(place) -> None:
    def meanwhile() -> None:
        place.wait_for("started")
        interrupt()
        place.wait_for("interrupt-1")
        for _ in range(3):
            interrupt()
            threading.Event().wait(0.05)
        (place.folder / "go-on").touch()

    process = place.up(meanwhile)
    assert (place.folder / "saved").read_text() == "1"
    assert process.interrupted
    assert place.said == ["wait"]


def test_an_engine_that_ends_badly_after_an_interrupt_is_still_an_error(place) -> None:
    def meanwhile() -> None:
        place.wait_for("started")
        interrupt()
        place.wait_for("interrupt-1")
        (place.folder / "go-on").touch()

    with pytest.raises(CommandError):
        place.up(meanwhile, ENDS_WITH="1")
    assert (place.folder / "saved").read_text() == "1"


def test_afterwards_an_interrupt_is_an_interrupt_again(place) -> None:
    before = signal.getsignal(signal.SIGINT)
    (place.folder / "go-on").touch()
    process = place.up(lambda: None)
    assert not process.interrupted
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_between_two_commands_is_remembered(place) -> None:
    process = EngineProcess()
    with process.defer_interrupts(lambda: place.said.append("wait")):
        interrupt()
    assert (process.interrupted, place.said) == (True, ["wait"])


def test_away_from_the_main_thread_interrupts_are_left_as_they_are(place) -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def run() -> None:
        with EngineProcess().defer_interrupts(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]
