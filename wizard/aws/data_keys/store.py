"""What a store of named values can do, whichever it is, and the tags of the data key in it.

Pure. `parameter_store` and `secrets_manager` implement the Protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from components.settings import SecretStore
from wizard.core.retry import Clock

KEY_ARN_TAG = "eonpro:key-arn"
FINGERPRINT_TAG = "eonpro:fingerprint"
NEXT_KEY_ARN_TAG = "eonpro:next-key-arn"
NEXT_FINGERPRINT_TAG = "eonpro:next-fingerprint"
"""What a replacement under way is about to put there (`wizard.aws.data_keys.versions`); until it is over, either value is right."""
MADE_BY_TAG = "eonpro:made-by"
MADE_BY = "eonpro-kms wizard"
SECURE = "SecureString"
"""The type of a parameter that is encrypted where it is kept."""

DESCRIPTION = (
    "EONPRO PHI data key, wrapped; the tags say by which key. Never delete or overwrite it: PHI is lost with it."
)
"""Of a stored data key, whichever version it holds: Secrets Manager keeps it through a change of the value."""

READ_BACK_SECONDS = 3.0
"""In which what was just written is read again: for a moment the old value may be answered."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a store has under a name."""

    value: str = field(repr=False)
    """Empty where it is no text, or where there is a name without a value."""
    version: int = 1
    type: str = ""
    """The parameter's; a secret has none."""


class Store(Protocol):
    """A store of named values in one Region. Its methods raise errors of `wizard.core.errors` only."""

    kind: SecretStore
    noun: str
    """`parameter` or `secret`."""
    title: str

    @property
    def clock(self) -> Clock:
        """For `wizard.core.retry`."""
        ...

    def read(self, names: Sequence[str]) -> Mapping[str, Held]:
        """The values of those names that are there, decrypted."""
        ...

    def tags(self, name: str) -> Mapping[str, str]:
        """Its tags; empty where the caller may not see them."""
        ...

    def create(self, name: str, value: str, *, secret: bool, description: str, tags: Mapping[str, str]) -> bool:
        """False when the name is taken; what is there is then untouched."""
        ...

    def overwrite(self, name: str, value: str, there: Held, *, description: str) -> None:
        """Another value for a name that is taken. Of a stored data key, the one replacement of `versions` alone calls it."""
        ...

    def under(self, folder: str) -> Mapping[str, Held]:
        """All names under a folder, with their values, decrypted."""
        ...

    def tag(self, name: str, tags: Mapping[str, str]) -> None:
        """Tags for a name that is taken, beside those it has; its value is left alone."""
        ...

    def untag(self, name: str, keys: Sequence[str]) -> None:
        """Take tags away; those it does not have are no error."""
        ...

    def history_command(self, name: str) -> str:
        """What a person types to see which values the name has had."""
        ...

    def listing_command(self, prefix: str) -> str:
        """What a person types to see the names under the prefix."""
        ...
