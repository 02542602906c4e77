"""What the edge can tell of who has access to the key, by which the review knows it.

Pure. `wizard/aws/access_reading.py` implements it; it reads and changes nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from wizard.facts_access import AccessKeyAge, GrantFact, History, KeyUse
from wizard.facts_iam import AccountIam, KeyEvents


class Access(Protocol):
    """AWS, asked who may use the key and who did. In one Region; IAM is the account's.

    Every method raises `PermissionDenied` where the caller may not look, `Unsupported` where the endpoint cannot tell,
    and the other errors of `wizard.protocols.Cloud`.
    """

    def grants(self, key_arn: str) -> tuple[GrantFact, ...]:
        """Every grant on the key, all pages."""
        ...

    def iam(self) -> AccountIam:
        """Every user and role with all their policies, all pages.

        A policy whose document may not be read is there without it.
        """
        ...

    def access_keys(self, user: str, *, now: datetime) -> tuple[AccessKeyAge, ...]:
        """The access keys of the user of that name, the oldest first."""
        ...

    def last_use(self, key_arn: str) -> KeyUse:
        """When the key was last used, whoever by."""
        ...

    def events(self, key_arn: str, *, since: datetime) -> tuple[History, tuple[KeyEvents, ...]]:
        """The calls on the key since then, by principal; as many as are read at once."""
        ...
