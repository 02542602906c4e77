"""Facts of an invented report: a complete stack, and variants of it. Touches nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from components.policies.evaluation.account import GrantFact, KeyPermission
from components.settings import APPLICATION_VARIABLES
from tests.wizard.fakes.clients import (
    ACCOUNT,
    ADMIN,
    APP,
    BUCKET,
    KEY,
    REGION,
    REPLICA,
    REPLICA_REGION,
    SECOND,
    STORED_KEY,
    TRAIL,
    wrapped,
)
from wizard.account.views import ItemState
from wizard.commands.report.facts import (
    AccessFacts,
    Agreement,
    ApplicationFacts,
    Architecture,
    ChecklistItem,
    CostFacts,
    DataKeyFacts,
    DoctorFacts,
    Driver,
    Event,
    Finding,
    Phase,
    PolicyDocument,
    RegionKey,
    ReportFacts,
    RetentionTimeline,
    RotationTimeline,
    Safeguard,
    Section,
    TrailDetails,
)
from wizard.core.models.access import (
    AccessKeyAge,
    AccessReview,
    KeyUse,
    PrincipalAccess,
    SignIn,
    SignOff,
    Unread,
)
from wizard.core.models.rotation import DataKeyVersion, KeyRotations, Rotation, VersionOrigin
from wizard.core.models.trail import LogValidation
from wizard.core.next_command import eonpro

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
STRANGE = '<script>alert("x")</script>&\'`|*_[a](b)'
"""A name that is harmless only where it is escaped."""

FILES = {
    "folder": "reports/production/x",
    "copy": None,
    "page": "report.html",
    "text": "report.md",
    "data": "report.json",
    "agreements": None,
}


def ago(days: float) -> datetime:
    return AT - timedelta(days=days)


def item(number: int, title: str, state: ItemState = ItemState.DONE, **changes: Any) -> ChecklistItem:
    entry = ChecklistItem(
        number=number,
        title=title,
        state=state,
        evidence=f"as read: alias/eonpro-phi-key → {KEY.rpartition('/')[2]}, Enabled, every 365 days",
        calls=("kms:DescribeKey", "kms:GetKeyRotationStatus"),
        read_at=AT,
        requirements=("KMS keys rotate automatically, every 90 to 2,560 days.",),
        sections=(
            Section(section="164.312(a)(2)(iv)", name="encryption and decryption"),
            Section(section="164.308(a)(4)(ii)(B)", name="access authorization"),
        ),
        prowler_checks=("kms_cmk_rotation_enabled", "kms_cmk_not_multi_region"),
    )
    return replace(entry, **changes)


CHECKLIST = (
    item(1, "Customer managed key with its alias", proposed_rule="not final: would require encryption"),
    item(2, "Key policy restricts access", ItemState.OPEN, next=eonpro("setup", "--stack", "production")),
    item(3, "IAM policy follows least privilege"),
    item(4, "Automatic key rotation"),
    item(5, "CloudTrail logging", ItemState.UNKNOWN, evidence="could not be read: you may not look"),
    item(6, "ENCRYPTED_PHI_KEY generated and stored", prowler_checks=()),
    item(7, "Application tested with KMS", ItemState.PERSON, calls=(), prowler_checks=()),
    item(8, "Key access reviewed quarterly", ItemState.PERSON, prowler_checks=()),
)

PRINCIPALS = (
    PrincipalAccess(
        arn=f"arn:aws:iam::{ACCOUNT}:root",
        use=KeyPermission.NO,
        administer=KeyPermission.YES,
        delete=KeyPermission.NO,
        ways=("key policy: AccountAdministration",),
    ),
    PrincipalAccess(
        arn=APP,
        use=KeyPermission.YES,
        administer=KeyPermission.NO,
        delete=KeyPermission.NO,
        ways=("key policy: ApplicationUse", "IAM policy EONPROKMSAccess"),
        assumed_by=("owner:acme:project:portal:environment:production",),
        last_use=ago(0.2),
        events=8760,
    ),
    PrincipalAccess(
        arn=ADMIN,
        use=KeyPermission.NO,
        administer=KeyPermission.YES,
        delete=KeyPermission.UNKNOWN,
        ways=("key policy: Administration",),
    ),
    PrincipalAccess(
        arn=SECOND,
        use=KeyPermission.UNKNOWN,
        administer=KeyPermission.NO,
        delete=KeyPermission.NO,
        ways=("IAM policy AdministratorAccess",),
        access_keys=(AccessKeyAge(id="AKIAEXAMPLE000000001", active=True, age_days=412, last_used=ago(90)),),
        is_expected=False,
    ),
)
REVIEW = AccessReview(
    stack="production",
    key_arn=KEY,
    at=AT,
    window_days=90,
    principals=PRINCIPALS,
    grants=(
        GrantFact(
            id="0d8aa621cb1a1bfd2f9b2f0b0d2a7f8c",
            grantee=f"arn:aws:iam::{ACCOUNT}:role/backup",
            operations=("Decrypt", "DescribeKey"),
            made=ago(200),
            retiring=None,
        ),
    ),
    last_use=KeyUse(at=ago(0.2), operation="Decrypt", tracked_since=ago(400)),
    unread=(Unread(what="IAM policies of role/legacy", why="iam:GetRolePolicy was denied"),),
)
SIGN_OFF = SignOff(
    signer="Ada Byron",
    signer_arn=ADMIN,
    at=ago(40),
    review_digest="sha256:" + "3f" * 32,
    file="reviews/production/2026-01-20.signed.json",
)
VERSIONS = (
    DataKeyVersion(
        wrapped=wrapped("old"),
        key_arn=KEY,
        parameter=f"{STORED_KEY}/versions/1",
        origin=VersionOrigin.ADOPTED,
        kept_at=ago(700),
        same_as=wrapped("old").fingerprint,
        current=False,
    ),
    DataKeyVersion(
        wrapped=wrapped("new"),
        key_arn=KEY,
        parameter=STORED_KEY,
        origin=VersionOrigin.MADE,
        kept_at=ago(120),
        same_as=wrapped("new").fingerprint,
        current=True,
    ),
)
ROTATIONS = KeyRotations(
    enabled=True,
    period_days=365,
    next_at=AT + timedelta(days=211),
    rotations=(Rotation(at=ago(519), on_demand=False), Rotation(at=ago(154), on_demand=True)),
    on_demand_limit=10,
)

ARCHITECTURE = Architecture(
    cipher="AES-256-GCM",
    variables=APPLICATION_VARIABLES,
    applications=(
        ApplicationFacts(
            target="vercel",
            place="acme/portal",
            principal=APP,
            identity="Vercel's OIDC token, by sts:AssumeRoleWithWebIdentity",
            reads_from="environment variables of the project, production",
        ),
        ApplicationFacts(
            target="ecs",
            place="clinic/portal",
            principal=APP,
            identity="the task role of the service",
            reads_from="Parameter Store, by the execution role, at the start of a task",
        ),
    ),
    alias="alias/eonpro-phi-key",
    keys=(
        RegionKey(region=REGION, arn=KEY, replica=False, state="Enabled"),
        RegionKey(region=REPLICA_REGION, arn=REPLICA, replica=True, state=None),
    ),
    administrators=(ADMIN, SECOND),
    deletion_administrators=(),
    deletion_window_days=30,
    data_key=DataKeyFacts(
        name=STORED_KEY,
        store="Parameter Store",
        fingerprint=wrapped("new").fingerprint,
        version=2,
        wrapped_by=KEY,
    ),
    trail=TrailDetails(
        arn=TRAIL,
        bucket=BUCKET,
        is_own=True,
        logging=True,
        encrypted_by="a KMS key of its own",
        access_log_bucket=f"eonpro-access-logs-{ACCOUNT}-{REGION}",
        log_group=None,
        alert_topic="eonpro-alerts",
        alert_emails=2,
    ),
)


def days_on(days: int) -> datetime:
    return AT + timedelta(days=days)


SIGN_INS = (
    SignIn(arn=f"arn:aws:iam::{ACCOUNT}:root", mfa=False, has_password=True, has_root_keys=True),
    SignIn(arn=ADMIN, mfa=True, has_password=True, password_age_days=412),
    SignIn(
        arn=f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Administrator_0123456789abcdef",
        why="IAM Identity Center decides its MFA",
    ),
)

LOGS = (
    LogValidation(region=REGION, since=ago(90), until=ago(0.1), digests=2158, logs=500, left=12_345),
    LogValidation(
        region=REPLICA_REGION,
        since=None,
        until=None,
        digests=0,
        logs=0,
        faults=("the digest s3://eonpro-cloudtrail-logs/AWSLogs/111122223333/CloudTrail-Digest/x.json.gz is missing",),
        unread=("CloudTrail has delivered no digest in this period",),
    ),
)

RETENTION = RetentionTimeline(
    bucket=BUCKET,
    retention_days=2557,
    required_days=2192,
    lock="GOVERNANCE",
    phases=(
        Phase(
            name="In S3 Standard",
            from_day=0,
            until_day=365,
            from_date=AT,
            until_date=days_on(365),
            why="lifecycle rule",
        ),
        Phase(
            name="In archive storage",
            from_day=365,
            until_day=2557,
            from_date=days_on(365),
            until_date=days_on(2557),
            why="lifecycle rule, until it expires",
        ),
        Phase(
            name="Locked against deletion",
            from_day=0,
            until_day=2557,
            from_date=AT,
            until_date=days_on(2557),
            why="Object Lock",
        ),
        Phase(
            name="Required by the rule",
            from_day=0,
            until_day=2192,
            from_date=AT,
            until_date=days_on(2192),
            why="45 CFR 164.316(b)(2)(i)",
        ),
    ),
)
COST = CostFacts(
    monthly=3.02,
    drivers=(
        Driver(what="PHI key", quantity=1.0, unit="keys", price="$1.00 a month", monthly=1.0),
        Driver(what="Replicas of the key", quantity=1.0, unit="keys", price="$1.00 a month", monthly=1.0),
        Driver(what="Key of the logs", quantity=1.0, unit="keys", price="$1.00 a month", monthly=1.0),
        Driver(
            what="Requests to KMS",
            quantity=26280.0,
            unit="requests",
            price="$0.03 per 10,000",
            monthly=0.02,
        ),
    ),
)
DOCTOR = DoctorFacts(
    findings=(
        Finding(
            cause="rotation-off",
            what="automatic rotation of the key is off",
            why="the checklist asks for it, and prowler's kms_cmk_rotation_enabled fails",
            command="aws kms enable-key-rotation --key-id alias/eonpro-phi-key --rotation-period-in-days 365",
            advice="nothing else",
        ),
    ),
    not_checked=(Unread(what="the deployment on Vercel", why="no token was given"),),
    passed=("the key is enabled", "the trail records all Regions"),
)

ACCESS = AccessFacts(
    review=REVIEW,
    is_live=True,
    saved_file="reviews/production/2026-01-20.json",
    saved_at=ago(41),
    saved_digest="sha256:" + "3f" * 32,
    age_days=41,
    sign_off=SIGN_OFF,
    signed_days_ago=40,
    valid_days=92,
)


POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "`~`", "Effect": "Allow"}]}, indent=2)


def facts(**changes: Any) -> ReportFacts:
    """A stack of two targets and two Regions, with something of every kind to tell."""
    report = ReportFacts(
        application="EONPRO",
        stack="production",
        environment="production",
        account=ACCOUNT,
        account_alias="clinic",
        region=REGION,
        created_at=AT,
        created_by=ADMIN,
        checklist=CHECKLIST,
        architecture=ARCHITECTURE,
        access=ACCESS,
        rotation=RotationTimeline(rotations=ROTATIONS, on_demand_left=9, versions=VERSIONS),
        retention=RETENTION,
        logs=LOGS,
        sign_ins=SIGN_INS,
        cost=COST,
        doctor=DOCTOR,
        since=ago(90),
        prepared_by="Ada Byron",
        reviewed_by=None,
        agreements=(
            Agreement(partner="AWS", signed_on="2026-01-15", file="aws-baa.pdf"),
            Agreement(partner="Vercel"),
        ),
        safeguards=(
            Safeguard(
                section="164.308(a)(7)(ii)(A)",
                name="data backup plan",
                state="open",
                evidence=("Data key backed up, and the backup opened", "ENCRYPTED_PHI_KEY generated and stored"),
            ),
            Safeguard(section="164.310(b)", name="workstation use", state="a person", evidence=()),
        ),
        history=(
            Event(at=ago(41), what="access review", detail="sha256:" + "3f" * 32 + ", signed by Ada Byron"),
            Event(at=ago(3), what="restore drill", detail=f"{wrapped('new').fingerprint} opened"),
        ),
        policies=(PolicyDocument(name="key policy", text=POLICY, sha256=hashlib.sha256(POLICY.encode()).hexdigest()),),
        unread=(Unread(what=f"KMS key in {REPLICA_REGION}", why="kms:DescribeKey was denied"),),
    )
    return replace(report, **changes)


def _nothing_read() -> ReportFacts:
    why = "you may not look: kms:DescribeKey on this key is denied"
    unknown = tuple(
        replace(
            each,
            state=ItemState.UNKNOWN,
            evidence=f"could not be read: {why}",
        )
        for each in CHECKLIST
    )
    keys = tuple(replace(each, state=None) for each in ARCHITECTURE.keys)
    trail = replace(ARCHITECTURE.trail, logging=None, encrypted_by="unknown")
    return facts(
        checklist=unknown,
        architecture=replace(ARCHITECTURE, keys=keys, trail=trail, data_key=None),
        access=replace(
            ACCESS,
            review=None,
            is_live=False,
            saved_file=None,
            saved_at=None,
            saved_digest=None,
            age_days=None,
            sign_off=None,
            signed_days_ago=None,
            why=why,
        ),
        rotation=RotationTimeline(rotations=None, on_demand_left=None, versions=None, why=why),
        logs=(),
        sign_ins=(),
        retention=replace(RETENTION, retention_days=None, lock=None, phases=(), why=why),
        doctor=DoctorFacts(findings=None, why=why),
    )


_EKS = ApplicationFacts(
    target="eks",
    place="clinic/eonpro/eonpro",
    principal=APP,
    identity="EKS Pod Identity",
    reads_from="Parameter Store, by External Secrets, into a Kubernetes Secret",
)
_EXISTING = replace(
    ARCHITECTURE.trail,
    arn=f"arn:aws:cloudtrail:{REGION}:999988887777:trail/organization",
    bucket="organization-logs",
    is_own=False,
    encrypted_by="the default encryption of S3",
    access_log_bucket=None,
    alert_topic=None,
    alert_emails=0,
)

STATES: dict[str, ReportFacts] = {
    "in full": facts(),
    "nothing could be read": _nothing_read(),
    "all is well": facts(
        checklist=tuple(replace(each, state=ItemState.DONE, next="") for each in CHECKLIST),
        doctor=DoctorFacts(findings=()),
        unread=(),
        access=replace(ACCESS, review=replace(REVIEW, unread=(), grants=())),
    ),
    "no review yet": facts(
        access=replace(
            ACCESS,
            problems=("reviews/production/2026-01-20.json was changed since it was written",),
            saved_file=None,
            saved_at=None,
            saved_digest=None,
            age_days=None,
            sign_off=None,
            signed_days_ago=None,
        )
    ),
    "an existing trail": facts(
        architecture=replace(ARCHITECTURE, trail=_EXISTING),
        retention=replace(
            RETENTION,
            bucket="organization-logs",
            retention_days=None,
            lock=None,
            phases=(
                Phase(
                    name="In the bucket",
                    from_day=0,
                    until_day=None,
                    from_date=AT,
                    until_date=None,
                    why="no lifecycle rule ends it",
                ),
                RETENTION.phases[3],
            ),
        ),
    ),
    "three platforms": facts(
        architecture=replace(
            ARCHITECTURE,
            applications=(*ARCHITECTURE.applications, _EKS),
            keys=(*ARCHITECTURE.keys, replace(ARCHITECTURE.keys[1], region="ap-southeast-2", state="Enabled")),
        )
    ),
    "EKS": facts(architecture=replace(ARCHITECTURE, applications=(_EKS,), keys=ARCHITECTURE.keys[:1])),
    "fresh": facts(
        rotation=RotationTimeline(
            rotations=replace(ROTATIONS, rotations=(), on_demand_limit=None),
            on_demand_left=None,
            versions=(replace(VERSIONS[1], kept_at=AT, origin=VersionOrigin.FIRST),),
        )
    ),
    "rotated for years": facts(
        rotation=RotationTimeline(
            rotations=replace(
                ROTATIONS, rotations=tuple(Rotation(at=ago(90 * n), on_demand=n % 5 == 0) for n in range(28, 0, -1))
            ),
            on_demand_left=4,
            versions=VERSIONS,
        )
    ),
    "rotation off": facts(
        rotation=RotationTimeline(
            rotations=KeyRotations(enabled=False, period_days=None, next_at=None), on_demand_left=None, versions=()
        )
    ),
    "two hundred principals": facts(
        access=replace(
            ACCESS,
            review=replace(
                REVIEW,
                principals=tuple(
                    replace(PRINCIPALS[1], arn=f"arn:aws:iam::{ACCOUNT}:role/department-{n}/service-{n:04d}")
                    for n in range(200)
                ),
            ),
        )
    ),
    "strange names": facts(
        stack=STRANGE,
        account_alias=STRANGE,
        architecture=replace(
            ARCHITECTURE,
            alias=STRANGE,
            applications=(
                replace(ARCHITECTURE.applications[0], place=f"acme/{STRANGE}", principal=STRANGE * 3, identity=STRANGE),
            ),
        ),
        access=replace(
            ACCESS,
            review=replace(
                REVIEW, principals=(replace(PRINCIPALS[1], arn=STRANGE, ways=(STRANGE,), assumed_by=(STRANGE,)),)
            ),
            sign_off=replace(SIGN_OFF, signer=STRANGE),
        ),
        doctor=DoctorFacts(findings=(Finding(cause="x", what=STRANGE, why=STRANGE, command=STRANGE, advice=""),)),
        unread=(Unread(what=STRANGE, why=f"{STRANGE}\n{STRANGE}"),),
    ),
}
"""A report in every state that it may be in."""
