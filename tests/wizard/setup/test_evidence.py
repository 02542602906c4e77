"""Each item of the set-up: done, open or unknown with its evidence; what could not be read is never done."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from components import policies
from components.policies.evaluation import IamPolicy
from tests.wizard.account.stacks import CheckedStack
from tests.wizard.fakes.clients import (
    ACCOUNT,
    ADMIN,
    APP,
    APP_POLICY,
    KEY,
    SECOND,
    settings,
    wrapped,
)
from wizard.account import judgements
from wizard.account.views import ChecklistEntry, ItemState, diagnose, judgements_of
from wizard.core.errors import PermissionDenied
from wizard.core.models.rotation import VersionOrigin
from wizard.core.models.verification import Verification, VerificationState
from wizard.setup.report import TOPICS, checklist

ALIAS, POLICY, OTHERS, IAM, ROTATION, TRAIL, DATA_KEY, TESTED, REVIEWED = range(9)
PATTERN = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonstand.aws.com/*AWSReservedSSO_KeyAdmin_*"
STRANGER = "arn:aws:iam::999988887777:role/auditor"


def proof(state: VerificationState, target: str = "vercel", detail: str = "as the application") -> Verification:
    return Verification(target=target, state=state, principal=APP, detail=detail, at="2026-01-01T00:00:00+00:00")


@pytest.fixture
def stand() -> CheckedStack:
    whole = CheckedStack()
    at = datetime(2026, 1, 1, tzinfo=UTC)
    whole.aws.key_rotation.keep(whole.settings, wrapped(), key_arn=KEY, origin=VersionOrigin.FIRST, at=at)
    return whole


def items(stand: CheckedStack, *proofs: Verification) -> tuple[ChecklistEntry, ...]:
    diagnosis = diagnose(stand.context(), judgements_of(TOPICS, judgements.ALL_CHECKS))
    return checklist(diagnosis, proofs, stand.settings)


def of(**changes: Any) -> CheckedStack:
    """A stack of these settings."""
    return CheckedStack(settings=settings(**changes))


def test_a_good_account_has_seven_items_done_and_two_for_a_person(stand) -> None:
    entries = items(stand, proof(VerificationState.PROVED))
    assert [item.state for item in entries] == [ItemState.DONE] * 7 + [ItemState.PERSON] * 2
    assert all(item.evidence for item in entries)
    assert all(item.facts and not item.next for item in entries[:7])


@pytest.mark.parametrize("kept", [("bucket",), ("trail",), ("key", "trail", "bucket")])
def test_a_good_trail_that_was_left_as_it_was_found_is_done(kept) -> None:
    (item,) = [each for each in items(of(kept_as_found=kept)) if each.title == "CloudTrail logging"]
    assert item.state is ItemState.DONE


@pytest.mark.parametrize(
    ("method", "places"),
    [
        # Without the key it is not known what its policy has to be, and whether it rotates.
        ("describe_key", {ALIAS, POLICY, IAM, ROTATION, TRAIL}),
        ("key_policy", {ALIAS, POLICY, OTHERS, TRAIL}),
        ("policy_document", {IAM}),
        ("find_trail", {TRAIL}),
        ("bucket_retention", {TRAIL}),
        ("read_stored_data_key", {DATA_KEY}),
    ],
)
def test_a_read_that_is_denied_is_unknown_and_never_done(stand, method, places) -> None:
    stand.aws.failures[method] = PermissionDenied(f"{method} is denied", "ask for it")
    entries = items(stand)
    unknown = {place for place, item in enumerate(entries) if item.state is ItemState.UNKNOWN}
    assert unknown == places, entries
    assert any(f"could not be read: {method} is denied" in entries[place].evidence for place in places)


@pytest.mark.parametrize(
    ("role", "words"),
    [
        (
            {"trust": {"Statement": {"Effect": "Allow", "Principal": {"AWS": STRANGER}, "Action": "sts:AssumeRole"}}},
            f"{STRANGER} (sts:assumerole)",
        ),
        (
            {
                "policies": (
                    IamPolicy(
                        name="more of role/eonpro-app-role", document={"Statement": {"Effect": "Allow", "Action": "*"}}
                    ),
                )
            },
            "also has the policy more of role/eonpro-app-role, which the settings do not give it",
        ),
    ],
)
def test_a_set_up_that_somebody_widened_is_open(stand, role: dict[str, Any], words: str) -> None:
    principals = stand.aws.access_diagnostics.principals
    principals[APP] = replace(principals[APP], **role)
    entry = items(stand)[IAM]
    assert (entry.state, words in entry.evidence) == (ItemState.OPEN, True), entry.evidence


def test_an_item_that_is_not_met_because_an_import_left_it_so_names_what_closes_it() -> None:
    stand = of(kept_as_found=("application-policy", "key", "trail", "bucket"))
    stand.aws.documents[APP_POLICY] = policies.policy([])
    stand.aws.trails = (replace(stand.aws.trails[0], multi_region=False),)
    entries = items(stand)
    # A person has decided about the policies; the trail lacks what the audit requires.
    assert (entries[IAM].state, entries[TRAIL].state) == (ItemState.PERSON, ItemState.OPEN)
    assert all(entries[place].evidence.endswith("; it was left as it was found") for place in (IAM, TRAIL))
    assert entries[IAM].next == "python -m wizard setup --stack production --repair application-policy --yes"
    closes = "python -m wizard setup --stack production --repair trail,bucket"
    assert (entries[TRAIL].next, entries[TRAIL].is_kept) == (closes, True)


# --- the key policy


def statement(principal: Any, action: Any = "kms:Decrypt", **others: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*", **others}


@pytest.mark.parametrize(
    ("added", "said"),
    [
        (statement("*"), "everybody: may Decrypt (settings: not named)"),
        (
            statement("*", Condition={"StringEquals": {"kms:CallerAccount": ACCOUNT}}),
            f"everybody: may Decrypt (if kms:calleraccount StringEquals {ACCOUNT})",
        ),
        (statement({"Service": "lambda.amazonaws.com"}), "Service: lambda.amazonaws.com: may Decrypt"),
        (statement({"AWS": ADMIN}, "kms:*"), "administrator role/admin: may CreateGrant, Decrypt"),
        (
            {"Effect": "Deny", "Principal": {"AWS": APP}, "Action": "kms:Decrypt", "Resource": "*"},
            f"the key's policy denies {APP} kms:Decrypt",
        ),
    ],
)
def test_a_key_policy_that_allows_more_or_others_is_open(stand, added, said) -> None:
    there: Any = stand.aws.key_policies[KEY]["Statement"]
    stand.aws.key_policies[KEY] = policies.policy([*there, added])
    item = items(stand)[POLICY]
    assert (item.state, said in item.evidence) == (ItemState.OPEN, True), item.evidence


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"administrators": (ADMIN, SECOND)},
        {"administrators": (ADMIN, SECOND), "strict_key_policy": True},
        {"deletion_administrators": (SECOND,)},
        {"exclusive_use": True},
        {"administrators": (), "administrator_patterns": (PATTERN,)},
        {"vercel_access": "user", "deploy_targets": ("vercel", "ecs")},
    ],
)
def test_every_key_policy_of_the_settings_is_done(changes) -> None:
    item = items(of(**changes))[POLICY]
    assert (item.state, "the key's policy is as in the settings" in item.evidence) == (ItemState.DONE, True), item


# --- the data key and the test


@pytest.mark.parametrize(
    ("proofs", "state", "said"),
    [
        ((VerificationState.PROVED,), ItemState.PERSON, "verified as"),
        ((VerificationState.SIMULATED,), ItemState.PERSON, "deploy"),
        ((VerificationState.UNPROVEN,), ItemState.PERSON, "deploy"),
        ((), ItemState.PERSON, "nothing was delivered in this run"),
        ((VerificationState.FAILED,), ItemState.OPEN, "detail of failed"),
        ((VerificationState.PROVED, VerificationState.FAILED), ItemState.OPEN, "detail of failed"),
        ((VerificationState.PROVED, VerificationState.UNPROVEN), ItemState.PERSON, "detail of unproven"),
        ((VerificationState.PROVED, VerificationState.SIMULATED), ItemState.PERSON, "detail of simulated"),
    ],
)
def test_a_verification_does_not_replace_a_test_in_the_application(stand, proofs, state, said) -> None:
    item = items(stand, *(proof(each, detail=f"detail of {each}") for each in proofs))[TESTED]
    assert (item.state, said in item.evidence) == (state, True), item.evidence
