"""Whether a policy document gives nobody more than the table says, and denies what the table says.

Pure. The evaluator (`components.policies.evaluation`) decides whether a pattern matches, a condition holds, and a
denial applies; all statements of the document are judged, whatever their Sids, their order and their number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.policies.evaluation.conditions import conditions_hold, matches
from components.policies.evaluation.principals import Caller, PrincipalKind, match_principal
from components.policies.evaluation.statements import Request, match_statement
from components.policies.statements import (
    PolicyStatement,
    Principal,
    canonical_principal,
    normalized,
    written_statements,
)

from .row import Denied, Document, May

_ELEMENTS = frozenset("Sid Effect Principal NotPrincipal Action NotAction Resource NotResource Condition".split())
_NARROWING = frozenset(("StringEquals", "StringLike", "ArnEquals", "ArnLike", "Bool"))
"""Operators that hold for the listed values only, and never for a request without the key."""
_NOT_PLAIN = re.compile(r"[*?]|\$\{")


class DocumentError(ValueError):
    """The text is not a policy document that AWS accepts, or that everybody reads in the same way."""


def read(document: Any) -> tuple[PolicyStatement, ...]:
    """The statements of a policy document. Raises DocumentError."""
    if isinstance(document, str):
        try:
            document = json.loads(document, object_pairs_hook=_pairs)
        except json.JSONDecodeError as error:
            raise DocumentError(f"is not JSON: {error}") from error
    if not isinstance(document, Mapping) or "Statement" not in document:
        raise DocumentError("is not an object with a Statement")
    elements = document["Statement"]
    statements = written_statements(document)
    if len(statements) != (len(elements) if isinstance(elements, list) else 1):
        raise DocumentError("has a Statement that is not an object")
    for statement in statements:
        if unknown := sorted(set(statement) - _ELEMENTS):
            raise DocumentError(f"has the unknown element {unknown[0]!r} in a statement")
        if statement.get("Effect") not in ("Allow", "Deny"):
            raise DocumentError("has a statement whose Effect is neither Allow nor Deny")
        conditions = statement.get("Condition", {})
        if not (isinstance(conditions, Mapping) and all(isinstance(each, Mapping) for each in conditions.values())):
            raise DocumentError("has a Condition that is not an object")
    return tuple(map(normalized, statements))


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Parsers differ in which of two equal keys they use; AWS must read the same as this check.
    if len({key for key, _ in pairs}) != len(pairs):
        raise DocumentError("has the same key twice in one object")
    return dict(pairs)


# --- what it may allow at most


def excess(statements: Sequence[PolicyStatement], document: Document) -> Iterator[str]:
    """What the Allow statements give that no line of the table allows; without the wildcard principals."""
    for statement in statements:
        if not statement.allows:
            continue
        if statement.not_actions is not None:
            yield f"{label(statement)} allows all but some actions (NotAction): list what it allows"
        if statement.not_resources is not None:
            yield f"{label(statement)} allows all but some resources (NotResource): list what it is about"
        for who in statement.principals or (None,):
            if who is not None and is_wildcard(who[1]):
                continue
            given = [
                action
                for action in statement.actions
                if not all(
                    any(_covers(may, statement, who, action, resource) for may in document.may)
                    for resource in statement.resources or ("",)
                )
            ]
            if given:
                yield _gives(statement, who, given, document)


def everybody(statements: Sequence[PolicyStatement]) -> Iterator[str]:
    """The Allow statements that name a principal with a wildcard, or all principals but some."""
    for statement in statements:
        if statement.allows and statement.not_principals is not None:
            yield f"{label(statement)} allows everybody but some principals (NotPrincipal): name each in full"
        for _, name in statement.principals if statement.allows else ():
            if is_wildcard(name):
                yield f"{label(statement)} allows the principal {name}: name each principal in full, without wildcards"


def is_wildcard(name: str) -> bool:
    """Whether a principal's name stands for several."""
    return "*" in name or "?" in name


def label(statement: PolicyStatement) -> str:
    """A statement as a message names it."""
    return f"statement {statement.sid!r}" if statement.sid else "a statement without a Sid"


def _gives(statement: PolicyStatement, who: Principal | None, actions: Sequence[str], document: Document) -> str:
    on = " or ".join(statement.resources or ())
    text = f"{label(statement)} gives {who[1] if who else 'its holder'} {', '.join(actions)}{f' on {on}' if on else ''}"
    if any(_names(may, who) and may.when for may in document.may) and not statement.conditions:
        text += " without the condition that limits it"
    settings = {
        may.setting
        for may in document.may
        if may.setting and any(_listed(action.lower(), _lower(may.actions)) for action in actions)
    }
    allow = f"to allow it, name them in {' or '.join(sorted(settings))}" if settings else "no setting allows it"
    return f"{text}: {allow}"


def _covers(may: May, statement: PolicyStatement, who: Principal | None, action: str, resource: str) -> bool:
    return (
        _names(may, who)
        and _listed(action.lower(), _lower(may.actions))
        and (_listed(resource, may.on, in_full=may.in_full) if resource else not may.on)
        and all(
            _narrows(statement, operator, key, values)
            for operator, keys in may.when.items()
            for key, values in keys.items()
        )
    )


def _names(may: May, who: Principal | None) -> bool:
    if may.who is None or who is None:
        return may.who is None and who is None
    return canonical_principal(who) in map(canonical_principal, may.who)


def _lower(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(text.lower() for text in texts)


def _listed(text: str, patterns: Sequence[str], *, in_full: bool = False) -> bool:
    """Whether a pattern of the table has the text; a text with a wildcard has to be in the table as it stands."""
    if _NOT_PLAIN.search(text):
        return not in_full and text in patterns
    return any(matches(pattern, text) is True for pattern in patterns)


def _narrows(statement: PolicyStatement, operator: str, key: str, values: Sequence[str]) -> bool:
    """Whether the statement has a condition on the key that lets nothing through but what these values do."""
    return any(
        given in _NARROWING
        and name == key.lower()
        and texts
        and all(_within(text, operator, key, values) for text in texts)
        for given, name, texts in statement.tests
    )


def _within(text: str, operator: str, key: str, values: Sequence[str]) -> bool:
    if _NOT_PLAIN.search(text):
        return text in values
    return conditions_hold({operator: {key: tuple(values)}}, {key.lower(): (text,)}) is True


# --- what it has to deny


def permitted(statements: Sequence[PolicyStatement], denied: Denied, account: str) -> str | None:
    """A principal to whom the document does not certainly deny what it has to; None where it denies it to all.

    Tried with principals of every kind, and with each that the document itself names or could mean by a pattern.
    """
    denials = [statement for statement in statements if statement.denies]
    for arn in dict.fromkeys((*_samples(account), *_named(denials))):
        if arn in denied.but:
            continue
        for known in denied.requests:
            context = {**known, "aws:principalarn": (arn,) if arn else ()}
            caller = Caller(arn=arn, kind=PrincipalKind.OTHER, context=context)
            for action in denied.actions:
                for resource in denied.on:
                    request = Request(action=action, resource=resource, context=context)
                    if not any(_denies(denial, request, caller, account) for denial in denials):
                        return arn or "an AWS service"
    return None


def _denies(denial: PolicyStatement, request: Request, caller: Caller, account: str) -> bool:
    match = match_statement(denial, request, source="")
    return match is not None and not match.terms and match_principal(denial, caller, account) is not None


def _samples(account: str) -> Iterator[str]:
    yield from ("", f"arn:aws:iam::{account}:root", "arn:aws:iam::000000000000:role/somebody")
    yield from (f"arn:aws:iam::{account}:{kind}/somebody" for kind in ("role", "user"))


def _named(denials: Sequence[PolicyStatement]) -> Iterator[str]:
    """Every ARN in the denials; a pattern as one that it matches."""
    for denial in denials:
        texts = [name for _, name in denial.not_principals or ()]
        texts += [text for _, _, values in denial.tests for text in values]
        yield from (re.sub(r"\$\{[^}]*\}|[*?]", "x", text) for text in texts if text.startswith("arn:"))
