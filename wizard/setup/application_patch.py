"""`setup --application-patch FILE`: a patch of the application's own files, and nothing else.

Reads the application's folder and writes the file. Asks no service, and changes nothing of the application.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from components.settings import Settings
from components.settings.variables import VariableNames
from wizard.core import json_documents
from wizard.core.clients import Clients, Request
from wizard.core.errors import UsageError
from wizard.core.models.inputs import Mark
from wizard.core.next_command import chain, shell
from wizard.core.ports.run import UserInterface
from wizard.inputs.application.parts import KeyUse
from wizard.inputs.application.patch import Patch, make_patch, write_patch
from wizard.inputs.application_folder import detect
from wizard.inputs.registry import TARGET
from wizard.targets.port import deploy_targets

DEFAULT_FILE = "application.patch"
MOST_LINES = 30
"""The most reasons that are printed; the patch has all of them."""


def write(request: Request, clients: Clients, file: Path) -> json_documents.Document:
    """Write the patch for the stack's settings, or for the answers of a stack that has none. Raises UsageError."""
    folder = clients.application
    if folder is None:
        raise UsageError("the application's folder is not known", "name it by EONPRO_APP_FOLDER")
    return _written(clients.ui, make_patch(folder, _use(request, folder)), file)


def offer(ui: UserInterface, folder: Path, settings: Settings) -> None:
    """Ask whether to write the patch, here and now."""
    why = "It is a file for `git apply`: nothing of the application is changed before you apply it."
    if ui.confirm(f"Write these changes as a patch, to {DEFAULT_FILE}?", default=False, why=why):
        try:
            _written(ui, make_patch(folder, KeyUse.of(settings)), Path(DEFAULT_FILE))
        except UsageError as error:
            # The set-up goes on without it.
            ui.error(error)


def _use(request: Request, folder: Path) -> KeyUse:
    """How the application gets its key: by the stack's settings, else by the answers and by its files."""
    if request.saved is not None:
        return KeyUse.of(request.saved)
    answers = {key: answer.value for key, answer in request.answers.items()}
    names = answers.get(TARGET.key) or [name for name, _ in detect(folder).targets]
    use = KeyUse(
        delivered_names=VariableNames.of(answers.get("variable_names") or ()),
        region=answers.get("region") or KeyUse().region,
    )
    if not names:
        return use
    builds = any(target.builds_with_variables for target in deploy_targets(names))
    return replace(use, builds_with_variables=builds, trusts_vercel=builds and answers.get("vercel_access") != "user")


def _written(ui: UserInterface, patch: Patch, file: Path) -> json_documents.Document:
    if patch.text:
        write_patch(file, patch)
        count = len({reason.file for reason in patch.reasons})
        ui.line(f"{file}: {count} files change, each hunk with its reason; nothing was changed yet", mark=Mark.OK)
        lines = dict.fromkeys(f"  {reason.file}: {reason.text}" for reason in patch.reasons)
        for line in [*lines][:MOST_LINES]:
            ui.line(line)
        if len(lines) > MOST_LINES:
            ui.line(f"  and {len(lines) - MOST_LINES} more")
    else:
        ui.line("the application's code needs no patch", mark=Mark.OK)
    if patch.by_hand:
        ui.line("left to you (docs/application.md):", mark=Mark.WARN)
        for line in patch.by_hand:
            ui.line(f"  {line}", mark=Mark.WARN)
    if patch.text:
        git, absolute = ("git", "-C", str(patch.root), "apply"), str(file.absolute())
        ui.line("to apply it:")
        ui.verbatim(chain(shell(*git, "--check", absolute), shell(*git, absolute)))
        if patch.installs:
            ui.line("and install the packages: the lock file is not part of it (npm install)")
    return json_documents.application_patch(
        str(file.absolute()) if patch.text else None,
        root=str(patch.root),
        changes=[{"file": each.file, "line": each.line, "reason": each.text} for each in patch.reasons],
        by_hand=patch.by_hand,
    )
