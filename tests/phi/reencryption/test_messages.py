"""What the command says and keeps without a database: what it refuses, its verdict, its checkpoint."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest

from phi.errors import InvalidCiphertext
from phi.reencryption import options
from phi.reencryption.checkpoint import Checkpoint, Work
from phi.reencryption.command import judged, keys_from
from phi.reencryption.database import reject_passwords
from phi.reencryption.errors import ReencryptionError, UsageError
from phi.reencryption.models import Done, Run, Tally
from tests.phi.reencryption.command_process import ARN, wrapped
from tests.phi.reencryption.patients import NEW, OLD, SELECTION

WORK = Work(assignment=SELECTION, to="sha256:0123456789abcdef")


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://app:hunter2@/clinic",
        "host=/nowhere password=hunter2",
        "postgresql:///clinic?password=hunter2",
        "host=/nowhere sslkey=k sslpassword=hunter2",
        "host=/nowhere hunter2",
        "postgresql://[hunter2",
    ],
)
def test_a_dsn_with_a_password_is_refused_and_not_repeated(dsn: str) -> None:
    with pytest.raises(UsageError) as caught:
        reject_passwords(dsn)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}" and caught.value.exit_code == 2
    assert "PGPASSFILE" in caught.value.hint or "neither a URI" in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "dsn", ["", "host=/run dbname=clinic user=app", "postgresql://app@/clinic?host=/run", "service=x"]
)
def test_a_dsn_without_one_is_taken(dsn: str) -> None:
    reject_passwords(dsn)


@pytest.fixture
def variables(kms: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Those of the keys; those of AWS are this process's own."""
    for name, value in {
        "AWS_ENDPOINT_URL": kms,
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "s3cret",
    }.items():
        monkeypatch.setenv(name, value)
    wrappings = {"OLD": b"wrapped old", "NEW": b"wrapped new", "AGAIN": b"old, wrapped anew", "SPOILT": b"nobody's"}
    return {"AWS_REGION": "us-east-1", "AWS_KMS_KEY_ID": ARN} | {
        name: wrapped(each) for name, each in wrappings.items()
    }


def test_keys_come_by_the_names_of_their_variables(variables: dict[str, str]) -> None:
    keys = keys_from(variables, old=("OLD",), new="NEW")
    assert (keys.old, keys.new) == ((OLD,), NEW) and "b'" not in repr(keys)


@pytest.mark.parametrize(("old", "new"), [(("OLD",), "AGAIN"), (("NEW", "OLD"), "NEW"), (("OLD",), "OLD")])
def test_one_and_the_same_key_is_refused_however_it_is_wrapped(
    variables: dict[str, str], old: tuple[str, ...], new: str
) -> None:
    with pytest.raises(UsageError, match="the same data key"):
        keys_from(variables, old=old, new=new)


def test_variables_that_are_absent_or_malformed_are_all_named(variables: dict[str, str]) -> None:
    del variables["AWS_REGION"]
    with pytest.raises(UsageError) as caught:
        keys_from(variables | {"OLD": ""}, old=("OLD",), new="MISSING")
    assert caught.value.problems == ("AWS_REGION is not set", "OLD is not set", "MISSING is not set")
    with pytest.raises(UsageError, match="QUOTED is not the base64 of a wrapped key"):
        keys_from(variables | {"AWS_REGION": "us-east-1", "QUOTED": "'x'"}, old=("OLD",), new="QUOTED")


def test_a_key_that_kms_does_not_open_is_kms_refusal(variables: dict[str, str]) -> None:
    with pytest.raises(InvalidCiphertext):
        keys_from(variables, old=("OLD",), new="SPOILT")


@pytest.mark.parametrize("words", [["--batch", "0"], ["--processes", "-1"], ["--passes", "1"], ["--batch", "many"], []])
def test_a_command_line_that_makes_no_sense_ends_with_2(words: list[str]) -> None:
    parser = argparse.ArgumentParser()
    options.add_to(parser.add_subparsers())
    common = ["--table", "t", "--columns", "a", "--key-column", "id"] if words else []
    with pytest.raises(SystemExit) as left:
        parser.parse_args(["reencrypt", *common, *words])
    assert left.value.code == 2


# --- the verdict

RUN = Run(
    assignment=SELECTION,
    passes=(Done(rows=9, written=9, columns={"email": Tally(old=9)}), Done(rows=9, columns={"email": Tally(new=9)})),
    dry=False,
    seconds=61.0,
    pass_seconds=(40.0, 21.0),
    processes=2,
    batch=1000,
)


def ending(**changes: object) -> Run:
    """The run with another last pass."""
    return replace(RUN, passes=(RUN.passes[0], replace(RUN.passes[1], **changes)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("run", "allowed", "well", "word"),
    [
        (RUN, 0, True, "No record of these columns needs the old key."),
        (ending(columns={"email": Tally(new=8, old=1)}), 0, False, "still found records under the old key"),
        (ending(left=1), 9, False, "Rows that were not written: 1; other transactions"),
        (ending(columns={"email": Tally(new=7, foreign=1, no_record=1)}), 1, False, "--allow-unreadable 2"),
        (ending(columns={"email": Tally(new=7, foreign=1, no_record=1)}), 2, True, "needs the old key"),
        (replace(RUN, dry=True, passes=RUN.passes[:1], pass_seconds=(1.0,)), 0, True, "Nothing was written."),
    ],
)
def test_only_what_is_done_ends_well(run: Run, allowed: int, well: bool, word: str) -> None:
    ended, words = judged(run, allowed=allowed)
    assert ended is well and word in " ".join(words)


def test_of_many_values_the_first_are_named_and_the_others_counted() -> None:
    run = ending(columns={"email": Tally(no_record=12, named=tuple("abcdefghij"))})
    assert "  id: a, b, c, d, e, f, g, h, i, j and 2 more" in judged(run, allowed=0)[1]


# --- the checkpoint


def test_a_checkpoint_is_another_works_or_none_and_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint"
    assert Checkpoint(file, WORK).after() is None
    Checkpoint(file, WORK).note("41", now=True)
    assert Checkpoint(file, WORK).after() == "41"
    for other in (replace(WORK, to="sha256:0"), replace(WORK, assignment=replace(SELECTION, key_column="email"))):
        with pytest.raises(UsageError, match="another work"):
            Checkpoint(file, other).after()
    for spoilt in ("", "[]", json.dumps({"after": "1"})):
        file.write_text(spoilt)
        with pytest.raises(UsageError, match="not a checkpoint"):
            Checkpoint(file, WORK).after()
        assert file.read_text() == spoilt


def test_a_checkpoint_is_written_once_a_second(tmp_path: Path) -> None:
    times = iter((0.0, 0.0, 0.0, 0.5, 0.9, 1.0, 1.0))
    kept = Checkpoint(tmp_path / "checkpoint", WORK, clock=lambda: next(times))
    noted = []
    for key in ("1", "2", "3", "4", None):
        kept.note(key)
        noted.append(kept.after())
    assert noted == ["1", "1", "1", "4", "4"]
    kept.over()
    kept.over()
    assert kept.after() is None


def test_a_checkpoint_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no directory"):
        Checkpoint(tmp_path / "none" / "checkpoint", WORK).after()
    (tmp_path / "taken").mkdir()
    with pytest.raises(ReencryptionError, match="cannot be written"):
        Checkpoint(tmp_path / "taken", WORK).note("1", now=True)
