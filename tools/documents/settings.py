"""`python -m tools.documents.settings` writes the parts of other files that repeat the settings and the deploy targets.

Writes the configuration in `Pulumi.yaml`, the settings in `schemas/setup.schema.json`, and the names of the targets in
every schema. The tests compare these files with `components/settings/` and `wizard/targets/`.
"""

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic.alias_generators import to_camel

from components.settings import LISTS, Settings
from components.settings.application import ApplicationSettings
from wizard.targets.port import all_targets

ROOT = Path(__file__).resolve().parents[2]
PROJECT_FILE = ROOT / "Pulumi.yaml"
SCHEMAS = ROOT / "schemas"
SETUP = SCHEMAS / "setup.schema.json"


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
            plain = list(field.default) if key in LISTS else "" if field.default is None else field.default
            declared["default"] = str(plain) if isinstance(plain, StrEnum) else plain
        configuration[key] = {**declared, "description": texts[key]}
    before, _, _ = text.partition("config:\n")
    return before + yaml.safe_dump({"config": configuration}, sort_keys=False, width=1000, allow_unicode=True)


def setup_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of `setup` with the settings as its document has them: an unset field is omitted."""
    texts = descriptions()
    properties: dict[str, Any] = {}
    fields = {to_camel(name): field for name, field in Settings.model_fields.items()}
    for key in ("region", *(key for key in fields if key != "region")):
        of_list = {"items": {"type": "string"}} if key in LISTS else {}
        properties[key] = {"type": _type(key, fields[key].default), "description": texts[key], **of_list}
    required = [key for key in properties if fields[key].is_required() or fields[key].default is not None]
    settings = {**schema["properties"]["settings"], "required": required, "properties": properties}
    return {**schema, "properties": {**schema["properties"], "settings": settings}}


def with_targets(node: Any) -> Any:
    """A schema with complete enumerations of targets: all targets, or all that can be redeployed.

    An enumeration of redeployable targets gets redeployable targets only.
    """
    targets = all_targets()
    names = [target.name for target in targets]
    redeployable = [target.name for target in targets if target.can_redeploy]
    if isinstance(node, list):
        return [with_targets(element) for element in node]
    if not isinstance(node, dict):
        return node
    changed = {key: with_targets(value) for key, value in node.items()}
    words = changed.get("enum")
    listed = set(words) & set(names) if isinstance(words, list) else set()
    if isinstance(words, list) and len(listed) > 1:
        others = [word for word in words if word not in names]
        changed["enum"] = [*others, *(redeployable if listed <= set(redeployable) else names)]
    return changed


def documents() -> dict[Path, str]:
    """Every file with its text."""
    texts = {PROJECT_FILE: project(PROJECT_FILE.read_text(encoding="utf-8"))}
    for file in sorted(SCHEMAS.glob("*.schema.json")):
        if file.name == "answers.schema.json":
            # `tools.documents.inputs` writes this file completely.
            continue
        schema = with_targets(json.loads(file.read_text(encoding="utf-8")))
        schema = setup_schema(schema) if file == SETUP else schema
        texts[file] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return texts


if __name__ == "__main__":
    for path, text in documents().items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(path)
