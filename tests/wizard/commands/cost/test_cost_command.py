"""`cost` over fakes: whose settings, what is asked of whom, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.wizard.fakes.clients import (
    BUCKET,
    KEY,
    OTHER_ACCOUNT,
    TRAIL,
    FakeAwsClient,
    FakeDecryptVerifier,
    FakeEngine,
    FakeUserInterface,
    FakeVercelClient,
    built,
    trail_fact,
)
from tests.wizard.fakes.clients import settings as settings_
from wizard.commands import cost
from wizard.commands.options import CostOptions
from wizard.core.clients import Answer, Clients, Request, Source
from wizard.core.errors import (
    CredentialsError,
    MissingAnswers,
    PermissionDenied,
    SetupError,
    StackNotFound,
    Unreachable,
    UsageError,
)
from wizard.core.models.trail import Usage
from wizard.inputs.answers import from_settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
COUNTED = Usage(since=NOW, until=NOW, kms_requests=900, key_requests=300, trail_bytes=2**20)


class World:
    """A stack that is set up, or answers without one."""

    def __init__(self, *, saved: bool = True, **answers: Any) -> None:
        self.aws, self.ui = FakeAwsClient(), FakeUserInterface()
        self.settings = settings_()
        self.engine = FakeEngine(aws=self.aws, stack_state=built(self.aws, self.settings))
        values = (from_settings(self.settings) if saved else {}) | answers
        given = {name: Answer(value=value, source=Source.FLAG, where="") for name, value in values.items()}
        self.request = Request(stack="production", answers=given, saved=self.settings if saved else None)

    def run(self, **options: Any) -> dict[str, Any]:
        clients = Clients(
            ui=self.ui,
            connect=lambda profile, region: self.aws,
            vercel=lambda token: FakeVercelClient(),
            engine=lambda environment, secrets_provider=None: self.engine,
            prover=FakeDecryptVerifier(aws=self.aws),
            now=lambda: NOW,
        )
        code, document = cost.run(CostOptions(**options), self.request, clients)
        assert code == 0
        return dict(document)


def drivers(document: dict[str, Any]) -> dict[str, float]:
    return {each["driver"]: each["monthly"] for each in document["drivers"]}


def test_without_used_only_the_keys_and_the_trails_are_read() -> None:
    world = World()
    document = world.run()
    reads = {"cloud.describe_key", "cloud.list_trails", "keyring.rotations"}
    assert {line.split()[0] for line in world.aws.log} == reads
    assert world.engine.log == [] and document["used"] is None and document["unknown"] == []
    assert round(document["estimate"]["monthly"], 2) == 2.18


@pytest.mark.parametrize(
    "failure", [CredentialsError("there are no credentials", "aws configure"), Unreachable("no answer", "try again")]
)
def test_an_account_that_cannot_be_read_is_reported_and_no_failure(failure: SetupError) -> None:
    world = World()
    world.aws.failures["identify"] = failure
    document = world.run()
    assert round(document["estimate"]["monthly"], 2) == 2.18
    assert {each["why"] for each in document["unknown"]} == {failure.message}


def test_another_account_is_not_asked() -> None:
    world = World()
    world.aws.identity = replace(world.aws.identity, account_id=OTHER_ACCOUNT)
    document = world.run()
    assert len(document["unknown"]) == 3 and OTHER_ACCOUNT in document["unknown"][0]["why"]
    assert world.aws.log == []


def test_the_settings_may_be_answers_alone_and_need_no_account() -> None:
    world = World(saved=False, target=("ecs",), secret_store="secrets-manager", account="caller", region="eu-west-1")
    document = world.run()
    assert world.aws.log == []
    assert drivers(document["estimate"])["secrets"] == 1.2 and document["region"] == "eu-west-1"


def test_an_answer_changes_what_is_saved_and_targets_add_up() -> None:
    request = World(target=("eks",), secret_store="secrets-manager", trail=TRAIL, trail_bucket="clinic-logs").request
    changed = cost.settings_of(request)
    assert set(changed.deploy_targets) == {"vercel", "eks"} and changed.existing_trail_arn == TRAIL


def test_without_settings_or_answers_the_target_is_missed() -> None:
    with pytest.raises(MissingAnswers) as missing:
        World(saved=False).run()
    assert missing.value.missing == ("target",)


def test_what_if_is_asked_on_the_command_line() -> None:
    document = World().run(requests=1_020_000)["estimate"]
    assert document["assumptions"]["requests"] == 1_020_000
    assert World().run(instances=10, cache_minutes=1.0)["estimate"]["assumptions"]["applicationRequests"] == 438_000


@pytest.mark.parametrize(
    "wrong",
    [{"cache_minutes": 0.0}, {"requests": -1}, {"used": True, "days": 0}, {"used": True, "days": 91}],
)
def test_an_impossible_option_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        World().run(**wrong)


def test_use_is_counted_of_the_stacks_key_and_bucket() -> None:
    world = World()
    world.aws.measured_usage.usage = COUNTED
    world.aws.trails = (*world.aws.trails, trail_fact(arn=f"{TRAIL}-billing"))
    used = world.run(used=True, days=30)["used"]
    assert world.aws.measured_usage.asked == [(KEY, BUCKET)]
    assert used["counts"] | {"rotations": 0} == used["counts"]
    assert used["assumptions"]["requests"] == 304  # 300 in 30 days
    assert drivers(used)["trail-events"] == 2.0  # a second trail, of 100,000 events as assumed
    assert used["since"] == "2026-10-25T12:00:00+00:00"


def test_a_stack_whose_state_cannot_be_read_is_counted_by_its_alias() -> None:
    world = World()
    world.aws.measured_usage.usage = COUNTED
    world.engine.failures["state"] = Unreachable("the backend does not answer", "look")
    assert world.run(used=True)["used"]["counts"]["keyRequests"] == 300
    assert world.aws.measured_usage.asked == [(KEY, BUCKET)]


def test_a_stack_that_is_not_deployed_has_no_use() -> None:
    world = World()
    world.engine.stack_state = replace(world.engine.stack_state, outputs=None)
    world.aws.aliases.clear()
    with pytest.raises(StackNotFound, match="not deployed"):
        world.run(used=True)


def test_rotations_that_could_not_be_read_leave_the_key_unknown() -> None:
    world = World()
    world.aws.measured_usage.usage = COUNTED
    world.aws.key_rotation.failures["rotations"] = PermissionDenied("kms:ListKeyRotations", "ask")
    used = world.run(used=True)["used"]
    assert {"what": "KMS key", "why": "kms:ListKeyRotations"} in used["unknown"]
    assert "key" not in drivers(used)


def test_a_person_sees_estimate_and_use_and_what_is_unknown() -> None:
    world = World()
    world.aws.measured_usage.usage = replace(COUNTED, key_requests=None, unknown={"key_requests": "denied"})
    world.run(used=True)
    said = "\n".join(world.ui.said)
    assert "KMS requests: unknown: denied" in said
    row = next(line for line in world.ui.said if line.startswith("KMS requests 2"))
    assert row.endswith("$0.02 unknown")
