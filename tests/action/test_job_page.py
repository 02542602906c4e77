"""The page of a CI job: text of an account stays text, limits hold, and a pull request has one comment.

GitHub's API is a stand-in in this process: of comments it knows what the page asks for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import job_page
from tests.action.github import GitHub, github_api
from tests.selection import first

HOSTILE = (
    "~~~~\n<img src=x onerror=1>\n~~~~~~~\n[link](https://example.com) @everyone ::add-path::/tmp\n```\n<!-- x -->\n"
)
MARK = job_page.mark_of("production", "pulumi preview --diff")


@pytest.fixture
def github() -> Iterator[GitHub]:
    with github_api() as state:
        yield state


@pytest.fixture
def runs(github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job of pull request 7; the file of what the command printed."""
    (tmp_path / "event.json").write_text(json.dumps({"pull_request": {"number": 7}}))
    for name, value in {
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_API_URL": github.address,
        "GITHUB_REPOSITORY": github.repository,
        "GH_TOKEN": github.token,
        "no_proxy": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "text").write_text("1 to update\n")
    return tmp_path / "text"


def says(what: str, text: Path, command: str = "pulumi preview --diff") -> int:
    return job_page.main([what, "--title", "a plan", "--stack=production", f"--command={command}", str(text)])


def outside_of_blocks(markdown: str) -> str:
    """What a reader of CommonMark takes for Markdown: without the fenced blocks of tildes."""
    lines, fence = [], ""
    for line in markdown.splitlines():
        opened = re.match(r" {0,3}(~{3,})(.*)$", line)
        if not fence and opened:
            fence = opened[1]
        elif fence and opened and len(opened[1]) >= len(fence) and not opened[2].strip():
            fence = ""
        elif not fence:
            lines.append(line)
    assert not fence, "a block is not closed"
    return "\n".join(lines)


@given(st.text() | st.text(alphabet="~`\n <!->a"), st.integers(200, 2000))
def test_no_text_leaves_its_block_and_no_page_is_too_long(text: str, most: int) -> None:
    for measure in (job_page.utf8, job_page.utf16):
        made = job_page.page("a plan", text, most=most, measure=measure, mark=MARK)
        assert measure(made) <= most
        assert outside_of_blocks(made).split() == [*MARK.split(), "###", "a", "plan"]


def test_a_text_that_would_be_markdown_is_shown_as_it_is() -> None:
    made = job_page.page("a plan", HOSTILE, most=job_page.COMMENT_UNITS, measure=job_page.utf16)
    assert HOSTILE.strip() in made and outside_of_blocks(made).strip() == "### a plan"


def test_a_title_holds_no_markup() -> None:
    made = job_page.page("[x](y) <b>`doctor`\n# more", "", most=1000, measure=job_page.utf8)
    assert made.splitlines()[0] == "### xy bdoctor more"


def test_colors_are_gone_and_what_turns_text_round_is_seen() -> None:
    assert (
        job_page.plain("\x1b[31mred\x1b[0m a\u202eb\x00c\r\n\td")
        == "red a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c\n\td"
    )


@pytest.mark.parametrize("character", first(1, ["\N{KEY}", "ü", "a"]))
@pytest.mark.parametrize(
    ("most", "measure"),
    [(job_page.SUMMARY_BYTES, job_page.utf8), (job_page.COMMENT_UNITS, job_page.utf16)],
)
def test_of_a_long_text_the_beginning_and_the_end_are_kept(
    most: int, measure: job_page.Measure, character: str
) -> None:
    text = "the first line\n" + f"{character * 70}\n" * 40_000 + "the last line\n"
    made = job_page.page("a plan", text, most=most, measure=measure)
    assert most * 0.95 < measure(made) <= most
    assert "the first line\n" in made and "the last line\n" in made and job_page.LEFT_OUT in made


def test_a_summary_is_added_to_what_is_there(runs: Path) -> None:
    says("summary", runs)
    says("summary", runs.with_name("nothing"))
    summary = (runs.parent / "summary.md").read_text()
    assert summary.count("### a plan") == 2 and "1 to update" in summary and "(it printed nothing)" in summary


def test_a_pull_request_has_one_comment_which_is_updated(runs: Path, github: GitHub) -> None:
    assert says("comment", runs) == 0
    runs.write_text("2 to update\n")
    assert says("comment", runs) == 0
    (only,) = github.comments
    assert only["body"].startswith(f"{MARK}\n### a plan") and "2 to update" in only["body"]
    assert "1 to update" not in only["body"]


def test_another_command_and_another_stack_have_a_comment_of_their_own(runs: Path, github: GitHub) -> None:
    says("comment", runs)
    says("comment", runs, "cost")
    job_page.main(["comment", "--title", "t", "--stack=staging", "--command=cost", str(runs)])
    assert len({each["body"].splitlines()[0] for each in github.comments}) == 3


def test_a_comment_is_found_among_hundreds(runs: Path, github: GitHub) -> None:
    for number in range(230):
        github.add("somebody", f"comment {number}")
    github.add(job_page.AUTHOR, f"{MARK}\nold")
    says("comment", runs)
    assert len(github.comments) == 231 and "1 to update" in github.comments[-1]["body"]


def test_a_persons_comment_with_the_mark_is_not_overwritten(runs: Path, github: GitHub) -> None:
    github.add("mallory", f"{MARK}\nmine")
    github.add(job_page.AUTHOR, f"> {MARK}\na quotation")
    says("comment", runs)
    assert [each["body"].splitlines()[-1] for each in github.comments[:2]] == ["mine", "a quotation"]
    assert len(github.comments) == 3


@pytest.mark.parametrize("code", [403, 404, 422, 500])
def test_a_comment_that_github_refuses_does_not_change_the_result(
    runs: Path, github: GitHub, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    github.refuses = code
    assert says("comment", runs) == 0
    assert f"::warning::no comment ({code})" in capsys.readouterr().out


def test_a_run_of_main_makes_no_comment(runs: Path, github: GitHub) -> None:
    (runs.parent / "event.json").write_text(json.dumps({"ref": "refs/heads/main"}))
    assert says("comment", runs) == 0 and github.comments == []


@pytest.mark.parametrize("stack", ["production", "a --> b", "--x--", "🔑", "../.."])
def test_a_mark_is_one_comment_of_html(stack: str) -> None:
    assert re.fullmatch(r"<!-- eonpro-kms: [^<>\n]* -->", job_page.mark_of(stack, "doctor --quick"))
    assert "--" not in job_page.mark_of(stack, "doctor --quick")[4:-3]
