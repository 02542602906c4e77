"""Validation of a trail's logs: the signed chain of its digests, and the log files that they name.

Reads CloudTrail's public keys and the trail's bucket; changes nothing. The algorithm of `aws cloudtrail validate-logs`:
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-custom-validation.html
"""

import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from itertools import islice, tee
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from components.settings.arn import Arn
from wizard.aws.auth.http import PARALLEL_OBJECTS, ObjectReader
from wizard.aws.auth.limits import read_all
from wizard.aws.auth.session import Session
from wizard.aws.iam import account_of
from wizard.core.errors import PermissionDenied, SetupError
from wizard.core.models.account import TrailFact
from wizard.core.models.trail import LogValidation
from wizard.core.retry import Threads

_NO_OBJECT = ("404", "NoSuchKey", "NotFound")

_DELIVERY = timedelta(hours=2)
"""Longest delay of a digest after the end of its hour."""


def validate(
    session: Session, trail: TrailFact, region: str, *, since: datetime, until: datetime, most: int | None
) -> LogValidation:
    """Validate the trail's logs of one Region: the newest `most` log files, or all.

    Raises PermissionDenied where the public keys, the list of the bucket or a digest cannot be read.
    """
    signers = {
        str(key["Fingerprint"]): key["Value"]
        for key in session.with_region(region).pages(
            "cloudtrail", "ListPublicKeys", "PublicKeyList", StartTime=since, EndTime=until
        )
    }
    bucket = _Bucket(session=session, name=trail.bucket, owner=account_of(session))
    with Threads(max_workers=PARALLEL_OBJECTS, thread_name_prefix="digests") as pool:
        # The first page's digests are read while the next page is listed.
        keys, again = tee(_listed(bucket, trail, region, since, until))
        read = tuple(pool.map(lambda key: _digest(bucket, key, signers), keys))
    listed = tuple(again)
    digests = sorted((each for each in read if isinstance(each, _Digest)), key=lambda digest: digest.until)
    faults = [each for each in read if isinstance(each, str)]
    chained, unread = _chain(digests, listed, bucket.name, since)
    logs = [log for digest in reversed(digests) for log in digest.logs]
    with Threads(max_workers=PARALLEL_OBJECTS, thread_name_prefix="logs") as pool:
        compared = tuple(pool.map(lambda log: _compare(bucket, log), islice(logs, most)))
    denied = [each for each in compared if isinstance(each, SetupError)]
    if not listed:
        unread.append("CloudTrail has delivered no digest in this period")
    if denied:
        unread.append(f"{len(denied):,} log files could not be read: {denied[0].message}")
    return LogValidation(
        region=region,
        since=min((digest.since for digest in digests), default=None),
        until=max((digest.until for digest in digests), default=None),
        digests=len(digests),
        logs=compared.count(None),
        faults=(
            *faults,
            *chained,
            *_undelivered(trail, region, digests, since),
            *(each for each in compared if isinstance(each, str)),
        ),
        left=len(logs) - len(compared),
        unread=tuple(unread),
    )


@dataclass(frozen=True, kw_only=True)
class _Bucket:
    session: Session
    name: str
    owner: str

    @cached_property
    def reader(self) -> ObjectReader:
        return self.session.object_reader(self.name, self.owner)

    def pages(self, key: str, **query: Any) -> Iterator[Any]:
        yield from self.session.pages(
            "s3", "ListObjectsV2", key, Bucket=self.name, ExpectedBucketOwner=self.owner, **query
        )

    def read(self, key: str) -> tuple[bytes, Mapping[str, str]] | None:
        """The content and the metadata of an object; None where there is none."""
        if read := self.reader.read(key):
            return read
        answer = self.session.find(
            "s3", "GetObject", absent=_NO_OBJECT, Bucket=self.name, ExpectedBucketOwner=self.owner, Key=key
        )
        if answer is None:
            return None
        with self.session.translating("s3", "GetObject"):
            return read_all(answer["Body"]), answer.get("Metadata") or {}


@dataclass(frozen=True, kw_only=True)
class _Digest:
    """A digest with a correct signature."""

    key: str
    since: datetime
    until: datetime
    signature: str
    previous: tuple[str, str] | None
    """Bucket and key of the digest before it; None for the first one."""
    previous_signature: str | None
    logs: tuple[Mapping[str, str], ...]


def _listed(bucket: _Bucket, trail: TrailFact, region: str, since: datetime, until: datetime) -> Iterator[str]:
    """The keys of the digests whose hour ended in the period.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html
    """
    home, account = Arn.parse(trail.arn).region, bucket.owner
    root = f"{trail.prefix}/AWSLogs/" if trail.prefix else "AWSLogs/"
    if trail.organization:
        folders = (str(each["Prefix"]) for each in bucket.pages("CommonPrefixes", Prefix=f"{root}o-", Delimiter="/"))
        root = next(folders, root)
    folder = f"{root}{account}/CloudTrail-Digest/{region}/"
    prefix = f"{account}_CloudTrail-Digest_{region}_{trail.name}_{home}_"
    name = re.compile(
        rf"{re.escape(folder)}\d{{4}}/\d\d/\d\d/{re.escape(prefix)}\d{{8}}T\d{{6}}Z(_backfill)?\.json\.gz"
    )
    for entry in bucket.pages("Contents", Prefix=folder, StartAfter=f"{folder}{since:%Y/%m/%d}/"):
        if name.fullmatch(key := str(entry["Key"])) and since <= _end_of(key) <= until:
            yield key


def _end_of(key: str) -> datetime:
    stamp = key.removesuffix(".json.gz").removesuffix("_backfill").rpartition("_")[2]
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def _digest(bucket: _Bucket, key: str, signers: Mapping[str, bytes]) -> _Digest | str:
    """The digest, or its fault."""
    where = f"the digest s3://{bucket.name}/{key}"
    read = bucket.read(key)
    if read is None:
        return f"{where} is missing"
    try:
        content = unzip(read[0])
        if content is None:
            return f"{where} cannot be read"
        fields = json.loads(content)
        signature = read[1]["signature"]
        if (fields["digestS3Bucket"], fields["digestS3Object"]) != (bucket.name, key):
            return f"{where} was moved"
        signer = signers.get(fields["digestPublicKeyFingerprint"])
        if signer is None:
            return f"{where} is signed by a key that CloudTrail does not know: {fields['digestPublicKeyFingerprint']}"
        previous = fields["previousDigestSignature"]
        signed = "\n".join(
            (fields["digestEndTime"], f"{bucket.name}/{key}", sha256(content).hexdigest(), previous or "null")
        )
        public_key = load_der_public_key(signer)
        if not isinstance(public_key, RSAPublicKey):
            raise TypeError("CloudTrail signs with RSA")
        public_key.verify(bytes.fromhex(signature), signed.encode(), PKCS1v15(), SHA256())
        before = fields.get("previousDigestS3Bucket"), fields.get("previousDigestS3Object")
        return _Digest(
            key=key,
            since=datetime.fromisoformat(fields["digestStartTime"]),
            until=datetime.fromisoformat(fields["digestEndTime"]),
            signature=signature,
            previous=None if None in before else before,
            previous_signature=previous,
            logs=tuple(fields["logFiles"] or ()),
        )
    except InvalidSignature:
        return f"{where} has a wrong signature"
    except (ValueError, KeyError, TypeError):
        return f"{where} cannot be read"


def _chain(
    digests: Iterable[_Digest], listed: Iterable[str], bucket: str, since: datetime
) -> tuple[list[str], list[str]]:
    """The breaks in the chain from each digest to the one before it."""
    faults, elsewhere = [], []
    valid, present = {digest.key: digest for digest in digests}, sorted(listed, key=_end_of)
    for digest in valid.values():
        if digest.previous is None:
            older = [key for key in present if _end_of(key) < digest.until and not key.endswith("_backfill.json.gz")]
            if older and not digest.key.endswith("_backfill.json.gz"):
                faults.append(f"nothing was signed between {_end_of(older[-1]):{_TIME}} and {digest.since:{_TIME}} UTC")
            continue
        place, key = digest.previous
        if _end_of(key) < since:
            continue
        if place != bucket:
            elsewhere.append(f"the logs before {digest.since:{_TIME}} UTC are in the bucket {place}")
        elif key not in present:
            faults.append(f"the digest s3://{bucket}/{key} is missing")
        elif key in valid and valid[key].signature != digest.previous_signature:
            faults.append(f"the digest s3://{bucket}/{digest.key} does not follow the one before it")
    return faults, elsewhere


_TIME = "%Y-%m-%d %H:%M"


def _undelivered(trail: TrailFact, region: str, digests: list[_Digest], since: datetime) -> Iterator[str]:
    """The newest digest has no successor that names it, so only the trail's status shows that it was deleted."""
    last, newest = trail.last_digest, digests[-1].until if digests else since
    if last is not None and Arn.parse(trail.arn).region == region and newest < last - _DELIVERY:
        ends = f"the newest in the bucket ends at {newest:{_TIME}} UTC" if digests else "the bucket has none"
        yield f"CloudTrail delivered a digest at {last:{_TIME}} UTC, but {ends}"


def _compare(bucket: _Bucket, log: Mapping[str, str]) -> str | SetupError | None:
    """The fault of a log file, or the reason why it could not be read; None for one that matches its signature."""
    place, key, expected = log["s3Bucket"], log["s3Object"], log["hashValue"]
    where = f"the log file s3://{place}/{key}"
    try:
        read = (bucket if place == bucket.name else replace(bucket, name=place)).read(key)
        if read is None:
            return f"{where} is missing"
    except PermissionDenied as error:
        return error
    content = unzip(read[0])
    return None if content is not None and sha256(content).hexdigest() == expected else f"{where} was changed"


UNZIPPED_BYTES = 256 * 2**20
"""The most that a log file or a digest unpacks to. CloudTrail's own files have some megabytes."""


def unzip(content: bytes, most: int | None = None) -> bytes | None:
    """The content of a gzip file; None for any other file, and for more than `most` unpacked bytes."""
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        unpacked = unpack.decompress(content, UNZIPPED_BYTES if most is None else most)
    except zlib.error:
        return None
    return unpacked if unpack.eof and not unpack.unused_data else None
