"""The three variables that travel together, the two that may join them, and credentials, as the application finds them.

Touches the mapping it is given and nothing else; every problem is found at once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from phi.errors import MalformedVariable, MissingVariable
from phi.record import strict_base64

REGION = "AWS_REGION"
KEY_ID = "AWS_KMS_KEY_ID"
WRAPPED = "ENCRYPTED_PHI_KEY"
FOR_READING = "ENCRYPTED_PHI_KEYS_FOR_READING"
FALLBACK_REGIONS = "AWS_KMS_FALLBACK_REGIONS"
ACCESS_KEY_ID = "AWS_ACCESS_KEY_ID"
SECRET_ACCESS_KEY = "AWS_SECRET_ACCESS_KEY"

KEY_ARN = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):[0-9]{12}:key/(?:mrk-[0-9a-f]{32}|[0-9a-f-]{36})")
"""A key's ARN; an alias or a bare id is refused, because neither can be compared with what KMS answers."""

_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-[0-9]+")
_BLOB_LIMIT = 6144  # https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html, CiphertextBlob


@dataclass(frozen=True, kw_only=True)
class WrappedKey:
    """A wrapped data key together with the KMS key that opens it.

    >>> WrappedKey.from_environment({"AWS_REGION": "us-east-1", "AWS_KMS_KEY_ID": ""})
    Traceback (most recent call last):
    phi.errors.MissingVariable: AWS_KMS_KEY_ID is empty; ENCRYPTED_PHI_KEY is not set.
    """

    region: str
    key_arn: str
    blob: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """`sha256:` and the first 16 hex digits over the wrapped bytes; says nothing about the key inside."""
        return f"sha256:{hashlib.sha256(self.blob).hexdigest()[:16]}"

    def in_region(self, region: str) -> WrappedKey:
        """The same wrapped key before the replica of its multi-Region key; raises MalformedVariable for another key.

        Replicas share key id and key material, so that each opens what any of them wrapped, and answers with its own
        ARN: https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html
        """
        arn, key_id = self.key_arn.split(":", 5)[:5], self.key_arn.split(":", 5)[5]
        if not key_id.startswith("key/mrk-"):
            raise MalformedVariable(f"{KEY_ID} is not a multi-Region key (mrk-…), so that no other Region opens it.")
        arn[3] = region
        return replace(self, region=region, key_arn=":".join([*arn, key_id]))

    def with_doors(self, regions: Iterable[str]) -> tuple[WrappedKey, ...]:
        """It and its replicas, in this order; raises as `in_region` does."""
        return (self, *(self.in_region(region) for region in regions))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> WrappedKey:
        """Read the three variables; raises MissingVariable or MalformedVariable naming all that are wrong."""
        _require(environment, REGION, KEY_ID, WRAPPED)
        region, key_arn, wrapped = environment[REGION], environment[KEY_ID], environment[WRAPPED]
        blob = strict_base64(wrapped)
        complaints = []
        arn = KEY_ARN.fullmatch(key_arn)
        if not _REGION.fullmatch(region):
            complaints.append(f"{REGION} is not a region's name{_spelling(region)}")
        elif arn and arn[1] != region:
            complaints.append(f"{KEY_ID} names a key in {arn[1]} while {REGION} is {region}")
        if not arn:
            complaints.append(f"{KEY_ID} is not the ARN of a KMS key{_spelling(key_arn)}")
        if blob is None or not 0 < len(blob) <= _BLOB_LIMIT:
            complaints.append(f"{WRAPPED} is not the base64 of a wrapped key{_spelling(wrapped)}")
        if complaints or blob is None:
            raise MalformedVariable("; ".join(complaints) + ".")
        return cls(region=region, key_arn=key_arn, blob=blob)


@dataclass(frozen=True, kw_only=True)
class WrappedKeys:
    """Every wrapped data key that the application is given: one to write under, others to read with besides.

    Each comes with its doors: itself before the key in its own Region, then before each replica, in the order to try.
    """

    current: tuple[WrappedKey, ...]
    reading: tuple[tuple[WrappedKey, ...], ...]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> WrappedKeys:
        """Read the three variables and, where they are set, the two optional ones.

        `AWS_KMS_FALLBACK_REGIONS`: Regions separated by commas, to be asked in this order where the key's own does not
        answer; `ENCRYPTED_PHI_KEYS_FOR_READING`: wrapped keys separated by white space. Raises MissingVariable or
        MalformedVariable naming all that are wrong.
        """
        complaints = []
        current = None
        try:
            current = WrappedKey.from_environment(environment)
        except MissingVariable:
            raise
        except MalformedVariable as error:
            complaints.append(str(error).removesuffix("."))
        blobs = _blobs(environment.get(FOR_READING, ""), complaints)
        regions = _regions(environment.get(FALLBACK_REGIONS, ""), complaints)
        if regions and "key/mrk-" not in environment[KEY_ID]:
            complaints.append(f"{FALLBACK_REGIONS} is set, but {KEY_ID} is not a multi-Region key (mrk-…)")
        if complaints or current is None:
            raise MalformedVariable("; ".join(complaints) + ".")
        others = tuple(region for region in regions if region != current.region)
        return cls(
            current=current.with_doors(others),
            reading=tuple(replace(current, blob=blob).with_doors(others) for blob in blobs if blob != current.blob),
        )


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """AWS credentials given in so many words, so that no profile, file or metadata service is asked."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(repr=False, default=None)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Credentials:
        """Read the usual variables; raises MissingVariable naming all that are absent."""
        _require(environment, ACCESS_KEY_ID, SECRET_ACCESS_KEY)
        return cls(
            access_key_id=environment[ACCESS_KEY_ID],
            secret_access_key=environment[SECRET_ACCESS_KEY],
            session_token=environment.get("AWS_SESSION_TOKEN") or None,
        )


def _require(environment: Mapping[str, str], *names: str) -> None:
    absent = [name for name in names if not environment.get(name)]
    if absent:
        said = [f"{name} is {'empty' if name in environment else 'not set'}" for name in absent]
        raise MissingVariable("; ".join(said) + ".")


def _blobs(value: str, complaints: list[str]) -> tuple[bytes, ...]:
    """The wrapped keys of a list, each once."""
    blobs = dict[bytes, None]()
    for number, wrapped in enumerate(value.split(), 1):
        blob = strict_base64(wrapped)
        if blob is None or not 0 < len(blob) <= _BLOB_LIMIT:
            complaints.append(f"{FOR_READING}: number {number} is not the base64 of a wrapped key{_spelling(wrapped)}")
        else:
            blobs[blob] = None
    return tuple(blobs)


def _regions(value: str, complaints: list[str]) -> tuple[str, ...]:
    """The Regions of a list, each once."""
    regions = tuple(dict.fromkeys(region.strip() for region in value.split(",") if region.strip()))
    if not all(_REGION.fullmatch(region) for region in regions):
        complaints.append(f"{FALLBACK_REGIONS} is not a list of Regions' names, separated by commas{_spelling(value)}")
    return regions


def _spelling(value: str) -> str:
    """The usual ways a pasted value goes wrong, said without showing the value."""
    if value[:1] in "\"'" or value[-1:] in "\"'":
        return " (it is wrapped in quotation marks)"
    if value != value.strip():
        return " (it has white space around it)"
    return ""
