"""`report` from the command line: three new files, never over others, and one document."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.selection import first
from tests.wizard.fakes.backup import VAULT_BUCKET
from tests.wizard.fakes.clients import (
    KEY,
    STORED_KEY,
    TOKEN,
    FakeAwsClient,
    FakeEngine,
    FakeUserInterface,
    FakeVercelClient,
    built,
    clients_of,
    settings,
    wrapped,
)
from wizard.cli import parser
from wizard.commands.report import command
from wizard.commands.report.render import markdown, page
from wizard.core.clients import Answer, Request, Source
from wizard.core.errors import ResourceError, SetupError, StackNotFound, UsageError
from wizard.core.models.delivery import StoredDataKey
from wizard.core.next_command import Run as RunOptions

NOW = datetime(2026, 3, 2, 9, 30, 15, tzinfo=UTC)


class Run:
    """The command over fakes, in a folder of its own."""

    def __init__(self) -> None:
        self.aws = FakeAwsClient()
        self.engine = FakeEngine(aws=self.aws, stack_state=built(self.aws, settings()))
        self.aws.stored_keys[STORED_KEY] = StoredDataKey(
            parameter=STORED_KEY, wrapped=wrapped(), key_arn=KEY, version=1
        )
        self.ui = FakeUserInterface()
        self.saved: Any = settings()

    def __call__(self, *argv: str) -> tuple[int, dict[str, Any]]:
        clients = clients_of(
            self.aws, self.engine, ui=self.ui, vercel=lambda token: FakeVercelClient(team="acme"), now=lambda: NOW
        )
        answers = {"vercel_token": Answer(value=TOKEN, source=Source.FLAG, where="flag")}
        line = parser.parse(["report", *argv])
        asked = Request(stack="production", answers=answers, saved=self.saved, everything=line.run.everything)
        code, document = line.options.run(asked, clients)
        return code, document


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(command, "DEFAULT_FOLDER", tmp_path / "reports")
    monkeypatch.setattr(command, "REVIEWS", tmp_path / "reviews")
    monkeypatch.chdir(tmp_path)
    return Run()


def test_three_forms_of_one_document_go_to_a_folder_named_after_stack_and_time(run, tmp_path) -> None:
    code, report = run()
    folder = tmp_path / "reports" / "production" / "2026-03-02T09-30-15Z"
    assert code == 0
    assert sorted(each.name for each in folder.iterdir()) == ["report.html", "report.json", "report.md"]
    saved = json.loads((folder / "report.json").read_text())
    assert saved == json.loads(json.dumps(report))
    assert (folder / "report.html").read_text() == page(saved)
    assert (folder / "report.md").read_text() == markdown(saved)


def test_the_document_says_where_the_files_are_and_nothing_of_this_machine(run, tmp_path) -> None:
    _, report = run()
    assert report["files"] == {
        "folder": "reports/production/2026-03-02T09-30-15Z",
        "copy": None,
        "page": "report.html",
        "text": "report.md",
        "data": "report.json",
        "agreements": None,
    }
    assert str(tmp_path) not in json.dumps(report)


def test_a_report_is_never_written_over_another(run, tmp_path) -> None:
    run("--out", "here")
    before = {each: each.read_bytes() for each in (tmp_path / "here").iterdir()}
    with pytest.raises(UsageError, match="nothing was overwritten"):
        run("--out", "here")
    assert {each: each.read_bytes() for each in (tmp_path / "here").iterdir()} == before


def test_a_report_that_lost_its_power_is_made_again_in_the_same_second(run, tmp_path) -> None:
    first = Path(run()[1]["files"]["folder"])
    (first / "report.md").unlink()
    code, report = run()
    assert code == 0 and Path(report["files"]["folder"]) == first.with_name(f"{first.name}-2")
    assert not (first / "report.md").exists()


def test_a_folder_that_cannot_be_created_is_an_error_without_a_traceback(run, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="cannot be written") as caught:
        run("--out", "file/below")
    assert "--out" in caught.value.hint


def test_the_output_is_where_the_files_are_and_what_is_open(run) -> None:
    _, report = run()
    lines = [line for _, line in run.ui.marked]
    assert lines[0] == "reports/production/2026-03-02T09-30-15Z/: report.html, report.md, report.json"
    shown = {line.partition(":")[0] for line in lines}
    by_state = {item["title"]: item["state"] for item in report["checklist"]}
    assert {title for title in by_state if title in shown} == {
        title for title, state in by_state.items() if state != "done"
    }
    # A command stands below all that its item found: it may be for the last of it.
    for item in (item for item in report["checklist"] if item["state"] == "open" and item["next"]):
        assert f"{item['title']}: {item['evidence']}" in lines
    run("--out", "all", "--all")
    assert by_state.keys() <= {line.partition(":")[0] for _, line in run.ui.marked}


def test_a_report_is_verified_with_the_forms_beside_it_and_asks_no_service(run, tmp_path) -> None:
    run("--out", "here")
    run.aws.log.clear()
    code, told = run("verify", "here/report.json")
    assert (code, told["ok"], told["forms"], told["faults"]) == (0, True, ["report.html", "report.md"], [])
    assert run.aws.log == []


def test_a_folder_without_a_report_is_refused_in_words(run, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="report.json cannot be read: No such file or directory"):
        run("verify", "empty")


FORMS = ["report.json", "report.html", "report.md"]


@pytest.mark.parametrize("form", first(1, FORMS))
@pytest.mark.parametrize(
    "edit",
    [
        lambda content: content + b"\n",
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: content[:-2],
        lambda content: b"",
    ],
    ids=["a line more", "other line ends", "a byte order mark", "cut off", "emptied"],
)
def test_no_edit_of_any_form_passes(run, tmp_path, form, edit) -> None:
    run("--out", "here")
    file = tmp_path / "here" / form
    file.write_bytes(edit(file.read_bytes()))
    try:
        code, told = run("verify", "here/report.json")
    except UsageError as refused:
        assert form == "report.json" and "cannot be read as a report" in refused.message
    else:
        assert code == 1 and told["faults"]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"digest": "x", "checklist": []}'])
def test_what_is_no_report_is_refused_in_words(run, tmp_path, content) -> None:
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(UsageError, match="cannot be read as a report"):
        run("verify", "report.json")


def test_the_digest_is_in_every_form_and_in_the_margin_of_each_printed_page(run, tmp_path) -> None:
    _, report = run("--out", "here", "--prepared-by", "Ada Byron")
    html = (tmp_path / "here" / "report.html").read_text()
    assert f'content: "{report["digest"]}"' in html and "Ada Byron" in html
    assert report["digest"] in (tmp_path / "here" / "report.md").read_text()


def test_a_confirmed_agreement_is_kept_for_later_reports(run) -> None:
    run("--agreement", "AWS=2026-01-15:aws-baa.pdf")
    _, later = run("--out", "later")
    assert [each["file"] for each in later["agreements"]] == ["aws-baa.pdf", ""]


def test_without_settings_there_is_no_report_and_no_folder(run, tmp_path) -> None:
    run.saved = None
    with pytest.raises(StackNotFound):
        run()
    assert list(tmp_path.iterdir()) == []


def test_what_is_printed_is_the_file_of_which_the_digest_is(run) -> None:
    _, report = run("--out", "here")
    printed = RunOptions(flags={"--stack": ("--stack", "other")}).complete_all(report)
    assert json.dumps(printed) == json.dumps(json.loads(Path("here/report.json").read_text()))


def test_every_form_names_the_program_as_its_reader_types_it(run) -> None:
    run("--out", "here")
    for form in ("report.html", "report.json", "report.md"):
        text = Path("here", form).read_text()
        assert "eonpro-kms " in text and "python -m wizard" not in text
    assert not any("python -m wizard" in line for line in run.ui.said)


def test_a_copy_in_a_locked_bucket_is_the_same_three_files(run) -> None:
    _, report = run("--out", "here", "--to", f"s3://{VAULT_BUCKET}/evidence")
    copy = f"s3://{VAULT_BUCKET}/evidence/production/here"
    assert report["files"]["copy"] == copy
    for name in ("report.json", "report.html", "report.md"):
        stored = run.aws.backup_storage.read(VAULT_BUCKET, f"evidence/production/here/{name}")
        assert stored is not None and stored.body == Path(f"here/{name}").read_bytes()


def test_a_bucket_that_does_not_lock_is_refused_for_evidence(run, monkeypatch) -> None:
    monkeypatch.setattr(run.aws.backup_storage, "lock_of", lambda bucket: None)
    with pytest.raises(ResourceError, match="no Object Lock"):
        run("--out", "here", "--to", f"s3://{VAULT_BUCKET}/evidence")
    assert not Path("here").exists()


def test_a_copy_that_is_not_in_s3_is_refused_before_anything_is_read(run) -> None:
    with pytest.raises(UsageError, match="not a place in S3"):
        run("--to", "/tmp/evidence")
    assert run.aws.log == []


def test_what_changed_since_an_earlier_report_is_shown_with_its_digest(run) -> None:
    _, first = run()
    run.aws.keys[KEY] = replace(run.aws.keys[KEY], rotation_enabled=False)
    _, second = run("--out", "later", "--since", f"{NOW:%Y-%m-%d}")
    changes = second["changes"]
    assert (changes["digest"], changes["since"]) == (first["digest"], first["createdAt"])
    assert {"what": "Automatic key rotation", "before": "done", "now": "open"} in changes["entries"]
    assert "finding rotation-off" in [each["what"] for each in changes["entries"]]
    assert (
        "Changes since" in Path("later/report.html").read_text()
        and "Changes since" in Path("later/report.md").read_text()
    )
    assert run("verify", "later/report.json")[1]["ok"]


@pytest.mark.parametrize("since", ["2026-03-01", "yesterday"])
def test_without_an_earlier_report_nothing_is_compared(run, since) -> None:
    run()
    with pytest.raises(UsageError, match=since):
        run("--out", "later", "--since", since)


def test_every_file_that_is_written_is_listed_and_verified(run, tmp_path) -> None:
    _, report = run("--out", "here", "--agreement", "AWS=2026-01-15:aws-baa.pdf")
    lines = [line for _, line in run.ui.marked]
    names = [report["files"][name] for name in ("page", "text", "data")]
    assert sorted(names) == sorted(path.name for path in (tmp_path / "here").iterdir())
    assert f"here/: {', '.join(names)}" in lines
    agreements = report["files"]["agreements"]
    assert (tmp_path / agreements).exists() and any(line.startswith(f"{agreements}:") for line in lines)
    assert run("verify", "here/report.json")[1]["forms"] == ["report.html", "report.md"]


def test_a_report_of_which_only_the_spaces_were_changed_is_caught(run, tmp_path) -> None:
    run("--out", "here")
    file = tmp_path / "here" / "report.json"
    file.write_text(json.dumps(json.loads(file.read_text())))
    code, told = run("verify", "here/report.json")
    assert (code, told["faults"]) == (1, ["its text is not as it was written, though its content is"])
