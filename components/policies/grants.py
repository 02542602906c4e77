"""What a KMS key policy gives to a principal: by name, through the account's root, or not at all.

Pure: touches nothing but its arguments. It judges one policy, as KMS does when it looks whether a new policy
would lock its caller out; it is no IAM simulator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

_Test = Callable[[str, str], bool]

_ROOT = re.compile(r"arn:[a-z-]+:iam::(\d{12}):root|(\d{12})")
_SESSION = re.compile(r"arn:([a-z-]+):sts::(\d{12}):assumed-role/([^/]+)/.+")


class Grant(StrEnum):
    """How a key policy answers a principal that asks for an action."""

    NAMED = "named"
    """The policy itself allows it, whatever IAM says: the principal is named, or everybody is."""
    THROUGH_ROOT = "through-root"
    """The policy leaves it to the account: an IAM policy must allow the principal the action on the key."""
    NONE = "none"
    """Nothing in the policy allows it."""
    DENIED = "denied"
    """The policy denies it, whoever else allows it."""


def grants(policy: Mapping[str, Any], principal_arn: str, action: str) -> Grant:
    """What the key policy gives to the principal: a user, a role, a role's session or an account's root.

    It errs on the side of a lockout. Of a request nothing is known but who makes it, so an Allow counts only where
    its condition is about the principal and holds, and a Deny counts unless its condition is, and does not.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
    """
    found = Grant.NONE
    for statement in _listed(policy.get("Statement")):
        if not _covers(statement, action):
            continue
        reach = _reach(statement, principal_arn)
        holds = _holds(statement.get("Condition"), principal_arn)
        if statement.get("Effect") == "Deny":
            if reach is not Grant.NONE and holds is not False:
                return Grant.DENIED
        elif holds and _counts(statement) and reach is not Grant.NONE and found is not Grant.NAMED:
            found = reach
    return found


def _counts(statement: Mapping[str, Any]) -> bool:
    # A key policy's statement on anything but "*", the key itself, is a mistake that grants nothing.
    return statement.get("Effect") == "Allow" and "*" in _listed(statement.get("Resource"))


def _holds(condition: Any, principal_arn: str) -> bool | None:
    """Whether a condition holds for whatever the principal asks; None where that depends on more than the principal.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
    """
    answers: list[bool | None] = []
    known = {
        "aws:principalarn": _own_arn(principal_arn),
        "aws:principalaccount": _account_of(principal_arn),
        "kms:calleraccount": _account_of(principal_arn),
    }
    for operator, keys in (condition or {}).items():
        test = _OPERATORS.get(operator)
        for key, wanted in keys.items():
            value = known.get(key.lower())
            if test is None or value is None:
                answers.append(None)
                continue
            fits, negated = test
            answers.append(any(fits(value, str(one)) for one in _listed(wanted)) != negated)
    if False in answers:
        return False
    return None if None in answers else True


def _own_arn(principal_arn: str) -> str | None:
    """What aws:PrincipalArn says: of a role's session the role, whose path its session's ARN does not tell."""
    return None if _SESSION.fullmatch(principal_arn) else principal_arn


def _account_of(principal_arn: str) -> str:
    return principal_arn.split(":")[4] if principal_arn.count(":") >= 5 else ""


def _arn_fits(value: str, pattern: str) -> bool:
    # ARNs are compared part by part: a wildcard does not reach over a colon.
    ours, theirs = value.split(":", 5), pattern.split(":", 5)
    return len(ours) == len(theirs) and all(_fits(own, part) for own, part in zip(ours, theirs, strict=True))


def _fits(value: str, pattern: str) -> bool:
    # IAM knows * and ? only; a bracket is a bracket.
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), value) is not None


_OPERATORS: dict[str, tuple[_Test, bool]] = {
    "ArnEquals": (_arn_fits, False),
    "ArnLike": (_arn_fits, False),
    "ArnNotEquals": (_arn_fits, True),
    "ArnNotLike": (_arn_fits, True),
    "StringEquals": (str.__eq__, False),
    "StringNotEquals": (str.__eq__, True),
    "StringLike": (_fits, False),
    "StringNotLike": (_fits, True),
}


def _covers(statement: Mapping[str, Any], action: str) -> bool:
    if "NotAction" in statement:
        return not _matches(statement["NotAction"], action)
    return _matches(statement.get("Action"), action)


def _matches(patterns: Any, action: str) -> bool:
    return any(fnmatchcase(action.lower(), str(pattern).lower()) for pattern in _listed(patterns))


def _reach(statement: Mapping[str, Any], principal_arn: str) -> Grant:
    if "NotPrincipal" in statement:
        # With Allow it reaches whom nobody thought of: not to be relied on. With Deny, all but the listed.
        listed = _named(statement["NotPrincipal"], principal_arn)
        denied = statement.get("Effect") == "Deny" and listed is not Grant.NAMED
        return Grant.NAMED if denied else Grant.NONE
    return _named(statement.get("Principal"), principal_arn)


def _named(principal: Any, principal_arn: str) -> Grant:
    names = ["*"] if principal == "*" else []
    if isinstance(principal, Mapping):
        names = _listed(principal.get("AWS"))
    if any(name == "*" or _same(str(name), principal_arn) for name in names):
        return Grant.NAMED
    account = _account_of(principal_arn)
    if any(account and account in _root_accounts(str(name)) for name in names):
        # The account's root user is the account: it needs no IAM policy.
        return Grant.NAMED if _ROOT.fullmatch(principal_arn) else Grant.THROUGH_ROOT
    return Grant.NONE


def _same(name: str, principal_arn: str) -> bool:
    if name == principal_arn:
        return True
    session = _SESSION.fullmatch(principal_arn)
    if session is None:
        return False
    # A session's ARN has the role's name without its path; a name is unique in its account whatever its path.
    partition, account, role = session.groups()
    return name.startswith(f"arn:{partition}:iam::{account}:role/") and name.rpartition("/")[2] == role


def _root_accounts(name: str) -> Iterator[str]:
    match = _ROOT.fullmatch(name)
    if match:
        yield match[1] or match[2]


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
