"""The settings that import a manual set-up into a stack, and the table of its differences.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.settings import ImportGroup, ResourceKind, Settings
from wizard.core.models.account import Difference, DiscoveredSetup
from wizard.core.safe_text import clean
from wizard.setup.importing.trail import bucket_of, sharers

_BUCKET_SETTINGS = frozenset(thing for thing in ResourceKind if thing.startswith("bucket-"))
_WITH_THE_BUCKET = _BUCKET_SETTINGS | {thing for thing in ResourceKind if thing.startswith("access-log-")}
"""What the stack does not manage while the bucket is not repaired."""
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
    """The parts of which a resource exists, in the order of ImportGroup."""
    existing = {_PART_OF[resource.thing] for resource in discovered.things if resource.thing in _PART_OF}
    return tuple(part for part in ImportGroup if part in existing)


def shared_groups(discovered: DiscoveredSetup, settings: Settings) -> tuple[ImportGroup, ...]:
    """The parts to import unchanged unless a person agrees to their repair: a bucket that others use."""
    return (ImportGroup.BUCKET,) if sharers(discovered, settings) else ()


def settings_with(settings: Settings, discovered: DiscoveredSetup, unchanged: Sequence[ImportGroup]) -> Settings:
    """The settings that import the resources, the `unchanged` parts as they are and the others repaired.

    Only without `obstacles` and `repair_conflicts`. Raises ContractError for ids that no settings can hold.
    """
    groups = tuple(part for part in import_groups(discovered) if part in unchanged)
    # A bucket that is not repaired keeps its settings outside the stack.
    skipped = _WITH_THE_BUCKET if ImportGroup.BUCKET in groups else frozenset()
    adopted = tuple(
        f"{resource.thing}={resource.id}" for resource in discovered.things if resource.thing not in skipped
    )
    update: dict[str, object] = {"adopted": adopted, "kept_as_found": groups}
    if bucket := bucket_of(discovered):
        update["trail_bucket"] = bucket
    return Settings.read({**settings.model_dump(), **update})


HEADINGS = ("what", "found", "wanted")
"""Of `table`."""


def table(differences: Sequence[Difference]) -> tuple[tuple[str, ...], ...]:
    """The differences as rows."""
    return tuple(
        tuple(map(clean, (difference.what, difference.actual, difference.desired))) for difference in differences
    )
