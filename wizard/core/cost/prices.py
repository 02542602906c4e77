"""AWS's prices for everything the set-up can use, each with the page it is from.

Pure. US dollars, as published for us-east-1; other Regions can differ.
"""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, kw_only=True)
class Price:
    """A monthly price: `dollars` for `per` units, after the free ones."""

    dollars: Decimal
    unit: str
    """In the singular: `key`, `request`, `GB`."""
    page: str
    """AWS's pricing page."""
    per: int = 1
    free: int = 0
    """Units a month that cost nothing, shared by the whole account."""
    note: str = ""

    def of(self, quantity: Decimal) -> Decimal:
        """US dollars a month for this quantity."""
        return max(quantity - self.free, Decimal(0)) * self.dollars / self.per

    def free_value(self, quantity: Decimal) -> Decimal:
        """US dollars that the free units in this quantity would cost."""
        return min(quantity, Decimal(self.free)) * self.dollars / self.per

    @property
    def text(self) -> str:
        """`$0.03 per 10,000 requests, 20,000 free`."""
        cents = self.dollars == round(self.dollars, 2)
        dollars = f"{self.dollars:.2f}" if cents else str(self.dollars)
        text = f"${dollars} per {self.unit if self.per == 1 else f'{self.per:,} {self.unit}s'}"
        return f"{text}, {self.free:,} free" if self.free else text


_KMS = "https://aws.amazon.com/kms/pricing/"
_S3 = "https://aws.amazon.com/s3/pricing/"
_CLOUDWATCH = "https://aws.amazon.com/cloudwatch/pricing/"
_SECRETS = "https://aws.amazon.com/secrets-manager/pricing/"

KEY = Price(
    dollars=Decimal("1.00"),
    unit="key",
    page=_KMS,
    note="the first and the second rotation add the same price again, later ones nothing; a replica is a key",
)

KMS_REQUEST = Price(
    dollars=Decimal("0.03"),
    per=10_000,
    unit="request",
    free=20_000,
    page=_KMS,
    note="the free requests are the account's, for all keys and Regions together",
)
SECOND_TRAIL_EVENT = Price(
    dollars=Decimal("2.00"),
    per=100_000,
    unit="event",
    page="https://aws.amazon.com/cloudtrail/pricing/",
    note="the first copy of a Region's management events is free; each further copy is billed",
)
STORAGE = Price(dollars=Decimal("0.023"), unit="GB", page=_S3)
ARCHIVE = Price(dollars=Decimal("0.004"), unit="GB", page=_S3, note="S3 Glacier Instant Retrieval")
ARCHIVE_TRANSITION = Price(dollars=Decimal("0.02"), per=1_000, unit="object", page=_S3)
WRITE = Price(dollars=Decimal("0.005"), per=1_000, unit="object", page=_S3)
READ = Price(dollars=Decimal("0.0004"), per=1_000, unit="object", page=_S3)
LOG_INGESTION = Price(
    dollars=Decimal("0.50"), unit="GB", page=_CLOUDWATCH, note="the account's first 5 GB a month are free"
)
LOG_STORAGE = Price(dollars=Decimal("0.03"), unit="GB", page=_CLOUDWATCH)
ALARM = Price(dollars=Decimal("0.10"), unit="alarm", page=_CLOUDWATCH, note="the account's first ten are free")
SECRET = Price(dollars=Decimal("0.40"), unit="secret", page=_SECRETS)
SECRET_READ = Price(dollars=Decimal("0.05"), per=10_000, unit="read", page=_SECRETS)

NOT_INCLUDED = (
    f"not included: a key's first two rotations (${KEY.dollars} a month each), "
    f"a second trail ({SECOND_TRAIL_EVENT.text})"
)
"""What an estimate leaves out: it depends on the age of the stack, and on the rest of the account."""
