"""The programs of this machine that some tests need: which are installed, where they are, and how Debian installs them.

Searches PATH; installs packages with apt-get, as root or with a sudo that does not ask.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.bootstrap.machine import Machine
from tools.bootstrap.running import CommandFailed, Job


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program under the names it has on PATH, or at a path outside PATH; and its Debian package."""

    package: str
    names: tuple[str, ...]
    elsewhere: str = ""
    trial: tuple[str, ...] = ()
    """A command that succeeds where this user may use the program."""

    def find(self) -> Path | None:
        """Its path, of the newest version outside PATH; None when it is not installed."""
        on_path = next(filter(None, map(shutil.which, self.names)), None)
        if on_path and self.trial and subprocess.run(self.trial, capture_output=True, check=False).returncode:
            return None
        if on_path or not self.elsewhere:
            return Path(on_path) if on_path else None
        return max(Path("/").glob(self.elsewhere), key=_version, default=None)


def _version(path: Path) -> int:
    return max((int(part) for part in path.parts if part.isdigit()), default=0)


_MOUNTS = ("unshare", *(() if os.geteuid() == 0 else ("--map-root-user",)), "--mount", "true")

PROGRAMS = {
    "bash": Program(package="bash", names=("bash",)),
    "zsh": Program(package="zsh", names=("zsh",)),
    "fish": Program(package="fish", names=("fish",)),
    "node": Program(package="nodejs", names=("node",)),
    "npm": Program(package="npm", names=("npm",)),
    # A container, or the machine's settings, may deny an ordinary user a mount namespace.
    "unshare": Program(package="util-linux", names=("unshare",), trial=_MOUNTS),
    "curl": Program(package="curl", names=("curl",)),
    "chromium": Program(package="chromium", names=("chromium", "chromium-browser", "google-chrome")),
    "chromedriver": Program(package="chromium-driver", names=("chromedriver",)),
    # Debian keeps the programs of the server off PATH.
    "postgresql": Program(package="postgresql", names=("initdb",), elsewhere="usr/lib/postgresql/*/bin/initdb"),
}
"""Name, as `@pytest.mark.needs` gives it, to program."""


def missing() -> tuple[str, ...]:
    """The names of the programs that are not installed."""
    return tuple(name for name, program in PROGRAMS.items() if program.find() is None)


def command(names: tuple[str, ...]) -> str:
    """The command that installs them on Debian and Ubuntu."""
    return f"sudo apt-get install {' '.join(PROGRAMS[name].package for name in names)}"


def install(machine: Machine) -> str:
    """Install the missing programs where that is allowed; returns the result in one line. It never fails."""
    absent = missing()
    if not absent:
        return "already there"
    prefix = _may_install(machine)
    if prefix is None:
        return f"{', '.join(absent)} missing, and there is no apt-get with root or a sudo that does not ask"
    _apt(machine, prefix, "update")
    # One by one: an unknown package name must not prevent the installation of the others.
    for name in absent:
        _apt(machine, prefix, "install", "--yes", "--no-install-recommends", PROGRAMS[name].package)
    still = missing()
    installed = [name for name in absent if name not in still]
    done = [f"installed by apt-get: {', '.join(installed)}"] if installed else []
    return "; ".join([*done, *([f"apt-get could not install {', '.join(still)}"] if still else [])])


def _may_install(machine: Machine) -> tuple[str, ...] | None:
    if not machine.on_path("apt-get"):
        return None
    if os.geteuid() == 0:
        return ()
    if not machine.on_path("sudo"):
        return None
    try:
        machine.run(Job(argv=("sudo", "-n", "true"), environment=machine.environment, log="sudo", seconds=10))
    except CommandFailed:
        return None
    return ("sudo", "-n")


def _apt(machine: Machine, prefix: tuple[str, ...], *arguments: str) -> None:
    argv = (*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", *arguments)
    try:
        machine.run(Job(argv=argv, environment=machine.environment, log=f"apt-{arguments[-1]}", seconds=900))
    except CommandFailed as error:
        machine.say(f"{error.command} {error.reason}")
