"""The programs that tests need are installed where that is allowed, and are named where it is not."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tools.bootstrap import programs
from tools.bootstrap.machine import Machine
from tools.bootstrap.places import Places
from tools.bootstrap.running import CommandFailed, Job

PROJECT = Path(__file__).parents[3]
COMPLETION = "tests/wizard/cli/test_completion.py"


class Debian:
    """A machine whose programs are files of one folder, which is its PATH; apt-get writes them there."""

    def __init__(self, folder: Path, *, sudo_asks: bool = False, knows_not: str = "") -> None:
        self.folder = folder
        self.started: list[tuple[str, ...]] = []
        self._sudo_asks = sudo_asks
        self._knows_not = knows_not

    def add(self, name: str) -> None:
        (self.folder / name).touch(mode=0o755)

    def machine(self) -> Machine:
        environment = {"PATH": str(self.folder)}
        return Machine(
            places=Places(project=self.folder / "checkout"), environment=environment, run=self, say=lambda text: None
        )

    def __call__(self, job: Job) -> str:
        self.started.append(job.argv)
        if job.argv[0] == "sudo" and self._sudo_asks:
            raise CommandFailed("sudo", "ended with exit code 1")
        if "install" in job.argv:
            if job.argv[-1] == self._knows_not:
                raise CommandFailed("apt-get", "ended with exit code 100")
            names = next(each.names for each in programs.PROGRAMS.values() if each.package == job.argv[-1])
            self.add(names[0])
        return ""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, program in programs.PROGRAMS.items():
        monkeypatch.setitem(programs.PROGRAMS, name, programs.Program(package=program.package, names=program.names))
    return tmp_path


def test_root_gets_what_is_missing_by_apt(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    debian = Debian(folder)
    debian.add("apt-get")
    debian.add("zsh")
    told = programs.install(debian.machine())
    assert told == "installed by apt-get: bash, fish, node, npm, unshare, curl, chromium, chromedriver, postgresql"
    assert not any("zsh" in argv for argv in debian.started)
    assert all(argv[0] == "env" for argv in debian.started)
    assert programs.install(debian.machine()) == "already there"


def test_a_person_with_a_sudo_that_does_not_ask_gets_it_too(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    debian = Debian(folder)
    debian.add("apt-get")
    debian.add("sudo")
    assert programs.install(debian.machine()).startswith("installed by apt-get: bash, zsh, ")
    assert all(argv[:2] == ("sudo", "-n") for argv in debian.started)


@pytest.mark.parametrize("there", [("apt-get", "sudo"), ("apt-get",), ("sudo",)])
def test_without_the_right_to_install_nothing_is_tried(
    folder: Path, there: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    debian = Debian(folder, sudo_asks=True)
    for name in there:
        debian.add(name)
    told = programs.install(debian.machine())
    assert told == (
        "bash, zsh, fish, node, npm, unshare, curl, chromium, chromedriver, postgresql missing, "
        "and there is no apt-get with root or a sudo that does not ask"
    )
    assert not any("apt-get" in argv for argv in debian.started)


def test_a_package_that_the_distribution_does_not_have_keeps_no_other_away(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    debian = Debian(folder, knows_not="chromium-driver")
    debian.add("apt-get")
    told = programs.install(debian.machine())
    assert told.endswith(", chromium, postgresql; apt-get could not install chromedriver")


def test_a_program_that_this_user_may_not_use_is_missing(folder: Path):
    works = folder / "works"
    works.write_text("#!/bin/sh\nexit ${1:-0}\n")
    works.chmod(0o755)
    program = programs.Program(package="util-linux", names=("works",), trial=(str(works), "1"))
    assert program.find() is None
    assert replace(program, trial=(str(works),)).find() == works


def test_debians_newest_database_server_is_found_outside_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    for version in ("9", "15"):
        program = tmp_path / "usr" / version / "bin" / "initdb"
        program.parent.mkdir(parents=True)
        program.touch()
    pattern = str((tmp_path / "usr" / "*" / "bin" / "initdb").relative_to("/"))
    server = programs.Program(package="postgresql", names=("initdb",), elsewhere=pattern)
    assert server.find() == tmp_path / "usr" / "15" / "bin" / "initdb"


def test_the_command_to_install_names_the_packages():
    assert programs.command(("zsh", "node", "chromedriver")) == "sudo apt-get install zsh nodejs chromium-driver"


@pytest.mark.thorough
@pytest.mark.needs("bash")
def test_a_run_without_a_program_passes_and_names_what_it_left_out(tmp_path: Path):
    bash = programs.PROGRAMS["bash"].find()
    assert bash
    (tmp_path / "bash").symlink_to(bash)
    # In a place of its own: pytest would first remove what former runs left in the common one.
    tests = (COMPLETION, "-k", "good_shell", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'run'}")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "1", *tests],
        cwd=PROJECT,
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    assert "Left out, because a program is missing" in done.stdout
    assert f"zsh: 1 test\n    {COMPLETION}: test_a_registration_is_good_shell\n" in done.stdout
    assert "To run them too: sudo apt-get install zsh fish" in done.stdout
    assert "1 passed" in done.stdout
