"""The edge to the wrapping child: what the child is given, what is made of what it prints.

The child is a stand-in for `phi`, written into a folder of the test's own; the real one has its tests in tests/phi.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wizard.fakes.clients import KEY, wrapped
from wizard.core.errors import CredentialsError, PermissionDenied, ResourceError, SetupError, Unreachable, UsageError
from wizard.data_key.verification import Wrapper

TELL = """
import json, os, sys
from pathlib import Path
told = {"environment": dict(os.environ), "argv": sys.argv[1:], "given": sys.stdin.read()}
Path("told").write_text(json.dumps(told))
print(json.dumps({"wrapped": %r}))
"""
OPERATOR = {"AWS_ACCESS_KEY_ID": "operators-key-id", "AWS_SECRET_ACCESS_KEY": "operators-secret"}


class Child:
    """A folder with a stand-in for `phi`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "eonpro_phi").mkdir()
        (folder / "eonpro_phi" / "__init__.py").write_text("")
        self.environ = dict(os.environ)

    def says(self, program: str) -> None:
        (self.folder / "eonpro_phi" / "__main__.py").write_text(program)

    def prints(self, told: object) -> None:
        self.says(f"import sys\nprint({json.dumps(told)!r})\nsys.exit(1)\n")

    def wrap(self, prompt: bool = False) -> str:
        made = Wrapper(self.folder, environ=self.environ).wrap(OPERATOR, key_arn=KEY, prompt=prompt)
        return made.fingerprint

    @property
    def told(self) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.folder / "told").read_text())
        return found


@pytest.fixture
def child(tmp_path: Path) -> Child:
    return Child(tmp_path)


@pytest.fixture
def piped(tmp_path: Path) -> Iterator[str]:
    """Standard input of this process, for the child to inherit: what is in it."""
    given = "ab" * 32
    (tmp_path / "piped").write_text(given)
    mine = os.dup(0)
    file = os.open(tmp_path / "piped", os.O_RDONLY)
    os.dup2(file, 0)
    os.close(file)
    yield given
    os.dup2(mine, 0)
    os.close(mine)


def test_the_child_inherits_standard_input_and_this_process_reads_none_of_it(child: Child, piped: str) -> None:
    child.says(TELL % wrapped().value)
    assert child.wrap() == wrapped().fingerprint
    assert child.told["given"] == piped


def test_nothing_of_the_key_is_on_its_command_line(child: Child, piped: str) -> None:
    child.says(TELL % wrapped().value)
    child.wrap(prompt=True)
    assert child.told["argv"] == ["wrap", "--prompt"]


def test_it_is_the_operator_in_the_keys_region(child: Child, piped: str) -> None:
    child.environ |= {"AWS_PROFILE": "another", "AWS_SESSION_TOKEN": "of-another", "AWS_REGION": "eu-central-1"}
    child.says(TELL % wrapped().value)
    child.wrap()
    told = child.told["environment"]
    assert isinstance(told, dict)
    assert OPERATOR.items() <= told.items()
    assert (told["AWS_REGION"], told["AWS_DEFAULT_REGION"], told["AWS_KMS_KEY_ID"]) == ("us-east-1", "us-east-1", KEY)
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN"} & set(told)


def test_what_is_none_of_its_business_stays_here(child: Child, piped: str) -> None:
    secret = dict.fromkeys(("ENCRYPTION_KEY", "VERCEL_TOKEN", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_ACCESS_TOKEN"), "x")
    child.environ |= secret
    child.says(TELL % wrapped().value)
    child.wrap()
    told = child.told["environment"]
    assert isinstance(told, dict)
    assert not set(secret) & set(told)


@pytest.mark.parametrize(
    ("cause", "kind", "code"),
    [
        ("InvalidEncryptionKey", UsageError, 2),
        ("AccessDenied", PermissionDenied, 3),
        ("BadCredentials", CredentialsError, 3),
        ("Unreachable", Unreachable, 1),
        ("Throttled", Unreachable, 1),
        ("NotFound", ResourceError, 4),
        ("Disabled", ResourceError, 4),
        ("RequestRejected", ResourceError, 4),
    ],
)
def test_each_cause_is_an_error_of_the_wizards_own(child: Child, cause: str, kind: type[SetupError], code: int) -> None:
    child.prints({"wrapped": None, "cause": cause, "message": "It is so."})
    with pytest.raises(kind) as refused:
        child.wrap()
    assert refused.value.exit_code == code
    assert refused.value.hint


@pytest.mark.parametrize("printed", ("", "not json", "[1]"))
def test_a_child_that_ends_without_an_answer_is_told(child: Child, printed: str) -> None:
    child.says(f"print({printed!r})")
    with pytest.raises(SetupError, match="without an answer"):
        child.wrap()
