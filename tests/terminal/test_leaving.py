"""A person leaves while resources are made: what stays, what the screen says, and how the next run goes on."""

from __future__ import annotations

import pytest

from tests.onboarding.deployment import Deployment
from tests.terminal.conftest import Sit
from tests.terminal.person import CTRL_C, ENTER, SPACE, Person, take_what_was_detected

LAST_PAGE = ("Apply this plan?", "» Apply")


def up_to_the_last_page(person: Person) -> None:
    """Every question of the target Vercel, answered."""
    person.see("Where does the application run?", "» ○ Vercel")
    person.type(SPACE)
    person.see("» ● Vercel")
    person.type(ENTER)
    take_what_was_detected(person)
    person.see(*LAST_PAGE)


@pytest.mark.thorough
def test_ctrl_c_while_resources_are_made_saves_them_and_the_next_run_goes_on(deployment: Deployment, sit: Sit) -> None:
    deployment.fault(service="cloudtrail", operation="CreateTrail", kind="hang", seconds=60)
    person = sit(deployment)
    up_to_the_last_page(person)
    person.type(ENTER)
    person.see("… Trail audit-trail")
    person.type(CTRL_C)
    person.see("Pulumi finishes the current operation and saves its state; please wait")
    deployment.no_more_faults()
    assert person.leave() == 8
    assert "interrupted; the engine saved its state" in person.words
    assert "run the same command again" in person.words
    assert "Traceback" not in person.transcript
    assert person.is_sane
    assert "ENCRYPTED_PHI_KEY" not in deployment.variables()

    again = sit(deployment, "--yes")
    assert again.leave() == 0
    assert "? " not in again.transcript, "it asks again"
    assert len(deployment.keys()) == 1
    assert len(deployment.variables()) == 3
