"""The wrapping of a former ENCRYPTION_KEY as it is run: a process of its own, before an emulated AWS."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pexpect
import pytest
from moto.server import ThreadedMotoServer

from phi import wrapping
from phi.errors import InvalidEncryptionKey

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

    def opened(self, wrapped: str) -> bytes:
        found: bytes = self.kms.decrypt(CiphertextBlob=base64.b64decode(wrapped))["Plaintext"]
        return found


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    kms = boto3.client(
        "kms", region_name="us-east-1", endpoint_url=url, aws_access_key_id="x", aws_secret_access_key="x"
    )
    yield Cloud(url=url, key_arn=kms.create_key()["KeyMetadata"]["Arn"], kms=kms)
    server.stop()


def run(cloud: Cloud, given: str, **more: str | None) -> subprocess.CompletedProcess[str]:
    environment = {name: text for name, text in {**cloud.environment, **more}.items() if text is not None}
    return subprocess.run(
        [sys.executable, "-m", "phi", "wrap"],
        cwd=ROOT,
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_key_comes_back_wrapped_and_opens_to_the_same_bytes(cloud: Cloud) -> None:
    key = secrets.token_bytes(32)
    done = run(cloud, f"{key.hex()}\n")
    told = json.loads(done.stdout)
    assert (done.returncode, told["keyArn"]) == (0, cloud.key_arn)
    assert cloud.opened(told["wrapped"]) == key


def test_capitals_are_as_good(cloud: Cloud) -> None:
    key = secrets.token_bytes(32)
    assert cloud.opened(json.loads(run(cloud, key.hex().upper()).stdout)["wrapped"]) == key


def test_the_key_is_in_nothing_that_is_printed(cloud: Cloud) -> None:
    key = secrets.token_bytes(32)
    done = run(cloud, key.hex())
    for spelled in (key.hex(), key.hex().upper(), base64.b64encode(key).decode()):
        assert spelled not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ("", "Nothing was given"),
        ("\n \n", "Nothing was given"),
        ("ab" * 31, "62 hex digits"),
        ("ab" * 33, "66 hex digits"),
        ("zz" * 32, "other characters"),
        ("0x" + "ab" * 31, "other characters"),
        (f'"{"ab" * 32}"', "quotation marks"),
        ("ab" * 16 + "\n" + "ab" * 16, "other characters"),
        ("ab" * 9000, "More than 4096"),
    ],
)
def test_what_is_no_key_is_refused_and_not_repeated(cloud: Cloud, given: str, word: str) -> None:
    done = run(cloud, given)
    told = json.loads(done.stdout)
    assert (done.returncode, told["wrapped"], told["cause"]) == (1, None, "InvalidEncryptionKey")
    assert word in told["message"]
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
def test_what_kms_cannot_be_asked_is_told_without_a_traceback(
    cloud: Cloud, more: dict[str, str | None], cause: str, tmp_path: Path
) -> None:
    key = secrets.token_hex(32)
    done = run(cloud, key, HOME=str(tmp_path), **more)
    assert (done.returncode, json.loads(done.stdout)["cause"]) == (1, cause)
    assert key not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_key_that_is_not_there_is_told(cloud: Cloud) -> None:
    other = f"{cloud.key_arn.rpartition('/')[0]}/00000000-0000-4000-8000-000000000000"
    done = run(cloud, secrets.token_hex(32), AWS_KMS_KEY_ID=other)
    assert json.loads(done.stdout)["cause"] == "NotFound"


def test_a_person_types_it_and_the_terminal_does_not_show_it(cloud: Cloud) -> None:
    key = secrets.token_bytes(32)
    child = pexpect.spawn(
        sys.executable, ["-m", "phi", "wrap", "--prompt"], cwd=ROOT, env=cloud.environment, encoding="utf-8", timeout=30
    )
    child.expect("ENCRYPTION_KEY .*: ")
    child.sendline(key.hex())
    child.expect(pexpect.EOF)
    assert key.hex() not in child.before
    assert cloud.opened(json.loads(child.before)["wrapped"]) == key


def test_at_a_terminal_nothing_is_read_in_the_open(cloud: Cloud) -> None:
    child = pexpect.spawn(
        sys.executable, ["-m", "phi", "wrap"], cwd=ROOT, env=cloud.environment, encoding="utf-8", timeout=30
    )
    child.expect(pexpect.EOF)
    assert json.loads(child.before)["cause"] == "InvalidEncryptionKey"


def test_what_was_read_is_overwritten_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[bytearray] = []

    def encrypt(region: str, key_arn: str, key: bytearray) -> bytes:
        held.append(key)
        assert bytes(key) == b"\xab" * 32
        return b"wrapped"

    def read() -> bytearray:
        held.append(bytearray(b"ab" * 32))
        return held[-1]

    monkeypatch.setattr(wrapping, "encrypted", encrypt)
    monkeypatch.setattr("logging.disable", lambda level: None)
    arn = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    told = wrapping.wrap({"AWS_REGION": "us-east-1", "AWS_KMS_KEY_ID": arn}, read)
    assert told["wrapped"]
    assert [set(each) for each in held] == [{0}, {0}]


def test_a_refusal_overwrites_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    held = bytearray(b"not a key")
    monkeypatch.setattr("logging.disable", lambda level: None)
    arn = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    told = wrapping.wrap({"AWS_REGION": "us-east-1", "AWS_KMS_KEY_ID": arn}, lambda: held)
    assert told["cause"] == InvalidEncryptionKey.__name__
    assert set(held) == {0}
