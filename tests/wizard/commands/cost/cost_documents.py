"""Documents of `cost --json` as the command makes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.wizard.core.cost.test_account import GIVEN, account, usage
from tests.wizard.fakes.clients import settings
from wizard.commands.cost import document
from wizard.core.cost.account import AccountFacts, cost_by_use, not_asked
from wizard.core.cost.drivers import Assumptions, estimate, growth


def _of(settings_: Any, facts: AccountFacts, used: Any = None) -> dict[str, Any]:
    bill, steps = estimate(settings_, Assumptions(other_trails=1)), growth(settings_)
    return document("production", bill, steps, facts, used, region="us-east-1")


_EVERYTHING = settings(secret_store="secrets-manager", cloudwatch_logs=True)
_NOTHING = replace(usage(), kms_requests=None, key_requests=None, trail_bytes=None, unknown={"kms_requests": "denied"})
_DENIED = not_asked("denied", settings())

DOCUMENTS: dict[str, dict[str, Any]] = {
    "by the settings": _of(settings(), AccountFacts()),
    "with everything": _of(_EVERYTHING, account(rotations=1)),
    "by use": _of(settings(), account(), cost_by_use(settings(), GIVEN, usage(), account(rotations=2))),
    "by use, nothing known": _of(_EVERYTHING, _DENIED, cost_by_use(_EVERYTHING, GIVEN, _NOTHING, _DENIED)),
}
