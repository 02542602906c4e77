"""The discovery of resources that were created manually: what prevents their import, and the settings that import them.

Reads AWS and Vercel through their clients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from components.settings import DATA_KEY_VARIABLE, ImportGroup, ResourceKind, Settings
from components.settings.arn import Arn
from wizard.account.comparison.differences import differences_of
from wizard.account.comparison.trail import bucket_of, sharers
from wizard.core.data_key import MalformedDataKey, WrappedDataKey
from wizard.core.errors import Problem, SetupError
from wizard.core.models.account import Difference, DiscoveredDataKey, DiscoveredResource, DiscoveredSetup
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.stack import StackState
from wizard.core.models.vercel import VercelProject
from wizard.core.safe_text import clean
from wizard.inputs.registry import by_key
from wizard.setup.importing.data_key import NONE_YET, data_key_obstacle, imported_data_key, in_use, unknown_data_key
from wizard.setup.importing.obstacles import obstacles, repair_conflicts
from wizard.setup.preflight.services import attempt, problem

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient
    from wizard.vercel.client import VercelClient


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """The request to import what was created manually."""

    repaired: tuple[ImportGroup, ...] = ()
    """The parts to change to the stack's settings; the others are imported unchanged."""
    named: tuple[ImportGroup, ...] = ()
    """The parts that were named one by one; a bucket that others use is repaired only then."""
    data_key: str | None = field(default=None, repr=False)
    """The wrapped data key as entered, or NONE_YET."""


@dataclass(frozen=True, kw_only=True)
class ManualSetup:
    """What was created manually, and what prevents its import."""

    discovered: DiscoveredSetup = DiscoveredSetup()
    differences: tuple[Difference, ...] = ()
    problems: tuple[Problem, ...] = ()
    settings: Settings | None = None
    data_key: DiscoveredDataKey | None = None
    wrapped: WrappedDataKey | None = None


def inspect(
    settings: Settings,
    state: StackState,
    aws: AwsClient,
    vercel: VercelClient | None,
    project: VercelProject | None,
    stored_data_key: StoredDataKey | None,
    import_request: ImportRequest | None,
) -> ManualSetup:
    """Discover what could be imported. Problems are returned only with `import_request`."""
    discovered, error = attempt(aws.import_discovery.discover_setup, settings)
    if error is not None or discovered is None or not discovered.things:
        return _without_discoveries(settings, state, error, is_import=import_request is not None)
    everything, discovered = discovered, without_own(discovered, settings, state)
    parts = import_groups(discovered)
    differences = tuple(each for each in differences_of(discovered, settings) if each.part in parts)
    problems: list[Problem] = []
    data_key = None
    if vercel is not None and project is not None:
        data_key, error = attempt(vercel.find_data_key, project)
        if error is not None:
            problems.append(problem(error, "the data key in use must be known, or another one would be made"))
    if import_request is None:
        return ManualSetup(discovered=discovered, differences=differences, data_key=data_key)
    problems += obstacles(everything, settings, state)
    entered, invalid = entered_data_key(import_request.data_key)
    problems += [invalid] if invalid else []
    used = in_use(data_key, discovered)
    obstacle = data_key_obstacle(used, discovered, stored_data_key, entered=entered)
    problems += [obstacle] if obstacle else []
    wrapped = imported_data_key(used, entered)
    is_unknown = not (obstacle or invalid or wrapped or stored_data_key or import_request.data_key == NONE_YET)
    key = discovered.key
    adopted = key and f"{ResourceKind.KEY}={Arn.parse(key.arn).name}" in settings.adopted
    if is_unknown and key is not None and (adopted or key.arn not in state.owned):
        problems.append(unknown_data_key(discovered))
    shared = set(shared_groups(discovered, settings)) - set(import_request.named)
    unchanged = tuple(part for part in ImportGroup if part not in import_request.repaired or part in shared)
    problems += repair_conflicts(discovered, settings, unchanged)
    return ManualSetup(
        discovered=discovered,
        differences=differences,
        problems=tuple(problems),
        settings=None if problems else settings_with(settings, discovered, unchanged),
        data_key=data_key,
        wrapped=wrapped,
    )


def _without_discoveries(
    settings: Settings, state: StackState, error: SetupError | None, *, is_import: bool
) -> ManualSetup:
    if error is not None:
        unread = problem(error, "what was created manually must be known before an import")
        return ManualSetup(problems=(unread,) if is_import else ())
    # Nothing is left to import: the stack creates all of it.
    is_deleted = is_import and not state.has_key
    without_imports = settings.model_copy(update={"adopted": (), "kept_as_found": ()})
    return ManualSetup(settings=without_imports if is_deleted else None)


def without_own(discovered: DiscoveredSetup, settings: Settings, state: StackState) -> DiscoveredSetup:
    """Without the stack's own resources, which no import takes for somebody else's.

    What an earlier run imported stays: it has its id in the settings.
    """
    owned, adopted = set(state.owned), set(settings.adopted)

    def is_own(resource: DiscoveredResource) -> bool:
        if f"{resource.thing}={resource.id}" in adopted:
            return False
        # The provider's id of an attachment is not its import id: it is the stack's if the policy is.
        id_ = resource.id.partition("/")[2] if resource.thing is ResourceKind.POLICY_ATTACHMENT else resource.id
        return not owned.isdisjoint((id_, resource.arn))

    return replace(discovered, things=tuple(thing for thing in discovered.things if not is_own(thing)))


def entered_data_key(
    text: str | None, variable: str = DATA_KEY_VARIABLE
) -> tuple[WrappedDataKey | None, Problem | None]:
    """The wrapped key that a person entered, or why it is none; neither, if nothing was entered."""
    if text is None or text == NONE_YET:
        return None, None
    try:
        return WrappedDataKey(value=text), None
    except MalformedDataKey as error:
        entered = by_key[variable.lower()].variable
        return None, Problem(
            what=f"the value of {entered} is not a wrapped data key: {error}",
            why="with another data key the records could not be read any more",
            next=f"copy {variable} from where the application gets it, whole, into {entered}",
            exit_code=2,
        )


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


HEADINGS = ("setting", "account", "plan")
"""Of `table`."""


def table(differences: Sequence[Difference]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple(map(clean, (difference.what, difference.actual, difference.desired))) for difference in differences
    )
