"""The laws of the stored data key and the two variables with it: the same in both stores."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest

from components.settings import SecretStore
from tests.wizard.aws.conftest import Store, with_pause
from wizard.aws.client import AwsClient
from wizard.aws.data_keys.stored import store_of
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, ResourceError
from wizard.core.models.delivery import AppVariables, DeliveryState
from wizard.core.variable_ownership import VariablesNotOurs

PREFIX = "/eonpro/production"
STORED_KEY = f"{PREFIX}/ENCRYPTED_PHI_KEY"
KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
OTHER_KEY = KEY.replace("1111", "9999")
TAGS = {"Application": "EONPRO", "Environment": "Production"}
ONE, TWO = (WrappedDataKey(value=base64.b64encode(bytes([octet]) * 184).decode()) for octet in (1, 2))


def batch(wrapped: WrappedDataKey = ONE, key_arn: str = KEY) -> AppVariables:
    agreed = frozenset(("AWS_REGION", "AWS_KMS_KEY_ID"))
    return AppVariables(region="us-east-1", key_arn=key_arn, wrapped=wrapped, replaces=agreed)


@dataclass(frozen=True)
class Place(Store):
    """The stored data key in one store of the account."""

    def stored_data_key(self, wrapped: WrappedDataKey = ONE) -> bool:
        return self.aws.stored_data_keys.store_data_key(STORED_KEY, wrapped, key_arn=KEY, tags=TAGS, store=self.store)

    def read(self, **more: Any):
        return self.aws.stored_data_keys.read_stored_data_key(STORED_KEY, store=self.store, **more)

    def deliver(self, what: AppVariables, target: str = "ecs"):
        return self.aws.stored_data_keys.deliver_parameters(PREFIX, what, tags=TAGS, target=target, store=self.store)

    def check(self, what: AppVariables) -> bool:
        return self.aws.stored_data_keys.check_parameters(PREFIX, what, store=self.store)

    def values(self) -> dict[str, tuple[str, int]]:
        """Value and number of versions of each, by the last part of its name."""
        if self.store is SecretStore.PARAMETER_STORE:
            answer = self.boto("ssm").get_parameters_by_path(Path=PREFIX, WithDecryption=True)["Parameters"]
            return {found["Name"].rsplit("/", 1)[-1]: (found["Value"], found["Version"]) for found in answer}
        secrets = self.boto("secretsmanager")
        return {
            found["Name"].rsplit("/", 1)[-1]: (
                secrets.get_secret_value(SecretId=found["Name"])["SecretString"],
                len(secrets.list_secret_version_ids(SecretId=found["Name"], IncludeDeprecated=True)["Versions"]),
            )
            for found in secrets.list_secrets()["SecretList"]
        }


@pytest.fixture(params=list(SecretStore))
def place(request, aws: AwsClient, boto) -> Place:
    aws = with_pause(aws, lambda _: None)
    return Place(aws, boto, request.param)


def test_what_is_put_in_stored_data_key_is_read_from_it(place):
    assert place.stored_data_key() is True
    found = place.read()
    assert (found.parameter, found.wrapped, found.key_arn) == (STORED_KEY, ONE, KEY)
    assert (found.version, found.store) == (1, place.store)


def test_the_stored_data_key_says_in_its_tags_what_it_is(place):
    place.stored_data_key()
    tags = place.tags(STORED_KEY)
    # The number of a parameter's version, or the id of a secret's.
    assert tags.pop("eonpro:version") and place.read().overwrites == 0
    assert tags == {
        **TAGS,
        "eonpro:key-arn": KEY,
        "eonpro:fingerprint": ONE.fingerprint,
        "eonpro:made-by": "eonpro-kms wizard",
    }


def test_a_variable_is_there_or_not_by_its_whole_name(place):
    place.stored_data_key()
    assert place.aws.stored_data_keys.variable_exists(STORED_KEY, store=place.store)
    assert not place.aws.stored_data_keys.variable_exists(f"{PREFIX}/AWS_KMS_KEY_ID", store=place.store)
    assert not place.aws.stored_data_keys.variable_exists(STORED_KEY.removesuffix("KEY"), store=place.store)


def test_of_a_stored_data_key_that_is_known_only_the_value_is_read_again(place, asked):
    place.stored_data_key()
    asked.clear()
    known = place.read()
    in_full = len(asked)
    asked.clear()
    assert place.read(known=known) == known and len(asked) == in_full - 1 == 1
    place.put_by_hand(STORED_KEY, TWO.value)
    with pytest.raises(DataKeyConflict, match="somebody replaced its value"):
        place.read(known=known)
    with pytest.raises(DataKeyConflict, match="somebody replaced its value"):
        place.read(known=replace(known, wrapped=TWO, version=0))


def test_a_second_stored_data_key_is_refused_and_the_first_is_untouched(place):
    place.stored_data_key()
    assert place.stored_data_key(TWO) is False
    assert place.values() == {"ENCRYPTED_PHI_KEY": (ONE.value, 1)}
    assert (place.read().wrapped, place.tags(STORED_KEY)["eonpro:fingerprint"]) == (ONE, ONE.fingerprint)


def test_of_two_who_write_the_stored_data_key_at_once_one_wins_and_both_read_the_same(place):
    with ThreadPoolExecutor(2) as pool:
        written = list(pool.map(place.stored_data_key, (ONE, TWO)))
    assert sorted(written) == [False, True]
    assert place.read().wrapped == (ONE if written[0] else TWO)


@pytest.mark.parametrize("value", ["changeme", '"quoted"', "QUJD", f" {ONE.value}", '{"ENCRYPTED_PHI_KEY": "QUJD"}'])
def test_anything_else_under_the_name_is_a_conflict_that_never_quotes_it(place, value):
    place.put_by_hand(STORED_KEY, value)
    with pytest.raises(DataKeyConflict, match="nothing was overwritten") as conflict:
        place.read()
    assert value.strip() not in conflict.value.message + conflict.value.hint


def test_a_value_that_is_not_the_one_its_tag_tells_of_is_a_conflict(place):
    place.stored_data_key()
    place.put_by_hand(STORED_KEY, TWO.value)
    with pytest.raises(DataKeyConflict, match=f"{TWO.fingerprint}.*{ONE.fingerprint}") as conflict:
        place.read()
    assert conflict.value.hint == "python -m wizard doctor", "it names the command that puts the right one back"


def test_a_wrapped_key_that_somebody_put_there_by_hand_is_taken_as_it_is(place):
    place.put_by_hand(STORED_KEY, ONE.value)
    found = place.read()
    assert (found.wrapped, found.key_arn) == (ONE, None)


def test_delivery_puts_two_variables_beside_the_stored_data_key(place):
    place.stored_data_key()
    delivered = place.deliver(batch())
    assert place.values() == {
        "ENCRYPTED_PHI_KEY": (ONE.value, 1),
        "AWS_KMS_KEY_ID": (KEY, 1),
        "AWS_REGION": ("us-east-1", 1),
    }
    assert delivered.state is DeliveryState.WRITTEN
    assert (delivered.fingerprint, delivered.checked_by) == (ONE.fingerprint, "values read back")


@pytest.mark.parametrize("target", ["ecs", "eks"])
def test_a_delivery_says_for_whom_and_where(place, target):
    place.stored_data_key()
    delivered = place.deliver(batch(), target)
    title = {"parameter-store": "Parameter Store", "secrets-manager": "Secrets Manager"}[place.store]
    assert (delivered.target, delivered.place) == (target, f"{title} {PREFIX}")


def test_a_second_delivery_changes_nothing(place):
    place.stored_data_key()
    place.deliver(batch())
    before = place.values()
    delivered = place.deliver(batch())
    assert (delivered.state, place.values()) == (DeliveryState.UNCHANGED, before)


def test_a_wrong_region_beside_the_stored_data_key_is_put_right_and_said_to_be_written(place):
    place.stored_data_key()
    place.put_by_hand(f"{PREFIX}/AWS_REGION", "eu-west-1")
    delivered = place.deliver(batch())
    assert delivered.state is DeliveryState.WRITTEN
    assert place.values()["AWS_REGION"] == ("us-east-1", 2)
    assert place.values()["ENCRYPTED_PHI_KEY"] == (ONE.value, 1)


def test_a_value_that_was_there_before_is_put_back(place):
    place.stored_data_key()
    for value in ("us-east-1", "eu-west-1"):
        place.put_by_hand(f"{PREFIX}/AWS_REGION", value)
    place.deliver(batch())
    assert place.values()["AWS_REGION"] == ("us-east-1", 3)


@pytest.mark.parametrize("other", [batch(TWO), batch(ONE, OTHER_KEY)], ids=["another data key", "another key"])
def test_a_batch_that_the_stored_data_key_does_not_hold_is_refused_before_anything_is_written(place, other):
    place.stored_data_key()
    with pytest.raises(DataKeyConflict, match="nothing was written"):
        place.deliver(other)
    assert set(place.values()) == {"ENCRYPTED_PHI_KEY"}


def test_without_a_stored_data_key_nothing_is_delivered(place):
    with pytest.raises(DataKeyConflict, match="no data key is stored"):
        place.deliver(batch())
    assert place.values() == {}


def test_what_is_delivered_is_checked_value_by_value(place):
    place.stored_data_key()
    assert place.check(batch()) is False
    place.deliver(batch())
    assert place.check(batch()) is True
    assert place.check(batch(TWO)) is False


HELD = {
    "GetParameters": {"Parameters": [{"Name": STORED_KEY, "Value": ONE.value, "Type": "SecureString", "Version": 1}]},
    "ListTagsForResource": {"TagList": []},
    "PutParameter": {"Version": 1},
    "GetSecretValue": {"Name": STORED_KEY, "SecretString": ONE.value},
    "DescribeSecret": {"Name": STORED_KEY, "Tags": []},
    "PutSecretValue": {"Name": STORED_KEY},
}


@pytest.mark.parametrize("store", list(SecretStore))
def test_a_store_that_forgets_what_was_written_is_found_out(script, scripted, store):
    waited: list[float] = []
    scripted = with_pause(scripted, waited.append)
    for action, answer in HELD.items():
        script.answer(action, answer)
    with pytest.raises(ResourceError, match="do not have the values that were just written"):
        scripted.stored_data_keys.deliver_parameters(PREFIX, batch(), tags=TAGS, store=store)
    assert 0 < sum(waited) < 10


def test_no_repr_of_what_a_store_holds_has_the_value(place):
    place.stored_data_key()
    held = store_of(place.aws._session, place.store).read([STORED_KEY])
    assert (held[STORED_KEY].value, ONE.value in repr(held) + repr(place.read())) == (ONE.value, False)


def test_a_claim_that_an_interrupted_set_up_wrote_is_not_written_again(aws):
    sent: list[str] = []
    aws._session._botocore.register("before-call", lambda model, **_: sent.append(model.name))
    for _ in range(2):
        assert aws.stored_data_keys.claim(f"{PREFIX}/claim", "one", tags=TAGS) == "one"
    assert sent.count("PutParameter") == 1


def test_a_claim_that_cannot_be_read_is_nobodys(script, scripted):
    script.answer("GetParameters", {"Parameters": [], "InvalidParameters": []})
    script.refuse("PutParameter", "ParameterAlreadyExists")
    aws = with_pause(scripted, lambda seconds: None)
    with pytest.raises(ResourceError, match=f"{PREFIX}/claim exists, but cannot be read"):
        aws.stored_data_keys.claim(f"{PREFIX}/claim", "one", tags=TAGS)


def test_an_environment_that_two_claim_belongs_to_the_first(aws, boto):
    data_keys, name = aws.stored_data_keys, f"{PREFIX}/claim"
    for owner in ("one", "two", "one"):
        assert data_keys.claim(name, owner, tags=TAGS) == "one"
    assert boto("ssm").get_parameter(Name=name)["Parameter"]["Type"] == "String"


def test_a_parameter_that_somebody_else_made_is_not_replaced_before_somebody_says_so(place):
    place.stored_data_key()
    place.put_by_hand(f"{PREFIX}/AWS_REGION", "eu-west-1")
    unasked = replace(batch(), replaces=frozenset())
    with pytest.raises(VariablesNotOurs, match="AWS_REGION of .* is eu-west-1") as refused:
        place.deliver(unasked)
    assert "--replace-variable AWS_REGION" in refused.value.hint
    assert not place.check(unasked)
    own = unasked.own_values
    [found] = place.aws.stored_data_keys.foreign_parameters(PREFIX, own, store=place.store)
    assert (found.name, found.value) == ("AWS_REGION", "eu-west-1")
    place.deliver(batch())
    assert place.check(unasked)


def test_a_value_that_changed_in_a_parameter_of_our_own_is_put_right_without_a_question(place):
    place.stored_data_key()
    unasked = replace(batch(), replaces=frozenset())
    place.deliver(unasked)
    place.put_by_hand(f"{PREFIX}/AWS_KMS_KEY_ID", "alias/another")
    assert place.aws.stored_data_keys.foreign_parameters(PREFIX, unasked.own_values, store=place.store) == ()
    place.deliver(unasked)
    assert place.check(unasked)
