"""`cost`: the estimate from the settings, the cost by use with `--used`, as a table and as a JSON document.

Reads the account through the ports; changes nothing.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from components.settings import ContractError, Settings
from wizard.account.facts import StackFacts
from wizard.commands import deployed_stack
from wizard.commands.options import CostOptions, ReportOptions
from wizard.core import json_documents
from wizard.core.clients import Clients, Request
from wizard.core.cost.account import AccountFacts, CostByUse, cost_by_use, not_asked, read_account
from wizard.core.cost.drivers import TABLE, Assumptions, CostItem, Estimate, Point, estimate, growth
from wizard.core.errors import MissingAnswers, SetupError, StackNotFound, UsageError
from wizard.core.json_documents import camel
from wizard.core.models.inputs import CREATE, Mark
from wizard.core.next_command import wizard
from wizard.core.ports.run import UserInterface
from wizard.inputs import answers
from wizard.inputs.registry import INPUTS
from wizard.targets.port import free_values

FACT_NAMES = {
    "rotations": "how often the key has rotated",
    "trail_key_rotations": "how often the key of the audit logs has rotated",
    "documents_key_rotations": "how often the key of the documents has rotated",
    "other_trails": "how many other trails there are",
}


def show(
    ui: UserInterface, bill: Estimate, growth: tuple[Point, ...], account: AccountFacts, by_use: CostByUse | None
) -> None:
    ui.section("Cost", "US dollars a month, by the prices of us-east-1")
    headings = ("driver", "quantity", "price", "estimate", *(("by use",) if by_use else ()))
    rows = [_row(item, by_use) for item in bill.items]
    if by_use is not None:
        planned = {item.driver for item in bill.items}
        rows += [
            (item.name, quantity_text(item), item.price.text, "", f"${item.monthly:.2f}")
            for item in by_use.estimate.items
            if item.driver not in planned
        ]
        rows += [(TABLE[driver].name, "", "", "", "unknown") for driver in by_use.unknown if driver not in planned]
    total = (f"${bill.monthly:.2f}", *((f"${by_use.estimate.monthly:.2f}",) if by_use else ()))
    ui.table([*rows, ("total", "", "", *total)], headings=headings)
    ui.line(f"value of the free units: ${bill.free_value:.2f}", mark=Mark.INFO)
    steps = ", then ".join(f"${point.monthly:.2f}" for point in growth)
    ui.line(f"before, after one and after two rotations of every key: {steps}", mark=Mark.INFO)
    ui.line(f"assumed: {', '.join(assumptions_text(bill.assumptions))}", mark=Mark.INFO)
    for name, why in account.unknown.items():
        ui.line(f"unknown: {FACT_NAMES[name]}: {why}", mark=Mark.WARN)
    if by_use is not None:
        _show_usage(ui, by_use)


def _row(item: CostItem, by_use: CostByUse | None) -> tuple[str, ...]:
    row = (item.name, quantity_text(item), item.price.text, f"${item.monthly:.2f}")
    if by_use is None:
        return row
    monthly = by_use.of(item.driver)
    return (*row, "unknown" if monthly is None else f"${monthly:.2f}")


def _show_usage(ui: UserInterface, by_use: CostByUse) -> None:
    usage, account = by_use.usage, by_use.account
    ui.section("Usage", f"{usage.since:%Y-%m-%d %H:%M} to {usage.until:%Y-%m-%d %H:%M} UTC")
    ui.table(
        [
            ("calls on the key", _count(usage.key_requests, at_least=usage.is_key_requests_cut_off), "CloudTrail"),
            ("KMS requests in the Region", _count(usage.kms_requests), "CloudWatch, AWS/Usage"),
            ("bytes of audit logs", _count(usage.trail_bytes), "CloudWatch, AWS/S3"),
            ("other trails", _count(account.other_trails), "CloudTrail"),
            ("rotations of the key", _count(account.rotations), "KMS"),
            ("rotations of the logs' key", _count(account.trail_key_rotations), "KMS"),
        ],
        headings=("what", "count", "source"),
    )
    for note in by_use.notes:
        ui.line(note, mark=Mark.INFO)
    for what, why in reasons(by_use):
        ui.line(f"{what}: unknown: {why}", mark=Mark.WARN)


def reasons(by_use: CostByUse) -> Iterator[tuple[str, str]]:
    """The unknown parts of the cost by use, and why they are unknown."""
    yield from ((TABLE[driver].name, why) for driver, why in by_use.unknown.items())
    if "kms_requests" in by_use.usage.unknown:
        yield "KMS requests in the Region", by_use.usage.unknown["kms_requests"]


def _count(number: int | None, *, at_least: bool = False) -> str:
    return "unknown" if number is None else f"{'at least ' if at_least else ''}{number:,}"


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


def document(
    stack: str,
    bill: Estimate,
    growth: tuple[Point, ...],
    account: AccountFacts,
    by_use: CostByUse | None,
    *,
    region: str,
) -> json_documents.Document:
    """The JSON document. Dollars are rounded to a hundredth of a cent."""
    return {
        **json_documents.head("cost"),
        "stack": stack,
        "region": region,
        "currency": "USD",
        "estimate": _bill(bill),
        "growth": [{"rotations": int(point.value), "monthly": _dollars(point.monthly)} for point in growth],
        "unknown": [{"what": FACT_NAMES[name], "why": why} for name, why in account.unknown.items()],
        "used": None if by_use is None else _used(by_use),
    }


def _bill(bill: Estimate) -> dict[str, Any]:
    return {
        "monthly": _dollars(bill.monthly),
        "free": _dollars(bill.free_value),
        "assumptions": {camel(name): value for name, value in vars(bill.assumptions).items()}
        | {"applicationRequests": _dollars(bill.assumptions.application_requests)},
        "drivers": [_driver(item) for item in bill.items],
    }


def _driver(item: CostItem) -> dict[str, Any]:
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


def _used(by_use: CostByUse) -> dict[str, Any]:
    usage, account = by_use.usage, by_use.account
    return {
        **_bill(by_use.estimate),
        "since": usage.since.isoformat(timespec="seconds"),
        "until": usage.until.isoformat(timespec="seconds"),
        "counts": {
            "keyRequests": usage.key_requests,
            "keyRequestsCutOff": usage.is_key_requests_cut_off,
            "kmsRequests": usage.kms_requests,
            "trailBytes": usage.trail_bytes,
            "otherTrails": account.other_trails,
            "rotations": account.rotations,
            "trailKeyRotations": account.trail_key_rotations,
        },
        "notes": list(by_use.notes),
        "unknown": [{"what": what, "why": why} for what, why in reasons(by_use)],
    }


def _dollars(amount: Decimal) -> float:
    return float(round(amount, 4))


DEFAULT_DAYS = 90
"""How far back CloudTrail's event history goes."""


def run(options: CostOptions, request: Request, clients: Clients) -> tuple[int, Mapping[str, Any]]:
    """Show the cost. Raises MissingAnswers without settings and target, StackNotFound for --used without a stack."""
    assumptions = assumptions_of(options)
    by_use: CostByUse | None = None
    if options.used:
        days = _days(options)
        clients.ui.working("reading CloudWatch and CloudTrail")
        stack = deployed_stack.find(request, clients)
        settings, by_use = stack.settings, _by_use(stack, clients, assumptions, days)
        account = by_use.account
    else:
        settings, account = settings_of(request), _account(request, clients)
    assumed = account.applied(assumptions)
    bill, steps = estimate(settings, assumed), growth(settings, assumed)
    show(clients.ui, bill, steps, account, by_use)
    return 0, document(request.stack, bill, steps, account, by_use, region=settings.region)


def assumptions_of(options: CostOptions | ReportOptions) -> Assumptions:
    """The assumptions, with the changes of the options. Raises UsageError."""
    named = ("requests", "instances", "cache_minutes")
    changes = {name: value for name in named if (value := getattr(options, name)) is not None}
    try:
        return Assumptions(**changes)
    except ValueError as error:
        raise UsageError(str(error), wizard("cost", "--instances", "2", "--cache-minutes", "5")) from error


def _days(options: CostOptions) -> int:
    days = DEFAULT_DAYS if options.days is None else int(options.days)
    if not 1 <= days <= DEFAULT_DAYS:
        raise UsageError(
            f"--days {days}: use is counted over 1 to {DEFAULT_DAYS} days", wizard("cost", "--used", "--days", "30")
        )
    return days


def _account(request: Request, clients: Clients) -> AccountFacts:
    """The facts of the account of a stack with saved settings; no call without them."""
    settings = request.saved
    if settings is None:
        return AccountFacts()
    profile = request.answers.get("profile")
    clients.ui.working("reading KMS and CloudTrail")
    try:
        aws = clients.connect(profile.value if profile else None, settings.region)
        account = aws.account_id()
    except SetupError as error:
        return not_asked(error.message, settings)
    if account != settings.account_id:
        return not_asked(f"the credentials are for the account {account}, not {settings.account_id}", settings)
    return read_account(aws, settings)


def _by_use(stack: StackFacts, clients: Clients, assumptions: Assumptions, days: int) -> CostByUse:
    settings, until = stack.settings, clients.now()
    key_arn = stack.outputs.key_arn if stack.outputs else _key_by_alias(stack)
    bucket = stack.outputs.trail_bucket if stack.outputs else settings.names.trail_bucket
    trail_arn = stack.outputs.trail_arn if stack.outputs else None
    usage = stack.aws.usage_metrics.read(
        key_arn=key_arn, bucket=bucket, since=until - timedelta(days=days), until=until
    )
    account = read_account(stack.aws, settings, key_arn=key_arn, trail_arn=trail_arn)
    return cost_by_use(settings, assumptions, usage, account)


def _key_by_alias(stack: StackFacts) -> str:
    """The key of a stack whose state cannot be read."""
    key = stack.aws.kms.describe_key(stack.settings.names.alias)
    if key is not None:
        return key.arn
    if isinstance(stack.state, SetupError):
        raise stack.state
    raise StackNotFound(
        f"the stack {stack.stack} is not deployed yet", wizard("cost", advice="without --used: the estimate")
    )


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
            wizard("cost", "--target", "vercel", advice="or with an answers file: --answers examples/vercel.yaml"),
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
