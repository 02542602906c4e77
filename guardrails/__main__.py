"""The CrossGuard policy pack: `pulumi up --policy-pack guardrails` refuses what the rules refuse.

Touches the engine, which starts this directory as a program and asks it about every resource.
"""

from __future__ import annotations

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)
from rules import RULES, Rule  # type: ignore[import-not-found]  # the engine puts this directory first


def policy(rule: Rule) -> ResourceValidationPolicy:
    """The engine's form of a rule: each violation is reported, and each one stops the deployment."""

    def validate(resource: ResourceValidationArgs, report: ReportViolation) -> None:
        for violation in rule.check(resource.resource_type, resource.props):
            report(violation, resource.urn)

    return ResourceValidationPolicy(
        name=rule.name,
        description=rule.demand,
        enforcement_level=EnforcementLevel.MANDATORY,
        validate=validate,
    )


if __name__ == "__main__":
    PolicyPack(
        name="eonpro-kms-guardrails",
        policies=[policy(rule) for rule in RULES],
        enforcement_level=EnforcementLevel.MANDATORY,
    )
