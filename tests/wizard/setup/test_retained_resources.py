"""What stays when a stack is taken away: named, with its reason, and with the commands for its end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wizard.fakes.clients import (
    BUCKET,
    KEY,
    KEY_ID,
    OUTPUTS,
    STORED_KEY,
    TRAIL,
    settings,
)
from wizard.setup.workflow import ending, retained_resources


def whats(**changes: Any) -> list[str]:
    return [what for what, _ in retained_resources(settings(**changes), OUTPUTS)]


def test_the_key_its_alias_the_data_key_and_the_whole_audit_trail_stay() -> None:
    assert whats() == [
        f"the key {KEY}",
        "its alias alias/eonpro-phi-key",
        f"the parameter {STORED_KEY}",
        "every parameter under /eonpro/production/data-keys",
        "the OIDC provider of the Vercel team",
        f"the trail {TRAIL}",
        f"the bucket {BUCKET}",
        "the key of alias/eonpro-audit-key",
        "the bucket eonpro-access-logs-111122223333-us-east-1",
    ]


@pytest.mark.parametrize(
    ("changes", "absent"),
    [
        ({"trail_key": False}, "audit-key"),
        ({"access_logging": False}, "access-logs"),
        ({"existing_trail_arn": TRAIL, "trail_bucket": BUCKET}, TRAIL),
        ({"existing_trail_arn": TRAIL, "trail_bucket": BUCKET}, BUCKET),
        ({"existing_trail_arn": TRAIL, "trail_bucket": BUCKET}, "audit-key"),
    ],
)
def test_what_the_stack_never_had_is_not_told(changes: dict[str, Any], absent: str) -> None:
    assert absent not in " ".join(whats(**changes))


def test_the_end_of_the_key_makes_no_second_one() -> None:
    """The stack is empty: what changes its settings and updates it would make everything again."""
    text = ending(settings(), OUTPUTS.key_id)
    assert "pulumi" not in text and "python" not in text and "Deny deletion of the key" in text
    assert text.index("put-key-policy") < text.index("schedule-key-deletion")
    assert KEY_ID in text and "--region us-east-1" in text and "--pending-window-in-days 30" in text
