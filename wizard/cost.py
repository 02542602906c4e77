"""What the set-up costs, each driver by itself, and what each option that was not taken would cost.

Pure. The prices are those of `wizard.prices`; the month's bill from numbers is made in `wizard.spending.estimate`.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.contract import ObjectLock, SecretStore, Settings, Target
from wizard import prices
from wizard.prices import Price

KEY, SECRET, ALARM = (float(price.dollars) for price in (prices.KEY, prices.SECRET, prices.ALARM))
"""US dollars a month for each."""

_ROTATED = (
    f"${prices.KEY.dollars:.0f} a month, ${prices.KEY.dollars * (1 + prices.PAID_ROTATIONS):.0f} after two rotations"
)
_STORED = f"${prices.STORAGE.dollars} per GB a month"


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
    return (3 if {Target.ECS, Target.EKS} & set(settings.deploy_targets) else 1) * len(settings.regions)


def _by_number(price: Price) -> str:
    dollars = f"{price.dollars:.0f}" if price.dollars == int(price.dollars) else str(price.dollars)
    return f"${dollars} per {price.per:,}"


def _key(settings: Settings) -> tuple[Cost, ...]:
    replicas = len(settings.replica_regions)
    return (
        Cost(what="the key", price=_ROTATED, monthly=KEY),
        Cost(
            what="uses of the key",
            price=f"{_by_number(prices.KMS_REQUEST)}, {prices.KMS_REQUEST.free:,} a month are free",
        ),
        Cost(
            what=f"{replicas} replica{'s' if replicas > 1 else ''}" if replicas else "a replica in another Region",
            price=f"${prices.KEY.dollars:.0f} a month each, with the same rotations",
            monthly=KEY * replicas,
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
            price=f"${SECRET:.2f} a month each, {_by_number(prices.SECRET_READ)} reads",
            monthly=SECRET * number,
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
            price=f"{_by_number(prices.SECOND_TRAIL_EVENT)} events",
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
            price=f"${prices.ARCHIVE.dollars} per GB a month, {_by_number(prices.ARCHIVE_MOVE)}",
            option="--trail-archive-days DAYS",
            taken=archived,
        ),
        Cost(
            what="a key of the logs' own",
            price=_ROTATED,
            monthly=KEY,
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
            price=f"${prices.LOGS_TAKEN_IN.dollars} per GB, ${prices.LOGS_KEPT.dollars} per GB a month",
            option="--cloudwatch-logs yes|no",
            taken=made and settings.cloudwatch_logs,
        ),
        Cost(
            what="alerts",
            price=f"${ALARM:.2f} a month, 1,000 e-mails are free",
            monthly=ALARM,
            option="--alerts yes|no",
            taken=settings.alerts,
        ),
    )


def table(settings: Settings) -> tuple[tuple[str, str, str], ...]:
    """(what, price, flag) of each option that was not taken."""
    return tuple((cost.what, cost.price, cost.option or "") for cost in costs(settings) if not cost.taken)
