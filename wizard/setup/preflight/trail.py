"""What can be wrong with a trail that is there already and is to record the use of the key.

Pure: asks the cloud through its Protocol, reads only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.settings import Settings
from wizard.core.errors import Problem
from wizard.core.models.inputs import CREATE
from wizard.core.ports.run import AwsClient
from wizard.core.trail_requirements import gaps, unread
from wizard.setup.preflight.result import CheckResult, attempt


def with_trail_bucket(values: Mapping[str, Any], aws: AwsClient) -> Mapping[str, Any]:
    """The values with the bucket of an existing trail, which knows it: nobody needs to type it."""
    arn = values.get("trail")
    if arn in (None, CREATE) or values.get("trail_bucket"):
        return values
    trails, _ = attempt(aws.cloudtrail.list_trails)
    bucket = next((trail.bucket for trail in trails or () if trail.arn == arn), None)
    return {**values, "trail_bucket": bucket} if bucket else values


def trail(settings: Settings, aws: AwsClient) -> CheckResult:
    """An existing trail has to be there, to record KMS, and to write to the bucket whose retention is checked."""
    arn = settings.existing_trail_arn
    trails, _ = attempt(aws.cloudtrail.list_trails) if arn else ((), None)
    if arn is None or trails is None:
        return (
            CheckResult()
        )  # Where trails may not be listed, the evidence after the run says that it could not be read.
    shared = [fact for fact in trails if fact.can_be_shared]
    found = next((fact for fact in shared if fact.arn == arn), None)
    if found is None:
        seen = ", ".join(fact.arn for fact in shared)
        missing = Problem(
            what=f"there is no trail {arn} that records every Region",
            why="without it nobody could say who used the key, and when",
            next=f"choose one of: {seen}   or have one made: --trail {CREATE}"
            if seen
            else f"have one made: --trail {CREATE}",
        )
        return CheckResult(problems=(missing,))
    if found.bucket != settings.trail_bucket:
        other = Problem(
            what=f"the trail {arn} writes to the bucket {found.bucket}, not to {settings.trail_bucket}",
            why="the retention of the wrong bucket would be checked",
            next=f"--trail-bucket {found.bucket}",
            exit_code=2,
        )
        return CheckResult(problems=(other,))
    retention, _ = attempt(aws.cloudtrail.bucket_retention, found.bucket)
    lacking = gaps(found, retention)
    problems = tuple(
        Problem(
            what=f"the trail {arn} does not record the use of the key: {gap.text}",
            why="without it nobody could say who used the key, and when",
            next=f"have its owner fix it, or create another one: --trail {CREATE}",
        )
        for gap in lacking
        if gap.fatal
    )
    told = [f"the trail {found.name} is used as it is, and {gap.text}" for gap in lacking if not gap.fatal]
    told += [f"of the trail {found.name} could not be read {what}" for what in unread(found, retention)]
    return CheckResult(problems=problems, notes=tuple(told))
