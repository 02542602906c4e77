"""The data key that an environment has from somewhere wider: shared by the team, or, on a branch, preview's.

Touches the network through `wizard/vercel_variables.py` only; reads.
"""

from __future__ import annotations

from components.contract import DATA_KEY_VARIABLE
from wizard.datakey import WrappedDataKey
from wizard.facts_scope import PRODUCTION, Scope
from wizard.vercel_standing import ListedVariable, Read, data_key_identity, seen
from wizard.vercel_variables import Variables


def inherited_data_key(
    variables: Variables,
    listed: tuple[ListedVariable, ...],
    wrapped: WrappedDataKey | None,
    read: Read,
    *,
    replaceable: frozenset[str] = frozenset(),
    scope: Scope = PRODUCTION,
) -> str | None:
    """Whether the scope has a data key from elsewhere that is not known to be `wrapped` or `replaceable`; in words.

    A data key of its own would go before it, and the records of what is deployed there would no longer open.
    """
    if seen(listed, DATA_KEY_VARIABLE, scope):
        return None
    ours = frozenset() if wrapped is None else replaceable | {wrapped.fingerprint}
    if scope.branch:
        # https://vercel.com/docs/environment-variables#preview-environment-variables
        for entry in seen(listed, DATA_KEY_VARIABLE, Scope(environment=scope.environment)):
            if data_key_identity(entry, read) not in ours:
                return _words(variables, scope, f"the {DATA_KEY_VARIABLE} of all of {scope.environment}", entry)
    for entry in seen(variables.shared(), DATA_KEY_VARIABLE, scope):
        if data_key_identity(entry, variables.decrypt_shared) not in ours:
            return _words(variables, scope, f"the {DATA_KEY_VARIABLE} that the team shares", entry)
    return None


def _words(variables: Variables, scope: Scope, which: str, entry: ListedVariable) -> str:
    return (
        f"{variables.owner}: {scope.words} has {which} (id {entry.id}); one of its own would go before it, and it may"
        " be the only key to records that exist"
    )
