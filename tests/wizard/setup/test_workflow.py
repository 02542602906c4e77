"""The order of the steps over fakes: what is called, in which order, and what is never called."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.policies.stack import key_policy_of
from components.settings import ImportGroup, Settings
from tests.wizard.fakes.clients import (
    ACCOUNT,
    ADMIN,
    APP,
    APP_USER,
    CREDENTIALS,
    IDENTITY,
    KEY,
    KEY_ID,
    MULTI_OUTPUTS,
    REPLICA_REGION,
    SECOND,
    SECRET_OF_ACCESS_KEY,
    STORED_KEY,
    TOKEN,
    USER_OUTPUTS,
    FakeAwsClient,
    FakeDecryptVerifier,
    FakeEngine,
    FakeSavedProgress,
    FakeUserInterface,
    FakeVercelClient,
    built,
    by_hand,
    key_fact,
    outputs_of,
    settings,
    step,
    wrapped,
)
from tests.wizard.fakes.rotation import FakeWrapper
from tests.wizard.inputs.test_interview import GIVEN
from wizard.commands.doctor import command as doctor
from wizard.core.clients import Answer, Clients, Request, Source
from wizard.core.errors import (
    Cancelled,
    DataKeyConflict,
    MissingAnswers,
    PermissionDenied,
    PreflightFailed,
    ResourceError,
    StackNotFound,
    StalePlan,
    UsageError,
)
from wizard.core.models.access import PolicyFinding, PolicyFindingKind, PolicyJudgement
from wizard.core.models.account import Existing, UnrecordedResource
from wizard.core.models.delivery import DeliveryState
from wizard.core.models.inputs import Mark, Question
from wizard.core.models.rotation import LastBackup, VersionOrigin
from wizard.core.models.stack import Drift, DriftKind, SavedPlan, StackState, StateResource
from wizard.core.models.verification import AccessKey, AccessKeyFact, VerificationState
from wizard.core.next_command import VERCEL_LOGIN
from wizard.data_key.storage import find_stored_data_key
from wizard.inputs import answers_file
from wizard.inputs.answers import from_settings, resolve
from wizard.setup import SetupOptions, report, saved_plan, workflow
from wizard.setup.document import of_plan, of_report
from wizard.setup.report import next_steps

WRITES = {
    "engine.up",
    "cloud.make_data_key",
    "cloud.write_stored_data_key",
    "cloud.deliver_parameters",
    "vercel.deliver",
    "vercel.deliver_access_key",
    "cloud.make_access_key",
    "cloud.retire_access_key",
    "cloud.delete_access_key",
    "engine.destroy",
}
MILESTONES = (
    "engine.alone",
    "cloud.caller",
    "engine.prepare",
    "engine.recover",
    "engine.preview",
    "engine.up",
    "engine.alone ends",
    "cloud.make_data_key",
    "cloud.write_stored_data_key",
    "cloud.deliver_parameters",
    "vercel.deliver",
    "prover.prove",
    "cloud.policy_document",
)


def drift(name: str, type_: str, *properties: str) -> Drift:
    urn = f"urn:pulumi:production::eonpro-kms::{type_}::{name}"
    return Drift(urn=urn, type=type_, name=name, kind=DriftKind.CHANGED, properties=properties)


AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


class World:
    """A run's edges, all fakes, over one log."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.aws = FakeAwsClient(log=self.log, credentials=CREDENTIALS)
        self.vercel = FakeVercelClient(log=self.log)
        self.engine = FakeEngine(aws=self.aws, log=self.log)
        self.prover = FakeDecryptVerifier(aws=self.aws, log=self.log)
        self.wrapper = FakeWrapper(aws=self.aws)
        self.ui = FakeUserInterface(log=self.log)
        self.drafts = FakeSavedProgress()
        self.saved: Any = None
        self.version, self.news = "", tuple[str, ...]()
        # The bucket of these worlds has the name that an earlier version gave it.
        self.given = {**GIVEN, "trail_bucket": None, "alert_emails": None}
        self.ticks = iter(range(1000))

    @property
    def clients(self) -> Clients:
        return Clients(
            ui=self.ui,
            connect=lambda profile, region: self.aws,
            vercel=lambda token: replace_token(self.vercel, token),
            engine=self.made_engine,
            prover=self.prover,
            wrapper=self.wrapper,
            drafts=self.drafts,
            clock=lambda: float(next(self.ticks)),
            changes_since=lambda applied: self.news if applied != self.version else (),
        )

    def made_engine(self, environment, *, secrets_provider=None) -> FakeEngine:
        self.engine.environment = environment
        return self.engine

    def request(
        self, *, yes: bool = True, confirmed: str | None = None, adopt: bool = False, **changes: Any
    ) -> Request:
        values = {**(from_settings(self.saved) if self.saved else {}), **self.given, **changes}
        answers = {
            key: Answer(value=value, source=Source.FLAG, where=key, secret=key == "vercel_token")
            for key, value in values.items()
        }
        return Request(stack="production", answers=answers, saved=self.saved, yes=yes, confirmed=confirmed, adopt=adopt)

    def setup(self, **changes: Any):
        return workflow.setup(self.request(**changes), self.clients)

    def stand(self, wanted: Settings | None = None, **changes: Any) -> None:
        """A stack that was set up by an earlier run, with nothing to do."""
        self.saved = wanted or settings()
        self.engine.stack_state = built(self.aws, self.saved, **changes)
        self.engine.outputs = outputs_of(self.saved)
        self.engine.steps = tuple(replace(each, op="same") for each in self.engine.steps)
        self.vercel.variables = {
            "AWS_REGION": "us-east-1",
            "AWS_KMS_KEY_ID": self.engine.outputs.key_arn,
            "ENCRYPTED_PHI_KEY": wrapped().value,
        }
        for key in ("multi_region", "vercel_access"):
            self.given.pop(key)

    @property
    def calls(self) -> list[str]:
        return [call if call == "engine.alone ends" else call.split()[0] for call in self.log]

    @property
    def written(self) -> set[str]:
        return WRITES & set(self.calls)


def replace_token(vercel: FakeVercelClient, token: str) -> FakeVercelClient:
    vercel.token = token
    return vercel


@pytest.fixture
def world() -> World:
    return World()


def test_a_first_run_does_every_step_once_and_in_order(world) -> None:
    done = world.setup()
    milestones = [call for call in world.calls if call in MILESTONES]
    assert milestones == [
        "cloud.caller",
        "engine.alone",
        "engine.prepare",
        "engine.preview",
        "engine.up",
        "engine.alone ends",
        "cloud.make_data_key",
        "cloud.write_stored_data_key",
        "vercel.deliver",
        "prover.prove",
        "cloud.policy_document",
    ]
    assert (done.failed, done.stored_data_key.is_new) == ((), True)
    assert [proof.state for proof in done.proofs] == [VerificationState.PROVED]


def public(policy: str) -> PolicyFinding:
    return PolicyFinding(policy=policy, kind=PolicyFindingKind.PUBLIC, text="everybody may use it")


def test_a_key_that_everybody_may_use_is_never_made(world) -> None:
    world.aws.judgement = PolicyJudgement(findings=(public("the key alias/eonpro-phi-key"),))
    with pytest.raises(PreflightFailed) as refused:
        world.setup()
    assert (world.written, refused.value.exit_code) == (set(), 5)
    assert "everybody may use it" in refused.value.problems[0].what


def test_what_access_analyzer_says_of_the_plan_is_shown_before_the_plan_is_confirmed(world) -> None:
    more = PolicyFinding(policy="the bucket logs", kind=PolicyFindingKind.NEW, text="it may be read")
    world.aws.judgement = PolicyJudgement(findings=(more, public("the topic alerts")), not_asked="denied")
    document = of_plan(workflow.preview(world.request(), world.clients))
    assert [each["kind"] for each in document["policies"]["findings"]] == ["new-access", "public-access"]
    assert (
        Mark.WARN,
        "IAM Access Analyzer, new access by the policy of the bucket logs: it may be read",
    ) in world.ui.marked
    assert any("the topic alerts" in text for mark, text in world.ui.marked if mark is Mark.WARN)
    assert (Mark.INFO, "IAM Access Analyzer was not asked about every policy: denied") in world.ui.marked


def test_an_update_is_judged_against_the_policies_that_the_stack_has(world) -> None:
    world.stand()
    world.setup(administrators=(ADMIN, SECOND, IDENTITY.principal_arn))
    planned, before = ({policy.name: policy.document for policy in each} for each in world.aws.judged)
    different = [name for name in planned if planned[name] != before[name]]
    assert different == ["the key alias/eonpro-phi-key", "the key alias/eonpro-audit-key"]
    assert KEY in json.dumps(planned["the policy EONPROKMSAccess"])


def test_the_engine_works_with_the_credentials_that_were_identified(world) -> None:
    world.setup()
    assert world.engine.environment == world.aws.environment()


def test_credentials_are_renewed_when_the_last_page_has_stood_open(world) -> None:
    world.ui.interactive = True
    world.ui.answers = {"decision": ["apply"]}
    asked = world.ui.ask

    def much_later(question: Question, **drawn: Any) -> Any:
        world.aws.environment = lambda: {"AWS_ACCESS_KEY_ID": "renewed"}
        return asked(question, **drawn)

    world.ui.ask = much_later
    world.setup(yes=False)
    assert world.engine.environment == {"AWS_ACCESS_KEY_ID": "renewed"}


def test_problems_end_the_run_with_nothing_written_and_the_stack_let_go(world) -> None:
    world.aws.existing = Existing(alias_target=key_fact(), found={"trail_bucket": "foreign"})
    with pytest.raises(PreflightFailed) as refused:
        world.setup()
    assert len(refused.value.problems) == 2
    assert world.written == set()
    assert "engine.prepare" not in world.calls
    assert world.calls[-1] == "engine.alone ends"


# --- the confirmation


def test_an_answer_changed_on_the_last_page_is_checked_and_planned_anew(world) -> None:
    world.ui.interactive = True
    world.ui.answers = {
        "decision": ["edit", "apply"],
        "change": ["rotation_period_days"],
        "rotation_period_days": ["180"],
    }
    done = world.setup(yes=False)
    assert done.settings.rotation_period_days == 180
    assert [world.calls.count(f"engine.{call}") for call in ("alone", "preview", "up")] == [2, 2, 1]
    assert world.calls.count("cloud.identify") == 1


def test_a_problem_can_be_fixed_by_another_answer(world) -> None:
    world.ui.interactive = True
    world.given["vercel_project"] = "intranet"
    world.vercel.projects = (world.vercel.project,)
    world.ui.answers = {"problems": ["edit"], "change": ["vercel_project"], "vercel_project": ["acme/portal"]}
    assert world.setup(yes=True).settings.vercel_project == "portal"


def test_problems_that_are_left_end_the_run_and_change_nothing(world) -> None:
    world.ui.interactive = True
    world.aws.existing = Existing(found={"trail_bucket": "foreign"})
    world.ui.answers = {"problems": ["cancel"]}
    with pytest.raises(Cancelled) as refused:
        world.setup(yes=True)
    assert (refused.value.exit_code, world.written) == (8, set())


# --- a saved plan


def saved(world: World, **changes: Any) -> SavedPlan:
    """The plan of the world as it is, through its file."""
    planned = workflow.preview(world.request(**changes), world.clients)
    document = saved_plan.document(planned, world.engine.stack_state, at=AT, version=planned.engine)
    return saved_plan.read(json.dumps(document), "plan.json")


def test_a_saved_plan_that_still_fits_is_the_confirmation(world) -> None:
    request = replace(world.request(yes=False), plan=saved(world))
    assert workflow.setup(request, world.clients).failed == ()


def test_a_saved_plan_with_another_setting_is_refused_before_the_settings_are_written(world) -> None:
    plan = saved(world)
    world.engine.prepared = None
    request = replace(world.request(yes=False, rotation_period_days=180), plan=plan)
    with pytest.raises(StalePlan, match="the setting rotationPeriodDays is 180, and was 365"):
        workflow.setup(request, world.clients)
    assert (world.engine.prepared, world.written & {"engine.up"}) == (None, set())


# --- drafts


def test_an_interrupted_question_leaves_the_answers_before_it(world) -> None:
    world.ui.interactive = True
    world.given.pop("multi_region")
    world.given.pop("target")
    world.ui.answers = {"target": [("vercel",)], "multi_region": [KeyboardInterrupt]}
    with pytest.raises(KeyboardInterrupt):
        world.setup()
    draft = world.drafts.kept["production"]
    assert (draft.stage, draft.asked, draft.answers["target"]) == ("answering", ("target",), ("vercel",))
    assert "vercel_token" not in draft.answers


# --- a run over what is there


def test_a_newer_version_is_recorded_although_no_resource_changes(world) -> None:
    """An older program is then refused, and the next run of this one has nothing to record."""
    world.stand()
    stood = world.engine.stack_state
    world.version, world.news = "2.0.0", ("the last update was made by 1.0.0; this is 2.0.0",)
    world.setup()
    assert world.calls.count("engine.up") == 1 and "no resource has to be changed" in world.ui.said
    world.engine.stack_state = replace(stood, outputs=replace(stood.outputs, program_version="2.0.0"))
    world.setup()
    assert world.calls.count("engine.up") == 1


def test_a_newer_version_is_recorded_although_only_the_account_has_its_change_already(world) -> None:
    """The state is of before: of a backup, or of an update that was killed between the change and its record."""
    world.stand()
    changed = step("update", "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "audit-trail")
    world.version, world.news = "2.0.0", ("the last update was made by 1.0.0; this is 2.0.0",)
    world.engine.steps, world.engine.steps_after_refresh = (changed,), (replace(changed, op="same"),)
    world.setup()
    assert world.calls.count("engine.up") == 1


def test_a_second_run_changes_nothing(world) -> None:
    first = world.setup()
    world.saved = settings()
    world.engine.steps = tuple(replace(each, op="same") for each in world.engine.steps)
    owned = (KEY_ID, KEY, "alias/eonpro-phi-key")
    world.engine.stack_state = replace(world.engine.stack_state, owned=owned)
    second = world.setup()
    assert second.stored_data_key == replace(first.stored_data_key, is_new=False)
    assert world.calls.count("engine.up") == world.calls.count("cloud.make_data_key") == 1


def test_a_lost_settings_file_is_taken_from_the_state_and_not_made_of_other_answers(world) -> None:
    world.stand()
    world.saved = None
    with pytest.raises(PreflightFailed) as refused:
        world.setup()
    assert [problem.next for problem in refused.value.problems] == ["pulumi config refresh --stack production"]
    assert world.written == set() and world.engine.written is None


# --- whose environment it is


def test_a_second_stack_of_an_environment_makes_nothing_and_says_whose_it_is(world) -> None:
    world.aws.claims["/eonpro/production/claim"] = "stack production, state in s3://other"
    with pytest.raises(ResourceError, match="belongs to another stack: “stack production, state in s3://") as refused:
        world.setup()
    assert str(refused.value.hint) == "pulumi login s3://other && export PULUMI_BACKEND_URL=s3://other"
    assert world.written == set()
    assert world.engine.written is None, "its settings stay as they were"


def test_an_import_over_an_empty_backend_makes_no_second_owner_of_the_account(world) -> None:
    world.aws.claims["/eonpro/production/claim"] = "stack production, state in s3://other"
    world.stand()
    world.engine.stack_state = StackState(exists=False, has_key=False)
    with pytest.raises(PreflightFailed) as refused:
        world.setup(adopt=True)
    (problem,) = refused.value.problems
    assert str(problem.next) == "pulumi login s3://other && export PULUMI_BACKEND_URL=s3://other"
    assert "engine.up" not in world.calls and "cloud.claim" not in world.calls


def test_the_environment_is_claimed_before_the_first_resource_and_the_same_command_goes_on(world) -> None:
    world.engine.failures["up"] = ResourceError("the bucket could not be made", "again")
    with pytest.raises(ResourceError, match="the bucket"):
        world.setup()
    assert world.calls.index("cloud.claim") < world.calls.index("engine.up")
    (own,) = world.aws.claims.values()
    assert own.startswith("stack production, state in ")
    world.engine.failures.clear()
    world.setup()
    assert list(world.aws.claims.values()) == [own]


# --- a crashed run


def test_what_a_crashed_run_left_is_taken_up_before_the_plan(world) -> None:
    world.saved = settings()
    world.aws.keys = {KEY: key_fact()}
    world.engine.stack_state = StackState(exists=True, has_key=False, pending=(step("creating"),))
    world.setup()
    places = [world.calls.index(f"engine.{name}") for name in ("prepare", "recover", "preview", "up")]
    assert places == sorted(places)
    assert world.engine.recovered == {step().urn: KEY_ID}


def test_what_aws_made_and_the_state_lacks_is_imported_before_the_plan_and_looked_at_after_it(world) -> None:
    world.stand()
    alias = unrecorded_alias(world)
    world.engine.steps = (step("create", "aws:iam/policy:Policy", "app-access"),)
    world.setup()
    places = [world.calls.index(f"engine.{name}") for name in ("prepare", "recover", "preview", "up", "compare")]
    assert places == sorted(places)
    assert world.engine.imported == (alias,)
    assert f"its state lacks them; they are imported: {alias.arn}" in " ".join(world.ui.said)


def unrecorded_alias(world: Any) -> UnrecordedResource:
    """The alias, which AWS made for a run whose plug-in was killed."""
    name = "alias/eonpro-phi-key"
    alias = UnrecordedResource(type="aws:kms/alias:Alias", name=name, region="us-east-1", id=name, arn=name)
    provider = StateResource(urn="urn::pulumi:providers:aws::default", type="pulumi:providers:aws", id="1")
    state = world.engine.stack_state
    world.engine.stack_state = replace(state, resources=(*state.resources, provider))
    world.aws.unrecorded = (alias,)
    return alias


def test_an_update_after_a_failure_does_not_end_well_while_the_account_lacks_the_rotation(world) -> None:
    world.stand()
    incomplete = step("incomplete", "aws:kms/key:Key", "phi-key")
    world.engine.stack_state = replace(world.engine.stack_state, pending=(incomplete,))
    world.engine.steps = (step("update", "aws:kms/key:Key", "phi-key"),)
    world.engine.drifts = (drift("phi-key", "aws:kms/key:Key", "enableKeyRotation"),)
    with pytest.raises(ResourceError, match="phi-key .enableKeyRotation") as refused:
        world.setup()
    assert "run the same command again" in refused.value.hint
    assert [call for call in world.calls if call in ("engine.recover", "engine.up", "engine.compare")] == [
        "engine.recover",
        "engine.up",
        "engine.compare",
    ]


def test_a_trust_that_somebody_widened_is_repaired_although_the_state_knows_no_change(world) -> None:
    world.stand()
    world.engine.drifts = (drift("app-role", "aws:iam/role:Role", "assumeRolePolicy"),)
    world.engine.steps_after_refresh = (step("update", "aws:iam/role:Role", "app-role"),)
    world.setup()
    assert "changed outside the stack: Role app-role (assumeRolePolicy)" in world.ui.said
    assert "no resource has to be changed" not in world.ui.said
    places = [world.calls.index(f"engine.{name}") for name in ("compare", "recover", "up")]
    assert places == sorted(places)


def test_an_update_that_fails_makes_no_data_key(world) -> None:
    world.engine.failures["up"] = ResourceError("the bucket could not be made", "again")
    with pytest.raises(ResourceError):
        world.setup()
    assert world.written == {"engine.up"}


def test_a_foreign_data_key_that_appears_during_the_run_is_never_overwritten(world) -> None:
    world.vercel.conflict = lambda *args, **kwargs: None
    world.vercel.variables["ENCRYPTED_PHI_KEY"] = wrapped("foreign").value
    with pytest.raises(DataKeyConflict):
        world.setup()
    assert world.vercel.variables == {"ENCRYPTED_PHI_KEY": wrapped("foreign").value}


# --- the proof and the report


def backed_up(world: World, *, fails: bool = False) -> tuple[Clients, list[str]]:
    """The clients of a run whose backups are made by a fake, and the places that it was given."""
    places: list[str] = []

    def back_up(place: str, *_: Any) -> LastBackup:
        places.append(place)
        if fails:
            raise PermissionDenied("no s3:PutObject", "aws sts get-caller-identity")
        stored = find_stored_data_key(world.aws, settings())
        assert stored is not None
        return LastBackup(at=AT, fingerprint=stored.wrapped.fingerprint, place=place)

    return replace(world.clients, back_up=back_up), places


@pytest.mark.parametrize("is_interactive", [True, False])
def test_nobody_is_asked_for_a_backup_where_yes_was_given(world, is_interactive) -> None:
    world.ui.interactive = is_interactive
    clients, places = backed_up(world)
    workflow.setup(world.request(), clients)
    assert places == [] and "backup_to" not in world.ui.keys


def test_a_backup_that_was_asked_for_and_not_made_does_not_end_well(world) -> None:
    clients, places = backed_up(world, fails=True)
    code, document = SetupOptions().run(world.request(backup_to="eu-west-1"), clients)
    assert places == ["eu-west-1"]
    assert (code, document["ok"], document["lastBackup"]) == (1, False, None)
    (told,) = world.ui.told
    assert told.message == "the data key was not backed up: no s3:PutObject"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("s3://clinic/key.json", "--to s3://clinic/key.json"),
        ("eu-west-1", "--to-region eu-west-1"),
        ("my keys.json", f"--to '{Path.cwd()}/my keys.json'"),
        ("~/key.json", f"--to {Path.home()}/key.json"),
    ],
)
def test_a_backup_that_is_refused_at_the_end_is_repeated_by_a_command_and_the_set_up_is_done(
    world, place: str, words: str
) -> None:
    world.ui.interactive = True
    world.ui.answers = {"decision": ["apply"], "backup_to": [place]}
    clients, _ = backed_up(world, fails=True)
    done = workflow.setup(world.request(yes=False), clients)
    repeat = f"python -m wizard backup --stack production {words}"
    assert done.ok and of_report(done)["ok"]
    assert world.drafts.saved and world.drafts.kept == {}, "the next run would go on with a set-up that is done"
    assert world.ui.said.count(repeat) == 2, "where it is refused, and among the next steps"
    assert [step.verbatim for step in next_steps(done) if "backup" in step.what] == [repeat]


def test_a_strict_key_policy_that_kms_does_not_hold_does_not_end_well(world) -> None:
    world.stand(settings(administrators=(ADMIN, SECOND), strict_key_policy=True))
    assert SetupOptions().run(world.request(administrators=(ADMIN, SECOND)), world.clients)[0] == 0
    world.aws.key_policies[KEY] = key_policy_of(settings(administrators=(ADMIN, SECOND)))
    code, document = SetupOptions().run(world.request(administrators=(ADMIN, SECOND)), world.clients)
    assert (code, document["ok"]) == (1, False)
    assert f"arn:aws:iam::{ACCOUNT}:root change it" in "\n".join(world.ui.said)


# --- what cannot be undone

LOCK = step("create", "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration", "audit-trail-lock")
FOREVER = {"trail_lock": "compliance"}


@pytest.fixture
def locking(world: World) -> World:
    world.engine.steps = (*world.engine.steps, LOCK)
    return world


def test_a_compliance_lock_takes_the_stacks_name_typed(locking) -> None:
    locking.ui.interactive = True
    locking.ui.answers = {"decision": ["apply"], "confirmation": ["production"]}
    locking.setup(yes=False, **FOREVER)
    (asked,) = [place for place, call in enumerate(locking.log) if call == "ui.ask confirmation"]
    assert locking.log.index("engine.preview") < asked < locking.log.index("engine.up")
    assert any(mark is Mark.WARN and "Object Lock in compliance mode" in line for mark, line in locking.ui.marked)


APPLIED, CONFIRM = {"decision": ["apply"]}, "python -m wizard setup --stack production --confirm production"
REFUSALS: list[tuple[bool, dict[str, Any], dict[str, Any], str]] = [
    # A person's no, and nobody who could confirm.
    (True, {"decision": ["cancel"]}, {"yes": False}, "python -m wizard setup --stack production"),
    (False, {}, {"yes": False}, "python -m wizard setup --stack production --yes"),
    # What cannot be undone takes the stack's own name, typed.
    *(
        (True, {**APPLIED, "confirmation": [typed]}, {"yes": False, **FOREVER}, CONFIRM)
        for typed in ("yes", "Production", "")
    ),
    (False, {}, {"yes": True, **FOREVER}, CONFIRM),
    *((True, {}, {"yes": True, "confirmed": named, **FOREVER}, CONFIRM) for named in ("staging", "yes", "")),
]


@pytest.mark.parametrize(("interactive", "answers", "given", "hint"), REFUSALS)
def test_a_plan_that_is_not_confirmed_changes_nothing(locking, interactive, answers, given, hint) -> None:
    locking.ui.interactive, locking.ui.answers = interactive, {key: [*typed] for key, typed in answers.items()}
    with pytest.raises(Cancelled) as refused:
        locking.setup(**given)
    assert (refused.value.exit_code, refused.value.hint, locking.written) == (8, hint, set())


def test_a_lock_that_is_on_is_not_confirmed_again(world) -> None:
    world.stand(settings(trail_lock="compliance"))
    world.engine.steps = (*world.engine.steps, replace(LOCK, op="same"))
    assert world.setup(yes=True).failed == ()


@pytest.mark.parametrize("refusal", ["no", "not-its-name"])
def test_a_plan_that_is_not_confirmed_is_in_no_settings(world, refusal) -> None:
    world.stand()
    world.engine.steps = (*world.engine.steps, replace(LOCK, op="update"))
    world.ui.interactive = True
    world.ui.answers = {"confirmation": [refusal]}
    with pytest.raises(Cancelled):
        world.setup(**FOREVER)
    assert (world.engine.written, world.engine.prepared, world.written) == (None, None, set())


# --- an account that was created manually

TAKEN_IN = (step("import"), step("update", changed=("enableKeyRotation",)))


@pytest.fixture
def hand(world: World) -> World:
    by_hand(world.aws)
    world.engine.steps = TAKEN_IN
    world.vercel.sensitive = False
    world.vercel.variables = {
        "AWS_REGION": "us-east-1",
        "AWS_KMS_KEY_ID": KEY,
        "ENCRYPTED_PHI_KEY": wrapped("by hand").value,
    }
    world.aws.wrapped_by[wrapped("by hand").fingerprint] = KEY
    return world


@pytest.fixture
def encrypting(world: World) -> World:
    """The application has an ENCRYPTION_KEY, and records under it."""
    world.vercel.variables["ENCRYPTION_KEY"] = "ab" * 32
    return world


def test_records_under_an_encryption_key_are_not_orphaned_by_an_unattended_run(encrypting) -> None:
    with pytest.raises(PreflightFailed) as refused:
        encrypting.setup()
    [problem] = refused.value.problems
    assert problem.what == "the application has an ENCRYPTION_KEY: production of acme/portal (id env_1)"
    assert "--former-key wrap" in problem.next and encrypting.written == set()


def test_a_wrapped_encryption_key_is_the_data_key_and_no_other_one_is_made(encrypting) -> None:
    done = encrypting.setup(former_key="wrap")
    assert "cloud.make_data_key" not in encrypting.calls
    assert encrypting.calls.index("engine.up") < encrypting.calls.index("wrapper.wrap")
    assert encrypting.calls.index("prover.prove") < encrypting.calls.index("cloud.write_stored_data_key")
    [version] = encrypting.aws.key_rotation.versions(done.settings)
    assert (version.wrapped, version.origin) == (done.stored_data_key.wrapped, VersionOrigin.ADOPTED)
    assert encrypting.vercel.variables["ENCRYPTED_PHI_KEY"] == done.stored_data_key.wrapped.value
    assert any("ENCRYPTION_KEY is the same key in the clear" in step.what for step in report.next_steps(done))
    encrypting.saved = done.settings
    encrypting.given = {key: value for key, value in GIVEN.items() if key in ("vercel_token", "profile")}
    assert encrypting.setup().stored_data_key.wrapped == done.stored_data_key.wrapped
    assert encrypting.wrapper.prompted == [False]


def test_a_person_is_asked_what_becomes_of_the_encryption_key_and_may_mistype_it_once(encrypting) -> None:
    encrypting.ui.interactive = True
    encrypting.ui.answers = {"former_key": ["wrap"], "decision": ["apply"]}
    encrypting.wrapper.failure = UsageError("the input is not an ENCRYPTION_KEY", "")

    def again(prompt: str, **options: Any) -> bool:
        encrypting.wrapper.failure = None
        return prompt == "Enter it again?"

    encrypting.ui.confirm = again
    done = encrypting.setup(yes=False)
    assert [question.default for question in encrypting.ui.asked if question.key == "former_key"] == ["wrap"]
    assert any("wrapped by KMS: stored once" in " ".join(row) for row in encrypting.ui.rows)
    assert encrypting.wrapper.prompted == [True, True] and not done.stored_data_key.is_new


def test_an_adoption_unattended_keeps_the_data_key_and_makes_none(hand) -> None:
    done = hand.setup(adopt=True, repair=("all",))
    assert (done.stored_data_key.wrapped, done.stored_data_key.is_new) == (wrapped("by hand"), False)
    assert hand.aws.stored_keys[STORED_KEY].wrapped == wrapped("by hand")
    assert "cloud.make_data_key" not in hand.calls
    assert [each.state for each in done.delivered] == [DeliveryState.UNCHANGED]
    assert [each.state for each in done.proofs] == [VerificationState.PROVED]
    assert set(hand.engine.prepared.adopted) == set(hand.aws.discovered.adopted)


@pytest.mark.parametrize(
    ("repair", "kept"),
    [
        (("all",), set()),
        (("none",), set(ImportGroup)),
        (None, set(ImportGroup)),
        (("key", "trail"), set(ImportGroup) - {"key", "trail"}),
    ],
)
def test_only_what_was_agreed_is_repaired(hand, repair, kept) -> None:
    hand.setup(adopt=True, repair=repair)
    assert set(hand.engine.prepared.kept_as_found) == kept


def test_a_person_is_shown_what_was_found_and_how_it_differs_and_offered_the_adoption(hand) -> None:
    hand.ui.interactive = True
    hand.ui.answers = {"repair": [("key",)]}
    done = hand.setup()
    assert f"key: {KEY}" in hand.ui.said and "alias: alias/eonpro-phi-key" in hand.ui.said
    assert any(row[0] == "key, rotation" and row[1:] == ("off", "on") for row in hand.ui.rows)
    assert "ui.confirm Import it into the stack?" in hand.log
    assert done.stored_data_key.wrapped == wrapped("by hand")
    assert "key" not in done.settings.kept_as_found


def test_a_person_is_asked_for_the_data_key_that_vercel_hides(hand) -> None:
    hand.vercel.sensitive = True
    hand.ui.interactive = True
    hand.ui.answers = {"repair": [("key",)], "encrypted_phi_key": [wrapped("by hand").value]}
    done = hand.setup()
    assert done.stored_data_key.wrapped == wrapped("by hand")
    assert wrapped("by hand").value[:20] not in "\n".join(hand.ui.said)


def test_a_hidden_data_key_is_never_replaced_by_a_new_one(hand) -> None:
    hand.vercel.sensitive = True
    with pytest.raises(PreflightFailed):
        hand.setup(adopt=True, repair=("all",))
    assert hand.written == set()
    assert hand.vercel.variables["ENCRYPTED_PHI_KEY"] == wrapped("by hand").value


@pytest.mark.parametrize("op", ["replace", "create-replacement", "delete-replaced", "import-replacement", "delete"])
@pytest.mark.parametrize("interactive", [True, False])
def test_an_adoption_that_would_lose_something_is_refused_whoever_wants_it(hand, op, interactive) -> None:
    hand.engine.steps = (*TAKEN_IN, step(op, "aws:s3/bucket:Bucket", "audit-trail-bucket"))
    hand.ui.interactive = interactive
    hand.ui.answers = {"repair": [("key",)]}
    with pytest.raises(ResourceError, match="would be replaced, not imported"):
        hand.setup(adopt=not interactive, repair=None if interactive else ("all",))
    assert hand.written == set()


def test_an_adopted_stack_may_lose_what_is_confirmed_later(hand) -> None:
    hand.setup(adopt=True, repair=("all",))
    hand.saved = hand.engine.prepared
    hand.engine.stack_state = replace(
        hand.engine.stack_state,
        owned=tuple(part for found in hand.aws.discovered.things for part in (found.id, found.arn)),
    )
    hand.engine.steps = (step("delete", "aws:sns/topic:Topic", "alerts"),)
    assert hand.setup(yes=True).failed == ()


# --- the access key of a user on Vercel

USER = settings(vercel_access="user")


def test_a_user_gets_its_access_key_after_the_variables_and_is_proved_with_it(world) -> None:
    world.engine.outputs = USER_OUTPUTS
    world.aws.credentials = None
    done = world.setup(vercel_access="user")
    order = [world.calls.index(call) for call in ("engine.up", "vercel.deliver", "cloud.make_access_key")]
    assert order == sorted(order)
    assert world.calls.index("vercel.deliver_access_key") < world.calls.index("prover.prove")
    assert [(proof.state, proof.principal) for proof in done.proofs] == [(VerificationState.PROVED, APP_USER)]
    assert done.access_key is not None and done.access_key.is_new
    assert [each.secret_access_key for each in world.prover.given] == [SECRET_OF_ACCESS_KEY]
    assert SECRET_OF_ACCESS_KEY not in "\n".join(world.ui.said) + repr(done)


def kept(world: World, **changes: Any) -> AccessKeyFact:
    """An access key that an earlier run made and pushed."""
    fact = AccessKeyFact(id="AKIAOLDNUMBER0000001", active=True, made=datetime.now(UTC) - timedelta(days=3), **changes)
    world.aws.access_keys["eonpro-app-user"] = [fact]
    world.vercel.access_key = AccessKey(id=fact.id, secret="nobody has it any more")
    return fact


def test_retiring_switches_off_what_vercel_no_longer_has(world) -> None:
    world.stand(USER)
    old = kept(world)
    workflow.rotate_access_key(world.request(), world.clients)
    done = workflow.retire_access_key(world.request(yes=True), world.clients)
    assert (done["id"], done["done"]) == (old.id, "switched off")
    assert {key.id: key.active for key in world.aws.access_keys["eonpro-app-user"]}[old.id] is False


def test_an_access_key_that_may_be_in_use_is_not_retired_without_a_yes(world) -> None:
    world.stand(USER)
    kept(world, last_used=datetime.now(UTC))
    workflow.rotate_access_key(world.request(), world.clients)
    with pytest.raises(ResourceError, match="may still be in use"):
        workflow.retire_access_key(world.request(yes=False), world.clients)
    assert "cloud.retire_access_key" not in world.calls


def test_a_leaked_access_key_is_rotated_whatever_a_new_set_up_would_have_to_wait_for(world) -> None:
    world.stand(USER)
    old = kept(world)
    topic = {"alert_topic": "arn:aws:sns:us-east-1:111122223333:foreign"}
    world.aws.existing = replace(world.aws.existing, found={**world.aws.existing.found, **topic})
    assert workflow.rotate_access_key(world.request(), world.clients)["old"] == old.id


def test_an_access_key_is_not_rotated_without_a_terminal_and_a_token(world) -> None:
    world.stand(USER)
    del world.given["vercel_token"]
    with pytest.raises(MissingAnswers, match="delivers to Vercel") as refused:
        workflow.rotate_access_key(world.request(), world.clients)
    assert refused.value.hint == VERCEL_LOGIN and world.written == set()


@pytest.mark.parametrize("command", [workflow.rotate_access_key, workflow.retire_access_key])
def test_an_application_that_takes_a_role_has_no_access_key_to_change(world, command) -> None:
    world.stand()
    with pytest.raises(UsageError, match="it takes a role"):
        command(world.request(), world.clients)
    assert world.written == set()


# --- several Regions, several stores


def test_a_replica_gets_the_data_key_and_each_region_its_proof(world) -> None:
    world.engine.outputs = MULTI_OUTPUTS
    done = world.setup(
        target=("ecs",), ecs_execution_role="create", multi_region=True, replica_regions=(REPLICA_REGION,)
    )
    assert [each.region for each in done.delivered] == ["us-east-1", REPLICA_REGION]
    assert [each.state for each in done.proofs] == [VerificationState.PROVED] * 2
    assert f"and in {REPLICA_REGION}, with the replica" in world.ui.said
    assert world.aws.with_region(REPLICA_REGION).stored_keys[STORED_KEY].wrapped == done.stored_data_key.wrapped


# --- removing a stack


def test_a_stack_ends_by_its_name_and_says_what_stays_and_why(world) -> None:
    world.stand()
    world.ui.interactive = True
    world.ui.answers = {"confirmation": ["production"]}
    left = workflow.destroy(world.request(yes=False), world.clients)
    assert world.written == {"engine.destroy"}
    assert [what for what, _ in left][:3] == [
        f"the key {KEY}",
        "its alias alias/eonpro-phi-key",
        f"the parameter {STORED_KEY}",
    ]
    said = world.ui.said
    assert f"the key {KEY}" in said and "  every record encrypted under the data key is lost with it" in said
    assert any("aws kms schedule-key-deletion" in line for line in said)
    assert world.aws.stored_keys[STORED_KEY].wrapped == wrapped()


def test_what_is_retained_is_shown_before_the_name_is_asked_for(world) -> None:
    world.stand()
    world.ui.interactive = True
    world.ui.answers = {"confirmation": ["no"]}
    with pytest.raises(Cancelled) as refused:
        workflow.destroy(world.request(yes=False), world.clients)
    assert world.log.index("ui.section Retained") < world.log.index("ui.ask confirmation")
    assert (refused.value.exit_code, world.written) == (8, set())
    assert refused.value.hint == "python -m wizard destroy --stack production --confirm production"


def test_yes_does_not_end_a_stack_and_its_name_does(world) -> None:
    world.stand()
    with pytest.raises(Cancelled):
        workflow.destroy(world.request(yes=True), world.clients)
    assert world.written == set()
    workflow.destroy(world.request(confirmed="production"), world.clients)
    assert world.calls[world.calls.index("engine.destroy") - 1] == "engine.alone"
    assert world.written == {"engine.destroy"}


def test_what_an_interrupted_first_set_up_created_can_be_removed(world) -> None:
    world.saved, key = settings(), "urn::aws:kms/key:Key::phi-key"
    role = step("creating", "aws:iam/role:Role", "app-role", physical_name="eonpro-app-role")
    resources = (
        StateResource(urn=key, type="aws:kms/key:Key", id=KEY_ID, is_retained=True),
        StateResource(urn="urn::aws:sns/topic:Topic::alerts", type="aws:sns/topic:Topic", id="alerts"),
    )
    world.engine.stack_state = StackState(
        exists=True, has_key=True, owned=(KEY_ID, KEY), resources=resources, pending=(role,)
    )
    world.aws.existing = Existing(found={"app_role": APP})
    left = workflow.destroy(world.request(confirmed="production"), world.clients)
    assert world.written == {"engine.destroy"}
    assert world.engine.recovered == {role.urn: "eonpro-app-role"}, "AWS had made it, and nobody heard of it"
    assert [what for what, _ in left] == [f"Key {KEY_ID}"]
    assert any(f"--key-id {KEY_ID}" in line for line in world.ui.said)


def test_what_its_state_lacks_is_removed_with_a_first_set_up_that_did_not_end(world) -> None:
    world.saved = settings()
    world.engine.stack_state = StackState(exists=True, has_key=True, owned=(KEY_ID, KEY))
    alias = unrecorded_alias(world)
    workflow.destroy(world.request(confirmed="production"), world.clients)
    assert world.engine.imported == (alias,)
    assert world.calls.index("engine.recover") < world.calls.index("engine.destroy")


def test_a_stack_without_its_settings_file_is_not_asked_about_again_before_its_removal(world) -> None:
    world.stand()
    world.saved, world.ui.interactive = None, True
    with pytest.raises(StackNotFound, match=r"Pulumi\.production\.yaml") as refused:
        workflow.destroy(world.request(confirmed="production"), world.clients)
    assert "pulumi config refresh --stack production" in str(refused.value.hint)
    assert not [call for call in world.calls if call == "ui.ask"]


def test_a_stack_of_another_account_is_not_removed_with_these_credentials(world) -> None:
    world.stand()
    world.aws.identity = replace(world.aws.identity, account_id="999988887777")
    with pytest.raises(PreflightFailed) as refused:
        workflow.destroy(world.request(confirmed="production"), world.clients)
    assert "belong to the account 999988887777" in refused.value.problems[0].what and world.written == set()


# --- the other commands


def test_preview_shows_what_the_plan_costs(world) -> None:
    workflow.preview(world.request(yes=False), world.clients)
    assert ("cost          ", "$2.18 a month, estimated; takes about a minute") in world.ui.rows
    assert not any(line.startswith("What it costs") for line in world.ui.said)
    workflow.preview(replace(world.request(yes=False), everything=True), world.clients)
    assert any(line.startswith("What it costs: $2.18 a month") for line in world.ui.said)


def test_a_preview_hands_over_the_answers_that_repeat_the_run(world, tmp_path) -> None:
    kept: dict[str, Any] = {}
    workflow.preview(world.request(yes=False), replace(world.clients, save_answers=kept.update))
    answers_file.write(tmp_path / "answers.yaml", kept)
    text = (tmp_path / "answers.yaml").read_text()
    assert TOKEN not in text and "vercel_token" not in text
    told: dict[str, Any] = {"flags": {}, "environ": {}, "saved": {}, "saved_name": "", "detected": {}}
    again = resolve(file=answers_file.read_answers(tmp_path / "answers.yaml"), file_name="", **told)
    world.given = {key: answer.value for key, answer in again.items()} | {"vercel_token": TOKEN}
    assert workflow.preview(world.request(yes=False), world.clients).settings == settings()


def test_verify_only_reads(world) -> None:
    world.stand()
    (proof,) = doctor.verify(world.request(), world.clients).proofs
    assert proof.state is VerificationState.PROVED
    assert world.written == set()
    assert not {"engine.prepare", "engine.preview"} & set(world.calls)


@pytest.mark.parametrize("method", ["key_policy", "grants", "describe_key"])
def test_verify_does_not_end_well_where_who_has_access_cannot_be_read(world, method) -> None:
    world.stand()
    failing = world.aws.who_has_access.failures if method == "grants" else world.aws.failures
    failing[method] = PermissionDenied(f"you may not {method}", "ask for it")
    code, document = doctor.run_verify(world.request(), world.clients)
    assert (code, document["ok"], document["findings"]) == (1, False, [])
    assert any(f"you may not {method}" in each["why"] for each in document["notChecked"])
    assert any("python -m wizard policy auditor" in line for line in world.ui.said)
