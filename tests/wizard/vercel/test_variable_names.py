"""Variables under other names than the guide's: what is delivered, what is left alone, what counts as a data key."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.settings import VariableNames
from tests.wizard.vercel.test_client import ARN, BATCH, OTHER, OURS, Place
from wizard.core.errors import DataKeyConflict, ResourceError
from wizard.core.models.delivery import DeliveryState
from wizard.core.models.vercel import VercelProject

NAMES = VariableNames(region="EONPRO_AWS_REGION", key_id="EONPRO_KMS_KEY_ID", data_key="EONPRO_PHI_KEY")
RENAMED = replace(BATCH, names=NAMES)
UPLOADS = "alias/uploads"


def project(vercel: Place) -> VercelProject:
    return vercel.project().with_names(NAMES)


def test_the_variables_of_the_s3_client_stay_as_they_are(vercel: Place) -> None:
    vercel.put("AWS_KMS_KEY_ID", UPLOADS)
    vercel.put("AWS_REGION", "us-east-2")
    before = vercel.envs()
    assert vercel.edge().conflict(project(vercel), OURS, region="us-east-1", key_arn=ARN) is None
    delivered = vercel.edge().deliver(project(vercel), RENAMED)
    assert (delivered.state, delivered.checked_by) == (DeliveryState.WRITTEN, "listing and fingerprint")
    envs = vercel.envs()
    assert {name: envs[name] for name in before} == before
    assert envs.keys() - before.keys() == {"EONPRO_AWS_REGION", "EONPRO_KMS_KEY_ID", "EONPRO_PHI_KEY"}
    assert (vercel.value("EONPRO_AWS_REGION"), vercel.value("EONPRO_KMS_KEY_ID")) == ("us-east-1", ARN)
    assert envs["EONPRO_PHI_KEY"]["type"] == "sensitive"
    assert vercel.edge().check(project(vercel), RENAMED) is None
    assert vercel.writes(lambda: vercel.edge().deliver(project(vercel), RENAMED)) == 0


def test_without_a_stored_key_a_data_key_under_the_guides_name_is_one_that_records_may_need(vercel: Place) -> None:
    vercel.put("ENCRYPTED_PHI_KEY", OTHER.value)
    refusal = vercel.edge().conflict(project(vercel), None, region="us-east-1")
    assert refusal is not None and "ENCRYPTED_PHI_KEY" in refusal
    assert vercel.edge().find_data_key(project(vercel)).wrapped == OTHER
    # Once one is stored, what is under the guide's name is nobody's concern: it is not overwritten.
    assert vercel.edge().conflict(project(vercel), OURS, region="us-east-1", key_arn=ARN) is None


def test_another_data_key_under_the_own_name_is_never_overwritten(vercel: Place) -> None:
    vercel.put("EONPRO_PHI_KEY", OTHER.value)
    with pytest.raises(DataKeyConflict, match="EONPRO_PHI_KEY"):
        vercel.edge().deliver(project(vercel), RENAMED)
    assert vercel.envs().keys() == {"EONPRO_PHI_KEY"}


def test_a_delivery_that_cannot_end_leaves_no_kms_key_without_its_data_key(vercel: Place) -> None:
    vercel.edge().deliver(project(vercel), RENAMED)
    vercel.api.delete(f"/v9/projects/eonpro/env/{vercel.envs()['EONPRO_PHI_KEY']['id']}?slug=clinic")
    assert "EONPRO_PHI_KEY it is missing" in str(vercel.edge().check(project(vercel), RENAMED))
    vercel.fault(method="POST", path="/env", status=400, times=9)
    with pytest.raises(ResourceError, match="EONPRO_PHI_KEY: it is missing"):
        vercel.edge(deadline=1.0).deliver(project(vercel), RENAMED)


@pytest.mark.thorough
def test_where_another_environment_has_them_is_told_by_these_names(vercel: Place) -> None:
    vercel.put("EONPRO_PHI_KEY", OTHER.value, target=["preview"])
    vercel.put("ENCRYPTED_PHI_KEY", OTHER.value, target=["preview"])
    lines = vercel.edge().overlaps(project(vercel))
    assert len(lines) == 1 and lines[0].startswith("EONPRO_PHI_KEY of preview")
