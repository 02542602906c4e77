"""`python -m tools.documents.inputs` writes the table of inputs in docs/inputs.md and the JSON Schema of the answers file.

Touches `docs/inputs.md`, between its two marks, and `schemas/answers.schema.json`. The tests hold both against the table.
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
from wizard.inputs.audit import TRAIL_INPUTS
from wizard.inputs.key import KEY_INPUTS
from wizard.inputs.registry import APPLICATION_INPUTS, INPUTS, STATE_INPUTS, TARGET

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "inputs.md"
SCHEMA = ROOT / "schemas" / "answers.schema.json"

BEGIN = "<!-- Every input: written by `python -m tools.documents.inputs`. Do not edit it here. -->"
END = "<!-- Every input: the end. -->"

GROUPS = {
    "The account and the key": KEY_INPUTS,
    "The application": (TARGET, *APPLICATION_INPUTS),
    "The audit trail and the alerts": TRAIL_INPUTS,
    "Pulumi's state": STATE_INPUTS,
}
"""The inputs under each heading of the page, in its order."""


def grouped() -> Iterator[tuple[str, tuple[Input, ...]]]:
    """Each heading with its inputs, in the order of the table."""
    for heading, members in GROUPS.items():
        yield heading, tuple(each for each in INPUTS if each in members)


# --- the table --------------------------------------------------------------------------------------------


def section() -> str:
    """The table, folded away, with its marks around it."""
    lines = [
        BEGIN,
        f"<details><summary>Every input, {len(INPUTS)} of them, with its doors</summary>",
        "",
        "Each can be asked at a prompt, or changed from the last page; the flag wins over the variable, the variable "
        "over the answers file.",
        "A secret's flag and file key name a file that holds it; only the variable takes the secret itself.",
        "[schemas/answers.schema.json](../schemas/answers.schema.json) describes the answers file; editors read it by the",
        "first line of [examples/vercel.yaml](../examples/vercel.yaml).",
        "",
    ]
    for heading, inputs in grouped():
        lines += [
            f"**{heading}**",
            "",
            "| flag | variable | in the file | without it | takes | HIPAA Security Rule |",
            "|---|---|---|---|---|---|",
            *(_row(each) for each in inputs),
            "",
        ]
    return "\n".join([*lines, "</details>", END])


def _row(each: Input) -> str:
    cells = (
        f"`{each.flag}`",
        f"`{each.variable}`",
        f"`{each.file_key}`",
        _without(each),
        each.help,
        each.safeguard,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _without(each: Input) -> str:
    """What holds where none is given."""
    if isinstance(each.default, bool):
        return "yes" if each.default else "no"
    if each.default is not None:
        return f"`{each.default}`"
    if each.asked:
        return "found or asked"
    return "none" if each.optional else "told by the set-up"


def page(text: str) -> str:
    """The page with its section as it is now. Raises ValueError where the marks are not there, once each and in order."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end) or BEGIN in tail or END in tail:
        raise ValueError(f"docs/inputs.md needs the two marks, in this order: {BEGIN} {END}")
    return head + section() + tail


# --- the schema ----------------------------------------------------------------------------------------------------


def schema() -> dict[str, Any]:
    """The answers file as JSON Schema, draft 2020-12: no more is refused than the wizard would refuse."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:eonpro-kms:answers",
        "title": "Answers to the wizard of eonpro-kms",
        "description": "An answers file (--answers FILE): YAML or JSON. A key that is null is a question left open.",
        "type": "object",
        "additionalProperties": False,
        "properties": {each.file_key: _property(each) for each in INPUTS},
    }


def _property(each: Input) -> dict[str, Any]:
    told = [each.prompt, f"{each.why}", f"Takes: {each.help}."]
    if each.safeguard:
        told.append(f"HIPAA Security Rule: {each.safeguard}.")
    described: dict[str, Any] = {"description": "\n\n".join(told)}
    if each.default is not None:
        described["default"] = each.default
    return described | {"anyOf": [*_forms(each), {"type": "null"}]}


def _forms(each: Input) -> list[dict[str, Any]]:
    """The forms a value may have. What a person sees first comes first: editors offer the members of an `enum`."""
    filled = {} if each.optional else {"pattern": r"\S"}
    if each.secret:
        return [{"type": "string", "minLength": 1}]
    if each.kind is InputType.CONFIRM:
        return [{"type": "boolean"}, {"enum": ["yes", "no"]}, _one_of(("yes", "no", "true", "false", "y", "n"), each)]
    if isinstance(each.default, int):
        return [{"type": "integer", **_limits(each)}, {"type": "string", "pattern": r"^\s*[0-9]+\s*$"}]
    listed = members(each)
    if each.many:
        one = [{"enum": list(listed)}, _listed(listed)] if listed else [{"type": "string"}]
        least = {} if each.optional else {"minItems": 1}
        return [{"type": "array", "items": {"anyOf": one}, **least}, _listed(listed) if listed else _text(filled)]
    if listed:
        return [{"enum": list(listed)}, _one_of(listed, each)]
    offered = [{"enum": list(each.words)}] if each.words else []
    # A name or a number of an account may consist of digits, without quotation marks around it.
    return [*offered, _text(filled), {"type": "integer"}]


def _text(more: dict[str, Any]) -> dict[str, Any]:
    return {"type": "string", **more}


def members(each: Input) -> tuple[str, ...]:
    """Everything that the input takes, where that can be listed."""
    if each.field is None:
        return each.words
    enum = next((one for one in _types(Settings.model_fields[each.field].annotation) if issubclass(one, StrEnum)), None)
    return tuple(dict.fromkeys((*each.words, *(member.value for member in enum)))) if enum else ()


def _types(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    for inner in get_args(annotation):
        yield from _types(inner)


def _limits(each: Input) -> dict[str, int]:
    """The least and the greatest number that the contract takes."""
    limits = {}
    for rule in Settings.model_fields[each.field].metadata if each.field else ():
        for name, keyword, step in (
            ("ge", "minimum", 0),
            ("gt", "minimum", 1),
            ("le", "maximum", 0),
            ("lt", "maximum", -1),
        ):
            if (bound := getattr(rule, name, None)) is not None:
                limits[keyword] = bound + step
    return limits


def _one_of(words: tuple[str, ...], each: Input) -> dict[str, Any]:
    """One of the words as text: with white space around it, a yes or no in capitals too."""
    spelled = (
        [_any_case(word) for word in words] if each.kind is InputType.CONFIRM else [re.escape(word) for word in words]
    )
    nothing = "?" if each.optional and each.kind is not InputType.CONFIRM else ""
    return {"type": "string", "pattern": rf"^\s*({'|'.join(spelled)}){nothing}\s*$"}


def _any_case(word: str) -> str:
    return "".join(f"[{letter.upper()}{letter}]" for letter in word)


def _listed(members: tuple[str, ...]) -> dict[str, Any]:
    """Several of the words in one text, with commas."""
    one = f"({'|'.join(re.escape(member) for member in members)})"
    return {"type": "string", "pattern": rf"^[\s,]*({one}(\s*[,\n][\s,]*{one})*)?[\s,]*$"}


def schema_text() -> str:
    """The schema's file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    print(PAGE, SCHEMA, sep="\n")
