"""The checklist is a view: a requirement is met only if something bears on it, and all of that is good."""

from __future__ import annotations

from typing import Any

import pytest

from components.policies.requirements import REQUIREMENTS, Requirement, Topic
from tests.wizard.fakes.clients import settings
from wizard.account.notices import Notice, State
from wizard.account.views import ItemState, counts, item_of, state_of, topics_of
from wizard.core.next_command import shell

TRAIL = ("trail-logging",)
GOOD = Notice.good("the trail T is logging", requirements=TRAIL)
PERSON = Notice.person("a person decides", command=shell("decide"), requirements=TRAIL)
UNKNOWN = Notice.unknown("the trail T", "denied", requirements=TRAIL)
WRONG = Notice.wrong("trail-stopped", "the trail T is stopped", why="", command=shell("start"), requirements=TRAIL)


@pytest.mark.parametrize(
    ("notices", "state"),
    [
        ((), State.UNKNOWN),
        ((GOOD,), State.GOOD),
        ((GOOD, PERSON), State.PERSON),
        ((GOOD, PERSON, UNKNOWN), State.UNKNOWN),
        ((GOOD, UNKNOWN, WRONG, PERSON), State.WRONG),
        ((Notice.good("something else", requirements=("trail-validation",)),), State.UNKNOWN),
    ],
)
def test_a_requirement_has_the_worst_state_of_what_bears_on_it_and_is_unknown_without(notices, state) -> None:
    assert state_of("trail-logging", notices) is state


def met(topic: Topic, *without: str) -> list[Notice]:
    """A good notice for each requirement of an item."""
    return [
        Notice.good(f"{each.id} is met", requirements=(each.id,))
        for each in REQUIREMENTS
        if each.topic is topic and each.id not in without
    ]


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda requirement: requirement.id)
def test_an_item_is_done_only_if_each_requirement_that_counts_was_looked_at(requirement: Requirement) -> None:
    topic = requirement.topic
    wanted = settings(cloudwatch_logs=True, document_buckets=("clinic-documents",))
    assert item_of(topic, met(topic), wanted, "production").state is ItemState.DONE
    assert item_of(topic, met(topic, requirement.id), wanted, "production").state is ItemState.UNKNOWN


@pytest.mark.parametrize("requirement", [each for each in REQUIREMENTS if each.optional], ids=lambda each: each.id)
def test_an_optional_requirement_counts_only_where_the_settings_ask_for_it(requirement: Requirement) -> None:
    without: dict[str, dict[str, Any]] = {
        "alerts": {"alerts": False},
        "bucket-access-logs": {"access_logging": False},
        "bucket-lock": {"trail_lock": "none"},
        "trail-cloudwatch": {"cloudwatch_logs": False},
        "trail-encryption": {"trail_key": False},
        **{f"documents-{part}": {"document_buckets": ()} for part in ("encrypted", "private", "tls")},
    }
    assert counts(requirement, settings(cloudwatch_logs=True, document_buckets=("clinic-documents",)))
    assert not counts(requirement, settings(**without[requirement.id]))


def test_the_evidence_names_what_is_wrong_first_and_the_command_that_closes_it() -> None:
    item = item_of(Topic.TRAIL, (*met(Topic.TRAIL, *TRAIL), UNKNOWN, PERSON, WRONG), settings(), "production")
    assert item.evidence == "the trail T is stopped; the trail T: could not be read: denied; a person decides"
    assert (item.state, item.next) == (ItemState.OPEN, "start")


def test_what_is_good_of_one_resource_is_one_sentence() -> None:
    about = [
        Notice.good(words, subject="the bucket logs-1", requirements=("key-rotation",))
        for words in ("is private", "is versioned")
    ]
    other = Notice.good("the key rotates", requirements=("key-rotation",))
    item = item_of(Topic.ROTATION, (about[0], other, about[1]), settings(), "production")
    assert item.evidence == "the bucket logs-1 is private, is versioned; the key rotates"


def test_the_report_has_an_item_for_documents_only_where_the_settings_name_their_buckets() -> None:
    assert Topic.DOCUMENTS not in topics_of(settings())
    assert topics_of(settings(document_buckets=("clinic-documents",))) == tuple(Topic)
