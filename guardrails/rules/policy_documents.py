"""Policy documents for the guardrails: JSON text in, statements out.

Pure.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from components.policies.statements import PolicyStatement, normalized

StatementCheck = Callable[[PolicyStatement], Iterable[str]]


def label(statement: PolicyStatement) -> str:
    return f"Statement {statement.sid!r}" if statement.sid else "A statement without a Sid"


class DocumentError(ValueError):
    """The text is not a policy document that AWS accepts."""


def statements(document: Any) -> tuple[PolicyStatement, ...]:
    """The statements of a policy document. Raises DocumentError for another text or object."""
    if isinstance(document, str):
        try:
            document = json.loads(document, object_pairs_hook=_pairs)
        except json.JSONDecodeError as error:
            raise DocumentError(f"is not JSON: {error}") from error
    if not isinstance(document, Mapping):
        raise DocumentError("is not a JSON object")
    if "Statement" not in document:
        raise DocumentError("has no Statement")
    elements = _as_list(document["Statement"])
    if not all(isinstance(element, Mapping) for element in elements):
        raise DocumentError("has a Statement that is not an object")
    return tuple(_statement(element) for element in elements)


def check_statements(document: Any, check: StatementCheck) -> Iterator[str]:
    """Check every statement of a document; nothing without a document, a message for one that cannot be read."""
    if document in (None, ""):
        return
    try:
        parsed = statements(document)
    except DocumentError as error:
        yield f"The policy cannot be checked: it {error}."
        return
    for statement in parsed:
        yield from check(statement)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Parsers differ in which of two equal keys they use; AWS must read the same as this check.
    if len({key for key, _ in pairs}) != len(pairs):
        raise DocumentError("has the same key twice in one object")
    return dict(pairs)


_ELEMENTS = frozenset("Sid Effect Principal NotPrincipal Action NotAction Resource NotResource Condition".split())


def _statement(element: Mapping[str, Any]) -> PolicyStatement:
    if unknown := sorted(set(element) - _ELEMENTS):
        raise DocumentError(f"has the unknown element {unknown[0]!r} in a statement")
    if element.get("Effect") not in ("Allow", "Deny"):
        raise DocumentError("has a statement whose Effect is neither Allow nor Deny")
    condition = {} if element.get("Condition") is None else element["Condition"]
    if not (isinstance(condition, Mapping) and all(isinstance(keys, Mapping) for keys in condition.values())):
        raise DocumentError("has a Condition that is not an object")
    return normalized(element)


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, str | Mapping) or not hasattr(value, "__iter__"):
        return [value]
    return list(value)
