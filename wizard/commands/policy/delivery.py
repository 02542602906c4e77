"""The least IAM policy of whoever delivers the data key again and restarts the application: CI, after a change.

Pure: a setup in, documents out. It reads the stored data key and cannot write it, so that it can deliver no other one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from wizard.commands.policy.operator import in_parts, statements_of
from wizard.core.required_permissions.resources import Setup, variables_of
from wizard.core.required_permissions.table import measured_actions
from wizard.targets.port import deploy_targets

if TYPE_CHECKING:
    from components.policies.documents import Policy, Statement


def policies_of(setup: Setup) -> Mapping[str, Policy]:
    """The policy by its name."""
    return in_parts("EONPRODelivery", setup, _statements(setup))


def _statements(setup: Setup) -> Iterator[Statement]:
    def actions_on(setup: Setup, resource: str) -> set[str]:
        return measured_actions(setup, "delivery", resource)

    yield from statements_of(setup, known=variables_of(setup.settings), actions_on=actions_on)
    for target in deploy_targets(setup.settings.deploy_targets):
        yield from target.redeploy_statements(setup.settings)
