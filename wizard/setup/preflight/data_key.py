"""What is wrong with the data key before anything is done: one under another KMS key, one that is lost, one that nobody here knows.

Pure: asks the edges through their Protocols, reads only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from components.settings import Settings
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, Problem
from wizard.core.models.account import DiscoveredSetup
from wizard.core.models.delivery import StackState, StoredDataKey, VercelProject
from wizard.core.next_command import shell
from wizard.core.ports.run import AwsClient, VercelClient
from wizard.setup.preflight.services import attempt, problem


def orphaned_stored_data_key(
    settings: Settings, stored_data_key: StoredDataKey, state: StackState, discovered: DiscoveredSetup
) -> list[Problem]:
    held_by = state.outputs.key_arn if state.outputs else None
    if settings.adopted and discovered.key and stored_data_key.key_arn in (None, discovered.key.arn):
        return []
    if held_by and stored_data_key.key_arn in (None, held_by):
        return []
    if state.has_key and held_by is None and stored_data_key.key_arn in (None, *state.owned):
        return []  # An interrupted run: the key is in the stack, its outputs are not.
    return [
        Problem(
            what=f"{stored_data_key.parameter} already holds a data key ({stored_data_key.wrapped.fingerprint}), "
            f"wrapped by {stored_data_key.key_arn or 'a key it does not name'}",
            why="records may be encrypted under it, and the key of this stack could not open it; it was not touched",
            next="use the stack that made it (--stack NAME), or another environment: --environment NAME --stack NAME",
        )
    ]


def foreign_data_key(
    vercel: VercelClient,
    project: VercelProject,
    stored_data_key: StoredDataKey,
    region: str | None,
    *,
    kept: Callable[[], frozenset[str]],
    push: str,
) -> list[Problem]:
    """A data key on Vercel that is not the stored one; `kept` gives the fingerprints of its earlier versions.

    `push` is the command that delivers the stored one in the place of such a version.
    """
    wrapped, key_arn = stored_data_key.wrapped, stored_data_key.key_arn
    conflict, error = attempt(lambda: vercel.conflict(project, wrapped, region=region, key_arn=key_arn))
    if error is not None:
        return [problem(error, "what the project already has must be known before anything is pushed")]
    if conflict is None:
        return []
    if earlier := kept():
        again = partial(vercel.conflict, project, wrapped, region=region, key_arn=key_arn, replaceable=earlier)
        still, error = attempt(again)
        if error is None and still is None:
            return [
                Problem(
                    what=conflict,
                    why="it is an earlier version of the data key, which is kept: a change of it was not delivered",
                    next=push,
                )
            ]
    return [
        Problem(
            what=conflict,
            why="the delivery would be refused, after everything else was made",
            next=vercel_advice(project),
        )
    ]


def kept_versions(aws: AwsClient | None, settings: Settings) -> frozenset[str]:
    """The fingerprints of the versions of the data key that are kept; none where they cannot be listed."""
    if aws is None:
        return frozenset()
    versions, _ = attempt(lambda: aws.key_rotation.versions(settings))
    return frozenset(each.fingerprint for each in versions or ())


def vercel_advice(project: VercelProject) -> str:
    """The next step where production has a data key that nobody here knows."""
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
    """Why a first delivery to production would be refused; `imported` is the data key that is there and may stay."""
    conflict = vercel.conflict(project, imported, region=region)
    return DataKeyConflict(conflict, vercel_advice(project)) if conflict else None
