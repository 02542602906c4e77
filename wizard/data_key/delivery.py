"""The application's variables: what belongs to the data key, and its delivery to the targets.

Reads AWS, and writes the targets, through their clients.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from components.settings import DATA_KEY_VARIABLE
from components.settings.arn import Arn
from components.settings.stored_values import BY_VARIABLE
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, SetupError, attempted
from wizard.core.models.delivery import AppVariables, Delivered, DeliveryState, StoredDataKey
from wizard.core.models.rotation import DataKeyVersion, VersionOrigin
from wizard.core.models.vercel import Scope
from wizard.core.next_command import eonpro
from wizard.core.target_context import TargetContext
from wizard.core.variable_ownership import OwnValues
from wizard.data_key import opening
from wizard.data_key.storage import find_stored_data_key
from wizard.targets.port import DeployTarget, deploy_target


def keys_beside(context: TargetContext, wrapped: WrappedDataKey) -> dict[str, WrappedDataKey]:
    """The application's wrapped keys by their variables: `wrapped`, which the context's settings name, and the others.

    A value that was not made yet is left out. Raises DataKeyConflict without a stored data key.
    """
    keys, settings = {}, context.settings
    for variable in settings.wrapped_keys:
        is_this = variable == settings.names.variable
        stored = None if is_this else find_stored_data_key(context.aws, settings.of_key(variable))
        if is_this or stored:
            keys[variable] = stored.wrapped if stored else wrapped
    if DATA_KEY_VARIABLE not in keys:
        name = settings.of_key(DATA_KEY_VARIABLE).names.stored_data_key
        raise DataKeyConflict(
            f"{name} does not exist; nothing was delivered", eonpro("doctor", "--stack", context.stack)
        )
    return keys


def variables_of(
    context: TargetContext, wrapped: WrappedDataKey, key_arns: Sequence[str] = ()
) -> dict[str, AppVariables]:
    """The variables for each Region that has the key; the wrapped keys are the same in all of them.

    `key_arns`: of the key in each Region, where the stack's outputs are not at hand.
    """
    keys = keys_beside(context, wrapped)
    optional = tuple(_optional(context, keys))
    data_key = keys.pop(DATA_KEY_VARIABLE)
    return {
        Arn.parse(arn).region: AppVariables(
            region=Arn.parse(arn).region,
            key_arn=arn,
            wrapped=data_key,
            beside=tuple(keys.items()),
            optional=optional,
            names=context.settings.delivered_names,
            own=OwnValues.of(context.settings, context.outputs, region=Arn.parse(arn).region),
            replaces=context.replaces,
        )
        for arn in key_arns or context.require_outputs().key_arns
    }


READING_CHARACTERS = 4000
"""Of the variable with the keys for reading; a parameter holds 4,096: some sixteen keys."""


def _optional(context: TargetContext, keys: Mapping[str, WrappedDataKey]) -> Iterator[tuple[str, str]]:
    """The key check values and the keys for reading that the settings ask for, as far as they are known.

    Keys that the caller is not allowed to list are left out: the delivery leaves those that are delivered.
    """
    settings = context.settings
    for variable, wrapped in keys.items():
        value = BY_VARIABLE[variable]
        if settings.key_check_value and wrapped.check_value:
            yield value.check_value, wrapped.check_value
        if not settings.keys_for_reading:
            continue
        versions = attempted(context.aws.key_rotation.versions, settings.of_key(variable))
        if not isinstance(versions, SetupError):
            yield value.reading, " ".join(reading_keys(wrapped, versions))


def reading_keys(current: WrappedDataKey, versions: Sequence[DataKeyVersion]) -> list[str]:
    """The wrapped keys that the application tries beside the current one: what comes next, what was in use before, and
    the application's former key.

    Without any it is the current one: a parameter cannot be empty.
    """
    mine = next((version for version in versions if version.wrapped == current), None)
    found = dict[str, str]()
    for version in reversed(versions):
        is_used = version.was_current or version.origin in (VersionOrigin.MADE, VersionOrigin.ADOPTED)
        if mine and is_used and version.same_as != mine.same_as and version.key_arn == mine.key_arn:
            found.setdefault(version.same_as, version.wrapped.value)
    longest = READING_CHARACTERS // (1 + max(map(len, found.values()), default=0))
    return [*found.values()][:longest] or [current.value]


def conflict(
    target: DeployTarget,
    context: TargetContext,
    wrapped: WrappedDataKey,
    *,
    replaceable: frozenset[str] = frozenset(),
    scopes: tuple[Scope, ...] = (),
) -> DataKeyConflict | None:
    """Why a delivery to the target would be refused, for any of the wrapped keys."""
    key_arn = context.require_outputs().key_arn
    for variable, key in keys_beside(context, wrapped).items():
        of_key = replace(context, settings=context.settings.of_key(variable))
        if refusal := target.conflict(of_key, key, key_arn=key_arn, replaceable=replaceable, scopes=scopes):
            return refusal
    return None


def fingerprints_of(context: TargetContext) -> frozenset[str]:
    """The fingerprints of all versions of the wrapped keys: what a target can replace. Raises SetupError."""
    rotation = context.aws.key_rotation
    return frozenset(
        version.fingerprint for of_key in context.settings.of_each_key for version in rotation.versions(of_key)
    )


def deliver(
    context: TargetContext,
    wrapped: WrappedDataKey,
    *,
    on_delivered: Callable[[Delivered], None],
    replaceable: frozenset[str] = frozenset(),
    scopes: tuple[Scope, ...] = (),
) -> tuple[Delivered, ...]:
    """The variables, together, to every target of this run, in every Region; each checked after writing.

    `replaceable`: the fingerprints of stored versions, which may be replaced at a target. `scopes`: the environments,
    for a target that has any; empty: the stack's own.
    """
    done: list[Delivered] = []
    variables = variables_of(context, wrapped)
    own = variables[context.settings.region]
    for variable, key in own.wrapped_keys:
        # An outdated one, left beside another key, would make the application refuse that.
        opening.refuse_unknown(context.settings.of_key(variable), key)
    data_key = own.wrapped
    for target in context.targets:
        for result in deploy_target(target).deliver(context, variables, replaceable=replaceable, scopes=scopes):
            if result.fingerprint != data_key.fingerprint:
                raise DataKeyConflict(
                    f"{result.place} has the data key {result.fingerprint}, not the stored {data_key.fingerprint}",
                    eonpro("push", "--stack", context.stack),
                )
            on_delivered(result)
            done.append(result)
    return tuple(done)


def deliveries_of(context: TargetContext, stored: StoredDataKey) -> tuple[Delivered, ...]:
    """What every target should have in every Region, as `deliver` returns it where nothing is left to write."""
    return tuple(
        Delivered(
            target=target.name,
            place=context.settings.names.stored_data_key,
            state=DeliveryState.UNCHANGED,
            fingerprint=stored.wrapped.fingerprint,
            checked_by="the stored data key",
            region=region,
        )
        for target in map(deploy_target, context.targets)
        for region in target.regions(context.require_outputs())
    )
