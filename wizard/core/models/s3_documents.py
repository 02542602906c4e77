"""Facts of the application's documents in S3: a bucket, and under which key objects are.

Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

S3_MANAGED = "AES256"
"""SSE-S3, as S3 names it: S3's own keys, which every bucket has by default since 2023."""

KMS = "aws:kms"
DUAL_LAYER = "aws:kms:dsse"
CUSTOMER_PROVIDED = "SSE-C"
"""A key that the writer sends with each request; S3 has no name for it in an answer, but its algorithm."""


@dataclass(frozen=True, kw_only=True)
class Encryption:
    """How a bucket encrypts by default, or how an object is encrypted."""

    algorithm: str
    """`AES256`, `aws:kms`, `aws:kms:dsse` or `SSE-C`; empty for an object that is not encrypted."""
    key: str | None = None
    """The KMS key as S3 names it: of an object its ARN. None: S3's own key, or AWS's key for S3."""

    @property
    def text(self) -> str:
        """The encryption in words: `the key arn:aws:kms:…`, `S3's own keys (SSE-S3)`."""
        names = {
            S3_MANAGED: "S3's own keys (SSE-S3)",
            CUSTOMER_PROVIDED: "a key that the writer sends (SSE-C)",
            "": "no key at all",
        }
        if self.algorithm in names:
            return names[self.algorithm]
        key = f"the key {self.key}" if self.key else "AWS's own key for S3 (aws/s3)"
        return f"{key}, twice (DSSE-KMS)" if self.algorithm == DUAL_LAYER else key


@dataclass(frozen=True, kw_only=True)
class DocumentBucket:
    """A bucket of the account, as it is set up."""

    name: str
    region: str
    encryption: Encryption
    """The default, for an upload that asks for none."""
    bucket_key: bool = False
    """Whether an S3 Bucket Key saves calls to KMS."""
    public_access_blocked: bool = False
    versioned: bool = False
    lock: str | None = None
    """The default retention of Object Lock, in words; None without Object Lock."""
    policy: Mapping[str, Any] | None = None
    """None: the bucket has none."""
    tls_only: bool = False
    """Whether the policy denies plain HTTP and TLS older than 1.2."""


@dataclass(frozen=True, kw_only=True)
class ObjectSample:
    """Under which key the objects of a bucket are, of all of them or of a sample."""

    counts: Mapping[Encryption, int] = field(default_factory=dict)
    is_whole: bool = True
    """Whether the bucket has no other objects."""
    listed: int = 0
    """How many objects the sample was taken from."""

    @property
    def size(self) -> int:
        return sum(self.counts.values())

    @property
    def text(self) -> str:
        """What was looked at: `of a sample of 25 among the first 1,000 objects`, `of all 12 objects`."""
        if self.is_whole and self.size == self.listed:
            return f"of {self.size:,} objects, which are all"
        among = f"{self.listed:,} objects" if self.is_whole else f"the first {self.listed:,} objects"
        return f"of a sample of {self.size} among {among}"


@dataclass(frozen=True, kw_only=True, order=True)
class ObjectVersion:
    """An object of a bucket, or one version of it."""

    key: str
    version: str | None = None
    """None: the current one, whichever that is."""
    is_current: bool = True


@dataclass(frozen=True, kw_only=True)
class ObjectState:
    """How an object is encrypted, and whether S3 lets its encryption be changed."""

    encryption: Encryption
    lock: str | None = None
    """What Object Lock protects it with, in words."""
    storage_class: str = "STANDARD"
    version: str | None = None
    """The version that was read."""
