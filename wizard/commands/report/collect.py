"""The facts of a report, read from the account, the stack and the folder of the reviews.

Reads through the clients and changes nothing. What could not be read is unknown, with the reason.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from components.settings import DELETION_WINDOW_DAYS, Outputs, SecretStore, Settings, Target
from components.settings.arn import Arn
from wizard.account import judgements
from wizard.account.access.stored_reviews import VALID_DAYS
from wizard.account.facts import StackFacts
from wizard.account.judgements import period
from wizard.account.judgements.stack import COMPARISON
from wizard.account.notices import Notice, State
from wizard.account.views import Diagnosis, diagnose, state_of
from wizard.commands import deployed_stack
from wizard.commands.report import facts
from wizard.commands.report.claims import agreements_of, checklist_of, safeguards_of
from wizard.core import files, safe_text
from wizard.core.clients import Clients
from wizard.core.cost.drivers import Assumptions, CostItem, estimate
from wizard.core.data_key import MalformedDataKey, WrappedDataKey
from wizard.core.errors import SetupError, known_or
from wizard.core.models.access import FormerText, Unread
from wizard.core.models.account import KeyFact, TrailFact
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.rotation import KeyRotations, LastBackup, RestoreDrill
from wizard.core.next_command import Text, eonpro, plain_name
from wizard.core.retry import Threads
from wizard.targets.port import deploy_targets

T = TypeVar("T")


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
    log_files: int | None = period.LOG_FILES
    """How many are compared; None: all."""


@dataclass(frozen=True, kw_only=True)
class Read:
    """What was read of a stack."""

    stack: StackFacts
    diagnosis: Diagnosis
    account_alias: str | None

    @property
    def records(self) -> Mapping[str, tuple[FormerText, ...] | SetupError]:
        """The earlier values of the records of backups and drills, and of the stored data key, by parameter."""
        return {name: period.history(self.stack, name, store) for name, store in _records(self.stack.settings)}


def gather(stack: StackFacts, clients: Clients, inputs: Inputs) -> facts.ReportFacts:
    """All facts of the report.

    Raises StackNotFound for a stack that is not deployed, or the error that prevented reading its state.
    """
    settings, outputs = stack.settings, deployed_stack.outputs_of(stack)
    given = {period.SCAN: inputs.scan, period.MOST_LOG_FILES: inputs.log_files}
    stack = stack.otherwise(sources=replace(clients, reviews=inputs.reviews), given=given)
    read = _read(stack, outputs)
    access = _access(stack, inputs.reviews)
    agreements = agreements_of(settings, inputs.agreements)
    return facts.ReportFacts(
        stack=plain_name(stack.stack),
        application=settings.names.label,
        environment=settings.environment,
        account=settings.account_id,
        account_alias=read.account_alias,
        region=settings.region,
        created_at=stack.at,
        created_by=stack.identity.arn,
        since=period.since(stack),
        prepared_by=inputs.prepared_by,
        reviewed_by=inputs.reviewed_by,
        checklist=tuple(checklist_of(read.diagnosis, settings, stack.stack, stack.at)),
        architecture=_architecture(stack, outputs, read.diagnosis),
        access=access,
        rotation=_rotation(stack),
        retention=facts.retention(stack.retention(outputs.trail_bucket), settings, outputs, at=stack.at),
        logs=known_or(period.log_validations(stack), ()),
        sign_ins=known_or(period.sign_ins(stack), ()),
        cost=cost_facts(settings, inputs.assumptions),
        doctor=_doctor(read.diagnosis, stack.stack),
        agreements=agreements,
        safeguards=tuple(safeguards_of(read.diagnosis, settings, agreements)),
        history=tuple(sorted(_history(read, inputs.reports / plain_name(stack.stack)), key=lambda event: event.at)),
        policies=tuple(_policies(stack)),
        unread=tuple(dict.fromkeys(_unread(read, access))),
    )


def _records(settings: Settings) -> tuple[tuple[str, SecretStore], ...]:
    names = settings.names
    return (
        (names.last_backup, SecretStore.PARAMETER_STORE),
        (names.last_drill, SecretStore.PARAMETER_STORE),
        (names.stored_data_key, settings.secret_store),
    )


def _read(stack: StackFacts, outputs: Outputs) -> Read:
    """The one diagnosis, and beside it what no claim rests on."""
    aws, settings = stack.aws, stack.settings
    with Threads(max_workers=8) as pool:
        identity = pool.submit(aws.identify)
        others: list[Future[object]] = []
        others += [pool.submit(period.rotations, stack)]
        others += [pool.submit(period.history, stack, name, store) for name, store in _records(settings)]
        others += [pool.submit(lambda: stack.versions)]
        diagnosis = diagnose(stack, judgements.REPORT_CHECKS)
        for other in others:
            other.result()
        return Read(
            stack=stack,
            diagnosis=diagnosis,
            account_alias=identity.result().account_alias,
        )


# --- the stack

CIPHER = "AES-256-GCM"
"""The cipher of the application's records (`packages/phi`)."""


def _architecture(stack: StackFacts, outputs: Outputs, diagnosis: Diagnosis) -> facts.Architecture:
    """The deployed stack, as it was read."""
    settings, scan = stack.settings, period.scan(stack)
    columns = [column["state"] for table in scan["tables"] for column in table["columns"]] if scan else []
    guarded = state_of("key-deletion-window", diagnosis.notices) is State.GOOD
    return facts.Architecture(
        cipher=CIPHER if "records" in columns else None,
        variables=tuple(settings.delivered_variables),
        applications=tuple(_applications(settings, outputs)),
        alias=outputs.alias_name,
        keys=tuple(
            facts.RegionKey(
                region=Arn.parse(arn).region,
                arn=arn,
                replica=arn != outputs.key_arn,
                state=_key_state(stack.key if arn == stack.key_arn else stack.replica(arn)),
            )
            for arn in outputs.key_arns
        ),
        administrators=(*settings.administrators, *settings.administrator_patterns),
        deletion_administrators=settings.deletion_administrators,
        deletion_window_days=DELETION_WINDOW_DAYS if guarded else None,
        data_key=_data_key_facts(stack.stored_data_key),
        trail=_trail(settings, outputs, stack.trail),
    )


def _key_state(key: KeyFact | SetupError | None) -> str | None:
    if isinstance(key, SetupError):
        return None
    return key.state if key else "it does not exist"


def _data_key_facts(stored_data_key: StoredDataKey | SetupError | None) -> facts.DataKeyFacts | None:
    if stored_data_key is None or isinstance(stored_data_key, SetupError):
        return None
    return facts.DataKeyFacts(
        name=stored_data_key.parameter,
        store=stored_data_key.store.service,
        fingerprint=stored_data_key.wrapped.fingerprint,
        version=stored_data_key.version,
        wrapped_by=stored_data_key.key_arn,
    )


def _applications(settings: Settings, outputs: Outputs) -> Iterator[facts.ApplicationFacts]:
    for target in deploy_targets(settings.deploy_targets):
        described = target.describe(settings)
        yield facts.ApplicationFacts(
            target=Target(target.name),
            place=described.place,
            principal=outputs.principal_of(target.name),
            identity=described.identity,
            reads_from=described.reads_from,
        )


def _trail(settings: Settings, outputs: Outputs, trail: TrailFact | SetupError | None) -> facts.TrailDetails:
    own = settings.makes_trail
    fact = trail if isinstance(trail, TrailFact) else None
    return facts.TrailDetails(
        arn=outputs.trail_arn,
        bucket=outputs.trail_bucket,
        is_own=own,
        logging=fact.logging if fact else None,
        encrypted_by="unknown" if fact is None else fact.key_arn or "the default encryption of S3",
        access_log_bucket=settings.names.access_log_bucket if own and settings.access_logging else None,
        log_group=settings.names.log_group if own and settings.cloudwatch_logs else None,
        alert_topic=settings.names.alert_topic if settings.alerts else None,
        alert_emails=len(settings.alert_emails),
    )


# --- the other parts


def _access(stack: StackFacts, reviews: Path) -> facts.AccessFacts:
    saved, answer = stack.reviews, period.access_review(stack)
    live = known_or(answer, None)
    newest = saved.newest
    former = newest.review if newest else None
    sign_off = saved.signed.sign_off if saved.signed else None
    why = f"the account could not be read: {answer.message}" if isinstance(answer, SetupError) else ""
    return facts.AccessFacts(
        review=live or former,
        is_live=live is not None,
        saved_file=_below(str(newest.file), reviews) if newest else None,
        saved_at=former.at if former else None,
        saved_digest=newest.digest if newest else None,
        age_days=max((stack.at - former.at).days, 0) if former else None,
        sign_off=replace(sign_off, file=_below(sign_off.file, reviews)) if sign_off else None,
        signed_days_ago=saved.age_days(stack.at),
        valid_days=VALID_DAYS,
        problems=tuple(fault.replace(f"{reviews.parent}/", "") for fault in saved.faults),
        why=why,
    )


def _below(file: str, reviews: Path) -> str:
    """`reviews/production/….json`: the report must not contain paths of this machine."""
    return file.removeprefix(f"{reviews.parent}/")


def _rotation(stack: StackFacts) -> facts.RotationTimeline:
    answer, versions = period.rotations(stack), stack.versions
    rotations = known_or(answer, None)
    return facts.RotationTimeline(
        rotations=rotations,
        on_demand_left=rotations.on_demand_left if rotations else None,
        versions=known_or(versions, None),
        why="; ".join(each.message for each in (answer, versions) if isinstance(each, SetupError)),
    )


def cost_facts(settings: Settings, assumptions: Assumptions) -> facts.CostFacts:
    """The estimate of a month's cost, and its drivers."""
    bill = estimate(settings, assumptions)
    return facts.CostFacts(monthly=_dollars(bill.monthly), drivers=tuple(map(_driver, bill.items)))


def _driver(item: CostItem) -> facts.Driver:
    return facts.Driver(
        what=item.name[0].upper() + item.name[1:],
        quantity=float(round(item.quantity, 3)),
        unit=item.price.unit if item.price.unit == "GB" else f"{item.price.unit}s",
        price=item.price.text,
        monthly=_dollars(item.monthly),
    )


def _dollars(amount: Decimal) -> float:
    # Cents, as on a bill: more digits would only seem exact.
    return float(round(amount, 2))


def _doctor(diagnosis: Diagnosis, stack: str) -> facts.DoctorFacts:
    # A check with a preview of the engine is too slow for a report.
    later = Unread(what=COMPARISON, why=Text("not part of a report: ", eonpro("doctor", "--stack", stack)))
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


def _policies(stack: StackFacts) -> Iterator[facts.PolicyDocument]:
    """The policies that decide who reaches the key, the role and the logs, as they were read."""
    names = stack.settings.names
    role = stack.principal(stack.settings.arn("iam", f"role/{names.app_role}")) if stack.settings.makes_role else None
    bucket = stack.retention(names.trail_bucket)
    own, *replicas = stack.key_readings
    documents: tuple[tuple[str, object], ...] = (
        ("key policy", own.policy),
        *((f"key policy of the replica in {reading.region}", reading.policy) for reading in replicas),
        (f"IAM policy {names.app_policy}", stack.application_policy),
        (f"trust policy of {names.app_role}", getattr(role, "trust", None)),
        (f"bucket policy of {names.trail_bucket}", getattr(bucket, "policy", None)),
    )
    for name, document in documents:
        if isinstance(document, Mapping):
            text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=True)
            yield facts.PolicyDocument(name=name, text=text, sha256=hashlib.sha256(text.encode()).hexdigest())


def _history(read: Read, reports: Path) -> Iterator[facts.Event]:
    """Reviews, reports, rotations, replacements of the stored data key, backups and drills that are on record."""
    for stored in read.stack.reviews.files:
        if stored.review is not None:
            signed = f", signed by {stored.sign_off.signer}" if stored.sign_off else ""
            yield facts.Event(at=stored.review.at, what="access review", detail=f"{stored.digest}{signed}")
    for file in sorted(reports.glob("*/report.json")):
        if event := _report_event(file):
            yield event
    rotations = period.rotations(read.stack)
    if isinstance(rotations, KeyRotations):
        for rotation in rotations.rotations:
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


def _unread(read: Read, access: facts.AccessFacts) -> Iterator[Unread]:
    """Everything that was not read, wherever the report tells it: the one count of the summary."""
    stack, rotations = read.stack, period.rotations(read.stack)
    yield from (Unread(what=notice.what, why=notice.why) for notice in read.diagnosis.not_checked)
    parts = {
        "the key's rotations": rotations,
        "the versions of the data key": stack.versions,
        "the access to the key": period.access_review(stack),
        **{f"the history of {parameter}": values for parameter, values in read.records.items()},
    }
    for what, answer in parts.items():
        if isinstance(answer, SetupError):
            yield Unread(what=what, why=answer.message)
    if access.review is not None:
        yield from access.review.unread
    if isinstance(rotations, KeyRotations) and rotations.on_demand_left is None:
        yield Unread(what="the remaining rotations on demand", why="Service Quotas does not return the limit")
