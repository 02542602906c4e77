"""Everything that can be known to be wrong before anything is created, found in one pass.

Pure: asks the edges through their Protocols, reads only, and returns facts; whoever calls decides what to do with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from components.contract import Part, Settings, Target
from wizard import account, by_hand
from wizard import adoption as adopting
from wizard.account import attempt, problem
from wizard.datakey import WrappedDataKey
from wizard.errors import Problem, SetupError
from wizard.escrow import region_of
from wizard.existing import crashed, taken, with_existing_provider
from wizard.facts import (
    Difference,
    Escrow,
    Existing,
    FoundDataKey,
    HandMade,
    Identity,
    StackState,
    VercelProject,
)
from wizard.preflight_data_key import foreign_data_key, lost_escrow, orphan_escrow
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
    hand_made: HandMade = HandMade()
    """What was set up by hand under the stack's names; looked for only where something stands in the way."""
    differences: tuple[Difference, ...] = ()
    data_key: FoundDataKey | None = None
    """What Vercel has from a set-up by hand."""
    adopted_data_key: WrappedDataKey | None = None
    """The data key that goes into the escrow, instead of a new one."""

    @property
    def left_unless_agreed(self) -> tuple[Part, ...]:
        """The parts that others use too."""
        return adopting.kept_unless_agreed(self.hand_made, self.settings) if self.settings else ()

    @property
    def data_key_hidden(self) -> bool:
        """Whether Vercel has a data key that it does not show."""
        return self.data_key is not None and self.data_key.hidden

    @property
    def data_key_untold(self) -> bool:
        """Whether a key was found, and nothing tells which data key the application has under it."""
        in_use = adopting.in_use(self.data_key, self.hand_made)
        return self.hand_made.key is not None and self.escrow is None and in_use.wrapped is None


def check(
    *,
    stack: str,
    values: Mapping[str, Any],
    saved: Settings | None,
    identity: Identity | SetupError,
    cloud: Cloud | None,
    hosting: Hosting | None,
    engine: Engine,
    adoption: by_hand.Adoption | None = None,
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
    hand = by_hand.ByHand()
    if settings is not None and project is not None:
        # The trust names the slugs; an answer may have been an id.
        slugs = {"vercel_team": project.team_slug or settings.vercel_team, "vercel_project": project.name}
        settings = settings.model_copy(update=slugs)
    if settings is not None and existing is not None and cloud is not None:
        if saved is not None:
            if adoption is None and saved.adopted and (escrow is None or not state.has_key):
                # An adoption that was begun, or whose stack was taken away: what is there now has to be looked for,
                # and the data key in use has yet to get into the escrow.
                adoption = by_hand.Adoption(
                    repaired=tuple(part for part in Part if part not in saved.kept_as_found),
                    data_key=values.get("encrypted_phi_key"),
                )
            # No question's answer: what was adopted stays adopted.
            kept = tuple(part for part in saved.kept_as_found if adoption is None or part not in adoption.repaired)
            settings = settings.model_copy(update={"adopted": saved.adopted, "kept_as_found": kept})
        if saved is not None and state.has_key:
            problems += _moved(settings, saved, stack, state)
        if not engine_problems:
            left_behind, unread = _left_behind(settings, existing, state, cloud)
            problems += unread
            in_the_way = taken(settings, existing, state, left_behind)
            if (in_the_way or (adoption and settings.adopted)) and not unread:
                hand = by_hand.look(settings, state, cloud, hosting, project, escrow, adoption)
                if hand.settings and (in_the_way or not state.has_key):
                    settings = hand.settings
                elif hand.settings:
                    # What was taken in is known by the saved ids; what the stack made beside it has ids of its own.
                    settings = settings.model_copy(update={"kept_as_found": hand.settings.kept_as_found})
                # Where the adoption has its own reasons against it, it is not also told what it would take in.
                wished = settings
                if adoption and hand.problems:
                    wished = settings.model_copy(update={"adopted": hand.found.adopted})
                in_the_way = taken(wished, existing, state, left_behind) if adoption else in_the_way
            problems += [*in_the_way, *hand.problems]
            if escrow is not None and not (adoption and hand.problems):
                problems += orphan_escrow(settings, escrow, state, hand.found)
            elif escrow is None and state.has_key and found.escrow_known:
                problems += lost_escrow(settings, saved, values, stack, cloud)
        # A data key that Vercel does not tell is the one that was given: what that is worth the proof shows.
        vouched = escrow is None and hand.wrapped and hand.data_key and hand.data_key.hidden
        if project is not None and hosting is not None and not vouched and not (adoption and hand.problems):
            adopted = hand.wrapped if escrow is None else None
            problems += foreign_data_key(hosting, project, escrow, settings.region, adopted)
        settings = with_existing_provider(settings, existing, state, left_behind)
    return Findings(
        problems=tuple(dict.fromkeys(problems)),
        notes=(*(cloud.disagreements if cloud else ()), *found.notes),
        settings=settings,
        state=state,
        existing=existing or Existing(),
        escrow=escrow,
        project=project,
        engine_version=version,
        left_behind=left_behind,
        hand_made=hand.found,
        differences=hand.differences,
        data_key=hand.data_key,
        adopted_data_key=hand.wrapped if escrow is None else None,
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


def _moved(settings: Settings, saved: Settings, stack: str, state: StackState) -> list[Problem]:
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
