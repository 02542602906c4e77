"""The stack itself: whether it is built, whether its backend answers, what an interrupted update left behind.

Pure: reads through the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator

from wizard.doctor import remedies
from wizard.doctor.evidence import Evidence
from wizard.doctor.finding import Finding, Told, Unlooked, Well
from wizard.errors import CredentialsError, SetupError, StackBusy
from wizard.facts import KeyFact


def of_the_stack(evidence: Evidence) -> Iterator[Told]:
    """Its state, as the backend has it."""
    state = evidence.state
    name = evidence.stack
    if isinstance(state, (CredentialsError, StackBusy)):
        yield Unlooked.of(f"the state of the stack {name}", state)
        return
    if isinstance(state, SetupError):
        yield Finding(
            cause="backend-unreachable",
            what=f"Pulumi's state of the stack {name} cannot be read: {state.message}",
            why="what was built is remembered there; nothing can be changed or put back without it",
            command=state.hint,
        )
        return
    if not state.has_key:
        yield _unbuilt(evidence)
        return
    if state.pending:
        what = ", ".join(f"{step.op} {step.name}" for step in state.pending)
        yield Finding(
            cause="stack-pending-operations",
            what=f"an interrupted update of {name} left behind: {what}",
            why="whether these happened is not in the state; Pulumi refuses to go on before that is settled",
            command=remedies.wizard(evidence, "setup", "--yes"),
        )
        return
    yield Well(what=f"the state of the stack {name} is there, and no update was interrupted")


def _unbuilt(evidence: Evidence) -> Finding:
    alias = evidence.alias_target
    if isinstance(alias, KeyFact):
        return Finding(
            cause="stack-state-lost",
            what=f"{evidence.settings.names.alias} points to {alias.arn}, and the state of {evidence.stack} has no key",
            why="the state was lost, or is kept in another backend than this one",
            command=remedies.wizard(evidence, "setup", "--adopt", "--repair", "all", "--yes"),
            then="if the state is in another backend: pulumi login to that one instead",
        )
    return Finding(
        cause="stack-not-built",
        what=f"the stack {evidence.stack} has settings, and nothing is built",
        why="the state of Pulumi has no key",
        command=remedies.wizard(evidence, "setup", "--yes"),
    )
