"""The log of a run: where it is kept and by whom it can be read, what it tells, and that no secret is ever in it."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from botocore.awsrequest import AWSResponse
from botocore.session import Session as Botocore

import wizard.cli.main as cli
from tests.wizard.fakes.clients import TOKEN, wrapped
from tests.wizard.setup.test_report import report
from wizard.aws.auth import call_log
from wizard.cli import run_log
from wizard.cli.redaction import Redaction
from wizard.cli.run_log import Loudness
from wizard.core.errors import ResourceError
from wizard.setup import workflow

SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SESSION_TOKEN = "IQoJb3JpZ2luX2VjEAoaCXVzLWVhc3QtMSJHMEUCIQ" * 3
PASSPHRASE = 'a passphrase, with "signs" & spaces/+='
PLAIN = "9f" * 32
JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6Im1yayJ9.eyJpc3MiOiJodHRwczovL29pZGMifQ.c2lnbmF0dXJlLW9mLWl0"
ENVIRON = {
    "VERCEL_TOKEN": TOKEN,
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_SESSION_TOKEN": SESSION_TOKEN,
    "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
    "EONPRO_ENCRYPTED_PHI_KEY": wrapped("given").value,
    "EONPRO_SECRET_STORE": "parameter-store",
    "AWS_REGION": "us-east-1",
}
KNOWN = {
    name: ENVIRON[name] for name in ENVIRON if name not in ("AWS_ACCESS_KEY_ID", "EONPRO_SECRET_STORE", "AWS_REGION")
}
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in a URL": lambda value: f"x?q={quote(value, safe='')}&more",
    "in JSON": lambda value: json.dumps({"anything": value}),
    "in a repr": lambda value: repr({"anything": value}),
    "in base64": lambda value: base64.b64encode(value.encode()).decode(),
    "in base64, after something": lambda value: base64.b64encode(f"x:{value}:y".encode()).decode(),
    "in base64, after more": lambda value: base64.b64encode(f"xy:{value}".encode()).decode(),
    "in hex": lambda value: value.encode().hex(),
    "amid words": lambda value: f"it said «{value}», no more",
}


@pytest.fixture
def redaction() -> Redaction:
    """One that knows this run's secrets."""
    made = Redaction()
    for name, value in KNOWN.items():
        made.register(value, name)
    return made


def kept(folder: Path, speak: Callable[[run_log.Log], Any], **options: Any) -> tuple[str, str]:
    """What the file and standard error have of a run that says something."""
    err = io.StringIO()
    with run_log.keep(stack="production", folder=folder, environ=ENVIRON, err=err, **options) as made:
        speak(made)
    assert made.path is not None
    return made.path.read_text(), err.getvalue()


# --- secrets by their value


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_known_secret_is_taken_out_however_it_is_spelled(redaction, name, spelling) -> None:
    secret, text = KNOWN[name], SPELLINGS[spelling](KNOWN[name])
    told = redaction(text)
    assert told != text and secret not in told
    # Nor any longer part of what stood there.
    assert not [text[at : at + 16] for at in range(len(text) - 16) if text[at : at + 16] in told]


def test_a_data_key_is_told_by_its_fingerprint(redaction) -> None:
    assert redaction(f"it holds {wrapped('given').value}.") == f"it holds [data key {wrapped('given').fingerprint}]."
    assert redaction(f"ENCRYPTED_PHI_KEY={wrapped('other').value}") == (
        f"ENCRYPTED_PHI_KEY=[data key {wrapped('other').fingerprint}]"
    )


def test_a_word_too_short_to_be_a_secret_takes_no_other_words_with_it() -> None:
    redaction = Redaction()
    redaction.register("x", "PULUMI_CONFIG_PASSPHRASE")
    assert redaction("pulumi stack export") == "pulumi stack export"


def test_a_redaction_does_not_show_what_it_knows(redaction) -> None:
    assert not [value for value in KNOWN.values() if value in repr(redaction)]


# --- secrets by their looks

LOOKS = {
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/x, Signature=00ffeedd00ffeedd": "00ffeedd",
    "{'Authorization': 'Bearer one-that-nobody-named'}": "one-that-nobody-named",
    "sent Bearer one.that-nobody_named again": "one.that-nobody_named",
    f"SecretAccessKey: {SECRET_KEY}": SECRET_KEY,
    f'{{"secretAccessKey": "{SECRET_KEY}"}}': SECRET_KEY,
    f"aws_secret_access_key = {SECRET_KEY}": SECRET_KEY,
    f"export AWS_SESSION_TOKEN={SESSION_TOKEN}": SESSION_TOKEN,
    f"'SessionToken': '{SESSION_TOKEN}'": SESSION_TOKEN,
    "accessToken=abcdefgh": "abcdefgh",
    "PULUMI_CONFIG_PASSPHRASE=correct-horse": "correct-horse",
    "password: hunter22": "hunter22",
    "{'Plaintext': b'\\x01\\x02\\x03secret', 'KeyId': 'k'}": "secret",
    '"Plaintext": "c2hvcnQ="': "c2hvcnQ=",
    "Plaintext=x1": "x1",
    f"the key is {PLAIN} in hex": PLAIN,
    f"a token {JWT} of Vercel": JWT,
    "pul-0123456789abcdef0123456789abcdef01234567": "0123456789abcdef",
    f"https://s3/x?X-Amz-Signature={PLAIN}&X-Amz-Date=1": PLAIN,
    "https://s3/x?X-Amz-Security-Token=IQoJb3%2Fabc&X-Amz-Date=1": "IQoJb3",
    "Set-Cookie: session=abcdef": "abcdef",
    f"blob AQICAHi{'A7' * 60}==": "A7A7A7",
}


@pytest.mark.parametrize("text", LOOKS)
def test_what_looks_like_a_secret_is_taken_out_although_nobody_named_it(text) -> None:
    assert LOOKS[text] not in Redaction()(text)


@pytest.mark.parametrize("identifier", ["AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE"])
def test_of_an_access_key_id_four_signs_stay_to_know_it_by(identifier) -> None:
    assert Redaction()(f"key {identifier} is old") == f"key {identifier[:4]}…MPLE is old"


@pytest.mark.parametrize(
    "text",
    [
        "kms:GenerateDataKeyWithoutPlaintext us-east-1, 12 ms: 200",
        "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "sha256:8e548febff55ddbd",
        "pulumi preview --stack production --policy-pack guardrails",
        "POST /v10/projects/prj_1/env: 201, 88 ms",
        "pulumi stack init production --secrets-provider passphrase ended with exit code 0 after 0.7 s",
        "the settings say secretStore: parameter-store",
        "tokens expire; make a token at https://vercel.com/account/settings/tokens",
        "role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef",
    ],
)
def test_what_is_no_secret_stays_as_it_is(redaction, text) -> None:
    assert redaction(text) == text


# --- the file


def speak_of_everything(made: run_log.Log) -> None:
    """Every secret in every kind of record: text, arguments, an exception's message, its cause, its notes."""
    made.secret("named-while-it-ran", "Vercel token")
    for name in ("eonpro.aws", "eonpro.vercel", "eonpro.engine", "eonpro.engine.output", "eonpro.wizard"):
        logger = logging.getLogger(name)
        for secret in (*KNOWN.values(), "named-while-it-ran"):
            for spelled in SPELLINGS.values():
                logger.debug("as text: " + spelled(secret).replace("%", "%%"))
                logger.info("as an argument: %s, %r", spelled(secret), {"inner": spelled(secret)})
            try:
                try:
                    held = secret
                    raise ValueError(f"refused: {held}")
                except ValueError as cause:
                    cause.add_note(f"it was {held}")
                    raise ResourceError(f"it went wrong with {held}", "do this next") from cause
            except ResourceError as error:
                made.failed(error)


@pytest.mark.parametrize("loudness", list(Loudness))
def test_no_secret_is_in_the_file_nor_on_standard_error(tmp_path, loudness) -> None:
    text, err = kept(tmp_path, speak_of_everything, loudness=loudness)
    assert "it went wrong with [VERCEL_TOKEN]" in text and "The above exception was the direct cause" in text
    for secret in (*KNOWN.values(), "named-while-it-ran"):
        assert secret not in text + err
        assert json.dumps(secret)[1:-1] not in text + err
        assert base64.b64encode(secret.encode()).decode().rstrip("=")[:-1] not in text + err


def test_what_a_call_of_aws_answers_is_known_for_a_secret_before_it_can_be_written(tmp_path) -> None:
    answer = {
        "Credentials": {"SecretAccessKey": "made-by-sts-just-now", "SessionToken": "of-sts-as-well"},
        "Parameters": [{"Name": "AWS_REGION", "Value": "eu-west-1"}, {"Value": wrapped("stored").value}],
        "ResponseMetadata": {"RequestId": "r-1", "RetryAttempts": 1},
    }

    def speak(_: run_log.Log) -> None:
        emit(answer, status=200)
        logging.getLogger("eonpro.wizard").info("%s in eu-west-1", answer)

    text, _ = kept(tmp_path, speak)
    assert "made-by-sts-just-now" not in text and "of-sts-as-well" not in text
    assert wrapped("stored").value not in text and wrapped("stored").fingerprint in text
    assert "in eu-west-1" in text


def emit(parsed: dict[str, Any], *, status: int) -> None:
    """An answer, by botocore's own events."""
    session = Botocore()
    call_log.watch(session)
    client = session.create_client("sts", "eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    client.meta.events.register_first(
        "before-call.sts.GetCallerIdentity",
        lambda **_: (AWSResponse("https://sts", status, {}, None), {"Account": "123456789012", **parsed}),
    )
    client.get_caller_identity()


def test_a_call_of_aws_is_one_line_with_region_outcome_and_duration(tmp_path) -> None:
    answer = {"ResponseMetadata": {"RequestId": "r-1", "RetryAttempts": 1}}
    text, err = kept(tmp_path, lambda _: emit(answer, status=200), loudness=Loudness.CALLS)
    (line,) = err.splitlines()
    assert line.startswith("aws  sts:GetCallerIdentity eu-central-1") and line.endswith(
        ": 200, tried 2 times, request r-1"
    )
    assert line.removeprefix("aws  ") in text


def test_the_file_is_its_owners_alone_and_so_is_its_folder(tmp_path) -> None:
    kept(tmp_path, lambda _: None)
    (file,) = (tmp_path / ".wizard" / "logs").iterdir()
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent, file.parent.parent)]
    assert modes == [0o600, 0o700, 0o700]
    assert file.name.startswith("production-") and file.suffix == ".log"


def test_twenty_logs_stay_and_the_oldest_go(tmp_path) -> None:
    logs = tmp_path / ".wizard" / "logs"
    logs.mkdir(parents=True, mode=0o755)
    for number in range(30):
        path = logs / f"staging-{number}.log"
        path.write_text("old")
        os.utime(path, (number, number))
    (logs / "notes.txt").write_text("not a log")
    kept(tmp_path, lambda _: None)
    left = {path.name for path in logs.glob("*.log")}
    assert len(left) == run_log.KEPT == 20
    assert {f"staging-{number}.log" for number in range(11, 30)} < left
    assert (logs / "notes.txt").exists() and stat.S_IMODE(logs.stat().st_mode) == 0o700


def saying(word: str) -> Callable[[run_log.Log], None]:
    return lambda _: logging.getLogger("eonpro.wizard").info(word)


def test_two_runs_at_the_same_second_have_a_log_each(tmp_path) -> None:
    for word in ("one", "two", "three"):
        text, _ = kept(tmp_path, saying(word))
        assert text.count("eonpro.wizard") == 1 and word in text
    assert len(list((tmp_path / ".wizard" / "logs").iterdir())) == 3


@pytest.mark.parametrize("stack", ["../../outside", "acme/eonpro-kms/dev", "..", "a b\nc", ".hidden"])
def test_a_stacks_name_leads_the_log_nowhere_else(tmp_path, stack) -> None:
    with run_log.keep(stack=stack, folder=tmp_path, environ={}, err=io.StringIO()) as made:
        assert made.path is not None and made.path.parent == tmp_path / ".wizard" / "logs"
        assert made.path.is_file() and "\n" not in made.path.name and not made.path.name.startswith(".")


def test_a_file_that_is_named_is_added_to_and_becomes_its_owners_alone(tmp_path) -> None:
    file = tmp_path / "mine.log"
    file.write_text("before\n")
    file.chmod(0o644)
    text, _ = kept(tmp_path, lambda _: logging.getLogger("eonpro.wizard").info("after"), file=file)
    assert text.startswith("before\n") and "after" in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not (tmp_path / ".wizard").exists()


@pytest.mark.parametrize("linked", [".wizard", ".wizard/logs"])
def test_no_log_is_kept_in_a_folder_that_a_link_leads_to(tmp_path, linked) -> None:
    """The mode of another folder was changed, and its logs deleted."""
    project, other = tmp_path / "project", tmp_path / "other"
    (other / "logs").mkdir(parents=True, mode=0o755)
    for number in range(30):
        (other / f"{number}.log").write_text("of somebody else")
        (other / "logs" / f"{number}.log").write_text("of somebody else")
    (project / linked).parent.mkdir(parents=True)
    (project / linked).symlink_to(other)
    with run_log.keep(stack="production", folder=project, environ={}, err=io.StringIO()) as log:
        logging.getLogger("eonpro.aws").debug("said to nobody")
    assert log.path is None and "it is a symbolic link" in log.warning
    assert len(list(other.glob("*.log"))) == len(list((other / "logs").glob("*.log"))) == 30
    assert stat.S_IMODE((other / "logs").stat().st_mode) == 0o755


@pytest.mark.parametrize("in_the_way", [".wizard", ".wizard/logs"])
def test_a_folder_that_cannot_be_made_is_told_and_stops_nothing(tmp_path, in_the_way) -> None:
    path = tmp_path / in_the_way
    path.parent.mkdir(exist_ok=True)
    path.write_text("a file")
    with run_log.keep(stack="production", folder=tmp_path, environ={}, err=io.StringIO()) as made:
        logging.getLogger("eonpro.aws").debug("said to nobody")
    assert made.path is None and made.warning.startswith("no log is kept")


def test_a_file_that_cannot_be_opened_is_told_and_stops_nothing(tmp_path) -> None:
    with run_log.keep(
        stack="s", folder=tmp_path, environ={}, err=io.StringIO(), file=tmp_path / "no" / "x.log"
    ) as made:
        pass
    assert made.path is None and "No such file" in made.warning


def test_a_disk_that_is_full_takes_the_log_and_not_the_run(tmp_path, capsys) -> None:
    with run_log.keep(stack="s", folder=tmp_path, environ={}, err=io.StringIO(), file=Path("/dev/full")):
        logging.getLogger("eonpro.wizard").info("a record")
    assert capsys.readouterr() == ("", "")


def test_no_text_of_a_service_makes_a_record_or_a_terminal_sequence_of_its_own(tmp_path) -> None:
    said = "one\n2026-01-01T00:00:00.000Z INFO eonpro.wizard forged\x1b[2J\rend"
    text, err = kept(
        tmp_path, lambda _: logging.getLogger("eonpro.engine.output").debug("%s", said), loudness=Loudness.ALL
    )
    assert "\x1b" not in text + err and "\r" not in text + err
    assert [line for line in text.splitlines() if line.startswith("2026-01-01T00:00:00.000Z")] == []


def test_after_the_run_nobody_writes_and_the_logging_of_others_is_as_it_was(tmp_path) -> None:
    before = logging.getLogger("eonpro").handlers[:], logging.getLogger("eonpro").level
    text, _ = kept(tmp_path, lambda _: None)
    logging.getLogger("eonpro.aws").debug("too late")
    assert (logging.getLogger("eonpro").handlers, logging.getLogger("eonpro").level) == before
    assert "too late" not in text


# --- standard error


def told(tmp_path: Path, loudness: Loudness) -> str:
    def speak(made: run_log.Log) -> None:
        logging.getLogger("eonpro.vercel").debug("GET /v9/projects/x: 200, 5 ms")
        logging.getLogger("eonpro.engine").debug("pulumi preview")
        logging.getLogger("eonpro.engine.output").debug("Previewing update")
        try:
            raise ResourceError("it went wrong", "next") from OSError("the cause")
        except ResourceError as error:
            made.failed(error)

    return kept(tmp_path, speak, loudness=loudness)[1]


def test_nothing_is_told_unless_it_is_asked_for(tmp_path) -> None:
    assert told(tmp_path, Loudness.QUIET) == ""


def test_verbose_tells_the_calls(tmp_path) -> None:
    assert told(tmp_path, Loudness.CALLS).splitlines() == [
        "vercel  GET /v9/projects/x: 200, 5 ms",
        "engine  pulumi preview",
    ]


def test_debug_tells_the_engines_output_and_the_causes_of_an_error(tmp_path) -> None:
    err = told(tmp_path, Loudness.ALL)
    assert "Previewing update" in err and "OSError: the cause" in err and "ResourceError: it went wrong" in err


def test_a_line_comes_after_what_is_shown_as_under_way_was_wiped(tmp_path) -> None:
    order: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            order.append(text)
            return len(text)

    with run_log.keep(
        stack="s",
        folder=tmp_path,
        environ={},
        err=Stream(),
        loudness=Loudness.CALLS,
        before=lambda: order.append("wiped"),
    ):
        logging.getLogger("eonpro.aws").debug("a call")
    assert order[0] == "wiped" and "a call" in order[1]


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("variables", "dim"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_a_line_is_dim_on_a_terminal_that_has_colours(tmp_path, monkeypatch, variables, dim) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    err = Tty()
    with run_log.keep(stack="s", folder=tmp_path, environ={}, err=err, loudness=Loudness.CALLS):
        logging.getLogger("eonpro.aws").debug("a call")
    assert err.getvalue() == ("\x1b[2maws  a call\x1b[0m\n" if dim else "aws  a call\n")


# --- through the command line


def logged(folder: Path) -> str:
    return "".join(path.read_text() for path in (folder / ".wizard" / "logs").iterdir())


def test_a_secret_from_a_file_reaches_the_steps_and_neither_argv_nor_the_log(folder, monkeypatch, capsys) -> None:
    (folder / "token").write_text(f"{TOKEN}\n")
    seen: list[Any] = []

    def run(request: Any, clients: Any) -> Any:
        seen.append(request.answers["vercel_token"].value)
        clients.vercel(TOKEN)
        logging.getLogger("eonpro.vercel").debug("it was %s", TOKEN)
        return report("vercel")

    monkeypatch.setattr(workflow, "setup", run)
    assert cli.main(["--json", "--vercel-token-file", "token", "--debug"]) == 0
    assert seen == [TOKEN]
    assert "--vercel-token-file token" in logged(folder) and "ended with exit code 0" in logged(folder)
    assert TOKEN not in logged(folder) + "".join(capsys.readouterr())


def test_a_bug_is_a_traceback_without_secrets_and_without_local_variables(folder, monkeypatch, capsys) -> None:
    monkeypatch.setenv("VERCEL_TOKEN", TOKEN)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    def run(request: Any, clients: Any) -> Any:
        local = f"{'local-'}{'variable'}"
        raise KeyError(f"no {TOKEN} of length {len(local)}")

    monkeypatch.setattr(workflow, "setup", run)
    with pytest.raises(KeyError) as bug:
        cli.main(["--json"])
    sys.excepthook(bug.type, bug.value, bug.tb)
    err = capsys.readouterr().err
    for text in (err, logged(folder)):
        assert "Traceback (most recent call last)" in text and "KeyError: 'no [" in text
        assert TOKEN not in text and "local-variable" not in text
    assert "the log: " in err
