"""The data key that somebody set on Vercel by hand, as far as Vercel tells it.

Touches the network through `wizard/vercel_variables.py` only; reads, and writes nothing.
"""

from __future__ import annotations

from components.contract import DATA_KEY_VARIABLE
from wizard.datakey import MalformedDataKey, WrappedDataKey
from wizard.errors import DataKeyConflict
from wizard.facts import FoundDataKey
from wizard.vercel_standing import ListedVariable, in_production
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
    return FoundDataKey(wrapped=wrapped, there=bool(entries), key_arn=key_arn)


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
