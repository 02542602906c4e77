"""The ledger of every version, and the one replacement that the stored data key knows: the same in both stores.

The power goes at every step of a replacement here; the same call again ends it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from components.settings import SecretStore, Settings
from tests.wizard.aws.conftest import Store, with_pause
from wizard.aws.client import AwsClient
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, ResourceError
from wizard.core.models.rotation import DataKeyVersion, VersionOrigin

KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
OTHER_KEY = KEY.replace("1111", "9999")
AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = datetime(2026, 11, 25, 12, tzinfo=UTC)
ONE, TWO, THREE = (WrappedDataKey(value=base64.b64encode(bytes([octet]) * 184).decode()) for octet in (1, 2, 3))


class PowerCut(BaseException):
    """The run ends here."""


@dataclass(frozen=True)
class Place(Store):
    """The versions in one store of the account."""

    settings: Settings

    @property
    def ring(self) -> Any:
        return self.aws.key_rotation

    @property
    def stored_data_key(self) -> str:
        return self.settings.names.stored_data_key

    def begin(self, wrapped: WrappedDataKey = ONE) -> None:
        """What a set-up leaves: the stored data key and no ledger."""
        assert self.aws.stored_data_keys.store_data_key(
            self.stored_data_key, wrapped, key_arn=KEY, tags=self.settings.tags, store=self.store
        )

    def keep(self, wrapped: WrappedDataKey, origin: VersionOrigin = VersionOrigin.MADE, **more: Any) -> DataKeyVersion:
        found: DataKeyVersion = self.ring.keep(
            self.settings,
            wrapped,
            **{"key_arn": KEY, "origin": origin, "at": AT if origin is VersionOrigin.FIRST else LATER, **more},
        )
        return found

    def replace(self, version: DataKeyVersion) -> None:
        self.ring.replace_current(self.settings, version, key_arn=KEY, expected=self.ring.stored_key(self.settings))

    def versions(self) -> tuple[DataKeyVersion, ...]:
        found: tuple[DataKeyVersion, ...] = self.ring.versions(self.settings)
        assert self.ring.fingerprints(self.settings) == {version.fingerprint: version.kept for version in found}
        return found

    def read(self) -> Any:
        return self.aws.stored_data_keys.read_stored_data_key(self.stored_data_key, store=self.store)

    def times_written(self, name: str) -> int:
        if self.store is SecretStore.PARAMETER_STORE:
            return len(self.boto("ssm").get_parameter_history(Name=name)["Parameters"])
        listed = self.boto("secretsmanager").list_secret_version_ids(SecretId=name, IncludeDeprecated=True)
        return len(listed["Versions"])


@dataclass
class Power:
    """Goes when it is told to; and somebody else may act in the last moment before a write."""

    left: int | None = None
    """Changes until it goes; None: it stays on."""
    after: bool = False
    meanwhile: Callable[[], None] | None = None

    def before(self, model: Any, **_: Any) -> None:
        if _changes(model.name) and self.left == 0 and not self.after:
            raise PowerCut
        if model.name == "PutParameter" and self.meanwhile is not None:
            self.meanwhile()

    def done(self, model: Any, **_: Any) -> None:
        if not _changes(model.name) or self.left is None:
            return
        if self.left == 0:
            raise PowerCut
        self.left -= 1


def _changes(name: str) -> bool:
    return name.startswith(("Put", "Create", "AddTags", "RemoveTags", "Tag", "Untag"))


@pytest.fixture
def power(aws: AwsClient) -> Power:
    made = Power()
    # Clients hear what was registered before they were made.
    aws._session._botocore.register("before-call", made.before)
    aws._session._botocore.register("after-call", made.done)
    return made


@pytest.fixture(params=list(SecretStore))
def place(request, aws: AwsClient, boto, settings_of, power) -> Place:
    aws = with_pause(aws, lambda _: None)
    return Place(aws, boto, request.param, settings_of(secret_store=request.param))


def test_without_a_stored_data_key_there_is_no_version(place):
    assert place.versions() == ()
    assert not place.ring.stored_key(place.settings).exists


def test_the_stored_data_keys_own_counts_before_it_has_an_entry(place):
    place.begin()
    (only,) = place.versions()
    assert (only.wrapped, only.key_arn, only.origin) == (ONE, KEY, VersionOrigin.FIRST)
    assert (only.current, only.kept, only.parameter) == (True, False, place.stored_data_key)


def test_an_entry_says_in_its_tags_what_it_is(place):
    kept = place.keep(TWO, VersionOrigin.REENCRYPTED, same_as=ONE.fingerprint)
    assert kept.parameter == f"/eonpro/production/data-keys/{TWO.fingerprint.removeprefix('sha256:')}"
    tags = place.tags(kept.parameter)
    assert tags.pop("eonpro:version") and kept.overwrites == 0
    assert tags == {
        **place.settings.tags,
        "eonpro:key-arn": KEY,
        "eonpro:fingerprint": TWO.fingerprint,
        "eonpro:origin": "rewrapped",
        "eonpro:same-as": ONE.fingerprint,
        "eonpro:kept-at": "2026-11-25T12:00:00+00:00",
        "eonpro:made-by": "eonpro-kms wizard",
    }


def test_what_was_kept_is_read_as_it_was(place):
    place.begin()
    kept = place.keep(TWO, same_as=ONE.fingerprint, key_arn=OTHER_KEY)
    assert place.ring.version(place.settings, TWO.fingerprint) == kept
    assert (kept.kept_at, kept.same_as, kept.key_arn, kept.current) == (LATER, ONE.fingerprint, OTHER_KEY, False)
    assert {each.fingerprint for each in place.versions()} == {ONE.fingerprint, TWO.fingerprint}


def test_what_is_copied_from_another_region_still_was_current(place):
    assert place.keep(TWO, was_current=True).was_current
    assert [version.was_current for version in place.versions()] == [True]


def test_keeping_again_writes_nothing(place):
    first = place.keep(TWO)
    again = place.keep(TWO, VersionOrigin.RESTORED, at=AT, key_arn=OTHER_KEY)
    assert again == first
    assert place.times_written(first.parameter) == 1


def test_a_name_that_holds_something_else_is_a_conflict_and_left_alone(place):
    name = f"/eonpro/production/data-keys/{TWO.fingerprint.removeprefix('sha256:')}"
    place.put_by_hand(name, THREE.value)
    with pytest.raises(DataKeyConflict, match="nothing was overwritten"):
        place.keep(TWO)
    assert place.times_written(name) == 1


def test_an_entry_whose_value_was_replaced_is_told_and_is_no_version_any_more(place):
    kept = place.keep(TWO)
    place.keep(ONE)
    place.put_by_hand(kept.parameter, THREE.value)
    assert place.ring.altered(place.settings) == (kept.parameter,)
    assert [each.wrapped for each in place.versions()] == [ONE]
    assert place.ring.version(place.settings, TWO.fingerprint) is None
    with pytest.raises(DataKeyConflict, match="which its name says"):
        place.keep(TWO)


def test_a_wrong_entry_is_repaired_by_a_restore_alone_and_loses_nothing(place):
    place.begin()
    entry = place.keep(ONE, VersionOrigin.FIRST).parameter
    # Another data key that is nowhere else.
    place.put_by_hand(entry, THREE.value)
    assert place.ring.version(place.settings, ONE.fingerprint).kept is False, "the stored key has it"
    assert place.keep(ONE, repairs=True).overwrites == 0
    assert {version.wrapped for version in place.versions()} == {ONE, THREE}
    assert place.ring.altered(place.settings) == ()


@pytest.mark.parametrize("times", [1, 3])
def test_what_somebody_else_has_written_and_put_back_is_not_forgotten(place, times):
    """Of a secret, whose values have no numbers, it is known that it was written, and not how often."""
    place.begin()
    version = place.keep(ONE, VersionOrigin.FIRST)
    in_secrets = place.store is SecretStore.SECRETS_MANAGER
    for name in (place.stored_data_key, version.parameter):
        for number in range(times):
            place.put_by_hand(name, f"junk {number}")
        place.put_by_hand(name, ONE.value)
    expected = 1 if in_secrets else times + 1
    assert (place.read().overwrites, place.ring.stored_key(place.settings).overwrites) == (expected, expected)
    assert [each.overwrites for each in place.versions()] == [expected]
    # Who has looked at it records that, and the next overwrite is one again.
    place.replace(place.keep(ONE))
    assert (place.read().overwrites, [each.overwrites for each in place.versions()]) == (0, [0])
    place.put_by_hand(place.stored_data_key, ONE.value)
    assert place.read().overwrites == 1


def test_a_replacement_of_our_own_is_no_overwrite_and_an_earlier_programs_is_not_known(place):
    place.begin()
    place.keep(ONE, VersionOrigin.FIRST)
    place.replace(place.keep(TWO))
    place.replace(place.ring.version(place.settings, ONE.fingerprint))
    assert place.read().overwrites == 0
    if place.store is SecretStore.PARAMETER_STORE:
        of = {"ResourceType": "Parameter", "ResourceId": place.stored_data_key}
        place.boto("ssm").remove_tags_from_resource(**of, TagKeys=["eonpro:version"])
    else:
        place.boto("secretsmanager").untag_resource(SecretId=place.stored_data_key, TagKeys=["eonpro:version"])
    assert place.read().overwrites is None


def new(place: Place, wrapped: WrappedDataKey) -> WrappedDataKey:
    reserved: WrappedDataKey = place.ring.reserve_new(place.settings, wrapped, key_arn=KEY, at=LATER)
    return reserved


def test_of_two_new_data_keys_only_the_first_is_kept(place):
    place.begin()
    assert [new(place, wrapped) for wrapped in (TWO, THREE)] == [TWO, TWO]
    assert {version.wrapped for version in place.versions()} == {ONE, TWO}


def test_two_machines_that_find_no_new_data_key_still_end_with_one(aws, boto, settings, power):
    place = Place(with_pause(aws, lambda _: None), boto, settings.secret_store, settings)
    place.begin()

    def other_machine() -> None:
        power.meanwhile = None
        assert new(place, THREE) == THREE

    power.meanwhile = other_machine
    assert new(place, TWO) == THREE
    assert {version.wrapped for version in place.versions()} == {ONE, THREE}


def test_a_new_data_key_whose_run_ended_is_the_one_that_waits(place):
    place.begin()
    new(place, TWO)
    (waiting,) = [version for version in place.versions() if not version.current]
    assert (waiting.wrapped, waiting.key_arn, waiting.origin) == (TWO, KEY, VersionOrigin.MADE)
    assert (waiting.kept, waiting.was_current) == (False, False)
    assert place.ring.version(place.settings, TWO.fingerprint) == waiting
    assert place.ring.altered(place.settings) == ()


def test_the_version_in_use_that_has_no_entry_is_among_those_that_are_lost(place):
    place.begin()
    name = f"/eonpro/production/data-keys/{ONE.fingerprint.removeprefix('sha256:')}"
    assert place.ring.altered(place.settings, known={ONE.fingerprint}) == (name,)
    place.keep(ONE, VersionOrigin.FIRST)
    assert place.ring.altered(place.settings, known={ONE.fingerprint}) == ()


def test_an_earlier_version_that_somebody_deleted_is_among_those_that_are_lost(place):
    """Records may be encrypted under it still; the data key in use is there, so nothing else shows it."""
    place.begin()
    place.keep(ONE, VersionOrigin.FIRST)
    name = f"/eonpro/production/data-keys/{TWO.fingerprint.removeprefix('sha256:')}"
    known = {ONE.fingerprint, TWO.fingerprint}
    assert place.ring.altered(place.settings, known=known) == (name,)
    place.keep(TWO)
    assert place.ring.altered(place.settings, known=known) == ()


def test_after_a_promotion_another_new_data_key_can_be_made(place):
    place.begin()
    place.keep(ONE, VersionOrigin.FIRST)
    new(place, TWO)
    place.replace(place.keep(TWO))
    assert new(place, THREE) == THREE
    place.replace(place.ring.version(place.settings, ONE.fingerprint))
    assert new(place, ONE) == THREE


def test_a_place_of_a_new_data_key_that_holds_something_else_is_passed_over(place):
    place.begin()
    place.put_by_hand("/eonpro/production/data-keys/new/1", "garbage")
    assert new(place, TWO) == TWO == new(place, THREE)
    assert place.ring.altered(place.settings) == ()


def test_a_replacement_puts_the_version_into_the_stored_data_key_and_says_so(place):
    place.begin()
    place.keep(ONE, VersionOrigin.FIRST)
    place.replace(place.keep(TWO))
    found = place.read()
    assert (found.wrapped, found.key_arn) == (TWO, KEY)
    assert place.tags(place.stored_data_key)["eonpro:fingerprint"] == TWO.fingerprint
    assert not [name for name in place.tags(place.stored_data_key) if "next" in name]
    assert [(each.wrapped, each.current, each.was_current) for each in place.versions()] == [
        (ONE, False, True),
        (TWO, True, True),
    ]


def test_a_replacement_and_back_again_writes_no_entry_twice(place):
    place.begin()
    first, second = place.keep(ONE, VersionOrigin.FIRST), place.keep(TWO)
    place.replace(second)
    place.replace(first)
    assert place.read().wrapped == ONE
    assert [place.times_written(each.parameter) for each in (first, second)] == [1, 1]
    assert place.times_written(place.stored_data_key) == 3


def test_what_is_not_kept_does_not_become_current(place):
    place.begin()
    place.keep(ONE, VersionOrigin.FIRST)
    unkept = replace(place.keep(TWO), wrapped=THREE)
    with pytest.raises(DataKeyConflict, match="was not changed"):
        place.replace(unkept)
    assert place.read().wrapped == ONE


def test_what_is_not_kept_is_not_replaced(place):
    place.begin()
    with pytest.raises(DataKeyConflict, match="was not changed"):
        place.replace(place.keep(TWO))
    assert place.read().wrapped == ONE


def test_a_stored_data_key_that_changed_since_it_was_confirmed_is_left_alone(place):
    place.begin()
    place.keep(ONE, VersionOrigin.FIRST)
    second, third = place.keep(TWO), place.keep(THREE)
    seen = place.ring.stored_key(place.settings)
    place.replace(third)
    with pytest.raises(DataKeyConflict, match="since this was confirmed"):
        place.ring.replace_current(place.settings, second, key_arn=KEY, expected=seen)
    assert place.read().wrapped == THREE


def test_a_stored_data_key_that_is_gone_is_made_anew(place):
    place.replace(place.keep(TWO))
    assert place.read().wrapped == TWO


def test_something_that_is_no_data_key_makes_way(place):
    place.begin()
    place.keep(ONE, VersionOrigin.FIRST)
    place.put_by_hand(place.stored_data_key, "garbage")
    stored_key = place.ring.stored_key(place.settings)
    assert stored_key.exists
    assert (stored_key.wrapped, stored_key.agrees) == (None, False)
    place.replace(place.ring.version(place.settings, ONE.fingerprint))
    assert (place.read().wrapped, place.read().key_arn) == (ONE, KEY)


def test_a_foreign_wrapped_key_is_seen_without_the_former_ones_key(place):
    place.begin()
    place.put_by_hand(place.stored_data_key, TWO.value)
    stored_key = place.ring.stored_key(place.settings)
    assert (stored_key.wrapped, stored_key.key_arn, stored_key.agrees) == (TWO, None, False)
    (found,) = place.versions()
    assert found.origin is VersionOrigin.UNKNOWN


@pytest.mark.parametrize("after", (False, True), ids=("before", "after"))
@pytest.mark.parametrize("at", range(5))
def test_a_replacement_that_was_cut_off_is_taken_up_by_the_same_again(place, power, at, after):
    place.begin()
    place.keep(ONE, VersionOrigin.FIRST)
    new = place.keep(TWO)
    power.left, power.after = at, after
    with pytest.raises(PowerCut):
        place.replace(new)
    power.left = None
    # Whoever looks now finds one of the two, never an error and never a third thing.
    assert place.read().wrapped in (ONE, TWO)
    place.replace(new)
    assert (place.read().wrapped, place.read().key_arn) == (TWO, KEY)
    assert not [name for name in place.tags(place.stored_data_key) if "next" in name]
    assert place.times_written(place.stored_data_key) == 2
    assert [each.was_current for each in place.versions()] == [True, True]


def test_a_replacement_that_is_settled_writes_nothing(place, power):
    place.begin()
    place.keep(ONE, VersionOrigin.FIRST)
    new = place.keep(TWO)
    place.replace(new)
    power.left = 0
    place.replace(new)
    assert place.times_written(place.stored_data_key) == 2


def test_a_write_between_the_last_look_and_the_replacement_is_told(aws, boto, settings, power):
    place = Place(aws, boto, settings.secret_store, settings)
    place.begin()
    place.keep(ONE, VersionOrigin.FIRST)
    new = place.keep(TWO)

    power.meanwhile = lambda: boto("ssm").put_parameter(
        Name=place.stored_data_key, Value=THREE.value, Type="SecureString", Overwrite=True
    )
    with pytest.raises(DataKeyConflict, match="somebody else wrote to"):
        place.replace(new)
    # It is there to be looked up, and what was confirmed is what is current.
    history = boto("ssm").get_parameter_history(Name=place.stored_data_key, WithDecryption=True)["Parameters"]
    assert [each["Value"] for each in history] == [ONE.value, THREE.value, TWO.value]


def test_a_version_whose_deletion_is_scheduled_still_rules_out_another_data_key(aws, boto, settings_of):
    store = SecretStore.SECRETS_MANAGER
    place = Place(with_pause(aws, lambda _: None), boto, store, settings_of(secret_store=store))
    kept = place.keep(ONE, VersionOrigin.FIRST)
    boto("secretsmanager").delete_secret(SecretId=kept.parameter, RecoveryWindowInDays=7)

    with pytest.raises(ResourceError, match="scheduled for deletion") as refused:
        place.versions()

    assert refused.value.hint.startswith(f"aws secretsmanager restore-secret --secret-id {kept.parameter}")


def test_more_versions_than_a_page_holds_are_all_found(place):
    made = [WrappedDataKey(value=base64.b64encode(bytes([octet]) * 184).decode()) for octet in range(20, 34)]
    for each in made:
        place.keep(each)
    assert {each.wrapped for each in place.versions()} == set(made)


# --- the key check value

KNOWN = replace(ONE, check_value="0123456789abcdef")


def test_a_check_value_is_a_tag_of_the_version_and_of_the_stored_key_and_follows_what_was_opened(place: Place) -> None:
    place.begin()
    place.keep(ONE, VersionOrigin.FIRST)
    assert place.ring.stored_key(place.settings).wrapped.check_value is None
    place.ring.record_check_value(place.settings, KNOWN)
    (version,) = place.versions()
    stored = place.aws.stored_data_keys.read_stored_data_key(place.stored_data_key, store=place.store)
    assert stored is not None
    assert {each.check_value for each in (version.wrapped, stored.wrapped)} == {"0123456789abcdef"}
    ring = place.ring._data_key_versions(place.settings)
    for name in (ring.name_of(ONE.fingerprint), place.stored_data_key):
        ring.store.tag(name, {"eonpro:key-check-value": f"{'f' * 16} of {ONE.fingerprint}"})
    assert place.versions()[0].wrapped.check_value == "f" * 16
    place.ring.record_check_value(place.settings, KNOWN)
    assert place.versions()[0].wrapped.check_value == "0123456789abcdef"
    assert place.ring.stored_key(place.settings).wrapped.check_value == "0123456789abcdef"


def test_a_version_that_is_kept_with_its_check_value_brings_it_to_the_stored_key(place: Place) -> None:
    place.begin()
    place.keep(ONE, VersionOrigin.FIRST)
    place.ring.record_check_value(place.settings, KNOWN)
    place.replace(place.keep(replace(TWO, check_value="f" * 16)))
    assert place.ring.stored_key(place.settings).wrapped.check_value == "f" * 16


def test_after_a_replacement_by_an_earlier_release_the_old_check_value_says_nothing(place: Place) -> None:
    """That release knows no check value: its tag stays beside the new key, which it does not name."""
    place.begin()
    place.keep(ONE, VersionOrigin.FIRST)
    place.ring.record_check_value(place.settings, KNOWN)
    place.replace(place.keep(TWO))
    assert place.ring.stored_key(place.settings).wrapped == TWO
    assert place.ring.stored_key(place.settings).wrapped.check_value is None


def test_a_run_that_ended_between_the_two_tags_is_completed_by_the_next(place: Place) -> None:
    place.begin()
    place.keep(ONE, VersionOrigin.FIRST)
    ring = place.ring._data_key_versions(place.settings)
    ring.store.tag(
        ring.name_of(ONE.fingerprint), {"eonpro:key-check-value": f"{KNOWN.check_value} of {ONE.fingerprint}"}
    )
    assert place.ring.stored_key(place.settings).wrapped.check_value is None
    place.ring.record_check_value(place.settings, KNOWN)
    assert place.ring.stored_key(place.settings).wrapped.check_value == KNOWN.check_value


def test_what_somebody_else_put_beside_the_versions_is_no_lost_version(place):
    place.begin()
    place.keep(ONE, VersionOrigin.FIRST)
    place.put_by_hand("/eonpro/production/data-keys/of-somebody", "garbage")
    assert place.ring.altered(place.settings) == ()
    assert [version.wrapped for version in place.versions()] == [ONE]
