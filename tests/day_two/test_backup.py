"""The wrapped data key backed up, and restored from nothing but the backup and the KMS key.

Touches clinics of its own, and a bucket of backups in the clinic that is set up once.
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
from tests.onboarding.clinic import ESCROW, Clinic
from tests.onboarding.shipped_schemas import next_step
from wizard.commands.backup.destination import parse

RECORD = "Ada Lovelace, blood group 0 negative"


def backed_up(clinic: Clinic, *arguments: str, **options: Any) -> dict[str, Any]:
    return in_this_process.run(clinic, "backup", "--stack", "production", "--json", *arguments, **options).document


@pytest.fixture
def bucket(on_vercel: Clinic) -> str:
    """A bucket with Object Lock, and no default of its own, in another Region than the key."""
    name = f"clinic-backups-{uuid.uuid4().hex}"
    on_vercel.client("s3", region="eu-west-1").create_bucket(
        Bucket=name,
        CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
        ObjectLockEnabledForBucket=True,
    )
    return name


# --- what the backup is for


def test_a_record_opens_from_nothing_but_the_backup_and_the_key(clinic: Clinic, tmp_path: Path) -> None:
    clinic.set_up("vercel")
    (record,) = the_application.write(clinic, clinic.deployed(), RECORD)
    backup = tmp_path / "production.backup.json"
    backed_up(clinic, "--to", str(backup))

    # All but the stack's state is gone: one command puts it back, and the application has its variables again.
    lose_the_data_key(clinic)
    clinic.wizard("restore", "--from-backup", str(backup), "--yes", "--confirm", "production", "--no-redeploy")
    assert the_application.read(clinic, clinic.deployed(), record) == [RECORD]
    assert clinic.parameters()[ESCROW] == json.loads(backup.read_text())["wrappedKey"]

    # The state is gone too, and with it everything that speaks of the stack. The document says what there is to do.
    lose_the_data_key(clinic)
    shutil.rmtree(clinic.environment["PULUMI_BACKEND_URL"].removeprefix("file://"))
    found = json.loads(backup.read_text())
    variables = {
        "AWS_REGION": found["region"],
        "AWS_KMS_KEY_ID": found["keyArn"],
        "ENCRYPTED_PHI_KEY": found["wrappedKey"],
    }
    kms = clinic.client("kms", credentials=the_application.credentials(clinic))
    opened = kms.decrypt(KeyId=found["keyArn"], CiphertextBlob=base64.b64decode(found["wrappedKey"]))
    assert (len(opened["Plaintext"]), opened["KeyId"]) == (32, found["keyArn"])
    assert the_application.read(clinic, variables, record) == [RECORD]


def lose_the_data_key(clinic: Clinic) -> None:
    """The escrow with its history, every version beside it, and the variables on Vercel."""
    ssm = clinic.client("ssm")
    for name in clinic.parameters():
        ssm.delete_parameter(Name=name)
    for variable in clinic.vercel("GET", "/v10/projects/eonpro/env")["envs"]:
        clinic.vercel("DELETE", f"/v9/projects/eonpro/env/{variable['id']}")
    assert clinic.parameters() == {} and clinic.variables() == {}


@pytest.mark.thorough
def test_a_stack_whose_state_is_lost_too_is_taken_in_again_with_the_backups_data_key(
    clinic: Clinic, tmp_path: Path
) -> None:
    clinic.set_up("vercel")
    (record,) = the_application.write(clinic, clinic.deployed(), RECORD)
    backup = tmp_path / "production.backup.json"
    backed_up(clinic, "--to", str(backup))
    lose_the_data_key(clinic)
    shutil.rmtree(clinic.environment["PULUMI_BACKEND_URL"].removeprefix("file://"))

    wrapped = json.loads(backup.read_text())["wrappedKey"]
    Path(clinic.environment["PULUMI_BACKEND_URL"].removeprefix("file://")).mkdir()
    clinic.set_up("vercel", "--adopt", env={"EONPRO_ENCRYPTED_PHI_KEY": wrapped})

    assert the_application.read(clinic, clinic.deployed(), record) == [RECORD]
    assert clinic.parameters()[ESCROW] == wrapped


# --- a file


def test_a_file_is_its_owners_alone_and_changes_nothing_in_the_cloud(on_vercel: Clinic, tmp_path: Path) -> None:
    place = tmp_path / "backup.json"
    on_vercel.forget_calls()

    told = backed_up(on_vercel, "--to", str(place))

    assert on_vercel.changes() == {}
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    backup = parse(place.read_bytes(), "it")
    assert backup.wrapped.value == on_vercel.parameters()[ESCROW]
    assert (backup.account, backup.region, backup.environment) == ("123456789012", "us-east-1", "production")
    assert backup.key_arn == on_vercel.outputs()["keyArn"] == told["keyArn"]
    (kept,) = told["kept"]
    assert (kept["kind"], kept["state"], kept["place"]) == ("file", "written", str(place))
    assert backup.wrapped.value not in json.dumps(told)


@pytest.mark.thorough
def test_a_backup_is_written_once_and_never_over_another(on_vercel: Clinic, tmp_path: Path) -> None:
    place, other = tmp_path / "backup.json", tmp_path / "notes.txt"
    other.write_text("of somebody else")
    backed_up(on_vercel, "--to", str(place))
    before = place.read_bytes()

    again = backed_up(on_vercel, "--to", str(place))
    refused = backed_up(on_vercel, "--to", str(other), expect=2)

    assert again["kept"][0]["state"] == "there" and place.read_bytes() == before
    assert refused["exitCode"] == 2 and other.read_text() == "of somebody else"


@pytest.mark.thorough
def test_a_backup_needs_neither_vercel_nor_the_state(on_vercel: Clinic, tmp_path: Path) -> None:
    away = {"VERCEL_TOKEN": None, "PULUMI_BACKEND_URL": f"file://{tmp_path / 'nowhere'}"}
    told = backed_up(on_vercel, "--to", str(tmp_path / "backup.json"), env=away)
    assert told["kept"][0]["state"] == "written"


# --- an object


def test_an_object_is_locked_for_as_long_as_the_audit_log_where_its_bucket_says_nothing(
    on_vercel: Clinic, bucket: str
) -> None:
    place = f"s3://{bucket}/eonpro/backup.json"

    told = backed_up(on_vercel, "--to", place)["kept"][0]

    s3 = on_vercel.client("s3", region="eu-west-1")
    held = s3.get_object(Bucket=bucket, Key="eonpro/backup.json", ChecksumMode="ENABLED")
    assert parse(held["Body"].read(), "it").wrapped.value == on_vercel.parameters()[ESCROW]
    assert held["ChecksumSHA256"] and held["ServerSideEncryption"] == "AES256" == told["encryption"]
    years = (held["ObjectLockRetainUntilDate"] - held["LastModified"]).days / 365.25
    assert held["ObjectLockMode"] == "GOVERNANCE" == told["lockMode"] and 6.9 < years < 7.1
    assert (told["state"], told["region"], told["place"]) == ("written", "eu-west-1", place)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket, Key="eonpro/backup.json", VersionId=held["VersionId"])


@pytest.mark.thorough
def test_an_object_is_written_once_and_no_other_version_follows(on_vercel: Clinic, bucket: str) -> None:
    place = f"s3://{bucket}/backup.json"
    backed_up(on_vercel, "--to", place)
    on_vercel.forget_calls()

    again = backed_up(on_vercel, "--to", place)

    assert again["kept"][0]["state"] == "there"
    versions = on_vercel.client("s3", region="eu-west-1").list_object_versions(Bucket=bucket)["Versions"]
    assert [each["Key"] for each in versions] == ["backup.json"]


@pytest.mark.thorough
def test_another_object_of_that_name_is_left_alone(on_vercel: Clinic, bucket: str) -> None:
    s3 = on_vercel.client("s3", region="eu-west-1")
    s3.put_object(Bucket=bucket, Key="taken.json", Body=b"of somebody else")

    refused = backed_up(on_vercel, "--to", f"s3://{bucket}/taken.json", expect=2)

    assert "taken.json" in refused["message"]
    assert s3.get_object(Bucket=bucket, Key="taken.json")["Body"].read() == b"of somebody else"


@pytest.mark.thorough
def test_a_bucket_without_object_lock_is_refused_and_the_command_that_is_told_mends_it(on_vercel: Clinic) -> None:
    name = f"clinic-plain-{uuid.uuid4().hex}"
    on_vercel.client("s3").create_bucket(Bucket=name)
    place = f"s3://{name}/backup.json"

    refused = backed_up(on_vercel, "--to", place, expect=4)

    assert "Object Lock" in refused["message"]
    assert "Contents" not in on_vercel.client("s3").list_objects_v2(Bucket=name)
    on_vercel.run(["bash", "-ec", next_step(refused)])
    assert backed_up(on_vercel, "--to", place)["kept"][0]["lockMode"] == "GOVERNANCE"


@pytest.mark.thorough
def test_a_bucket_that_is_not_there_is_told_with_the_command_that_makes_it(on_vercel: Clinic) -> None:
    name = f"clinic-none-{uuid.uuid4().hex}"

    refused = backed_up(on_vercel, "--to", f"s3://{name}/backup.json", expect=4)

    on_vercel.run(["bash", "-ec", next_step(refused)])
    assert backed_up(on_vercel, "--to", f"s3://{name}/backup.json")["kept"][0]["state"] == "written"


# --- another Region


@pytest.mark.thorough
def test_without_a_replica_the_copy_in_another_region_opens_with_the_first_key_only(on_vercel: Clinic) -> None:
    told = backed_up(on_vercel, "--to-region", "eu-west-3")["kept"][0]
    again = backed_up(on_vercel, "--to-region", "eu-west-3")["kept"][0]

    ssm = on_vercel.client("ssm", region="eu-west-3")
    held = ssm.get_parameter(Name=told["place"], WithDecryption=True)["Parameter"]
    assert held["Value"] == on_vercel.parameters()[ESCROW] and held["Type"] == "SecureString"
    assert told["opensWith"] == on_vercel.outputs()["keyArn"] and told["region"] == "eu-west-3"
    assert told["place"] != ESCROW and (told["state"], again["state"]) == ("written", "there")
    assert held["Version"] == 1


@pytest.mark.thorough
def test_where_a_replica_is_the_copy_is_the_escrow_there_and_the_replica_opens_it(clinic: Clinic) -> None:
    clinic.set_up("multi-region")
    ssm = clinic.client("ssm", region="us-west-2")
    ssm.delete_parameter(Name=ESCROW)

    told = backed_up(clinic, "--to-region", "us-west-2")["kept"][0]

    (replica,) = clinic.outputs()["replicaKeyArns"]
    assert (told["place"], told["state"], told["opensWith"]) == (ESCROW, "written", replica)
    held = ssm.get_parameter(Name=ESCROW, WithDecryption=True)["Parameter"]["Value"]
    assert held == clinic.parameters()[ESCROW]
    task = clinic.task_credentials()
    kms = clinic.client("kms", region="us-west-2", credentials={**task, "SessionToken": task["Token"]})
    opened = kms.decrypt(KeyId=replica, CiphertextBlob=base64.b64decode(held))
    assert (len(opened["Plaintext"]), opened["KeyId"]) == (32, replica)
