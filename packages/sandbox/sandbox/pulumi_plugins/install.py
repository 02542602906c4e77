"""Installs the language host next to an engine, and an AWS provider in its PULUMI_HOME: the stand-in, or a real one.

EONPRO_PROVIDER chooses the provider. Writes the engine's directory and the PULUMI_HOME that is passed to it; `official`
lets the engine add Pulumi's own plug-in to the user's, where it is not among them.
"""

import os
import platform
import shlex
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from components import installation
from sandbox.state import FOLDERS

CHOICE = "EONPRO_PROVIDER"
"""`standin`, `official` (Pulumi's own plug-in), or the path of a program; PROVIDER for `make`."""
STANDIN, OFFICIAL = "standin", "official"
OWN = "the sandbox's stand-in"
"""How `installed_provider` describes the stand-in."""
PLUGIN = "pulumi-resource-aws"
_TYPED = CHOICE if installation.IS_INSTALLED else "PROVIDER"
_DOWNLOADS = "https://get.pulumi.com/releases/plugins"
_LANGUAGE_HOST = "pulumi-language-python"
_MARK = "# Written by sandbox.pulumi_plugins.install; deleting it is safe, it is written again."
# -P keeps the program's directory, which is the current one, off the module search path.
_OURS = (
    "exec {python} -P -c 'import sys; sys.path[:0] = sys.argv[1:{end}]; del sys.argv[1:{end}]; "
    "from {module} import main; main()' {folders}"
)
_OTHER = """\
[ -x {program} ] || {{ echo {missing} >&2; exit 1; }}
# S3 Control puts the account before the endpoint's name, and no one resolves 123456789012.127.0.0.1. Go asks a proxy
# for it, as it never does for a loopback address: the endpoint is its own proxy.
export HTTP_PROXY="$AWS_ENDPOINT_URL"
exec {program}"""


class InstallError(Exception):
    """A plug-in could not be installed: which and why; `hint` is what to do where another set-up does not help."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def install(engine: Path, home: Path, python: Path, *, choice: str | None = None) -> None:
    """Install the language host for `engine`, and the provider in `home` (its PULUMI_HOME); `python` runs both.

    Idempotent; `choice` overrules the environment. An official language host next to the engine stays. `engine` must
    not be a symbolic link: the engine looks for its host next to the link's target. Raises InstallError.
    """
    # Not resolved: a virtual environment's interpreter is a link to one without the packages.
    interpreter = Path(os.path.abspath(python))
    host = engine.parent / _LANGUAGE_HOST
    if not host.exists() or _is_ours(host):
        _write(host, wrapper("the sandbox's language host", f"{__package__}.language_host", interpreter))
    version = _installed_sdk(interpreter)
    installed = _plugin(home, version)
    if installed.exists() and not _is_ours(installed):
        raise InstallError(f"{installed} is not the sandbox's provider: set another PULUMI_HOME for the sandbox")
    text = _provider(choice or os.environ.get(CHOICE) or STANDIN, engine, home, version, interpreter)
    if _is_whole(installed):
        _write(installed, text)
        return
    # A folder of this run alone: another checkout may install its own at the same time.
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, PLUGIN)
        _write(file, text)
        done = _install(engine, home, version, "--reinstall", "--file", str(file), capture_output=True)
    if done.returncode or not installed.exists():
        raise InstallError(f"the engine did not install the provider {version}: {(done.stderr or done.stdout).strip()}")


def installed_provider(home: Path) -> str:
    """What the AWS provider in a sandbox's PULUMI_HOME is, in a few words; empty where there is none."""
    found = [path for path in home.glob(f"plugins/resource-aws-v*/{PLUGIN}") if _is_ours(path)]
    return found[0].read_text(encoding="utf-8").splitlines()[2].removeprefix("# ") if found else ""


def _provider(choice: str, engine: Path, home: Path, version: str, python: Path) -> str:
    """The wrapper of the chosen provider."""
    if choice == STANDIN:
        return wrapper(OWN, f"{__package__}.provider.__main__", python)
    program = _official(engine, _users_home(home), version) if choice == OFFICIAL else Path(os.path.abspath(choice))
    if not (program.is_file() and os.access(program, os.X_OK)):
        hint = f"{_TYPED}={STANDIN}, {_TYPED}={OFFICIAL}, or {_TYPED}=PATH of a program"
        raise InstallError(f"there is no AWS provider to run at {program}", hint)
    what = f"Pulumi's own {version}, {program}" if choice == OFFICIAL else str(program)
    missing = f"{program} is gone. The stand-in: {CHOICE}={STANDIN} {sys.executable} -m sandbox start"
    return _wrapper(what, _OTHER.format(program=shlex.quote(str(program)), missing=shlex.quote(missing)))


def _official(engine: Path, home: Path, version: str) -> Path:
    """Pulumi's own plug-in in the user's PULUMI_HOME; the engine downloads it where it is not there."""
    program = _plugin(home, version)
    if _is_whole(program):
        return program
    command = f"pulumi plugin install resource aws {version}"
    hint = f"on a machine that reaches it: {command}; or {_TYPED}={STANDIN}, the sandbox's own"
    names = {"x86_64": "amd64", "aarch64": "arm64"}
    kind = f"{platform.system().lower()}-{names.get(platform.machine(), platform.machine())}"
    request = urllib.request.Request(f"{_DOWNLOADS}/{PLUGIN}-v{version}-{kind}.tar.gz", method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            size = int(answer.headers["Content-Length"]) / 1e6
    except (OSError, TypeError, ValueError) as error:
        why = f"{request.host} does not give it ({getattr(error, 'reason', error)})"
        raise InstallError(f"Pulumi's AWS plug-in {version} is not in {home}, and {why}", hint) from error
    print(f"Pulumi's AWS plug-in {version}: {size:.0f} MB to download, into {home}", file=sys.stderr)
    # To the terminal, where the engine draws its progress bar.
    done = _install(engine, home, version, stdout=sys.stderr)
    if done.returncode or not program.exists():
        raise InstallError(f"the engine could not download Pulumi's AWS plug-in {version}", hint)
    return program


def _users_home(sandboxs: Path) -> Path:
    """The user's own PULUMI_HOME, also in a shell where it names that of a sandbox."""
    named = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    return Path.home() / ".pulumi" if named == sandboxs or installed_provider(named) else named


def _plugin(home: Path, version: str) -> Path:
    return home / "plugins" / f"resource-aws-v{version}" / PLUGIN


def _is_whole(plugin: Path) -> bool:
    """Whether the engine has ended the installation of a plug-in."""
    return plugin.exists() and not plugin.parent.with_name(f"{plugin.parent.name}.partial").exists()


def _install(engine: Path, home: Path, version: str, *options: str, **streams: Any) -> subprocess.CompletedProcess[str]:
    """`pulumi plugin install`, in a folder without a project."""
    home.mkdir(parents=True, exist_ok=True)
    settings = {"PULUMI_HOME": str(home), "PULUMI_SKIP_UPDATE_CHECK": "true", "PULUMI_BACKEND_URL": "file://~"}
    command = [str(engine), "plugin", "install", "resource", "aws", version, *options]
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(command, env=os.environ | settings, text=True, check=False, cwd=folder, **streams)


def wrapper(what: str, module: str, python: Path) -> str:
    """A program that runs a module of this checkout."""
    folders = shlex.join(map(str, FOLDERS))
    start = _OURS.format(python=shlex.quote(str(python)), module=module, folders=folders, end=len(FOLDERS) + 1)
    return _wrapper(what, start)


def _wrapper(what: str, start: str) -> str:
    return f'#!/bin/sh\n{_MARK}\n# {what}\n{start} "$@"\n'


def _is_ours(path: Path) -> bool:
    # Pulumi's own plug-in has hundreds of megabytes.
    try:
        with path.open("rb") as file:
            return b"# Written by sandbox." in file.read(200)
    except OSError:
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
