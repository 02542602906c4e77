"""What becomes of the key and its name: each fault made for real, named first by the doctor, fixed by its command.

Touches the deployments that are set up once; every test leaves them as they were, by the very command that it is about.
"""

from __future__ import annotations

import json

import pytest

from tests.day_two.doctor_fixture import diagnosis, fixed
from tests.onboarding.deployment import ACCOUNT, ALIAS, Deployment

OTHER_REGION = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/11111111-2222-4333-8444-555555555555"
OTHER_ACCOUNT = "arn:aws:kms:us-east-1:999988887777:key/11111111-2222-4333-8444-555555555555"


def set_on_vercel(deployment: Deployment, name: str, **fields: object) -> None:
    """Edit a variable as a person does in Vercel's settings; its comment stays."""
    variable = deployment.variables()[name]
    deployment.vercel("PATCH", f"/v9/projects/eonpro/env/{variable['id']}", fields)


# --- the key itself


@pytest.mark.thorough
def test_a_key_that_was_disabled_is_enabled_again(on_vercel: Deployment):
    [key] = on_vercel.keys()
    on_vercel.client("kms").disable_key(KeyId=key)
    finding = fixed(on_vercel, "key-disabled")
    assert finding["command"] == f"aws kms enable-key --key-id {key} --region us-east-1"
    assert "restart the application" in finding["advice"]


def test_a_key_that_is_pending_deletion_is_saved(on_vercel: Deployment):
    [key] = on_vercel.keys()
    kms = on_vercel.client("kms")
    policy = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    # The stack's policy lets nobody delete the key: somebody has changed it first, and changes it back to hide that.
    guarded = json.loads(policy)
    open_ = {**guarded, "Statement": [each for each in guarded["Statement"] if "deletion" not in each.get("Sid", "")]}
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(open_))
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy)
    fixed(on_vercel, "key-pending-deletion")
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"


@pytest.mark.thorough
def test_settings_of_another_region_are_put_right(on_vercel: Deployment):
    on_vercel.pulumi("config", "set", "aws:region", "eu-west-1", "--stack", "production")
    found = fixed(on_vercel, "region-of-settings")
    assert found["command"].endswith(" config set aws:region us-east-1 --stack production")


# --- AWS_KMS_KEY_ID


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("cause", "value"),
    [
        ("key-id-alias", f"arn:aws:kms:us-east-1:{ACCOUNT}:{ALIAS}"),
        pytest.param("key-id-other-region", OTHER_REGION, marks=pytest.mark.thorough),
        pytest.param("key-id-other-account", OTHER_ACCOUNT, marks=pytest.mark.thorough),
        pytest.param(
            "key-id-other-key", f"{OTHER_REGION.replace('eu-west-1', 'us-east-1')}", marks=pytest.mark.thorough
        ),
    ],
)
def test_a_key_id_that_is_not_the_keys_arn_is_put_right(on_vercel: Deployment, cause: str, value: str):
    set_on_vercel(on_vercel, "AWS_KMS_KEY_ID", value=value)
    finding = fixed(on_vercel, cause)
    assert value in finding["what"]
    assert on_vercel.deployed()["AWS_KMS_KEY_ID"] == on_vercel.keys()[0]


@pytest.mark.thorough
def test_a_bare_key_id_is_put_right(on_vercel: Deployment):
    [key] = on_vercel.keys()
    set_on_vercel(on_vercel, "AWS_KMS_KEY_ID", value=key.rpartition("/")[2])
    fixed(on_vercel, "key-id-bare")


@pytest.mark.thorough
def test_an_alias_for_a_key_in_parameter_store_is_put_right(on_ecs: Deployment):
    on_ecs.client("ssm").put_parameter(Name="/eonpro/production/AWS_KMS_KEY_ID", Value=ALIAS, Overwrite=True)
    fixed(on_ecs, "key-id-alias")
    assert on_ecs.parameters()["/eonpro/production/AWS_KMS_KEY_ID"] == on_ecs.keys()[0]


@pytest.mark.thorough
def test_all_that_was_fixed_is_well(on_vercel: Deployment):
    found = diagnosis(on_vercel, expect=0)
    assert (found["ok"], found["findings"], found["notChecked"]) == (True, [], [])
