"""docs/leaving.md: its program opens what the library wrote, without the library, and it is short."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from eonpro_phi import PhiCipher, place

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "leaving.md").read_text()
(PROGRAM,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
HERE = place("Patient", "email", 7)


@pytest.fixture(scope="module")
def key(moto_url: str) -> tuple[PhiCipher, dict[str, str]]:
    """A library's cipher, and the variables of the application that has the same key."""
    credentials = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    kms = boto3.client("kms", region_name="us-east-1", endpoint_url=moto_url, **credentials)
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    made = kms.generate_data_key(KeyId=arn, KeySpec="AES_256")
    variables = {
        "PATH": os.defpath,
        "AWS_ENDPOINT_URL": moto_url,
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "s3cret",
        "AWS_REGION": "us-east-1",
        "AWS_KMS_KEY_ID": arn,
        "ENCRYPTED_PHI_KEY": base64.b64encode(made["CiphertextBlob"]).decode(),
        "PYTHONIOENCODING": "utf-8",
    }
    return PhiCipher(made["Plaintext"]), variables


def run(program: str, lines: str, variables: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """The program in a process that can import nothing of this repository."""
    (folder / "read.py").write_text(program)
    command = [sys.executable, "-I", "read.py"]
    return subprocess.run(
        command, input=lines, env=variables, cwd=folder, capture_output=True, encoding="utf-8", timeout=60
    )


def test_the_program_of_the_page_reads_what_the_library_wrote(
    key: tuple[PhiCipher, dict[str, str]], tmp_path: Path
) -> None:
    cipher, variables = key
    lines = [
        str(cipher.encrypt("Jane")),
        str(cipher.encrypt("Jöhn Dœ, 患者 🩺")),
        str(cipher.encrypt_v2("unbound")),
        f"{cipher.encrypt_v2('jane@example.org', HERE)}\t{HERE}",
    ]
    done = run(PROGRAM, "\n".join(lines) + "\n", variables, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["Jane", "Jöhn Dœ, 患者 🩺", "unbound", "jane@example.org"]


def test_it_reads_bytes(key: tuple[PhiCipher, dict[str, str]], tmp_path: Path) -> None:
    cipher, variables = key
    stored = cipher.encrypt_bytes(b"%PDF-1.7", HERE)
    ask = f"print(read_bytes({stored!r}, {HERE!r}))\n"
    done = run(PROGRAM + ask, "", variables, tmp_path)
    assert (done.stdout, done.returncode) == ("b'%PDF-1.7'\n", 0), done.stderr


def test_a_record_of_another_place_is_not_read(key: tuple[PhiCipher, dict[str, str]], tmp_path: Path) -> None:
    cipher, variables = key
    done = run(PROGRAM, f"{cipher.encrypt_v2('Jane', HERE)}\tPatient.email:8\n", variables, tmp_path)
    assert done.returncode == 1 and done.stdout == "" and "InvalidTag" in done.stderr


def test_it_is_short_and_imports_nothing_of_ours() -> None:
    assert len([line for line in PROGRAM.splitlines() if line.strip()]) <= 25
    assert not re.search(r"\b(?:phi|wizard|components)\b", PROGRAM)
