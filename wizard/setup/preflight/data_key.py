"""The checks of an existing data key: stored under another KMS key, or unknown on Vercel.

Reads AWS and Vercel through their ports.
"""

from __future__ import annotations

from functools import partial

from components.settings import Settings
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, Problem
from wizard.core.models.account import DiscoveredSetup
from wizard.core.models.delivery import StackState, StoredDataKey, VercelProject
from wizard.core.next_command import shell, wizard
from wizard.core.ports.run import AwsClient, VercelClient
from wizard.setup.preflight.services import attempt, problem


def orphaned_stored_data_key(
    settings: Settings, stored_data_key: StoredDataKey, state: StackState, discovered: DiscoveredSetup
) -> list[Problem]:
    stack_key = state.outputs.key_arn if state.outputs else None
    if settings.adopted and discovered.key and stored_data_key.key_arn in (None, discovered.key.arn):
        return []
    if stack_key and stored_data_key.key_arn in (None, stack_key):
        return []
    if state.has_key and stack_key is None and stored_data_key.key_arn in (None, *state.owned):
        return []  # An interrupted run: the key is in the stack, its outputs are not.
    return [
        Problem(
            what=f"{stored_data_key.parameter} already holds a data key ({stored_data_key.wrapped.fingerprint}), "
            f"wrapped by {stored_data_key.key_arn or 'a key it does not name'}",
            why="records may be encrypted under it, and the key of this stack could not decrypt it; it was not changed",
            next="use the stack that created it: --stack NAME   "
            "or another environment: --environment NAME --stack NAME",
        )
    ]


def foreign_data_key(
    aws: AwsClient, vercel: VercelClient, project: VercelProject, stored_data_key: StoredDataKey, settings: Settings
) -> list[Problem]:
    """A data key on Vercel that is not the stored one: an earlier version of it, or an unknown one."""
    region, wrapped, key_arn = settings.region, stored_data_key.wrapped, stored_data_key.key_arn
    conflict, error = attempt(lambda: vercel.conflict(project, wrapped, region=region, key_arn=key_arn))
    if error is not None:
        return [problem(error, "what the project already has must be known before anything is pushed")]
    if conflict is None:
        return []
    versions, _ = attempt(aws.key_rotation.versions, settings)
    if versions:
        replaceable = frozenset(version.fingerprint for version in versions)
        ask = partial(vercel.conflict, project, wrapped, region=region, key_arn=key_arn, replaceable=replaceable)
        other_conflict, error = attempt(ask)
        if error is None and other_conflict is None:
            return [
                Problem(
                    what=conflict,
                    why="it is an earlier version of the stored data key: the current one was not delivered",
                    next=wizard("push"),
                )
            ]
    return [
        Problem(
            what=conflict,
            why="the delivery would be refused, after everything else was created",
            next=vercel_advice(project),
        )
    ]


def vercel_advice(project: VercelProject) -> str:
    """The next step where production has an unknown data key."""
    return shell(
        "vercel",
        "env",
        "ls",
        "production",
        advice=f"shows it (project {project.name}); a data key there may be the only key to records that exist: "
        "remove it only if there are none",
    )


def conflict_on_vercel(
    vercel: VercelClient, project: VercelProject, imported: WrappedDataKey | None, region: str
) -> DataKeyConflict | None:
    """Why a first delivery to production would be refused; `imported` is the existing data key that is imported."""
    conflict = vercel.conflict(project, imported, region=region)
    return DataKeyConflict(conflict, vercel_advice(project)) if conflict else None
