"""What was created manually, looked at with the wish to take it into the stack, or without.

Pure: asks the edges through their Protocols, reads only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from components.settings import ImportGroup, ResourceKind, Settings
from wizard.core.data_key import MalformedDataKey, WrappedDataKey
from wizard.core.errors import Problem
from wizard.core.models.account import Difference, DiscoveredSetup, FoundDataKey, KeyFact
from wizard.core.models.delivery import StackState, StoredDataKey, VercelProject
from wizard.core.ports.run import AwsClient, VercelClient
from wizard.inputs.registry import by_key
from wizard.setup.importing import importing as is_importing
from wizard.setup.importing.data_key import NONE_YET, data_key_obstacle, imported_data_key, in_use, untold
from wizard.setup.importing.differences import differences_of
from wizard.setup.importing.obstacles import at_odds, obstacles
from wizard.setup.preflight.services import attempt, problem


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """The wish to take into the stack what was created manually."""

    repaired: tuple[ImportGroup, ...] = ()
    """The parts that may be changed to what the stack would make; the others stay as they are found."""
    named: tuple[ImportGroup, ...] = ()
    """Those of them that were named one by one: only so is a bucket repaired that others use too."""
    data_key: str | None = field(default=None, repr=False)
    """The wrapped data key, where a person gave it, or the word that there is none yet."""


@dataclass(frozen=True, kw_only=True)
class ByHand:
    """What was created manually, and what of it is in the way of an adoption."""

    found: DiscoveredSetup = DiscoveredSetup()
    differences: tuple[Difference, ...] = ()
    problems: tuple[Problem, ...] = ()
    settings: Settings | None = None
    data_key: FoundDataKey | None = None
    wrapped: WrappedDataKey | None = None


def look(
    settings: Settings,
    state: StackState,
    aws: AwsClient,
    vercel: VercelClient | None,
    project: VercelProject | None,
    stored_data_key: StoredDataKey | None,
    adoption: ImportRequest | None,
) -> ByHand:
    """What could be adopted. Without the wish to, it is only looked at, and what is wrong with it is not told yet."""
    found, error = attempt(aws.import_discovery.discover_setup, settings)
    if error is not None or found is None or not found.things:
        told = (
            (problem(error, "what was created manually has to be known before an import"),)
            if error and adoption
            else ()
        )
        # What was to be adopted is gone, all of it: it is made.
        gone = adoption is not None and error is None and not state.has_key
        nothing = settings.model_copy(update={"adopted": (), "kept_as_found": ()})
        return ByHand(problems=told, settings=nothing if gone else None)
    differences = differences_of(found, settings)
    problems: list[Problem] = []
    data_key = None
    if vercel is not None and project is not None:
        data_key, error = attempt(vercel.find_data_key, project)
        if error is not None:
            problems.append(problem(error, "the data key that is in use has to be known, or another would be made"))
    if adoption is None:
        return ByHand(found=found, differences=differences, data_key=data_key)
    problems += obstacles(found, settings, state)
    given, fault = _given_data_key(adoption)
    problems += [fault] if fault else []
    used = in_use(data_key, found)
    obstacle = data_key_obstacle(used, found, stored_data_key, given=given)
    problems += [obstacle] if obstacle else []
    wrapped = imported_data_key(used, given)
    nobody_tells = not (obstacle or fault or wrapped or stored_data_key or adoption.data_key == NONE_YET)
    by_hand = found.key is not None and (found.key.arn not in state.owned or is_adopted(found.key, settings))
    if nobody_tells and by_hand:
        problems.append(untold(found))
    shared = set(is_importing.kept_unless_agreed(found, settings)) - set(adoption.named)
    kept = tuple(part for part in ImportGroup if part not in adoption.repaired or part in shared)
    problems += at_odds(found, settings, kept)
    return ByHand(
        found=found,
        differences=differences,
        problems=tuple(problems),
        settings=None if problems else is_importing.settings_with(settings, found, kept),
        data_key=data_key,
        wrapped=wrapped,
    )


def _given_data_key(adoption: ImportRequest) -> tuple[WrappedDataKey | None, Problem | None]:
    if adoption.data_key is None or adoption.data_key == NONE_YET:
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
    return f"{ResourceKind.KEY}={key.arn.rpartition('/')[2]}" in settings.adopted
