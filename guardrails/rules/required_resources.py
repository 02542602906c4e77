"""The guardrail of what must be there: a rule on a resource says nothing when the resource is taken away.

Touches nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pulumi_policy.proxy import UnknownValueError

from .rule import Resource, StackRule
from .types import (
    ALIAS,
    AUDIT_TRAIL,
    BUCKET_POLICY,
    BUCKETS,
    ENCRYPTION,
    KEY,
    LIFECYCLES,
    PHI_KEY,
    PUBLIC_ACCESS_BLOCK,
    REPLICA_KEY,
    TRAIL,
    VERSIONING,
)

_GUARDS = (
    ((PUBLIC_ACCESS_BLOCK,), "public access block"),
    (VERSIONING, "versioning"),
    (ENCRYPTION, "encryption"),
    ((BUCKET_POLICY,), "bucket policy"),
)


def nothing_is_missing(resources: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    """Buckets have their guards, keys of the PHI their aliases, the audit trail its bucket and its lifecycle."""
    yield from _keys(resources)
    yield from _trail(resources)
    for bucket in _of(resources, *BUCKETS):
        if _is_as_found(bucket):
            continue
        for types, what in _GUARDS:
            if not _has(resources, bucket, types):
                yield bucket.urn, f"The bucket has no {what} in this stack: put it back."


def _keys(resources: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    keys = [one for one in _of(resources, KEY, REPLICA_KEY) if one.is_within(PHI_KEY)]
    for component in _of(resources, PHI_KEY):
        if not any(key.type == KEY for key in keys):
            yield component.urn, "The PHI key is not in its component: put it back."
        if not _of(resources, AUDIT_TRAIL):
            yield component.urn, "The PHI key is there and no AuditTrail: put it back."
    for key in keys:
        aliases = _of(resources, ALIAS)
        # Not by the key's id, which a replica has from its primary.
        if not any(_is_wired(one, "targetKeyId", key) or _says(one, "targetKeyArn", key, "arn") for one in aliases):
            yield key.urn, "The PHI key has no alias in this stack: put it back."


def _trail(resources: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    # Without a trail and without a bucket, the account has a trail of its own.
    buckets = [one for one in _of(resources, *BUCKETS) if one.is_within(AUDIT_TRAIL)]
    trails = [one for one in _of(resources, TRAIL) if one.is_within(AUDIT_TRAIL)]
    if buckets and not trails:
        yield buckets[0].urn, "The trail's bucket is there and no trail: put it back."
    for trail in trails:
        own = [one for one in _of(resources, *BUCKETS) if _points(trail, "s3BucketName", one)]
        if not own:
            yield trail.urn, "The trail's bucket is not in this stack: put it back."
        for bucket in own:
            if not _is_as_found(bucket) and not _has(resources, bucket, LIFECYCLES):
                yield bucket.urn, "The trail's bucket has no lifecycle in this stack: put it back."


def _is_as_found(bucket: Resource) -> bool:
    """Whether the bucket was adopted and is left as it was found: its settings are not the stack's."""
    return {"forceDestroy", "tags"} <= bucket.ignored


def _of(resources: Sequence[Resource], *types: str) -> list[Resource]:
    return [one for one in resources if one.type in types]


def _has(resources: Sequence[Resource], bucket: Resource, types: tuple[str, ...]) -> bool:
    return any(_points(one, "bucket", bucket) for one in _of(resources, *types))


def _points(one: Resource, setting: str, bucket: Resource) -> bool:
    return _is_wired(one, setting, bucket) or _says(one, setting, bucket, "bucket")


def _is_wired(one: Resource, setting: str, other: Resource) -> bool:
    # By the program's own wiring, which a preview knows before the value is there.
    return other.urn in one.refers_to.get(setting, ())


def _says(one: Resource, setting: str, other: Resource, name: str) -> bool:
    # By a name that is written out in the program.
    try:
        named = one.props.get(setting)
        return named is not None and named == other.props.get(name)
    except UnknownValueError:
        return False


STACK_RULES = (
    StackRule(
        name="nothing-missing",
        demand="What guards the key and the audit records is in the stack.",
        check=nothing_is_missing,
    ),
)
