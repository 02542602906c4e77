"""What a compliance report says, all of it: frozen facts, from which its three forms are made.

Pure. They carry no secret: of a data key its fingerprint alone. What could not be read is unknown, with why.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from wizard.commands.doctor.finding import Finding, NotChecked
from wizard.core.models.access import AccessReview, SignOff, Unread
from wizard.core.models.rotation import DataKeyVersion, KeyRotations
from wizard.setup.checklist import ItemState


class Result(StrEnum):
    """What a check of prowler's would say of this stack, by what was read for the report."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"
    """What would tell could not be read."""
    CHOICE = "fails by choice"
    """It fails, by a setting that somebody chose for a reason."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check of prowler's that looks at the same thing (https://hub.prowler.com)."""

    id: str
    result: Result
    evidence: str


@dataclass(frozen=True, kw_only=True)
class Safeguard:
    """A section of the HIPAA Security Rule that an item serves."""

    section: str
    """`164.312(a)(1)`, of 45 CFR."""
    name: str


@dataclass(frozen=True, kw_only=True)
class ChecklistItem:
    """One of the guide's eight items."""

    number: int
    asked: str
    """In the guide's words."""
    state: ItemState
    evidence: str
    calls: tuple[str, ...]
    """What it was read from: `kms:DescribeKey`."""
    read_at: datetime
    """UTC."""
    safeguards: tuple[Safeguard, ...]
    checks: tuple[Check, ...]
    next: str = ""
    """The command to type, where something is to be done."""


@dataclass(frozen=True, kw_only=True)
class ApplicationFacts:
    """One place where the application runs, and how it comes by what it needs."""

    target: str
    """`vercel`, `ecs` or `eks`."""
    place: str
    """`team/project`, `cluster/service`, `cluster/namespace/service account`."""
    principal: str
    """ARN of whom it runs as."""
    identity: str
    """How it becomes that: in words."""
    reads_from: str
    """Where its three variables come from: in words."""


@dataclass(frozen=True, kw_only=True)
class KeyPlace:
    """The KMS key in one Region."""

    region: str
    arn: str
    replica: bool
    state: str | None
    """None: could not be read."""


@dataclass(frozen=True, kw_only=True)
class DataKeyPlace:
    """Where the wrapped data key is escrowed."""

    name: str
    store: str
    """`Parameter Store` or `Secrets Manager`."""
    fingerprint: str
    version: int
    wrapped_by: str | None


@dataclass(frozen=True, kw_only=True)
class TrailPlace:
    """The audit trail and what hangs on it."""

    arn: str
    bucket: str
    made: bool
    """By the stack; else it was there before and is used."""
    logging: bool | None
    encrypted_by: str
    """In words: a key of its own, the key it has, or S3's own."""
    access_log_bucket: str | None
    log_group: str | None
    alert_topic: str | None
    alert_emails: int


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """This stack, as it stands."""

    cipher: str
    variables: tuple[str, ...]
    applications: tuple[ApplicationFacts, ...]
    alias: str
    keys: tuple[KeyPlace, ...]
    administrators: tuple[str, ...]
    deletion_administrators: tuple[str, ...]
    deletion_window_days: int
    data_key: DataKeyPlace | None
    """None: there is none, or it could not be read; then `unread` says why."""
    trail: TrailPlace


@dataclass(frozen=True, kw_only=True)
class AccessFacts:
    """Who can use and who can administer the key."""

    review: AccessReview | None
    """As read for the report, or the newest that was kept; None: neither could be had."""
    is_live: bool
    """Whether it was read for the report."""
    kept_file: str | None
    """The newest review that was kept; None: none is."""
    kept_at: datetime | None
    kept_digest: str | None
    age_days: int | None
    """Of the kept one."""
    sign_off: SignOff | None
    """The newest; None: nobody signed any."""
    signed_days_ago: int | None
    due_days: int
    """How many days a signed review holds."""
    faults: tuple[str, ...] = ()
    """What is wrong with the kept files, in words."""
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
    """None: without end."""
    from_date: datetime
    until_date: datetime | None
    why: str


@dataclass(frozen=True, kw_only=True)
class RetentionTimeline:
    """How long the audit log is kept."""

    bucket: str
    kept_days: int | None
    """None: nothing expires; or not known, where `phases` is empty."""
    required_days: int
    lock: str | None
    phases: tuple[Phase, ...]
    why: str = ""
    """Why it is not known."""


@dataclass(frozen=True, kw_only=True)
class Driver:
    """One driver of the cost."""

    what: str
    quantity: float | None
    unit: str
    price: str
    """In words, with its unit."""
    monthly: float | None
    """US dollars, by the settings and what is assumed; None: that does not bring it along."""
    used: float | None
    """US dollars, by what was counted; None: not known."""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What was really used, as AWS counted it."""

    since: datetime
    """UTC."""
    until: datetime
    """UTC."""
    monthly: float
    """US dollars, without what is not known."""
    key_requests: int | None
    """Calls on the key in the window."""
    kms_requests: int | None
    trail_bytes: int | None
    notes: tuple[str, ...]
    unknown: tuple[Unread, ...]


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """A number that the cost stands on."""

    what: str
    value: float
    unit: str
    source: str
    """`assumed`, `asked for`, or what counted it."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """What it would cost a month at one value of what is varied."""

    at: float
    monthly: float


@dataclass(frozen=True, kw_only=True)
class WhatIf:
    """The cost as one thing varies and all else stays."""

    what: str
    unit: str
    now: float
    points: tuple[Point, ...]
    is_logarithmic: bool = False


@dataclass(frozen=True, kw_only=True)
class CostFacts:
    """What it costs a month, in US dollars."""

    monthly: float
    basis: str
    drivers: tuple[Driver, ...]
    assumptions: tuple[Assumption, ...]
    what_ifs: tuple[WhatIf, ...]
    counted: Counted | None
    """None: the counts could not be had."""


@dataclass(frozen=True, kw_only=True)
class DoctorFacts:
    """What the doctor found."""

    findings: tuple[Finding, ...] | None
    """None: it could not be asked; `why` says why."""
    unlooked: tuple[NotChecked, ...] = ()
    well: tuple[str, ...] = ()
    """What it looked at and found as it should be."""
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class ReportFacts:
    """All that the report says."""

    stack: str
    environment: str
    account: str
    account_alias: str | None
    region: str
    made_at: datetime
    """UTC."""
    made_by: str
    """ARN of the credentials that it was read with."""
    checklist: tuple[ChecklistItem, ...]
    architecture: Architecture
    access: AccessFacts
    rotation: RotationTimeline
    retention: RetentionTimeline
    cost: CostFacts
    doctor: DoctorFacts
    unread: tuple[Unread, ...]
