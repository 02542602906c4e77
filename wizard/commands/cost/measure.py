"""The month's bill by what was really used: counts of a window, told as a month, beside the estimate.

Pure. What was not told stays unknown; it is never taken for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from components.settings import ContractError, Settings
from wizard.commands.cost.estimate import (
    DAYS,
    GB,
    Assumptions,
    CostItem,
    Driver,
    Estimate,
    estimate,
    trail_requests,
)
from wizard.core.errors import MissingAnswers
from wizard.core.models.audit import Usage
from wizard.core.models.inputs import CREATE
from wizard.core.models.rotation import KeyRotations
from wizard.inputs import answers
from wizard.inputs.registry import INPUTS
from wizard.setup import cost
from wizard.setup.steps import Request

SHORTEST_DAYS = Decimal(1)
"""A shorter window is told as a whole day: an hour's calls times 730 would be a guess, not a measurement."""

_OF_ROTATIONS = (Driver.KEY, Driver.REPLICAS, Driver.TRAIL_KEY)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The counts, and the month's bill that follows from them."""

    usage: Usage
    rotations: int | None
    bill: Estimate
    """Without the drivers that are unknown."""
    unknown: Mapping[Driver, str] = field(default_factory=dict)
    """Why, by the driver whose part is not known."""
    notes: tuple[str, ...] = ()

    def beside(self, item: CostItem) -> Decimal | None:
        """What an item of the estimate came to in US dollars; None where that is not known."""
        if item.driver in self.unknown:
            return None
        of_it = (each.monthly for each in self.bill.items if (each.driver, each.part) == (item.driver, item.part))
        return sum(of_it, Decimal(0))


def monthly(count: int, days: float) -> int:
    """A count of so many days as one of a month."""
    return round(Decimal(count) * DAYS / max(Decimal(str(days)), SHORTEST_DAYS))


def measured(
    settings: Settings, assumptions: Assumptions, usage: Usage, rotations: KeyRotations | None, *, why: str = ""
) -> Measured:
    """The bill by these counts; what they do not tell is as assumed, or unknown. `why`: rotations are not known."""
    unknown: dict[Driver, str] = {}
    notes: list[str] = []
    given = assumptions
    if usage.key_requests is None:
        unknown[Driver.REQUESTS] = usage.unknown.get("key_requests", "")
    else:
        days = usage.days
        if usage.is_key_requests_cut_off and usage.key_requests_since is not None:
            days = (usage.until - usage.key_requests_since).total_seconds() / 86400
            notes.append(
                f"there were more calls on the key than the {usage.key_requests:,} that were counted, which are those "
                f"since {usage.key_requests_since:%Y-%m-%d %H:%M} UTC: of the whole window a lower bound"
            )
        given = replace(given, requests=monthly(usage.key_requests, days))
        given = replace(given, other_requests=_others(settings, given, usage, notes))
    if usage.trails is None:
        unknown[Driver.TRAIL_EVENTS] = usage.unknown.get("trails", "")
    else:
        given = replace(given, other_trails=max(0, usage.trails - (settings.existing_trail_arn is None)))
    if rotations is None:
        unknown |= dict.fromkeys(_OF_ROTATIONS, why)
    else:
        given = replace(given, rotations=len(rotations.rotations))
    items = estimate(settings, given).items
    if usage.trail_bytes is None:
        unknown |= dict.fromkeys((Driver.LOG_STORAGE, Driver.LOG_ARCHIVE), usage.unknown.get("trail_bytes", ""))
    else:
        items = tuple(_stored(item, usage.trail_bytes) for item in items if item.driver is not Driver.LOG_ARCHIVE)
    if usage.days < SHORTEST_DAYS:
        notes.append("the window is shorter than a day, and is told as one")
    had = {item.driver for item in items}
    return Measured(
        usage=usage,
        rotations=None if rotations is None else len(rotations.rotations),
        bill=Estimate(assumptions=given, items=tuple(item for item in items if item.driver not in unknown)),
        # What the settings do not bring along is not unknown, but for a second trail, which nobody planned.
        unknown={
            driver: reason for driver, reason in unknown.items() if driver in had or driver is Driver.TRAIL_EVENTS
        },
        notes=tuple(notes),
    )


def _others(settings: Settings, given: Assumptions, usage: Usage, notes: list[str]) -> int:
    """The requests of the account's other keys: all of the Region, less the application's and the trail's."""
    if usage.kms_requests is None:
        notes.append("what other keys of the account take of the free requests is not known")
        return given.other_requests
    own = given.application_requests + trail_requests(settings, given)
    return max(0, monthly(usage.kms_requests, usage.days) - round(own))


def _stored(item: CostItem, size: int) -> CostItem:
    if item.driver is not Driver.LOG_STORAGE:
        return item
    quantity = Decimal(size) / GB
    return replace(item, quantity=quantity, monthly=cost.STORAGE.of(quantity))


_ACCOUNT = "000000000000"
_STAND_INS: Mapping[str, Any] = {
    "account_id": _ACCOUNT,
    "region": "us-east-1",
    "administrators": (f"arn:aws:iam::{_ACCOUNT}:role/nobody",),
    "vercel_team": "any",
    "vercel_project": "any",
    "eks_cluster": "any",
}
_PRICED = frozenset(
    "region environment deploy_targets multi_region replica_regions secret_store existing_trail_arn trail_bucket "
    "trail_retention_days trail_key trail_lock trail_archive_days access_logging cloudwatch_logs alerts".split()
)
"""The fields that a price hangs on."""


def settings_of(request: Request) -> Settings:
    """The settings of the stack's configuration, with what flags, environment and answers file change of them.

    Raises MissingAnswers where nothing says where the application runs, UsageError where the answers contradict.
    """
    told = {
        each.field: request.answers[each.key].value for each in INPUTS if each.field and each.key in request.answers
    }
    fields = {name: value for name, value in told.items() if name in _PRICED and value not in (None, CREATE)}
    if request.saved is not None:
        kept = tuple(target.value for target in request.saved.deploy_targets)
        fields["deploy_targets"] = (*(fields.get("deploy_targets") or ()), *kept)
    if not fields.get("deploy_targets"):
        raise MissingAnswers(
            f"the stack {request.stack} has no settings here, and nothing says where the application is to run",
            f"python -m wizard cost --stack {request.stack} --target vercel   # or --answers examples/vercel.yaml",
            ("target",),
        )
    if fields.get("replica_regions"):
        fields["multi_region"] = True
    if fields.get("existing_trail_arn"):
        fields.setdefault("trail_bucket", "any-bucket")
    try:
        return Settings.read({**_STAND_INS, **fields})
    except ContractError as error:
        raise answers.refused(error) from error
