"""All checks before anything is created: account, Pulumi, Vercel, existing resources, data key.

Reads through the ports and returns facts; the caller decides.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from components.settings import DATA_KEY_VARIABLE, ImportGroup, Settings, Target, VercelIssuerMode
from components.targets.vercel import issuer_of
from wizard.account.resource_conflicts import (
    certain_conflicts,
    claim_of,
    claimed_elsewhere,
    resource_conflicts,
    with_existing_provider,
)
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, PermissionDenied, Problem, SetupError, Unsupported
from wizard.core.models.account import (
    Difference,
    DiscoveredDataKey,
    DiscoveredSetup,
    Existing,
    Identity,
    UnrecordedResource,
)
from wizard.core.models.delivery import FORMER_KEY_VARIABLE, FormerKey, StackState, StoredDataKey, VercelProject
from wizard.core.next_command import eonpro, shell
from wizard.core.ports.run import AwsClient, Engine, TargetContext, VercelClient
from wizard.core.retry import Threads, give_way
from wizard.core.variable_ownership import ForeignVariable, OwnValues
from wizard.data_key import guard
from wizard.data_key.delivery import find_data_key
from wizard.setup import foreign_variables
from wizard.setup.importing import data_key, discovery
from wizard.setup.preflight import account, services
from wizard.setup.preflight.services import (
    attempt,
    deduplicate,
    drop_covered,
    forbidden_changes,
    orphaned_creations,
    problem,
)
from wizard.targets.port import DeployTarget, deploy_target, deploy_targets


@dataclass(frozen=True, kw_only=True)
class Findings:
    """The result of all checks. With problems, the other fields hold what could be read."""

    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()
    """Facts to know before the plan, which do not stop the run; the warnings come first."""
    warnings: tuple[str, ...] = ()
    """The notes about something that is wrong or dangerous already."""
    settings: Settings | None = None
    state: StackState = StackState(exists=False, has_key=False)
    backend: str = ""
    """Where the state is stored, for a person; empty if the backend does not answer."""
    stored_data_key: StoredDataKey | None = None
    beside: Mapping[str, StoredDataKey] = field(default_factory=dict)
    """The other stored values that exist and are asked for, by their variables."""
    project: VercelProject | None = None
    engine_version: str = ""
    orphaned_creations: Mapping[str, str] = field(default_factory=dict)
    """Resources of a crashed run that its state does not have: URN → id, for `Engine.recover`."""
    unrecorded: tuple[UnrecordedResource, ...] = ()
    """What the stack made and its state lacks without a trace: for `Engine.recover` too."""
    discovered: DiscoveredSetup = DiscoveredSetup()
    """What was created manually under the stack's names; read only if one of the names is taken."""
    differences: tuple[Difference, ...] = ()
    data_key: DiscoveredDataKey | None = None
    """The data key on Vercel of a manual set-up."""
    imported_data_key: WrappedDataKey | None = None
    """The data key to store, instead of a new one."""
    former_keys: tuple[str, ...] = ()
    """Where the application has an ENCRYPTION_KEY, in words; read only if it has no data key yet."""
    foreign: tuple[ForeignVariable, ...] = ()
    """The variables that the delivery would replace although their values are somebody else's."""

    @property
    def shared_groups(self) -> tuple[ImportGroup, ...]:
        """The parts that others use too."""
        return discovery.shared_groups(self.discovered, self.settings) if self.settings else ()

    @property
    def data_key_hidden(self) -> bool:
        """Whether Vercel has a data key that it does not show."""
        return self.data_key is not None and self.data_key.hidden

    @property
    def is_data_key_unknown(self) -> bool:
        """Whether a manually created key exists, and it is not known which data key the application has under it."""
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
    import_request: discovery.ImportRequest | None = None,
    location_problems: tuple[Problem, ...] = (),
) -> Findings:
    """Check account, Vercel and engine, in parallel. An `identity` that is an error is one of the problems.

    `location_problems`: why the location of Pulumi's state is not known; then Pulumi is not asked for it.
    A failed check hides no other problem, and no problem is reported that only follows from it.
    """
    aws = aws.asking_once() if aws else None
    vercel = vercel.asking_once() if vercel else None
    if import_request is None and not location_problems and account.is_unchanged(values, saved, identity):
        # The plan will be that of the last update, as far as is known, and its preview takes longer than all checks.
        services.attempt(engine.begin_preview, stack)
    with Threads(max_workers=3, initializer=give_way) as pool:
        engine_job = pool.submit(services.check_pulumi, engine, stack, location_problems)
        vercel_job = pool.submit(services.check_vercel, values, vercel)

        def making() -> bool:
            if saved is None:
                return True
            state = engine_job.result().state
            return state is not None and not state.has_key

        account_job = pool.submit(
            account.inspect, stack=stack, values=values, saved=saved, identity=identity, aws=aws, making=making
        )
    pulumi, on_vercel, on_aws = engine_job.result(), vercel_job.result(), account_job.result()
    state = pulumi.state or StackState(exists=False, has_key=False)
    problems, notes = [*on_aws.problems], on_aws.notes
    if not state.has_key:
        problems = [*drop_covered(problems, on_aws.rights.denied), *on_aws.rights.problems, *on_aws.quotas.problems]
        notes = (*notes, *on_aws.rights.notes, *on_aws.quotas.notes)
    problems += [*pulumi.problems_beside(identity), *on_vercel.problems]
    settings, conflicts = on_aws.settings, _Conflicts()
    beside: dict[str, StoredDataKey] = {}
    unrecorded: tuple[UnrecordedResource, ...] = ()
    former: dict[str, str | SetupError] = {}
    foreign: tuple[ForeignVariable, ...] = ()
    if settings is not None and on_vercel.project is not None:
        # The trust policy needs the slugs; the answer may be an id.
        slugs = {
            "vercel_team": on_vercel.project.team_slug or settings.vercel_team,
            "vercel_project": on_vercel.project.name,
        }
        settings = settings.model_copy(update=slugs)
        problems += services.token_problems(settings, on_vercel.project)
        mode = on_vercel.project.issuer_mode
        if mode is not None and mode is not settings.vercel_issuer_mode:
            settings, on_aws = _with_issuer(settings, mode, on_aws, aws)
    if settings is not None and on_aws.account_matches and aws is not None:
        if saved is not None:
            import_request = import_request or _resumed_import(saved, values, on_aws.stored_data_key, state)
            # Imported resources stay imported.
            unchanged = tuple(
                part for part in saved.kept_as_found if import_request is None or part not in import_request.repaired
            )
            settings = settings.model_copy(update={"adopted": saved.adopted, "kept_as_found": unchanged})
        # The names in another Region or environment, or of another application, are not the stack's.
        is_same_place = True
        if saved is not None and state.has_key:
            problems += forbidden_changes(settings, saved, stack, state)
            is_same_place = all(
                getattr(settings, each) == getattr(saved, each) for each in ("region", "environment", "application")
            )
        # One that has no key yet can still get other names.
        if is_same_place and (saved is None or state.has_key):
            another = services.state_of_another(settings, stack, state, is_saved=saved is not None)
            problems += [another] if another else []
            is_same_place = another is None
        # An import is checked only with all of its facts.
        is_checkable = is_same_place and (
            import_request is None or (on_aws.existing is not None and on_aws.stored_data_key_known)
        )
        elsewhere = None
        if is_same_place:
            own = claim_of(stack, pulumi.backend)
            unrecorded, failed = services.unrecorded_resources(
                settings, state, aws, own, importing=import_request is not None
            )
            problems += failed
            state = state.with_unrecorded(unrecorded)
        if on_aws.existing is not None and is_checkable and pulumi.state is None:
            problems += certain_conflicts(settings, on_aws.existing, is_importing=import_request is not None)
        elif on_aws.existing is not None and is_checkable:
            conflicts = _conflicts(
                settings, on_aws.existing, state, aws, vercel, on_vercel.project, on_aws.stored_data_key, import_request
            )
            is_taken = not state.has_key and (conflicts.problems or import_request)
            own = claim_of(stack, pulumi.backend)
            elsewhere = claimed_elsewhere(aws, settings, own) if is_taken else None
            # The resources of another stack's environment are no conflicts to solve here.
            problems += (elsewhere,) if elsewhere else conflicts.problems
            settings = conflicts.settings or settings
        has_manual_problems = import_request and conflicts.manual.problems
        if on_aws.stored_data_key_known and is_checkable and not (has_manual_problems or elsewhere):
            if on_aws.stored_data_key is None and conflicts.manual.wrapped is None:
                former = _former_keys(stack, settings, values, aws, vercel, on_vercel)
            problems += _data_key(
                settings,
                on_aws.stored_data_key,
                saved,
                values,
                pulumi.state and state,
                conflicts.manual,
                aws,
                vercel,
                on_vercel,
                former,
            )
            if conflicts.manual.wrapped is None and not values.get("former_key"):
                problems += services.unopened(settings, on_aws.stored_data_key, aws)
            for of_key in settings.of_each_key[1:]:
                names = of_key.names
                stored, error = attempt(find_data_key, aws, of_key, state.outputs)
                manual, saved_key = discovery.ManualSetup(), saved and saved.of_key(names.variable)
                beside |= {names.variable: stored} if stored else {}
                problems += (
                    [problem(error, f"whether there is a {names.noun} must be known before one is made")]
                    if error
                    else _data_key(
                        of_key, stored, saved_key, values, pulumi.state and state, manual, aws, vercel, on_vercel, {}
                    )
                )
            foreign = _foreign_variables(stack, settings, values, state, conflicts, aws, vercel, on_vercel)
        if on_aws.existing is not None:
            settings = with_existing_provider(settings, on_aws.existing, state, conflicts.orphaned_creations)
    unread = [
        f"whether {FORMER_KEY_VARIABLE} is set on {name} could not be read ({error.message}); if it is: "
        f"--former-key {FormerKey.WRAP}"
        for name, error in former.items()
        if isinstance(error, PermissionDenied | Unsupported) and not values.get("former_key")
    ]
    warnings = (*(aws.disagreements if aws else ()), *on_vercel.warnings, *unread)
    return Findings(
        problems=deduplicate(problems),
        notes=(*warnings, *notes, *(note for note in on_vercel.notes if note not in on_vercel.warnings)),
        warnings=warnings,
        settings=settings,
        state=state,
        backend=pulumi.backend,
        stored_data_key=on_aws.stored_data_key,
        beside=beside,
        project=on_vercel.project,
        engine_version=pulumi.version,
        orphaned_creations=conflicts.orphaned_creations,
        unrecorded=unrecorded,
        discovered=conflicts.manual.discovered,
        differences=conflicts.manual.differences,
        data_key=conflicts.manual.data_key,
        imported_data_key=conflicts.manual.wrapped if on_aws.stored_data_key is None else None,
        former_keys=tuple(place for place in former.values() if isinstance(place, str)),
        foreign=foreign,
    )


def _with_issuer(
    settings: Settings, mode: VercelIssuerMode, on_aws: account.Account, aws: AwsClient | None
) -> tuple[Settings, account.Account]:
    """The settings with the issuer that the project on Vercel is set to, and what exists under the names they give."""
    arn = settings.vercel_oidc_provider_arn
    changed = settings.model_copy(update={"vercel_issuer_mode": mode, "vercel_oidc_provider_arn": None})
    if arn is not None and arn.endswith(f"/{issuer_of(changed)}"):
        changed = changed.model_copy(update={"vercel_oidc_provider_arn": arn})
    if on_aws.existing is None or aws is None or not changed.makes_vercel_provider:
        return changed, on_aws
    # The account was read for the other issuer's provider, at the same time as the project.
    existing, _ = attempt(aws.existing_resources.find_existing, changed)
    return changed, replace(on_aws, existing=existing or on_aws.existing)


@dataclass(frozen=True, kw_only=True)
class _Conflicts:
    """The existing resources under the names that the stack would take."""

    problems: tuple[Problem, ...] = ()
    orphaned_creations: Mapping[str, str] = field(default_factory=dict)
    manual: discovery.ManualSetup = discovery.ManualSetup()
    settings: Settings | None = None


def _conflicts(
    settings: Settings,
    existing: Existing,
    state: StackState,
    aws: AwsClient,
    vercel: VercelClient | None,
    project: VercelProject | None,
    stored_data_key: StoredDataKey | None,
    import_request: discovery.ImportRequest | None,
) -> _Conflicts:
    orphaned, unread = orphaned_creations(settings, existing, state, aws)
    problems = resource_conflicts(settings, existing, state, orphaned)
    manual = discovery.ManualSetup()
    if (problems or (import_request and settings.adopted)) and not unread:
        manual = discovery.inspect(settings, state, aws, vercel, project, stored_data_key, import_request)
        if manual.settings and (problems or not state.has_key):
            settings = manual.settings
        elif manual.settings:
            # Imported resources have the saved ids; the stack's other resources have ids of their own.
            settings = settings.model_copy(update={"kept_as_found": manual.settings.kept_as_found})
        # With problems of the import, the resources to import are not reported as conflicts, too.
        importable = settings
        if import_request and manual.problems:
            importable = settings.model_copy(update={"adopted": manual.discovered.adopted})
        problems = resource_conflicts(importable, existing, state, orphaned) if import_request else problems
    return _Conflicts(
        problems=(*unread, *problems, *manual.problems), orphaned_creations=orphaned, manual=manual, settings=settings
    )


def _resumed_import(
    saved: Settings, values: Mapping[str, Any], stored_data_key: StoredDataKey | None, state: StackState
) -> discovery.ImportRequest | None:
    """The import request of an interrupted import, or of a removed stack: its resources are discovered again, and the
    data key in use must still be stored."""
    if not saved.adopted or (stored_data_key is not None and state.has_key):
        return None
    return discovery.ImportRequest(
        repaired=tuple(part for part in ImportGroup if part not in saved.kept_as_found),
        data_key=values.get("encrypted_phi_key"),
    )


def _former_keys(
    stack: str,
    settings: Settings,
    values: Mapping[str, Any],
    aws: AwsClient,
    vercel: VercelClient | None,
    on_vercel: services.VercelResult,
) -> dict[str, str | SetupError]:
    """Where each target of this run has an ENCRYPTION_KEY, in words, or why that cannot be read; only those."""
    targets = tuple(Target(name) for name in values.get("target") or ())
    project = None if on_vercel.problems else on_vercel.project
    context = TargetContext(stack=stack, settings=settings, aws=aws, targets=targets, vercel=vercel, project=project)
    former = {}
    for target in deploy_targets(targets):
        # What keeps it from being read is a problem of its own.
        if not (target.has_own_copy and project is None):
            place, error = attempt(target.former_key, context)
            former[target.title] = error or place
    return {name: fact for name, fact in former.items() if fact}


def _foreign_variables(
    stack: str,
    settings: Settings,
    values: Mapping[str, Any],
    state: StackState,
    conflicts: "_Conflicts",
    aws: AwsClient,
    vercel: VercelClient | None,
    on_vercel: services.VercelResult,
) -> tuple[ForeignVariable, ...]:
    """Those at the targets of this run; none where they cannot be read: the delivery looks again before it writes."""
    targets = tuple(Target(name) for name in values.get("target") or ())
    project = None if on_vercel.problems else on_vercel.project
    if project is None:
        targets = tuple(name for name in targets if not deploy_target(name).has_own_copy)
    context = TargetContext(stack=stack, settings=settings, aws=aws, targets=targets, vercel=vercel, project=project)
    own = OwnValues.of(settings, state.outputs)
    if imported := conflicts.manual.discovered.key:
        own = replace(own, key_arns=(*own.key_arns, imported.arn), alias=settings.names.alias)
    found, _ = attempt(foreign_variables.find, context, own)
    return found or ()


def _data_key(
    settings: Settings,
    stored_data_key: StoredDataKey | None,
    saved: Settings | None,
    values: Mapping[str, Any],
    state: StackState | None,
    manual: discovery.ManualSetup,
    aws: AwsClient,
    vercel: VercelClient | None,
    on_vercel: services.VercelResult,
    former: Mapping[str, str | SetupError],
) -> list[Problem]:
    """Why the stored data key is not the stack's or the application's; without one, why none may be made."""
    project = None if on_vercel.problems else on_vercel.project
    if stored_data_key is not None:
        problems = orphaned_stored_data_key(settings, stored_data_key, state, manual.discovered) if state else []
        if project is not None and vercel is not None:
            problems += foreign_data_key(aws, vercel, project, stored_data_key, settings)
        return problems
    # A data key that Vercel does not show is the entered one, which is verified before it is stored.
    is_entered = manual.wrapped is not None and manual.data_key is not None and manual.data_key.hidden

    def conflict_at(target: DeployTarget) -> Callable[[], DataKeyConflict | None] | None:
        is_target = target.name in (values.get("target") or ())
        if is_target and project is not None and vercel is not None and not is_entered:
            return partial(conflict_on_vercel, vercel, project, manual.wrapped, settings)
        is_unread = not is_target and not is_entered and saved is not None and target.name in saved.deploy_targets
        return None if is_unread else lambda: None

    def former_at(target: DeployTarget) -> str | None:
        fact = former.get(target.title)
        if isinstance(fact, SetupError):
            raise fact
        return fact

    decision = guard.may_create(
        aws,
        settings,
        saved=saved,
        outputs=state.outputs if state else None,
        is_known=manual.wrapped is not None,
        conflict_at=conflict_at,
        former_at=None if values.get("former_key") else former_at,
        is_deployed=state is not None and state.has_key,
    )
    return list(decision.problems)


def orphaned_stored_data_key(
    settings: Settings, stored_data_key: StoredDataKey, state: StackState, discovered: DiscoveredSetup
) -> list[Problem]:
    stack_key = state.outputs.key_arn if state.outputs else None
    if settings.adopted and discovered.key and stored_data_key.key_arn in (None, discovered.key.arn):
        return []
    if stack_key and stored_data_key.key_arn in (None, stack_key):
        return []
    if state.has_key and stack_key is None and stored_data_key.key_arn in (None, *state.owned):
        return []  # An interrupted run: the key is in the stack, its outputs are not.
    return [
        Problem(
            what=f"{stored_data_key.parameter} already holds a data key ({stored_data_key.wrapped.fingerprint}), "
            f"wrapped by {stored_data_key.key_arn or 'a key it does not name'}",
            why="records may be encrypted under it, and the key of this stack could not decrypt it; it was not changed",
            next="use the stack that created it: --stack NAME   "
            "or another environment: --environment NAME --stack NAME",
        )
    ]


def foreign_data_key(
    aws: AwsClient, vercel: VercelClient, project: VercelProject, stored_data_key: StoredDataKey, settings: Settings
) -> list[Problem]:
    """A data key on Vercel that is not the stored one: an earlier version of it, or an unknown one."""
    name, wrapped = settings.names.variable, stored_data_key.wrapped
    ask = partial(vercel.conflict, project, wrapped, name=name)
    if name == DATA_KEY_VARIABLE:
        # The other variables go with the data key.
        ask = partial(ask, region=settings.region, key_arn=stored_data_key.key_arn)
    conflict, error = attempt(ask)
    if error is not None:
        return [problem(error, "what the project already has must be known before anything is pushed")]
    if conflict is None:
        return []
    versions, _ = attempt(aws.key_rotation.versions, settings)
    if versions:
        replaceable = frozenset(version.fingerprint for version in versions)
        other_conflict, error = attempt(partial(ask, replaceable=replaceable))
        if error is None and other_conflict is None:
            return [
                Problem(
                    what=conflict,
                    why="it is an earlier version of the stored data key: the current one was not delivered",
                    next=eonpro("push"),
                )
            ]
    return [
        Problem(
            what=conflict,
            why="the delivery would be refused, after everything else was created",
            next=vercel_advice(project, settings),
        )
    ]


def vercel_advice(project: VercelProject, settings: Settings) -> str:
    """The next step where the environment has an unknown data key, or an unknown other value."""
    if option := guard.key_option(settings):
        return eonpro(
            "restore", *option, "--from-target", advice="stores the one of the application; then set up again"
        )
    return shell(
        *("vercel", "env", "ls", *project.scope.typed),
        advice=f"shows it (project {project.name}); a data key there may be the only key to records that exist: "
        "remove it only if there are none",
    )


def conflict_on_vercel(
    vercel: VercelClient, project: VercelProject, imported: WrappedDataKey | None, settings: Settings
) -> DataKeyConflict | None:
    """Why a first delivery to Vercel would be refused; `imported` is the existing data key that is imported."""
    conflict = vercel.conflict(project, imported, region=settings.region, name=settings.names.variable)
    return DataKeyConflict(conflict, vercel_advice(project, settings)) if conflict else None
