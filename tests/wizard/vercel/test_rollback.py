"""A delivery to Vercel ends with all three variables or as it began, whatever Vercel does in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from tests.wizard.vercel.test_client import AGREED as BATCH
from tests.wizard.vercel.test_client import NAMES, OTHER, OURS, Place
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, ResourceError, SetupError, Unreachable
from wizard.vercel.variable_state import data_key_comment

EARLIER = WrappedDataKey.from_blob(b"\x07" * 184)


def running(vercel: Place) -> dict[str, str]:
    found: dict[str, str] = vercel.api.get("/_sandbox/deployment/eonpro").json()
    return found


def never(vercel: Place, nth: int, **more: Any) -> None:
    """Vercel takes the others of a batch and never the nth."""
    vercel.fault(kind="half", method="POST", path="/env", nth=nth, times=999, code="BAD_REQUEST", **more)


ORDERS: dict[str, dict[str, Any]] = {
    "500s": {"status": 500, "times": 3},
    "429 with a wait": {"status": 429, "retryAfter": 2, "times": 2},
    "429 without one": {"status": 429, "times": 2},
    "a time-out": {"kind": "timeout", "seconds": 2},
    "a dropped connection": {"kind": "drop", "times": 2},
    "an answer that is lost": {"kind": "drop", "applied": True},
    "half of it": {"kind": "half", "nth": 1, "times": 2},
    "the other half": {"kind": "half", "nth": 3, "times": 2},
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
def test_a_fault_that_passes_ends_delivered(vercel: Place, order: dict[str, Any]) -> None:
    project = vercel.project()
    vercel.fault(method="POST", path="/env", **order)
    vercel.edge().deliver(project, BATCH)
    assert running(vercel) == dict(BATCH.values)
    assert vercel.writes(lambda: vercel.edge().deliver(project, BATCH)) == 0


FOREVER: dict[str, dict[str, Any]] = {
    "500s": {"status": 500},
    "429s": {"status": 429, "retryAfter": 7},
    "dropped connections": {"kind": "drop"},
    "no data key": {"kind": "half", "name": "ENCRYPTED_PHI_KEY", "method": "*"},
    "no KMS key": {"kind": "half", "name": "AWS_KMS_KEY_ID", "method": "*"},
    "no Region": {"kind": "half", "name": "AWS_REGION", "method": "*"},
}


@pytest.mark.parametrize("there", [{}, {"AWS_REGION": "eu-west-1"}, {"AWS_KMS_KEY_ID": "alias/by-hand", "OTHER": "x"}])
@pytest.mark.parametrize("order", FOREVER.values(), ids=FOREVER.keys())
def test_a_fault_that_lasts_ends_as_it_began(vercel: Place, order: dict[str, Any], there: dict[str, str]) -> None:
    project = vercel.project()
    for key, value in there.items():
        vercel.put(key, value, comment="set by hand")
    vercel.fault(**{"method": "POST", "path": "/env", "times": 9999, **order})
    with pytest.raises(SetupError):
        vercel.edge(deadline=20.0).deliver(project, BATCH)
    assert running(vercel) == there
    assert {each["comment"] for each in vercel.envs().values()} <= {"set by hand"}


def test_what_was_changed_has_its_old_value_and_what_was_made_is_gone(vercel: Place) -> None:
    vercel.put("AWS_KMS_KEY_ID", "alias/by-hand", comment="mine")
    vercel.put("UNTOUCHED", "yes")
    never(vercel, 1)
    with pytest.raises(ResourceError) as caught:
        vercel.edge().deliver(vercel.project(), BATCH)
    assert running(vercel) == {"AWS_KMS_KEY_ID": "alias/by-hand", "UNTOUCHED": "yes"}
    assert vercel.envs()["AWS_KMS_KEY_ID"]["comment"] == "mine"
    assert "ENCRYPTED_PHI_KEY: it is missing" in caught.value.message
    assert "what this run had written was rolled back" in caught.value.message


def test_the_kms_key_goes_before_the_data_key(vercel: Place) -> None:
    never(vercel, 3)
    with pytest.raises(ResourceError):
        vercel.edge().deliver(vercel.project(), BATCH)
    calls = vercel.api.get("/_sandbox/calls").json()["calls"]
    removed = [call for call in calls if call.startswith("DELETE ")]
    assert len(removed) == 2 and vercel.envs() == {}
    # While it was being taken back, the application could never have found the KMS key without its data key.
    never(vercel, 3)
    vercel.fault(kind="status", status=400, method="DELETE", path="/env", skip=1)
    with pytest.raises(ResourceError):
        vercel.edge().deliver(vercel.project(), BATCH)
    assert "AWS_KMS_KEY_ID" not in vercel.envs()


def test_a_data_key_that_was_there_is_neither_deleted_nor_changed(vercel: Place) -> None:
    vercel.put("ENCRYPTED_PHI_KEY", OURS.value, comment=data_key_comment(OURS), type="sensitive")
    never(vercel, 1)
    with pytest.raises(ResourceError):
        vercel.edge().deliver(vercel.project(), BATCH)
    assert running(vercel) == {"ENCRYPTED_PHI_KEY": OURS.value}


def test_a_stored_version_that_made_way_is_put_back_where_it_could_be_read(vercel: Place) -> None:
    vercel.put("ENCRYPTED_PHI_KEY", EARLIER.value)
    never(vercel, 2)
    with pytest.raises(ResourceError):
        vercel.edge().deliver(vercel.project(), BATCH, replaceable=frozenset({EARLIER.fingerprint}))
    assert running(vercel) == {"ENCRYPTED_PHI_KEY": EARLIER.value}


def test_a_kms_key_that_cannot_be_restored_never_stands_without_its_data_key(vercel: Place) -> None:
    vercel.put("AWS_KMS_KEY_ID", "alias/by-hand", type="sensitive")
    vercel.put("AWS_REGION", "eu-west-1")
    vercel.fault(kind="half", path="/env", name="AWS_REGION", times=999)
    with pytest.raises(ResourceError) as caught:
        vercel.edge().deliver(vercel.project(), BATCH)
    assert running(vercel) == {**dict(BATCH.values), "AWS_REGION": "eu-west-1"}
    assert "rolled back" not in caught.value.message and "do not deploy" in caught.value.hint


def test_a_variable_that_cannot_be_read_is_not_written_before_the_data_key_exists(vercel: Place) -> None:
    vercel.put("AWS_KMS_KEY_ID", "alias/by-hand", type="sensitive")
    never(vercel, 1)
    with pytest.raises(ResourceError, match="rolled back"):
        vercel.edge().deliver(vercel.project(), BATCH)
    assert running(vercel) == {"AWS_KMS_KEY_ID": "alias/by-hand"}


def test_an_outage_after_half_of_it_is_told_as_it_is_and_the_next_push_completes_it(vercel: Place) -> None:
    project = vercel.project()
    vercel.fault(kind="half", method="POST", path="/env", nth=3)
    vercel.fault(path="/env", status=503, skip=1, times=9999)
    with pytest.raises(Unreachable) as caught:
        vercel.edge(deadline=20.0).deliver(project, BATCH)
    assert "unknown" in caught.value.message and "do not deploy" in caught.value.hint
    vercel.api.delete("/_sandbox/faults")
    vercel.edge().deliver(project, BATCH)
    assert running(vercel) == dict(BATCH.values)


def test_taking_back_goes_on_through_faults_of_its_own(vercel: Place) -> None:
    never(vercel, 1)
    vercel.fault(method="DELETE", path="/env", status=500, times=2)
    vercel.fault(method="DELETE", path="/env", kind="drop", applied=True)
    with pytest.raises(ResourceError, match="rolled back"):
        vercel.edge().deliver(vercel.project(), BATCH)
    assert vercel.envs() == {}


def test_somebody_elses_data_key_that_comes_in_between_is_left_and_ours_is_taken_back(vercel: Place) -> None:
    vercel.fault(kind="half", method="POST", path="/env", nth=1)
    project, clock, sleep = vercel.project(), vercel.clock, vercel.clock.sleep

    def meanwhile(seconds: float) -> None:
        if not clock.slept:
            vercel.put("ENCRYPTED_PHI_KEY", OTHER.value, comment=data_key_comment(OTHER), type="sensitive")
        sleep(seconds)

    clock.sleep = meanwhile  # type: ignore[method-assign]
    with pytest.raises(DataKeyConflict):
        vercel.edge().deliver(project, BATCH)
    assert running(vercel) == {"ENCRYPTED_PHI_KEY": OTHER.value}


def test_another_runs_delivery_that_is_whole_is_not_taken_back(vercel: Place) -> None:
    project = vercel.project()
    never(vercel, 1, skip=1)
    vercel.fault(method="POST", path="/env", status=500)
    clock, sleep = vercel.clock, vercel.clock.sleep
    other = vercel.edge()

    def meanwhile(seconds: float) -> None:
        if not clock.slept:
            vercel.api.delete("/_sandbox/faults")
            other.deliver(project, BATCH)
            never(vercel, 1)
        sleep(seconds)

    clock.sleep = meanwhile  # type: ignore[method-assign]
    vercel.edge().deliver(project, BATCH)
    assert vercel.envs().keys() == NAMES and running(vercel) == dict(BATCH.values)


# --- the fourth variable

HASH = "ENCRYPTED_PHI_HASH_KEY"
HASH_KEY = WrappedDataKey.from_blob(b"\x09" * 184)
FOUR = replace(BATCH, beside=(("ENCRYPTED_PHI_HASH_KEY", HASH_KEY),))


def test_a_hash_key_joins_the_three_as_a_secret_and_is_told_from_another_one(vercel: Place) -> None:
    project, edge = vercel.project(), vercel.edge()
    edge.deliver(project, BATCH)
    assert "it is missing" in (edge.check(project, FOUR) or "")
    edge.deliver(project, FOUR)
    assert running(vercel) == dict(FOUR.values)
    assert (vercel.envs()[HASH]["type"], "hash key sha256:" in vercel.envs()[HASH]["comment"]) == ("sensitive", True)
    assert vercel.writes(lambda: edge.deliver(project, FOUR)) == 0
    assert edge.check(project, FOUR) is None
    assert edge.conflict(project, HASH_KEY, name=HASH) is None
    assert HASH in (edge.conflict(project, OTHER, name=HASH) or "")


@pytest.mark.parametrize("name", [HASH, "ENCRYPTED_PHI_KEY"])
def test_neither_key_is_left_there_without_the_other(vercel: Place, name: str) -> None:
    project = vercel.project()
    vercel.fault(kind="half", name=name, method="*", path="/env", times=999)
    with pytest.raises(SetupError):
        vercel.edge().deliver(project, FOUR)
    assert running(vercel) == {}


@pytest.mark.thorough
def test_another_hash_key_is_replaced_only_if_it_is_kept(vercel: Place) -> None:
    project, edge = vercel.project(), vercel.edge()
    vercel.put(HASH, OTHER.value)
    with pytest.raises(DataKeyConflict, match=f"there is an {HASH} already"):
        edge.deliver(project, FOUR)
    assert vercel.value(HASH) == OTHER.value and set(vercel.envs()) == {HASH}
    edge.deliver(project, FOUR, replaceable=frozenset({OTHER.fingerprint}))
    assert running(vercel) == dict(FOUR.values)


@pytest.mark.thorough
def test_another_hash_key_is_renamed_with_its_value_and_the_stored_one_is_not(vercel: Place) -> None:
    project, edge, today = vercel.project(), vercel.edge(), date(2026, 11, 24)
    stored = (OURS, HASH_KEY)
    foreign = vercel.put(HASH, OTHER.value)["id"]
    assert f"{HASH} {foreign} is now {HASH}_ASIDE_20261124" in edge.rename_variable(
        project, foreign, stored=stored, today=today
    )
    edge.deliver(project, FOUR)
    with pytest.raises(DataKeyConflict, match="is the stored hash key"):
        edge.rename_variable(project, vercel.envs()[HASH]["id"], stored=stored, today=today)
