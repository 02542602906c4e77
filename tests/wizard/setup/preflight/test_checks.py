"""The one pass before anything is created: account, Vercel and engine, every problem at once, nothing written."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from components.settings import ImportGroup, SecretStore, Settings, VercelIssuerMode
from tests.wizard.fakes.clients import (
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
from wizard.core.models.account import Existing, UnrecordedResource
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.rotation import DataKeyVersion, VersionOrigin
from wizard.core.models.stack import StackState, StateResource
from wizard.core.next_command import eonpro
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


# --- one part hides no other, and nothing is told that only follows


Seed = Callable[[World], object]
SAVED, MULTI = settings(), multi_region()
TO_ECS = settings(deploy_targets=("ecs",))
BARE = settings(access_logging=False, trail_key=False, trail_lock="none")
LOST, AWAY = Unreachable("the backend does not answer", "pulumi whoami"), Unreachable("no answer", "curl it")
EXPIRED = CredentialsError("the credentials have expired", "aws sso login")
COMPANY = {"trail": "arn:aws:cloudtrail:us-east-1:111122223333:trail/company", "trail_bucket": "company-logs"}
SECRETS_MANAGER = {"target": ("ecs",), "secret_store": "secrets-manager"}
DENIED = PermissionDenied("you may not", "ask")
NAME = "ENCRYPTED_PHI_KEY"
TRAIL_BUCKET = StateResource(urn="urn::aws:s3/bucket:Bucket::audit-trail", type="aws:s3/bucket:Bucket", id="ours")
ALIAS = StateResource(urn="urn::aws:kms/alias:Alias::phi-key", type="aws:kms/alias:Alias", id="alias/eonpro-phi-key")
OTHERS = Existing(alias_target=key_fact(OTHER_KEY, tags={"Owner": "billing"}))


def _of_call(kind: type[SetupError], action: str, message: str = "may not do {}") -> SetupError:
    """The error of a call, as `wizard.aws.auth.errors.translate` makes it."""
    error = kind(message.format(action), "ask for it")
    error.action = action
    return error


def is_built(of: Settings = SAVED, **changes: Any) -> Seed:
    def seed(world: World) -> None:
        world.engine.stack_state = built(world.aws, of, **changes)

    return seed


def fails(edge: str, *also: Seed, **failures: SetupError) -> Seed:
    """Calls of an edge fail."""
    return both(lambda world: getattr(world, edge).failures.update(failures), *also)


def both(*seeds: Seed) -> Seed:
    return lambda world: [seed(world) for seed in seeds]


def stores(key_arn: str | None) -> Seed:
    return lambda world: world.stored_data_key(key_arn)


def has(**fields: Any) -> Seed:
    """AWS answers so."""
    return lambda world: vars(world.aws).update(fields)


def delivered(value: str) -> Seed:
    return lambda world: world.vercel.variables.update({NAME: value})


def kept_before(world: World) -> None:
    earlier, at = wrapped("earlier"), datetime(2026, 1, 1, tzinfo=UTC)
    world.aws.key_rotation.keep(SAVED, earlier, key_arn=KEY, origin=VersionOrigin.FIRST, at=at)
    world.vercel.variables[NAME] = earlier.value


def gone(world: World) -> None:
    world.aws.stored_keys.pop(STORED_KEY)


def beside(world: World) -> None:
    world.aws.parameters["/eonpro/production/AWS_KMS_KEY_ID"] = KEY


def refused_token(world: World) -> None:
    world.vercel.token = "wrong"


def without_tokens(world: World) -> None:
    world.vercel.project = replace(world.vercel.project, gives_tokens=False)


GOOD: dict[str, tuple[Seed, dict[str, Any]]] = {
    "a stack that is built": (is_built(), {"saved": SAVED}),
    "a stack without a key may still move": (both(), {"saved": SAVED, "region": "eu-central-1"}),
    "what the stack never made stays out": (is_built(BARE),
        {"saved": BARE, "access_logging": False, "trail_key": False, "trail_lock": "none"}),
    "a replica that was planned and never made is left out": (is_built(multi_region(replica_regions=())),
        {"saved": MULTI, "multi_region": True}),
    "a data key of an old run names no key": (both(is_built(), stores(None)), {"saved": SAVED}),
    "an update lost its outputs, and the key is known": (is_built(outputs=None), {"saved": SAVED}),
    "a first run ended before it stored a data key": (both(is_built(), gone), {"saved": SAVED}),
    "Vercel has the stored data key": (both(is_built(), delivered(wrapped().value)), {"saved": SAVED}),
    "Vercel is not asked about ECS": (refused_token, {"target": ("ecs",)}),
}  # fmt: skip


@pytest.mark.parametrize("case", GOOD)
def test_what_is_no_problem(world, case) -> None:
    seed, given = GOOD[case]
    seed(world)
    assert world.whats(**given) == []


TOLD: dict[str, tuple[Seed, dict[str, Any], tuple[str, ...], str]] = {
    "names, stored data key and Vercel in one pass": (both(has(existing=Existing(alias_target=key_fact(OTHER_KEY),
        found={"trail_bucket": "foreign"})), stores(OTHER_KEY), delivered(wrapped("foreign").value)), {},
        ("alias/eonpro-phi-key", "bucket", STORED_KEY, "portal"), ""),
    "what two checks find is told once": (fails("aws", find_existing=AWAY, read_stored_data_key=AWAY), {},
        ("no answer",), "curl it"),
    "without its state, what may be the stack's own is no conflict": (fails("engine",
        has(existing=Existing(alias_target=key_fact(), found={"trail_bucket": "ours", "app_role": APP})), state=LOST),
        {}, (LOST.message,), "pulumi whoami"),
    "without its state, what is to be imported is no conflict": (fails("engine", has(existing=OTHERS), state=LOST),
        {"adoption": ImportRequest(repaired=tuple(ImportGroup))}, (LOST.message,), ""),
    "a stored data key that is not read makes none foreign": (fails("aws", delivered(wrapped().value),
        read_stored_data_key=DENIED), {}, ("you may not",), "ask"),
    "a stack that would move has no foreign data key": (both(is_built(), delivered(wrapped().value), gone),
        {"saved": SAVED, "region": "eu-central-1"}, ("deployed in the region us-east-1, not eu-central-1",), ""),
    "an endpoint is told once, whatever it was asked": (fails("aws",
        list_regions=_of_call(Unreachable, "account:ListRegions", "kms.example does not answer ({})"),
        find_existing=_of_call(Unreachable, "iam:GetRole", "kms.example does not answer ({})")), {},
        ("kms.example does not answer (account:ListRegions)",), ""),
    "an action that is denied is told among the others": (fails("aws", has(lacking=("iam:CreateRole", "iam:GetRole")),
        find_existing=_of_call(PermissionDenied, "iam:GetRole")), {},
        ("you are not allowed to do: iam:CreateRole, iam:GetRole",), ""),
    "an action that is not among the others is told too": (fails("aws", has(lacking=("iam:CreateRole",)),
        find_existing=_of_call(PermissionDenied, "iam:GetRole")), {}, ("iam:GetRole", "to do: iam:CreateRole"), ""),
    "rights are asked while there is no key": (has(lacking=("kms:CreateKey",)), {"saved": SAVED},
        ("you are not allowed to do: kms:CreateKey",), ""),
    "a backend that needs wrong credentials says nothing new": (fails("engine", check_backend=DENIED),
        {"identity": EXPIRED}, (EXPIRED.message,), ""),
    "a login to Pulumi Cloud is another thing": (fails("engine", check_backend=CredentialsError("no login", "login")),
        {"identity": EXPIRED}, (EXPIRED.message, "no login"), ""),
    "no other Region": (is_built(), {"saved": SAVED, "region": "eu-central-1"},
        ("deployed in the region us-east-1, not eu-central-1",), ""),
    "no other environment": (is_built(), {"saved": SAVED, "environment": "staging"},
        ("deployed in the environment production, not staging",), ""),
    "no other application": (is_built(), {"saved": SAVED, "application": "clinic"},
        ("deployed for the application eonpro, not clinic",), ""),
    "a state of another application": (is_built(resources=(ALIAS,)), {"application": "clinic"},
        ("has alias/eonpro-phi-key, not alias/clinic-phi-key: it is of another application",),
        "setup --application clinic --stack clinic-production --environment production"),
    "settings of another application": (is_built(resources=(ALIAS,)),
        {"application": "clinic", "saved": SAVED.model_copy(update={"application": "clinic"})},
        ("it is of another application",), "pulumi config set eonpro-kms:application eonpro --stack production"),
    "no other bucket": (both(is_built(resources=(TRAIL_BUCKET,)), has(existing=Existing())),
        {"saved": SAVED, "trail_bucket": "another"},
        ("the stack production has the bucket ours, not another",), "keep it: --trail-bucket ours"),
    "no multi-Region key of one that is not": (is_built(), {"saved": SAVED, "multi_region": True},
        ("the stack production has a key of one Region, and that cannot be changed",), "keep it: --multi-region no"),
    "no key of one Region of one of several": (is_built(multi_region(replica_regions=())),
        {"saved": multi_region(replica_regions=()), "multi_region": False}, ("",), "keep it: --multi-region yes"),
    "no other environment on Vercel": (is_built(), {"saved": SAVED, "vercel_environment": "preview"},
        ("the stack production is for production on Vercel, not preview",), "keep it: --vercel-environment production"),
    "no log of the readers less": (is_built(), {"saved": SAVED, "access_logging": False},
        ("the stack production has logs of who reads the logs, and the set-up takes none away",),
        "keep it: --access-logging yes"),
    "no key of the logs less": (is_built(), {"saved": SAVED, "trail_key": False}, ("a key of the logs, and",),
        "keep it: --trail-key yes"),
    "no lock of the logs less": (is_built(), {"saved": SAVED, "trail_lock": "none"}, ("a lock of the logs, and",),
        "keep it: --trail-lock governance"),
    "no replica less": (is_built(MULTI), {"saved": MULTI, "multi_region": True},
        (f"the replica in {REPLICA_REGION} would be removed",), f"keep it: --replica-regions {REPLICA_REGION}"),
    "no replica for another": (is_built(MULTI),
        {"saved": MULTI, "multi_region": True, "replica_regions": ("eu-west-1",)}, ("",),
        f"keep it: --replica-regions {REPLICA_REGION},eu-west-1"),
    "a store that is closed is not taken for empty": (fails("aws", is_built(TO_ECS),
        has(closed=(SecretStore.PARAMETER_STORE,)), variable_exists=DENIED), {"saved": TO_ECS, **SECRETS_MANAGER},
        ("you may not",), "ask"),
    "a loss in the store before": (both(is_built(TO_ECS), gone, beside), {"saved": TO_ECS, **SECRETS_MANAGER},
        (f"{STORED_KEY} is missing",), ""),
    "a data key without a stack": (stores(OTHER_KEY), {},
        (f"{STORED_KEY} already holds a data key ({wrapped().fingerprint}), wrapped by {OTHER_KEY}",), ""),
    "a data key that names no key": (stores(None), {}, ("wrapped by a key it does not name",), ""),
    "a data key under another key than the stack's": (both(is_built(), stores(OTHER_KEY)), {"saved": SAVED},
        (OTHER_KEY,), ""),
    "a stranger's data key beside a half-built stack": (both(is_built(outputs=None), stores(OTHER_KEY)),
        {"saved": SAVED}, (OTHER_KEY,), ""),
    "a data key gone from beside its variable": (both(is_built(), gone, beside), {"saved": SAVED},
        (f"{STORED_KEY} is missing",), "python -m wizard restore"),
    "a run that does not look at Vercel makes no second key": (both(is_built(), gone),
        {"saved": SAVED, "target": ("ecs",)}, ("does not read Vercel",), "--target ecs,vercel"),
    "a data key that cannot be looked for is not lost": (fails("aws", is_built(), gone, variable_exists=DENIED),
        {"saved": SAVED}, ("you may not",), ""),
    "a foreign data key at Vercel": (delivered(wrapped("foreign").value), {},
        ("the project portal has another ENCRYPTED_PHI_KEY already",), "may be the only key to records"),
    "a foreign data key at Vercel beside a stored one": (both(is_built(), delivered(wrapped("foreign").value)),
        {"saved": SAVED}, ("the project portal has another ENCRYPTED_PHI_KEY already",),
        "may be the only key to records"),
    "an earlier version at Vercel is to be pushed": (both(is_built(), kept_before), {"saved": SAVED},
        ("an earlier version of the stored data key",), "python -m wizard push"),
    "variables that cannot be listed": (fails("vercel", conflict=DENIED), {}, ("you may not",), ""),
    "a project that gives no tokens": (without_tokens, {},
        ("the Vercel project portal gives its deployments no OIDC token",),
        """echo '{"oidcTokenConfig": {"enabled": true, "issuerMode": "team"}}' | """
        "vercel api /v9/projects/prj_1 --method PATCH --input - --scope acme"),
}  # fmt: skip


@pytest.mark.parametrize("case", TOLD)
def test_what_is_told_and_nothing_beside_it(world, case) -> None:
    seed, given, phrases, next_ = TOLD[case]
    seed(world)
    problems = world.check(**given).problems
    assert len(problems) == len(phrases), [problem.what for problem in problems]
    assert all(phrase in f"{p.what} {p.why}" for phrase, p in zip(phrases, problems, strict=True))
    assert next_ in f"{problems[0].next} {advice_of(problems[0].next)}"
    assert problems[0].exit_code == 2 or not case.startswith("no ")


def test_a_stack_with_its_own_trail_takes_no_other_for_it(world) -> None:
    is_built()(world)
    problems = [each for each in world.check(saved=SAVED, **COMPANY).problems if "takes none away" in each.what]
    assert [(each.what, each.next, each.exit_code) for each in problems] == [
        ("the stack production has a trail of its own, and the set-up takes none away", "keep it: --trail create", 2)
    ]


def test_a_state_whose_place_is_not_known_is_a_problem_among_the_others_and_not_asked_for(world) -> None:
    world.vercel.token = "wrong"
    nowhere = Problem(what="Pulumi has no place for its state", why="it keeps it there", next="--backend local")
    assert world.whats(location_problems=(nowhere,)) == [nowhere.what, "Vercel refuses the token"]
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


# --- the data key


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


def test_a_data_key_that_another_run_stores_meanwhile_is_the_stacks_own(world, monkeypatch) -> None:
    world.engine.stack_state = built(world.aws, settings())
    stored = world.aws.stored_keys.pop(STORED_KEY)
    versions: Callable[[Settings], tuple[DataKeyVersion, ...]] = world.aws.key_rotation.versions
    at = datetime(2026, 1, 1, tzinfo=UTC)
    world.aws.key_rotation.keep(SAVED, stored.wrapped, key_arn=KEY, origin=VersionOrigin.FIRST, at=at)

    def listed(of: Settings) -> tuple[DataKeyVersion, ...]:
        # The other run has stored it since it was read.
        world.aws.stored_keys[STORED_KEY] = stored
        return versions(of)

    monkeypatch.setattr(world.aws.key_rotation, "versions", listed)
    findings = world.check(saved=SAVED)
    assert (findings.problems, findings.stored_data_key) == ((), stored)


def test_a_state_that_is_not_where_it_was_is_looked_for_before_anything_is_created_again(world) -> None:
    torn(world)
    world.aws.existing = replace(world.aws.existing, alias_target=key_fact())
    world.aws.parameters[settings().names.last_backup] = "{}"
    (problem,) = world.check(saved=settings()).problems
    assert problem.what.startswith("the state of the stack production is not where it was, in ")
    assert problem.next.startswith("look for the state first: ")
    assert "setup --stack production --adopt --repair all" in problem.next
    # The key of somebody else is a conflict of its own.
    world.aws.existing = replace(world.aws.existing, alias_target=replace(key_fact(), tags={}))
    assert not any("is not where it was" in what for what in world.whats(saved=settings()))


def test_a_stack_that_was_removed_is_set_up_again_by_one_command(world) -> None:
    torn(world)
    built(world.aws, settings())
    world.aws.existing = replace(world.aws.existing, alias_target=key_fact(), found={"trail": TRAIL})
    world.engine.stack_state = StackState(exists=True, has_key=False)
    (problem,) = world.check(saved=settings()).problems
    assert problem.what.startswith("the stack production was removed: ") and problem.exit_code == 4
    assert problem.next == eonpro("setup", "--stack", "production", "--adopt", "--repair", "all")
    # Without a data key it may be an update that did not begin, beside a key that a person made.
    world.aws.stored_keys.clear()
    assert not any("was removed" in what for what in world.whats(saved=settings()))


def test_a_stack_that_lost_its_state_and_its_data_key_is_no_first_set_up(world) -> None:
    """The record of a backup is a trace of the data key: its person has it, and an import takes it."""
    torn(world)
    world.aws.parameters[settings().names.last_backup] = "{}"
    assert world.check(saved=settings()).unrecorded == ()


def test_what_cannot_be_read_is_said_before_more_is_created(world) -> None:
    interrupted(world)
    world.aws.failures["find_unrecorded"] = Unreachable("kms does not answer", "check the network")
    assert "kms does not answer" in world.whats(saved=settings())


@pytest.mark.parametrize("saved", [None, settings(vercel_issuer_mode="global")])
def test_the_issuer_is_the_one_that_the_project_on_vercel_is_set_to(world, saved) -> None:
    world.vercel.project = replace(world.vercel.project, gives_tokens=True, issuer_mode=VercelIssuerMode.GLOBAL)
    findings = world.check(saved=saved)
    assert findings.problems == ()
    assert findings.settings is not None and findings.settings.vercel_issuer_mode is VercelIssuerMode.GLOBAL


# --- an account that was created manually

ALL = ImportRequest(repaired=tuple(ImportGroup), data_key=None)


@pytest.fixture
def hand(world: World) -> World:
    by_hand(world.aws)
    world.vercel.sensitive = False
    world.vercel.variables = {"ENCRYPTED_PHI_KEY": wrapped("by hand").value, "AWS_KMS_KEY_ID": KEY}
    world.aws.wrapped_by[wrapped("by hand").fingerprint] = KEY
    return world


def test_an_adoption_takes_everything_in_by_its_id_and_the_data_key_that_is_in_use(hand) -> None:
    findings = hand.check(adoption=ALL)
    assert findings.problems == ()
    assert findings.settings is not None
    assert set(findings.settings.adopted) == set(hand.aws.discovered.adopted)
    assert findings.settings.kept_as_found == ()
    assert findings.imported_data_key == wrapped("by hand")


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


def test_a_data_key_that_is_given_and_is_not_vercels_is_refused(hand) -> None:
    whats = hand.whats(adoption=replace(ALL, data_key=wrapped("another").value))
    assert any("is not the one on Vercel" in what for what in whats)


def test_a_data_key_that_was_cut_is_refused_without_being_shown(hand) -> None:
    cut = wrapped("by hand").value[:40]
    whats = hand.whats(adoption=replace(ALL, data_key=cut))
    assert any("EONPRO_ENCRYPTED_PHI_KEY is not a wrapped data key" in what for what in whats)
    assert cut not in " ".join(whats)


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


def test_once_the_data_key_is_safe_an_adopted_stack_is_one_like_any_other(hand) -> None:
    wanted = begun(hand)
    hand.aws.stored_keys[STORED_KEY] = StoredDataKey(
        parameter=STORED_KEY, wrapped=wrapped("by hand"), key_arn=KEY, version=1
    )
    hand.log.clear()
    findings = hand.check(saved=wanted, trail_bucket=BUCKET)
    assert (findings.problems, findings.settings, findings.imported_data_key) == ((), wanted, None)
    assert "cloud.find_hand_made" not in hand.log


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
