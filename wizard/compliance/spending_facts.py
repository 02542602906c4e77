"""The cost as facts of the report: what the settings cost, what that stands on, and what if one thing were different.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from components.contract import Settings
from wizard.compliance.facts import Assumption, CostFacts, Driver, Point, WhatIf
from wizard.prices import Price
from wizard.spending import estimate as spending
from wizard.spending.estimate import Assumptions, Item

_DRIVERS = MappingProxyType(
    {
        spending.Driver.KEY: "KMS key for PHI",
        spending.Driver.REPLICAS: "Replicas of the key",
        spending.Driver.TRAIL_KEY: "KMS key of the logs",
        spending.Driver.REQUESTS: "Requests to KMS",
        spending.Driver.TRAIL_EVENTS: "Another copy of the events",
        spending.Driver.LOG_WRITES: "Writing log files",
        spending.Driver.LOG_STORAGE: "Keeping log files",
        spending.Driver.LOG_ARCHIVE: "Log files in cheaper storage",
        spending.Driver.CLOUDWATCH_LOGS: "Events in CloudWatch Logs",
        spending.Driver.ALARMS: "Alarms",
        spending.Driver.SECRETS: "Secrets",
        spending.Driver.SECRET_READS: "Reads of secrets",
    }
)
ASSUMED = "assumed"
GIVEN = "given on the command line"


def cost(settings: Settings, assumptions: Assumptions, *, sources: dict[str, str], basis: str) -> CostFacts:
    """A month's bill. `sources`: where an assumption comes from, by its field's name; those left out are assumed."""
    bill = spending.estimate(settings, assumptions)
    return CostFacts(
        monthly=_rounded(bill.monthly),
        basis=basis,
        drivers=tuple(_driver(item) for item in bill.items),
        assumptions=tuple(_assumptions(settings, assumptions, sources)),
        what_ifs=tuple(_what_ifs(settings, assumptions)),
    )


def _driver(item: Item) -> Driver:
    return Driver(
        what=_DRIVERS[item.driver],
        quantity=_rounded(item.quantity),
        unit=_plural(item.price.unit),
        price=_in_words(item.price),
        monthly=_rounded(item.monthly),
    )


def _in_words(price: Price) -> str:
    each = (
        f"${price.dollars.normalize():f} a {price.unit}"
        if price.per == 1
        else f"${price.dollars.normalize():f} per {price.per:,}"
    )
    return f"{each}, {price.free:,} are free" if price.free else each


def _plural(unit: str) -> str:
    return unit if unit == "GB" else f"{unit}s"


def _assumptions(settings: Settings, given: Assumptions, sources: dict[str, str]) -> Iterator[Assumption]:
    replicas = len(settings.replica_regions) if given.replicas is None else given.replicas
    told: tuple[tuple[str, str, float, str], ...] = (
        ("instances", "Instances of the application that run all month", given.instances, "instances"),
        ("cache_minutes", "How long an instance keeps the unwrapped key", given.cache_minutes, "minutes"),
        ("requests", "Requests of the application to KMS", float(given.application_requests), "requests a month"),
        ("replicas", "Replicas of the key", replicas, "replicas"),
        ("rotations", "Rotations that the keys have had", given.rotations, "rotations"),
        ("other_trails", "Trails beside the stack's own", given.other_trails, "trails"),
        ("events", "Management events of the account", given.events, "events a month"),
        ("active_regions", "Regions with events", given.active_regions, "Regions"),
        ("months", "Months since the trail began", given.months, "months"),
    )
    for name, what, value, unit in told:
        derived = "instances and cache" if name == "requests" and given.requests is None else ASSUMED
        source = "the settings" if name == "replicas" and given.replicas is None else derived
        yield Assumption(what=what, value=value, unit=unit, source=sources.get(name, source))


def _what_ifs(settings: Settings, given: Assumptions) -> Iterator[WhatIf]:
    requests = float(given.application_requests)
    replicas = float(len(settings.replica_regions) if given.replicas is None else given.replicas)
    yield _what_if(
        settings,
        given,
        "requests",
        "Requests of the application",
        "requests a month",
        requests,
        (1_000.0, 10_000.0, 100_000.0, 1_000_000.0, 10_000_000.0, 100_000_000.0),
        logarithmic=True,
    )
    if given.requests is None:
        yield _what_if(
            settings,
            given,
            "cache_minutes",
            "How long the key is cached",
            "minutes",
            given.cache_minutes,
            (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0),
            logarithmic=True,
        )
    yield _what_if(settings, given, "replicas", "Replicas of the key", "replicas", replicas, (0.0, 1.0, 2.0, 3.0, 4.0))
    if settings.existing_trail_arn is None:
        yield _what_if(
            settings,
            given,
            "other_trails",
            "Trails that were there before",
            "trails",
            float(given.other_trails),
            (0.0, 1.0),
        )


def _what_if(
    settings: Settings,
    given: Assumptions,
    vary: str,
    what: str,
    unit: str,
    now: float,
    values: tuple[float, ...],
    *,
    logarithmic: bool = False,
) -> WhatIf:
    at = sorted({*values, now} if now > 0 or not logarithmic else set(values))
    points = spending.what_if(settings, given, vary, at)
    return WhatIf(
        what=what,
        unit=unit,
        now=now,
        points=tuple(Point(at=point.value, monthly=_rounded(point.monthly)) for point in points),
        is_logarithmic=logarithmic,
    )


def _rounded(value: object) -> float:
    # Cents are what a bill has; a fraction of one would only seem exact.
    return round(float(str(value)), 2)
