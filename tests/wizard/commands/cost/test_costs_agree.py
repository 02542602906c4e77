"""The plan, both ways of `cost`, and the report state one cost of one account."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from components.settings import Target
from tests.wizard.commands.report.test_collect import NOW, World
from tests.wizard.fakes.clients import (
    IDENTITY,
    KEY,
    OTHER_KEY,
    TRAIL,
    FakeUserInterface,
    key_fact,
    settings,
    trail_fact,
)
from wizard.commands import cost
from wizard.commands.options import CostOptions
from wizard.core.clients import Answer, Request, Source
from wizard.core.models.rotation import KeyRotations, Rotation
from wizard.core.models.trail import Usage
from wizard.inputs.answers import from_settings
from wizard.setup import steps
from wizard.setup.preflight.checks import Findings
from wizard.setup.steps import PreparedRun


def test_plan_cost_cost_by_use_and_report_state_the_same_cost_of_one_account(tmp_path: Path) -> None:
    world = World(settings(), tmp_path)
    # The key has rotated once and the key of the audit logs never; another trail records the same events.
    never = KeyRotations(enabled=True, period_days=365, next_at=None)
    once = replace(never, rotations=(Rotation(at=NOW - timedelta(days=30), on_demand=False),))
    world.aws.keys[OTHER_KEY] = key_fact(OTHER_KEY)
    world.aws.aliases["alias/eonpro-audit-key"] = OTHER_KEY
    world.aws.key_rotation.by_key = {KEY: once, OTHER_KEY: never}
    world.aws.trails = (trail_fact(), trail_fact(arn=TRAIL.replace("eonpro-audit-trail", "billing"), name="billing"))
    world.aws.measured_usage.usage = Usage(
        since=NOW, until=NOW, kms_requests=40_000, key_requests=30_000, trail_bytes=2**30
    )
    # Two for the key, one for the key of the logs, an alarm, 100,000 events twice, requests and logs.
    expected = 5.18

    plain, by_use = (_cost(world, used=used) for used in (False, True))
    report = world.report().cost

    figures = {
        "plan": float(_planned(world).removeprefix("$")),
        "cost": round(plain["estimate"]["monthly"], 2),
        "cost --used": round(by_use["estimate"]["monthly"], 2),
        "report": report.monthly,
    }
    assert figures == dict.fromkeys(figures, expected)
    assert report.counted is not None
    assert report.counted.monthly == round(by_use["used"]["monthly"], 2)


def _planned(world: World) -> str:
    """The figure that the plan states."""
    ui = FakeUserInterface()
    clients = replace(world.clients(), ui=ui)
    prepared = PreparedRun(
        stack="production",
        settings=world.settings,
        identity=IDENTITY,
        aws=world.aws,
        vercel=None,
        engine=world.engine,
        findings=Findings(problems=(), settings=world.settings),
        targets=(Target.VERCEL,),
        profile=None,
    )
    steps.make_plan(Request(stack="production", answers={}), clients, prepared)
    (line,) = (line for line in ui.said if line.startswith("What it costs: "))
    return line.split()[3]


def _cost(world: World, *, used: bool) -> dict[str, Any]:
    """The document of `cost`."""
    saved = from_settings(world.settings).items()
    answers = {name: Answer(value=value, source=Source.SAVED, where="") for name, value in saved}
    request = Request(stack="production", answers=answers, saved=world.settings)
    _, document = cost.run(CostOptions(used=used), request, world.clients())
    return dict(document)
