"""The recipes for GitHub Actions: each of their `run:` steps, as GitHub runs it, in a deployment instead of an account.

Touches deployments that are set up once, and a folder with a checkout; what is made faulty is fixed again.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from components.policies.ci import GITHUB_AUDIENCE, GITHUB_ISSUER
from tests.linters.recipes import Recipe, recipes
from tests.onboarding.deployment import ACCOUNT, PROJECT, Deployment

RECIPES = recipes()
TOOLS = "Set up the tools"
"""The step that is not run here: the tools are there. `make setup` has tests of its own."""


@dataclass(kw_only=True)
class Runner:
    """A machine of GitHub's with a checkout, where the tools are set up and the role is taken."""

    deployment: Deployment
    folder: Path

    @property
    def summary(self) -> str:
        """What the jobs told on their page."""
        file = self.folder / "summary.md"
        return file.read_text() if file.exists() else ""

    def rotate_every(self, days: int) -> None:
        """A change of the settings, as somebody commits it."""
        settings = self.folder / "Pulumi.production.yaml"
        before = settings.read_text()
        changed, times = re.subn(r"(rotationPeriodDays: )\S+", rf"\g<1>'{days}'", before)
        assert times == 1
        settings.write_text(changed)

    def job(self, recipe: Recipe, name: str) -> int:
        """A job's steps in order, each as GitHub runs it: 0, or the exit code of the first that failed."""
        failed = 0
        for step in recipe.jobs[name]["steps"]:
            if "run" in step and step.get("name") != TOOLS and (not failed or "!cancelled()" in step.get("if", "")):
                failed = self._step(recipe, step) or failed
        return failed

    def _step(self, recipe: Recipe, step: dict[str, Any]) -> int:
        stand_ins = {
            "${{ vars.PULUMI_BACKEND_URL }}": self.deployment.environment["PULUMI_BACKEND_URL"],
            "${{ secrets.VERCEL_TOKEN }}": self.deployment.environment["VERCEL_TOKEN"],
        }
        variables = {**recipe.content["env"], **step.get("env", {})}
        unset = dict.fromkeys(("VERCEL_TOKEN", "PULUMI_BACKEND_URL"))
        environment = {
            **self.deployment.with_changes(unset),
            **{name: stand_ins.get(value, value) for name, value in variables.items()},
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
        }
        script = self.folder / "step.sh"
        script.write_text(step["run"])
        # https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#exit-codes-and-error-action-preference
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.deployment.printed += [done.stdout, done.stderr]
        return done.returncode


@pytest.fixture
def runner(on_vercel: Deployment, tmp_path: Path) -> Iterator[Runner]:
    folder = on_vercel.another_folder(tmp_path.name)
    (folder / ".venv").symlink_to(PROJECT / ".venv")
    yield Runner(deployment=on_vercel, folder=folder)


def test_the_tools_are_put_on_the_path_where_the_set_up_left_them(tmp_path: Path) -> None:
    commands = {
        line
        for recipe in RECIPES.values()
        for _, step in recipe.steps()
        if step.get("name") == TOOLS
        for line in step["run"].splitlines()
        if line != "make setup"
    }
    (command,) = commands
    path = tmp_path / "path"
    subprocess.run(["bash", "-ec", command], cwd=PROJECT, env={"GITHUB_PATH": str(path)}, check=True, timeout=30)
    assert (Path(path.read_text().strip()) / "pulumi").is_file()


def test_a_pull_request_is_told_what_it_would_change_and_what_that_costs(runner: Runner) -> None:
    runner.deployment.forget_calls()
    runner.rotate_every(180)

    assert runner.job(RECIPES["preview"], "preview") == 0

    assert "~ 1 to update" in runner.summary and "rotationPeriodInDays" in runner.summary
    assert "total" in runner.summary
    assert runner.deployment.changes() == {}


@pytest.mark.thorough
def test_a_pull_request_that_breaks_a_guardrail_fails_and_says_which(runner: Runner) -> None:
    program = runner.folder / "components" / "key.py"
    text = program.read_text()
    assert "enable_key_rotation=True" in text
    program.write_text(text.replace("enable_key_rotation=True", "enable_key_rotation=False"))

    assert runner.job(RECIPES["preview"], "preview") != 0

    assert "mandatory" in runner.summary and "rotation" in runner.summary


def test_what_was_merged_is_planned_and_then_exactly_the_plan_is_applied(runner: Runner) -> None:
    runner.rotate_every(200)
    kms, key = runner.deployment.client("kms"), runner.deployment.outputs()["keyArn"]
    try:
        assert runner.job(RECIPES["apply"], "plan") == 0
        assert kms.get_key_rotation_status(KeyId=key)["RotationPeriodInDays"] == 365
        assert "rotationPeriodInDays" in runner.summary

        assert runner.job(RECIPES["apply"], "apply") == 0
        assert kms.get_key_rotation_status(KeyId=key)["RotationPeriodInDays"] == 200
    finally:
        runner.rotate_every(365)
        runner.deployment.pulumi("up", "--stack", "production", "--yes", "--skip-preview", folder=runner.folder)


@pytest.mark.thorough
def test_what_changed_after_the_plan_is_not_applied(runner: Runner) -> None:
    assert runner.job(RECIPES["apply"], "plan") == 0
    runner.rotate_every(100)
    runner.deployment.forget_calls()

    assert runner.job(RECIPES["apply"], "apply") != 0

    assert not {call for call in runner.deployment.changes() if call.startswith("kms:")}


@pytest.mark.thorough
def test_the_night_is_quiet_while_all_is_well(runner: Runner) -> None:
    # What was delivered last runs: the deployment of the set-up is older than its variables.
    runner.deployment.wizard("push", "--redeploy", "--yes")
    runner.deployment.forget_calls()

    assert runner.job(RECIPES["doctor"], "doctor") == 0

    document = json.loads((runner.folder / "doctor.json").read_text())
    assert document["command"] == "doctor" and document["ok"] is True
    assert "Doctor" in runner.summary
    assert runner.deployment.changes() == {}


@pytest.mark.thorough
def test_the_night_fails_where_something_is_wrong_and_keeps_what_was_found(runner: Runner) -> None:
    kms, key = runner.deployment.client("kms"), runner.deployment.outputs()["keyArn"]
    kms.disable_key(KeyId=key)
    try:
        assert runner.job(RECIPES["doctor"], "doctor") == 1
    finally:
        kms.enable_key(KeyId=key)

    document = json.loads((runner.folder / "doctor.json").read_text())
    assert document["ok"] is False
    assert document["findings"][0]["cause"] == "key-disabled"
    assert "key-disabled" in runner.summary


@pytest.mark.thorough
def test_a_quarter_ends_with_a_review_and_a_report_to_be_signed(runner: Runner) -> None:
    assert runner.job(RECIPES["review"], "review") in (0, 1)

    document = json.loads((runner.folder / "review.json").read_text())
    assert document["command"] == "review"
    (upload,) = (step["with"] for _, step in RECIPES["review"].steps() if "upload" in step.get("uses", ""))
    assert all((runner.folder / each).exists() for each in upload["path"].split())
    report = max(runner.folder.glob("reports/production/*/report.json"))
    assert {path.suffix for path in report.parent.iterdir()} == {".html", ".md", ".json"}
    assert runner.deployment.environment["VERCEL_TOKEN"] not in runner.summary


# --- whom the roles trust


@dataclass(frozen=True, kw_only=True)
class Cast:
    """The two roles in a deployment's account, and GitHub's token for any workflow."""

    deployment: Deployment
    repository: str

    def take(self, role: str, subject: str, *, repository: str | None = None, audience: str = GITHUB_AUDIENCE) -> None:
        self.deployment.client("sts").assume_role_with_web_identity(
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{role}",
            RoleSessionName="a-job",
            WebIdentityToken=token(subject=f"repo:{repository or self.repository}:{subject}", audience=audience),
        )


def token(*, subject: str, audience: str) -> str:
    """As GitHub makes it, but for its signature, which the sandbox has nobody to ask about."""
    claims = {
        "iss": f"https://{GITHUB_ISSUER}",
        "sub": subject,
        "aud": audience,
        "iat": int(time.time()),
        "exp": int(time.time()) + 300,
    }
    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    return ".".join([*(urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts), "c2ln"])


REPOSITORIES = ("clinic/eonpro", "clinic@101/eonpro@202")
"""As GitHub's tokens name a repository: until 2026-07-15, and those made or renamed since."""


@pytest.fixture(scope="module", params=REPOSITORIES)
def cast(on_vercel: Deployment, request: pytest.FixtureRequest) -> Iterator[Cast]:
    """The roles made as `policy ci` says; taken away again."""
    iam = on_vercel.client("iam")
    provider = iam.create_open_id_connect_provider(
        Url=f"https://{GITHUB_ISSUER}", ClientIDList=[GITHUB_AUDIENCE], ThumbprintList=["0" * 40]
    )["OpenIDConnectProviderArn"]
    trusts = json.loads(on_vercel.wizard("policy", "ci", "--repository", request.param, "--with-pull-requests").out)
    for role, trust in trusts.items():
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(trust))
    yield Cast(deployment=on_vercel, repository=request.param)
    for role in trusts:
        iam.delete_role(RoleName=role)
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)


READ, APPLY = "eonpro-ci-read", "eonpro-ci-apply"
PULL_REQUEST, MAIN, ENVIRONMENT = "pull_request", "ref:refs/heads/main", "environment:production"
REVIEWED = "environment:pull-requests"


@pytest.mark.parametrize(("role", "subject"), [(READ, REVIEWED), (READ, MAIN), (APPLY, ENVIRONMENT)])
def test_a_workflow_takes_the_role_that_is_meant_for_it(cast: Cast, role: str, subject: str) -> None:
    cast.take(role, subject)


@pytest.mark.parametrize(
    ("role", "subject", "more"),
    [
        (APPLY, PULL_REQUEST, {}),
        (APPLY, REVIEWED, {}),
        (READ, PULL_REQUEST, {}),
        (APPLY, MAIN, {}),
        (APPLY, "environment:staging", {}),
        (APPLY, "environment:production-2", {}),
        (READ, "ref:refs/heads/feature", {}),
        (READ, "ref:refs/tags/v1", {}),
        (READ, REVIEWED, {"repository": "somebody/eonpro"}),
        (READ, MAIN, {"repository": "clinic/eonpro-fork"}),
        (READ, MAIN, {"repository": "clinic@101/eonpro@303"}),
        (APPLY, ENVIRONMENT, {"repository": "somebody/else"}),
        (APPLY, ENVIRONMENT, {"audience": "https://github.com/clinic"}),
    ],
)
def test_no_other_workflow_takes_a_role(cast: Cast, role: str, subject: str, more: dict[str, str]) -> None:
    with pytest.raises(ClientError, match="AccessDenied|InvalidIdentityToken"):
        cast.take(role, subject, **more)


def test_the_other_form_of_the_same_repository_takes_no_role(cast: Cast) -> None:
    (other,) = {*REPOSITORIES} - {cast.repository}
    with pytest.raises(ClientError, match="AccessDenied"):
        cast.take(READ, MAIN, repository=other)


def test_the_recipes_ask_for_the_roles_that_their_subject_may_take() -> None:
    # A job with an environment says so in its token, and waits for its reviewers; all others run on main.
    for recipe in RECIPES.values():
        for job in recipe.jobs.values():
            roles = re.findall(r"vars\.AWS_(READ|APPLY)_ROLE", json.dumps(job))
            if "id-token" not in job["permissions"]:
                assert roles == []
                continue
            (role,) = roles
            on_main = "refs/heads/main" in job.get("if", "") or "needs" in job
            assert (role == "APPLY") == (job.get("environment") == "production")
            assert on_main or job.get("environment") == "pull-requests"
            assert set(recipe.triggers) != {"pull_request"} or not on_main
