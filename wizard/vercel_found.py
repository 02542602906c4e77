"""The data key that somebody set on Vercel by hand, as far as Vercel tells it.

Touches the network through `wizard/vercel_variables.py` only; reads, and writes nothing but a comment.
"""

from __future__ import annotations

from components.contract import DATA_KEY_VARIABLE
from wizard.datakey import FINGERPRINT, MalformedDataKey, WrappedDataKey
from wizard.errors import DataKeyConflict
from wizard.facts import FoundDataKey
from wizard.vercel_standing import ListedVariable, data_key_comment, in_production
from wizard.vercel_variables import Variables

KEY_VARIABLE = "AWS_KMS_KEY_ID"

_NOT_TOLD = frozenset({"sensitive", "secret"})
"""Types whose values Vercel keeps to itself."""


def find_data_key(variables: Variables) -> FoundDataKey:
    """What production has; a variable of one branch or of a custom environment is none of production's.

    Raises DataKeyConflict for two data keys, and for a value that cannot be one; the value is never told.
    """
    listed = variables.list()
    entries = in_production(listed, DATA_KEY_VARIABLE)
    if len(entries) > 1:
        raise DataKeyConflict(
            f"{variables.owner} has {DATA_KEY_VARIABLE} for production {len(entries)} times "
            f"(ids {', '.join(entry.id for entry in entries)})",
            "vercel env ls production   # find out which one the application uses; remove none that may be needed",
        )
    wrapped = _wrapped(variables, entries[0]) if entries else None
    named = in_production(listed, KEY_VARIABLE)
    key_arn = _value(variables, named[0]) if len(named) == 1 else None
    claim = FINGERPRINT.search(entries[0].comment) if entries and wrapped is None else None
    return FoundDataKey(
        wrapped=wrapped, there=bool(entries), key_arn=key_arn, claimed=claim[0] if claim is not None else None
    )


def name_data_key(variables: Variables, wrapped: WrappedDataKey) -> None:
    """Write into the comment of a data key that Vercel does not tell, that it is this one. Its value is left alone.

    For a person's word, which was proved against the KMS key: a delivery knows by the comment whose it is.
    Raises DataKeyConflict where the comment names another.
    """
    entries = in_production(variables.list(), DATA_KEY_VARIABLE)
    if len(entries) != 1:
        raise DataKeyConflict(
            f"{variables.owner} has {DATA_KEY_VARIABLE} for production {len(entries)} times, and had it once",
            "vercel env ls production   # find out who changes it, then run the same command again",
        )
    claim = FINGERPRINT.search(entries[0].comment)
    if claim is not None and claim[0] == wrapped.fingerprint:
        return
    if claim is not None:
        raise DataKeyConflict(
            f"{DATA_KEY_VARIABLE} in production of {variables.owner} is {claim[0]} by its comment, "
            f"not {wrapped.fingerprint}; nothing was overwritten",
            "find out which of the two the application's records are under",
        )
    variables.comment(entries[0], data_key_comment(wrapped))


def _wrapped(variables: Variables, entry: ListedVariable) -> WrappedDataKey | None:
    value = _value(variables, entry)
    if value is None:
        return None
    try:
        return WrappedDataKey(value=value)
    except MalformedDataKey as error:
        # Not mended here: the application may read it all the same, and the delivery would take it for another key.
        raise DataKeyConflict(
            f"{DATA_KEY_VARIABLE} in production of {variables.owner} cannot be a wrapped data key: {error}",
            f"set it again as it was printed when it was made: vercel env update {DATA_KEY_VARIABLE} production",
        ) from None


def _value(variables: Variables, entry: ListedVariable) -> str | None:
    if entry.type in _NOT_TOLD:
        return None
    # An empty value may be one that is not told.
    return entry.value or variables.decrypt(entry)
