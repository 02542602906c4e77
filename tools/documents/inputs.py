"""`python -m tools.documents.inputs` writes the table of inputs and the JSON Schema of the answers file.

Writes `docs/reference/inputs.md`, between its two marks, and `schemas/answers.schema.json`. Tests compare both
with the inputs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

from components.settings import Settings
from wizard.core.models.inputs import Input, InputType
from wizard.inputs.key import KEY_INPUTS, TRAIL_INPUTS
from wizard.inputs.registry import APPLICATION_INPUTS, BACKUP_TO, INPUTS, STATE_INPUTS, TARGET

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "inputs.md"
SCHEMA = ROOT / "schemas" / "answers.schema.json"

BEGIN = "<!-- Every input: written by `python -m tools.documents.inputs`. Do not edit it here. -->"
END = "<!-- Every input: the end. -->"

GROUPS = {
    "The account and the key": KEY_INPUTS,
    "The application": (TARGET, *APPLICATION_INPUTS),
    "The audit trail and the alerts": TRAIL_INPUTS,
    "Pulumi's state": STATE_INPUTS,
    "The backup": (BACKUP_TO,),
}
"""The inputs under each heading of the page, in its order."""


def grouped() -> Iterator[tuple[str, tuple[Input, ...]]]:
    """Each heading with its inputs, in the order of the table."""
    for heading, members in GROUPS.items():
        yield heading, tuple(entry for entry in INPUTS if entry in members)


def section() -> str:
    """The table, folded away, with its marks around it."""
    lines = [
        BEGIN,
        f"<details><summary>Every input, {len(INPUTS)} of them, with flag and variable</summary>",
        "",
        "The wizard can ask for each; `?` at its prompt says why it matters and which safeguard of the HIPAA Security "
        "Rule it serves. In the answers file it has the flag's name with underscores (`multi_region`). Its variable is "
        "`EONPRO_` and that name in capitals, but where another one stands below.",
        "A secret's flag and file key name a file that holds it; only the variable takes the secret itself.",
        "[schemas/answers.schema.json](../../schemas/answers.schema.json) describes the answers file; editors find it "
        "by the first line of [examples/vercel.yaml](../../examples/vercel.yaml).",
        "",
    ]
    for heading, inputs in grouped():
        lines += [
            f"**{heading}**",
            "",
            "| flag | without it | takes |",
            "|---|---|---|",
            *(_row(entry) for entry in inputs),
            "",
        ]
    return "\n".join([*lines, "</details>", END])


def _row(entry: Input) -> str:
    cells = (f"`{entry.flag}`{_variable(entry)}", _without(entry), entry.takes)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _variable(entry: Input) -> str:
    """Its variable, where the flag does not say it."""
    usual = entry.variable == f"EONPRO_{entry.file_key.upper()}"
    return "" if usual else f", `{entry.variable}`"


def _without(entry: Input) -> str:
    """The value without an answer."""
    if isinstance(entry.default, bool):
        return "yes" if entry.default else "no"
    if entry.default is not None:
        return f"`{entry.default}`"
    if entry.asked:
        return "detected or asked"
    return "none" if entry.optional else "set by the set-up"


def page(text: str) -> str:
    """The page with the current section. Raises ValueError unless it has the two marks once each, in order."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end) or BEGIN in tail or END in tail:
        raise ValueError(f"docs/reference/inputs.md needs the two marks, in this order: {BEGIN} {END}")
    return head + section() + tail


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
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    print(PAGE, SCHEMA, sep="\n")
