"""Drafts: what of a run is kept, in whose file, and that a bad one is no hindrance."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wizard.core.clients import Answer, Draft, Source
from wizard.inputs import answers_file
from wizard.inputs.answers_file import ANSWERING, PLANNED, Drafts

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "vercel-token-of-the-clinic"
DRAFT = Draft(
    stage=ANSWERING,
    at=AT,
    answers={"target": ("vercel", "ecs"), "multi_region": False, "ecs_cluster": None},
    asked=("target", "multi_region"),
)


def answer(value: object, source: Source = Source.ASKED, *, secret: bool = False) -> Answer:
    return Answer(value=value, source=source, where="x", secret=secret)


ANSWERS = {
    "target": answer(("vercel",)),
    "profile": answer("clinic"),
    "region": answer("us-east-1", Source.FLAG),
    "account": answer("111122223333", Source.DETECTED),
    "trail_lock": answer("governance", Source.DEFAULT),
    "environment": answer("production", Source.SAVED),
    "vercel_token": answer(SECRET, secret=True),
}


@pytest.fixture
def files(tmp_path: Path) -> Drafts:
    return Drafts(tmp_path)


def test_what_somebody_said_is_kept_and_what_is_found_anew_is_not() -> None:
    draft = answers_file.progress_from_answers(
        ANSWERS, stage=ANSWERING, at=AT, asked=("target", "profile", "vercel_token")
    )
    assert draft.answers == {"target": ("vercel",), "profile": "clinic", "region": "us-east-1"}
    assert draft.asked == ("target", "profile")


def test_once_the_plan_is_drawn_the_configuration_holds_the_rest() -> None:
    assert answers_file.progress_from_answers(ANSWERS, stage=PLANNED, at=AT, asked=()).answers == {"profile": "clinic"}


def test_no_secret_is_kept(files, tmp_path: Path) -> None:
    files.save("production", answers_file.progress_from_answers(ANSWERS, stage=ANSWERING, at=AT, asked=tuple(ANSWERS)))
    assert [file for file in tmp_path.rglob("*") if file.is_file() and SECRET in file.read_text()] == []


@pytest.mark.parametrize("stack", ["production", "acme/eonpro-kms/staging", "../elsewhere"])
def test_a_draft_comes_back_under_its_stack_s_name_alone(files, tmp_path: Path, stack: str) -> None:
    files.save(stack, DRAFT)
    assert files.load(stack) == DRAFT
    assert files.load("another") is None
    assert [file.parent for file in tmp_path.rglob("*.json")] == [tmp_path / ".wizard"]


def test_only_its_owner_can_read_it(files, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        files.save("production", DRAFT)
    finally:
        os.umask(old)
    (file,) = tmp_path.rglob("*.json")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file.parent, file)] == [0o700, 0o600]


def test_a_secret_in_a_draft_is_not_read() -> None:
    text = answers_file.draft_text(DRAFT).replace('"multi_region": false', f'"vercel_token": "{SECRET}"')
    draft = answers_file.read_draft(text)
    assert draft is not None and "vercel_token" not in draft.answers


def test_a_folder_that_cannot_be_written_costs_no_run(tmp_path: Path) -> None:
    (tmp_path / ".wizard").write_text("a file where the folder should be")
    files = Drafts(tmp_path)
    files.save("production", DRAFT)
    assert files.load("production") is None
