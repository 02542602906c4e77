"""The audit logs that CloudTrail delivers: log files, and the signed digests that name them.

Pure: the objects for a trail's bucket. The key that signs is made once for each process.
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from hashlib import md5, sha256

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sandbox.arns import parse as parse_arn


@dataclass(frozen=True, kw_only=True)
class DeliveredObject:
    key: str
    body: bytes = field(repr=False)
    metadata: dict[str, str] = field(default_factory=dict)


@cache
def _signer() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


def has_signed() -> bool:
    """Whether there is a key: making one takes time, and most sandboxes deliver nothing."""
    return bool(_signer.cache_info().currsize)


def public_key() -> tuple[str, bytes]:
    """Fingerprint and DER (PKCS #1) of the key that signs."""
    der = _signer().public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return md5(der, usedforsecurity=False).hexdigest(), der


def delivered(
    *,
    bucket: str,
    prefix: str,
    trail_arn: str,
    region: str,
    until: datetime,
    hours: int,
    after: DeliveredObject | None = None,
) -> Iterator[DeliveredObject]:
    """A log file and a digest for each of the hours that end at `until`, the oldest first.

    The first follows the digest `after`, and hours up to its end are left out; without one it begins the chain.
    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html
    """
    trail = parse_arn(trail_arn)
    account, name = trail.account, trail.resource.removeprefix("trail/")
    root = f"{prefix}/AWSLogs/{account}" if prefix else f"AWSLogs/{account}"
    signed_until = json.loads(gzip.decompress(after.body))["digestEndTime"] if after else ""
    for number in range(hours - 1, -1, -1):
        end = until.replace(minute=0, second=0, microsecond=0) - timedelta(hours=number)
        if f"{end:%Y-%m-%dT%H:%M:%SZ}" <= signed_until:
            continue
        day, stamp = f"{end:%Y/%m/%d}", f"{end:%Y%m%dT%H%M%SZ}"
        events = json.dumps({"Records": [{"eventTime": f"{end:%Y-%m-%dT%H:%M:%SZ}"}]}).encode()
        log = f"{root}/CloudTrail/{region}/{day}/{account}_CloudTrail_{region}_{stamp}.json.gz"
        yield DeliveredObject(key=log, body=gzip.compress(events))
        key = (
            f"{root}/CloudTrail-Digest/{region}/{day}/"
            f"{account}_CloudTrail-Digest_{region}_{name}_{trail.region}_{stamp}.json.gz"
        )
        after = _digest(bucket, key, account, end, after, log, events)
        yield after


def _digest(
    bucket: str, key: str, account: str, end: datetime, after: DeliveredObject | None, log: str, events: bytes
) -> DeliveredObject:
    """The signed digest of the hour until `end`, which names its log and the digest before it."""
    previous = after.metadata["signature"] if after else None
    fields = {
        "awsAccountId": account,
        "digestStartTime": f"{end - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
        "digestEndTime": f"{end:%Y-%m-%dT%H:%M:%SZ}",
        "digestS3Bucket": bucket,
        "digestS3Object": key,
        "digestPublicKeyFingerprint": public_key()[0],
        "digestSignatureAlgorithm": "SHA256withRSA",
        "previousDigestS3Bucket": bucket if after else None,
        "previousDigestS3Object": after.key if after else None,
        "previousDigestHashValue": sha256(gzip.decompress(after.body)).hexdigest() if after else None,
        "previousDigestHashAlgorithm": "SHA-256" if after else None,
        "previousDigestSignature": previous,
        "logFiles": [
            {"s3Bucket": bucket, "s3Object": log, "hashValue": sha256(events).hexdigest(), "hashAlgorithm": "SHA-256"}
        ],
    }
    content = json.dumps(fields).encode()
    lines = (fields["digestEndTime"], f"{bucket}/{key}", sha256(content).hexdigest(), previous)
    signature = _signer().sign("\n".join(str(line or "null") for line in lines).encode(), PKCS1v15(), SHA256()).hex()
    return DeliveredObject(
        key=key,
        body=gzip.compress(content),
        metadata={"signature": signature, "signature-algorithm": "SHA256withRSA"},
    )
