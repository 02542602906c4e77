"""Every policy document of the product, as pure functions: the permissions and their conditions.

Pure. Ids go in, a dict that is ready for `json.dumps` comes out. The policies of one
environment's settings are in `components.policies.stack`, the evaluator in `components.policies.evaluation`.
"""

from components.policies.access import (
    application_policy,
    application_statements,
    parameter_arn,
    parameter_policy,
    secret_arn,
    secret_policy,
)
from components.policies.documents import Policy, Statement, policy
from components.policies.key import (
    ADMINISTRATOR_ACTIONS,
    APPLICATION_ACTIONS,
    DELETION_ACTIONS,
    DELETION_DENIALS,
    DENY_DELETION,
    MULTI_REGION_ACTIONS,
    USE_ACTIONS,
    administration_statement,
    application_use_statement,
    key_policy,
)
from components.policies.trail import (
    access_log_bucket_policy,
    alert_topic_policy,
    forwarding_policy,
    forwarding_trust_policy,
    log_group_arn,
    log_role_policy,
    log_role_trust_policy,
    secure_transport_statements,
    trail_arn,
    trail_bucket_policy,
    trail_delivery_statements,
    trail_key_policy,
)

__all__ = [
    "application_policy",
    "application_statements",
    "parameter_arn",
    "parameter_policy",
    "secret_arn",
    "secret_policy",
    "Policy",
    "Statement",
    "policy",
    "ADMINISTRATOR_ACTIONS",
    "APPLICATION_ACTIONS",
    "DELETION_ACTIONS",
    "DELETION_DENIALS",
    "DENY_DELETION",
    "MULTI_REGION_ACTIONS",
    "USE_ACTIONS",
    "administration_statement",
    "application_use_statement",
    "key_policy",
    "access_log_bucket_policy",
    "alert_topic_policy",
    "forwarding_policy",
    "forwarding_trust_policy",
    "log_group_arn",
    "log_role_policy",
    "log_role_trust_policy",
    "secure_transport_statements",
    "trail_arn",
    "trail_bucket_policy",
    "trail_delivery_statements",
    "trail_key_policy",
]
