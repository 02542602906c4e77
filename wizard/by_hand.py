"""What was set up by hand, looked at with the wish to take it into the stack, or without.

Pure: asks the edges through their Protocols, reads only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from components.contract import Part, Settings, Thing
from wizard import adoption as adopting
from wizard.datakey import MalformedDataKey, WrappedDataKey
from wizard.errors import Problem
from wizard.facts import Difference, Escrow, FoundDataKey, HandMade, KeyFact, StackState, VercelProject
from wizard.preflight_attempt import attempt, problem
from wizard.protocols import Cloud, Hosting
from wizard.questions import by_key


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """The wish to take into the stack what was set up by hand."""

    repaired: tuple[Part, ...] = ()
    """The parts that may be changed to what the stack would make; the others stay as they are found."""
    named: tuple[Part, ...] = ()
    """Those of them that were named one by one: only so is a bucket repaired that others use too."""
    data_key: str | None = field(default=None, repr=False)
    """The wrapped data key, where a person gave it, or the word that there is none yet."""


@dataclass(frozen=True, kw_only=True)
class ByHand:
    """What was set up by hand, and what of it is in the way of an adoption."""

    found: HandMade = HandMade()
    differences: tuple[Difference, ...] = ()
    problems: tuple[Problem, ...] = ()
    settings: Settings | None = None
    data_key: FoundDataKey | None = None
    wrapped: WrappedDataKey | None = None


def look(
    settings: Settings,
    state: StackState,
    cloud: Cloud,
    hosting: Hosting | None,
    project: VercelProject | None,
    escrow: Escrow | None,
    adoption: Adoption | None,
) -> ByHand:
    """What could be adopted. Without the wish to, it is only looked at, and what is wrong with it is not told yet."""
    found, error = attempt(cloud.find_hand_made, settings)
    if error is not None or found is None or not found.things:
        told = (problem(error, "what was set up by hand has to be known to be adopted"),) if error and adoption else ()
        # What was to be adopted is gone, all of it: it is made.
        gone = adoption is not None and error is None and not state.has_key
        nothing = settings.model_copy(update={"adopted": (), "kept_as_found": ()})
        return ByHand(problems=told, settings=nothing if gone else None)
    differences = adopting.differences(found, settings)
    problems: list[Problem] = []
    data_key = None
    if hosting is not None and project is not None:
        data_key, error = attempt(hosting.find_data_key, project)
        if error is not None:
            problems.append(problem(error, "the data key that is in use has to be known, or another would be made"))
    if adoption is None:
        return ByHand(found=found, differences=differences, data_key=data_key)
    problems += adopting.obstacles(found, settings, state)
    given, fault = _given_data_key(adoption)
    problems += [fault] if fault else []
    in_use = adopting.in_use(data_key, found)
    obstacle = adopting.data_key_obstacle(in_use, found, escrow, given=given)
    problems += [obstacle] if obstacle else []
    wrapped = adopting.adopted_data_key(in_use, given)
    nobody_tells = not (obstacle or fault or wrapped or escrow or adoption.data_key == adopting.NONE_YET)
    by_hand = found.key is not None and (found.key.arn not in state.owned or is_adopted(found.key, settings))
    if nobody_tells and by_hand:
        problems.append(adopting.untold(found))
    shared = set(adopting.kept_unless_agreed(found, settings)) - set(adoption.named)
    kept = tuple(part for part in Part if part not in adoption.repaired or part in shared)
    problems += adopting.at_odds(found, settings, kept)
    return ByHand(
        found=found,
        differences=differences,
        problems=tuple(problems),
        settings=None if problems else adopting.settings_with(settings, found, kept),
        data_key=data_key,
        wrapped=wrapped,
    )


def _given_data_key(adoption: Adoption) -> tuple[WrappedDataKey | None, Problem | None]:
    if adoption.data_key is None or adoption.data_key == adopting.NONE_YET:
        return None, None
    try:
        return WrappedDataKey(value=adoption.data_key), None
    except MalformedDataKey as error:
        variable = by_key["encrypted_phi_key"].variable
        return None, Problem(
            what=f"what {variable} holds is no wrapped data key: {error}",
            why="with another data key the records could not be read any more",
            next=f"copy ENCRYPTED_PHI_KEY from where the application gets it, whole, into {variable}",
            exit_code=2,
        )


def is_adopted(key: KeyFact, settings: Settings) -> bool:
    return f"{Thing.KEY}={key.arn.rpartition('/')[2]}" in settings.adopted
