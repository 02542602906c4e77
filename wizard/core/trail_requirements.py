"""Which requirements a trail and its bucket do not meet, whoever created them.

Pure: facts in; the words are those of `components.policies.requirements`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.policies.requirements import BY_ID, Requirement
from components.settings import SHORTEST_RETENTION_DAYS
from wizard.core.models.account import Retention, TrailFact

OF_THE_TRAIL = ("trail-logging", "trail-all-regions", "trail-global-events", "trail-validation", "trail-kms-events")
OF_THE_BUCKET = ("bucket-private", "bucket-versioned", "bucket-encrypted", "bucket-retention", "bucket-tls")
"""Ids of the requirements that are checked here, in the order of the evidence."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """One requirement that a trail or its bucket does not meet."""

    requirement: Requirement
    text: str
    """What is wrong: `its bucket is not encrypted`."""

    @property
    def fatal(self) -> bool:
        """Whether the use of the key is not recorded at all."""
        return self.requirement.id in ("trail-logging", "trail-kms-events")


def gaps(trail: TrailFact, retention: Retention | None) -> tuple[Gap, ...]:
    """What the trail and its bucket do not meet; what could not be read is no gap here, and `unread` names it."""
    return (*trail_gaps(trail), *(bucket_gaps(retention) if retention else ()))


def unread(trail: TrailFact, retention: Retention | None) -> tuple[str, ...]:
    """What could not be read of them, in words."""
    text = [*trail_unread(trail)]
    if retention is None:
        text.append(f"its bucket {trail.bucket}")
    elif retention.tls_only is None:
        text.append("the bucket's policy")
    return tuple(text)


def trail_unread(trail: TrailFact) -> Iterator[str]:
    """What could not be read of the trail itself, in words."""
    if trail.logging is None:
        yield "whether it is logging"
    if trail.kms_events is None:
        yield "whether it records KMS"


def trail_gaps(trail: TrailFact) -> Iterator[Gap]:
    """What the trail itself does not meet."""
    # What could not be read (None) is no gap.
    met = (trail.logging, trail.multi_region, trail.global_events, trail.validation, trail.kms_events)
    for id_, is_met in zip(OF_THE_TRAIL, met, strict=True):
        if is_met is False:
            yield _gap(id_)


def bucket_gaps(retention: Retention) -> Iterator[Gap]:
    """What its bucket does not meet."""
    days = retention.expires_after_days
    met = (
        retention.public_access_blocked,
        retention.versioned,
        retention.encrypted,
        days is None or days >= SHORTEST_RETENTION_DAYS,
        retention.tls_only,
    )
    for id_, is_met in zip(OF_THE_BUCKET, met, strict=True):
        if is_met is False:
            yield _gap(id_, days=days)


def _gap(id_: str, **values: object) -> Gap:
    requirement = BY_ID[id_]
    return Gap(requirement=requirement, text=requirement.gap.format(**values))
