"""The errors of the stand-in provider.

It may touch what `engine_project` makes.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from google.protobuf import any_pb2

from sandbox.pulumi_plugins.protocol import provider_pb2, status_pb2
from sandbox.pulumi_plugins.provider.bridge import EngineLog
from sandbox.pulumi_plugins.provider.documents import equivalent_documents
from sandbox.pulumi_plugins.provider.values import UNKNOWN, from_struct, to_struct
from tests.sandbox.pulumi_plugins.engine_project import ACCOUNT, CREDENTIALS, REGION, client
from tests.sandbox.pulumi_plugins.provider_client import ProviderClient, ProviderFailure
from wizard.pulumi_engine.events import causes

KEY = "aws:kms/key:Key"
TRAIL = "aws:cloudtrail/trail:Trail"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"


@pytest.fixture(scope="module")
def endpoint_environment(moto_url: str) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto_url}.items():
            patch.setenv(name, value)
        for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
            patch.delenv(name, raising=False)
        yield moto_url


@pytest.fixture(scope="module")
def provider(endpoint_environment: str) -> ProviderClient:
    return ProviderClient(region=REGION)


@pytest.mark.parametrize(
    ("token", "inputs", "refused", "reason"),
    [
        (KEY, {"nonsense": 1}, "nonsense", "Invalid or unknown key. Examine values at 'it.nonsense'."),
        (KEY, {"deletion_window_in_days": 30}, "deletion_window_in_days", "Invalid or unknown key."),
        (TRAIL, {"name": "t"}, "s3BucketName", 'The argument "s3BucketName" is required'),
        (KEY, {"enableKeyRotation": "perhaps"}, "enableKeyRotation", "Expected type 'bool', got a string."),
        (KEY, {"tags": ["a"]}, "tags", "Expected a map, got a list."),
        (KEY, {"deletionWindowInDays": 6}, "deletionWindowInDays", "range (7 - 30), got 6"),
        (KEY, {"deletionWindowInDays": 31}, "deletionWindowInDays", "range (7 - 30), got 31"),
        (
            KEY,
            {"enableKeyRotation": True, "rotationPeriodInDays": 89},
            "rotationPeriodInDays",
            "range (90 - 2560), got 89",
        ),
        (KEY, {"rotationPeriodInDays": 365}, "rotationPeriodInDays", "requires enableKeyRotation"),
        (KEY, {"policy": "{not json"}, "policy", "contains an invalid JSON policy"),
        ("aws:kms/alias:Alias", {"name": "phi", "targetKeyId": "k"}, "name", 'must begin with "alias/"'),
        (
            LIFECYCLE,
            {"bucket": "b", "rules": [{"id": "x", "status": "Enabled", "expiration": {"dayz": 1}}]},
            "rules[0].expiration.dayz",
            "Invalid or unknown key.",
        ),
        (LIFECYCLE, {"bucket": "b", "rules": [{"id": "x"}]}, "rules[0].status", "is required"),
        (
            "aws:s3/bucket:Bucket",
            {"versioning": {"enabled": True}},
            "versioning",
            "does not support 'versioning'",
        ),
    ],
)
def test_inputs_are_validated_by_the_installed_sdk(
    provider: ProviderClient, token: str, inputs: dict[str, Any], refused: str, reason: str
) -> None:
    _, failures = provider.check(token, inputs)

    assert list(failures) == [refused]
    assert reason in failures[refused]


def test_every_refusal_is_named_at_once(provider: ProviderClient) -> None:
    _, failures = provider.check(TRAIL, {"one": 1, "two": 2, "enableLogging": "never"})

    assert set(failures) == {"one", "two", "enableLogging", "s3BucketName"}


def test_a_resource_type_that_is_not_there_is_named(provider: ProviderClient) -> None:
    with pytest.raises(ProviderFailure, match="no resource type aws:ec2/instance:Instance"):
        provider.check("aws:ec2/instance:Instance", {})


RULE = "aws:cloudwatch/eventRule:EventRule"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"


@pytest.mark.parametrize(
    ("token", "required", "others"),
    [
        (RULE, "eventPattern", {"name": "r"}),
        (
            ALARM,
            "threshold",
            {
                "name": "a",
                "comparisonOperator": "GreaterThanThreshold",
                "evaluationPeriods": 1,
                "metricName": "m",
                "namespace": "n",
                "period": 60,
            },
        ),
    ],
)
def test_what_is_not_known_yet_is_not_refused_as_missing(
    provider: ProviderClient, token: str, required: str, others: dict[str, Any]
) -> None:
    _, missing = provider.check(token, others)
    _, unknown = provider.check(token, {**others, required: UNKNOWN})

    assert list(missing) == [required]
    assert not unknown


def test_unknown_values_pass_and_stay_unknown(provider: ProviderClient) -> None:
    inputs = {"policy": UNKNOWN, "tags": {"a": UNKNOWN}, "enableKeyRotation": True}

    checked, failures = provider.check(KEY, inputs)
    _, planned = provider.create(KEY, inputs, preview=True)

    assert not failures
    assert checked["policy"] is UNKNOWN
    assert planned["policy"] is UNKNOWN
    assert planned["arn"] is UNKNOWN
    assert planned["tagsAll"] == {"a": UNKNOWN}
    assert planned["isEnabled"] is True


def test_what_the_real_provider_fills_in_is_filled_in(provider: ProviderClient) -> None:
    checked, _ = provider.check(KEY, {})

    assert checked == {
        "bypassPolicyLockoutSafetyCheck": False,
        "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "enableKeyRotation": False,
        "isEnabled": True,
        "keyUsage": "ENCRYPT_DECRYPT",
        "region": REGION,
    }


def test_a_name_is_generated_only_when_there_is_none_and_is_kept(provider: ProviderClient) -> None:
    trust = '{"Version": "2012-10-17", "Statement": []}'

    named, _ = provider.check("aws:iam/role:Role", {"name": "mine", "assumeRolePolicy": trust})
    made_up, _ = provider.check("aws:iam/role:Role", {"assumeRolePolicy": trust})
    kept, _ = provider.check("aws:iam/role:Role", {"assumeRolePolicy": trust}, {"name": "earlier"})

    assert named["name"] == "mine"
    assert made_up["name"].startswith("it-")
    assert len(made_up["name"]) == len("it-") + 7
    assert kept["name"] == "earlier"


def test_a_bug_of_the_provider_shows_its_traceback(provider: ProviderClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("unforeseen")

    monkeypatch.setattr("sandbox.pulumi_plugins.provider.checks.check_inputs", broken)

    with pytest.raises(ProviderFailure, match="a bug:") as refused:
        provider.check(KEY, {})

    assert "in broken" in str(refused.value)
    assert "KeyError: 'unforeseen'" in str(refused.value)


def test_default_tags_are_put_under_a_resources_own(endpoint_environment: str) -> None:
    provider = ProviderClient(region=REGION, defaultTags={"tags": {"Application": "EONPRO", "Environment": "none"}})

    _, state = provider.create(KEY, {"tags": {"Environment": "Production"}})

    assert state["tagsAll"] == {"Application": "EONPRO", "Environment": "Production"}


@pytest.mark.parametrize("allowed", [["999999999999"], "999999999999", '["999999999999"]'])
def test_the_wrong_account_is_refused(endpoint_environment: str, allowed: Any) -> None:
    with pytest.raises(ProviderFailure, match=f"AWS Account ID not allowed: {ACCOUNT}"):
        ProviderClient(region=REGION, allowedAccountIds=allowed)


@pytest.mark.parametrize("allowed", [[ACCOUNT], ["999999999999", ACCOUNT], f'["{ACCOUNT}"]'])
def test_an_allowed_account_is_accepted(endpoint_environment: str, allowed: Any) -> None:
    ProviderClient(region=REGION, allowedAccountIds=allowed)


def test_a_missing_region_is_an_error_with_the_command_that_sets_it(endpoint_environment: str) -> None:
    with pytest.raises(ProviderFailure, match="pulumi config set aws:region"):
        ProviderClient()


def test_configuration_the_sdk_does_not_have_is_refused(provider: ProviderClient) -> None:
    response = provider.provider.CheckConfig(
        provider_pb2.CheckRequest(news=to_struct({"regoin": "us-east-1"})), provider.context
    )

    assert [failure.property for failure in response.failures] == ["regoin"]


def test_an_endpoint_that_does_not_answer_is_named_not_traced(
    provider: ProviderClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("sandbox.pulumi_plugins.provider.endpoint.ATTEMPTS", 1)

    with pytest.raises(ProviderFailure, match='unable to validate AWS credentials.*"http://127.0.0.1:1/"'):
        ProviderClient(region=REGION)


def failed_creation(provider: ProviderClient, token: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The id and the outputs that the engine records of a creation that fails half-way."""
    checked, _ = provider.check(token, inputs)
    request = provider_pb2.CreateRequest(urn=provider.urn(token), properties=to_struct(checked))
    with pytest.raises(ProviderFailure):
        provider.provider.Create(request, provider.context)
    detail = init_failure(provider)
    return detail.id, from_struct(detail.properties)


def init_failure(provider: ProviderClient) -> provider_pb2.ErrorResourceInitFailed:
    """What the engine records of the last operation, which failed half-way."""
    ((name, sent),) = provider.context.trailing
    assert name == "grpc-status-details-bin"
    detail = provider_pb2.ErrorResourceInitFailed()
    packed: any_pb2.Any = status_pb2.Status.FromString(sent).details[0]
    assert packed.Unpack(detail)
    return detail


def refuse_once(provider: ProviderClient, service: str, operation: str) -> None:
    """Let the next call of an operation fail."""
    name = {"cloudwatch-logs": "logs"}.get(service, service)
    events = provider.provider._require_configuration().endpoint.client(name, REGION).meta.events

    def refuse(**_: object) -> None:
        events.unregister(f"before-call.{service}.{operation}", refuse)
        raise ClientError({"Error": {"Code": "Throttling", "Message": "later"}}, operation)

    events.register(f"before-call.{service}.{operation}", refuse)


def test_a_creation_that_fails_half_way_says_which_resource_exists(
    provider: ProviderClient, endpoint_environment: str
) -> None:
    inputs = {"name": "half-logs", "retentionInDays": 731}
    refuse_once(provider, "cloudwatch-logs", "PutRetentionPolicy")
    with pytest.raises(
        ProviderFailure, match=r"creating CloudWatch Logs Log Group \(half-logs\): .* api error Throttling"
    ):
        provider.create("aws:cloudwatch/logGroup:LogGroup", inputs)
    [group] = client(endpoint_environment, "logs").describe_log_groups(logGroupNamePrefix="half-logs")["logGroups"]
    assert group["logGroupName"] == "half-logs"


@pytest.mark.parametrize(
    ("token", "service", "operation", "inputs", "missing"),
    [
        (KEY, "kms", "EnableKeyRotation", {"enableKeyRotation": True}, "enableKeyRotation"),
        (TRAIL, "cloudtrail", "StartLogging", {"name": "half", "s3BucketName": "half-trail"}, "enableLogging"),
        (
            "aws:sns/topic:Topic",
            "sns",
            "SetTopicAttributes",
            {"name": "half", "policy": '{"Version": "2012-10-17", "Id": "own", "Statement": []}'},
            "policy",
        ),
    ],
)
def test_a_creation_that_fails_half_way_is_recorded_as_planned_and_only_a_later_read_shows_the_difference(
    provider: ProviderClient,
    endpoint_environment: str,
    token: str,
    service: str,
    operation: str,
    inputs: Any,
    missing: str,
) -> None:
    client(endpoint_environment, "s3").create_bucket(Bucket="half-trail")
    refuse_once(provider, service, operation)

    resource_id, recorded = failed_creation(provider, token, inputs)
    next_diff = provider.diff(token, resource_id, recorded, inputs)
    # The engine updates a resource whose creation failed, whatever the difference is.
    updated = provider.update(token, resource_id, recorded, inputs)
    _, refreshed, _ = provider.read(token, resource_id, recorded, provider.check(token, inputs)[0])

    assert list(next_diff.diffs) == []
    assert "arn" not in recorded, "AWS decides it"
    assert list(provider.diff(token, resource_id, updated, inputs).diffs) == [missing]
    assert list(provider.diff(token, resource_id, refreshed, inputs).diffs) == [missing]


def test_an_update_that_fails_half_way_is_recorded_as_planned_while_the_account_has_the_old_policy(
    provider: ProviderClient,
) -> None:
    """As the real provider: the old key policy is in force, and by the state alone nothing is left to do."""
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                    "Action": "kms:*",
                    "Resource": "*",
                }
            ],
        }
    )
    resource_id, before = provider.create(KEY, {})
    desired = {"policy": policy.replace("kms:*", "kms:P*")}
    refuse_once(provider, "kms", "PutKeyPolicy")

    with pytest.raises(ProviderFailure):
        provider.update(KEY, resource_id, before, desired)
    recorded = init_failure(provider)

    assert recorded.id == resource_id
    state = from_struct(recorded.properties)
    assert state["arn"] == before["arn"]
    assert list(provider.diff(KEY, resource_id, state, desired).diffs) == []
    _, refreshed, _ = provider.read(KEY, resource_id, state, desired)
    assert list(provider.diff(KEY, resource_id, refreshed, desired).diffs) == ["policy"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"Statement":[{"Action":"a","Effect":"Allow"}]}', '{"Statement":{"Effect":"Allow","Action":["a"]}}', True),
        ('{"Statement":[{"Action":["a","b"]}]}', '{"Statement":[{"Action":["b","a"]}]}', True),
        (
            '{"Statement":[{"Principal":{"AWS":"123456789012"}}]}',
            '{"Statement":[{"Principal":{"AWS":"arn:aws:iam::123456789012:root"}}]}',
            True,
        ),
        (
            '{"Statement":[{"Condition":{"Bool":{"k":"true"}}}]}',
            '{"Statement":[{"Condition":{"Bool":{"k":["true"]}}}]}',
            True,
        ),
        (
            '{"Statement":[{"Condition":{"Bool":{"k":true}}}]}',
            '{"Statement":[{"Condition":{"Bool":{"k":"true"}}}]}',
            True,
        ),
        ('{"Statement":[{"Action":"a"}]}', '{"Statement":[{"NotAction":"a"}]}', False),
        ('{"Statement":[{"Effect":"Allow"}]}', '{"Statement":[{"Effect":"Deny"}]}', False),
        ('{"Statement":[{"Action":"a"}]}', '{"Statement":[{"Action":["a","b"]}]}', False),
        (
            '{"Statement":[{"Condition":{"Bool":{"k":"true"}}}]}',
            '{"Statement":[{"Condition":{"Bool":{"k":"false"}}}]}',
            False,
        ),
        ('{"Version":"2012-10-17"}', '{"Version":"2008-10-17"}', False),
    ],
)
def test_policy_documents_are_compared_by_meaning(one: str, other: str, same: bool) -> None:
    assert equivalent_documents(one, other) is same
    assert equivalent_documents(other, one) is same


def test_an_error_of_a_change_is_reported_as_the_bridge_reports_it(provider: ProviderClient) -> None:
    """Logged once, and returned with the URN around it: the engine prints both."""
    logged: list[tuple[str, str]] = []

    class Log(EngineLog):
        def error(self, reason: str, urn: str) -> None:
            logged.append((reason, urn))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provider.provider, "_log", Log(""))
        with pytest.raises(ProviderFailure) as failed:
            provider.create("aws:kms/alias:Alias", {"name": "alias/it", "targetKeyId": "no-such-key"})
    [(reason, urn)] = logged
    assert reason.startswith("creating KMS Alias (it): operation error CreateAlias")
    assert str(failed.value) == f"creating {urn}: 1 error occurred:\n\t* {reason}\n\n"
    printed = f"sdk-v2/provider2.go:572: sdk.helper_schema: {reason}: provider=aws@7.51.1"
    assert causes([printed, str(failed.value)]) == causes([reason]), "the wizard prints it once"
