"""The configurations whose rendered plans the linters read: every example, and what no example sets.

Touches the examples' files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.settings import Settings
from tests.onboarding.deployment import ACCOUNT, CALLER
from wizard.core.models.account import Identity
from wizard.inputs import answers
from wizard.inputs.answers_file import read_file

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

VARIANTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "strict-key-and-all-of-the-audit": (
        "vercel",
        {
            "administrators": (CALLER, f"arn:aws:iam::{ACCOUNT}:role/key-admin"),
            "administrator_patterns": (
                f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_KeyAdmin_*",
            ),
            "deletion_administrators": (f"arn:aws:iam::{ACCOUNT}:role/key-deletion",),
            "strict_key_policy": True,
            "exclusive_use": True,
            "cloudwatch_logs": True,
            "alert_emails": ("security@example.com",),
        },
    ),
}
"""By name: the example that it starts from, and the fields of `Settings` that differ from it."""


def configurations() -> dict[str, Settings]:
    """The settings of each configuration, by its name.

    Examples that differ only in what the account has already, which the wizard finds out there, are one configuration.
    """
    examples = {path.stem: _example(path) for path in sorted(EXAMPLES.glob("*.yaml"), reverse=True)}
    variants = {
        name: Settings.read({**examples[example].model_dump(), **changes})
        for name, (example, changes) in VARIANTS.items()
    }
    found: dict[str, Settings] = {}
    for name, settings in (examples | variants).items():
        if settings not in found.values():
            found[name] = settings
    return found


def _example(path: Path) -> Settings:
    # As the wizard reads it, but asking nobody who the caller is.
    caller = Identity(account_id=ACCOUNT, arn=CALLER, principal_arn=CALLER, account_alias=None, source="the test")
    resolved = answers.resolve(
        flags={},
        environ={},
        file=read_file(path.read_text(), path.name),
        file_name=path.name,
        saved={},
        saved_name="",
        detected={},
    )
    return answers.to_settings({key: answer.value for key, answer in resolved.items()}, identity=caller)
