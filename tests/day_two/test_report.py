"""The report of a deployed stack, created by the wizard and opened in a real browser.

Pictures go to `.artefacts/report-of-a-deployment/`, or where `EONPRO_ARTEFACTS` says.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.policies.requirements import Topic
from tests.browsing.reading import Page, resolved, ways_to_tell
from tests.day_two.doctor_fixture import ABOUT_WHAT_RUNS, deliver_logs
from tests.onboarding.deployment import Deployment

FORMS = ("report.html", "report.json", "report.md")


@dataclass(frozen=True, kw_only=True)
class CreatedReport:
    """A report that the wizard created."""

    deployment: Deployment
    folder: Path
    document: dict[str, Any]
    changes: dict[str, int]
    """Calls that changed something while it was created."""
    calls: set[str]
    """Every call to AWS while it was created."""


@pytest.fixture(scope="module")
def created(on_vercel: Deployment) -> CreatedReport:
    deliver_logs(on_vercel)
    on_vercel.forget_calls()
    ended = on_vercel.wizard("report", "--json")
    changes, calls = dict(on_vercel.changes()), set(on_vercel.calls())
    # CloudWatch signs its requests as `monitoring`.
    calls |= {call.replace("monitoring:", "cloudwatch:") for call in calls}
    folder = on_vercel.folder / ended.document["files"]["folder"]
    return CreatedReport(deployment=on_vercel, folder=folder, document=ended.document, changes=changes, calls=calls)


def test_the_report_of_a_deployment_that_was_set_up_well_is_read_from_the_account_and_changes_nothing(
    created: CreatedReport,
) -> None:
    items = {item["title"]: item for item in created.document["checklist"]}
    # The sandbox has an administrator of the platform, whom the settings do not name; nothing was backed up; nobody has
    # MFA, and nobody gets the alerts. Whether the application used the key is up to the other tests of this deployment.
    others = {Topic.OTHERS, Topic.BACKUP, Topic.ALERTS}
    expected = {topic: "needs a person" if topic in others else "done" for topic in Topic} | {Topic.SIGN_IN: "open"}
    assert Topic.DOCUMENTS not in items, "no bucket of documents is named"
    for title in {*Topic} - {Topic.APPLICATION, Topic.REVIEW, Topic.DOCUMENTS}:
        assert items[title]["state"] == expected[title], items[title]
    assert "role/platform-admin" in items[Topic.OTHERS]["evidence"]
    # What runs is older than the set-up, or than a fault that another test created and fixed; all else is well.
    causes = {each["cause"] for each in created.document["doctor"]["findings"]}
    assert causes <= {*ABOUT_WHAT_RUNS, "alerts-without-address", "key-use-by-others", "mfa-missing", "root-access-key"}
    assert created.document["unread"] == []
    assert created.changes == {}


def test_every_call_that_an_item_says_it_was_read_from_was_made(created: CreatedReport) -> None:
    named = {call for item in created.document["checklist"] for call in item["calls"]}
    assert len(named) > 10
    assert named - created.calls == set()


def test_it_describes_the_deployment_as_it_is(created: CreatedReport) -> None:
    described = created.document["architecture"]
    outputs = created.deployment.outputs()
    assert [key["arn"] for key in described["keys"]] == [outputs["keyArn"]]
    assert (described["trail"]["arn"], described["trail"]["bucket"]) == (outputs["trailArn"], outputs["trailBucket"])
    assert [(each["target"], each["principal"]) for each in described["applications"]] == [
        ("vercel", outputs["appPrincipalArn"])
    ]
    assert [each["keptAt"] is not None for each in created.document["rotation"]["versions"]] == [True]
    assert created.document["retention"]["retentionDays"] == 2557


def test_no_form_holds_the_wrapped_key_or_anything_secret(created: CreatedReport) -> None:
    secrets = [*created.deployment.stored_key_versions(), created.deployment.environment["VERCEL_TOKEN"]]
    secrets.append(created.deployment.environment["AWS_SECRET_ACCESS_KEY"])
    for form in FORMS:
        text = (created.folder / form).read_text()
        assert [secret for secret in secrets if secret in text] == []


def test_every_number_on_the_page_traces_to_a_fact_in_report_json(created: CreatedReport) -> None:
    facts = json.loads((created.folder / "report.json").read_text())
    assert facts == created.document
    read = Page((created.folder / "report.html").read_text())
    loose = [text for text, pointer in read.texts if pointer is None and any(c.isdigit() for c in text)]
    assert loose == [read.named("title")[0].text]
    cited = [each for each in read.elements if "data-fact" in each.attributes]
    assert len(cited) > 200
    for each in cited:
        pointer = each.attributes["data-fact"]
        assert each.text in ways_to_tell(resolved(facts, pointer)), pointer


@pytest.mark.thorough
def test_a_signed_review_is_cited_by_the_next_report(created: CreatedReport) -> None:
    reviews = created.deployment.folder / "reviews"
    before = set(reviews.rglob("*.json"))
    created.deployment.wizard("review", "--sign", "Ada Byron", "--confirm", "production", expect=None)
    again = created.deployment.wizard("report", "--json", "--out", "second").document
    for file in set(reviews.rglob("*.json")) - before:
        file.unlink()
    [reviewed] = [item for item in again["checklist"] if item["title"] == Topic.REVIEW]
    assert reviewed["state"] == "done", reviewed
    assert again["access"]["signOff"]["signer"] == "Ada Byron"
    assert "Ada Byron" in (created.deployment.folder / "second" / "report.html").read_text()


def test_a_report_is_never_written_over_another(created: CreatedReport) -> None:
    before = {form: (created.folder / form).read_bytes() for form in FORMS}
    refused = created.deployment.wizard("report", "--out", str(created.folder), expect=2)
    assert "nothing was overwritten" in refused.output
    assert {form: (created.folder / form).read_bytes() for form in FORMS} == before


@pytest.mark.thorough
def test_a_deployment_on_ecs_is_described_with_its_service_and_its_store(on_ecs: Deployment) -> None:
    document = on_ecs.wizard("report", "--json").document
    described = document["architecture"]["applications"]
    assert [(each["target"], each["identity"]) for each in described] == [("ecs", "the task role of the service")]
    assert described[0]["readsFrom"].startswith("Parameter Store")
    assert [item["state"] for item in document["checklist"]][3:7] == ["done"] * 4


@pytest.mark.thorough
def test_the_aws_cli_validates_the_same_digests_and_log_files(created: CreatedReport) -> None:
    [logs] = created.document["logs"]
    ended = created.deployment.run(
        [
            *("aws", "cloudtrail", "validate-logs", "--trail-arn", created.deployment.outputs()["trailArn"]),
            *("--start-time", created.document["since"]),
        ]
    )
    assert f"{logs['digests']}/{logs['digests']} digest files valid" in ended.out
    assert f"{logs['logs']}/{logs['logs']} log files valid" in ended.out
