"""Whether a new data key may be made, and whether a version may replace the stored one.

Reads AWS and the targets through their clients. Every command that makes or replaces a data key asks here: setup, push,
rotate, restore, import. An unknown answer counts as no.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

from components.settings import DATA_KEY_VARIABLE, Outputs, SecretStore, Settings
from wizard.core.errors import CredentialsError, DataKeyConflict, PermissionDenied, Problem, SetupError, Unsupported
from wizard.core.models.delivery import FORMER_KEY_VARIABLE, FormerKey, StoredDataKey
from wizard.core.models.rotation import DataKeyVersion, VersionOrigin
from wizard.core.models.vercel import Scope
from wizard.core.next_command import eonpro
from wizard.core.target_context import TargetContext
from wizard.targets.port import DeployTarget, deploy_targets

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient


class DecisionState(StrEnum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "cannot be known"
    """Counts as no."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """An answer, with the reason and the next step where it is not yes."""

    state: DecisionState
    what: str = ""
    why: str = ""
    next: str = ""
    """A `wizard.core.next_command.Command`, or prose."""
    error: SetupError | None = None
    """Why the answer is unknown."""

    @property
    def is_allowed(self) -> bool:
        return self.state is DecisionState.YES

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The answer as problems of the preflight; none for yes."""
        if self.is_allowed:
            return ()
        code = self.error.exit_code if self.error else DataKeyConflict.exit_code
        return (Problem(what=self.what, why=self.why, next=self.next, exit_code=code),)

    def require(self) -> None:
        """Raise DataKeyConflict unless the answer is yes; PermissionDenied where the caller cannot read enough."""
        if self.is_allowed:
            return
        error_class = PermissionDenied if isinstance(self.error, CredentialsError) else DataKeyConflict
        raise error_class(f"{self.what}; no other data key was made", self.next) from self.error


_COPIES = "lists the versions; where there is none, doctor names the first other copy, and the command for it"


def key_option(settings: Settings) -> tuple[str, ...]:
    """The option of `restore` for the wrapped key that the settings name; none for the data key."""
    return tuple(filter(None, [settings.names.value.option]))


def _restore(settings: Settings, advice: str) -> str:
    return eonpro("restore", *key_option(settings), advice=advice)


def _loss(settings: Settings, which: str) -> str:
    return settings.names.value.under_another.format(which=which)


ALLOWED = Decision(state=DecisionState.YES)

ConflictAt = Callable[[DeployTarget], Callable[[], DataKeyConflict | None] | None]
"""How to read from a target why a delivery would be refused; None where this run does not reach the target."""
FormerAt = Callable[[DeployTarget], str | None]
"""Where a target has the application's ENCRYPTION_KEY, in words; None if it has none. Raises SetupError."""


def may_create(
    aws: AwsClient,
    settings: Settings,
    *,
    saved: Settings | None = None,
    outputs: Outputs | None = None,
    importing: bool = False,
    is_known: bool = False,
    conflict_at: ConflictAt | None = None,
    former_at: FormerAt | None = None,
    is_deployed: bool = True,
) -> Decision:
    """Whether a data key may be made where none is stored, by what AWS and the targets with own copies have.

    AWS has the stored key, versions and variables. Without `conflict_at` only AWS is asked. `is_deployed`: whether the
    stack has its KMS key. `is_known`: the earlier data key is at hand and is stored again. Without `former_at` it is
    decided what becomes of the application's ENCRYPTION_KEY.
    """
    decision = _by_account(aws, settings, saved=saved, outputs=outputs, importing=importing, is_known=is_known)
    for target in deploy_targets(settings.deploy_targets):
        if decision.is_allowed and target.has_own_copy and conflict_at is not None:
            decision = _by_target(target.title, conflict_at(target), settings, is_deployed=is_deployed)
        if decision.is_allowed and former_at is not None:
            decision = _by_former_key(partial(former_at, target))
    return decision


def may_create_in(context: TargetContext, *, importing: bool = False, scopes: tuple[Scope, ...] = ()) -> Decision:
    """Whether a data key may be made for a deployed stack; a target that the context does not reach is unknown.

    `importing`: the data key is the application's ENCRYPTION_KEY.
    """

    def is_reached(target: DeployTarget) -> bool:
        return target.name in context.targets and target.access_problem(context) is None

    def conflict_at(target: DeployTarget) -> Callable[[], DataKeyConflict | None] | None:
        return partial(target.conflict, context, None, scopes=scopes) if is_reached(target) else None

    def former_at(target: DeployTarget) -> str | None:
        return target.former_key(context) if is_reached(target) else None

    return may_create(
        context.aws,
        context.settings,
        saved=context.settings,
        outputs=context.outputs,
        importing=importing,
        conflict_at=conflict_at,
        former_at=None if importing or context.settings.names.variable != DATA_KEY_VARIABLE else former_at,
    )


def _by_former_key(read: Callable[[], str | None]) -> Decision:
    """The decision by the application's ENCRYPTION_KEY at a target: its records may be encrypted with it."""
    try:
        place = read()
    except (PermissionDenied, Unsupported):
        # The set-up needs no access to a task definition: its preflight says that it was not read.
        return ALLOWED
    except SetupError as error:
        return _unknown(error, f"whether the application has an {FORMER_KEY_VARIABLE} must be known first")
    if place is None:
        return ALLOWED
    return Decision(
        state=DecisionState.NO,
        what=f"the application has an {FORMER_KEY_VARIABLE}: {place}",
        why="its records so far are encrypted with that key, and a new data key decrypts none of them",
        next=eonpro(
            "setup",
            "--former-key",
            FormerKey.WRAP,
            advice="makes that key the data key, so that every record stays readable; it asks for the key, or reads it "
            f"from a pipe. With --former-key {FormerKey.NEW} it begins another data key",
        ),
    )


def _by_account(
    aws: AwsClient,
    settings: Settings,
    *,
    saved: Settings | None,
    outputs: Outputs | None,
    importing: bool,
    is_known: bool,
) -> Decision:
    """The decision by the stores in AWS: a stored data key, its versions, and the variables that are written after it.

    `saved`: the settings of the last run, whose store and Regions are read too. A deployed stack (`outputs`) without
    them may have used either store. `importing`: versions that an interrupted import left, and that were never
    current, do not count. `is_known`: the earlier data key is at hand and is stored again; the record of its backup
    does not count.
    """
    name, backup = settings.names.stored_data_key, settings.names.last_backup
    used = {settings.secret_store, saved.secret_store} if saved else {settings.secret_store}
    if outputs is not None and saved is None:
        used = set(SecretStore)
    try:
        for regional, store in product(_regions(aws, settings, saved, outputs), SecretStore):
            has_record = store is SecretStore.PARAMETER_STORE and not is_known
            names = [name for name in settings.names.written_after if has_record or name != backup]
            in_store = settings.model_copy(update={"secret_store": store})
            found = _in_store(regional, in_store, names, importing=importing, is_used=store in used)
            if found is not None:
                return found
    except SetupError as error:
        noun = settings.names.noun
        return _unknown(error, f"it must be known whether {name} ever existed before another {noun} is made")
    return ALLOWED


def _in_store(
    regional: AwsClient, settings: Settings, names: Sequence[str], *, importing: bool, is_used: bool
) -> Decision | None:
    """The decision by one store in one Region; None: it has no trace of a data key.

    `names`: the variables that are written after a data key. Raises SetupError where it cannot be known.
    """
    store, trace, stored = settings.secret_store, None, None
    versions: tuple[DataKeyVersion, ...] = ()
    altered: tuple[str, ...] = ()
    try:
        written = (name for name in names if regional.stored_data_keys.variable_exists(name, store=store))
        trace = next(written, None)
        stored = regional.stored_data_keys.read_stored_data_key(settings.names.stored_data_key, store=store)
        versions = regional.key_rotation.versions(settings)
        altered = () if versions else regional.key_rotation.altered(settings)
    except SetupError as error:
        # The caller needs no access to a store that this stack never used. A variable is proof enough where the
        # versions cannot be listed.
        is_closed = isinstance(error, PermissionDenied | Unsupported) and not is_used
        if not is_closed and not trace:
            raise
    if stored is not None:
        return _stored(stored, regional.region, settings)
    if counted := [version for version in versions if not (importing and _is_leftover(version))]:
        return _has_versions(settings, len(counted))
    if altered:
        return _altered(settings, altered)
    return _lost(settings, trace) if trace else None


def _by_target(
    target: str, conflict: Callable[[], DataKeyConflict | None] | None, settings: Settings, *, is_deployed: bool
) -> Decision:
    """The decision by the variables of a target that holds them itself."""
    name = settings.names.stored_data_key
    if conflict is None:
        return Decision(
            state=DecisionState.UNKNOWN,
            what=f"{name} does not exist, and this run does not read {target}, where the stack delivered",
            why=f"{target} may hold the only copy of the {settings.names.noun}; {_loss(settings, 'that one')}",
            next=eonpro("setup", "--target", ",".join(settings.deploy_targets)),
        )
    try:
        refusal = conflict()
    except SetupError as error:
        return _unknown(error, "what the target already has must be known before anything is delivered")
    if refusal is None:
        return ALLOWED
    if not is_deployed:
        why = "the delivery would be refused, after everything else was created"
        return Decision(state=DecisionState.NO, what=refusal.message, why=why, next=refusal.hint)
    return Decision(
        state=DecisionState.NO,
        what=f"{name} does not exist; {refusal.message}",
        why=_loss(settings, "that one"),
        next=_restore(settings, f"{_COPIES}; if this stack has set up nothing yet: setup --adopt")
        if not key_option(settings)
        else eonpro(
            "restore", *key_option(settings), "--from-target", advice="stores the one that the application has"
        ),
    )


def may_replace(
    aws: AwsClient, settings: Settings, outputs: Outputs, version: DataKeyVersion | None = None
) -> Decision:
    """Whether a version may replace the stored one: not from the other store, not under another KMS key.

    `version` is None before one is chosen. `KeyRotation.replace_current` keeps both versions before it replaces
    anything, and checks that the stored key has not changed since it was confirmed.
    """
    store = settings.secret_store
    for other_store in SecretStore:
        if other_store is store:
            continue
        try:
            stored = aws.stored_data_keys.read_stored_data_key(settings.names.stored_data_key, store=store)
            elsewhere = None if stored else _read_if_allowed(aws, settings, other_store)
        except DataKeyConflict:
            # The parameter does not hold a data key: a restore replaces it.
            continue
        if elsewhere is not None:
            return Decision(
                state=DecisionState.NO,
                what=f"the {settings.names.noun} is still in the {other_store}, and the settings say {store}",
                why="it must be copied first",
                next=eonpro("push", advice="copies it first"),
            )
    if version is not None and version.key_arn not in (None, *outputs.key_arns):
        return Decision(
            state=DecisionState.NO,
            what=f"{version.fingerprint} is wrapped by {version.key_arn}, not by the stack's key {outputs.key_arn}, "
            "whose ARN the application gets",
            why="the application could not open it",
            next=eonpro(
                *("rotate", "--reencrypt", outputs.key_arn), advice="wraps the current data key under the stack's key"
            ),
        )
    return ALLOWED


def _regions(
    aws: AwsClient, settings: Settings, saved: Settings | None, outputs: Outputs | None
) -> tuple[AwsClient, ...]:
    """The account in every Region that has, or had, the key or a replica of it; the stack's own first."""
    names = (*settings.regions, *(saved.regions if saved else ()), *(outputs.regions if outputs else ()))
    return tuple(aws if region == aws.region else aws.with_region(region) for region in dict.fromkeys(names))


def _read_if_allowed(aws: AwsClient, settings: Settings, store: SecretStore) -> StoredDataKey | None:
    try:
        return aws.stored_data_keys.read_stored_data_key(settings.names.stored_data_key, store=store)
    except (PermissionDenied, Unsupported):
        return None


def _is_leftover(version: DataKeyVersion) -> bool:
    return version.origin is VersionOrigin.ADOPTED and not version.was_current


def _stored(stored: StoredDataKey, region: str, settings: Settings) -> Decision:
    is_copied = region in settings.replica_regions
    return Decision(
        state=DecisionState.NO,
        what=f"{stored.parameter} in {region} holds {stored.wrapped.fingerprint}",
        why=_loss(settings, "that one"),
        next=eonpro("push", advice=f"copies it to {settings.region}")
        if is_copied
        else _restore(settings, "lists the versions"),
    )


def _has_versions(settings: Settings, count: int) -> Decision:
    return Decision(
        state=DecisionState.NO,
        what=f"{settings.names.stored_data_key} is missing, and versions of it exist ({count})",
        why=_loss(settings, "them"),
        next=_restore(settings, "lists them; restore the one that was current"),
    )


def _altered(settings: Settings, entries: tuple[str, ...]) -> Decision:
    return Decision(
        state=DecisionState.NO,
        what=f"{settings.names.stored_data_key} is missing, and somebody replaced the value of every version of it: "
        f"{', '.join(entries)}",
        why=_loss(settings, "the former one"),
        next=_restore(settings, _COPIES),
    )


def _lost(settings: Settings, trace: str) -> Decision:
    return Decision(
        state=DecisionState.NO,
        what=f"{settings.names.stored_data_key} is missing, and {trace}, which is written after it, exists",
        why=_loss(settings, "the lost one"),
        next=_restore(settings, _COPIES),
    )


def _unknown(error: SetupError, why: str) -> Decision:
    return Decision(state=DecisionState.UNKNOWN, what=error.message, why=why, next=error.hint, error=error)
