"""Which checks there are.

Pure.
"""

from __future__ import annotations

from wizard.doctor import (
    of_the_access,
    of_the_access_key,
    of_the_alerts,
    of_the_bucket,
    of_the_deployment,
    of_the_drift,
    of_the_escrow,
    of_the_execution_role,
    of_the_key,
    of_the_key_policy,
    of_the_limits,
    of_the_policies,
    of_the_replicas,
    of_the_rotation,
    of_the_service,
    of_the_stack,
    of_the_trail,
    of_the_trust,
    of_the_variables,
)
from wizard.doctor.diagnosis import Check

OF_ACCESS: tuple[Check, ...] = (
    # What takes longest begins first.
    of_the_trust.the_proof,
    of_the_key.the_region_of_the_settings,
    of_the_key.the_key_and_its_replicas,
    of_the_access.the_principals,
    of_the_limits.the_limits_of_the_principals,
    of_the_key_policy.the_key_policy_and_the_application,
    of_the_execution_role.the_execution_role,
    of_the_trust.the_trust_of_the_role,
    of_the_trust.the_oidc_provider,
    of_the_access_key.the_access_key_on_vercel,
    of_the_escrow.the_escrow,
    of_the_variables.what_vercel_tells,
    of_the_variables.what_the_store_tells,
    of_the_variables.the_data_key_on_vercel,
    of_the_variables.the_companions,
    of_the_variables.the_parameters,
    of_the_key.the_key_id_as_delivered,
    of_the_service.the_task_definition,
)
"""Whether the application can open its key: what a failed proof asks for."""

OF_THE_REST: tuple[Check, ...] = (
    of_the_stack.of_the_stack,
    of_the_rotation.of_the_alias,
    of_the_rotation.of_the_rotation,
    of_the_policies.of_the_key_policies,
    of_the_policies.of_the_application_policy,
    of_the_replicas.the_replicas_escrows,
    of_the_trail.of_the_trail,
    of_the_bucket.of_the_bucket,
    of_the_alerts.of_the_alerts,
    of_the_deployment.of_the_deployment,
)
"""The trail, the stack, what runs."""

LAST: tuple[tuple[str, Check], ...] = ((of_the_drift.COMPARISON, of_the_drift.of_the_drift),)
"""What takes longest, and would tell again what others found: what it looks at, and the check."""

ALL: tuple[Check, ...] = (*OF_ACCESS, *OF_THE_REST)
