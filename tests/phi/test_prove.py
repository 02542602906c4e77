"""`python -m eonpro_phi prove` in a process of its own, with only its environment, against an emulated AWS."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from eonpro_phi.record import key_id
from tests.onboarding.loaded import loaded_python

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """An emulated account with a key, another key, and a wrapped data key."""

    url: str
    key_arn: str
    other_arn: str
    blob: bytes
    same_blob: bytes
    """The same data key, wrapped once more."""
    older_blob: bytes
    short_blob: bytes
    plaintext: bytes

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "s3cret/S3CRET",
            "AWS_REGION": "us-east-1",
            "AWS_KMS_KEY_ID": self.key_arn,
            "ENCRYPTED_PHI_KEY": base64.b64encode(self.blob).decode(),
        }


@pytest.fixture(scope="module")
def cloud(moto_url: str) -> Cloud:
    kms = boto3.client(
        "kms", region_name="us-east-1", endpoint_url=moto_url, aws_access_key_id="x", aws_secret_access_key="x"
    )
    key, other = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))
    blob = kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")["CiphertextBlob"]
    plaintext = kms.decrypt(CiphertextBlob=blob)["Plaintext"]
    return Cloud(
        url=moto_url,
        key_arn=key,
        other_arn=other,
        blob=blob,
        same_blob=kms.encrypt(KeyId=key, Plaintext=plaintext)["CiphertextBlob"],
        older_blob=kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")["CiphertextBlob"],
        short_blob=kms.encrypt(KeyId=key, Plaintext=b"sixteen bytes....")["CiphertextBlob"],
        plaintext=plaintext,
    )


@dataclass
class Script:
    """An endpoint whose KMS answers with `code`, or else with `answer`."""

    url: str = ""
    code: str = "DryRunOperationException"
    answer: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, bool]] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "s3cret/S3CRET",
            "AWS_REGION": "us-east-1",
            "AWS_KMS_KEY_ID": "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555",
            "ENCRYPTED_PHI_KEY": base64.b64encode(b"k" * 184).decode(),
        }

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Script]:
        script = cls()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if operation := self.headers.get("X-Amz-Target", "").rpartition(".")[2]:
                    script.bodies.append(json.loads(body))
                    script.asked.append((operation, script.bodies[-1].get("DryRun") is True))
                    status = 412 if script.code.startswith("DryRun") else 400 if script.code else 200
                    self.answer(status, json.dumps({"__type": script.code} if script.code else script.answer))
                else:
                    self.answer(200, CALLER)

            def answer(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                """Nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        script.url = f"http://127.0.0.1:{server.server_port}"
        yield script
        server.shutdown()
        server.server_close()


CALLER = """<GetCallerIdentityResponse><GetCallerIdentityResult><UserId>AIDA</UserId><Account>123456789012</Account>
<Arn>arn:aws:iam::123456789012:user/app</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>"""


def prove(environment: dict[str, str], *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, verdict and all output; the verdict must be the only line of stdout."""
    done = subprocess.run(
        [loaded_python(), "-m", "eonpro_phi", *(arguments or ("prove",))],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    [line] = done.stdout.splitlines()
    return done.returncode, json.loads(line), done.stdout + done.stderr


def test_an_application_with_all_it_needs_is_proved(cloud: Cloud) -> None:
    code, verdict, _ = prove(cloud.environment)
    assert code == 0
    principal = verdict.pop("principal")
    assert principal.startswith("arn:aws:sts::123456789012:") or principal.startswith("arn:aws:iam::123456789012:")
    assert verdict == {
        "proved": True,
        "keyArn": cloud.key_arn,
        "keyBytes": 32,
        "fingerprint": "sha256:" + hashlib.sha256(cloud.blob).hexdigest()[:16],
        "keyCheckValues": {"sha256:" + hashlib.sha256(cloud.blob).hexdigest()[:16]: key_id(cloud.plaintext)},
        "record": "round trip",
    }


def test_the_verdict_has_the_check_value_of_every_key_that_was_opened(cloud: Cloud) -> None:
    others = {
        "ENCRYPTED_PHI_KEYS_FOR_READING": base64.b64encode(cloud.older_blob).decode(),
        "ENCRYPTED_PHI_HASH_KEY": base64.b64encode(cloud.same_blob).decode(),
    }
    _, verdict, _ = prove({**cloud.environment, **others})
    fingerprints = [f"sha256:{hashlib.sha256(blob).hexdigest()[:16]}" for blob in (cloud.blob, cloud.same_blob)]
    assert len(verdict["keyCheckValues"]) == 3 and len(set(verdict["keyCheckValues"].values())) == 2
    assert {verdict["keyCheckValues"][fingerprint] for fingerprint in fingerprints} == {key_id(cloud.plaintext)}


@pytest.mark.parametrize("variable", ["ENCRYPTED_PHI_KEY", "ENCRYPTED_PHI_HASH_KEY"])
def test_another_key_than_the_check_value_says_is_refused_before_it_is_used(cloud: Cloud, variable: str) -> None:
    wrapped = {"ENCRYPTED_PHI_HASH_KEY": base64.b64encode(cloud.older_blob).decode()}
    check_value = {f"{variable}_CHECK_VALUE": "0123456789abcdef"}
    code, verdict, _ = prove({**cloud.environment, **wrapped, **check_value})
    assert (code, verdict["proved"], verdict["cause"]) == (1, False, "WrongKeyCheckValue")
    assert "0123456789abcdef" in verdict["message"] and "record" not in verdict


@pytest.fixture
def sandbox() -> Iterator[Script]:
    """An endpoint that evaluates a Decrypt with DryRun as AWS does, and that counts what it was asked for."""
    with Script.started() as script:
        yield script


def test_the_plaintext_of_the_data_key_does_not_come_to_the_operators_machine_for_a_check(sandbox: Script) -> None:
    code, verdict, _ = prove(sandbox.environment, "prove", "--dry-run")
    assert (code, verdict["proved"], verdict["record"]) == (0, True, "dry run")
    assert "keyBytes" not in verdict
    assert sandbox.asked == [("Decrypt", True)]


def test_the_verdict_names_the_key_material_that_opened_the_data_key(sandbox: Script) -> None:
    key_arn, plaintext = sandbox.environment["AWS_KMS_KEY_ID"], base64.b64encode(bytes(32)).decode()
    sandbox.code, sandbox.answer = "", {"KeyId": key_arn, "Plaintext": plaintext, "KeyMaterialId": "0f" * 32}
    code, verdict, _ = prove(sandbox.environment)
    assert (code, verdict["record"], verdict["keyMaterialId"]) == (0, "round trip", "0f" * 32)


@pytest.mark.parametrize(
    ("code", "cause"),
    [("AccessDeniedException", "AccessDenied"), ("InvalidCiphertextException", "InvalidCiphertext")],
)
def test_a_dry_run_that_kms_refuses_does_not_prove(sandbox: Script, code: str, cause: str) -> None:
    sandbox.code = code
    done, verdict, _ = prove(sandbox.environment, "prove", "--dry-run")
    assert (done, verdict["proved"], verdict["cause"]) == (1, False, cause)


@pytest.mark.parametrize(
    ("code", "proved", "said"),
    [
        ("DryRunOperationException", True, {"record": "permission"}),
        ("AccessDeniedException", False, {"cause": "AccessDenied"}),
        ("DisabledException", False, {"cause": "Disabled"}),
        ("ValidationException", False, {"cause": "Unsupported"}),
    ],
)
def test_the_right_to_decrypt_is_known_when_the_data_key_is_lost(
    sandbox: Script, code: str, proved: bool, said: dict[str, str]
) -> None:
    sandbox.code = code
    environment = {name: value for name, value in sandbox.environment.items() if name != "ENCRYPTED_PHI_KEY"}
    done, verdict, _ = prove(environment, "prove", "--permission")
    assert (done, verdict["proved"]) == (int(not proved), proved)
    assert said.items() <= verdict.items()
    assert "fingerprint" not in verdict
    assert sandbox.bodies == [
        {"KeyId": environment["AWS_KMS_KEY_ID"], "DryRun": True, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}
    ]


def test_an_endpoint_without_such_a_dry_run_gives_neither_a_key_nor_a_proof(cloud: Cloud) -> None:
    code, verdict, output = prove(cloud.environment, "prove", "--permission")
    assert (code, verdict["proved"], verdict["cause"]) == (1, False, "Unsupported")
    assert base64.b64encode(cloud.plaintext).decode() not in output


def test_an_endpoint_that_ignores_a_dry_run_is_named_and_shows_no_key(cloud: Cloud) -> None:
    code, verdict, output = prove(cloud.environment, "prove", "--dry-run")
    assert (code, verdict["proved"], verdict["record"]) == (0, True, "dry run ignored")
    assert cloud.plaintext.hex() not in output
    assert base64.b64encode(cloud.plaintext).decode() not in output


@pytest.mark.parametrize("variable", ["ENCRYPTED_PHI_KEYS_FOR_READING", "ENCRYPTED_PHI_HASH_KEY"])
def test_every_reading_key_and_the_hash_key_are_unwrapped_too(cloud: Cloud, variable: str) -> None:
    code, verdict, _ = prove(changed(cloud, **{variable: base64.b64encode(cloud.older_blob).decode()}))
    assert (code, verdict["proved"], verdict["otherKeys"]) == (0, True, 1)
    short = base64.b64encode(cloud.short_blob).decode()
    code, verdict, _ = prove(changed(cloud, **{variable: short}))
    assert (code, verdict["proved"], verdict["cause"]) == (1, False, "WrongLength")
    assert hashlib.sha256(cloud.short_blob).hexdigest()[:16] in verdict["message"]


def test_a_reading_key_that_opens_to_the_same_data_key_is_named_and_another_one_is_not(cloud: Cloud) -> None:
    named = f"sha256:{hashlib.sha256(cloud.same_blob).hexdigest()[:16]}"
    for blob, same in ((cloud.same_blob, [named]), (cloud.older_blob, None)):
        wrapped = base64.b64encode(blob).decode()
        code, verdict, output = prove(changed(cloud, ENCRYPTED_PHI_KEYS_FOR_READING=wrapped))
        assert (code, verdict["proved"], verdict.get("sameKeys")) == (0, True, same)
        assert cloud.plaintext.hex() not in output


def test_the_proof_shows_neither_key_nor_secret_nor_record(cloud: Cloud) -> None:
    _, _, output = prove(cloud.environment)
    key = cloud.plaintext
    assert "\n" not in output.rstrip("\n")
    for secret in (
        key.hex(),
        base64.b64encode(key).decode(),
        "S3CRET",
        "Synthetic",
        cloud.environment["ENCRYPTED_PHI_KEY"],
    ):
        assert secret not in output


def changed(cloud: Cloud, **changes: str) -> dict[str, str]:
    return {**cloud.environment, **changes}


def test_another_key_does_not_prove(cloud: Cloud) -> None:
    # The emulator answers AccessDenied where AWS answers IncorrectKeyException.
    code, verdict, _ = prove(changed(cloud, AWS_KMS_KEY_ID=cloud.other_arn))
    assert code == 1 and verdict["proved"] is False
    assert verdict["cause"] in ("AccessDenied", "WrongKey")
    assert verdict["keyArn"] == cloud.other_arn and verdict["principal"]


def test_a_key_that_does_not_exist_does_not_prove(cloud: Cloud) -> None:
    arn = cloud.key_arn.rsplit("/", 1)[0] + "/11111111-2222-3333-4444-555555555555"
    code, verdict, _ = prove(changed(cloud, AWS_KMS_KEY_ID=arn))
    assert (code, verdict["proved"], verdict["cause"]) == (1, False, "NotFound")


def test_a_wrapped_key_cut_between_its_bytes_does_not_prove(cloud: Cloud) -> None:
    cut = base64.b64encode(cloud.blob[:-3]).decode()
    code, verdict, _ = prove(changed(cloud, ENCRYPTED_PHI_KEY=cut))
    assert (code, verdict["proved"], verdict["cause"]) == (1, False, "InvalidCiphertext")


def test_a_wrapped_key_of_another_length_does_not_prove(cloud: Cloud) -> None:
    code, verdict, _ = prove(changed(cloud, ENCRYPTED_PHI_KEY=base64.b64encode(cloud.short_blob).decode()))
    assert (code, verdict["proved"], verdict["cause"]) == (1, False, "WrongLength")
    assert "keyBytes" not in verdict


def test_a_wrapped_key_cut_in_its_text_does_not_prove(cloud: Cloud) -> None:
    code, verdict, _ = prove(changed(cloud, ENCRYPTED_PHI_KEY=cloud.environment["ENCRYPTED_PHI_KEY"][:-1]))
    assert (code, verdict["proved"], verdict["cause"]) == (1, False, "MalformedVariable")


def test_a_quoted_wrapped_key_does_not_prove(cloud: Cloud) -> None:
    quoted = f'"{cloud.environment["ENCRYPTED_PHI_KEY"]}"'
    code, verdict, _ = prove(changed(cloud, ENCRYPTED_PHI_KEY=quoted))
    assert (code, verdict["proved"], verdict["cause"]) == (1, False, "MalformedVariable")
    assert "quotation marks" in verdict["message"]


@pytest.mark.parametrize(
    "name",
    ["AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
)
def test_an_empty_or_missing_variable_does_not_prove_and_is_named(cloud: Cloud, name: str) -> None:
    code, verdict, _ = prove(changed(cloud, **{name: ""}))
    assert (code, verdict["proved"], verdict["cause"]) == (1, False, "MissingVariable")
    assert f"{name} is empty" in verdict["message"]
    environment = cloud.environment
    del environment[name]
    code, verdict, _ = prove(environment)
    assert (code, verdict["cause"], verdict["message"]) == (1, "MissingVariable", f"{name} is not set.")


def test_an_endpoint_that_refuses_does_not_prove(cloud: Cloud) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    code, verdict, _ = prove(changed(cloud, AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}"))
    assert (code, verdict["proved"], verdict["cause"]) == (1, False, "Unreachable")


VARIABLES = (
    "AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
)  # fmt: skip


def prove_stdin(cloud: Cloud, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [loaded_python(), "-m", "eonpro_phi", "prove", "--stdin"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "AWS_ENDPOINT_URL": cloud.url},
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_variables_can_come_from_standard_input(cloud: Cloud) -> None:
    done = prove_stdin(cloud, json.dumps({name: cloud.environment[name] for name in VARIABLES}))
    assert (done.returncode, json.loads(done.stdout)["proved"]) == (0, True)


def test_a_variable_missing_in_standard_input_is_not_read_from_the_environment(cloud: Cloud) -> None:
    done = prove_stdin(cloud, json.dumps({name: cloud.environment[name] for name in VARIABLES[1:]}))
    assert (done.returncode, json.loads(done.stdout)["cause"]) == (1, "MissingVariable")


@pytest.mark.parametrize("text", ["[]", '{"AWS_REGION": 3}', "3"])
def test_other_input_than_an_object_of_strings_is_refused_without_a_verdict(cloud: Cloud, text: str) -> None:
    done = prove_stdin(cloud, text)
    assert (done.returncode, done.stdout) == (1, "")
    assert "not a JSON object of strings" in done.stderr


def test_a_wrong_command_line_is_a_usage_error_with_nothing_on_stdout(cloud: Cloud) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "eonpro_phi", "disprove"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
