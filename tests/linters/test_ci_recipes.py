"""The recipes for GitHub Actions: sound by actionlint, pinned, with the least rights, and no key of anybody's."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.linters.recipes import FOLDER, Recipe, recipes
from tools.bootstrap import go
from tools.bootstrap.places import HERE

RECIPES = recipes()
EACH = [pytest.param(recipe, id=name) for name, recipe in RECIPES.items()]
PROPOSES = "pull-request"
"""The job of the review that writes to the repository."""
PINNED = re.compile(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def with_token(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """The jobs that take a role of the account."""
    return {name: job for name, job in recipe.jobs.items() if "id-token" in job["permissions"]}


def actionlint(*files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(go.actionlint(HERE)), "-shellcheck=", "-pyflakes=", "-no-color", *map(str, files)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_there_is_a_recipe_for_each_occasion() -> None:
    assert set(RECIPES) == {"preview", "apply", "doctor", "review"}


def test_actionlint_has_nothing_to_say() -> None:
    done = actionlint(*(recipe.file for recipe in RECIPES.values()))
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("sound", "broken", "said"),
    [
        ("runs-on: ubuntu-24.04", "runs-on: ubuntu-42", "[runner-label]"),
        ("needs: plan", "needs: nothing", "[job-needs]"),
        ("github.ref == 'refs/heads/main'", "github.branch == 'main'", "[expression]"),
        ("id-token: write", "id-token: maybe", "[permissions]"),
    ],
)
def test_actionlint_would_have_said_it(sound: str, broken: str, said: str, tmp_path: Path) -> None:
    text = RECIPES["apply"].file.read_text()
    assert sound in text
    (tmp_path / "apply.yml").write_text(text.replace(sound, broken))
    done = actionlint(tmp_path / "apply.yml")
    assert done.returncode == 1 and said in done.stdout


@pytest.mark.parametrize("recipe", EACH)
def test_every_action_is_pinned_to_a_commit_with_its_version_beside_it(recipe: Recipe) -> None:
    used = [line.strip().removeprefix("- ") for line in recipe.file.read_text().splitlines() if "uses:" in line]
    assert used
    assert [line for line in used if not PINNED.fullmatch(line)] == []


def test_one_version_of_an_action_is_used_everywhere() -> None:
    used = {step["uses"] for recipe in RECIPES.values() for _, step in recipe.steps() if "uses" in step}
    assert len({each.partition("@")[0] for each in used}) == len(used)


@pytest.mark.parametrize("recipe", EACH)
def test_a_recipe_has_no_right_but_to_read_the_code_and_to_ask_for_its_token_or_to_propose(recipe: Recipe) -> None:
    assert recipe.content["permissions"] == {}
    permissions = {name: job["permissions"] for name, job in recipe.jobs.items()}
    writes = {PROPOSES: {"contents": "write", "pull-requests": "write"}} if recipe.name == "review" else {}
    assert permissions == {**dict.fromkeys(permissions, {"contents": "read", "id-token": "write"}), **writes}


@pytest.mark.parametrize("recipe", EACH)
def test_credentials_come_by_a_role_and_by_nothing_else(recipe: Recipe) -> None:
    configured = [step["with"] for _, step in recipe.steps() if "configure-aws" in step.get("uses", "")]
    assert len(configured) == len(with_token(recipe))
    for each in configured:
        assert set(each) == {"aws-region", "role-to-assume", "role-session-name"}
    text = recipe.file.read_text()
    assert re.findall(r"secrets\.(?!VERCEL_TOKEN\b)\w+", text) == []
    assert "AWS_SECRET_ACCESS_KEY" not in text and "pull_request_target" not in recipe.triggers


@pytest.mark.parametrize("recipe", EACH)
def test_only_an_approved_job_takes_the_role_of_changes(recipe: Recipe) -> None:
    for name, job in with_token(recipe).items():
        roles = {step["with"]["role-to-assume"] for step in job["steps"] if "configure-aws" in step.get("uses", "")}
        changes = roles == {"${{ vars.AWS_APPLY_ROLE }}"}
        assert changes or roles == {"${{ vars.AWS_READ_ROLE }}"}
        assert changes == (job.get("environment") == "production") == ((recipe.name, name) == ("apply", "apply"))


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

    evidence("2026-01-01")
    author = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (["remote", "add", "origin", str(origin)], ["add", "."], [*author, "commit", "--quiet", "-m", "Q1"]):
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
    assert taken and {name for name in taken if name not in head} == set()


def test_nothing_else_lies_in_the_folder() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(f"{name}.yml" for name in RECIPES)
