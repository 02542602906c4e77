"""Finds who besides the key administrators can change the key policy.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from components.policies.evaluation.account import KeyPermission
from components.policies.evaluation.conditions import matches
from components.policies.evaluation.key_access import KeyAccessDocuments, evaluate_access
from components.policies.evaluation.principals import PrincipalKind, allowed_principals, caller_of

PUT_KEY_POLICY = "kms:PutKeyPolicy"


def other_policy_changers(
    documents: KeyAccessDocuments, *, administrators: Iterable[str], patterns: Iterable[str] = ()
) -> tuple[tuple[str, ...], bool]:
    """ARNs of the principals besides the administrators that can change the key policy, and whether the list is
    complete.

    Evaluated for each principal that the policy names and, where the account's IAM was read, for each user and role.
    The account's root is never an administrator: it stands for every user and role whose IAM policies allow it.
    """
    kinds = dict(allowed_principals(documents.policy, documents.account))
    roots = {name for name, kind in kinds.items() if kind is PrincipalKind.ROOT}
    kinds |= {each.arn: PrincipalKind.PRINCIPAL for each in (documents.iam.principals if documents.iam else ())}
    named = {*administrators} - roots
    listed = tuple(patterns)
    decisions = {}
    for name, kind in kinds.items():
        if name not in named and not any(matches(pattern, name) for pattern in listed):
            caller = caller_of(name, account=documents.account, context=documents.context, iam=documents.iam, kind=kind)
            decision = evaluate_access(documents, caller, PUT_KEY_POLICY, include_everybody=False)
            decisions[name] = decision.permission
    able = tuple(name for name, permission in decisions.items() if permission is KeyPermission.YES)
    # A condition may leave it to IAM for some users and roles only: which ones is known from the account's IAM.
    is_certain = documents.policy is not None and (documents.iam is not None or roots <= {*able})
    return able, is_certain and KeyPermission.UNKNOWN not in decisions.values()
