"""What a stack costs in a month, each driver by itself, from its settings and from assumptions that can be changed.

Pure: numbers in, numbers out; Decimal throughout, nothing is rounded here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from components.settings import SecretStore, Settings
from wizard.setup import cost
from wizard.setup import cost as prices
from wizard.setup.cost import Price

MINUTES = 43_800
"""Of a month, as AWS counts it: 730 hours."""

DAYS = Decimal(MINUTES) / (24 * 60)

LOG_FILES = MINUTES // 5
"""Log files of a Region in a month: CloudTrail delivers about every five minutes where there are events.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html"""

DIGESTS = MINUTES // 60
"""Digest files of a Region in a month: one an hour.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-intro.html"""

SMALLEST_MOVED = 128 * 1024
"""Octets: a lifecycle rule leaves smaller objects where they are.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html"""

GB = Decimal(1024**3)


class Driver(StrEnum):
    """What is paid for."""

    KEY = "key"
    REPLICAS = "replicas"
    TRAIL_KEY = "trail-key"
    REQUESTS = "requests"
    TRAIL_EVENTS = "trail-events"
    LOG_WRITES = "log-writes"
    LOG_STORAGE = "log-storage"
    LOG_ARCHIVE = "log-archive"
    CLOUDWATCH_LOGS = "cloudwatch-logs"
    ALARMS = "alarms"
    SECRETS = "secrets"
    SECRET_READS = "secret-reads"


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What the settings do not say; each can be changed, and is told with every figure that follows from it."""

    instances: int = 2
    """Of the application, that run all month."""
    cache_minutes: float = 5.0
    """For how long an instance keeps the unwrapped data key; the application's own default."""
    requests: int | None = None
    """KMS requests of the application in a month; None: an unwrapping for each instance and each end of its cache."""
    other_requests: int = 0
    """KMS requests of the account's other keys, which use up free ones too."""
    rotations: int = 0
    """Rotations that the key, its replicas and the logs' own key have had."""
    replicas: int | None = None
    """None: as many as the settings name."""
    other_trails: int = 0
    """Trails beside the one that is made, which record the account's management events too."""
    events: int = 100_000
    """Management events of the account in a month."""
    active_regions: int = 1
    """Regions with events: each has log files of its own."""
    event_bytes: int = 500
    """Octets of an event in a log file, which is compressed."""
    event_text_bytes: int = 1_500
    """Octets of an event in CloudWatch Logs, which are not."""
    months: int = 12
    """Since the trail began: its logs are kept, and grow."""
    secret_reads: int = 1_000
    """Reads of the secrets in a month, where they are in Secrets Manager."""

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


@dataclass(frozen=True, kw_only=True)
class CostItem:
    """One driver's part of the bill."""

    driver: Driver
    quantity: Decimal
    """In units of the price, those that are free included."""
    price: Price
    monthly: Decimal
    """US dollars."""
    spared: Decimal = Decimal(0)
    """US dollars: what the free units among them would have cost."""
    part: str = ""
    """Which part of the driver, where it is billed in several, in a word."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A month's bill."""

    assumptions: Assumptions
    items: tuple[CostItem, ...]

    @property
    def monthly(self) -> Decimal:
        """US dollars, of all drivers."""
        return sum((item.monthly for item in self.items), Decimal(0))

    @property
    def spared(self) -> Decimal:
        """US dollars: what is free of it."""
        return sum((item.spared for item in self.items), Decimal(0))

    def of(self, driver: Driver) -> Decimal:
        """One driver's part in US dollars; 0 where it does not come along."""
        return sum((item.monthly for item in self.items if item.driver is driver), Decimal(0))


def estimate(settings: Settings, assumptions: Assumptions | None = None) -> Estimate:
    """A month's bill of the stack, each driver by itself, in a fixed order."""
    given = assumptions or Assumptions()
    items = (*_keys(settings, given), *_requests(settings, given), *_trail(settings, given), *_rest(settings, given))
    return Estimate(assumptions=given, items=items)


@dataclass(frozen=True, kw_only=True)
class Point:
    """One value of what is varied, and the month's bill with it."""

    value: float
    monthly: Decimal


def what_if(settings: Settings, assumptions: Assumptions, vary: str, values: Iterable[float]) -> tuple[Point, ...]:
    """The bill with one assumption at each of these values, by its field's name: `requests`, `cache_minutes`, …"""
    return tuple(
        Point(value=value, monthly=estimate(settings, _with(assumptions, vary, value)).monthly) for value in values
    )


def growth(settings: Settings, assumptions: Assumptions | None = None) -> tuple[Point, ...]:
    """The bill after 0, 1 and 2 rotations; later ones change nothing more."""
    return what_if(settings, assumptions or Assumptions(), "rotations", range(prices.PAID_ROTATIONS + 1))


def _with(assumptions: Assumptions, vary: str, value: float) -> Assumptions:
    changes: dict[str, Any] = {vary: value if vary == "cache_minutes" else int(value)}
    return replace(assumptions, **changes)


def key_months(rotations: int) -> Decimal:
    """What a key that was rotated so often costs, in prices of a key that never was."""
    return Decimal(1 + min(rotations, prices.PAID_ROTATIONS))


def _item(driver: Driver, quantity: Decimal | int, price: Price, part: str = "") -> CostItem:
    amount = Decimal(quantity)
    return CostItem(
        driver=driver,
        quantity=amount,
        price=price,
        monthly=price.of(amount),
        spared=price.spared(amount),
        part=part,
    )


def _keys(settings: Settings, given: Assumptions) -> Iterator[CostItem]:
    each = key_months(given.rotations)
    replicas = len(settings.replica_regions) if given.replicas is None else given.replicas
    yield _item(Driver.KEY, each, prices.KEY)
    if replicas:
        yield _item(Driver.REPLICAS, replicas * each, prices.KEY)
    if _makes_trail(settings) and settings.trail_key:
        yield _item(Driver.TRAIL_KEY, each, prices.KEY)


def _requests(settings: Settings, given: Assumptions) -> Iterator[CostItem]:
    own = given.application_requests + trail_requests(settings, given)
    price, others = prices.KMS_REQUEST, Decimal(given.other_requests)
    # What others take of the free ones is gone; what they cost beyond is no cost of the stack's.
    yield CostItem(
        driver=Driver.REQUESTS,
        quantity=own,
        price=price,
        monthly=price.of(own + others) - price.of(others),
        spared=price.spared(own + others) - price.spared(others),
    )


def trail_requests(settings: Settings, given: Assumptions) -> Decimal:
    """KMS requests of the trail in a month: it has a data key made for each log file under the logs' own key.

    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/encrypting-cloudtrail-log-files-with-aws-kms.html
    """
    encrypts = _makes_trail(settings) and settings.trail_key
    return Decimal(LOG_FILES * given.active_regions) if encrypts else Decimal(0)


def _trail(settings: Settings, given: Assumptions) -> Iterator[CostItem]:
    if not _makes_trail(settings):
        return
    if given.other_trails:
        # One copy is free, and it is the one that was there first.
        yield _item(Driver.TRAIL_EVENTS, given.events, prices.SECOND_TRAIL_EVENT)
    files = (LOG_FILES + DIGESTS) * given.active_regions
    yield _item(Driver.LOG_WRITES, files, prices.WRITE)
    grown = Decimal(given.events * given.event_bytes) / GB
    kept_months = min(Decimal(given.months), settings.trail_retention_days / DAYS)
    fresh_months = kept_months
    mean = given.events * given.event_bytes / (LOG_FILES * given.active_regions) if given.active_regions else 0
    archives = 0 < settings.trail_archive_days < settings.trail_retention_days and mean >= SMALLEST_MOVED
    if archives:
        fresh_months = min(kept_months, settings.trail_archive_days / DAYS)
    yield _item(Driver.LOG_STORAGE, grown * fresh_months, prices.STORAGE)
    if kept_months > fresh_months:
        moved = _item(Driver.LOG_ARCHIVE, files, prices.ARCHIVE_MOVE, "moving")
        lain = _item(Driver.LOG_ARCHIVE, grown * (kept_months - fresh_months), prices.ARCHIVE, "keeping")
        yield from (lain, moved)
    if settings.cloudwatch_logs:
        text = Decimal(given.events * given.event_text_bytes) / GB
        yield _item(Driver.CLOUDWATCH_LOGS, text, prices.LOGS_TAKEN_IN, "taking in")
        yield _item(Driver.CLOUDWATCH_LOGS, grown * kept_months, prices.LOGS_KEPT, "keeping")


def _rest(settings: Settings, given: Assumptions) -> Iterator[CostItem]:
    if settings.alerts:
        yield _item(Driver.ALARMS, 1, prices.ALARM)
    if settings.secret_store is SecretStore.SECRETS_MANAGER:
        yield _item(Driver.SECRETS, cost.secrets(settings), prices.SECRET)
        yield _item(Driver.SECRET_READS, given.secret_reads, prices.SECRET_READ)


def _makes_trail(settings: Settings) -> bool:
    return settings.existing_trail_arn is None
