"""Facts of the audit: alerts, the bucket's documents, use of the key, and the requirements that a trail does not meet.

Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from components.policies.requirements import BY_ID, Requirement
from components.policies.stack import AlertRule, AlertTopic
from components.settings import SHORTEST_RETENTION_DAYS
from wizard.core.models.account import Retention, TrailFact


@dataclass(frozen=True, kw_only=True)
class RuleFact:
    rule: AlertRule
    state: str | None
    """ENABLED, DISABLED, …; None: there is no such rule."""
    pattern: Mapping[str, Any] | None = None
    """Its event pattern; None: it has none."""
    targets: tuple[str, ...] | None = None
    """The ARNs of its targets; None: unknown."""
    message: Mapping[str, Any] = field(default_factory=dict)
    """What its target is sent in the place of the event, by EventBridge's names: Input, InputTransformer."""


@dataclass(frozen=True, kw_only=True)
class TopicFact:
    topic: AlertTopic
    is_there: bool = True
    receivers: int | None = None
    """Number of its confirmed subscriptions; None: unknown."""
    policy: Mapping[str, Any] | None = None
    """None: unknown."""
    key: str | None = None
    """The key that encrypts it, as SNS names it; None without one."""


@dataclass(frozen=True, kw_only=True)
class AlertsFact:
    """The topics of the alerts, and the rules that publish to them."""

    topics: tuple[TopicFact, ...] = ()
    rules: tuple[RuleFact, ...] = ()
    alarm: Mapping[str, Any] | None = None
    """The alarm of denied uses, by CloudWatch's names; None: there is none."""


@dataclass(frozen=True, kw_only=True)
class BucketDocuments:
    """The documents of a bucket that S3 replaces as a whole."""

    policy: Mapping[str, Any] | None
    """None where it has none."""
    lifecycle: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class KeyCall:
    """A call on the key (CloudTrail's event history)."""

    at: datetime
    """UTC."""
    operation: str
    principal: str
    """ARN of the IAM user or role, not of its session; else the service, the account, or `unknown`."""
    error: str | None = None
    """The error's code; None for a call that succeeded."""


@dataclass(frozen=True, kw_only=True)
class KeyCalls:
    """The calls on a key in a window, from CloudTrail's event history."""

    calls: tuple[KeyCall, ...]
    """The newest first."""
    complete: bool = True
    """False where there were more than are read."""


@dataclass(frozen=True, kw_only=True)
class LogValidation:
    """The result of the signed digests for the logs of one Region."""

    region: str
    since: datetime | None
    """UTC; the begin of the oldest digest; None: there is no digest."""
    until: datetime | None
    """UTC; the end of the newest one."""
    digests: int
    """Digests with a correct signature."""
    logs: int
    """Log files that are as they were signed."""
    faults: tuple[str, ...] = ()
    """The changed, deleted and unsigned files, in words."""
    left: int = 0
    """Log files that were not compared: older than the newest ones that were."""
    unread: tuple[str, ...] = ()
    """The unreadable files, in words."""


TRAIL_REQUIREMENTS = (
    "trail-logging",
    "trail-all-regions",
    "trail-global-events",
    "trail-validation",
    "trail-kms-events",
)
BUCKET_REQUIREMENTS = ("bucket-private", "bucket-versioned", "bucket-encrypted", "bucket-retention", "bucket-tls")
"""Ids of the requirements that are checked here, in the order of the evidence."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A requirement that a trail or its bucket does not meet."""

    requirement: Requirement
    text: str
    """The fault: `its bucket is not encrypted`."""

    @property
    def fatal(self) -> bool:
        """Whether the use of the key is not recorded at all."""
        return self.requirement.id in ("trail-logging", "trail-kms-events")


def gaps(trail: TrailFact, retention: Retention | None) -> tuple[Gap, ...]:
    """The requirements that the trail and its bucket do not meet; `unread` names the failed reads."""
    return (*trail_gaps(trail), *(bucket_gaps(retention) if retention else ()))


def unread(trail: TrailFact, retention: Retention | None) -> tuple[str, ...]:
    """The failed reads of both, in words."""
    text = [*trail_unread(trail)]
    if retention is None:
        text.append(f"its bucket {trail.bucket}")
    elif retention.tls_only is None:
        text.append("the bucket's policy")
    return tuple(text)


def trail_unread(trail: TrailFact) -> Iterator[str]:
    """The failed reads of the trail itself, in words."""
    if trail.logging is None:
        yield "whether it is logging"
    if trail.kms_events is None:
        yield "whether it records KMS"


def trail_met(trail: TrailFact) -> Mapping[str, bool | None]:
    """Whether the trail itself meets each of its requirements, by the requirement's id; None: not known."""
    met = (trail.logging, trail.multi_region, trail.global_events, trail.validation, trail.kms_events)
    return dict(zip(TRAIL_REQUIREMENTS, met, strict=True))


def bucket_met(retention: Retention) -> Mapping[str, bool | None]:
    """Whether a bucket of audit records meets each of its requirements, by the requirement's id; None: not known."""
    days = retention.expires_after_days
    met = (
        retention.public_access_blocked,
        retention.versioned,
        retention.encrypted,
        days is None or days >= SHORTEST_RETENTION_DAYS,
        retention.tls_only,
    )
    return dict(zip(BUCKET_REQUIREMENTS, met, strict=True))


def trail_gaps(trail: TrailFact) -> Iterator[Gap]:
    """The requirements that the trail itself does not meet; an unreadable value (None) is no gap."""
    return (gap_of(id_) for id_, is_met in trail_met(trail).items() if is_met is False)


def bucket_gaps(retention: Retention) -> Iterator[Gap]:
    """The requirements that the bucket does not meet; an unreadable value (None) is no gap."""
    met, days = bucket_met(retention), retention.expires_after_days
    return (gap_of(id_, days=days) for id_, is_met in met.items() if is_met is False)


def gap_of(id_: str, **values: object) -> Gap:
    """The gap of a requirement, with the values of its text."""
    requirement = BY_ID[id_]
    return Gap(requirement=requirement, text=requirement.gap.format(**values))
