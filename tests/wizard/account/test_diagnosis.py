"""The diagnosis: causes before consequences, the unknown never well, and what the exit code says."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pytest

from tests.wizard.account.doctor_fixture import DoctorFixture
from tests.wizard.commands.doctor.doctor_documents import DIAGNOSES, DISABLED, DOCTOR
from tests.wizard.fakes.clients import settings
from wizard.account import codes as check_codes
from wizard.account.facts import StackFacts
from wizard.account.notices import Notice, judgement, needed
from wizard.account.views import build_diagnosis
from wizard.commands.doctor.command import document, show
from wizard.core.errors import PermissionDenied
from wizard.core.next_command import shell
from wizard.terminal.terminal import Terminal


def test_every_part_of_the_table_names_its_codes() -> None:
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in check_codes.CODES)
    causes = [*check_codes.CATEGORIES.values(), *(text for row in check_codes.CONSEQUENCES for text in row)]
    causes += [row[0] for row in check_codes.RESOURCES]
    assert {name for names in causes for name in names.split()} <= set(check_codes.CODES)


@pytest.mark.parametrize("cause", check_codes.CODES)
def test_no_cause_explains_itself_nor_what_is_told_before_it(cause: str) -> None:
    explained = check_codes.implied_by([cause])
    assert cause not in explained
    assert all(check_codes.place(name) > check_codes.place(cause) for name in explained)


@pytest.mark.parametrize(
    ("name", "code", "ok"),
    [("healthy", 0, True), ("a cause and what follows", 1, False), ("denied", 3, False), ("unreachable", 1, False)],
)
def test_only_what_was_all_looked_at_is_healthy(name: str, code: int, ok: bool) -> None:
    assert (DIAGNOSES[name].exit_code, DIAGNOSES[name].healthy) == (code, ok)
    assert (DOCTOR[name]["exitCode"], DOCTOR[name]["ok"]) == (code, ok)


def test_what_aws_does_not_let_the_caller_read_comes_with_the_command_for_the_policy() -> None:
    assert [each["command"] for each in DOCTOR["denied"]["next"]] == ["python -m wizard policy auditor"]
    of_vercel = Notice.unknown("the variables", why="Vercel does not allow this token to list them", is_denied=True)
    assert document(build_diagnosis("production", [of_vercel]))["next"] == []
    unreadable = Notice.unknown("whether the trail logs", why="CloudTrail does not return it", is_denied=True)
    assert document(build_diagnosis("production", [unreadable]))["next"] == DOCTOR["denied"]["next"]
    assert DOCTOR["unreachable"]["next"] == DOCTOR["healthy"]["next"] == []


def test_a_check_that_is_refused_is_unknown_and_the_others_go_on() -> None:
    @judgement()
    def what_may_not_be_seen(context: StackFacts) -> Iterator[Notice]:
        yield Notice.good("so far")
        raise PermissionDenied("you may not look", "ask")

    def the_rest(context: StackFacts) -> Iterator[Notice]:
        yield Notice.good("the rest")

    diagnosis = DoctorFixture(settings()).diagnosis((what_may_not_be_seen, the_rest))
    assert [each.what for each in diagnosis.not_checked] == ["what may not be seen"]
    assert diagnosis.passed == ("the rest",) and diagnosis.exit_code == 3


@pytest.mark.parametrize("end", [PermissionDenied("you may not look", "ask"), None])
def test_a_fault_that_was_found_before_a_check_was_refused_is_still_a_finding(end: PermissionDenied | None) -> None:
    @judgement()
    def what_may_not_be_seen(context: StackFacts) -> Iterator[Notice]:
        yield DISABLED
        yield Notice.good("so far")
        if end is not None:
            raise end
        yield Notice.good(needed("the policy", PermissionDenied("you may not look", "ask")))

    diagnosis = DoctorFixture(settings()).diagnosis((what_may_not_be_seen,))
    assert [each.code for each in diagnosis.findings] == [DISABLED.code]
    assert len(diagnosis.not_checked) == 1 and diagnosis.passed == () and diagnosis.exit_code == 1


@pytest.mark.parametrize(
    ("opens", "leaves_open"), [("key", True), ("account", True), ("logs", True), ("others", False), ("", False)]
)
def test_whoever_may_be_let_in_unseen_counts_as_let_in_but_for_what_iam_gives_others(opens, leaves_open) -> None:
    @judgement(opens=opens)
    def what_is_refused(facts: StackFacts) -> Iterator[Notice]:
        yield Notice.good(needed("the policy", PermissionDenied("you may not look", "ask")))

    [unknown] = DoctorFixture(settings()).diagnosis((what_is_refused,)).not_checked
    assert (unknown.what, unknown.is_denied, unknown.leaves_open) == ("the policy", True, leaves_open)


def test_decisions_are_shown_with_their_commands_and_the_last_of_many_are_counted() -> None:
    out = io.StringIO()
    people = [
        Notice.wrong(
            "key-use-by-others", what=f"role/{number} can use the key", why="IAM", command=shell("remove", str(number))
        )
        for number in range(200)
    ]
    diagnosis = build_diagnosis("production", people)
    show(Terminal(interactive=False, out=out, width=100), diagnosis, everything=True)
    text = out.getvalue()
    assert "For a person to decide" in text and "remove 11" in text and "remove 12" not in text
    assert "and 188 more: python -m wizard doctor --json" in text
    out.seek(out.truncate(0))
    show(Terminal(interactive=False, out=out, width=100), diagnosis)
    assert "! role/11 can use the key\n" in out.getvalue() and "remove" not in out.getvalue()
    # A person decides: nothing is broken, and programs get all of them.
    assert (diagnosis.exit_code, len(document(diagnosis)["decisions"])) == (0, 200)
