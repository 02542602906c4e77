"""The update of the stack: its environment is claimed, its settings are written, and the engine changes the account.

Acts through the clients.
"""

from collections import Counter

from components.settings import Outputs
from wizard.account.resource_conflicts import claim_of, foreign_claim
from wizard.core.clients import Clients, Request
from wizard.core.errors import ResourceError
from wizard.core.models.inputs import Mark, StepState
from wizard.core.models.stack import Progress
from wizard.inputs import answers_file
from wizard.setup import plan
from wizard.setup.steps import PreparedRun


def _claim_environment(ready: PreparedRun) -> None:
    """Claim the environment for this stack, before its first resource. Raises ResourceError where it is another's.

    Two runs on different backends both see an empty account, and no lock of Pulumi keeps them apart.
    """
    settings, findings = ready.settings, ready.findings
    if findings.state.has_key:
        return
    own = claim_of(ready.stack, findings.backend)
    owner = ready.aws.stored_data_keys.claim(settings.names.claim, own, tags=settings.tags)
    if problem := foreign_claim(settings, owner, own):
        raise ResourceError(f"nothing was created: {problem.what}", problem.next)


def update(request: Request, clients: Clients, ready: PreparedRun, planned: plan.Plan) -> Outputs:
    """Apply the confirmed plan; claims the environment and writes the stack's settings first."""
    _claim_environment(ready)
    ready.engine.write_settings(request.stack)
    # The stack's configuration holds the answers now; in the draft they would override later changes of it.
    answers_file.save_draft(request, clients, answers_file.PLANNED, ready.answers)
    outputs = ready.findings.state.outputs
    if not planned.changes and outputs is not None:
        clients.ui.line("no resource has to be changed", mark=Mark.OK)
        if not clients.changes_since(outputs.program_version):
            return outputs
        # An update alone records the version in the state: without it an older program would not be refused.
        clients.ui.line("Pulumi records this version of the program", mark=Mark.OK)
    else:
        clients.ui.section("Resources", "Ctrl-C ends this safely")
    clients.ui.working("Pulumi starts")
    progress = ResourceProgress(clients)
    # The session may have expired while the plan waited for its confirmation.
    ready.engine.renew(ready.aws.environment())
    outputs = ready.engine.up(request.stack, progress)
    progress.show()
    if ready.findings.state.pending or ready.findings.unrecorded:
        # The state was once wrong about these resources: the account says whether the update repaired them.
        clients.ui.working("Pulumi compares the account with its state")
        if drifts := ready.engine.compare(request.stack):
            raise ResourceError(
                "the update ended, but the account is not as planned: "
                + ", ".join(drift.description for drift in drifts),
                "run the same command again; if it stays so, find out who else changes these resources",
            )
    return outputs


class ResourceProgress:
    """Shows what an update is doing, and at its end what it did."""

    def __init__(self, clients: Clients) -> None:
        self._ui, self._clock = clients.ui, clients.clock
        self._began = self._clock()
        self._started: dict[str, float] = {}
        self._done: Counter[str] = Counter()

    def __call__(self, progress: Progress) -> None:
        started = self._started.setdefault(progress.step.urn, self._clock())
        if progress.step.op not in plan.QUIET:
            self._ui.progress(progress, self._clock() - started)
        if progress.state is StepState.DONE and plan.changing((progress.step,)):
            self._done[plan.word(progress.step)] += 1

    def show(self) -> None:
        """Say how many resources it created, updated or deleted; nothing for none."""
        words = ", ".join(f"{count} {op.removesuffix('e')}ed" for op, count in sorted(self._done.items()))
        if words:
            self._ui.line(f"resources: {words}, in {self._clock() - self._began:.0f} s", mark=Mark.OK)
