"""How the files of a project name this program: its package by hash, the action of its workflows by commit.

Starts uv or pip; writes the workflows.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from components import installation
from components.installation import origin
from wizard import SOURCE_FOLDER, version
from wizard.cli import virtual_environment
from wizard.cli.project_trust import REQUIREMENTS
from wizard.core import files
from wizard.core.errors import SetupError
from wizard.core.next_command import SCRIPT, Text, shell

PACKAGE = "eonpro-kms"
ACTION = "packages/action"
"""The folder of the action in its repository."""
_COMMAND = re.compile(rf"uvx --from '{PACKAGE} @ git\+\S+@v[\w.+!-]+' {SCRIPT}")
_INDEX = "or configure pip or uv for an index of your own that has this version (UV_INDEX, PIP_INDEX_URL)"


def requirements() -> bytes:
    """The requirements.txt of this version: the package itself, and the packages that it was tested with.

    Raises SetupError where neither the release of the repository that this program is from has this version, nor an
    index that pip or uv is configured for.
    """
    own, name = origin.origin(), f"eonpro_kms-{version()}-py3-none-any.whl"
    line = f"{PACKAGE}=={version()}"
    if own.revision:
        # Neither pip nor uv takes a hash for a git repository; the wheel of its release has one.
        repository = re.sub(r"^ssh://(?:[^@/]+@)?", "https://", own.repository).removesuffix("/").removesuffix(".git")
        line = f"{PACKAGE} @ {repository}/releases/download/v{version()}/{name}"
    elif own.url.startswith("http"):
        line = f"{PACKAGE} @ {own.url}"
    try:
        hashes, commit = _looked_up(line)
    except SetupError as error:
        raise SetupError(Text(f"{line} cannot be had: ", error.message), f"repair what it names; {_INDEX}") from error
    if not hashes:
        raise SetupError(
            f"no package index names a hash of {line}, so {REQUIREMENTS} could not say which files are meant", _INDEX
        )
    if own.revision and commit != own.commit:
        raise SetupError(
            f"the release v{version()} was built from the commit {commit or '(none is named)'}, and this program is of "
            f"{own.commit}: {REQUIREMENTS} could name no file of it",
            shell(*origin.by_uvx(version()), advice="runs the release"),
        )
    head = (
        f"# {PACKAGE} and every package below it, with hashes. `{SCRIPT} setup` of another version writes it again.\n"
    )
    pinned = " \\\n    ".join((line, *(f"--hash=sha256:{digest}" for digest in hashes)))
    # Without the line that says how the repository makes it.
    tested = files.read_text(SOURCE_FOLDER / REQUIREMENTS).partition("\n")[2]
    return f"{head}{pinned}\n{tested}".encode()


def _looked_up(line: str) -> tuple[tuple[str, ...], str]:
    """The SHA-256 of each file that the index, or the address, has; and the commit that the wheel names."""
    if own := origin.origin().wheel:
        return (hashlib.sha256(Path(own).read_bytes()).hexdigest(),), ""
    with TemporaryDirectory(prefix="eonpro-kms-") as folder:
        asked, answer, target = Path(folder, "requirements.in"), Path(folder, REQUIREMENTS), Path(folder, "target")
        asked.write_text(f"{line}\n", encoding="utf-8")
        if uv := virtual_environment.uv():
            options = ("--quiet", "--no-deps", "--generate-hashes", "--python", sys.executable, "--no-header")
            virtual_environment.run(uv, "pip", "compile", *options, "-o", str(answer), str(asked))
            hashes = tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", answer.read_text(encoding="utf-8")))
            if "@" in line:
                whole = ("--quiet", "--no-deps", "--require-hashes", "--python", sys.executable)
                virtual_environment.run(uv, "pip", "install", *whole, "--target", str(target), "-r", str(answer))
            return hashes, origin.commit_in(str(target / "eonpro_kms"))
        virtual_environment.run(
            virtual_environment.base_python(), "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, line
        )
        wheels = sorted(Path(folder).glob("eonpro_kms*"))
        for wheel in wheels if "@" in line else ():
            with zipfile.ZipFile(wheel) as archive:
                archive.extract("eonpro_kms/commit", target)
        hashes = tuple(hashlib.sha256(each.read_bytes()).hexdigest() for each in wheels)
        return hashes, origin.commit_in(str(target / "eonpro_kms"))


def named(text: str) -> str:
    """A text in which the action and the command of uvx are those of this version, from where it was installed."""
    own = origin.origin()
    action = f"{own.name}/{ACTION}@{f'{own.commit} # ' if own.commit else ''}v{version()}"
    uses = re.compile(rf"(?m)(\buses: )(?:{re.escape(own.name)}|eonpro/eonpro-kms)(?:/{ACTION})?@\S+(?: +# v\S+)?$")
    command = shlex.join(origin.by_uvx(version()))
    return _COMMAND.sub(lambda found: command, uses.sub(lambda found: f"{found[1]}{action}", text))


def move(project: Path) -> None:
    """Let the workflows of the project's repository use the action of this version."""
    for folder in installation.folders_above(str(project)):
        for path in sorted(Path(folder, ".github", "workflows").glob("*.y*ml")):
            before = files.read_text(path)
            if (after := named(before)) != before:
                files.replace(path, after.encode(), private=False)
