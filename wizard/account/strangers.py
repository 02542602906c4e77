"""Who is named by a deployed policy document and not by the settings: the last word, by the guardrails' rules.

Pure. It shares no code with the functions that write the policies, nor with the evaluation that the other judgements
use: a fault in those hides nobody here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.settings import Settings
from guardrails.rules import settings as of_pack
from guardrails.rules import statements
from guardrails.rules.table import rows_of


@dataclass(frozen=True, kw_only=True)
class Stranger:
    """A principal that a document allows something, and that neither the settings nor the stack names."""

    name: str
    """An ARN, a service, `*`."""
    actions: tuple[str, ...]


def strangers_in(settings: Settings, resource: str, document: Mapping[str, Any]) -> Iterator[Stranger]:
    """The strangers in the document of a resource of the stack, by the end of its URN, `aws:kms/key:Key::phi-key`.

    Nobody in a document that the stack does not have, or that the settings leave as it was found. Raises ValueError
    where the guardrails cannot read the settings or the document.
    """
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.to_config().items()}
    root = f"arn:{settings.partition}:iam::{{}}:root"
    type_, _, logical_name = resource.rpartition("::")
    row = rows_of(of_pack.read(texts)).get((type_, logical_name))
    for name, table in row.documents.items() if row else ():
        for who, actions in statements.strangers(statements.read(json.dumps(document)), table):
            if row and name not in row.kept:
                yield Stranger(name=root.format(who) if who.isdigit() else who, actions=actions)
