"""The least IAM policy of whoever delivers the data key again and restarts the application: CI, after a change.

Pure: a setup in, documents out. It reads the stored data key and cannot write it, so that it can deliver no other one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from components.settings import Target
from wizard.aws.required_permissions.resources import Setup, variables_of
from wizard.aws.required_permissions.table import measured_actions
from wizard.commands.policy.operator import in_parts, statements_of
from wizard.commands.push.permissions import redeploy_statements

if TYPE_CHECKING:
    from components.policies.documents import Policy, Statement


def policies_of(setup: Setup) -> Mapping[str, Policy]:
    """The policy by its name."""
    return in_parts("EONPRODelivery", setup, _statements(setup))


def _statements(setup: Setup) -> Iterator[Statement]:
    settings = setup.settings

    def actions_on(setup: Setup, resource: str) -> set[str]:
        return measured_actions(setup, "delivery", resource)

    yield from statements_of(setup, known=variables_of(settings), actions_on=actions_on)
    if Target.ECS in settings.deploy_targets and settings.ecs_cluster:
        role = f"arn:{settings.partition}:iam::{settings.account_id}:role/{settings.names.app_role}"
        yield from redeploy_statements(settings, task_role=settings.app_principal_arn or role)
