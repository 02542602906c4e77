"""The one pass before anything is created: account, Vercel and engine, every problem at once, nothing written."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from components.settings import ImportGroup, ResourceKind, SecretStore, VercelIssuerMode
from tests.wizard.fakes.clients import (
    ACCOUNT,
    ALLOWED,
    APP,
    BUCKET,
    IDENTITY,
    KEY,
    KEY_ID,
    OTHER_KEY,
    OUTPUTS,
    REPLICA_REGION,
    SECOND,
    STORED_KEY,
    TRAIL,
    FakeAwsClient,
    FakeEngine,
    FakeVercelClient,
    advice_of,
    built,
    by_hand,
    key_fact,
    multi_region,
    settings,
    step,
    trail_fact,
    wrapped,
)
from tests.wizard.setup.preflight.test_account import VALUES
from wizard.account.resource_conflicts import claim_of
from wizard.core.errors import CredentialsError, PermissionDenied, Problem, SetupError, Unreachable
from wizard.core.models.account import DiscoveredResource, Existing, UnrecordedResource
from wizard.core.models.delivery import StackState, StoredDataKey
from wizard.core.models.rotation import VersionOrigin
from wizard.core.models.stack import StateResource
from wizard.setup.importing.discovery import ImportRequest
from wizard.setup.preflight import checks

WRITES = ("write_stored_data_key", "make_data_key", "deliver", "deliver_parameters", "prepare", "recover", "up")


class World:
    """The edges of one pass, over one log."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.aws = FakeAwsClient(log=self.log)
        self.vercel = FakeVercelClient(log=self.log)
        self.engine = FakeEngine(aws=self.aws, log=self.log)

    def check(
        self,
        *,
        saved=None,
        identity: Any = IDENTITY,
        adoption: ImportRequest | None = None,
        location_problems: tuple[Problem, ...] = (),
        **changes: Any,
    ) -> checks.Findings:
        return checks.check(
            stack="production",
            # The bucket of these worlds has the name that an earlier version gave it.
            values={**VALUES, "trail_bucket": None, **changes},
            saved=saved,
            identity=identity,
            aws=self.aws if not isinstance(identity, SetupError) else None,
            vercel=self.vercel,
            engine=self.engine,
            import_request=adoption,
            location_problems=location_problems,
        )

    def whats(self, **changes: Any) -> list[str]:
        return [problem.what for problem in self.check(**changes).problems]

    def stored_data_key(self, key_arn: str | None) -> None:
        self.aws.stored_keys[STORED_KEY] = StoredDataKey(
            parameter=STORED_KEY, wrapped=wrapped(), key_arn=key_arn, version=1
        )

    def built_without_a_stored_key(self) -> None:
        self.engine.stack_state = built(self.aws, settings())
        del self.aws.stored_keys[STORED_KEY]


@pytest.fixture
def world() -> World:
    return World()


def test_the_pass_writes_nothing(world) -> None:
    world.engine.stack_state = built(world.aws, settings(), pending=(step("creating"),))
    world.check()
    assert not [call for call in world.log if call.split(".")[1].split()[0] in WRITES]


def test_a_stack_that_is_built_has_no_problem(world) -> None:
    world.engine.stack_state = built(world.aws, settings())
    findings = world.check(saved=settings())
    assert findings.problems == ()
    assert findings.stored_data_key is not None and findings.stored_data_key.wrapped == wrapped()


def test_names_stored_data_key_and_vercel_are_found_in_the_same_pass(world) -> None:
    world.aws.existing = Existing(alias_target=key_fact(OTHER_KEY), found={"trail_bucket": "foreign"})
    world.stored_data_key(OTHER_KEY)
    world.vercel.variables["ENCRYPTED_PHI_KEY"] = wrapped("foreign").value
    whats = world.whats()
    assert len(whats) == 4
    assert [part for part in ("alias/eonpro-phi-key", "bucket", STORED_KEY, "portal") if part in " ".join(whats)] == [
        "alias/eonpro-phi-key",
        "bucket",
        STORED_KEY,
        "portal",
    ]


def test_vercel_is_not_asked_for_a_target_that_is_ecs(world) -> None:
    world.vercel.token = "wrong"
    assert world.whats(target=("ecs",)) == []
    assert not [call for call in world.log if call.startswith("vercel.")]


def test_a_problem_that_two_checks_find_is_told_once(world) -> None:
    error = Unreachable("no answer from the endpoint", "curl it")
    world.aws.failures = {"find_existing": error, "read_stored_data_key": error}
    assert world.whats() == ["no answer from the endpoint"]


# --- one part hides no other, and nothing is told that only follows


def test_a_state_whose_place_is_not_known_is_a_problem_among_the_others_and_not_asked_for(world) -> None:
    world.vercel.token = "wrong"
    nowhere = Problem(what="Pulumi has no place for its state", why="it keeps it there", next="--backend local")
    assert world.whats(location_problems=(nowhere,)) == [nowhere.what, "Vercel refuses the token"]
    assert [call for call in world.log if call.startswith("engine.")] == ["engine.check"]


def test_without_the_engine_nothing_more_is_asked_of_it(world) -> None:
    world.engine.failures["check"] = SetupError("there is no `pulumi` program on the PATH", "make setup")
    world.check()
    assert [call for call in world.log if call.startswith("engine.")] == ["engine.check"]


def test_where_the_state_is_not_known_only_what_is_surely_somebody_elses_is_in_the_way(world) -> None:
    world.engine.failures["state"] = Unreachable("the backend does not answer", "pulumi whoami")
    world.aws.existing = Existing(
        alias_target=key_fact(OTHER_KEY, tags={"Owner": "billing"}),
        found={"trail_bucket": "foreign", "access_log_bucket": "ours"},
    )
    whats = world.whats()
    assert len(whats) == 3
    assert "alias/eonpro-phi-key already points to" in whats[1] and f"the bucket {BUCKET}" in whats[2]


def test_where_the_state_is_not_known_what_looks_like_the_stacks_own_is_left_out(world) -> None:
    world.engine.failures["state"] = Unreachable("the backend does not answer", "pulumi whoami")
    world.aws.existing = Existing(alias_target=key_fact(), found={"trail_bucket": "ours", "app_role": APP})
    assert world.whats() == ["the backend does not answer"]


def test_where_the_state_is_not_known_a_key_that_is_to_be_adopted_is_not_in_the_way(world) -> None:
    world.engine.failures["state"] = Unreachable("the backend does not answer", "pulumi whoami")
    world.aws.existing = Existing(alias_target=key_fact(OTHER_KEY, tags={"Owner": "billing"}))
    assert world.whats(adoption=ALL) == ["the backend does not answer"]


def test_a_stored_data_key_that_cannot_be_read_does_not_make_every_data_key_foreign(world) -> None:
    world.aws.failures["read_stored_data_key"] = PermissionDenied(
        "the caller may not do ssm:GetParameter", "ask for it"
    )
    world.vercel.variables["ENCRYPTED_PHI_KEY"] = wrapped().value
    assert world.whats() == ["the caller may not do ssm:GetParameter"]


def test_a_stack_that_would_move_is_not_also_told_that_its_data_key_is_foreign(world) -> None:
    world.engine.stack_state = built(world.aws, settings())
    world.vercel.variables["ENCRYPTED_PHI_KEY"] = wrapped().value
    del world.aws.stored_keys[STORED_KEY]  # As another Region has none.
    (what,) = world.whats(saved=settings(), region="eu-central-1")
    assert "deployed in the region us-east-1" in what


def _of_call(kind: type[SetupError], action: str, message: str) -> SetupError:
    """The error of a call, as `wizard.aws.auth.errors.translate` makes it."""
    error = kind(message.format(action), "ask for it")
    error.action = action
    return error


def test_an_endpoint_that_does_not_answer_is_told_once_whatever_it_was_asked(world) -> None:
    world.aws.failures = {
        "list_regions": _of_call(Unreachable, "account:ListRegions", "kms.example does not answer ({})"),
        "find_existing": _of_call(Unreachable, "iam:GetRole", "kms.example does not answer ({})"),
    }
    assert world.whats() == ["kms.example does not answer (account:ListRegions)"]


def test_an_action_that_is_denied_is_told_among_the_others_and_not_again(world) -> None:
    world.aws.failures["find_existing"] = _of_call(PermissionDenied, "iam:GetRole", "the caller may not do {}: no")
    world.aws.lacking = ("iam:CreateRole", "iam:GetRole")
    assert world.whats() == ["you are not allowed to do: iam:CreateRole, iam:GetRole"]


def test_an_action_that_is_denied_and_not_among_the_others_is_told(world) -> None:
    world.aws.failures["find_existing"] = _of_call(PermissionDenied, "iam:GetRole", "the caller may not do {}")
    world.aws.lacking = ("iam:CreateRole",)
    assert len(world.whats()) == 2


# --- side by side


def meeting(number: int, *edges: Any, calls: tuple[str, ...]) -> None:
    """Let the calls go on only when all of them have been made: one after the other they never would."""
    barrier = threading.Barrier(number)
    for edge in edges:

        def wait(name: str, detail: str = "", *, of: Any = edge._call) -> None:
            of(name, *([detail] if detail else []))
            if name in calls:
                barrier.wait(timeout=10)

        edge._call = wait


def test_the_account_is_asked_everything_at_once(world) -> None:
    world.aws.trails = (trail_fact(),)
    calls = ("list_regions", "find_existing", "list_trails", "check_permissions", "check_quotas", "simulate")
    meeting(len(calls), world.aws, calls=calls)
    world.aws.evaluation = ALLOWED
    assert world.whats(administrators=(SECOND,), trail=TRAIL, trail_bucket=BUCKET) == []


def test_a_stack_that_has_settings_and_no_key_yet_is_asked(world) -> None:
    world.aws.lacking = ("kms:CreateKey",)
    assert world.whats(saved=settings()) == ["you are not allowed to do: kms:CreateKey"]


# --- what the names are used for outside production


@pytest.mark.parametrize(
    ("line", "exposes"),
    [
        ("ENCRYPTED_PHI_KEY is set for preview too; Vercel does not show whether it is production's data key", True),
        (
            "the team shares a variable ENCRYPTED_PHI_KEY with the project, for preview, with production's data key",
            True,
        ),
        ("AWS_ACCESS_KEY_ID of preview is production's access key: what runs there signs as production", True),
        ("ENCRYPTED_PHI_KEY of preview is another data key than production's; it is not changed", False),
        ("ENCRYPTED_PHI_KEY of preview is a data key; production has none yet; it is not changed", False),
        ("AWS_KMS_KEY_ID is set for preview too; that is not changed", False),
    ],
)
def test_what_others_have_of_productions_own_is_a_warning(world, line, exposes) -> None:
    world.vercel.overlapping = (line,)
    assert (world.check().warnings == (line,)) is exposes


def test_credentials_that_are_wrong_are_not_told_again_by_the_backend_that_needs_them(world) -> None:
    world.engine.failures["check_backend"] = PermissionDenied("Pulumi may not read its state: ExpiredToken", "allow it")
    assert world.whats(identity=CredentialsError("the credentials have expired", "aws sso login")) == [
        "the credentials have expired"
    ]


def test_a_login_to_pulumi_cloud_has_nothing_to_do_with_credentials_of_aws(world) -> None:
    world.engine.failures["check_backend"] = CredentialsError("Pulumi Cloud does not take the login", "pulumi login")
    whats = world.whats(identity=CredentialsError("the credentials have expired", "aws sso login"))
    assert whats == ["the credentials have expired", "Pulumi Cloud does not take the login"]


# --- a stack that is built does not move


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"region": "eu-central-1"}, "deployed in the region us-east-1, not eu-central-1"),
        ({"environment": "staging"}, "deployed in the environment production, not staging"),
        ({"application": "clinic"}, "deployed for the application eonpro, not clinic"),
    ],
)
def test_a_built_stack_cannot_move(world, changes, said) -> None:
    world.engine.stack_state = built(world.aws, settings())
    problems = [p for p in world.check(saved=settings(), **changes).problems if "is deployed " in p.what]
    assert [said in p.what for p in problems] == [True]
    assert problems[0].exit_code == 2


@pytest.mark.parametrize(
    ("saved", "command"),
    [
        (None, "setup --application clinic --stack clinic-production --environment production"),
        # Its own settings were changed.
        (
            settings().model_copy(update={"application": "clinic"}),
            "pulumi config set eonpro-kms:application eonpro --stack production",
        ),
    ],
)
def test_a_state_of_another_application_is_not_updated(world, saved, command) -> None:
    alias = StateResource(
        urn="urn::aws:kms/alias:Alias::phi-key", type="aws:kms/alias:Alias", id="alias/eonpro-phi-key"
    )
    world.engine.stack_state = built(world.aws, settings(), resources=(alias,))
    (problem,) = world.check(saved=saved, application="clinic").problems
    assert "has alias/eonpro-phi-key, not alias/clinic-phi-key: it is of another application" in problem.what
    assert command in problem.next


def test_a_stack_that_has_no_key_yet_may_still_move(world) -> None:
    assert world.whats(saved=settings(), region="eu-central-1") == []


def test_a_key_of_one_region_never_becomes_a_multi_region_key(world) -> None:
    world.engine.stack_state = built(world.aws, settings())
    (problem,) = world.check(saved=settings(), multi_region=True).problems
    assert problem.what == "the stack production has a key of one Region, and that cannot be changed"
    assert (problem.next.startswith("keep it: --multi-region no"), problem.exit_code) == (True, 2)


def test_a_multi_region_key_never_becomes_a_key_of_one_region(world) -> None:
    saved = multi_region(replica_regions=())
    world.engine.stack_state = built(world.aws, saved)
    (problem,) = world.check(saved=saved, multi_region=False).problems
    assert problem.next.startswith("keep it: --multi-region yes")


def test_a_stack_of_production_does_not_move_to_preview_and_leave_productions_deployments_without_a_key(world) -> None:
    world.engine.stack_state = built(world.aws, settings())
    (problem,) = world.check(saved=settings(), vercel_environment="preview").problems
    assert problem.what == "the stack production is for production on Vercel, not preview"
    assert (problem.next.startswith("keep it: --vercel-environment production"), problem.exit_code) == (True, 2)


@pytest.mark.parametrize(
    ("change", "said", "keeps"),
    [
        ({"access_logging": False}, "logs of who reads the logs", "--access-logging yes"),
        ({"trail_key": False}, "a key of the logs", "--trail-key yes"),
        ({"trail_lock": "none"}, "a lock of the logs", "--trail-lock governance"),
        (
            {"trail": "arn:aws:cloudtrail:us-east-1:111122223333:trail/company", "trail_bucket": "company-logs"},
            "a trail of its own",
            "--trail create",
        ),
    ],
)
def test_what_is_protected_is_not_left_out_by_an_update_which_the_engine_would_stop(world, change, said, keeps) -> None:
    world.engine.stack_state = built(world.aws, settings())
    (problem,) = [p for p in world.check(saved=settings(), **change).problems if "takes none away" in p.what]
    assert problem.what == f"the stack production has {said}, and the set-up takes none away"
    assert (problem.next, problem.exit_code) == (f"keep it: {keeps}", 2)


def test_what_the_stack_never_made_may_stay_out(world) -> None:
    saved = settings(access_logging=False, trail_key=False, trail_lock="none")
    world.engine.stack_state = built(world.aws, saved)
    assert world.whats(saved=saved, access_logging=False, trail_key=False, trail_lock="none") == []


def test_a_replica_that_stands_is_never_dropped(world) -> None:
    world.engine.stack_state = built(world.aws, multi_region())
    (problem,) = world.check(saved=multi_region(), multi_region=True).problems
    assert problem.what == f"the replica in {REPLICA_REGION} would be removed"
    assert (problem.next, problem.exit_code) == (f"keep it: --replica-regions {REPLICA_REGION}", 2)


def test_one_replica_is_not_dropped_for_another(world) -> None:
    world.engine.stack_state = built(world.aws, multi_region())
    (problem,) = world.check(saved=multi_region(), multi_region=True, replica_regions=("eu-west-1",)).problems
    assert problem.next == f"keep it: --replica-regions {REPLICA_REGION},eu-west-1"


def test_a_replica_that_was_planned_and_never_confirmed_may_be_left_out(world) -> None:
    world.engine.stack_state = built(world.aws, multi_region(replica_regions=()))
    assert world.whats(saved=multi_region(), multi_region=True) == []


# --- the data key


@pytest.mark.parametrize(
    ("was", "is_"), [("parameter-store", "secrets-manager"), ("secrets-manager", "parameter-store")]
)
def test_a_data_key_in_the_other_store_is_the_stacks(world, was, is_) -> None:
    saved = settings(secret_store=was)
    world.engine.stack_state = built(world.aws, saved)
    findings = world.check(saved=saved, secret_store=is_)
    assert findings.problems == ()
    assert findings.stored_data_key is not None and findings.stored_data_key.store == was


def test_a_store_that_was_in_use_and_is_closed_now_is_not_taken_for_empty(world) -> None:
    saved = settings(deploy_targets=("ecs",))
    world.engine.stack_state = built(world.aws, saved)
    world.aws.failures["variable_exists"] = PermissionDenied("you may not do ssm:GetParameters", "ask")
    world.aws.closed = (SecretStore.PARAMETER_STORE,)
    whats = world.whats(saved=saved, target=("ecs",), secret_store="secrets-manager")
    assert whats == ["you may not do ssm:GetParameters"]


def test_a_loss_in_the_store_that_was_in_use_before_is_a_loss(world) -> None:
    saved = settings(deploy_targets=("ecs",))
    world.engine.stack_state = built(world.aws, saved)
    del world.aws.stored_keys[STORED_KEY]
    world.aws.parameters["/eonpro/production/AWS_KMS_KEY_ID"] = KEY
    (what,) = world.whats(saved=saved, target=("ecs",), secret_store="secrets-manager")
    assert f"{STORED_KEY} is missing" in what


def test_a_data_key_without_a_stack_is_an_orphan_and_left_alone(world) -> None:
    world.stored_data_key(OTHER_KEY)
    (problem,) = world.check().problems
    assert f"{STORED_KEY} already holds a data key ({wrapped().fingerprint}), wrapped by {OTHER_KEY}" in problem.what
    assert "it was not changed" in problem.why


def test_a_data_key_that_names_no_key_is_an_orphan_too(world) -> None:
    world.stored_data_key(None)
    assert "wrapped by a key it does not name" in world.whats()[0]


def test_a_data_key_under_another_key_than_the_stacks_is_refused(world) -> None:
    world.engine.stack_state = built(world.aws, settings())
    world.stored_data_key(OTHER_KEY)
    assert OTHER_KEY in world.whats(saved=settings())[0]


def test_a_data_key_of_an_old_run_that_names_no_key_is_the_stacks(world) -> None:
    world.engine.stack_state = built(world.aws, settings())
    world.stored_data_key(None)
    assert world.whats(saved=settings()) == []


def test_an_update_that_lost_its_outputs_still_knows_its_data_key_by_the_key(world) -> None:
    world.engine.stack_state = built(world.aws, settings(), outputs=None)
    assert world.whats(saved=settings()) == []


def test_a_half_built_stack_does_not_make_a_strangers_data_key_its_own(world) -> None:
    world.engine.stack_state = built(world.aws, settings(), outputs=None)
    world.stored_data_key(OTHER_KEY)
    assert OTHER_KEY in world.whats(saved=settings())[0]


def test_a_stored_data_key_that_is_gone_from_beside_its_variable_is_a_loss_and_no_new_key_is_made(world) -> None:
    world.built_without_a_stored_key()
    world.aws.parameters["/eonpro/production/AWS_KMS_KEY_ID"] = KEY
    (problem,) = world.check(saved=settings()).problems
    assert f"{STORED_KEY} is missing" in problem.what
    assert "python -m wizard restore" in problem.next


def test_a_first_run_that_ended_before_the_stored_data_key_is_no_loss(world) -> None:
    world.built_without_a_stored_key()
    assert world.whats(saved=settings()) == []


def test_without_a_stored_data_key_a_run_that_does_not_look_at_vercel_makes_no_second_key(world) -> None:
    world.built_without_a_stored_key()
    (problem,) = world.check(saved=settings(), target=("ecs",)).problems
    assert "does not read Vercel" in problem.what
    assert "--target ecs,vercel" in problem.next


def test_a_stored_data_key_that_cannot_be_looked_for_is_not_taken_for_lost(world) -> None:
    world.built_without_a_stored_key()
    world.aws.failures = {"variable_exists": PermissionDenied("you may not do ssm:GetParameters", "ask")}
    assert world.whats(saved=settings()) == ["you may not do ssm:GetParameters"]


@pytest.mark.parametrize("is_stored", [False, True])
def test_a_foreign_data_key_at_vercel_is_found_before_anything_is_made(world, is_stored) -> None:
    if is_stored:
        world.engine.stack_state = built(world.aws, settings())
    world.vercel.variables["ENCRYPTED_PHI_KEY"] = wrapped("foreign").value
    (problem,) = world.check(saved=settings() if is_stored else None).problems
    assert problem.what == "the project portal has another ENCRYPTED_PHI_KEY already"
    assert "may be the only key to records" in problem.next.advice


def test_an_earlier_version_at_vercel_is_no_foreign_one_and_the_push_is_named(world) -> None:
    world.engine.stack_state = built(world.aws, settings())
    earlier = wrapped("earlier")
    at = datetime(2026, 1, 1, tzinfo=UTC)
    world.aws.key_rotation.keep(settings(), earlier, key_arn=KEY, origin=VersionOrigin.FIRST, at=at)
    world.vercel.variables["ENCRYPTED_PHI_KEY"] = earlier.value
    (problem,) = world.check(saved=settings()).problems
    assert "an earlier version of the stored data key" in problem.why
    assert problem.next == "python -m wizard push"


def test_the_stored_data_key_at_vercel_is_no_conflict(world) -> None:
    world.engine.stack_state = built(world.aws, settings())
    world.vercel.variables["ENCRYPTED_PHI_KEY"] = wrapped().value
    assert world.whats(saved=settings()) == []


def test_a_project_whose_variables_cannot_be_listed_is_a_problem(world) -> None:
    world.vercel.failures["conflict"] = PermissionDenied("the token may not list variables", "another token")
    assert world.whats() == ["the token may not list variables"]


# --- a crashed run


def crash(world: World, *keys: str) -> StackState:
    world.aws.keys = {arn: key_fact(arn) for arn in keys}
    world.aws.existing = Existing(alias_target=key_fact(), found={"trail_bucket": "ours"})
    pending = (
        step("creating"),
        step("creating", "aws:kms/alias:Alias", "alias", physical_name="alias/eonpro-phi-key"),
        step("creating", "aws:s3/bucket:Bucket", "bucket", physical_name=BUCKET),
    )
    return StackState(exists=True, has_key=False, pending=pending)


def test_what_a_crashed_run_made_is_found_and_no_problem(world) -> None:
    world.engine.stack_state = crash(world, KEY)
    findings = world.check(saved=settings())
    assert findings.problems == ()
    assert sorted(findings.orphaned_creations.values()) == sorted([KEY_ID, "alias/eonpro-phi-key", BUCKET])


def test_of_two_keys_a_crashed_run_may_have_made_neither_is_taken(world) -> None:
    world.engine.stack_state = crash(world, KEY, OTHER_KEY)
    orphaned_creations = world.check(saved=settings()).orphaned_creations
    assert len(orphaned_creations) == 2
    assert not {KEY_ID, OTHER_KEY.rsplit("/", 1)[-1]} & set(orphaned_creations.values())


def test_a_crash_that_cannot_be_looked_into_is_a_problem_among_the_others(world) -> None:
    world.engine.stack_state = crash(world, KEY)
    world.aws.failures["find_keys"] = PermissionDenied("tag:GetResources is denied", "ask for it")
    world.vercel.token = "wrong"
    whats = world.whats(saved=settings())
    assert "tag:GetResources is denied" in whats and "Vercel refuses the token" in whats


def interrupted(world: World) -> UnrecordedResource:
    """A stack that has begun, and the alias that AWS made for it without its state knowing."""
    alias = UnrecordedResource(
        type="aws:kms/alias:Alias",
        name="alias/eonpro-phi-key",
        region="us-east-1",
        id="alias/eonpro-phi-key",
        arn="alias/eonpro-phi-key",
    )
    provider = StateResource(urn="urn::pulumi:providers:aws::default", type="pulumi:providers:aws", id="1")
    world.engine.stack_state = StackState(exists=True, has_key=True, owned=(KEY, KEY_ID), resources=(provider,))
    world.aws.existing = Existing(alias_target=key_fact())
    world.aws.unrecorded = (alias,)
    return alias


def test_what_aws_made_and_the_state_lacks_is_no_problem(world) -> None:
    alias = interrupted(world)
    findings = world.check(saved=settings())
    assert findings.problems == () and findings.unrecorded == (alias,)


def test_it_is_a_conflict_where_it_is_not_the_stacks_own(world) -> None:
    interrupted(world)
    world.aws.unrecorded = ()
    assert "alias/eonpro-phi-key already points to the key" in world.whats(saved=settings())[0]


def test_a_stack_that_never_began_has_nothing_of_its_own_in_the_account(world) -> None:
    interrupted(world)
    world.engine.stack_state = replace(world.engine.stack_state, resources=(), has_key=False, owned=())
    assert "alias/eonpro-phi-key already points to the key" in world.whats(saved=settings())[0]
    assert not [call for call in world.log if "find_unrecorded" in call]


def test_nothing_of_an_environment_that_another_stack_has_claimed_is_its_own(world) -> None:
    interrupted(world)
    world.aws.claims = {settings().names.claim: "stack production, state in s3://another-bucket"}
    findings = world.check(saved=settings())
    assert findings.unrecorded == () and findings.problems


def torn(world: World) -> UnrecordedResource:
    """A first set-up whose state was lost with a full disk: the claim of the environment says whose it is."""
    alias = interrupted(world)
    world.engine.stack_state = StackState(exists=False, has_key=False)
    world.aws.stored_keys.clear()
    own = claim_of("production", world.engine.check_backend("production"))
    world.aws.claims = {settings().names.claim: own}
    key = UnrecordedResource(type="aws:kms/key:Key", name="", region="us-east-1", id=KEY_ID, arn=KEY)
    world.aws.unrecorded = (key, alias)
    return alias


def test_a_first_set_up_that_lost_its_state_goes_on_by_its_claim(world) -> None:
    torn(world)
    findings = world.check(saved=settings())
    assert findings.problems == () and len(findings.unrecorded) == 2


def test_a_stack_that_has_a_data_key_and_lost_its_state_is_imported_by_a_person_only(world) -> None:
    torn(world)
    world.stored_data_key(KEY)
    assert world.check(saved=settings()).unrecorded == ()


def test_a_stack_that_lost_its_state_and_its_data_key_is_no_first_set_up(world) -> None:
    """The record of a backup is a trace of the data key: its person has it, and an import takes it."""
    torn(world)
    world.aws.parameters[settings().names.last_backup] = "{}"
    assert world.check(saved=settings()).unrecorded == ()


def test_who_asks_for_an_import_of_a_lost_stack_gets_one(world) -> None:
    torn(world)
    assert world.check(saved=settings(), adoption=ALL).unrecorded == ()


def test_what_cannot_be_read_is_said_before_more_is_created(world) -> None:
    interrupted(world)
    world.aws.failures["find_unrecorded"] = Unreachable("kms does not answer", "check the network")
    assert "kms does not answer" in world.whats(saved=settings())


def test_an_oidc_provider_that_is_there_goes_into_the_settings(world) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/acme"
    world.aws.existing = Existing(found={"oidc_provider": arn})
    findings = world.check()
    assert findings.problems == ()
    assert findings.settings is not None and findings.settings.vercel_oidc_provider_arn == arn


@pytest.mark.parametrize("saved", [None, settings(vercel_issuer_mode="global")])
def test_the_issuer_is_the_one_that_the_project_on_vercel_is_set_to(world, saved) -> None:
    world.vercel.project = replace(world.vercel.project, gives_tokens=True, issuer_mode=VercelIssuerMode.GLOBAL)
    findings = world.check(saved=saved)
    assert findings.problems == ()
    assert findings.settings is not None and findings.settings.vercel_issuer_mode is VercelIssuerMode.GLOBAL


def test_a_project_whose_application_would_get_no_token_is_not_set_up_in_vain(world) -> None:
    world.vercel.project = replace(world.vercel.project, gives_tokens=False)
    (found,) = world.check().problems
    assert found.what == "the Vercel project portal gives its deployments no OIDC token"
    assert found.next == (
        """echo '{"oidcTokenConfig": {"enabled": true, "issuerMode": "team"}}' | """
        "vercel api /v9/projects/prj_1 --method PATCH --input - --scope acme"
    )


def test_the_accounts_notes_come_after_them(world) -> None:
    world.aws.disagreements = ("AWS_REGION and the profile name two Regions",)
    first, second = world.check(deletion_administrators=(SECOND,)).notes
    assert (first, second.startswith("can schedule the key's deletion")) == (*world.aws.disagreements, True)


# --- an account that was created manually

ALL = ImportRequest(repaired=tuple(ImportGroup), data_key=None)


@pytest.fixture
def hand(world: World) -> World:
    by_hand(world.aws)
    world.vercel.sensitive = False
    world.vercel.variables = {"ENCRYPTED_PHI_KEY": wrapped("by hand").value, "AWS_KMS_KEY_ID": KEY}
    world.aws.wrapped_by[wrapped("by hand").fingerprint] = KEY
    return world


def test_without_the_wish_to_adopt_what_is_in_the_way_is_a_problem_that_names_the_wish(hand) -> None:
    findings = hand.check()
    assert [("--adopt" in advice_of(problem.next)) for problem in findings.problems[:4]] == [True] * 4
    assert findings.discovered.key is not None
    assert [difference.part for difference in findings.differences if "rotation" in difference.what] == [
        ImportGroup.KEY
    ]
    assert findings.settings is not None and findings.settings.adopted == ()


def test_an_adoption_takes_everything_in_by_its_id_and_the_data_key_that_is_in_use(hand) -> None:
    findings = hand.check(adoption=ALL)
    assert findings.problems == ()
    assert findings.settings is not None
    assert set(findings.settings.adopted) == set(hand.aws.discovered.adopted)
    assert findings.settings.kept_as_found == ()
    assert findings.imported_data_key == wrapped("by hand")


def test_an_adoption_writes_nothing_before_the_plan(hand) -> None:
    hand.check(adoption=ALL)
    assert not [call for call in hand.log if call.split(".")[1].split()[0] in WRITES]


def test_what_stands_against_an_adoption_is_a_problem(hand) -> None:
    by_hand(hand.aws, key=key_fact(spec="RSA_2048"))
    hand.aws.existing = replace(hand.aws.existing, alias_target=key_fact(spec="RSA_2048"))
    findings = hand.check(adoption=ALL)
    assert any("is of the spec RSA_2048" in problem.what for problem in findings.problems)
    assert findings.settings is not None and findings.settings.adopted == ()


def test_what_was_set_up_by_hand_and_cannot_be_read_stops_an_adoption_only(hand) -> None:
    hand.aws.failures["find_hand_made"] = PermissionDenied("iam:GetPolicyVersion is denied", "ask for it")
    assert "iam:GetPolicyVersion is denied" in hand.whats(adoption=ALL)
    assert "iam:GetPolicyVersion is denied" not in hand.whats()


def test_the_stored_data_key_of_the_key_that_is_adopted_is_no_orphan(hand) -> None:
    hand.aws.stored_keys[STORED_KEY] = StoredDataKey(
        parameter=STORED_KEY, wrapped=wrapped("by hand"), key_arn=KEY, version=1
    )
    findings = hand.check(adoption=ALL)
    assert findings.problems == ()
    assert (findings.stored_data_key is not None, findings.imported_data_key) == (True, None)


def test_the_stored_data_key_of_another_key_stays_an_orphan(hand) -> None:
    hand.aws.stored_keys[STORED_KEY] = StoredDataKey(
        parameter=STORED_KEY, wrapped=wrapped("by hand"), key_arn=OTHER_KEY, version=1
    )
    assert any(OTHER_KEY in what for what in hand.whats(adoption=ALL))


def test_a_data_key_that_vercel_hides_has_to_be_given(hand) -> None:
    hand.vercel.sensitive = True
    findings = hand.check(adoption=ALL)
    assert findings.data_key_hidden
    assert any("export EONPRO_ENCRYPTED_PHI_KEY=" in problem.next for problem in findings.problems)
    given = hand.check(adoption=replace(ALL, data_key=wrapped("by hand").value))
    assert (given.problems, given.imported_data_key) == ((), wrapped("by hand"))


def test_a_data_key_that_is_given_and_is_not_vercels_is_refused(hand) -> None:
    whats = hand.whats(adoption=replace(ALL, data_key=wrapped("another").value))
    assert any("is not the one on Vercel" in what for what in whats)


def test_a_data_key_that_was_cut_is_refused_without_being_shown(hand) -> None:
    cut = wrapped("by hand").value[:40]
    whats = hand.whats(adoption=replace(ALL, data_key=cut))
    assert any("EONPRO_ENCRYPTED_PHI_KEY is not a wrapped data key" in what for what in whats)
    assert cut not in " ".join(whats)


def test_a_project_that_cannot_be_asked_for_its_data_key_stops_an_adoption(hand) -> None:
    hand.vercel.failures["find_data_key"] = PermissionDenied("the token may not list variables", "another token")
    assert "the token may not list variables" in hand.whats(adoption=ALL)


def test_where_nobody_tells_the_data_key_none_is_made_for_a_key_that_is_adopted(hand) -> None:
    problem = hand.check(adoption=ALL, target=("ecs",)).problems[-1]
    assert problem.what == f"it is not known which data key the application has under the key {KEY}"
    assert "export EONPRO_ENCRYPTED_PHI_KEY=" in problem.next
    given = hand.check(adoption=replace(ALL, data_key=wrapped("by hand").value), target=("ecs",))
    assert (given.problems, given.imported_data_key) == ((), wrapped("by hand"))


def test_a_person_may_say_that_there_never_was_a_data_key(hand) -> None:
    findings = hand.check(adoption=replace(ALL, data_key="none"), target=("ecs",))
    assert (findings.problems, findings.imported_data_key) == ((), None)


# --- an adoption that was begun


def begun(hand: World) -> Any:
    """An adoption whose update went through, and that ended before the data key was in the stored data key."""
    wanted = hand.check(adoption=ImportRequest(repaired=(ImportGroup.KEY,))).settings
    assert wanted is not None
    hand.engine.stack_state = StackState(
        exists=True,
        has_key=True,
        owned=tuple(part for found in hand.aws.discovered.things for part in (found.id, found.arn)),
        outputs=OUTPUTS,
    )
    return wanted


def test_an_adoption_that_was_begun_goes_on_and_no_other_data_key_is_made(hand) -> None:
    wanted = begun(hand)
    findings = hand.check(saved=wanted, trail_bucket=BUCKET)
    assert findings.problems == ()
    assert findings.imported_data_key == wrapped("by hand")
    assert findings.settings == wanted


def test_what_the_stack_made_beside_it_is_not_taken_in_again(hand) -> None:
    wanted = begun(hand)
    made = DiscoveredResource(thing=ResourceKind.BUCKET_POLICY, id=BUCKET, arn=BUCKET)
    hand.aws.discovered = replace(hand.aws.discovered, things=(*hand.aws.discovered.things, made))
    for adoption in (None, ALL):
        findings = hand.check(saved=wanted, adoption=adoption, trail_bucket=BUCKET)
        assert findings.settings is not None and findings.settings.adopted == wanted.adopted


def test_a_hidden_data_key_has_to_be_given_again_for_it(hand) -> None:
    wanted = begun(hand)
    hand.vercel.sensitive = True
    problems = hand.check(saved=wanted, trail_bucket=BUCKET).problems
    assert any("export EONPRO_ENCRYPTED_PHI_KEY=" in problem.next for problem in problems)
    given = hand.check(saved=wanted, trail_bucket=BUCKET, encrypted_phi_key=wrapped("by hand").value)
    assert given.imported_data_key == wrapped("by hand")


def test_once_the_data_key_is_safe_an_adopted_stack_is_one_like_any_other(hand) -> None:
    wanted = begun(hand)
    hand.aws.stored_keys[STORED_KEY] = StoredDataKey(
        parameter=STORED_KEY, wrapped=wrapped("by hand"), key_arn=KEY, version=1
    )
    hand.log.clear()
    findings = hand.check(saved=wanted, trail_bucket=BUCKET)
    assert (findings.problems, findings.settings, findings.imported_data_key) == ((), wanted, None)
    assert "cloud.find_hand_made" not in hand.log


def test_a_part_that_was_left_as_found_can_be_repaired_later(hand) -> None:
    wanted = begun(hand)
    hand.aws.stored_keys[STORED_KEY] = StoredDataKey(
        parameter=STORED_KEY, wrapped=wrapped("by hand"), key_arn=KEY, version=1
    )
    findings = hand.check(saved=wanted, adoption=ImportRequest(repaired=(ImportGroup.TRAIL,)))
    assert findings.settings is not None
    assert ImportGroup.TRAIL in wanted.kept_as_found and ImportGroup.TRAIL not in findings.settings.kept_as_found


# --- the exit code


@pytest.mark.parametrize("given", ["environment", "secrets"])
def test_an_encryption_key_in_the_task_definition_is_found_before_a_data_key_is_made(world, given) -> None:
    variable = {"name": "ENCRYPTION_KEY", "value" if given == "environment" else "valueFrom": "ab" * 32}
    world.aws.ecs_services.have({"family": "clinic", "containerDefinitions": [{"name": "web", given: [variable]}]})
    ecs = {"target": ("ecs",), "ecs_cluster": "clinic", "ecs_service": "web", "ecs_execution_role": "create"}
    [problem] = world.check(**ecs).problems
    assert "the container web of the ECS service clinic/web" in problem.what and "--former-key wrap" in problem.next
    assert world.check(**ecs, former_key="wrap").problems == ()


def test_a_task_definition_that_may_not_be_read_is_no_problem_and_is_said(world) -> None:
    def denied(cluster: str, name: str) -> None:
        raise PermissionDenied("you may not do ecs:DescribeServices", "ask for it")

    world.aws.ecs_services.service = denied
    ecs = {"target": ("ecs",), "ecs_cluster": "clinic", "ecs_service": "web", "ecs_execution_role": "create"}
    findings = world.check(**ecs)
    assert findings.problems == () and findings.former_keys == ()
    assert any("ENCRYPTION_KEY" in warning and "--former-key wrap" in warning for warning in findings.warnings)
