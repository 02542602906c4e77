"""uv, the installer of the Python packages: one on PATH, else one that pip installs.

Writes `.cache/uv-<pin>/`; starts pip and uv.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from tools.bootstrap.environment import for_uv, has_own_index, is_home_writable, offline_arguments, pip_settings
from tools.bootstrap.machine import Machine, base_python, put_in_place, temporary
from tools.bootstrap.pins import UV, Version, fingerprint, pinned
from tools.bootstrap.progress import StepFailed
from tools.bootstrap.running import CommandFailed, Job

REQUIREMENTS = Path(__file__).with_name("requirements-uv.txt")
"""The pinned uv, for pip: exported from `uv.lock`."""


class Installer:
    """uv; found or installed at the first use."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.rejected: list[str] = []

    @cached_property
    def program(self) -> Path:
        """The uv to use; raises StepFailed or CommandFailed when there is none and pip cannot install one."""
        for path in self._machine.on_path("uv"):
            version = self._version(path)
            if version is not None and version in UV:
                return path
            self.rejected.append(f"{path} is {version or 'not working'}, {UV} is needed")
        return self._own if self._own.is_file() else self._fetch()

    @property
    def described(self) -> str:
        """The uv in use, and the reason."""
        program = f"uv {pinned(REQUIREMENTS, 'uv')} by pip" if self._is_own else f"{self.program}"
        return "; ".join([program, *self.rejected])

    def run(self, *arguments: str, log: str, seconds: float, environment: Mapping[str, str] | None = None) -> str:
        """Run uv with pip's index, certificate and proxy, and with these variables."""
        return self._machine.run(
            Job(
                argv=(str(self.program), *arguments),
                environment={**self._environment, **(environment or {})},
                log=log,
                seconds=seconds,
                cwd=self._machine.places.project,
            )
        )

    def sync(self, folder: Path, *selection: str, log: str) -> None:
        """Install into the folder exactly the packages of `uv.lock` for this selection of groups."""
        if not has_own_index(self._environment, self._pip):
            whole = ("sync", "--locked", "--quiet", "--python", base_python(), *selection)
            self.run(*whole, log=log, seconds=900, environment={"UV_PROJECT_ENVIRONMENT": str(folder)})
            return
        # The addresses in the lock are the public index's. The same versions and hashes come from a mirror by name.
        with tempfile.TemporaryDirectory() as temporary_folder:
            file = Path(temporary_folder) / "requirements.txt"
            self.export(file, *selection, log=log)
            if not (folder / "bin" / "python").exists():
                whole = ("venv", "--quiet", "--no-project", "--python", base_python(), str(folder))
                self.run(*whole, log=log, seconds=120)
            self.install("sync", "--quiet", "--python", str(folder / "bin" / "python"), str(file), log=log)

    def export(self, file: Path, *selection: str, log: str) -> None:
        """Write the packages of `uv.lock` for this selection as a requirement file with hashes."""
        whole = ("export", "--frozen", "--quiet", "--no-emit-project", "--no-header", *selection)
        self.run(*whole, "--output-file", str(file), log=log, seconds=120)

    def install(self, command: str, *arguments: str, log: str, seconds: float = 900) -> str:
        """Run `uv pip <command>` with hashes required."""
        whole = ("pip", command, "--require-hashes", *offline_arguments(self._pip), *arguments)
        return self.run(*whole, log=log, seconds=seconds)

    @property
    def _own(self) -> Path:
        return self._machine.places.cache / f"uv-{fingerprint(REQUIREMENTS)}" / "bin" / "uv"

    @property
    def _is_own(self) -> bool:
        return self.program == self._own

    @cached_property
    def _pip(self) -> Mapping[str, str]:
        return pip_settings(self._machine.run, self._machine.environment)

    @cached_property
    def _environment(self) -> Mapping[str, str]:
        environment = for_uv(self._machine.environment, self._pip)
        environment |= {"UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}
        if self._is_own or not is_home_writable(environment):
            environment.setdefault("UV_CACHE_DIR", str(self._machine.places.cache / "uv-downloads"))
        return environment

    def _version(self, path: Path) -> Version | None:
        try:
            job = Job(argv=(str(path), "--version"), environment=self._machine.environment, log="uv", seconds=10)
            return Version.find(self._machine.run(job))
        except CommandFailed:
            return None

    def _fetch(self) -> Path:
        """Install uv with pip into its own folder; a Python without pip gets a temporary one."""
        final = self._own.parent.parent
        new = temporary(final)
        options = "--require-hashes --only-binary=:all: --no-deps --no-input --disable-pip-version-check"
        whole = ("install", *options.split(), "--target", str(new), "-r", str(REQUIREMENTS))
        with tempfile.TemporaryDirectory() as folder:
            pip = self._pip_program(Path(folder))
            self._machine.run(
                Job(argv=(*pip, *whole), environment=self._machine.environment, log="uv-by-pip", seconds=600)
            )
        put_in_place(new, final)
        return self._own

    def _pip_program(self, folder: Path) -> tuple[str, ...]:
        python = base_python()
        if self._works((python, "-m", "pip", "--version"), log="pip", seconds=30):
            return (python, "-m", "pip")
        if self._works((python, "-m", "venv", str(folder)), log="venv", seconds=120):
            return (str(folder / "bin" / "python"), "-m", "pip")
        raise StepFailed(
            f"{python} has neither pip nor a working venv, and there is no uv {UV} on PATH",
            "install one of them, then run the same command again. Debian and Ubuntu: "
            "apt-get install python3-pip python3-venv",
        )

    def _works(self, argv: tuple[str, ...], *, log: str, seconds: float) -> bool:
        try:
            self._machine.run(Job(argv=argv, environment=self._machine.environment, log=log, seconds=seconds))
        except CommandFailed:
            return False
        return True
