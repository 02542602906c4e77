"""The contract: every rule about a setting, all faults at once, and the way through the configuration and back."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from pydantic import ValidationError

from components.contract import (
    CONFIG_KEYS,
    DEFAULT_RETENTION_DAYS,
    PROJECT,
    ContractError,
    Outputs,
    Settings,
    Target,
)

ACCOUNT = "111122223333"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/admin"
SECOND = f"arn:aws:iam::{ACCOUNT}:user/ops/second"
TRAIL = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/all"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/acme"
LEAST: dict[str, Any] = {
    "account_id": ACCOUNT,
    "region": "us-east-1",
    "administrators": (ADMIN,),
    "deploy_targets": ("ecs",),
}
MOST: dict[str, Any] = {
    **LEAST,
    "environment": "staging",
    "administrators": (ADMIN, SECOND),
    "deploy_targets": ("ecs", "vercel"),
    "app_principal_arn": f"arn:aws:iam::{ACCOUNT}:user/app",
    "rotation_period_days": 180,
    "existing_trail_arn": TRAIL,
    "trail_bucket": "clinic-logs",
    "trail_retention_days": 3000,
    "vercel_team": "acme",
    "vercel_project": "portal",
    "vercel_oidc_provider_arn": PROVIDER,
    "ecs_cluster": "clinic",
    "ecs_service": "web",
    "ecs_execution_role_arn": f"arn:aws:iam::{ACCOUNT}:role/ecsTaskExecutionRole",
}


def read(**changes: Any) -> Settings:
    return Settings.read({**LEAST, **changes})


def faults(**changes: Any) -> tuple[tuple[str, str], ...]:
    with pytest.raises(ContractError) as refused:
        read(**changes)
    return refused.value.faults


def as_the_engine_gives(settings: Settings) -> dict[str, str | None]:
    """Every key the program asks for: text, lists and numbers in JSON, None where nothing is set."""
    config = settings.to_config()
    told = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    return {key: told.get(key) for key in ("aws:region", *(f"{PROJECT}:{name}" for name in CONFIG_KEYS))}


@pytest.mark.parametrize("values", [LEAST, MOST], ids=["least", "most"])
def test_settings_come_back_equal_from_the_stack_configuration(values) -> None:
    settings = Settings.read(values)
    assert Settings.from_config(as_the_engine_gives(settings)) == settings


def test_empty_configuration_values_mean_unset() -> None:
    config = {key: value or "" for key, value in as_the_engine_gives(read()).items()}
    assert Settings.from_config(config) == read()


def test_the_configuration_names_the_account_that_the_provider_may_touch() -> None:
    assert read().to_config()["aws:allowedAccountIds"] == [ACCOUNT]


def test_a_setting_that_is_not_set_has_no_key() -> None:
    assert set(read().to_config()) == {
        "aws:region",
        "aws:allowedAccountIds",
        *(
            f"{PROJECT}:{name}"
            for name in (
                "accountId environment administrators deployTargets rotationPeriodDays trailRetentionDays"
            ).split()
        ),
    }


def test_keys_of_other_namespaces_are_passed_over() -> None:
    config = {**as_the_engine_gives(read()), "aws:profile": "clinic", "other:thing": "x"}
    assert Settings.from_config(config) == read()


def test_an_unknown_key_of_the_project_is_refused_by_name() -> None:
    with pytest.raises(ContractError) as refused:
        Settings.from_config({**as_the_engine_gives(read()), f"{PROJECT}:rotationDays": "90"})
    assert [field for field, _ in refused.value.faults] == ["rotationDays"]


def test_every_fault_of_a_configuration_is_told_together() -> None:
    with pytest.raises(ContractError) as refused:
        Settings.from_config(
            {
                f"{PROJECT}:accountId": "12",
                f"{PROJECT}:environment": "Prod",
                f"{PROJECT}:administrators": "arn:aws:iam::1:role/x",
                f"{PROJECT}:deployTargets": '["heroku"]',
                f"{PROJECT}:rotationPeriodDays": "9",
                f"{PROJECT}:trailRetentionDays": "many",
            }
        )
    assert {field for field, _ in refused.value.faults} == {
        "accountId",
        "region",
        "environment",
        "administrators",
        "deployTargets",
        "rotationPeriodDays",
        "trailRetentionDays",
    }
    told = dict(refused.value.faults)
    assert told["region"] == "is missing"
    assert "--path 'eonpro-kms:administrators[0]'" in told["administrators"]


@pytest.mark.parametrize("text", ["ecs", '"ecs"', '{"a": 1}', "[", "null"])
def test_a_list_that_is_none_is_refused_with_the_command_that_sets_one(text) -> None:
    with pytest.raises(ContractError) as refused:
        Settings.from_config({**as_the_engine_gives(read()), f"{PROJECT}:deployTargets": text})
    ((field, fault),) = refused.value.faults
    assert field == "deployTargets"
    assert "pulumi config set --path" in fault


def test_missing_settings_are_all_named() -> None:
    with pytest.raises(ContractError) as refused:
        Settings.read({})
    assert refused.value.faults == tuple(
        (name, "is missing") for name in ("accountId", "region", "administrators", "deployTargets")
    )


GOV = {
    "region": "us-gov-west-1",
    "administrators": (f"arn:aws-us-gov:iam::{ACCOUNT}:role/admin",),
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account_id", "11112222333"),
        ("account_id", "1111222233334"),
        ("account_id", "1111-2222-3333"),
        ("account_id", "１１１１２２２２３３３３"),
        ("region", "us-east"),
        ("region", "US-EAST-1"),
        ("region", "us-east-1a"),
        ("region", ""),
        ("environment", ""),
        ("environment", "Production"),
        ("environment", "1st"),
        ("environment", "a" * 17),
        ("environment", "with-end-"),
        ("administrators", ()),
        ("administrators", (f"arn:aws:iam::{ACCOUNT}:role/*",)),
        ("administrators", (f"arn:aws:iam::{ACCOUNT}:group/admins",)),
        ("administrators", (f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/ada",)),
        ("administrators", ("admin",)),
        ("administrators", (ADMIN, "*")),
        ("deploy_targets", ()),
        ("deploy_targets", ("heroku",)),
        ("app_principal_arn", f"arn:aws:iam::{ACCOUNT}:root"),
        ("app_principal_arn", "eonpro-app-role"),
        ("rotation_period_days", 89),
        ("rotation_period_days", 2561),
        ("rotation_period_days", "a year"),
        ("existing_trail_arn", f"arn:aws:s3:::{ACCOUNT}"),
        ("existing_trail_arn", "all"),
        ("trail_bucket", "Logs"),
        ("trail_bucket", "ab"),
        ("trail_bucket", "a" * 64),
        ("trail_bucket", "xn--logs"),
        ("trail_bucket", "logs-s3alias"),
        ("trail_retention_days", 2191),
        ("vercel_team", "Acme Inc"),
        ("vercel_project", "a/b"),
        ("vercel_oidc_provider_arn", f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"),
        ("vercel_oidc_provider_arn", f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com.evil.example/acme"),
        ("ecs_cluster", "a cluster"),
        ("ecs_service", "web/1"),
        ("ecs_execution_role_arn", f"arn:aws:iam::{ACCOUNT}:user/x"),
    ],
)
def test_a_value_that_breaks_its_rule_is_refused_under_its_own_name(field, value) -> None:
    first, *rest = field.split("_")
    name = first + "".join(part.capitalize() for part in rest)
    # A provider of a region that is wrong is judged too, so only the name is compared.
    assert name in [told for told, _ in faults(**{field: value})]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"administrators": ("arn:aws:iam::999988887777:role/admin",)}, "the administrator arn:aws:iam::999988887777"),
        ({"app_principal_arn": "arn:aws:iam::999988887777:role/x"}, "the application principal"),
        ({"ecs_execution_role_arn": "arn:aws:iam::999988887777:role/x"}, "the execution role"),
        ({"vercel_oidc_provider_arn": PROVIDER.replace(ACCOUNT, "9" * 12)}, "the OIDC provider"),
        ({"region": "us-gov-west-1"}, "is in another partition than us-gov-west-1 (aws-us-gov)"),
        ({"region": "cn-north-1"}, "is in another partition than cn-north-1 (aws-cn)"),
        ({"app_principal_arn": ADMIN}, "cannot be the application and a key administrator at once"),
        ({"deploy_targets": ("vercel",)}, "needs vercelTeam and vercelProject"),
        ({"deploy_targets": ("vercel",), "vercel_team": "acme"}, "needs vercelTeam and vercelProject"),
        ({"ecs_service": "web"}, "ecsService needs ecsCluster"),
        ({"existing_trail_arn": TRAIL}, "existingTrailArn needs trailBucket"),
        (
            {"environment": "sixteen-letters1", "region": "ap-southeast-2"},
            "is longer than 63 characters: set trailBucket",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(changes, said) -> None:
    told = faults(**changes)
    assert any(said in fault for _, fault in told), told


def test_everything_that_does_not_fit_together_is_told_at_once() -> None:
    told = faults(
        administrators=("arn:aws:iam::999988887777:role/a",),
        deploy_targets=("vercel",),
        ecs_service="web",
        existing_trail_arn=TRAIL,
    )
    assert len(told) == 4
    assert {field for field, _ in told} == {"settings"}


@pytest.mark.parametrize(("days", "fits"), [(90, True), (365, True), (2560, True), (89, False), (2561, False)])
def test_the_rotation_period_is_what_kms_takes(days, fits) -> None:
    if fits:
        assert read(rotation_period_days=days).rotation_period_days == days
    else:
        assert faults(rotation_period_days=days)


def test_the_defaults_are_a_year_and_seven_years() -> None:
    assert (read().rotation_period_days, read().trail_retention_days) == (365, DEFAULT_RETENTION_DAYS)


def test_the_same_administrators_in_another_order_are_the_same_settings() -> None:
    assert read(administrators=(SECOND, ADMIN, SECOND)) == read(administrators=(ADMIN, SECOND))


def test_settings_and_outputs_are_frozen() -> None:
    with pytest.raises(ValidationError):
        read().region = "eu-west-1"
    with pytest.raises(dataclasses.FrozenInstanceError):
        Outputs.read(OUTPUTS).key_arn = "x"  # type: ignore[misc]


def test_production_has_the_names_of_the_guide() -> None:
    names = read().names
    assert (names.alias, names.app_policy, names.app_role, names.trail, names.trail_bucket, names.escrow) == (
        "alias/eonpro-phi-key",
        "EONPROKMSAccess",
        "eonpro-app-role",
        "eonpro-audit-trail",
        f"eonpro-cloudtrail-logs-{ACCOUNT}-us-east-1",
        "/eonpro/production/ENCRYPTED_PHI_KEY",
    )
    assert read().tags == {"Application": "EONPRO", "Environment": "Production"}


def test_no_name_of_another_environment_is_one_of_productions() -> None:
    names = dataclasses.astuple(read().names)
    others = dataclasses.astuple(read(environment="staging").names)
    assert not set(names) & set(others)


def test_govcloud_settings_are_settings() -> None:
    assert read(**GOV).partition == "aws-us-gov"


def test_targets_are_kept_in_one_order() -> None:
    settings = read(deploy_targets=("vercel", "ecs"), vercel_team="acme", vercel_project="portal")
    assert settings.deploy_targets == (Target.ECS, Target.VERCEL)


OUTPUTS: dict[str, Any] = {
    "keyArn": "arn",
    "keyId": "id",
    "aliasName": "alias/eonpro-phi-key",
    "appPolicyArn": "policy",
    "appPrincipalArn": "principal",
    "trailArn": "trail",
    "trailBucket": "bucket",
    "parameterPrefix": "/eonpro/production",
}


def test_outputs_are_read_under_their_contracted_names() -> None:
    secrets = [{"name": "AWS_REGION", "valueFrom": "arn:aws:ssm:us-east-1:111122223333:parameter/x"}]
    outputs = Outputs.read({**OUTPUTS, "taskSecrets": secrets})
    assert (outputs.key_arn, outputs.parameter_prefix) == ("arn", "/eonpro/production")
    assert outputs.task_secrets == (("AWS_REGION", "arn:aws:ssm:us-east-1:111122223333:parameter/x"),)


def test_outputs_that_are_missing_or_empty_are_all_named() -> None:
    with pytest.raises(ContractError) as refused:
        Outputs.read({**OUTPUTS, "keyArn": "", "trailBucket": None})
    assert [field for field, _ in refused.value.faults] == ["keyArn", "trailBucket"]
