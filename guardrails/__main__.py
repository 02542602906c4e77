"""The CrossGuard policy pack: `pulumi up --policy-pack guardrails` refuses what the rules refuse.

Touches the engine, which starts this directory as a program and asks it about every resource.
"""

from __future__ import annotations

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from rules import RULES, STACK_RULES, Resource, Rule, StackRule  # type: ignore[import-not-found]  # this directory's


def policy(rule: Rule) -> ResourceValidationPolicy:
    """The engine's form of a rule: each violation is reported, and each one stops the deployment."""

    def validate(given: ResourceValidationArgs, report: ReportViolation) -> None:
        resource = Resource(
            type=given.resource_type,
            urn=given.urn,
            props=given.props,
            protected=given.opts.protect,
            ignored=frozenset(given.opts.ignore_changes),
        )
        for violation in rule.violations(resource):
            report(violation, given.urn)

    return ResourceValidationPolicy(
        name=rule.name,
        description=rule.demand,
        enforcement_level=EnforcementLevel.MANDATORY,
        validate=validate,
    )


def stack_policy(rule: StackRule) -> StackValidationPolicy:
    """The engine's form of a rule on the whole stack, asked at the end of a preview or an update."""

    def validate(stack: StackValidationArgs, report: ReportViolation) -> None:
        for urn, violation in rule.check([seen(given) for given in stack.resources]):
            report(violation, urn)

    return StackValidationPolicy(
        name=rule.name,
        description=rule.demand,
        enforcement_level=EnforcementLevel.MANDATORY,
        validate=validate,
    )


def seen(given: PolicyResource) -> Resource:
    """A resource of the stack, with the wiring of its inputs."""
    return Resource(
        type=given.resource_type,
        urn=given.urn,
        props=given.props,
        protected=given.opts.protect,
        ignored=frozenset(given.opts.ignore_changes),
        refers_to={name: tuple(one.urn for one in found) for name, found in given.property_dependencies.items()},
    )


if __name__ == "__main__":
    PolicyPack(
        name="eonpro-kms-guardrails",
        policies=[*(policy(rule) for rule in RULES), *(stack_policy(rule) for rule in STACK_RULES)],
        enforcement_level=EnforcementLevel.MANDATORY,
    )
