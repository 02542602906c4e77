"""A second import, the messages about an import that is impossible, and what the stored data key waits for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components.settings import ImportGroup
from tests.wizard.fakes.clients import BUCKET, KEY, OTHER_KEY, STORED_KEY, by_hand, trail_fact, wrapped
from tests.wizard.setup.preflight.test_checks import World
from tests.wizard.setup.test_workflow import World as Journey
from wizard.core.errors import DataKeyConflict
from wizard.core.models.account import DiscoveredSetup, Existing
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.stack import StackState
from wizard.setup.importing.discovery import ImportRequest

ALL = ImportRequest(repaired=tuple(ImportGroup))
ONE = wrapped("by hand")


@pytest.fixture
def hand() -> World:
    world = World()
    by_hand(world.aws)
    world.vercel.sensitive = False
    world.vercel.variables = {"ENCRYPTED_PHI_KEY": ONE.value, "AWS_KMS_KEY_ID": KEY}
    return world


def taken_away(hand: World) -> Any:
    """Settings of a stack that was imported and then removed: its key and its data key are in the account."""
    saved = hand.check(adoption=ALL).settings
    assert saved is not None
    hand.aws.stored_keys[STORED_KEY] = StoredDataKey(parameter=STORED_KEY, wrapped=ONE, key_arn=KEY, version=1)
    hand.engine.stack_state = StackState(exists=True, has_key=False)
    return saved


def test_what_is_gone_with_a_stack_is_not_imported_by_its_saved_id(hand: World) -> None:
    saved = taken_away(hand)
    left = [found for found in hand.aws.discovered.things if "role" not in found.thing and "polic" not in found.thing]
    hand.aws.discovered = replace(hand.aws.discovered, things=tuple(left), role_arn=None, policy_arn=None)
    hand.aws.existing = replace(hand.aws.existing, found={"trail": trail_fact().arn, "trail_bucket": "ours"})
    findings = hand.check(saved=saved, trail_bucket=BUCKET)
    assert findings.problems == () and findings.settings is not None
    assert {entry.partition("=")[0] for entry in findings.settings.adopted} == {"key", "alias", "trail", "bucket"}


def test_where_all_of_it_is_gone_everything_is_made(hand: World) -> None:
    saved = taken_away(hand)
    hand.aws.stored_keys.clear()
    hand.vercel.variables = {}
    hand.aws.discovered, hand.aws.existing = DiscoveredSetup(), Existing()
    findings = hand.check(saved=saved, trail_bucket=BUCKET)
    assert findings.problems == () and findings.settings is not None
    assert (findings.settings.adopted, findings.settings.kept_as_found) == ((), ())


def test_a_key_whose_data_key_nobody_tells_gets_no_second_one_on_vercel_either(hand: World) -> None:
    hand.vercel.variables = {}
    (problem,) = hand.check(adoption=ALL).problems
    assert "it is not known which data key" in problem.what and "EONPRO_ENCRYPTED_PHI_KEY=none" in problem.next
    agreed = hand.check(adoption=replace(ALL, data_key="none"))
    assert (agreed.problems, agreed.imported_data_key) == ((), None)


# --- the stored data key waits for the proof


@pytest.fixture
def hidden() -> Journey:
    journey = Journey()
    by_hand(journey.aws)
    journey.vercel.variables = {"AWS_REGION": "us-east-1", "AWS_KMS_KEY_ID": KEY, "ENCRYPTED_PHI_KEY": ONE.value}
    journey.aws.wrapped_by[ONE.fingerprint] = KEY
    return journey


def test_a_hidden_data_key_is_proved_named_and_only_then_stored(hidden: Journey) -> None:
    done = hidden.setup(adopt=True, repair=("all",), encrypted_phi_key=ONE.value)
    assert (done.stored_data_key.wrapped, hidden.vercel.named) == (ONE, ONE.fingerprint)
    calls = [call.split(" ")[0] for call in hidden.log]
    order = [calls.index(call) for call in ("prover.prove", "vercel.name_data_key", "cloud.write_stored_data_key")]
    assert order == sorted(order)


def test_a_delivery_does_not_go_by_what_vercel_had_before_a_hidden_data_key_was_named_there(hidden: Journey) -> None:
    # As an import that was interrupted after its update.
    hidden.engine.steps = tuple(replace(each, op="same") for each in hidden.engine.steps)
    hidden.setup(adopt=True, repair=("all",), encrypted_phi_key=ONE.value)
    calls = [call.split(" ")[0] for call in hidden.log]
    assert "vercel.name_data_key" in calls and "vercel.listing" not in calls


def test_a_data_key_that_cannot_be_opened_is_neither_stored_nor_named_nor_delivered(hidden: Journey) -> None:
    hidden.aws.wrapped_by[ONE.fingerprint] = OTHER_KEY
    with pytest.raises(DataKeyConflict, match="it was not stored"):
        hidden.setup(adopt=True, repair=("all",), encrypted_phi_key=ONE.value)
    assert (hidden.aws.stored_keys, hidden.vercel.named) == ({}, None)
    assert "vercel.deliver" not in [call.split(" ")[0] for call in hidden.log]
