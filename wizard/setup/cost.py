"""What AWS charges: every price that the product names, once, each with the page it is from.

Pure. US dollars, as published for us-east-1; another Region's may differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from components.settings import ObjectLock, SecretStore, Settings


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


KEY_MONTHLY, SECRET_MONTHLY, ALARM_MONTHLY = (float(price.dollars) for price in (KEY, SECRET, ALARM))
"""US dollars a month for each."""

_ROTATED = f"${KEY.dollars:.0f} a month, ${KEY.dollars * (1 + PAID_ROTATIONS):.0f} after two rotations"
_STORED = f"${STORAGE.dollars} per GB a month"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One driver of the cost."""

    what: str
    price: str
    """In words, with its unit."""
    monthly: float = 0.0
    """The part of it that is the same every month, in US dollars."""
    option: str | None = None
    """The flag that turns it on or off; None for what always comes along."""
    taken: bool = True


def costs(settings: Settings) -> tuple[Cost, ...]:
    """Every driver and every option, those taken first, each in a fixed order."""
    drivers = (*_key(settings), *_delivery(settings), *_trail(settings))
    return tuple(sorted(drivers, key=lambda cost: not cost.taken))


def monthly(settings: Settings) -> float:
    """What is the same every month, in US dollars; what goes by use comes on top."""
    return round(sum(cost.monthly for cost in costs(settings) if cost.taken), 2)


def secrets(settings: Settings) -> int:
    """How many secrets there are, or would be, in Secrets Manager."""
    # There Vercel needs the escrow only; ECS and EKS read all three variables from it.
    return (3 if settings.uses_store else 1) * len(settings.regions)


def _by_number(price: Price) -> str:
    dollars = f"{price.dollars:.0f}" if price.dollars == int(price.dollars) else str(price.dollars)
    return f"${dollars} per {price.per:,}"


def _key(settings: Settings) -> tuple[Cost, ...]:
    replicas = len(settings.replica_regions)
    return (
        Cost(what="the key", price=_ROTATED, monthly=KEY_MONTHLY),
        Cost(
            what="uses of the key",
            price=f"{_by_number(KMS_REQUEST)}, {KMS_REQUEST.free:,} a month are free",
        ),
        Cost(
            what=f"{replicas} replica{'s' if replicas > 1 else ''}" if replicas else "a replica in another Region",
            price=f"${KEY.dollars:.0f} a month each, with the same rotations",
            monthly=KEY_MONTHLY * replicas,
            option="--multi-region yes --replica-regions REGION",
            taken=bool(replicas),
        ),
    )


def _delivery(settings: Settings) -> tuple[Cost, ...]:
    in_secrets = settings.secret_store is SecretStore.SECRETS_MANAGER
    number = secrets(settings)
    return (
        Cost(
            what="Parameter Store",
            price="nothing",
            option="--secret-store parameter-store",
            taken=not in_secrets,
        ),
        Cost(
            what=f"Secrets Manager, {number} secret{'s' if number > 1 else ''}",
            price=f"${SECRET_MONTHLY:.2f} a month each, {_by_number(SECRET_READ)} reads",
            monthly=SECRET_MONTHLY * number,
            option="--secret-store secrets-manager",
            taken=in_secrets,
        ),
        Cost(what="roles, policies and OIDC providers", price="nothing"),
    )


def _trail(settings: Settings) -> tuple[Cost, ...]:
    made = settings.existing_trail_arn is None
    archived = made and 0 < settings.trail_archive_days < settings.trail_retention_days
    return (
        Cost(what="the trail, if it is the first", price="nothing", option="--trail create", taken=made),
        Cost(
            what="a second trail, if it is one",
            price=f"{_by_number(SECOND_TRAIL_EVENT)} events",
            option="--trail ARN uses that one",
            taken=made,
        ),
        Cost(
            what="a trail that is there already",
            price="nothing more",
            option="--trail ARN",
            taken=not made,
        ),
        Cost(what="the logs in S3", price=_STORED, taken=made),
        Cost(
            what="the logs in cheaper storage",
            price=f"${ARCHIVE.dollars} per GB a month, {_by_number(ARCHIVE_MOVE)}",
            option="--trail-archive-days DAYS",
            taken=archived,
        ),
        Cost(
            what="a key of the logs' own",
            price=_ROTATED,
            monthly=KEY_MONTHLY,
            option="--trail-key yes|no",
            taken=made and settings.trail_key,
        ),
        Cost(
            what="Object Lock",
            price="nothing; what is locked is paid for",
            option="--trail-lock none|governance|compliance",
            taken=made and settings.trail_lock is not ObjectLock.NONE,
        ),
        Cost(
            what="the log of who reads them",
            price=_STORED,
            option="--access-logging yes|no",
            taken=made and settings.access_logging,
        ),
        Cost(
            what="the events in CloudWatch Logs too",
            price=f"${LOGS_TAKEN_IN.dollars} per GB, ${LOGS_KEPT.dollars} per GB a month",
            option="--cloudwatch-logs yes|no",
            taken=made and settings.cloudwatch_logs,
        ),
        Cost(
            what="alerts",
            price=f"${ALARM_MONTHLY:.2f} a month, 1,000 e-mails are free",
            monthly=ALARM_MONTHLY,
            option="--alerts yes|no",
            taken=settings.alerts,
        ),
    )


def table(settings: Settings) -> tuple[tuple[str, str, str], ...]:
    """(what, price, flag) of each option that was not taken."""
    return tuple((cost.what, cost.price, cost.option or "") for cost in costs(settings) if not cost.taken)
