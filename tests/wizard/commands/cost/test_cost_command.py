"""`cost` over fakes: whose settings, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.wizard.fakes.clients import (
    TRAIL,
    FakeAwsClient,
    FakeEngine,
    FakeUserInterface,
    built,
    clients_of,
)
from tests.wizard.fakes.clients import settings as settings_
from wizard.commands import cost
from wizard.commands.options import CostOptions
from wizard.core.clients import Answer, Request, Source
from wizard.core.errors import UsageError
from wizard.inputs.answers import from_settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


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
        clients = clients_of(self.aws, self.engine, ui=self.ui, now=lambda: NOW)
        code, document = CostOptions(**options).run(self.request, clients)
        assert code == 0
        return dict(document)


def drivers(document: dict[str, Any]) -> dict[str, float]:
    return {each["driver"]: each["monthly"] for each in document["drivers"]}


def test_the_settings_may_be_answers_alone_and_need_no_account() -> None:
    world = World(saved=False, target=("ecs",), secret_store="secrets-manager", account="caller", region="eu-west-1")
    document = world.run()
    assert world.aws.log == []
    assert drivers(document["estimate"])["secrets"] == 1.2 and document["region"] == "eu-west-1"


def test_an_answer_changes_what_is_saved_and_targets_add_up() -> None:
    request = World(target=("eks",), secret_store="secrets-manager", trail=TRAIL, trail_bucket="clinic-logs").request
    changed = cost.settings_of(request)
    assert set(changed.deploy_targets) == {"vercel", "eks"} and changed.existing_trail_arn == TRAIL


def test_what_if_is_asked_on_the_command_line() -> None:
    document = World().run(requests=1_020_000)["estimate"]
    assert document["assumptions"]["requests"] == 1_020_000
    assert World().run(instances=10, cache_minutes=1.0)["estimate"]["assumptions"]["applicationRequests"] == 438_000


@pytest.mark.parametrize("wrong", [{"cache_minutes": 0.0}, {"requests": -1}])
def test_an_impossible_option_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        World().run(**wrong)


def test_a_person_sees_the_drivers_the_total_and_what_is_not_included() -> None:
    world = World()
    world.run()
    assert any(line.startswith("KMS requests 2") and line.endswith("$0.02") for line in world.ui.said)
    assert any(line.startswith("total") and line.endswith("$2.18") for line in world.ui.said)
    assert any("a key's first two rotations ($1.00 a month each)" in line for line in world.ui.said)
