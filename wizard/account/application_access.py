"""What the stack's own role and user have, compared both ways with what the settings give them.

Pure. One comparison for the evidence of setup, for verify and for doctor.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.policies import stack as of_stack
from components.policies.evaluation.account import IamPolicy, IamPrincipal
from components.settings import ImportGroup, Outputs, Settings
from wizard.account.comparison.policies import Right, rights


@dataclass(frozen=True, kw_only=True)
class TrustComparison:
    """A role's trust and the settings; both empty where they agree."""

    lacking: tuple[str, ...] = ()
    """Principals that the settings let in and the role does not."""
    surplus: tuple[str, ...] = ()
    """What the role lets in beyond the settings: `PRINCIPAL (ACTION)`."""


@dataclass(frozen=True, kw_only=True)
class OwnPrincipal:
    """A role or a user that the stack makes, and what the settings give it."""

    arn: str
    trust: Mapping[str, Any] | None = None
    """None: not compared; a user has none, and an import may leave a role as it was found."""
    policies: Mapping[str, Mapping[str, Any] | None] | None = None
    """Documents by the ARN of a managed policy or the name of an inline one, None for one that is compared elsewhere.
    None for all of them: not compared."""


def own_principals(settings: Settings, outputs: Outputs) -> tuple[OwnPrincipal, ...]:
    """The role and the user that the stack makes for the application, and the roles that read the variables."""
    kept, iam = settings.kept_as_found, settings.arn("iam", "")
    own = None if ImportGroup.APPLICATION_POLICY in kept else {outputs.app_policy_arn: None}
    trust = None if ImportGroup.APPLICATION_ROLE in kept else application_trust(settings)
    role = OwnPrincipal(arn=f"{iam}role/{settings.names.app_role}", trust=trust, policies=own)
    user = OwnPrincipal(arn=f"{iam}user/{settings.names.app_user}", policies=own)
    application = ((role,) if settings.makes_role else ()) + ((user,) if settings.makes_user else ())
    return application + own_readers(settings)


def own_readers(settings: Settings) -> tuple[OwnPrincipal, ...]:
    """The roles that the stack makes for those who read the variables."""
    name, document = of_stack.reading_policy_of(settings)
    reading = {settings.arn("iam", f"policy/{name}"): document}
    return tuple(
        OwnPrincipal(
            arn=reader.arn,
            trust=reader.role.trust,
            policies={**reading, **dict([reader.role.inline_policy] if reader.role.inline_policy else [])},
        )
        for reader in of_stack.readers_of(settings)
        if isinstance(reader.role, of_stack.NewRole)
    )


def application_trust(settings: Settings) -> Mapping[str, Any]:
    """Who may assume the application's role."""
    return of_stack.application_trust_of(settings, vercel_provider_arn=of_stack.vercel_provider_arn_of(settings))


def compare_trust(trust: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None) -> TrustComparison:
    """Compare the trust policy of a role of the stack with that of the settings; None: not compared."""
    if wanted is None:
        return TrustComparison()
    expected = rights(wanted)
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


def surplus_policies(principal: IamPrincipal, own: OwnPrincipal) -> tuple[IamPolicy, ...]:
    """The policies that allow a principal of the stack more than the settings give it.

    A policy of somebody else that could not be read counts: what it allows is unknown.
    """
    return tuple(policy for policy in principal.policies if _allows_more(policy, own))


def is_foreign(policy: IamPolicy, own: OwnPrincipal) -> bool:
    """Whether the settings give the principal no policy of this name."""
    return own.policies is not None and policy.name.partition(" of ")[0] not in own.policies


def _allows_more(policy: IamPolicy, own: OwnPrincipal) -> bool:
    if is_foreign(policy, own):
        return policy.document is None or any(each.allows for each in policy.statements)
    expected = (own.policies or {}).get(policy.name.partition(" of ")[0])
    allowed = {right for right in rights(policy.document) if right.effect == "Allow"}
    return expected is not None and not allowed <= rights(expected)
