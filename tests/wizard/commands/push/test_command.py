"""Which environments `--to` and `--branch` name, and what a variable is for."""

from __future__ import annotations

import pytest

from wizard.commands.push.command import chosen
from wizard.core.errors import UsageError
from wizard.core.models.vercel import PRODUCTION, Scope, VercelVariable, places

CUSTOM = {"env_1": "staging", "env_2": "qa"}


def variable(*targets: str, branch: str | None = None, custom: tuple[str, ...] = ()) -> VercelVariable:
    return VercelVariable(
        id="v",
        key="K",
        type="encrypted",
        targets=targets,
        comment="",
        git_branch=branch,
        custom_environments=custom,
    )


def test_a_custom_environment_is_known_by_its_slug_and_set_by_its_id() -> None:
    (staging,) = chosen(["staging"], None, CUSTOM)
    assert staging == Scope(environment="staging", custom_id="env_1")
    assert staging.fields == {"customEnvironmentIds": ["env_1"]}
    assert staging.words == "the custom environment staging"


def test_a_branch_narrows_preview() -> None:
    (branch,) = chosen(["preview"], "feature/a", {})
    assert branch.fields == {"target": ["preview"], "gitBranch": "feature/a"}
    assert (branch.words, branch.typed) == ("the branch feature/a of preview", ("preview", "feature/a"))


@pytest.mark.parametrize("names", [["production"], ["staging"], ["preview", "production"]])
def test_a_branch_of_anything_else_is_refused(names: list[str]) -> None:
    with pytest.raises(UsageError, match="only with --to preview"):
        chosen(names, "feature", CUSTOM)


def test_development_is_refused_with_why() -> None:
    with pytest.raises(UsageError, match="`vercel env pull` would write it into a file") as refused:
        chosen(["preview", "development"], None, {})
    assert refused.value.exit_code == 2


def test_an_environment_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="production, preview, qa, staging"):
        chosen(["stagin"], None, CUSTOM)
    with pytest.raises(UsageError, match="names no environment"):
        chosen([], None, CUSTOM)


@pytest.mark.parametrize(
    ("seen_by", "of"),
    [
        ("production", variable("production")),
        ("production", variable("production", "preview")),
        ("preview", variable("production", "preview")),
        ("the branch b of preview", variable("preview", branch="b")),
        ("the custom environment staging", variable(custom=("env_1",))),
        ("the custom environment staging", variable("production", custom=("env_1",))),
    ],
)
def test_who_sees_a_variable(seen_by: str, of: VercelVariable) -> None:
    scopes = (
        PRODUCTION,
        Scope(environment="preview"),
        Scope(environment="preview", branch="b"),
        Scope(environment="staging", custom_id="env_1"),
    )
    seeing = {scope.words for scope in scopes if scope.sees(of)}
    assert seen_by in seeing
    assert len(seeing) == len(places(of))
    for scope in scopes:
        if scope.sees(of):
            assert set(scope.beside(of)) == set(places(of)) - {scope.place}


def test_a_branch_is_neither_all_of_preview_nor_another_branch() -> None:
    branch = variable("preview", branch="b")
    assert not Scope(environment="preview").sees(branch)
    assert not Scope(environment="preview", branch="c").sees(branch)
    assert not Scope(environment="preview", branch="b").sees(variable("preview"))
