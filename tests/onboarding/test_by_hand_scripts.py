"""The scripts of `examples/manual-setup`: what they leave in an account, what they refuse, and what they never say.

Touches one deployment of its own, in which no wizard ever runs.
"""

from __future__ import annotations

import json
import shutil
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.onboarding.deployment import ACCOUNT, ALIAS, CompletedCommand, Deployment, running_deployment

# `make test` runs the guide's script through the adoption of what it leaves.
pytestmark = [pytest.mark.thorough, pytest.mark.needs("curl")]

NAMES = ("AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role"


BUCKET = f"eonpro-cloudtrail-logs-{ACCOUNT}"
PARTS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def script(deployment: Deployment, name: str, *arguments: str, **options: Any) -> CompletedCommand:
    return deployment.run(["bash", f"examples/manual-setup/{name}", *arguments], **options)


def named(suffix: str, **more: str) -> dict[str, str]:
    """The variables under which a second guide fits beside the first in one account."""
    return {
        "GUIDE_KEY_ALIAS": f"{ALIAS}-{suffix}",
        "GUIDE_ROLE_NAME": f"eonpro-app-role-{suffix}",
        "GUIDE_POLICY_NAME": f"EONPROKMSAccess-{suffix}",
        "GUIDE_TRAIL_NAME": f"eonpro-audit-trail-{suffix}",
        "GUIDE_TRAIL_BUCKET": f"eonpro-cloudtrail-logs-{suffix}",
        "GUIDE_PAUSE_SECONDS": "0",
        **more,
    }


def a_listening_curl(deployment: Deployment, log: Path) -> dict[str, str]:
    """A PATH whose curl writes down its arguments, as any user of the machine could read them."""
    real, folder = shutil.which("curl", path=deployment.environment["PATH"]), deployment.root / "listening"
    assert real, "there is no curl"
    folder.mkdir()
    shim = folder / "curl"
    shim.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> "{log}"\nexec "{real}" "$@"\n')
    shim.chmod(0o755)
    return {"PATH": f"{folder}:{deployment.environment['PATH']}"}


@dataclass(frozen=True, kw_only=True)
class HandMade:
    """An account after the guide was followed, and what a second run did to it."""

    deployment: Deployment
    first: CompletedCommand
    second: CompletedCommand
    changed: Counter[str]
    arguments: str
    inventories: tuple[dict[str, Any], dict[str, Any]]
    variables: dict[str, dict[str, Any]]

    @property
    def key(self) -> str:
        arn: str = self.variables["AWS_KMS_KEY_ID"]["value"]
        return arn


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with running_deployment(tmp_path_factory.mktemp("by-hand")) as made:
        yield made


@pytest.fixture(scope="module")
def hand_made(cloud: Deployment) -> HandMade:
    log = cloud.root / "curl-arguments"
    first = script(cloud, "guide.sh", env=a_listening_curl(cloud, log))
    before = cloud.inventory()
    cloud.forget_calls()
    # Traced, as a person does whom the first run surprised.
    second = cloud.run(["bash", "-x", "examples/manual-setup/guide.sh"], expect=1)
    return HandMade(
        deployment=cloud,
        first=first,
        second=second,
        changed=cloud.changes(),
        arguments=log.read_text(),
        inventories=(before, cloud.inventory()),
        variables=cloud.variables(),
    )


def opened(deployment: Deployment, values: Mapping[str, str], credentials: Mapping[str, str]) -> dict[str, Any]:
    """The verdict of the application's own side, with nothing but its variables and its credentials."""
    given = dict(values) | {
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials.get("SessionToken") or credentials["Token"],
    }
    return deployment.run([sys.executable, "-m", "eonpro_phi", "prove"], env=given, expect=None).document


def as_deployed(deployment: Deployment, role: str) -> Mapping[str, str]:
    """What a production deployment on Vercel gets for its token."""
    token = Path(deployment.environment["EONPRO_APP_WEB_IDENTITY_TOKEN_FILE"]).read_text().strip()
    found: Mapping[str, str] = deployment.client("sts").assume_role_with_web_identity(
        RoleArn=role, RoleSessionName="deployment", WebIdentityToken=token
    )["Credentials"]
    return found


def bucket_statements(deployment: Deployment, bucket: str) -> dict[str, dict[str, Any]]:
    document = json.loads(deployment.client("s3").get_bucket_policy(Bucket=bucket)["Policy"])
    return {each["Sid"]: each for each in document["Statement"]}


# --- what the guide leaves --------------------------------------------------------------------------------------


def test_a_deployment_opens_the_data_key_and_the_administrator_does_not(hand_made: HandMade):
    values = {name: each["value"] for name, each in hand_made.variables.items()}
    verdict = opened(hand_made.deployment, values, as_deployed(hand_made.deployment, ROLE))
    assert verdict["proved"] is True and ":assumed-role/eonpro-app-role/" in verdict["principal"]
    operator = {name: hand_made.deployment.environment[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    mine = hand_made.deployment.run([sys.executable, "-m", "eonpro_phi", "prove"], env=values | operator, expect=1)
    assert mine.document["proved"] is False and mine.document["cause"].startswith("AccessDenied")


# --- what the guide's script never does -------------------------------------------------------------------------


def test_a_second_run_changes_nothing_and_names_what_is_there(hand_made: HandMade):
    before, after = hand_made.inventories
    assert hand_made.changed == {} and after == before
    output = hand_made.second.output
    assert "already exists, nothing was changed" in output
    for name in (ALIAS, "the role eonpro-app-role", "the policy EONPROKMSAccess", "eonpro-audit-trail", BUCKET, *NAMES):
        assert name in output.partition("nothing was changed")[2]


def test_neither_token_nor_data_key_is_said_nor_seen_among_the_processes(hand_made: HandMade):
    token = hand_made.deployment.environment["VERCEL_TOKEN"]
    secret = hand_made.deployment.environment["AWS_SECRET_ACCESS_KEY"]
    assert "/v10/projects/eonpro/env" in hand_made.arguments and token not in hand_made.arguments
    for run in (hand_made.first, hand_made.second):
        assert token not in run.output and secret not in run.output
        assert hand_made.variables["ENCRYPTED_PHI_KEY"]["value"] not in run.output


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"VERCEL_TOKEN": None}, "VERCEL_TOKEN is not set"),
        ({"VERCEL_TOKEN": "not-the-token"}, "does not accept this token for the team eonpro"),
        ({"GUIDE_VERCEL_PROJECT": "nobodys"}, "no project nobodys in the team eonpro"),
        ({"GUIDE_RUNS_ON": "a-laptop"}, "vercel or ecs, not a-laptop"),
        ({"GUIDE_VERCEL_TYPE": "plain"}, "encrypted or sensitive, not plain"),
        ({"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}, "AWS does not know the caller"),
    ],
)
def test_what_is_missing_is_found_before_anything_is_made(cloud: Deployment, changes: dict[str, str | None], told: str):
    cloud.forget_calls()
    ended = script(cloud, "guide.sh", env=named("refused") | changes, expect=1)
    assert told in ended.output and cloud.changes() == {}


# --- the other ways through it ----------------------------------------------------------------------------------


def test_a_task_on_ecs_opens_the_key_that_the_guide_made_for_it(cloud: Deployment):
    wrong = "Policy contains a statement with one or more invalid principals."
    cloud.fault(operation="PutKeyPolicy", error="MalformedPolicyDocumentException", message=wrong, times=2)
    script(cloud, "guide.sh", env=named("tasks", GUIDE_RUNS_ON="ecs", GUIDE_PARAMETER_PREFIX="/eonpro-tasks"))
    found = cloud.client("ssm").get_parameters_by_path(Path="/eonpro-tasks", WithDecryption=True)["Parameters"]
    values = {each["Name"].rpartition("/")[2]: each["Value"] for each in found}
    assert set(values) == set(NAMES)
    types = {each["Name"].rpartition("/")[2]: each["Type"] for each in found}
    assert types == dict.fromkeys(NAMES, "String") | {"ENCRYPTED_PHI_KEY": "SecureString"}
    # Of the environment `tasks`.
    url = f"{cloud.environment['EONPRO_APP_CONTAINER_CREDENTIALS_URI']}-tasks"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=20) as answer:
        credentials = json.load(answer)
    verdict = opened(cloud, values, credentials)
    assert verdict["proved"] is True and ":assumed-role/eonpro-app-role-tasks/" in verdict["principal"]


# --- the company's trail ----------------------------------------------------------------------------------------


def test_the_companys_trail_is_one_that_may_be_used(cloud: Deployment):
    ended = script(cloud, "trail.sh")
    trails, s3 = cloud.client("cloudtrail"), cloud.client("s3")
    trail = trails.get_trail(Name="company-trail")["Trail"]
    bucket = f"company-trail-logs-{ACCOUNT}"
    assert ended.out.splitlines() == [f"trail: {trail['TrailARN']}", f"trail_bucket: {bucket}"]
    assert trail["S3BucketName"] == bucket
    assert trail["IsMultiRegionTrail"] and trail["LogFileValidationEnabled"] and trail["IncludeGlobalServiceEvents"]
    assert trails.get_trail_status(Name=trail["TrailARN"])["IsLogging"] is True
    (selector,) = trails.get_event_selectors(TrailName="company-trail")["EventSelectors"]
    assert selector["IncludeManagementEvents"] and selector["ExcludeManagementEventSources"] == []
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == dict.fromkeys(PARTS, True)
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    denied = bucket_statements(cloud, bucket)["DenyInsecureTransport"]
    assert (denied["Effect"], denied["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    cloud.forget_calls()
    again = script(cloud, "trail.sh", "--poor", expect=1)
    assert "the trail company-trail" in again.output and f"the bucket {bucket}" in again.output and again.out == ""
    assert cloud.changes() == {}
