"""What the stack's own role and user have, compared both ways with what the settings give them.

Pure. One comparison for the evidence of setup, for verify and for doctor.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.policies.evaluation.account import IamPolicy, IamPrincipal
from components.policies.stack import application_trust_of, vercel_provider_arn_of
from components.settings import ImportGroup, Outputs, Settings
from wizard.setup.importing.policies import Right, rights, statements


@dataclass(frozen=True, kw_only=True)
class TrustComparison:
    """A role's trust and the settings; both empty where they agree."""

    lacking: tuple[str, ...] = ()
    """Principals that the settings let in and the role does not."""
    surplus: tuple[str, ...] = ()
    """What the role lets in beyond the settings: `PRINCIPAL (ACTION)`."""


def own_principals(settings: Settings) -> tuple[str, ...]:
    """The ARNs of the role and the user that the stack makes for the application."""
    iam = f"arn:{settings.partition}:iam::{settings.account_id}"
    roles = (f"{iam}:role/{settings.names.app_role}",) if settings.makes_role else ()
    return roles + ((f"{iam}:user/{settings.names.app_user}",) if settings.makes_user else ())


def compare_trust(trust: Mapping[str, Any] | None, settings: Settings) -> TrustComparison:
    """Compare the trust policy of the stack's role with the deploy targets of the settings."""
    if ImportGroup.APPLICATION_ROLE in settings.kept_as_found:
        return TrustComparison()
    expected = rights(application_trust_of(settings, vercel_provider_arn=vercel_provider_arn_of(settings)))
    actual = rights(trust)
    surplus = {right for right in actual - expected if right.effect == "Allow"}
    replaced = {(right.principal, right.action) for right in surplus}
    # Another condition on the same principal lets in somebody else: it is surplus.
    lacking = {right for right in expected - actual if (right.principal, right.action) not in replaced}
    return TrustComparison(
        lacking=tuple(sorted({right.principal for right in lacking})),
        surplus=tuple(sorted({_words(right, expected) for right in surplus})),
    )


def _words(right: Right, expected: frozenset[Right]) -> str:
    known = any((other.principal, other.action) == (right.principal, right.action) for other in expected)
    return f"{right.principal} ({right.action}{', by another condition' if known else ''})"


def surplus_policies(principal: IamPrincipal, settings: Settings, outputs: Outputs) -> tuple[IamPolicy, ...]:
    """The policies that allow the application's own role or user more than its one policy does.

    A policy that could not be read counts: what it allows is unknown.
    """
    if ImportGroup.APPLICATION_POLICY in settings.kept_as_found:
        return ()
    return tuple(
        policy
        for policy in principal.policies
        if policy.name != outputs.app_policy_arn
        and (
            policy.document is None
            or any(statement.get("Effect") == "Allow" for statement in statements(policy.document))
        )
    )


def surplus(principal: IamPrincipal, settings: Settings, outputs: Outputs) -> tuple[str, ...]:
    """All surplus of the stack's own role or user, in words; empty for none."""
    trusted = compare_trust(principal.trust, settings).surplus if principal.is_role else ()
    return (
        *(f"{principal.name} also lets in {words}" for words in trusted),
        *(f"{principal.name} also has {policy.name}" for policy in surplus_policies(principal, settings, outputs)),
    )
