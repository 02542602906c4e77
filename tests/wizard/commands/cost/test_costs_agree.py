"""The plan, `cost` and the report state one estimate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from components.settings import Target
from tests.wizard.commands.report.test_collect import World
from tests.wizard.fakes.clients import (
    IDENTITY,
    FakeUserInterface,
    settings,
)
from wizard.commands import cost
from wizard.commands.options import CostOptions
from wizard.core.clients import Answer, Request, Source
from wizard.inputs.answers import from_settings
from wizard.setup import steps
from wizard.setup.preflight.checks import Findings
from wizard.setup.steps import PreparedRun


def test_plan_cost_and_report_state_the_same_estimate(tmp_path: Path) -> None:
    world = World(settings(secret_store="secrets-manager", cloudwatch_logs=True), tmp_path)
    figures = {
        "plan": float(_planned(world).removeprefix("$")),
        "cost": round(_cost(world)["estimate"]["monthly"], 2),
        "report": world.report().cost.monthly,
    }
    assert figures == dict.fromkeys(figures, 2.67)


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
    (row,) = (line.split() for line in ui.said if line.startswith("cost "))
    return row[1]


def _cost(world: World) -> dict[str, Any]:
    """The document of `cost`."""
    saved = from_settings(world.settings).items()
    answers = {name: Answer(value=value, source=Source.SAVED, where="") for name, value in saved}
    request = Request(stack="production", answers=answers, saved=world.settings)
    _, document = cost.run(CostOptions(), request, world.clients())
    return dict(document)
