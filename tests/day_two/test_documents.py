"""The application's documents in S3: their key, the move of what is there, kills in the middle of it, and the proof.

Each test has a cloud of its own. The objects are real to the sandbox's S3; the killed command is a process.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.day_two import in_this_process, the_application
from tests.onboarding.deployment import Deployment, RunningCommand, until
from tests.onboarding.permissions import user_with

BUCKET = "clinic-documents"
ENCRYPT = ("documents", "encrypt", "--bucket", BUCKET, "--versions", "all", "--yes", "--json")


def with_documents_key(deployment: Deployment) -> str:
    """The stack names the bucket, and has the key. Returns its ARN."""
    deployment.client("s3").create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
    more = ("--document-buckets", BUCKET, "--documents-key", "yes", "--yes")
    in_this_process.run(deployment, "setup", *more)
    arn: str = deployment.outputs()["documentsKeyArn"]
    return arn


def uploaded(deployment: Deployment, count: int) -> dict[str, str]:
    """So many documents under S3's own keys, with two versions of some; their contents by name and version."""
    s3, contents = deployment.client("s3"), dict[str, str]()

    def upload(number: int) -> dict[str, str]:
        name, found = f"patients/{number:05}/scan {number}.pdf", {}
        for version in range(2 if number % 10 == 0 and number < 1_000 else 1):
            text = f"document {number}, {version}"
            found[f"{name}@{s3.put_object(Bucket=BUCKET, Key=name, Body=text.encode())['VersionId']}"] = text
        return found

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(upload, range(count)):
            contents |= found
    return contents


def exceptions(deployment: Deployment) -> dict[str, str]:
    """Objects that no run may touch: by their name, where the document says that they are."""
    s3, kms = deployment.client("s3"), deployment.client("kms")
    foreign = kms.create_key()["KeyMetadata"]["Arn"]
    until_then = datetime.now(UTC) + timedelta(days=30)
    puts: dict[str, dict[str, Any]] = {
        "otherKey": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": foreign},
        "locked": {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until_then},
        "dualLayer": {"ServerSideEncryption": "aws:kms:dsse", "SSEKMSKeyId": foreign},
    }
    for place, how in puts.items():
        s3.put_object(Bucket=BUCKET, Key=f"special/{place}", Body=place.encode(), **how)
    return {f"special/{place}": place for place in puts}


def stored(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """Every version as S3 tells it, by name and version."""
    s3 = deployment.client("s3")
    # The sandbox sorts all versions for each page of them: of ten thousand that takes longer than a call may.
    place, names = deployment.environment, ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    keys = {name.lower(): place[name] for name in names}
    patient = Config(read_timeout=600, proxies={})
    listing = boto3.client(
        "s3", endpoint_url=place["AWS_ENDPOINT_URL"], region_name="us-east-1", config=patient, **keys
    )
    pages = listing.get_paginator("list_object_versions").paginate(Bucket=BUCKET)
    versions = [each for page in pages for each in page.get("Versions", ())]

    def head(each: Any) -> tuple[str, dict[str, Any]]:
        found = s3.head_object(Bucket=BUCKET, Key=each["Key"], VersionId=each["VersionId"])
        return f"{each['Key']}@{each['VersionId']}", found

    with ThreadPoolExecutor(8) as pool:
        return dict(pool.map(head, versions))


def killed_after(deployment: Deployment, moves: int, log: str) -> None:
    """The command, killed with all it started when S3 was asked for so many moves and held the next ones back."""
    deployment.fault(service="s3", operation="UpdateObjectEncryption", kind="hang", skip=moves, times=1000)
    deployment.forget_calls()
    running = RunningCommand(
        ["python", "-m", "wizard", *ENCRYPT, "--non-interactive"],
        folder=deployment.folder,
        environment=deployment.environment,
        log=deployment.root / f"{log}.log",
    )
    until(lambda: deployment.calls()["s3:UpdateObjectEncryption"] > moves, running, what=f"{moves} moves")
    running.kill_tree()
    deployment.no_more_faults()


def a_mover(deployment: Deployment) -> dict[str, str]:
    """The environment of a user with the printed policies of an auditor and of `documents`, and nothing else."""
    auditor, moving = (
        in_this_process.run(deployment, "policy", name, "--json").document["policy"]
        for name in ("auditor", "documents")
    )
    reading = {"auditor": auditor} if "Statement" in auditor else auditor
    return user_with(deployment, {**reading, "documents": moving}, "mover")


def moved_with_kills(deployment: Deployment, *, count: int, kills: int, before: Callable[[], None]) -> None:
    """Move so many documents with so many kills: all under the key, none lost, none done twice but those on the way."""
    key = with_documents_key(deployment)
    contents, special = uploaded(deployment, count), exceptions(deployment)
    before()
    earlier = stored(deployment)
    calls: Counter[str] = Counter()
    for kill in range(kills):
        # Each run looks first at all that is done: the kills are in the first part, and the last run does the rest.
        killed_after(deployment, min(len(contents) // (2 * kills), 150), f"killed-{kill}")
        calls += deployment.calls()
    deployment.forget_calls()
    last = in_this_process.run(deployment, *ENCRYPT, env=a_mover(deployment), expect=1).document
    told = last["calls"]["update"]
    # The sandbox remembers its last 20,000 calls.
    assert deployment.calls()["s3:UpdateObjectEncryption"] == told or count > 2_000
    after = stored(deployment)
    assert after.keys() == earlier.keys()
    for name, head in after.items():
        place = special.get(name.partition("@")[0])
        if place is None:
            assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key), name
        else:
            assert head.get("SSEKMSKeyId") == earlier[name].get("SSEKMSKeyId") != key, name
        for same in ("ETag", "LastModified", "ContentLength", "VersionId"):
            assert head[same] == earlier[name][same], name
    # S3 carries out what was on its way at a kill, and a later run asks for none of it again.
    assert len(contents) <= calls["s3:UpdateObjectEncryption"] + told <= len(contents) + kills * 8
    assert last["counts"]["underKey"] == len(contents) and last["objects"] == len(contents) + len(special)
    assert {left["key"]: left["place"] for left in last["left"]} == special


@pytest.mark.thorough
@pytest.mark.onboarded("vercel")
def test_documents_are_moved_in_spite_of_a_kill_and_only_the_application_reads_them(deployment: Deployment) -> None:
    kms = deployment.client("kms")

    def counted() -> None:
        plan = in_this_process.run(deployment, *ENCRYPT[:4], "--dry-run", "--json").document
        assert plan["counts"]["toMove"] == 66 and plan["calls"]["update"] == 0

    moved_with_kills(deployment, count=60, kills=1, before=counted)
    again = in_this_process.run(deployment, *ENCRYPT, expect=1).document
    assert (again["moved"], again["calls"]["update"]) == (0, 0)
    key = deployment.outputs()["documentsKeyArn"]
    # The application: its role reads its documents through S3, and opens nothing under that key by itself.
    given = the_application.credentials(deployment)
    role = "eonpro-app-role"
    rights = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [rights]})
    deployment.client("iam").put_role_policy(RoleName=role, PolicyName="documents", PolicyDocument=document)
    app = deployment.client("s3", credentials=given)
    assert app.get_object(Bucket=BUCKET, Key="patients/00001/scan 1.pdf")["Body"].read() == b"document 1, 0"
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    with pytest.raises(kms.exceptions.ClientError, match="AccessDenied"):
        deployment.client("kms", credentials=given).decrypt(CiphertextBlob=blob, KeyId=key)
    # The doctor's commands put the bucket right.
    found = in_this_process.run(deployment, "doctor", "--quick", "--json", expect=1).document
    causes = {each["cause"]: each["command"] for each in found["findings"]}
    assert {"documents-key-wrong", "documents-encryption-open", "documents-tls-policy-missing"} <= causes.keys()
    for cause in ("documents-key-wrong", "documents-encryption-open"):
        deployment.run(["bash", "-c", causes[cause]])
    app.put_object(Bucket=BUCKET, Key="new", Body=b"new")
    assert deployment.client("s3").head_object(Bucket=BUCKET, Key="new")["SSEKMSKeyId"] == key
    with pytest.raises(app.exceptions.ClientError, match="AccessDenied"):
        app.put_object(Bucket=BUCKET, Key="new", Body=b"new", ServerSideEncryption="AES256")
    found = in_this_process.run(deployment, "doctor", "--quick", "--json", expect=1).document
    # The settings of the set-up were delivered anew; the exceptions are objects under another key.
    assert {each["cause"] for each in found["findings"]} <= {"deployment-stale", "documents-elsewhere"}
    assert in_this_process.run(deployment, "verify", "--json").document["ok"]
