"""The rights on the key that the settings give.

Pure.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.policies.evaluation.conditions import matches
from components.policies.evaluation.statements import Statement, statements_of
from components.policies.stack import application_trust_of, vercel_provider_arn_of
from components.settings import Outputs, Settings


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """The rights that the settings give."""

    rights: Mapping[str, frozenset[str]]
    """By ARN, for every principal that the settings name."""
    patterns: tuple[str, ...] = ()
    """Administrators by pattern of role ARNs."""
    application: tuple[str, ...] = ()
    trust: tuple[str, ...] | None = None
    """The statements that trust the application, normalized; None: the stack does not create the role."""

    def names(self, arn: str) -> bool:
        return arn in self.rights or any(matches(pattern, arn) for pattern in self.patterns)

    def rights_of(self, arn: str) -> frozenset[str]:
        """The rights that the settings give to a principal."""
        by_pattern = {"administer"} if any(matches(pattern, arn) for pattern in self.patterns) else set()
        return self.rights.get(arn, frozenset()) | by_pattern

    def trusts(self, statement: Statement) -> bool:
        """Whether a statement of the application's trust policy is one of the settings."""
        return self.trust is None or _normalized(statement) in self.trust


def expectation_of(settings: Settings, outputs: Outputs | None) -> Expectation:
    """The expectation of these settings; the outputs, if there are any, have the application's ARNs."""
    application = outputs.app_principal_arns if outputs else settings.app_principal_arns
    rights: dict[str, frozenset[str]] = {}

    def give(arn: str, right: str) -> None:
        rights[arn] = rights.get(arn, frozenset()) | {right}

    for arn in application:
        give(arn, "use")
    for arn in (*settings.administrators, *settings.incident_responders):
        give(arn, "administer")
    for arn in settings.deletion_administrators:
        give(arn, "delete")
    if not settings.strict_key_policy:
        # The statement that delegates to IAM names the account, and so its root user.
        root = f"arn:{settings.partition}:iam::{settings.account_id}:root"
        rights[root] = frozenset(("use", "administer", "delete"))
    trust = application_trust_of(settings, vercel_provider_arn=vercel_provider_arn_of(settings))
    return Expectation(
        rights=rights,
        patterns=settings.administrator_patterns,
        application=tuple(application),
        trust=tuple(map(_normalized, statements_of(trust))) if settings.makes_role else None,
    )


def _normalized(statement: Statement) -> str:
    """A statement without its Sid, its lists in one order, as JSON."""
    return json.dumps(_sorted({name: value for name, value in statement.items() if name != "Sid"}), sort_keys=True)


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _sorted(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        members = sorted((_sorted(member) for member in value), key=json.dumps)
        return members[0] if len(members) == 1 else members
    return value
