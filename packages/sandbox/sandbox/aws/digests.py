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
from typing import Any

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
    home, account, name = trail.region, trail.account, trail.resource
    root = f"{prefix}/AWSLogs/{account}" if prefix else f"AWSLogs/{account}"
    previous: dict[str, Any] = {"key": None, "signature": None, "sha256": None}
    signed_until = ""
    if after:
        content = gzip.decompress(after.body)
        previous = {"key": after.key, "signature": after.metadata["signature"], "sha256": sha256(content).hexdigest()}
        signed_until = str(json.loads(content)["digestEndTime"])
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
            f"{account}_CloudTrail-Digest_{region}_{name.removeprefix('trail/')}_{home}_{stamp}.json.gz"
        )
        fields = {
            "awsAccountId": account,
            "digestStartTime": f"{end - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
            "digestEndTime": f"{end:%Y-%m-%dT%H:%M:%SZ}",
            "digestS3Bucket": bucket,
            "digestS3Object": key,
            "digestPublicKeyFingerprint": public_key()[0],
            "digestSignatureAlgorithm": "SHA256withRSA",
            "previousDigestS3Bucket": bucket if previous["key"] else None,
            "previousDigestS3Object": previous["key"],
            "previousDigestHashValue": previous["sha256"],
            "previousDigestHashAlgorithm": "SHA-256" if previous["key"] else None,
            "previousDigestSignature": previous["signature"],
            "logFiles": [
                {
                    "s3Bucket": bucket,
                    "s3Object": log,
                    "hashValue": sha256(events).hexdigest(),
                    "hashAlgorithm": "SHA-256",
                }
            ],
        }
        content = json.dumps(fields).encode()
        lines = (fields["digestEndTime"], f"{bucket}/{key}", sha256(content).hexdigest(), previous["signature"])
        to_sign = "\n".join(str(line or "null") for line in lines)
        signature = _signer().sign(to_sign.encode(), PKCS1v15(), SHA256()).hex()
        yield DeliveredObject(
            key=key,
            body=gzip.compress(content),
            metadata={"signature": signature, "signature-algorithm": "SHA256withRSA"},
        )
        previous = {"key": key, "signature": signature, "sha256": sha256(content).hexdigest()}
