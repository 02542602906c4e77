"""The data key that production may have from its team, as a shared variable linked to the project.

Touches the network through `wizard/vercel_variables.py` only; reads.
"""

from __future__ import annotations

from components.contract import DATA_KEY_VARIABLE
from wizard.datakey import WrappedDataKey
from wizard.vercel_standing import ListedVariable, data_key_identity, in_production
from wizard.vercel_variables import Variables


def shared_data_key(
    variables: Variables,
    listed: tuple[ListedVariable, ...],
    wrapped: WrappedDataKey | None,
    replaceable: frozenset[str] = frozenset(),
) -> str | None:
    """Whether production has its data key from the team, and not known to be `wrapped` or `replaceable`; in words.

    A data key of the project's own would go before it, and production's records would no longer open.
    """
    if in_production(listed, DATA_KEY_VARIABLE):
        return None
    for entry in in_production(variables.shared(), DATA_KEY_VARIABLE):
        ours = frozenset() if wrapped is None else replaceable | {wrapped.fingerprint}
        if data_key_identity(entry, variables.decrypt_shared) not in ours:
            return (
                f"{variables.owner}: production has the {DATA_KEY_VARIABLE} that the team shares (id {entry.id}); one"
                " of the project's own would go before it, and it may be the only key to records that exist"
            )
    return None
