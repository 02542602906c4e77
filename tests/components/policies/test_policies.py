"""The policies as documents: each variant against its golden file, and who may do what by them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components import policies
from components.policies import trail
from components.policies.stack import application_trust_of
from components.settings import Settings, Target
from components.targets import ecs
from tests.golden import as_json, base_of, compare, policy_differences

GOLDEN = Path(__file__).parent / "golden"

ACCOUNT = "111122223333"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/admin"
SECOND_ADMIN = f"arn:aws:iam::{ACCOUNT}:user/ops/second"
SSO = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_KeyAdmin_????????????????"
APP = f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role"
USER = f"arn:aws:iam::{ACCOUNT}:user/eonpro-app-user"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/mrk-1234abcd12ab34cd56ef1234567890ab"
REPLICA = KEY.replace("us-east-1", "us-west-2")
TRAIL = f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/eonpro-audit-trail"
GROUP = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/cloudtrail/eonpro-audit-trail"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:eonpro-alerts"
CLUSTER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"


def _gov(arn: str) -> str:
    return arn.replace("arn:aws:", "arn:aws-us-gov:").replace("us-east-1", "us-gov-west-1")


def _key(**changes: Any) -> policies.Policy:
    return policies.key_policy(
        **{"account_id": ACCOUNT, "administrators": (ADMIN,), "app_principal_arns": (APP,), **changes}
    )


SETTINGS = Settings(account_id=ACCOUNT, region="us-east-1", administrators=(ADMIN,), deploy_targets=(Target.ECS,))


def _trust(*targets: str, **changes: Any) -> policies.Policy:
    """The trust of the application's role on these targets."""
    settings = {
        "account_id": ACCOUNT,
        "region": "us-east-1",
        "administrators": (ADMIN,),
        "deploy_targets": targets,
        "vercel_team": "acme",
        "vercel_project": "portal",
        "eks_cluster": "clinic",
        **changes,
    }
    return application_trust_of(Settings.read(settings))


TWO_REGIONS = {"multi_region": True, "replica_regions": ("us-west-2",)}


VARIABLES = ("AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY")


def _parameters(region: str, partition: str) -> list[str]:
    return [f"arn:{partition}:ssm:{region}:{ACCOUNT}:parameter/eonpro/production/{name}" for name in VARIABLES]


def _secrets() -> list[str]:
    return [f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:/eonpro/production/{name}" for name in VARIABLES]


def _bucket(**changes: str) -> policies.Policy:
    return policies.trail_bucket_policy(
        **{"bucket": "eonpro-logs", "account_id": ACCOUNT, "trail_arn": TRAIL, **changes}
    )


def _trail_key(**changes: Any) -> policies.Policy:
    return policies.trail_key_policy(
        **{"account_id": ACCOUNT, "administrators": (ADMIN,), "trail_arn": TRAIL, **changes}
    )


DOCUMENTS: dict[str, Callable[[], policies.Policy]] = {
    "key": _key,
    "key-two-administrators": lambda: _key(administrators=(ADMIN, SECOND_ADMIN)),
    "key-application-is-a-user": lambda: _key(app_principal_arns=(USER,)),
    "key-application-is-a-role-and-a-user": lambda: _key(app_principal_arns=(APP, USER)),
    "key-sso-administrators": lambda: _key(administrator_patterns=(SSO,)),
    "key-sso-administrators-only": lambda: _key(administrators=(), administrator_patterns=(SSO,)),
    "key-deletion-administrators": lambda: _key(deletion_administrators=(SECOND_ADMIN,)),
    "key-in-use": lambda: _key(usage_guard_days=90, incident_responders=(SECOND_ADMIN,)),
    "key-strict": lambda: _key(administrators=(ADMIN, SECOND_ADMIN), strict=True),
    "key-exclusive": lambda: _key(app_principal_arns=(APP, USER), exclusive_use=True),
    "key-multi-region": lambda: _key(multi_region=True),
    "key-everything": lambda: _key(
        administrators=(ADMIN, SECOND_ADMIN),
        administrator_patterns=(SSO,),
        deletion_administrators=(SECOND_ADMIN,),
        app_principal_arns=(APP, USER),
        strict=True,
        exclusive_use=True,
        multi_region=True,
    ),
    "key-gov": lambda: _key(
        administrators=(_gov(ADMIN),),
        administrator_patterns=(_gov(SSO),),
        app_principal_arns=(_gov(APP),),
        partition="aws-us-gov",
    ),
    "application": lambda: policies.application_policy(key_arns=(KEY,)),
    "application-replicas": lambda: policies.application_policy(key_arns=(KEY, REPLICA)),
    "trust-vercel": lambda: _trust("vercel"),
    "trust-vercel-preview": lambda: _trust("vercel", vercel_environment="preview"),
    "trust-vercel-global-issuer": lambda: _trust("vercel", vercel_issuer_mode="global"),
    "trust-ecs": lambda: _trust("ecs"),
    "trust-ecs-two-regions": lambda: _trust("ecs", **TWO_REGIONS),
    "trust-irsa": lambda: _trust("eks", eks_identity="irsa", eks_oidc_provider_arn=CLUSTER),
    "trust-pod-identity": lambda: _trust("eks"),
    "trust-vercel-and-ecs": lambda: _trust("vercel", "ecs"),
    "trust-every-target": lambda: _trust("vercel", "ecs", "eks", **TWO_REGIONS),
    "trust-execution": lambda: ecs.execution_trust_policy(),
    "task-start": lambda: ecs.task_start_policy(SETTINGS),
    "parameters": lambda: policies.parameter_policy(parameter_arns=_parameters("us-east-1", "aws")),
    "parameters-one-by-one": lambda: policies.parameter_policy(
        parameter_arns=_parameters("us-east-1", "aws"), one_by_one=True
    ),
    "parameters-china": lambda: policies.parameter_policy(parameter_arns=_parameters("cn-north-1", "aws-cn")),
    "secrets": lambda: policies.secret_policy(secret_arns=_secrets()),
    "trail-bucket": _bucket,
    "trail-bucket-gov": lambda: _bucket(
        partition="aws-us-gov",
        trail_arn=_gov(TRAIL),
    ),
    "access-log-bucket": lambda: policies.access_log_bucket_policy(
        bucket="eonpro-access", source_bucket="eonpro-logs", account_id=ACCOUNT
    ),
    "trail-key": _trail_key,
    "trail-key-everything": lambda: _trail_key(
        administrator_patterns=(SSO,),
        deletion_administrators=(SECOND_ADMIN,),
        log_group_arn=GROUP,
        publishers=True,
    ),
    "trail-key-gov": lambda: _trail_key(
        administrators=(_gov(ADMIN),),
        trail_arn=_gov(TRAIL),
        log_group_arn=_gov(GROUP),
        publishers=True,
        partition="aws-us-gov",
    ),
    "trust-log-role": lambda: policies.log_role_trust_policy(account_id=ACCOUNT, trail_arn=TRAIL),
    "log-role": lambda: policies.log_role_policy(log_group_arn=GROUP, account_id=ACCOUNT, region="us-east-1"),
    "alert-topic": lambda: policies.alert_topic_policy(
        topic_arn=TOPIC,
        account_id=ACCOUNT,
        source_arns=(f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:eonpro-denied-use",),
    ),
    "fallback-topic": lambda: policies.alert_topic_policy(
        topic_arn=f"{TOPIC}-fallback", account_id=ACCOUNT, source_arns=()
    ),
    "trust-forwarding": lambda: trail.forwarding_trust_policy(account_id=ACCOUNT),
    "forwarding": lambda: trail.forwarding_policy(
        event_bus_arn=f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default"
    ),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_policy_is_the_one_that_was_reviewed(name: str) -> None:
    """To take a change over: UPDATE_GOLDEN=1, which fails for every file it changes; then review the diff."""
    document, base = DOCUMENTS[name](), base_of(name, list(DOCUMENTS))
    compare(
        GOLDEN / f"{name}.json",
        as_json(policy_differences(DOCUMENTS[base](), document) if base else document),
    )


LONGEST = {"trust": 2048, "key": 32768, "trail-key": 32768, "trail-bucket": 20480, "alert": 30720}
"""Characters that AWS takes, white space not counted, by how a file's name begins; 6,144 of a managed policy.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_policy_is_longer_than_aws_takes(name: str) -> None:
    document = json.dumps(DOCUMENTS[name](), separators=(",", ":"))
    assert len(document) <= next((most for kind, most in LONGEST.items() if name.startswith(kind)), 6144)


def test_every_function_that_makes_a_policy_has_a_golden_file(monkeypatch: pytest.MonkeyPatch) -> None:
    made: set[str] = set()
    makers: set[str] = set()
    for module in (policies, trail):
        for name in (name for name in dir(module) if name.endswith("_policy")):
            makers.add(name)
            monkeypatch.setattr(module, name, _noted(name, getattr(module, name), made))
    for make in DOCUMENTS.values():
        make()
    assert len(makers) > 10
    assert makers - made == set()


def _noted(name: str, make: Callable[..., Any], made: set[str]) -> Callable[..., Any]:
    def noting(**ids: Any) -> Any:
        made.add(name)
        return make(**ids)

    return noting


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_statement_has_a_name_of_its_own(name: str) -> None:
    sids = [statement["Sid"] for statement in DOCUMENTS[name]()["Statement"]]
    assert len(set(sids)) == len(sids)
    # Of all services that are here only KMS takes more than letters and digits.
    assert all(sid.isalnum() for sid in sids) or name.startswith(("key", "trail-key"))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_nothing_is_granted_to_everybody(name: str) -> None:
    for statement in DOCUMENTS[name]()["Statement"]:
        if statement["Effect"] == "Allow" and "Principal" in statement:
            assert "*" not in json.dumps(statement["Principal"])


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name.endswith(("-gov", "-china"))])
def test_no_arn_of_a_policy_is_of_the_wrong_partition(name: str) -> None:
    assert "arn:aws:" not in json.dumps(DOCUMENTS[name]())


def test_the_application_policy_names_each_key_and_no_other() -> None:
    (one,) = policies.application_statements(key_arns=(KEY,))
    (two,) = policies.application_statements(key_arns=(KEY, REPLICA))
    assert (one["Resource"], two["Resource"]) == (KEY, [KEY, REPLICA])


@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/eonpro-phi-key",
        "alias/eonpro-phi-key",
        f"arn:aws:kms:us-east-1:{ACCOUNT}:key/*",
        "*",
        "",
    ],
)
def test_an_application_policy_on_anything_but_keys_is_refused(arn: str) -> None:
    for key_arns in ((arn,), (KEY, arn)):
        with pytest.raises(ValueError, match="not the ARN of one KMS key"):
            policies.application_policy(key_arns=key_arns)


def test_the_application_uses_by_the_key_s_policy_what_it_uses_by_its_own() -> None:
    (identity,) = policies.application_statements(key_arns=(KEY,))
    by_key = policies.application_use_statement(app_principal_arns=(APP,))
    assert set(identity["Action"]) == set(by_key["Action"]) == set(policies.APPLICATION_ACTIONS)


def test_administration_deletion_and_use_share_no_action_but_those_that_tell_or_save() -> None:
    administration = set(policies.ADMINISTRATOR_ACTIONS) | set(policies.MULTI_REGION_ACTIONS)
    assert administration.isdisjoint(policies.USE_ACTIONS)
    assert administration.isdisjoint(policies.DELETION_ACTIONS)
    assert administration & set(policies.APPLICATION_ACTIONS) == {"kms:DescribeKey"}
    assert set(policies.APPLICATION_ACTIONS) - {"kms:DescribeKey"} <= set(policies.USE_ACTIONS)


def test_only_a_multi_region_key_can_be_replicated_by_its_administrators() -> None:
    plain, multi = (json.dumps(_key(multi_region=multi)) for multi in (False, True))
    assert "kms:ReplicateKey" not in plain
    assert "kms:ReplicateKey" in multi
