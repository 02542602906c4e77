"""The facts of a report, read from the account, the stack and the folder of the reviews.

Pure: reads through the edges' Protocols, and changes nothing. What could not be read is unknown, with why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from components.settings import SHORTEST_RETENTION_DAYS, Outputs, SecretStore, Settings
from wizard.commands import deployed_stack
from wizard.commands.deployed_stack import DeployedStack, attempted
from wizard.commands.doctor.checks import all_checks as doctor_checks
from wizard.commands.doctor.checks.stack import COMPARISON
from wizard.commands.doctor.diagnosis import Diagnosis, diagnose
from wizard.commands.doctor.finding import NotChecked
from wizard.commands.report import destinations, prowler, safeguards
from wizard.commands.report.cost import cost
from wizard.commands.report.facts import (
    AccessFacts,
    ChecklistItem,
    CostFacts,
    DoctorFacts,
    Phase,
    ReportFacts,
    RetentionTimeline,
    RotationTimeline,
)
from wizard.commands.review import storage
from wizard.commands.review.collect import review as read_review
from wizard.commands.review.storage import Latest
from wizard.core.cost.account import AccountFacts, cost_by_use, read_account
from wizard.core.cost.drivers import Assumptions
from wizard.core.errors import SetupError
from wizard.core.models.access import AccessReview, Unread
from wizard.core.models.account import KeyFact, Retention
from wizard.core.models.audit import Usage
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.rotation import DataKeyVersion, KeyRotations
from wizard.data_key.storage import find_stored_data_key, region_of
from wizard.setup import checklist
from wizard.setup.checklist import ChecklistEntry, ItemState, Readings
from wizard.setup.steps import Clients

WINDOW_DAYS = 90
"""How far back the use of the key is looked at: a quarter, and all that CloudTrail's event history has."""

REVIEW_HOLDS_DAYS = 92
"""A quarter: the guide asks that access be reviewed quarterly."""


@dataclass(frozen=True, kw_only=True)
class _Read:
    """What was read, side by side."""

    readings: Readings
    stored_data_key: StoredDataKey | SetupError | None
    keys: Mapping[str, KeyFact | SetupError | None]
    rotations: KeyRotations | SetupError
    versions: tuple[DataKeyVersion, ...] | SetupError
    live: AccessReview | SetupError
    diagnosis: Diagnosis | SetupError
    usage: Usage | SetupError
    account: AccountFacts
    at: datetime


def gather(
    found: DeployedStack, clients: Clients, *, reviews: Path, assumptions: Assumptions, given: Mapping[str, str]
) -> ReportFacts:
    """All that the report says. `given`: which assumptions somebody gave, and where.

    Raises StackNotFound for a stack that is not built, or what kept its state from being read.
    """
    settings, outputs = found.settings, deployed_stack.outputs_of(found)
    read = _read(found, clients, outputs)
    access = _access(read, storage.latest(reviews, _plain(found.stack), now=read.at), reviews)
    return ReportFacts(
        stack=_plain(found.stack),
        environment=settings.environment,
        account=settings.account_id,
        account_alias=found.identity.account_alias,
        region=settings.region,
        made_at=read.at,
        made_by=found.identity.arn,
        checklist=tuple(_checklist(read, access, settings, outputs, found.stack)),
        architecture=destinations.architecture(
            settings, outputs, keys=read.keys, stored_data_key=read.stored_data_key, trail=read.readings.trail
        ),
        access=access,
        rotation=_rotation(read),
        retention=retention(read.readings.retention, settings, outputs, at=read.at),
        cost=_cost(settings, read, assumptions, given),
        doctor=_doctor(read.diagnosis, found.stack),
        unread=tuple(_unread(read, settings)),
    )


def _plain(stack: str) -> str:
    return stack.rsplit("/", 1)[-1]


def _read(found: DeployedStack, clients: Clients, outputs: Outputs) -> _Read:
    aws, settings, now = found.aws, found.settings, clients.now().replace(microsecond=0)
    with ThreadPoolExecutor(max_workers=7) as pool:
        readings = pool.submit(checklist.look, aws, outputs)
        stored_data_key = pool.submit(attempted, find_stored_data_key, aws, settings)
        keys = {
            arn: pool.submit(attempted, aws.with_region(region_of(arn)).kms.describe_key, arn)
            for arn in outputs.key_arns
        }
        rotations = pool.submit(attempted, aws.key_rotation.rotations, outputs.key_arn)
        versions = pool.submit(attempted, aws.key_rotation.versions, settings)
        live = pool.submit(
            attempted,
            read_review,
            aws,
            settings,
            outputs,
            stack=_plain(found.stack),
            now=now,
            window_days=WINDOW_DAYS,
        )
        diagnosis = pool.submit(attempted, diagnose, found, clients, doctor_checks.ALL)
        usage = pool.submit(
            attempted,
            aws.usage_metrics.read,
            key_arn=outputs.key_arn,
            bucket=outputs.trail_bucket,
            since=now - timedelta(days=WINDOW_DAYS),
            until=now,
        )
        account = pool.submit(read_account, aws, settings, key_arn=outputs.key_arn, trail_arn=outputs.trail_arn)
        return _Read(
            readings=readings.result(),
            stored_data_key=stored_data_key.result(),
            keys={arn: each.result() for arn, each in keys.items()},
            rotations=rotations.result(),
            versions=versions.result(),
            live=live.result(),
            diagnosis=diagnosis.result(),
            usage=usage.result(),
            account=account.result(),
            at=now,
        )


# --- the checklist ------------------------------------------------------------------------------------------------


def _checklist(
    read: _Read, access: AccessFacts, settings: Settings, outputs: Outputs, stack: str
) -> Iterator[ChecklistItem]:
    items = list(
        checklist.judge(
            read.readings, settings=settings, outputs=outputs, stored_data_key=read.stored_data_key, proofs=()
        )
    )
    items[6] = _tested(items[6], access.review, outputs)
    items[7] = _reviewed(items[7], access)
    again = {
        ItemState.OPEN: f"python -m wizard doctor --stack {stack}",
        ItemState.UNKNOWN: f"python -m wizard policy auditor --stack {stack}",
    }
    by_person = {
        7: f"python -m wizard verify --stack {stack}",
        8: f"python -m wizard review --sign NAME --stack {stack}",
    }
    in_secrets = settings.secret_store is SecretStore.SECRETS_MANAGER
    for number, (asked, item) in enumerate(zip(safeguards.ITEMS, items, strict=True), start=1):
        calls = safeguards.SECRET_CALLS if number == 6 and in_secrets else asked.calls
        next_ = "" if item.state is ItemState.DONE else by_person.get(number, again.get(item.state, ""))
        yield ChecklistItem(
            number=number,
            asked=asked.words,
            state=item.state,
            evidence=item.evidence,
            calls=calls,
            read_at=read.at,
            safeguards=asked.safeguards,
            checks=prowler.checks(number, read.readings, settings, access.review),
            next=next_,
        )


def _tested(item: ChecklistEntry, review: AccessReview | None, outputs: Outputs) -> ChecklistEntry:
    """By what CloudTrail has of the application's own use of the key."""
    if review is None or review.history is None:
        return replace(item, evidence="whether the application used the key could not be read; verify proves it")
    used = [each for each in review.principals if each.arn in outputs.app_principal_arns and each.events]
    if not used:
        told = f"CloudTrail has no use of the key by the application in {review.window_days} days; verify proves it"
        return replace(item, evidence=told)
    told = "; ".join(
        f"{each.arn} used the key {_times(each.events)} in {review.window_days} days"
        + (f", the last time at {each.last_use:%Y-%m-%d %H:%M} UTC" if each.last_use else "")
        + (f", and was refused {_times(each.refused)}" if each.refused else "")
        for each in used
    )
    return replace(item, state=ItemState.PERSON, evidence=f"{told}; a person sees that a record opens")


def _times(number: int | None) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _reviewed(item: ChecklistEntry, access: AccessFacts) -> ChecklistEntry:
    if access.sign_off is None or access.signed_days_ago is None:
        return replace(item, evidence="no review is signed yet")
    days = access.signed_days_ago
    when = {0: "today", 1: "yesterday"}.get(days, f"{days} days ago")
    told = f"signed by {access.sign_off.signer} {when}"
    if access.signed_days_ago > access.due_days:
        return replace(item, state=ItemState.OPEN, evidence=f"{told}: a review holds {access.due_days} days")
    return replace(item, state=ItemState.DONE, evidence=told)


# --- the other parts ----------------------------------------------------------------------------------------------


def _access(read: _Read, kept: Latest, reviews: Path) -> AccessFacts:
    live = None if isinstance(read.live, SetupError) else read.live
    sign_off = kept.sign_off or kept.last_sign_off
    why = (
        ""
        if live
        else f"the account could not be asked: {read.live.message}"
        if isinstance(read.live, SetupError)
        else ""
    )
    return AccessFacts(
        review=live or kept.review,
        is_live=live is not None,
        kept_file=_below(kept.file, reviews) if kept.file else None,
        kept_at=kept.review.at if kept.review else None,
        kept_digest=kept.digest or None,
        age_days=kept.age_days,
        sign_off=replace(sign_off, file=_below(sign_off.file, reviews)) if sign_off else None,
        signed_days_ago=max((read.at - sign_off.at).days, 0) if sign_off else None,
        due_days=REVIEW_HOLDS_DAYS,
        faults=tuple(each.replace(f"{reviews.parent}/", "") for each in kept.faults),
        why=why,
    )


def _below(file: str, reviews: Path) -> str:
    """`reviews/production/….json`: a report that is handed on tells nothing of the machine it was made on."""
    return file.removeprefix(f"{reviews.parent}/")


def _rotation(read: _Read) -> RotationTimeline:
    wrong = [each.message for each in (read.rotations, read.versions) if isinstance(each, SetupError)]
    rotations = None if isinstance(read.rotations, SetupError) else read.rotations
    return RotationTimeline(
        rotations=rotations,
        on_demand_left=rotations.on_demand_left if rotations else None,
        versions=None if isinstance(read.versions, SetupError) else read.versions,
        why="; ".join(wrong),
    )


def _cost(settings: Settings, read: _Read, assumptions: Assumptions, given: Mapping[str, str]) -> CostFacts:
    by_use = None
    if isinstance(read.usage, Usage):
        by_use = cost_by_use(settings, assumptions, read.usage, read.account)
    return cost(settings, assumptions, read.account, by_use, sources=given)


def _doctor(diagnosis: Diagnosis | SetupError, stack: str) -> DoctorFacts:
    if isinstance(diagnosis, SetupError):
        return DoctorFacts(findings=None, why=diagnosis.message)
    # What takes a preview of the engine's is the doctor's own; that it was not looked at here is told.
    later = NotChecked(what=COMPARISON, why=f"not looked at for a report: python -m wizard doctor --stack {stack}")
    return DoctorFacts(
        findings=diagnosis.findings,
        unlooked=(*diagnosis.unlooked, later),
        well=diagnosis.well,
    )


def _unread(read: _Read, settings: Settings) -> Iterator[Unread]:
    parts = {
        f"the key under {settings.names.alias}": read.readings.key,
        "the key's policy": read.readings.key_policy,
        "the application's IAM policy": read.readings.app_policy,
        "the audit trail": read.readings.trail,
        f"the bucket {settings.names.trail_bucket}": read.readings.retention,
        f"the escrow {settings.names.stored_data_key}": read.stored_data_key,
        "the key's rotations": read.rotations,
        "the versions of the data key": read.versions,
        "who has access to the key": read.live,
        "the doctor's diagnosis": read.diagnosis,
        "what was used": read.usage,
        **{f"the key {arn}": each for arn, each in read.keys.items()},
    }
    for what, found in parts.items():
        if isinstance(found, SetupError):
            yield Unread(what=what, why=found.message)
    if isinstance(read.live, AccessReview):
        yield from read.live.unread


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
