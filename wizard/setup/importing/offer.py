"""The offer to import existing resources: what exists, how it differs, and what to repair.

Asks at the terminal through its port.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from components.settings import ImportGroup
from wizard.core.models.inputs import Choice, Mark
from wizard.core.ports.run import UserInterface
from wizard.inputs.registry import by_key
from wizard.setup.importing import discovery
from wizard.setup.importing.data_key import NONE_YET
from wizard.setup.importing.discovery import ImportRequest
from wizard.setup.preflight.checks import Findings


def import_request(values: Mapping[str, Any]) -> ImportRequest:
    chosen = values.get("repair") or ()
    return ImportRequest(
        repaired=tuple(part for part in ImportGroup if "all" in chosen or part in chosen),
        named=tuple(part for part in ImportGroup if part in chosen),
        data_key=values.get("encrypted_phi_key"),
    )


def offer(ui: UserInterface, values: Mapping[str, Any], findings: Findings) -> ImportRequest | None:
    """Show what was created manually; the person's import request, None if they decline."""
    ui.section("Created manually", "found under the names that the stack would take; nothing was touched")
    for resource in findings.discovered.things:
        ui.line(f"{resource.thing}: {resource.arn}", mark=Mark.INFO)
    if findings.differences:
        ui.table(discovery.table(findings.differences), headings=discovery.HEADINGS)
    why = "Nothing is made twice and nothing is replaced: what is there becomes the stack's."
    if not ui.confirm("Take it into the stack?", default=True, why=why):
        return None
    answers = dict(values)
    parts = discovery.import_groups(findings.discovered)
    if parts and not answers.get("repair"):
        shared = findings.shared_groups
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
    if not answers.get("encrypted_phi_key") and findings.is_data_key_unknown:
        question = by_key["encrypted_phi_key"].question()
        if not findings.data_key_hidden:
            why = f"It is not known. Only if there never was one, type {NONE_YET}: a new one is made."
            question = replace(question, why=why)
        answers["encrypted_phi_key"] = ui.ask(question)
    return import_request(answers)
