"""What is wrong with the data key before anything is done: an escrow of another key, one that is lost, a foreign one.

Pure: asks the edges through their Protocols, reads only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from components.settings import SecretStore, Settings
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import Problem
from wizard.core.models.account import DiscoveredSetup
from wizard.core.models.delivery import StackState, StoredDataKey, VercelProject
from wizard.core.next_command import wizard
from wizard.core.ports.run import AwsClient, VercelClient
from wizard.setup.preflight.result import attempt, problem
from wizard.targets.port import deploy_targets


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


def lost_stored_data_key(
    settings: Settings, saved: Settings | None, values: Mapping[str, Any], stack: str, aws: AwsClient
) -> list[Problem]:
    """A built stack without an escrow is an interrupted first run, or a loss. A loss must not be papered over.

    The variable beside it in Parameter Store is written after it; Vercel is looked at in a run that delivers there.
    """
    names = settings.names
    beside = f"{names.parameter_prefix}/AWS_KMS_KEY_ID"
    # Another store may have been in use before, and what is in it may be closed to whoever uses this one only.
    stores = {settings.secret_store, saved.secret_store} if saved else set(SecretStore)
    there = False
    for store in sorted(stores):
        found, error = attempt(partial(aws.stored_data_keys.variable_exists, store=store), beside)
        if error is not None:
            return [
                problem(error, f"whether {names.stored_data_key} was ever there has to be known before another is made")
            ]
        there = there or bool(found)
    if there:
        return [
            Problem(
                what=f"{names.stored_data_key} is gone, and {beside}, which is written after it, is there",
                why="a new data key could not open the records under the lost one",
                next="put the wrapped key back from your backup: "
                f"python -m wizard restore --stack {stack} --from-backup PLACE   "
                "(without --from-backup it lists the versions that are kept in the account)",
            )
        ]
    for target in deploy_targets(saved.deploy_targets if saved else ()):
        if not target.has_own_copy or target.name in (values.get("target") or ()):
            continue
        return [
            Problem(
                what=f"{names.stored_data_key} does not exist, and this run does not look at {target.title}, where the "
                "stack delivered",
                why=f"{target.title} may hold the only copy of the data key; another one could not open its records",
                next=wizard("setup", "--stack", stack, "--target", ",".join(settings.deploy_targets)),
            )
        ]
    return []


def foreign_data_key(
    vercel: VercelClient,
    project: VercelProject,
    stored_data_key: StoredDataKey | None,
    region: str | None,
    adopted: WrappedDataKey | None,
    *,
    kept: Callable[[], frozenset[str]],
    push: str,
) -> list[Problem]:
    """A data key on Vercel that is not the escrowed one; `kept` gives the fingerprints of its earlier versions.

    `push` is the command that delivers the escrowed one in the place of such a version.
    """
    wrapped, key_arn = (stored_data_key.wrapped, stored_data_key.key_arn) if stored_data_key else (adopted, None)
    conflict, error = attempt(lambda: vercel.conflict(project, wrapped, region=region, key_arn=key_arn))
    if error is not None:
        return [problem(error, "what the project already has must be known before anything is pushed")]
    if conflict is None:
        return []
    if stored_data_key is not None and (earlier := kept()):
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
            next=f"look at it: vercel env ls production (project {project.name}); a data key there may be the only "
            "key to records that exist: remove it only if there are none",
        )
    ]


def kept_versions(aws: AwsClient | None, settings: Settings) -> frozenset[str]:
    """The fingerprints of the versions of the data key that are kept; none where they cannot be listed."""
    if aws is None:
        return frozenset()
    versions, _ = attempt(lambda: aws.key_rotation.versions(settings))
    return frozenset(each.fingerprint for each in versions or ())
