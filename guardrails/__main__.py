"""The CrossGuard policy pack: `pulumi up --policy-pack guardrails` fails where a rule is violated.

Touches the engine, which starts this directory as a program and sends it every resource.
"""

from typing import Any

import pulumi_policy
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError
from rules import RULES, STACK_RULES, Rule, StackRule  # type: ignore[import-not-found]  # of this directory
from rules.judgement import names_made  # type: ignore[import-not-found]
from rules.resource import Resource, UnknownValue  # type: ignore[import-not-found]
from stack_settings import stack_configuration, stack_settings, values_of  # type: ignore[import-not-found]

_made: dict[str, set[str]] = {}
"""What this run has registered, by type: whoever takes an output of a resource is registered after it."""


def resource_policy(rule: Rule) -> pulumi_policy.ResourceValidationPolicy:
    """A rule as a policy of the engine: it reports each violation, and each one stops the deployment."""

    def validate(args: pulumi_policy.ResourceValidationArgs, report: pulumi_policy.ReportViolation) -> None:
        try:
            resource = _resource(args, made=_made)
            if made := names_made(resource):
                _made.setdefault(made[0], set()).add(made[1])
            for violation in rule.violations(resource):
                report(violation, args.urn)
        except UnknownValue as error:
            # The engine then says which rule could not be checked yet.
            raise UnknownValueError(UNKNOWN_STRING_VALUE, [args.name]) from error

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
    dependencies = {
        name: tuple(dependency.urn for dependency in each) for name, each in resource.property_dependencies.items()
    }
    return _resource(resource, refers_to=dependencies)


def _resource(sent: Any, **more: Any) -> Resource:
    """What the engine sent of a resource, alone or in the stack, with the settings of its stack."""
    settings, unreadable = stack_settings()
    return Resource(
        type=sent.resource_type,
        urn=sent.urn,
        props=values_of(sent.props),
        protected=sent.opts.protect,
        ignored=frozenset(sent.opts.ignore_changes),
        aliases=tuple(sent.opts.aliases),
        provider=sent.provider.urn if sent.provider else None,
        settings=settings,
        configuration=stack_configuration(),
        unreadable=unreadable,
        **more,
    )


if __name__ == "__main__":
    pulumi_policy.PolicyPack(
        name="eonpro-kms-guardrails",
        policies=[*(resource_policy(rule) for rule in RULES), *(stack_policy(rule) for rule in STACK_RULES)],
        enforcement_level=pulumi_policy.EnforcementLevel.MANDATORY,
    )
