"""The wrapped data key backed up, and restored from nothing but the backup and the KMS key.

Touches deployments of its own, and a bucket of backups in the deployment that is set up once.
"""

from __future__ import annotations

import base64
import json
import shutil
import stat
import uuid
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.day_two import in_this_process, the_application
from tests.onboarding.deployment import STORED_KEY, Deployment
from wizard.data_key.backup_document import parse

pytestmark = pytest.mark.usefixtures("no_backup_afterwards")

RECORD = "Ada Lovelace, blood group 0 negative"


def backed_up(deployment: Deployment, *arguments: str, **options: Any) -> dict[str, Any]:
    return in_this_process.run(deployment, "backup", "--stack", "production", "--json", *arguments, **options).document


@pytest.fixture
def bucket(on_vercel: Deployment) -> str:
    """A bucket with Object Lock, and no default of its own, in another Region than the key."""
    name = f"clinic-backups-{uuid.uuid4().hex}"
    on_vercel.client("s3", region="eu-west-1").create_bucket(
        Bucket=name,
        CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
        ObjectLockEnabledForBucket=True,
    )
    return name


# --- what the backup is for


@pytest.mark.onboarded("vercel")
def test_a_record_opens_from_nothing_but_the_backup_and_the_key(deployment: Deployment, tmp_path: Path) -> None:
    (record,) = the_application.write(deployment, deployment.deployed(), RECORD)
    backup = tmp_path / "production.backup.json"
    backed_up(deployment, "--to", str(backup))

    # All but the stack's state is gone: one command puts it back, and the application has its variables again.
    lose_the_data_key(deployment)
    deployment.wizard("restore", "--from-backup", str(backup), "--confirm", "production", "--no-redeploy")
    assert the_application.read(deployment, deployment.deployed(), record) == [RECORD]
    assert deployment.parameters()[STORED_KEY] == json.loads(backup.read_text())["wrappedKey"]

    # The state is gone too, and with it everything that speaks of the stack. The document says what there is to do.
    lose_the_data_key(deployment)
    shutil.rmtree(deployment.environment["PULUMI_BACKEND_URL"].removeprefix("file://"))
    found = json.loads(backup.read_text())
    variables = {
        "AWS_REGION": found["region"],
        "AWS_KMS_KEY_ID": found["keyArn"],
        "ENCRYPTED_PHI_KEY": found["wrappedKey"],
    }
    kms = deployment.client("kms", credentials=the_application.credentials(deployment))
    opened = kms.decrypt(KeyId=found["keyArn"], CiphertextBlob=base64.b64decode(found["wrappedKey"]))
    assert (len(opened["Plaintext"]), opened["KeyId"]) == (32, found["keyArn"])
    assert the_application.read(deployment, variables, record) == [RECORD]


def lose_the_data_key(deployment: Deployment) -> None:
    """The stored data key with its history, every version beside it, and the variables on Vercel."""
    ssm = deployment.client("ssm")
    for name in deployment.parameters():
        ssm.delete_parameter(Name=name)
    for variable in deployment.vercel("GET", "/v10/projects/eonpro/env")["envs"]:
        deployment.vercel("DELETE", f"/v9/projects/eonpro/env/{variable['id']}")
    assert deployment.parameters() == {} and deployment.variables() == {}


# --- a file


def test_a_file_is_its_owners_alone_and_only_its_place_is_recorded_in_the_cloud(
    on_vercel: Deployment, tmp_path: Path
) -> None:
    place = tmp_path / "backup.json"
    on_vercel.forget_calls()

    document = backed_up(on_vercel, "--to", str(place))

    assert on_vercel.changes() == {"ssm:PutParameter": 1}
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    backup = parse(place.read_bytes(), "it")
    assert backup.wrapped.value == on_vercel.parameters()[STORED_KEY]
    assert (backup.account, backup.region, backup.environment) == ("123456789012", "us-east-1", "production")
    assert backup.key_arn == on_vercel.outputs()["keyArn"] == document["keyArn"]
    (kept,) = document["kept"]
    assert (kept["kind"], kept["state"], kept["place"]) == ("file", "written", str(place))
    assert backup.wrapped.value not in json.dumps(document)


# --- an object


def test_an_object_is_locked_for_as_long_as_the_audit_log_where_its_bucket_says_nothing(
    on_vercel: Deployment, bucket: str
) -> None:
    place = f"s3://{bucket}/eonpro/backup.json"

    entry = backed_up(on_vercel, "--to", place)["kept"][0]

    s3 = on_vercel.client("s3", region="eu-west-1")
    held = s3.get_object(Bucket=bucket, Key="eonpro/backup.json", ChecksumMode="ENABLED")
    assert parse(held["Body"].read(), "it").wrapped.value == on_vercel.parameters()[STORED_KEY]
    assert held["ChecksumSHA256"] and held["ServerSideEncryption"] == "AES256" == entry["encryption"]
    years = (held["ObjectLockRetainUntilDate"] - held["LastModified"]).days / 365.25
    assert held["ObjectLockMode"] == "GOVERNANCE" == entry["lockMode"] and 6.9 < years < 7.1
    assert (entry["state"], entry["region"], entry["place"]) == ("written", "eu-west-1", place)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket, Key="eonpro/backup.json", VersionId=held["VersionId"])


# --- another Region


@pytest.mark.thorough
@pytest.mark.onboarded("multi-region")
def test_where_a_replica_is_the_copy_is_the_stored_data_key_there_and_the_replica_opens_it(
    deployment: Deployment,
) -> None:
    ssm = deployment.client("ssm", region="us-west-2")
    ssm.delete_parameter(Name=STORED_KEY)

    entry = backed_up(deployment, "--to-region", "us-west-2")["kept"][0]

    (replica,) = deployment.outputs()["replicaKeyArns"]
    assert (entry["place"], entry["state"], entry["opensWith"]) == (STORED_KEY, "written", replica)
    held = ssm.get_parameter(Name=STORED_KEY, WithDecryption=True)["Parameter"]["Value"]
    assert held == deployment.parameters()[STORED_KEY]
    task = deployment.task_credentials()
    kms = deployment.client("kms", region="us-west-2", credentials={**task, "SessionToken": task["Token"]})
    opened = kms.decrypt(KeyId=replica, CiphertextBlob=base64.b64decode(held))
    assert (len(opened["Plaintext"]), opened["KeyId"]) == (32, replica)


def test_a_drill_opens_the_backup_as_the_application_and_leaves_only_its_record(
    on_vercel: Deployment, tmp_path: Path
) -> None:
    backed_up(on_vercel, "--to", str(tmp_path / "backup.json"))
    before = {*tmp_path.rglob("*")}
    drill = in_this_process.run(on_vercel, "backup", "drill", "--stack", "production", "--json").document["drill"]
    try:
        assert (drill["opened"], drill["versions"]) == (True, 1)
        assert drill["principal"] == on_vercel.outputs()["appPrincipalArn"]
        assert {*tmp_path.rglob("*")} == before
    finally:
        on_vercel.client("ssm").delete_parameters(Names=["/eonpro/production/restore-drill"])
