"""Faults of the stored data key and the variables: each is real, named first by the doctor, fixed by its command.

Touches the deployments that are set up once; every test leaves them as they were, by the command that it is about.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from tests.day_two.doctor_fixture import diagnosis, fixed, taken_aside
from tests.onboarding.deployment import STORED_KEY, Deployment
from wizard.core.data_key import WrappedDataKey

NAME = "ENCRYPTED_PHI_KEY"
PREFIX = "/eonpro/production"


def stored_key(deployment: Deployment) -> str:
    return deployment.parameters()[STORED_KEY]


def set_by_hand(deployment: Deployment, value: str, **fields: Any) -> None:
    """The data key, removed and set anew in Vercel's settings, as a person does: not sensitive, without our comment."""
    deployment.vercel("DELETE", f"/v9/projects/eonpro/env/{deployment.variables()[NAME]['id']}")
    wanted = {"key": NAME, "value": value, "type": "encrypted", "target": ["production"], **fields}
    deployment.vercel("POST", "/v10/projects/eonpro/env", wanted)


def is_delivered(deployment: Deployment) -> bool:
    """Whether production has the stored data key again, and nobody can read it."""
    return deployment.deployed()[NAME] == stored_key(deployment) and deployment.variables()[NAME]["type"] == "sensitive"


# --- on Vercel


def test_a_data_key_that_was_removed_is_set_again(on_vercel: Deployment):
    on_vercel.vercel("DELETE", f"/v9/projects/eonpro/env/{on_vercel.variables()[NAME]['id']}")
    finding = fixed(on_vercel, "variable-missing")
    assert "creates a new data key" in finding["why"]
    assert is_delivered(on_vercel)


DAMAGES: dict[str, Callable[[str], str]] = {
    "variable-empty": lambda value: "",
    "variable-quoted": lambda value: f'"{value}"',
    "variable-truncated": lambda value: value[:120],
    "variable-malformed": lambda value: "the wrapped key goes here, ask Ada for it: it is not in the repository",
}


@pytest.mark.thorough
@pytest.mark.parametrize(
    "cause",
    [
        "variable-empty",
        pytest.param("variable-truncated", marks=pytest.mark.thorough),
        pytest.param("variable-quoted", marks=pytest.mark.thorough),
        pytest.param("variable-malformed", marks=pytest.mark.thorough),
    ],
)
def test_a_data_key_that_was_damaged_is_put_right(on_vercel: Deployment, cause: str):
    set_by_hand(on_vercel, DAMAGES[cause](stored_key(on_vercel)))
    fixed(on_vercel, cause)
    assert is_delivered(on_vercel)
    # What is not known to have been ours is not thrown away.
    assert taken_aside(on_vercel) == (DAMAGES[cause]("") if cause == "variable-malformed" else None)


@pytest.mark.thorough
def test_a_data_key_that_is_set_for_previews_only_is_set_for_production(on_vercel: Deployment):
    variable = on_vercel.variables()[NAME]
    on_vercel.vercel("PATCH", f"/v9/projects/eonpro/env/{variable['id']}", {"target": ["preview"]})
    finding = fixed(on_vercel, "variable-wrong-environment")
    assert "set for preview" in finding["what"]
    assert on_vercel.deployed()[NAME] == stored_key(on_vercel)
    on_vercel.vercel("DELETE", f"/v9/projects/eonpro/env/{variable['id']}")


@pytest.mark.thorough
def test_a_data_key_of_somebody_elses_is_set_aside_and_kept(on_vercel: Deployment):
    other = base64.b64encode(b"\x07" * 184).decode()
    set_by_hand(on_vercel, other, type="sensitive")
    fixed(on_vercel, "data-key-foreign")
    assert is_delivered(on_vercel)
    assert taken_aside(on_vercel) == other


@pytest.mark.thorough
def test_a_data_key_that_anybody_may_read_is_made_sensitive(on_vercel: Deployment):
    set_by_hand(on_vercel, stored_key(on_vercel))
    fixed(on_vercel, "variable-type")
    assert is_delivered(on_vercel)


@pytest.mark.thorough
def test_a_wrong_region_is_put_right(on_vercel: Deployment):
    variable = on_vercel.variables()["AWS_REGION"]
    on_vercel.vercel("PATCH", f"/v9/projects/eonpro/env/{variable['id']}", {"value": "eu-west-1"})
    fixed(on_vercel, "region-wrong")
    assert on_vercel.deployed()["AWS_REGION"] == "us-east-1"


@pytest.mark.thorough
def test_a_token_that_vercel_refuses_is_the_first_to_be_told(on_vercel: Deployment):
    found = on_vercel.wizard("doctor", "--json", "--quick", env={"VERCEL_TOKEN": "not-a-token"}, expect=3).document
    assert [each["cause"] for each in found["findings"]] == ["vercel-token-refused"]
    assert found["ok"] is False


def test_without_a_token_the_way_to_one_is_told_and_nothing_is_well(on_vercel: Deployment):
    found = on_vercel.wizard("doctor", "--json", "--quick", env={"VERCEL_TOKEN": None}, expect=3).document
    assert found["ok"] is False
    assert [each["cause"] for each in found["findings"]][:1] == ["vercel-token-missing"]
    assert "VERCEL_TOKEN" in found["findings"][0]["advice"]


# --- in Parameter Store


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["AWS_KMS_KEY_ID", pytest.param("AWS_REGION", marks=pytest.mark.thorough)])
def test_a_parameter_that_was_deleted_is_there_again(on_ecs: Deployment, name: str):
    before = on_ecs.parameters()
    on_ecs.client("ssm").delete_parameter(Name=f"{PREFIX}/{name}")
    fixed(on_ecs, "parameter-missing")
    assert on_ecs.parameters() == before


def test_a_stored_data_key_that_was_written_over_is_restored(on_ecs: Deployment):
    before = stored_key(on_ecs)
    on_ecs.client("ssm").put_parameter(Name=STORED_KEY, Value="changeme", Overwrite=True)
    fixed(on_ecs, "stored-key-malformed")
    assert stored_key(on_ecs) == before


@pytest.mark.thorough
def test_a_stored_data_key_with_another_data_key_is_restored(on_ecs: Deployment):
    before, [key] = stored_key(on_ecs), on_ecs.keys()
    other = on_ecs.client("kms").generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")["CiphertextBlob"]
    on_ecs.client("ssm").put_parameter(Name=STORED_KEY, Value=base64.b64encode(other).decode(), Overwrite=True)
    fixed(on_ecs, "stored-key-replaced")
    assert stored_key(on_ecs) == before


@pytest.mark.thorough
def test_a_stored_data_key_that_opens_to_16_bytes_makes_way_for_the_one_before(on_ecs: Deployment):
    before, [key] = stored_key(on_ecs), on_ecs.keys()
    short = on_ecs.client("kms").encrypt(KeyId=key, Plaintext=b"x" * 16)["CiphertextBlob"]
    ssm, wrapped = on_ecs.client("ssm"), WrappedDataKey.from_blob(short)
    ssm.put_parameter(Name=STORED_KEY, Value=wrapped.value, Overwrite=True)
    tag = {"Key": "eonpro:fingerprint", "Value": wrapped.fingerprint}
    ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId=STORED_KEY, Tags=[tag])
    finding = fixed(on_ecs, "stored-key-replaced")
    assert wrapped.fingerprint in finding["what"]
    assert stored_key(on_ecs) == before


@pytest.mark.thorough
def test_a_tag_that_was_changed_speaks_of_the_data_key_again(on_vercel: Deployment):
    tag = {"Key": "eonpro:fingerprint", "Value": "sha256:0123456789abcdef"}
    on_vercel.client("ssm").add_tags_to_resource(ResourceType="Parameter", ResourceId=STORED_KEY, Tags=[tag])
    fixed(on_vercel, "stored-key-tag-changed")


@pytest.mark.thorough
def test_all_that_was_fixed_is_well(on_vercel: Deployment):
    found = diagnosis(on_vercel, expect=0)
    assert (found["ok"], found["findings"], found["notChecked"]) == (True, [], [])
