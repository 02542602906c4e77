"""The cost as facts of the report: by driver, by use, the assumptions, and what if one quantity changes.

Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from components.settings import Settings
from wizard.commands.cost.command import reasons
from wizard.commands.report.facts import Assumption, CostFacts, CountedUse, Driver, Point, WhatIf
from wizard.core.cost.account import FACTS, AccountFacts, CostByUse
from wizard.core.cost.drivers import Assumptions, CostItem, estimate, what_if
from wizard.core.models.access import Unread

ASSUMED = "assumed"
COMMAND_LINE = "the command line"

_REQUESTS = (1_000.0, 10_000.0, 100_000.0, 1_000_000.0, 10_000_000.0, 100_000_000.0)
_MINUTES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


def cost(
    settings: Settings,
    assumptions: Assumptions,
    account: AccountFacts,
    by_use: CostByUse | None,
    *,
    sources: Mapping[str, str],
) -> CostFacts:
    """A month's cost. `sources`: where an assumption comes from, by its field's name; the others are assumed."""
    assumed = account.applied(assumptions)
    read = {name: call for name, (call, _) in FACTS.items() if getattr(account, name) is not None}
    bill = estimate(settings, assumed)
    planned = {item.driver for item in bill.items}
    unplanned = [item for item in by_use.estimate.items if item.driver not in planned] if by_use else []
    return CostFacts(
        monthly=_dollars(bill.monthly),
        basis="estimated from the settings and the assumptions below",
        drivers=(
            *(_driver(item, by_use.of(item.driver) if by_use else None) for item in bill.items),
            *(replace(_driver(item, item.monthly), monthly=None) for item in unplanned),
        ),
        assumptions=tuple(_assumptions(settings, assumed, {**read, **sources})),
        what_ifs=tuple(_what_ifs(settings, assumed)),
        counted=_counted(by_use) if by_use else None,
    )


def _driver(item: CostItem, by_use: Decimal | None) -> Driver:
    return Driver(
        what=item.name[0].upper() + item.name[1:],
        quantity=float(round(item.quantity, 3)),
        unit=item.price.unit if item.price.unit == "GB" else f"{item.price.unit}s",
        price=item.price.text,
        monthly=_dollars(item.monthly),
        by_use=None if by_use is None else _dollars(by_use),
    )


def _counted(used: CostByUse) -> CountedUse:
    return CountedUse(
        since=used.usage.since,
        until=used.usage.until,
        monthly=_dollars(used.estimate.monthly),
        key_requests=used.usage.key_requests,
        kms_requests=used.usage.kms_requests,
        trail_bytes=used.usage.trail_bytes,
        notes=used.notes,
        unknown=tuple(Unread(what=what, why=why) for what, why in reasons(used)),
    )


def _assumptions(settings: Settings, assumed: Assumptions, sources: Mapping[str, str]) -> Iterator[Assumption]:
    rows: tuple[tuple[str, str, float, str], ...] = (
        ("instances", "Instances of the application that run all month", assumed.instances, "instances"),
        ("cache_minutes", "How long an instance caches the unwrapped data key", assumed.cache_minutes, "minutes"),
        ("requests", "KMS requests of the application", float(assumed.application_requests), "requests a month"),
        ("replicas", "Replicas of the key", assumed.replicas_of(settings), "replicas"),
        ("rotations", "Rotations of the key", assumed.rotations, "rotations"),
        ("trail_key_rotations", "Rotations of the audit logs' key", assumed.trail_key_rotations, "rotations"),
        ("other_trails", "Trails besides the stack's own", assumed.other_trails, "trails"),
        ("events", "Management events of the account", assumed.events, "events a month"),
        ("active_regions", "Regions with events", assumed.active_regions, "Regions"),
        ("months", "Months since the trail was created", assumed.months, "months"),
    )
    for name, what, value, unit in rows:
        derived = "instances and cache" if name == "requests" and assumed.requests is None else ASSUMED
        source = "the settings" if name == "replicas" and assumed.replicas is None else derived
        yield Assumption(what=what, value=value, unit=unit, source=sources.get(name, source))


def _what_ifs(settings: Settings, assumed: Assumptions) -> Iterator[WhatIf]:
    requests, replicas = float(assumed.application_requests), float(assumed.replicas_of(settings))
    cache, trails = assumed.cache_minutes, float(assumed.other_trails)
    rows: tuple[tuple[bool, str, str, str, float, tuple[float, ...], bool], ...] = (
        (True, "requests", "KMS requests of the application", "requests a month", requests, _REQUESTS, True),
        (
            assumed.requests is None,
            "cache_minutes",
            "How long the data key is cached",
            "minutes",
            cache,
            _MINUTES,
            True,
        ),
        (True, "replicas", "Replicas of the key", "replicas", replicas, (0.0, 1.0, 2.0, 3.0, 4.0), False),
        (settings.makes_trail, "other_trails", "Trails that exist already", "trails", trails, (0.0, 1.0), False),
    )
    for applies, vary, what, unit, now, values, logarithmic in rows:
        if applies:
            at = sorted({*values, now} if now > 0 or not logarithmic else set(values))
            yield WhatIf(
                what=what,
                unit=unit,
                now=now,
                points=tuple(
                    Point(at=point.value, monthly=_dollars(point.monthly))
                    for point in what_if(settings, assumed, vary, at)
                ),
                is_logarithmic=logarithmic,
            )


def _dollars(amount: Decimal) -> float:
    # Cents, as on a bill: more digits would only seem exact.
    return float(round(amount, 2))
