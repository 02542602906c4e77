"""The push against a real stack and the stand-in for Vercel: delivered or as it was, and nothing twice.

Touches the deployment that is set up once for Vercel; every test puts back what it changed.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.onboarding.deployment import ACCOUNT, STORED_KEY, Deployment
from tests.onboarding.shipped_schemas import next_step

NAMES = {"AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY"}
ENV = "/v10/projects/eonpro/env"
POST = {"method": "POST", "path": "/env"}


@pytest.fixture
def deployment(on_vercel: Deployment) -> Iterator[Deployment]:
    """Afterwards there are production's three variables again, and nothing else."""
    yield on_vercel
    on_vercel.no_more_faults()
    for each in listed(on_vercel):
        if each["target"] != ["production"] or each["key"] not in NAMES:
            on_vercel.vercel("DELETE", f"{ENV}/{each['id']}")
    if delivered(on_vercel) != wanted(on_vercel):
        # A test may have left a value of somebody else.
        on_vercel.wizard("push", "--no-redeploy", *(word for name in NAMES for word in ("--replace-variable", name)))


def listed(deployment: Deployment) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = deployment.vercel("GET", ENV)["envs"]
    return found


def delivered(deployment: Deployment) -> dict[str, str]:
    return {name: value for name, value in deployment.deployed().items() if name in NAMES}


def wanted(deployment: Deployment) -> dict[str, str]:
    return {
        "AWS_REGION": "us-east-1",
        "AWS_KMS_KEY_ID": deployment.keys()[0],
        "ENCRYPTED_PHI_KEY": deployment.parameters()[STORED_KEY],
    }


def forget(deployment: Deployment) -> None:
    """As if nothing had been delivered."""
    for each in listed(deployment):
        deployment.vercel("DELETE", f"{ENV}/{each['id']}")


def put(deployment: Deployment, key: str, value: str, **more: Any) -> dict[str, Any]:
    body = {"key": key, "value": value, "type": "encrypted", "target": ["production"], **more}
    made: dict[str, Any] = deployment.vercel("POST", ENV, body)["created"]
    return made


def fingerprint(value: str) -> str:
    return "sha256:" + hashlib.sha256(base64.b64decode(value, validate=True)).hexdigest()[:16]


HALF, LOST = {"kind": "half", "nth": 1}, {"kind": "drop", "applied": True}
TRANSIENT_FAULTS: dict[str, list[dict[str, Any]]] = {
    "everything": [{"status": 500}, {"status": 429, "retryAfter": 1}, HALF, LOST],
    "500s": [{"status": 500, "times": 4}],
    "429s": [{"status": 429, "retryAfter": 1, "times": 3}],
    "time-outs": [{"kind": "timeout", "seconds": 12}, {"kind": "timeout", "seconds": 0.2}],
    "dropped connections": [{"kind": "drop", "times": 3}],
    "halves": [{"kind": "half", "nth": 3}, {"kind": "half", "nth": 2}, HALF],
}


@pytest.mark.thorough
@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(each, id=name, marks=() if name == "everything" else pytest.mark.thorough)
        for name, each in TRANSIENT_FAULTS.items()
    ],
)
def test_whatever_passes_it_ends_delivered_and_the_second_push_writes_nothing(
    deployment: Deployment, faults: list[dict[str, Any]]
) -> None:
    forget(deployment)
    for fault in faults:
        deployment.vercel_fault(**POST, **fault)
    deployment.vercel_fault(method="GET", path="/env", status=503)
    document = deployment.wizard("push", "--json", "--no-redeploy").document
    assert [each["state"] for each in document["delivered"]] == ["written"]
    assert delivered(deployment) == wanted(deployment)
    deployment.forget_calls()
    again = deployment.wizard("push", "--json", "--no-redeploy").document
    assert [each["state"] for each in again["delivered"]] == ["unchanged"]
    assert deployment.changes() == {}
    assert again["fingerprint"] == fingerprint(deployment.parameters()[STORED_KEY])


@pytest.mark.thorough
def test_each_environment_gets_variables_of_its_own_and_what_is_not_ours_is_left(deployment: Deployment) -> None:
    staging = deployment.vercel("POST", "/v9/projects/eonpro/custom-environments", {"slug": "staging"})["id"]
    ours = {each["id"]: each for each in listed(deployment)}
    foreign = [
        put(deployment, "DATABASE_URL", "postgres://preview", target=["preview"]),
        put(deployment, "ENCRYPTED_PHI_KEY", "of-a-branch", target=["preview"], gitBranch="other"),
    ]
    document = deployment.wizard("push", "--json", "--to", "preview,staging", "--no-redeploy").document
    assert [each["environment"] for each in document["delivered"]] == ["preview", "the custom environment staging"]
    assert len(document["warnings"]) == 2 and "production's data key" in document["warnings"][0]
    assert (document["proofs"], document["redeploys"]) == ([], [])
    found = {each["id"]: each for each in listed(deployment)}
    assert all(found[id] == each for id, each in ours.items())
    assert all(found[each["id"]]["updatedAt"] == each["updatedAt"] for each in foreign)
    made = [each for id, each in found.items() if id not in ours and id not in {one["id"] for one in foreign}]
    assert sorted((tuple(each["target"]), tuple(each["customEnvironmentIds"]), each["key"]) for each in made) == sorted(
        (*place, name) for place in ((("preview",), ()), ((), (staging,))) for name in NAMES
    )
    deployment.forget_calls()
    deployment.wizard("push", "--to", "preview,staging", "--no-redeploy")
    assert deployment.changes() == {}
    by_branch = deployment.wizard("push", "--json", "--to", "preview", "--branch", "feature").document
    assert by_branch["scope"] == {"environments": ["preview"], "branch": "feature"}
    assert {each["key"] for each in listed(deployment) if each.get("gitBranch") == "feature"} == NAMES


def test_what_serves_more_than_was_asked_for_is_not_narrowed(deployment: Deployment) -> None:
    data_key = deployment.parameters()[STORED_KEY]
    put(deployment, "ENCRYPTED_PHI_KEY", data_key, target=["preview", "development"])
    before = listed(deployment)
    deployment.forget_calls()
    refused = deployment.wizard("push", "--to", "preview", "--no-redeploy", expect=1)
    assert "also serves development" in refused.output
    assert (listed(deployment), deployment.changes()) == (before, {})


def test_a_redeploy_gives_production_the_values_and_a_build_that_fails_leaves_the_former(
    deployment: Deployment,
) -> None:
    # Whatever the tests before have deployed: the deployment from before the set-up runs.
    of_production = {"projectId": project(deployment), "target": "production", "limit": "100"}
    oldest = deployment.vercel("GET", "/v6/deployments", **of_production)["deployments"][-1]["uid"]
    deployment.vercel("POST", f"/v10/projects/eonpro/promote/{oldest}", {})
    first = deployment.runs()
    assert "ENCRYPTED_PHI_KEY" not in first["environment"]
    document = deployment.wizard("push", "--json").document
    assert [each["state"] for each in document["redeploys"]] == ["skipped"]
    assert [(each["target"], each["known"]) for each in document["staleInstances"]] == [("vercel", True)]
    deployment.vercel_fault(kind="build", method="POST", path="/deployments")
    failed = deployment.wizard("push", "--json", "--redeploy", expect=1)
    [redeploy] = failed.document["redeploys"]
    assert (redeploy["state"], failed.document["ok"]) == ("failed", False) and "exited with 1" in redeploy["why"]
    assert deployment.runs() == first
    try:
        deployment.forget_calls()
        done = deployment.wizard("push", "--json", "--redeploy").document
        assert deployment.changes() == {"vercel:POST /v13/deployments": 1}
        assert [each["state"] for each in done["redeploys"]] == ["done"] and done["staleInstances"] == []
        runs = deployment.runs()
        assert runs["deployment"] != first["deployment"] and wanted(deployment).items() <= runs["environment"].items()
    finally:
        deployment.vercel("POST", f"/v10/projects/eonpro/promote/{first['deployment']}", {})


def test_a_user_who_may_read_the_stored_data_key_and_nothing_else_pushes(deployment: Deployment) -> None:
    """And one token of Vercel: that is all that a pipeline has to hold."""
    parameter = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter{STORED_KEY}"
    read = ["ssm:GetParameter", "ssm:GetParameters", "ssm:ListTagsForResource"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": read, "Resource": parameter}]}
    iam = deployment.client("iam")
    iam.create_user(UserName="pipeline")
    try:
        iam.put_user_policy(UserName="pipeline", PolicyName="push", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName="pipeline")["AccessKey"]
        env = {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
            "EONPRO_APP_WEB_IDENTITY_TOKEN_FILE": None,
        }
        forget(deployment)
        deployment.forget_calls()
        document = deployment.wizard("push", "--json", "--no-redeploy", env=env).document
        assert [each["state"] for each in document["delivered"]] == ["written"]
        assert delivered(deployment) == wanted(deployment)
        # What it may not see it does not call well.
        assert [each["state"] for each in document["proofs"]] == ["unproven"]
        assert deployment.changes() == {"vercel:POST /v10/projects/" + project(deployment) + "/env": 1}
    finally:
        for each in iam.list_access_keys(UserName="pipeline")["AccessKeyMetadata"]:
            iam.delete_access_key(UserName="pipeline", AccessKeyId=each["AccessKeyId"])
        iam.delete_user_policy(UserName="pipeline", PolicyName="push")
        iam.delete_user(UserName="pipeline")


def project(deployment: Deployment) -> str:
    return str(deployment.vercel("GET", "/v9/projects/eonpro")["id"])


def test_a_lost_stored_data_key_is_not_replaced_by_a_new_data_key(deployment: Deployment) -> None:
    before, value = deployment.deployed(), deployment.parameters()[STORED_KEY]
    ssm = deployment.client("ssm")
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=STORED_KEY)["TagList"]
    ssm.delete_parameter(Name=STORED_KEY)
    try:
        deployment.forget_calls()
        refused = deployment.wizard("push", "--json", expect=1).document
        assert "no other data key was made" in refused["message"] and "restore" in next_step(refused)
        assert deployment.changes() == {} and STORED_KEY not in deployment.parameters()
    finally:
        ssm.put_parameter(Name=STORED_KEY, Value=value, Type="SecureString", Tags=tags)
    assert deployment.deployed() == before
