"""The guardrails as pure functions: rules for a resource, or for the stack, that `pulumi up` must not violate.

Pure: one module for each subject; this module lists the rules of all of them.
"""

from . import application, buckets, keys, listed, principals, protection, required_resources, trail
from .rule import Resource as Resource
from .rule import Rule as Rule
from .rule import StackRule as StackRule

RULES = tuple(
    rule for subject in (keys, protection, principals, application, listed, buckets, trail) for rule in subject.RULES
)
STACK_RULES = (*application.STACK_RULES, *required_resources.STACK_RULES)
