"""`doctor --format ocsf`: events that a SIEM accepts, each result once, and nothing unknown as passed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import wizard.cli.main as cli
from components.policies.requirements import BY_ID
from tests.wizard.commands.doctor.doctor_documents import DIAGNOSES, DISABLED, DOCTOR
from tests.wizard.fakes.clients import settings
from wizard.account.notices import Notice
from wizard.account.views import build_diagnosis
from wizard.commands.doctor import command
from wizard.commands.doctor.command import document, ocsf
from wizard.core.json_documents import Document
from wizard.core.next_command import wizard

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def of(required: str, optional: str, **properties: Any) -> dict[str, Any]:
    """An object of the schema: text, but for `properties`."""
    names = (*required.split(), *optional.split())
    return {
        "type": "object",
        "required": required.split(),
        "additionalProperties": False,
        "properties": {**dict.fromkeys(names, {"type": "string", "minLength": 1}), **properties},
    }


def one_of(*values: Any) -> dict[str, Any]:
    return {"enum": list(values)}


TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1}

# Required and optional attributes, types and numbers as the classes and objects of OCSF 1.3.0 have them, as far as the
# events use them. Whoever adds one, looks there: https://schema.ocsf.io/1.3.0/classes/compliance_finding?profiles=cloud
COMPLIANCE_FINDING = of(
    "activity_id category_uid class_uid type_uid time severity_id metadata finding_info compliance cloud",
    "activity_name category_name class_name type_name severity status status_id message remediation resources",
    activity_id=one_of(1),
    category_uid=one_of(2),
    class_uid=one_of(2003),
    type_uid=one_of(200301),
    time={"type": "integer", "minimum": 10**12, "maximum": 10**13},
    severity_id=one_of(1, 2, 3, 4, 5, 6),
    severity=one_of("Informational", "Low", "Medium", "High", "Critical", "Fatal"),
    status_id=one_of(1),
    status=one_of("New"),
    metadata=of(
        "product version",
        "profiles",
        version=one_of("1.3.0"),
        product=of("vendor_name name", "version"),
        profiles={"type": "array", "items": one_of("cloud")},
    ),
    cloud=of("provider", "region account", account=of("uid", "type type_id", type_id=one_of(10))),
    finding_info=of("uid title", "desc"),
    compliance=of(
        "standards status status_id",
        "control requirements status_code",
        standards=TEXTS,
        requirements=TEXTS,
        status=one_of("Pass", "Warning", "Fail"),
        status_id=one_of(1, 2, 3),
    ),
    remediation=of("desc", ""),
    resources={"type": "array", "items": of("uid", "name type region cloud_partition"), "minItems": 1},
)


def events(document: Document, at: datetime = NOW, **changes: Any) -> list[Document]:
    return ocsf(document, settings(**changes), at)


def statuses(name: str) -> list[tuple[str, str, str]]:
    return [
        (event["compliance"]["status_code"], event["compliance"]["status"], event["severity"])
        for event in events(DOCTOR[name])
    ]


@pytest.mark.parametrize("name", DIAGNOSES)
def test_a_siem_is_given_no_event_that_it_has_to_refuse(name: str) -> None:
    validator = Draft202012Validator(COMPLIANCE_FINDING)
    told = json.loads(json.dumps(events(DOCTOR[name])))
    assert told
    assert [error.message for event in told for error in validator.iter_errors(event)] == []


def test_what_nobody_could_check_does_not_pass_for_a_siem() -> None:
    assert statuses("denied") == [("notChecked", "Warning", "Medium")]
    assert statuses("healthy") == [("skipped", "Warning", "Informational"), ("passed", "Pass", "Informational")]


def test_a_cause_is_graded_above_what_follows_from_it() -> None:
    assert statuses("a cause and what follows") == [
        ("findings", "Fail", "High"),
        ("consequences", "Fail", "Low"),
        ("passed", "Pass", "Informational"),
    ]


def test_a_fault_is_one_finding_however_many_nights_it_lasts() -> None:
    def identifiers(at: datetime = NOW, **changes: Any) -> set[str]:
        return {event["finding_info"]["uid"] for event in events(DOCTOR["a cause and what follows"], at, **changes)}

    assert identifiers() == identifiers(NOW + timedelta(days=1))
    assert len(identifiers()) == 3
    assert not identifiers() & {
        event["finding_info"]["uid"] for event in events({**DOCTOR["a cause and what follows"], "stack": "staging"})
    }


def test_who_reads_the_siem_has_the_command_that_fixes_it() -> None:
    first, *_ = events(DOCTOR["a cause and what follows"])
    assert first["remediation"]["desc"].splitlines() == [DISABLED.command, DISABLED.advice]
    assert (first["compliance"]["control"], first["message"]) == (DISABLED.code, DISABLED.what)
    assert first["time"] == 1769860800000


def test_a_fault_of_the_trail_names_the_sections_of_the_law() -> None:
    stopped = Notice.wrong("trail-stopped", what="it does not log", why="no record")
    (event,) = events(document(build_diagnosis("production", [stopped])))
    assert tuple(event["compliance"]["requirements"]) == BY_ID["trail-logging"].sections
    assert "remediation" not in event


@pytest.fixture
def told(monkeypatch, tmp_path):
    """Runs the command line over a doctor that says DISABLED: the exit code."""
    (tmp_path / "Pulumi.staging.yaml").write_text(json.dumps({"config": settings().to_config()}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("wizard.cli.main.PROJECT_FOLDER", tmp_path)
    monkeypatch.setattr("wizard.cli.request.PROJECT_FOLDER", tmp_path)

    def run(options, request, clients):
        clients.ui.line("for a person")
        fixed = Notice.wrong("key-disabled", what="it is", why="so", command=wizard("push"))
        return 1, document(build_diagnosis(request.stack, [fixed]))

    monkeypatch.setattr(command, "run", run)


def test_standard_output_has_the_events_and_nothing_else(told, capsys) -> None:
    assert cli.main(["doctor", "--stack", "staging", "--format", "ocsf"]) == 1
    out, err = capsys.readouterr()
    (event,) = json.loads(out)
    assert event["class_uid"] == 2003 and event["resources"][0]["name"] == "staging"
    assert "push --stack staging" in event["remediation"]["desc"]
    assert "for a person" in err


@pytest.mark.parametrize(
    "words", [["verify", "--format", "ocsf"], ["report", "--format", "ocsf"], ["doctor", "--format", "oscal"]]
)
def test_a_form_that_a_command_does_not_have_is_refused(words: list[str], capsys) -> None:
    assert cli.main(words) == 2
    assert "--format" in capsys.readouterr().err
