"""Policy documents as the guardrails read them: JSON text in, statements out.

Touches nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Judge = Callable[["Statement"], Iterable[str]]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement of a policy, with a tuple where the document may have one value or a list of them."""

    sid: str
    allows: bool
    principals: tuple[tuple[str, str], ...]
    """Kind and name of each: ("AWS", "arn:..."); the bare "*" is ("*", "*")."""
    excepts_principals: bool
    """It has a NotPrincipal: it reaches everybody but those."""
    actions: tuple[str, ...]
    excepts_actions: bool
    resources: tuple[str, ...]
    excepts_resources: bool
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Operator, key, values."""

    @property
    def spoken_of(self) -> str:
        """Its name in a sentence."""
        return f"Statement {self.sid!r}" if self.sid else "A statement without a Sid"

    def reaches_everybody(self) -> bool:
        """Whether it names everybody."""
        return any(name == "*" for kind, name in self.principals if kind in ("AWS", "*"))


class DocumentError(ValueError):
    """The text is no policy document that AWS would take."""


def statements(document: Any) -> tuple[Statement, ...]:
    """The statements of a policy document. Raises DocumentError for what is no such document."""
    if isinstance(document, str):
        try:
            document = json.loads(document, object_pairs_hook=_pairs)
        except json.JSONDecodeError as error:
            raise DocumentError(f"is no JSON: {error}") from error
    if not isinstance(document, Mapping):
        raise DocumentError("is no JSON object")
    if "Statement" not in document:
        raise DocumentError("has no Statement")
    listed = _listed(document["Statement"])
    if not all(isinstance(one, Mapping) for one in listed):
        raise DocumentError("has a Statement that is no object")
    return tuple(_statement(one) for one in listed)


def judged(document: Any, judge: Judge) -> Iterator[str]:
    """Judge every statement of a document; none when there is no document, a sentence when it cannot be read."""
    if document in (None, ""):
        return
    try:
        found = statements(document)
    except DocumentError as error:
        yield f"The policy cannot be judged: it {error}."
        return
    for statement in found:
        yield from judge(statement)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Of two equal keys a parser takes the one it likes: what is judged must be what AWS reads.
    if len({key for key, _ in pairs}) != len(pairs):
        raise DocumentError("has the same key twice in one object")
    return dict(pairs)


_ELEMENTS = frozenset(
    "Sid Effect Principal NotPrincipal Action NotAction Resource NotResource Condition".split(),
)


def _statement(given: Mapping[str, Any]) -> Statement:
    if strange := sorted(set(given) - _ELEMENTS):
        raise DocumentError(f"has the element {strange[0]!r}, which no statement has")
    if given.get("Effect") not in ("Allow", "Deny"):
        raise DocumentError("has a statement whose Effect is neither Allow nor Deny")
    return Statement(
        sid=str(given.get("Sid", "")),
        allows=given["Effect"] == "Allow",
        principals=tuple(_principals(given.get("Principal"))),
        excepts_principals="NotPrincipal" in given,
        actions=_strings(given.get("Action")),
        excepts_actions="NotAction" in given,
        resources=_strings(given.get("Resource")),
        excepts_resources="NotResource" in given,
        conditions={
            operator: {key: _strings(values) for key, values in _object(keys).items()}
            for operator, keys in _object(given.get("Condition")).items()
        },
    )


def _principals(given: Any) -> Iterator[tuple[str, str]]:
    if isinstance(given, Mapping):
        for kind in given:
            yield from ((kind, name) for name in _strings(given[kind]))
    else:
        yield from (("*", name) for name in _strings(given))


def _object(given: Any) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise DocumentError("has a Condition that is no object")
    return given


def _strings(given: Any) -> tuple[str, ...]:
    return tuple(str(one).lower() if isinstance(one, bool) else str(one) for one in _listed(given))


def _listed(given: Any) -> list[Any]:
    if given is None:
        return []
    if isinstance(given, str | Mapping) or not hasattr(given, "__iter__"):
        return [given]
    return list(given)
