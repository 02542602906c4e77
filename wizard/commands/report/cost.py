"""The cost as facts of the report: what the settings cost, what that stands on, and what if one thing were different.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from components.settings import Settings
from wizard.commands.cost.output import reasons
from wizard.commands.report.facts import Assumption, CostFacts, Counted, Driver, Point, WhatIf
from wizard.core.cost.account import FACTS, AccountFacts, CostByUse
from wizard.core.cost.drivers import Assumptions, CostItem, creates_trail, estimate, what_if
from wizard.core.models.access import Unread

ASSUMED = "assumed"
GIVEN = "given on the command line"


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
        basis="by the settings and the assumptions below",
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
        used=None if by_use is None else _dollars(by_use),
    )


def _counted(used: CostByUse) -> Counted:
    return Counted(
        since=used.usage.since,
        until=used.usage.until,
        monthly=_dollars(used.estimate.monthly),
        key_requests=used.usage.key_requests,
        kms_requests=used.usage.kms_requests,
        trail_bytes=used.usage.trail_bytes,
        notes=used.notes,
        unknown=tuple(Unread(what=what, why=why) for what, why in reasons(used)),
    )


def _assumptions(settings: Settings, given: Assumptions, sources: Mapping[str, str]) -> Iterator[Assumption]:
    told: tuple[tuple[str, str, float, str], ...] = (
        ("instances", "Instances of the application that run all month", given.instances, "instances"),
        ("cache_minutes", "How long an instance keeps the unwrapped key", given.cache_minutes, "minutes"),
        ("requests", "Requests of the application to KMS", float(given.application_requests), "requests a month"),
        ("replicas", "Replicas of the key", given.replicas_of(settings), "replicas"),
        ("rotations", "Rotations of the key", given.rotations, "rotations"),
        ("trail_key_rotations", "Rotations of the audit logs' key", given.trail_key_rotations, "rotations"),
        ("other_trails", "Trails besides the stack's own", given.other_trails, "trails"),
        ("events", "Management events of the account", given.events, "events a month"),
        ("active_regions", "Regions with events", given.active_regions, "Regions"),
        ("months", "Months since the trail was created", given.months, "months"),
    )
    for name, what, value, unit in told:
        derived = "instances and cache" if name == "requests" and given.requests is None else ASSUMED
        source = "the settings" if name == "replicas" and given.replicas is None else derived
        yield Assumption(what=what, value=value, unit=unit, source=sources.get(name, source))


def _what_ifs(settings: Settings, given: Assumptions) -> Iterator[WhatIf]:
    requests = float(given.application_requests)
    replicas = float(given.replicas_of(settings))
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
    if creates_trail(settings):
        yield _what_if(
            settings,
            given,
            "other_trails",
            "Trails that exist already",
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
    points = what_if(settings, given, vary, at)
    return WhatIf(
        what=what,
        unit=unit,
        now=now,
        points=tuple(Point(at=point.value, monthly=_dollars(point.monthly)) for point in points),
        is_logarithmic=logarithmic,
    )


def _dollars(amount: Decimal) -> float:
    # Cents are what a bill has; a fraction of one would only seem exact.
    return float(round(amount, 2))
