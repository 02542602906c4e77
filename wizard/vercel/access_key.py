"""The application's access key on Vercel: the one that the environment has, and the delivery of another.

Writes `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` of the scope; overwrites only variables that it wrote itself.
"""

from wizard.core.errors import DataKeyConflict, ResourceError, Unreachable, UsageError
from wizard.core.models.verification import AccessKey
from wizard.core.next_command import Text
from wizard.core.safe_text import quoted
from wizard.vercel.delivery import AGAIN, shared_fix, shared_reason
from wizard.vercel.variable_state import (
    ACCESS_KEY_VARIABLES,
    ID_VARIABLE,
    MARK,
    SECRET_VARIABLE,
    ListedVariable,
    access_key_of,
    description,
    entries_of,
    is_changed,
)
from wizard.vercel.variables import Change, Variables, WriteResult, write

_STORED = ("sensitive", "")
"""An endpoint may list no type."""


def comment(key_id: str) -> str:
    """The comment of both variables. An access key's id is not secret."""
    return f"{MARK} access key {key_id}; both of the pair are of this key; do not edit"


def delivered_id(variables: Variables) -> str | None:
    """ID of the access key whose two variables this program wrote to the scope; None where either is missing.

    Reads only.
    """
    return _complete_pair(variables, variables.list())


def deliver(variables: Variables, key: AccessKey) -> None:
    """Write AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to the scope, and check them by a new listing.

    Raises DataKeyConflict, with nothing written, for variables that somebody else set; ResourceError when Vercel
    does not store both, one serves other environments too or another run delivered first; Unreachable when it is
    unknown what was written.
    """
    for name, value in _values(key):
        if not value or value.strip() != value:
            message = f"{name} is empty or has white space around it, and is not delivered"
            raise UsageError(message, "run the same command again")
    listed = variables.list()
    _refuse(variables, listed)
    before = _complete_pair(variables, listed)
    if before == key.id:
        return
    while True:
        result = write(variables, _changes(variables, listed, key))
        listed = _list_again(variables, before, key)
        if _complete_pair(variables, listed) == key.id:
            return
        if result.definitive or not variables.deadline.wait(result.reason, at_least=result.retry_after):
            raise _incomplete(variables, listed, key, result)
        # Variables that somebody else set during the pause must not be overwritten either.
        listed = _list_again(variables, before, key)
        if _complete_pair(variables, listed) == key.id:
            return


def _changes(variables: Variables, listed: tuple[ListedVariable, ...], key: AccessKey) -> list[Change]:
    existing = {variable.key: variable for variable in _entries(variables, listed)}
    return [
        Change.of(
            existing.get(name),
            key=name,
            value=value,
            type="sensitive",
            comment=comment(key.id),
            scope=variables.scope,
        )
        for name, value in _values(key)
    ]


def _values(key: AccessKey) -> tuple[tuple[str, str], ...]:
    return ((ID_VARIABLE, key.id), (SECRET_VARIABLE, key.secret))


def _entries(variables: Variables, listed: tuple[ListedVariable, ...]) -> tuple[ListedVariable, ...]:
    return tuple(variable for name in ACCESS_KEY_VARIABLES for variable in entries_of(listed, name, variables.scope))


def _complete_pair(variables: Variables, listed: tuple[ListedVariable, ...]) -> str | None:
    """The key that both variables are of; None for half a pair, two different keys, and a change since."""
    pair = _entries(variables, listed)
    if tuple(variable.key for variable in pair) != ACCESS_KEY_VARIABLES or any(
        variable.type not in _STORED for variable in pair
    ):
        return None
    if any(is_changed(variable, listed, variables.scope) for variable in pair):
        return None
    first, second = (access_key_of(variable) for variable in pair)
    return first if first == second else None


def _list_again(variables: Variables, before: str | None, key: AccessKey) -> tuple[ListedVariable, ...]:
    """A new listing. Raises as `deliver` does, where somebody else's variables or another run's key were added."""
    try:
        listed = variables.list()
    except Unreachable as error:
        message = f"it is unknown whether Vercel stored the access key: {error.message}"
        raise Unreachable(message, AGAIN) from error
    _refuse(variables, listed)
    now = _complete_pair(variables, listed)
    if now not in (None, before, key.id):
        raise ResourceError(
            f"{variables.owner}: another run pushed the access key {now} at the same time; it was not overwritten",
            "run the same command again, on one machine only",
        )
    return listed


def _refuse(variables: Variables, listed: tuple[ListedVariable, ...]) -> None:
    entries = _entries(variables, listed)
    foreign = [variable for variable in entries if not variable.comment.startswith(MARK)]
    if foreign:
        reported = "; ".join(f"{variable.key} ({description(variable)})" for variable in foreign)
        removal = variables.scope.removal(dict.fromkeys(variable.key for variable in foreign))
        raise DataKeyConflict(
            f"{variables.owner} has {reported} already, which this stack did not set;"
            " nothing was overwritten: the application may use them",
            Text("find out what they are for; if nothing needs them: ", removal, ", then run the same command again"),
        )
    shared = [variable for variable in entries if variables.scope.beside(variable)]
    if shared:
        raise ResourceError(shared_reason(variables, shared), shared_fix(variables, shared))


def _incomplete(
    variables: Variables, listed: tuple[ListedVariable, ...], key: AccessKey, result: WriteResult
) -> ResourceError:
    states = "; ".join(f"{name}: {_state(variables, name, listed, key)}" for name in ACCESS_KEY_VARIABLES)
    words = result.words.replace(key.secret, "…")
    said = f" (Vercel said: {quoted(words)})" if words else ""
    return ResourceError(
        f"the access key {key.id} was not completely delivered to {variables.owner}: {states}{said}", AGAIN
    )


def _state(variables: Variables, name: str, listed: tuple[ListedVariable, ...], key: AccessKey) -> str:
    entries = entries_of(listed, name, variables.scope)
    if not entries:
        return "it is missing"
    if len(entries) > 1:
        return f"it exists {len(entries)} times"
    if entries[0].type not in _STORED:
        return f"it is stored as Config ({entries[0].type}), not as Secret"
    if is_changed(entries[0], listed, variables.scope):
        return "it was changed since it was delivered"
    reported = access_key_of(entries[0])
    if reported == key.id:
        return "in place"
    return f"it still has the access key {reported}" if reported else "its comment names no access key"
