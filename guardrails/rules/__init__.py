"""The guardrails as pure functions: rules for a resource, or for the stack, that `pulumi up` must not violate.

Touches nothing: one module for each subject, all rules together here.
"""

from __future__ import annotations

from . import application, buckets, keys, listed, principals, protection, required_resources, trail
from .rule import Resource as Resource
from .rule import Rule as Rule
from .rule import StackRule as StackRule

RULES = (
    *keys.RULES,
    *protection.RULES,
    *principals.RULES,
    *application.RULES,
    *listed.RULES,
    *buckets.RULES,
    *trail.RULES,
)
STACK_RULES = (*application.STACK_RULES, *required_resources.STACK_RULES)
