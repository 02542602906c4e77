"""What somebody set on Vercel by hand, read over a real socket from the stand-in; nothing is written but a comment."""

from __future__ import annotations

import traceback
from dataclasses import replace
from typing import Any, cast

import pytest

from components.settings import VariableNames
from tests.wizard.vercel.test_client import ARN, OTHER, OURS, Place
from wizard.core.errors import DataKeyConflict
from wizard.core.models.account import DiscoveredDataKey
from wizard.core.models.delivery import AppVariables
from wizard.core.models.vercel import PRODUCTION
from wizard.vercel.conflicts import find_data_key
from wizard.vercel.variable_state import ListedVariable
from wizard.vercel.variables import Variables

NOTHING = DiscoveredDataKey(wrapped=None, exists=False, key_arn=None)


def by_hand(vercel: Place, **more: Any) -> None:
    vercel.put("AWS_REGION", "us-east-1", **more)
    vercel.put("AWS_KMS_KEY_ID", ARN, **more)
    vercel.put("ENCRYPTED_PHI_KEY", OURS.value, **more)


def found(vercel: Place) -> DiscoveredDataKey:
    return vercel.edge().find_data_key(vercel.project())


@pytest.mark.parametrize("type_", ["encrypted", "plain"])
def test_what_vercel_tells_is_found_and_nothing_is_written(vercel: Place, type_: str) -> None:
    by_hand(vercel, type=type_)
    results: list[DiscoveredDataKey] = []
    assert vercel.writes(lambda: results.append(found(vercel))) == 0
    assert results == [DiscoveredDataKey(wrapped=OURS, exists=True, key_arn=ARN)]


def test_a_sensitive_value_is_known_to_be_there_and_no_more(vercel: Place) -> None:
    by_hand(vercel, type="sensitive")
    assert found(vercel) == DiscoveredDataKey(wrapped=None, exists=True, key_arn=None)


def test_a_sensitive_data_key_beside_a_readable_key_names_the_key(vercel: Place) -> None:
    vercel.put("AWS_KMS_KEY_ID", ARN)
    vercel.put("ENCRYPTED_PHI_KEY", OURS.value, type="sensitive")
    assert found(vercel) == DiscoveredDataKey(wrapped=None, exists=True, key_arn=ARN)


def test_a_variable_that_serves_other_environments_too_is_productions(vercel: Place) -> None:
    by_hand(vercel, target=["production", "preview"])
    assert found(vercel).wrapped == OURS


@pytest.mark.parametrize(
    "where",
    [
        {"target": ["preview"]},
        {"target": ["development"]},
        {"target": ["preview"], "gitBranch": "main"},
        {"target": [], "customEnvironmentIds": ["env_staging"]},
    ],
)
def test_what_production_does_not_see_is_not_found(vercel: Place, where: dict[str, Any]) -> None:
    by_hand(vercel, **where)
    assert found(vercel) == NOTHING


def test_productions_own_is_told_from_another_environments(vercel: Place) -> None:
    by_hand(vercel)
    vercel.put("ENCRYPTED_PHI_KEY", OTHER.value, target=["preview"])
    assert found(vercel).wrapped == OURS


def test_a_value_that_could_not_be_read_counts_as_there(vercel: Place) -> None:
    by_hand(vercel)
    path = f"/env/{vercel.envs()['ENCRYPTED_PHI_KEY']['id']}"
    vercel.fault(path=path, status=403, times=99)
    assert found(vercel) == DiscoveredDataKey(wrapped=None, exists=True, key_arn=ARN)


@pytest.mark.parametrize("value", [f"{OURS.value}\n", f'"{OURS.value}"', OURS.value[:40], "no base64!"])
def test_a_value_that_can_be_no_data_key_is_refused_and_never_told(vercel: Place, value: str) -> None:
    vercel.put("ENCRYPTED_PHI_KEY", value)
    with pytest.raises(DataKeyConflict, match="cannot be a wrapped data key") as refusal:
        found(vercel)
    assert "vercel env update ENCRYPTED_PHI_KEY production" in refusal.value.hint
    assert value.strip() not in "".join(traceback.format_exception(refusal.value))


def test_two_data_keys_for_production_are_refused() -> None:
    """The API refuses a second variable of the same name and target; another endpoint may not."""

    class Twice:
        owner, scope, names = "Vercel project clinic/eonpro", PRODUCTION, VariableNames()

        def list(self) -> tuple[ListedVariable, ...]:
            entry = ListedVariable(
                id="1", key="ENCRYPTED_PHI_KEY", type="plain", targets=("production",), comment="", value=OURS.value
            )
            return (entry, replace(entry, id="2", value=OTHER.value))

    with pytest.raises(DataKeyConflict, match=r"for production 2 times \(ids 1, 2\)") as refusal:
        find_data_key(cast(Variables, Twice()))
    assert refusal.value.hint.startswith("vercel env ls production")


# --- a data key that is not told, by its comment


def listed(vercel: Place, key: str = "ENCRYPTED_PHI_KEY") -> Any:
    (entry,) = [each for each in vercel.edge()._variables(vercel.project(), 9).list() if each.key == key]
    return entry


def deployed(vercel: Place) -> str:
    return str(vercel.api.get("/_sandbox/deployment/eonpro").json()["ENCRYPTED_PHI_KEY"])


def test_the_comment_names_the_data_key_and_its_value_type_and_environments_stay(vercel: Place) -> None:
    by_hand(vercel, type="sensitive")
    before = listed(vercel)
    vercel.edge().name_data_key(vercel.project(), OURS)
    after = listed(vercel)
    assert OURS.fingerprint in after.comment and OURS.value not in after.comment
    assert (after.id, after.type, after.targets) == (before.id, "sensitive", before.targets)
    assert found(vercel).claimed == OURS.fingerprint
    assert deployed(vercel) == OURS.value


def test_a_named_data_key_is_delivered_without_its_value_being_written(vercel: Place) -> None:
    by_hand(vercel, type="sensitive")
    # Whatever the person said, the value that is there is the one that stays.
    vercel.edge().name_data_key(vercel.project(), OTHER)
    before = listed(vercel)
    # What a person set as a Secret may be somebody else's: to replace it was agreed to.
    agreed = frozenset(("AWS_REGION", "AWS_KMS_KEY_ID"))
    batch = AppVariables(region="us-east-1", key_arn=ARN, wrapped=OTHER, replaces=agreed)
    vercel.edge().deliver(vercel.project(), batch)
    assert listed(vercel) == before
    assert deployed(vercel) == OURS.value
    assert listed(vercel, "AWS_KMS_KEY_ID").comment


def test_a_data_key_that_is_named_already_is_not_named_again(vercel: Place) -> None:
    by_hand(vercel, type="sensitive")
    vercel.edge().name_data_key(vercel.project(), OURS)
    assert vercel.writes(lambda: vercel.edge().name_data_key(vercel.project(), OURS)) == 0
    with pytest.raises(DataKeyConflict, match=OURS.fingerprint):
        vercel.edge().name_data_key(vercel.project(), OTHER)
    assert found(vercel).claimed == OURS.fingerprint
