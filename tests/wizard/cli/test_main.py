"""The command line: exit codes, the one JSON document, and what becomes of unreadable values. The steps are faked."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import wizard
import wizard.cli.main
import wizard.cli.main as cli
import wizard.cli.request
from components.policies.requirements import Topic
from tests.wizard.fakes.clients import IDENTITY, TOKEN, settings, step, wrapped
from tests.wizard.setup.test_report import proof, report
from wizard.account.views import ChecklistEntry, ItemState
from wizard.cli.commands import COMMANDS
from wizard.cli.parser import EXIT_CODES
from wizard.commands.doctor import command as doctor
from wizard.commands.status import command as status
from wizard.core.clients import Request, Source
from wizard.core.errors import (
    Cancelled,
    CredentialsError,
    DataKeyConflict,
    MissingAnswers,
    PermissionDenied,
    PolicyRefusal,
    PreflightFailed,
    Problem,
    ResourceError,
    SetupError,
    StackBusy,
    StackNotFound,
    Unreachable,
    Unsupported,
    UsageError,
)
from wizard.core.models.stack import HealthStatus, StackStatus
from wizard.core.models.verification import VerificationState
from wizard.core.next_command import eonpro as wizard_command
from wizard.inputs.registry import INPUTS
from wizard.setup import workflow
from wizard.setup.plan import Plan

PROBLEMS = (
    Problem(what="the Region is off", why="nothing can be made there", next="enable it"),
    Problem(what="the token is expired", why="nobody can be identified", next="log in", exit_code=3),
)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Request]]:
    """Stands in for a command: raises what it is given, or returns it; the requests it got."""

    def stand_in(outcome: Any, command: str = "setup") -> list[Request]:
        requests: list[Request] = []

        def run(request: Request, clients: object) -> Any:
            requests.append(request)
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        monkeypatch.setattr(workflow, command, run)
        return requests

    return stand_in


def error(kind: type[SetupError]) -> SetupError:
    return kind("it went wrong", "do this next")


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (error(SetupError), 1),
        (error(Unreachable), 1),
        (error(Unsupported), 1),
        (error(DataKeyConflict), 1),
        (error(StackBusy), 1),
        (error(UsageError), 2),
        (MissingAnswers("it went wrong", "do this next", ("region",)), 2),
        (error(CredentialsError), 3),
        (error(PermissionDenied), 3),
        (error(ResourceError), 4),
        (error(PolicyRefusal), 5),
        (error(StackNotFound), 6),
        (error(Cancelled), 8),
        (PreflightFailed(PROBLEMS), 3),
        (PreflightFailed(PROBLEMS[:1]), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, SetupError) else "",
)
def test_every_error_has_its_exit_code_and_is_printed_once_with_its_way_out(
    folder, steps, capsys, outcome, code
) -> None:
    steps(outcome)
    assert cli.main(["--json"]) == code
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["ok"] is False
    assert (document["message"], document["exitCode"]) == (outcome.message, code)
    assert document["next"] == {"command": None, "advice": outcome.hint}
    assert " ".join(err.split()).count(outcome.message) == 1
    assert "Traceback" not in err


def test_a_failed_pass_gives_all_its_problems(folder, steps, capsys) -> None:
    steps(PreflightFailed(PROBLEMS))
    cli.main(["--json"])
    out, err = capsys.readouterr()
    assert json.loads(out)["problems"] == [
        {"what": p.what, "why": p.why, "next": {"command": None, "advice": p.next}} for p in PROBLEMS
    ]
    assert all(problem.what in err and problem.next in err for problem in PROBLEMS)


KEEPS = ["--stack", "staging", "--from", "production", "--target", "ecs", "--yes"]


@pytest.mark.parametrize("given", [["--stack", "staging"], ["--stack=staging", "--yes"], KEEPS])
def test_the_next_command_keeps_the_flags_of_this_run(folder, steps, capsys, given) -> None:
    (folder / "Pulumi.production.yaml").write_text(json.dumps({"config": settings().to_config()}))
    steps(ResourceError("it went wrong", wizard_command("setup", advice="it goes on")))
    assert cli.main([*given, "--json"]) == 4
    out, err = capsys.readouterr()
    command = json.loads(out)["next"]["command"]
    assert shlex.split(command)[-len(given) :] == given
    assert f"    {command}" in err.splitlines()
    taken = [word for word in given if word not in ("--from", "production", "--yes")]
    assert cli.main(["cost", *taken, "--requests", "-1"]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "-m wizard cost" in line]
    assert all(word in line for word in taken)


def test_missing_answers_give_their_keys(folder, steps, capsys) -> None:
    steps(MissingAnswers("2 answers are missing", "python -m wizard …", ("region", "target")))
    cli.main(["--json"])
    assert json.loads(capsys.readouterr().out)["missing"] == ["region", "target"]


def test_without_json_an_error_goes_to_stderr(folder, steps, capsys) -> None:
    steps(error(ResourceError))
    assert cli.main([]) == 4
    out, err = capsys.readouterr()
    assert "it went wrong" in err and "do this next" in err
    assert "it went wrong" not in out


def test_an_interrupt_is_130_and_says_that_nothing_is_half_done(folder, steps, capsys) -> None:
    steps(KeyboardInterrupt())
    assert cli.main([]) == 130
    assert "interrupted" in capsys.readouterr().out
    assert cli.main(["--json"]) == 130
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["exitCode"], document["command"]) == (False, 130, "setup")
    assert document["message"].startswith("interrupted")


def test_a_bug_is_not_dressed_up_as_an_error_and_a_program_gets_its_document_all_the_same(
    folder, steps, capsys, monkeypatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    steps(KeyError("a bug"))
    with pytest.raises(KeyError):
        cli.main(["--json"])
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["exitCode"]) == (False, 1)
    assert "a bug" not in document["message"]


def test_the_log_is_named_where_it_can_explain_something(folder, steps, capsys) -> None:
    told = {}
    for kind in (ResourceError, UsageError, Cancelled):
        steps(error(kind))
        cli.main([])
        told[kind] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("the log: ")]
    assert [len(told[kind]) for kind in (ResourceError, UsageError, Cancelled)] == [1, 0, 0]
    assert Path(told[ResourceError][0].removeprefix("the log: ")).is_file()


def test_a_log_that_cannot_be_kept_is_a_warning(folder, steps, capsys) -> None:
    (folder / ".wizard").write_text("in the way")
    steps(report("vercel"))
    assert cli.main(["--json"]) == 0
    assert "no log is kept" in capsys.readouterr().err


# --- what ends well


def test_a_setup_prints_its_document_and_nothing_else_on_stdout(folder, steps, capsys) -> None:
    steps(report("vercel"))
    assert cli.main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


def test_a_proof_that_fails_is_exit_1(folder, steps, capsys) -> None:
    steps(report("vercel", proofs=(proof("vercel", VerificationState.FAILED),)))
    assert cli.main(["--json"]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


@pytest.mark.parametrize(
    ("state", "is_kept", "code"),
    [
        (ItemState.OPEN, False, 1),
        # The person who imported it left it so, and sees the command that repairs it.
        (ItemState.OPEN, True, 0),
        (ItemState.UNKNOWN, False, 0),
        (ItemState.PERSON, False, 0),
    ],
)
def test_a_pipeline_sees_that_the_account_lacks_what_was_set_up(folder, steps, capsys, state, is_kept, code) -> None:
    item = ChecklistEntry(topic=Topic.TRAIL, state=state, evidence="the trail records nothing", is_kept=is_kept)
    steps(report("vercel", checklist=(item,)))
    assert cli.main(["--json"]) == code
    assert json.loads(capsys.readouterr().out)["ok"] is (code == 0)


@pytest.mark.parametrize("state", [VerificationState.SIMULATED, VerificationState.UNPROVEN])
def test_a_proof_that_could_not_be_had_is_no_failure(folder, steps, state) -> None:
    steps(report("vercel", proofs=(proof("vercel", state),)))
    assert cli.main(["--json"]) == 0


def test_a_preview_prints_the_changes(folder, steps, capsys) -> None:
    planned = Plan(
        stack="production",
        settings=settings(),
        identity=IDENTITY,
        steps=(step("update", changed=("policy",)), replace(step("same"), name="other")),
        stored_data_key=None,
        targets=(),
    )
    steps(planned, "preview")
    assert cli.main(["preview", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["changes"] == [
        {"op": "update", "type": "aws:kms/key:Key", "name": "phi-key", "changed": ["policy"]}
    ]


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (VerificationState.PROVED, 0),
        (VerificationState.SIMULATED, 0),
        (VerificationState.UNPROVEN, 1),
        (VerificationState.FAILED, 1),
    ],
)
def test_a_verification_that_fails_or_has_no_result_is_exit_1(folder, monkeypatch, capsys, state, code) -> None:
    told = doctor.Verified(stack="production", proofs=(proof("vercel"), proof("ecs", state)))
    monkeypatch.setattr(doctor, "verify", lambda request, clients, full: told)
    assert cli.main(["verify", "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], [told["state"] for told in document["proofs"]]) == (code == 0, ["proved", state])


@pytest.mark.parametrize(
    ("health", "code"), [(HealthStatus.GOOD, 0), (HealthStatus.UNKNOWN, 0), (HealthStatus.WRONG, 1)]
)
def test_a_stack_that_is_known_to_be_wrong_is_exit_1(folder, monkeypatch, capsys, health, code) -> None:
    (folder / "Pulumi.production.yaml").write_text(json.dumps({"config": settings().to_config()}))
    (folder / "Pulumi.broken.yaml").write_text("config:\n  eonpro-kms:accountId: '12'\n")
    (folder / "Pulumi.others.yaml").write_text("config:\n  aws:region: us-east-1\n")
    asked: list[Any] = []

    def read(clients: Any, found: Any, **more: Any) -> Any:
        asked.append((dict(found), more))
        return (StackStatus(stack="production", status=health),)

    monkeypatch.setattr(status, "read", read)
    assert cli.main(["status", "--all", "--stack", "broken", "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    assert (document["command"], document["ok"]) == ("status", code == 0)
    [(found, more)] = asked
    assert found == {"production": settings()}
    assert (more["stack"], more["all_stacks"], list(more["unreadable"])) == ("broken", True, ["broken"])


def test_an_interrupt_before_anything_began_is_130_too(folder, monkeypatch, capsys) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(wizard.cli.main, "logging_of", interrupted)
    assert cli.main(["--json"]) == 130
    out, err = capsys.readouterr()
    assert json.loads(out)["exitCode"] == 130 and "interrupted" in err


# --- before the first question


@pytest.mark.parametrize(
    ("argv", "fault"),
    [
        ([], "there is no `pulumi` program"),
        (["--from", "nowhere"], "there is no stack nowhere"),
        (["--region", "nowhere"], "1 answer cannot be used"),
        (["--plan", "missing.json"], "the plan missing.json cannot be read"),
        (["--answers", "missing.yaml"], "missing.yaml"),
    ],
)
def test_no_question_is_asked_that_leads_to_a_refusal_that_was_certain(
    folder, monkeypatch, capsys, argv, fault
) -> None:
    def ask(*_: Any, **__: Any) -> None:
        raise AssertionError("a question was asked")

    monkeypatch.setattr(wizard.cli.main, "_is_terminal", lambda stream: True)
    monkeypatch.setattr(wizard.cli.first_prompt, "begin", ask)
    monkeypatch.setattr(wizard.pulumi_engine.config, "CHOICE", folder / "choice.json")
    if argv:
        (folder / "pulumi").write_text("")
        (folder / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    assert cli.main(argv) != 0
    assert fault in capsys.readouterr().err


# --- what is read


def test_an_answers_file_and_a_secret_out_of_a_pipe_are_still_there_after_the_first_question(
    folder, steps, monkeypatch
) -> None:
    def pipe(text: str) -> str:
        read, write = os.pipe()
        os.write(write, text.encode())
        os.close(write)
        return f"/dev/fd/{read}"

    monkeypatch.setattr(wizard.cli.main, "_is_terminal", lambda stream: True)
    monkeypatch.setattr(wizard.cli.first_prompt, "begin", lambda **_: wizard.cli.first_prompt.EarlyAnswers())
    monkeypatch.setattr(wizard.pulumi_engine.config, "find_engine", lambda environ: None)
    requests = steps(report("vercel"))
    assert cli.main(["--answers", pipe("region: eu-central-1\n"), "--vercel-token-file", pipe(TOKEN)]) == 0
    (request,) = requests
    assert request.answers["region"].value == "eu-central-1"
    assert request.answers["vercel_token"].value == TOKEN


def test_answers_come_from_flag_environment_and_file_with_their_source(folder, steps, monkeypatch) -> None:
    (folder / "answers.yaml").write_text("region: eu-central-1\ntarget: ecs\naccount: caller\n")
    monkeypatch.setenv("EONPRO_REGION", "eu-west-1")
    monkeypatch.setenv("VERCEL_TOKEN", TOKEN)
    (request,) = run(steps, ["--answers", "answers.yaml", "--trail", "create", "--yes", "--stack", "staging"])
    sources = {key: answer.source for key, answer in request.answers.items()}
    assert request.answers["region"].value == "eu-west-1"
    assert {key: sources[key] for key in ("region", "target", "trail")} == {
        "region": Source.ENVIRONMENT,
        "target": Source.FILE,
        "trail": Source.FLAG,
    }
    assert (request.stack, request.yes, request.saved) == ("staging", True, None)
    assert TOKEN not in repr(request.answers)


def run(steps: Callable[..., list[Request]], argv: list[str]) -> list[Request]:
    requests = steps(report("vercel"))
    assert cli.main(["--json", *argv]) == 0
    return requests


def test_the_stacks_own_settings_are_answers_too(folder, steps) -> None:
    config = json.dumps({"config": settings().to_config()})
    (folder / "Pulumi.production.yaml").write_text(config)
    (request,) = run(steps, [])
    assert request.saved == settings()
    assert request.answers["vercel_project"].source is Source.SAVED
    assert request.answers["vercel_project"].where == "Pulumi.production.yaml"


def refusal(capsys: pytest.CaptureFixture[str], argv: list[str]) -> str:
    assert cli.main(["--json", *argv]) == 2
    message: str = json.loads(capsys.readouterr().out)["message"]
    return message


def test_settings_that_cannot_be_used_are_told_with_every_fault(folder, steps, capsys) -> None:
    requests = steps(report("vercel"))
    text = "config:\n  eonpro-kms:accountId: '12'\n  eonpro-kms:environment: Prod\n"
    (folder / "Pulumi.production.yaml").write_text(text)
    message = refusal(capsys, [])
    assert message.startswith("Pulumi.production.yaml cannot be used")
    assert all(name in message for name in ("accountId", "region", "environment", "deployTargets"))
    assert requests == []


ROOT_STACK = """config:
  aws:region: us-east-1
  eonpro-kms:accountId: '111122223333'
  eonpro-kms:administrators: ['arn:aws:iam::111122223333:root']
  eonpro-kms:deployTargets: ['ecs']
"""


def test_a_stack_with_the_root_user_as_administrator_can_still_be_read(folder, steps) -> None:
    (folder / "Pulumi.production.yaml").write_text(ROOT_STACK)
    saved = run(steps, [])[0].saved
    assert saved is not None and saved.administrators == ("arn:aws:iam::111122223333:root",)


REFRESH = "config refresh --stack production"


@pytest.mark.parametrize(
    ("key", "value", "said", "command"),
    [
        (
            "rotationPeriodDay",
            "90",
            "rotationPeriodDay: there is no such setting: did you mean rotationPeriodDays?",
            "config rm --stack production eonpro-kms:rotationPeriodDay && "
            "pulumi config set --stack production eonpro-kms:rotationPeriodDays 90",
        ),
        ("colour", "red", "colour: there is no such setting", "config rm --stack production eonpro-kms:colour"),
        ("rotationPeriodDays", "many", "rotationPeriodDays: 'many' is not a whole number", REFRESH),
        ("trailKey", "perhaps", "trailKey: 'perhaps' is not true or false", REFRESH),
        ("alertEmails", [1], "alertEmails: 1 is not text", REFRESH),
        (
            "encryptionContext",
            ["application=eonpro"],
            "encryptionContext: no longer exists",
            "config rm --stack production eonpro-kms:encryptionContext",
        ),
        ("trailLock", "legal", "trailLock: 'legal' is not one of 'none', 'governance', 'compliance'", REFRESH),
    ],
)
def test_a_mistyped_setting_is_named_with_its_line_and_what_corrects_it(
    folder, steps, capsys, key, value, said, command
) -> None:
    steps(report("vercel"))
    config = {**settings().to_config(), f"eonpro-kms:{key}": value}
    file = folder / "Pulumi.production.yaml"
    file.write_text("config:\n" + "".join(f"  {name}: {json.dumps(entry)}\n" for name, entry in config.items()))
    line = list(config).index(f"eonpro-kms:{key}") + 2
    assert cli.main(["--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert f"cannot be used: line {line}: {said}" in document["message"]
    typed = (document["next"]["command"] or "").replace(wizard.cli.request.pulumi(), "pulumi")
    assert typed == f"pulumi {command}"
    assert command != REFRESH or "config set --stack production" in document["next"]["advice"]


@pytest.mark.parametrize("name", ["absent.yaml", "a-folder", "bytes.yaml"])
def test_an_answers_file_that_cannot_be_read_is_a_usage_error(folder, steps, capsys, name) -> None:
    (folder / "a-folder").mkdir()
    (folder / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    requests = steps(report("vercel"))
    assert f"the answers file {name} cannot be read" in refusal(capsys, ["--answers", name])
    assert requests == []


@pytest.mark.parametrize("text", ["region: [", "- a\n- b\n", "regoin: us-east-1\n", "vercel_token: x\n"])
def test_an_answers_file_that_makes_no_sense_is_a_usage_error(folder, steps, capsys, text) -> None:
    (folder / "answers.yaml").write_text(text)
    requests = steps(report("vercel"))
    assert "answers.yaml" in refusal(capsys, ["--answers", "answers.yaml"])
    assert requests == []


def test_answers_that_cannot_be_used_are_all_told(folder, steps, capsys) -> None:
    steps(report("vercel"))
    message = refusal(capsys, ["--region", "nowhere", "--rotation-period-days", "9"])
    assert "--region" in message and "--rotation-period-days" in message


OF_ALL_TARGETS = (
    *("status", "doctor", "review", "report", "rotate --cmk", "restore", "adopt", "backup", "access-key rotate"),
    "destroy",
)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--no-such-flag"], "there is no flag --no-such-flag"),
        (["--rotation-period", "90"], "did you mean --rotation-period-days?"),
        (["verfy"], "there is no command 'verfy'; did you mean verify?"),
        (["--stack"], "argument --stack: expected one argument"),
        (["access-key"], "the following arguments are required: ACTION"),
        (["access-key", "delete"], "argument ACTION: invalid choice: 'delete'"),
        (["policy"], "the following arguments are required: WHO"),
        (["help", "verfy"], "argument COMMAND: invalid choice: 'verfy'"),
        (["setup", "rotate"], "setup does not take 1 more word"),
        (["destroy", "production"], "destroy does not take 1 more word"),
        (["setup", "--dry-run"], "setup has no --dry-run; these commands take it: documents"),
        # It would be done for all targets, and in the stack's own Region, all the same.
        *(([*words.split(), "--target", "ecs"], f"{words.split()[0]} has no --target") for words in OF_ALL_TARGETS),
        *(
            ([*words.split(), "--region", "eu-west-1"], f"{words.split()[0]} has no --region")
            for words in (*OF_ALL_TARGETS, "push", "verify")
        ),
        (["doctor", "--yes"], "doctor has no --yes; these commands take it: setup, "),
        (["destroy", "--yes"], "destroy has no --yes"),
        (["access-key", "rotate", "--rotation-period-days", "90"], "access-key has no --rotation-period-days"),
        (["rotate", "--data-key", "--yes"], "--yes does nothing without --cmk or --schedule or --reencrypt"),
        (["rotate", "--cmk", "--redeploy"], "--redeploy does nothing without --promote or --reencrypt"),
        (["rotate", "--cmk", "--confirm", "production"], "--confirm does nothing without --data-key"),
        (["rotate", "--data-key", "--reencrypted", "a.json"], "--reencrypted does nothing without --promote"),
        (["restore", "--confirm", "production"], "--confirm does nothing without --version"),
        (["restore", "--no-redeploy", "--stack=--version"], "--no-redeploy does nothing without --version"),
        (["review", "--confirm", "production"], "--confirm does nothing without --sign"),
        (["push", "--confirm", "production"], "--confirm does nothing without --rename-existing"),
        (["backup", "--to", "a.json", "--from-backup", "b.json"], "--from-backup does nothing without drill"),
        (["backup", "drill", "--to", "a.json"], "--to does nothing with drill"),
        (["cost", "--backup-to", "a.json"], "cost has no --backup-to"),
        (["report", "verify", "report.json", "--since", "2026-01-31"], "--since does nothing with verify"),
        (["policy", "ci", "--region", "us-east-1"], "--region does nothing with ci"),
        (["destroy", "--secrets-provider", "passphrase"], "destroy has no --secrets-provider"),
        (["rehearsal", "--stack", "production"], "rehearsal has no --stack"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_told_with_its_way_out(folder, steps, capsys, argv, said) -> None:
    requests = [*steps(report("vercel")), *steps((), "destroy")]
    assert cli.main(argv) == 2
    out, err = capsys.readouterr()
    assert said in " ".join(err.split()) and "next:\n" in err and "Traceback" not in err
    assert (out, requests) == ("", [])
    assert cli.main([*argv, "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert said in document["message"] and document["exitCode"] == 2


@pytest.mark.parametrize(
    ("argv", "again"),
    [
        ("rotate --data-key --yes", "rotate --data-key"),
        ("backup --to a.json --from-backup b.json", "backup --to a.json"),
        ("push --stack staging --confirm=staging --redeploy", "push --stack staging --redeploy"),
        ("report verify report.json --since 2026-01-31 --verbose", "report verify report.json --verbose"),
    ],
)
def test_where_a_flag_does_nothing_the_same_command_without_it_is_printed(folder, capsys, argv, again) -> None:
    assert cli.main([*argv.split(), "--json"]) == 2
    printed = json.loads(capsys.readouterr().out)["next"]["command"]
    assert printed.endswith(f" -m wizard {again} --json")


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["push", "--bogus"], "push"),
        (["--bogus", "verify"], "verify"),
        (["--stack", "push", "--bogus"], None),
        (["--stack", "push", "verify", "--bogus"], "verify"),
        (["verfy"], None),
    ],
)
def test_a_refused_command_line_is_told_with_the_command_it_names(folder, steps, capsys, argv, command) -> None:
    assert cli.main([*argv, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["command"] == command


@pytest.mark.parametrize(
    "argv", [["deploy"], ["remove"], ["export"], ["--role", "x"], ["--bucket", "x"], ["--tags", "x"]]
)
def test_nothing_is_suggested_that_is_not_near_least_of_all_a_removal(folder, steps, capsys, argv) -> None:
    steps(report("vercel"))
    assert "did you mean" not in refusal(capsys, argv)


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        (["stauts"], "status"),
        (["--jsn"], "--json"),
        (["setpu"], "setup"),
        (["--adminstrators", "x"], "--administrators"),
    ],
)
def test_a_slip_of_the_fingers_is_named(folder, steps, capsys, argv, meant) -> None:
    steps(report("vercel"))
    assert f"did you mean {meant}?" in refusal(capsys, argv)


@pytest.mark.parametrize("argv", [["--vercel-token", TOKEN], [f"--vercel-token={TOKEN}"], ["push", f"--tokn={TOKEN}"]])
def test_what_follows_a_flag_that_nobody_knows_is_not_repeated(folder, steps, capsys, argv) -> None:
    requests = steps(report("vercel"))
    assert cli.main([*argv, "--json"]) == 2
    assert TOKEN not in "".join(capsys.readouterr()) and requests == []


def test_help_tells_every_exit_code_and_command(capsys) -> None:
    assert cli.main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(f"{code} {meaning}" in " ".join(told.split()) for code, meaning in EXIT_CODES.items())
    assert all(f"  {command} " in told for command in COMMANDS)
    assert [line for line in told.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_fits_a_screen(capsys, name) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    told = capsys.readouterr().out
    assert ended.value.code == 0
    assert len(told.splitlines()) <= 40
    assert [line for line in told.splitlines() if len(line) > 80] == []
    # Who installed the wheel has neither.
    assert "docs/" not in told and "examples/" not in told
    assert cli.main(["help", name]) == 0
    assert capsys.readouterr().out.rstrip() == told.rstrip()


@pytest.mark.parametrize("words", [["--help"], ["setup", "--help"], ["help", "rotate"]])
def test_the_help_names_the_program_as_it_was_called(capsys, monkeypatch, words) -> None:
    monkeypatch.setattr(sys, "argv", ["/project/.venv/bin/eonpro-kms", *words])
    with contextlib.suppress(SystemExit):
        cli.main()
    out = capsys.readouterr().out
    assert out.startswith("usage: eonpro-kms ") and "python -m" not in out


def test_the_help_of_the_inputs_names_every_input(capsys) -> None:
    assert cli.main(["help", "inputs"]) == 0
    told = capsys.readouterr().out
    assert [each.flag for each in INPUTS if each.flag not in told] == []


def test_the_version_is_the_projects(capsys) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"eonpro-kms {wizard.version()}\n"


def test_the_help_loads_only_argparse_and_the_tables() -> None:
    code = "import sys; from wizard.cli.main import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    heavy = {"boto3", "botocore", "pulumi", "pydantic", "yaml", "httpx", "prompt_toolkit", "jinja2", "argcomplete"}
    assert {name.partition(".")[0] for name in loaded} & heavy == set()
    light = {name for name in loaded if name.startswith("components.installation")}
    assert not [name for name in loaded - light if name.startswith(("components.", "wizard.setup.", "wizard.data_key"))]


def test_a_command_that_reads_loads_nothing_of_the_sdk_of_pulumi() -> None:
    commands = tuple(f"commands.{name}.command" for name in ("status", "doctor", "push", "review", "report"))
    loaded = loaded_with("cli.composition", "pulumi_engine.engine", "aws.client", "vercel.client", *commands)
    assert {"pulumi", "grpc", "opentelemetry"} & loaded == set()


def loaded_with(*modules: str) -> set[str]:
    """What a new process has loaded with these modules of the wizard."""
    code = f"import sys, {', '.join(f'wizard.{name}' for name in modules)}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_nobody_waits_for_what_a_command_left_behind_but_for_what_has_to_be_cleared() -> None:
    code = (
        "import atexit, sys, time\nfrom concurrent.futures import ThreadPoolExecutor\nfrom wizard.cli import main\n"
        "atexit.register(print, 'cleared')\nThreadPoolExecutor().submit(time.sleep, 60)\n"
        "sys.argv = ['wizard', '--version']\nmain.run()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.splitlines()[1:] == ["cleared"]


# --- the words of the command line


def test_what_confirms_beforehand_and_the_wish_to_adopt_reach_the_steps(folder, steps, capsys) -> None:
    requests = steps(report("vercel"))
    cli.main(["--json", "--confirm", "production", "--adopt", "--yes"])
    cli.main(["--json"])
    assert [(each.confirmed, each.adopt, each.yes) for each in requests] == [
        ("production", True, True),
        (None, False, False),
    ]


@pytest.mark.parametrize(
    ("action", "command", "outcome"),
    [
        ("rotate", "rotate_access_key", {"id": "AKIANEW", "old": "AKIAOLD"}),
        ("retire", "retire_access_key", {"id": "AKIAOLD", "done": "switched off"}),
    ],
)
def test_an_access_key_is_changed_by_its_own_command(folder, steps, capsys, action, command, outcome) -> None:
    requests = steps(outcome, command)
    assert cli.main(["access-key", action, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accessKey"] == outcome
    assert len(requests) == 1


def test_the_end_of_a_stack_is_told_with_what_stays(folder, steps, capsys) -> None:
    steps((("the key", "records"),), "destroy")
    assert cli.main(["destroy", "--json", "--confirm", "production"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["left"] == [{"what": "the key", "why": "records"}]


def test_a_wrapped_key_from_the_environment_reaches_the_steps_and_no_output(folder, steps, capsys, monkeypatch) -> None:
    monkeypatch.setenv("EONPRO_ENCRYPTED_PHI_KEY", wrapped().value)
    requests = steps(report("vercel"))
    cli.main(["--json", "--adopt"])
    out, err = capsys.readouterr()
    (request,) = requests
    assert request.answers["encrypted_phi_key"].value == wrapped().value
    assert wrapped().value not in out + err + repr(request)


def test_a_command_in_a_folder_that_was_removed_says_so(tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert cli.main(["status"]) == 2
    assert "the folder that this was typed in is gone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "left"), [("/bin::.:node_modules/.bin:/usr/bin", "/bin:/usr/bin"), (".:", os.defpath)]
)
def test_a_program_of_the_current_folder_is_not_found_on_path(monkeypatch, path, left) -> None:
    monkeypatch.setenv("PATH", path)
    assert cli.main(["--version"]) == 0
    assert os.environ["PATH"] == left
