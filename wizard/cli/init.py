"""What the installed program needs beside it: `init` makes a customer's project, `engine` installs the Pulumi CLI.

Writes the project's files and its `.venv`, replacing none; reads a checkout, with --from. Starts
`tools.bootstrap.installed`, which writes the user's folder for caches.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from components import installation
from components.installation import origin
from wizard import SOURCE_FOLDER, version
from wizard.cli import pins, project_environment, project_trust, shortage
from wizard.cli.project_trust import REQUIREMENTS
from wizard.core import files, json_documents, requirements_file
from wizard.core.child_environment import inherited
from wizard.core.errors import SetupError, UsageError
from wizard.core.next_command import SCRIPT, Result, Text, eonpro, shell
from wizard.pulumi_engine import config

if TYPE_CHECKING:
    from wizard.core.clients import Offline
    from wizard.terminal.terminal import Terminal


TEMPLATE = SOURCE_FOLDER / "examples" / "project"
RECIPES = SOURCE_FOLDER / "examples" / "ci" / "github"
WORKFLOWS = Path(".github") / "workflows"


@dataclass(frozen=True, kw_only=True)
class InitOptions:
    directory: Path
    source: Path | None = None
    """The checkout whose stacks move into the project."""
    trust: bool = False
    """Whether the project that is there may be executed on this machine, and nothing else is done."""

    CONFLICTS: ClassVar[Mapping[str, tuple[str, ...]]] = {"--trust": ("--from",)}

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "directory", type=Path, nargs="?", default=Path(), metavar="DIR", help="its folder (default: this one)"
        )
        parser.add_argument(
            "--from", dest="source", type=Path, metavar="CHECKOUT", help="a checkout of eonpro-kms whose stacks move"
        )
        parser.add_argument(
            "--trust",
            action="store_true",
            help="let the project that is there run on this machine, as its files are now",
        )

    def run_offline(self, offline: Offline) -> Result:
        folder = self.directory.expanduser().absolute()
        if self.trust:
            return _trust(folder, offline)
        written, present = make(folder, self.source.expanduser().absolute() if self.source else None)
        offline.print(f"{folder} is a project of eonpro-kms {version()}:")
        for name in written:
            offline.print(f"  + {name}")
        for name in present:
            offline.print(f"  = {name} is there already, and stays")
        return 0, json_documents.init(str(folder), written, present)


def _trust(folder: Path, offline: Offline) -> Result:
    if not installation.is_project(str(folder)):
        raise UsageError(f"{folder} is no project of {SCRIPT}", eonpro("init", folder, advice="makes one"))
    project_trust.check_owner(folder)
    names = project_trust.record(folder)
    offline.print(f"{folder} runs with your credentials from now on, until one of its files changes:")
    for name in names:
        offline.print(f"  = {name}")
    return 0, json_documents.init(str(folder), (), names)


def is_empty(folder: Path) -> bool:
    """Whether a folder has nothing but hidden files; one that cannot be read is not."""
    try:
        return all(path.name.startswith(".") for path in folder.iterdir())
    except OSError:
        return False


def make(folder: Path, source: Path | None = None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Make the project, and its environment; the files that were written, and those that were there before.

    `source`: a checkout, whose settings and reviews are copied. Raises UsageError for a folder of other things, and
    SetupError where the packages cannot be installed; then the folder has what it had.
    """
    if not installation.IS_INSTALLED:
        raise UsageError(
            "this is a checkout of eonpro-kms, which is its own project",
            shell(*origin.by_uvx(), "init", "DIR", advice="makes a project of the installed program"),
        )
    project_environment.check_name(folder)
    if (folder / "Pulumi.yaml").exists() and not installation.is_project(str(folder)):
        raise UsageError(f"{folder} has the Pulumi project of another program", eonpro("init", folder / "eonpro-kms"))
    template = dict(_template(source))
    project_trust.check_owner(folder)
    if folder.exists():
        _refuse_others(folder, template)
    contents = {**template, **dict(_of_checkout(source) if source else ())}
    if not (folder / REQUIREMENTS).exists():
        # An index is asked: it may fail before anything is written.
        contents[REQUIREMENTS] = pins.requirements()
    try:
        return _write(folder, contents)
    except OSError as error:
        if shortage.error_of(error):
            raise
        raise UsageError(
            f"no project can be made in {folder}: {error}", eonpro("init", "DIR", advice="takes another folder")
        ) from error


def _write(folder: Path, contents: Mapping[str, bytes]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write the files that are not there yet, and install what they name; where one fails, none of them stays."""
    folders = {above for name in contents for above in (folder / name).parents if above.is_relative_to(folder)}
    new_folders = [each for each in folders if not each.exists()]
    written: list[str] = []
    present: list[str] = []
    try:
        for name, content in contents.items():
            path = folder / name
            if path.exists():
                if path.read_bytes() != content:
                    present.append(name)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if name == REQUIREMENTS:
                # First: whoever is killed between the two is not asked about what this program wrote.
                project_trust.record(folder, requirements=content)
            # What another run made in the meantime is not this one's to take back.
            if files.create(path, content, private=False):
                written.append(name)
        project_trust.record(folder)
        project_environment.install(folder)
    except BaseException:
        # Half a project is none.
        for name in written:
            (folder / name).unlink(missing_ok=True)
        for each in sorted(new_folders, reverse=True):
            with suppress(OSError):
                each.rmdir()
        raise
    return tuple(written), tuple(present)


def _refuse_others(folder: Path, template: Mapping[str, bytes]) -> None:
    """Raises UsageError for a file that is executed, was not written by this program, and was not allowed."""
    if project_trust.is_trusted(folder):
        return
    for name in project_trust.EXECUTED:
        if (path := folder / name).exists() and (content := files.read(path)) != template.get(name):
            if fault := requirements_file.conflict(content.decode(errors="replace")):
                raise UsageError(f"{path} {fault}", project_trust.way_out(folder, name, content))
            trust = eonpro("init", "--trust", folder, advice="allows it; read its files first, if they are not yours")
            below = eonpro("init", folder / SCRIPT)
            is_project = installation.is_project(str(folder))
            raise UsageError(f"{path} would be executed, and {SCRIPT} did not write it", trust if is_project else below)


def _template(source: Path | None) -> Iterator[tuple[str, bytes]]:
    for path in sorted(TEMPLATE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            content = path.read_bytes()
            if path.name == "README.md":
                content = pins.named(content.decode()).encode()
            if path.name == "Pulumi.yaml" and source is not None:
                content += _backend(source)
            yield str(path.relative_to(TEMPLATE)), content
    for path in sorted(RECIPES.glob("*.yml")):
        yield str(WORKFLOWS / f"eonpro-{path.name}"), pins.named(path.read_text(encoding="utf-8")).encode()


def _backend(source: Path) -> bytes:
    """The lines of a checkout's Pulumi.yaml that say where the state is; empty without them."""
    text = files.read_text(source / "Pulumi.yaml")
    found = re.search(r"(?m)^backend:.*\n(?:[ \t]+.*\n)*", f"{text}\n")
    return found.group().encode() if found else b""


def _of_checkout(source: Path) -> Iterator[tuple[str, bytes]]:
    """The settings of the stacks, and the reviews."""
    if not (source / "wizard").is_dir() or not installation.is_project(str(source)):
        raise UsageError(f"{source} is not a checkout of eonpro-kms", eonpro("init", "DIR", "--from", "CHECKOUT"))
    stacks = sorted(source.glob("Pulumi.*.yaml"))
    if not stacks:
        raise UsageError(
            Text(f"{source} has no settings of a stack, Pulumi.<stack>.yaml: they are kept elsewhere"),
            eonpro("init", "DIR", advice="makes a project without them"),
        )
    for path in (*stacks, *sorted((source / "reviews").rglob("*"))):
        if path.is_file():
            yield str(path.relative_to(source)), files.read(path, links=False)


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    build: bool

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--build", action="store_true", help="build it from its source, with Go; two to four minutes (default: no)"
        )

    def run_offline(self, offline: Offline) -> Result:
        if not installation.IS_INSTALLED:
            raise UsageError(
                "this is a checkout of eonpro-kms, whose set-up installs the engine", shell("make", "setup")
            )
        install_engine(build=self.build)
        path = str(config.chosen_engine())
        offline.print(path)
        return 0, json_documents.engine(path)


def install_engine(*, build: bool) -> None:
    """Install the official CLI, or build it. Raises SetupError; the reason has been said on standard error."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tools.bootstrap.installed", *(("--build",) if build else ())],
        env={**inherited(os.environ, "XDG_", "GO", "PULUMI_HOME"), "PYTHONPATH": str(SOURCE_FOLDER)},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        check=False,
    )
    if done.returncode != 0:
        official = "install the official one: https://www.pulumi.com/docs/install/"
        way_out = official if build else eonpro("engine", "--build", advice=f"builds it, with Go; or {official}")
        raise SetupError("the Pulumi CLI was not installed", way_out)


def offer_engine(terminal: Terminal) -> None:
    """Ask a person whether it is to be installed; where that fails, whether it is to be built. Raises SetupError."""
    terminal.line("There is no Pulumi CLI on this machine; it makes the resources and keeps their state.")
    if not terminal.confirm("Install the official one, for this user?"):
        return
    try:
        install_engine(build=False)
    except SetupError:
        if not terminal.confirm("Build it from its source? It takes two to four minutes, and Go.", default=False):
            raise
        install_engine(build=True)
