"""Facts of a verification as the application: its credentials, the proof, the result.

Pure. A secret is never in a representation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

VERIFICATION_NAME = "eonpro-proof"
"""Name of the sessions, and application id in the user agent, of this product's verifications as the application."""


@dataclass(frozen=True, kw_only=True)
class AppCredentials:
    """Credentials of the application's principal. Never printed."""

    how: str
    """Their source: `a Vercel OIDC token`, `sts:AssumeRole`, …"""
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class AccessKey:
    """An access key as IAM returns it, once. Its secret goes only to the application's platform."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class AccessKeyFact:
    """An access key of an IAM user (ListAccessKeys, GetAccessKeyLastUsed)."""

    id: str
    active: bool
    made: datetime
    """UTC."""
    last_used: datetime | None = None
    """UTC; None: never, or unknown."""


@dataclass(frozen=True, kw_only=True)
class CredentialsSearch:
    """The application's credentials, if they are available, and the result of each way that was tried."""

    credentials: AppCredentials | None
    tried: tuple[str, ...] = ()
    """For a person, without secrets."""


class Proof(StrEnum):
    """The kind of a verification as the application. The value is the output of `python -m eonpro_phi prove`."""

    ROUND_TRIP = "round trip"
    """The child process decrypted the data key, encrypted a record and decrypted it."""
    DRY_RUN = "dry run"
    """KMS evaluated the decryption of this very wrapped key, and returned no plaintext."""
    DECRYPTED = "dry run ignored"
    """The endpoint ignores DryRun: the child process got the data key, and dropped it."""
    PERMISSION = "permission"
    """KMS evaluated a decryption with the key, without a wrapped data key: none was at hand."""


BUSY = ("Throttled",)
SILENT = ("Unreachable", "InvalidResponse")
"""Causes of `eonpro_phi.errors` that say nothing about the data key."""


@dataclass(frozen=True, kw_only=True)
class ChildResult:
    """The answer of the child process that acts as the application (`python -m eonpro_phi prove`)."""

    proved: bool
    principal: str
    fingerprint: str
    cause: str = ""
    message: str = ""
    how: Proof | None = None
    """The kind of the proof; None without one."""
    key_material: str = ""
    """Id of the key material of the KMS key that opened the data key; empty after a dry run, or if not known."""
    same: tuple[str, ...] = ()
    """Fingerprints of the keys for reading that open to the same data key; none after a dry run."""
    check_values: Mapping[str, str] = field(default_factory=dict)
    """The key check value of each wrapped key that was opened, by fingerprint; none after a dry run."""

    @property
    def is_answer(self) -> bool:
        """Whether KMS said yes or no: False where it did not answer, or its answer could not be read."""
        return self.cause not in (*BUSY, *SILENT)


class VerificationState(StrEnum):
    """The result of a verification."""

    PROVED = "proved"
    SIMULATED = "simulated"
    """Without the application's credentials: its policies were evaluated instead."""
    UNPROVEN = "unproven"
    """Neither was possible."""
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Whether the application can decrypt the data key that was delivered to one target."""

    target: str
    state: VerificationState
    principal: str
    detail: str
    at: str
    """UTC, ISO 8601."""
    key_material: str = ""
    """The key material of the KMS key, as in ChildResult."""
    brief: str = ""
    """What a proof did, in words for a screen."""
