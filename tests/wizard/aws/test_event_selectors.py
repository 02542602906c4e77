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


RECORDING = {
    "all": [basic()],
    "without another service": [basic(without=(RDS,))],
    "reads and writes apart": [basic("ReadOnly"), basic("WriteOnly")],
    "beside one for data": [basic(management=False), basic()],
}
NOT_RECORDING = {
    "without kms": [basic(without=(KMS,))],
    "without both": [basic(without=(RDS, KMS))],
    "reads": [basic("ReadOnly")],
    "writes": [basic("WriteOnly")],
    "data alone": [basic(management=False)],
    "writes without kms": [basic("ReadOnly"), basic("WriteOnly", without=(KMS,))],
    "a word not known": [basic("Something")],
}
RECORDING_ADVANCED = {
    "all": [advanced()],
    "not rds": [advanced(eventSource={"NotEquals": [RDS]})],
    "kms by name": [advanced(eventSource={"Equals": [RDS, KMS]})],
    "kms by its beginning": [advanced(eventSource={"StartsWith": ["kms."]})],
    "apart": [advanced(readOnly={"Equals": ["true"]}), advanced(readOnly={"Equals": ["false"]})],
    "apart by no": [advanced(readOnly={"NotEquals": ["true"]}), advanced(readOnly={"Equals": ["true"]})],
    "beside one for data": [advanced("Data"), advanced()],
}
NOT_RECORDING_ADVANCED = {
    "not kms": [advanced(eventSource={"NotEquals": [KMS]})],
    "neither": [advanced(eventSource={"NotEquals": [RDS, KMS]})],
    "rds alone": [advanced(eventSource={"Equals": [RDS]})],
    "not kms by its beginning": [advanced(eventSource={"NotStartsWith": ["kms"]})],
    "not kms by its end": [advanced(eventSource={"NotEndsWith": [".amazonaws.com"]})],
    "another end": [advanced(eventSource={"EndsWith": [".example.com"]})],
    "reads": [advanced(readOnly={"Equals": ["true"]})],
    "writes": [advanced(readOnly={"Equals": ["false"]})],
    "no reads": [advanced(readOnly={"NotEquals": ["true"]})],
    "one call": [advanced(eventName={"Equals": ["Decrypt"]})],
    "some callers": [advanced(userIdentity_arn={"NotStartsWith": ["arn:aws:sts"]})],
    "data": [advanced("Data")],
    "the network": [advanced("NetworkActivity")],
    "no field": [{"FieldSelectors": []}],
}
CASES = [
    pytest.param({key: selectors}, recorded, id=f"{key}: {name}")
    for key, cases, recorded in (
        ("EventSelectors", RECORDING, True),
        ("EventSelectors", NOT_RECORDING, False),
        ("AdvancedEventSelectors", RECORDING_ADVANCED, True),
        ("AdvancedEventSelectors", NOT_RECORDING_ADVANCED, False),
    )
    for name, selectors in cases.items()
]


@pytest.mark.parametrize(
    ("selectors", "recorded"), [({}, True), ({"EventSelectors": [], "AdvancedEventSelectors": []}, True), *CASES]
)
def test_kms_is_recorded_where_the_selectors_let_all_of_its_events_through(selectors, recorded):
    assert records_kms(selectors) is recorded
