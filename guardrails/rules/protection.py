"""The guardrail of what may never be deleted: keys, aliases, the trail, its buckets and their guards.

Touches nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from .rule import Resource, Rule
from .types import (
    ALIAS,
    BUCKET_POLICY,
    BUCKETS,
    ENCRYPTION,
    KEYS,
    LIFECYCLES,
    OBJECT_LOCKS,
    OWNERSHIP,
    PUBLIC_ACCESS_BLOCK,
    TRAIL,
    VERSIONING,
)

PROTECTED = frozenset(
    {
        *KEYS,
        ALIAS,
        TRAIL,
        *BUCKETS,
        PUBLIC_ACCESS_BLOCK,
        OWNERSHIP,
        *VERSIONING,
        *ENCRYPTION,
        *LIFECYCLES,
        *OBJECT_LOCKS,
        BUCKET_POLICY,
    }
)


def stays_protected(resource: Resource) -> Iterator[str]:
    """The engine refuses to delete the resource, and the provider to delete a bucket that holds records."""
    # The engine shows a policy no retainOnDelete; what is protected is deleted by nobody, so it is not needed here.
    if not resource.protected:
        yield "The resource is not protected: give it the resource option protect."
    if resource.type in BUCKETS and resource.props.get("forceDestroy") not in (None, False):
        yield "The bucket would be deleted with its records: set forceDestroy to false."


RULES = (
    Rule(
        name="stays-protected",
        demand="Keys, aliases, the trail, buckets and what guards them cannot be deleted by this stack.",
        types=PROTECTED,
        check=stays_protected,
    ),
)
