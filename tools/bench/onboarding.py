"""Compares the wizard with a bare `pulumi up` of the same program and its two pushes, each from an empty account.

Touches temporary folders, sandboxes of its own, and the processes it times.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tools.bootstrap.places import PARTS, PROJECT
from wizard.aws.client import connect
from wizard.inputs.answers import resolve, to_settings
from wizard.inputs.answers_file import read_file

STACK = "production"


@contextmanager
def fresh() -> Iterator[tuple[Path, dict[str, str]]]:
    """A copy of the product and a sandbox of its own: (folder, environment)."""
    with tempfile.TemporaryDirectory(prefix="eonpro-bench-") as name:
        folder = Path(name) / "project"
        copy_product(folder)
        base = {**os.environ, "EONPRO_SANDBOX_DIR": str(Path(name) / "sandbox")}
        run([sys.executable, "-m", "sandbox", "start"], PROJECT, base)
        try:
            yield folder, base | sandbox_environment(base)
        finally:
            run([sys.executable, "-m", "sandbox", "stop"], PROJECT, base)


def copy_product(folder: Path) -> None:
    """Copy the product into the folder, with its byte code: to write that is the installation's cost, not a run's."""
    folder.mkdir(exist_ok=True)
    for part in PARTS:
        source = PROJECT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    run([sys.executable, "-m", "compileall", "-q", "."], folder, os.environ)


def sandbox_environment(base: Mapping[str, str]) -> dict[str, str]:
    """The `export NAME=value` lines of `python -m sandbox env`."""
    lines = run([sys.executable, "-m", "sandbox", "env"], PROJECT, base).splitlines()
    words = [shlex.split(line) for line in lines if line.startswith("export ")]
    return dict(word[1].partition("=")[::2] for word in words)


def run(command: list[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Run the command; returns its output. A failure ends the benchmark with the output."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        output = f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        raise SystemExit(f"{' '.join(command)} failed with {done.returncode}:\n{output}")
    return done.stdout


def wizard_seconds() -> float:
    """One unattended onboarding, from the command to its exit."""
    with fresh() as (folder, environment):
        started = time.perf_counter()
        command = [sys.executable, "-m", "wizard", "--answers", "examples/vercel.yaml", "--yes", "--non-interactive"]
        run([*command, "--stack", STACK], folder, environment)
        return time.perf_counter() - started


def bare_seconds() -> float:
    """The commands of a person: stack, configuration, `pulumi up --yes` with the same guardrails, the two pushes.

    The configuration is ready as one document before the clock starts.
    """
    with fresh() as (folder, environment):
        config = json.dumps({key: _entry(value) for key, value in _config(environment).items()})
        started = time.perf_counter()
        run(["pulumi", "stack", "init", STACK], folder, environment)
        run(["pulumi", "config", "set-all", "--stack", STACK, "--json", config], folder, environment)
        run(["pulumi", "up", "--yes", "--stack", STACK, "--policy-pack", "guardrails"], folder, environment)
        run([sys.executable, str(Path(__file__).with_name("bare_push.py"))], folder, environment)
        return time.perf_counter() - started


def _config(environment: Mapping[str, str]) -> dict[str, object]:
    """The configuration that the wizard writes for the same answers, read in a process with that environment."""
    config: dict[str, object] = json.loads(run([sys.executable, "-m", "tools.bench.onboarding"], PROJECT, environment))
    return config


def configuration() -> str:
    """The stack configuration of examples/vercel.yaml in the account of the environment's credentials, as JSON."""
    name = "examples/vercel.yaml"
    file = read_file((PROJECT / name).read_text(), name)
    resolved = resolve(environ=os.environ, file=file, flags={}, file_name="", saved={}, saved_name="", detected={})
    identity = connect(profile=None, region=None, environ=os.environ).identify()
    settings = to_settings({key: answer.value for key, answer in resolved.items()}, identity=identity)
    return json.dumps(settings.to_config())


def _entry(value: object) -> dict[str, object]:
    if isinstance(value, list):
        return {"value": json.dumps(value), "objectValue": value, "secret": False}
    return {"value": str(value).lower() if isinstance(value, bool) else str(value), "secret": False}


if __name__ == "__main__":
    print(configuration())
