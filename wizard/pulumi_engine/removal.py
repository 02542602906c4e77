"""Deletes the resources of a stack: of an environment, where what is kept only leaves the state, or of a rehearsal.

Touches the stack's state in its backend, and through Pulumi what the stack has in the account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard.core.errors import ResourceError
from wizard.core.next_command import shell
from wizard.pulumi_engine.plan import names_of, without_protection

if TYPE_CHECKING:
    from wizard.pulumi_engine.events import Watch
    from wizard.pulumi_engine.workspace import EngineWorkspace


def of_stack(project: EngineWorkspace, stack: str, watch: Watch) -> None:
    """Delete what may be deleted; raises ResourceError before that for what is protected and not retained."""
    # As `pulumi import` leaves a resource, until the next update: without its protection it would be deleted.
    resources = project.export(stack).get("deployment") or {}
    exposed = [
        resource["urn"].rsplit("::", 1)[-1]
        for resource in resources.get("resources") or ()
        if resource.get("protect") and not resource.get("retainOnDelete")
    ]
    if exposed:
        raise ResourceError(
            "nothing was deleted: these resources are protected, but the state does not say that they stay in "
            f"the account: {', '.join(exposed)}",
            shell("pulumi", "up", "--stack", stack, advice="says so; then run the same command again"),
        )
    # Each protected resource is retained: it leaves the state, and stays in the account.
    project.run("state", "unprotect", "--all", "--yes", "--stack", stack)
    project.stack(stack).destroy(on_event=watch, remove=False)


def of_rehearsal(project: EngineWorkspace, stack: str, watch: Watch) -> list[tuple[str, dict[str, list[str]]]]:
    """Delete everything, and the stack; the names of the inputs and outputs of each resource.

    Raises ResourceError, before that, for a resource of another environment.
    """
    from pulumi.automation import Deployment

    handle, exported = project.stack(stack), project.export(stack)
    edited = without_protection(stack, exported.get("deployment") or {})
    handle.import_stack(Deployment(version=exported.get("version"), deployment=edited))
    handle.destroy(on_event=watch, remove=False)
    project.run("stack", "rm", "--yes", "--stack", stack)
    return list(names_of(edited))
