"""The one normal form of a policy statement: equal for each way to write it in a document of IAM, KMS, S3 or SNS.

Pure. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from components.settings.arn import Arn

Principal = tuple[str, str]
"""Type and name: ("AWS", "arn:…"), ("Service", "ecs-tasks.amazonaws.com"); a bare "*" is ("*", "*")."""

Test = tuple[str, str, tuple[str, ...]]
"""Operator, key in lower case, sorted values of one condition."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PolicyStatement:
    """One statement. Two are equal if they mean the same: Sid, order, and the case of actions and keys do not count."""

    sid: str = ""
    effect: str = ""
    """Allow or Deny, as AWS accepts it; anything else neither allows nor denies."""
    principals: tuple[Principal, ...] = ()
    not_principals: tuple[Principal, ...] | None = None
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    """None in a trust policy, whose resource is its own role."""
    not_resources: tuple[str, ...] | None = None
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    """Operator, key, values, as they are written."""

    @property
    def allows(self) -> bool:
        return self.effect == "Allow"

    @property
    def denies(self) -> bool:
        return self.effect == "Deny"

    @property
    def matches_everybody(self) -> bool:
        """Whether it names `*`; a NotPrincipal is another matter."""
        return any(name == "*" for kind, name in self.principals if kind in ("AWS", "*"))

    @cached_property
    def tests(self) -> tuple[Test, ...]:
        """The conditions, sorted."""
        return tuple(
            sorted(
                (operator, key.lower(), tuple(sorted(values)))
                for operator, keys in self.conditions.items()
                for key, values in keys.items()
            )
        )

    @cached_property
    def meaning(self) -> tuple[object, ...]:
        """The value by which two statements are compared."""
        return (
            self.effect,
            _as_set(self.principals, canonical_principal),
            _as_set(self.not_principals, canonical_principal),
            _as_set(self.actions, str.lower),
            _as_set(self.not_actions, str.lower),
            _as_set(self.resources, str),
            _as_set(self.not_resources, str),
            frozenset((operator.lower(), key, frozenset(values)) for operator, key, values in self.tests),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PolicyStatement) and self.meaning == other.meaning

    def __hash__(self) -> int:
        return hash(self.meaning)


def canonical_principal(principal: Principal) -> Principal:
    """The one spelling of a principal: an account by its id, everybody as ("*", "*").

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    kind, name = principal
    if kind != "AWS":
        return principal
    arn = Arn.find(name)
    return ("*", "*") if name == "*" else (kind, arn.account if arn and arn.resource == "root" else name)


def statements_of(document: Mapping[str, Any] | None) -> tuple[PolicyStatement, ...]:
    """The statements of a policy, in their normal form. An element that is no statement is left out."""
    return tuple(map(normalized, written_statements(document)))


def written_statements(document: Mapping[str, Any] | None) -> tuple[Mapping[str, Any], ...]:
    """The statements as they are written, for a changed document; a single one may have no list around it."""
    value = (document or {}).get("Statement") or ()
    statements = value if isinstance(value, list | tuple) else (value,)
    return tuple(statement for statement in statements if isinstance(statement, Mapping))


def normalized(statement: Mapping[str, Any]) -> PolicyStatement:
    """A statement of a document in its normal form."""
    get = statement.get
    return PolicyStatement(
        sid=str(get("Sid") or ""),
        effect=str(get("Effect", "")),
        principals=_principals(get("Principal")),
        not_principals=_principals(get("NotPrincipal")) if "NotPrincipal" in statement else None,
        actions=as_tuple(get("Action")),
        not_actions=as_tuple(get("NotAction")) if "NotAction" in statement else None,
        resources=as_tuple(get("Resource")) if "Resource" in statement else None,
        not_resources=as_tuple(get("NotResource")) if "NotResource" in statement else None,
        conditions={
            operator: {str(key): as_tuple(values) for key, values in keys.items()}
            for operator, keys in (get("Condition") or {}).items()
            if isinstance(keys, Mapping)
        },
    )


def as_tuple(value: Any) -> tuple[str, ...]:
    """The values of an element that may be one value or a list of them."""
    if value is None:
        return ()
    values = value if isinstance(value, list | tuple) else (value,)
    # Managed policies list hundreds of actions, nearly always as text.
    return tuple([each if type(each) is str else _text(each) for each in values])


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _principals(value: Any) -> tuple[Principal, ...]:
    if isinstance(value, Mapping):
        return tuple((str(kind), name) for kind, names in value.items() for name in as_tuple(names))
    return tuple(("*", name) for name in as_tuple(value))


def _as_set(values: Any, spelled: Any) -> frozenset[Any] | None:
    return None if values is None else frozenset(map(spelled, values))
