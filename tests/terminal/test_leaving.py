"""A person leaves in the middle: what stays behind, what the screen says, and how the terminal is left."""

from __future__ import annotations

from tests.onboarding.clinic import Clinic
from tests.terminal.conftest import Sit
from tests.terminal.person import CTRL_C, ENTER, SPACE, Person


def up_to_the_confirmation(person: Person) -> None:
    """Every question of the target Vercel, answered."""
    person.answer("Set up in the account")
    person.answer("Which Region?", "» us-east-1")
    person.answer("Who administers the key?", "» ●")
    person.answer("Any other?")
    person.answer("Make it a multi-Region key?")
    person.answer("As whom does the application run?", "»")
    person.see("Where does the application run?", "»")
    person.type(SPACE + ENTER)
    person.answer("Which Vercel team", keys="eonpro")
    person.answer("Which Vercel project", keys="eonpro")
    person.answer("How does the application on Vercel get into AWS?", "» By Vercel's own token")
    person.answer("Which trail", "»")
    person.see("Carry out this plan? (Y/n)")


def interrupted(person: Person, clinic: Clinic) -> None:
    """Ctrl-C at a prompt: told plainly, nothing made, the terminal as it was."""
    person.type(CTRL_C)
    assert person.leave() == 130
    assert "interrupted" in person.words
    assert "Traceback" not in person.transcript
    assert person.is_sane
    assert not clinic.changes()


def test_ctrl_c_at_the_first_question_leaves_nothing_behind(untouched: Clinic, sit: Sit) -> None:
    person = sit(untouched)
    person.see("Set up in the account")
    interrupted(person, untouched)
    assert not (untouched.folder / "Pulumi.production.yaml").exists()


def test_ctrl_c_in_the_list_of_administrators_leaves_nothing_behind(untouched: Clinic, sit: Sit) -> None:
    person = sit(untouched)
    person.answer("Set up in the account")
    person.answer("Which Region?", "» us-east-1")
    person.see("Who administers the key?", "» ●")
    interrupted(person, untouched)
    assert not (untouched.folder / "Pulumi.production.yaml").exists()


def test_ctrl_c_at_the_confirmation_makes_nothing(untouched: Clinic, sit: Sit) -> None:
    person = sit(untouched, "--stack", "undecided")
    up_to_the_confirmation(person)
    interrupted(person, untouched)
    assert untouched.urns("undecided") == []


def test_a_no_makes_nothing_and_the_answers_need_not_be_given_again(untouched: Clinic, sit: Sit) -> None:
    person = sit(untouched, "--stack", "refused")
    up_to_the_confirmation(person)
    person.type("n" + ENTER)
    assert person.leave() == 8
    assert "nothing was changed; your answers are kept in Pulumi.refused.yaml" in person.words
    assert "an answer is changed by its flag" in person.words
    assert "next: python -m wizard setup --stack refused" in person.words
    assert person.is_sane
    assert not untouched.changes()
    assert untouched.urns("refused") == []

    again = sit(untouched, "--stack", "refused", "--region", "eu-west-1")
    again.see("Carry out this plan? (Y/n)")
    questions = [line for line in again.transcript.splitlines() if line.startswith("? ")]
    assert questions == ["? Carry out this plan? (Y/n)"]
    assert "region          eu-west-1" in again.transcript
    interrupted(again, untouched)


def test_ctrl_c_while_resources_are_made_saves_them_and_the_next_run_goes_on(clinic: Clinic, sit: Sit) -> None:
    clinic.fault(service="cloudtrail", operation="CreateTrail", kind="hang", seconds=60)
    person = sit(clinic)
    up_to_the_confirmation(person)
    person.type(ENTER)
    person.see("… Trail audit-trail")
    person.type(CTRL_C)
    person.see("the engine ends what is under way and saves its state; please wait")
    clinic.no_more_faults()
    assert person.leave() == 8
    assert "next: run the same command again: it goes on from here" in person.words
    assert "Traceback" not in person.transcript
    assert person.is_sane
    assert "ENCRYPTED_PHI_KEY" not in clinic.variables()

    again = sit(clinic, "--yes")
    assert again.leave() == 0
    assert "? " not in again.transcript, "it asks again"
    assert len(clinic.keys()) == 1
    assert len(clinic.variables()) == 3
