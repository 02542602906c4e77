"""The application's three variables as a project has them, with what Vercel tells of each.

Touches the network through `wizard/vercel_variables.py` only; reads.
"""

from __future__ import annotations

from components.contract import DATA_KEY_VARIABLE
from wizard.datakey import FINGERPRINT
from wizard.facts_symptoms import SeenVariable
from wizard.vercel_standing import ListedVariable
from wizard.vercel_variables import Variables

NAMES = (DATA_KEY_VARIABLE, "AWS_KMS_KEY_ID", "AWS_REGION")


def see(variables: Variables) -> tuple[SeenVariable, ...]:
    """Every entry of the three names, for whichever environments."""
    return tuple(_seen(variables, each) for each in variables.list() if each.key in NAMES)


def _seen(variables: Variables, entry: ListedVariable) -> SeenVariable:
    claim = FINGERPRINT.search(entry.comment)
    # Of the data keys of other environments nothing is asked.
    is_ours = entry.in_production and entry.type != "sensitive"
    return SeenVariable(
        name=entry.key,
        place=f"{variables.owner} (id {entry.id})",
        in_production=entry.in_production,
        elsewhere=entry.elsewhere,
        type=entry.type,
        claimed=claim[0] if claim else None,
        value=(entry.value or variables.told(entry)) if is_ours else None,
        id=entry.id,
    )
