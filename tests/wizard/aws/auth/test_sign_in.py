"""Signing in: the AWS CLI started in the foreground. The AWS CLI is a script that a test writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.wizard.aws.conftest import files
from wizard.aws.auth.session import Session
from wizard.aws.auth.sign_in import problem, sign_in
from wizard.core.errors import CredentialsError, SetupError, SignInNeeded

CONFIG = """\
[profile clinic]
sso_session = work
sso_account_id = 123456789012
sso_role_name = Admin

[profile role]
role_arn = arn:aws:iam::123456789012:role/admin
source_profile = clinic

[profile console]
login_session = arn:aws:iam::123456789012:user/ana

[sso-session work]
sso_start_url = https://clinic.example
sso_region = us-east-1
"""


def a_cli(folder: Path, *, version: str = "aws-cli/2.32.0 Python/3.13", then: str = "exit 0") -> Path:
    """A program `aws` in a folder of its own, which writes down what it is called with."""
    folder.mkdir()
    program = folder / "aws"
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = --version ]; then echo "{version}"; exit 0; fi\necho "$@" >> {folder}/called\n{then}\n'
    )
    program.chmod(0o755)
    return folder


@pytest.fixture
def environ(tmp_path) -> dict[str, str]:
    return {**files(tmp_path, CONFIG), "PATH": str(a_cli(tmp_path / "cli")), "HOME": str(tmp_path)}


@pytest.mark.parametrize(
    ("profile", "called"),
    [
        ("clinic", "sso login --profile clinic"),
        ("role", "sso login --profile clinic"),
        ("console", "login --profile console"),
        ("in-no-file", "login --profile in-no-file"),
    ],
)
def test_the_sign_in_behind_the_profile_is_made(environ, tmp_path, profile, called):
    sign_in(profile, environ)
    assert (tmp_path / "cli" / "called").read_text().strip() == called


def test_it_is_made_on_the_terminal_of_the_person(tmp_path, environ):
    """In a process whose three streams are its own: what the CLI says and reads goes through them as it is."""
    a_cli(tmp_path / "asks", then='read answer; echo "open this page: $answer"; echo "waiting" >&2')
    program = "import os; from wizard.aws.auth.sign_in import sign_in; sign_in('clinic', os.environ)"
    given = {**os.environ, **environ, "PATH": f"{tmp_path / 'asks'}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=given, input="yes\n", capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("open this page: yes\n", "waiting\n")


def test_a_sign_in_of_aws_login_is_opened_by_the_aws_cli(tmp_path, environ):
    exported = {"Version": 1, "AccessKeyId": "ASIAX", "SecretAccessKey": "s", "SessionToken": "t"}
    folder = a_cli(tmp_path / "exports", then=f"echo '{json.dumps(exported)}'")
    session = Session.open(profile="console", region=None, environ={**environ, "PATH": f"{folder}"})
    keys = session.environment()
    assert (keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"], keys["AWS_SESSION_TOKEN"]) == ("ASIAX", "s", "t")
    called = (folder / "called").read_text().strip()
    assert called == "configure export-credentials --profile console --format process"


def test_a_sign_in_of_aws_login_that_has_ended_is_offered_again(tmp_path, environ):
    folder = a_cli(tmp_path / "ended", then="exit 255")
    session = Session.open(profile="console", region=None, environ={**environ, "PATH": f"{folder}"})
    with pytest.raises(SignInNeeded) as ended:
        session.environment()
    assert ended.value.hint == "aws login --profile console"


def test_version_1_which_signs_nobody_in_is_passed_over(environ, tmp_path):
    old = a_cli(tmp_path / "old", version="aws-cli/1.46.3 Python/3.11.0")
    sign_in("clinic", {**environ, "PATH": f"{old}{os.pathsep}{environ['PATH']}"})
    assert not (old / "called").exists()
    assert (tmp_path / "cli" / "called").exists()


@pytest.mark.parametrize("installed", [None, "aws-cli/1.46.3"], ids=["none", "version 1 alone"])
def test_without_a_cli_that_can_the_way_out_is_told(environ, tmp_path, installed):
    only = tmp_path / "only"
    a_cli(only, version=installed) if installed else only.mkdir()
    with pytest.raises(SetupError, match="version 2 of the AWS CLI is not on PATH") as refusal:
        sign_in("clinic", {**environ, "PATH": str(only)})
    assert "getting-started-install" in refusal.value.hint


def test_aws_login_is_offered_only_by_a_cli_that_has_it(environ, tmp_path):
    """`aws login` is new in 2.32.0; `aws sso login` is in every version 2."""
    older = {**environ, "PATH": str(a_cli(tmp_path / "older", version="aws-cli/2.31.39 Python/3.13"))}
    assert problem("clinic", older) is None
    refusal = problem("console", older)
    assert refusal is not None
    assert refusal.message == "the AWS CLI on PATH is older than 2.32.0, and has no `aws login`"
    assert "getting-started-install" in refusal.hint
    with pytest.raises(SetupError, match="older than 2.32.0"):
        sign_in("console", older)
    assert not (tmp_path / "older" / "called").exists()
    both = {**environ, "PATH": f"{older['PATH']}{os.pathsep}{environ['PATH']}"}
    assert problem("console", both) is None
    sign_in("console", both)
    assert (tmp_path / "cli" / "called").exists() and not (tmp_path / "older" / "called").exists()


def test_a_sign_in_that_was_not_made_is_an_error_with_the_command_to_try(environ, tmp_path):
    failing = a_cli(tmp_path / "failing", then="exit 255")
    with pytest.raises(SetupError, match="ended with 255") as refusal:
        sign_in("clinic", {**environ, "PATH": str(failing)})
    assert refusal.value.hint.startswith("aws sso login --profile clinic")


def test_files_that_cannot_be_read_are_told_before_anything_is_started(environ, tmp_path):
    (tmp_path / "config").write_text("no section")
    with pytest.raises(CredentialsError, match="configuration cannot be used"):
        sign_in("clinic", environ)
    assert not (tmp_path / "cli" / "called").exists()
