"""The facts of a compliance report, from which its three forms are rendered. Frozen.

Pure. They have no secret, and of a data key only its fingerprint. What could not be read is unknown, with the reason.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from components.settings import SHORTEST_RETENTION_DAYS, Outputs, Settings
from wizard.account.views import ItemState
from wizard.core.errors import SetupError
from wizard.core.models.access import AccessReview, SignIn, SignOff, Unread
from wizard.core.models.account import Retention
from wizard.core.models.rotation import DataKeyVersion, KeyRotations
from wizard.core.models.trail import LogValidation


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of the HIPAA Security Rule that an item serves."""

    section: str
    """`164.312(a)(1)`, of 45 CFR."""
    name: str


@dataclass(frozen=True, kw_only=True)
class ChecklistItem:
    number: int
    title: str
    state: ItemState
    evidence: str
    requirements: tuple[str, ...]
    """One sentence for each requirement."""
    calls: tuple[str, ...]
    """The calls that return the evidence: `kms:DescribeKey`."""
    read_at: datetime
    """UTC."""
    sections: tuple[Section, ...]
    prowler_checks: tuple[str, ...]
    """Ids of Prowler's checks for the same requirement (https://hub.prowler.com)."""
    proposed_rule: str = ""
    """What a proposed rule that is not final would ask; it does not decide the state."""
    next: str = ""
    """The command to type if something has to be done."""
    facts: tuple[str, ...] = ()
    """The names of the facts that it rests on."""


@dataclass(frozen=True, kw_only=True)
class ApplicationFacts:
    """One platform where the application runs, and how it gets its identity and its variables."""

    target: str
    """`vercel`, `ecs` or `eks`."""
    place: str
    """`team/project`, `cluster/service`, `cluster/namespace/service account`."""
    principal: str
    """ARN of the role or user that it runs as."""
    identity: str
    """How it gets that identity, in words."""
    reads_from: str
    """Where it reads its three variables from, in words."""


@dataclass(frozen=True, kw_only=True)
class RegionKey:
    region: str
    arn: str
    replica: bool
    state: str | None
    """None: could not be read."""


@dataclass(frozen=True, kw_only=True)
class DataKeyFacts:
    name: str
    store: str
    """`Parameter Store` or `Secrets Manager`."""
    fingerprint: str
    version: int
    wrapped_by: str | None


@dataclass(frozen=True, kw_only=True)
class TrailDetails:
    """The audit trail, its bucket and its alerts."""

    arn: str
    bucket: str
    is_own: bool
    """Whether the stack created it; else it uses an existing one."""
    logging: bool | None
    encrypted_by: str
    """In words: the ARN of its key, or the default encryption of S3."""
    access_log_bucket: str | None
    log_group: str | None
    alert_topic: str | None
    alert_emails: int


@dataclass(frozen=True, kw_only=True)
class Architecture:
    cipher: str | None
    """Of the records, as a scan of the database saw it; None: nobody looked."""
    variables: tuple[str, ...]
    applications: tuple[ApplicationFacts, ...]
    alias: str
    keys: tuple[RegionKey, ...]
    administrators: tuple[str, ...]
    deletion_administrators: tuple[str, ...]
    deletion_window_days: int | None
    """None: not known."""
    data_key: DataKeyFacts | None
    """None: there is none, or it could not be read, and `unread` says why."""
    trail: TrailDetails


@dataclass(frozen=True, kw_only=True)
class AccessFacts:
    """Who can use and who can administer the key."""

    review: AccessReview | None
    """As read for the report, or the newest saved one; None: neither is available."""
    is_live: bool
    """Whether it was read for the report."""
    saved_file: str | None
    """The newest saved review; None: there is none."""
    saved_at: datetime | None
    saved_digest: str | None
    age_days: int | None
    """Of the saved one."""
    sign_off: SignOff | None
    """The newest; None: no review is signed."""
    signed_days_ago: int | None
    valid_days: int
    """How many days a signed review is valid."""
    problems: tuple[str, ...] = ()
    """What is wrong with the saved files, in words."""
    why: str = ""
    """Why it could not be read now."""


@dataclass(frozen=True, kw_only=True)
class RotationTimeline:
    """The key's rotations and the data key's versions."""

    rotations: KeyRotations | None
    on_demand_left: int | None
    versions: tuple[DataKeyVersion, ...] | None
    why: str = ""
    """Why one of them is not known."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of the life of a log file that is written at the time of the report."""

    name: str
    from_day: int
    until_day: int | None
    """None: no end."""
    from_date: datetime
    until_date: datetime | None
    why: str


@dataclass(frozen=True, kw_only=True)
class RetentionTimeline:
    """How long the audit logs are retained."""

    bucket: str
    retention_days: int | None
    """None: nothing expires; or unknown if `phases` is empty."""
    required_days: int
    lock: str | None
    phases: tuple[Phase, ...]
    why: str = ""
    """Why it is not known."""


RULE = "45 CFR 164.316(b)(2)(i): six years for documentation, by common practice for audit logs too"


def retention(
    reading: Retention | SetupError | None, settings: Settings, outputs: Outputs, *, at: datetime
) -> RetentionTimeline:
    """The timeline of the bucket; without a reading only the required retention."""
    known = reading if isinstance(reading, Retention) else None
    why = ""
    if isinstance(reading, SetupError):
        why = f"the bucket could not be read: {reading.message}"
    elif reading is None:
        why = f"there is no bucket {outputs.trail_bucket}"
    return RetentionTimeline(
        bucket=outputs.trail_bucket,
        retention_days=known.expires_after_days if known else None,
        required_days=SHORTEST_RETENTION_DAYS,
        lock=known.lock if known else None,
        phases=tuple(_phases(known, settings, at)) if known else (),
        why=why,
    )


def _phases(bucket: Retention, settings: Settings, at: datetime) -> Iterator[Phase]:
    end = bucket.expires_after_days
    own = settings.makes_trail
    moved = settings.trail_archive_days if own else 0
    archives = moved > 0 and (end is None or moved < end)
    rule = "lifecycle rule of the bucket"
    if not own:
        yield _phase("In the bucket", 0, end, at, rule if end else "no lifecycle rule ends it")
    else:
        yield _phase(
            "In S3 Standard",
            0,
            moved if archives else end,
            at,
            rule if archives or end else "no lifecycle rule ends it",
        )
        if archives:
            yield _phase("In archive storage", moved, end, at, rule if end else "no lifecycle rule ends it")
    if bucket.lock and bucket.lock_days:
        yield _phase("Locked against deletion", 0, bucket.lock_days, at, f"Object Lock, {bucket.lock} mode")
    yield _phase("Required by the rule", 0, SHORTEST_RETENTION_DAYS, at, RULE)


def _phase(name: str, first: int, last: int | None, at: datetime, why: str) -> Phase:
    return Phase(
        name=name,
        from_day=first,
        until_day=last,
        from_date=at + timedelta(days=first),
        until_date=None if last is None else at + timedelta(days=last),
        why=why,
    )


@dataclass(frozen=True, kw_only=True)
class Driver:
    what: str
    quantity: float
    unit: str
    price: str
    """In words, with its unit."""
    monthly: float
    """US dollars."""


@dataclass(frozen=True, kw_only=True)
class CostFacts:
    """The estimate of a month's cost, in US dollars."""

    monthly: float
    drivers: tuple[Driver, ...]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is wrong, and the command that fixes it."""

    cause: str
    what: str
    why: str
    command: str
    advice: str


@dataclass(frozen=True, kw_only=True)
class DoctorFacts:
    findings: tuple[Finding, ...] | None
    """None: it could not run, and `why` says why."""
    not_checked: tuple[Unread, ...] = ()
    passed: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """A business associate agreement, as a person confirmed it; this program cannot see it."""

    partner: str
    """`AWS` or `Vercel`."""
    signed_on: str | None = None
    """Its date, `2026-01-15`; None: nobody has confirmed it."""
    file: str = ""
    """Name of the document."""


@dataclass(frozen=True, kw_only=True)
class Safeguard:
    """A line of the index: a safeguard of the Security Rule and its evidence in this report."""

    section: str
    name: str
    state: str
    """`done`, `open`, `a person` (it is a matter of people or premises), `not seen` (it was not read)."""
    evidence: tuple[str, ...]
    """Titles of the items."""


@dataclass(frozen=True, kw_only=True)
class PolicyDocument:
    name: str
    text: str
    """JSON with two spaces and sorted names."""
    sha256: str
    """Of that text, 64 hex digits."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """What was done for the stack and is on record."""

    at: datetime
    """UTC."""
    what: str
    detail: str
    """Names, fingerprints and digests."""


@dataclass(frozen=True, kw_only=True)
class ReportFacts:
    stack: str
    application: str
    """As tags and descriptions write it."""
    environment: str
    account: str
    account_alias: str | None
    region: str
    created_at: datetime
    """UTC."""
    created_by: str
    """ARN of the caller."""
    since: datetime
    """UTC; begin of the period of the evidence, which ends when the report is created."""
    prepared_by: str | None
    """Name as typed; None: to be written by hand."""
    reviewed_by: str | None
    checklist: tuple[ChecklistItem, ...]
    architecture: Architecture
    access: AccessFacts
    sign_ins: tuple[SignIn, ...]
    """Of everybody who can use or administer the key; none: the access could not be read."""
    rotation: RotationTimeline
    retention: RetentionTimeline
    logs: tuple[LogValidation, ...]
    """Of each Region that has the key; none: they could not be read."""
    cost: CostFacts
    doctor: DoctorFacts
    agreements: tuple[Agreement, ...]
    safeguards: tuple[Safeguard, ...]
    history: tuple[Event, ...]
    """The oldest first."""
    policies: tuple[PolicyDocument, ...]
    unread: tuple[Unread, ...]
