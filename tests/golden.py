"""Golden files: texts that a person reviewed. A variant of a document is stored as its differences from the first one.

Touches the files that it is given.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

ABSENT = "(absent)"
"""Stands for a field of the base that the variant does not have."""
WIDTH = 110
"""Characters of a line of a stored document."""
ALIKE = 3
"""Equal fields of two statements of different Sids, from which on one is stored in terms of the other."""


def compare(file: Path, text: str) -> None:
    """Fail where the file has another text. UPDATE_GOLDEN=1 writes it, and fails too: the diff has to be reviewed."""
    if os.environ.get("UPDATE_GOLDEN") == "1" and (not file.exists() or file.read_text(encoding="utf-8") != text):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        pytest.fail(f"wrote {file.name}: review it, and run again without UPDATE_GOLDEN")
    assert text == file.read_text(encoding="utf-8")


def as_json(document: Any) -> str:
    """The text of a document. What fits into a line of WIDTH characters stands in one line."""
    return f"{_json(document, '')}\n"


def _json(value: Any, indent: str) -> str:
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= WIDTH or not (value and isinstance(value, dict | list | tuple)):
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        parts = [f"{json.dumps(field)}: {_json(of, inner)}" for field, of in value.items()]
        begin, end = "{", "}"
    else:
        parts, begin, end = [_json(of, inner) for of in value], "[", "]"
    return begin + ",".join(f"\n{inner}{part}" for part in parts) + f"\n{indent}{end}"


def base_of(name: str, names: Sequence[str]) -> str:
    """The longest other name that this one begins with: `key` for `key-gov`. Empty: none."""
    return max((other for other in names if name.startswith(f"{other}-")), key=len, default="")


def differences(base: Any, document: Any) -> Any:
    """What of a document differs from its base: of an object the fields that differ, of anything else the whole."""
    if not (isinstance(base, Mapping) and isinstance(document, Mapping)):
        return document
    changed = {
        field: differences(base[field], value) if field in base else value
        for field, value in document.items()
        if field not in base or base[field] != value
    }
    return changed | {field: ABSENT for field in base if field not in document}


def policy_differences(base: Mapping[str, Any], policy: Mapping[str, Any]) -> dict[str, Any]:
    """A policy in terms of its base: of a statement that the base has its Sid alone, of another one its differences.

    `like` names the statement that it is compared with: the one with its Sid, else the one that is most like it.
    """
    statements = {statement["Sid"]: statement for statement in base["Statement"]}
    return {
        **differences({**base, "Statement": ()}, policy),
        "Statement": [_statement(statements, statement) for statement in policy["Statement"]],
    }


def _statement(base: Mapping[str, Mapping[str, Any]], statement: Mapping[str, Any]) -> Any:
    def equal_fields(other: Mapping[str, Any]) -> int:
        return sum(statement.get(field) == value for field, value in other.items())

    nearest = base.get(statement["Sid"]) or max(base.values(), key=equal_fields)
    if list(nearest.items()) == list(statement.items()):
        return statement["Sid"]
    if nearest["Sid"] != statement["Sid"] and equal_fields(nearest) < ALIKE:
        return statement
    return {"like": nearest["Sid"], **differences(nearest, statement)}


def line_differences(base: str, text: str) -> str:
    """The lines that a sorted list has in addition to its base (+), and those that it lacks (-), under their headings.

    A heading is a line that is not indented. An unchanged section is left out.
    """
    before, after = _sections(base), _sections(text)
    lines = []
    for heading in dict.fromkeys((*before, *after)):
        old, new = before.get(heading, []), after.get(heading, [])
        sign = " " if heading in before and heading in after else "+" if heading in after else "-"
        if old != new or sign != " ":
            lines += [f"{sign} {heading}", *(f"- {line}" for line in old if line not in new)]
            lines += [f"+ {line}" for line in new if line not in old]
    return "".join(f"{line}\n" for line in lines)


def _sections(text: str) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith(" "):
            sections[next(reversed(sections))].append(line)
        else:
            sections[line] = []
    return sections
