"""What the account has already: another's is told and left alone, a crashed run's own is found and taken up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.wizard.fakes import (
    ACCOUNT,
    APP,
    APP_POLICY,
    BUCKET,
    KEY,
    KEY_ID,
    OTHER_KEY,
    TRAIL,
    FakeCloud,
    built,
    key_fact,
    settings,
    step,
    trail_fact,
)
from wizard.existing import crashed, taken, with_existing_provider
from wizard.facts import Existing, StackState

EMPTY = StackState(exists=False, has_key=False)
VERCEL = settings()
ECS = settings(deploy_targets=("ecs",), vercel_team=None, vercel_project=None)
EXECUTION = f"arn:aws:iam::{ACCOUNT}:role/eonpro-execution-role"
PARAMETERS = f"arn:aws:iam::{ACCOUNT}:policy/EONPROParameterAccess"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/acme"


def whats(wanted, existing: Existing, state: StackState = EMPTY, left_behind=()) -> list[str]:
    return [problem.what for problem in taken(wanted, existing, state, dict(left_behind))]


def test_a_free_account_has_no_problem() -> None:
    assert whats(ECS, Existing()) == []


def test_an_alias_of_another_key_is_told_with_whose_it_is() -> None:
    other = key_fact(OTHER_KEY, description="Billing", tags={"Owner": "finance"})
    (problem,) = taken(VERCEL, Existing(alias_target=other), EMPTY, {})
    assert problem.what == (
        f"alias/eonpro-phi-key already points to the key {OTHER_KEY} (Enabled, Billing, Owner=finance)"
    )
    assert "was not touched" in problem.why
    assert "aws kms describe-key --key-id alias/eonpro-phi-key --region us-east-1" in problem.next


@pytest.mark.parametrize(
    ("existing", "named"),
    [
        (Existing(role_arn=APP), APP),
        (Existing(execution_role_arn=EXECUTION), EXECUTION),
        (Existing(app_policy_arn=APP_POLICY), APP_POLICY),
        (Existing(parameter_policy_arn=PARAMETERS), PARAMETERS),
        (Existing(trail=trail_fact()), TRAIL),
    ],
    ids=lambda value: getattr(value, "rpartition", lambda _: ("", "", ""))("/")[2] or None,
)
def test_a_name_that_something_else_has_is_told(existing, named) -> None:
    (problem,) = taken(ECS, existing, EMPTY, {})
    assert f"{named} exists already and is not in this stack" in problem.what
    assert "it was not touched" in problem.why


def test_a_trail_that_is_there_may_be_used_instead() -> None:
    (problem,) = taken(ECS, Existing(trail=trail_fact()), EMPTY, {})
    assert f"--trail {TRAIL}" in problem.next


@pytest.mark.parametrize(("owner", "said"), [("foreign", "another account"), ("ours", "this account, outside")])
def test_a_bucket_that_is_there_is_told_with_its_owner(owner, said) -> None:
    (problem,) = taken(ECS, Existing(bucket=owner), EMPTY, {})
    assert said in problem.what and BUCKET in problem.what
    assert problem.next == "name another: --trail-bucket NAME"


def test_all_names_that_are_taken_are_told_in_one_pass() -> None:
    existing = Existing(
        alias_target=key_fact(OTHER_KEY),
        role_arn=APP,
        execution_role_arn=EXECUTION,
        app_policy_arn=APP_POLICY,
        parameter_policy_arn=PARAMETERS,
        trail=trail_fact(),
        bucket="foreign",
    )
    assert len(whats(ECS, existing)) == 7


def test_what_the_stack_would_not_make_is_no_problem() -> None:
    existing = Existing(
        role_arn=APP,
        execution_role_arn=EXECUTION,
        parameter_policy_arn=PARAMETERS,
        trail=trail_fact(),
        bucket="ours",
    )
    wanted = settings(app_principal_arn=APP, existing_trail_arn=TRAIL, trail_bucket=BUCKET)
    assert whats(wanted, existing) == []
    assert whats(settings(**{**ECS.model_dump(), "ecs_execution_role_arn": EXECUTION}), Existing()) == []


def test_names_that_the_stack_owns_are_no_problem() -> None:
    cloud = FakeCloud()
    state = built(cloud, VERCEL)
    assert whats(VERCEL, cloud.existing, state) == []


def test_each_name_is_judged_by_itself() -> None:
    cloud = FakeCloud()
    state = built(cloud, VERCEL)
    others = replace(state, owned=tuple(owned for owned in state.owned if owned != APP))
    assert whats(VERCEL, cloud.existing, others) == [f"the role {APP} exists already and is not in this stack"]


def test_what_a_crashed_run_made_is_no_strangers() -> None:
    left = {"urn:alias": "alias/eonpro-phi-key", "urn:bucket": BUCKET}
    assert whats(VERCEL, Existing(alias_target=key_fact(), bucket="ours"), EMPTY, left) == []


# --- the OIDC provider


def test_an_oidc_provider_that_is_there_is_used() -> None:
    used = with_existing_provider(VERCEL, Existing(oidc_provider_arn=PROVIDER), EMPTY)
    assert used == settings(vercel_oidc_provider_arn=PROVIDER)


def test_the_stacks_own_oidc_provider_stays_its_own() -> None:
    state = StackState(exists=True, has_key=True, owned=(PROVIDER,))
    assert with_existing_provider(VERCEL, Existing(oidc_provider_arn=PROVIDER), state) == VERCEL


def test_a_provider_that_was_named_wins_over_the_one_found() -> None:
    named = settings(vercel_oidc_provider_arn=f"{PROVIDER}-named")
    assert with_existing_provider(named, Existing(oidc_provider_arn=PROVIDER), EMPTY) == named


def test_ecs_needs_no_oidc_provider() -> None:
    assert with_existing_provider(ECS, Existing(oidc_provider_arn=PROVIDER), EMPTY) == ECS


# --- a crashed run

ALIAS = step("creating", "aws:kms/alias:Alias", "alias")
THE_KEY = step("creating", "aws:kms/key:Key", "phi-key")


def found(existing: Existing, *pending, cloud: FakeCloud | None = None, wanted=VERCEL, owned=()) -> dict[str, str]:
    state = StackState(exists=True, has_key=False, pending=pending, owned=owned)
    return crashed(wanted, existing, state, cloud or FakeCloud())


def cloud_with(*keys) -> FakeCloud:
    return FakeCloud(keys={key.arn: key for key in keys})


@pytest.mark.parametrize(
    ("pending", "existing", "id_"),
    [
        (ALIAS, Existing(alias_target=key_fact()), "alias/eonpro-phi-key"),
        (step("creating", "aws:s3/bucket:Bucket", "bucket"), Existing(bucket="ours"), BUCKET),
        (step("creating", "aws:cloudtrail/trail:Trail", "trail"), Existing(trail=trail_fact()), TRAIL),
        (
            step("creating", "aws:iam/openIdConnectProvider:OpenIdConnectProvider", "vercel"),
            Existing(oidc_provider_arn=PROVIDER),
            PROVIDER,
        ),
        (
            step("creating", "aws:iam/role:Role", "app", physical_name="eonpro-app-role"),
            Existing(role_arn=APP),
            "eonpro-app-role",
        ),
        (
            step("creating", "aws:iam/policy:Policy", "access", physical_name="EONPROKMSAccess"),
            Existing(app_policy_arn=APP_POLICY),
            APP_POLICY,
        ),
        (
            step("creating", "aws:iam/role:Role", "execution", physical_name="eonpro-execution-role"),
            Existing(execution_role_arn=EXECUTION),
            "eonpro-execution-role",
        ),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_creation_that_happened_is_found_by_its_name(pending, existing, id_) -> None:
    assert found(existing, pending) == {pending.urn: id_}


def test_a_creation_that_did_not_happen_is_dropped() -> None:
    pending = (ALIAS, THE_KEY, step("creating", "aws:iam/role:Role", "app", physical_name="eonpro-app-role"))
    assert found(Existing(), *pending) == {}


def test_a_strangers_bucket_of_that_name_is_never_taken() -> None:
    assert found(Existing(bucket="foreign"), step("creating", "aws:s3/bucket:Bucket", "bucket")) == {}


def test_a_role_of_another_name_is_never_taken() -> None:
    pending = step("creating", "aws:iam/role:Role", "app", physical_name="somebody-else")
    assert found(Existing(role_arn=APP), pending) == {}


def test_only_creations_are_taken_up() -> None:
    assert found(Existing(alias_target=key_fact()), replace(ALIAS, op="updating")) == {}


def test_the_key_is_found_by_the_stacks_own_tags() -> None:
    billing = key_fact(OTHER_KEY, tags={"Application": "BILLING", "Environment": "Production"})
    assert found(Existing(), THE_KEY, cloud=cloud_with(key_fact(), billing)) == {THE_KEY.urn: KEY_ID}


def test_of_two_keys_that_could_be_it_neither_is_taken() -> None:
    assert found(Existing(), THE_KEY, cloud=cloud_with(key_fact(), key_fact(OTHER_KEY))) == {}


def test_a_key_that_the_stack_has_already_is_no_candidate() -> None:
    cloud = cloud_with(key_fact(), key_fact(OTHER_KEY))
    assert found(Existing(), THE_KEY, cloud=cloud, owned=(OTHER_KEY,)) == {THE_KEY.urn: KEY_ID}


@pytest.mark.parametrize("state", ["PendingDeletion", "Disabled"])
def test_a_key_that_is_off_or_being_deleted_is_not_taken(state) -> None:
    assert found(Existing(), THE_KEY, cloud=cloud_with(key_fact(state=state))) == {}


def test_a_key_of_another_environment_is_not_taken() -> None:
    cloud = cloud_with(key_fact(KEY, tags={"Application": "EONPRO", "Environment": "Staging"}))
    assert found(Existing(), THE_KEY, cloud=cloud) == {}
