"""The checks of the stack: its backend, its state, an interrupted update, and drift.

Reads through the facts.
"""

from collections.abc import Iterator, Sequence

from components.settings.arn import Arn
from wizard.account import codes, fixes
from wizard.account.facts import StackFacts
from wizard.account.notices import Judgement, Notice, State, judgement, needed
from wizard.account.resource_conflicts import claim_of, claimed_elsewhere, resource_conflicts, with_existing_provider
from wizard.core.errors import CredentialsError, DamagedState, NoBackend, SetupError, StackBusy
from wizard.core.models.account import KeyFact
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.stack import Drift, DriftKind, StackState
from wizard.core.next_command import Text, chain, shell
from wizard.core.safe_text import first_of


@judgement()
def check_stack(facts: StackFacts) -> Iterator[Notice]:
    """Whether the state can be read, has the key, and has no pending operations."""
    state = facts.state
    name = facts.stack
    if isinstance(state, SetupError):
        yield _unread_state(facts, state)
        return
    opened = facts.backend
    if isinstance(opened, SetupError):
        yield Notice.wrong(
            "backend-unreachable",
            what=opened.message,
            why="without its passphrase and its backend the stack cannot be changed or repaired",
            hint=opened.hint,
        )
    if state.stale_lock:
        yield Notice.wrong(
            "stack-locked",
            what=f"a lock holds the stack {name}: {state.stale_lock}",
            why="its process has ended, or it is older than any update takes; nothing can be changed while it is there",
            command=shell("pulumi", "cancel", "--yes", "--stack", name),
        )
    if (second := _second_key(facts, state)) is not None:
        yield second
        return
    if not state.has_key:
        yield _no_key(facts)
        return
    if state.pending:
        what = ", ".join(f"{step.op} {step.name}" for step in state.pending)
        yield Notice.wrong(
            "stack-pending-operations",
            what=f"an update of {name} that did not finish left behind: {what}",
            why="the state does not say what of these the account has; setup reads them from the account first",
            command=fixes.eonpro(facts, "setup", "--yes"),
        )
        return
    if state.outputs is None:
        yield Notice.wrong(
            "stack-not-built",
            what=f"the set-up of the stack {name} was interrupted: {len(state.resources)} of its resources exist",
            why="no update of the stack has come to its end; setup goes on where it stopped",
            command=fixes.eonpro(facts, "setup", "--yes"),
        )
        return
    yield Notice.good(f"the state of the stack {name} exists, and no update was interrupted")


def _unread_state(facts: StackFacts, error: SetupError) -> Notice:
    why = "the state lists the stack's resources; without it nothing can be changed or repaired"
    if isinstance(error, (CredentialsError, StackBusy)):
        return Notice.unread(f"the state of the stack {facts.stack}", error)
    if isinstance(error, DamagedState):
        return Notice.wrong("stack-state-damaged", what=error.message, why=why, hint=error.hint)
    # Where this machine does not say where the state is, the environment's claim in the account does.
    owner = claimed_elsewhere(facts.aws, facts.settings, "") if isinstance(error, NoBackend) else None
    return Notice.wrong(
        "backend-unreachable",
        what=f"Pulumi's state of the stack {facts.stack} cannot be read: {error.message}",
        why=why,
        hint=owner.next if owner else error.hint,
    )


def _second_key(facts: StackFacts, state: StackState) -> Notice | None:
    """Resources that an update of an emptied stack created, while the first ones were retained in the account."""
    alias, stored, name = facts.alias_target, facts.stored_data_key, facts.stack
    if not (isinstance(alias, KeyFact) and isinstance(stored, StoredDataKey) and stored.key_arn == alias.arn):
        return None
    if not state.resources or state.pending or {alias.arn, Arn.parse(alias.arn).name} & {*state.owned}:
        return None
    keys = [entry.id for entry in state.resources if entry.type == "aws:kms/key:Key"]
    deletions = chain(*(fixes.aws(facts, "kms", "schedule-key-deletion", "--key-id", key) for key in keys))
    empty = shell("pulumi", "stack", "rm", "--force", "--yes", "--preserve-config", "--stack", name)
    return Notice.wrong(
        "stack-second-key",
        what=f"{stored.parameter} is wrapped by {alias.arn}, and the state of {name} has other resources than that key",
        why="an update of an emptied stack created them: the first key, its alias and the trail were retained",
        command=chain(empty, fixes.eonpro(facts, "setup", "--adopt", "--repair", "all", "--yes")),
        advice=Text(f"the first ones are the stack's again; no record needs the keys {', '.join(keys)}: ", deletions)
        if keys
        else "the first ones are the stack's again",
    )


def _no_key(facts: StackFacts) -> Notice:
    alias = facts.alias_target
    if isinstance(alias, KeyFact):
        backend = facts.backend
        own = claim_of(facts.stack, backend) if backend and not isinstance(backend, SetupError) else None
        if own and (elsewhere := claimed_elsewhere(facts.aws, facts.settings, own)):
            return Notice.wrong("stack-elsewhere", what=elsewhere.what, why=elsewhere.why, hint=elsewhere.next)
        return Notice.wrong(
            "stack-state-lost",
            what=f"{facts.settings.names.alias} points to {alias.arn}, but the state of {facts.stack} has no key",
            why="the state was moved, is kept in another backend than this one, or was lost: look for it first",
            command=fixes.eonpro(facts, "setup", "--adopt", "--repair", "all", "--yes"),
            advice=Text(
                "only if it is gone for good. Where it is kept elsewhere: ", shell("pulumi", "login"), " there"
            ),
        )
    return Notice.wrong(
        "stack-not-built",
        what=f"the stack {facts.stack} has settings, but is not deployed",
        why="the state of Pulumi has no key",
        command=fixes.eonpro(facts, "setup", "--yes"),
    )


COMPARISON = Text("comparison of settings, state and account (", shell("pulumi", "preview", "--refresh"), ")")

_MAX_LISTED = 6
"""The most resources in one sentence."""


@judgement()
def check_drift(facts: StackFacts, others: Sequence[Notice] = ()) -> Iterator[Notice]:
    """Whether settings, state and account agree in all that the other findings do not explain."""
    if facts.outputs is None or facts.replaced:
        return  # Reported by check_stack, and check_settings.
    drifts = needed(COMPARISON, facts.drifts)
    found = [notice for notice in others if notice.state is State.WRONG]
    compared = [drift for drift in drifts if not _explain(found, drift)]
    drifted = [drift for drift in compared if drift.kind in (DriftKind.GONE, DriftKind.CHANGED)]
    unapplied = [drift for drift in compared if drift.kind is DriftKind.UNAPPLIED]
    unknown = [drift for drift in compared if drift.kind is DriftKind.UNKNOWN]
    if drifted:
        yield Notice.wrong(
            "stack-drifted",
            what=f"changed outside the stack: {_summary(drifted)}",
            why=Text(
                "the account differs from Pulumi's state; `",
                shell("pulumi", "preview", "--refresh", "--diff"),
                "` shows each value",
            ),
            command=fixes.pulumi_up_urns(facts, [drift.urn for drift in drifted]),
        )
    lost = [*_lost(facts)] if unknown else []
    if lost:
        yield Notice.wrong(
            "stack-state-lost",
            what=f"these resources of the account are missing in the state of {facts.stack}: {', '.join(lost)}",
            why="an update would try to create them again, and fail",
            command=fixes.eonpro(facts, "setup", "--adopt", "--repair", "all", "--yes"),
        )
    behind = [*unapplied, *(() if lost else unknown)]
    if behind:
        yield Notice.wrong(
            "stack-behind",
            what=f"the settings were changed but not applied: {_summary(behind)}",
            why=Text(
                "the account is as it was before the change; `",
                shell("pulumi", "preview", "--diff"),
                "` shows each value",
            ),
            command=fixes.pulumi_up_urns(facts, ()),
        )
    if not compared:
        every = "every other resource" if drifts else "every resource"
        yield Notice.good(f"settings, state and account agree in {every}")


def _explain(findings: Sequence[Notice], drift: Drift) -> bool:
    """Whether the findings are about that difference: a command updates the resource, or the codes are about it."""
    is_updated = any(drift.urn in finding.command for finding in findings)
    return is_updated or codes.explain({finding.code for finding in findings}, drift.urn, drift.properties)


def _lost(facts: StackFacts) -> Iterator[str]:
    """The resources with the stack's names that are not in its state; none if the account cannot be read."""
    existing = facts.once("existing", lambda: facts.aws.existing_resources.find_existing(facts.settings))
    if isinstance(existing, SetupError) or isinstance(facts.state, SetupError):
        return
    for problem in resource_conflicts(facts.settings, existing, facts.state, {}):
        yield problem.what.partition(" exists already")[0].removeprefix("the ")
    # An account can have one provider for a URL: setup uses the existing one, and an update alone would fail.
    provider = existing.found.get("oidc_provider")
    if with_existing_provider(facts.settings, existing, facts.state, {}) != facts.settings and provider:
        yield f"OIDC provider {provider}"


def _summary(drifts: Sequence[Drift]) -> str:
    return first_of([drift.description for drift in drifts], _MAX_LISTED)


OTHER_CHECKS: tuple[Judgement, ...] = (check_stack,)
