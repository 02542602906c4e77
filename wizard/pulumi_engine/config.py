"""A stack's settings file, `Pulumi.<stack>.yaml`, and the forms of its values for the CLI.

Part of the client of Pulumi: reads and writes the settings files of a folder, and keeps copies in a private folder.
Imports YAML when a file is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from wizard.core import files, safe_text
from wizard.core.errors import UsageError
from wizard.core.next_command import shell

if TYPE_CHECKING:
    from components.settings import Settings

Value = str | int | bool | list[str]
"""A configuration value as `Settings.to_config` gives it."""


def read(path: Path) -> dict[str, str]:
    """The configuration by full key, lists in JSON as the engine gives them; empty without a file.

    Raises UsageError for a file that is not a stack's settings.
    """
    import yaml

    fix = f"fix {path.name}, or move it away and run again"
    try:
        content = safe_text.parse(yaml.safe_load, path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name} cannot be read: {error}", fix) from error
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{path.name} is not YAML: {error}", fix) from error
    config = content.get("config") or {} if isinstance(content, dict) else None
    if not isinstance(config, dict):
        raise UsageError(f"{path.name} is not a stack's settings: its `config` is not a list of keys and values", fix)
    return {key: as_text(value) for key, value in config.items()}


def file_name(stack: str) -> str:
    """The name of the file with a stack's settings."""
    return f"Pulumi.{stack.rsplit('/', 1)[-1]}.yaml"


def saved_settings(folder: Path, stack: str) -> Settings | None:
    """The settings in the stack's file in the project's folder; None where it has none of this project.

    Raises UsageError for settings that cannot be used, with every fault.
    """
    from components.settings import PROJECT, ContractError, Settings, correction

    file = file_name(stack)
    config = read(folder / file)
    if not any(key.startswith(f"{PROJECT}:") for key in config):
        return None
    try:
        return Settings.from_config(config, deployed=True)
    except ContractError as error:
        commands = [command for field, _ in error.faults if (command := correction(field, stack))]
        advice = f"correct it: pulumi config set --stack {stack} {PROJECT}:KEY VALUE   or move the file away"
        message = f"{file} cannot be used: {error}"
        raise UsageError(message, "   ".join(dict.fromkeys(commands)) or advice) from error


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
    if path.exists() and path.read_bytes() == content:
        return
    try:
        files.replace(path, content, private=False)
    except OSError as error:
        raise UsageError(f"{path.name} cannot be written: {error}", shell("ls", "-l", str(path.parent))) from error


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
