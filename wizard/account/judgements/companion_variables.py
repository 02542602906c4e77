"""The checks of what stands with the data key at each target: the other variables, its copies, and the key from before.

Reads through the facts.
"""

from collections.abc import Iterator

from components.settings import KEY_ID_VARIABLE, REGION_VARIABLE
from components.settings.stored_values import STORED_VALUES
from wizard.account import fixes
from wizard.account.facts import StackFacts
from wizard.account.judgements.variables import (
    THEN,
    Expected,
    absent,
    changed,
    delivery,
    expected,
    in_the_store,
    push,
    surrounding_fault,
)
from wizard.account.notices import Judgement, Notice, judgement
from wizard.core.errors import SetupError
from wizard.core.models.delivery import FORMER_KEY_VARIABLE, StoredDataKey
from wizard.core.models.rotation import VersionOrigin
from wizard.core.models.vercel import Scope
from wizard.core.next_command import Text
from wizard.inputs.application_readers import before_removal


def former_key(facts: StackFacts, place: str) -> Notice:
    """The result for an ENCRYPTION_KEY at a place, beside the data key: which of the two an application writes with."""
    what = f"the application has an {FORMER_KEY_VARIABLE} beside its data key: {place}"
    stored, versions = facts.stored_data_key, facts.versions
    if isinstance(versions, SetupError):
        return Notice.unread(f"which data key {FORMER_KEY_VARIABLE} is ({place})", versions)
    adopted = [version for version in versions if version.origin is VersionOrigin.ADOPTED]
    if isinstance(stored, StoredDataKey) and any(version.wrapped == stored.wrapped for version in adopted):
        return Notice.good(f"{what}; the data key was wrapped from such a key")
    why = "it writes a record with the one that it has when it writes: there may be records of both"
    first, search = before_removal(facts.code)
    removal = Text(
        f"when every record is under the data key, and the application loads it at its start, remove "
        f"{FORMER_KEY_VARIABLE} from {place}. {first}{' ' if search else ''}",
        search,
    )
    if adopted:
        kept = ", ".join(version.fingerprint for version in adopted)
        return Notice.wrong(
            "former-key-beside",
            what=what,
            why=why,
            advice=Text(
                f"re-encrypt its records from the version that was adopted ({kept}), with phi reencrypt; ", removal
            ),
        )
    return Notice.wrong(
        "former-key-beside",
        what=f"{what}, and it is not kept anywhere",
        why=why,
        command=fixes.eonpro(facts, "adopt", "--encryption-key", "--confirm", facts.stack),
        advice=Text("asks for it, and keeps it as a version of the data key; then re-encrypt its records; ", removal),
    )


@judgement()
def check_former_key(facts: StackFacts) -> Iterator[Notice]:
    """Whether the environment on Vercel has an ENCRYPTION_KEY; the one of a task definition: `runtime`."""
    variables = facts.vercel_variables
    if isinstance(variables, tuple) and isinstance(facts.stored_data_key, StoredDataKey):
        for entry in variables:
            if entry.name == FORMER_KEY_VARIABLE and entry.in_scope:
                yield former_key(facts, f"{Scope.of(facts.settings).words} of {entry.place}")


@judgement("application-tested")
def check_companion_variables(facts: StackFacts) -> Iterator[Notice]:
    """Whether every target has AWS_KMS_KEY_ID and AWS_REGION, too."""
    for name in (KEY_ID_VARIABLE, REGION_VARIABLE):
        for variable in expected(facts, name):
            if not variable.exists:
                yield _no_parameter(facts, variable) if variable.in_store else absent(facts, variable)
            elif variable.value is None:
                yield _unreadable(facts, variable)
            elif name == REGION_VARIABLE and variable.expected_value is not None:
                yield _region(facts, variable, variable.value, variable.expected_value)


@judgement("application-tested")
def check_delivered_check_values(facts: StackFacts) -> Iterator[Notice]:
    """Whether every target has the variables that the settings ask for beside those that all stacks have."""
    settings = facts.settings
    values = {value.check_value: value.variable for value in STORED_VALUES}
    for name in settings.variables:
        if name in (KEY_ID_VARIABLE, REGION_VARIABLE, *settings.wrapped_keys):
            continue
        each = next((each for each in (facts, *facts.beside) if each.settings.names.variable == values.get(name)), None)
        stored = each.stored_data_key if each else None
        known = stored.wrapped.check_value if isinstance(stored, StoredDataKey) else None
        for variable in expected(facts, name):
            if not variable.exists:
                why = "phi does not compare its key" if name in values else "a search tries the current hash key alone"
                if variable.in_store:
                    yield _no_parameter(facts, variable)
                else:
                    what = f"{variable.name} is not set in {Scope.of(settings).words} of {variable.place}"
                    yield push(facts, "variable-missing", what, why)
            elif known and variable.value and variable.value != known:
                yield Notice.wrong(
                    "key-check-value-differs",
                    what=f"{variable.name} in {variable.place} is not {known}, the key that the stored one opens to",
                    why="the application refuses its key: WrongKeyCheckValue",
                    command=delivery(facts, variable),
                    advice=THEN,
                )


def _unreadable(facts: StackFacts, variable: Expected) -> Notice:
    """The result for a sensitive variable: only its comment can be read."""
    stored_data_key = facts.stored_data_key
    claimed = variable.entry.claimed if variable.entry else None
    if variable.entry is not None and variable.entry.is_changed:
        return changed(variable, command=delivery(facts, variable), advice=THEN)
    if isinstance(stored_data_key, StoredDataKey) and claimed == stored_data_key.wrapped.fingerprint:
        return Notice.good(
            f"{variable.name} in {variable.place} goes with {claimed}, by its comment (Vercel returns no value)"
        )
    return Notice.wrong(
        "variable-unreadable",
        what=f"{variable.name} in {variable.place} is a Secret, and its comment does not name the stored data key",
        why="Vercel does not return the value; with a wrong key or Region the application cannot decrypt its data key",
        command=delivery(facts, variable),
        advice=THEN,
    )


def _no_parameter(facts: StackFacts, variable: Expected) -> Notice:
    why = "no new task or pod starts without it: ECS reports ResourceInitializationError"
    return push(facts, "parameter-missing", f"{variable.place} does not exist", why)


def _region(facts: StackFacts, variable: Expected, value: str, expected_region: str) -> Notice:
    if value == expected_region:
        return Notice.good(f"{variable.name} in {variable.place} is {expected_region}")
    return surrounding_fault(facts, variable, value) or Notice.wrong(
        "region-wrong",
        what=f"{variable.name} in {variable.place} is not {expected_region}, the key's Region",
        why="KMS in another Region does not have the key: NotFoundException or AccessDeniedException",
        command=delivery(facts, variable),
        advice=THEN,
    )


@judgement("application-tested")
def check_parameters(facts: StackFacts) -> Iterator[Notice]:
    """Whether each Region's store has the stored data key."""
    stored_data_key = facts.stored_data_key
    for variable in in_the_store(facts, facts.settings.names.variable):
        if not isinstance(stored_data_key, StoredDataKey):
            yield Notice.unknown(variable.place, why="there is no stored data key to compare it with")
        elif not variable.exists:
            yield _no_parameter(facts, variable)
        elif variable.value != stored_data_key.wrapped.value:
            what = f"{variable.place} is another data key than the stored {stored_data_key.wrapped.fingerprint}"
            why = "with two data keys in use, each Region can decrypt only its own records"
            yield push(facts, "parameter-wrong", what, why)


ACCESS_CHECKS: tuple[Judgement, ...] = (
    check_former_key,
    check_companion_variables,
    check_delivered_check_values,
    check_parameters,
)
