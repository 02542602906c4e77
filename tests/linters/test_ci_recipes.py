"""The recipes for CI and the action: sound by actionlint, pinned, with the least rights, and no key of anybody's."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.linters.recipes import ACTION, ACTION_FILE, FOLDER, GITLAB, OURS, PROJECT, USES, Recipe, recipes
from tools.bootstrap import go
from tools.bootstrap.places import HERE

RECIPES = recipes()
EACH = [pytest.param(recipe, id=name) for name, recipe in RECIPES.items()]
OWN = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
"""The workflows of this repository."""
PROPOSES = "pull-request"
"""The job of the review that writes to the repository."""
PINNED = re.compile(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]


def with_token(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """The jobs that take a role of the account."""
    return {name: job for name, job in recipe.jobs.items() if "id-token" in job["permissions"]}


def actionlint(*files: Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(go.actionlint(HERE)), "-shellcheck=", "-pyflakes=", "-no-color", *map(str, files)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def repository(folder: Path) -> Path:
    """A repository with the action, and with workflows that use it from there: the inputs are then compared."""
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    workflows = folder / ".github" / "workflows"
    workflows.mkdir(parents=True)
    (folder / "action.yml").write_text(ACTION_FILE.read_text())
    for recipe in RECIPES.values():
        (workflows / recipe.file.name).write_text(recipe.file.read_text().replace(f"uses: {USES}", "uses: ./"))
    # The steps of an action are checked as those of a workflow with the same inputs.
    inputs = {name: {"type": "string", "default": "", **each} for name, each in ACTION["inputs"].items()}
    called = {
        "name": "the steps of the action",
        "on": {"workflow_call": {"inputs": {name: {**each, "required": False} for name, each in inputs.items()}}},
        "permissions": {},
        "jobs": {"action": {"runs-on": "ubuntu-24.04", "steps": STEPS}},
    }
    (workflows / "steps.yml").write_text(yaml.safe_dump(called, sort_keys=False))
    return folder


def test_there_is_a_recipe_for_each_occasion() -> None:
    assert set(RECIPES) == {"preview", "apply", "doctor", "review", "sandbox"}


def test_actionlint_has_nothing_to_say(tmp_path: Path) -> None:
    done = actionlint(*(recipe.file for recipe in RECIPES.values()), *OWN)
    assert (done.returncode, done.stdout) == (0, "")
    # And of the action: its inputs, where a recipe uses it, and its steps.
    done = actionlint(folder=repository(tmp_path))
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    "file",
    [
        *(pytest.param(each.file, id=name) for name, each in RECIPES.items()),
        *(pytest.param(each, id=f"own {each.stem}") for each in OWN),
        pytest.param(ACTION_FILE, id="action"),
    ],
)
def test_every_action_is_pinned_to_a_commit_with_its_version_beside_it(file: Path) -> None:
    used = [line.strip().removeprefix("- ") for line in file.read_text().splitlines() if "uses:" in line]
    assert used
    assert [line for line in used if not PINNED.fullmatch(line) and line != f"uses: {USES}"] == []


def test_one_version_of_an_action_is_used_everywhere() -> None:
    used = {step["uses"] for recipe in RECIPES.values() for _, step in recipe.steps() if "uses" in step}
    used |= {step["uses"] for step in STEPS if "uses" in step}
    own = [yaml.safe_load(file.read_text())["jobs"].values() for file in OWN]
    used |= {step["uses"] for jobs in own for job in jobs for step in job["steps"] if "uses" in step}
    assert len({each.partition("@")[0] for each in used}) == len(used)


def test_the_engine_is_of_the_version_that_the_packages_are_tested_with() -> None:
    found = re.search(r"(?m)^pulumi==(\S+)", (PROJECT / "requirements.txt").read_text())
    assert found and ACTION["inputs"]["pulumi-version"]["default"] == found[1]
    given = [step["with"] for _, step in RECIPES["sandbox"].steps() if "pulumi/actions" in step.get("uses", "")]
    assert given == [{"pulumi-version": found[1]}]
    assert yaml.safe_load(GITLAB.read_text())[".eonpro"]["image"]["name"] == f"pulumi/pulumi-python:{found[1]}"


@pytest.mark.parametrize("recipe", EACH)
def test_a_recipe_has_no_right_but_to_read_the_code_and_to_ask_for_its_token_or_to_propose(recipe: Recipe) -> None:
    assert recipe.content["permissions"] == {}
    permissions = {name: job["permissions"] for name, job in recipe.jobs.items()}
    writes = {PROPOSES: {"contents": "write", "pull-requests": "write"}} if recipe.name == "review" else {}
    reads = {"contents": "read"} if recipe.name == "sandbox" else {"contents": "read", "id-token": "write"}
    assert permissions == {**dict.fromkeys(permissions, reads), **writes}


@pytest.mark.parametrize("recipe", EACH)
def test_credentials_come_by_a_role_and_by_nothing_else(recipe: Recipe) -> None:
    taken = [name for name, given in recipe.runs_of_the_action() if "role-to-assume" in given]
    # Once in each job that has a token: the steps after it have the credentials.
    assert taken == list(with_token(recipe))
    text = recipe.file.read_text()
    assert re.findall(r"secrets\.(?!VERCEL_TOKEN\b|PULUMI_CONFIG_PASSPHRASE\b)\w+", text) == []
    assert "AWS_SECRET_ACCESS_KEY" not in text and "pull_request_target" not in recipe.triggers


@pytest.mark.parametrize("recipe", EACH)
def test_each_command_that_opens_the_stack_has_its_passphrase(recipe: Recipe) -> None:
    for _, given in recipe.runs_of_the_action():
        assert given["passphrase"] == "${{ secrets.PULUMI_CONFIG_PASSPHRASE }}"


def test_gitlab_is_told_of_the_passphrase() -> None:
    assert "PULUMI_CONFIG_PASSPHRASE" in GITLAB.read_text().partition("\nvariables:")[0]


def test_the_action_takes_its_role_with_the_token_of_the_job() -> None:
    (configured,) = (step for step in STEPS if "configure-aws" in step.get("uses", ""))
    assert set(configured["with"]) == {"aws-region", "role-to-assume", "role-session-name"}
    assert "AWS_SECRET_ACCESS_KEY" not in ACTION_FILE.read_text()


@pytest.mark.parametrize("recipe", EACH)
def test_only_an_approved_job_takes_the_role_of_changes(recipe: Recipe) -> None:
    for name, job in with_token(recipe).items():
        roles = {
            each["role-to-assume"]
            for of, each in recipe.runs_of_the_action()
            if of == name and "role-to-assume" in each
        }
        changes = roles == {"${{ vars.AWS_APPLY_ROLE }}"}
        assert changes or roles == {"${{ vars.AWS_READ_ROLE }}"}
        assert changes == (job.get("environment") == "production") == ((recipe.name, name) == ("apply", "apply"))


def test_only_the_command_gets_a_secret_and_only_the_comment_a_token_of_github() -> None:
    secret = {"inputs.vercel-token": "Run the command", "inputs.passphrase": "Run the command"}
    for text, name in {**secret, "github.token": "Comment on the pull request"}.items():
        assert [step.get("name") for step in STEPS if text in str(step)] == [name]


def test_no_expression_reaches_a_shell_of_the_action() -> None:
    runs = [step for step in STEPS if "run" in step]
    assert runs and [step["run"] for step in runs if "${{" in step["run"]] == []
    # With a name, GitHub adds -eo pipefail.
    assert {step["shell"] for step in runs} == {"bash"}


@pytest.mark.parametrize("recipe", EACH)
def test_a_secret_reaches_only_the_step_that_needs_it_and_no_expression_reaches_a_shell(recipe: Recipe) -> None:
    # What a shell runs would hold whatever an expression's value is, a branch's name for one.
    assert [step["run"] for _, step in recipe.steps() if "${{" in step.get("run", "")] == []
    assert "secrets" not in str(recipe.content.get("env"))
    assert all("secrets" not in str(job.get("env")) for job in recipe.jobs.values())


@pytest.mark.parametrize("recipe", EACH)
def test_a_shell_stops_at_the_first_fault_and_a_job_in_time(recipe: Recipe) -> None:
    assert recipe.content["defaults"]["run"]["shell"] == "bash"
    assert all(0 < job["timeout-minutes"] <= 60 for job in recipe.jobs.values())
    assert recipe.content["concurrency"]["group"]


@pytest.mark.parametrize("recipe", EACH)
def test_the_checked_out_code_keeps_no_token(recipe: Recipe) -> None:
    found = [step["with"] for _, step in recipe.steps() if "actions/checkout" in step.get("uses", "")]
    assert found and all(each == {"persist-credentials": False} for each in found)


def test_the_updates_run_one_after_the_other_and_are_never_cut_off() -> None:
    assert RECIPES["apply"].content["concurrency"]["cancel-in-progress"] is False


def test_the_doctor_comes_nightly_and_the_review_on_the_first_of_each_quarter() -> None:
    (nightly,) = RECIPES["doctor"].triggers["schedule"]
    (quarterly,) = RECIPES["review"].triggers["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* \*", nightly["cron"])
    assert re.fullmatch(r"\d+ \d+ 1 1,4,7,10 \*", quarterly["cron"])
    assert set(RECIPES["preview"].triggers) == {"pull_request"}
    assert RECIPES["apply"].triggers["push"]["branches"] == ["main"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of a quarter ago, with the artifact of the review over it; `gh` writes its words to a file."""
    origin, folder, programs = tmp_path / "origin.git", tmp_path / "checkout", tmp_path / "bin"
    for command in (
        ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(origin)],
        ["git", "init", "--quiet", "--initial-branch=main", str(folder)],
    ):
        subprocess.run(command, check=True)
    programs.mkdir()
    (programs / "gh").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{tmp_path}/gh.txt"\n')
    (programs / "gh").chmod(0o755)

    def evidence(day: str) -> None:
        for name in (
            f"reviews/production/{day}.json",
            *(f"reports/production/{day}/report.{e}" for e in ("json", "html")),
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(json.dumps({"digest": f"sha256:{day}"}))

    # It keeps reports out of the repository: the JSON of a quarter is there to be signed.
    (folder / ".gitignore").write_text((PROJECT / "examples/project/.gitignore").read_text())
    evidence("2026-01-01")
    author = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (
        ["remote", "add", "origin", str(origin)],
        ["add", "--force", "."],
        [*author, "commit", "--quiet", "-m", "Q1"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)
    evidence("2026-04-01")
    (folder / "review.json").write_text("{}")
    return folder


def proposed(checkout: Path) -> subprocess.CompletedProcess[str]:
    """The step that proposes, as GitHub runs it."""
    recipe = RECIPES["review"]
    *_, step = recipe.jobs[PROPOSES]["steps"]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT")},
        **recipe.content["env"],
        "PATH": f"{checkout.parent / 'bin'}:{os.environ['PATH']}",
        "GITHUB_RUN_ID": "7",
        "GITHUB_RUN_ATTEMPT": "1",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "eonpro/app",
        "RUNNER_TEMP": str(checkout.parent),
        "RESULT": "failure",
    }
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_person_is_given_the_quarters_json_to_sign_and_nothing_else_is_committed(checkout: Path) -> None:
    done = proposed(checkout)
    assert done.returncode == 0, done.stderr

    branch = "eonpro-review/7-1"
    changed = ["git", "-C", str(checkout.parent / "origin.git"), "show", "--format=", "--name-only", branch]
    assert subprocess.run(changed, capture_output=True, text=True, check=True).stdout.split() == [
        "reports/production/2026-04-01/report.json",
        "reviews/production/2026-04-01.json",
    ]
    opened = (checkout.parent / "gh.txt").read_text().splitlines()
    assert opened[:6] == ["pr", "create", "--base", "main", "--head", branch]
    body = Path(opened[opened.index("--body-file") + 1]).read_text()
    for part in ("sha256:2026-04-01", "failure", "actions/runs/7", "review --stack production --sign", "report verify"):
        assert part in body


def test_a_quarter_without_a_report_is_not_proposed_as_whole(checkout: Path) -> None:
    (checkout / "reports/production/2026-04-01/report.json").unlink()
    assert proposed(checkout).returncode != 0
    assert not (checkout.parent / "gh.txt").exists()


def test_the_job_that_may_write_runs_no_code_of_the_project_and_takes_no_role() -> None:
    steps = RECIPES["review"].jobs[PROPOSES]["steps"]
    assert not any(word in str(steps[:-1]) for word in ("make", "configure-aws", "secrets."))
    assert [name for name, step in RECIPES["review"].steps() if "github.token" in str(step)] == [PROPOSES]
    assert ".venv" not in steps[-1]["run"]


def test_a_fork_gets_no_preview() -> None:
    (job,) = RECIPES["preview"].jobs.values()
    assert "head.repo.full_name == github.repository" in job["if"]


@pytest.mark.parametrize("recipe", EACH)
def test_each_variable_that_a_recipe_takes_is_told_at_its_head(recipe: Recipe) -> None:
    text = recipe.file.read_text()
    head = text.partition("\nname:")[0]
    taken = set(re.findall(r"\b(?:vars|secrets)\.(\w+)", text))
    assert {name for name in taken if name not in head} == set()
    # The sandbox has no account.
    assert bool(taken) == (recipe.name != "sandbox")


def test_nothing_else_lies_in_the_folder() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(f"{name}.yml" for name in RECIPES)


def test_the_documentation_uses_the_action_of_this_version() -> None:
    assert f"uses: {USES} " in (PROJECT / "docs" / "commands.md").read_text()


def test_a_recipe_says_that_the_name_of_the_repository_stands_for_another() -> None:
    for recipe in RECIPES.values():
        if list(recipe.runs_of_the_action()):
            assert f"{OURS} below stands for the repository" in recipe.file.read_text()


# --- GitLab


SANDBOX = "eonpro sandbox"


def gitlab_jobs() -> dict[str, dict[str, Any]]:
    """The jobs of the recipe for GitLab that reach the account, with what they extend."""
    content = yaml.safe_load(GITLAB.read_text())
    return {
        name: {**content[job["extends"]], **job} for name, job in content.items() if "extends" in job and name[0] != "."
    }


def test_the_sandbox_of_gitlab_has_no_token_and_no_role() -> None:
    job = yaml.safe_load(GITLAB.read_text())[SANDBOX]
    assert not {"extends", "id_tokens", "environment", "before_script"} & set(job) and job["timeout"]
    assert job["variables"] == {"EONPRO_PROVIDER": "official"}
    assert "requirements.txt" in job["rules"][0]["changes"]


def test_a_job_of_gitlab_has_a_token_a_time_and_its_occasion() -> None:
    assert list(gitlab_jobs()) == [f"eonpro {name}" for name in ("preview", "plan", "apply", "doctor", "review")]
    for job in gitlab_jobs().values():
        assert job["id_tokens"] == {"EONPRO_ID_TOKEN": {"aud": "sts.amazonaws.com"}}
        assert job["timeout"] and job["rules"] and all("if" in rule for rule in job["rules"])
    text = GITLAB.read_text()
    assert "AWS_SECRET_ACCESS_KEY" not in text and "AWS_ACCESS_KEY_ID" not in text


def test_on_gitlab_only_a_job_that_a_person_starts_takes_the_role_of_changes() -> None:
    roles = {name: job["variables"]["AWS_ROLE_ARN"] for name, job in gitlab_jobs().items()}
    assert {name for name, role in roles.items() if role != "$AWS_READ_ROLE"} == {"eonpro apply"}
    apply = gitlab_jobs()["eonpro apply"]
    assert [rule["when"] for rule in apply["rules"]] == ["manual"]
    assert apply["environment"] == "production" and apply["interruptible"] is False and apply["resource_group"]


def test_on_gitlab_no_fork_and_no_open_branch_gets_a_role() -> None:
    (rule,) = gitlab_jobs()["eonpro preview"]["rules"]
    assert "CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID" in rule["if"] and "/^eonpro\\//" in rule["if"]
    others = [rule["if"] for name, job in gitlab_jobs().items() if name != "eonpro preview" for rule in job["rules"]]
    assert all('$CI_COMMIT_BRANCH == "main"' in condition for condition in others)
