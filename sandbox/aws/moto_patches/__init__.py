"""Where the emulator differs from AWS in what the product depends on: every difference, and what AWS does instead.

It may touch the emulator in this process only. Each correction is a function of its own, named after what AWS does,
with the page that says so; `BEFORE` and `AFTER` list them all with the calls that they are for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sandbox.aws.iam import enforcement
from sandbox.aws.iam.policy import UnsupportedCondition
from sandbox.aws.iam.principals import Principal
from sandbox.aws.moto_patches import account, cloudtrail, event_history, iam, simulation, storage, sts
from sandbox.aws.moto_patches.ecs import services
from sandbox.aws.moto_patches.kms import ciphertext, grants, key_policy, keys, rotation
from sandbox.aws.protocol import Answer, AwsError, Call

# Raises the AwsError that AWS answers with; else gives the whole answer, or other parameters for the emulator,
# or nothing.
Before = Callable[[Call, Principal | None], Answer | dict[str, Any] | None]
# Gives another answer than the emulator's; asked only where that one succeeded.
After = Callable[[Call, Answer], Answer]


Kind = TypeVar("Kind", Before, After)


@dataclass(frozen=True, kw_only=True)
class Correction(Generic[Kind]):
    """A function and the calls it is for; no operations are all of the service, no service all services."""

    function: Kind
    service: str = ""
    operations: frozenset[str] = frozenset()

    def fits(self, call: Call) -> bool:
        """Whether this correction is for a call."""
        return self.service in ("", call.service) and (not self.operations or call.operation in self.operations)


def _before(function: Before, service: str = "", *operations: str) -> Correction[Before]:
    return Correction(function=function, service=service, operations=frozenset(operations))


def _after(function: After, service: str, *operations: str) -> Correction[After]:
    return Correction(function=function, service=service, operations=frozenset(operations))


# In this order; the first that answers or refuses has the last word.
BEFORE: tuple[Correction[Before], ...] = (
    _before(account.a_region_that_is_off_knows_nobody),
    _before(enforcement.a_call_needs_its_callers_policies_leave),
    _before(account.regions_are_listed, "account", "ListRegions"),
    _before(account.a_regions_status_is_told, "account", "GetRegionOptStatus"),
    _before(sts.a_role_is_assumed_by_whom_it_trusts, "sts", "AssumeRole"),
    _before(sts.a_web_identity_must_meet_the_trust_policy, "sts", "AssumeRoleWithWebIdentity"),
    _before(iam.a_role_trusts_principals_that_exist, "iam", "CreateRole", "UpdateAssumeRolePolicy"),
    _before(iam.a_user_with_an_access_key_is_not_deleted, "iam", "DeleteUser"),
    _before(simulation.identity_policies_are_simulated, "iam", "SimulatePrincipalPolicy"),
    _before(iam.an_audience_is_added, "iam", "AddClientIDToOpenIDConnectProvider"),
    _before(iam.an_audience_is_removed, "iam", "RemoveClientIDFromOpenIDConnectProvider"),
    _before(iam.a_users_boundary_is_put, "iam", "PutUserPermissionsBoundary"),
    _before(iam.a_users_boundary_is_taken_off, "iam", "DeleteUserPermissionsBoundary"),
    _before(event_history.the_event_history_is_told, "cloudtrail", "LookupEvents"),
    _before(services.secrets_need_an_execution_role_and_names_of_their_own, "ecs", "RegisterTaskDefinition"),
    _before(services.a_service_takes_an_active_task_definition, "ecs", "CreateService", "UpdateService"),
    _before(services.a_services_tasks_are_listed, "ecs", "ListTasks"),
    _before(services.a_services_tasks_are_described, "ecs", "DescribeTasks"),
    _before(cloudtrail.a_trails_name_is_taken_once, "cloudtrail", "CreateTrail"),
    _before(cloudtrail.a_trail_is_deleted_by_its_arn_too, "cloudtrail", "DeleteTrail"),
    _before(cloudtrail.selectors_of_one_kind_take_the_place_of_the_other, "cloudtrail", "PutEventSelectors"),
    _before(keys.an_arn_of_another_region_is_not_found, "kms"),
    _before(keys.a_call_needs_the_key_policys_leave, "kms"),
    _before(keys.a_keys_state_decides_what_works, "kms"),
    _before(keys.deletion_takes_7_to_30_days, "kms", "ScheduleKeyDeletion"),
    _before(grants.a_grant_is_for_somebody_that_exists, "kms", "CreateGrant"),
    _before(grants.a_keys_grants_are_told_page_by_page, "kms", "ListGrants"),
    _before(event_history.when_a_key_was_last_used_is_told, "kms", "GetKeyLastUsage"),
    _before(grants.grants_are_not_touched_by_a_dry_run, "kms", "CreateGrant", "RetireGrant", "RevokeGrant"),
    _before(keys.decrypting_under_another_key_is_refused, "kms", "Decrypt"),
    _before(key_policy.a_key_policy_is_well_formed, "kms", *key_policy.SETTERS),
    _before(key_policy.a_key_policy_names_principals_that_exist, "kms", *key_policy.SETTERS),
    _before(key_policy.a_key_policy_keeps_its_author_in, "kms", *key_policy.SETTERS),
    _before(keys.re_encrypting_from_another_key_is_refused, "kms", "ReEncrypt"),
    _before(rotation.a_rotation_period_is_kept, "kms", "EnableKeyRotation"),
    _before(rotation.a_key_is_rotated_on_demand_so_many_times, "kms", "RotateKeyOnDemand"),
    _before(rotation.the_limit_of_rotations_on_demand_is_told, "servicequotas", "ListServiceQuotas"),
    # Last, since these only rewrite the request that the emulator sees.
    _before(keys.a_new_key_has_the_documented_defaults, "kms", "CreateKey"),
    _before(keys.a_key_arn_is_as_good_as_a_key_id, "kms"),
)

AFTER: tuple[Correction[After], ...] = (
    _after(grants.a_dry_run_tells_and_does_nothing, "kms", *grants.DRY_RUNS),
    _after(grants.a_grant_remembers_when_it_was_made, "kms", "CreateGrant"),
    _after(rotation.the_rotation_period_is_told, "kms", "GetKeyRotationStatus"),
    _after(keys.deletion_answers_with_the_arn, "kms", "ScheduleKeyDeletion", "CancelKeyDeletion"),
    _after(keys.a_replica_has_its_own_policy_alias_and_tags, "kms", "ReplicateKey"),
    _after(keys.a_primary_stays_the_primary, "kms", "DescribeKey"),
    _after(iam.a_new_user_keeps_its_boundary, "iam", "CreateUser"),
    _after(storage.a_version_tells_when_it_was_made, "secretsmanager", "ListSecretVersionIds"),
    _after(services.a_service_begins_a_rollout, "ecs", "CreateService"),
    _after(services.a_service_rolls_out_what_is_changed, "ecs", "UpdateService"),
    _after(services.a_rollout_goes_on, "ecs", "DescribeServices"),
    _after(cloudtrail.a_trails_home_and_selectors_are_told, "cloudtrail", "GetTrail", "DescribeTrails"),
    _after(cloudtrail.a_failed_delivery_is_told, "cloudtrail", "GetTrailStatus"),
    _after(cloudtrail.a_new_trail_selects_every_management_event, "cloudtrail", "GetEventSelectors"),
)


def mend_emulator() -> None:
    """Correct what no request or answer can: the format of ciphertexts, how a bucket is born and locked."""
    ciphertext.a_ciphertext_names_its_key_whole()
    storage.a_bucket_is_encrypted_from_the_start()
    storage.a_bucket_is_private_from_the_start()
    storage.object_lock_can_come_later()
    storage.a_new_object_is_locked_as_its_bucket_says()
    storage.this_machines_endpoint_counts_as_tls()
    event_history.kms_calls_are_counted()
    event_history.a_metric_is_known_by_all_its_dimensions()


def before(call: Call) -> Answer | dict[str, Any] | None:
    """What AWS does where the emulator would not: an AwsError, an answer, or other parameters for the emulator."""
    who = account.an_access_key_must_be_somebodys(call)
    try:
        found = _first(call, who)
    except AwsError as error:
        event_history.remember(call, who, error)
        raise
    event_history.remember(call, who)
    return found


def _first(call: Call, who: Principal | None) -> Answer | dict[str, Any] | None:
    """What the first correction that answers, or refuses, says."""
    try:
        for correction in BEFORE:
            if correction.fits(call) and (found := correction.function(call, who)) is not None:
                return found
    except UnsupportedCondition as unknown:
        what = f"The sandbox does not know the condition operator {unknown} and will not guess."
        raise AwsError("NotImplemented", what, 501) from unknown
    return None


def after(call: Call) -> After | None:
    """How the emulator's answer to this call must be amended, if at all."""
    return next((correction.function for correction in AFTER if correction.fits(call)), None)
