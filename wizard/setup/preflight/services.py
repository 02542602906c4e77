"""One look-up of the pass before anything is created: its answer or its error, and what is told of it.

Pure: touches nothing but the call that it is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from components.settings import DATA_KEY_VARIABLE, Settings
from wizard.core.errors import CredentialsError, PermissionDenied, Problem, SetupError, Unsupported, UsageError
from wizard.core.models.account import Existing
from wizard.core.models.delivery import StackState, VercelProject
from wizard.core.ports.run import AwsClient, Engine, VercelClient
from wizard.data_key.delivery import region_of
from wizard.inputs.registry import by_key
from wizard.setup.preflight.resource_conflicts import crashed

T = TypeVar("T")

_ACTION = re.compile(r"\b[a-z0-9-]+:[A-Z]\w+")
_WHILE = re.compile(rf" \({_ACTION.pattern}\)$")
"""The look-up during which an endpoint did not answer."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What a part of the pass has to say."""

    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def attempt(call: Callable[..., T], *args: Any) -> tuple[T | None, SetupError | None]:
    """The call's answer or its error; only errors of the tree, a bug still crashes."""
    try:
        return call(*args), None
    except SetupError as error:
        return None, error


def problem(error: SetupError, why: str) -> Problem:
    """An error as a problem among others."""
    return Problem(what=error.message, why=why, next=error.hint, exit_code=error.exit_code)


def deduplicate(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each problem once, though several look-ups met it; so an endpoint that does not answer is told once."""
    kept: dict[str, Problem] = {}
    for each in problems:
        kept.setdefault(_WHILE.sub("", each.what), each)
    return tuple(kept.values())


def drop_covered(problems: Iterable[Problem], denied: Iterable[str]) -> list[Problem]:
    """Those that are more than the refusal of an action that is among `denied`, which are told together."""
    known = set(denied)

    def refused(each: Problem) -> set[str]:
        return set(_ACTION.findall(each.what)) if each.exit_code == CredentialsError.exit_code else set()

    return [each for each in problems if not refused(each) or not refused(each) <= known]


LISTED_FIRST = "what the project already has must be known before anything is pushed"
"""Why variables that cannot be listed stop a set-up."""

_SECRETS = ("data key", "access key")


@dataclass(frozen=True, kw_only=True)
class Pulumi:
    """What the engine said."""

    problems: tuple[Problem, ...] = ()
    version: str = ""
    backend: str = ""
    """Where the state is, in words; empty where that could not be reached."""
    state: StackState | None = None
    """None where it could not be read."""
    by_aws: bool = False
    """Whether the problem is that AWS refused the backend its credentials."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """What the hosting said."""

    problems: tuple[Problem, ...] = ()
    project: VercelProject | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """Of the notes, those of production's own data key lying open elsewhere."""


def pulumi(engine: Engine, stack: str, unplaced: tuple[Problem, ...] = ()) -> Pulumi:
    """The engine, then its backend and the stack in it side by side: each starts a program or two.

    `unplaced` is why it is not known where the state is; then it is not asked for.
    """
    version, error = attempt(engine.check)
    if version is None or error is not None:
        missing = (problem(error, "the resources are made by Pulumi"),) if error else ()
        return Pulumi(problems=(*missing, *unplaced))
    if unplaced:
        return Pulumi(problems=unplaced, version=version)
    with ThreadPoolExecutor(max_workers=2) as pool:
        backend_job = pool.submit(attempt, engine.check_backend, stack)
        state_job = pool.submit(attempt, engine.state, stack)
    backend, unreached = backend_job.result()
    state, unread = state_job.result()
    problems = []
    if unreached is not None:
        problems.append(problem(unreached, "what the set-up makes is kept in the state, which has to be open to it"))
    # A backend that does not answer does not tell the stack either; a wrong passphrase keeps nobody from reading it.
    if unread is not None and (unreached is None or isinstance(unreached, UsageError)):
        problems.append(problem(unread, "what the stack holds already has to be known first"))
    # A login to Pulumi Cloud that is not taken is an error of credentials too, of others.
    by_aws = isinstance(unreached, CredentialsError) and (
        isinstance(unreached, PermissionDenied) or "AWS" in unreached.message
    )
    return Pulumi(problems=tuple(problems), version=version, backend=backend or "", state=state, by_aws=by_aws)


def site(values: Mapping[str, Any], vercel: VercelClient | None) -> Site:
    """The project, and what its three names are used for outside production."""
    team, name = values.get("vercel_team"), values.get("vercel_project")
    if vercel is None or not by_key["vercel_project"].needed(values) or not (team and name):
        return Site()
    project, error = attempt(vercel.find_project, team, name)
    if project is None:
        why = f"{DATA_KEY_VARIABLE} could not be delivered to {team}/{name}"
        return Site(problems=(problem(error, why),) if error else ())
    overlaps, error = attempt(vercel.overlaps, project)
    untold = error is not None and not isinstance(error, Unsupported)
    told = tuple(overlaps or ())
    return Site(
        problems=(problem(error, LISTED_FIRST),) if error and untold else (),
        project=project,
        notes=told,
        warnings=tuple(each for each in told if exposes_production(each)),
    )


def exposes_production(overlap: str) -> bool:
    """Whether others have, or may have, what is production's own, by the words of `overlaps`."""
    return any(f"production's {secret}" in overlap for secret in _SECRETS)


def orphaned_creations(
    settings: Settings, existing: Existing, state: StackState, aws: AwsClient
) -> tuple[dict[str, str], list[Problem]]:
    if not state.pending:
        return {}, []
    found, error = attempt(crashed, settings, existing, state, aws)
    if error is not None:
        return {}, [problem(error, "what an interrupted run made has to be found before more is made")]
    return found or {}, []


def moved(settings: Settings, saved: Settings, stack: str, state: StackState) -> list[Problem]:
    """A key never leaves its Region, and its names carry the environment: neither can change under a stack.

    The replicas are those of the stack's state: the saved settings may hold some that nobody confirmed.
    """
    problems = []
    keys = [region_of(arn) for arn in state.owned if ":kms:" in arn and ":key/mrk-" in arn]
    replicas = sorted(set(keys) - {saved.region})
    if settings.multi_region != saved.multi_region:
        was = "a multi-Region key" if saved.multi_region else "a key of one Region"
        problems.append(
            Problem(
                what=f"the stack {stack} has {was}, and that cannot be changed",
                why="it is decided when a key is created: another one would be made, and could not open the data key",
                next=f"leave it: --multi-region {'yes' if saved.multi_region else 'no'}   "
                "or set up another stack: --stack NAME",
                exit_code=2,
            )
        )
    for region in sorted(set(replicas) - set(settings.replica_regions)):
        problems.append(
            Problem(
                what=f"the replica in {region} would be dropped",
                why="an application there could not open the data key any more, so the set-up drops none",
                next=f"leave it: --replica-regions {','.join(sorted({*replicas, *settings.replica_regions}))}",
                exit_code=2,
            )
        )
    return problems + [
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
