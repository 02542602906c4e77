"""The facts of a report, gathered over fakes of the edges: what is read, what is unknown, and what is cited."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.policies.evaluation.account import GrantFact
from components.policies.requirements import Topic
from components.policies.safeguards import SAFEGUARDS
from components.settings import Settings
from tests.wizard.account.judgements.test_backup import document as backup_document
from tests.wizard.fakes.backup import VAULT_BUCKET
from tests.wizard.fakes.clients import (
    ACCOUNT,
    ADMIN,
    APP,
    APP_POLICY,
    APP_USER,
    KEY,
    MULTI_KEY,
    REPLICA,
    STORED_KEY,
    TOKEN,
    TRAIL,
    FakeAwsClient,
    FakeEngine,
    FakeVercelClient,
    built,
    clients_of,
    multi_region,
    settings,
    wrapped,
)
from wizard.account.access import stored_reviews as storage
from wizard.account.access.stored_reviews import VALID_DAYS, digest_of
from wizard.account.facts import StackFacts
from wizard.account.judgements.stack import COMPARISON
from wizard.account.views import ItemState
from wizard.commands import deployed_stack
from wizard.commands.report.claims import agreement_of, read_scan
from wizard.commands.report.collect import Inputs, gather
from wizard.commands.report.document import document, faults
from wizard.commands.report.facts import Agreement, ChecklistItem, ReportFacts
from wizard.commands.report.render import markdown, page
from wizard.core.clients import Answer, Clients, Request, Source
from wizard.core.cost.drivers import Assumptions
from wizard.core.errors import PermissionDenied, UsageError
from wizard.core.models.access import AccessKeyAge, KeyEvents, SignIn
from wizard.core.models.account import Retention
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.rotation import KeyRotations, LastBackup, RestoreDrill, Rotation, VersionOrigin
from wizard.core.models.trail import LogValidation

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
OTHER = f"arn:aws:iam::{ACCOUNT}:role/somebody-else"
DENIED = PermissionDenied("you may not look", "ask for the right to")
READ = ("describe_key", "key_policy", "policy_document", "find_trail", "bucket_retention", "read_stored_data_key")


class World:
    """A stack that is set up in full, and a report of it."""

    def __init__(self, settings_: Settings, reviews: Path) -> None:
        self.settings = settings_
        self.aws = FakeAwsClient()
        self.reviews = reviews
        self.engine = FakeEngine(aws=self.aws, stack_state=built(self.aws, settings_))
        self.vercel = FakeVercelClient(team=settings_.vercel_team or "acme")
        self.assumptions = Assumptions()
        self.agreements: dict[str, Agreement] = {}
        self.scan: dict[str, Any] | None = None
        stored = StoredDataKey(parameter=STORED_KEY, wrapped=wrapped(), key_arn=next(iter(self.aws.keys)), version=1)
        self.aws.stored_keys[STORED_KEY] = stored
        arn = str(stored.key_arn)
        values = {"ENCRYPTED_PHI_KEY": wrapped().value, "AWS_KMS_KEY_ID": arn, "AWS_REGION": settings_.region}
        self.vercel.variables |= values
        for name in ("AWS_KMS_KEY_ID", "AWS_REGION"):
            self.aws.parameters[f"{settings_.names.parameter_prefix}/{name}"] = values[name]
        self.aws.key_rotation.keep(settings_, wrapped(), key_arn=stored.key_arn, origin=VersionOrigin.FIRST, at=NOW)
        self.aws.log.clear()

    def clients(self) -> Clients:
        return clients_of(self.aws, self.engine, vercel=lambda token: self.vercel, now=lambda: NOW)

    def facts(self) -> StackFacts:
        answers = {"vercel_token": Answer(value=TOKEN, source=Source.FLAG, where="flag")}
        return deployed_stack.find(Request(stack="production", answers=answers, saved=self.settings), self.clients())

    def report(self) -> ReportFacts:
        return gather(
            self.facts(),
            self.clients(),
            Inputs(
                reviews=self.reviews,
                reports=self.reviews.parent / "reports",
                assumptions=self.assumptions,
                agreements=self.agreements,
                scan=self.scan,
            ),
        )

    def signed(self, days_ago: int) -> None:
        """A review that was read and signed so many days ago."""
        at = NOW - timedelta(days=days_ago)
        review = self.report().access.review
        assert review is not None
        saved = storage.write(self.reviews, replace(review, at=at), None)
        storage.sign(saved, signer="Ada Byron", signer_arn=ADMIN, at=at)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(settings(), tmp_path / "reviews")


def item(report: ReportFacts, topic: Topic) -> ChecklistItem:
    return next(each for each in report.checklist if each.title == topic)


def forms(report: ReportFacts) -> str:
    """The text of all three forms."""
    document_ = document(
        report, files={"folder": "x", "page": "report.html", "text": "report.md", "data": "report.json"}
    )
    return json.dumps(document_) + page(document_) + markdown(document_)


def test_in_a_stack_that_is_only_set_up_what_nobody_has_done_yet_needs_a_person(world) -> None:
    left = {each.title for each in world.report().checklist if each.state is not ItemState.DONE}
    assert left == {Topic.APPLICATION, Topic.REVIEW, Topic.BACKUP}
    assert all(item(world.report(), topic).state is ItemState.PERSON for topic in left)


def test_each_item_names_its_calls_its_time_its_requirements_and_its_sections(world) -> None:
    for each in world.report().checklist:
        assert each.read_at == NOW
        assert each.requirements
        assert each.sections
        assert all(one.section.startswith("164.3") for one in each.sections)
        assert each.calls


def test_a_report_changes_nothing(world) -> None:
    world.report()
    changing = tuple("make write deliver retire delete keep rotate reencrypt replace up destroy".split())
    calls = [each.split()[0].partition(".")[2] for each in (*world.aws.log, *world.engine.log)]
    assert calls
    assert [each for each in calls if each.startswith(changing)] == []


@pytest.mark.parametrize(
    ("method", "topics"),
    [
        ("describe_key", (Topic.KEY, Topic.KEY_POLICY, Topic.ROTATION)),
        ("key_policy", (Topic.KEY, Topic.KEY_POLICY, Topic.OTHERS)),
        ("policy_document", (Topic.APPLICATION_POLICY,)),
        ("find_trail", (Topic.TRAIL, Topic.LOGS)),
        ("audit.validate_logs", (Topic.LOGS,)),
        ("bucket_retention", (Topic.TRAIL,)),
        ("read_stored_data_key", (Topic.DATA_KEY, Topic.BACKUP)),
    ],
)
def test_what_could_not_be_read_is_unknown_and_listed(world, method, topics) -> None:
    world.aws.failures[method] = DENIED
    report = world.report()
    assert [item(report, topic).state for topic in topics] == [ItemState.UNKNOWN] * len(topics)
    assert "you may not look" in [each.why for each in report.unread]
    assert all(item(report, topic).next.startswith("python -m wizard policy auditor") for topic in topics)


def test_an_item_that_an_import_left_open_is_closed_by_its_repair_and_not_by_doctor(world) -> None:
    world.settings = settings(kept_as_found=("application-policy",))
    world.aws.documents[APP_POLICY] = {"Statement": []}
    assert item(world.report(), Topic.APPLICATION_POLICY).next == (
        "python -m wizard setup --stack production --repair application-policy --yes"
    )


def test_without_any_permission_nothing_is_done_and_every_form_is_rendered(world) -> None:
    for method in READ:
        world.aws.failures[method] = DENIED
    world.aws.failures |= {"audit.alerts": DENIED, "audit.validate_logs": DENIED}
    for of in (world.aws.key_rotation, world.aws.access):
        of.failures.update(dict.fromkeys(("rotations", "versions", "grants", "iam", "events", "last_use"), DENIED))
    report = world.report()
    assert ItemState.DONE not in [each.state for each in report.checklist]
    assert (report.rotation.rotations, report.rotation.versions) == (None, None)
    assert report.retention.phases == ()
    assert "you may not look" in report.rotation.why and "you may not look" in report.retention.why
    assert "you may not look" in forms(report)


# --- how those who reach the key sign in


@pytest.mark.parametrize(
    ("arn", "why"),
    [
        (f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_A_1", "IAM Identity Center"),
        ("arn:aws:iam::999988887777:role/partner", "not a user or a role of this account"),
    ],
)
def test_the_mfa_of_somebody_who_signs_in_elsewhere_is_not_seen_and_never_done(world, arn, why) -> None:
    grant = GrantFact(id="g", grantee=arn, operations=("Decrypt",), made=NOW, retiring=None)
    world.aws.who_has_access.granted = {KEY: (grant,)}
    report = world.report()
    assert item(report, Topic.SIGN_IN).state is ItemState.UNKNOWN and why in item(report, Topic.SIGN_IN).evidence
    assert item(report, Topic.SIGN_IN).next == "python -m wizard review --stack production"
    assert f"the MFA of {arn}" in [each.what for each in report.unread]


def test_an_access_key_that_is_off_or_of_the_application_needs_no_mfa(tmp_path) -> None:
    world = World(settings(vercel_access="user"), tmp_path / "reviews")
    key = AccessKeyAge(id="AKIA", active=True, age_days=10, last_used=None)
    off = replace(key, active=False, age_days=400)
    world.aws.who_has_access.sign_ins = {APP_USER: SignIn(arn=APP_USER, mfa=False, access_keys=(key, off))}
    assert item(world.report(), Topic.SIGN_IN).state is ItemState.DONE
    old = SignIn(arn=APP_USER, mfa=False, access_keys=(replace(key, age_days=91),))
    world.aws.who_has_access.sign_ins = {APP_USER: old}
    entry = item(world.report(), Topic.SIGN_IN)
    assert (entry.state, entry.next) == (
        ItemState.OPEN,
        "python -m wizard access-key rotate --stack production",
    )


# --- the validation of the audit logs


def test_changed_logs_are_named_and_the_tool_that_shows_them_again_is_printed(world) -> None:
    faults = tuple(f"the log file s3://logs/{number} was changed" for number in range(5))
    world.aws.log_validation = LogValidation(region="us-east-1", since=NOW, until=NOW, digests=9, logs=4, faults=faults)
    entry = item(world.report(), Topic.LOGS)
    assert (entry.state, entry.next) == (
        ItemState.OPEN,
        f"aws cloudtrail validate-logs --trail-arn {TRAIL} --start-time 2025-12-02T09:30:00Z --region us-east-1",
    )
    assert faults[2] in entry.evidence and "and 2 more" in entry.evidence and faults[3] not in entry.evidence
    assert all(fault in forms(world.report()) for fault in faults)


def test_log_files_beyond_the_limit_are_counted_and_the_command_that_reads_them_is_printed(world) -> None:
    world.aws.log_validation = LogValidation(region="us-east-1", since=NOW, until=NOW, digests=9, logs=500, left=1200)
    entry = item(world.report(), Topic.LOGS)
    assert (entry.state, entry.next) == (
        ItemState.UNKNOWN,
        "python -m wizard report --stack production --all-logs",
    )
    assert "1,200 older log files were not compared" in entry.evidence


def test_what_nobody_could_compare_is_listed_as_not_readable(world) -> None:
    world.aws.log_validation = LogValidation(
        region="us-east-1", since=None, until=None, digests=0, logs=0, unread=("CloudTrail has delivered no digest",)
    )
    report = world.report()
    assert item(report, Topic.LOGS).state is ItemState.UNKNOWN
    assert ("the audit logs of us-east-1", "CloudTrail has delivered no digest") in [
        (each.what, each.why) for each in report.unread
    ]


# --- the architecture


def test_a_replica_is_listed_with_its_region(tmp_path) -> None:
    keys = World(multi_region(), tmp_path).report().architecture.keys
    assert [(each.arn, each.replica, each.state) for each in keys] == [
        (MULTI_KEY, False, "Enabled"),
        (REPLICA, True, "Enabled"),
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [("vercel", "acme/portal", "OIDC")]),
        ({"vercel_access": "user"}, [("vercel", "acme/portal", "access key")]),
        (
            {"deploy_targets": ("ecs", "vercel"), "ecs_cluster": "clinic", "ecs_service": "web"},
            [("vercel", "acme/portal", "OIDC"), ("ecs", "clinic/web", "task role of the service; Parameter Store")],
        ),
        (
            {"deploy_targets": ("eks",), "eks_cluster": "clinic", "eks_namespace": "phi"},
            [("eks", "clinic/phi/eonpro", "Pod Identity")],
        ),
    ],
)
def test_every_platform_is_described_as_it_is_set_up(tmp_path, changes, expected) -> None:
    report = World(settings(**changes), tmp_path).report()
    applications = report.architecture.applications
    assert [(each.target, each.place) for each in applications] == [(target, place) for target, place, _ in expected]
    assert all(
        how in f"{each.identity}; {each.reads_from}" for each, (_, _, how) in zip(applications, expected, strict=True)
    )
    assert all(place in forms(report) for _, place, _ in expected)


def test_an_existing_trail_is_not_called_the_stacks_own(tmp_path) -> None:
    world = World(settings(existing_trail_arn=TRAIL, trail_bucket="organization-logs"), tmp_path)
    report = world.report()
    assert not report.architecture.trail.is_own
    assert report.architecture.trail.access_log_bucket is None
    assert [each.name for each in report.retention.phases][0] == "In the bucket"


# --- access and its review


def scan(*states: str, **changed: Any) -> dict[str, Any]:
    """A document of `phi scan`, with a column of each state."""
    columns = [{"column": f"column{number}", "state": state} for number, state in enumerate(states)]
    return {
        "command": "scan",
        "at": (NOW - timedelta(days=1)).isoformat(),
        "keys": [wrapped().fingerprint],
        "complete": True,
        "succeeded": not {"clear", "unreadable"} & set(states),
        "tables": [{"table": "public.Patient", "rowsRead": 1000, "columns": columns}],
        **changed,
    }


@pytest.mark.parametrize(
    ("document", "state", "evidence"),
    [
        (scan("records", "other"), "done", "1 columns of records, none in the clear"),
        (scan("records", "clear"), "open", "in the clear: public.Patient.column1"),
        (scan("records", "unreadable"), "open", "under an unknown key: public.Patient.column1"),
        (scan("records", "unread", complete=False), "open", "not looked into: public.Patient.column1"),
        (scan("other"), "open", "no column of records was found"),
        (scan("records", complete=False), "open", "not every table was read"),
        (scan("records", succeeded=False), "open", "records are under an earlier data key"),
        (scan("records", keys=["sha256:0123456789abcdef"]), "open", "about the data key sha256:0123456789abcdef"),
        (scan("records", at=(NOW - timedelta(days=93)).isoformat()), "open", "older than 92 days"),
    ],
)
def test_a_key_beside_columns_in_the_clear_is_not_done(world, document, state, evidence) -> None:
    events = KeyEvents(principal=APP, uses=12, refused=0, last_use=NOW - timedelta(hours=1))
    world.aws.who_has_access.told = {KEY: (events,)}
    world.scan = document
    tested = item(world.report(), Topic.APPLICATION)
    assert (tested.state, evidence in tested.evidence) == (state, True)
    assert bool(tested.next) is (state == "open")


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps(scan("records", command="encrypt")), None])
def test_a_file_that_is_no_scan_is_refused(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "scan.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError, match="phi scan"):
        read_scan(file)
    file.write_text(json.dumps(scan("records")))
    assert read_scan(file)["succeeded"]


def test_an_application_whose_calls_could_not_be_read_is_not_called_untested(world) -> None:
    world.aws.access.failures["events"] = DENIED
    assert item(world.report(), Topic.APPLICATION).state is ItemState.UNKNOWN


# --- the backup

PLACE = "s3://clinic-backups/production.json"


def backed_up(world: World, *, days: float, drill_days: float) -> None:
    """A backup that is so many days old, and a drill that opened it so many days ago."""
    names, fingerprint = world.settings.names, wrapped().fingerprint
    last = LastBackup(at=NOW - timedelta(days=days), fingerprint=fingerprint, place=PLACE)
    at = NOW - timedelta(days=drill_days)
    drill = RestoreDrill(
        at=at, fingerprint=fingerprint, opened=True, seconds=1.4, versions=1, principal=APP, place=PLACE
    )
    world.aws.claims |= {names.last_backup: last.text, names.last_drill: drill.text}
    world.aws.backup_storage.create(VAULT_BUCKET, "production.json", backup_document().encode(), until=None)


# --- what was not read


def test_everything_that_was_not_read_is_counted_wherever_it_is_told(world) -> None:
    world.aws.trails = (replace(world.aws.trails[0], logging=None),)
    world.aws.access.failures["grants"] = DENIED
    world.aws.failures["audit.alerts"] = DENIED
    world.vercel.failures["find_project"] = DENIED
    report = world.report()
    told = {each.what for each in report.unread}
    assert {each.what for each in report.doctor.not_checked if COMPARISON not in each.what} <= told
    assert report.access.review is not None and {each.what for each in report.access.review.unread} <= told
    assert any("whether it is logging" in what for what in told)
    assert document(report, files={})["summary"]["unread"] == len(report.unread)


def test_a_review_that_is_older_than_a_quarter_is_signed_again_by_a_person(world) -> None:
    world.signed(VALID_DAYS + 1)
    assert item(world.report(), Topic.REVIEW).state is ItemState.PERSON


def test_a_review_that_was_changed_is_reported_and_not_cited(world) -> None:
    world.signed(10)
    file = next(each for each in world.reviews.rglob("*.json") if ".signed" not in each.name)
    file.write_text(file.read_text().replace('"windowDays": 90', '"windowDays": 89'))
    report = world.report()
    assert report.access.sign_off is None
    assert "was changed" in report.access.problems[0]
    assert item(report, Topic.REVIEW).state is ItemState.PERSON


# --- rotation, retention, cost


def test_rotations_are_on_the_timeline(world) -> None:
    rotated = Rotation(at=NOW - timedelta(days=30), on_demand=False)
    world.aws.key_rotation.told = KeyRotations(
        enabled=True, period_days=365, next_at=NOW + timedelta(days=335), rotations=(rotated,), on_demand_limit=10
    )
    report = world.report()
    assert report.rotation.on_demand_left == 10
    assert all(text in forms(report) for text in ("Next rotation", "31 January 2026"))


@pytest.mark.parametrize(
    ("expires", "archive", "expected"),
    [
        (2557, 365, [("In S3 Standard", 0, 365), ("In archive storage", 365, 2557)]),
        (2557, 0, [("In S3 Standard", 0, 2557)]),
        (None, 365, [("In S3 Standard", 0, 365), ("In archive storage", 365, None)]),
        (None, 0, [("In S3 Standard", 0, None)]),
    ],
)
def test_the_life_of_a_log_file_has_days_and_dates(tmp_path, expires, archive, expected) -> None:
    world = World(settings(trail_archive_days=archive), tmp_path)
    assert isinstance(world.aws.retention, Retention)
    world.aws.retention = replace(world.aws.retention, expires_after_days=expires)
    phases = world.report().retention.phases
    assert [(each.name, each.from_day, each.until_day) for each in phases[:-2]] == expected
    assert [(each.name, each.until_day) for each in phases[-2:]] == [
        ("Locked against deletion", 2557),
        ("Required by the rule", 2192),
    ]
    assert all(each.from_date == NOW + timedelta(days=each.from_day) for each in phases)


# --- what auditors ask for


def test_no_safeguard_of_the_rule_is_left_out_and_each_has_a_state(world) -> None:
    index = {each.section: each.state for each in world.report().safeguards}
    assert len(index) == len(SAFEGUARDS) > 55
    assert {section[:7] for section in index} == {"164.308", "164.310", "164.312", "164.316"}
    assert (index["164.308(a)(7)(ii)(A)"], index["164.312(b)"]) == ("a person", "done")
    assert (index["164.310(b)"], index["164.312(e)(1)"]) == ("a person", "not seen")


def test_an_agreement_is_done_only_by_a_person_and_only_when_every_partner_has_one(world) -> None:
    world.agreements = {"AWS": agreement_of("AWS=2026-01-15:legal/aws-baa.pdf")}
    report = world.report()
    assert [(each.partner, each.signed_on, each.file) for each in report.agreements] == [
        ("AWS", "2026-01-15", "aws-baa.pdf"),
        ("Vercel", None, ""),
    ]
    index = {each.section: each.state for each in report.safeguards}
    assert index["164.308(b)(1)"] == "a person"
    world.agreements |= {"Vercel": agreement_of("Vercel=2026-02-01:v.pdf")}
    assert {each.section: each.state for each in world.report().safeguards}["164.308(b)(1)"] == "done"


@pytest.mark.parametrize("text", ["AWS", "AWS=2026-13-01:a.pdf", "Google=2026-01-01:a.pdf", "AWS=2026-01-01:"])
def test_an_agreement_without_date_and_document_is_refused(text) -> None:
    with pytest.raises(UsageError):
        agreement_of(text)


def test_the_history_has_the_reviews_backups_drills_and_rotations_in_order(world) -> None:
    backed_up(world, days=3, drill_days=2)
    world.signed(40)
    history = world.report().history
    assert [each.at for each in history] == sorted(each.at for each in history)
    assert {"access review", "backup", "restore drill"} <= {each.what for each in history}
    assert "signed by Ada Byron" in next(each.detail for each in history if each.what == "access review")


def test_the_digest_catches_one_changed_byte_and_a_recomputed_one_does_not_hide_a_changed_fact(world) -> None:
    whole = document(world.report(), files={})
    assert faults(whole) == ()
    changed = json.loads(json.dumps(whole).replace("eonpro-audit-trail", "eonpro-audit-trial", 1))
    assert len(faults(changed)) == 1
    for place, name, value in (
        (("summary",), "done", 9),
        (("policies", 0), "text", "{}"),
        ((), "unread", [{"what": "x", "why": "y"}] * 99),
    ):
        inner = forged = json.loads(json.dumps(whole))
        for part in place:
            inner = inner[part]
        inner[name] = value
        forged["digest"] = digest_of({name: value for name, value in forged.items() if name != "digest"})
        assert faults(forged) != ()
