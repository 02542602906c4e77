"""What runs with old values, and what remembers a failed load of its key: named by the doctor, and started anew.

Touches the deployments that are set up once; every test leaves them as they were, by the very command that it is about.
"""

from __future__ import annotations

import base64
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.day_two.doctor_fixture import diagnosis, fixed, redeployed
from tests.day_two.the_application import credentials
from tests.day_two.the_service import service_of
from tests.onboarding.deployment import STORED_KEY, Deployment

ROLE = "eonpro-app-role"
DENIES = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*"}]}'


def refused(deployment: Deployment, mine: dict[str, Any]) -> str:
    """The code of the refusal that the application gets for its load of the key."""
    blob = base64.b64decode(deployment.parameters()[STORED_KEY])
    with pytest.raises(ClientError) as refusal:
        deployment.client("kms", credentials=mine).decrypt(KeyId=deployment.keys()[0], CiphertextBlob=blob)
    code: str = refusal.value.response["Error"]["Code"]
    return code


def test_a_deployment_older_than_its_variables_is_made_anew(on_vercel: Deployment):
    listed = on_vercel.vercel("GET", "/v10/projects/eonpro/env")["envs"]
    [region] = [each for each in listed if each["key"] == "AWS_REGION"]
    # The same value once more: somebody saved it again, and what runs cannot know that it is the same.
    on_vercel.vercel("PATCH", f"/v9/projects/eonpro/env/{region['id']}", {"value": "us-east-1"})
    fixed(on_vercel, "deployment-stale")


@pytest.mark.thorough
def test_a_failed_load_is_remembered_until_the_application_is_started_anew(on_vercel: Deployment):
    redeployed(on_vercel)
    iam, mine = on_vercel.client("iam"), credentials(on_vercel)
    iam.put_role_policy(RoleName=ROLE, PolicyName="mistake", PolicyDocument=DENIES)
    try:
        assert refused(on_vercel, mine) == "AccessDeniedException"
        during = diagnosis(on_vercel, "--quick", expect=1)
        assert "failure-remembered" in [each["cause"] for each in during["consequences"]]
    finally:
        iam.delete_role_policy(RoleName=ROLE, PolicyName="mistake")
    finding = fixed(on_vercel, "failure-remembered")
    assert "AccessDenied" in finding["what"]


@pytest.mark.thorough
def test_a_load_that_went_well_afterwards_is_no_failure_that_is_remembered(on_vercel: Deployment):
    redeployed(on_vercel)
    iam, mine = on_vercel.client("iam"), credentials(on_vercel)
    iam.put_role_policy(RoleName=ROLE, PolicyName="mistake", PolicyDocument=DENIES)
    try:
        refused(on_vercel, mine)
    finally:
        iam.delete_role_policy(RoleName=ROLE, PolicyName="mistake")
    blob = base64.b64decode(on_vercel.parameters()[STORED_KEY])
    on_vercel.client("kms", credentials=mine).decrypt(KeyId=on_vercel.keys()[0], CiphertextBlob=blob)
    assert diagnosis(on_vercel, "--quick", expect=0)["findings"] == []


@pytest.mark.thorough
def test_tasks_that_started_before_the_parameters_were_written_are_started_anew(on_ecs: Deployment):
    with service_of(on_ecs) as service:
        on_ecs.wizard("push", "--redeploy", "--yes")
        on_ecs.client("ssm").put_parameter(
            Name="/eonpro/production/AWS_REGION", Value="us-east-1", Type="String", Overwrite=True
        )
        fixed(on_ecs, "deployment-stale")
        assert all("ENCRYPTED_PHI_KEY" in each for each in service.held())


@pytest.mark.thorough
def test_a_history_that_may_not_be_read_is_never_called_well(on_vercel: Deployment):
    redeployed(on_vercel)
    on_vercel.fault(service="cloudtrail", operation="LookupEvents", error="AccessDeniedException", times=9)
    try:
        found = diagnosis(on_vercel, "--quick", expect=3)
    finally:
        on_vercel.no_more_faults()
    assert [each["what"] for each in found["notChecked"]] == ["whether production on Vercel failed to load its key"]
