"""Environments of hash-pinned Python packages: the project's own, the AWS CLI's, the linters' and the tools'.

It may write `.venv/`, `.cache/awscli-<key>/`, the link `.cache/awscli`, `.cache/linters/` and `.cache/tools/`, through
uv.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tools.bootstrap.installer import Installer
from tools.bootstrap.machine import Machine, base_python, remove, temporary, write_whole
from tools.bootstrap.pins import fingerprint, pinned
from tools.bootstrap.running import CommandFailed, Job

TOOLS = ("bench", "mutation", "spark")
"""The environments that one command alone needs: `requirements-<name>.txt` pins each."""

# pulumi_aws has 250 service folders, loaded one by one: those used compile in a second, all in fifteen.
_UNUSED_SERVICES = r"pulumi_aws/(?!(?:cloudtrail|cloudwatch|ecs|iam|kms|s3|secretsmanager|sns|ssm)/)\w+/"


@dataclass(frozen=True, kw_only=True)
class PinnedEnvironment:
    """A virtual environment that holds exactly what its requirement files pin."""

    folder: Path
    requirements: tuple[Path, ...]
    log: str

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def is_current(self) -> bool:
        """True when completed from these pins, for this Python, at this place, and its Python is there."""
        made = self._stamp()
        return made is not None and made["packages"] == self._packages() and self._fits(made)

    def build(self, machine: Machine, uv: Installer) -> str:
        """Brings it to its pins: anew when made for another Python or place, else by the difference."""
        made = self._stamp()
        if made is None or not self._fits(made):
            remove(self.folder)
            uv.run(
                "venv",
                "--quiet",
                "--no-project",
                "--python",
                base_python(),
                str(self.folder),
                log=self.log,
                seconds=120,
            )
        remove(self._stamp_file)
        files = tuple(str(path) for path in self.requirements)
        uv.install("sync", "--quiet", "--python", str(self.python), *files, log=self.log)
        self._compile(machine)
        write_whole(self._stamp_file, json.dumps({"packages": self._packages(), **self._interpreter()}))
        return f"{sum(1 for _ in self.folder.glob('lib/*/site-packages/*.dist-info'))} packages, hashes checked"

    @property
    def _stamp_file(self) -> Path:
        return self.folder / "setup.json"

    def _stamp(self) -> dict[str, str] | None:
        try:
            made = json.loads(self._stamp_file.read_text())
            return {name: made[name] for name in ("packages", "python", "place", "program")}
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _packages(self) -> str:
        return fingerprint(*self.requirements)

    def _interpreter(self) -> dict[str, str]:
        # The scripts of an environment carry its path; its packages are for one minor version of Python.
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        kind = f"{sys.implementation.name} {version} {platform.machine()}"
        return {"python": kind, "place": str(self.folder), "program": os.path.realpath(self.python)}

    def _fits(self, made: dict[str, str]) -> bool:
        current = self._interpreter()
        return self.python.exists() and all(made[name] == value for name, value in current.items())

    def _compile(self, machine: Machine) -> None:
        """Writes bytecode now: a run without it takes seconds longer, and some machines never write any."""
        whole = ("-m", "compileall", "-q", "-j", "0", "-x", _UNUSED_SERVICES, str(self.folder / "lib"))
        argv = (str(self.python), "-W", "ignore", *whole)
        job = Job(argv=argv, environment=machine.environment, log=f"{self.log}-bytecode", seconds=300)
        # Some package may carry a file that is no Python (a template); nothing but speed depends on this.
        with suppress(CommandFailed):
            machine.run(job)


def project_environment(machine: Machine) -> PinnedEnvironment:
    """`.venv`, with what the product and its tests need."""
    project = machine.places.project
    return PinnedEnvironment(
        folder=machine.places.venv,
        requirements=(project / "requirements.txt", project / "requirements-dev.txt"),
        log="python-packages",
    )


def linter_environments(machine: Machine) -> tuple[PinnedEnvironment, ...]:
    """The linters' environments, for the tests alone; two, since checkov pins what the other linters need newer."""
    project, linters = machine.places.project, machine.places.linters
    return (
        PinnedEnvironment(
            folder=linters / "policies", requirements=(project / "requirements-linters.txt",), log="linters"
        ),
        PinnedEnvironment(
            folder=linters / "checkov", requirements=(project / "requirements-checkov.txt",), log="checkov"
        ),
    )


def tool_environment(machine: Machine, name: str) -> PinnedEnvironment:
    """One of TOOLS, in an environment of its own: what it binds, the product cannot take or should not depend on."""
    return PinnedEnvironment(
        folder=machine.places.tools / name,
        requirements=(machine.places.project / f"requirements-{name}.txt",),
        log=name,
    )


@dataclass(frozen=True, kw_only=True)
class AwsCli:
    """The AWS CLI in an environment of its own, since it pins botocore exactly."""

    machine: Machine

    @property
    def _requirements(self) -> Path:
        return self.machine.places.project / "requirements-awscli.txt"

    @property
    def _home(self) -> Path:
        return self.machine.places.cache / f"awscli-{fingerprint(self._requirements)}"

    @property
    def _environment(self) -> PinnedEnvironment:
        return PinnedEnvironment(folder=self._home / "env", requirements=(self._requirements,), log="aws-cli")

    @property
    def version(self) -> str:
        """The pinned version."""
        return str(pinned(self._requirements, "awscli"))

    def is_current(self) -> bool:
        """True when the link leads to the CLI of these pins."""
        link = self.machine.places.awscli
        there = (link / "bin" / "aws").exists() and link.resolve() == self._home.resolve()
        return there and self._environment.is_current()

    def build(self, uv: Installer) -> str:
        """Installs it and points the link at it; only `aws` is offered on PATH, not the Python behind it."""
        self._environment.build(self.machine, uv)
        shown = self._home / "bin"
        shown.mkdir(exist_ok=True)
        _link(shown / "aws", Path("..") / "env" / "bin" / "aws")
        _link(self.machine.places.awscli, Path(self._home.name))
        return f"aws {self.version}"


def _link(link: Path, target: Path) -> None:
    made = temporary(link)
    made.symlink_to(target)
    os.replace(made, link)
