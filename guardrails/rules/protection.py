"""The guardrail of deletion protection: keys, aliases, the trail, its buckets and their settings.

Pure.
"""

from collections.abc import Iterator

from . import resource_types as kinds
from .rule import Resource, Rule

PROTECTED = frozenset(
    {
        *kinds.KEYS,
        kinds.ALIAS,
        kinds.TRAIL,
        *kinds.BUCKETS,
        kinds.PUBLIC_ACCESS_BLOCK,
        kinds.OWNERSHIP,
        *kinds.VERSIONING,
        *kinds.ENCRYPTION,
        *kinds.LIFECYCLES,
        *kinds.OBJECT_LOCKS,
        kinds.BUCKET_POLICY,
    }
)


def is_protected(resource: Resource) -> Iterator[str]:
    """The resource has `protect`, and a bucket has no `forceDestroy`."""
    # The engine does not send retainOnDelete to a policy; `protect` alone prevents the deletion.
    if not resource.protected:
        yield "The resource is not protected: set the resource option protect."
    if resource.type in kinds.BUCKETS and resource.props.get("forceDestroy") not in (None, False):
        yield "A deletion of the bucket would delete its audit records: set forceDestroy to false."


RULES = (
    Rule(
        name="resource-protection",
        description="Keys, aliases, the trail, buckets and the settings of buckets are protected against deletion.",
        types=PROTECTED,
        check=is_protected,
    ),
)
