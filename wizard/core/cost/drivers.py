"""The table of cost drivers with AWS's prices, and a month's estimate from it.

Pure: Decimal in and out, nothing is rounded here. Used by the plan, `cost` and `report`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from components.settings import SecretStore, Settings
from wizard.core.cost import prices

# --- quantities

MINUTES = 43_800
"""Minutes of a month of 730 hours, as AWS counts it."""

DAYS = Decimal(MINUTES) / (24 * 60)

LOG_FILES = MINUTES // 5
"""Log files of a Region in a month: CloudTrail delivers about every five minutes where there are events.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html"""

DIGESTS = MINUTES // 60
"""Digest files of a Region in a month: one an hour.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-intro.html"""

SMALLEST_ARCHIVED = 128 * 1024
"""Bytes: a lifecycle rule does not move smaller objects.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html"""

GB = Decimal(1024**3)


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """The quantities that the settings do not have."""

    instances: int = 2
    """Instances of the application that run all month."""
    cache_minutes: float = 5.0
    """Minutes for which an instance keeps the unwrapped data key; the application's default."""
    requests: int | None = None
    """KMS requests of the application in a month; None: one for each instance each time its cache expires."""
    events: int = 100_000
    """Management events of the account in a month."""
    active_regions: int = 1
    """Regions with events: each has log files of its own."""
    event_bytes: int = 500
    """Bytes of an event in a log file, compressed."""
    event_text_bytes: int = 1_500
    """Bytes of an event in CloudWatch Logs, not compressed."""
    months: int = 12
    """Since the trail was created: its logs are retained and grow."""
    secret_reads: int = 1_000
    """Reads of the secrets in a month, with Secrets Manager."""

    def __post_init__(self) -> None:
        if not self.cache_minutes > 0:
            raise ValueError("cache_minutes must be more than 0")
        for name, value in vars(self).items():
            if value is not None and value < 0:
                raise ValueError(f"{name} must not be less than 0")

    @property
    def application_requests(self) -> Decimal:
        """KMS requests of the application in a month."""
        if self.requests is not None:
            return Decimal(self.requests)
        return Decimal(self.instances * MINUTES) / Decimal(str(self.cache_minutes))


def number_of_secrets(settings: Settings) -> int:
    """Secrets in Secrets Manager: Vercel needs the stored data key only, ECS and EKS read all three variables."""
    return (3 if settings.uses_store else 1) * len(settings.regions)


def trail_requests(settings: Settings, assumed: Assumptions) -> Decimal:
    """KMS requests of the trail in a month: one data key for each log file, under the key of the audit logs.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/encrypting-cloudtrail-log-files-with-aws-kms.html
    """
    encrypts = settings.makes_trail and settings.trail_key
    return Decimal(LOG_FILES * assumed.active_regions) if encrypts else Decimal(0)


def _objects(assumed: Assumptions) -> int:
    return (LOG_FILES + DIGESTS) * assumed.active_regions


def _monthly_gb(assumed: Assumptions) -> Decimal:
    return Decimal(assumed.events * assumed.event_bytes) / GB


def _retained_months(settings: Settings, assumed: Assumptions) -> Decimal:
    return min(Decimal(assumed.months), settings.trail_retention_days / DAYS)


def _unarchived_months(settings: Settings, assumed: Assumptions) -> Decimal:
    """Months of logs in S3 Standard: all of them unless they are archived and large enough for it."""
    files = LOG_FILES * assumed.active_regions
    mean = assumed.events * assumed.event_bytes / files if files else 0
    retained = _retained_months(settings, assumed)
    if archives(settings) and mean >= SMALLEST_ARCHIVED:
        return min(retained, settings.trail_archive_days / DAYS)
    return retained


def archives(settings: Settings) -> bool:
    """Whether the bucket moves old logs to cheaper storage."""
    return settings.makes_trail and 0 < settings.trail_archive_days < settings.trail_retention_days


# --- the table


class Driver(StrEnum):
    KEY = "key"
    REPLICAS = "replicas"
    TRAIL_KEY = "trail-key"
    DOCUMENTS_KEY = "documents-key"
    REQUESTS = "requests"
    LOG_WRITES = "log-writes"
    LOG_STORAGE = "log-storage"
    ARCHIVE_STORAGE = "archive-storage"
    ARCHIVE_TRANSITIONS = "archive-transitions"
    CLOUDWATCH_INGESTION = "cloudwatch-ingestion"
    CLOUDWATCH_STORAGE = "cloudwatch-storage"
    ALARMS = "alarms"
    SECRETS = "secrets"
    SECRET_READS = "secret-reads"


Quantity = Callable[[Settings, Assumptions], Decimal | int]
"""Units a month; 0 if the settings do not include the driver."""


@dataclass(frozen=True, kw_only=True)
class DriverRow:
    name: str
    price: prices.Price
    quantity: Quantity


def _if_trail(quantity: Quantity) -> Quantity:
    return lambda settings, assumed: quantity(settings, assumed) if settings.makes_trail else 0


def _if_secrets(quantity: Quantity) -> Quantity:
    in_secrets_manager = SecretStore.SECRETS_MANAGER
    return lambda settings, assumed: quantity(settings, assumed) if settings.secret_store is in_secrets_manager else 0


TABLE = MappingProxyType(
    {
        Driver.KEY: DriverRow(name="KMS key", price=prices.KEY, quantity=lambda s, a: 1),
        Driver.REPLICAS: DriverRow(name="replica keys", price=prices.KEY, quantity=lambda s, a: len(s.replica_regions)),
        Driver.TRAIL_KEY: DriverRow(
            name="KMS key of the audit logs",
            price=prices.KEY,
            quantity=_if_trail(lambda s, a: int(s.trail_key)),
        ),
        Driver.DOCUMENTS_KEY: DriverRow(
            name="KMS key of the documents",
            price=prices.KEY,
            quantity=lambda s, a: int(s.documents_key),
        ),
        Driver.REQUESTS: DriverRow(
            name="KMS requests",
            price=prices.KMS_REQUEST,
            quantity=lambda s, a: a.application_requests + trail_requests(s, a),
        ),
        Driver.LOG_WRITES: DriverRow(
            name="audit logs, writing to S3", price=prices.WRITE, quantity=_if_trail(lambda s, a: _objects(a))
        ),
        Driver.LOG_STORAGE: DriverRow(
            name="audit logs, storage in S3",
            price=prices.STORAGE,
            quantity=_if_trail(lambda s, a: _monthly_gb(a) * _unarchived_months(s, a)),
        ),
        Driver.ARCHIVE_STORAGE: DriverRow(
            name="audit logs, archive storage",
            price=prices.ARCHIVE,
            quantity=_if_trail(lambda s, a: _monthly_gb(a) * (_retained_months(s, a) - _unarchived_months(s, a))),
        ),
        Driver.ARCHIVE_TRANSITIONS: DriverRow(
            name="audit logs, moving to the archive",
            price=prices.ARCHIVE_TRANSITION,
            quantity=_if_trail(lambda s, a: _objects(a) if _retained_months(s, a) > _unarchived_months(s, a) else 0),
        ),
        Driver.CLOUDWATCH_INGESTION: DriverRow(
            name="CloudWatch Logs, ingestion",
            price=prices.LOG_INGESTION,
            quantity=_if_trail(lambda s, a: Decimal(a.events * a.event_text_bytes) / GB if s.cloudwatch_logs else 0),
        ),
        Driver.CLOUDWATCH_STORAGE: DriverRow(
            name="CloudWatch Logs, storage",
            price=prices.LOG_STORAGE,
            quantity=_if_trail(lambda s, a: _monthly_gb(a) * _retained_months(s, a) if s.cloudwatch_logs else 0),
        ),
        Driver.ALARMS: DriverRow(name="CloudWatch alarm", price=prices.ALARM, quantity=lambda s, a: int(s.alerts)),
        Driver.SECRETS: DriverRow(
            name="Secrets Manager, secrets",
            price=prices.SECRET,
            quantity=_if_secrets(lambda s, a: number_of_secrets(s)),
        ),
        Driver.SECRET_READS: DriverRow(
            name="Secrets Manager, reads", price=prices.SECRET_READ, quantity=_if_secrets(lambda s, a: a.secret_reads)
        ),
    }
)


@dataclass(frozen=True, kw_only=True)
class CostItem:
    """One driver's part of a month's cost."""

    driver: Driver
    quantity: Decimal
    """In units of the price, the free ones included."""
    monthly: Decimal
    """US dollars."""
    free_value: Decimal = Decimal(0)
    """US dollars that the free units among them would cost."""

    @property
    def price(self) -> prices.Price:
        return TABLE[self.driver].price

    @property
    def name(self) -> str:
        return TABLE[self.driver].name


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A month's cost, by driver."""

    assumptions: Assumptions
    items: tuple[CostItem, ...]

    @property
    def monthly(self) -> Decimal:
        """US dollars, of all drivers."""
        return sum((item.monthly for item in self.items), Decimal(0))

    @property
    def free_value(self) -> Decimal:
        """US dollars that the free units would cost."""
        return sum((item.free_value for item in self.items), Decimal(0))


def estimate(settings: Settings, assumptions: Assumptions | None = None) -> Estimate:
    """A month's cost of the stack, by driver, in the order of the table."""
    assumed = assumptions or Assumptions()
    # Key and requests are part of every set-up, however few.
    items = (
        CostItem(
            driver=driver,
            quantity=Decimal(quantity),
            monthly=row.price.of(Decimal(quantity)),
            free_value=row.price.free_value(Decimal(quantity)),
        )
        for driver, row in TABLE.items()
        if (quantity := row.quantity(settings, assumed)) or driver in (Driver.KEY, Driver.REQUESTS)
    )
    return Estimate(assumptions=assumed, items=tuple(items))
