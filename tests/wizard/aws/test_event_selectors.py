"""Which event selectors let every management event of KMS through."""

from __future__ import annotations

from typing import Any

import pytest

from wizard.aws.trail import records_kms

KMS = "kms.amazonaws.com"
RDS = "rdsdata.amazonaws.com"


def basic(read_write: str = "All", *, management: bool = True, without: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "ReadWriteType": read_write,
        "IncludeManagementEvents": management,
        "DataResources": [],
        "ExcludeManagementEventSources": list(without),
    }


def advanced(category: str = "Management", **fields: dict[str, list[str]]) -> dict[str, Any]:
    named = {"eventCategory": {"Equals": [category]}, **fields}
    return {
        "Name": "one",
        "FieldSelectors": [{"Field": name.replace("_", "."), **rule} for name, rule in named.items()],
    }


@pytest.mark.parametrize(
    "selectors",
    [
        [basic()],
        [basic(without=(RDS,))],
        [basic("ReadOnly"), basic("WriteOnly")],
        [basic(management=False), basic()],
    ],
    ids=["all", "without another service", "reads and writes apart", "beside one for data"],
)
def test_basic_selectors_that_record_kms(selectors):
    assert records_kms({"EventSelectors": selectors}) is True


@pytest.mark.parametrize(
    "selectors",
    [
        [basic(without=(KMS,))],
        [basic(without=(RDS, KMS))],
        [basic("ReadOnly")],
        [basic("WriteOnly")],
        [basic(management=False)],
        [basic("ReadOnly"), basic("WriteOnly", without=(KMS,))],
        [basic("Something")],
    ],
    ids=["without kms", "without both", "reads", "writes", "data alone", "writes without kms", "a word not known"],
)
def test_basic_selectors_that_do_not(selectors):
    assert records_kms({"EventSelectors": selectors}) is False


def test_a_trail_without_selectors_records_all_management_events():
    assert records_kms({"EventSelectors": [], "AdvancedEventSelectors": []}) is True
    assert records_kms({}) is True


@pytest.mark.parametrize(
    "selectors",
    [
        [advanced()],
        [advanced(eventSource={"NotEquals": [RDS]})],
        [advanced(eventSource={"Equals": [RDS, KMS]})],
        [advanced(eventSource={"StartsWith": ["kms."]})],
        [advanced(readOnly={"Equals": ["true"]}), advanced(readOnly={"Equals": ["false"]})],
        [advanced(readOnly={"NotEquals": ["true"]}), advanced(readOnly={"Equals": ["true"]})],
        [advanced("Data"), advanced()],
    ],
    ids=["all", "not rds", "kms by name", "kms by its beginning", "apart", "apart by no", "beside one for data"],
)
def test_advanced_selectors_that_record_kms(selectors):
    assert records_kms({"AdvancedEventSelectors": selectors}) is True


@pytest.mark.parametrize(
    "selectors",
    [
        [advanced(eventSource={"NotEquals": [KMS]})],
        [advanced(eventSource={"NotEquals": [RDS, KMS]})],
        [advanced(eventSource={"Equals": [RDS]})],
        [advanced(eventSource={"NotStartsWith": ["kms"]})],
        [advanced(eventSource={"NotEndsWith": [".amazonaws.com"]})],
        [advanced(eventSource={"EndsWith": [".example.com"]})],
        [advanced(readOnly={"Equals": ["true"]})],
        [advanced(readOnly={"Equals": ["false"]})],
        [advanced(readOnly={"NotEquals": ["true"]})],
        [advanced(eventName={"Equals": ["Decrypt"]})],
        [advanced(userIdentity_arn={"NotStartsWith": ["arn:aws:sts"]})],
        [advanced("Data")],
        [advanced("NetworkActivity")],
        [{"FieldSelectors": []}],
    ],
)
def test_advanced_selectors_that_do_not(selectors):
    assert records_kms({"AdvancedEventSelectors": selectors}) is False
