"""Ctrl-C at a terminal in every phase of a set-up, one after another in one deployment: each run resumes the former.

Touches a deployment of its own. The moment of each is a call that arrived and is held up, never a time.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.onboarding.deployment import STORED_KEY, CompletedCommand, Deployment, running_deployment, until
from tests.onboarding.screen_waits import ended, shows
from tests.terminal.person import CTRL_C, ENTER, SPACE, WIZARD, Person, asked

pytestmark = pytest.mark.thorough

LAST_PAGE = "Apply this plan?"
THE_PUSH = "vercel:POST"
GRACE_SECONDS = 10.0
DATA_KEY = "kms:GenerateDataKeyWithoutPlaintext"

MADE_BY = {
    "aws:kms/key:Key": "kms:CreateKey",
    "aws:kms/alias:Alias": "kms:CreateAlias",
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": "iam:CreateOpenIDConnectProvider",
    "aws:iam/role:Role": "iam:CreateRole",
    "aws:iam/policy:Policy": "iam:CreatePolicy",
    "aws:s3/bucket:Bucket": "s3:CreateBucket",
    "aws:cloudtrail/trail:Trail": "cloudtrail:CreateTrail",
    "aws:sns/topic:Topic": "sns:CreateTopic",
}
"""The types of which AWS would make a second one, or refuse it, and the call that makes one."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A phase of the set-up, and the call of it that is held up."""

    name: str
    call: str
    code: int = 130
    skip: int = 0
    """Calls of the same name that come before it."""
    after_the_last_page: bool = True


BEFORE_ALL_IS_BUILT = (
    Phase(name="checks", call="servicequotas:GetServiceQuota", after_the_last_page=False),
    Phase(name="preview", call="sts:GetCallerIdentity", skip=1, after_the_last_page=False),
    Phase(name="update, the key", call="kms:CreateKey", code=8),
    # The trail stands on it, so that none is made beside it.
    Phase(name="update, half of it", call="s3:PutBucketPolicy", code=8),
    Phase(name="update, the trail", call="cloudtrail:CreateTrail", code=8),
    Phase(name="data key", call=DATA_KEY),
    Phase(name="stored data key", call="ssm:PutParameter"),
)
PROOF = Phase(name="proof", call="kms:Decrypt")
# Of the trail there is one; both buckets are read at the same time.
EVIDENCE = Phase(name="evidence", call="cloudtrail:GetEventSelectors")
PHASES = (*BEFORE_ALL_IS_BUILT, Phase(name="delivery", call=THE_PUSH), PROOF, EVIDENCE)
NAMES = tuple(phase.name for phase in PHASES)
UPDATES = tuple(phase.name for phase in BEFORE_ALL_IS_BUILT if phase.code == 8)
ALONE = tuple(name for name in NAMES if name not in UPDATES)


@dataclass(frozen=True, kw_only=True)
class Left:
    """A run that was left in a phase: how it ended, and what was there when the call that it waited for was over."""

    phase: Phase
    code: int
    is_sane: bool
    words: str = field(repr=False)
    questions: tuple[str, ...]
    tries: int
    """How often the call that was held up had been made by then."""
    running: tuple[str, ...]
    """What it had started and was still there when it had ended."""
    locks: tuple[str, ...]
    pending: tuple[Any, ...]
    """The operations of which the engine's state does not know how they ended."""
    changes: Counter[str]
    """The calls that change something, since the deployment opened."""
    parameters: Mapping[str, str]
    variables: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Chain:
    """All that was left, and the run that nothing disturbed afterwards."""

    deployment: Deployment
    left: dict[str, Left]
    completed: CompletedCommand
    changes: Counter[str]

    def changed_since(self, name: str) -> Counter[str]:
        """The calls that change something, of all the runs after the one that was left in a phase."""
        return self.changes - self.left[name].changes


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """A deployment where a person pressed Ctrl-C in each phase; then the same command without a person."""
    with running_deployment(tmp_path_factory.mktemp("ctrl-c")) as deployment:
        left = {phase.name: leave(deployment, phase) for phase in PHASES}
        completed = deployment.wizard("--stack", "production", "--yes", "--json")
        yield Chain(deployment=deployment, left=left, completed=completed, changes=deployment.changes())


def leave(deployment: Deployment, phase: Phase) -> Left:
    """Start the set-up, answer what it asks, and press Ctrl-C while the phase waits for its call."""
    held = None if phase.after_the_last_page else hold(deployment, phase)
    person = Person(WIZARD, folder=deployment.folder, environment=deployment.before_a_person())
    try:
        if held is not None:
            _answer(person, phase)
        if held is None:
            shows(person, LAST_PAGE)
            held = hold(deployment, phase)
            person.type(ENTER)
        try:
            until(lambda: held() or (person.goes_on(0) and False), what=f"{phase.call}, in the phase {phase.name}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{person.shown}") from error
        person.type(CTRL_C)
        if phase.code == 8:
            shows(person, "Pulumi finishes the current operation and saves its state; please wait")
            # A second one must not make the engine drop what is under way.
            person.type(CTRL_C)
            deployment.no_more_faults()
        code = ended(person)
    finally:
        person.kill()
    tries, running, known = held(), left_running(person), len(deployment.parameters())
    deployment.no_more_faults()
    # What was on its way to AWS or Vercel arrives there, whoever has left meanwhile.
    if phase.call == "ssm:PutParameter":
        until(lambda: len(deployment.parameters()) > known, what="the parameter that nobody heard of")
    if phase.call == THE_PUSH:
        until(deployment.variables, what="the variables that nobody heard of")
    return Left(
        phase=phase,
        code=code,
        is_sane=person.is_sane,
        words=person.words,
        questions=tuple(line.removeprefix("? ").partition("?")[0] + "?" for line in asked(person.transcript, 80)),
        tries=tries,
        running=running,
        locks=tuple(str(file) for file in backend(deployment, "locks/**/*.json")),
        pending=tuple(pending(deployment)),
        changes=deployment.changes(),
        parameters=deployment.parameters(),
        variables=frozenset(deployment.variables()),
    )


FIRST_RUN = (
    *("Where does the application run?", "Which AWS account?", "Which Region?", "Who administers the key?"),
    "Who gets the alerts?",
)


def _answer(person: Person, phase: Phase) -> None:
    if phase.name == "preview":
        shows(person, "Go on with it?")
        person.type(ENTER)
        return
    shows(person, "Where does the application run?")
    person.type(SPACE + ENTER)
    for question in FIRST_RUN[1:]:
        shows(person, question)
        person.type(ENTER)


def hold(deployment: Deployment, phase: Phase) -> Callable[[], int]:
    """Hold the phase's call up; the answer tells how often it has come."""
    if phase.call == THE_PUSH:
        deployment.vercel_fault(kind="hold", method="POST", path="/env", seconds=600)
        return lambda: sum(count for call, count in deployment.changes().items() if call.startswith(THE_PUSH))
    service, _, operation = phase.call.partition(":")
    # A check asks KMS by a dry run; a first delivery decrypts.
    names = (phase.call, f"{service}:DryRun-{operation}")

    def calls() -> int:
        return sum(deployment.calls()[name] for name in names)

    before = calls() + phase.skip
    deployment.fault(service=service, operation=operation, kind="hang", skip=phase.skip, times=99, seconds=600)
    return lambda: max(calls() - before, 0)


def left_running(person: Person) -> tuple[str, ...]:
    """What a person's program left running: a child that nobody needs any more has a moment to see that."""
    deadline = time.monotonic() + GRACE_SECONDS
    while (found := tuple(started_by(person))) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def started_by(person: Person) -> Iterator[str]:
    """The programs of a person's session that are still there."""
    listed = subprocess.run(["ps", "-A", "-o", "sess=,stat=,args="], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        session, state, command = line.split(None, 2)
        if int(session) == person._child.pid and not state.startswith("Z"):
            yield command


def backend(deployment: Deployment, pattern: str) -> list[Any]:
    """The files of the state's backend."""
    return sorted((deployment.root / "sandbox" / "backend" / ".pulumi").glob(pattern))


def pending(deployment: Deployment) -> Iterator[Any]:
    for file in backend(deployment, "stacks/**/production.json"):
        yield from json.loads(file.read_text())["checkpoint"]["latest"].get("pending_operations") or ()


# --- how each ends ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_it_ends_as_is_written_and_tells_the_way_back(chain: Chain, name: str):
    left = chain.left[name]
    assert left.code == left.phase.code, left.words
    assert "interrupted" in left.words and "run the same command again" in left.words
    # A second word about it, or Python's own, would make anybody doubt the first.
    assert not [noise for noise in ("Traceback", "Warning:", "Error:") if noise in left.words], left.words
    assert left.is_sane


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_left_running_or_locked_or_half_known(chain: Chain, name: str):
    left = chain.left[name]
    assert left.running == ()
    assert (left.locks, left.pending) == ((), ())


@pytest.mark.parametrize("name", ALONE)
def test_nobody_is_kept_by_a_call_that_does_not_end(chain: Chain, name: str):
    # Who waits for its time-out tries it again.
    assert chain.left[name].tries == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_data_key_is_there_whole_or_not_at_all(chain: Chain, name: str):
    left, position = chain.left[name], NAMES.index(name)
    assert (STORED_KEY in left.parameters) == (position >= NAMES.index("stored data key"))
    assert len(left.variables) == 3 * int(position >= NAMES.index("delivery"))


def test_nothing_is_made_before_the_last_page(chain: Chain):
    for name in ("checks", "preview"):
        assert chain.left[name].changes == {}


@pytest.mark.parametrize("name", UPDATES)
def test_what_was_under_way_in_an_update_is_waited_for_and_known(chain: Chain, name: str):
    phase, names = chain.left[name].phase, list(chain.left)
    before = chain.left[names[names.index(name) - 1]].changes[phase.call]
    assert chain.left[name].changes[phase.call] > before
    assert "please wait" in chain.left[name].words


# --- nothing twice ----------------------------------------------------------------------------------------------


def test_no_question_is_put_twice(chain: Chain):
    asked_in = {name: left.questions for name, left in chain.left.items()}
    assert (asked_in["checks"], asked_in["preview"]) == (FIRST_RUN, ("Go on with it?",))
    for name in list(asked_in)[2:]:
        assert asked_in[name] == (LAST_PAGE,), name


def test_no_resource_is_made_twice(chain: Chain):
    types = Counter(urn.split("::")[2].rpartition("$")[2] for urn in chain.deployment.urns("production"))
    made = Counter({call: types[type] for type, call in MADE_BY.items() if types[type]})
    assert {call: n for call, n in chain.changes.items() if call.partition(":")[2].startswith("Create")} == made
    assert len(chain.deployment.all_keys()) == types["aws:kms/key:Key"]
    chain.deployment.pulumi("preview", "--stack", "production", "--expect-no-changes")


def test_no_data_key_is_made_once_one_is_stored(chain: Chain):
    # One on its way to the wizard that was left, and one that was stored.
    assert chain.changes[DATA_KEY] == 2
    assert chain.changed_since("stored data key")[DATA_KEY] == 0
    [stored_key] = chain.deployment.stored_key_versions()
    assert {left.parameters.get(STORED_KEY, stored_key) for left in chain.left.values()} == {stored_key}


def test_nothing_is_delivered_twice(chain: Chain):
    pushed = sum(count for call, count in chain.changes.items() if call.startswith("vercel:"))
    written = chain.changes["ssm:PutParameter"]
    # The claim, the stored data key and its version.
    assert (pushed, written) == (1, 3)
    assert written == len(chain.deployment.parameters()) + 1


def test_the_next_run_needs_nobody_and_only_looks(chain: Chain):
    done = chain.completed.document
    assert done["ok"] is True and [each["state"] for each in done["proofs"]] == ["proved"]
    # What the key opens to is recorded by the first proof: of the stored key and of its version.
    assert chain.changed_since("proof") == {"ssm:AddTagsToResource": 2}
