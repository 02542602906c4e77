"""The action and the recipes for CI in a customer's project: each `run:` step, as GitHub and GitLab run it.

Builds the wheel, serves it, makes the project with uv, and installs the packages with pip as the action does. The
account is a deployment that was set up once; what is made faulty is fixed again. The actions of others (checkout,
Python, the Pulumi CLI, the role, artifacts) are not executed. GitHub's API is a stand-in that knows comments.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.state import SandboxPaths, load_state, stop_process
from tests.action.github import GitHub, github_api
from tests.day_two.test_ci_recipes import token
from tests.installed import customer
from tests.installed.workflow import Runner, gitlab_script, run
from tests.linters.recipes import GITLAB, recipes
from tests.onboarding.deployment import ACCOUNT, Deployment, plugins
from wizard import version

# Each waits for pip, as a job does: three minutes together.
pytestmark = pytest.mark.thorough

RECIPES = recipes()
NOT_EXECUTED = {
    *("actions/checkout", "actions/setup-python", "actions/upload-artifact", "actions/download-artifact"),
    *("pulumi/actions", "aws-actions/configure-aws-credentials"),
}


@pytest.fixture(scope="module")
def project(onboarded: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """The committed project of the deployment's stack, and the environment with the package index."""
    root = tmp_path_factory.mktemp("ci")
    wheel = customer.build(customer.copy(root / "this", {}), root / "wheel")
    with customer.served([wheel], root / "index") as index:
        person = customer.newcomer(root, index)
        person.types("uvx", "--quiet", f"eonpro-kms@{version()}", "init")
        shutil.copy(onboarded.folder / "Pulumi.production.yaml", person.folder)
        person.types("git", "init", "--quiet")
        person.types("git", "add", "--all")
        person.types("git", "commit", "--quiet", "--message", "the key for PHI")
        settings = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        yield person.folder, {**settings, "PIP_EXTRA_INDEX_URL": index}


@pytest.fixture(scope="module")
def checkout(project: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One clone for all jobs, in a folder that has to be quoted: to install the packages takes half a minute."""
    folder = tmp_path_factory.mktemp("checkout") / "the clinic's keys, main"
    done = run(["git", "clone", "--quiet", str(project[0]), str(folder)], folder.parent, os.environ)
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture
def environment(onboarded: Deployment, project: tuple[Path, dict[str, str]]) -> dict[str, str]:
    # What a recipe gives is not there already.
    unset = dict.fromkeys(("VERCEL_TOKEN", "PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE"))
    return {**onboarded.with_changes(unset), **project[1]}


@pytest.fixture
def github() -> Iterator[GitHub]:
    with github_api() as state:
        yield state


@pytest.fixture
def runner(
    onboarded: Deployment, checkout: Path, environment: dict[str, str], github: GitHub, tmp_path: Path
) -> Iterator[Runner]:
    (tmp_path / "event.json").write_text(json.dumps({"pull_request": {"number": 7}}))
    yield Runner(
        folder=checkout,
        temporary=tmp_path,
        environment={**environment, "GITHUB_API_URL": github.address, "GITHUB_REPOSITORY": github.repository},
        contexts={
            "steps.python.outputs.python-path": sys.executable,
            "github.token": github.token,
            "github.run_id": "7",
            "vars.PULUMI_BACKEND_URL": onboarded.environment["PULUMI_BACKEND_URL"],
            "vars.AWS_REGION": "us-east-1",
            "vars.AWS_READ_ROLE": f"arn:aws:iam::{ACCOUNT}:role/eonpro-ci-read",
            "vars.AWS_APPLY_ROLE": f"arn:aws:iam::{ACCOUNT}:role/eonpro-ci-apply",
            "secrets.VERCEL_TOKEN": onboarded.environment["VERCEL_TOKEN"],
            "secrets.PULUMI_CONFIG_PASSPHRASE": onboarded.environment["PULUMI_CONFIG_PASSPHRASE"],
        },
    )
    run(["git", "checkout", "--quiet", "--", "."], checkout, os.environ)


def rotate_every(folder: Path, days: int) -> None:
    """A change of the settings, as somebody commits it."""
    settings = folder / "Pulumi.production.yaml"
    changed, times = re.subn(r"(rotationPeriodDays: )\S+", rf"\g<1>'{days}'", settings.read_text())
    assert times == 1
    settings.write_text(changed)


def inputs(runner: Runner) -> dict[str, str]:
    return {
        "backend_url": runner.contexts["vars.PULUMI_BACKEND_URL"],
        "vercel_token": runner.contexts["secrets.VERCEL_TOKEN"],
        "passphrase": runner.contexts["secrets.PULUMI_CONFIG_PASSPHRASE"],
    }


# --- the action


def test_a_preview_is_in_the_summary_and_in_one_comment_of_the_pull_request(
    runner: Runner, onboarded: Deployment, github: GitHub
) -> None:
    onboarded.forget_calls()
    rotate_every(runner.folder, 180)
    given = {**inputs(runner), "comment": "true"}

    assert runner.action(command="pulumi preview --diff", **given) == 0, runner.log[-1]

    for text in (runner.summary, github.comments[0]["body"]):
        assert "~ 1 to update" in text and "rotationPeriodInDays" in text and "exit code 0" in text
        assert "eonpro-kms-guardrails" in text
    assert onboarded.changes() == {}
    # The next push to the same pull request.
    rotate_every(runner.folder, 200)
    assert runner.action(command="pulumi preview --diff", **given) == 0
    (comment,) = github.comments
    assert "200" in comment["body"] and "180" not in comment["body"]
    assert runner.contexts["secrets.VERCEL_TOKEN"] not in "".join((*runner.log, runner.summary, comment["body"]))
    assert set(runner.not_executed) == {"actions/setup-python", "pulumi/actions"}


def test_a_doctor_that_finds_something_ends_the_step_with_its_code_and_is_read_in_the_summary(
    runner: Runner, onboarded: Deployment, github: GitHub
) -> None:
    kms, key = onboarded.client("kms"), onboarded.outputs()["keyArn"]
    kms.disable_key(KeyId=key)
    try:
        assert runner.action(command="doctor --quick", **inputs(runner)) == 1
    finally:
        kms.enable_key(KeyId=key)
    document = json.loads(runner.output("document").read_text())
    assert document["command"] == "doctor" and document["findings"][0]["cause"] == "key-disabled"
    assert "exit code 1" in runner.summary and "key-disabled" in runner.summary
    assert github.comments == []


def test_a_report_is_made_and_its_text_is_in_the_summary(runner: Runner) -> None:
    assert runner.action(command="report --prepared-by 'Ann O Nymous'", **inputs(runner)) == 0, runner.log[-1]
    report = max(runner.folder.glob("reports/production/*/report.json"))
    assert "Ann O Nymous" in report.read_text()
    assert "reports/production" in runner.summary
    assert json.loads(runner.output("document").read_text())["ok"] is True


@pytest.mark.parametrize(
    ("words", "more", "code", "said"),
    [
        ("doctor --no-such-flag", {}, 2, "there is no flag --no-such-flag"),
        ("verify", {"AWS_SECRET_ACCESS_KEY": "wrong", "AWS_ACCESS_KEY_ID": "AKIAWRONG"}, 3, "credentials"),
        ("doctor", {"stack": "nowhere"}, 6, "nowhere"),
    ],
)
def test_the_exit_code_of_a_command_that_fails_is_kept(
    runner: Runner, words: str, more: dict[str, str], code: int, said: str
) -> None:
    stack = {"stack": more["stack"]} if "stack" in more else {}
    runner.environment = {**runner.environment, **{name: more[name] for name in more.keys() - {"stack"}}}
    assert runner.action(command=words, **inputs(runner), **stack) == code, runner.log
    assert f"exit code {code}" in runner.summary and said in runner.summary
    assert runner.contexts["outputs.exit-code"] == str(code)


def test_a_project_may_be_a_folder_of_a_larger_repository(runner: Runner) -> None:
    runner.folder, folder = runner.folder.parent, runner.folder
    try:
        assert runner.action(command="verify", working_directory=folder.name, **inputs(runner)) == 0, runner.log[-1]
    finally:
        runner.folder = folder
    assert "stack production: exit code 0" in runner.summary


@pytest.mark.parametrize(
    "words", ["status; touch injected", "status $(touch injected)", "status `touch injected`", "status --log=x 'a;b'"]
)
def test_nothing_of_an_input_is_run_by_the_shell(runner: Runner, words: str) -> None:
    assert runner.action(command=words, **inputs(runner)) == 2
    assert not (runner.folder / "injected").exists()


def test_a_file_that_is_not_the_one_of_its_hash_is_refused_before_anything_runs(runner: Runner) -> None:
    requirements = runner.folder / "requirements.txt"
    text = requirements.read_text()
    changed, times = re.subn(r"(?m)^(eonpro-kms==\S+ \\\n\s+--hash=sha256:)\w{64}", r"\g<1>" + "0" * 64, text)
    assert times == 1
    fresh = runner.folder.parent / "fresh"
    shutil.copytree(runner.folder, fresh, ignore=shutil.ignore_patterns(".venv"))
    (fresh / "requirements.txt").write_text(changed)
    runner.folder, checkout = fresh, runner.folder
    try:
        assert runner.action(command="status", **inputs(runner)) == 1
    finally:
        runner.folder = checkout
    assert runner.contexts["outputs.exit-code"] == "" and runner.summary == ""
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in runner.log[-1]


def test_what_the_account_says_is_no_command_to_the_runner(runner: Runner) -> None:
    assert runner.action(command="doctor --no-such-flag", **inputs(runner)) == 2
    (log,) = (each for each in runner.log if "::stop-commands::" in each)
    (token,) = re.findall(r"(?m)^::stop-commands::(\w{32})$", log)
    assert log.index("there is no flag") < log.index(f"\n::{token}::")


# --- the recipes


def test_a_newer_version_is_tried_in_the_sandbox_with_pulumis_own_plugin(runner: Runner, tmp_path: Path) -> None:
    """In the place of Pulumi's own, among the user's plug-ins, is the one of these tests."""
    _, home = plugins()
    shutil.copytree(home, tmp_path / ".pulumi")
    paths = SandboxPaths(root=tmp_path / "its sandbox")
    own = {"HOME": str(tmp_path), "EONPRO_SANDBOX_DIR": str(paths.root), "PULUMI_HOME": ""}
    runner.environment = {**runner.environment, **own}
    try:
        assert runner.job(RECIPES["sandbox"], "onboarding") == 0, runner.log[-1]
    finally:
        if state := load_state(paths):
            stop_process(state.pid)
        (runner.folder / "Pulumi.sandbox.yaml").unlink(missing_ok=True)
    said = r"Pulumi's AWS plug-in: Pulumi's own 7\.[\d.]+, " + re.escape(f"{tmp_path}/.pulumi/plugins")
    assert re.search(said, "".join(runner.log))
    assert set(runner.not_executed) < NOT_EXECUTED


def test_a_pull_request_is_told_what_it_would_change_and_what_that_costs(
    runner: Runner, onboarded: Deployment, github: GitHub
) -> None:
    onboarded.forget_calls()
    rotate_every(runner.folder, 180)
    assert runner.job(RECIPES["preview"], "preview") == 0, runner.log[-1]
    assert "~ 1 to update" in runner.summary and "rotationPeriodInDays" in runner.summary
    assert "total" in runner.summary
    assert onboarded.changes() == {} and github.comments == []
    assert set(runner.not_executed) < NOT_EXECUTED


def test_what_was_merged_is_planned_and_then_exactly_the_plan_is_applied(runner: Runner, onboarded: Deployment) -> None:
    rotate_every(runner.folder, 200)
    kms, key = onboarded.client("kms"), onboarded.outputs()["keyArn"]
    try:
        assert runner.job(RECIPES["apply"], "plan") == 0, runner.log[-1]
        assert kms.get_key_rotation_status(KeyId=key)["RotationPeriodInDays"] == 365
        assert "rotationPeriodInDays" in runner.summary
        assert runner.job(RECIPES["apply"], "apply") == 0, runner.log[-1]
        assert kms.get_key_rotation_status(KeyId=key)["RotationPeriodInDays"] == 200
    finally:
        rotate_every(runner.folder, 365)
        assert runner.action(command="pulumi up --yes --skip-preview", **inputs(runner)) == 0


@pytest.mark.thorough
def test_what_changed_after_the_plan_is_not_applied(runner: Runner, onboarded: Deployment) -> None:
    assert runner.job(RECIPES["apply"], "plan") == 0
    rotate_every(runner.folder, 100)
    onboarded.forget_calls()
    assert runner.job(RECIPES["apply"], "apply") != 0
    assert not {call for call in onboarded.changes() if call.startswith("kms:")}


@pytest.mark.thorough
def test_a_pull_request_that_breaks_a_guardrail_fails_and_says_which(runner: Runner) -> None:
    program = next(runner.folder.glob(".venv/lib/python3.*/site-packages/eonpro_kms/components/key.py"))
    text = program.read_text()
    assert "enable_key_rotation=True" in text
    program.write_text(text.replace("enable_key_rotation=True", "enable_key_rotation=False"))
    try:
        assert runner.job(RECIPES["preview"], "preview") != 0
    finally:
        program.write_text(text)
    assert "mandatory" in runner.summary and "rotation" in runner.summary


@pytest.mark.thorough
def test_the_night_is_quiet_while_all_is_well(runner: Runner, onboarded: Deployment) -> None:
    # What was delivered last runs: the deployment of the set-up is older than its variables.
    onboarded.wizard("push", "--redeploy", "--yes")
    onboarded.forget_calls()
    assert runner.job(RECIPES["doctor"], "doctor") == 0, runner.log[-1]
    document = json.loads(runner.output("document").read_text())
    assert document["command"] == "doctor" and document["ok"] is True
    assert onboarded.changes() == {}


@pytest.mark.thorough
def test_a_quarter_ends_with_a_review_and_a_report_to_be_signed(runner: Runner) -> None:
    assert runner.job(RECIPES["review"], "review") in (0, 1)
    (upload,) = (step["with"] for _, step in RECIPES["review"].steps() if "upload" in step.get("uses", ""))
    assert all((runner.folder / each).exists() for each in upload["path"].split())
    assert list(runner.folder.glob("reviews/production/*.json"))
    report = max(runner.folder.glob("reports/production/*/report.json"))
    assert {path.suffix for path in report.parent.iterdir()} == {".html", ".md", ".json"}
    assert runner.contexts["secrets.VERCEL_TOKEN"] not in runner.summary


# --- GitLab


def gitlab_token(branch: str) -> str:
    """The token of a job on a branch."""
    subject = f"project_path:clinic/kms:ref_type:branch:ref:{branch}"
    return token(issuer="https://gitlab.com", subject=subject, audience="sts.amazonaws.com")


@pytest.fixture
def gitlab_roles(onboarded: Deployment) -> Iterator[dict[str, str]]:
    """The two roles, as the recipe's head says that they trust, and the token of a job on main."""
    iam, subject = onboarded.client("iam"), "project_path:clinic/kms:ref_type:branch:ref:main"
    provider = iam.create_open_id_connect_provider(
        Url="https://gitlab.com", ClientIDList=["sts.amazonaws.com"], ThumbprintList=["0" * 40]
    )["OpenIDConnectProviderArn"]
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"gitlab.com:aud": "sts.amazonaws.com", "gitlab.com:sub": subject}},
    }
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    roles = {"AWS_READ_ROLE": "gitlab-read", "AWS_APPLY_ROLE": "gitlab-apply"}
    for role in roles.values():
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=document)
        iam.put_role_policy(RoleName=role, PolicyName="all", PolicyDocument=json.dumps(everything))
    yield {
        **{name: f"arn:aws:iam::{ACCOUNT}:role/{role}" for name, role in roles.items()},
        "EONPRO_ID_TOKEN": gitlab_token("main"),
    }
    for role in roles.values():
        iam.delete_role_policy(RoleName=role, PolicyName="all")
        iam.delete_role(RoleName=role)
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)


def gitlab_job(name: str) -> dict[str, Any]:
    content = yaml.safe_load(GITLAB.read_text())
    return {**content[".eonpro"], **content[f"eonpro {name}"]}


@pytest.fixture
def gitlab_environment(
    onboarded: Deployment, environment: dict[str, str], gitlab_roles: dict[str, str], tmp_path: Path
) -> dict[str, str]:
    """Of a job: without a key of AWS, in a home where no other job left its session."""
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    return {
        **{name: value for name, value in environment.items() if name not in keys},
        **gitlab_roles,
        "HOME": str(tmp_path),
        "PULUMI_BACKEND_URL": onboarded.environment["PULUMI_BACKEND_URL"],
        "VERCEL_TOKEN": onboarded.environment["VERCEL_TOKEN"],
        "PULUMI_CONFIG_PASSPHRASE": onboarded.environment["PULUMI_CONFIG_PASSPHRASE"],
        "CI_JOB_ID": "11",
        "STACK": "production",
    }


@pytest.mark.parametrize("names", [("preview",), ("plan", "apply"), ("doctor",), ("review",)])
def test_a_job_of_gitlab_runs_with_the_role_of_its_token(
    checkout: Path, gitlab_environment: dict[str, str], names: tuple[str, ...]
) -> None:
    for name in names:
        code, log = gitlab_script(gitlab_job(name), checkout, gitlab_environment)
        # The doctor and the review may find something in this account.
        assert code in ((0, 1) if name in ("doctor", "review") else (0,)), log
    if names == ("doctor",):
        assert json.loads((checkout / "doctor.json").read_text())["command"] == "doctor"


def test_a_job_of_gitlab_on_another_branch_gets_nothing(checkout: Path, gitlab_environment: dict[str, str]) -> None:
    on_a_branch = {**gitlab_environment, "EONPRO_ID_TOKEN": gitlab_token("feature")}
    code, log = gitlab_script(gitlab_job("doctor"), checkout, on_a_branch)
    assert code == 3, log
    assert "AssumeRoleWithWebIdentity" in log
