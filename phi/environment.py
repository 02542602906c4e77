"""The three variables that travel together, and credentials, as the application finds them.

Touches the mapping it is given and nothing else; every problem is found at once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from phi.errors import MalformedVariable, MissingVariable
from phi.record import strict_base64

REGION = "AWS_REGION"
KEY_ID = "AWS_KMS_KEY_ID"
WRAPPED = "ENCRYPTED_PHI_KEY"

KEY_ARN = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):[0-9]{12}:key/(?:mrk-[0-9a-f]{32}|[0-9a-f-]{36})")
"""A key's ARN; an alias or a bare id is refused, because neither can be compared with what KMS answers."""

_BLOB_LIMIT = 6144  # https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html, CiphertextBlob


@dataclass(frozen=True, kw_only=True)
class WrappedKey:
    """A wrapped data key together with the KMS key that opens it."""

    region: str
    key_arn: str
    blob: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """`sha256:` and the first 16 hex digits over the wrapped bytes; says nothing about the key inside."""
        return f"sha256:{hashlib.sha256(self.blob).hexdigest()[:16]}"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> WrappedKey:
        """Read the three variables; raises MissingVariable or MalformedVariable naming all that are wrong."""
        _require(environment, REGION, KEY_ID, WRAPPED)
        region, key_arn, wrapped = environment[REGION], environment[KEY_ID], environment[WRAPPED]
        blob = strict_base64(wrapped)
        complaints = []
        arn = KEY_ARN.fullmatch(key_arn)
        if not re.fullmatch(r"[a-z]{2}(?:-[a-z]+)+-[0-9]+", region):
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
class Credentials:
    """AWS credentials given in so many words, so that no profile, file or metadata service is asked."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(repr=False, default=None)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Credentials:
        """Read the usual variables; raises MissingVariable naming all that are absent."""
        _require(environment, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        return cls(
            access_key_id=environment["AWS_ACCESS_KEY_ID"],
            secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            session_token=environment.get("AWS_SESSION_TOKEN") or None,
        )


def _require(environment: Mapping[str, str], *names: str) -> None:
    absent = [name for name in names if not environment.get(name)]
    if absent:
        said = [f"{name} is {'empty' if name in environment else 'not set'}" for name in absent]
        raise MissingVariable("; ".join(said) + ".")


def _spelling(value: str) -> str:
    """The usual ways a pasted value goes wrong, said without showing the value."""
    if value[:1] in "\"'" or value[-1:] in "\"'":
        return " (it is wrapped in quotation marks)"
    if value != value.strip():
        return " (it has white space around it)"
    return ""
