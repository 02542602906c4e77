"""Variables of somebody else on Vercel: what counts as the stack's own, and that nothing else is replaced unasked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.wizard.vercel.test_client import AGREED, ARN, BATCH, TOKEN, Place
from wizard.core.models.delivery import DeliveryState
from wizard.core.variable_ownership import OwnValues, VariablesNotOurs
from wizard.vercel.client import VercelClient

OWN = OwnValues(region="us-east-1", key_arns=(ARN,), alias="alias/eonpro-phi-key")
OWNED = replace(BATCH, own=OWN)


def change(vercel: Place, key: str, **fields: str) -> None:
    vercel.api.patch(f"/v9/projects/eonpro/env/{vercel.envs()[key]['id']}?slug=clinic", json=fields)


@pytest.mark.parametrize("type_", ["encrypted", "plain", "sensitive"])
def test_both_are_told_at_once_with_the_command_and_nothing_is_written(vercel: Place, type_: str) -> None:
    vercel.put("AWS_KMS_KEY_ID", "alias/uploads", type=type_)
    vercel.put("AWS_REGION", "us-east-2", type=type_, comment="for S3")
    before, project = vercel.envs(), vercel.project()
    found = vercel.edge().foreign_variables(project, OWN)
    shown = ("", "") if type_ == "sensitive" else ("us-east-2", "alias/uploads")
    assert [(each.name, each.value) for each in found] == [("AWS_REGION", shown[0]), ("AWS_KMS_KEY_ID", shown[1])]

    def deliver() -> None:
        with pytest.raises(VariablesNotOurs) as refused:
            vercel.edge().deliver(project, OWNED)
        assert refused.value.variables == found and refused.value.exit_code == 2
        named = "push --replace-variable AWS_REGION --replace-variable AWS_KMS_KEY_ID"
        assert str(refused.value.hint).endswith(named)

    assert vercel.writes(deliver) == 0
    assert vercel.envs() == before
    # One name is one answer.
    with pytest.raises(VariablesNotOurs) as refused:
        vercel.edge().deliver(project, replace(OWNED, replaces=frozenset({"AWS_REGION"})))
    assert [each.name for each in refused.value.variables] == ["AWS_KMS_KEY_ID"]
    assert vercel.envs() == before
    assert vercel.edge().deliver(project, AGREED).state is DeliveryState.WRITTEN
    assert vercel.api.get("/_sandbox/deployment/eonpro").json()["AWS_KMS_KEY_ID"] == ARN


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("AWS_KMS_KEY_ID", ARN),
        ("AWS_KMS_KEY_ID", ARN.rpartition("/")[2]),
        ("AWS_KMS_KEY_ID", "alias/eonpro-phi-key"),
        ("AWS_KMS_KEY_ID", "arn:aws:kms:us-east-1:111122223333:alias/eonpro-phi-key"),
        ("AWS_KMS_KEY_ID", f'"{ARN}"'),
        ("AWS_REGION", "us-east-1"),
        ("AWS_REGION", " us-east-1"),
    ],
)
def test_a_value_that_names_the_stacks_key_or_region_is_put_right_without_a_question(
    vercel: Place, key: str, value: str
) -> None:
    vercel.put(key, value, type="plain")
    assert vercel.edge().foreign_variables(vercel.project(), OWN) == ()
    assert vercel.edge().deliver(vercel.project(), OWNED).state is DeliveryState.WRITTEN
    assert vercel.edge().check(vercel.project(), OWNED) is None


def test_what_an_earlier_delivery_wrote_for_another_key_is_the_stacks_own(vercel: Place) -> None:
    project = vercel.project()
    vercel.edge().deliver(project, OWNED)
    moved = ARN.replace("000000000001", "000000000002")
    another = replace(BATCH, key_arn=moved, region="us-east-1", own=replace(OWN, key_arns=(moved,)))
    assert vercel.edge().foreign_variables(project, another.own_values) == ()
    assert vercel.edge().deliver(project, another).state is DeliveryState.WRITTEN


def test_a_value_that_somebody_typed_under_our_comment_is_theirs(vercel: Place) -> None:
    project = vercel.project()
    vercel.edge().deliver(project, OWNED)
    change(vercel, "AWS_KMS_KEY_ID", value="alias/uploads")
    with pytest.raises(VariablesNotOurs, match="AWS_KMS_KEY_ID of production of .* is alias/uploads"):
        vercel.edge().deliver(project, OWNED)
    assert vercel.value("AWS_KMS_KEY_ID") == "alias/uploads"


def test_a_value_that_is_neither_a_region_nor_a_key_is_never_shown(vercel: Place) -> None:
    vercel.put("AWS_KMS_KEY_ID", "pasted-by-mistake: hunter2", type="plain")
    with pytest.raises(VariablesNotOurs) as refused:
        vercel.edge().deliver(vercel.project(), OWNED)
    assert "hunter2" not in f"{refused.value.message} {refused.value.hint}"


def test_one_that_somebody_sets_while_the_delivery_runs_is_not_replaced_either(vercel: Place) -> None:
    project = vercel.project()
    vercel.fault(path="/env", method="POST", status=500, times=1)

    def somebody_else(seconds: float) -> None:
        if "AWS_KMS_KEY_ID" not in vercel.envs():
            vercel.put("AWS_KMS_KEY_ID", "alias/uploads")
        vercel.clock.time += seconds

    edge = VercelClient(token=TOKEN, base_url=vercel.url, sleep=somebody_else, now=vercel.clock.now)
    vercel.edges.append(edge)
    with pytest.raises(VariablesNotOurs):
        edge.deliver(project, OWNED)
    assert vercel.value("AWS_KMS_KEY_ID") == "alias/uploads"
    assert "ENCRYPTED_PHI_KEY" not in vercel.envs()
