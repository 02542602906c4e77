"""Policy documents for the guardrails: JSON text in, statements out.

Pure.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

StatementCheck = Callable[["Statement"], Iterable[str]]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement of a policy, with a tuple where the document may have one value or a list."""

    sid: str
    allows: bool
    principals: tuple[tuple[str, str], ...]
    """Type and name of each: ("AWS", "arn:..."); a bare "*" is ("*", "*")."""
    has_not_principal: bool
    """It has a NotPrincipal, which matches every other principal."""
    actions: tuple[str, ...]
    has_not_action: bool
    resources: tuple[str, ...]
    has_not_resource: bool
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Operator, key, values."""

    @property
    def label(self) -> str:
        return f"Statement {self.sid!r}" if self.sid else "A statement without a Sid"

    def matches_everybody(self) -> bool:
        return any(name == "*" for kind, name in self.principals if kind in ("AWS", "*"))


class DocumentError(ValueError):
    """The text is not a policy document that AWS accepts."""


def statements(document: Any) -> tuple[Statement, ...]:
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


def _statement(element: Mapping[str, Any]) -> Statement:
    if unknown := sorted(set(element) - _ELEMENTS):
        raise DocumentError(f"has the unknown element {unknown[0]!r} in a statement")
    if element.get("Effect") not in ("Allow", "Deny"):
        raise DocumentError("has a statement whose Effect is neither Allow nor Deny")
    return Statement(
        sid=str(element.get("Sid", "")),
        allows=element["Effect"] == "Allow",
        principals=tuple(_principals(element.get("Principal"))),
        has_not_principal="NotPrincipal" in element,
        actions=_strings(element.get("Action")),
        has_not_action="NotAction" in element,
        resources=_strings(element.get("Resource")),
        has_not_resource="NotResource" in element,
        conditions={
            operator: {key: _strings(values) for key, values in _object(keys).items()}
            for operator, keys in _object(element.get("Condition")).items()
        },
    )


def _principals(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for kind in value:
            yield from ((kind, name) for name in _strings(value[kind]))
    else:
        yield from (("*", name) for name in _strings(value))


def _object(value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise DocumentError("has a Condition that is not an object")
    return value


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(str(item).lower() if isinstance(item, bool) else str(item) for item in _as_list(value))


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, str | Mapping) or not hasattr(value, "__iter__"):
        return [value]
    return list(value)
