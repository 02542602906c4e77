"""The laws of the data key: made once, kept, copied and never made anew; over fakes without its plaintext."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from components.settings import SecretStore
from tests.wizard.fakes.clients import (
    KEY,
    MULTI_KEY,
    MULTI_OUTPUTS,
    OTHER_KEY,
    OUTPUTS,
    REPLICA,
    REPLICA_REGION,
    STORED_KEY,
    FakeAwsClient,
    multi_region,
    settings,
    wrapped,
)
from wizard.core.errors import DataKeyConflict, PermissionDenied, ResourceError, Unsupported
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.rotation import VersionOrigin
from wizard.data_key.storage import ensure_data_key, find_stored_data_key

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
PARAMETERS, SECRETS = SecretStore.PARAMETER_STORE, SecretStore.SECRETS_MANAGER


@pytest.fixture
def aws() -> FakeAwsClient:
    made = FakeAwsClient()
    made.build(settings())
    return made


def stored_data_key(
    aws: FakeAwsClient, seed: str = "one", key_arn: str | None = KEY, store: SecretStore = PARAMETERS
) -> StoredDataKey:
    there = aws.secrets if store is SECRETS else aws.stored_keys
    there[STORED_KEY] = StoredDataKey(
        parameter=STORED_KEY, wrapped=wrapped(seed), key_arn=key_arn, version=1, store=store
    )
    return there[STORED_KEY]


def calls(aws: FakeAwsClient) -> list[str]:
    return [call.split()[0] for call in aws.log]


# --- made once


def test_a_new_data_key_is_stored_and_read_back(aws) -> None:
    made = ensure_data_key(aws, settings(), OUTPUTS)
    assert calls(aws)[-5:] == [
        "cloud.make_data_key",
        "cloud.write_stored_data_key",
        "cloud.read_stored_data_key",
        "keyring.versions",
        "keyring.keep",
    ]
    assert set(calls(aws)[:-5]) == {
        "cloud.read_stored_data_key",
        "cloud.variable_exists",
        "keyring.fingerprints",
        "keyring.versions",
        "keyring.altered",
    }
    assert made.is_new
    assert (made.wrapped, made.key_arn) == (aws.stored_keys[STORED_KEY].wrapped, KEY)


def test_a_data_key_that_is_there_is_kept_and_none_is_made(aws) -> None:
    there = stored_data_key(aws)
    assert ensure_data_key(aws, settings(), OUTPUTS) == there
    assert sorted(calls(aws)[:2]) == ["cloud.read_stored_data_key", "keyring.fingerprints"]
    assert calls(aws)[2:] == ["keyring.versions", "keyring.keep"]


def test_two_runs_at_once_end_with_the_key_of_whoever_wrote_first(aws) -> None:
    aws.meanwhile = [wrapped("the other run's")]
    mine = ensure_data_key(aws, settings(), OUTPUTS)
    theirs = ensure_data_key(aws, settings(), OUTPUTS)
    assert mine.wrapped == theirs.wrapped == wrapped("the other run's")
    assert not mine.is_new


def test_a_data_key_under_another_key_is_refused_and_left_alone(aws) -> None:
    there = stored_data_key(aws, key_arn=OTHER_KEY)
    with pytest.raises(DataKeyConflict, match="wrapped by"):
        ensure_data_key(aws, settings(), OUTPUTS)
    assert aws.stored_keys[STORED_KEY] == there


def test_the_winner_of_a_race_under_another_key_is_refused(aws) -> None:
    aws.keys[OTHER_KEY] = aws.keys[KEY]

    class Racing(FakeAwsClient):
        def store_data_key(self, name, wrapped, **others):
            return super().store_data_key(name, wrapped, **{**others, "key_arn": OTHER_KEY})

    racing = Racing(keys=aws.keys, meanwhile=[wrapped("theirs")])
    with pytest.raises(DataKeyConflict, match=OTHER_KEY):
        ensure_data_key(racing, settings(), OUTPUTS)


def test_a_stored_data_key_that_holds_something_else_than_was_written_is_refused(aws) -> None:
    class Careless(FakeAwsClient):
        def store_data_key(self, name, wrapped, **others):
            super().store_data_key(name, wrapped, **others)
            stored_data_key(self, "overwritten by somebody")
            return True

    with pytest.raises(DataKeyConflict, match="just written to it"):
        ensure_data_key(Careless(keys=aws.keys), settings(), OUTPUTS)


def test_a_stored_data_key_that_is_not_there_after_it_was_written_is_an_error(aws) -> None:
    class Forgetful(FakeAwsClient):
        def store_data_key(self, name, wrapped, **others):
            return True

    with pytest.raises(ResourceError, match="was written, but does not exist"):
        ensure_data_key(Forgetful(keys=aws.keys), settings(), OUTPUTS)


# --- a second copy


@pytest.mark.parametrize("store", list(SecretStore))
def test_the_first_data_key_is_not_lost_with_its_one_parameter(regions, store) -> None:
    """It is kept among the versions of every Region at once, not only before the first rotation."""
    wanted = multi_region(secret_store=store)

    stored = ensure_data_key(regions, wanted, MULTI_OUTPUTS)

    for region, key_arn in ((regions, MULTI_KEY), (regions.with_region(REPLICA_REGION), REPLICA)):
        (version,) = region.key_rotation.entries.values()
        assert (version.wrapped, version.key_arn, version.origin) == (stored.wrapped, key_arn, VersionOrigin.FIRST)


def test_a_data_key_that_was_stored_by_a_run_that_then_ended_is_kept_by_the_next(aws) -> None:
    aws.key_rotation.crash_at = "keep"
    with pytest.raises(KeyboardInterrupt):
        ensure_data_key(aws, settings(), OUTPUTS)

    stored = ensure_data_key(aws, settings(), OUTPUTS)

    assert set(aws.key_rotation.entries) == {stored.wrapped.fingerprint}
    assert calls(aws).count("cloud.make_data_key") == 1


def test_another_data_key_in_the_store_is_refused_before_it_is_kept_or_delivered(aws) -> None:
    """Somebody wrote it there without tags: it is wrapped by the stack's key, and no version opens to it."""
    first = ensure_data_key(aws, settings(), OUTPUTS)
    aws.key_rotation.record_check_value(settings(), replace(first.wrapped, check_value="1" * 16))
    foreign = replace(first, wrapped=wrapped("another stack's"))
    aws.stored_keys[foreign.parameter] = foreign
    before = dict(aws.key_rotation.entries)

    with pytest.raises(DataKeyConflict, match="and no version that was in use does"):
        ensure_data_key(aws, settings(), OUTPUTS, open_key=lambda key: replace(key, check_value="2" * 16))

    assert aws.key_rotation.entries == before
    # Where nobody here can open it, it is not known, and never wrong.
    assert ensure_data_key(aws, settings(), OUTPUTS, open_key=lambda key: key).wrapped == foreign.wrapped


def test_only_a_stored_data_key_that_is_no_version_is_opened_to_compare_it(aws) -> None:
    first = ensure_data_key(aws, settings(), OUTPUTS)
    aws.key_rotation.record_check_value(settings(), replace(first.wrapped, check_value="1" * 16))
    ensure_data_key(aws, settings(), OUTPUTS, open_key=lambda key: pytest.fail("it is kept: nobody has to open it"))
    aws.key_rotation.entries.clear()
    ensure_data_key(aws, settings(), OUTPUTS, open_key=lambda key: pytest.fail("there is nothing to compare it with"))


def test_a_check_value_that_the_settings_ask_for_is_made_before_anything_is_delivered(aws) -> None:
    asked = settings(key_check_value=True)
    with pytest.raises(ResourceError, match="only the application opens it"):
        ensure_data_key(aws, asked, OUTPUTS, open_key=lambda key: key)

    stored = ensure_data_key(aws, asked, OUTPUTS, open_key=lambda key: replace(key, check_value="1" * 16))

    assert stored.wrapped.check_value == "1" * 16
    (entry,) = aws.key_rotation.entries.values()
    assert entry.wrapped.check_value == "1" * 16 and calls(aws).count("cloud.make_data_key") == 1


def test_an_adopted_data_key_is_kept_too(aws) -> None:
    ensure_data_key(aws, settings(), OUTPUTS, adopted=wrapped("by hand"))
    (version,) = aws.key_rotation.entries.values()
    assert (version.wrapped, version.was_current) == (wrapped("by hand"), True)


def test_a_version_that_one_region_lost_is_copied_from_another(regions) -> None:
    ensure_data_key(regions, multi_region(), MULTI_OUTPUTS)
    former = regions.with_region(REPLICA_REGION).key_rotation
    kept = former.keep(multi_region(), wrapped("old"), key_arn=REPLICA, origin=VersionOrigin.MADE, at=AT)
    former.entries[kept.fingerprint] = replace(kept, was_current=True)

    ensure_data_key(regions, multi_region(), MULTI_OUTPUTS)

    copy = regions.key_rotation.entries[kept.fingerprint]
    assert (copy.key_arn, copy.kept_at, copy.was_current) == (MULTI_KEY, AT, True)


def test_a_delivery_writes_no_version_of_a_data_key_that_is_there(aws) -> None:
    """Its policy allows the three variables only."""
    stored_data_key(aws)
    ensure_data_key(aws, settings(), OUTPUTS, keeps_versions=False)
    assert calls(aws) == ["cloud.read_stored_data_key"]


@pytest.mark.parametrize("other", ["store", "Region"])
def test_a_delivery_that_copies_the_data_key_to_where_it_belongs_keeps_it_there_too(regions, other) -> None:
    if other == "store":
        stored_data_key(regions, key_arn=MULTI_KEY, store=SECRETS)
    else:
        stored_data_key(regions.with_region(REPLICA_REGION), key_arn=REPLICA)
    stored = ensure_data_key(regions, multi_region(), MULTI_OUTPUTS, keeps_versions=False)
    assert set(regions.key_rotation.entries) == {stored.wrapped.fingerprint}


# --- adopted


def test_an_adopted_data_key_is_stored_and_none_is_made(aws) -> None:
    kept = ensure_data_key(aws, settings(), OUTPUTS, adopted=wrapped("by hand"))
    assert (kept.wrapped, kept.is_new) == (wrapped("by hand"), False)
    assert aws.stored_keys[STORED_KEY] == kept
    assert "cloud.make_data_key" not in calls(aws)


def test_an_adopted_data_key_that_meets_another_runs_new_one_is_a_conflict(aws) -> None:
    aws.meanwhile = [wrapped("the other run's")]
    with pytest.raises(DataKeyConflict, match=wrapped("by hand").fingerprint):
        ensure_data_key(aws, settings(), OUTPUTS, adopted=wrapped("by hand"))
    assert aws.stored_keys[STORED_KEY].wrapped == wrapped("the other run's")


# --- two stores


@pytest.mark.parametrize(("was", "is_"), [(PARAMETERS, SECRETS), (SECRETS, PARAMETERS)])
def test_a_stored_data_key_in_the_other_store_is_copied_and_never_made_anew(aws, was, is_) -> None:
    there = stored_data_key(aws, store=was)
    wanted = settings(secret_store=is_)
    assert find_stored_data_key(aws, wanted) == there
    copy = ensure_data_key(aws, wanted, OUTPUTS)
    assert (copy.wrapped, copy.store, copy.is_new) == (there.wrapped, is_, False)
    assert ensure_data_key(aws, settings(secret_store=was), OUTPUTS) == there
    assert "cloud.make_data_key" not in calls(aws)


def test_a_copy_that_meets_another_key_is_a_conflict_and_both_stay(aws) -> None:
    there = stored_data_key(aws)
    aws.meanwhile = [wrapped("another")]
    with pytest.raises(DataKeyConflict):
        ensure_data_key(aws, settings(secret_store=SECRETS), OUTPUTS)
    assert (aws.stored_keys[STORED_KEY], aws.secrets[STORED_KEY].wrapped) == (there, wrapped("another"))


def test_the_store_that_is_used_may_not_be_closed(aws) -> None:
    aws.closed = (PARAMETERS,)
    with pytest.raises(PermissionDenied):
        find_stored_data_key(aws, settings())
    with pytest.raises(PermissionDenied):
        ensure_data_key(aws, settings(), OUTPUTS)
    assert "cloud.make_data_key" not in calls(aws)


def test_an_endpoint_without_the_other_store_has_no_stored_data_key_in_it() -> None:
    class Old(FakeAwsClient):
        def _stored_keys(self, store: Any) -> Any:
            if store is SECRETS:
                raise Unsupported("there is no Secrets Manager here", "use another endpoint")
            return super()._stored_keys(store)

    assert find_stored_data_key(Old(), settings()) is None
    with pytest.raises(Unsupported):
        find_stored_data_key(Old(), settings(secret_store=SECRETS))


@pytest.mark.parametrize(
    ("store", "command"),
    [(PARAMETERS, "aws ssm get-parameter-history --name"), (SECRETS, "aws secretsmanager list-secret-version-ids")],
)
def test_a_stored_data_key_that_is_lost_on_the_way_is_told_with_the_stores_own_command(aws, store, command) -> None:
    class Forgetful(FakeAwsClient):
        def store_data_key(self, name, wrapped, **others):
            return True

    with pytest.raises(ResourceError) as refused:
        ensure_data_key(Forgetful(keys=aws.keys), settings(secret_store=store), OUTPUTS)
    assert refused.value.hint.startswith(command)


# --- several Regions


@pytest.fixture
def regions() -> FakeAwsClient:
    made = FakeAwsClient()
    made.build(multi_region())
    return made


@pytest.mark.parametrize("store", list(SecretStore))
def test_the_records_are_not_lost_with_the_parameters_of_the_stacks_own_region(regions, store) -> None:
    """The only copy of the data key is in the Region of the replica: it is copied back, and no other one is made."""
    wanted = multi_region(secret_store=store)
    there = stored_data_key(regions.with_region(REPLICA_REGION), key_arn=REPLICA, store=store)

    stored = ensure_data_key(regions, wanted, MULTI_OUTPUTS)

    assert (stored.wrapped, stored.key_arn, stored.is_new) == (there.wrapped, MULTI_KEY, False)
    assert "cloud.make_data_key" not in calls(regions)
    assert ensure_data_key(regions, wanted, MULTI_OUTPUTS) == stored


def test_of_two_data_keys_in_the_replicas_regions_neither_is_copied_back(regions) -> None:
    wanted = multi_region(replica_regions=(REPLICA_REGION, "eu-west-1"))
    for region, seed in ((REPLICA_REGION, "one"), ("eu-west-1", "another")):
        stored_data_key(regions.with_region(region), seed, key_arn=REPLICA.replace(REPLICA_REGION, region))
    with pytest.raises(DataKeyConflict, match="hold different data keys"):
        ensure_data_key(regions, wanted, MULTI_OUTPUTS)
    assert regions.stored_keys == {}


def test_an_older_data_key_in_a_replicas_region_does_not_take_the_place_of_the_lost_one(regions) -> None:
    """The versions of the stack's own Region name another data key: a person chooses."""
    stored_data_key(regions.with_region(REPLICA_REGION), "old", key_arn=REPLICA)
    regions.key_rotation.keep(
        multi_region(), wrapped("later"), key_arn=MULTI_KEY, origin=VersionOrigin.MADE, at=datetime.now(UTC)
    )
    with pytest.raises(DataKeyConflict) as refused:
        ensure_data_key(regions, multi_region(), MULTI_OUTPUTS)
    assert refused.value.hint.startswith("python -m wizard restore")
    assert regions.stored_keys == {}


def test_another_data_key_in_a_replicas_region_is_a_conflict_and_stays(regions) -> None:
    stored_data_key(regions, key_arn=MULTI_KEY)
    there = stored_data_key(regions.with_region(REPLICA_REGION), "another", key_arn=REPLICA)
    with pytest.raises(DataKeyConflict, match=f"{STORED_KEY} in {REPLICA_REGION} holds {there.wrapped.fingerprint}"):
        ensure_data_key(regions, multi_region(), MULTI_OUTPUTS)
    assert regions.with_region(REPLICA_REGION).stored_keys[STORED_KEY] == there


def test_a_run_that_writes_another_key_into_a_region_meanwhile_is_a_conflict(regions) -> None:
    stored_data_key(regions, key_arn=MULTI_KEY)
    regions.with_region(REPLICA_REGION).meanwhile = [wrapped("another")]
    with pytest.raises(DataKeyConflict):
        ensure_data_key(regions, multi_region(), MULTI_OUTPUTS)
