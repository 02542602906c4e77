"""`python -m tools.bootstrap.installed [--build]`: the Pulumi CLI for a program that was installed as a wheel.

The official CLI; with --build the same CLI from the pinned source, with the machine's own Go. Writes the user's folder
for caches; says on standard error what it does.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from components import installation
from tools.bootstrap.engine import Engine, Kind
from tools.bootstrap.environment import cleaned
from tools.bootstrap.go import Go, build_environment, own_go
from tools.bootstrap.machine import Machine
from tools.bootstrap.pins import Version, go_needed
from tools.bootstrap.places import Places
from tools.bootstrap.progress import Progress, Step, StepFailed
from tools.bootstrap.running import Processes, exclusive

_ADVICE = "install the official CLI (https://www.pulumi.com/docs/install/)"


@dataclass(frozen=True, kw_only=True)
class InstalledPlaces(Places):
    """The folders of a wheel: its sources are only read."""

    @property
    def cache(self) -> Path:
        return Path(installation.CACHE)

    @property
    def python(self) -> Path:
        return Path(sys.executable)


class InstalledEngine(Engine):
    """The engine of the SDK that is installed beside this program."""

    @property
    def _sdk(self) -> Version:
        found = Version.find(metadata.version("pulumi"))
        assert found is not None
        return found


def main(arguments: list[str]) -> int:
    """Find, download or build the CLI; 0 where it is recorded now."""
    progress = Progress(sys.stderr)
    places = InstalledPlaces(project=Path(installation.SOURCE))
    runner = Processes(logs=places.logs, alive=progress.alive)
    machine = Machine(places=places, environment=cleaned(os.environ), run=runner, say=progress.say)
    is_build = arguments == ["--build"]
    engine = InstalledEngine(machine, Kind.BUILD if is_build else Kind.AUTO)

    def official() -> str:
        if (recorded := engine.recorded()) is not None:
            return f"{recorded.version}, {recorded.path}"
        choice, reason = engine.official()
        if choice is None:
            raise StepFailed(reason, _ADVICE)
        return reason

    def build() -> str:
        return engine.build(None if engine.is_built() else _go(machine), "asked for")

    step = Step(title="Pulumi CLI", do=build if is_build else official, advice=_ADVICE)
    with exclusive(places.cache / "engine.lock", progress.say):
        return 0 if progress.run((step,)) else 1


def _go(machine: Machine) -> Go:
    needed = go_needed(machine.places.engine_module / "go.mod")
    environment = build_environment(machine.environment)
    go, rejected = own_go(machine, environment, needed)
    if go is None:
        raise StepFailed(
            f"there is no Go {needed} or newer to build it with ({'; '.join(rejected) or 'none on PATH'})",
            f"install Go (https://go.dev/dl/), or {_ADVICE}",
        )
    return go


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
