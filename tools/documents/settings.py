"""`python -m tools.documents.settings` writes the configuration in `Pulumi.yaml`, which repeats the settings.

The tests compare it with `components/settings/`.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic.alias_generators import to_camel

from components.settings import LISTS, Settings
from components.settings.application import ApplicationSettings

ROOT = Path(__file__).resolve().parents[2]
PROJECT_FILE = ROOT / "Pulumi.yaml"


def descriptions() -> dict[str, str]:
    """The description of each field, by its key in the configuration: its docstring, with the words of a choice.

    Python keeps no docstring of a field, so they are read from the source.
    """
    by_key = {}
    for part in Settings.__mro__:
        if not issubclass(part, ApplicationSettings):
            continue
        (settings,) = ast.parse(textwrap.dedent(inspect.getsource(part))).body
        body = settings.body if isinstance(settings, ast.ClassDef) else []
        for field, text in zip(body, body[1:], strict=False):
            name = field.target.id if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) else ""
            if name not in Settings.model_fields:
                continue
            if not (isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)):
                raise SystemExit(f"{part.__module__}: {name} has no docstring")
            description = " ".join(str(text.value.value).split()).removesuffix(".")
            by_key[to_camel(name)] = _with_choices(description, name)
    return by_key


def _with_choices(description: str, name: str) -> str:
    words = list(_choices(Settings.model_fields[name].annotation))
    return description if all(word in description for word in words) else f"{description}: {', '.join(words)}"


def _choices(annotation: Any) -> Iterator[str]:
    for member in (annotation, *get_args(annotation)):
        if isinstance(member, type) and issubclass(member, StrEnum):
            yield from member


def _type(key: str, default: Any) -> str:
    if key in LISTS:
        return "array"
    if isinstance(default, bool):
        return "boolean"
    return "integer" if isinstance(default, int) else "string"


def project(text: str) -> str:
    """`Pulumi.yaml` with the configuration that the settings read, at its end."""
    configuration = {}
    texts = descriptions()
    for name, field in Settings.model_fields.items():
        key = to_camel(name)
        if key == "region":
            continue
        declared: dict[str, Any] = {"type": _type(key, field.default)}
        if key in LISTS:
            declared["items"] = {"type": "string"}
        if not field.is_required():
            # Empty too where the default is another setting's value.
            is_plain = field.default is not None and field.default_factory is None
            plain = list(field.default) if key in LISTS else field.default if is_plain else ""
            declared["default"] = str(plain) if isinstance(plain, StrEnum) else plain
        configuration[key] = {**declared, "description": texts[key]}
    before, _, _ = text.partition("config:\n")
    return before + yaml.safe_dump({"config": configuration}, sort_keys=False, width=1000, allow_unicode=True)


def documents() -> dict[Path, str]:
    """Every file with its text."""
    return {PROJECT_FILE: project(PROJECT_FILE.read_text(encoding="utf-8"))}


if __name__ == "__main__":
    for path, text in documents().items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(path)
