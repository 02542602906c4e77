"""What the statements of policies say about one action on one resource: which allow it, which deny it, on which terms.

Pure. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from components.policies.evaluation.account import IamPolicy
from components.policies.evaluation.conditions import (
    Context,
    Truth,
    all_of,
    any_of,
    as_tuple,
    conditions_hold,
    matches,
    negate,
    unknown_conditions,
)

Statement = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Request:
    """An action on a resource, and what else is known of the request."""

    action: str
    resource: str
    context: Context


@dataclass(frozen=True, kw_only=True)
class StatementMatch:
    """A statement that applies to a request."""

    source: str
    """The policy and, where it has one, the statement's Sid."""
    terms: tuple[str, ...] = ()
    """Its conditions that are not known, as text; none: it applies in any case."""


@dataclass(frozen=True, kw_only=True)
class PolicyEvaluation:
    """What policies say about one request."""

    allows: tuple[StatementMatch, ...] = ()
    denies: tuple[StatementMatch, ...] = ()
    unread: tuple[str, ...] = ()
    """Policies that could not be read."""

    @property
    def is_denied(self) -> bool:
        """Whether a denial applies, whatever else the request brings."""
        return any(not match.terms for match in self.denies)

    @property
    def is_allowed(self) -> bool:
        """Whether something allows it, perhaps on terms, and no denial certainly applies."""
        return bool(self.allows) and not self.is_denied


def statements_of(document: Mapping[str, Any] | None) -> tuple[Statement, ...]:
    """The statements of a policy; a single one may have no list around it."""
    value = (document or {}).get("Statement") or ()
    statements = value if isinstance(value, list | tuple) else (value,)
    return tuple(statement for statement in statements if isinstance(statement, Mapping))


def evaluate_policies(policies: Iterable[IamPolicy], request: Request) -> PolicyEvaluation:
    """What the policies of a user or a role say about a request."""
    allows: list[StatementMatch] = []
    denies: list[StatementMatch] = []
    unread = []
    for policy in policies:
        if policy.document is None:
            unread.append(policy.name)
        for statement in statements_of(policy.document):
            if (match := match_statement(statement, request, source=policy.name)) is not None:
                (denies if statement.get("Effect") == "Deny" else allows).append(match)
    return PolicyEvaluation(allows=tuple(allows), denies=tuple(denies), unread=tuple(unread))


def match_statement(statement: Statement, request: Request, *, source: str) -> StatementMatch | None:
    """How a statement applies to a request; None where it does not. Its principal is not considered."""
    covers = all_of((_element(statement, "Action", request.action), _covers_resource(statement, request.resource)))
    if covers is False or statement.get("Effect") not in ("Allow", "Deny"):
        return None
    if conditions_hold(statement.get("Condition"), request.context) is False:
        return None
    return StatementMatch(source=source, terms=tuple(_terms(statement, request, covers)))


def _terms(statement: Statement, request: Request, covers: Truth) -> Iterator[str]:
    if covers is None:
        element = "NotResource" if "NotResource" in statement else "Resource"
        yield f"{element} {' or '.join(as_tuple(statement.get(element)))} means the key"
    yield from unknown_conditions(statement.get("Condition"), request.context)


def _covers_resource(statement: Statement, resource: str) -> Truth:
    # A role's trust policy has no Resource: it is about the role that it belongs to.
    if "Resource" not in statement and "NotResource" not in statement:
        return True
    return _element(statement, "Resource", resource)


def _element(statement: Statement, name: str, value: str) -> Truth:
    is_excluded = f"Not{name}" in statement
    patterns = as_tuple(statement.get(f"Not{name}" if is_excluded else name))
    covers = _is_covered(patterns, value, name == "Action")
    return negate(covers) if is_excluded else covers


@lru_cache(maxsize=2**14)
def _is_covered(patterns: tuple[str, ...], value: str, ignore_case: bool) -> Truth:
    # An account's principals share most of their policies' texts: each is compared once, not for every principal.
    return any_of(matches(pattern, value, ignore_case=ignore_case) for pattern in patterns)
