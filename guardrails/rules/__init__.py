"""The guardrails as pure functions: what a resource, or the stack, says that a later `pulumi up` may not say.

Touches nothing: a file for each domain, their rules together here.
"""

from __future__ import annotations

from . import application, buckets, keys, presence, principals, protection, trail
from .rule import Resource as Resource
from .rule import Rule as Rule
from .rule import StackRule as StackRule

RULES = (
    *keys.RULES,
    *protection.RULES,
    *principals.RULES,
    *application.RULES,
    *buckets.RULES,
    *trail.RULES,
)
STACK_RULES = (*application.STACK_RULES, *presence.STACK_RULES)
