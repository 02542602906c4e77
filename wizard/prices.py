"""What AWS charges: every price that the product names, once, each with the page it is from.

Pure. US dollars, as published for us-east-1; another Region's may differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, kw_only=True)
class Price:
    """One price: so many dollars for so many units a month, after the units that are free."""

    dollars: Decimal
    unit: str
    """One unit, in the singular; `per` of them cost `dollars`."""
    page: str
    """Where AWS says so."""
    per: int = 1
    free: int = 0
    """Units a month that cost nothing, whoever in the account uses them."""
    note: str = ""
    """What the page says beside it, in words."""

    def of(self, quantity: Decimal) -> Decimal:
        """What so many units cost in a month, in US dollars; never rounded."""
        return max(quantity - self.free, Decimal(0)) * self.dollars / self.per

    def spared(self, quantity: Decimal) -> Decimal:
        """What the free units among them would have cost."""
        return min(quantity, Decimal(self.free)) * self.dollars / self.per


_KMS = "https://aws.amazon.com/kms/pricing/"
_CLOUDTRAIL = "https://aws.amazon.com/cloudtrail/pricing/"
_S3 = "https://aws.amazon.com/s3/pricing/"
_CLOUDWATCH = "https://aws.amazon.com/cloudwatch/pricing/"
_SECRETS = "https://aws.amazon.com/secrets-manager/pricing/"

KEY = Price(
    dollars=Decimal("1.00"),
    unit="key",
    page=_KMS,
    note="as much again after each of the first two rotations; a replica is a key",
)
PAID_ROTATIONS = 2
"""Rotations of a key that raise its price; the third and later cost nothing more."""

KMS_REQUEST = Price(
    dollars=Decimal("0.03"),
    per=10_000,
    unit="request",
    free=20_000,
    page=_KMS,
    note="the free ones are the account's, of all keys and Regions together",
)
SECOND_TRAIL_EVENT = Price(
    dollars=Decimal("2.00"),
    per=100_000,
    unit="event",
    page=_CLOUDTRAIL,
    note="the first copy of the management events of a Region is free; every further one is billed",
)
STORAGE = Price(dollars=Decimal("0.023"), unit="GB", page=_S3)
ARCHIVE = Price(dollars=Decimal("0.004"), unit="GB", page=_S3, note="S3 Glacier Instant Retrieval")
ARCHIVE_MOVE = Price(dollars=Decimal("0.02"), per=1_000, unit="object", page=_S3)
WRITE = Price(dollars=Decimal("0.005"), per=1_000, unit="object", page=_S3)
LOGS_TAKEN_IN = Price(
    dollars=Decimal("0.50"), unit="GB", page=_CLOUDWATCH, note="the account's first 5 GB a month are free"
)
LOGS_KEPT = Price(dollars=Decimal("0.03"), unit="GB", page=_CLOUDWATCH)
ALARM = Price(dollars=Decimal("0.10"), unit="alarm", page=_CLOUDWATCH, note="the account's first ten are free")
SECRET = Price(dollars=Decimal("0.40"), unit="secret", page=_SECRETS)
SECRET_READ = Price(dollars=Decimal("0.05"), per=10_000, unit="read", page=_SECRETS)
