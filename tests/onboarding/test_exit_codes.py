"""Every exit code of the command line's table, produced by the wizard as a person or a program starts it.

Touches a deployment in which nothing is made, one whose key cannot be made, and the wizards it starts. What another
test produces anyway is not run again: it is named here, and carries the mark `exit_code`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.onboarding import test_after_onboarding, test_found_beforehand, test_without_a_terminal
from tests.onboarding.deployment import CompletedCommand, Deployment
from tests.onboarding.shipped_schemas import SCHEMAS, schema_of
from tests.terminal.person import CTRL_C, WIZARD, Person
from wizard.cli.parser import EXIT_CODES, INTERRUPTED

WITHOUT_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": None,
    "AWS_SECRET_ACCESS_KEY": None,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}
NOBODY = "http://127.0.0.1:9"
"""An address where nothing answers: the port of `discard`."""


@pytest.mark.exit_code(0)
def test_what_is_done_is_0(bare: Deployment) -> None:
    shipped = json.loads((SCHEMAS / "failure.schema.json").read_text())
    assert json.loads(bare.wizard("schema", "failure", expect=0).out) == shipped


@pytest.mark.exit_code(1)
def test_what_fails_without_a_code_of_its_own_is_1(bare: Deployment) -> None:
    env = {"AWS_ENDPOINT_URL": NOBODY}
    document = failed(bare.set_up("vercel", "--json", env=env, expect=1))
    assert NOBODY in json.dumps(document)


@pytest.mark.exit_code(2)
def test_a_command_line_that_cannot_be_read_is_2(bare: Deployment) -> None:
    document = failed(bare.wizard("verfy", "--json", expect=2))
    assert "did you mean verify?" in document["message"]


@pytest.mark.exit_code(2)
def test_answers_that_are_missing_are_2(bare: Deployment) -> None:
    document = failed(bare.wizard("--stack", "untold", "--json", expect=2))
    assert "target" in document["missing"]


@pytest.mark.exit_code(3)
def test_nobodys_credentials_are_3(bare: Deployment, tmp_path: Path) -> None:
    env = {**WITHOUT_CREDENTIALS, "HOME": str(tmp_path)}
    document = failed(bare.set_up("vercel", "--json", env=env, expect=3))
    assert "credentials" in json.dumps(document)


@pytest.mark.exit_code(4)
def test_a_resource_that_cannot_be_made_is_4_and_the_log_tells_every_call(deployment: Deployment) -> None:
    deployment.fault(
        service="kms", operation="CreateKey", error="LimitExceededException", message="too many", times=1000
    )
    # One that is no word of the engine's own: the sandbox's is.
    own = {"PULUMI_CONFIG_PASSPHRASE": "a passphrase of this deployment's"}
    ended = deployment.set_up("vercel", "--json", "--verbose", env=own, expect=4)
    document = failed(ended)
    assert deployment.keys() == []
    # The same run shows the log and what --verbose tells: calls with their Region, commands, no secret.
    text = Path(document["log"]).read_text()
    for said in (ended.err, text):
        assert "sts:GetCallerIdentity us-east-1" in said and "pulumi up --yes" in said
        assert "GET /v9/projects/eonpro: 200" in said
    assert "too many" in text and Path(document["log"]).stat().st_mode & 0o777 == 0o600
    secrets = {name: deployment.environment[name] for name in ("VERCEL_TOKEN", "AWS_SECRET_ACCESS_KEY")} | own
    assert not [name for name, secret in secrets.items() if secret in text + ended.err]


@pytest.mark.exit_code(INTERRUPTED)
def test_ctrl_c_at_a_prompt_is_130(bare: Deployment, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    person = Person([*WIZARD, "--stack", "left"], folder=bare.folder, environment=bare.environment | home)
    try:
        person.see("? ")
        person.type(CTRL_C)
        assert person.leave() == INTERRUPTED
        assert "Traceback" not in person.transcript
    finally:
        person.kill()


CASES: Mapping[int, tuple[Callable[..., Any], ...]] = {
    0: (test_what_is_done_is_0,),
    1: (test_what_fails_without_a_code_of_its_own_is_1,),
    2: (test_a_command_line_that_cannot_be_read_is_2, test_answers_that_are_missing_are_2),
    3: (test_nobodys_credentials_are_3,),
    4: (test_a_resource_that_cannot_be_made_is_4_and_the_log_tells_every_call,),
    5: (test_after_onboarding.test_the_wizards_own_update_is_refused_by_the_guardrails,),
    6: (test_without_a_terminal.test_the_commands_for_a_stack_that_is_built_say_so_where_it_is_not,),
    8: (test_found_beforehand.test_an_update_that_nobody_confirmed_makes_nothing,),
    INTERRUPTED: (test_ctrl_c_at_a_prompt_is_130,),
}
"""Which test produces which code."""


@pytest.mark.parametrize("code", EXIT_CODES)
def test_every_exit_code_of_the_table_is_produced_by_a_test_that_says_so(code: int) -> None:
    assert code in CASES, f"no test produces the exit code {code} ({EXIT_CODES[code]})"
    for case in CASES[code]:
        marks = getattr(case, "pytestmark", [])
        assert code in [mark.args[0] for mark in marks if mark.name == "exit_code"], case.__name__
        # Neither skipped nor expected to fail: it runs in `make test` too.
        assert {mark.name for mark in marks} <= {"exit_code", "parametrize"}, case.__name__


def test_no_case_produces_a_code_that_no_table_has() -> None:
    assert set(CASES) <= set(EXIT_CODES)


def failed(ended: CompletedCommand) -> dict[str, Any]:
    """The document of a run that failed; the deployment has held it against its schema."""
    assert schema_of(ended.document) == "failure"
    return ended.document
