"""The steps of the set-up in order, and the command line of `python3 -m tools.bootstrap`.

Touches what the steps touch.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType

from tools.bootstrap import programs
from tools.bootstrap.engine import Choice, Engine, Kind, SandboxPlugins
from tools.bootstrap.environment import cleaned
from tools.bootstrap.go import Go, actionlint, build_actionlint, find_go
from tools.bootstrap.installer import Installer
from tools.bootstrap.machine import Machine, base_python
from tools.bootstrap.packages import (
    LINTERS,
    TOOLS,
    AwsCli,
    PinnedEnvironment,
    linter_environment,
    lock_steps,
    project_environment,
    tool_environment,
)
from tools.bootstrap.places import HERE, Places
from tools.bootstrap.progress import Progress, Step, StepFailed
from tools.bootstrap.running import Processes, Runner, exclusive

INSTALLED = "already there"
_REGISTRY = (
    "check that the package registry answers (pip download --no-deps rich), that pip or uv is configured for "
    "your mirror if you have one, and that the disk is not full; then run the same command again"
)
_ENGINE = (
    "read the lines above, then run the same command again. Or install the official CLI "
    "(https://www.pulumi.com/docs/install/) and run: make setup"
)
_ACTIONLINT = "check that Go's module proxy answers (go env GOPROXY), then run the same command again"


class SetUp:
    """One run of the set-up; later steps use the results of earlier ones."""

    def __init__(self, machine: Machine, engine: Kind = Kind.AUTO) -> None:
        self._machine = machine
        self._uv = Installer(machine)
        self._packages = project_environment(machine.places)
        self._awscli = AwsCli(machine=machine)
        self._engine = Engine(machine, engine)
        self._plugins = SandboxPlugins(machine=machine)
        self._choice: Choice | None = None
        self._go: Go | None = None
        self._build_reason = ""

    def steps(self) -> tuple[Step, ...]:
        """All steps, in order; a step whose result is already there takes no time."""
        python = "install Python 3.11 or newer"
        plugins = "read the lines above; `.venv/bin/eonpro-sandbox prepare` repeats only this step"
        return (
            Step(title="Python", do=self._python, advice=python),
            Step(title="uv, the installer", do=self._installer, advice=_REGISTRY),
            Step(title="Python packages (.venv)", do=self._project_packages, advice=_REGISTRY),
            Step(title="AWS CLI (.cache/awscli)", do=self._aws, advice=_REGISTRY),
            Step(title="Official Pulumi CLI", do=self._official, advice=_ENGINE),
            Step(title="Go", do=self._toolchain, advice=_REGISTRY),
            Step(title="Pulumi engine (.cache/engine)", do=self._build, advice=_ENGINE),
            Step(title="Sandbox plug-ins", do=self._sandbox, advice=plugins),
        )

    def _python(self) -> str:
        # Each of them ends a path in PATH, in a script or in a file of the set-up, and none can be quoted there.
        project = str(self._machine.places.project)
        if set(project) & set(":\n\r") or any("\udc80" <= character <= "\udcff" for character in project):
            raise StepFailed(
                f"the name of the folder {project!r} has a colon, a line feed or a byte that is no text, which a PATH "
                "cannot hold",
                "give the folder another name, then run the same command again",
            )
        return f"{platform.python_version()}, {base_python()}"

    def _installer(self) -> str:
        if self._packages.is_current() and self._awscli.is_current():
            return "not needed, the packages are installed"
        return self._uv.described

    def _project_packages(self) -> str:
        return INSTALLED if self._packages.is_current() else self._packages.build(self._machine, self._uv)

    def _aws(self) -> str:
        return INSTALLED if self._awscli.is_current() else self._awscli.build(self._uv)

    def _official(self) -> str:
        self._choice = self._engine.recorded()
        if self._choice is not None:
            built = self._choice.kind is Kind.BUILD
            return f"not used: {self._choice.why}" if built else f"{self._choice.version}, {INSTALLED}"
        self._choice, reason = self._engine.official()
        if self._choice is None:
            self._build_reason = f"no official CLI ({reason})"
            return f"none: {reason}"
        return reason

    def _toolchain(self) -> str:
        if self._choice is not None or self._engine.is_built():
            return "not needed, the engine is installed"
        self._go = find_go(self._machine, self._uv)
        return self._go.described

    def _build(self) -> str:
        if self._choice is not None:
            return f"{self._choice.version}, {INSTALLED}"
        return self._engine.build(self._go, self._build_reason)

    def _sandbox(self) -> str:
        return INSTALLED if self._plugins.is_current() else self._plugins.build()


def steps_of_tests(machine: Machine) -> tuple[Step, ...]:
    """Parts for the tests alone: programs of this machine, and the linters."""
    uv = Installer(machine)

    def workflows() -> str:
        return INSTALLED if actionlint(machine.places).is_file() else build_actionlint(machine, find_go(machine, uv))

    return (
        Step(title="Programs of the tests", do=lambda: programs.install(machine), advice=_REGISTRY),
        *(_environment_step("Linters", linter_environment(machine.places, name), machine, uv) for name in LINTERS),
        Step(title="Linter of workflows (.cache/linters)", do=workflows, advice=_ACTIONLINT),
    )


def tool_steps(machine: Machine, names: Sequence[str]) -> tuple[Step, ...]:
    """The environments of these tools; each is for one command only."""
    uv = Installer(machine)
    return tuple(
        _environment_step(f"Tool {name}", tool_environment(machine.places, name), machine, uv)
        for name in dict.fromkeys(names)
    )


def _environment_step(title: str, environment: PinnedEnvironment, machine: Machine, uv: Installer) -> Step:
    def install() -> str:
        return INSTALLED if environment.is_current() else environment.build(machine, uv)

    folder = environment.folder.relative_to(machine.places.project)
    return Step(title=f"{title} ({folder})", do=install, advice=_REGISTRY)


def run(
    places: Places,
    environ: Mapping[str, str],
    progress: Progress,
    runner: Runner,
    engine: Kind,
    *,
    tests: bool = False,
    tools: Sequence[str] = (),
) -> bool:
    """Set up the checkout, or only what the tests or these tools need; False after a failed step, which is printed."""
    machine = Machine(places=places, environment=cleaned(environ), run=runner, say=progress.say)
    with exclusive(places.cache / "setup.lock", progress.say):
        if tests or tools:
            return progress.run((*(steps_of_tests(machine) if tests else ()), *tool_steps(machine, tools)))
        return progress.run(SetUp(machine, engine).steps())


def main(arguments: list[str]) -> int:
    """The command line; returns an exit code: 0, 1 for a failed step, 130 for Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python3 -m tools.bootstrap", description="Sets up this checkout.")
    kinds = [str(kind) for kind in Kind]
    parser.add_argument("--engine", choices=kinds, default="auto", help="where the Pulumi engine comes from")
    parser.add_argument("--tests", action="store_true", help="install only what the tests need")
    parser.add_argument("--tool", action="append", default=[], choices=TOOLS, help="install only what this tool needs")
    parser.add_argument("--lock", action="store_true", help="write uv.lock and requirements.txt, and stop")
    parser.add_argument("--upgrade", action="store_true", help="with --lock: use the newest versions that fit")
    options = parser.parse_args(arguments)
    progress = Progress(sys.stdout)
    runner = Processes(logs=HERE.logs, alive=progress.alive)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        if options.lock:
            machine = Machine(places=HERE, environment=cleaned(os.environ), run=runner, say=progress.say)
            done = progress.run(lock_steps(machine, upgrade=options.upgrade))
        else:
            engine = Kind(options.engine)
            done = run(HERE, os.environ, progress, runner, engine, tests=options.tests, tools=options.tool)
    except KeyboardInterrupt:
        progress.say("Stopped. Finished steps are kept: run the same command again to continue.")
        return 130
    return 0 if done else 1


def _terminated(number: int, frame: FrameType | None) -> None:
    # As an exception, so that the running program ends too.
    raise SystemExit(128 + number)
