"""Which data key a delivery to Vercel may take the place of: an stored version, and never another."""

from __future__ import annotations

import pytest

from tests.wizard.vercel.test_client import BATCH, OTHER, OURS, Place
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, ResourceError
from wizard.core.models.delivery import DeliveryState
from wizard.vercel.variable_state import data_key_comment

EARLIER = WrappedDataKey.from_blob(b"\x07" * 184)
STORED_KEYS = frozenset({EARLIER.fingerprint, OURS.fingerprint})


def delivered(vercel: Place, wrapped: WrappedDataKey, **more: str) -> None:
    vercel.put("ENCRYPTED_PHI_KEY", wrapped.value, comment=data_key_comment(wrapped), **more)


def running(vercel: Place) -> str:
    return str(vercel.api.get("/_sandbox/deployment/eonpro").json()["ENCRYPTED_PHI_KEY"])


def test_a_stored_version_makes_way_for_the_current_one(vercel: Place) -> None:
    delivered(vercel, EARLIER, type="sensitive")
    done = vercel.edge().deliver(vercel.project(), BATCH, replaceable=STORED_KEYS)
    assert (done.state, done.fingerprint) == (DeliveryState.WRITTEN, OURS.fingerprint)
    assert running(vercel) == OURS.value
    assert vercel.writes(lambda: vercel.edge().deliver(vercel.project(), BATCH, replaceable=STORED_KEYS)) == 0


def test_without_a_word_a_stored_version_is_as_foreign_as_any(vercel: Place) -> None:
    delivered(vercel, EARLIER, type="sensitive")
    with pytest.raises(DataKeyConflict):
        vercel.edge().deliver(vercel.project(), BATCH)
    assert running(vercel) == EARLIER.value


def test_a_data_key_that_is_not_stored_stays_though_others_may_be_replaced(vercel: Place) -> None:
    delivered(vercel, OTHER, type="sensitive")
    before = vercel.envs()
    with pytest.raises(DataKeyConflict):
        vercel.edge().deliver(vercel.project(), BATCH, replaceable=STORED_KEYS)
    assert vercel.envs() == before and running(vercel) == OTHER.value
    assert vercel.edge().conflict(vercel.project(), OURS, replaceable=STORED_KEYS) is not None


def test_the_value_counts_more_than_a_comment_that_names_a_stored_version(vercel: Place) -> None:
    vercel.put("ENCRYPTED_PHI_KEY", OTHER.value, comment=data_key_comment(EARLIER))
    with pytest.raises(DataKeyConflict):
        vercel.edge().deliver(vercel.project(), BATCH, replaceable=STORED_KEYS)
    assert running(vercel) == OTHER.value


def test_a_version_known_by_its_value_alone_makes_way_and_becomes_sensitive(vercel: Place) -> None:
    vercel.put("ENCRYPTED_PHI_KEY", EARLIER.value)
    vercel.edge().deliver(vercel.project(), BATCH, replaceable=STORED_KEYS)
    assert running(vercel) == OURS.value
    assert vercel.envs()["ENCRYPTED_PHI_KEY"]["type"] == "sensitive"


def test_a_version_that_serves_preview_too_is_not_taken_away_from_it(vercel: Place) -> None:
    vercel.put("ENCRYPTED_PHI_KEY", EARLIER.value, target=["production", "preview"])
    with pytest.raises(ResourceError, match="also serves preview"):
        vercel.edge().deliver(vercel.project(), BATCH, replaceable=STORED_KEYS)
    assert running(vercel) == EARLIER.value


def test_a_version_that_the_team_shares_may_be_gone_before(vercel: Place) -> None:
    project = vercel.project()
    shared = {
        "evs": [{"key": "ENCRYPTED_PHI_KEY", "value": EARLIER.value}],
        "type": "encrypted",
        "target": ["production"],
        "projectId": [project.id],
    }
    assert vercel.api.post("/v1/env?slug=clinic", json=shared).status_code == 201
    assert vercel.edge().conflict(project, OURS) is not None
    assert vercel.edge().conflict(project, OURS, replaceable=STORED_KEYS) is None
