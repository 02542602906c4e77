"""Every view of a deployed stack says the same of it: a few faults in forks of a deployment, and the table of all.

The table is made by `python -m tests.blind.views --write`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from components.policies.requirements import BY_ID
from tests.blind.faults import EVIDENCE, FAULTS, NOTHING
from tests.blind.night import Night
from tests.blind.outcomes import Fault
from tests.blind.views import (
    GOOD,
    HEADINGS,
    MARKS,
    NAMES,
    NONE,
    PERSON,
    SAME,
    SEEDED,
    STATUS_ROWS,
    UNKNOWN,
    VIEWS,
    WRONG,
    Answer,
    Row,
    asked,
    items,
    of_doctor,
    prepared,
    read_table,
    row_of,
    turned,
)
from tests.onboarding.deployment import Templates

SAMPLE = ("key-policy-without-the-guards",)
MORE = ("bucket-open-to-another-account", "backup-of-junk", "rotation-of-seven-years", "role-of-a-vendor")

ITEMS: dict[str, set[str]] = {
    # What an item was "done" with, although it was not so; what opens what.
    "rotation-off": {"rotation"},
    "rotation-of-seven-years": {"rotation"},
    "rotation-unreadable": {"rotation"},
    "alias-moved": {"key"},
    "trail-without-the-events-of-kms": {"trail"},
    "trail-stopped": {"trail"},
    "key-policy-of-another-account": {"key-policy"},
    "replica-of-somebody-else": {"key-policy"},
    "bucket-open-to-another-account": {"trail"},
    "access-logs-open-to-another-account": {"trail"},
    "bucket-of-old-tls": {"trail"},
    "lock-of-a-day": {"trail"},
    "logs-key-rotation-off": {"rotation"},
    "logs-key-disabled": {"trail"},
    "logs-key-of-another-account": {"trail"},
    "logs-key-grant-of-another-account": {"trail"},
    "key-policy-without-the-window": {"key"},
    "key-policy-without-the-guards": {"key", "key-policy"},
    "key-policy-without-the-root": {"key-policy"},
    "policy-detached": {"app-policy", "application"},
    "versions-deleted": {"data-key"},
    "backup-deleted": {"backup"},
    "backup-of-junk": {"backup"},
    "alerts-that-nobody-receives": {"alerts"},
    "documents-public": {"documents"},
    "documents-open-to-another-account": {"documents"},
    "documents-under-s3s-keys": {"documents"},
    "role-of-a-vendor": {"others"},
}
"""The items of the evidence that are wrong or unknown with a fault, and no other. Who can delete the key is a question
to its policy; how long ahead is one of the key."""
OPEN_AGAIN = ("role-that-a-service-assumes", "role-of-account-access")
"""The faults that leave everything as it was but the people who can use the key: a person decides about them again."""

OPENING = (
    "key-policy-of-another-account",
    "grant-of-another-account",
    "replica-of-somebody-else",
    "trust-of-every-project",
    "application-is-administrator",
    "bucket-open-to-another-account",
    "access-logs-open-to-another-account",
    "logs-key-of-another-account",
    "logs-key-grant-of-another-account",
    "documents-public",
    "documents-open-to-another-account",
)
"""The faults that let somebody use the key, become the application, or read or delete the logs or documents."""
UNREAD = {"logs-key-disabled": {"logs"}}
"""The items that the report alone cannot tell then: it reads the log files, which are encrypted."""


NONE_DONE = Fault(name="none", do=NOTHING)


@pytest.fixture(scope="module")
def right(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    """What each view says of a deployment without a fault."""
    with templates.fork(tmp_path_factory.mktemp("right"), "vercel") as made:
        night = Night(made)
        prepared(night, "vercel")
        return {view.name: asked(night, view, NONE_DONE) for view in VIEWS}


@pytest.mark.thorough
@pytest.mark.parametrize("name", [*SAMPLE, *MORE])
def test_every_view_says_the_same_of_a_fault(
    name: str, right: dict[str, Answer], templates: Templates, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fault = next(fault for fault in FAULTS if fault.name == name)
    with templates.fork(tmp_path_factory.mktemp("fault"), "vercel") as made:
        row = row_of(Night(made), fault, right)
    print(name, *row.cells)
    assert row.disagreements == ()
    assert _not_done(row.turned("doctor") or {}) == ITEMS[name]


# --- the stored table


def test_the_stored_table_has_every_fault_and_no_two_views_that_disagree() -> None:
    table = read_table()
    assert [*table] == [fault.name for fault in SEEDED]
    assert {len(cells) for cells in table.values()} == {len(HEADINGS) - 1}
    assert [name for name, cells in table.items() if cells[-1] != NONE] == []


def _not_done(states: Mapping[str, str]) -> set[str]:
    """The items of the evidence of which a requirement is wrong or unknown."""
    return {NAMES[BY_ID[id_].topic] for id_, state in states.items() if id_ in BY_ID and state in (WRONG, UNKNOWN)}


def _turned(name: str, view: str) -> dict[str, str]:
    """The cell of the stored table as states by name."""
    cell = read_table()[name][HEADINGS.index(view) - 1]
    words = [] if cell == SAME else cell.removesuffix(" (after its changes)").split()
    assert not cell.startswith("exit "), (name, view, cell)
    states = {mark: state for state, mark in MARKS.items()}
    return {word[:-1]: states[word[-1]] for word in words}


@pytest.mark.parametrize("name", ITEMS)
def test_the_items_that_must_turn_do_and_no_other(name: str) -> None:
    of_report = {item for item, state in _turned(name, "report").items() if state in (WRONG, UNKNOWN)}
    assert _not_done(_turned(name, "doctor")) == ITEMS[name]
    assert of_report == ITEMS[name] | UNREAD.get(name, set())


@pytest.mark.parametrize("name", OPEN_AGAIN)
def test_who_else_can_use_the_key_is_open_again_for_a_person(name: str) -> None:
    assert _turned(name, "report") == {"others": PERSON}
    assert _turned(name, "doctor") == _turned(name, "review") == {"key-use-by-others": PERSON}


@pytest.mark.parametrize("name", OPENING)
def test_verify_fails_on_whatever_lets_somebody_in(name: str) -> None:
    assert WRONG in _turned(name, "verify").values()


def test_every_fault_of_the_evidence_is_in_the_table() -> None:
    assert {fault.name for fault in EVIDENCE} <= {*read_table()}


# --- the comparison itself


def _view(name: str) -> Any:
    return next(view for view in VIEWS if view.name == name)


def _row(**now: dict[str, str] | None) -> Row:
    """A row in which every view said that all is good, and says this now."""
    of_items = dict.fromkeys(NAMES.values(), GOOD)
    good = {
        "status": dict.fromkeys(STATUS_ROWS, GOOD),
        "verify": {},
        "doctor": dict.fromkeys(BY_ID, GOOD),
        "review": {},
        "report": of_items,
        "setup": of_items,
    }
    right = {name: Answer(view=_view(name), code=0, states=states) for name, states in good.items()}

    def said(name: str) -> Answer:
        changes = now.get(name, {})
        states = None if changes is None else {**good[name], **changes}
        return replace(right[name], states=states)

    fault = Fault(name="one", do=lambda night: None)
    return Row(fault=fault, answers=tuple(said(view.name) for view in VIEWS), right=right)


BUCKET = {"bucket-private": WRONG}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, ()),
        ({"doctor": BUCKET, "report": {"trail": WRONG}, "setup": {"trail": WRONG}}, ()),
        ({"doctor": BUCKET}, ("trail: doctor ✗, report ✓",)),
        ({"report": {"trail": WRONG}, "setup": {"trail": WRONG}}, ("trail: doctor ✓, report ✗",)),
        ({"setup": {"key": UNKNOWN}}, ("key: setup ?, report ✓",)),
        ({"report": {"review": PERSON}}, ("review: doctor ✓, report ☞", "review: setup ✓, report ☞")),
        ({"status": {"trail": WRONG}}, ("trail: status ✗, doctor ✓",)),
        ({"verify": BUCKET}, ("bucket-private: verify ✗, doctor ✓", "trail: verify ✗, report ✓")),
        ({"doctor": None, "report": None, "setup": None}, ()),
        ({"doctor": None, "verify": BUCKET}, ("trail: verify ✗, report ✓",)),
    ],
    ids=[
        "nothing turned",
        "all say so",
        "doctor alone",
        "not doctor",
        "setup does not know",
        "the report asks a person",
        "status alone",
        "verify alone",
        "nobody could say",
        "verify says more than the report",
    ],
)
def test_a_view_that_says_something_else_is_found(said: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert _row(**said).disagreements == expected


def test_status_is_right_about_the_requirements_of_its_rows() -> None:
    row = _row(doctor={"trail-logging": WRONG}, report={"trail": WRONG}, setup={"trail": WRONG})
    assert row.disagreements == ("trail: status ✓, doctor ✗",)


def test_what_was_wrong_before_a_fault_is_not_what_turned() -> None:
    before = Answer(view=_view("doctor"), code=1, states={"key-policy": WRONG, "key-enabled": GOOD})
    now = replace(before, states={"key-policy": WRONG, "key-enabled": WRONG})
    assert turned(now, before) == {"key-enabled": WRONG}
    assert items(now.states or {}) == {"key": WRONG, "key-policy": WRONG}


def test_a_finding_that_bears_on_no_requirement_is_one_of_the_stack() -> None:
    finding: dict[str, list[str]] = {"requirements": []}
    good = {"id": "key-enabled", "state": "good"}
    states = of_doctor({"findings": [finding], "consequences": [], "notChecked": [], "requirements": [good]})
    assert states is not None and states["stack"] == WRONG and items(states)["key"] == GOOD
