"""The stack itself: whether it is built, whether its backend answers, what an interrupted update left behind.

Pure: reads through the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wizard.commands.doctor import fixes
from wizard.commands.doctor.context import CheckContext
from wizard.commands.doctor.diagnosis import Check, Finding, NotChecked, Passed, Told
from wizard.core.errors import CredentialsError, SetupError, StackBusy
from wizard.core.models.account import KeyFact
from wizard.core.models.stack import Drift, DriftKind
from wizard.setup.preflight.resource_conflicts import taken, with_existing_provider


def of_the_stack(evidence: CheckContext) -> Iterator[Told]:
    """Its state, as the backend has it."""
    state = evidence.state
    name = evidence.stack
    if isinstance(state, (CredentialsError, StackBusy)):
        yield NotChecked.of(f"the state of the stack {name}", state)
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
            command=fixes.wizard(evidence, "setup", "--yes"),
        )
        return
    yield Passed(what=f"the state of the stack {name} is there, and no update was interrupted")


def _unbuilt(evidence: CheckContext) -> Finding:
    alias = evidence.alias_target
    if isinstance(alias, KeyFact):
        return Finding(
            cause="stack-state-lost",
            what=f"{evidence.settings.names.alias} points to {alias.arn}, and the state of {evidence.stack} has no key",
            why="the state was lost, or is kept in another backend than this one",
            command=fixes.wizard(evidence, "setup", "--adopt", "--repair", "all", "--yes"),
            then="if the state is in another backend: pulumi login to that one instead",
        )
    return Finding(
        cause="stack-not-built",
        what=f"the stack {evidence.stack} has settings, and nothing is built",
        why="the state of Pulumi has no key",
        command=fixes.wizard(evidence, "setup", "--yes"),
    )


COMPARISON = "settings, state and account against each other (pulumi preview --refresh)"

_TOLD = 6
"""Resources that are told by name."""


def of_the_drift(evidence: CheckContext) -> Iterator[Told]:
    """What an update would not leave as it is."""
    if evidence.outputs is None:
        return  # Told by the check of the stack.
    compared = evidence.once("comparison", lambda: evidence.found.engine.compare(evidence.stack))
    if isinstance(compared, SetupError):
        yield NotChecked.of(COMPARISON, compared)
        return
    drifted = [each for each in compared if each.kind in (DriftKind.GONE, DriftKind.CHANGED)]
    wanted = [each for each in compared if each.kind is DriftKind.WANTED]
    unknown = [each for each in compared if each.kind is DriftKind.UNKNOWN]
    if drifted:
        yield Finding(
            cause="stack-drifted",
            what=f"changed beside the stack: {_in_words(drifted)}",
            why="the account is not as Pulumi's state has it; `pulumi preview --refresh --diff` tells each value",
            command=fixes.by_urn(evidence, [each.urn for each in drifted]),
        )
    lost = [*_lost(evidence)] if unknown else []
    if lost:
        yield Finding(
            cause="stack-state-lost",
            what=f"the state of {evidence.stack} has lost what the account has: {', '.join(lost)}",
            why="an update would try to make it a second time, and fail",
            command=fixes.wizard(evidence, "setup", "--adopt", "--repair", "all", "--yes"),
        )
    behind = [*wanted, *(() if lost else unknown)]
    if behind:
        yield Finding(
            cause="stack-behind",
            what=f"the settings were changed and not applied: {_in_words(behind)}",
            why="the account is as it was before the change; `pulumi preview --diff` tells each value",
            command=fixes.by_urn(evidence, ()),
        )
    if not compared:
        yield Passed(what="settings, state and account agree in every resource")


def _lost(evidence: CheckContext) -> Iterator[str]:
    """What has the stack's names in the account and is not in its state; nothing where the account cannot be asked."""
    existing = evidence.once("existing", lambda: evidence.aws.existing_resources.find_existing(evidence.settings))
    if isinstance(existing, SetupError) or isinstance(evidence.state, SetupError):
        return
    for problem in taken(evidence.settings, existing, evidence.state, {}):
        yield problem.what.partition(" exists already")[0].removeprefix("the ")
    # An account takes one provider of a URL: the set-up uses one that is there, and an update alone would fail.
    provider = existing.oidc_provider_arn
    if with_existing_provider(evidence.settings, existing, evidence.state, {}) != evidence.settings and provider:
        yield f"OIDC provider {provider}"


def _in_words(drifts: Sequence[Drift]) -> str:
    words = [f"{each.type.rpartition(':')[2]} {each.name} ({_how(each)})" for each in drifts]
    more = [f"and {len(words) - _TOLD} more"] if len(words) > _TOLD else []
    return ", ".join([*words[:_TOLD], *more])


def _how(drift: Drift) -> str:
    if drift.kind is DriftKind.GONE:
        return "gone"
    if drift.kind is DriftKind.UNKNOWN:
        return "not in the state"
    return ", ".join(drift.properties) or "changed"


OTHER_CHECKS: tuple[Check, ...] = (of_the_stack,)
SLOW_CHECKS: tuple[tuple[str, Check], ...] = ((COMPARISON, of_the_drift),)
"""The checks that take long, each with what it compares."""
