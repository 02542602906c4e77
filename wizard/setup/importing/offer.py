"""The adoption as a person is offered it: what is there, how it differs, and what of it may be changed.

Pure: speaks through the Protocol of the terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from components.settings import ImportGroup
from wizard.core.models.inputs import Choice
from wizard.core.models.stack import Mark
from wizard.core.ports.run import UserInterface
from wizard.inputs.registry import by_key
from wizard.setup.importing import importing
from wizard.setup.importing.data_key import NONE_YET
from wizard.setup.importing.discovery import ImportRequest
from wizard.setup.preflight.checks import Findings


def wish(values: Mapping[str, Any]) -> ImportRequest:
    """What the answers say about an adoption that was asked for."""
    chosen = values.get("repair") or ()
    return ImportRequest(
        repaired=tuple(part for part in ImportGroup if "all" in chosen or part in chosen),
        named=tuple(part for part in ImportGroup if part in chosen),
        data_key=values.get("encrypted_phi_key"),
    )


def offer(ui: UserInterface, values: Mapping[str, Any], findings: Findings) -> ImportRequest | None:
    """What was created manually, shown to a person, who may have it taken in, and says what of it may be changed."""
    ui.section("Created manually", "found under the names that the stack would take; nothing was touched")
    for thing in findings.discovered.things:
        ui.line(f"{thing.thing}: {thing.arn}", mark=Mark.INFO)
    if findings.differences:
        ui.table(importing.table(findings.differences), headings=importing.HEADINGS)
    why = "Nothing is made twice and nothing is replaced: what is there becomes the stack's."
    if not ui.confirm("Take it into the stack?", default=True, why=why):
        return None
    answers = dict(values)
    parts = importing.import_groups(findings.discovered)
    if parts and not answers.get("repair"):
        shared = findings.left_unless_agreed
        choices = [
            Choice(
                value=part,
                title=part.replace("-", " "),
                checked=part not in shared,
                note="others use it too, and would be cut off" if part in shared else "",
            )
            for part in parts
        ]
        agreed = tuple(part for part in parts if part not in shared)
        answers["repair"] = ui.ask(by_key["repair"].question(choices, agreed)) or ("none",)
    if not answers.get("encrypted_phi_key") and findings.data_key_untold:
        question = by_key["encrypted_phi_key"].question()
        if not findings.data_key_hidden:
            word = NONE_YET
            question = replace(question, why=f"Nothing tells it. Only if there never was one, type {word}: it is made.")
        answers["encrypted_phi_key"] = ui.ask(question)
    return wish(answers)
