"""`phi check` of Python and of Node: every fault of the variables at once, in the same words, and exit code 1."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from eonpro_phi import PHI_FIELDS
from eonpro_phi.aws_errors import ERRORS_BY_CODE
from eonpro_phi.check import check, text_of
from tests.onboarding.loaded import loaded_python
from tools import node_package
from tools.bootstrap.places import PROJECT

pytestmark = [pytest.mark.needs("node"), pytest.mark.needs("npm")]

ARN = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
REPLICATED = f"arn:aws:kms:us-east-1:123456789012:key/mrk-{'0a' * 16}"
BLOB, OTHER = (base64.b64encode(bytes([number]) * 184).decode() for number in (1, 2))
GOOD = {"AWS_REGION": "us-east-1", "AWS_KMS_KEY_ID": ARN, "ENCRYPTED_PHI_KEY": BLOB}
NAMES = "AWS_REGION=EONPRO_AWS_REGION,AWS_KMS_KEY_ID=EONPRO_KMS_KEY_ID"
DEPLOYED: tuple[dict[str, str], ...] = (
    {"NODE_ENV": "production"},
    {"VERCEL_ENV": "production"},
    {"VERCEL_ENV": "preview"},
    {"ECS_CONTAINER_METADATA_URI": "http://169.254.170.2/v3"},
    {"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4"},
    {"KUBERNETES_SERVICE_HOST": "10.0.0.1"},
    {"AWS_LAMBDA_FUNCTION_NAME": "intake"},
)
COMMANDS: dict[str, list[str]] = {
    "python": [str(loaded_python()), "-m", "eonpro_phi"],
    "node": ["node", "dist/esm/cli.js"],
}

VALUES: dict[str, tuple[str | None, ...]] = {
    "AWS_REGION": ("us-east-1", None, "", "us-East-1", "eu-west-1", " us-east-1", "'us-east-1'", "us-east-1\n"),
    "AWS_KMS_KEY_ID": (ARN, None, "", REPLICATED, "alias/eonpro-phi-key", f'"{ARN}"', f"{ARN}\x1c", ARN.upper()),
    "ENCRYPTED_PHI_KEY": (BLOB, None, "", "AB==", f" {BLOB}", BLOB[:-1], "-_-_", "A" * 9000),
}
OTHERS: tuple[dict[str, str], ...] = (
    {},
    {"ENCRYPTED_PHI_KEYS_FOR_READING": f"{OTHER}\u2003{BLOB}\x85'{OTHER} x"},
    {"ENCRYPTED_PHI_HASH_KEY": "none", "ENCRYPTED_PHI_HASH_KEYS_FOR_READING": f"derived none {OTHER}"},
    {"ENCRYPTED_PHI_HASH_KEY": OTHER, "ENCRYPTED_PHI_HASH_KEY_CHECK_VALUE": "0123456789abcdef"},
    {"ENCRYPTED_PHI_HASH_KEY_CHECK_VALUE": "0123456789abcdef", "ENCRYPTED_PHI_KEY_CHECK_VALUE": "0123456789ABCDEF"},
    {"PHI_VARIABLE_NAMES": NAMES, "EONPRO_AWS_REGION": "us-east-1"},
    {"PHI_VARIABLE_NAMES": NAMES, "EONPRO_AWS_REGION": "eu-west-1", "EONPRO_KMS_KEY_ID": ARN},
    {"PHI_VARIABLE_NAMES": "AWS_REGION=EONPRO-REGION"},
    {"VERCEL": "1", "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE"},
    {"PHI_VARIABLE_NAMES": "AWS_REGION=A,AWS_KMS_KEY_ID=A"},
    {"PHI_VARIABLE_NAMES": "AWS_REGION=A,AWS_REGION=B"},
    {"PHI_DEVELOPMENT_KEY": "a laptop", "ENCRYPTED_PHI_KEY": ""},
    {"PHI_DEVELOPMENT_KEY": "a laptop"},
    {"PHI_DEVELOPMENT_KEY": "a laptop", "PHI_VARIABLE_NAMES": NAMES},
    *({"PHI_DEVELOPMENT_KEY": "a laptop", "ENCRYPTED_PHI_KEY": "", **deployed} for deployed in DEPLOYED),
    {"PHI_DEVELOPMENT_KEY": "", "VERCEL_ENV": "production"},
    {"PHI_VARIABLE_NAMES": " ENCRYPTED_PHI_KEY_CHECK_VALUE=V , ", "V": "x", "ENCRYPTED_PHI_KEY_CHECK_VALUE": "y"},
)


def environments() -> list[dict[str, str]]:
    """Every value of each of the three variables with every other, and each further fault with some of them."""
    three = [
        {name: value for name, value in zip(VALUES, values, strict=True) if value is not None}
        for values in product(*VALUES.values())
    ]
    return three + [
        {**some, **other} for other in OTHERS for some in (GOOD, {}, {**GOOD, "AWS_KMS_KEY_ID": REPLICATED})
    ]


def run(name: str, *arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The command line of one side, with this environment and no other."""
    folder = PROJECT if name == "python" else node_package.built()
    return subprocess.run(
        [*COMMANDS[name], *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_both_find_the_same_faults_at_once_in_the_same_words() -> None:
    folder = node_package.built()
    program = Path(__file__).with_name("environments.mjs").read_text().replace("./dist", f"{folder.as_uri()}/dist")
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program],
        input=json.dumps(environments()),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert len(found["verdicts"]) == len(environments())
    for environment, (verdict, text) in zip(environments(), found["verdicts"], strict=True):
        ours = check(environment)
        assert (verdict, text) == (ours, text_of(ours)), environment
        shown = json.dumps(verdict)
        secrets = [value for name, value in environment.items() if "ENCRYPTED" in name and len(value) > 20]
        assert not [value for value in secrets if value.strip() in shown]
    assert {verdict["checked"] for verdict, _ in found["verdicts"]} == {True, False}
    assert max(len(verdict["problems"]) for verdict, _ in found["verdicts"]) >= 4
    # The rows that exist twice, because each language has its own.
    assert dict(found["errors"]) == {
        code: [kind.__name__, f"{message} ({code} from Decrypt in us-east-1).", kind("").transient, kind("").cause]
        for code, (kind, message) in ERRORS_BY_CODE.items()
    }
    assert found["fields"] == [*PHI_FIELDS]


def test_on_vercel_python_asks_for_an_access_key_because_only_node_takes_the_role() -> None:
    for role in ({}, {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/eonpro-app-role"}):
        found = check({**GOOD, "VERCEL": "1", **role})
        assert (found["checked"], "AWS_ACCESS_KEY_ID is not set" in str(found["problems"])) == (False, True)
        node = run("node", "check", environment={**GOOD, "VERCEL": "1", **role})
        assert (node.returncode, "AWS_ROLE_ARN is not set" in node.stderr) == ((0, False) if role else (1, True))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_asks_nobody_and_ends_with_1_for_a_fault(name: str) -> None:
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    good = run(name, "check", environment={**GOOD, **nowhere})
    assert (good.returncode, good.stderr) == (0, "") and "KMS was not asked" in good.stdout
    wrong = run(name, "check", "--json", environment={**nowhere, "AWS_REGION": "x"})
    assert (wrong.returncode, wrong.stderr) == (1, "")
    assert len(json.loads(wrong.stdout)["problems"]) == 3
    told = run(name, "check", environment={**GOOD, "ENCRYPTED_PHI_KEY": ""})
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr == "The application cannot use its data key:\n  ENCRYPTED_PHI_KEY is empty.\n"
    for arguments in (("check", "--none"), ("check", "more")):
        assert run(name, *arguments, environment=GOOD).returncode == 2


@pytest.mark.parametrize(
    "words",
    [
        ["Patient", "email", "dob:v2", "data:bytes"],
        ['A"b.Pat.ient', 'é"'],
        ["clinic." + "x" * 50, "first_name", "first_name_2"],
        ["é" * 30, "email", "x" + "é" * 20],
        ["t", "c:x"],
        ["t"],
    ],
)
def test_both_print_the_same_checks_of_a_table(words: list[str]) -> None:
    ours, theirs = (run(name, "check", "--sql", *words, environment={}) for name in COMMANDS)
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout)
    assert ours.returncode == (0 if words[0] != "t" else 2)
