"""The diagnosis: causes before consequences, the unknown never well, and what the exit code says."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pytest

from tests.wizard.account.doctor_fixture import DoctorFixture
from tests.wizard.commands.doctor.doctor_documents import DENIED, DIAGNOSES, DISABLED, DOCTOR
from tests.wizard.fakes.clients import settings
from wizard.account import codes as check_codes
from wizard.account.facts import StackFacts
from wizard.account.notices import Notice, judgement, needed
from wizard.account.views import build_diagnosis
from wizard.commands.doctor.command import document, show
from wizard.core.errors import PermissionDenied, ResourceError
from wizard.core.next_command import shell
from wizard.terminal.terminal import Terminal


def finding(cause: str) -> Notice:
    return Notice.wrong(cause, what=f"what {cause}", why="why", command=shell("true"))


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


def test_causes_are_told_in_the_tables_order_whoever_was_first() -> None:
    diagnosis = build_diagnosis(
        "production", [finding("variable-missing"), finding("key-policy-denies"), finding("key-disabled")]
    )
    assert [each.code for each in diagnosis.findings] == ["key-disabled", "key-policy-denies", "variable-missing"]


def test_a_restart_alone_is_not_printed_where_a_variable_has_to_be_put_right_first() -> None:
    diagnosis = build_diagnosis("production", [finding("deployment-stale"), finding("variable-changed")])
    assert [each.code for each in diagnosis.findings] == ["variable-changed"]


@pytest.mark.parametrize(
    ("causes", "printed"),
    [
        (("stack-locked", "stack-pending-operations"), ["stack-locked"]),
        (("stored-key-missing", "variable-missing"), ["stored-key-missing"]),
        (("stored-key-missing", "target-missing"), ["target-missing"]),
    ],
)
def test_no_command_is_printed_first_that_another_fault_refuses(causes: tuple[str, ...], printed: list[str]) -> None:
    diagnosis = build_diagnosis("production", [finding(cause) for cause in causes])
    assert [each.code for each in diagnosis.findings] == printed


@pytest.mark.parametrize("cause", ["key-pending-deletion", "logs-key-unusable"])
def test_no_update_that_would_make_another_key_is_printed_while_one_is_to_be_saved(cause: str) -> None:
    diagnosis = build_diagnosis("production", [finding(cause), finding("stack-behind")])
    assert [each.code for each in diagnosis.findings] == [cause]


def test_what_two_checks_tell_is_told_once() -> None:
    diagnosis = build_diagnosis(
        "production", [DISABLED, DISABLED, DENIED, DENIED, Notice.good("it"), Notice.good("it")]
    )
    assert (len(diagnosis.findings), len(diagnosis.not_checked), diagnosis.passed) == (1, 1, ("it",))


@pytest.mark.parametrize(
    ("name", "code", "ok"),
    [("healthy", 0, True), ("a cause and what follows", 1, False), ("denied", 3, False), ("unreachable", 1, False)],
)
def test_only_what_was_all_looked_at_is_healthy(name: str, code: int, ok: bool) -> None:
    assert (DIAGNOSES[name].exit_code, DIAGNOSES[name].healthy) == (code, ok)
    assert (DOCTOR[name]["exitCode"], DOCTOR[name]["ok"]) == (code, ok)


def test_a_cause_is_worse_than_what_could_not_be_looked_at() -> None:
    assert build_diagnosis("production", [DISABLED, DENIED]).exit_code == 1
    assert build_diagnosis("production", [finding("operator-credentials"), DENIED]).exit_code == 3


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


def test_each_thing_is_read_once_and_its_error_kept() -> None:
    fixture = DoctorFixture(settings())
    asked: list[str] = []

    def read() -> str:
        asked.append("once")
        raise ResourceError("it failed", "again")

    def check(context: StackFacts) -> Iterator[Notice]:
        notices = context.once("thing", read)
        assert isinstance(notices, ResourceError)
        yield Notice.good("looked")

    fixture.diagnosis((check,) * 6)
    assert asked == ["once"]


def test_a_stored_data_key_that_is_wrong_puts_no_blame_on_who_differs_from_it() -> None:
    diagnosis = build_diagnosis("production", [finding("data-key-foreign"), finding("data-key-wrong-length")])
    assert [each.code for each in diagnosis.findings] == ["data-key-wrong-length"]
    assert [each.code for each in diagnosis.consequences] == ["data-key-foreign"]


def test_what_is_wrong_on_vercel_does_not_hide_a_stored_data_key_that_does_not_open() -> None:
    diagnosis = build_diagnosis("production", [finding("variable-missing"), finding("unwrap-failed")])
    assert [each.code for each in diagnosis.findings] == ["unwrap-failed", "variable-missing"]


def printed(name: str, *, everything: bool = False) -> str:
    """What the doctor prints of a diagnosis."""
    out = io.StringIO()
    show(Terminal(interactive=False, out=out, width=100), DIAGNOSES[name], everything=everything)
    return out.getvalue()


def test_the_doctor_begins_with_what_is_wrong_and_ends_with_how_much_passed() -> None:
    text = printed("a cause and what follows")
    assert text.index("What is wrong") < text.index("this follows from the causes above")
    assert text.endswith("this follows from the causes above\n\n1 check passed (--all lists them)\n")
    assert "the trail logs" not in text


def test_what_follows_from_a_cause_is_counted_and_listed_with_all() -> None:
    diagnosis = build_diagnosis(
        "production", [finding(each) for each in ("key-disabled", "proof-failed", "rotation-off")]
    )
    brief, full = io.StringIO(), io.StringIO()
    show(Terminal(interactive=False, out=brief, width=100), diagnosis)
    show(Terminal(interactive=False, out=full, width=100), diagnosis, everything=True)
    assert "2 more follow from the causes above (--all lists them)" in brief.getvalue()
    assert full.getvalue().count("this follows from the causes above") == 2


def test_with_all_the_doctor_lists_what_passed() -> None:
    text = printed("a cause and what follows", everything=True)
    assert text.index("What is wrong") < text.index("Passed") < text.index("the trail logs")
    assert "--all" not in text
    healthy = printed("healthy")
    assert "the key is there" not in healthy and "healthy: everything else was checked" in healthy
    assert "the key is there" in printed("healthy", everything=True)


@pytest.mark.parametrize("name", DIAGNOSES)
def test_what_could_not_be_checked_is_printed_after_what_is_wrong(name: str) -> None:
    text = printed(name)
    if "Not checked" in text and "What is wrong" in text:
        assert text.index("What is wrong") < text.index("Not checked")


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
