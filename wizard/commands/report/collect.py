"""The facts of a report, read from the account, the stack and the folder of the reviews.

Reads through the ports and changes nothing. What could not be read is unknown, with the reason.
"""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from components.policies.requirements import PROPOSED, SECTIONS, Topic, prowler_checks_of, requirements_of, sections_of
from components.settings import SHORTEST_RETENTION_DAYS, Outputs, SecretStore, Settings
from wizard.commands import deployed_stack
from wizard.commands.backup.document import file_name_of
from wizard.commands.deployed_stack import DeployedStack, attempted
from wizard.commands.doctor import checks as doctor_checks
from wizard.commands.doctor.checks.stack import COMPARISON
from wizard.commands.doctor.diagnosis import Diagnosis, NotChecked, diagnose
from wizard.commands.report import facts
from wizard.commands.report.cost import cost
from wizard.commands.report.drawing import architecture_facts
from wizard.commands.review import storage
from wizard.commands.review.collect import review as read_review
from wizard.commands.review.storage import Latest
from wizard.core.cost.account import AccountFacts, cost_by_use, read_account
from wizard.core.cost.drivers import Assumptions
from wizard.core.errors import SetupError, UsageError
from wizard.core.models import audit
from wizard.core.models.access import AccessReview, Unread
from wizard.core.models.account import KeyFact, Retention, TrailFact
from wizard.core.models.audit import Usage
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.rotation import DataKeyVersion, KeyRotations, LastBackup, RestoreDrill
from wizard.core.next_command import Run, plain_name, shell, wizard
from wizard.data_key.delivery import find_last_backup, find_last_drill, find_stored_data_key, region_of
from wizard.setup import checklist
from wizard.setup.checklist import ChecklistEntry, ItemState, Readings
from wizard.setup.steps import Clients

WINDOW_DAYS = 90
"""How far back the use of the key is read: a quarter, as far as CloudTrail's event history goes."""

REVIEW_VALID_DAYS = 92
"""Access is reviewed quarterly, and so is what is encrypted."""

_UNDONE = {"clear", "unreadable"}
"""States of a scanned column."""


@dataclass(frozen=True, kw_only=True)
class _Read:
    """Everything that was read for one report."""

    readings: Readings
    stored_data_key: StoredDataKey | SetupError | None
    keys: Mapping[str, KeyFact | SetupError | None]
    rotations: KeyRotations | SetupError
    versions: tuple[DataKeyVersion, ...] | SetupError
    live: AccessReview | SetupError
    diagnosis: Diagnosis | SetupError
    usage: Usage | SetupError
    account: AccountFacts
    backup: LastBackup | SetupError | None
    drill: RestoreDrill | SetupError | None
    at: datetime


def gather(
    stack: DeployedStack,
    clients: Clients,
    *,
    reviews: Path,
    assumptions: Assumptions,
    sources: Mapping[str, str],
    scan: Mapping[str, Any] | None = None,
) -> facts.ReportFacts:
    """All facts of the report. `sources`: where assumptions come from, by name; the others are assumed.

    `scan`: the document of `read_scan`; without it the report says nothing of the columns of the database.

    Raises StackNotFound for a stack that is not deployed, or the error that prevented reading its state.
    """
    settings, outputs = stack.settings, deployed_stack.outputs_of(stack)
    read = _read(stack, clients, outputs)
    access = _access(read, storage.latest(reviews, plain_name(stack.stack), now=read.at), reviews)
    cost_ = _cost(settings, read, assumptions, sources)
    return facts.ReportFacts(
        stack=plain_name(stack.stack),
        environment=settings.environment,
        account=settings.account_id,
        account_alias=stack.identity.account_alias,
        region=settings.region,
        created_at=read.at,
        created_by=stack.identity.arn,
        checklist=tuple(_checklist(read, access, settings, outputs, stack.stack, scan)),
        architecture=architecture_facts(
            settings, outputs, keys=read.keys, stored_data_key=read.stored_data_key, trail=read.readings.trail
        ),
        access=access,
        rotation=_rotation(read),
        retention=retention(read.readings.retention, settings, outputs, at=read.at),
        cost=cost_,
        doctor=_doctor(read.diagnosis, stack.stack),
        unread=tuple(dict.fromkeys(_unread(read, access, settings, cost_))),
    )


def _read(stack: DeployedStack, clients: Clients, outputs: Outputs) -> _Read:
    aws, settings, now = stack.aws, stack.settings, clients.now().replace(microsecond=0)
    with ThreadPoolExecutor(max_workers=7) as pool:
        readings = pool.submit(checklist.read_account, aws, outputs)
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
            stack=plain_name(stack.stack),
            now=now,
            window_days=WINDOW_DAYS,
        )
        diagnosis = pool.submit(attempted, diagnose, stack, clients, doctor_checks.ALL_CHECKS)
        usage = pool.submit(
            attempted,
            aws.usage_metrics.read,
            key_arn=outputs.key_arn,
            bucket=outputs.trail_bucket,
            since=now - timedelta(days=WINDOW_DAYS),
            until=now,
        )
        backup = pool.submit(attempted, find_last_backup, aws, settings)
        drill = pool.submit(attempted, find_last_drill, aws, settings)
        account = pool.submit(read_account, aws, settings, key_arn=outputs.key_arn, trail_arn=outputs.trail_arn)
        return _Read(
            readings=readings.result(),
            stored_data_key=stored_data_key.result(),
            keys={arn: job.result() for arn, job in keys.items()},
            rotations=rotations.result(),
            versions=versions.result(),
            live=live.result(),
            diagnosis=diagnosis.result(),
            usage=usage.result(),
            account=account.result(),
            backup=backup.result(),
            drill=drill.result(),
            at=now,
        )


# --- the checklist


_CALLS: Mapping[Topic, tuple[str, ...]] = {
    Topic.KEY: ("kms:DescribeKey",),
    Topic.KEY_POLICY: ("kms:GetKeyPolicy", "kms:ListGrants", "iam:GetAccountAuthorizationDetails"),
    Topic.APPLICATION_POLICY: ("iam:GetPolicy", "iam:GetPolicyVersion"),
    Topic.ROTATION: ("kms:GetKeyRotationStatus",),
    Topic.TRAIL: (
        "cloudtrail:DescribeTrails",
        "cloudtrail:GetTrailStatus",
        "cloudtrail:GetEventSelectors",
        "s3:GetBucketLifecycleConfiguration",
        "s3:GetObjectLockConfiguration",
        "s3:GetBucketVersioning",
        "s3:GetBucketEncryption",
        "s3:GetPublicAccessBlock",
        "s3:GetBucketPolicy",
        "s3:GetBucketLogging",
    ),
    Topic.DATA_KEY: ("ssm:GetParameters", "ssm:ListTagsForResource"),
    Topic.APPLICATION: ("cloudtrail:LookupEvents",),
    Topic.BACKUP: ("ssm:GetParameters",),
    Topic.REVIEW: (
        "kms:GetKeyPolicy",
        "kms:ListGrants",
        "iam:GetAccountAuthorizationDetails",
        "iam:ListAccessKeys",
        "cloudtrail:LookupEvents",
    ),
}
"""The calls that return the evidence of each item."""

_SECRET_CALLS = ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue")
"""The calls for a data key in Secrets Manager."""


def _checklist(
    read: _Read,
    access: facts.AccessFacts,
    settings: Settings,
    outputs: Outputs,
    stack: str,
    scan: Mapping[str, Any] | None,
) -> Iterator[facts.ChecklistItem]:
    entries = {
        entry.topic: entry
        for entry in checklist.evaluate(
            read.readings, settings=settings, outputs=outputs, stored_data_key=read.stored_data_key, proofs=()
        )
    }
    entries[Topic.KEY_POLICY] = _restricted(entries[Topic.KEY_POLICY], access.review)
    entries[Topic.APPLICATION] = _tested(access.review, outputs)
    if scan is not None:
        entries[Topic.APPLICATION] = _scanned(entries[Topic.APPLICATION], scan, read)
    entries[Topic.REVIEW] = _reviewed(entries[Topic.REVIEW], access)
    entries[Topic.BACKUP] = _backed_up(read, settings)
    by_state = {
        ItemState.OPEN: wizard("doctor", "--stack", stack),
        ItemState.UNKNOWN: wizard("policy", "auditor", "--stack", stack),
    }
    of_stack = Run(flags={"--stack": ("--stack", stack)})
    in_secrets = settings.secret_store is SecretStore.SECRETS_MANAGER
    for number, (topic, entry) in enumerate(entries.items(), start=1):
        next_ = of_stack.complete(entry.next) or by_state.get(entry.state, "")
        yield facts.ChecklistItem(
            number=number,
            title=entry.title,
            state=entry.state,
            evidence=entry.evidence,
            requirements=tuple(requirement.text for requirement in requirements_of(topic) if not requirement.optional),
            calls=_SECRET_CALLS if topic is Topic.DATA_KEY and in_secrets else _CALLS[topic],
            read_at=read.at,
            sections=tuple(facts.Section(section=section, name=SECTIONS[section]) for section in sections_of(topic)),
            prowler_checks=prowler_checks_of(topic),
            proposed_rule=PROPOSED.get(topic, ""),
            next="" if entry.state is ItemState.DONE else next_,
        )


def _restricted(entry: ChecklistEntry, review: AccessReview | None) -> ChecklistEntry:
    """The entry, open where the access table shows a right beyond the settings: the key policy alone does not decide.

    A signed review accepts such a right, but the policy then restricts no more than before: it stays open, and named.
    """
    if review is None or entry.state is ItemState.UNKNOWN:
        unread = "; who else can use or administer the key could not be read" if entry.state is ItemState.DONE else ""
        state = ItemState.UNKNOWN if unread else entry.state
        return replace(entry, state=state, evidence=entry.evidence + unread)
    beyond = [
        f"{principal.arn} ({', '.join(principal.beyond if principal.is_expected else sorted(principal.rights))})"
        for principal in review.principals
        if principal.beyond or (not principal.is_expected and principal.rights)
    ]
    if beyond:
        text = f"these can do more with the key than the settings give them: {'; '.join(beyond)}"
        evidence = f"{entry.evidence}; {text}" if entry.state is ItemState.OPEN else text
        return replace(entry, state=ItemState.OPEN, evidence=evidence, next=entry.next or wizard("review"))
    if entry.state is ItemState.DONE and review.undecided:
        text = f"what these can do with the key is unknown: {', '.join(each.arn for each in review.undecided)}"
        return replace(entry, state=ItemState.UNKNOWN, evidence=text)
    return entry


def _tested(review: AccessReview | None, outputs: Outputs) -> ChecklistEntry:
    """The application's own use of the key, from CloudTrail; this product's verifications do not count."""
    entry = ChecklistEntry(topic=Topic.APPLICATION, state=ItemState.UNKNOWN, evidence="")
    own = [each for each in review.principals if each.arn in outputs.app_principal_arns] if review else []
    if review is None or not own or any(each.events is None or each.verifications is None for each in own):
        return replace(entry, evidence="whether the application used the key could not be read")
    used = [each for each in own if (each.events or 0) > (each.verifications or 0)]
    verifications = sum(each.verifications or 0 for each in own)
    besides = f"; verified by eonpro-kms {_times(verifications)}, which does not count" if verifications else ""
    if not used:
        text = f"CloudTrail has no use of the key by the application itself in {review.window_days} days{besides}"
        return replace(entry, state=ItemState.OPEN, evidence=text)
    text = "; ".join(
        f"{each.arn} used the key {_times((each.events or 0) - (each.verifications or 0))} "
        f"in {review.window_days} days"
        + (f", the last time at {each.last_use:%Y-%m-%d %H:%M} UTC" if each.last_use and not verifications else "")
        + (f", and was refused {_times(each.refused)}" if each.refused else "")
        for each in used
    )
    return replace(entry, state=ItemState.DONE, evidence=text + besides)


def read_scan(file: Path) -> Mapping[str, Any]:
    """The document of `python -m phi scan --json`. Raises UsageError for another file."""
    try:
        scan = json.loads(file.read_text("utf-8"))
        datetime.fromisoformat(scan["at"])
        is_scan = scan["command"] == "scan" and all(table["columns"] for table in scan["tables"]) and scan["keys"]
    except (OSError, ValueError, KeyError, TypeError):
        is_scan = False
    if not is_scan:
        raise UsageError(
            f"--phi-scan {file} is not what `python -m phi scan --json` printed",
            shell("python", "-m", "phi", "scan", "--help", advice="reads the database, then names this file"),
        )
    assert isinstance(scan, dict)
    return scan


def _scanned(entry: ChecklistEntry, scan: Mapping[str, Any], read: _Read) -> ChecklistEntry:
    """The entry with the scan of the database: a key beside columns that are not encrypted protects nothing."""
    at, stored = datetime.fromisoformat(scan["at"]), read.stored_data_key
    by_state: dict[str, list[str]] = {}
    for table in scan["tables"]:
        for column in table["columns"]:
            by_state.setdefault(column["state"], []).append(f"{table['table']}.{column['column']}")
    rows = sum(table["rowsRead"] for table in scan["tables"])
    text = f"phi scan of {at:%Y-%m-%d} ({rows:,} rows): {len(by_state.get('records', ())):,} columns of records"
    in_use = stored.wrapped.fingerprint if isinstance(stored, StoredDataKey) else None
    problems = [
        *([f"in the clear: {', '.join(by_state['clear'])}"] if "clear" in by_state else []),
        *([f"under an unknown key: {', '.join(by_state['unreadable'])}"] if "unreadable" in by_state else []),
        *(["not every table was read"] if not scan["complete"] else []),
        *(["no column of records was found"] if "records" not in by_state else []),
        *([f"it is about the data key {scan['keys'][0]}, not {in_use}"] if in_use != scan["keys"][0] else []),
        *([f"it is older than {REVIEW_VALID_DAYS} days"] if read.at - at > timedelta(days=REVIEW_VALID_DAYS) else []),
        *(["records are under a former key"] if not scan["succeeded"] and not by_state.keys() & _UNDONE else []),
    ]
    if not problems:
        return replace(entry, evidence=f"{entry.evidence}; {text}, none in the clear")
    return replace(
        entry,
        state=ItemState.OPEN,
        evidence=f"{entry.evidence}; {text}, but {'; '.join(problems)}",
        next=shell("python", "-m", "phi", "encrypt" if "clear" in by_state else "scan", "--help"),
    )


def _backed_up(read: _Read, settings: Settings) -> ChecklistEntry:
    """Whether a backup of the data key in use exists, is recent, and was opened in a drill."""
    entry = ChecklistEntry(topic=Topic.BACKUP, state=ItemState.OPEN, evidence="")
    unread = [each for each in (read.backup, read.drill, read.stored_data_key) if isinstance(each, SetupError)]
    if unread:
        return replace(entry, state=ItemState.UNKNOWN, evidence=f"could not be read: {unread[0].message}")
    last, drill, stored = read.backup, read.drill, read.stored_data_key
    in_use = stored.wrapped.fingerprint if isinstance(stored, StoredDataKey) else ""
    again = wizard("backup", "--to", file_name_of(settings.environment, in_use)) if in_use else ""
    if not isinstance(last, LastBackup):
        return replace(entry, evidence="the account records no backup of the data key", next=again)
    text = f"{last.fingerprint} was backed up {last.age(read.at)} to {last.place_text}"
    if last.fingerprint != in_use:
        return replace(entry, evidence=f"{text}, but the data key in use is {in_use or 'missing'}", next=again)
    longest = timedelta(days=settings.backup_max_age_days)
    if read.at - last.at > longest:
        return replace(entry, evidence=f"{text}, more than {longest.days} days", next=again)
    rehearse = wizard("backup", "drill")
    if not isinstance(drill, RestoreDrill) or (drill.fingerprint, drill.place) != (last.fingerprint, last.place):
        return replace(entry, evidence=f"{text}, but no drill has opened it", next=rehearse)
    tried = f"a drill on {drill.at:%Y-%m-%d}"
    if not drill.opened:
        return replace(entry, evidence=f"{text}, but {tried} could not open it", next=rehearse)
    if read.at - drill.at > longest:
        return replace(entry, evidence=f"{text}; {tried} opened it, more than {longest.days} days ago", next=rehearse)
    text += f"; {tried} opened it as {drill.principal} in {drill.seconds:.1f} s"
    return replace(entry, state=ItemState.DONE, evidence=text)


def _times(number: int | None) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _reviewed(entry: ChecklistEntry, access: facts.AccessFacts) -> ChecklistEntry:
    if access.sign_off is None or access.signed_days_ago is None:
        return replace(entry, evidence="no review is signed yet", next=wizard("review", "--sign", "NAME"))
    days = access.signed_days_ago
    when = {0: "today", 1: "yesterday"}.get(days, f"{days} days ago")
    text = f"signed by {access.sign_off.signer} {when}"
    if days > access.valid_days:
        text = f"{text}: a review is valid for {access.valid_days} days"
        return replace(entry, state=ItemState.OPEN, evidence=text, next=wizard("review", "--sign", "NAME"))
    return replace(entry, state=ItemState.DONE, evidence=text)


# --- the other parts


def _access(read: _Read, saved: Latest, reviews: Path) -> facts.AccessFacts:
    live = None if isinstance(read.live, SetupError) else read.live
    sign_off = saved.sign_off or saved.last_sign_off
    why = f"the account could not be read: {read.live.message}" if isinstance(read.live, SetupError) else ""
    return facts.AccessFacts(
        review=live or saved.review,
        is_live=live is not None,
        saved_file=_below(saved.file, reviews) if saved.file else None,
        saved_at=saved.review.at if saved.review else None,
        saved_digest=saved.digest or None,
        age_days=saved.age_days,
        sign_off=replace(sign_off, file=_below(sign_off.file, reviews)) if sign_off else None,
        signed_days_ago=max((read.at - sign_off.at).days, 0) if sign_off else None,
        valid_days=REVIEW_VALID_DAYS,
        problems=tuple(fault.replace(f"{reviews.parent}/", "") for fault in saved.faults),
        why=why,
    )


def _below(file: str, reviews: Path) -> str:
    """`reviews/production/….json`: the report must not contain paths of this machine."""
    return file.removeprefix(f"{reviews.parent}/")


def _rotation(read: _Read) -> facts.RotationTimeline:
    reasons = [reading.message for reading in (read.rotations, read.versions) if isinstance(reading, SetupError)]
    rotations = None if isinstance(read.rotations, SetupError) else read.rotations
    return facts.RotationTimeline(
        rotations=rotations,
        on_demand_left=rotations.on_demand_left if rotations else None,
        versions=None if isinstance(read.versions, SetupError) else read.versions,
        why="; ".join(reasons),
    )


def _cost(settings: Settings, read: _Read, assumptions: Assumptions, sources: Mapping[str, str]) -> facts.CostFacts:
    by_use = None
    if isinstance(read.usage, Usage):
        by_use = cost_by_use(settings, assumptions, read.usage, read.account)
    return cost(settings, assumptions, read.account, by_use, sources=sources)


def _doctor(diagnosis: Diagnosis | SetupError, stack: str) -> facts.DoctorFacts:
    if isinstance(diagnosis, SetupError):
        return facts.DoctorFacts(findings=None, why=diagnosis.message)
    # A check with a preview of the engine is too slow for a report.
    later = NotChecked(what=COMPARISON, why=f"not part of a report: {wizard('doctor', '--stack', stack)}")
    return facts.DoctorFacts(
        findings=(*diagnosis.findings, *diagnosis.advisories),
        not_checked=(*diagnosis.not_checked, later),
        passed=diagnosis.passed,
    )


def _unread(read: _Read, access: facts.AccessFacts, settings: Settings, cost_: facts.CostFacts) -> Iterator[Unread]:
    """Everything that was not read, wherever the report tells it: the one count of the summary."""
    readings = read.readings
    parts = {
        f"the key under {settings.names.alias}": read.readings.key,
        "the key's policy": read.readings.key_policy,
        "the application's IAM policy": read.readings.app_policy,
        "the audit trail": read.readings.trail,
        f"the bucket {settings.names.trail_bucket}": read.readings.retention,
        f"the stored data key {settings.names.stored_data_key}": read.stored_data_key,
        "the key's rotations": read.rotations,
        "the versions of the data key": read.versions,
        "the last backup of the data key": read.backup,
        "the last restore drill": read.drill,
        "the grants on the key": readings.grants,
        "the account's IAM": readings.iam,
        "the access to the key": read.live,
        "the checks of doctor": read.diagnosis,
        "the usage": read.usage,
        **{f"the key {arn}": key for arn, key in read.keys.items()},
    }
    for what, reading in parts.items():
        if isinstance(reading, SetupError):
            yield Unread(what=what, why=reading.message)
    if isinstance(readings.trail, TrailFact):
        bucket = readings.retention if isinstance(readings.retention, Retention) else None
        lacking = (*audit.unread(readings.trail, bucket),) if bucket else (*audit.trail_unread(readings.trail),)
        for what in lacking:
            yield Unread(what=f"of the audit trail {readings.trail.name}: {what}", why="AWS does not return it")
    if access.review is not None:
        yield from access.review.unread
    if isinstance(read.diagnosis, Diagnosis):
        yield from (Unread(what=entry.what, why=entry.why) for entry in read.diagnosis.not_checked)
    if isinstance(read.rotations, KeyRotations) and read.rotations.on_demand_left is None:
        yield Unread(what="the remaining rotations on demand", why="Service Quotas does not return the limit")
    if cost_.counted is not None:
        yield from cost_.counted.unknown


RULE = "45 CFR 164.316(b)(2)(i): six years for documentation, by common practice for audit logs too"


def retention(
    reading: Retention | SetupError | None, settings: Settings, outputs: Outputs, *, at: datetime
) -> facts.RetentionTimeline:
    """The timeline of the bucket; without a reading only the required retention."""
    known = reading if isinstance(reading, Retention) else None
    why = ""
    if isinstance(reading, SetupError):
        why = f"the bucket could not be read: {reading.message}"
    elif reading is None:
        why = f"there is no bucket {outputs.trail_bucket}"
    return facts.RetentionTimeline(
        bucket=outputs.trail_bucket,
        retention_days=known.expires_after_days if known else None,
        required_days=SHORTEST_RETENTION_DAYS,
        lock=known.lock if known else None,
        phases=tuple(_phases(known, settings, at)) if known else (),
        why=why,
    )


def _phases(bucket: Retention, settings: Settings, at: datetime) -> Iterator[facts.Phase]:
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


def _phase(name: str, first: int, last: int | None, at: datetime, why: str) -> facts.Phase:
    return facts.Phase(
        name=name,
        from_day=first,
        until_day=last,
        from_date=at + timedelta(days=first),
        until_date=None if last is None else at + timedelta(days=last),
        why=why,
    )
