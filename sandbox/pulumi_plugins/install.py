"""Installs the language host next to an engine, and the AWS provider in its PULUMI_HOME.

Writes the engine's directory and the PULUMI_HOME that is passed to it; never the user's plug-ins.
"""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

_LANGUAGE_HOST = "pulumi-language-python"
_PROVIDER = "pulumi-resource-aws"
_PROJECT = Path(__file__).resolve().parents[2]
# -P keeps the program's directory, which is the current one, off the module search path.
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from {module} import main; main()"
_WRAPPER = """#!/bin/sh
# Written by sandbox.pulumi_plugins.install; deleting it is safe, it is written again.
exec {python} -P -c '{start}' {project} "$@"
"""


class InstallError(Exception):
    """A plug-in could not be installed; the message says which and why."""


def install(engine: Path, home: Path, python: Path) -> None:
    """Install the language host for `engine`, and the provider in `home` (its PULUMI_HOME); `python` runs both.

    Idempotent. An official language host next to the engine stays. `engine` must not be a symbolic link: the
    engine looks for its host next to the link's target. Raises InstallError.
    """
    # Not resolved: a virtual environment's interpreter is a link to one without the packages.
    interpreter = Path(os.path.abspath(python))
    host = engine.parent / _LANGUAGE_HOST
    if not host.exists() or _is_ours(host):
        _write(host, _wrapper("sandbox.pulumi_plugins.language_host", interpreter))
    version = _installed_sdk(interpreter)
    directory = home / "plugins" / f"resource-aws-v{version}"
    wrapper_text = _wrapper("sandbox.pulumi_plugins.provider.__main__", interpreter)
    installed = directory / _PROVIDER
    incomplete = directory.with_name(f"{directory.name}.partial")
    if installed.exists() and not _is_ours(installed):
        raise InstallError(f"{installed} is not the sandbox's provider: set another PULUMI_HOME for the sandbox")
    if installed.exists() and not incomplete.exists():
        _write(installed, wrapper_text)
        return
    home.mkdir(parents=True, exist_ok=True)
    settings = {"PULUMI_HOME": str(home), "PULUMI_SKIP_UPDATE_CHECK": "true", "PULUMI_BACKEND_URL": "file://~"}
    command = [str(engine), "plugin", "install", "resource", "aws", version, "--reinstall"]
    # A folder of this run alone: another checkout may install its own at the same time.
    with tempfile.TemporaryDirectory() as folder:
        wrapper = Path(folder, _PROVIDER)
        _write(wrapper, wrapper_text)
        done = subprocess.run(
            [*command, "--file", str(wrapper)],
            env=os.environ | settings,
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
        )
    if done.returncode or not installed.exists():
        raise InstallError(f"the engine did not install the provider {version}: {(done.stderr or done.stdout).strip()}")


def _wrapper(module: str, python: Path) -> str:
    start = _START.format(module=module)
    return _WRAPPER.format(python=shlex.quote(str(python)), start=start, project=shlex.quote(str(_PROJECT)))


def _is_ours(path: Path) -> bool:
    try:
        return "# Written by sandbox." in path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError):
        return False


def _write(path: Path, text: str) -> None:
    """Write an executable atomically: an engine may start at the same time."""
    if path.exists() and path.read_text(encoding="utf-8") == text and os.access(path, os.X_OK):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as new:
        new.write(text)
    Path(name).chmod(0o755)
    Path(name).replace(path)


def _installed_sdk(python: Path) -> str:
    """The version of pulumi_aws that `python` imports; reads it without starting `python` where possible."""
    for package in python.parent.parent.glob("lib/python3.*/site-packages/pulumi_aws-*.dist-info"):
        return package.name.removeprefix("pulumi_aws-").removesuffix(".dist-info")
    done = subprocess.run(
        [str(python), "-c", "from importlib.metadata import version; print(version('pulumi-aws'))"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise InstallError(f"{python} has no pulumi_aws: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout.strip()
