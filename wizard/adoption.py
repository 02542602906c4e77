"""An account that was set up by hand, on its way into a stack: the settings that adopt it, and all that is told of it.

Pure: facts and settings in, settings out.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.contract import Part, Settings, Thing
from wizard.adoption_data_key import NONE_YET as NONE_YET
from wizard.adoption_data_key import adopted_data_key as adopted_data_key
from wizard.adoption_data_key import data_key_obstacle as data_key_obstacle
from wizard.adoption_data_key import in_use as in_use
from wizard.adoption_data_key import untold as untold
from wizard.adoption_differences import differences as differences
from wizard.adoption_obstacles import at_odds as at_odds
from wizard.adoption_obstacles import obstacles as obstacles
from wizard.adoption_proof import prove_beforehand as prove_beforehand
from wizard.adoption_trail import bucket_of as bucket_of
from wizard.adoption_trail import sharers as sharers
from wizard.facts import Difference, Found, HandMade

_BUCKET_SETTINGS = frozenset(thing for thing in Thing if thing.startswith("bucket-"))
_WITH_THE_BUCKET = _BUCKET_SETTINGS | {thing for thing in Thing if thing.startswith("access-log-")}
"""What the stack has nothing of while the bucket is left as it was found."""
_PART_OF = {
    Thing.KEY: Part.KEY,
    Thing.ALIAS: Part.KEY,
    Thing.APPLICATION_ROLE: Part.APPLICATION_ROLE,
    Thing.APPLICATION_POLICY: Part.APPLICATION_POLICY,
    Thing.POLICY_ATTACHMENT: Part.APPLICATION_POLICY,
    Thing.TRAIL: Part.TRAIL,
    **dict.fromkeys((Thing.BUCKET, *_BUCKET_SETTINGS), Part.BUCKET),
}


def parts(hand_made: HandMade) -> tuple[Part, ...]:
    """The parts of which something is there, in the order of their table."""
    there = {_PART_OF[found.thing] for found in hand_made.things if found.thing in _PART_OF}
    return tuple(part for part in Part if part in there)


def kept_unless_agreed(hand_made: HandMade, settings: Settings) -> tuple[Part, ...]:
    """The parts to leave as found as long as nobody agreed to their repair: a bucket that others use too."""
    return (Part.BUCKET,) if sharers(hand_made, settings) else ()


def settings_with(settings: Settings, hand_made: HandMade, kept: Sequence[Part]) -> Settings:
    """The settings under which what was found is taken in, the `kept` parts as they are and the others repaired.

    `obstacles` and `at_odds` must have found none. Raises ContractError for ids that no settings can hold.
    """
    left = tuple(part for part in parts(hand_made) if part in kept)
    adopted = tuple(f"{found.thing}={found.id}" for found in hand_made.things if _taken_in(found, left))
    update: dict[str, object] = {"adopted": adopted, "kept_as_found": left}
    if bucket := bucket_of(hand_made):
        update["trail_bucket"] = bucket
    return Settings.read({**settings.model_dump(), **update})


def _taken_in(found: Found, left: Sequence[Part]) -> bool:
    # A bucket that is left as found keeps its settings outside the stack.
    return not (found.thing in _WITH_THE_BUCKET and Part.BUCKET in left)


HEADINGS = ("what", "found", "wanted")
"""Of `table`."""


def table(told: Sequence[Difference]) -> tuple[tuple[str, ...], ...]:
    """The differences as rows."""
    return tuple((each.what, each.found, each.wanted) for each in told)
