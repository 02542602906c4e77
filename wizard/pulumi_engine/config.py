"""A stack's settings file, `Pulumi.<stack>.yaml`, the forms of its values for the CLI, and where the CLI is.

Part of the client of Pulumi: reads and writes the settings files of a folder, and keeps copies in a private folder;
reads the choice of `make setup`. Imports YAML when a file is read.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from components import installation
from wizard.core import files, requirements_file, safe_text
from wizard.core.errors import SetupError, UsageError
from wizard.core.next_command import Text, chain, eonpro, plain_name, shell

if TYPE_CHECKING:
    from components.settings import Settings

Value = str | int | bool | list[str]
"""A configuration value as `Settings.to_config` gives it."""

CHOICE = Path(installation.CACHE, "engine", "choice.json")
"""File in which `make setup` records its choice of the engine."""


INSTALLS_ENGINE = eonpro("engine") if installation.IS_INSTALLED else shell("make", "setup")
"""The command that installs the engine."""


def chosen_engine() -> Path | None:
    """The `pulumi` program that `make setup` chose; None without one."""
    try:
        program = Path(safe_text.parse_json(CHOICE.read_text())["path"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return program if os.access(program, os.X_OK) else None


def find_engine(environ: MutableMapping[str, str]) -> None:
    """Add the folder of the chosen engine to a PATH that has no `pulumi`. Raises SetupError where there is neither."""
    if shutil.which("pulumi", path=environ.get("PATH")) is None and not prefer_chosen_engine(environ):
        raise SetupError(
            Text("there is no `pulumi` program on the PATH, nor one of `", INSTALLS_ENGINE, "`"), INSTALLS_ENGINE
        )


def prefer_chosen_engine(environ: MutableMapping[str, str]) -> bool:
    """Put the folder of the chosen engine first on PATH; False where it is first already, or there is none."""
    path, program = environ.get("PATH", os.defpath), chosen_engine()
    if program is None or path.split(os.pathsep)[0] == str(program.parent):
        return False
    environ["PATH"] = f"{program.parent}{os.pathsep}{path}"
    return True


_REFRESHED = "takes the settings of the last update from the state"


def read(path: Path) -> dict[str, str]:
    """The configuration by full key, lists in JSON as the engine gives them; empty without a file.

    Raises UsageError for a file that is not a stack's settings.
    """
    if not path.exists():
        return {}
    import yaml

    stack = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
    away = shell("mv", path, path.with_name(f"{path.name}.damaged"))
    fix = chain(
        *(away, shell("pulumi", "config", "refresh", "--stack", stack)),
        advice=f"{_REFRESHED}; or correct the file by hand",
    )
    try:
        text = files.read_text(path, links=False)
        content = safe_text.parse(yaml.safe_load, text) or {}
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name} cannot be read: {error}", fix) from error
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        fault = f"line {mark.line + 1}: {getattr(error, 'problem', '')}" if mark else str(error)
        conflict = requirements_file.conflict(text)
        raise UsageError(f"{path.name} {conflict or f'is not YAML: {fault}'}", fix) from error
    config = content.get("config") or {} if isinstance(content, dict) else None
    if not isinstance(config, dict):
        raise UsageError(f"{path.name} is not a stack's settings: its `config` is not a list of keys and values", fix)
    if started := [key for key in config if key in _START_PROGRAMS]:
        raise UsageError(
            f"{path.name} has {started[0]}: a file of AWS profiles that a folder names can start any program",
            shell("pulumi", "config", "rm", "--stack", stack, started[0], advice="AWS_CONFIG_FILE names one"),
        )
    return {key: as_text(value) for key, value in config.items()}


_START_PROGRAMS = ("aws:sharedConfigFiles", "aws:sharedCredentialsFiles")
"""Options of the AWS provider that name files, in which `credential_process` is a command."""


def project_fault(content: bytes) -> str:
    """What a Pulumi.yaml names that would be executed, as the end of a sentence about it; empty for none.

    Only the Python program of its own folder is, in the environment `.venv`.
    """
    import yaml

    try:
        project = safe_text.parse(yaml.safe_load, content.decode())
    except (yaml.YAMLError, ValueError) as error:
        return requirements_file.conflict(content.decode(errors="replace")) or f"is not YAML: {error}"
    if not isinstance(project, dict):
        return "is not the file of a project"
    if unknown := project.keys() - _PROJECT_KEYS:
        return f"has the key {min(map(str, unknown))}, which can name another program"
    runtime = project.get("runtime")
    if runtime not in _RUNTIMES:
        return f"has another runtime than Python with pip in .venv: {as_text(runtime)}"
    return ""


_RUNTIMES = tuple(
    {"name": "python", "options": {"virtualenv": ".venv", **options}} for options in ({"toolchain": "pip"}, {})
)
_PROJECT_KEYS = frozenset(("name", "description", "author", "website", "license", "runtime", "backend", "config"))
"""What a Pulumi.yaml may say. `main`, `plugins` and `packages` name programs, `options` a setting of the engine's."""


def file_name(stack: str) -> str:
    return f"Pulumi.{plain_name(stack)}.yaml"


def saved_settings(folder: Path, stack: str) -> Settings | None:
    """The settings in the stack's file in the project's folder; None if the file has none of this project.

    Raises UsageError for settings that cannot be used, with every fault.
    """
    file = file_name(stack)
    config = read(folder / file)
    if not config:
        return None
    from components.settings import PROJECT, ContractError, Settings, correction

    if not any(key.startswith(f"{PROJECT}:") for key in config):
        return None
    try:
        return Settings.from_config(config, deployed=True)
    except ContractError as error:
        keys = {field: "aws:region" if field == "region" else f"{PROJECT}:{field}" for field, _ in error.faults}
        commands = [argv for field, key in keys.items() for argv in correction(field, stack, config.get(key))]
        advice = Text("correct it: ", shell("pulumi", "config", "set", "--stack", stack, f"{PROJECT}:KEY", "VALUE"))
        faults = (f"{_line_of(keys[field], folder / file)}{field}: {fault}" for field, fault in error.faults)
        message = f"{file} cannot be used: {'; '.join(faults)}"
        fix = chain(*(shell(*argv) for argv in dict.fromkeys(commands)))
        if commands and not any("VALUE" in argv for argv in commands):
            raise UsageError(message, fix) from error
        # The CLI keeps a copy of the file that it replaces.
        refresh = shell(
            "pulumi", "config", "refresh", "--stack", stack, advice=Text(f"{_REFRESHED}; or ", fix or advice)
        )
        raise UsageError(message, refresh) from error


def _line_of(key: str, path: Path) -> str:
    """`line 7: ` for a key of the file; empty if the key does not begin a line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pattern = re.compile(rf"\s*['\"]?{re.escape(key)}['\"]?\s*:")
    found = (number for number, line in enumerate(lines, 1) if pattern.match(line))
    return next((f"line {number}: " for number in found), "")


def stacks(folder: Path) -> list[str]:
    """The stacks that have a settings file in the project's folder."""
    return sorted(file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in folder.glob("Pulumi.*.yaml"))


class PreparedSettings:
    """Copies of settings files for plans that are not confirmed yet, in a folder that only its owner may read."""

    def __init__(self) -> None:
        self._folder: TemporaryDirectory[str] | None = None

    def file(self, stack: str) -> Path:
        """The path of the stack's copy, whether or not it exists."""
        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="eonpro-kms-")
        return Path(self._folder.name) / file_name(stack)

    def existing(self, stack: str) -> str | None:
        """The path of the stack's copy; None without one."""
        return str(self.file(stack)) if self._folder is not None and self.file(stack).exists() else None

    def take(self, stack: str) -> bytes | None:
        """The content of the copy, which is then deleted; None without one."""
        if self.existing(stack) is None:
            return None
        content = self.file(stack).read_bytes()
        self.file(stack).unlink()
        return content


def write(path: Path, content: bytes) -> None:
    """Replace the settings file as a whole: a crash leaves the old one or the new one. Raises UsageError."""
    try:
        if path.exists() and files.read(path, links=False) == content:
            return
        files.replace(path, content, private=False)
    except OSError as error:
        raise UsageError(f"{path.name} cannot be written: {error}", shell("ls", "-l", path.parent)) from error


def as_text(value: object) -> str:
    """A value as the engine passes it to the program: text unchanged, anything else in JSON."""
    import json

    return value if isinstance(value, str) else json.dumps(value)


def document(config: Mapping[str, Value]) -> str:
    """A stack's settings file as the CLI writes it: numbers as text, keys in order."""
    import yaml

    plain = {key: value if isinstance(value, list) else as_text(value) for key, value in sorted(config.items())}
    return yaml.safe_dump({"config": plain}, default_flow_style=False)


def entry(value: Value) -> dict[str, object]:
    """The form of `pulumi config --json`: a value with an objectValue is stored as that object."""
    if isinstance(value, list):
        return {"value": as_text(value), "objectValue": value, "secret": False}
    return {"value": as_text(value), "secret": False}
