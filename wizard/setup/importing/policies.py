"""Policy documents compared by what they mean: order, spelling in one or several statements and Sids do not matter.

Pure: touches nothing but its arguments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from components import policies

KEY_ACTIONS = tuple(
    sorted(
        {
            *policies.ADMINISTRATOR_ACTIONS,
            *policies.MULTI_REGION_ACTIONS,
            *policies.DELETION_ACTIONS,
            *policies.USE_ACTIONS,
            *policies.APPLICATION_ACTIONS,
            "kms:RetireGrant",
            "kms:SynchronizeMultiRegionKey",
        }
    )
)
"""What can be done with a symmetric key of KMS's own material; a pattern is read as those of them that it covers.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html
"""

Condition = tuple[tuple[str, str, tuple[str, ...]], ...]
"""(operator, key, values) of each test, sorted."""


@dataclass(frozen=True, kw_only=True)
class Right:
    """One thing that one statement allows or denies to one principal on one resource."""

    effect: str
    principal: str
    """An ARN, an account's id, `*`, `Service: …`, `Federated: …`; `not …` for NotPrincipal; empty without any."""
    action: str
    """As IAM spells it, in small letters where it is no action of a key; `not …` for NotAction."""
    resource: str
    condition: Condition = ()


def rights(document: Mapping[str, Any] | None) -> frozenset[Right]:
    """Everything the document says, one by one; patterns of KMS actions are spelled out."""
    return frozenset(right for statement in statements(document) for right in _of(statement))


def statements(document: Mapping[str, Any] | None) -> tuple[Mapping[str, Any], ...]:
    """The document's statements; none for no document."""
    return tuple(each for each in listed((document or {}).get("Statement")) if isinstance(each, Mapping))


def listed(value: Any) -> list[Any]:
    """What a policy has as one value or as a list of them, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def same(found: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None) -> bool:
    """Whether two documents give and deny the same."""
    return rights(found) == rights(wanted)


def condition_of(statement: Mapping[str, Any]) -> Condition:
    """A statement's condition in one spelling."""
    return tuple(
        sorted(
            (str(operator), str(key).lower(), tuple(sorted(_text(value) for value in listed(values))))
            for operator, keys in (statement.get("Condition") or {}).items()
            for key, values in keys.items()
        )
    )


def principals(value: Any) -> tuple[str, ...]:
    """The principals of a statement: ARNs and `*` as they are, the root as its account, others after their kind."""
    if value is None:
        return ("",)
    if isinstance(value, str):
        return (value,)
    return tuple(
        _account(str(name)) if kind == "AWS" else f"{kind}: {name}"
        for kind, names in value.items()
        for name in listed(names)
    )


def short(arn: str) -> str:
    """An ARN without what all of an account's have in common; anything else as it is."""
    return arn.split(":", 5)[5] if arn.startswith("arn:") and arn.count(":") >= 5 else arn


def _of(statement: Mapping[str, Any]) -> Iterator[Right]:
    whom = principals(statement.get("Principal"))
    if "NotPrincipal" in statement:
        whom = ("not " + ", ".join(sorted(principals(statement["NotPrincipal"]))),)
    if "NotAction" in statement:
        actions = ["not " + ", ".join(sorted(str(each).lower() for each in listed(statement["NotAction"])))]
    else:
        actions = [action for pattern in listed(statement.get("Action")) for action in _spelled(str(pattern))]
    resources = [str(each) for each in listed(statement.get("Resource"))] or [""]
    if "NotResource" in statement:
        resources = ["not " + ", ".join(sorted(str(each) for each in listed(statement["NotResource"])))]
    condition = condition_of(statement)
    for principal in whom:
        for action in actions:
            for resource in resources:
                yield Right(
                    effect=str(statement.get("Effect", "")),
                    principal=principal,
                    action=action,
                    resource=resource,
                    condition=condition,
                )


def _spelled(pattern: str) -> tuple[str, ...]:
    low = pattern.lower()
    covered = tuple(action for action in KEY_ACTIONS if fnmatchcase(action.lower(), low))
    # Of an action that no symmetric key knows nothing is lost in comparison; it stays to be seen.
    return covered or (low,)


def _account(name: str) -> str:
    # A bare account id and the ARN of its root are the same.
    account = name.split(":")[4] if name.endswith(":root") and name.count(":") == 5 else name
    return account if account.isdigit() and len(account) == 12 else name


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
