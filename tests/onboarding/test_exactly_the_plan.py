"""An update does what its preview showed and nothing else: the real engine, bound to its plan, on what was built.

Touches the deployment that is set up once; its settings file is put back as it was.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.onboarding.deployment import Deployment
from wizard.core.errors import StalePlan
from wizard.core.models.stack import Progress
from wizard.pulumi_engine.engine import Engine

STACK = "production"


@pytest.fixture
def engine(onboarded: Deployment, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The engine of the deployment that is set up, with the policy pack."""
    monkeypatch.setenv("PATH", onboarded.environment["PATH"])
    return Engine(
        onboarded.folder,
        environment=onboarded.environment,
        policy_pack=onboarded.folder / "guardrails",
        on_message=lambda line: None,
    )


def quiet(progress: Progress) -> None:
    pass


@pytest.mark.thorough
def test_a_setting_that_changed_after_the_preview_changes_nothing_in_the_account(onboarded, engine) -> None:
    file = onboarded.folder / f"Pulumi.{STACK}.yaml"
    before = file.read_text()
    assert {step.op for step in engine.preview(STACK)} == {"same"}
    try:
        onboarded.pulumi("config", "set", "--stack", STACK, "rotationPeriodDays", "200")
        onboarded.forget_calls()
        with pytest.raises(StalePlan) as refused:
            engine.up(STACK, quiet)
        assert onboarded.changes() == Counter()
    finally:
        file.write_text(before)
    assert "phi-key would differ from the plan (rotationPeriodInDays)" in refused.value.message
    assert "200" not in refused.value.message
    assert engine.state(STACK).digest == engine.state(STACK).digest != ""
