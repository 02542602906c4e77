"""The rights on the key that the settings give.

Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from components.policies.evaluation.conditions import matches
from components.policies.stack import application_trust_of, vercel_provider_arn_of
from components.policies.statements import PolicyStatement, statements_of
from components.settings import Outputs, Settings


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """The rights that the settings give."""

    rights: Mapping[str, frozenset[str]]
    """By ARN, for every principal that the settings name."""
    patterns: tuple[str, ...] = ()
    """Administrators by pattern of role ARNs."""
    application: tuple[str, ...] = ()
    trust: tuple[PolicyStatement, ...] | None = None
    """The statements that trust the application; None: the stack does not create the role."""

    def names(self, arn: str) -> bool:
        return arn in self.rights or any(matches(pattern, arn) for pattern in self.patterns)

    def rights_of(self, arn: str) -> frozenset[str]:
        """The rights that the settings give to a principal."""
        by_pattern = {"administer"} if any(matches(pattern, arn) for pattern in self.patterns) else set()
        return self.rights.get(arn, frozenset()) | by_pattern

    def trusts(self, statement: PolicyStatement) -> bool:
        """Whether a statement of the application's trust policy is one of the settings."""
        return self.trust is None or statement in self.trust


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
        root = settings.arn("iam", "root")
        rights[root] = frozenset(("use", "administer", "delete"))
    trust = application_trust_of(settings, vercel_provider_arn=vercel_provider_arn_of(settings))
    return Expectation(
        rights=rights,
        patterns=settings.administrator_patterns,
        application=tuple(application),
        trust=statements_of(trust) if settings.makes_role else None,
    )
