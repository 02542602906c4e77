"""How long the audit log is kept, as the life of a log file that is written at the time of the report.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from components.contract import SHORTEST_RETENTION_DAYS, Outputs, Settings
from wizard.compliance.facts import Phase, RetentionTimeline
from wizard.errors import SetupError
from wizard.facts import Retention

RULE = "45 CFR 164.316(b)(2)(i): six years, for documentation; by common practice for audit logs too"


def retention(
    found: Retention | SetupError | None, settings: Settings, outputs: Outputs, *, at: datetime
) -> RetentionTimeline:
    """The timeline, by what was read of the bucket; without it nothing but what is asked for."""
    known = found if isinstance(found, Retention) else None
    why = ""
    if isinstance(found, SetupError):
        why = f"the bucket could not be read: {found.message}"
    elif found is None:
        why = f"there is no bucket {outputs.trail_bucket}"
    return RetentionTimeline(
        bucket=outputs.trail_bucket,
        kept_days=known.expires_after_days if known else None,
        required_days=SHORTEST_RETENTION_DAYS,
        lock=known.lock if known else None,
        phases=tuple(_phases(known, settings, at)) if known else (),
        why=why,
    )


def _phases(found: Retention, settings: Settings, at: datetime) -> Iterator[Phase]:
    end = found.expires_after_days
    made = settings.existing_trail_arn is None
    moved = settings.trail_archive_days if made else 0
    archives = moved > 0 and (end is None or moved < end)
    rule = "lifecycle rule of the bucket"
    if not made:
        yield _phase("In the bucket", 0, end, at, rule if end else "no lifecycle rule lets it expire")
    else:
        yield _phase(
            "In S3 Standard", 0, moved if archives else end, at, rule if archives or end else "nothing ends it"
        )
        if archives:
            yield _phase("In cheaper storage", moved, end, at, rule if end else "no lifecycle rule lets it expire")
    if found.lock and found.lock_days:
        yield _phase("Locked against deletion", 0, found.lock_days, at, f"Object Lock, {found.lock} mode")
    yield _phase("Asked for by the rule", 0, SHORTEST_RETENTION_DAYS, at, RULE)


def _phase(name: str, first: int, last: int | None, at: datetime, why: str) -> Phase:
    return Phase(
        name=name,
        from_day=first,
        until_day=last,
        from_date=at + timedelta(days=first),
        until_date=None if last is None else at + timedelta(days=last),
        why=why,
    )
