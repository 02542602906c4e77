"""The documents that real runs print, held against the schemas that are shipped.

Reads `wizard/schemas/`, nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMAS = Path(__file__).resolve().parents[2] / "wizard" / "schemas"


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((SCHEMAS / f"{name}.schema.json").read_text()))


def schema_of(document: dict[str, Any]) -> str:
    """The name of the schema that a document of `--json` has to fit, by what it says of itself."""
    if "exitCode" in document and "message" in document:
        return "failure"
    return str(document["command"])


def fits(document: dict[str, Any], *, code: int) -> None:
    """Fails for a document that does not fit its schema, or that says another exit code than the process."""
    faults = [f"{error.json_path}: {error.message}" for error in _validator(schema_of(document)).iter_errors(document)]
    assert faults == [], faults
    assert document.get("exitCode", 0 if document["ok"] else 1) == code


def next_step(document: Mapping[str, Any]) -> str:
    """The next step of a failure or a problem: its command, then its advice."""
    step = document["next"]
    return "\n".join(part for part in (step["command"], step["advice"]) if part)


def in_words(problem: Mapping[str, Any]) -> str:
    """A problem as one text."""
    return " ".join((problem["what"], problem["why"], next_step(problem)))
