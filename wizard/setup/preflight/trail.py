"""The check of an existing audit trail, which the stack uses instead of one of its own.

Reads AWS through its port.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.settings import Settings
from wizard.core.cost import prices
from wizard.core.errors import Problem
from wizard.core.models.inputs import CREATE
from wizard.core.models.trail import gaps, unread
from wizard.setup.preflight.services import CheckResult, attempt

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient


def with_trail_bucket(values: Mapping[str, Any], aws: AwsClient) -> Mapping[str, Any]:
    """The values with the bucket of an existing trail, read from the trail."""
    arn = values.get("trail")
    if arn in (None, CREATE) or values.get("trail_bucket"):
        return values
    trails, _ = attempt(aws.cloudtrail.list_trails)
    bucket = next((trail.bucket for trail in trails or () if trail.arn == arn), None)
    return {**values, "trail_bucket": bucket} if bucket else values


def trail(settings: Settings, aws: AwsClient, *, first: bool) -> CheckResult:
    """An existing trail must exist, record every Region and KMS, and write to the bucket whose retention is checked.

    A second trail, on the `first` run, is no problem; its price is a note.
    """
    arn, names = settings.existing_trail_arn, settings.names
    trails, _ = attempt(aws.cloudtrail.list_trails) if arn or first else ((), None)
    if trails is None:
        return CheckResult()  # Trails that cannot be listed are `unknown` in the evidence after the run.
    shared = [fact for fact in trails if fact.can_be_shared]
    if arn is None:
        good = [fact.arn for fact in shared if fact.name != names.trail and fact.logging and fact.kms_events]
        price = prices.SECOND_TRAIL_EVENT.text
        note = f"the trail {', '.join(good)} records KMS already: the second copy of the events costs {price}"
        return CheckResult(notes=(f"{note}; to use the first: --trail {good[0]}",) if good else ())
    lost = "without it nobody could say who used the key, and when"
    new = f"create a new one: --trail {CREATE}"
    usable = ", ".join(fact.arn for fact in shared if fact.arn != arn)
    choose = f"choose one of: {usable}   or {new}" if usable else new
    existing = next((fact for fact in trails if fact.arn == arn), None)
    if existing is None:
        what = f"there is no trail {arn} that records every Region"
        return CheckResult(problems=(Problem(what=what, why=lost, next=choose),))
    problems = []
    if not existing.can_be_shared:
        problems.append(Problem(what=f"the trail {arn} records one Region only", why=lost, next=choose))
    if existing.bucket != settings.trail_bucket:
        wrong_bucket = Problem(
            what=f"the trail {arn} writes to the bucket {existing.bucket}, not to {settings.trail_bucket}",
            why="the retention of the wrong bucket would be checked",
            next=f"--trail-bucket {existing.bucket}",
            exit_code=2,
        )
        problems.append(wrong_bucket)
    retention, _ = attempt(aws.cloudtrail.bucket_retention, existing.bucket)
    notes = [f"could not be read of the trail {existing.name}: {what}" for what in unread(existing, retention)]
    for gap in gaps(existing, retention):
        if gap.fatal:
            what = f"the trail {arn} does not record the use of the key: {gap.text}"
            problems.append(Problem(what=what, why=lost, next=f"ask its owner to fix it, or {new}"))
        elif existing.can_be_shared or gap.requirement.id != "trail-all-regions":
            notes.append(f"the trail {existing.name} is used as it is, and {gap.text}")
    return CheckResult(problems=tuple(problems), notes=tuple(notes))
