"""The documents of `--json` against the shipped schemas: what is printed fits, and what does not fit is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import wizard.cli.main as cli
from components.settings import Settings
from tests.wizard.account.access.reviews import documents_of_reviews
from tests.wizard.cli.test_main import PROBLEMS
from tests.wizard.commands.backup import backup_documents
from tests.wizard.commands.cost import cost_documents
from tests.wizard.commands.doctor import doctor_documents
from tests.wizard.commands.documents.move_documents import documents_of_moves
from tests.wizard.commands.push import push_documents
from tests.wizard.commands.report.samples import FILES as REPORT_FILES
from tests.wizard.commands.report.samples import STATES as REPORT_STATES
from tests.wizard.commands.rotate import rotation_documents
from tests.wizard.fakes.clients import ACCOUNT, IDENTITY, settings, step, wrapped
from tests.wizard.setup.test_report import REPORTS, proof, report
from wizard.cli.commands import COMMANDS, SCHEMAS
from wizard.cli.parser import EXIT_CODES
from wizard.commands.rehearsal import NOT_RECORDED
from wizard.commands.report.command import verified_document
from wizard.commands.report.document import document as report_document
from wizard.commands.status import output as status
from wizard.core import json_documents
from wizard.core.errors import (
    Cancelled,
    CredentialsError,
    MissingAnswers,
    PolicyRefusal,
    PreflightFailed,
    ResourceError,
    SetupError,
    StackNotFound,
    UsageError,
)
from wizard.core.models.access import PolicyFinding, PolicyFindingKind, PolicyJudgement
from wizard.core.models.stack import HealthStatus, StackStatus, StatusCheck
from wizard.core.models.verification import VerificationState
from wizard.setup import document
from wizard.setup.plan import Plan

FOLDER = Path(__file__).resolve().parents[3] / "wizard" / "schemas"
OURS = tuple(name for name in SCHEMAS if name != "answers")


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.schema.json").read_text())
    return found


def faults(name: str, document: Any) -> list[str]:
    """What a document, as a program gets it, lacks of its schema."""
    read = json.loads(json.dumps(document))
    return [error.message for error in Draft202012Validator(schema(name)).iter_errors(read)]


PLAN = Plan(
    stack="production",
    settings=settings(),
    identity=IDENTITY,
    steps=(step("update", changed=("policy",)), replace(step("same"), name="other")),
    stored_data_key=None,
    targets=(),
)
NEW_ACCESS = (PolicyFinding(policy="the key alias/eonpro-phi-key", kind=PolicyFindingKind.NEW, text="one more"),)
FAILURES = {
    "a failure": SetupError("it went wrong", "do this next"),
    "usage": UsageError("it went wrong", "do this next"),
    "missing answers": MissingAnswers("it went wrong", "do this next", ("region", "target")),
    "credentials": CredentialsError("it went wrong", "do this next"),
    "a resource": ResourceError("it went wrong", "do this next"),
    "a policy": PolicyRefusal("it went wrong", "do this next"),
    "no stack": StackNotFound("it went wrong", "do this next"),
    "a no": Cancelled("it went wrong", "do this next"),
    "problems": PreflightFailed(PROBLEMS),
}
STATEMENT = {"Sid": "Identify", "Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}
POLICY = {"Version": "2012-10-17", "Statement": [STATEMENT]}

REPORT_DOCUMENT = report_document(REPORT_STATES["in full"], files=REPORT_FILES)

STACKS = (
    StackStatus(
        stack="production",
        account=ACCOUNT,
        region="us-east-1",
        environment="production",
        targets=("vercel", "ecs"),
        in_backend=True,
        last_update="2026-01-01T00:00:00.000Z",
        resources=23,
        fingerprint=wrapped().fingerprint,
        checks=tuple(
            StatusCheck(what=what, status=standing, detail="as told", brief="told")
            for what in ("key", "rotation", "access", "trail", "stored data key", "application", "vercel", "ecs", "eks")
            for standing in HealthStatus
        ),
        status=HealthStatus.GOOD,
    ),
    *(StackStatus(stack=f"bare-{standing}", status=standing) for standing in HealthStatus),
)

DOCUMENTS: dict[str, Mapping[str, Mapping[str, Any]]] = {
    "setup": {
        **{name: document.of_report(of) for name, of in REPORTS.items()},
        "failed proof": document.of_report(report("vercel", proofs=(proof("vercel", VerificationState.FAILED),))),
    },
    "preview": {
        "changes": document.of_plan(PLAN),
        "new access": document.of_plan(replace(PLAN, policies=PolicyJudgement(findings=NEW_ACCESS))),
        "policies not judged": document.of_plan(
            replace(PLAN, policies=PolicyJudgement(not_asked="the Region has none"))
        ),
    },
    "push": push_documents.DOCUMENTS,
    **rotation_documents.DOCUMENTS,
    "verify": doctor_documents.VERIFY,
    "doctor": doctor_documents.DOCTOR,
    "report": {
        state: report_document(REPORT_STATES[state], files=REPORT_FILES)
        for state in ("in full", "nothing could be read")
    },
    "report-verify": {
        "unchanged": verified_document(Path("report.json"), REPORT_DOCUMENT, forms=("report.html",), faults=()),
        "changed": verified_document(Path("report.json"), REPORT_DOCUMENT, forms=(), faults=("its digest differs",)),
    },
    "status": {
        "in full": status.document(STACKS),
        "wrong": status.document([replace(STACKS[0], status=HealthStatus.WRONG)]),
        "none": status.document(()),
    },
    "access-key": {
        "rotate": json_documents.access_key("production", {"id": "AKIANEW", "old": None}),
        "retire": json_documents.access_key("production", {"id": "AKIAOLD", "done": "switched off"}),
    },
    "documents": documents_of_moves(),
    "policy": {
        "one": json_documents.policy(POLICY),
        "several": json_documents.policy({"first": POLICY, "second": POLICY}),
    },
    "review": documents_of_reviews(),
    "backup": backup_documents.DOCUMENTS,
    "cost": cost_documents.DOCUMENTS,
    "rehearsal": {
        "whole": {
            **json_documents.head("rehearsal", ok=False),
            "file": "/home/clinic/kms/reports/rehearsal/20261201T000000Z.json",
            "steps": [{"step": "setup", "exitCode": 1, "seconds": 61.5}],
            "differences": ["kms:CreateKey: here only"],
            "notRecorded": NOT_RECORDED,
        }
    },
    "destroy": {"left": json_documents.destroy("production", [("the key", "records")])},
    "schema": {"failure": json_documents.schema("failure", schema("failure"))},
    "help": {"of all": json_documents.help_text(None, "usage"), "of push": json_documents.help_text("push", "usage")},
    "init": {"new": json_documents.init("/home/clinic/kms", ["Pulumi.yaml"], ["README.md"])},
    "engine": {"installed": json_documents.engine("/home/clinic/.cache/eonpro-kms/engine/official/bin/pulumi")},
    "completion": {"bash": json_documents.completion("bash", "complete -F _it it")},
    "failure": {
        **{name: json_documents.failure(error, command="setup", log="/a.log") for name, error in FAILURES.items()},
        "no command": json_documents.failure(FAILURES["usage"], command=None),
        "a bug": json_documents.bug(command="push", log="/a.log"),
        "Ctrl-C": json_documents.interrupted(command="verify", exit_code=130),
    },
}
CASES = [pytest.param(name, told, id=f"{name}: {case}") for name, of in DOCUMENTS.items() for case, told in of.items()]


@pytest.mark.parametrize(("name", "document"), CASES)
def test_what_is_printed_fits_its_schema(name, document) -> None:
    assert faults(name, document) == []


def test_every_schema_that_is_shipped_has_its_document_here() -> None:
    assert sorted(DOCUMENTS) == sorted(OURS)


# --- the schemas themselves


def objects(found: Any) -> Iterator[dict[str, Any]]:
    """Every schema within a schema."""
    if isinstance(found, dict):
        yield found
        for name, value in found.items():
            if name in ("properties", "$defs"):
                for inner in value.values():
                    yield from objects(inner)
            elif name in ("items", "oneOf"):
                for inner in value if isinstance(value, list) else [value]:
                    yield from objects(inner)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_of_draft_2020_12(name) -> None:
    found = schema(name)
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(found)


@pytest.mark.parametrize("name", OURS)
def test_an_object_whose_fields_are_listed_takes_no_other(name) -> None:
    listed = [each for each in objects(schema(name)) if "properties" in each]
    assert [each for each in listed if each.get("additionalProperties") is not False] == []


def test_the_folder_holds_the_schemas_that_the_command_line_names() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(f"{name}.schema.json" for name in SCHEMAS)
    assert set(COMMANDS) < set(SCHEMAS)


def test_the_settings_of_the_schema_are_the_contracts() -> None:
    described = schema("setup")["$defs"]["Settings"]
    aliases = {str(field.alias): field for field in Settings.model_fields.values()}
    assert set(described["properties"]) == set(aliases)
    assert set(described["required"]) == {alias for alias, field in aliases.items() if field.default is not None}


def test_the_exit_codes_of_the_schema_are_the_table_without_success() -> None:
    assert schema("failure")["properties"]["exitCode"]["enum"] == [code for code in EXIT_CODES if code]


# --- through the command line


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_printed_as_it_is_shipped(name, capsys) -> None:
    assert cli.main(["schema", name]) == 0
    assert json.loads(capsys.readouterr().out) == schema(name)


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["schema", "verify"], "schema"),
        (["completion", "zsh"], "completion"),
        (["policy", "operator", "--account", ACCOUNT, "--region", "us-east-1", "--target", "ecs"], "policy"),
        (["no-such-command"], "failure"),
        (["--no-such-flag", "push"], "failure"),
    ],
)
def test_a_command_that_asks_nobody_prints_its_document_and_keeps_no_log(argv, name, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cli.main([*argv, "--json"])
    assert faults(name, json.loads(capsys.readouterr().out)) == []
    assert list(tmp_path.iterdir()) == []
