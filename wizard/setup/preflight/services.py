"""The checks of Pulumi, Vercel and the stack's state, and what all checks share: results, errors as problems.

Reads Pulumi, Vercel and AWS through their clients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from components.settings import (
    DATA_KEY_VARIABLE,
    OPTIONAL_VALUES,
    ObjectLock,
    SecretStore,
    Settings,
    VariableNames,
    replaced_by,
)
from components.settings.arn import Arn
from wizard.account.resource_conflicts import claimed_elsewhere, crashed_creations
from wizard.core import errors
from wizard.core.models.account import Existing, Identity, UnrecordedResource
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.stack import StackState
from wizard.core.models.vercel import PRODUCTION, VercelProject
from wizard.core.next_command import eonpro, shell
from wizard.core.retry import Threads
from wizard.data_key import guard
from wizard.inputs.registry import by_key
from wizard.targets.port import deploy_target
from wizard.targets.vercel import tokens_off

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient
    from wizard.pulumi_engine.engine import Engine
    from wizard.vercel.client import VercelClient

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The result of a check."""

    problems: tuple[errors.Problem, ...] = ()
    notes: tuple[str, ...] = ()


def attempt(call: Callable[..., T], *args: Any) -> tuple[T | None, errors.SetupError | None]:
    """The call's answer, or its SetupError; other exceptions are raised."""
    try:
        return call(*args), None
    except errors.SetupError as error:
        return None, error


def problem(error: errors.SetupError, why: str) -> errors.Problem:
    return errors.Problem(what=error.message, why=why, next=error.hint, exit_code=error.exit_code, action=error.action)


def deduplicate(problems: Iterable[errors.Problem]) -> tuple[errors.Problem, ...]:
    """Each problem once; for example, an endpoint that does not answer is reported once."""
    by_text: dict[str, errors.Problem] = {}
    for entry in problems:
        by_text.setdefault(entry.what.removesuffix(f" ({entry.action})"), entry)
    return tuple(by_text.values())


def drop_covered(problems: Iterable[errors.Problem], denied: Iterable[str]) -> list[errors.Problem]:
    """The problems without refusals of `denied` actions, which are reported together."""
    known = set(denied)
    refused = errors.CredentialsError.exit_code
    return [entry for entry in problems if entry.exit_code != refused or entry.action not in known]


def _did_not_end(aws: AwsClient, settings: Settings, own: str) -> bool:
    """Whether this stack's first update began, by its claim, and no data key was ever stored, as far as AWS knows."""
    name = settings.names.claim
    claims, _ = attempt(aws.access_diagnostics.read_values, [name], SecretStore.PARAMETER_STORE)
    return (claims or {}).get(name) == own and guard.may_create(aws, settings).is_allowed


LISTED_FIRST = "what the project already has must be known before anything is pushed"
"""Why the set-up stops if the variables cannot be listed."""


@dataclass(frozen=True, kw_only=True)
class PulumiResult:
    """The result for Pulumi."""

    problems: tuple[errors.Problem, ...] = ()
    version: str = ""
    backend: str = ""
    """Where the state is stored, for a person; empty if the backend does not answer."""
    state: StackState | None = None
    """None if it could not be read."""
    by_aws: bool = False
    """Whether AWS refused the credentials of the backend."""

    def problems_beside(self, identity: Identity | errors.SetupError) -> tuple[errors.Problem, ...]:
        """The problems, but for those of wrong credentials, which are wrong for the state, too."""
        return () if isinstance(identity, errors.SetupError) and self.by_aws else self.problems


@dataclass(frozen=True, kw_only=True)
class VercelResult:
    """The result for Vercel."""

    problems: tuple[errors.Problem, ...] = ()
    project: VercelProject | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """The notes about a secret of the stack's environment that is exposed to another one."""


def check_pulumi(engine: Engine, stack: str, location_problems: tuple[errors.Problem, ...] = ()) -> PulumiResult:
    """Check the engine, then its backend and the stack, in parallel.

    `location_problems`: why the location of the state is not known; then the backend is not asked.
    """
    version, error = attempt(engine.check)
    if version is None or error is not None:
        missing = (problem(error, "Pulumi creates the resources"),) if error else ()
        return PulumiResult(problems=(*missing, *location_problems))
    if location_problems:
        return PulumiResult(problems=location_problems, version=version)
    with Threads(max_workers=2) as pool:
        backend_job = pool.submit(attempt, engine.check_backend, stack)
        state_job = pool.submit(attempt, engine.state, stack)
    backend, backend_error = backend_job.result()
    state, state_error = state_job.result()
    problems = []
    if backend_error is not None:
        problems.append(problem(backend_error, "the set-up needs access to the state, which lists what it creates"))
    # Without the backend the stack cannot be read either; with a wrong passphrase it can.
    if state_error is not None and (backend_error is None or isinstance(backend_error, errors.UsageError)):
        problems.append(problem(state_error, "the resources of the stack must be known first"))
    # A refused login to Pulumi Cloud is a CredentialsError, too, but not of AWS.
    by_aws = isinstance(backend_error, errors.CredentialsError) and (
        isinstance(backend_error, errors.PermissionDenied) or "AWS" in backend_error.message
    )
    return PulumiResult(problems=tuple(problems), version=version, backend=backend or "", state=state, by_aws=by_aws)


def check_vercel(values: Mapping[str, Any], vercel: VercelClient | None) -> VercelResult:
    """The project, and the uses of its three variables outside the stack's environment."""
    team, name = values.get("vercel_team"), values.get("vercel_project")
    if vercel is None or not by_key["vercel_project"].needed(values) or not (team and name):
        return VercelResult()
    environment = values.get("vercel_environment") or PRODUCTION.environment
    project, error = attempt(vercel.find_project, team, name, environment)
    if project is None:
        why = f"{DATA_KEY_VARIABLE} could not be delivered to {team}/{name}"
        return VercelResult(problems=(problem(error, why),) if error else ())
    project = project.with_names(VariableNames.of(values.get("variable_names") or ()))
    overlaps, error = attempt(vercel.overlaps, project)
    is_problem = error is not None and not isinstance(error, errors.Unsupported)
    notes, own = tuple(overlaps or ()), project.scope.words
    return VercelResult(
        problems=(problem(error, LISTED_FIRST),) if error and is_problem else (),
        project=project,
        notes=notes,
        warnings=tuple(note for note in notes if f"{own}'s data key" in note or f"{own}'s access key" in note),
    )


def token_problems(settings: Settings, project: VercelProject) -> tuple[errors.Problem, ...]:
    """Why the application on Vercel would get no token for its role."""
    return (tokens_off(settings, project),) if settings.trusts_vercel and project.gives_tokens is False else ()


def orphaned_creations(
    settings: Settings, existing: Existing, state: StackState, aws: AwsClient
) -> tuple[dict[str, str], list[errors.Problem]]:
    if not state.pending:
        return {}, []
    creations, error = attempt(crashed_creations, settings, existing, state, aws)
    if error is not None:
        return {}, [problem(error, "the resources of an interrupted run must be known before more are created")]
    return creations or {}, []


def unrecorded_resources(
    settings: Settings, state: StackState, aws: AwsClient, own_claim: str, *, importing: bool
) -> tuple[tuple[UnrecordedResource, ...], list[errors.Problem]]:
    """What the stack made and its state lacks, and why that cannot be read.

    Empty for a stack that never began, and for an environment that is another stack's. An empty state is that of a
    first set-up that did not end if the claim is its own and the account has no trace of a data key. With one the
    stack was set up, and was removed or lost its state: what is there is imported by a person's decision (`importing`).
    """
    if not state.has_begun and (importing or not _did_not_end(aws, settings, own_claim)):
        return (), []
    unrecorded, error = attempt(aws.unrecorded_resources.find_unrecorded, settings, state)
    if error is not None:
        return (), [problem(error, "the resources of an interrupted run must be known before more are created")]
    if not unrecorded or claimed_elsewhere(aws, settings, own_claim):
        return (), []
    return unrecorded, []


_DELIVERED_ON_REQUEST = (
    ("key_check_value", "--key-check-value", "the application refuses the new key"),
    ("keys_for_reading", "--keys-for-reading", "the application opens no record of an earlier data key"),
)
"""Field, flag, and what the variables do that a delivery no longer writes."""


def unopened(settings: Settings, stored: StoredDataKey | None, aws: AwsClient) -> tuple[errors.Problem, ...]:
    """Why a check value that is asked for cannot be known: only the application opens its key, and it is not here."""
    is_known = stored is not None and stored.wrapped.check_value is not None
    is_own_role = settings.app_principal_arn is None and not settings.makes_user
    if not settings.key_check_value or is_known or not is_own_role or aws.application_credentials.are_configured:
        return ()
    return (
        errors.Problem(
            what=f"the key check value of {DATA_KEY_VARIABLE} is asked for, and nobody here can make it",
            why="only the application opens its data key, and none of its credentials are configured",
            next="leave it out until the application runs: --key-check-value no   or name its credentials: "
            "EONPRO_APP_PROFILE, EONPRO_APP_WEB_IDENTITY_TOKEN_FILE",
            exit_code=3,
        ),
    )


def _left_out(settings: Settings, saved: Settings) -> Iterator[tuple[str, str, str]]:
    """What a stack keeps once it has it, and the settings leave out: in words, why it stays, and the option for it."""
    for value in OPTIONAL_VALUES:
        if value.variable in {*saved.wrapped_keys} - {*settings.wrapped_keys}:
            yield f"has a {value.noun}", value.kept, f"{value.option} yes"
    for field, flag, after in _DELIVERED_ON_REQUEST:
        if getattr(saved, field) and not getattr(settings, field):
            why = f"one that stays where the application runs is outdated after the next rotation: {after}"
            yield f"delivers the variables of {flag}", why, f"{flag} yes"
    # Protected in the engine too, which would stop there.
    why = "the records, and what protects them, stay longer than any change of the settings"
    if saved.makes_trail and not settings.makes_trail:
        yield "has a trail of its own", why, "--trail create"
    if saved.makes_trail and settings.makes_trail and saved.trail_key and not settings.trail_key:
        yield "has a key of the logs", why, "--trail-key yes"
    if saved.owns_bucket and settings.owns_bucket:
        if saved.trail_lock != settings.trail_lock == ObjectLock.NONE:
            yield "has a lock of the logs", why, f"--trail-lock {saved.trail_lock}"
        if saved.access_logging and not settings.access_logging:
            yield "has logs of who reads the logs", why, "--access-logging yes"
    if saved.documents_key and not settings.documents_key:
        yield "has a key of the documents", why, "--documents-key yes"


_OWN_NAMES = (
    ("aws:kms/alias:Alias", "phi-key", "alias"),
    ("aws:kms/alias:Alias", "audit-trail-key", "trail_key_alias"),
    ("aws:iam/role:Role", "app-principal", "app_role"),
)
"""Resources that a state has under their names alone, by type and logical name, and the field of that name."""


def state_of_another(
    settings: Settings, stack: str, state: StackState, *, is_saved: bool = True
) -> errors.Problem | None:
    """The problem that the state is of another application or environment.

    `is_saved`: the stack's settings file has these names, and was changed; else its own is in another folder.
    """
    wanted = {(type_, name): str(getattr(settings.names, field)) for type_, name, field in _OWN_NAMES}
    for each in state.resources:
        own = wanted.get((each.type, each.name), each.id)
        if each.id and each.id != own:
            alone = ("--stack", f"{settings.application}-{stack}", "--environment", settings.environment)
            next_step = eonpro("setup", "--application", settings.application, *alone, advice="a stack of its own")
            made = state.outputs if is_saved else None
            for key, was, _ in (
                replaced_by(settings, key_arn=made.key_arn, parameter_prefix=made.parameter_prefix) if made else ()
            ):
                next_step = shell("pulumi", "config", "set", key, was, "--stack", stack)
            return errors.Problem(
                what=f"the state of the stack {stack} has {each.id}, not {own}: it is of another application or "
                "environment",
                why="an update would replace what is in use there; its settings are in another folder, or were changed",
                next=next_step,
                exit_code=2,
            )
    return None


def forbidden_changes(settings: Settings, saved: Settings, stack: str, state: StackState) -> list[errors.Problem]:
    """Changes that a deployed stack does not allow: Region, application, environments, kind of key, replicas.

    The replicas are those of the state: the saved settings may hold some that were never created.
    """
    return [
        errors.Problem(what=what, why=why, next=keep, exit_code=2)
        for what, why, keep in _forbidden(settings, saved, f"the stack {stack}", state)
    ]


def _forbidden(settings: Settings, saved: Settings, stack: str, state: StackState) -> Iterator[tuple[str, str, str]]:
    """What each such change is, why it is not allowed, and how to go on."""
    another = "or set up another stack: --stack NAME"
    if settings.multi_region != saved.multi_region:
        was = "a multi-Region key" if saved.multi_region else "a key of one Region"
        why = "it is decided when a key is created: a new key could not decrypt the data key"
        keep = f"keep it: --multi-region {'yes' if saved.multi_region else 'no'}   {another}"
        yield f"{stack} has {was}, and that cannot be changed", why, keep
    for has, why, option in _left_out(settings, saved):
        yield f"{stack} {has}, and the set-up takes none away", why, f"keep it: {option}"
    was, desired = saved.vercel_environment, settings.vercel_environment
    if was != desired and any(deploy_target(name).has_environments for name in saved.deploy_targets):
        why = "the deployments that use its data key would lose their access to it"
        yield f"{stack} is for {was} on Vercel, not {desired}", why, f"keep it: --vercel-environment {was}   {another}"
    bucket = state.trail_bucket
    if settings.makes_trail and bucket not in (None, settings.names.trail_bucket):
        why = "the records in it, which are locked, stay where they are: an update would stop half-way"
        keep = f"keep it: --trail-bucket {bucket}"
        yield f"{stack} has the bucket {bucket}, not {settings.names.trail_bucket}", why, keep
    keys = [Arn.parse(arn).region for arn in state.owned if ":kms:" in arn and ":key/mrk-" in arn]
    replicas = set(keys) - {saved.region}
    for region in sorted(replicas - set(settings.replica_regions)):
        why = "an application there could no longer decrypt the data key, so the set-up removes no replica"
        keep = f"keep it: --replica-regions {','.join(sorted({*replicas, *settings.replica_regions}))}"
        yield f"the replica in {region} would be removed", why, keep
    for where, name in (("in", "region"), ("in", "environment"), ("for", "application")):
        was, desired = getattr(saved, name), getattr(settings, name)
        if was != desired:
            why = "the key cannot move: a new key could not decrypt the data key"
            yield (
                f"{stack} is deployed {where} the {name} {was}, not {desired}",
                why,
                f"keep it: --{name} {was}   {another}",
            )
