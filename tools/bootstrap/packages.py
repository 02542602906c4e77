"""Environments of Python packages, each from one selection of groups of `uv.lock`; and how the lock is written.

Writes `.venv/`, `.cache/awscli/`, `.cache/linters/`, `.cache/tools/`, `uv.lock` and the files that are exported
from it, through uv.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.bootstrap.installer import REQUIREMENTS, Installer
from tools.bootstrap.machine import Machine, remove, temporary, write_whole
from tools.bootstrap.pins import fingerprint, locked
from tools.bootstrap.places import Places
from tools.bootstrap.progress import Step
from tools.bootstrap.running import CommandFailed, Job

LINTERS = ("policies", "checkov")
"""The groups of the linters; only the tests use them."""

TOOLS = ("mutation",)
"""The groups of tools; each is for one command only."""

# What no run of the product loads: it is compiled when it is first imported. pulumi_aws and moto have a folder for each
# service of AWS, and pygments a module for each language; all of them together compile in ten seconds.
_UNUSED = (
    r"/pulumi_aws/(?!(?:cloudtrail|cloudwatch|ecs|iam|kms|s3|secretsmanager|sns|ssm)/)\w+/"
    r"|/moto/(?!(?:cloudtrail|cloudwatch|core|ec2|ecs|events|iam|kms|logs|moto_(?:api|server)|s3|s3bucket_path)/)"
    r"(?!(?:secretsmanager|servicequotas|sns|sqs|ssm|sts|utilities)/)\w+/"
    r"|/(?:Crypto|debugpy|django|hypothesis|mypy|mypyc|pygments/(?:lexers|styles)|rest_framework)/"
    r"|/(?:_pytest|selenium|setuptools|sqlalchemy|trio)/"
)

_LAUNCHER = """\
{shebang}
# PYTHON_ARGCOMPLETE_OK
import sys

sys.path.insert(0, {project!r})
from {module} import {function}

sys.exit({function}())
"""


def launcher(python: Path, project: Path, module: str, function: str) -> str:
    """The script that calls a function of the project with this interpreter, from any folder and through any link."""
    # -I: nothing is imported from the folder where the command is typed, nor from PYTHONPATH.
    return _LAUNCHER.format(shebang=shebang(python, "-I"), project=str(project), module=module, function=function)


def shebang(python: Path, *options: str) -> str:
    """The first lines of a Python script. A plain `#!` line fails where the interpreter's path has a space."""
    # A literal of the shell and of Python at once, which is the end of the line for Python: a string in several parts.
    literal = "'" + str(python).translate({ord("'"): "'\"'\"'", ord("\\"): "'\"\\\\\"'"}) + "'"
    return "#!/bin/sh\n" + " ".join(("'exec'", literal, *(f"'{option}'" for option in options), '"$0" "$@"'))


@dataclass(frozen=True, kw_only=True)
class PinnedEnvironment:
    """A virtual environment that holds exactly what `uv.lock` says for its group, or for the project and its `dev`."""

    folder: Path
    places: Places
    log: str
    group: str | None = None

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def is_current(self) -> bool:
        """True when it was completed from this lock, for this Python, in this folder, and its Python exists."""
        stamp = self._stamp()
        return stamp is not None and stamp["packages"] == self._packages() and self._fits(stamp)

    def build(self, machine: Machine, uv: Installer) -> str:
        """Install the packages of the lock: all of them for another Python or folder, else the difference."""
        stamp = self._stamp()
        if stamp is None or not self._fits(stamp):
            remove(self.folder)
        remove(self._stamp_file)
        uv.sync(self.folder, *(("--only-group", self.group) if self.group else ("--extra", "sandbox")), log=self.log)
        for name, target in self._scripts().items():
            module, _, function = target.partition(":")
            script = self.folder / "bin" / name
            write_whole(script, launcher(self.python, self.places.project, module, function))
            script.chmod(0o755)
        for site in self.folder.glob("lib/*/site-packages") if self._paths() else ():
            write_whole(site / "checkout.pth", "".join(f"{self.places.project / path}\n" for path in self._paths()))
        self._compile(machine)
        write_whole(self._stamp_file, json.dumps({"packages": self._packages(), **self._interpreter()}))
        return f"{sum(1 for _ in self.folder.glob('lib/*/site-packages/*.dist-info'))} packages, hashes checked"

    @property
    def _stamp_file(self) -> Path:
        return self.folder / "setup.json"

    def _stamp(self) -> dict[str, str] | None:
        try:
            stamp = json.loads(self._stamp_file.read_text())
            return {name: stamp[name] for name in ("packages", "python", "place", "program")}
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _packages(self) -> str:
        return fingerprint(self.places.lock, json.dumps([self._scripts(), self._paths()]), _LAUNCHER)

    def _scripts(self) -> Mapping[str, str]:
        # uv installs the scripts of packages, and the project is not one.
        if self.group:
            return {}
        scripts: dict[str, str] = self._checkout()["scripts"]
        return scripts

    def _paths(self) -> Sequence[str]:
        paths: list[str] = [] if self.group else self._checkout()["paths"]
        return paths

    def _checkout(self) -> dict[str, Any]:
        table: dict[str, Any] = tomllib.loads(self.places.pyproject.read_text())["tool"]["checkout"]
        return table

    def _interpreter(self) -> dict[str, str]:
        # The scripts of an environment carry its path; its packages are for one minor version of Python.
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        kind = f"{sys.implementation.name} {version} {platform.machine()}"
        return {"python": kind, "place": str(self.folder), "program": os.path.realpath(self.python)}

    def _fits(self, stamp: dict[str, str]) -> bool:
        return self.python.exists() and all(stamp[name] == value for name, value in self._interpreter().items())

    def _compile(self, machine: Machine) -> None:
        """Write bytecode now: without it a run takes seconds longer, and some machines never write any."""
        whole = ("-m", "compileall", "-q", "-j", "0", "-x", _UNUSED, str(self.folder / "lib"))
        argv = (str(self.python), "-W", "ignore", *whole)
        job = Job(argv=argv, environment=machine.environment, log=f"{self.log}-bytecode", seconds=300)
        # A package may have a file that is not Python (a template); only the speed depends on this.
        with suppress(CommandFailed):
            machine.run(job)


def project_environment(places: Places) -> PinnedEnvironment:
    """`.venv`, with the packages of the product and its tests."""
    return PinnedEnvironment(folder=places.venv, places=places, log="python-packages")


def linter_environment(places: Places, name: str) -> PinnedEnvironment:
    """One of LINTERS."""
    return PinnedEnvironment(folder=places.linters / name, places=places, log=name, group=name)


def tool_environment(places: Places, name: str) -> PinnedEnvironment:
    """One of TOOLS, or `go`; the product does not depend on it."""
    return PinnedEnvironment(folder=places.tools / name, places=places, log=name, group=name)


@dataclass(frozen=True, kw_only=True)
class AwsCli:
    """The AWS CLI, in its own environment, so that PATH gets `aws` but not its Python."""

    machine: Machine

    @property
    def _environment(self) -> PinnedEnvironment:
        places = self.machine.places
        return PinnedEnvironment(folder=places.awscli / "env", places=places, log="aws-cli", group="awscli")

    def is_current(self) -> bool:
        """True when the CLI of this lock is installed."""
        return self.machine.places.awscli_bin() is not None and self._environment.is_current()

    def build(self, uv: Installer) -> str:
        """Install it and link `bin/aws` to it."""
        places = self.machine.places
        self._environment.build(self.machine, uv)
        link = places.awscli / "bin" / "aws"
        new = temporary(link)
        new.symlink_to(Path("..") / "env" / "bin" / "aws")
        os.replace(new, link)
        return f"aws {locked(places.lock, 'awscli')}"


def lock_steps(machine: Machine, *, upgrade: bool) -> tuple[Step, ...]:
    """`make lock`: `uv.lock` from pyproject.toml, and pip's files from it; versions that still fit do not change."""
    uv = Installer(machine)
    project = machine.places.project

    def lock() -> str:
        # The lock names the public index, whatever index this machine is configured to use.
        index = ("--default-index", "https://pypi.org/simple")
        uv.run("lock", "--quiet", *index, *(("--upgrade",) if upgrade else ()), log="lock", seconds=600)
        return "written"

    def export(file: Path, *selection: str) -> str:
        uv.export(file.relative_to(project), *selection, log="lock")
        write_whole(file, f"# Exported from uv.lock by `make lock`. Do not edit it here.\n{file.read_text()}")
        return "written"

    advice = "read the lines above; this needs https://pypi.org, and compatible version ranges in pyproject.toml"
    return (
        Step(title="uv.lock", do=lock, advice=advice),
        Step(title="requirements.txt", do=lambda: export(project / "requirements.txt", "--no-dev"), advice=advice),
        Step(title=REQUIREMENTS.name, do=lambda: export(REQUIREMENTS, "--only-group", "uv"), advice=advice),
    )
