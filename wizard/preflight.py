"""Everything that can be known to be wrong before anything is created, found in one pass.

Pure: asks the edges through their Protocols, reads only, and returns facts; whoever calls decides what to do with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from components.contract import Settings, Target
from wizard import account
from wizard.account import attempt, problem
from wizard.errors import Problem, SetupError
from wizard.existing import crashed, taken, with_existing_provider
from wizard.facts import Escrow, Existing, Identity, StackState, VercelProject
from wizard.protocols import Cloud, Engine, Hosting


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the pass found. With problems, the other fields hold whatever could be learnt."""

    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()
    settings: Settings | None = None
    state: StackState = StackState(exists=False, has_key=False)
    existing: Existing = Existing()
    escrow: Escrow | None = None
    project: VercelProject | None = None
    engine_version: str = ""
    left_behind: Mapping[str, str] = field(default_factory=dict)
    """What a crashed run made without its state learning of it: URN → id, for `Engine.recover`."""


def check(
    *,
    stack: str,
    values: Mapping[str, Any],
    saved: Settings | None,
    identity: Identity | SetupError,
    cloud: Cloud | None,
    hosting: Hosting | None,
    engine: Engine,
) -> Findings:
    """One pass over account, Vercel and engine, side by side. An `identity` that is an error is one problem of all."""
    with ThreadPoolExecutor(max_workers=3) as pool:
        engine_job = pool.submit(_engine, engine, stack)
        hosting_job = pool.submit(_hosting, values, hosting)
        account_job = pool.submit(account.look, stack=stack, values=values, saved=saved, identity=identity, cloud=cloud)
    version, state, engine_problems = engine_job.result()
    project, hosting_problems = hosting_job.result()
    found = account_job.result()
    settings, existing, escrow = found.settings, found.existing, found.escrow
    problems = [*found.problems, *(() if state.has_key else found.rights), *engine_problems, *hosting_problems]
    left_behind: dict[str, str] = {}
    if settings is not None and existing is not None and cloud is not None:
        if saved is not None and state.has_key:
            problems += _moved(settings, saved, stack)
        if not engine_problems:
            left_behind, unread = _left_behind(settings, existing, state, cloud)
            problems += unread
            problems += taken(settings, existing, state, left_behind)
            if escrow is not None:
                problems += _orphan_escrow(settings, escrow, state)
            elif state.has_key and found.escrow_known:
                problems += _lost_escrow(settings, saved, values, stack, cloud)
        if project is not None and hosting is not None:
            problems += _foreign_data_key(hosting, project, escrow, settings.region)
        settings = with_existing_provider(settings, existing, state)
    if settings is not None and project is not None:
        # The trust names the slugs; an answer may have been an id.
        slugs = {"vercel_team": project.team_slug or settings.vercel_team, "vercel_project": project.name}
        settings = settings.model_copy(update=slugs)
    return Findings(
        problems=tuple(dict.fromkeys(problems)),
        notes=cloud.disagreements if cloud else (),
        settings=settings,
        state=state,
        existing=existing or Existing(),
        escrow=escrow,
        project=project,
        engine_version=version,
        left_behind=left_behind,
    )


def _left_behind(
    settings: Settings, existing: Existing, state: StackState, cloud: Cloud
) -> tuple[dict[str, str], list[Problem]]:
    if not state.pending:
        return {}, []
    found, error = attempt(crashed, settings, existing, state, cloud)
    if error is not None:
        return {}, [problem(error, "what an interrupted run made has to be found before more is made")]
    return found or {}, []


def _moved(settings: Settings, saved: Settings, stack: str) -> list[Problem]:
    """A key never leaves its Region, and its names carry the environment: neither can change under a stack."""
    return [
        Problem(
            what=f"the stack {stack} is built in the {what} {was}, not {wanted}",
            why="the key cannot move: another one would be made, and could not open the data key",
            next=f"leave it: --{what} {was}   or set up another stack: --stack NAME",
            exit_code=2,
        )
        for what, was, wanted in (
            ("region", saved.region, settings.region),
            ("environment", saved.environment, settings.environment),
        )
        if was != wanted
    ]


# --- the data key -----------------------------------------------------------------------------------------------


def _orphan_escrow(settings: Settings, escrow: Escrow, state: StackState) -> list[Problem]:
    held_by = state.outputs.key_arn if state.outputs else None
    if held_by and escrow.key_arn in (None, held_by):
        return []
    if state.has_key and held_by is None and escrow.key_arn in (None, *state.owned):
        return []  # An interrupted run: the key is in the stack, its outputs are not.
    return [
        Problem(
            what=f"{escrow.parameter} already holds a data key ({escrow.wrapped.fingerprint}), "
            f"wrapped by {escrow.key_arn or 'a key it does not name'}",
            why="records may be encrypted under it, and the key of this stack could not open it; it was not touched",
            next="use the stack that made it (--stack NAME), or another environment: --environment NAME --stack NAME",
        )
    ]


def _lost_escrow(
    settings: Settings, saved: Settings | None, values: Mapping[str, Any], stack: str, cloud: Cloud
) -> list[Problem]:
    """A built stack without an escrow is an interrupted first run, or a loss. A loss must not be papered over.

    The variable beside it in Parameter Store is written after it; Vercel is looked at in a run that delivers there.
    """
    names = settings.names
    beside = f"{names.parameter_prefix}/AWS_KMS_KEY_ID"
    there, error = attempt(cloud.parameter_exists, beside)
    if error is not None:
        return [problem(error, f"whether {names.escrow} was ever there has to be known before another is made")]
    if there:
        return [
            Problem(
                what=f"{names.escrow} is gone, and {beside}, which is written after it, is there",
                why="a new data key could not open the records under the lost one",
                next=f"put the wrapped key back from your backup: aws ssm put-parameter --name {names.escrow} "
                "--type SecureString --value file://BACKUP",
            )
        ]
    if saved and Target.VERCEL in saved.deploy_targets and Target.VERCEL not in (values.get("target") or ()):
        return [
            Problem(
                what=f"{names.escrow} does not exist, and this run does not look at Vercel, where the stack delivered",
                why="Vercel may hold the only copy of the data key; another one could not open its records",
                next=f"python -m wizard setup --stack {stack} --target {','.join(settings.deploy_targets)}",
            )
        ]
    return []


def _foreign_data_key(
    hosting: Hosting, project: VercelProject, escrow: Escrow | None, region: str | None
) -> list[Problem]:
    wrapped, key_arn = (escrow.wrapped, escrow.key_arn) if escrow else (None, None)
    conflict, error = attempt(lambda: hosting.conflict(project, wrapped, region=region, key_arn=key_arn))
    if error is not None:
        return [problem(error, "what the project already has must be known before anything is pushed")]
    if conflict is None:
        return []
    return [
        Problem(
            what=conflict,
            why="the delivery would be refused, after everything else was made",
            next=f"look at it: vercel env ls production (project {project.name}); a data key there may be the only "
            "key to records that exist: remove it only if there are none",
        )
    ]


# --- Vercel and the engine --------------------------------------------------------------------------------------


def _hosting(values: Mapping[str, Any], hosting: Hosting | None) -> tuple[VercelProject | None, list[Problem]]:
    team, project = values.get("vercel_team"), values.get("vercel_project")
    if hosting is None or Target.VERCEL not in (values.get("target") or ()) or not (team and project):
        return None, []
    found, error = attempt(hosting.find_project, team, project)
    return found, [problem(error, f"ENCRYPTED_PHI_KEY could not be delivered to {team}/{project}")] if error else []


def _engine(engine: Engine, stack: str) -> tuple[str, StackState, list[Problem]]:
    nothing = StackState(exists=False, has_key=False)
    version, error = attempt(engine.check)
    if error is not None:
        return "", nothing, [problem(error, "the resources are made by Pulumi")]
    state, error = attempt(engine.state, stack)
    if error is not None:
        return version or "", nothing, [problem(error, "what the stack holds already has to be known first")]
    return version or "", state or nothing, []
