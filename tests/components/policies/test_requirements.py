"""The one list of requirements: whole, without repetition, and the words that others use."""

from __future__ import annotations

import pytest

from components.policies.requirements import (
    BY_ID,
    REQUIREMENTS,
    SECTIONS,
    Topic,
    prowler_checks_of,
    requirements_of,
    sections_of,
)
from guardrails.rules import RULES
from wizard.core.models.trail import BUCKET_REQUIREMENTS, TRAIL_REQUIREMENTS


def test_no_two_requirements_share_an_id_a_text_or_a_check_of_prowler() -> None:
    for names in (
        [each.id for each in REQUIREMENTS],
        [each.text for each in REQUIREMENTS],
        [check for each in REQUIREMENTS for check in each.prowler],
    ):
        assert len(names) == len(set(names))


def test_every_requirement_serves_known_sections_and_every_section_is_served() -> None:
    assert {section for each in REQUIREMENTS for section in each.sections} == set(SECTIONS)


@pytest.mark.parametrize("topic", Topic)
def test_every_item_of_the_checklist_has_requirements_and_sections(topic: Topic) -> None:
    assert requirements_of(topic) and sections_of(topic)


def test_checks_of_prowler_belong_to_the_item_that_they_look_at() -> None:
    assert prowler_checks_of(Topic.ROTATION) == ("kms_cmk_rotation_enabled",)
    assert "s3_bucket_object_lock" in prowler_checks_of(Topic.TRAIL)
    assert prowler_checks_of(Topic.DATA_KEY) == ()


@pytest.mark.parametrize("id_", [*TRAIL_REQUIREMENTS, *BUCKET_REQUIREMENTS])
def test_what_is_checked_of_a_trail_has_all_its_words(id_: str) -> None:
    requirement = BY_ID[id_]
    assert requirement.label and requirement.gap and requirement.reason


GUARDRAILS = {
    "no-wildcard-principal": ("key-policy",),
    "phi-key-deletion-window": ("key-deletion-window",),
    "phi-key-rotation": ("key-rotation",),
    "trail-bucket-encrypted": ("bucket-encrypted",),
    "trail-bucket-tls": ("bucket-tls",),
    "trail-bucket-versioned": ("bucket-versioned",),
    "trail-object-lock": ("bucket-lock",),
    "trail-retention": ("bucket-retention",),
}


@pytest.mark.parametrize("name", GUARDRAILS)
def test_a_guardrail_says_what_the_requirement_says(name: str) -> None:
    # The policy pack is a program of its own, which the engine starts without this project's modules.
    (rule,) = (rule for rule in RULES if rule.name == name)
    assert rule.description == " ".join(BY_ID[each].text for each in GUARDRAILS[name])
