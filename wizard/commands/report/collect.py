"""The facts of a report, read from the account, the stack and the folder of the reviews.

Reads through the ports and changes nothing. What could not be read is unknown, with the reason.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from components.policies.evaluation import AccountIam
from components.policies.evaluation.principals import ACCOUNT_ACCESS
from components.settings import Outputs, SecretStore, Settings
from components.settings.arn import Arn
from wizard.account import judgements as doctor_checks
from wizard.account.access.review import review as read_review
from wizard.account.access.stored_reviews import VALID_DAYS, StoredReviews
from wizard.account.diagnosis import Diagnosis, diagnose
from wizard.account.facts import StackFacts
from wizard.account.judgements.stack import COMPARISON
from wizard.account.notices import Notice
from wizard.commands import deployed_stack
from wizard.commands.cost.command import reasons
from wizard.commands.report import facts
from wizard.commands.report import readings as checklist
from wizard.commands.report.claims import Read, agreements_of, checklist_of, safeguards_of
from wizard.commands.report.drawing import architecture_facts
from wizard.core import files, safe_text
from wizard.core.clients import Clients
from wizard.core.cost.account import CostByUse, cost_by_use, read_account
from wizard.core.cost.drivers import Assumptions, CostItem, estimate
from wizard.core.data_key import MalformedDataKey, WrappedDataKey
from wizard.core.errors import ResourceError, SetupError, attempted
from wizard.core.models import audit
from wizard.core.models.access import AccessReview, FormerText, PrincipalAccess, SignIn, Unread
from wizard.core.models.account import Retention, TrailFact
from wizard.core.models.audit import LogValidation, Usage
from wizard.core.models.rotation import KeyRotations, LastBackup, RestoreDrill
from wizard.core.next_command import plain_name, wizard
from wizard.core.ports.run import AwsClient
from wizard.core.retry import Threads
from wizard.data_key.delivery import find_last_backup, find_last_drill, find_stored_data_key

WINDOW_DAYS = 90
"""How far back the use of the key is read: a quarter, as far as CloudTrail's event history goes."""


LOG_FILES = 500
"""Log files that are compared with their signed digests, the newest; a busy account writes some 25,000 a quarter."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a report takes besides the account."""

    reviews: Path
    """The folder of the reviews."""
    reports: Path
    """The folder of earlier reports."""
    assumptions: Assumptions
    agreements: Mapping[str, facts.Agreement] = field(default_factory=dict)
    """By partner, as a person confirmed them."""
    prepared_by: str | None = None
    reviewed_by: str | None = None
    scan: Mapping[str, Any] | None = None
    """The document of `read_scan`; without it the report says nothing of the columns of the database."""
    log_files: int | None = LOG_FILES
    """How many are compared; None: all."""


def gather(stack: StackFacts, clients: Clients, inputs: Inputs) -> facts.ReportFacts:
    """All facts of the report.

    Raises StackNotFound for a stack that is not deployed, or the error that prevented reading its state.
    """
    settings, outputs = stack.settings, deployed_stack.outputs_of(stack)
    stack = stack.otherwise(sources=replace(clients, reviews=inputs.reviews))
    read = _read(stack, clients, outputs, inputs.log_files)
    saved = stack.reviews
    access = _access(read, saved, inputs.reviews)
    cost = cost_facts(settings, read, inputs.assumptions)
    items = tuple(checklist_of(read, access, settings, outputs, stack.stack, inputs.scan))
    agreements = agreements_of(settings, inputs.agreements)
    return facts.ReportFacts(
        stack=plain_name(stack.stack),
        environment=settings.environment,
        account=settings.account_id,
        account_alias=read.account_alias,
        region=settings.region,
        created_at=read.at,
        created_by=stack.identity.arn,
        since=read.since,
        prepared_by=inputs.prepared_by,
        reviewed_by=inputs.reviewed_by,
        checklist=items,
        architecture=architecture_facts(
            settings, outputs, keys=read.keys, stored_data_key=read.stored_data_key, trail=read.readings.trail
        ),
        access=access,
        rotation=_rotation(read),
        retention=facts.retention(read.readings.retention, settings, outputs, at=read.at),
        logs=() if isinstance(read.logs, SetupError) else read.logs,
        sign_ins=() if isinstance(read.sign_ins, SetupError) else read.sign_ins,
        cost=cost,
        doctor=_doctor(read.diagnosis, stack.stack),
        agreements=agreements,
        safeguards=tuple(safeguards_of(items, agreements)),
        history=tuple(
            sorted(_history(read, saved, inputs.reports / plain_name(stack.stack)), key=lambda event: event.at)
        ),
        policies=tuple(_policies(read, settings)),
        unread=tuple(dict.fromkeys(_unread(read, access, settings, cost))),
    )


def _read(stack: StackFacts, clients: Clients, outputs: Outputs, log_files: int | None) -> Read:
    aws, settings, now = stack.aws, stack.settings, stack.at
    names, since = settings.names, now - timedelta(days=WINDOW_DAYS)
    with Threads(max_workers=24) as pool:
        bucket = pool.submit(attempted, aws.audit.bucket_documents, outputs.trail_bucket)
        logs = pool.submit(attempted, _validated, aws, outputs, since, now, log_files)
        records = {
            name: pool.submit(attempted, aws.access_diagnostics.history, name, store)
            for name, store in (
                (names.last_backup, SecretStore.PARAMETER_STORE),
                (names.last_drill, SecretStore.PARAMETER_STORE),
                (names.stored_data_key, settings.secret_store),
            )
        }
        readings = pool.submit(checklist.read_account, aws, outputs)
        stored_data_key = pool.submit(attempted, find_stored_data_key, aws, settings)
        keys = {
            arn: pool.submit(attempted, aws.with_region(Arn.parse(arn).region).kms.describe_key, arn)
            for arn in outputs.key_arns
        }
        rotations = pool.submit(attempted, aws.key_rotation.rotations, outputs.key_arn)
        versions = pool.submit(attempted, aws.key_rotation.versions, settings)
        live = pool.submit(attempted, read_review, stack, window_days=WINDOW_DAYS)
        diagnosis = pool.submit(attempted, diagnose, stack, doctor_checks.ALL_CHECKS)
        usage = pool.submit(
            attempted,
            aws.usage_metrics.read,
            key_arn=outputs.key_arn,
            bucket=outputs.trail_bucket,
            since=since,
            until=now,
        )
        sign_ins = pool.submit(attempted, _sign_ins, aws, live, now)
        backup = pool.submit(attempted, find_last_backup, aws, settings)
        drill = pool.submit(attempted, find_last_drill, aws, settings)
        identity = pool.submit(aws.identify)
        account = pool.submit(read_account, aws, settings, key_arn=outputs.key_arn, trail_arn=outputs.trail_arn)
        return Read(
            readings=readings.result(),
            stored_data_key=stored_data_key.result(),
            keys={arn: job.result() for arn, job in keys.items()},
            rotations=rotations.result(),
            versions=versions.result(),
            live=live.result(),
            sign_ins=sign_ins.result(),
            diagnosis=diagnosis.result(),
            usage=usage.result(),
            account=account.result(),
            backup=backup.result(),
            drill=drill.result(),
            bucket=bucket.result(),
            logs=logs.result(),
            records={name: job.result() for name, job in records.items()},
            account_alias=identity.result().account_alias,
            since=since,
            at=now,
        )


def _sign_ins(aws: AwsClient, live: Future[AccessReview | SetupError], now: datetime) -> tuple[SignIn, ...]:
    """Of everybody who can, or may be able to, use or administer the key; not of programs."""
    review = live.result()
    if isinstance(review, SetupError):
        raise review
    account = Arn.parse(review.key_arn).account

    def sign_in(principal: PrincipalAccess) -> SignIn | None:
        arn = principal.arn
        if SignIn(arn=arn).is_in_iam(account):
            answer = attempted(aws.access.sign_in, arn, now=now)
            return SignIn(arn=arn, why=answer.message) if isinstance(answer, SetupError) else answer
        why = _other_sign_in(principal, account)
        return SignIn(arn=arn, why=why) if why else None

    reaching = [principal for principal in review.principals if principal.rights or not principal.is_known]
    with Threads(max_workers=8, thread_name_prefix="sign-in") as pool:
        return tuple(filter(None, pool.map(sign_in, reaching)))


def _other_sign_in(principal: PrincipalAccess, account: str) -> str:
    """Where its MFA is decided, if not in IAM; empty for a role of users that are listed, or of a program."""
    if principal.arn == ACCOUNT_ACCESS:
        return "IAM Identity Center decides the MFA of the people who are assigned in AWS account access"
    if "/aws-reserved/sso.amazonaws.com/" in principal.arn:
        return "IAM Identity Center decides its MFA"
    if any(":saml-provider/" in text for text in principal.assumed_by):
        return "its identity provider decides its MFA"
    if f"::{account}:role/" in principal.arn or principal.arn.endswith(".amazonaws.com"):
        return ""
    return "it is not a user or a role of this account"


def _validated(
    aws: AwsClient, outputs: Outputs, since: datetime, until: datetime, most: int | None
) -> tuple[LogValidation, ...]:
    """The validation of the audit logs of each Region that has the key."""
    trail = aws.cloudtrail.find_trail(outputs.trail_arn)
    if trail is None:
        raise ResourceError(f"there is no trail {outputs.trail_arn}", wizard("doctor"))
    regions = outputs.regions
    return tuple(aws.audit.validate_logs(trail, region, since=since, until=until, most=most) for region in regions)


# --- the other parts


def _access(read: Read, saved: StoredReviews, reviews: Path) -> facts.AccessFacts:
    live = None if isinstance(read.live, SetupError) else read.live
    newest = saved.newest
    former = newest.review if newest else None
    sign_off = saved.signed.sign_off if saved.signed else None
    why = f"the account could not be read: {read.live.message}" if isinstance(read.live, SetupError) else ""
    return facts.AccessFacts(
        review=live or former,
        is_live=live is not None,
        saved_file=_below(str(newest.file), reviews) if newest else None,
        saved_at=former.at if former else None,
        saved_digest=newest.digest if newest else None,
        age_days=max((read.at - former.at).days, 0) if former else None,
        sign_off=replace(sign_off, file=_below(sign_off.file, reviews)) if sign_off else None,
        signed_days_ago=saved.age_days(read.at),
        valid_days=VALID_DAYS,
        problems=tuple(fault.replace(f"{reviews.parent}/", "") for fault in saved.faults),
        why=why,
    )


def _below(file: str, reviews: Path) -> str:
    """`reviews/production/….json`: the report must not contain paths of this machine."""
    return file.removeprefix(f"{reviews.parent}/")


def _rotation(read: Read) -> facts.RotationTimeline:
    reasons = [reading.message for reading in (read.rotations, read.versions) if isinstance(reading, SetupError)]
    rotations = None if isinstance(read.rotations, SetupError) else read.rotations
    return facts.RotationTimeline(
        rotations=rotations,
        on_demand_left=rotations.on_demand_left if rotations else None,
        versions=None if isinstance(read.versions, SetupError) else read.versions,
        why="; ".join(reasons),
    )


def cost_facts(settings: Settings, read: Read, assumptions: Assumptions) -> facts.CostFacts:
    """A month's cost: the estimate, and what was used where it could be counted. What-ifs belong to `cost`."""
    used = read.usage
    by_use = cost_by_use(settings, assumptions, used, read.account) if isinstance(used, Usage) else None
    bill = estimate(settings, read.account.applied(assumptions))
    planned = {item.driver for item in bill.items}
    unplanned = [item for item in by_use.estimate.items if item.driver not in planned] if by_use else []
    return facts.CostFacts(
        monthly=_dollars(bill.monthly),
        basis="estimated from the settings and the account",
        drivers=(
            *(_driver(item, by_use.of(item.driver) if by_use else None) for item in bill.items),
            *(replace(_driver(item, item.monthly), monthly=None) for item in unplanned),
        ),
        counted=_counted(by_use) if by_use else None,
    )


def _driver(item: CostItem, by_use: Decimal | None) -> facts.Driver:
    return facts.Driver(
        what=item.name[0].upper() + item.name[1:],
        quantity=float(round(item.quantity, 3)),
        unit=item.price.unit if item.price.unit == "GB" else f"{item.price.unit}s",
        price=item.price.text,
        monthly=_dollars(item.monthly),
        by_use=None if by_use is None else _dollars(by_use),
    )


def _counted(used: CostByUse) -> facts.CountedUse:
    return facts.CountedUse(
        since=used.usage.since,
        until=used.usage.until,
        monthly=_dollars(used.estimate.monthly),
        key_requests=used.usage.key_requests,
        kms_requests=used.usage.kms_requests,
        trail_bytes=used.usage.trail_bytes,
        notes=used.notes,
        unknown=tuple(Unread(what=what, why=why) for what, why in reasons(used)),
    )


def _dollars(amount: Decimal) -> float:
    # Cents, as on a bill: more digits would only seem exact.
    return float(round(amount, 2))


def _doctor(diagnosis: Diagnosis | SetupError, stack: str) -> facts.DoctorFacts:
    if isinstance(diagnosis, SetupError):
        return facts.DoctorFacts(findings=None, why=diagnosis.message)
    # A check with a preview of the engine is too slow for a report.
    later = Unread(what=COMPARISON, why=f"not part of a report: {wizard('doctor', '--stack', stack)}")
    # Who else can use the key is an item of the checklist, with everybody in the table of the access.
    decisions = (notice for notice in diagnosis.advisories if notice.topic != "others")
    return facts.DoctorFacts(
        findings=tuple(map(_finding, (*diagnosis.findings, *decisions))),
        not_checked=(*(Unread(what=each.what, why=each.why) for each in diagnosis.not_checked), later),
        passed=diagnosis.passed,
    )


def _finding(notice: Notice) -> facts.Finding:
    return facts.Finding(
        cause=notice.code, what=notice.what, why=notice.why, command=notice.command, advice=notice.advice
    )


def _policies(read: Read, settings: Settings) -> Iterator[facts.PolicyDocument]:
    """The policies that decide who reaches the key, the role and the logs, as they were read."""
    names, readings = settings.names, read.readings
    role = settings.arn("iam", f"role/{names.app_role}")
    principal = readings.iam.find(role) if isinstance(readings.iam, AccountIam) else None
    documents: tuple[tuple[str, object], ...] = (
        ("key policy", readings.keys[0].policy),
        *((f"key policy of the replica in {reading.region}", reading.policy) for reading in readings.keys[1:]),
        (f"IAM policy {names.app_policy}", readings.app_policy),
        (f"trust policy of {names.app_role}", principal.trust if principal else None),
        (f"bucket policy of {names.trail_bucket}", getattr(read.bucket, "policy", None)),
    )
    for name, document in documents:
        if isinstance(document, Mapping):
            text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=True)
            yield facts.PolicyDocument(name=name, text=text, sha256=hashlib.sha256(text.encode()).hexdigest())


def _history(read: Read, saved: StoredReviews, reports: Path) -> Iterator[facts.Event]:
    """Reviews, reports, rotations, replacements of the stored data key, backups and drills that are on record."""
    for stored in saved.files:
        if stored.review is not None:
            signed = f", signed by {stored.sign_off.signer}" if stored.sign_off else ""
            yield facts.Event(at=stored.review.at, what="access review", detail=f"{stored.digest}{signed}")
    for file in sorted(reports.glob("*/report.json")):
        if event := _report_event(file):
            yield event
    if isinstance(read.rotations, KeyRotations):
        for rotation in read.rotations.rotations:
            kind = "on demand" if rotation.on_demand else "automatic"
            yield facts.Event(at=rotation.at, what="rotation of the KMS key", detail=kind)
    for parameter, values in read.records.items():
        if not isinstance(values, SetupError):
            yield from _record_events(parameter, values)


def _report_event(file: Path) -> facts.Event | None:
    """An earlier report; None for a file that is none, or that an earlier release wrote without a digest."""
    try:
        report = safe_text.parse_json(files.read_text(file))
        at = datetime.fromisoformat(report["createdAt"])
        return facts.Event(at=at, what="report", detail=str(report["digest"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _record_events(parameter: str, values: Iterable[FormerText]) -> Iterator[facts.Event]:
    for number, value in enumerate(values):
        if drill := RestoreDrill.read(value.text):
            verdict = "opened" if drill.opened else "not opened"
            yield facts.Event(at=drill.at, what="restore drill", detail=f"{drill.fingerprint} {verdict}")
        elif backup := LastBackup.read(value.text):
            yield facts.Event(at=backup.at, what="backup", detail=f"{backup.fingerprint} to {backup.place_text}")
        elif value.at is not None:
            with suppress(MalformedDataKey):
                what = "data key stored" if number == 0 else "stored data key replaced or restored"
                yield facts.Event(at=value.at, what=what, detail=WrappedDataKey(value=value.text).fingerprint)


def _unread(read: Read, access: facts.AccessFacts, settings: Settings, cost: facts.CostFacts) -> Iterator[Unread]:
    """Everything that was not read, wherever the report tells it: the one count of the summary."""
    readings = read.readings
    parts = {
        f"the key under {settings.names.alias}": read.readings.key,
        "the application's IAM policy": read.readings.app_policy,
        "the audit trail": read.readings.trail,
        f"the bucket {settings.names.trail_bucket}": read.readings.retention,
        f"the stored data key {settings.names.stored_data_key}": read.stored_data_key,
        "the key's rotations": read.rotations,
        "the versions of the data key": read.versions,
        "the last backup of the data key": read.backup,
        "the last restore drill": read.drill,
        "the policy of the audit trail's bucket": read.bucket,
        "the digests of the audit logs": read.logs,
        **{f"the history of {parameter}": values for parameter, values in read.records.items()},
        "the account's IAM": readings.iam,
        "the access to the key": read.live,
        "the checks of doctor": read.diagnosis,
        "the usage": read.usage,
        **{f"the key {arn}": key for arn, key in read.keys.items()},
        "the key's policy": readings.keys[0].policy,
        "the grants on the key": readings.keys[0].grants,
    }
    for replica in readings.keys[1:]:
        parts[f"the policy of the replica in {replica.region}"] = replica.policy
        parts[f"the grants on the replica in {replica.region}"] = replica.grants
    for what, reading in parts.items():
        if isinstance(reading, SetupError):
            yield Unread(what=what, why=reading.message)
    if isinstance(readings.trail, TrailFact):
        bucket = readings.retention if isinstance(readings.retention, Retention) else None
        lacking = (*audit.unread(readings.trail, bucket),) if bucket else (*audit.trail_unread(readings.trail),)
        for what in lacking:
            yield Unread(what=f"of the audit trail {readings.trail.name}: {what}", why="AWS does not return it")
    for logs in () if isinstance(read.logs, SetupError) else read.logs:
        yield from (Unread(what=f"the audit logs of {logs.region}", why=why) for why in logs.unread)
    for each in () if isinstance(read.sign_ins, SetupError) else read.sign_ins:
        if each.mfa is None:
            yield Unread(what=f"the MFA of {each.arn}", why=each.why)
    if access.review is not None:
        yield from access.review.unread
    if isinstance(read.diagnosis, Diagnosis):
        yield from (Unread(what=entry.what, why=entry.why) for entry in read.diagnosis.not_checked)
    if isinstance(read.rotations, KeyRotations) and read.rotations.on_demand_left is None:
        yield Unread(what="the remaining rotations on demand", why="Service Quotas does not return the limit")
    if cost.counted is not None:
        yield from cost.counted.unknown
