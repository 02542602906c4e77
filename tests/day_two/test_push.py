"""The push against a real stack and the stand-in for Vercel: delivered or as it was, and nothing twice.

Touches the clinic that is set up once for Vercel; every test puts back what it changed.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.onboarding.clinic import ACCOUNT, ESCROW, Clinic
from tests.onboarding.shipped_schemas import next_step

NAMES = {"AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY"}
ENV = "/v10/projects/eonpro/env"
POST = {"method": "POST", "path": "/env"}


@pytest.fixture
def clinic(on_vercel: Clinic) -> Iterator[Clinic]:
    """Afterwards there are production's three variables again, and nothing else."""
    yield on_vercel
    on_vercel.no_more_faults()
    for each in listed(on_vercel):
        if each["target"] != ["production"] or each["key"] not in NAMES:
            on_vercel.vercel("DELETE", f"{ENV}/{each['id']}")
    if delivered(on_vercel) != wanted(on_vercel):
        on_vercel.wizard("push", "--no-redeploy")


def listed(clinic: Clinic) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = clinic.vercel("GET", ENV)["envs"]
    return found


def delivered(clinic: Clinic) -> dict[str, str]:
    return {name: value for name, value in clinic.deployed().items() if name in NAMES}


def wanted(clinic: Clinic) -> dict[str, str]:
    return {
        "AWS_REGION": "us-east-1",
        "AWS_KMS_KEY_ID": clinic.keys()[0],
        "ENCRYPTED_PHI_KEY": clinic.parameters()[ESCROW],
    }


def forget(clinic: Clinic) -> None:
    """As if nothing had been delivered."""
    for each in listed(clinic):
        clinic.vercel("DELETE", f"{ENV}/{each['id']}")


def put(clinic: Clinic, key: str, value: str, **more: Any) -> dict[str, Any]:
    body = {"key": key, "value": value, "type": "encrypted", "target": ["production"], **more}
    made: dict[str, Any] = clinic.vercel("POST", ENV, body)["created"]
    return made


def fingerprint(value: str) -> str:
    return "sha256:" + hashlib.sha256(base64.b64decode(value, validate=True)).hexdigest()[:16]


HALF, LOST = {"kind": "half", "nth": 1}, {"kind": "drop", "applied": True}
WEATHER: dict[str, list[dict[str, Any]]] = {
    "everything": [{"status": 500}, {"status": 429, "retryAfter": 1}, HALF, LOST],
    "500s": [{"status": 500, "times": 4}],
    "429s": [{"status": 429, "retryAfter": 1, "times": 3}],
    "time-outs": [{"kind": "timeout", "seconds": 12}, {"kind": "timeout", "seconds": 0.2}],
    "dropped connections": [{"kind": "drop", "times": 3}],
    "halves": [{"kind": "half", "nth": 3}, {"kind": "half", "nth": 2}, HALF],
}


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(each, id=name, marks=() if name == "everything" else pytest.mark.thorough)
        for name, each in WEATHER.items()
    ],
)
def test_whatever_passes_it_ends_delivered_and_the_second_push_writes_nothing(
    clinic: Clinic, faults: list[dict[str, Any]]
) -> None:
    forget(clinic)
    for fault in faults:
        clinic.vercel_fault(**POST, **fault)
    clinic.vercel_fault(method="GET", path="/env", status=503)
    document = clinic.wizard("push", "--json", "--no-redeploy").document
    assert [each["state"] for each in document["delivered"]] == ["written"]
    assert delivered(clinic) == wanted(clinic)
    clinic.forget_calls()
    again = clinic.wizard("push", "--json", "--no-redeploy").document
    assert [each["state"] for each in again["delivered"]] == ["unchanged"]
    assert clinic.changes() == {}
    assert again["fingerprint"] == fingerprint(clinic.parameters()[ESCROW])


@pytest.mark.parametrize(
    ("nth", "name"), [(1, "ENCRYPTED_PHI_KEY"), pytest.param(2, "AWS_KMS_KEY_ID", marks=pytest.mark.thorough)]
)
def test_half_of_it_for_good_ends_as_it_began(clinic: Clinic, nth: int, name: str) -> None:
    forget(clinic)
    put(clinic, "AWS_REGION", "eu-west-1", comment="by hand")
    clinic.vercel_fault(**POST, kind="half", nth=nth, times=99, code="BAD_REQUEST")
    refused = clinic.wizard("push", "--json", "--no-redeploy", expect=4).document
    assert f"{name}: it is missing" in refused["message"] and "rolled back" in refused["message"]
    assert clinic.deployed() == {"AWS_REGION": "eu-west-1"}
    assert [each["comment"] for each in listed(clinic)] == ["by hand"]
    assert len(clinic.escrow_versions()) == 1


def test_a_data_key_stored_as_encrypted_becomes_sensitive_and_keeps_its_value(clinic: Clinic) -> None:
    before = clinic.variables()["ENCRYPTED_PHI_KEY"]
    clinic.vercel("DELETE", f"{ENV}/{before['id']}")
    put(clinic, "ENCRYPTED_PHI_KEY", clinic.parameters()[ESCROW])
    document = clinic.wizard("push", "--json", "--no-redeploy").document
    assert [each["state"] for each in document["delivered"]] == ["written"]
    assert clinic.variables()["ENCRYPTED_PHI_KEY"]["type"] == "sensitive"
    assert delivered(clinic) == wanted(clinic)


def test_each_environment_gets_variables_of_its_own_and_what_is_not_ours_is_left(clinic: Clinic) -> None:
    staging = clinic.vercel("POST", "/v9/projects/eonpro/custom-environments", {"slug": "staging"})["id"]
    ours = {each["id"]: each for each in listed(clinic)}
    foreign = [
        put(clinic, "DATABASE_URL", "postgres://preview", target=["preview"]),
        put(clinic, "ENCRYPTED_PHI_KEY", "of-a-branch", target=["preview"], gitBranch="other"),
    ]
    document = clinic.wizard("push", "--json", "--to", "preview,staging", "--no-redeploy").document
    assert [each["environment"] for each in document["delivered"]] == ["preview", "the custom environment staging"]
    assert len(document["warnings"]) == 2 and "production's data key" in document["warnings"][0]
    assert (document["proofs"], document["redeploys"]) == ([], [])
    found = {each["id"]: each for each in listed(clinic)}
    assert all(found[id] == each for id, each in ours.items())
    assert all(found[each["id"]]["updatedAt"] == each["updatedAt"] for each in foreign)
    made = [each for id, each in found.items() if id not in ours and id not in {one["id"] for one in foreign}]
    assert sorted((tuple(each["target"]), tuple(each["customEnvironmentIds"]), each["key"]) for each in made) == sorted(
        (*place, name) for place in ((("preview",), ()), ((), (staging,))) for name in NAMES
    )
    clinic.forget_calls()
    clinic.wizard("push", "--to", "preview,staging", "--no-redeploy")
    assert clinic.changes() == {}
    by_branch = clinic.wizard("push", "--json", "--to", "preview", "--branch", "feature").document
    assert by_branch["scope"] == {"environments": ["preview"], "branch": "feature"}
    assert {each["key"] for each in listed(clinic) if each.get("gitBranch") == "feature"} == NAMES


def test_what_serves_more_than_was_asked_for_is_not_narrowed(clinic: Clinic) -> None:
    data_key = clinic.parameters()[ESCROW]
    put(clinic, "ENCRYPTED_PHI_KEY", data_key, target=["preview", "development"])
    before = listed(clinic)
    clinic.forget_calls()
    refused = clinic.wizard("push", "--to", "preview", "--no-redeploy", expect=1)
    assert "also serves development" in refused.told
    assert (listed(clinic), clinic.changes()) == (before, {})


def test_a_redeploy_gives_production_the_values_and_a_build_that_fails_leaves_the_former(clinic: Clinic) -> None:
    # Whatever the tests before have deployed: the deployment from before the set-up runs.
    of_production = {"projectId": project(clinic), "target": "production"}
    oldest = clinic.vercel("GET", "/v6/deployments", **of_production)["deployments"][-1]["uid"]
    clinic.vercel("POST", f"/v10/projects/eonpro/promote/{oldest}", {})
    first = clinic.runs()
    assert "ENCRYPTED_PHI_KEY" not in first["environment"]
    told = clinic.wizard("push", "--json").document
    assert [each["state"] for each in told["redeploys"]] == ["skipped"]
    assert [(each["target"], each["known"]) for each in told["staleInstances"]] == [("vercel", True)]
    clinic.vercel_fault(kind="build", method="POST", path="/deployments")
    failed = clinic.wizard("push", "--json", "--redeploy", expect=1)
    [redeploy] = failed.document["redeploys"]
    assert (redeploy["state"], failed.document["ok"]) == ("failed", False) and "exited with 1" in redeploy["why"]
    assert clinic.runs() == first
    try:
        clinic.forget_calls()
        done = clinic.wizard("push", "--json", "--redeploy").document
        assert clinic.changes() == {"vercel:POST /v13/deployments": 1}
        assert [each["state"] for each in done["redeploys"]] == ["done"] and done["staleInstances"] == []
        runs = clinic.runs()
        assert runs["deployment"] != first["deployment"] and wanted(clinic).items() <= runs["environment"].items()
    finally:
        clinic.vercel("POST", f"/v10/projects/eonpro/promote/{first['deployment']}", {})


def test_a_user_who_may_read_the_escrow_and_nothing_else_pushes(clinic: Clinic) -> None:
    """And one token of Vercel: that is all that a pipeline has to hold."""
    parameter = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter{ESCROW}"
    read = ["ssm:GetParameter", "ssm:GetParameters", "ssm:ListTagsForResource"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": read, "Resource": parameter}]}
    iam = clinic.client("iam")
    iam.create_user(UserName="pipeline")
    try:
        iam.put_user_policy(UserName="pipeline", PolicyName="push", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName="pipeline")["AccessKey"]
        env = {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
            "EONPRO_APP_WEB_IDENTITY_TOKEN_FILE": None,
        }
        forget(clinic)
        clinic.forget_calls()
        document = clinic.wizard("push", "--json", "--no-redeploy", env=env).document
        assert [each["state"] for each in document["delivered"]] == ["written"]
        assert delivered(clinic) == wanted(clinic)
        # What it may not see it does not call well.
        assert [each["state"] for each in document["proofs"]] == ["unproven"]
        assert clinic.changes() == {"vercel:POST /v10/projects/" + project(clinic) + "/env": 1}
    finally:
        for each in iam.list_access_keys(UserName="pipeline")["AccessKeyMetadata"]:
            iam.delete_access_key(UserName="pipeline", AccessKeyId=each["AccessKeyId"])
        iam.delete_user_policy(UserName="pipeline", PolicyName="push")
        iam.delete_user(UserName="pipeline")


def project(clinic: Clinic) -> str:
    return str(clinic.vercel("GET", "/v9/projects/eonpro")["id"])


def test_a_lost_escrow_is_not_replaced_by_a_new_data_key(clinic: Clinic) -> None:
    before, value = clinic.deployed(), clinic.parameters()[ESCROW]
    ssm = clinic.client("ssm")
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=ESCROW)["TagList"]
    ssm.delete_parameter(Name=ESCROW)
    try:
        clinic.forget_calls()
        refused = clinic.wizard("push", "--json", expect=1).document
        assert "no other data key was made" in refused["message"] and "restore" in next_step(refused)
        assert clinic.changes() == {} and ESCROW not in clinic.parameters()
    finally:
        ssm.put_parameter(Name=ESCROW, Value=value, Type="SecureString", Tags=tags)
    assert clinic.deployed() == before
