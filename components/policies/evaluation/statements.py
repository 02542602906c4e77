"""Finds the statements of policies that allow or deny one action on one resource, and their conditions.

Pure. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from components.policies.evaluation.account import IamPolicy
from components.policies.evaluation.conditions import (
    Context,
    Truth,
    all_of,
    any_of,
    conditions_hold,
    matches,
    negate,
    unknown_conditions,
)
from components.policies.statements import PolicyStatement


@dataclass(frozen=True, kw_only=True)
class Request:
    """An action on a resource, and the other known values of the request."""

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
    """The statements of policies about one request."""

    allows: tuple[StatementMatch, ...] = ()
    denies: tuple[StatementMatch, ...] = ()
    unread: tuple[str, ...] = ()
    """Policies that could not be read."""

    @property
    def is_denied(self) -> bool:
        """Whether a denial applies to every form of the request."""
        return any(not match.terms for match in self.denies)

    @property
    def is_allowed(self) -> bool:
        """Whether something allows it, perhaps on terms, and no denial certainly applies."""
        return bool(self.allows) and not self.is_denied


def evaluate_policies(policies: Iterable[IamPolicy], request: Request) -> PolicyEvaluation:
    """The statements of a user's or role's policies about a request."""
    allows: list[StatementMatch] = []
    denies: list[StatementMatch] = []
    unread = []
    for policy in policies:
        if policy.document is None:
            unread.append(policy.name)
        for statement in policy.statements:
            if (match := match_statement(statement, request, source=policy.name)) is not None:
                (denies if statement.denies else allows).append(match)
    return PolicyEvaluation(allows=tuple(allows), denies=tuple(denies), unread=tuple(unread))


def match_statement(statement: PolicyStatement, request: Request, *, source: str) -> StatementMatch | None:
    """The way in which a statement applies to a request; None if it does not. Its principal is not considered."""
    actions = _covers(statement.actions, statement.not_actions, request.action, ignore_case=True)
    covers = all_of((actions, _covers_resource(statement, request.resource)))
    if covers is False or not (statement.allows or statement.denies):
        return None
    if conditions_hold(statement.conditions, request.context) is False:
        return None
    return StatementMatch(source=source, terms=tuple(_terms(statement, request, covers)))


def _terms(statement: PolicyStatement, request: Request, covers: Truth) -> Iterator[str]:
    if covers is None:
        element = "Resource" if statement.not_resources is None else "NotResource"
        yield f"{element} {' or '.join(statement.not_resources or statement.resources or ())} means the key"
    yield from unknown_conditions(statement.conditions, request.context)


def _covers_resource(statement: PolicyStatement, resource: str) -> Truth:
    # A role's trust policy has no Resource: it is about the role that it belongs to.
    if statement.resources is None and statement.not_resources is None:
        return True
    return _covers(statement.resources or (), statement.not_resources, resource, ignore_case=False)


def _covers(patterns: tuple[str, ...], excluded: tuple[str, ...] | None, value: str, *, ignore_case: bool) -> Truth:
    if excluded is not None:
        return negate(_is_covered(excluded, value, ignore_case))
    return _is_covered(patterns, value, ignore_case)


@lru_cache(maxsize=2**14)
def actions_covered(
    patterns: tuple[str, ...], excluded: tuple[str, ...] | None, actions: tuple[str, ...]
) -> tuple[Truth, ...]:
    """Whether a statement with these Actions, or NotActions, covers each of these actions."""
    return tuple(_covers(patterns, excluded, action, ignore_case=True) for action in actions)


@lru_cache(maxsize=2**14)
def _is_covered(patterns: tuple[str, ...], value: str, ignore_case: bool) -> Truth:
    # An account's principals share most of their policies' texts: each is compared once, not for every principal.
    return any_of(matches(pattern, value, ignore_case=ignore_case) for pattern in patterns)
