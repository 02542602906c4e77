"""What the statements of policies say to one action on one resource: which allow it, which deny it, and on what terms.

Pure. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wizard.commands.review.conditions import (
    Known,
    Truth,
    every,
    fits,
    hold,
    listed,
    open_ones,
    opposite,
    some,
)
from wizard.core.models.iam import IamPolicy

Statement = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """An action on a resource, and what is known of the request beside."""

    action: str
    resource: str
    known: Known


@dataclass(frozen=True, kw_only=True)
class StatementMatch:
    """A statement that speaks of what is asked."""

    source: str
    """The policy and, where it has one, the statement's Sid."""
    terms: tuple[str, ...] = ()
    """The conditions it hangs on that are not known, in words; none: it applies."""


@dataclass(frozen=True, kw_only=True)
class PolicyEvaluation:
    """What statements say to one thing asked."""

    allows: tuple[StatementMatch, ...] = ()
    denies: tuple[StatementMatch, ...] = ()
    unread: tuple[str, ...] = ()
    """Policies that could not be read."""

    @property
    def is_denied(self) -> bool:
        """Whether a denial applies, whatever the request is."""
        return any(not hit.terms for hit in self.denies)

    @property
    def is_allowed(self) -> bool:
        """Whether something allows it, if only on terms, and no denial is sure to apply."""
        return bool(self.allows) and not self.is_denied


def statements_of(document: Mapping[str, Any] | None) -> tuple[Statement, ...]:
    """The statements of a policy, of which a single one may stand without a list."""
    found = (document or {}).get("Statement") or ()
    every_one = found if isinstance(found, list | tuple) else (found,)
    return tuple(one for one in every_one if isinstance(one, Mapping))


def weigh(policies: Iterable[IamPolicy], asked: Asked) -> PolicyEvaluation:
    """What the policies of a user or a role say."""
    allows: list[StatementMatch] = []
    denies: list[StatementMatch] = []
    unread = []
    for policy in policies:
        if policy.document is None:
            unread.append(policy.name)
        for statement in statements_of(policy.document):
            if (hit := hit_of(statement, asked, source=policy.name)) is not None:
                (denies if statement.get("Effect") == "Deny" else allows).append(hit)
    return PolicyEvaluation(allows=tuple(allows), denies=tuple(denies), unread=tuple(unread))


def hit_of(statement: Statement, asked: Asked, *, source: str) -> StatementMatch | None:
    """How a statement applies to what is asked; None where it does not. Its principal is not looked at."""
    about = every((_element(statement, "Action", asked.action, fold=True), _of_resource(statement, asked.resource)))
    holds = hold(statement.get("Condition"), asked.known)
    if every((about, holds)) is False or statement.get("Effect") not in ("Allow", "Deny"):
        return None
    return StatementMatch(source=source, terms=tuple(_terms(statement, asked, about)))


def _terms(statement: Statement, asked: Asked, about: Truth) -> Iterator[str]:
    if about is None:
        variable = "NotResource" if "NotResource" in statement else "Resource"
        yield f"{variable} {' or '.join(listed(statement.get(variable)))} means the key"
    yield from open_ones(statement.get("Condition"), asked.known)


def _of_resource(statement: Statement, resource: str) -> Truth:
    # A role's trust policy has no Resource: it speaks of the role it belongs to.
    if "Resource" not in statement and "NotResource" not in statement:
        return True
    return _element(statement, "Resource", resource, fold=False)


def _element(statement: Statement, name: str, value: str, *, fold: bool) -> Truth:
    if f"Not{name}" in statement:
        return opposite(some(fits(one, value, fold=fold) for one in listed(statement[f"Not{name}"])))
    return some(fits(one, value, fold=fold) for one in listed(statement.get(name)))
