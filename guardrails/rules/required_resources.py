"""The guardrail of required resources: a rule for a resource cannot fail when the resource is removed.

Pure.
"""

from collections.abc import Iterator, Sequence

from pulumi_policy.proxy import UnknownValueError

from . import resource_types as kinds
from .rule import Resource, StackRule

_BUCKET_SETTINGS = (
    ((kinds.PUBLIC_ACCESS_BLOCK,), "public access block"),
    (kinds.VERSIONING, "versioning"),
    (kinds.ENCRYPTION, "encryption"),
    ((kinds.BUCKET_POLICY,), "bucket policy"),
)


def required_resources(resources: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    """Buckets have their settings, PHI keys their aliases, the audit trail its bucket and its lifecycle."""
    yield from _keys(resources)
    yield from _trail(resources)
    for bucket in _of(resources, *kinds.BUCKETS):
        if _is_unmanaged(bucket):
            continue
        for types, name in _BUCKET_SETTINGS:
            if not _has(resources, bucket, types):
                yield bucket.urn, f"The bucket has no {name} in this stack: add it again."


def _keys(resources: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    keys = [key for key in _of(resources, kinds.KEY, kinds.REPLICA_KEY) if key.is_within(kinds.PHI_KEY)]
    for component in _of(resources, kinds.PHI_KEY):
        if not any(key.type == kinds.KEY for key in keys):
            yield component.urn, "The component PhiKey has no key: add it again."
        if not _of(resources, kinds.AUDIT_TRAIL):
            yield component.urn, "The stack has a PHI key and no AuditTrail: add it again."
    for key in keys:
        if not any(_is_alias_of(alias, key) for alias in _of(resources, kinds.ALIAS)):
            yield key.urn, "The PHI key has no alias in this stack: add it again."


def _trail(resources: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    # Without a trail and without a bucket, the stack uses another trail of the account.
    buckets = [bucket for bucket in _of(resources, *kinds.BUCKETS) if bucket.is_within(kinds.AUDIT_TRAIL)]
    trails = [trail for trail in _of(resources, kinds.TRAIL) if trail.is_within(kinds.AUDIT_TRAIL)]
    if buckets and not trails:
        yield buckets[0].urn, "The stack has the trail's bucket and no trail: add it again."
    for trail in trails:
        trail_buckets = [
            bucket for bucket in _of(resources, *kinds.BUCKETS) if _refers_to(trail, "s3BucketName", bucket)
        ]
        if not trail_buckets:
            yield trail.urn, "The trail's bucket is not in this stack: add it again."
        for bucket in trail_buckets:
            if not _is_unmanaged(bucket) and not _has(resources, bucket, kinds.LIFECYCLES):
                yield bucket.urn, "The trail's bucket has no lifecycle in this stack: add it again."


def _is_unmanaged(bucket: Resource) -> bool:
    """Whether the bucket was imported with `ignoreChanges`: the stack does not manage its settings."""
    return {"forceDestroy", "tags"} <= bucket.ignored


def _is_alias_of(alias: Resource, key: Resource) -> bool:
    # Not by the key's id, which a replica shares with its primary key.
    return _depends_on(alias, "targetKeyId", key) or _equals(alias, "targetKeyArn", key, "arn")


def _of(resources: Sequence[Resource], *types: str) -> list[Resource]:
    return [resource for resource in resources if resource.type in types]


def _has(resources: Sequence[Resource], bucket: Resource, types: tuple[str, ...]) -> bool:
    return any(_refers_to(resource, "bucket", bucket) for resource in _of(resources, *types))


def _refers_to(resource: Resource, setting: str, bucket: Resource) -> bool:
    return _depends_on(resource, setting, bucket) or _equals(resource, setting, bucket, "bucket")


def _depends_on(resource: Resource, setting: str, source: Resource) -> bool:
    # The engine knows the dependency during a preview, before the value is known.
    return source.urn in resource.refers_to.get(setting, ())


def _equals(resource: Resource, setting: str, source: Resource, output: str) -> bool:
    # For a name that is a literal in the program.
    try:
        value = resource.props.get(setting)
        return value is not None and value == source.props.get(output)
    except UnknownValueError:
        return False


STACK_RULES = (
    StackRule(
        name="required-resources",
        description="The resources that protect the key and the audit records are in the stack.",
        check=required_resources,
    ),
)
