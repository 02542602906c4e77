"""The CrossGuard policy pack: `pulumi up --policy-pack guardrails` fails where a rule is violated.

Touches the engine, which starts this directory as a program and sends it every resource.
"""

import sys
from pathlib import Path

import pulumi_policy

# The engine starts this directory as a program, so the rules cannot import `components` without this path.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from rules import RULES, STACK_RULES, Resource, Rule, StackRule  # type: ignore[import-not-found]  # of this directory
from stack_settings import stack_settings  # type: ignore[import-not-found]


def resource_policy(rule: Rule) -> pulumi_policy.ResourceValidationPolicy:
    """A rule as a policy of the engine: it reports each violation, and each one stops the deployment."""

    def validate(args: pulumi_policy.ResourceValidationArgs, report: pulumi_policy.ReportViolation) -> None:
        resource = Resource(
            type=args.resource_type,
            urn=args.urn,
            props=args.props,
            protected=args.opts.protect,
            ignored=frozenset(args.opts.ignore_changes),
            settings=stack_settings(),
        )
        for violation in rule.violations(resource):
            report(violation, args.urn)

    return pulumi_policy.ResourceValidationPolicy(
        name=rule.name,
        description=rule.description,
        enforcement_level=pulumi_policy.EnforcementLevel.MANDATORY,
        validate=validate,
    )


def stack_policy(rule: StackRule) -> pulumi_policy.StackValidationPolicy:
    """A stack rule as a policy of the engine, which runs it at the end of a preview or an update."""

    def validate(stack: pulumi_policy.StackValidationArgs, report: pulumi_policy.ReportViolation) -> None:
        for urn, violation in rule.check([stack_resource(resource) for resource in stack.resources]):
            report(violation, urn)

    return pulumi_policy.StackValidationPolicy(
        name=rule.name,
        description=rule.description,
        enforcement_level=pulumi_policy.EnforcementLevel.MANDATORY,
        validate=validate,
    )


def stack_resource(resource: pulumi_policy.PolicyResource) -> Resource:
    """A resource of the stack, with the resources that its inputs come from."""
    return Resource(
        type=resource.resource_type,
        urn=resource.urn,
        props=resource.props,
        protected=resource.opts.protect,
        ignored=frozenset(resource.opts.ignore_changes),
        refers_to={
            name: tuple(dependency.urn for dependency in dependencies)
            for name, dependencies in resource.property_dependencies.items()
        },
    )


if __name__ == "__main__":
    pulumi_policy.PolicyPack(
        name="eonpro-kms-guardrails",
        policies=[*(resource_policy(rule) for rule in RULES), *(stack_policy(rule) for rule in STACK_RULES)],
        enforcement_level=pulumi_policy.EnforcementLevel.MANDATORY,
    )
