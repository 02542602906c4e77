"""The data key at the first run: whether the stored one is the stack's, whether one may be made, what the targets have.

Reads AWS and the targets through their clients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from components.settings import DATA_KEY_VARIABLE, Outputs, Settings, Target
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, Problem, SetupError
from wizard.core.models.account import DiscoveredSetup, KeyFact
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.stack import StackState
from wizard.core.models.vercel import VercelProject
from wizard.core.next_command import eonpro, shell
from wizard.core.target_context import TargetContext
from wizard.core.variable_ownership import ForeignVariable, OwnValues
from wizard.data_key import guard
from wizard.setup import foreign_variables
from wizard.setup.importing.discovery import ManualSetup
from wizard.setup.preflight.services import attempt, problem
from wizard.targets.port import DeployTarget, deploy_targets

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient
    from wizard.vercel.client import VercelClient


def former_keys(context: TargetContext) -> dict[str, str | SetupError]:
    """Where each target of this run has an ENCRYPTION_KEY, in words, or why that cannot be read; only those."""
    former = {}
    for target in _readable(context):
        place, error = attempt(target.former_key, context)
        former[target.title] = error or place
    return {name: fact for name, fact in former.items() if fact}


def foreign_at_targets(
    context: TargetContext, outputs: Outputs | None, imported: KeyFact | None
) -> tuple[ForeignVariable, ...]:
    """The variables that are somebody else's; none where they cannot be read: the delivery looks before it writes."""
    own = OwnValues.of(context.settings, outputs)
    if imported is not None:
        own = replace(own, key_arns=(*own.key_arns, imported.arn), alias=context.settings.names.alias)
    readable = replace(context, targets=tuple(Target(target.name) for target in _readable(context)))
    found, _ = attempt(foreign_variables.find, readable, own)
    return found or ()


def _readable(context: TargetContext) -> tuple[DeployTarget, ...]:
    """The targets that can be read; what keeps another one from it is a problem of its own."""
    return tuple(
        target for target in deploy_targets(context.targets) if context.project is not None or not target.has_own_copy
    )


def problems(
    context: TargetContext,
    stored_data_key: StoredDataKey | None,
    saved: Settings | None,
    state: StackState | None,
    manual: ManualSetup,
    former: Mapping[str, str | SetupError] | None,
) -> list[Problem]:
    """Why the stored data key is not the stack's or the application's; without one, why none may be made.

    `state`: None if it could not be read. `former`: of `former_keys`; None where a person has decided about them.
    """
    settings, vercel = context.settings, context.vercel
    project = context.project if isinstance(context.project, VercelProject) else None
    if stored_data_key is not None:
        problems = _orphaned(settings, stored_data_key, state, manual.discovered) if state else []
        if project is not None and vercel is not None:
            problems += _foreign(context.aws, vercel, project, stored_data_key, settings)
        return problems
    # A data key that Vercel does not show is the entered one, which is verified before it is stored.
    is_entered = manual.wrapped is not None and manual.data_key is not None and manual.data_key.hidden

    def conflict_at(target: DeployTarget) -> Callable[[], DataKeyConflict | None] | None:
        is_target = target.name in context.targets
        if is_target and project is not None and vercel is not None and not is_entered:
            return partial(_conflict, vercel, project, manual.wrapped, settings)
        is_unread = not is_target and not is_entered and saved is not None and target.name in saved.deploy_targets
        return None if is_unread else lambda: None

    def former_at(target: DeployTarget) -> str | None:
        fact = (former or {}).get(target.title)
        if isinstance(fact, SetupError):
            raise fact
        return fact

    decision = guard.may_create(
        context.aws,
        settings,
        saved=saved,
        outputs=state.outputs if state else None,
        is_known=manual.wrapped is not None,
        conflict_at=conflict_at,
        former_at=None if former is None else former_at,
        is_deployed=state is not None and state.has_key,
    )
    return list(decision.problems)


def _orphaned(
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


def _foreign(
    aws: AwsClient, vercel: VercelClient, project: VercelProject, stored_data_key: StoredDataKey, settings: Settings
) -> list[Problem]:
    """A data key on Vercel that is not the stored one: an earlier version of it, or an unknown one."""
    name, wrapped = settings.names.variable, stored_data_key.wrapped
    ask = partial(vercel.conflict, project, wrapped, name=name)
    if name == DATA_KEY_VARIABLE:
        # The other variables go with the data key.
        ask = partial(ask, region=settings.region, key_arn=stored_data_key.key_arn)
    conflict, error = attempt(ask)
    if error is not None:
        return [problem(error, "what the project already has must be known before anything is pushed")]
    if conflict is None:
        return []
    versions, _ = attempt(aws.key_rotation.versions, settings)
    if versions:
        replaceable = frozenset(version.fingerprint for version in versions)
        other_conflict, error = attempt(partial(ask, replaceable=replaceable))
        if error is None and other_conflict is None:
            return [
                Problem(
                    what=conflict,
                    why="it is an earlier version of the stored data key: the current one was not delivered",
                    next=eonpro("push"),
                )
            ]
    return [
        Problem(
            what=conflict,
            why="the delivery would be refused, after everything else was created",
            next=_advice(project, settings),
        )
    ]


def _advice(project: VercelProject, settings: Settings) -> str:
    """The next step where the environment has an unknown data key, or an unknown other value."""
    if option := guard.key_option(settings):
        return eonpro(
            "restore", *option, "--from-target", advice="stores the one of the application; then set up again"
        )
    return shell(
        *("vercel", "env", "ls", *project.scope.typed),
        advice=f"shows it (project {project.name}); a data key there may be the only key to records that exist: "
        "remove it only if there are none",
    )


def _conflict(
    vercel: VercelClient, project: VercelProject, imported: WrappedDataKey | None, settings: Settings
) -> DataKeyConflict | None:
    """Why a first delivery to Vercel would be refused; `imported` is the existing data key that is imported."""
    conflict = vercel.conflict(project, imported, region=settings.region, name=settings.names.variable)
    return DataKeyConflict(conflict, _advice(project, settings)) if conflict else None
