"""`python -m tools.documents.inputs` writes the JSON Schema of the answers file.

Writes `wizard/schemas/answers.schema.json`. Tests compare it with the inputs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

from components.settings import Settings
from wizard import SCHEMA_FOLDER
from wizard.core.models.inputs import Input, InputType
from wizard.inputs.registry import INPUTS

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = SCHEMA_FOLDER / "answers.schema.json"


def schema() -> dict[str, Any]:
    """The answers file as JSON Schema, draft 2020-12: it refuses nothing that the wizard accepts."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:eonpro-kms:answers",
        "title": "Answers to the wizard of eonpro-kms",
        "description": "An answers file (--answers FILE): YAML or JSON. A key that is null is a question left open.",
        "type": "object",
        "additionalProperties": False,
        "properties": {entry.file_key: _property(entry) for entry in INPUTS},
    }


def _property(entry: Input) -> dict[str, Any]:
    paragraphs = [entry.prompt, f"{entry.why}", f"Takes: {entry.takes}."]
    if entry.safeguard:
        paragraphs.append(f"HIPAA Security Rule: {entry.safeguard}.")
    described: dict[str, Any] = {"description": "\n\n".join(paragraphs)}
    if entry.default is not None:
        described["default"] = entry.default
    return described | {"anyOf": [*_forms(entry), {"type": "null"}]}


def _forms(entry: Input) -> list[dict[str, Any]]:
    """The forms of a value, in the order in which editors offer them: first the members of an `enum`."""
    text = {"type": "string"} if entry.optional else {"type": "string", "pattern": r"\S"}
    if entry.secret:
        return [{"type": "string", "minLength": 1}]
    if entry.kind is InputType.CONFIRM:
        return [{"type": "boolean"}, {"enum": ["yes", "no"]}, _one_of(("yes", "no", "true", "false", "y", "n"), entry)]
    if isinstance(entry.default, int):
        return [{"type": "integer", **_limits(entry)}, {"type": "string", "pattern": r"^\s*[0-9]+\s*$"}]
    listed = members(entry)
    if entry.many:
        member = [{"enum": list(listed)}, _listed(listed)] if listed else [{"type": "string"}]
        least = {} if entry.optional else {"minItems": 1}
        return [{"type": "array", "items": {"anyOf": member}, **least}, _listed(listed) if listed else text]
    if listed:
        return [{"enum": list(listed)}, _one_of(listed, entry)]
    offered = [{"enum": list(entry.words)}] if entry.words else []
    # A name or an account id may consist of digits only; without quotation marks YAML reads a number.
    return [*offered, text, {"type": "integer"}]


def members(entry: Input) -> tuple[str, ...]:
    """All values of the input, where they can be listed."""
    if entry.field is None:
        return entry.words
    enum = next(
        (type_ for type_ in _types(Settings.model_fields[entry.field].annotation) if issubclass(type_, StrEnum)), None
    )
    return tuple(dict.fromkeys((*entry.words, *(member.value for member in enum)))) if enum else ()


def _types(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    for inner in get_args(annotation):
        yield from _types(inner)


def _limits(entry: Input) -> dict[str, int]:
    """The smallest and the largest number that the settings accept."""
    limits = {}
    for rule in Settings.model_fields[entry.field].metadata if entry.field else ():
        for name, keyword, step in (
            ("ge", "minimum", 0),
            ("gt", "minimum", 1),
            ("le", "maximum", 0),
            ("lt", "maximum", -1),
        ):
            if (bound := getattr(rule, name, None)) is not None:
                limits[keyword] = bound + step
    return limits


def _one_of(words: tuple[str, ...], entry: Input) -> dict[str, Any]:
    """One of the words as text: white space around it is allowed, and capitals in yes and no."""
    spelled = (
        [_any_case(word) for word in words] if entry.kind is InputType.CONFIRM else [re.escape(word) for word in words]
    )
    nothing = "?" if entry.optional and entry.kind is not InputType.CONFIRM else ""
    return {"type": "string", "pattern": rf"^\s*({'|'.join(spelled)}){nothing}\s*$"}


def _any_case(word: str) -> str:
    return "".join(f"[{letter.upper()}{letter}]" for letter in word)


def _listed(members: tuple[str, ...]) -> dict[str, Any]:
    """Several of the words in one text, with commas."""
    word = f"({'|'.join(re.escape(member) for member in members)})"
    return {"type": "string", "pattern": rf"^[\s,]*({word}(\s*[,\n][\s,]*{word})*)?[\s,]*$"}


def schema_text() -> str:
    """The schema's file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    print(SCHEMA)
