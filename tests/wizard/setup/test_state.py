"""The step that settles where the state is: what is made, what is told, and what becomes a problem."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.wizard.fakes.clients import ACCOUNT, IDENTITY, FakeAwsClient, FakeUserInterface, key_fact
from wizard.core.clients import Answer, Source
from wizard.core.errors import SetupError
from wizard.core.state_backend import BackendFact, Circumstances
from wizard.inputs.interview import Interview
from wizard.pulumi_engine.backend import StatePlaces
from wizard.setup.state_location import StateLocation, settle

FOUND = BackendFact(url="s3://clinic-state", source="the login of the Pulumi CLI")
BUCKET = f"eonpro-pulumi-state-{ACCOUNT}-us-east-1"


class FakePlaces(StatePlaces):
    """A machine in memory."""

    def __init__(self) -> None:
        self.found = Circumstances(
            account="", region="", detected=FOUND, passphrase_variable="PULUMI_CONFIG_PASSPHRASE_FILE"
        )
        self.made: list[str] = []
        self.error: SetupError | None = None

    def circumstances(self, stack: str, *, account: str, region: str, interactive: bool) -> Circumstances:
        if self.error:
            raise self.error
        return replace(self.found, account=account, region=region, interactive=interactive)

    def make_passphrase(self, stack: str) -> str:
        self.made.append(stack)
        return f"/home/ada/.config/eonpro-kms/{stack}.passphrase"


class Session:
    """One settling over fakes."""

    def __init__(self) -> None:
        self.aws = FakeAwsClient()
        self.ui = FakeUserInterface(interactive=True)
        self.places = FakePlaces()
        self.identity: Any = IDENTITY

    def settle(self, source: Source = Source.FLAG, **values: Any) -> StateLocation:
        values = {"application": "eonpro", **values}
        answers = {key: Answer(value=value, source=source, where="x") for key, value in values.items()}
        interview = Interview(answers=answers, aws=self.aws, identity=self.identity)
        return settle("production", interview, self.ui, self.places)


@pytest.fixture
def session() -> Session:
    return Session()


def test_the_bucket_and_the_key_are_the_applications_own(session) -> None:
    session.aws.aliases["alias/clinic-pulumi-state"] = "key"
    session.aws.keys["key"] = key_fact()
    placed = session.settle(backend="s3", application="clinic")
    assert session.aws.state_buckets == [BUCKET.replace("eonpro", "clinic")]
    assert placed.environment["PULUMI_BACKEND_URL"].startswith("s3://clinic-pulumi-state-")
    assert placed.secrets_provider == "awskms://alias/clinic-pulumi-state?region=us-east-1"


def test_a_bucket_that_is_there_is_not_said_to_be_made(session) -> None:
    session.aws.state_buckets.append(BUCKET)
    session.settle(backend="s3")
    assert f"{BUCKET}: there already; private, versioned, encrypted" in session.ui.said


def test_only_what_a_person_chose_at_the_prompt_becomes_the_login_of_the_cli(session) -> None:
    assert session.settle(Source.ASKED, backend="local").log_in_to == "file://~"
    assert session.settle(Source.FLAG, backend="local").log_in_to is None


def test_a_passphrase_that_nobody_gave_is_made_in_a_file_and_never_shown(session) -> None:
    session.places.found = replace(session.places.found, passphrase_variable=None)
    placed = session.settle()
    path = "/home/ada/.config/eonpro-kms/production.passphrase"
    assert placed.environment == {"PULUMI_CONFIG_PASSPHRASE_FILE": path}
    assert session.places.made == ["production"]
    assert any(path in line for line in session.ui.said)


def test_unattended_a_missing_passphrase_is_a_problem_and_none_is_made(session) -> None:
    session.places.found = replace(session.places.found, passphrase_variable=None)
    session.ui.interactive = False
    (problem,) = session.settle().problems
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" in problem.next
    assert session.places.made == []


def test_no_backend_at_all_is_a_problem_with_the_flag_that_mends_it(session) -> None:
    session.places.found = replace(session.places.found, detected=None)
    (problem,) = session.settle().problems
    assert problem.next.startswith("--backend s3") and problem.exit_code == 2


@pytest.mark.parametrize("where", ["places", "bucket"])
def test_what_cannot_be_had_is_a_problem_among_the_others(session, where) -> None:
    error = SetupError("somebody else has the bucket", "--backend s3://another")
    if where == "places":
        session.places.error = error
    else:
        session.aws.failures["make_state_bucket"] = error
    (problem,) = session.settle(backend="s3").problems
    assert (problem.what, problem.next) == ("somebody else has the bucket", "--backend s3://another")
