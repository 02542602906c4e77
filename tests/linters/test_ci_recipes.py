"""The recipes for GitHub Actions: sound by actionlint, pinned, with the least rights, and no key of anybody's."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.linters.recipes import FOLDER, Recipe, recipes
from tools.bootstrap import go
from tools.bootstrap.places import HERE

RECIPES = recipes()
EACH = [pytest.param(recipe, id=name) for name, recipe in RECIPES.items()]
PINNED = re.compile(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


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
def test_a_recipe_has_no_right_but_to_read_the_code_and_to_ask_for_its_token(recipe: Recipe) -> None:
    assert recipe.content["permissions"] == {}
    permissions = [job["permissions"] for job in recipe.jobs.values()]
    assert permissions and all(each == {"contents": "read", "id-token": "write"} for each in permissions)


@pytest.mark.parametrize("recipe", EACH)
def test_credentials_come_by_a_role_and_by_nothing_else(recipe: Recipe) -> None:
    configured = [step["with"] for _, step in recipe.steps() if "configure-aws" in step.get("uses", "")]
    assert len(configured) == len(recipe.jobs)
    for each in configured:
        assert set(each) == {"aws-region", "role-to-assume", "role-session-name"}
    text = recipe.file.read_text()
    assert re.findall(r"secrets\.(?!VERCEL_TOKEN\b)\w+", text) == []
    assert "AWS_SECRET_ACCESS_KEY" not in text and "pull_request_target" not in recipe.triggers


@pytest.mark.parametrize("recipe", EACH)
def test_only_an_approved_job_takes_the_role_of_changes(recipe: Recipe) -> None:
    for name, job in recipe.jobs.items():
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
