"""Documents of `cost --json` as the command makes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.wizard.commands.cost.test_measure import GIVEN, rotations, usage
from tests.wizard.fakes.clients import settings
from wizard.commands.cost.estimate import Assumptions, estimate, growth
from wizard.commands.cost.measure import measured
from wizard.commands.cost.output import document


def _of(settings_: Any, used: Any = None) -> dict[str, Any]:
    bill, steps = estimate(settings_, Assumptions(other_trails=1)), growth(settings_)
    return document("production", bill, steps, used, region="us-east-1")


_EVERYTHING = settings(secret_store="secrets-manager", cloudwatch_logs=True)
_NOTHING = replace(
    usage(), kms_requests=None, key_requests=None, trail_bytes=None, trails=None, unknown={"kms_requests": "denied"}
)

DOCUMENTS: dict[str, dict[str, Any]] = {
    "by the settings": _of(settings()),
    "with everything": _of(_EVERYTHING),
    "by use": _of(settings(), measured(settings(), GIVEN, usage(), rotations(2))),
    "by use that nobody tells": _of(_EVERYTHING, measured(_EVERYTHING, GIVEN, _NOTHING, None, why="denied")),
}
