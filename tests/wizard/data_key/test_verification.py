"""The proof's edge: what the child is given, what is made of what it prints, and how long it is waited for.

The child is a stand-in for `phi`, written into a folder of the test's own; the real one has its tests in tests/phi.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.wizard.fakes.clients import APP, CREDENTIALS, KEY, wrapped
from wizard.core import retry
from wizard.core.errors import SetupError
from wizard.core.models.delivery import AppVariables
from wizard.core.models.verification import AppCredentials, ChildResult
from wizard.core.retry import Clock
from wizard.data_key import verification
from wizard.data_key.verification import SETTLING, DecryptVerifier

BATCH = AppVariables(region="eu-central-1", key_arn=KEY, wrapped=wrapped())
OPERATORS = {
    "AWS_ACCESS_KEY_ID": "operators-key-id",
    "AWS_SECRET_ACCESS_KEY": "operators-secret",
    "AWS_SESSION_TOKEN": "operators-session",
    "AWS_PROFILE": "operators-profile",
    "AWS_DEFAULT_PROFILE": "operators-default-profile",
    "AWS_CONFIG_FILE": "/operators/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/operators/credentials",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/operators/token",
    "AWS_ROLE_ARN": "operators-role",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://operators",
    "AWS_REGION": "us-west-2",
    "AWS_DEFAULT_REGION": "us-west-2",
    "VERCEL_TOKEN": "operators-token",
    "PULUMI_CONFIG_PASSPHRASE": "operators-passphrase",
    "PULUMI_ACCESS_TOKEN": "operators-pulumi-token",
    "ENCRYPTED_PHI_KEY": "operators-other-key",
    "PYTHONPATH": "/operators/python",
    "DATABASE_URL": "operators-database",
}
GOOD = {"proved": True, "principal": APP, "fingerprint": wrapped().fingerprint}
TELL_ENVIRONMENT = """
import json, os, sys
told = {"environment": dict(os.environ), "given": json.load(sys.stdin)}
print(json.dumps({"proved": True, "principal": json.dumps(told), "fingerprint": ""}))
"""


class Child:
    """A folder with a stand-in for `phi`, and the waits that were asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.slept: list[float] = []
        (folder / "eonpro_phi").mkdir()
        (folder / "eonpro_phi" / "__init__.py").write_text("")

    def says(self, program: str) -> None:
        (self.folder / "eonpro_phi" / "__main__.py").write_text(program)

    def prints(self, *verdicts: object) -> None:
        """One line for each run, in turn; the last one again."""
        (self.folder / "lines").write_text("\n".join(json.dumps(verdict) for verdict in verdicts))
        self.says(
            "from pathlib import Path\n"
            "lines = Path('lines').read_text().splitlines()\n"
            "print(lines[0])\n"
            "Path('lines').write_text('\\n'.join(lines[1:] or lines))\n"
        )

    def prove(
        self,
        credentials: AppCredentials = CREDENTIALS,
        environ: Mapping[str, str] | None = None,
        batch: AppVariables = BATCH,
        **how: Any,
    ) -> ChildResult:
        prover = DecryptVerifier(
            self.folder, environ=dict(os.environ) if environ is None else environ, clock=Clock(sleep=self.slept.append)
        )
        return prover.prove(credentials, batch, **how)


@pytest.fixture
def child(tmp_path: Path) -> Child:
    return Child(tmp_path)


@dataclass(frozen=True)
class Found:
    """What the child finds: its environment, and what comes through the pipe."""

    environment: dict[str, str]
    given: dict[str, str]


@pytest.fixture
def found(child) -> Callable[..., Found]:
    """What the child finds when the parent's environment holds the operator's secrets."""
    child.says(TELL_ENVIRONMENT)

    def run(credentials: AppCredentials = CREDENTIALS, **more: str) -> Found:
        verdict = child.prove(credentials, environ={"PATH": os.environ["PATH"], **OPERATORS, **more})
        return Found(**json.loads(verdict.principal))

    return run


def test_nothing_of_the_operators_reaches_the_child(found) -> None:
    there = found()
    assert not [name for name, value in (there.environment | there.given).items() if "operators" in value]
    assert set(there.environment) - {"LC_CTYPE"} == {"PATH", "AWS_EC2_METADATA_DISABLED", "AWS_SDK_UA_APP_ID"}
    # CloudTrail tells by it that this is no call of the application.
    assert there.environment["AWS_SDK_UA_APP_ID"] == "eonpro-proof"


def test_secrets_of_this_very_process_do_not_reach_the_child_either(child, monkeypatch) -> None:
    for name, value in OPERATORS.items():
        monkeypatch.setenv(name, value)
    child.says(TELL_ENVIRONMENT)
    there = Found(**json.loads(child.prove().principal))
    assert not [name for name, value in (there.environment | there.given).items() if "operators" in value]


def test_the_child_gets_the_applications_credentials_and_what_was_delivered_through_a_pipe(found) -> None:
    there = found()
    assert there.given == {
        "AWS_REGION": "eu-central-1",
        "AWS_KMS_KEY_ID": KEY,
        "ENCRYPTED_PHI_KEY": wrapped().value,
        "AWS_ACCESS_KEY_ID": CREDENTIALS.access_key_id,
        "AWS_SECRET_ACCESS_KEY": CREDENTIALS.secret_access_key,
        "AWS_SESSION_TOKEN": CREDENTIALS.session_token,
        "PHI_PROVE_DRY_RUN": "yes",
    }
    assert not set(there.given.values()) & set(there.environment.values())


def test_without_a_data_key_the_child_gets_none_and_asks_for_the_permission_only(child) -> None:
    child.says(TELL_ENVIRONMENT)
    prover = DecryptVerifier(child.folder, environ=OPERATORS | {"PATH": os.environ["PATH"]})
    given = json.loads(prover.may_decrypt(CREDENTIALS, region="eu-central-1", key_arn=KEY).principal)["given"]
    assert (given["AWS_KMS_KEY_ID"], given["PHI_PROVE_DRY_RUN"]) == (KEY, "permission")
    assert "ENCRYPTED_PHI_KEY" not in given


def test_the_child_asks_the_endpoints_that_the_operator_asks(found) -> None:
    endpoints = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_KMS": "http://127.0.0.1:2"}
    assert endpoints.items() <= found(**endpoints).environment.items()


def test_no_secret_is_on_the_childs_command_line(child) -> None:
    child.says("import json, sys\nprint(json.dumps({'proved': False, 'message': ' '.join(sys.orig_argv)}))")
    told = child.prove().message
    assert told.endswith("-m eonpro_phi prove --stdin")


# --- the verdict


@pytest.mark.parametrize("proved", ["false", "true", 1, None, [], {}])
def test_nothing_but_a_plain_yes_is_proved(child, proved) -> None:
    child.prints({**GOOD, "proved": proved})
    assert child.prove().proved is False


def test_a_verdict_with_nothing_in_it_is_a_no(child) -> None:
    child.prints({})
    assert child.prove() == ChildResult(proved=False, principal="", fingerprint="")


@pytest.mark.parametrize("printed", ["", "not json", "[]", "null", "3", '"proved"', '{"proved": true} and more'])
def test_garbage_is_not_a_result(child, printed) -> None:
    child.says(f"import sys\nprint({printed!r})\nprint('No module named cryptography', file=sys.stderr)\nsys.exit(7)")
    with pytest.raises(SetupError) as refused:
        child.prove()
    assert "without a result (exit 7): No module named cryptography" in refused.value.message
    assert refused.value.hint == "python -m wizard verify"


def test_a_child_that_crashes_is_told_without_its_whole_traceback(child) -> None:
    child.says("raise RuntimeError('x' * 5000)")
    with pytest.raises(SetupError) as refused:
        child.prove()
    assert len(refused.value.message) < 600


def test_a_child_that_does_not_answer_is_ended(child, monkeypatch) -> None:
    monkeypatch.setattr(verification, "TIMEOUT_SECONDS", 1.5)
    monkeypatch.setattr(verification, "NO_ANSWER_SECONDS", 1.0)
    child.says("import os, signal\nopen('pid', 'w').write(str(os.getpid()))\nsignal.pause()")
    verdict = child.prove(retry_seconds=0.0)
    assert (verdict.proved, verdict.cause) == (False, "Unreachable")
    with pytest.raises(ProcessLookupError):
        os.kill(int((child.folder / "pid").read_text()), 0)


# --- settling


@pytest.mark.parametrize("cause", SETTLING)
def test_what_iam_has_not_spread_yet_is_tried_again(child, cause) -> None:
    child.prints({"proved": False, "cause": cause}, {"proved": False, "cause": cause}, GOOD)
    assert child.prove().proved
    assert child.slept == [1.0, 2.0]


def test_a_proof_within_another_operation_shares_its_deadline(child) -> None:
    child.prints({"proved": False, "cause": "AccessDenied", "message": "no"})
    with retry.operation(5, clock=Clock(sleep=child.slept.append)):
        assert not child.prove(retry_seconds=40.0).proved
    assert sum(child.slept) <= 5


def test_who_cannot_wait_is_told_at_once(child) -> None:
    child.prints({"proved": False, "cause": "AccessDenied", "message": "no"}, GOOD)
    assert child.prove(retry_seconds=0).cause == "AccessDenied"
    assert child.slept == []


@pytest.mark.parametrize("cause", ["InvalidCiphertext", "KeyDisabled", "RecordMismatch", ""])
def test_what_no_wait_can_help_is_told_at_once(child, cause) -> None:
    child.prints({"proved": False, "cause": cause}, GOOD)
    assert not child.prove().proved
    assert child.slept == []


@pytest.mark.parametrize("seconds", [0, 20.0])
@pytest.mark.parametrize("cause", ["Throttled", "Unreachable", "InvalidResponse"])
def test_a_busy_kms_does_not_make_a_good_delivery_look_failed(child, cause, seconds) -> None:
    child.prints({"proved": False, "cause": cause}, {"proved": False, "cause": cause}, GOOD)
    assert child.prove(retry_seconds=seconds).proved
    assert child.slept == [0.5, 1.0]


@pytest.mark.parametrize(("cause", "answered"), [("Throttled", False), ("Unreachable", False), ("AccessDenied", True)])
def test_a_kms_that_stays_silent_has_said_neither_yes_nor_no(child, cause, answered) -> None:
    child.prints({"proved": False, "cause": cause})
    verdict = child.prove()
    assert (verdict.proved, verdict.is_answer) == (False, answered)
    assert 10 < sum(child.slept) <= 20
