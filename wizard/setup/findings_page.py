"""What the checks found, where there is no problem, as a person reads it.

Prints, and changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.settings import PROJECT, Settings, Target
from wizard.core.clients import Clients
from wizard.core.models.account import Identity
from wizard.core.models.inputs import Mark
from wizard.core.next_command import chain, eonpro, shell
from wizard.core.safe_text import counted
from wizard.setup.preflight import checks
from wizard.targets.port import deploy_targets

if TYPE_CHECKING:
    from wizard.terminal.terminal import Terminal


def show_findings(
    clients: Clients,
    stack: str,
    findings: checks.Findings,
    settings: Settings,
    identity: Identity,
    targets: tuple[Target, ...],
) -> None:
    """What the checks found, where there is no problem."""
    ui = clients.ui
    ui.own = settings.account_id, settings.region
    if not ui.interactive:
        # The interview has shown it to a person.
        ui.line(f"{identity.arn}, by {identity.source}", mark=Mark.OK)
    ui.line(f"account {identity.account_id}, {settings.region}, Pulumi {findings.engine_version}", mark=Mark.OK)
    if findings.backend:
        content = "with the key in it" if findings.state.has_key else "nothing built yet"
        ui.line(f"stack {stack}: {content}", mark=Mark.OK)
    if findings.state.has_key:
        ui.line(f"{stack} is deployed: what follows is an update of it")
        for line in clients.changes_since(findings.state.outputs.program_version if findings.state.outputs else ""):
            ui.line(line)
    if findings.project:
        ui.line(f"Vercel project {settings.vercel_team}/{findings.project.name}", mark=Mark.OK)
    if findings.stored_data_key:
        ui.line(f"ENCRYPTED_PHI_KEY exists ({findings.stored_data_key.wrapped.fingerprint}) and is kept", mark=Mark.OK)
    if findings.state.pending:
        ui.line(
            f"an earlier run did not finish; {counted(len(findings.state.pending), 'operation')} of it will be resumed",
            mark=Mark.WARN,
        )
    if findings.unrecorded:
        names = ", ".join(resource.arn for resource in findings.unrecorded)
        ui.line(
            f"AWS made these for an earlier run, and its state lacks them; they are imported: {names}", mark=Mark.WARN
        )
    _show_other_targets(ui, settings, targets)


def _show_other_targets(ui: Terminal, settings: Settings, named: tuple[Target, ...]) -> None:
    """The targets of the stack that this run does not name: they stay, and how each is removed."""
    for target in deploy_targets(settings.deploy_targets):
        if target.name not in named:
            others = [str(name) for name in settings.deploy_targets if name != target.name]
            ui.line(f"{target.title} stays, as it is: a run adds targets to those of the stack. To remove it:")
            key = f"{PROJECT}:deployTargets"
            entries = (
                shell("pulumi", "config", "set", "--path", f"{key}[{position}]", other)
                for position, other in enumerate(others)
            )
            again = eonpro("setup", "--target", ",".join(others))
            ui.verbatim(chain(shell("pulumi", "config", "rm", key), *entries, again))
