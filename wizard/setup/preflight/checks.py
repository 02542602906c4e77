"""All checks before anything is created: account, Pulumi, Vercel, existing resources, data key.

Reads through the clients and returns facts; the caller decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from components.settings import ImportGroup, Settings, Target
from components.targets.vercel import issuer_of
from wizard.account.resource_conflicts import (
    certain_conflicts,
    claim_of,
    claimed_elsewhere,
    has_own_tags,
    resource_conflicts,
    with_existing_provider,
    without_state,
)
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import PermissionDenied, Problem, SetupError, Unsupported
from wizard.core.models.account import (
    Difference,
    DiscoveredDataKey,
    DiscoveredSetup,
    Existing,
    Identity,
    UnrecordedResource,
)
from wizard.core.models.delivery import FORMER_KEY_VARIABLE, FormerKey, StoredDataKey
from wizard.core.models.stack import StackState
from wizard.core.models.vercel import VercelProject
from wizard.core.retry import Threads, give_way
from wizard.core.target_context import TargetContext
from wizard.core.variable_ownership import ForeignVariable
from wizard.data_key.storage import find_data_key
from wizard.setup.importing import data_key as imported_key
from wizard.setup.importing import discovery
from wizard.setup.preflight import account, data_key, services
from wizard.setup.preflight.services import (
    attempt,
    deduplicate,
    drop_covered,
    forbidden_changes,
    orphaned_creations,
    problem,
)

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient
    from wizard.pulumi_engine.engine import Engine
    from wizard.vercel.client import VercelClient


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
    def has_data_key(self) -> bool:
        """Whether no new data key is made."""
        return self.stored_data_key is not None or self.imported_data_key is not None

    @property
    def data_key_hidden(self) -> bool:
        """Whether Vercel has a data key that it does not show."""
        return self.data_key is not None and self.data_key.hidden

    @property
    def is_data_key_unknown(self) -> bool:
        """Whether a manually created key exists, and it is not known which data key the application has under it."""
        in_use = imported_key.in_use(self.data_key, self.discovered)
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
    pulumi, on_vercel, on_aws = _ask(stack, values, saved, identity, aws, vercel, engine, location_problems)
    findings = _answered(pulumi, on_vercel, on_aws, identity)
    if findings.settings is not None and on_vercel.project is not None:
        findings, on_aws = _with_project(findings, findings.settings, on_vercel.project, on_aws, aws)
    if findings.settings is not None and on_aws.account_matches and aws is not None:
        context = TargetContext(
            stack=stack,
            settings=findings.settings,
            aws=aws,
            targets=tuple(Target(name) for name in values.get("target") or ()),
            vercel=vercel,
            project=None if on_vercel.problems else on_vercel.project,
        )
        findings = _with_account(findings, context, values, saved, pulumi, on_aws, import_request)
    warnings = (*(aws.disagreements if aws else ()), *findings.warnings)
    later = (note for note in on_vercel.notes if note not in on_vercel.warnings)
    return replace(
        findings, problems=deduplicate(findings.problems), notes=(*warnings, *findings.notes, *later), warnings=warnings
    )


def _ask(
    stack: str,
    values: Mapping[str, Any],
    saved: Settings | None,
    identity: Identity | SetupError,
    aws: AwsClient | None,
    vercel: VercelClient | None,
    engine: Engine,
    location_problems: tuple[Problem, ...],
) -> tuple[services.PulumiResult, services.VercelResult, account.Account]:
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
    return engine_job.result(), vercel_job.result(), account_job.result()


def _answered(
    pulumi: services.PulumiResult,
    on_vercel: services.VercelResult,
    on_aws: account.Account,
    identity: Identity | SetupError,
) -> Findings:
    """What the three answered. Permissions and quotas count only while the key does not exist."""
    state = pulumi.state or StackState(exists=False, has_key=False)
    problems, notes = [*on_aws.problems], on_aws.notes
    if not state.has_key:
        problems = [*drop_covered(problems, on_aws.rights.denied), *on_aws.rights.problems, *on_aws.quotas.problems]
        notes = (*notes, *on_aws.rights.notes, *on_aws.quotas.notes)
    return Findings(
        problems=(*problems, *pulumi.problems_beside(identity), *on_vercel.problems),
        notes=notes,
        warnings=on_vercel.warnings,
        settings=on_aws.settings,
        state=state,
        backend=pulumi.backend,
        stored_data_key=on_aws.stored_data_key,
        project=on_vercel.project,
        engine_version=pulumi.version,
    )


def _with_project(
    findings: Findings, settings: Settings, project: VercelProject, on_aws: account.Account, aws: AwsClient | None
) -> tuple[Findings, account.Account]:
    """The findings with what the project on Vercel says, and what exists under the names that its issuer gives."""
    # The trust policy needs the slugs; the answer may be an id.
    slugs = {"vercel_team": project.team_slug or settings.vercel_team, "vercel_project": project.name}
    settings, mode = settings.model_copy(update=slugs), project.issuer_mode
    problems = (*findings.problems, *services.token_problems(settings, project))
    if mode is not None and mode is not settings.vercel_issuer_mode:
        arn = settings.vercel_oidc_provider_arn
        settings = settings.model_copy(update={"vercel_issuer_mode": mode, "vercel_oidc_provider_arn": None})
        if arn is not None and arn.endswith(f"/{issuer_of(settings)}"):
            settings = settings.model_copy(update={"vercel_oidc_provider_arn": arn})
        if on_aws.existing is not None and aws is not None and settings.makes_vercel_provider:
            # The account was read for the other issuer's provider, at the same time as the project.
            existing, _ = attempt(aws.existing_resources.find_existing, settings)
            on_aws = replace(on_aws, existing=existing or on_aws.existing)
    return replace(findings, problems=problems, settings=settings), on_aws


def _with_account(
    findings: Findings,
    context: TargetContext,
    values: Mapping[str, Any],
    saved: Settings | None,
    pulumi: services.PulumiResult,
    on_aws: account.Account,
    import_request: discovery.ImportRequest | None,
) -> Findings:
    """The findings with what exists under the stack's names, and with the data keys."""
    aws, settings, state = context.aws, context.settings, findings.state
    if saved is not None:
        import_request = import_request or _resumed_import(saved, values, on_aws.stored_data_key, state)
        # Imported resources stay imported.
        unchanged = tuple(
            part for part in saved.kept_as_found if import_request is None or part not in import_request.repaired
        )
        settings = settings.model_copy(update={"adopted": saved.adopted, "kept_as_found": unchanged})
    is_import, own = import_request is not None, claim_of(context.stack, pulumi.backend)
    is_same_place, problems = _same_place(settings, saved, context.stack, state)
    unrecorded: tuple[UnrecordedResource, ...] = ()
    if is_same_place:
        unrecorded, failed = services.unrecorded_resources(settings, state, aws, own, importing=is_import)
        problems += failed
        state = state.with_unrecorded(unrecorded)
    # An import is checked only with all of its facts.
    is_checkable = is_same_place and (not is_import or (on_aws.existing is not None and on_aws.stored_data_key_known))
    manual: discovery.ManualSetup | None = discovery.ManualSetup()
    findings = replace(
        findings, settings=settings, state=state, unrecorded=unrecorded, problems=(*findings.problems, *problems)
    )
    if on_aws.existing is not None and is_checkable and pulumi.state is None:
        certain = certain_conflicts(settings, on_aws.existing, is_importing=is_import)
        findings = replace(findings, problems=(*findings.problems, *certain))
    elif on_aws.existing is not None and is_checkable:
        findings, manual = _with_conflicts(findings, settings, on_aws.existing, context, own, import_request)
    settings = findings.settings or settings
    if on_aws.stored_data_key_known and is_checkable and manual is not None:
        context = replace(context, settings=settings)
        findings = _with_data_keys(findings, context, values, saved, pulumi.state and state, manual)
    if on_aws.existing is not None:
        settings = with_existing_provider(settings, on_aws.existing, state, findings.orphaned_creations)
    return replace(findings, settings=settings)


def _same_place(
    settings: Settings, saved: Settings | None, stack: str, state: StackState
) -> tuple[bool, list[Problem]]:
    """Whether the names are the stack's, not those of another Region, environment or application; and why not."""
    is_same_place, problems = True, list[Problem]()
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
    return is_same_place, problems


def _with_conflicts(
    findings: Findings,
    settings: Settings,
    existing: Existing,
    context: TargetContext,
    own: str,
    import_request: discovery.ImportRequest | None,
) -> tuple[Findings, discovery.ManualSetup | None]:
    """The findings with the existing resources under the names that the stack would take, and what a person made.

    The second is None where nothing can be said of the data key: another stack has the names, or the import cannot go
    on.
    """
    aws, state = context.aws, findings.state
    orphaned, unread = orphaned_creations(settings, existing, state, aws)
    taken = resource_conflicts(settings, existing, state, orphaned)
    manual, own_settings = discovery.ManualSetup(), settings
    if (taken or (import_request and settings.adopted)) and not unread:
        manual = discovery.inspect(
            settings, state, aws, context.vercel, findings.project, findings.stored_data_key, import_request
        )
        if manual.settings and (taken or not state.has_key):
            settings = manual.settings
        elif manual.settings:
            # Imported resources have the saved ids; the stack's other resources have ids of their own.
            settings = settings.model_copy(update={"kept_as_found": manual.settings.kept_as_found})
        # With problems of the import, the resources to import are not reported as conflicts, too.
        importable = settings
        if import_request and manual.problems:
            importable = settings.model_copy(update={"adopted": manual.discovered.adopted})
        taken = resource_conflicts(importable, existing, state, orphaned) if import_request else taken
    problems = (*unread, *taken, *manual.problems)
    is_taken = not state.has_key and (problems or import_request)
    # Of a removed stack, and of an update that did not begin, the state has the stack; only the first has a data key.
    is_known = not state.exists or findings.stored_data_key is not None
    is_here = is_known and import_request is None and has_own_tags(settings, existing.alias_target) is True
    where_own = without_state(own, is_removed=state.exists) if is_here else None
    elsewhere = claimed_elsewhere(aws, own_settings, own, where_own=where_own) if is_taken else None
    findings = replace(
        findings,
        # The resources of another stack's environment are no conflicts to solve here.
        problems=(*findings.problems, *((elsewhere,) if elsewhere else problems)),
        settings=settings,
        orphaned_creations=orphaned,
        discovered=manual.discovered,
        differences=manual.differences,
        data_key=manual.data_key,
        imported_data_key=manual.wrapped if findings.stored_data_key is None else None,
    )
    return findings, None if elsewhere or (import_request and manual.problems) else manual


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


def _with_data_keys(
    findings: Findings,
    context: TargetContext,
    values: Mapping[str, Any],
    saved: Settings | None,
    state: StackState | None,
    manual: discovery.ManualSetup,
) -> Findings:
    """The findings with the stored values, and what the targets have. `state`: None if it could not be read."""
    stored, is_decided = findings.stored_data_key, bool(values.get("former_key"))
    former = data_key.former_keys(context) if stored is None and manual.wrapped is None else {}
    problems = data_key.problems(context, stored, saved, state, manual, None if is_decided else former)
    if stored is None and problems:
        # The versions are read after the stored key: another run may have stored it in between.
        meanwhile, _ = attempt(find_data_key, context.aws.asking_once(), context.settings, findings.state.outputs)
        if meanwhile is not None:
            return _with_data_keys(replace(findings, stored_data_key=meanwhile), context, values, saved, state, manual)
    if manual.wrapped is None and not is_decided:
        problems += services.unopened(context.settings, stored, context.aws)
    beside: dict[str, StoredDataKey] = {}
    for of_key in context.settings.of_each_key[1:]:
        names, of_value = of_key.names, replace(context, settings=of_key)
        other, error = attempt(find_data_key, context.aws, of_key, findings.state.outputs)
        beside |= {names.variable: other} if other else {}
        saved_key, none = saved and saved.of_key(names.variable), discovery.ManualSetup()
        problems += (
            [problem(error, f"whether there is a {names.noun} must be known before one is made")]
            if error
            else data_key.problems(of_value, other, saved_key, state, none, None if is_decided else {})
        )
    unread = [
        f"whether {FORMER_KEY_VARIABLE} is set on {name} could not be read ({error.message}); if it is: "
        f"--former-key {FormerKey.WRAP}"
        for name, error in former.items()
        if isinstance(error, PermissionDenied | Unsupported) and not is_decided
    ]
    return replace(
        findings,
        problems=(*findings.problems, *problems),
        warnings=(*findings.warnings, *unread),
        beside=beside,
        former_keys=tuple(place for place in former.values() if isinstance(place, str)),
        foreign=data_key.foreign_at_targets(context, findings.state.outputs, manual.discovered.key),
    )
