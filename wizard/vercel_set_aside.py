"""A data key of somebody else's is set aside on Vercel: out of production's way, its value untouched.

Touches the network through `wizard/vercel_variables.py` only; renames one variable, or takes production out of it.
"""

from __future__ import annotations

from datetime import date

from components.contract import DATA_KEY_VARIABLE
from wizard.datakey import WrappedDataKey
from wizard.errors import DataKeyConflict, UsageError
from wizard.vercel_standing import PRODUCTION, data_key_identity, in_production
from wizard.vercel_variables import Variables


def set_aside(variables: Variables, id: str, *, escrowed: WrappedDataKey, today: date) -> str:
    """What became of it, in words. Nothing is deleted and no value is read or written.

    Raises UsageError where production has no such variable, DataKeyConflict for the escrowed data key itself.
    """
    listed = variables.list()
    entry = next((each for each in in_production(listed, DATA_KEY_VARIABLE) if each.id == id), None)
    if entry is None:
        raise UsageError(
            f"{variables.owner} has no {DATA_KEY_VARIABLE} {id} in production; nothing was changed",
            "python -m wizard doctor   # it names the one that is in the way",
        )
    if data_key_identity(entry, variables.decrypt) == escrowed.fingerprint:
        raise DataKeyConflict(
            f"{DATA_KEY_VARIABLE} {id} is the escrowed data key {escrowed.fingerprint}; nothing was changed",
            "python -m wizard push",
        )
    if entry.elsewhere:
        others = [target for target in entry.targets if target != PRODUCTION]
        variables.set_aside(entry, {"target": others})
        return f"{DATA_KEY_VARIABLE} {id} serves {', '.join(entry.elsewhere)} as before, and production no more"
    name = f"{DATA_KEY_VARIABLE}_ASIDE_{today:%Y%m%d}_{entry.id[-4:]}"
    variables.set_aside(entry, {"key": name})
    return f"{DATA_KEY_VARIABLE} {id} is now {name}, with its value"
