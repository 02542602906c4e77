"""The cost by the account's quantities: rotations of the keys, other trails, and usage.

Reads AWS through its Protocols and changes nothing. An unreadable quantity is unknown and never counts as 0.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from components.policies.stack import other_keys_of
from components.settings import Settings
from wizard.core.cost import drivers as costs
from wizard.core.cost.prices import STORAGE
from wizard.core.errors import SetupError
from wizard.core.models.trail import Usage
from wizard.core.ports.run import AwsClient
from wizard.core.retry import Threads

SHORTEST_DAYS = Decimal(1)
"""A shorter window counts as a whole day: an hour's calls times 730 would be a guess, not a measurement."""


@dataclass(frozen=True, kw_only=True)
class AccountFacts:
    """The account's values for assumptions; None where it was not asked or did not answer."""

    rotations: int | None = None
    trail_key_rotations: int | None = None
    documents_key_rotations: int | None = None
    other_trails: int | None = None
    unknown: Mapping[str, str] = field(default_factory=dict)
    """Why, by the name of a field that was asked for and could not be read."""

    def applied(self, assumptions: costs.Assumptions) -> costs.Assumptions:
        known = {name: value for name in FACTS if (value := getattr(self, name)) is not None}
        return replace(assumptions, **known)


FACTS: Mapping[str, tuple[str, tuple[costs.Driver, ...]]] = {
    "rotations": ("kms:ListKeyRotations", (costs.Driver.KEY, costs.Driver.REPLICAS)),
    "trail_key_rotations": ("kms:ListKeyRotations", (costs.Driver.TRAIL_KEY,)),
    "documents_key_rotations": ("kms:ListKeyRotations", (costs.Driver.DOCUMENTS_KEY,)),
    "other_trails": ("cloudtrail:DescribeTrails", (costs.Driver.TRAIL_EVENTS,)),
}
"""The field, the call that it is read from, and the drivers that depend on it."""


def not_asked(why: str, settings: Settings) -> AccountFacts:
    """None of the facts of a stack with these settings."""
    asked = [name for name in FACTS if name != "documents_key_rotations" or settings.documents_key]
    return AccountFacts(unknown=dict.fromkeys(asked, why))


def read_account(
    aws: AwsClient, settings: Settings, *, key_arn: str | None = None, trail_arn: str | None = None
) -> AccountFacts:
    """The facts of the stack's account and Region. Before the first set-up no key has rotated yet.

    `key_arn`, `trail_arn`: the stack's own, where its outputs are known; else the ones under the settings' names.
    """
    unknown: dict[str, str] = {}

    def ask(name: str, call: Callable[[], int]) -> int | None:
        try:
            return call()
        except SetupError as error:
            unknown[name] = error.message
            return None

    def rotations(key: str) -> int:
        fact = aws.kms.describe_key(key)
        return len(aws.key_rotation.rotations(fact.arn).rotations) if fact else 0

    own = trail_arn or settings.arn("cloudtrail", f"trail/{settings.names.trail}")

    def other_trails() -> int:
        # Only the management account can read the status of an organization's trail; it counts as logging.
        return sum(trail.arn != own and trail.logging is not False for trail in aws.cloudtrail.list_trails())

    aliases = {other.alias for other in other_keys_of(settings)}

    def rotations_of(alias: str) -> int:
        return rotations(alias) if alias in aliases else 0

    with Threads(max_workers=4) as pool:
        key = pool.submit(ask, "rotations", lambda: rotations(key_arn or settings.names.alias))
        trail_key = pool.submit(ask, "trail_key_rotations", lambda: rotations_of(settings.names.trail_key_alias))
        documents_key = pool.submit(
            lambda: (
                ask("documents_key_rotations", lambda: rotations_of(settings.names.documents_key_alias))
                if settings.documents_key
                else None
            )
        )
        trails = pool.submit(ask, "other_trails", other_trails)
    return AccountFacts(
        rotations=key.result(),
        trail_key_rotations=trail_key.result(),
        documents_key_rotations=documents_key.result(),
        other_trails=trails.result(),
        unknown=unknown,
    )


@dataclass(frozen=True, kw_only=True)
class CostByUse:
    """The counts of a window, and the month's cost that follows from them."""

    usage: Usage
    account: AccountFacts
    estimate: costs.Estimate
    """The estimate without the unknown drivers."""
    unknown: Mapping[costs.Driver, str] = field(default_factory=dict)
    """Why, by driver."""
    notes: tuple[str, ...] = ()

    def of(self, driver: costs.Driver) -> Decimal | None:
        """A driver's part in US dollars; None where it is unknown."""
        return None if driver in self.unknown else self.estimate.of(driver)


def monthly(count: int, days: float) -> int:
    """The count of so many days, converted to a month."""
    return round(Decimal(count) * costs.DAYS / max(Decimal(str(days)), SHORTEST_DAYS))


def cost_by_use(settings: Settings, assumptions: costs.Assumptions, usage: Usage, account: AccountFacts) -> CostByUse:
    """The cost by these counts. Other quantities are as assumed, or unknown."""
    unknown: dict[costs.Driver, str] = {
        driver: account.unknown[name]
        for name, (_, drivers) in FACTS.items()
        if name in account.unknown
        for driver in drivers
    }
    notes: list[str] = []
    assumed = account.applied(assumptions)
    if usage.key_requests is None:
        unknown[costs.Driver.REQUESTS] = usage.unknown.get("key_requests", "")
    else:
        days = usage.days
        if usage.is_key_requests_cut_off and usage.key_requests_since is not None:
            days = (usage.until - usage.key_requests_since).total_seconds() / 86400
            notes.append(
                f"there were more calls on the key than the {usage.key_requests:,} that were counted since "
                f"{usage.key_requests_since:%Y-%m-%d %H:%M} UTC; for the whole window this is a lower bound"
            )
        assumed = replace(assumed, requests=monthly(usage.key_requests, days))
        if usage.kms_requests is None:
            notes.append("how many free requests other keys of the account use is unknown")
        else:
            own = round(assumed.application_requests + costs.trail_requests(settings, assumed))
            assumed = replace(assumed, other_requests=max(0, monthly(usage.kms_requests, usage.days) - own))
    items = costs.estimate(settings, assumed).items
    if usage.trail_bytes is None:
        in_s3 = (costs.Driver.LOG_STORAGE, costs.Driver.ARCHIVE_STORAGE, costs.Driver.ARCHIVE_TRANSITIONS)
        unknown |= dict.fromkeys(in_s3, usage.unknown.get("trail_bytes", ""))
    else:
        items = tuple(_by_size(items, usage.trail_bytes))
    if usage.days < SHORTEST_DAYS:
        notes.append("the window is shorter than a day and counts as a whole one")
    included = {item.driver for item in items}
    return CostByUse(
        usage=usage,
        account=account,
        estimate=costs.Estimate(assumptions=assumed, items=tuple(item for item in items if item.driver not in unknown)),
        # A driver that the settings do not include is not unknown, except a second trail, which is in no plan.
        unknown={
            driver: reason
            for driver, reason in unknown.items()
            if driver in included or driver is costs.Driver.TRAIL_EVENTS
        },
        notes=tuple(notes),
    )


def _by_size(items: tuple[costs.CostItem, ...], size: int) -> list[costs.CostItem]:
    """The storage of the logs by the bucket's real size, all of it at the price of S3 Standard."""
    quantity = Decimal(size) / costs.GB
    archived = (costs.Driver.ARCHIVE_STORAGE, costs.Driver.ARCHIVE_TRANSITIONS)
    return [
        replace(item, quantity=quantity, monthly=STORAGE.of(quantity))
        if item.driver is costs.Driver.LOG_STORAGE
        else item
        for item in items
        if item.driver not in archived
    ]
