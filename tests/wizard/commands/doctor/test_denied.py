"""`doctor --explain-denied`: what AWS denied in the run, with the layer and the statement, or why none is known."""

from __future__ import annotations

import pytest

from tests.wizard.account.doctor_fixture import DoctorFixture
from tests.wizard.fakes.clients import FakeUserInterface, settings
from wizard.commands.doctor import command
from wizard.commands.options import DoctorOptions
from wizard.core.errors import PermissionDenied, SetupError
from wizard.core.models.access import DenyingCheck, DenyingStatement
from wizard.core.models.account import Refusal

ROLE = "arn:aws:iam::111122223333:role/eonpro-app-role"
ID = "0a1b2c3d4e"
DENIED = Refusal(action="iam:GetRole", region="us-east-1", authorization_id=ID)
WITHOUT_ID = Refusal(action="kms:ListAliases", region="us-east-1")
SCP = "arn:aws:organizations::999988887777:policy/o-a/service_control_policy/p-1"
UNIT = "arn:aws:organizations::999988887777:ou/o-a/ou-1"
BY_ORGANIZATION = DenyingCheck(
    action="iam:GetRole",
    resource=ROLE,
    layer="SERVICE_CONTROL_POLICY",
    is_explicit=True,
    target=UNIT,
    statements=(DenyingStatement(policy=SCP, sid="NoRoles"),),
)
BY_BOUNDARY = DenyingCheck(action="iam:GetRole", resource=ROLE, layer="PERMISSIONS_BOUNDARY", is_explicit=False)


@pytest.fixture
def fixture() -> DoctorFixture:
    return DoctorFixture(settings())


def told(fixture: DoctorFixture, *, explain: bool = True) -> tuple[list[str], list[dict[str, object]], int]:
    """The lines on the screen, the entries of the document, and the exit code."""
    request, clients = fixture.run()
    code, document = command.run(DoctorOptions(quick=True, explain_denied=explain), request, clients)
    ui = clients.ui
    assert isinstance(ui, FakeUserInterface)
    return list(ui.said), document["denied"], code


def test_the_layer_and_the_statement_that_denied_are_named(fixture: DoctorFixture) -> None:
    fixture.access_diagnostics.denied = {DENIED: (BY_ORGANIZATION,)}
    lines, entries, _ = told(fixture)
    [line] = [line for line in lines if SCP in line]
    assert "iam:GetRole on " in line and "NoRoles" in line and UNIT in line and "service control policies" in line
    assert entries == [
        {
            "action": "iam:GetRole",
            "resource": ROLE,
            "layer": "service-control-policy",
            "explicit": True,
            "attachedTo": UNIT,
            "statements": [{"policy": SCP, "sid": "NoRoles"}],
        }
    ]


def test_a_layer_that_allows_it_nowhere_is_named_without_a_statement(fixture: DoctorFixture) -> None:
    fixture.access_diagnostics.denied = {DENIED: (BY_BOUNDARY,)}
    lines, [entry], _ = told(fixture)
    assert any("nothing in the caller's permissions boundary allows it" in line for line in lines)
    assert (entry["layer"], entry["explicit"], entry["statements"]) == ("permissions-boundary", False, [])


def test_a_layer_that_aws_adds_later_is_shown_by_its_name(fixture: DoctorFixture) -> None:
    later = DenyingCheck(action="iam:GetRole", resource="", layer="NEW_KIND", is_explicit=True)
    fixture.access_diagnostics.denied = {DENIED: (later,)}
    lines, [entry], _ = told(fixture)
    assert any("NEW_KIND" in line for line in lines) and entry["layer"] == "new-kind"


def test_a_request_without_an_authorization_id_is_listed_as_not_explained(fixture: DoctorFixture) -> None:
    fixture.access_diagnostics.denied = {WITHOUT_ID: ()}
    lines, entries, _ = told(fixture)
    assert entries == [{"action": "kms:ListAliases", "why": command.NO_ID}]
    assert any("kms:ListAliases" in line for line in lines)
    assert "access_diagnostics.denying_checks" not in fixture.aws.log


def test_who_may_not_ask_gets_the_diagnosis_and_the_missing_action(fixture: DoctorFixture) -> None:
    fixture.access_diagnostics.denied = {DENIED: (BY_BOUNDARY,)}
    refusal: SetupError = PermissionDenied("the caller is not allowed iam:GetRequestAuthorizationDetails", "allow it")
    fixture.aws.failures["access_diagnostics.denying_checks"] = refusal
    _, [entry], code = told(fixture)
    assert entry == {"action": "iam:GetRole", "why": refusal.message} and code == told(fixture, explain=False)[2]


def test_a_caller_of_another_organization_reads_why_there_is_no_layer(fixture: DoctorFixture) -> None:
    fixture.access_diagnostics.denied = {DENIED: ()}
    _, [entry], _ = told(fixture)
    assert "another organization" in str(entry["why"])


def test_no_more_than_a_few_requests_are_explained(fixture: DoctorFixture) -> None:
    many: dict[Refusal, tuple[DenyingCheck, ...]] = {
        Refusal(action=f"iam:Get{number}", region="us-east-1", authorization_id=f"{number}"): (BY_BOUNDARY,)
        for number in range(command.MOST_EXPLAINED + 3)
    }
    fixture.access_diagnostics.denied = many
    _, entries, _ = told(fixture)
    assert sum("why" in entry for entry in entries) == 3 and len(entries) == command.MOST_EXPLAINED + 3


def test_nothing_is_asked_and_nothing_is_shown_without_the_option(fixture: DoctorFixture) -> None:
    fixture.access_diagnostics.denied = {DENIED: (BY_BOUNDARY,)}
    lines, entries, _ = told(fixture, explain=False)
    assert entries == [] and not any("permissions boundary" in line for line in lines)
    assert "access_diagnostics.denying_checks" not in fixture.aws.log


def test_a_run_without_a_denied_request_says_so(fixture: DoctorFixture) -> None:
    lines, entries, _ = told(fixture)
    assert entries == [] and any("AWS denied no request" in line for line in lines)


def test_no_authorization_id_is_shown(fixture: DoctorFixture) -> None:
    fixture.access_diagnostics.denied = {DENIED: (BY_ORGANIZATION,)}
    lines, entries, _ = told(fixture)
    assert ID not in "\n".join(lines) + str(entries)
