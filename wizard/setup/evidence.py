"""The evidence at the end of a run: the checklist, of what the account says now, and of the run's own verifications.

Reads the account through the facts of the stack, and changes nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from components.policies.requirements import Topic
from components.settings import Outputs, Settings
from wizard.account import judgements
from wizard.account.facts import StackFacts
from wizard.account.notices import Notice, State
from wizard.account.views import ChecklistEntry, Diagnosis, diagnose, item_of, judgements_of
from wizard.core import retry
from wizard.core.clients import Clients
from wizard.core.errors import known
from wizard.core.models.delivery import Verification, VerificationState
from wizard.setup import deliver_and_verify
from wizard.setup.steps import PreparedRun

TOPICS = (
    Topic.KEY,
    Topic.KEY_POLICY,
    Topic.OTHERS,
    Topic.APPLICATION_POLICY,
    Topic.ROTATION,
    Topic.TRAIL,
    Topic.DATA_KEY,
    Topic.REVIEW,
)
"""The items that the account, and the signed reviews, decide."""


def facts_of(clients: Clients, ready: PreparedRun, outputs: Outputs) -> StackFacts:
    """The facts of the stack after the update."""
    # As the update has left it: reading it again would take seconds.
    state = replace(ready.findings.state, exists=True, has_key=True, outputs=outputs)
    return StackFacts(
        stack=ready.stack,
        settings=ready.settings,
        aws=ready.aws,
        sources=clients,
        open_engine=lambda: ready.engine,
        vercel=ready.vercel,
        readers={"state": lambda: state, "project": lambda: ready.findings.project},
    )


def read_ahead(clients: Clients, ready: PreparedRun, outputs: Outputs) -> StackFacts:
    """The facts of a stack that this run does not change. Those that its end needs are read in the background."""
    facts, context = facts_of(clients, ready, outputs), deliver_and_verify.context_of(ready, outputs)

    def read_all() -> None:
        retry.give_way()
        retry.together(
            lambda: facts.last_backup,
            partial(read, facts),
            partial(deliver_and_verify.proofs_ahead, clients, facts, context),
        )

    retry.ahead(read_all)
    return facts


def read(facts: StackFacts) -> Diagnosis:
    """What the account says of the items that it decides; judged once."""
    return known(facts.once("evidence", lambda: diagnose(facts, judgements_of(TOPICS, judgements.ALL_CHECKS))))


def is_all_good(diagnosis: Diagnosis) -> bool:
    """Whether nothing in it is wrong or unknown."""
    return not any(notice.state in (State.WRONG, State.UNKNOWN) for notice in diagnosis.notices)


def checklist(diagnosis: Diagnosis, proofs: Sequence[Verification], settings: Settings) -> tuple[ChecklistEntry, ...]:
    """The nine items of a set-up."""
    notices = (*diagnosis.notices, *_of_this_run(proofs))
    return tuple(
        item_of(topic, notices, settings, diagnosis.stack) for topic in (*TOPICS[:-1], Topic.APPLICATION, Topic.REVIEW)
    )


def _of_this_run(proofs: Sequence[Verification]) -> Iterator[Notice]:
    """What the run has verified itself: no verification replaces the application's own use of the key."""
    bears_on = ("application-tested",)
    rest = "deploy, and save a record in the application"
    failed = [proof for proof in proofs if proof.state is VerificationState.FAILED]
    incomplete = [proof for proof in proofs if proof.state is not VerificationState.PROVED]
    if failed:
        yield Notice.wrong("proof-failed", failed[0].detail, why="", requirements=bears_on)
    elif incomplete:
        yield Notice.person(f"{incomplete[0].target}: {incomplete[0].detail}; {rest}", requirements=bears_on)
    elif proofs:
        yield Notice.person(f"verified as {proofs[0].principal} at {proofs[0].at}; now {rest}", requirements=bears_on)
    else:
        yield Notice.person(f"nothing was delivered in this run; {rest}", requirements=bears_on)
