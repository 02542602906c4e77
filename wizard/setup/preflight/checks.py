"""Everything that can be known to be wrong before anything is created, found in one pass.

Pure: asks the edges through their Protocols, reads only, and returns facts; whoever calls decides what to do with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from components.settings import ImportGroup, Settings
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import Problem, SetupError
from wizard.core.models.account import Difference, DiscoveredSetup, Existing, FoundDataKey, Identity
from wizard.core.models.delivery import StackState, StoredDataKey, VercelProject
from wizard.core.next_command import wizard
from wizard.core.ports.run import AwsClient, Engine, VercelClient
from wizard.data_key import guard
from wizard.setup.importing import data_key, discovery
from wizard.setup.importing import importing as is_importing
from wizard.setup.preflight import account, services
from wizard.setup.preflight.data_key import (
    conflict_on_vercel,
    foreign_data_key,
    kept_versions,
    orphaned_stored_data_key,
)
from wizard.setup.preflight.resource_conflicts import surely_taken, taken, with_existing_provider
from wizard.setup.preflight.services import deduplicate, drop_covered, moved, orphaned_creations
from wizard.targets.port import deploy_targets


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the pass found. With problems, the other fields hold whatever could be learnt."""

    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()
    """What is right to know before a plan, and no reason to stop; the warnings among them come first."""
    warnings: tuple[str, ...] = ()
    """Of the notes, those of something that is wrong or dangerous already."""
    settings: Settings | None = None
    state: StackState = StackState(exists=False, has_key=False)
    backend: str = ""
    """Where the stack's state is kept, in words; empty where that could not be reached."""
    existing: Existing = Existing()
    stored_data_key: StoredDataKey | None = None
    project: VercelProject | None = None
    engine_version: str = ""
    orphaned_creations: Mapping[str, str] = field(default_factory=dict)
    """What a crashed run made without its state learning of it: URN → id, for `Engine.recover`."""
    discovered: DiscoveredSetup = DiscoveredSetup()
    """What was created manually under the stack's names; looked for only where something stands in the way."""
    differences: tuple[Difference, ...] = ()
    data_key: FoundDataKey | None = None
    """What Vercel has from a manual setup."""
    imported_data_key: WrappedDataKey | None = None
    """The data key that goes into the escrow, instead of a new one."""

    @property
    def left_unless_agreed(self) -> tuple[ImportGroup, ...]:
        """The parts that others use too."""
        return is_importing.kept_unless_agreed(self.discovered, self.settings) if self.settings else ()

    @property
    def data_key_hidden(self) -> bool:
        """Whether Vercel has a data key that it does not show."""
        return self.data_key is not None and self.data_key.hidden

    @property
    def data_key_untold(self) -> bool:
        """Whether a key was found, and nothing tells which data key the application has under it."""
        in_use = data_key.in_use(self.data_key, self.discovered)
        return self.discovered.key is not None and self.stored_data_key is None and in_use.wrapped is None


def check(
    *,
    stack: str,
    values: Mapping[str, Any],
    saved: Settings | None,
    identity: Identity | SetupError,
    aws: AwsClient | None,
    vercel: VercelClient | None,
    engine: Engine,
    adoption: discovery.ImportRequest | None = None,
    unplaced: tuple[Problem, ...] = (),
) -> Findings:
    """One pass over account, Vercel and engine, side by side. An `identity` that is an error is one problem of all.

    `unplaced` is what was found wrong with the place of Pulumi's state before Pulumi could be asked.
    What could not be asked hides nothing of what could, and nothing is told that only follows from it.
    """
    with ThreadPoolExecutor(max_workers=3) as pool:
        engine_job = pool.submit(services.pulumi, engine, stack, unplaced)
        site_job = pool.submit(services.site, values, vercel)

        def making() -> bool:
            if saved is None:
                return True
            known = engine_job.result().state
            return known is not None and not known.has_key

        account_job = pool.submit(
            account.look, stack=stack, values=values, saved=saved, identity=identity, aws=aws, making=making
        )
    pulumi, site, found = engine_job.result(), site_job.result(), account_job.result()
    state = pulumi.state or StackState(exists=False, has_key=False)
    problems, notes = [*found.problems], found.notes
    if not state.has_key:
        problems = [*drop_covered(problems, found.rights.denied), *found.rights.problems, *found.quotas.problems]
        notes = (*notes, *found.rights.notes, *found.quotas.notes)
    # Credentials that are wrong are wrong for the state as well.
    refused = isinstance(identity, SetupError) and pulumi.by_aws
    problems += [*(() if refused else pulumi.problems), *site.problems]
    settings, names = found.settings, _Names()
    if settings is not None and site.project is not None:
        # The trust names the slugs; an answer may have been an id.
        slugs = {
            "vercel_team": site.project.team_slug or settings.vercel_team,
            "vercel_project": site.project.name,
        }
        settings = settings.model_copy(update=slugs)
    if settings is not None and found.at_home and aws is not None:
        if saved is not None:
            adoption = adoption or _begun(saved, values, found.stored_data_key, state)
            # No question's answer: what was adopted stays adopted.
            kept = tuple(part for part in saved.kept_as_found if adoption is None or part not in adoption.repaired)
            settings = settings.model_copy(update={"adopted": saved.adopted, "kept_as_found": kept})
        # Under the names of another Region or environment nothing is the stack's, and nothing is going to be.
        stays = True
        if saved is not None and state.has_key:
            problems += moved(settings, saved, stack, state)
            stays = (settings.region, settings.environment) == (saved.region, saved.environment)
        # What is to be adopted is judged by all that is known of it, or not at all.
        judged = stays and (adoption is None or (found.existing is not None and found.stored_data_key_known))
        if found.existing is not None and judged and pulumi.state is None:
            problems += surely_taken(settings, found.existing, is_importing=adoption is not None)
        elif found.existing is not None and judged:
            names = _names(settings, found.existing, state, aws, vercel, site.project, found.stored_data_key, adoption)
            problems += names.problems
            settings = names.settings or settings
        if found.stored_data_key_known and judged and not (adoption and names.hand.problems):
            problems += _data_key(
                settings, found.stored_data_key, saved, values, pulumi.state, names.hand, aws, vercel, site
            )
        if found.existing is not None:
            settings = with_existing_provider(settings, found.existing, state, names.orphaned_creations)
    warnings = (*(aws.disagreements if aws else ()), *site.warnings)
    return Findings(
        problems=deduplicate(problems),
        notes=(*warnings, *notes, *(note for note in site.notes if note not in site.warnings)),
        warnings=warnings,
        settings=settings,
        state=state,
        backend=pulumi.backend,
        existing=found.existing or Existing(),
        stored_data_key=found.stored_data_key,
        project=site.project,
        engine_version=pulumi.version,
        orphaned_creations=names.orphaned_creations,
        discovered=names.hand.found,
        differences=names.hand.differences,
        data_key=names.hand.data_key,
        imported_data_key=names.hand.wrapped if found.stored_data_key is None else None,
    )


@dataclass(frozen=True, kw_only=True)
class _Names:
    """What stands under the names that the stack would take."""

    problems: tuple[Problem, ...] = ()
    orphaned_creations: Mapping[str, str] = field(default_factory=dict)
    hand: discovery.ByHand = discovery.ByHand()
    settings: Settings | None = None


def _names(
    settings: Settings,
    existing: Existing,
    state: StackState,
    aws: AwsClient,
    vercel: VercelClient | None,
    project: VercelProject | None,
    stored_data_key: StoredDataKey | None,
    adoption: discovery.ImportRequest | None,
) -> _Names:
    left, unread = orphaned_creations(settings, existing, state, aws)
    in_the_way = taken(settings, existing, state, left)
    hand = discovery.ByHand()
    if (in_the_way or (adoption and settings.adopted)) and not unread:
        hand = discovery.look(settings, state, aws, vercel, project, stored_data_key, adoption)
        if hand.settings and (in_the_way or not state.has_key):
            settings = hand.settings
        elif hand.settings:
            # What was taken in is known by the saved ids; what the stack made beside it has ids of its own.
            settings = settings.model_copy(update={"kept_as_found": hand.settings.kept_as_found})
        # Where the adoption has its own reasons against it, it is not also told what it would take in.
        wished = settings
        if adoption and hand.problems:
            wished = settings.model_copy(update={"adopted": hand.found.adopted})
        in_the_way = taken(wished, existing, state, left) if adoption else in_the_way
    return _Names(
        problems=(*unread, *in_the_way, *hand.problems), orphaned_creations=left, hand=hand, settings=settings
    )


def _begun(
    saved: Settings, values: Mapping[str, Any], stored_data_key: StoredDataKey | None, state: StackState
) -> discovery.ImportRequest | None:
    """An adoption that was begun, or whose stack was taken away, goes on: what is there now has to be looked for, and
    the data key in use has yet to get into the escrow."""
    if not saved.adopted or (stored_data_key is not None and state.has_key):
        return None
    return discovery.ImportRequest(
        repaired=tuple(part for part in ImportGroup if part not in saved.kept_as_found),
        data_key=values.get("encrypted_phi_key"),
    )


def _data_key(
    settings: Settings,
    stored_data_key: StoredDataKey | None,
    saved: Settings | None,
    values: Mapping[str, Any],
    state: StackState | None,
    hand: discovery.ByHand,
    aws: AwsClient,
    vercel: VercelClient | None,
    site: services.Site,
) -> list[Problem]:
    """A stored data key that is not the stack's or not the application's; without one, whether one may be made."""
    project = None if site.problems else site.project
    if stored_data_key is not None:
        problems = orphaned_stored_data_key(settings, stored_data_key, state, hand.found) if state else []
        if project is not None and vercel is not None:
            push = wizard("push")
            kept = partial(kept_versions, aws, settings)
            problems += foreign_data_key(vercel, project, stored_data_key, settings.region, kept=kept, push=push)
        return problems
    decision = guard.may_create(aws, settings, saved=saved) if state else guard.ALLOWED
    is_deployed = state is not None and state.has_key
    # A data key that Vercel does not tell is the one that was given: what that is worth the proof shows.
    vouched = hand.wrapped is not None and hand.data_key is not None and hand.data_key.hidden
    for target in deploy_targets(settings.deploy_targets):
        if not target.has_own_copy or vouched or not decision.is_allowed:
            continue
        is_reached = target.name in (values.get("target") or ())
        if is_reached and project is not None and vercel is not None:
            conflict = partial(conflict_on_vercel, vercel, project, hand.wrapped, settings.region)
            decision = guard.may_create_for(target.title, conflict, settings, is_deployed=is_deployed)
        elif not is_reached and is_deployed and saved is not None and target.name in saved.deploy_targets:
            decision = guard.may_create_for(target.title, None, settings, is_deployed=is_deployed)
    return list(decision.problems)
