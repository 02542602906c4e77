"""The cost before a person: a row for each driver, what is assumed, what was counted; and the same as a document.

Pure: renders what it is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from wizard.commands.cost.estimate import Assumptions, CostItem, Driver, Estimate, Point
from wizard.commands.cost.measure import Measured
from wizard.core import json_documents
from wizard.core.models.progress import Mark
from wizard.core.ports.run import UserInterface
from wizard.inputs.answers import camel
from wizard.setup.cost import Price

WHAT = MappingProxyType(
    {
        Driver.KEY: "the key",
        Driver.REPLICAS: "replicas of the key",
        Driver.TRAIL_KEY: "a key of the logs' own",
        Driver.REQUESTS: "uses of the keys",
        Driver.TRAIL_EVENTS: "a second copy of the events",
        Driver.LOG_WRITES: "writing the logs",
        Driver.LOG_STORAGE: "the logs in S3",
        Driver.LOG_ARCHIVE: "the logs in cheaper storage",
        Driver.CLOUDWATCH_LOGS: "the events in CloudWatch Logs",
        Driver.ALARMS: "alerts",
        Driver.SECRETS: "Secrets Manager",
        Driver.SECRET_READS: "reads of the secrets",
    }
)


def show(ui: UserInterface, bill: Estimate, growth: tuple[Point, ...], used: Measured | None) -> None:
    """The whole of it."""
    ui.section("Cost", "US dollars a month, by the prices of us-east-1")
    headings = ("driver", "how many", "price", "estimate", *(("by use",) if used else ()))
    rows = [_row(item, used) for item in bill.items]
    if used is not None:
        planned = {(item.driver, item.part) for item in bill.items}
        rows += [_only_used(item) for item in used.bill.items if (item.driver, item.part) not in planned]
        missing = used.unknown.keys() - {item.driver for item in bill.items}
        rows += [(WHAT[driver], "", "", "", "unknown") for driver in Driver if driver in missing]
    together = (f"${bill.monthly:.2f}", *((f"${used.bill.monthly:.2f}",) if used else ()))
    ui.table([*rows, ("together", "", "", *together)], headings=headings)
    ui.line(f"free of it: ${bill.spared:.2f}", mark=Mark.INFO)
    steps = ", then ".join(f"${point.monthly:.2f}" for point in growth)
    ui.line(f"with the key's first two rotations: {steps}; no later one costs more", mark=Mark.INFO)
    ui.line(f"assumed: {', '.join(assumed(bill.assumptions))}", mark=Mark.INFO)
    if used is not None:
        _show_used(ui, used)


def _row(item: CostItem, used: Measured | None) -> tuple[str, ...]:
    row = (_what(item), _quantity(item), _price(item.price), f"${item.monthly:.2f}")
    if used is None:
        return row
    told = used.beside(item)
    return (*row, "unknown" if told is None else f"${told:.2f}")


def _only_used(item: CostItem) -> tuple[str, ...]:
    return (_what(item), _quantity(item), _price(item.price), "", f"${item.monthly:.2f}")


def _show_used(ui: UserInterface, used: Measured) -> None:
    usage = used.usage
    ui.section("Counted", f"{usage.since:%Y-%m-%d %H:%M} to {usage.until:%Y-%m-%d %H:%M} UTC")
    ui.table(
        [
            ("calls on the key", _count(usage.key_requests, at_least=usage.is_key_requests_cut_off), "CloudTrail"),
            ("KMS requests of the Region", _count(usage.kms_requests), "CloudWatch, AWS/Usage"),
            ("octets of logs", _count(usage.trail_bytes), "CloudWatch, AWS/S3"),
            ("trails that record", _count(usage.trails), "CloudTrail"),
            ("rotations of the key", _count(used.rotations), "KMS"),
        ],
        headings=("what", "how many", "by"),
    )
    for note in used.notes:
        ui.line(note, mark=Mark.INFO)
    for what, why in reasons(used):
        ui.line(f"{what} is unknown: {why}", mark=Mark.WARN)


def reasons(used: Measured) -> Iterator[tuple[str, str]]:
    """What is not known, and why."""
    yield from ((WHAT[driver], why) for driver, why in used.unknown.items())
    if "kms_requests" in used.usage.unknown:
        yield "the KMS requests of the Region", used.usage.unknown["kms_requests"]


def _count(number: int | None, *, at_least: bool = False) -> str:
    return "unknown" if number is None else f"{'at least ' if at_least else ''}{number:,}"


def assumed(assumptions: Assumptions) -> Iterator[str]:
    """The assumptions that a reader would want to change, each in words."""
    yield (
        f"{assumptions.application_requests:,.0f} KMS requests of the application"
        if assumptions.requests is not None
        else f"{assumptions.instances} instances that ask KMS every {assumptions.cache_minutes:g} minutes"
    )
    yield f"{assumptions.events:,} management events a month"
    yield f"log files of {assumptions.active_regions} Region{'s' if assumptions.active_regions != 1 else ''}"
    yield f"{assumptions.months} months of logs"
    if assumptions.other_trails:
        yield f"{assumptions.other_trails} other trails"


def _what(item: CostItem) -> str:
    return f"{WHAT[item.driver]}{f', {item.part}' if item.part else ''}"


def _quantity(item: CostItem) -> str:
    few = item.quantity.quantize(Decimal("0.001")).normalize()
    number = f"{few:f}" if item.quantity < 100 else f"{round(item.quantity):,}"
    return f"{number} {item.price.unit}{'' if number == '1' or item.price.unit == 'GB' else 's'}"


def _price(price: Price) -> str:
    per = f" per {price.per:,}" if price.per > 1 else f" per {price.unit}"
    return f"${price.dollars}{per}{f', {price.free:,} free' if price.free else ''}"


# --- the document ------------------------------------------------------------------------------------------------


def document(
    stack: str, bill: Estimate, growth: tuple[Point, ...], used: Measured | None, *, region: str
) -> json_documents.Document:
    """Of a cost. Dollars are rounded to a hundredth of a cent."""
    return {
        **json_documents.head("cost"),
        "stack": stack,
        "region": region,
        "currency": "USD",
        "estimate": _bill(bill),
        "growth": [{"rotations": int(point.value), "monthly": _dollars(point.monthly)} for point in growth],
        "used": None if used is None else _used(used),
    }


def _bill(bill: Estimate) -> dict[str, Any]:
    return {
        "monthly": _dollars(bill.monthly),
        "free": _dollars(bill.spared),
        "assumptions": {camel(name): value for name, value in vars(bill.assumptions).items()}
        | {"applicationRequests": _dollars(bill.assumptions.application_requests)},
        "drivers": [
            {
                "driver": item.driver,
                "what": _what(item),
                "quantity": float(round(item.quantity, 6)),
                "unit": item.price.unit,
                "price": {
                    "dollars": float(item.price.dollars),
                    "per": item.price.per,
                    "free": item.price.free,
                    "note": item.price.note or None,
                    "page": item.price.page,
                },
                "monthly": _dollars(item.monthly),
                "free": _dollars(item.spared),
            }
            for item in bill.items
        ],
    }


def _used(used: Measured) -> dict[str, Any]:
    usage = used.usage
    return {
        **_bill(used.bill),
        "since": usage.since.isoformat(timespec="seconds"),
        "until": usage.until.isoformat(timespec="seconds"),
        "counts": {
            "keyRequests": usage.key_requests,
            "keyRequestsCutOff": usage.is_key_requests_cut_off,
            "kmsRequests": usage.kms_requests,
            "trailBytes": usage.trail_bytes,
            "trails": usage.trails,
            "rotations": used.rotations,
        },
        "notes": list(used.notes),
        "unknown": [{"what": what, "why": why} for what, why in reasons(used)],
    }


def _dollars(amount: Decimal) -> float:
    return float(round(amount, 4))
