"""A stack's settings file, `Pulumi.<stack>.yaml`, and the forms its values take on the way to the CLI.

Part of the engine's edge: reads the one file it is given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from wizard.core.errors import UsageError

Value = str | int | bool | list[str]
"""A configuration value as `Settings.to_config` gives it."""


def read(path: Path) -> dict[str, str]:
    """The configuration by full key, lists in JSON as the engine gives them; empty without a file.

    Raises UsageError for a file that is no stack's settings.
    """
    mend = f"mend {path.name}, or move it away and run again"
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name} cannot be read: {error}", mend) from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path.name} is not YAML: {error}", mend) from error
    config = found.get("config") or {} if isinstance(found, dict) else None
    if not isinstance(config, dict):
        raise UsageError(f"{path.name} is not a stack's settings: its `config` is no list of keys and values", mend)
    return {key: as_text(value) for key, value in config.items()}


def as_text(value: object) -> str:
    """A value as the engine hands it to the program: text as it is, anything else in JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def document(config: Mapping[str, Value]) -> str:
    """A stack's settings file as the CLI writes it: numbers as text, keys in order."""
    plain = {key: value if isinstance(value, list) else as_text(value) for key, value in sorted(config.items())}
    return yaml.safe_dump({"config": plain}, default_flow_style=False)


def entry(value: Value) -> dict[str, object]:
    """The form of `pulumi config --json`: a value with an objectValue beside it is stored as that object."""
    if isinstance(value, list):
        return {"value": json.dumps(value), "objectValue": value, "secret": False}
    return {"value": as_text(value), "secret": False}
