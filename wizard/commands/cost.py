"""`cost`: the month's estimate from the settings, as a table and as a JSON document.

Asks no service and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

from components.settings import ContractError, Settings
from wizard.core import json_documents
from wizard.core.clients import Clients, Request
from wizard.core.cost import prices
from wizard.core.cost.drivers import Assumptions, CostItem, Estimate, estimate
from wizard.core.errors import MissingAnswers, UsageError
from wizard.core.models.inputs import CREATE, Mark
from wizard.core.next_command import eonpro
from wizard.inputs import answers
from wizard.inputs.registry import INPUTS
from wizard.targets.port import free_values

if TYPE_CHECKING:
    from wizard.terminal.terminal import Terminal


def show(ui: Terminal, bill: Estimate) -> None:
    ui.section("Cost", "US dollars a month, by the prices of us-east-1")
    rows = [(item.name, quantity_text(item), item.price.text, f"${item.monthly:.2f}") for item in bill.items]
    total = ("total", "", "", f"${bill.monthly:.2f}")
    ui.table([*rows, total], headings=("driver", "quantity", "price", "estimate"))
    ui.line(f"value of the free units: ${bill.free_value:.2f}", mark=Mark.INFO)
    ui.line(f"assumed: {', '.join(assumptions_text(bill.assumptions))}", mark=Mark.INFO)
    ui.line(prices.NOT_INCLUDED, mark=Mark.INFO)


def assumptions_text(assumptions: Assumptions) -> Iterator[str]:
    """The assumptions that a reader may want to change."""
    yield (
        f"{assumptions.application_requests:,.0f} KMS requests of the application"
        if assumptions.requests is not None
        else f"{assumptions.instances} instances that call KMS every {assumptions.cache_minutes:g} minutes"
    )
    yield f"{assumptions.events:,} management events a month"
    yield f"log files of {assumptions.active_regions} Region{'s' if assumptions.active_regions != 1 else ''}"
    yield f"{assumptions.months} months of logs"


def quantity_text(item: CostItem) -> str:
    """The quantity with its unit: `26,280 requests`."""
    few = item.quantity.quantize(Decimal("0.001")).normalize()
    number = f"{few:f}" if item.quantity < 100 else f"{round(item.quantity):,}"
    return f"{number} {item.price.unit}{'' if number == '1' or item.price.unit == 'GB' else 's'}"


class DriverPrice(TypedDict):
    """The price of so many units, after the free ones."""

    dollars: float
    per: int
    free: int
    note: str | None
    page: str


class Driver(TypedDict):
    """One thing that costs money in a month."""

    driver: str
    name: str
    quantity: float
    unit: str
    price: DriverPrice
    monthly: float
    free: float


class Assumed(TypedDict):
    """The quantities that the settings do not have."""

    instances: int
    cacheMinutes: float
    requests: int | None
    applicationRequests: float
    events: int
    activeRegions: int
    eventBytes: int
    eventTextBytes: int
    months: int
    secretReads: int


class MonthlyCost(TypedDict):
    monthly: float
    free: float
    assumptions: Assumed
    drivers: list[Driver]


class CostDocument(json_documents.Head):
    """The estimated cost of a stack. Dollars are rounded to a hundredth of a cent."""

    stack: str
    region: str
    currency: Literal["USD"]
    estimate: MonthlyCost


def document(stack: str, bill: Estimate, *, region: str) -> CostDocument:
    return {
        **json_documents.head("cost"),
        "stack": stack,
        "region": region,
        "currency": "USD",
        "estimate": {
            "monthly": _dollars(bill.monthly),
            "free": _dollars(bill.free_value),
            "assumptions": cast(
                Any,
                json_documents.plain(bill.assumptions)
                | {"applicationRequests": _dollars(bill.assumptions.application_requests)},
            ),
            "drivers": [_driver(item) for item in bill.items],
        },
    }


def _driver(item: CostItem) -> Driver:
    price = item.price
    return {
        "driver": item.driver,
        "name": item.name,
        "quantity": float(round(item.quantity, 6)),
        "unit": price.unit,
        "price": {
            "dollars": float(price.dollars),
            "per": price.per,
            "free": price.free,
            "note": price.note or None,
            "page": price.page,
        },
        "monthly": _dollars(item.monthly),
        "free": _dollars(item.free_value),
    }


def _dollars(amount: Decimal) -> float:
    return float(round(amount, 4))


def run(request: Request, clients: Clients, *, assumptions: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
    """Show the cost. Raises MissingAnswers without settings and target."""
    changed, settings = assumptions_of(assumptions), settings_of(request)
    bill = estimate(settings, changed)
    show(clients.ui, bill)
    return 0, document(request.stack, bill, region=settings.region)


def assumptions_of(changes: Mapping[str, Any]) -> Assumptions:
    """The assumptions, with these changes. Raises UsageError."""
    try:
        return Assumptions(**changes)
    except ValueError as error:
        raise UsageError(str(error), eonpro("cost", "--instances", "2", "--cache-minutes", "5")) from error


_ACCOUNT = "000000000000"
_PLACEHOLDERS: Mapping[str, Any] = {
    "account_id": _ACCOUNT,
    "region": "us-east-1",
    "administrators": (f"arn:aws:iam::{_ACCOUNT}:role/nobody",),
    "vercel_team": "any",
    **free_values(),
}
_PRICED = frozenset(
    "region environment deploy_targets multi_region replica_regions secret_store existing_trail_arn trail_bucket "
    "trail_retention_days trail_key trail_lock trail_archive_days access_logging cloudwatch_logs alerts "
    "document_buckets documents_key".split()
)
"""The fields that change the cost."""


def settings_of(request: Request) -> Settings:
    """The saved settings of the stack with the changes of flags, environment and answers file.

    Raises MissingAnswers without a deploy target, UsageError for answers that contradict each other.
    """
    answered = {
        spec.field: request.answers[spec.key].value for spec in INPUTS if spec.field and spec.key in request.answers
    }
    fields = {name: value for name, value in answered.items() if name in _PRICED and value not in (None, CREATE)}
    if request.saved is not None:
        saved = tuple(target.value for target in request.saved.deploy_targets)
        fields["deploy_targets"] = (*(fields.get("deploy_targets") or ()), *saved)
    if not fields.get("deploy_targets"):
        raise MissingAnswers(
            f"the stack {request.stack} has no settings file here, and no deploy target is set",
            eonpro("cost", "--target", "vercel", advice="or with an answers file: --answers FILE"),
            ("target",),
        )
    if fields.get("replica_regions"):
        fields["multi_region"] = True
    if fields.get("existing_trail_arn"):
        fields.setdefault("trail_bucket", "any-bucket")
    try:
        return Settings.read({**_PLACEHOLDERS, **fields})
    except ContractError as error:
        raise answers.refused(error) from error
