"""The application's access key on Vercel: which one production has, and one POST that gives it another.

Writes `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` of production, never over a variable that this program did not write.
"""

from __future__ import annotations

from wizard.core.errors import DataKeyConflict, ResourceError, Unreachable, UsageError
from wizard.core.models.delivery import AccessKey
from wizard.vercel.delivery import shared_reason
from wizard.vercel.variable_state import (
    ACCESS_KEY_VARIABLES,
    ID_VARIABLE,
    MARK,
    SECRET_VARIABLE,
    ListedVariable,
    access_key_of,
    description,
    in_production,
)
from wizard.vercel.variables import Posted, Variables, entry, post

_STORED = ("sensitive", "")
"""An endpoint may tell no type at all."""
_AGAIN = "run the same command again; until it has ended well, do not deploy the application"


def comment(key_id: str) -> str:
    """The comment that both variables carry. An access key's id is no secret."""
    return f"{MARK} access key {key_id}; both of the pair are of this key; do not edit"


def delivered_id(variables: Variables) -> str | None:
    """The id of the access key that production has as a whole pair of ours; None for none. Reads only."""
    return _whole(variables.list())


def deliver(variables: Variables, key: AccessKey) -> None:
    """The pair to production; see `wizard.vercel.client.Vercel.deliver_access_key`."""
    for name, value in _values(key):
        if not value or value.strip() != value:
            message = f"{name} is empty or has white space around it, and is not delivered"
            raise UsageError(message, "run the same command again")
    listed = variables.list()
    _refuse(variables, listed)
    before = _whole(listed)
    if before == key.id:
        return
    batch = [entry(key=name, value=value, type="sensitive", comment=comment(key.id)) for name, value in _values(key)]
    while True:
        posted = post(variables, batch)
        listed = _list_again(variables, before, key)
        if _whole(listed) == key.id:
            return
        if posted.definitive or not variables.deadline.wait(posted.reason, at_least=posted.retry_after):
            raise _incomplete(variables, listed, key, posted)
        # Whoever set them during the pause must not be overwritten either.
        if _whole(_list_again(variables, before, key)) == key.id:
            return


def _values(key: AccessKey) -> tuple[tuple[str, str], ...]:
    return ((ID_VARIABLE, key.id), (SECRET_VARIABLE, key.secret))


def _entries(listed: tuple[ListedVariable, ...]) -> tuple[ListedVariable, ...]:
    return tuple(each for name in ACCESS_KEY_VARIABLES for each in in_production(listed, name))


def _whole(listed: tuple[ListedVariable, ...]) -> str | None:
    """The key that both of the pair are of. Half a pair, or one of two keys, is none: nobody can sign with it."""
    pair = _entries(listed)
    if tuple(each.key for each in pair) != ACCESS_KEY_VARIABLES or any(each.type not in _STORED for each in pair):
        return None
    first, second = (access_key_of(each) for each in pair)
    return first if first == second else None


def _list_again(variables: Variables, before: str | None, key: AccessKey) -> tuple[ListedVariable, ...]:
    """A new listing. Raises as `deliver` does, where other variables or another run's key came between."""
    try:
        listed = variables.list()
    except Unreachable as error:
        message = f"it is not known whether Vercel took the access key: {error.message}"
        raise Unreachable(message, _AGAIN) from error
    _refuse(variables, listed)
    now = _whole(listed)
    if now not in (None, before, key.id):
        raise ResourceError(
            f"{variables.owner}: another run pushed the access key {now} at the same time; it was left there",
            "run the same command again, in one place only",
        )
    return listed


def _refuse(variables: Variables, listed: tuple[ListedVariable, ...]) -> None:
    entries = _entries(listed)
    foreign = [each for each in entries if not each.comment.startswith(MARK)]
    if foreign:
        reported = "; ".join(f"{each.key} ({description(each)})" for each in foreign)
        names = " && ".join(
            f"vercel env rm {name} production" for name in ACCESS_KEY_VARIABLES if name in {e.key for e in foreign}
        )
        raise DataKeyConflict(
            f"{variables.owner} has {reported} already, which this stack did not put there;"
            " nothing was overwritten: the application may sign with it",
            f"find out what it is for; if nothing needs it: {names}, then run the same command again",
        )
    shared = [each for each in entries if each.elsewhere]
    if shared:
        raise ResourceError(
            shared_reason(variables, shared),
            "in Vercel's settings take production out of each or remove it, then run the same command",
        )


def _incomplete(
    variables: Variables, listed: tuple[ListedVariable, ...], key: AccessKey, posted: Posted
) -> ResourceError:
    states = "; ".join(f"{name}: {_state_words(in_production(listed, name), key)}" for name in ACCESS_KEY_VARIABLES)
    words = posted.words.replace(key.secret, "…")
    said = f" (Vercel said: {words})" if words else ""
    return ResourceError(f"the access key {key.id} did not get whole to {variables.owner}: {states}{said}", _AGAIN)


def _state_words(entries: tuple[ListedVariable, ...], key: AccessKey) -> str:
    if not entries:
        return "it is not there"
    if len(entries) > 1:
        return f"it is there {len(entries)} times"
    if entries[0].type not in _STORED:
        return f"it is stored as {entries[0].type}, not as sensitive"
    reported = access_key_of(entries[0])
    if reported == key.id:
        return "in place"
    return f"it is still of the access key {reported}" if reported else "its comment names no access key"
