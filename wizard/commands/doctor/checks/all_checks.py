"""Which checks there are.

Pure.
"""

from __future__ import annotations

from wizard.commands.doctor.checks import (
    bucket,
    key,
    policies,
    principal,
    runtime,
    stack,
    stored_data_key,
    trail,
    trust,
    variables,
)
from wizard.commands.doctor.diagnosis import Check

OF_ACCESS: tuple[Check, ...] = (
    # What takes longest begins first.
    trust.the_proof,
    key.the_region_of_the_settings,
    key.the_key_and_its_replicas,
    principal.the_principals,
    principal.the_limits_of_the_principals,
    policies.the_key_policy_and_the_application,
    trust.the_execution_role,
    trust.the_trust_of_the_role,
    trust.the_oidc_provider,
    principal.the_access_key_on_vercel,
    stored_data_key.the_escrow,
    variables.what_vercel_tells,
    variables.what_the_store_tells,
    variables.the_data_key_on_vercel,
    variables.the_companions,
    variables.the_parameters,
    key.the_key_id_as_delivered,
    runtime.the_task_definition,
)
"""Whether the application can open its key: what a failed proof asks for."""

OF_THE_REST: tuple[Check, ...] = (
    stack.of_the_stack,
    key.of_the_alias,
    key.of_the_rotation,
    policies.of_the_key_policies,
    policies.administrators_who_decrypt,
    policies.of_the_application_policy,
    key.the_replicas_escrows,
    trail.of_the_trail,
    bucket.of_the_bucket,
    trail.of_the_alerts,
    runtime.of_the_deployment,
)
"""The trail, the stack, what runs."""

LAST: tuple[tuple[str, Check], ...] = ((stack.COMPARISON, stack.of_the_drift),)
"""What takes longest, and would tell again what others found: what it looks at, and the check."""

ALL: tuple[Check, ...] = (*OF_ACCESS, *OF_THE_REST)
