"""A fake of `S3Documents`: buckets with documents, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

from wizard.aws.s3_documents import S3Documents
from wizard.core.errors import SetupError
from wizard.core.models.s3_documents import KMS, DocumentBucket, Encryption, ObjectSample, ObjectState, ObjectVersion

T = TypeVar("T")


@dataclass(kw_only=True)
class FakeS3Documents(S3Documents):
    """Buckets by name, their objects by bucket and version. A SetupError in a place is raised there."""

    buckets: dict[str, DocumentBucket | SetupError] = field(default_factory=dict)
    objects: dict[str, dict[ObjectVersion, ObjectState | SetupError]] = field(default_factory=dict)
    samples: dict[str, SetupError] = field(default_factory=dict)
    refusals: dict[str, str | SetupError] = field(default_factory=dict)
    """By the key of an object: why S3 refuses to change its encryption."""
    log: list[str] = field(default_factory=list)

    def bucket(self, name: str) -> DocumentBucket | None:
        self.log.append(f"bucket {name}")
        return _raised(self.buckets[name]) if name in self.buckets else None

    def sample(self, bucket: DocumentBucket, *, most: int) -> ObjectSample:
        if bucket.name in self.samples:
            raise self.samples[bucket.name]
        states = [_raised(state) for state in self.objects.get(bucket.name, {}).values()]
        counts = Counter(state.encryption for state in states[:most])
        return ObjectSample(counts=counts, listed=len(states))

    def versions(self, bucket: DocumentBucket, *, every: bool, prefix: str = "") -> Iterator[tuple[ObjectVersion, ...]]:
        self.log.append(f"versions {bucket.name}")
        yield tuple(
            each
            for each in self.objects.get(bucket.name, {})
            if (every or each.is_current) and each.key.startswith(prefix)
        )

    def state(self, bucket: DocumentBucket, version: ObjectVersion) -> ObjectState | None:
        self.log.append(f"state {version.key}")
        state = self.objects[bucket.name].get(version)
        return None if state is None else _raised(state)

    def encrypt(self, bucket: DocumentBucket, version: ObjectVersion, key_arn: str) -> str | None:
        self.log.append(f"encrypt {version.key}")
        refusal = self.refusals.get(version.key)
        if refusal is not None:
            return _raised(refusal)
        state = _raised(self.objects[bucket.name][version])
        self.objects[bucket.name][version] = replace(state, encryption=Encryption(algorithm=KMS, key=key_arn))
        return None


def _raised(value: T | SetupError) -> T:
    if isinstance(value, SetupError):
        raise value
    return value
