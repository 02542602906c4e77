"""The order of the steps over fakes: what is called, in which order, and what is never called."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.wizard.fakes import (
    ADMIN,
    APP,
    CREDENTIALS,
    ESCROW,
    IDENTITY,
    KEY,
    KEY_ID,
    SECOND,
    TOKEN,
    FakeCloud,
    FakeEngine,
    FakeHosting,
    FakeProver,
    FakeTalk,
    built,
    key_fact,
    settings,
    step,
    wrapped,
)
from tests.wizard.test_interview import GIVEN
from wizard import journey
from wizard.answers import Answer, Source, from_settings
from wizard.errors import Cancelled, CredentialsError, DataKeyConflict, PreflightFailed, ResourceError, StackNotFound
from wizard.facts import DeliveryState, Escrow, Existing, ProofState, StackState
from wizard.journey import Doors, Request

WRITES = {
    "engine.up",
    "cloud.make_data_key",
    "cloud.write_escrow",
    "cloud.deliver_parameters",
    "hosting.deliver",
}
MILESTONES = (
    "engine.alone",
    "cloud.identify",
    "engine.prepare",
    "engine.recover",
    "engine.preview",
    "engine.up",
    "engine.alone ends",
    "cloud.make_data_key",
    "cloud.write_escrow",
    "cloud.deliver_parameters",
    "hosting.deliver",
    "prover.prove",
    "cloud.policy_document",
)


class World:
    """A run's edges, all fakes, over one log."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.cloud = FakeCloud(log=self.log, credentials=CREDENTIALS)
        self.hosting = FakeHosting(log=self.log)
        self.engine = FakeEngine(cloud=self.cloud, log=self.log)
        self.prover = FakeProver(cloud=self.cloud, log=self.log)
        self.talk = FakeTalk(log=self.log)
        self.saved: Any = None
        self.given = dict(GIVEN)
        self.ticks = iter(range(1000))

    @property
    def doors(self) -> Doors:
        return Doors(
            talk=self.talk,
            connect=lambda profile, region: self.cloud,
            hosting=lambda token: replace_token(self.hosting, token),
            engine=self.made_engine,
            prover=self.prover,
            clock=lambda: float(next(self.ticks)),
        )

    def made_engine(self, environment) -> FakeEngine:
        self.engine.environment = environment
        return self.engine

    def request(self, *, yes: bool = True, **changes: Any) -> Request:
        values = {**(from_settings(self.saved) if self.saved else {}), **self.given, **changes}
        answers = {
            key: Answer(value=value, source=Source.FLAG, where=key, secret=key == "vercel_token")
            for key, value in values.items()
        }
        return Request(stack="production", answers=answers, saved=self.saved, yes=yes)

    def setup(self, *, yes: bool = True, **changes: Any):
        return journey.setup(self.request(yes=yes, **changes), self.doors)

    def stand(self, **changes: Any) -> None:
        """A stack that was set up by an earlier run, with nothing to do."""
        self.saved = settings()
        self.engine.stack_state = built(self.cloud, settings(), **changes)
        self.engine.steps = tuple(replace(each, op="same") for each in self.engine.steps)
        self.hosting.variables = {
            "AWS_REGION": "us-east-1",
            "AWS_KMS_KEY_ID": KEY,
            "ENCRYPTED_PHI_KEY": wrapped().value,
        }

    @property
    def calls(self) -> list[str]:
        return [call if call == "engine.alone ends" else call.split()[0] for call in self.log]

    @property
    def written(self) -> set[str]:
        return WRITES & set(self.calls)


def replace_token(hosting: FakeHosting, token: str) -> FakeHosting:
    hosting.token = token
    return hosting


@pytest.fixture
def world() -> World:
    return World()


def test_a_first_run_does_every_step_once_and_in_order(world) -> None:
    done = world.setup()
    milestones = [call for call in world.calls if call in MILESTONES]
    assert milestones == [
        "cloud.identify",
        "engine.alone",
        "engine.prepare",
        "engine.preview",
        "engine.up",
        "engine.alone ends",
        "cloud.make_data_key",
        "cloud.write_escrow",
        "hosting.deliver",
        "prover.prove",
        "cloud.policy_document",
    ]
    assert (done.failed, done.escrow.made_now) == ((), True)
    assert [proof.state for proof in done.proofs] == [ProofState.PROVED]


def test_everything_that_can_be_wrong_is_looked_at_before_the_stack_is_touched(world) -> None:
    world.setup()
    before = world.calls[: world.calls.index("engine.prepare")]
    for check in ("cloud.find_existing", "cloud.read_escrow", "hosting.find_project", "hosting.conflict"):
        assert check in before


def test_the_engine_works_with_the_credentials_that_were_identified(world) -> None:
    world.setup()
    assert world.engine.environment == world.cloud.environment()


def test_the_settings_that_are_prepared_are_those_that_were_reviewed(world) -> None:
    done = world.setup()
    assert world.engine.prepared == done.settings == settings()
    assert ("account", "111122223333 (clinic)") in world.talk.rows


def test_both_targets_get_one_key(world) -> None:
    done = world.setup(target=("vercel", "ecs"), ecs_execution_role="create")
    assert [each.target for each in done.delivered] == ["vercel", "ecs"]
    assert len({each.fingerprint for each in done.delivered}) == 1
    assert world.calls.count("cloud.make_data_key") == 1


def test_problems_end_the_run_with_nothing_written_and_the_stack_let_go(world) -> None:
    world.cloud.existing = Existing(alias_target=key_fact(), bucket="foreign")
    with pytest.raises(PreflightFailed) as refused:
        world.setup()
    assert len(refused.value.problems) == 2
    assert world.written == set()
    assert "engine.prepare" not in world.calls
    assert world.calls[-1] == "engine.alone ends"


def test_no_identity_is_one_of_the_problems_where_nobody_is_there(world) -> None:
    world.cloud.failures["identify"] = CredentialsError("expired", "aws sso login")
    world.given["vercel_token"] = "wrong"
    with pytest.raises(PreflightFailed) as refused:
        world.setup()
    assert [problem.what for problem in refused.value.problems] == ["expired", "Vercel refuses the token"]
    assert refused.value.exit_code == 3


# --- the confirmation


def test_yes_on_the_command_line_is_the_confirmation(world) -> None:
    world.talk.interactive = True
    world.setup(yes=True)
    assert not [call for call in world.log if call.startswith("talk.confirm")]


def test_without_yes_a_person_is_asked_after_the_plan_and_before_the_update(world) -> None:
    world.talk.interactive = True
    world.setup(yes=False)
    (confirm,) = [place for place, call in enumerate(world.log) if call.startswith("talk.confirm")]
    assert world.log.index("engine.preview") < confirm < world.log.index("engine.up")


def test_a_no_writes_nothing(world) -> None:
    world.talk.interactive = True
    world.talk.confirms = [False]
    with pytest.raises(Cancelled) as refused:
        world.setup(yes=False)
    assert (refused.value.exit_code, world.written) == (8, set())


def test_with_nobody_to_confirm_nothing_is_written(world) -> None:
    with pytest.raises(Cancelled) as refused:
        world.setup(yes=False)
    assert world.written == set()
    assert refused.value.hint == "python -m wizard setup --stack production --yes"


def test_a_loss_is_told_and_turns_the_default_to_no(world) -> None:
    world.stand()
    world.talk.interactive = True
    world.engine.steps = (step("delete-replaced", "aws:s3/bucket:Bucket", "audit-trail-bucket"),)
    asked: list[bool] = []
    world.talk.confirm = lambda prompt, *, default=True, why="": asked.append(default) or default  # type: ignore
    with pytest.raises(Cancelled):
        world.setup(yes=False)
    assert asked == [False]
    assert "audit-trail-bucket would be replaced" in world.talk.said


# --- a run over what is there


def test_nothing_to_do_skips_the_update_but_still_checks_delivery_and_proof(world) -> None:
    world.stand()
    done = world.setup()
    assert "engine.up" not in world.calls
    assert [each.state for each in done.delivered] == [DeliveryState.UNCHANGED]
    assert [each.state for each in done.proofs] == [ProofState.PROVED]
    assert not world.written - {"hosting.deliver"}


def test_a_data_key_that_exists_is_kept_and_said_so(world) -> None:
    world.stand()
    done = world.setup()
    assert (done.escrow.wrapped, done.escrow.made_now) == (wrapped(), False)
    assert any(line.startswith("ENCRYPTED_PHI_KEY exists") for line in world.talk.said)


def test_a_second_run_changes_nothing(world) -> None:
    first = world.setup()
    world.saved = settings()
    world.engine.steps = tuple(replace(each, op="same") for each in world.engine.steps)
    owned = (KEY_ID, KEY, "alias/eonpro-phi-key")
    world.engine.stack_state = replace(world.engine.stack_state, owned=owned)
    second = world.setup()
    assert second.escrow == replace(first.escrow, made_now=False)
    assert world.calls.count("engine.up") == world.calls.count("cloud.make_data_key") == 1


def test_a_variable_that_went_missing_at_vercel_is_written_again(world) -> None:
    world.stand()
    del world.hosting.variables["ENCRYPTED_PHI_KEY"]
    done = world.setup()
    assert [each.state for each in done.delivered] == [DeliveryState.WRITTEN]
    assert world.hosting.variables["ENCRYPTED_PHI_KEY"] == wrapped().value


def test_a_target_set_up_earlier_stays_in_the_settings_and_is_not_delivered_to(world) -> None:
    world.stand()
    world.engine.steps = (*world.engine.steps, step("create", "aws:iam/role:Role", "delivery-execution-role"))
    done = world.setup(target=("ecs",), ecs_execution_role="create")
    assert done.settings.deploy_targets == ("ecs", "vercel")
    assert [each.target for each in done.delivered] == ["ecs"]
    assert "hosting.deliver" not in world.calls


def test_no_changes_without_outputs_is_an_update_that_has_to_be_ended(world) -> None:
    world.stand(outputs=None)
    world.setup()
    assert "engine.up" in world.calls


# --- a crashed run


def test_what_a_crashed_run_left_is_taken_up_before_the_plan(world) -> None:
    world.saved = settings()
    world.cloud.keys = {KEY: key_fact()}
    world.engine.stack_state = StackState(exists=True, has_key=False, pending=(step("creating"),))
    world.setup()
    places = [world.calls.index(f"engine.{name}") for name in ("prepare", "recover", "preview", "up")]
    assert places == sorted(places)
    assert world.engine.recovered == {step().urn: KEY_ID}


def test_nothing_pending_is_nothing_to_recover(world) -> None:
    world.setup()
    assert "engine.recover" not in world.calls


def test_an_update_that_fails_makes_no_data_key(world) -> None:
    world.engine.failures["up"] = ResourceError("the bucket could not be made", "again")
    with pytest.raises(ResourceError):
        world.setup()
    assert world.written == {"engine.up"}


def test_a_foreign_data_key_that_appears_during_the_run_is_never_overwritten(world) -> None:
    world.hosting.conflict = lambda *args, **kwargs: None
    world.hosting.variables["ENCRYPTED_PHI_KEY"] = wrapped("foreign").value
    with pytest.raises(DataKeyConflict):
        world.setup()
    assert world.hosting.variables == {"ENCRYPTED_PHI_KEY": wrapped("foreign").value}


# --- the proof and the report


def test_a_proof_that_fails_is_a_report_that_failed(world) -> None:
    world.stand()
    world.cloud.wrapped_by.clear()
    done = world.setup()
    assert [proof.state for proof in done.failed] == [ProofState.FAILED]


def test_the_report_is_shown_and_timed(world) -> None:
    done = world.setup()
    assert done.seconds > 0
    assert "Again, without questions" in world.talk.said
    assert len(done.checklist) == 8


def test_the_profile_that_was_named_reaches_the_report(world) -> None:
    assert world.setup(profile="clinic").profile == "clinic"


def test_nothing_that_is_said_holds_the_token_or_the_wrapped_key(world) -> None:
    done = world.setup()
    text = "\n".join(world.talk.said)
    for secret in (TOKEN, done.escrow.wrapped.value[:20], CREDENTIALS.secret_access_key):
        assert secret not in text


def test_only_what_changes_is_shown_while_it_happens(world) -> None:
    world.engine.steps = (*world.engine.steps, step("same", "aws:iam/role:Role", "app-role"))
    world.setup()
    assert "phi-key done" in world.talk.said
    assert "app-role done" not in world.talk.said


def test_who_you_are_is_told_where_nobody_was_asked(world) -> None:
    world.setup()
    assert f"{IDENTITY.arn}, by {IDENTITY.source}" in world.talk.said


# --- the other commands


def test_preview_stops_at_the_plan(world) -> None:
    planned = journey.preview(world.request(yes=False), world.doors)
    assert [each.name for each in planned.changes] == ["phi-key", "phi-key-alias"]
    assert world.written == set()
    assert "engine.preview" in world.calls and "engine.recover" not in world.calls


def test_push_delivers_and_proves_without_the_engine_changing_anything(world) -> None:
    world.stand()
    world.hosting.variables.clear()
    (delivered,) = journey.push(world.request(), world.doors)
    assert delivered.state is DeliveryState.WRITTEN
    assert not {"engine.prepare", "engine.preview", "engine.up"} & set(world.calls)
    assert "prover.prove" in world.calls


def test_verify_only_reads(world) -> None:
    world.stand()
    (proof,) = journey.verify(world.request(), world.doors)
    assert proof.state is ProofState.PROVED
    assert world.written == set()
    assert not {"engine.prepare", "engine.preview"} & set(world.calls)


@pytest.mark.parametrize("command", [journey.push, journey.verify])
def test_a_stack_that_is_not_built_cannot_be_pushed_or_verified(world, command) -> None:
    with pytest.raises(StackNotFound) as refused:
        command(world.request(), world.doors)
    assert (refused.value.exit_code, world.written) == (6, set())


def test_there_is_nothing_to_verify_without_a_data_key(world) -> None:
    world.stand()
    world.cloud.escrows.clear()
    world.hosting.variables.clear()
    with pytest.raises(StackNotFound, match="holds no data key yet"):
        journey.verify(world.request(), world.doors)
    assert world.written == set()


def test_a_push_of_a_key_under_another_key_is_refused_before_anything_is_delivered(world) -> None:
    world.stand()
    world.cloud.escrows[ESCROW] = Escrow(parameter=ESCROW, wrapped=wrapped(), key_arn=f"{KEY}0", version=1)
    with pytest.raises(PreflightFailed):
        journey.push(world.request(), world.doors)
    assert world.written == set()


def test_an_administrator_who_steps_aside_is_planned_with_the_new_names(world) -> None:
    world.stand()
    world.engine.steps = (step("update", changed=("policy",)),)
    done = world.setup(administrators=(ADMIN, SECOND))
    assert done.settings.administrators == (ADMIN, SECOND)
    assert [each.op for each in done.changed] == ["update"]
    assert done.outputs.app_principal_arn == APP
