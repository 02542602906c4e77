"""`cost` from the command line to its end: by the settings, and with --used by what was really used beside it.

Touches nothing; without --used it asks nobody, and needs no account.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from wizard.commands import deployed_stack
from wizard.commands.cost import measure, output
from wizard.commands.cost.estimate import Assumptions, estimate, growth
from wizard.commands.cost.measure import Measured, measured
from wizard.commands.deployed_stack import DeployedStack
from wizard.core.errors import SetupError, StackNotFound, UsageError
from wizard.core.models.rotation import KeyRotations
from wizard.setup.steps import Clients, Request

DEFAULT_DAYS = 90
"""How far back CloudTrail's event history goes."""


def run(options: argparse.Namespace, request: Request, clients: Clients) -> tuple[int, Mapping[str, Any]]:
    """What it costs. Raises MissingAnswers where nothing says what, StackNotFound for --used without a stack."""
    assumptions = assumptions_of(options)
    if options.used:
        days = _days(options)
        clients.ui.working("asking CloudWatch and CloudTrail")
        found = deployed_stack.find(request, clients)
        settings, used = found.settings, _measured(found, clients, assumptions, days)
    elif options.days is not None:
        raise UsageError("--days says how far back use is counted", "python -m wizard cost --used --days 30")
    else:
        settings, used = measure.settings_of(request), None
    bill, steps = estimate(settings, assumptions), growth(settings, assumptions)
    output.show(clients.ui, bill, steps, used)
    return 0, output.document(request.stack, bill, steps, used, region=settings.region)


def assumptions_of(options: argparse.Namespace) -> Assumptions:
    """The assumptions, with what the command line changes of them."""
    named = ("requests", "instances", "cache_minutes")
    given = {name: value for name in named if (value := getattr(options, name)) is not None}
    try:
        return Assumptions(**given)
    except ValueError as error:
        raise UsageError(str(error), "python -m wizard cost --instances 2 --cache-minutes 5") from error


def _days(options: argparse.Namespace) -> int:
    days = DEFAULT_DAYS if options.days is None else int(options.days)
    if not 1 <= days <= DEFAULT_DAYS:
        raise UsageError(
            f"--days {days}: use is counted over 1 to {DEFAULT_DAYS} days", "python -m wizard cost --used --days 30"
        )
    return days


def _measured(found: DeployedStack, clients: Clients, assumptions: Assumptions, days: int) -> Measured:
    settings, until = found.settings, clients.now()
    key_arn = found.outputs.key_arn if found.outputs else _key_by_alias(found)
    bucket = found.outputs.trail_bucket if found.outputs else settings.names.trail_bucket
    usage = found.aws.usage().read(key_arn=key_arn, bucket=bucket, since=until - timedelta(days=days), until=until)
    rotations = deployed_stack.attempted(found.aws.key_rotation().rotations, key_arn)
    if isinstance(rotations, KeyRotations):
        return measured(settings, assumptions, usage, rotations)
    return measured(settings, assumptions, usage, None, why=rotations.message)


def _key_by_alias(found: DeployedStack) -> str:
    """The key of a stack whose state cannot be read, by its alias."""
    fact = found.aws.describe_key(found.settings.names.alias)
    if fact is None:
        raise (
            found.state
            if isinstance(found.state, SetupError)
            else StackNotFound(
                f"the stack {found.stack} is not built yet",
                f"python -m wizard cost --stack {found.stack}   # the estimate",
            )
        )
    return fact.arn
