"""Every policy document of the product, as pure functions: who may do what, under which condition.

Pure: touches nothing but its arguments. Ids go in, a dict that is ready for `json.dumps` comes out. This file only
gathers what the files beside it make, each for one part of the account, and the judge of what a key policy grants.
"""

from __future__ import annotations

from components.policies.access import application_policy as application_policy
from components.policies.access import application_statements as application_statements
from components.policies.access import ecs_trust_statements as ecs_trust_statements
from components.policies.access import execution_trust_policy as execution_trust_policy
from components.policies.access import irsa_trust_statements as irsa_trust_statements
from components.policies.access import parameter_arn as parameter_arn
from components.policies.access import parameter_policy as parameter_policy
from components.policies.access import parameter_statements as parameter_statements
from components.policies.access import pod_identity_trust_statements as pod_identity_trust_statements
from components.policies.access import secret_arn as secret_arn
from components.policies.access import secret_policy as secret_policy
from components.policies.access import secret_statements as secret_statements
from components.policies.access import task_start_policy as task_start_policy
from components.policies.access import vercel_audience as vercel_audience
from components.policies.access import vercel_issuer as vercel_issuer
from components.policies.access import vercel_oidc_provider_arn as vercel_oidc_provider_arn
from components.policies.access import vercel_trust_statements as vercel_trust_statements
from components.policies.documents import Policy as Policy
from components.policies.documents import Statement as Statement
from components.policies.documents import account_root_statement as account_root_statement
from components.policies.documents import policy as policy
from components.policies.key import ADMINISTRATOR_ACTIONS as ADMINISTRATOR_ACTIONS
from components.policies.key import APPLICATION_ACTIONS as APPLICATION_ACTIONS
from components.policies.key import DELETION_ACTIONS as DELETION_ACTIONS
from components.policies.key import MULTI_REGION_ACTIONS as MULTI_REGION_ACTIONS
from components.policies.key import USE_ACTIONS as USE_ACTIONS
from components.policies.key import administration_statement as administration_statement
from components.policies.key import application_use_statement as application_use_statement
from components.policies.key import deletion_statements as deletion_statements
from components.policies.key import exclusive_use_statement as exclusive_use_statement
from components.policies.key import key_policy as key_policy
from components.policies.key import pattern_administration_statement as pattern_administration_statement
from components.policies.trail import access_log_bucket_policy as access_log_bucket_policy
from components.policies.trail import alert_encryption_statement as alert_encryption_statement
from components.policies.trail import alert_topic_policy as alert_topic_policy
from components.policies.trail import forwarding_policy as forwarding_policy
from components.policies.trail import forwarding_trust_policy as forwarding_trust_policy
from components.policies.trail import log_encryption_statement as log_encryption_statement
from components.policies.trail import log_group_arn as log_group_arn
from components.policies.trail import log_role_policy as log_role_policy
from components.policies.trail import log_role_trust_policy as log_role_trust_policy
from components.policies.trail import secure_transport_statements as secure_transport_statements
from components.policies.trail import trail_arn as trail_arn
from components.policies.trail import trail_bucket_policy as trail_bucket_policy
from components.policies.trail import trail_delivery_statements as trail_delivery_statements
from components.policies.trail import trail_encryption_statements as trail_encryption_statements
from components.policies.trail import trail_key_policy as trail_key_policy
