"""The one evaluator of policy documents: whether a principal may use or change the key: yes, no, or unknown.

Pure; standard library only. `conditions` and `statements` evaluate one statement,
`principals` who it is about, `key_access` all documents of a key together, `trust` who can assume a role.

Its callers: setup's preflight (`wizard.setup.preflight.principals`: would the caller be locked out), setup's evidence
and the report's checklist (`wizard.setup.checklist`), `verify` and `push` (`wizard.data_key.delivery`), import
(`wizard.account.comparison.differences`), `doctor` (`wizard.account.judgements`), `review` (`wizard.commands.review`),
and the report (through the review). The guardrails share nothing with it.

The sandbox has its own evaluator (`sandbox.aws.iam`) on purpose: it simulates AWS, and the tests compare the two.
"""

from components.policies.evaluation.account import (
    AccountIam,
    Document,
    GrantFact,
    IamPolicy,
    IamPrincipal,
    KeyPermission,
)
from components.policies.evaluation.key_access import (
    AccessDecision,
    KeyAccessDocuments,
    KeyPolicyDecision,
    decide_by_key_policy,
    evaluate_access,
)

__all__ = [
    "AccessDecision",
    "AccountIam",
    "Document",
    "GrantFact",
    "IamPolicy",
    "IamPrincipal",
    "KeyAccessDocuments",
    "KeyPermission",
    "KeyPolicyDecision",
    "decide_by_key_policy",
    "evaluate_access",
]
