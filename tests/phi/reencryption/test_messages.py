"""The command without a database: usage errors, the evaluation of a run."""

from __future__ import annotations

import argparse
from dataclasses import replace

import pytest

from eonpro_phi.environment import HASH_KEY
from eonpro_phi.errors import InvalidCiphertext, WrongKeyCheckValue
from eonpro_phi.reencryption import command, options
from eonpro_phi.reencryption.command import evaluate, keys_from
from eonpro_phi.reencryption.database import reject_passwords
from eonpro_phi.reencryption.errors import ReencryptionError, UsageError
from eonpro_phi.reencryption.models import ColumnCounts, RowCounts, RunResult
from tests.phi.reencryption.command_process import ARN, wrapped
from tests.phi.reencryption.patients import NEW, OLD, SELECTION


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
def test_a_dsn_without_a_password_is_accepted(dsn: str) -> None:
    reject_passwords(dsn)


@pytest.fixture
def variables(kms: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables of the keys; those of AWS are set in this process."""
    for name, value in {
        "AWS_ENDPOINT_URL": kms,
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "s3cret",
    }.items():
        monkeypatch.setenv(name, value)
    wrappings = {"OLD": b"wrapped old", "NEW": b"wrapped new", "AGAIN": b"old, wrapped again", "INVALID": b"unknown"}
    return {"AWS_REGION": "us-east-1", "AWS_KMS_KEY_ID": ARN} | {
        name: wrapped(each) for name, each in wrappings.items()
    }


def test_keys_are_read_from_the_named_variables(variables: dict[str, str]) -> None:
    keys = keys_from(variables, old=("OLD",), new="NEW")
    assert (keys.old, keys.new) == ((OLD,), NEW) and "b'" not in repr(keys)


@pytest.mark.parametrize(("old", "new"), [(("OLD",), "AGAIN"), (("NEW", "OLD"), "NEW"), (("OLD",), "OLD")])
def test_the_same_data_key_is_refused_in_any_wrapping(
    variables: dict[str, str], old: tuple[str, ...], new: str
) -> None:
    with pytest.raises(UsageError, match="the same data key"):
        keys_from(variables, old=old, new=new)


def test_all_missing_and_malformed_variables_are_named(variables: dict[str, str]) -> None:
    del variables["AWS_REGION"]
    with pytest.raises(UsageError) as caught:
        keys_from(variables | {"OLD": ""}, old=("OLD",), new="MISSING")
    assert caught.value.problems == ("AWS_REGION is not set", "OLD is not set", "MISSING is not set")
    with pytest.raises(UsageError, match="QUOTED is not the base64 of a wrapped key"):
        keys_from(variables | {"AWS_REGION": "us-east-1", "QUOTED": "'x'"}, old=("OLD",), new="QUOTED")


def test_a_data_key_is_never_taken_for_a_hash_key(variables: dict[str, str]) -> None:
    """Whoever has the hashes could then guess texts under the key that encrypts the records."""
    with pytest.raises(UsageError, match="a hash key is another one"):
        keys_from({**variables, HASH_KEY: variables["AGAIN"]}, old=("OLD",), new="NEW", hashes=True)
    assert keys_from({**variables, HASH_KEY: variables["AGAIN"]}, old=("OLD",), new="NEW").hash_key is None


def test_an_error_of_kms_is_passed_on(variables: dict[str, str]) -> None:
    with pytest.raises(InvalidCiphertext):
        keys_from(variables, old=("OLD",), new="INVALID")


@pytest.mark.parametrize("name", ["OLD", "NEW"])
def test_a_re_encryption_refuses_a_key_of_another_check_value(variables: dict[str, str], name: str) -> None:
    with pytest.raises(WrongKeyCheckValue):
        keys_from({**variables, f"{name}_CHECK_VALUE": "0" * 16}, old=("OLD",), new="NEW")


@pytest.mark.parametrize(
    "arguments", [["--batch", "0"], ["--processes", "-1"], ["--passes", "1"], ["--batch", "many"], []]
)
def test_an_invalid_command_line_exits_with_2(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    options.add_to(parser.add_subparsers())
    common = ["--table", "t", "--columns", "a", "--key-column", "id"] if arguments else []
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["reencrypt", *common, *arguments])
    assert caught.value.code == 2


# --- the evaluation

RUN = RunResult(
    selection=SELECTION,
    passes=(
        RowCounts(rows=9, written=9, columns={"email": ColumnCounts(old=9)}),
        RowCounts(rows=9, columns={"email": ColumnCounts(new=9)}),
    ),
    dry_run=False,
    seconds=61.0,
)


def with_last_pass(**changes: object) -> RunResult:
    """The run with another last pass."""
    return replace(RUN, passes=(RUN.passes[0], replace(RUN.passes[1], **changes)))  # type: ignore[arg-type]


def with_last_email(counts: ColumnCounts) -> RunResult:
    """The run with other counts of the column `email` in its last pass."""
    return with_last_pass(columns={"email": counts})


@pytest.mark.parametrize(
    ("run", "allowed", "succeeded", "message"),
    [
        (RUN, 0, True, "No record of these columns needs the old key."),
        (
            with_last_pass(columns={"email": ColumnCounts(new=8, old=1)}),
            0,
            False,
            "still found records under the old key",
        ),
        (with_last_pass(remaining=1), 9, False, "Rows that were not written: 1. Other transactions"),
        (
            with_last_email(ColumnCounts(new=7, foreign=1, no_record=1)),
            1,
            False,
            "--allow-unreadable 2",
        ),
        (with_last_email(ColumnCounts(new=7, foreign=1, no_record=1)), 2, True, "needs the old key"),
        (replace(RUN, dry_run=True, passes=RUN.passes[:1]), 0, True, "Nothing was written."),
    ],
)
def test_only_a_complete_run_succeeds(run: RunResult, allowed: int, succeeded: bool, message: str) -> None:
    result, lines = evaluate(run, allowed=allowed)
    assert result is succeeded and message in " ".join(lines)


def test_the_first_undecryptable_rows_are_listed_and_the_others_counted() -> None:
    run = with_last_pass(columns={"email": ColumnCounts(no_record=12, example_rows=tuple("abcdefghij"))})
    assert "  id: a, b, c, d, e, f, g, h, i, j and 2 more" in evaluate(run, allowed=0)[1]


def test_what_others_wrote_in_the_database_reaches_the_terminal_as_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Row keys, trigger names and RAISE texts: an escape would clear the screen, a newline would forge a line."""

    def refuse(*_: object) -> RunResult:
        raise ReencryptionError("row \x1b[2Jid\nnext: rm -rf /, \u202egpj, " + "x" * 5000, hint="ask \x9b31m\u2066them")

    monkeypatch.setattr("eonpro_phi.reencryption.command._reencrypt", refuse)
    assert command.run(argparse.Namespace(command="reencrypt", json=False, allow_unreadable=0), {}) == 1
    printed = capsys.readouterr().err
    message, hint = printed.splitlines()
    assert message.startswith("phi reencrypt: row ?[2Jid?next: rm -rf /, ?gpj, xxx") and message.endswith("xxx …")
    assert len(message) == 1002 and hint == "ask ?31m?them"
