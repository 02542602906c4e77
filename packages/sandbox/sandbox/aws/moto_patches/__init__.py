"""Patches of moto: every difference from AWS that the product depends on, each a function with AWS's page about it.

Touches moto in this process only. `REQUEST_PATCHES` and `RESPONSE_PATCHES` list the patches with the calls that
they are for; `patch_moto` applies those that no request or response can carry.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from sandbox.aws.iam import enforcement
from sandbox.aws.iam.policy import UnsupportedCondition
from sandbox.aws.iam.principals import Principal
from sandbox.aws.moto_patches import (
    access_analyzer,
    account,
    cloudtrail,
    event_delivery,
    event_history,
    iam,
    logs,
    object_encryption,
    simulation,
    sns,
    storage,
    sts,
)
from sandbox.aws.moto_patches.ecs import services
from sandbox.aws.moto_patches.kms import ciphertext, grants, key_policy, keys, rotation
from sandbox.aws.protocol import AwsError, Call, Response

# Raises the AwsError that AWS answers with; else returns the whole response, other parameters for moto, or None.
RequestPatch = Callable[[Call, Principal | None], Response | dict[str, Any] | None]
# Returns another response than moto's; called only where moto's is a success.
ResponsePatch = Callable[[Call, Response], Response]


Function = TypeVar("Function", RequestPatch, ResponsePatch)


@dataclass(frozen=True, kw_only=True)
class Patch(Generic[Function]):
    """A function and the calls it is for: no operations means all of the service, no service means all services."""

    function: Function
    service: str = ""
    operations: frozenset[str] = frozenset()

    def matches(self, call: Call) -> bool:
        return self.service in ("", call.service) and (not self.operations or call.operation in self.operations)


def _request(function: RequestPatch, service: str = "", *operations: str) -> Patch[RequestPatch]:
    return Patch(function=function, service=service, operations=frozenset(operations))


def _response(function: ResponsePatch, service: str, *operations: str) -> Patch[ResponsePatch]:
    return Patch(function=function, service=service, operations=frozenset(operations))


# In this order: the first that returns a response or raises an error ends the call.
REQUEST_PATCHES: tuple[Patch[RequestPatch], ...] = (
    _request(account.refuse_disabled_region),
    _request(enforcement.enforce_identity_policies),
    _request(account.list_regions, "account", "ListRegions"),
    _request(account.get_region_opt_status, "account", "GetRegionOptStatus"),
    _request(access_analyzer.validate_policy, "access-analyzer", "ValidatePolicy"),
    _request(access_analyzer.check_no_public_access, "access-analyzer", "CheckNoPublicAccess"),
    _request(access_analyzer.check_no_new_access, "access-analyzer", "CheckNoNewAccess"),
    _request(sts.enforce_role_trust, "sts", "AssumeRole"),
    _request(sts.get_scoped_credentials, "sts", "GetScopedCredentials"),
    _request(sts.enforce_web_identity_trust, "sts", "AssumeRoleWithWebIdentity"),
    _request(iam.check_trusted_principals, "iam", "CreateRole", "UpdateAssumeRolePolicy"),
    _request(iam.refuse_deleting_user_with_access_keys, "iam", "DeleteUser"),
    _request(simulation.simulate_principal_policy, "iam", "SimulatePrincipalPolicy"),
    _request(iam.add_client_id, "iam", "AddClientIDToOpenIDConnectProvider"),
    _request(iam.remove_client_id, "iam", "RemoveClientIDFromOpenIDConnectProvider"),
    _request(iam.put_user_boundary, "iam", "PutUserPermissionsBoundary"),
    _request(iam.delete_user_boundary, "iam", "DeleteUserPermissionsBoundary"),
    _request(iam.list_service_specific_credentials, "iam", "ListServiceSpecificCredentials"),
    _request(logs.delete_tags_with_group, "logs", "DeleteLogGroup"),
    _request(logs.refuse_tags_of_missing_group, "logs", "ListTagsForResource"),
    _request(event_history.lookup_events, "cloudtrail", "LookupEvents"),
    _request(sns.count_subscriptions, "sns", "GetTopicAttributes"),
    _request(services.check_container_secrets, "ecs", "RegisterTaskDefinition"),
    _request(services.refuse_inactive_task_definition, "ecs", "CreateService", "UpdateService"),
    _request(services.list_tasks, "ecs", "ListTasks"),
    _request(services.describe_tasks, "ecs", "DescribeTasks"),
    _request(services.describe_service_deployments, "ecs", "DescribeServiceDeployments"),
    _request(services.continue_service_deployment, "ecs", "ContinueServiceDeployment"),
    _request(services.create_express_gateway_service, "ecs", "CreateExpressGatewayService"),
    _request(cloudtrail.list_public_keys, "cloudtrail", "ListPublicKeys"),
    _request(cloudtrail.refuse_duplicate_trail, "cloudtrail", "CreateTrail"),
    _request(cloudtrail.delete_trail_by_arn, "cloudtrail", "DeleteTrail"),
    _request(cloudtrail.replace_advanced_selectors, "cloudtrail", "PutEventSelectors"),
    _request(keys.enforce_key_of_object, "s3", "GetObject"),
    _request(object_encryption.refuse_other_encryption, "s3", "PutObject"),
    _request(object_encryption.update_object_encryption, "s3", "UpdateObjectEncryption"),
    _request(keys.refuse_arn_of_other_region, "kms"),
    _request(keys.enforce_key_policy, "kms"),
    _request(keys.enforce_key_state, "kms"),
    _request(keys.check_deletion_window, "kms", "ScheduleKeyDeletion"),
    _request(keys.refuse_second_replica, "kms", "ReplicateKey"),
    _request(keys.update_primary_region, "kms", "UpdatePrimaryRegion"),
    _request(grants.check_grant, "kms", "CreateGrant"),
    _request(grants.list_grants, "kms", "ListGrants"),
    _request(event_history.get_key_last_usage, "kms", "GetKeyLastUsage"),
    _request(lambda call, _: grants.end_dry_run(call), "kms", "CreateGrant", "RetireGrant", "RevokeGrant"),
    _request(grants.end_dry_run_without_ciphertext, "kms", "Decrypt"),
    _request(keys.check_decrypt_key, "kms", "Decrypt"),
    _request(key_policy.check_key_policy_syntax, "kms", *key_policy.KEY_POLICY_OPERATIONS),
    _request(key_policy.check_key_policy_principals, "kms", *key_policy.KEY_POLICY_OPERATIONS),
    _request(key_policy.check_key_policy_lockout, "kms", *key_policy.KEY_POLICY_OPERATIONS),
    _request(keys.check_source_key, "kms", "ReEncrypt"),
    _request(rotation.record_rotation_period, "kms", "EnableKeyRotation"),
    _request(rotation.limit_on_demand_rotations, "kms", "RotateKeyOnDemand"),
    _request(rotation.list_kms_quotas, "servicequotas", "ListServiceQuotas"),
    # Last: these only change the request that moto sees.
    _request(keys.set_new_key_defaults, "kms", "CreateKey"),
    _request(key_policy.set_default_policy_name, "kms", "GetKeyPolicy", "PutKeyPolicy"),
    _request(keys.replace_key_arns_by_ids, "kms"),
)

RESPONSE_PATCHES: tuple[Patch[ResponsePatch], ...] = (
    _response(grants.answer_dry_run, "kms", *grants.DRY_RUNS),
    _response(grants.record_grant_date, "kms", "CreateGrant"),
    _response(rotation.add_rotation_period, "kms", "GetKeyRotationStatus"),
    _response(
        rotation.add_key_material,
        "kms",
        "Decrypt",
        "ReEncrypt",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
    ),
    _response(keys.add_deletion_details, "kms", "ScheduleKeyDeletion", "CancelKeyDeletion"),
    _response(keys.separate_replica_from_primary, "kms", "ReplicateKey"),
    _response(keys.correct_multi_region_key_type, "kms", "DescribeKey"),
    _response(iam.keep_boundary_of_new_user, "iam", "CreateUser"),
    _response(storage.add_version_dates, "secretsmanager", "ListSecretVersionIds"),
    _response(services.start_deployment, "ecs", "CreateService"),
    _response(services.update_deployment, "ecs", "UpdateService"),
    _response(services.advance_deployment, "ecs", "DescribeServices"),
    _response(cloudtrail.select_described_trails, "cloudtrail", "DescribeTrails"),
    _response(cloudtrail.add_home_region_and_selectors, "cloudtrail", "GetTrail", "DescribeTrails"),
    _response(cloudtrail.add_delivery_error, "cloudtrail", "GetTrailStatus"),
    _response(cloudtrail.add_default_selectors, "cloudtrail", "GetEventSelectors"),
)


def patch_moto() -> None:
    """Change the parts of moto that no request or response carries: ciphertexts, new buckets, locks."""
    ciphertext.keep_multi_region_key_ids()
    storage.protect_new_buckets()
    storage.refuse_key_id_without_kms()
    storage.keep_blocked_encryption_types()
    storage.allow_object_lock_on_existing_buckets()
    storage.apply_default_retention()
    storage.treat_endpoint_as_tls()


def patch_request(call: Call) -> Response | dict[str, Any] | None:
    """AWS's behaviour where moto's differs: a whole response, other parameters for moto, or None. Raises AwsError."""
    caller = account.authenticate_signed_call(call)
    try:
        result = _apply_request_patches(call, caller)
    except AwsError as error:
        event_delivery.put_event(call, event_history.record_event(call, caller, error))
        raise
    event_delivery.put_event(call, event_history.record_event(call, caller))
    return result


def _apply_request_patches(call: Call, caller: Principal | None) -> Response | dict[str, Any] | None:
    """A patch that gives a response ends the call; other parameters go to the patches after it."""
    parameters = None
    try:
        for patch in REQUEST_PATCHES:
            result = patch.function(call, caller) if patch.matches(call) else None
            if isinstance(result, Response):
                return result
            if result is not None:
                parameters = result
                call = replace(call, parameters=parameters)
    except UnsupportedCondition as error:
        message = f"The sandbox does not support the condition operator {error}."
        raise AwsError("NotImplemented", message, 501) from error
    return parameters


def response_patches(call: Call) -> tuple[ResponsePatch, ...]:
    """The functions that change moto's response to this call, in the order in which they are applied."""
    return tuple(patch.function for patch in RESPONSE_PATCHES if patch.matches(call))
