"""The environment variables: which values are accepted, and how mistakes are reported."""

from __future__ import annotations

import base64
import hashlib

import pytest

from eonpro_phi import Credentials, WrappedKey, WrappedKeys
from eonpro_phi.errors import MalformedVariable, MissingVariable

BLOB = bytes(range(184))
GOOD = {
    "AWS_REGION": "us-east-1",
    "AWS_KMS_KEY_ID": "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555",
    "ENCRYPTED_PHI_KEY": base64.b64encode(BLOB).decode(),
}


def test_three_good_variables_are_read() -> None:
    wrapped = WrappedKey.from_environment(GOOD)
    assert (wrapped.region, wrapped.key_arn, wrapped.blob) == ("us-east-1", GOOD["AWS_KMS_KEY_ID"], BLOB)
    assert wrapped.fingerprint == "sha256:" + hashlib.sha256(BLOB).hexdigest()[:16]


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:kms:us-east-1:123456789012:key/mrk-0123456789abcdef0123456789abcdef",
        "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/11111111-2222-3333-4444-555555555555",
        "arn:aws-cn:kms:cn-north-1:123456789012:key/11111111-2222-3333-4444-555555555555",
    ],
)
def test_keys_of_every_partition_and_replicas_are_accepted(arn: str) -> None:
    environment = {**GOOD, "AWS_KMS_KEY_ID": arn, "AWS_REGION": arn.split(":")[3]}
    assert WrappedKey.from_environment(environment).key_arn == arn


def test_a_check_value_belongs_to_the_current_key_alone() -> None:
    values = {"ENCRYPTED_PHI_KEY_CHECK_VALUE": "0" * 16, "ENCRYPTED_PHI_HASH_KEY_CHECK_VALUE": "f" * 16}
    more = {"ENCRYPTED_PHI_HASH_KEY": "aGFzaA==", "ENCRYPTED_PHI_KEYS_FOR_READING": "b2xk"}
    keys = WrappedKeys.from_environment({**GOOD, **values, **more})
    in_use = (keys.current, *keys.reading_keys, keys.hash_key)
    assert [key and key.check_value for key in in_use] == ["0" * 16, None, "f" * 16]
    # An empty variable is one that is not set, as with the other optional ones.
    assert WrappedKeys.from_environment({**GOOD, "ENCRYPTED_PHI_KEY_CHECK_VALUE": ""}).current.check_value is None


@pytest.mark.parametrize("value", ["0" * 15, "0" * 17, "A" * 16, "'" + "0" * 16 + "'", "0" * 16 + "\n"])
def test_a_malformed_check_value_is_an_error_and_never_counts_as_not_set(value: str) -> None:
    with pytest.raises(MalformedVariable, match="ENCRYPTED_PHI_KEY_CHECK_VALUE is not a key check value"):
        WrappedKeys.from_environment({**GOOD, "ENCRYPTED_PHI_KEY_CHECK_VALUE": value})


def test_a_check_value_without_its_hash_key_is_an_error() -> None:
    # The hash key would be derived from the data key, and no search would find anything.
    with pytest.raises(MalformedVariable, match="HASH_KEY_CHECK_VALUE is set, but ENCRYPTED_PHI_HASH_KEY is not"):
        WrappedKeys.from_environment({**GOOD, "ENCRYPTED_PHI_HASH_KEY_CHECK_VALUE": "0" * 16})


def test_a_check_value_has_the_name_that_the_setup_gave_it() -> None:
    names = {"PHI_VARIABLE_NAMES": "ENCRYPTED_PHI_KEY_CHECK_VALUE=EONPRO_CHECK"}
    foreign = {"ENCRYPTED_PHI_KEY_CHECK_VALUE": "somebody else's"}
    keys = WrappedKeys.from_environment({**GOOD, **names, **foreign, "EONPRO_CHECK": "0" * 16})
    assert keys.current.check_value == "0" * 16


def test_the_hash_key_is_optional_and_checked_with_the_others() -> None:
    assert WrappedKeys.from_environment({**GOOD, "ENCRYPTED_PHI_HASH_KEY": ""}).hash_key is None
    other = base64.b64encode(b"hash key").decode()
    hash_key = WrappedKeys.from_environment({**GOOD, "ENCRYPTED_PHI_HASH_KEY": other}).hash_key
    assert hash_key is not None and hash_key.blob == b"hash key"
    with pytest.raises(MalformedVariable, match="ENCRYPTED_PHI_HASH_KEY .*quotation marks"):
        WrappedKeys.from_environment({**GOOD, "ENCRYPTED_PHI_HASH_KEY": f'"{other}"'})


def test_all_missing_and_empty_variables_are_named_at_once() -> None:
    with pytest.raises(MissingVariable) as caught:
        WrappedKey.from_environment({"ENCRYPTED_PHI_KEY": ""})
    assert str(caught.value) == ("AWS_REGION is not set; AWS_KMS_KEY_ID is not set; ENCRYPTED_PHI_KEY is empty.")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ENCRYPTED_PHI_KEY", f'"{GOOD["ENCRYPTED_PHI_KEY"]}"', "quotation marks"),
        ("ENCRYPTED_PHI_KEY", f"'{GOOD['ENCRYPTED_PHI_KEY']}'", "quotation marks"),
        ("ENCRYPTED_PHI_KEY", GOOD["ENCRYPTED_PHI_KEY"] + "\n", "white space"),
        ("ENCRYPTED_PHI_KEY", " " + GOOD["ENCRYPTED_PHI_KEY"], "white space"),
        ("ENCRYPTED_PHI_KEY", GOOD["ENCRYPTED_PHI_KEY"].rstrip("="), "not the base64"),
        ("ENCRYPTED_PHI_KEY", GOOD["ENCRYPTED_PHI_KEY"][:-1], "not the base64"),
        ("ENCRYPTED_PHI_KEY", BLOB.hex() + "é", "not the base64"),
        ("ENCRYPTED_PHI_KEY", base64.b64encode(bytes(6145)).decode(), "not the base64"),
        ("ENCRYPTED_PHI_KEY", base64.b64encode(bytes(3000)).decode() + "AB==", "not the base64"),
        ("AWS_KMS_KEY_ID", "alias/eonpro-phi-key", "not the ARN of a KMS key"),
        (
            "AWS_KMS_KEY_ID",
            "arn:aws:kms:us-east-1:123456789012:alias/eonpro-phi-key",
            "not the ARN of a KMS key",
        ),
        ("AWS_KMS_KEY_ID", "11111111-2222-3333-4444-555555555555", "not the ARN of a KMS key"),
        ("AWS_KMS_KEY_ID", GOOD["AWS_KMS_KEY_ID"] + "\n", "white space"),
        ("AWS_REGION", "us-east-2", "is a key in us-east-1 while AWS_REGION is us-east-2"),
        ("AWS_REGION", "https://example.org/", "not the name of a Region"),
    ],
)
def test_a_malformed_variable_is_named_and_not_repeated(name: str, value: str, message: str) -> None:
    with pytest.raises(MalformedVariable) as caught:
        WrappedKey.from_environment({**GOOD, name: value})
    assert name in str(caught.value) and message in str(caught.value)
    assert GOOD["ENCRYPTED_PHI_KEY"][:20] not in str(caught.value)


def test_two_malformed_variables_are_named_at_once() -> None:
    with pytest.raises(MalformedVariable) as caught:
        WrappedKey.from_environment({**GOOD, "AWS_KMS_KEY_ID": "x", "ENCRYPTED_PHI_KEY": "x"})
    assert "AWS_KMS_KEY_ID" in str(caught.value) and "ENCRYPTED_PHI_KEY" in str(caught.value)


def test_credentials_show_neither_secret_nor_session_token() -> None:
    credentials = Credentials.from_environment(
        {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_SESSION_TOKEN": "t0ken"}
    )
    assert (credentials.secret_access_key, credentials.session_token) == ("s3cret", "t0ken")
    assert "s3cret" not in repr(credentials) and "t0ken" not in repr(credentials)


def test_missing_credentials_are_named() -> None:
    with pytest.raises(MissingVariable) as caught:
        Credentials.from_environment({"AWS_ACCESS_KEY_ID": ""})
    assert str(caught.value) == "AWS_ACCESS_KEY_ID is empty; AWS_SECRET_ACCESS_KEY is not set."


FORMER, EARLIER = bytes(range(100)), bytes(range(50))


def in_base64(blob: bytes) -> str:
    return base64.b64encode(blob).decode()


@pytest.mark.parametrize("more", [{}, {"ENCRYPTED_PHI_KEYS_FOR_READING": " \n"}])
def test_without_the_optional_variables_there_is_one_key(more: dict[str, str]) -> None:
    keys = WrappedKeys.from_environment(GOOD | more)
    assert keys == WrappedKeys(current=WrappedKey.from_environment(GOOD), reading_keys=())


def test_reading_keys_have_the_same_kms_key_no_duplicates_and_their_order() -> None:
    listed = f"\n{in_base64(FORMER)}  {in_base64(EARLIER)}\t{in_base64(FORMER)} {GOOD['ENCRYPTED_PHI_KEY']}\n"
    keys = WrappedKeys.from_environment(GOOD | {"ENCRYPTED_PHI_KEYS_FOR_READING": listed})
    assert [key.blob for key in keys.reading_keys] == [FORMER, EARLIER]
    assert {key.key_arn for key in keys.reading_keys} == {GOOD["AWS_KMS_KEY_ID"]}
    assert keys.current == WrappedKey.from_environment(GOOD)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("x", "number 1 is not the base64 of a wrapped key."),
        (
            f"{in_base64(FORMER)} '{in_base64(EARLIER)}'",
            "number 2 is not the base64 of a wrapped key (it has",
        ),
        (in_base64(bytes(6145)), "number 1 is not"),
        (f"{in_base64(FORMER)},{in_base64(EARLIER)}", "number 1 is not"),
    ],
)
def test_a_malformed_reading_key_is_named_by_its_number(value: str, message: str) -> None:
    with pytest.raises(MalformedVariable) as caught:
        WrappedKeys.from_environment(GOOD | {"ENCRYPTED_PHI_KEYS_FOR_READING": value})
    assert f"ENCRYPTED_PHI_KEYS_FOR_READING: {message}" in str(caught.value)
    assert in_base64(FORMER)[:20] not in str(caught.value)


def test_everything_malformed_is_named_at_once() -> None:
    with pytest.raises(MalformedVariable) as caught:
        WrappedKeys.from_environment(
            GOOD
            | {
                "ENCRYPTED_PHI_KEY": "x",
                "ENCRYPTED_PHI_KEYS_FOR_READING": f"{in_base64(FORMER)} x y",
                "ENCRYPTED_PHI_KEY_CHECK_VALUE": "x",
            }
        )
    message = str(caught.value)
    assert message.count(";") == 3 and message.endswith(".") and ".;" not in message
    assert all(part in message for part in ("ENCRYPTED_PHI_KEY is not", "number 2", "number 3", "key check value"))


def test_missing_variables_are_reported_first() -> None:
    with pytest.raises(MissingVariable, match="AWS_REGION is empty"):
        WrappedKeys.from_environment(GOOD | {"AWS_REGION": "", "ENCRYPTED_PHI_KEYS_FOR_READING": "x"})


RENAMED = "AWS_REGION=EONPRO_AWS_REGION,AWS_KMS_KEY_ID=EONPRO_KMS_KEY_ID"


def test_the_variables_are_read_by_the_names_that_the_set_up_gives_them_and_by_no_others() -> None:
    usual = WrappedKeys.from_environment(GOOD)
    renamed = {
        "PHI_VARIABLE_NAMES": RENAMED,
        "EONPRO_AWS_REGION": GOOD["AWS_REGION"],
        "EONPRO_KMS_KEY_ID": GOOD["AWS_KMS_KEY_ID"],
        "ENCRYPTED_PHI_KEY": GOOD["ENCRYPTED_PHI_KEY"],
        # Of the application's S3 client.
        "AWS_REGION": "us-east-2",
        "AWS_KMS_KEY_ID": "alias/uploads",
    }
    assert WrappedKeys.from_environment(renamed) == usual
    assert WrappedKey.from_environment(renamed) == usual.current
    without = {name: value for name, value in renamed.items() if name != "EONPRO_KMS_KEY_ID"}
    with pytest.raises(MissingVariable, match=r"^EONPRO_KMS_KEY_ID is not set\.$"):
        WrappedKeys.from_environment(without)
    with pytest.raises(MalformedVariable, match="^EONPRO_KMS_KEY_ID is not the ARN"):
        WrappedKeys.from_environment({**renamed, "EONPRO_KMS_KEY_ID": "alias/uploads"})


@pytest.mark.parametrize(
    "names",
    [
        "AWS_REGION",
        "AWS_REGION=",
        "AWS_PROFILE=A",
        "AWS_REGION=A B",
        "AWS_REGION=A,AWS_REGION=B",
        "AWS_REGION=A,AWS_KMS_KEY_ID=A",
        "AWS_REGION=AWS_KMS_KEY_ID",
    ],
)
def test_other_names_that_cannot_be_are_refused(names: str) -> None:
    with pytest.raises(MalformedVariable, match="PHI_VARIABLE_NAMES"):
        WrappedKeys.from_environment({**GOOD, "PHI_VARIABLE_NAMES": names})
