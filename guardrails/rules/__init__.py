"""The guardrails: what the stack may contain, as a table, and the rules by which the engine refuses everything else.

Pure. `table` is the table, `judgement` holds a resource against its row, `stack` the whole stack against all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .judgement import violations
from .resource import Resource
from .stack import required_resources


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One guardrail for each resource."""

    name: str
    description: str

    def violations(self, resource: Resource) -> Iterator[str]:
        """A message for each violation. Raises UnknownValue after all known values were checked."""
        return violations(resource, self.name)


@dataclass(frozen=True, kw_only=True)
class StackRule:
    """One guardrail for the whole stack; a violation is the URN of a resource and a message."""

    name: str
    description: str
    check: Callable[[Sequence[Resource]], Iterator[tuple[str, str]]]


RULES = tuple(
    Rule(name=name, description=description)
    for name, description in (
        ("listed-resources", "The stack contains what its settings ask for, as the table of the guardrails has it."),
        ("listed-access", "Every policy gives the access that is listed for the settings, and no other."),
        ("no-wildcard-principal", "Policies name the principals that they allow, without wildcards."),
        ("resource-protection", "Keys, aliases, the trail, buckets and their settings are protected against deletion."),
        ("phi-key-rotation", "KMS keys rotate automatically, every 90 to 2,560 days."),
        ("phi-key-enabled", "KMS keys are enabled."),
        ("phi-key-deletion-window", "A KMS key that is scheduled for deletion can be restored for 30 days."),
        ("phi-key-policy-lockout-check", "The lockout safety check of key policies is never bypassed."),
        (
            "trail-complete",
            "The audit trail is on, multi-Region, records every use of a key, and validates its log files.",
        ),
        ("trail-bucket-private", "Buckets have all four public access blocks, and disable ACLs."),
        ("trail-bucket-tls", "Bucket policies deny plain HTTP and TLS older than 1.2 for everybody."),
        ("trail-bucket-versioned", "Buckets have versioning."),
        ("trail-bucket-encrypted", "Buckets encrypt by default."),
        ("trail-retention", "Audit records are retained for at least six years (2,192 days)."),
        ("trail-object-lock", "Where audit records are locked, they are locked for at least six years (2,192 days)."),
    )
)
STACK_RULES = (
    StackRule(
        name="required-resources",
        description="Every resource that the settings ask for is in the stack, once, with the stack's own keys.",
        check=required_resources,
    ),
)
