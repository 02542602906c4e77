"""The policies of those who deliver the wrapped keys, and of those who replace a stored one.

Pure. No other printed policy can overwrite a stored key, and none can overwrite or delete an entry of a version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from components.policies import Policy, Statement
from components.policies.boundary import keeping_key_statements
from wizard.commands.policy.operator import in_parts, statements_of
from wizard.core.required_permissions.resources import COPIES, Setup, kept_keys_of, variables_of
from wizard.core.required_permissions.table import measured_actions, read_elsewhere
from wizard.targets.port import deploy_targets


def delivery_policies(setup: Setup) -> Mapping[str, Policy]:
    """What `push` needs: it reads the stored keys and writes the other variables."""
    return in_parts("Delivery", setup, _statements(setup, "delivery", variables_of(setup.settings)))


def promotion_policies(setup: Setup) -> Mapping[str, Policy]:
    """What `rotate --promote` and `restore` need: a delivery, and to replace the stored keys."""
    known = {**variables_of(setup.settings), **kept_keys_of(setup.settings)}
    known.pop(COPIES, None)  # They are stored keys, of other Regions.
    known["callers"] = (setup.settings.arn("iam", "user/*"), setup.settings.arn("iam", "role/*"))
    statements = [*_statements(setup, "promotion", known), *keeping_key_statements(setup.settings)]
    return in_parts("Promotion", setup, statements)


def promotion_remarks(setup: Setup) -> tuple[str, ...]:
    """How the policy is meant to be used, in words."""
    return (
        "attach it for the time of `rotate --promote` or `restore`, and detach it: its holder can overwrite the stored "
        "keys, but no version of them",
    )


def _statements(setup: Setup, role: str, known: Mapping[str, tuple[str, ...]]) -> Iterator[Statement]:
    def actions_on(setup: Setup, resource: str) -> set[str]:
        actions = measured_actions(setup, "delivery", resource) | measured_actions(setup, role, resource)
        return actions | {action for name, action in read_elsewhere() if name == resource}

    yield from statements_of(setup, known=known, actions_on=actions_on)
    for target in deploy_targets(setup.settings.deploy_targets):
        yield from target.redeploy_statements(setup.settings)
