"""The contract: every rule about a setting, all faults at once, and the way through the configuration and back."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from components.settings import (
    CONFIG_KEYS,
    DEFAULT_RETENTION_DAYS,
    PROJECT,
    ContractError,
    ObjectLock,
    Settings,
    Target,
    correction,
)

ACCOUNT = "111122223333"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/admin"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
SECOND = f"arn:aws:iam::{ACCOUNT}:user/ops/second"
TRAIL = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/all"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/acme"
LEAST: dict[str, Any] = {
    "account_id": ACCOUNT,
    "region": "us-east-1",
    "administrators": (ADMIN,),
    "deploy_targets": ("ecs",),
}
VERCEL = {"deploy_targets": ("vercel",), "vercel_team": "acme", "vercel_project": "portal"}
EKS = {"deploy_targets": ("eks",), "eks_cluster": "clinic"}
SSO = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_KeyAdmin_????????????????"
CLUSTER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"

# For each field a value that is not its default, with what that value needs beside it.
EACH: dict[str, dict[str, Any]] = {
    "account_id": {
        "account_id": "444455556666",
        "administrators": (ADMIN.replace(ACCOUNT, "444455556666"),),
    },
    "region": {"region": "eu-west-1"},
    "environment": {"environment": "staging"},
    "administrators": {"administrators": (ADMIN, SECOND)},
    "administrator_patterns": {"administrators": (), "administrator_patterns": (SSO,)},
    "deletion_administrators": {"deletion_administrators": (SECOND,)},
    "usage_guard_days": {"usage_guard_days": 365},
    "incident_responders": {"incident_responders": (SECOND,)},
    "strict_key_policy": {"strict_key_policy": True, "administrators": (ADMIN, SECOND)},
    "exclusive_use": {"exclusive_use": True},
    "rotation_period_days": {"rotation_period_days": 180},
    "multi_region": {"multi_region": True},
    "replica_regions": {"replica_regions": ("us-west-2", "eu-west-1"), "multi_region": True},
    "deploy_targets": {**VERCEL, "deploy_targets": ("vercel", "ecs", "eks"), "eks_cluster": "clinic"},
    "app_principal_arn": {"app_principal_arn": f"arn:aws:iam::{ACCOUNT}:user/apps/portal"},
    "permissions_boundary_arn": {"permissions_boundary_arn": f"arn:aws:iam::{ACCOUNT}:policy/teams/Boundary"},
    "secret_store": {"secret_store": "secrets-manager"},
    "vercel_team": VERCEL,
    "vercel_project": VERCEL,
    "vercel_access": {**VERCEL, "vercel_access": "user"},
    "vercel_environment": {**VERCEL, "vercel_environment": "qa"},
    "vercel_environments": {**VERCEL, "vercel_environments": ("preview", "staging-2")},
    "vercel_issuer_mode": {**VERCEL, "vercel_issuer_mode": "global"},
    "vercel_oidc_provider_arn": {**VERCEL, "vercel_oidc_provider_arn": PROVIDER},
    "ecs_cluster": {"ecs_cluster": "clinic"},
    "ecs_service": {"ecs_cluster": "clinic", "ecs_service": "web"},
    "ecs_execution_role_arn": {"ecs_execution_role_arn": f"arn:aws:iam::{ACCOUNT}:role/ecsTaskExecutionRole"},
    "eks_cluster": EKS,
    "eks_identity": {**EKS, "eks_identity": "irsa", "eks_oidc_provider_arn": CLUSTER},
    "eks_oidc_provider_arn": {**EKS, "eks_identity": "irsa", "eks_oidc_provider_arn": CLUSTER},
    "application": {"application": "clinic"},
    "eks_namespace": {**EKS, "eks_namespace": "clinic"},
    "eks_service_account": {**EKS, "eks_service_account": "web"},
    "existing_trail_arn": {"existing_trail_arn": TRAIL, "trail_bucket": "clinic-logs"},
    "trail_bucket": {"trail_bucket": "clinic-logs"},
    "trail_retention_days": {"trail_retention_days": 3000},
    "trail_key": {"trail_key": False},
    "trail_lock": {"trail_lock": "compliance"},
    "trail_archive_days": {"trail_archive_days": 0},
    "access_logging": {"access_logging": False},
    "cloudwatch_logs": {"cloudwatch_logs": True},
    "alerts": {"alerts": False},
    "backup_max_age_days": {"backup_max_age_days": 31},
    "alert_emails": {"alert_emails": ("security@clinic.example", "ops@clinic.example")},
    "hash_key": {"hash_key": True},
    "keys_for_reading": {"hash_key": True, "keys_for_reading": True},
    "key_check_value": {"key_check_value": True},
    "document_buckets": {"document_buckets": ("clinic-documents", "clinic-scans")},
    "documents_key": {"document_buckets": ("clinic-documents",), "documents_key": True},
    "variable_names": {"variable_names": ("AWS_REGION=EONPRO_AWS_REGION", "AWS_KMS_KEY_ID=EONPRO_KMS_KEY_ID")},
    "record_tables": {"record_tables": ("Patient.id=firstName+email:emailHash", "clinic.Lead.id=email")},
    "adopted": {"adopted": ("key=1234abcd-12ab-34cd-56ef-1234567890ab", "alias=alias/eonpro-phi-key")},
    "kept_as_found": {"kept_as_found": ("key", "bucket")},
}
ALWAYS_SAVED = {
    "environment",
    "rotation_period_days",
    "trail_retention_days",
    "multi_region",
    "vercel_access",
    "secret_store",
}
MOST: dict[str, Any] = {
    **LEAST,
    **{
        field: value
        for changes in EACH.values()
        for field, value in changes.items()
        if field in EACH and field not in ("account_id", "app_principal_arn", "administrators")
    },
    "region": "us-east-1",
    "replica_regions": ("us-west-2",),
    "deploy_targets": ("vercel", "ecs", "eks"),
    "administrators": (ADMIN, SECOND),
    "alerts": True,
}


def read(**changes: Any) -> Settings:
    return Settings.read({**LEAST, **changes})


def _texts(names: Any) -> list[str]:
    """Every name that a resource has, without the buckets'."""
    own = {field: name for field, name in vars(names).items() if field not in ("application", "value")}
    return [name for field, name in own.items() if field not in ("trail_bucket", "access_log_bucket")]


def faults(**changes: Any) -> tuple[tuple[str, str], ...]:
    with pytest.raises(ContractError) as refused:
        read(**changes)
    return refused.value.faults


def as_the_engine_gives(settings: Settings) -> dict[str, str | None]:
    """Every key the program asks for: text, lists and numbers in JSON, None where nothing is set."""
    config = settings.to_config()
    told = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    return {key: told.get(key) for key in ("aws:region", *(f"{PROJECT}:{name}" for name in CONFIG_KEYS))}


def test_every_field_is_changed_by_one_of_the_examples() -> None:
    assert set(EACH) == set(Settings.model_fields)
    for field, changes in EACH.items():
        default = LEAST.get(field, Settings.model_fields[field].default)
        assert getattr(read(**changes), field) != default, field


@pytest.mark.parametrize("name", [*EACH, "least", "most"])
def test_settings_come_back_from_the_stack_configuration_as_they_went_in(name) -> None:
    settings = Settings.read({"least": LEAST, "most": MOST}.get(name) or {**LEAST, **EACH[name]})
    assert Settings.from_config(as_the_engine_gives(settings)) == settings


@pytest.mark.parametrize("values", [LEAST, MOST], ids=["least", "most"])
def test_nothing_of_a_configuration_is_more_than_text_a_number_a_switch_or_a_list_of_texts(values) -> None:
    for key, value in Settings.read(values).to_config().items():
        assert type(value) in (str, int, bool, list), key
        assert all(type(one) is str for one in value) if isinstance(value, list) else True


def test_empty_configuration_values_mean_unset() -> None:
    config = {key: value or "" for key, value in as_the_engine_gives(read()).items()}
    assert Settings.from_config(config) == read()


def test_the_configuration_names_the_account_that_the_provider_may_touch() -> None:
    assert read().to_config()["aws:allowedAccountIds"] == [ACCOUNT]


def test_what_is_at_its_default_has_no_key_but_what_was_asked_for() -> None:
    expected = {"account_id", "administrators", "deploy_targets", *ALWAYS_SAVED}
    saved = set(read().to_config()) - {"aws:region", "aws:allowedAccountIds"}
    assert saved == {f"{PROJECT}:{to_camel(field)}" for field in expected}


@pytest.mark.parametrize("field", sorted(EACH.keys() - {"region"}))
def test_what_is_decided_has_its_key(field) -> None:
    assert f"{PROJECT}:{to_camel(field)}" in read(**EACH[field]).to_config()


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False)])
def test_a_switch_is_read_from_the_engine_s_text(text, value) -> None:
    config = {**as_the_engine_gives(read()), f"{PROJECT}:trailKey": text, f"{PROJECT}:exclusiveUse": text}
    settings = Settings.from_config(config)
    assert (settings.trail_key, settings.exclusive_use) == (value, value)


def test_a_list_that_was_emptied_is_the_default() -> None:
    assert Settings.from_config({**as_the_engine_gives(read()), f"{PROJECT}:alertEmails": "[]"}) == read()


def test_keys_of_other_namespaces_are_passed_over() -> None:
    config = {**as_the_engine_gives(read()), "aws:profile": "clinic", "other:thing": "x"}
    assert Settings.from_config(config) == read()


def test_an_unknown_key_of_the_project_is_refused_by_name() -> None:
    with pytest.raises(ContractError) as refused:
        Settings.from_config({**as_the_engine_gives(read()), f"{PROJECT}:rotationDays": "90"})
    assert [field for field, _ in refused.value.faults] == ["rotationDays"]


@pytest.mark.parametrize("key", ["encryptionContext", "viaServices"])
def test_a_key_of_an_earlier_version_is_refused_with_the_command_that_removes_it(key) -> None:
    with pytest.raises(ContractError) as refusal:
        Settings.from_config({**as_the_engine_gives(read()), f"{PROJECT}:{key}": '["application=eonpro"]'})
    ((field, fault),) = refusal.value.faults
    assert (field, "no longer exists" in fault) == (key, True)
    assert correction(field, "production") == (("pulumi", "config", "rm", "--stack", "production", f"{PROJECT}:{key}"),)


def test_a_deployed_stack_with_the_root_user_as_administrator_can_still_be_read() -> None:
    config = as_the_engine_gives(read(administrators=(ADMIN, SECOND)))
    config[f"{PROJECT}:administrators"] = json.dumps([ADMIN, ROOT])
    assert Settings.from_config(config, deployed=True).administrators == tuple(sorted((ADMIN, ROOT)))
    with pytest.raises(ContractError):
        Settings.from_config(config)


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
                f"{PROJECT}:strictKeyPolicy": "perhaps",
                f"{PROJECT}:trailLock": "forever",
                f"{PROJECT}:replicaRegions": '["everywhere"]',
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
        "strictKeyPolicy",
        "trailLock",
        "replicaRegions",
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
    assert refused.value.faults == tuple((name, "is missing") for name in ("accountId", "region", "deployTargets"))


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
        ("administrators", (ROOT,)),
        ("administrators", (ADMIN, ROOT)),
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
        ("vercel_environment", "development"),
        ("vercel_environments", ("development",)),
        ("vercel_environments", ("production",)),
        ("vercel_environments", ("Staging",)),
        ("vercel_environments", ("*",)),
        ("vercel_oidc_provider_arn", f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"),
        ("vercel_oidc_provider_arn", f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com.evil.example/acme"),
        ("ecs_cluster", "a cluster"),
        ("ecs_service", "web/1"),
        ("ecs_cluster", "CLUSTER"),
        ("ecs_service", "NAME"),
        ("ecs_execution_role_arn", f"arn:aws:iam::{ACCOUNT}:user/x"),
        ("administrator_patterns", (f"arn:aws:iam::{ACCOUNT}:role/*",)),
        ("administrator_patterns", (f"arn:aws:iam::{ACCOUNT}:role/??",)),
        ("administrator_patterns", (f"arn:aws:iam::{ACCOUNT}:user/*Admin*",)),
        ("administrator_patterns", ("arn:aws:iam::*:role/aws-reserved/*KeyAdmin*",)),
        ("administrator_patterns", ("*",)),
        ("administrator_patterns", (f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_KeyAdmin_1/ada",)),
        ("deletion_administrators", ("*",)),
        ("deletion_administrators", (f"arn:aws:iam::{ACCOUNT}:role/Delete*",)),
        ("strict_key_policy", "perhaps"),
        ("replica_regions", ("everywhere",)),
        ("permissions_boundary_arn", "arn:aws:iam::aws:policy/AdministratorAccess"),
        ("permissions_boundary_arn", f"arn:aws:iam::{ACCOUNT}:role/Boundary"),
        ("permissions_boundary_arn", f"arn:aws:iam::{ACCOUNT}:policy/*"),
        ("secret_store", "vault"),
        ("vercel_access", "token"),
        ("eks_cluster", "a cluster"),
        ("eks_cluster", "a" * 101),
        ("eks_cluster", "NAME"),
        ("eks_identity", "node"),
        ("eks_oidc_provider_arn", PROVIDER),
        (
            "eks_oidc_provider_arn",
            f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.us-east-1.amazonaws.com.evil.example/id/A",
        ),
        ("eks_oidc_provider_arn", f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/*"),
        ("eks_namespace", "Clinic"),
        ("eks_namespace", "*"),
        ("eks_namespace", "a:b"),
        ("eks_service_account", "web_1"),
        ("eks_service_account", "*"),
        ("trail_retention_days", 36501),
        ("trail_lock", "forever"),
        ("trail_archive_days", -1),
        ("backup_max_age_days", 0),
        ("alert_emails", ("security",)),
        ("alert_emails", ("security@clinic",)),
        ("alert_emails", ("Security <security@clinic.example>",)),
        ("variable_names", ("EONPRO_KMS_KEY_ID",)),
        ("variable_names", ("AWS_ACCESS_KEY_ID=EONPRO_ACCESS_KEY",)),
        ("variable_names", ("AWS_REGION=",)),
        ("variable_names", ("AWS_REGION=2ND_REGION",)),
        ("variable_names", ("AWS_REGION=EONPRO-REGION",)),
        ("variable_names", ("AWS_REGION=RÉGION",)),
        ("variable_names", (f"AWS_REGION={'A' * 257}",)),
        ("variable_names", ("AWS_REGION=ENCRYPTED_PHI_KEY",)),
        ("variable_names", ("AWS_REGION=AWS_DEFAULT_REGION",)),
        ("variable_names", ("AWS_KMS_KEY_ID=AWS_ACCESS_KEY_ID",)),
        ("variable_names", ("AWS_KMS_KEY_ID=VERCEL_KEY",)),
        ("variable_names", ("AWS_KMS_KEY_ID=NODE_ENV",)),
        ("variable_names", ("AWS_KMS_KEY_ID=NEXT_PUBLIC_KEY",)),
        ("variable_names", ("ENCRYPTED_PHI_KEY=ENCRYPTION_KEY",)),
        ("variable_names", ("ENCRYPTED_PHI_KEY=ENCRYPTED_PHI_KEYS_FOR_READING",)),
        ("variable_names", ("AWS_REGION=A;rm -rf /",)),
        ("record_tables", ("Patient",)),
        ("record_tables", ("Patient=email",)),
        ("record_tables", ("Patient.id=",)),
        ("record_tables", ("Patient.id=email:",)),
        ("record_tables", ("Patient.id=e mail",)),
        ("record_tables", ("Patient.id=email; rm -rf /",)),
        ("adopted", ("key",)),
        ("adopted", ("key=",)),
        ("adopted", ("escrow=/eonpro/production/ENCRYPTED_PHI_KEY",)),
        ("adopted", ("bucket=two words",)),
        ("kept_as_found", ("alias",)),
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
        ({"administrators": ("arn:aws:iam::999988887777:role/admin",)}, "administrators: arn:aws:iam::999988887777"),
        ({"app_principal_arn": "arn:aws:iam::999988887777:role/x"}, "appPrincipalArn: arn"),
        ({"ecs_execution_role_arn": "arn:aws:iam::999988887777:role/x"}, "ecsExecutionRoleArn: arn"),
        ({"vercel_oidc_provider_arn": PROVIDER.replace(ACCOUNT, "9" * 12)}, "OidcProviderArn: arn"),
        ({"region": "us-gov-west-1"}, "is in another partition than us-gov-west-1 (aws-us-gov)"),
        ({"region": "cn-north-1"}, "is in another partition than cn-north-1 (aws-cn)"),
        ({"app_principal_arn": ADMIN}, "cannot be both the application and a key administrator"),
        ({"deploy_targets": ("vercel",)}, "needs vercelTeam and vercelProject"),
        ({"deploy_targets": ("vercel",), "vercel_team": "acme"}, "needs vercelTeam and vercelProject"),
        ({"ecs_service": "web"}, "ecsService needs ecsCluster"),
        ({"existing_trail_arn": TRAIL}, "existingTrailArn needs trailBucket"),
        ({"administrator_patterns": (SSO.replace(ACCOUNT, "9" * 12),)}, "administratorPatterns: arn"),
        ({"administrator_patterns": (SSO.replace("aws:", "aws-cn:", 1),)}, "is in another partition"),
        ({"deletion_administrators": (ADMIN.replace(ACCOUNT, "9" * 12),)}, "deletionAdministrators: arn"),
        ({"permissions_boundary_arn": f"arn:aws:iam::{'9' * 12}:policy/B"}, "permissionsBoundaryArn: arn"),
        ({"eks_oidc_provider_arn": CLUSTER.replace(ACCOUNT, "9" * 12)}, "OidcProviderArn: arn"),
        (
            {"app_principal_arn": SECOND, "deletion_administrators": (SECOND,)},
            "cannot be both the application and a key administrator",
        ),
        ({"strict_key_policy": True}, "strictKeyPolicy needs at least two administrators"),
        (
            {"strict_key_policy": True, "administrators": (ADMIN, ADMIN)},
            "strictKeyPolicy needs at least two administrators",
        ),
        (
            {"strict_key_policy": True, "administrator_patterns": (SSO,)},
            "strictKeyPolicy needs at least two administrators",
        ),
        ({"replica_regions": ("us-west-2",)}, "replicaRegions needs multiRegion"),
        ({"multi_region": True, "replica_regions": ("us-east-1",)}, "us-east-1 is the key's own Region"),
        ({"multi_region": True, "replica_regions": ("cn-north-1",)}, "is in another partition than us-east-1"),
        ({"deploy_targets": ("eks",)}, "the deploy target eks needs eksCluster"),
        ({**EKS, "eks_identity": "irsa"}, "eksIdentity irsa needs eksOidcProviderArn"),
        (
            {**VERCEL, "vercel_access": "user", "app_principal_arn": f"arn:aws:iam::{ACCOUNT}:user/app"},
            "vercelAccess user creates an IAM user",
        ),
        ({"alerts": False, "alert_emails": ("ops@clinic.example",)}, "alertEmails needs alerts"),
        (
            {"documents_key": True},
            "settings: documentsKey needs documentBuckets, the buckets whose objects it encrypts",
        ),
        (
            {"administrators": (ADMIN, ROOT), "strict_key_policy": True},
            f"administrators: '{ROOT}' is the account's root user",
        ),
        ({"administrators": ()}, "administrators: name at least one, or a pattern of roles in administratorPatterns"),
        (
            {"application": "northclinic4everbody", "environment": "a-sixteen-letter", "trail_bucket": "logs"},
            "is longer than 63 characters: shorten application or environment",
        ),
        ({"adopted": ("key=a", "key=b")}, "adopted: one kind of resource has two ids"),
        ({"trail_archive_days": 89}, "the cheaper storage bills at least 90 days"),
        (
            {"environment": "sixteen-letters1", "region": "ap-southeast-2"},
            "is longer than 63 characters: set trailBucket",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(changes, said) -> None:
    told = faults(**changes)
    assert any(said in f"{field}: {fault}" for field, fault in told), told


def test_everything_that_does_not_fit_together_is_told_at_once() -> None:
    told = faults(
        administrators=("arn:aws:iam::999988887777:role/a",),
        deploy_targets=("vercel",),
        ecs_service="web",
        existing_trail_arn=TRAIL,
    )
    assert len(told) == 4
    assert {field for field, _ in told} == {"administrators", "settings"}


@pytest.mark.parametrize("days", [90, 2560])
def test_kms_takes_a_rotation_period_of_90_to_2560_days(days) -> None:
    assert read(rotation_period_days=days).rotation_period_days == days


def test_the_defaults_are_a_year_and_seven_years() -> None:
    assert (read().rotation_period_days, read().trail_retention_days) == (365, DEFAULT_RETENTION_DAYS)


def test_the_same_administrators_in_another_order_are_the_same_settings() -> None:
    assert read(administrators=(SECOND, ADMIN, SECOND)) == read(administrators=(ADMIN, SECOND))


@pytest.mark.parametrize("field", ["administrator_patterns", "deletion_administrators", "alert_emails", "adopted"])
def test_no_list_of_any_setting_has_an_order_or_twins(field) -> None:
    examples = {
        "administrator_patterns": (SSO, SSO.replace("KeyAdmin", "Other")),
        "deletion_administrators": (ADMIN, SECOND),
        "alert_emails": ("ops@clinic.example", "security@clinic.example"),
        "adopted": ("alias=alias/eonpro-phi-key", "key=1234"),
    }
    first, second = examples[field]
    assert read(**{field: (second, first, second)}) == read(**{field: (first, second)})


ROLE = f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role"
USER = f"arn:aws:iam::{ACCOUNT}:user/eonpro-app-user"


@pytest.mark.parametrize(
    ("changes", "arns"),
    [
        ({}, (ROLE,)),
        (VERCEL, (ROLE,)),
        (EKS, (ROLE,)),
        ({**VERCEL, "vercel_access": "user"}, (USER,)),
        ({**VERCEL, "vercel_access": "user", "deploy_targets": ("ecs", "vercel")}, (ROLE, USER)),
        # Without Vercel among the targets, nothing is made for it.
        ({"vercel_access": "user"}, (ROLE,)),
        ({"app_principal_arn": SECOND}, (SECOND,)),
        ({**VERCEL, "app_principal_arn": SECOND}, (SECOND,)),
    ],
)
def test_the_application_runs_as_these_and_they_are_known_before_they_are_made(changes, arns) -> None:
    settings = read(**changes)
    assert settings.app_principal_arns == arns
    assert (settings.makes_role, settings.makes_user) == (ROLE in arns, USER in arns)


def test_the_key_is_in_its_own_region_first() -> None:
    settings = read(multi_region=True, replica_regions=("ap-south-1", "us-west-2"))
    assert settings.regions == ("us-east-1", "ap-south-1", "us-west-2")


def test_an_audit_trail_is_guarded_unless_that_was_decided_otherwise() -> None:
    settings = read()
    assert (settings.trail_key, settings.trail_lock, settings.access_logging, settings.alerts) == (
        True,
        ObjectLock.GOVERNANCE,
        True,
        True,
    )
    assert (settings.strict_key_policy, settings.deletion_administrators) == (False, ())


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        read().region = "eu-west-1"


def test_production_has_the_names_of_the_guide() -> None:
    names = read().names
    assert (names.alias, names.app_policy, names.app_role, names.trail, names.trail_bucket, names.stored_data_key) == (
        "alias/eonpro-phi-key",
        "EONPROKMSAccess",
        "eonpro-app-role",
        "eonpro-audit-trail",
        f"eonpro-cloudtrail-logs-{ACCOUNT}-us-east-1",
        "/eonpro/production/ENCRYPTED_PHI_KEY",
    )
    assert read().tags == {"Application": "EONPRO", "Environment": "Production"}


def test_no_name_of_another_environment_is_one_of_productions() -> None:
    names, others = (vars(read(**given).names) for given in ({}, {"environment": "staging"}))
    # The value has the application's name for the key, the same in every environment.
    assert [field for field, name in names.items() if name in others.values()] == ["application", "value"]


def test_no_name_of_another_application_is_one_of_the_guides() -> None:
    names, others = (vars(read(**given).names) for given in ({}, {"application": "clinic"}))
    assert [field for field, name in names.items() if name in others.values()] == ["value"]
    assert not [name for name in others.values() if "eonpro" in str(name).lower()]


@pytest.mark.parametrize("application", ["c2", "clinic", "northclinic4everbody"])
def test_every_name_of_an_application_begins_with_it_and_fits_where_it_is_used(application) -> None:
    settings = read(application=application, environment="a-sixteen-letter", trail_bucket="logs", access_logging=False)
    names = settings.names
    plain = {name.removeprefix("alias/").removeprefix("/aws/cloudtrail/").lstrip("/") for name in _texts(names)}
    assert {name[: len(application)] for name in plain} == {application}
    assert max(len(name) for name in plain) <= 64
    assert settings.tags["Application"] == application


@pytest.mark.parametrize(
    "application", ["", "c", "*", "clinic*", "clin?c", "Clinic", "EONPRO", "2clinic", "a/b", "a-b", "awsome", "ssmx"]
)
def test_an_application_whose_names_aws_would_refuse_or_that_would_match_others_is_refused(application) -> None:
    ((field, fault),) = faults(application=application)
    assert (field, "application's name" in fault) == ("application", True)


def test_the_pods_are_named_after_the_application_until_they_have_names_of_their_own() -> None:
    named = read(**EKS, application="clinic")
    assert (named.eks_namespace, named.eks_service_account) == ("clinic", "clinic")
    assert f"{PROJECT}:eksNamespace" not in named.to_config()
    other = read(**EKS, application="clinic", eks_namespace="eonpro")
    assert Settings.from_config(as_the_engine_gives(other)) == other


def test_the_check_values_and_the_keys_for_reading_are_variables_where_the_settings_ask_for_them() -> None:
    assert read(key_check_value=True).variables[-1] == "ENCRYPTED_PHI_KEY_CHECK_VALUE"
    assert read(hash_key=True, keys_for_reading=True, key_check_value=True).variables[-4:] == (
        "ENCRYPTED_PHI_KEY_CHECK_VALUE",
        "ENCRYPTED_PHI_HASH_KEY_CHECK_VALUE",
        "ENCRYPTED_PHI_KEYS_FOR_READING",
        "ENCRYPTED_PHI_HASH_KEYS_FOR_READING",
    )
    assert read(keys_for_reading=True).variables[3:] == ("ENCRYPTED_PHI_KEYS_FOR_READING",)
    renamed = read(variable_names=("ENCRYPTED_PHI_KEY_CHECK_VALUE=EONPRO_CHECK",), key_check_value=True)
    assert "EONPRO_CHECK" in renamed.delivered_variables
    with pytest.raises(ContractError, match="a list of keys, which has no other name"):
        read(variable_names=("ENCRYPTED_PHI_HASH_KEYS_FOR_READING=OTHER",))


def test_the_names_of_the_hash_key_are_its_own_and_nothing_else_differs() -> None:
    settings = read(hash_key=True)
    data_key, hash_key = (settings.of_key(variable).names for variable in settings.wrapped_keys)
    assert hash_key.stored_data_key == "/eonpro/production/ENCRYPTED_PHI_HASH_KEY"
    assert hash_key.versions == "/eonpro/production/hash-keys"
    assert not {hash_key.last_backup, *hash_key.written_after} & {data_key.last_backup, *data_key.written_after}
    assert dataclasses.replace(hash_key, value=data_key.value) == data_key
    assert settings.of_key(hash_key.variable).to_config() == settings.to_config()
    assert read().wrapped_keys == ("ENCRYPTED_PHI_KEY",) and "ENCRYPTED_PHI_HASH_KEY" not in read().variables


def test_targets_are_kept_in_one_order() -> None:
    settings = read(deploy_targets=("vercel", "ecs"), vercel_team="acme", vercel_project="portal")
    assert settings.deploy_targets == (Target.ECS, Target.VERCEL)


def test_the_variables_have_the_guides_names_or_those_of_the_settings_in_the_same_order() -> None:
    assert tuple(read().delivered_variables) == ("AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY")
    renamed = read(variable_names=("AWS_KMS_KEY_ID=EONPRO_KMS_KEY_ID", "ENCRYPTED_PHI_HASH_KEY=EONPRO_HASH_KEY"))
    assert renamed.delivered_variables == {
        "AWS_REGION": "AWS_REGION",
        "EONPRO_KMS_KEY_ID": "AWS_KMS_KEY_ID",
        "ENCRYPTED_PHI_KEY": "ENCRYPTED_PHI_KEY",
    }
    # The parameters keep the guide's names, and with them every policy.
    assert renamed.variables == read().variables


def test_all_faults_of_the_variables_names_are_told_at_once() -> None:
    names = ("AWS_REGION=EONPRO_KEY", "AWS_KMS_KEY_ID=EONPRO_KEY", "AWS_KMS_KEY_ID=OTHER", "AWS_REGION=AWS_REGION")
    with pytest.raises(ContractError) as caught:
        read(variable_names=names)
    assert {fault for field, fault in caught.value.faults if field == "variableNames"} == {
        "AWS_KMS_KEY_ID has two names, EONPRO_KEY and OTHER",
        "AWS_REGION has two names, AWS_REGION and EONPRO_KEY",
    }
    with pytest.raises(ContractError) as caught:
        read(variable_names=("AWS_REGION=VERCEL_REGION", "AWS_KMS_KEY_ID=NODE_ENV"))
    assert len(caught.value.faults) == 2
    with pytest.raises(ContractError, match="EONPRO_KEY is the name of AWS_REGION and AWS_KMS_KEY_ID"):
        read(variable_names=("AWS_REGION=EONPRO_KEY", "AWS_KMS_KEY_ID=EONPRO_KEY"))
    with pytest.raises(ContractError, match="the guide's name of another variable"):
        read(variable_names=("AWS_REGION=AWS_KMS_KEY_ID", "AWS_KMS_KEY_ID=AWS_REGION"))


def test_a_bucket_of_the_audit_trail_holds_no_documents() -> None:
    settings = read()
    for bucket in (settings.names.trail_bucket, settings.names.access_log_bucket):
        assert faults(document_buckets=(bucket,)) == (("documentBuckets", f"{bucket} is a bucket of the audit trail"),)
