"""Whom the stack's settings give a right on the key, and whom they let become the application.

Pure: settings in, names out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components import policies
from components.contract import Outputs, Settings
from components.stack_policies import application_trust_of
from wizard.access_review.conditions import fits
from wizard.access_review.statements import Statement, statements_of


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What a review is held against."""

    rights: Mapping[str, frozenset[str]]
    """By ARN: of everybody the settings name, what they give."""
    patterns: tuple[str, ...] = ()
    """Roles by pattern, which administer."""
    application: tuple[str, ...] = ()
    trust: tuple[str, ...] | None = None
    """The statements by which one becomes the application, each in one form; None: the role is the account's own."""

    def names(self, arn: str) -> bool:
        """Whether the settings name somebody."""
        return arn in self.rights or any(fits(pattern, arn) for pattern in self.patterns)

    def given(self, arn: str) -> frozenset[str]:
        """The rights that the settings give to somebody."""
        by_pattern = {"administer"} if any(fits(pattern, arn) for pattern in self.patterns) else set()
        return self.rights.get(arn, frozenset()) | by_pattern

    def trusts(self, statement: Statement) -> bool:
        """Whether a statement of the application's trust policy is one that the settings mean."""
        return self.trust is None or _one_form(statement) in self.trust


def of(settings: Settings, outputs: Outputs | None) -> Expectation:
    """What the settings mean. The application's ARNs are the stack's own, where it tells them."""
    application = outputs.app_principal_arns if outputs else settings.app_principal_arns
    rights: dict[str, frozenset[str]] = {}

    def give(arn: str, right: str) -> None:
        rights[arn] = rights.get(arn, frozenset()) | {right}

    for arn in application:
        give(arn, "use")
    for arn in settings.administrators:
        give(arn, "administer")
    for arn in settings.deletion_administrators:
        give(arn, "delete")
    if not settings.strict_key_policy:
        # The statement that leaves the rest to IAM names the account, and with it its root user.
        root = f"arn:{settings.partition}:iam::{settings.account_id}:root"
        rights[root] = frozenset(("use", "administer", "delete"))
    provider = settings.vercel_oidc_provider_arn or policies.vercel_oidc_provider_arn(
        account_id=settings.account_id, team=settings.vercel_team or "", partition=settings.partition
    )
    meant = application_trust_of(settings, vercel_provider_arn=provider)
    return Expectation(
        rights=rights,
        patterns=settings.administrator_patterns,
        application=tuple(application),
        trust=tuple(map(_one_form, statements_of(meant))) if settings.makes_role else None,
    )


def _one_form(statement: Statement) -> str:
    """A statement without its Sid, its lists in one order."""
    return json.dumps(_sorted({name: value for name, value in statement.items() if name != "Sid"}), sort_keys=True)


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _sorted(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        members = sorted((_sorted(each) for each in value), key=json.dumps)
        return members[0] if len(members) == 1 else members
    return value
