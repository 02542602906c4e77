"""`python -m eonpro_phi wrap` in a process of its own, against an emulated AWS."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pexpect
import pytest

from eonpro_phi.record import key_id
from tests.onboarding.loaded import loaded_python

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """An emulated account with a key."""

    url: str
    key_arn: str
    kms: Any

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "s3cret/S3CRET",
            "AWS_REGION": "us-east-1",
            "AWS_KMS_KEY_ID": self.key_arn,
            "AWS_EC2_METADATA_DISABLED": "true",
            "PATH": os.environ["PATH"],
        }

    def unwrap(self, wrapped: str) -> bytes:
        key: bytes = self.kms.decrypt(CiphertextBlob=base64.b64decode(wrapped))["Plaintext"]
        return key


@pytest.fixture(scope="module")
def cloud(moto_url: str) -> Cloud:
    kms = boto3.client(
        "kms", region_name="us-east-1", endpoint_url=moto_url, aws_access_key_id="x", aws_secret_access_key="x"
    )
    return Cloud(url=moto_url, key_arn=kms.create_key()["KeyMetadata"]["Arn"], kms=kms)


def run(cloud: Cloud, text: str, **more: str | None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in {**cloud.environment, **more}.items() if value is not None}
    return subprocess.run(
        [loaded_python(), "-m", "eonpro_phi", "wrap"],
        cwd=ROOT,
        env=environment,
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_key_comes_back_wrapped_and_opens_to_the_same_bytes(cloud: Cloud) -> None:
    key = secrets.token_bytes(32)
    done = run(cloud, f"{key.hex()}\n")
    result = json.loads(done.stdout)
    assert (done.returncode, result["keyArn"]) == (0, cloud.key_arn)
    assert cloud.unwrap(result["wrapped"]) == key
    assert result["keyCheckValue"] == key_id(key)


def test_capitals_are_as_good(cloud: Cloud) -> None:
    key = secrets.token_bytes(32)
    assert cloud.unwrap(json.loads(run(cloud, key.hex().upper()).stdout)["wrapped"]) == key


def test_the_key_is_in_nothing_that_is_printed(cloud: Cloud) -> None:
    key = secrets.token_bytes(32)
    done = run(cloud, key.hex())
    for spelled in (key.hex(), key.hex().upper(), base64.b64encode(key).decode()):
        assert spelled not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The input is empty"),
        ("\n \n", "The input is empty"),
        ("ab" * 31, "62 hex digits"),
        ("ab" * 33, "66 hex digits"),
        ("zz" * 32, "not all are hex digits"),
        ("0x" + "ab" * 31, "not all are hex digits"),
        (f'"{"ab" * 32}"', "quotation marks"),
        ("ab" * 16 + "\n" + "ab" * 16, "not all are hex digits"),
        ("ab" * 9000, "more than 4096"),
    ],
)
def test_another_input_is_refused_and_not_repeated(cloud: Cloud, text: str, message: str) -> None:
    done = run(cloud, text)
    result = json.loads(done.stdout)
    assert (done.returncode, result["wrapped"], result["cause"]) == (1, None, "InvalidEncryptionKey")
    assert message in result["message"]
    assert "abab" not in done.stdout + done.stderr and "zzzz" not in done.stdout


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        ({"AWS_KMS_KEY_ID": None}, "MissingVariable"),
        ({"AWS_KMS_KEY_ID": "alias/eonpro-phi-key"}, "MalformedVariable"),
        ({"AWS_REGION": "eu-central-1"}, "MalformedVariable"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "Unreachable"),
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "BadCredentials"),
    ],
)
def test_an_error_before_or_at_kms_has_no_traceback(
    cloud: Cloud, more: dict[str, str | None], cause: str, tmp_path: Path
) -> None:
    key = secrets.token_hex(32)
    done = run(cloud, key, HOME=str(tmp_path), **more)
    assert (done.returncode, json.loads(done.stdout)["cause"]) == (1, cause)
    assert key not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_key_that_does_not_exist_is_reported(cloud: Cloud) -> None:
    other = f"{cloud.key_arn.rpartition('/')[0]}/00000000-0000-4000-8000-000000000000"
    done = run(cloud, secrets.token_hex(32), AWS_KMS_KEY_ID=other)
    assert json.loads(done.stdout)["cause"] == "NotFound"


def test_the_terminal_does_not_show_the_typed_key(cloud: Cloud) -> None:
    key = secrets.token_bytes(32)
    child = pexpect.spawn(
        sys.executable,
        ["-m", "eonpro_phi", "wrap", "--prompt"],
        cwd=ROOT,
        env=cloud.environment,
        encoding="utf-8",
        timeout=30,
    )
    child.expect("ENCRYPTION_KEY .*: ")
    child.sendline(key.hex())
    child.expect(pexpect.EOF)
    assert key.hex() not in child.before
    assert cloud.unwrap(json.loads(child.before)["wrapped"]) == key


def test_without_prompt_nothing_is_read_from_a_terminal(cloud: Cloud) -> None:
    child = pexpect.spawn(
        sys.executable, ["-m", "eonpro_phi", "wrap"], cwd=ROOT, env=cloud.environment, encoding="utf-8", timeout=30
    )
    child.expect(pexpect.EOF)
    assert json.loads(child.before)["cause"] == "InvalidEncryptionKey"
