"""An account that was created manually, on its way into a stack: the settings that adopt it, and all that is told of it.

Pure: facts and settings in, settings out.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.settings import ImportGroup, ResourceKind, Settings
from wizard.core.models.account import Difference, DiscoveredResource, DiscoveredSetup
from wizard.setup.importing.trail import bucket_of, sharers

_BUCKET_SETTINGS = frozenset(thing for thing in ResourceKind if thing.startswith("bucket-"))
_WITH_THE_BUCKET = _BUCKET_SETTINGS | {thing for thing in ResourceKind if thing.startswith("access-log-")}
"""What the stack has nothing of while the bucket is left as it was found."""
_PART_OF = {
    ResourceKind.KEY: ImportGroup.KEY,
    ResourceKind.ALIAS: ImportGroup.KEY,
    ResourceKind.APPLICATION_ROLE: ImportGroup.APPLICATION_ROLE,
    ResourceKind.APPLICATION_POLICY: ImportGroup.APPLICATION_POLICY,
    ResourceKind.POLICY_ATTACHMENT: ImportGroup.APPLICATION_POLICY,
    ResourceKind.TRAIL: ImportGroup.TRAIL,
    **dict.fromkeys((ResourceKind.BUCKET, *_BUCKET_SETTINGS), ImportGroup.BUCKET),
}


def import_groups(discovered: DiscoveredSetup) -> tuple[ImportGroup, ...]:
    """The parts of which something is there, in the order of their table."""
    there = {_PART_OF[found.thing] for found in discovered.things if found.thing in _PART_OF}
    return tuple(part for part in ImportGroup if part in there)


def kept_unless_agreed(discovered: DiscoveredSetup, settings: Settings) -> tuple[ImportGroup, ...]:
    """The parts to leave as found as long as nobody agreed to their repair: a bucket that others use too."""
    return (ImportGroup.BUCKET,) if sharers(discovered, settings) else ()


def settings_with(settings: Settings, discovered: DiscoveredSetup, kept: Sequence[ImportGroup]) -> Settings:
    """The settings under which what was found is taken in, the `kept` parts as they are and the others repaired.

    `obstacles` and `at_odds` must have found none. Raises ContractError for ids that no settings can hold.
    """
    left = tuple(part for part in import_groups(discovered) if part in kept)
    adopted = tuple(f"{found.thing}={found.id}" for found in discovered.things if _taken_in(found, left))
    update: dict[str, object] = {"adopted": adopted, "kept_as_found": left}
    if bucket := bucket_of(discovered):
        update["trail_bucket"] = bucket
    return Settings.read({**settings.model_dump(), **update})


def _taken_in(found: DiscoveredResource, left: Sequence[ImportGroup]) -> bool:
    # A bucket that is left as found keeps its settings outside the stack.
    return not (found.thing in _WITH_THE_BUCKET and ImportGroup.BUCKET in left)


HEADINGS = ("what", "found", "wanted")
"""Of `table`."""


def table(told: Sequence[Difference]) -> tuple[tuple[str, ...], ...]:
    """The differences as rows."""
    return tuple((each.what, each.found, each.wanted) for each in told)
