"""A small part of `make blind`, in the deployment that is set up once: each command that is printed heals.

Touches that deployment, and leaves it as it was by the very commands that it is about.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import cast

import pytest

from tests.blind.faults import FAULTS, GROUPS, STOPPED, UNDER_ITS_COMMENT
from tests.blind.night import Ended, Night
from tests.blind.outcomes import Fault, Look, Outcome, judged, look, printed_by, results
from tests.day_two.doctor_fixture import redeployed, taken_aside
from tests.onboarding.deployment import Deployment
from tests.selection import always
from wizard.vercel.variable_state import ONE_REQUEST

SAMPLE = (
    "stored-key-deleted",
    "logs-key-disabled",
    "key-id-empty",
    "credentials-half",
    "promote-unknown",
)
"""One of each group but the pairs, whose first command only comes nearer."""
MORE = ("value-edited-under-its-comment", "grant-of-a-stranger", "application-has-an-inline-policy")
FAULT = Fault(name="trail-stopped", do=STOPPED)
RIGHT = {"trail": "logs", "parameter /eonpro/production/ENCRYPTED_PHI_KEY": "ours"}
KEY = "parameter /eonpro/production/ENCRYPTED_PHI_KEY"
NOTHING = Ended(command="true", code=0, out="", err="")


@pytest.mark.thorough
@pytest.mark.parametrize("name", always(("key-id-empty", "credentials-half"), [*SAMPLE, *MORE]))
def test_nobody_is_left_alone_with_a_command_that_does_not_heal(onboarded: Deployment, name: str) -> None:
    redeployed(onboarded)

    @contextmanager
    def here(fault: Fault) -> Iterator[Night]:
        yield Night(onboarded)

    found = [*results(next(fault for fault in FAULTS if fault.name == name), here)]
    taken_aside(onboarded)
    print(name, *(f"{result.outcome}: {result.printed.command or result.printed.advice}" for result in found), sep="\n")
    assert [result.outcome for result in found if result.is_first] == [Outcome.HEALED], [each.why for each in found]
    assert not [result for result in found if result.failed], [each.why for each in found]


@pytest.mark.thorough
def test_a_wrong_command_is_found_out(onboarded: Deployment) -> None:
    """The harness would be worth nothing, if a command that does harm or nothing passed."""
    redeployed(onboarded)
    night = Night(onboarded)
    right = night.facts()
    FAULT.do(night)
    before = look(night, FAULT)
    [printed] = printed_by(before.ended.document)
    outcomes = []
    harm = f"aws kms disable-key-rotation --key-id {onboarded.keys()[0]}"
    for command in ("aws kms list-keys", harm, printed.command):
        ended = night.paste(command)
        outcomes.append(judged(FAULT, right, before, look(night, FAULT), ended)[0])
        if outcomes[-1] is Outcome.WORSE:
            onboarded.client("kms").enable_key_rotation(KeyId=onboarded.keys()[0], RotationPeriodInDays=365)
    assert outcomes == [Outcome.NO_CHANGE, Outcome.WORSE, Outcome.HEALED]


def test_a_person_edits_a_variable_later_than_the_second_of_its_delivery() -> None:
    """Within it Vercel's times show no edit, and the doctor's command would deploy the edited value."""
    delivered, edits = time.time() * 1000, []
    cloud = SimpleNamespace(
        variables=lambda: {"ENCRYPTED_PHI_KEY": {"id": "env_1", "updatedAt": delivered}},
        vercel=lambda *request: edits.append(time.time() * 1000),
    )
    UNDER_ITS_COMMENT(cast("Night", SimpleNamespace(cloud=cloud)))
    assert [at > delivered + ONE_REQUEST for at in edits] == [True]


def said(causes: tuple[str, ...], **facts: str) -> Look:
    """A look at a world that differs from the right one in these facts, and where the doctor names these causes."""
    document = ", ".join(f'{{"cause": "{cause}"}}' for cause in causes)
    ended = Ended(command="doctor", code=int(bool(causes)), out=f'{{"findings": [{document}]}}', err="")
    return Look(ended=ended, facts={**RIGHT, **{place.replace("key", KEY): value for place, value in facts.items()}})


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        (said(()), Outcome.HEALED),
        (said(("other",), trail="stopped"), Outcome.NEARER),
        (said(("trail-stopped",), trail="stopped"), Outcome.NO_CHANGE),
        (said((), trail="stopped"), Outcome.NO_CHANGE),
        (said((), bucket="new"), Outcome.WORSE),
        (said((), key="another"), Outcome.WORSE),
    ],
    ids=["all is right", "another cause is left", "the same cause", "the doctor errs", "something new", "another key"],
)
def test_what_the_doctor_says_is_well_only_if_the_account_is(after: Look, outcome: Outcome) -> None:
    before = said(("trail-stopped",), trail="stopped")
    assert judged(FAULT, RIGHT, before, after, NOTHING)[0] is outcome


def test_a_data_key_that_replaces_a_lost_one_is_worse_than_none() -> None:
    before = Look(ended=said(("stored-key-missing",)).ended, facts={"trail": "logs"})
    assert judged(FAULT, RIGHT, before, said((), key="another"), NOTHING)[0] is Outcome.WORSE


def test_the_sample_has_one_fault_of_each_group() -> None:
    met = {title: sum(name in names for name in SAMPLE) for title, names in GROUPS.items()}
    assert met == {**dict.fromkeys(GROUPS, 1), "two faults at once": 0}


def test_the_table_has_sixty_faults_and_twelve_pairs() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(names) == len({*names}) >= 72 and sum(fault.pair for fault in FAULTS) >= 12
    assert {*names} == {name for group in GROUPS.values() for name in group}
