"""Bad input and bad luck, each found before anything is created, all of it in one run, with what to type next.

Touches one deployment in which nothing is ever made by a set-up, and puts back whatever a test puts into it.
"""

from __future__ import annotations

import base64
import json
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.onboarding.deployment import (
    ACCOUNT,
    CompletedCommand,
    Deployment,
)
from tests.onboarding.shipped_schemas import in_words, next_step

OFFICER = f"arn:aws:iam::{ACCOUNT}:user/security-officer"
NOBODY = f"arn:aws:iam::{ACCOUNT}:role/nobody"


def refused(
    deployment: Deployment, *arguments: str, code: int, target: str = "vercel", **options: Any
) -> list[dict[str, Any]]:
    """The problems that a run reports; nothing is made, nothing touched, no call that changes anything."""
    before = deployment.inventory()
    deployment.forget_calls()
    ended: CompletedCommand = deployment.set_up(target, "--json", *arguments, expect=code, **options)
    assert deployment.changes() == {}
    assert deployment.inventory() == before
    document = ended.document
    assert document["ok"] is False and document["exitCode"] == code
    assert not (deployment.folder / "Pulumi.production.yaml").exists()
    problems: list[dict[str, Any]] = document["problems"]
    assert all(problem["what"] and problem["why"] and next_step(problem) for problem in problems)
    for problem in problems:
        assert " ".join(problem["what"].split()) in ended.output
    return problems


def only(problems: list[dict[str, Any]]) -> str:
    assert len(problems) == 1, problems
    return in_words(problems[0])


def test_records_under_an_encryption_key_are_asked_about_before_there_is_a_second_key(bare: Deployment):
    variable = {"key": "ENCRYPTION_KEY", "value": "ab" * 32, "type": "sensitive", "target": ["production"]}
    made = bare.vercel("POST", "/v10/projects/eonpro/env", variable)["created"]
    try:
        problem = only(refused(bare, code=1))
    finally:
        bare.vercel("DELETE", f"/v9/projects/eonpro/env/{made['id']}")
    assert f"production of Vercel project eonpro/eonpro (id {made['id']})" in problem
    assert "setup --former-key wrap" in problem


# --- who asks, and where ----------------------------------------------------------------------------------------


# --- for whom ---------------------------------------------------------------------------------------------------


@contextmanager
def somebody_with(deployment: Deployment, *denied: str) -> Iterator[dict[str, str]]:
    """The credentials of a user who may do all but the denied actions."""
    iam, name = deployment.client("iam"), f"limited-{secrets.token_hex(3)}"
    iam.create_user(UserName=name)
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "NotAction": list(denied), "Resource": "*"}],
    }
    iam.put_user_policy(UserName=name, PolicyName="limited", PolicyDocument=json.dumps(document))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    try:
        yield {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
    finally:
        iam.delete_access_key(UserName=name, AccessKeyId=made["AccessKeyId"])
        iam.delete_user_policy(UserName=name, PolicyName="limited")
        iam.delete_user(UserName=name)


# --- what is there already --------------------------------------------------------------------------------------


@contextmanager
def a_key(deployment: Deployment, *, alias: str | None = None) -> Iterator[str]:
    """Somebody's key."""
    kms = deployment.client("kms")
    arn: str = kms.create_key(
        Description="the billing department's", Tags=[{"TagKey": "Owner", "TagValue": "billing"}]
    )["KeyMetadata"]["Arn"]
    if alias:
        kms.create_alias(AliasName=alias, TargetKeyId=arn)
    try:
        yield arn
    finally:
        if alias:
            kms.delete_alias(AliasName=alias)


def wrapped_by(deployment: Deployment, key: str) -> str:
    made = deployment.client("kms").generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")
    return base64.b64encode(made["CiphertextBlob"]).decode()


@contextmanager
def a_variable(deployment: Deployment, value: str) -> Iterator[None]:
    body = {"key": "ENCRYPTED_PHI_KEY", "value": value, "type": "sensitive", "target": ["production"]}
    deployment.vercel("POST", "/v10/projects/eonpro/env", body)
    try:
        yield
    finally:
        for each in deployment.vercel("GET", "/v10/projects/eonpro/env")["envs"]:
            deployment.vercel("DELETE", f"/v10/projects/eonpro/env/{each['id']}")


# --- Vercel -----------------------------------------------------------------------------------------------------


# --- endpoints that do not answer -------------------------------------------------------------------------------


@contextmanager
def silence(*, listening: bool) -> Iterator[str]:
    """The address of an endpoint that takes connections and never answers, or of one where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if listening:
            yield f"http://127.0.0.1:{port}"
    if not listening:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.thorough
@pytest.mark.parametrize("listening", [pytest.param(True, marks=pytest.mark.thorough), False], ids=["silent", "closed"])
def test_endpoints_that_do_not_answer_are_told_in_one_run_and_bounded_time(bare: Deployment, listening: bool):
    with silence(listening=listening) as aws, silence(listening=listening) as vercel:
        started = time.monotonic()
        problems = refused(bare, code=1, env={"AWS_ENDPOINT_URL": aws, "VERCEL_API_URL": vercel})
        # Ten seconds for STS and twenty for Vercel, one after the other, and what `refused` itself takes.
        assert time.monotonic() - started < 50
    text = [in_words(problem) for problem in problems]
    assert len(text) == 2
    assert any(aws in what and "AWS_ENDPOINT_URL" in what for what in text)
    assert any(vercel in what and "VERCEL_API_URL" in what for what in text)


# --- all in one run ---------------------------------------------------------------------------------------------


@pytest.mark.exit_code(8)
def test_an_update_that_nobody_confirmed_makes_nothing(bare: Deployment):
    before = bare.inventory()
    bare.forget_calls()
    answers = ("--stack", "unconfirmed", "--answers", "examples/vercel.yaml")
    bare.wizard(*answers, "--environment", "unconfirmed", "--non-interactive", expect=8)
    assert bare.changes() == {} and bare.inventory() == before
    assert not (bare.folder / "Pulumi.unconfirmed.yaml").exists()
