"""`rotate --reencrypt` over fakes: the same data key under another KMS key, or anew under the stack's own."""

from __future__ import annotations

import pytest

from tests.wizard.commands.rotate.stack_world import World
from tests.wizard.fakes.clients import (
    IDENTITY,
    KEY,
    MULTI_KEY,
    OTHER_KEY,
    REPLICA,
    REPLICA_REGION,
    SECOND,
    key_fact,
    multi_region,
    settings,
    wrapped,
)
from wizard.core.errors import Cancelled, PermissionDenied, ResourceError, UsageError
from wizard.core.models.rotation import VersionOrigin

OLD = wrapped().fingerprint
DENIED = PermissionDenied("the caller may not do kms:ReEncryptFrom", "have it allowed")


@pytest.fixture
def world() -> World:
    made = World()
    made.aws.keys[OTHER_KEY] = key_fact(OTHER_KEY)
    return made


def test_under_another_key_it_is_kept_beside_and_the_application_keeps_what_it_has(world: World) -> None:
    told = world.run("rotate", "--reencrypt", OTHER_KEY, yes=True, confirm=None)
    new = world.kept()[told["fingerprint"]]
    assert (new.key_arn, new.origin, new.same_as) == (OTHER_KEY, VersionOrigin.REENCRYPTED, OLD)
    assert world.current.fingerprint == OLD
    assert told["delivered"] == []
    assert new.parameter in str(told["next"][0]) and OTHER_KEY in str(told["next"][0])


def test_under_the_stacks_own_key_it_becomes_current(world: World) -> None:
    told = world.run("rotate", "--reencrypt", KEY)
    assert world.current.fingerprint == told["fingerprint"] != OLD
    assert world.vercel.variables["ENCRYPTED_PHI_KEY"] == world.current.value
    assert world.kept()[told["fingerprint"]].same_as == OLD


def test_the_old_wrapping_is_kept(world: World) -> None:
    world.run("rotate", "--reencrypt", KEY)
    assert world.kept()[OLD].wrapped == wrapped()


def test_kms_moves_it_from_the_key_that_wraps_it_now(world: World) -> None:
    world.run("rotate", "--reencrypt", OTHER_KEY, yes=True, confirm=None)
    assert f"keyring.reencrypt {KEY} {OTHER_KEY}" in world.log


def test_the_stacks_own_key_takes_the_stacks_name(world: World) -> None:
    with pytest.raises(Cancelled, match="nothing was changed") as refused:
        world.run("rotate", "--reencrypt", KEY, confirm=None, yes=True)
    assert "--confirm production" in refused.value.hint
    assert world.changes() == []


def test_another_key_takes_a_yes(world: World) -> None:
    with pytest.raises(Cancelled):
        world.run("rotate", "--reencrypt", OTHER_KEY, confirm=None)
    assert world.changes() == []


def test_a_person_is_asked_once(world: World) -> None:
    world.ui.interactive = True
    world.ui.answers["confirmation"] = ["production"]
    world.run("rotate", "--reencrypt", KEY, confirm=None)
    assert world.ui.keys == ["confirmation"]


@pytest.mark.parametrize("state", ("Disabled", "PendingDeletion"))
def test_a_key_that_cannot_be_used_is_told(world: World, state: str) -> None:
    world.aws.keys[OTHER_KEY] = key_fact(OTHER_KEY, state=state)
    with pytest.raises(ResourceError, match=state):
        world.run("rotate", "--reencrypt", OTHER_KEY, yes=True)
    assert world.changes() == []


def test_a_key_that_wraps_no_data_key_is_told(world: World) -> None:
    world.aws.keys[OTHER_KEY] = key_fact(OTHER_KEY, usage="SIGN_VERIFY", spec="RSA_2048")
    with pytest.raises(UsageError, match="SIGN_VERIFY"):
        world.run("rotate", "--reencrypt", OTHER_KEY, yes=True)


def test_a_key_of_another_region_is_refused_with_the_reason(world: World) -> None:
    far = OTHER_KEY.replace("us-east-1", "eu-central-1")
    world.aws.keys[far] = key_fact(far)
    with pytest.raises(UsageError, match="ReEncrypt works inside one Region"):
        world.run("rotate", "--reencrypt", far, yes=True)
    assert world.changes() == []


def test_a_replica_in_another_region_gets_a_copy_of_what_its_primary_wraps() -> None:
    world = World(multi_region())
    primary = MULTI_KEY.replace("mrk-1234", "mrk-9999")
    replica = primary.replace("us-east-1", REPLICA_REGION)
    world.aws.keys[primary] = key_fact(primary)
    world.aws.keys[replica] = key_fact(replica, replica_of=primary)
    told = world.run("rotate", "--reencrypt", replica, yes=True, confirm=None)
    assert f"keyring.reencrypt {MULTI_KEY} {primary}" in world.log
    there = world.aws.with_region(REPLICA_REGION).key_rotation.entries[told["fingerprint"]]
    assert there.wrapped == world.kept()[told["fingerprint"]].wrapped
    assert replica in str(told["next"][0])


def test_a_denial_names_the_rights_and_how_to_give_and_take_them(world: World) -> None:
    world.key_rotation.failures["reencrypt"] = DENIED
    with pytest.raises(PermissionDenied, match="kms:ReEncryptFrom.*kms:ReEncryptTo") as refused:
        world.run("rotate", "--reencrypt", OTHER_KEY, yes=True, confirm=None)
    assert "aws iam put-role-policy --role-name admin" in refused.value.hint
    assert "aws iam delete-role-policy --role-name admin" in refused.value.hint
    assert KEY in refused.value.hint and OTHER_KEY in refused.value.hint


def test_where_iam_has_no_say_the_keys_policy_has_to_be_changed() -> None:
    world = World(settings(strict_key_policy=True, administrators=(IDENTITY.principal_arn, SECOND)))
    world.key_rotation.failures["reencrypt"] = DENIED
    with pytest.raises(PermissionDenied) as refused:
        world.run("rotate", "--reencrypt", KEY)
    assert "kms:PutKeyPolicy" in refused.value.hint and "aws iam put" not in refused.value.hint


def test_where_use_is_exclusive_that_has_to_be_lifted_first() -> None:
    world = World(settings(exclusive_use=True))
    world.key_rotation.failures["reencrypt"] = DENIED
    with pytest.raises(PermissionDenied) as refused:
        world.run("rotate", "--reencrypt", KEY)
    assert "exclusiveUse false" in refused.value.hint


def test_a_replica_of_the_stacks_own_key_is_its_own_key() -> None:
    world = World(multi_region())
    world.aws.keys[REPLICA] = key_fact(REPLICA, replica_of=MULTI_KEY)
    told = world.run("rotate", "--reencrypt", REPLICA)
    assert world.current.fingerprint == told["fingerprint"]
