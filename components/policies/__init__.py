"""Every policy document of the product, as pure functions: the permissions and their conditions.

Pure. Ids go in, a dict that is ready for `json.dumps` comes out. The policies of one
environment's settings are in `components.policies.stack`, the evaluator in `components.policies.evaluation`.
"""

from components.policies.access import application_policy as application_policy
from components.policies.access import application_statements as application_statements
from components.policies.access import parameter_policy as parameter_policy
from components.policies.access import secret_policy as secret_policy
from components.policies.documents import Policy as Policy
from components.policies.documents import Statement as Statement
from components.policies.documents import policy as policy
from components.policies.key import ADMINISTRATOR_ACTIONS as ADMINISTRATOR_ACTIONS
from components.policies.key import APPLICATION_ACTIONS as APPLICATION_ACTIONS
from components.policies.key import DELETION_ACTIONS as DELETION_ACTIONS
from components.policies.key import DELETION_DENIALS as DELETION_DENIALS
from components.policies.key import DENY_DELETION as DENY_DELETION
from components.policies.key import MULTI_REGION_ACTIONS as MULTI_REGION_ACTIONS
from components.policies.key import USE_ACTIONS as USE_ACTIONS
from components.policies.key import administration_statement as administration_statement
from components.policies.key import application_use_statement as application_use_statement
from components.policies.key import key_policy as key_policy
from components.policies.trail import access_log_bucket_policy as access_log_bucket_policy
from components.policies.trail import alert_topic_policy as alert_topic_policy
from components.policies.trail import forwarding_policy as forwarding_policy
from components.policies.trail import forwarding_trust_policy as forwarding_trust_policy
from components.policies.trail import log_role_policy as log_role_policy
from components.policies.trail import log_role_trust_policy as log_role_trust_policy
from components.policies.trail import secure_transport_statements as secure_transport_statements
from components.policies.trail import trail_bucket_policy as trail_bucket_policy
from components.policies.trail import trail_delivery_statements as trail_delivery_statements
from components.policies.trail import trail_key_policy as trail_key_policy
