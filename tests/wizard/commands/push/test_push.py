"""The push over fakes: what it calls, what it never does, what it refuses before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from components.policies.evaluation import GrantFact
from components.settings import Settings
from tests.wizard.commands.push.push_documents import AT
from tests.wizard.fakes.clients import (
    ACCOUNT,
    KEY,
    REPLICA_REGION,
    STORED_KEY,
    TOKEN,
    USER_OUTPUTS,
    multi_region,
    settings,
    wrapped,
)
from tests.wizard.inputs.test_interview import GIVEN
from tests.wizard.setup.test_workflow import WRITES, World
from wizard.commands.options import PushOptions
from wizard.core.errors import (
    Cancelled,
    DataKeyConflict,
    MissingAnswers,
    PermissionDenied,
    ResourceError,
    SetupError,
    StackNotFound,
    UsageError,
)
from wizard.core.models.inputs import Mark
from wizard.core.models.rotation import VersionOrigin
from wizard.core.models.verification import AccessKey
from wizard.targets.port import deploy_target


class PushWorld(World):
    """The edges of a push, all fakes."""

    def stand(self, wanted: Settings | None = None, **changes: Any) -> None:
        self.given = dict(GIVEN)
        super().stand(wanted, **changes)
        # The rest is in the stack's settings.
        self.given = {"vercel_token": TOKEN}

    def push(
        self,
        *,
        confirmed: str | None = None,
        redeploy: bool | None = None,
        request: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        asked = replace(self.request(confirmed=confirmed, **(request or {})), redeploy=redeploy)
        self.code, document = PushOptions(**options).run(asked, self.clients)
        return document

    @property
    def wrote(self) -> set[str]:
        return {call.split()[0] for call in self.log} & WRITES

    @property
    def warned(self) -> str:
        return "\n".join(text for mark, text in self.ui.marked if mark is Mark.WARN)


@pytest.fixture
def world() -> PushWorld:
    made = PushWorld()
    made.stand()
    return made


def test_it_delivers_and_proves_and_the_engine_changes_nothing(world: PushWorld) -> None:
    world.vercel.variables.clear()
    document = world.push()
    assert [(each["target"], each["state"], each["environment"]) for each in document["delivered"]] == [
        ("vercel", "written", "production")
    ]
    assert [each["state"] for each in document["proofs"]] == ["proved"]
    assert world.wrote == {"vercel.deliver"} and world.code == 0
    called = {call.split()[0] for call in world.log}
    assert not {"engine.prepare", "engine.preview", "engine.up", "engine.check"} & called
    assert document["scope"] == {"environments": ["production"], "branch": None}


def test_it_says_who_has_more_on_the_key_than_the_settings_give_and_delivers_all_the_same(world: PushWorld) -> None:
    policy: Any = world.aws.key_policies[KEY]
    stranger = {"Effect": "Allow", "Principal": {"AWS": "999988887777"}, "Action": "kms:Decrypt", "Resource": "*"}
    world.aws.key_policies[KEY] = {**policy, "Statement": [*policy["Statement"], stranger]}
    grant = GrantFact(
        id="g1", grantee="arn:aws:iam::999988887777:root", operations=("Decrypt",), made=None, retiring=None
    )
    world.aws.who_has_access.granted = {KEY: (grant,)}
    document = world.push()
    assert [each["cause"] for each in document["findings"]] == ["key-policy-changed", "grant-foreign"]
    assert (world.code, document["ok"]) == (0, True)
    assert "999988887777: may Decrypt" in world.warned and "a grant allows" in world.warned


def test_who_has_access_is_told_to_be_unknown_where_it_cannot_be_read(world: PushWorld) -> None:
    world.aws.who_has_access.failures["grants"] = PermissionDenied("you may not list grants", "ask for it")
    document = world.push()
    assert (document["findings"], document["ok"]) == ([], True)
    assert [each["what"] for each in document["notChecked"]] == ["the grants of the key"]
    assert "the grants of the key: unknown, you may not list grants" in world.warned


def test_it_asks_for_no_more_than_it_needs(world: PushWorld) -> None:
    """A pipeline with few rights: none of the set-up's checks, no list of principals, keys or trails.

    Of the key it reads its state, its policy and its grants.
    """
    world.push()
    called = {call.split()[0] for call in world.log if call.startswith("cloud.")}
    needed = ("caller", "read_stored_data_key", "app_credentials", "describe_key", "key_policy")
    assert called <= {f"cloud.{name}" for name in needed}


def test_it_makes_the_data_key_of_a_stack_that_never_had_one(world: PushWorld) -> None:
    world.aws.stored_keys.clear()
    world.vercel.variables.clear()
    document = world.push()
    assert world.aws.stored_keys[STORED_KEY].wrapped.fingerprint == document["fingerprint"]
    assert world.wrote == {"cloud.make_data_key", "cloud.write_stored_data_key", "vercel.deliver"}


def test_a_stored_data_key_that_is_lost_is_not_made_anew_where_vercel_has_a_data_key(world: PushWorld) -> None:
    del world.aws.stored_keys[STORED_KEY]
    with pytest.raises(DataKeyConflict, match="does not exist.*no other data key was made"):
        world.push()
    assert world.wrote == set()


def test_a_foreign_data_key_is_refused_before_anything_is_written(world: PushWorld) -> None:
    world.vercel.variables["ENCRYPTED_PHI_KEY"] = wrapped("foreign").value
    with pytest.raises(DataKeyConflict, match="nothing was changed"):
        world.push()
    assert world.wrote == set()


def test_an_earlier_version_that_is_kept_makes_way_for_the_current_one(world: PushWorld) -> None:
    earlier = wrapped("earlier")
    world.aws.key_rotation.keep(settings(), earlier, key_arn=KEY, origin=VersionOrigin.FIRST, at=AT)
    world.vercel.variables["ENCRYPTED_PHI_KEY"] = earlier.value
    assert [each["state"] for each in world.push()["delivered"]] == ["written"]
    assert world.vercel.variables["ENCRYPTED_PHI_KEY"] == wrapped().value


def test_where_two_scopes_are_named_and_one_is_refused_neither_is_written(world: PushWorld) -> None:
    world.vercel.variables.clear()
    world.vercel.beside["preview"] = {"ENCRYPTED_PHI_KEY": wrapped("foreign").value}
    with pytest.raises(DataKeyConflict):
        world.push(to="production,preview")
    assert world.wrote == set() and world.vercel.variables == {}


def test_a_stack_that_is_not_built_and_one_that_is_not_here(world: PushWorld) -> None:
    world.engine.stack_state = replace(world.engine.stack_state, outputs=None)
    with pytest.raises(StackNotFound, match="not deployed yet"):
        world.push()
    world.saved = None
    with pytest.raises(StackNotFound, match="does not exist"):
        world.push()
    assert world.wrote == set()


def test_without_a_token_it_says_so(world: PushWorld) -> None:
    del world.given["vercel_token"]
    with pytest.raises(MissingAnswers) as refused:
        world.push()
    assert refused.value.missing == ("vercel_token",) and world.wrote == set()


def test_a_target_that_the_stack_has_not_is_no_target(world: PushWorld) -> None:
    with pytest.raises(UsageError, match="does not deliver to ecs"):
        world.push(request={"target": ("vercel", "ecs")})
    assert world.wrote == set()


def test_a_replica_that_was_planned_and_not_built_is_not_pushed_to(world: PushWorld) -> None:
    world.stand(multi_region(deploy_targets=("ecs",), replica_regions=()))
    world.saved = multi_region(deploy_targets=("ecs",))
    world.given.clear()
    document = world.push()
    assert [each["target"] for each in document["delivered"]] == ["ecs"]
    assert document["scope"] is None
    assert not any(REPLICA_REGION in line for line in world.ui.said)


# --- scopes


def test_each_environment_has_variables_of_its_own(world: PushWorld) -> None:
    world.vercel.environments = {"env_1": "staging"}
    document = world.push(to="production,preview,staging")
    assert [each["environment"] for each in document["delivered"]] == [
        "production",
        "preview",
        "the custom environment staging",
    ]
    assert document["scope"] == {"environments": ["production", "preview", "staging"], "branch": None}
    assert world.vercel.beside["preview"] == world.vercel.variables


def test_a_delivery_to_preview_alone_touches_nothing_of_productions_and_is_not_proved(world: PushWorld) -> None:
    world.vercel.variables["ENCRYPTED_PHI_KEY"] = wrapped("productions own").value
    document = world.push(to="preview", branch="feature")
    assert document["scope"] == {"environments": ["preview"], "branch": "feature"}
    assert world.vercel.variables["ENCRYPTED_PHI_KEY"] == wrapped("productions own").value
    assert (document["proofs"], document["redeploys"], document["staleInstances"]) == ([], [], [])
    assert "vercel.current_deployment" not in world.log


def test_productions_data_key_elsewhere_is_warned_of(world: PushWorld) -> None:
    document = world.push(to="preview")
    first, second = document["warnings"]
    assert "preview now has production's data key" in first
    assert "vercel env rm ENCRYPTED_PHI_KEY preview && python -m wizard setup --stack preview --from pro" in first
    assert "trusts only the deployments of production: in preview it cannot decrypt" in second
    assert second.endswith("python -m wizard setup --stack production --vercel-environments preview")
    assert first in world.warned and second in world.warned
    assert world.push()["warnings"] == []


def test_an_environment_that_the_role_trusts_is_not_said_to_be_shut_out(world: PushWorld) -> None:
    wanted = settings(vercel_environments=("staging",))
    world.stand(wanted)
    world.vercel.environments = {"env_1": "staging"}
    assert deploy_target("vercel").plan(wanted) == ("its role also for the deployments of staging",)
    (warning,) = world.push(to="staging")["warnings"]
    assert "now has production's data key" in warning
    _, second = world.push(to="preview,staging")["warnings"]
    assert "of production, staging: in preview it cannot" in second
    assert "--vercel-environments preview,staging" in second


def test_a_person_is_asked_before_preview_gets_productions_records_and_is_offered_a_stack_of_its_own(
    world: PushWorld,
) -> None:
    world.ui.interactive = True
    with pytest.raises(Cancelled) as refused:
        world.push(to="preview", request={"yes": False})
    assert refused.value.hint == (
        "python -m wizard setup --stack preview --from production --target vercel --account 111122223333 "
        "--vercel-project portal --vercel-environment preview"
    )
    assert world.wrote == set()
    world.ui.confirms = [True]
    assert world.push(to="preview", request={"yes": False})["delivered"]


def test_the_stack_of_its_own_takes_over_no_principal_and_names_the_existing_trails_bucket(world: PushWorld) -> None:
    trail = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/everything"
    principal = f"arn:aws:iam::{ACCOUNT}:role/portal"
    world.stand(settings(existing_trail_arn=trail, trail_bucket="logs-of-clinic", app_principal_arn=principal))
    world.vercel.environments = {"env_1": "2nd-customer-staging"}
    (first, *_) = world.push(to="2nd-customer-staging")["warnings"]
    assert "--stack production-2nd-c --from production" in first
    assert "--vercel-environment 2nd-customer-staging --trail-bucket logs-of-clinic --app-principal create" in first


def test_a_stack_of_preview_delivers_to_preview_and_never_to_production(world: PushWorld) -> None:
    world.stand(settings(vercel_environment="preview"))
    former = dict(world.vercel.variables)
    document = world.push()
    assert [(each["environment"], each["state"]) for each in document["delivered"]] == [("preview", "written")]
    assert document["scope"] == {"environments": ["preview"], "branch": None} and document["warnings"] == []
    assert [each["state"] for each in document["proofs"]] == ["proved"]
    assert world.vercel.variables == former
    world.log.clear()
    with pytest.raises(UsageError, match="is for preview: production's records need"):
        world.push(to="production")
    assert world.wrote == set()


def test_development_and_a_push_without_vercel_are_refused(world: PushWorld) -> None:
    with pytest.raises(UsageError, match="development"):
        world.push(to="development")
    world.stand(settings(deploy_targets=("ecs",)))
    world.given.clear()
    with pytest.raises(UsageError, match="environments on Vercel"):
        world.push(to="preview")
    assert world.wrote == set()


# --- a data key that is in the way


def test_another_data_key_is_renamed_after_the_stacks_name_was_typed_and_only_then(world: PushWorld) -> None:
    world.vercel.variables["ENCRYPTED_PHI_KEY"] = wrapped("foreign").value
    for confirmed in (None, "another"):
        with pytest.raises(Cancelled) as refused:
            world.push(rename_existing="v1", confirmed=confirmed)
        assert "--rename-existing v1 --confirm production" in refused.value.hint
    assert world.wrote == set() and "vercel.set_aside" not in world.log


def test_it_is_renamed_only_where_the_stack_has_a_data_key_to_put_in_its_place(world: PushWorld) -> None:
    world.aws.stored_keys.clear()
    world.vercel.variables.clear()
    with pytest.raises(UsageError, match="was not renamed"):
        world.push(rename_existing="v1", confirmed="production")
    assert world.wrote == set()


# --- the access key of an application that is an IAM user


@pytest.fixture
def of_a_user(world: PushWorld) -> PushWorld:
    world.engine.outputs = USER_OUTPUTS
    world.stand(settings(vercel_access="user"), outputs=USER_OUTPUTS)
    return world


def test_an_application_with_an_access_key_gets_one_where_it_has_none(of_a_user: PushWorld) -> None:
    of_a_user.push()
    assert of_a_user.vercel.access_key is not None
    assert of_a_user.wrote == {"vercel.deliver", "cloud.make_access_key", "vercel.deliver_access_key"}


def test_a_caller_who_may_not_see_access_keys_pushes_all_the_same_where_there_is_one(of_a_user: PushWorld) -> None:
    of_a_user.vercel.access_key = AccessKey(id="AKIAONE", secret="s")
    of_a_user.aws.failures["list_access_keys"] = PermissionDenied("iam:ListAccessKeys is denied", "ask")
    assert of_a_user.push()["ok"] is True
    assert "is not known: iam:ListAccessKeys is denied" in of_a_user.warned
    of_a_user.vercel.access_key = None
    with pytest.raises(PermissionDenied):
        of_a_user.push()


def test_the_access_key_is_productions_alone(of_a_user: PushWorld) -> None:
    document = of_a_user.push(to="preview")
    assert "was not delivered to preview" in document["warnings"][1]
    assert of_a_user.vercel.access_key is None


# --- how it ends


def test_a_proof_that_fails_is_exit_code_1(world: PushWorld) -> None:
    world.aws.wrapped_by.clear()
    document = world.push()
    assert (document["ok"], world.code) == (False, 1)
    assert [each["state"] for each in document["proofs"]] == ["failed"]


@pytest.mark.parametrize("failure", [ResourceError("half of it", "again"), SetupError("no", "again")])
def test_a_delivery_that_fails_is_told_and_nothing_is_started_anew(world: PushWorld, failure: SetupError) -> None:
    world.vercel.variables.clear()
    world.vercel.failures["deliver"] = failure
    with pytest.raises(type(failure)):
        world.push(redeploy=True)
    assert "vercel.redeploy" not in world.log
