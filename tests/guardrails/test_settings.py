"""The settings as the pack reads them by itself: as the program does, and nothing where a value is not of its form."""

from __future__ import annotations

import json
from dataclasses import fields
from enum import StrEnum
from typing import Any

import pytest

from components import settings as program
from guardrails.rules.settings import Settings, SettingsError, correction, read
from tests.components.configurations import ACCOUNT, AS_TEXT, CONFIGURATIONS
from tests.guardrails.planned import configuration_of
from tests.guardrails.test_program import VARIANTS

FOREIGN = "arn:aws:iam::999999999999:role/theirs"


def as_read(value: Any) -> Any:
    """A value of the program's settings as the pack has it."""
    if isinstance(value, tuple):
        return tuple(sorted(map(str, value)))
    return "" if value is None else str(value) if isinstance(value, StrEnum) else value


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_pack_reads_every_setting_as_the_program_does(variant: str) -> None:
    configuration = configuration_of(VARIANTS[variant])
    theirs, ours = program.Settings.from_config(configuration), read(configuration)
    assert {field.name for field in fields(Settings)} == set(program.Settings.model_fields)
    assert {field.name: getattr(ours, field.name) for field in fields(Settings)} == {
        name: as_read(getattr(theirs, name)) for name in program.Settings.model_fields
    }
    names = theirs.names
    assert (ours.own_bucket, ours.access_bucket) == (names.trail_bucket, names.access_log_bucket)
    assert (ours.principals, ours.variables) == (theirs.app_principal_arns, theirs.variables)
    assert (ours.partition, ours.regions, ours.iam_region) == (theirs.partition, theirs.regions, theirs.iam_region)
    assert (ours.tags, ours.prefix) == (theirs.tags, names.parameter_prefix)


@pytest.mark.parametrize(
    "changes",
    [
        {"accountId": "12345"},
        {"application": "*"},
        {"application": "clin*"},
        {"application": "c"},
        {"application": "clinic-two"},
        {"application": "clinic\n"},
        {"application": "Clinic"},
        {"application": "EONPRO"},
        {"application": "ｃlinic"},
        {"application": "aws"},
        {"application": ["clinic"]},
        {"accountId": "１１１１２２２２３３３３"},
        {"accountId": ""},
        {"aws:region": "us-east-1\n"},
        {"aws:region": ""},
        {"deployTargets": []},
        {"deployTargets": ["lambda"]},
        {"administrators": [FOREIGN]},
        {"administrators": [f"arn:aws-cn:iam::{ACCOUNT}:role/admin"]},
        {"administrators": [f"arn:aws:iam::{ACCOUNT}:role/*"]},
        {"administrators": ["*"]},
        {"administrators": f"arn:aws:iam::{ACCOUNT}:role/admin"},
        {"administrators": [7]},
        {"administrators": []},
        {"administratorPatterns": ["arn:aws:iam::*:role/admin"]},
        {"administratorPatterns": [f"arn:aws:iam::{ACCOUNT}:role/*"]},
        {"deletionAdministrators": [FOREIGN]},
        {"incidentResponders": [FOREIGN]},
        {"appPrincipalArn": FOREIGN},
        {"appPrincipalArn": f"arn:aws:iam::{ACCOUNT}:root"},
        {"appPrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/admin"},
        {"permissionsBoundaryArn": "arn:aws:iam::999999999999:policy/Boundary"},
        {"vercelOidcProviderArn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/theirs.example"},
        {"vercelEnvironments": ["development"]},
        {"vercelProject": "portal:environment:*"},
        {"vercelTeam": None},
        {"strictKeyPolicy": True},
        {"strictKeyPolicy": "yes"},
        {"usageGuardDays": -1},
        {"usageGuardDays": "9e1"},
        {"trailRetentionDays": 30},
        {"trailArchiveDays": 1},
        {"rotationPeriodDays": 3000},
        {"trailLock": "GOVERNANCE"},
        {"replicaRegions": ["eu-west-1"]},
        {"multiRegion": True, "replicaRegions": ["cn-north-1"]},
        {"existingTrailArn": f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/x"},
        {"documentsKey": True},
        {"trailBucket": "Bucket/*"},
        {"documentBuckets": [f"eonpro-access-logs-{ACCOUNT}-us-east-1"]},
        {"adopted": ["application-policy=arn:aws:iam::aws:policy/AdministratorAccess"]},
        {"adopted": ["application-policy=arn:aws:iam::999999999999:policy/x"]},
        {"keptAsFound": ["everything"]},
        {"encryptionContext": "x"},
        {"exclusiveuse": "true"},
        {"region": "us-east-1"},
    ],
    ids=str,
)
def test_a_value_that_is_not_of_its_form_is_no_setting(changes: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        read(configuration_of(changes))


def test_keys_of_others_and_empty_values_say_nothing() -> None:
    more = {
        "aws:assumeRoles": "[]",
        "other:accountId": "1",
        "eonpro-kms:trailBucket": "",
        "eonpro-kms:alertEmails": "[]",
    }
    assert read({**AS_TEXT, **more}) == read(AS_TEXT)


def test_a_setting_has_its_command() -> None:
    assert correction("alerts", "staging") == "pulumi config set --stack staging eonpro-kms:alerts VALUE"
    path = "pulumi config set --stack staging --path 'eonpro-kms:administrators[N]' VALUE"
    assert correction("administrators", "staging") == path
    assert correction("x", "staging") == ""


def test_every_configuration_is_one_that_both_read() -> None:
    assert all(read(configuration_of(changes)) for changes in CONFIGURATIONS.values())
    assert json.loads(AS_TEXT["eonpro-kms:deployTargets"]) == ["vercel"]
