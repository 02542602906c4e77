"""Finds the key administrators that can decrypt, and the others that can change the key policy: for setup, `doctor` and
the report.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from components.policies.evaluation.account import KeyPermission
from components.policies.evaluation.conditions import matches
from components.policies.evaluation.key_access import DECRYPT, KeyAccessDocuments, evaluate_access
from components.policies.evaluation.principals import PrincipalKind, allowed_principals, caller_of
from components.settings.arn import resource_of

PUT_KEY_POLICY = "kms:PutKeyPolicy"


@dataclass(frozen=True, kw_only=True)
class DecryptingAdministrators:
    """The key administrators that can decrypt, and those for which this is unknown."""

    able: tuple[tuple[str, str], ...] = ()
    """ARN, and the source of the permission."""
    unknown: tuple[str, ...] = ()
    """ARNs, or patterns of ARNs where the account's roles could not be read."""

    @property
    def description(self) -> str:
        """The text for a person."""
        texts = [f"{resource_of(arn)} can decrypt ({source})" for arn, source in self.able]
        if self.unknown:
            names = ", ".join(map(resource_of, self.unknown))
            texts.append(f"whether {names} can decrypt is unknown: the account's IAM or the grants could not be read")
        return "; ".join(texts) or "no administrator can decrypt"


def decrypting_administrators(
    documents: KeyAccessDocuments, *, administrators: Iterable[str], patterns: Iterable[str] = ()
) -> DecryptingAdministrators:
    """Evaluate `kms:Decrypt` for the administrators, by ARN and by pattern of role ARNs."""
    able, unknown = [], []
    arns = list(administrators)
    for pattern in patterns:
        if documents.iam is None:
            unknown.append(pattern)
        else:
            arns += [principal.arn for principal in documents.iam.principals if matches(pattern, principal.arn)]
    for arn in dict.fromkeys(arns):
        decision = evaluate_access(documents, documents.caller(arn), DECRYPT)
        if decision.permission is KeyPermission.YES:
            able.append((arn, decision.sources[0].source))
        elif decision.permission is KeyPermission.UNKNOWN:
            unknown.append(arn)
    return DecryptingAdministrators(able=tuple(able), unknown=tuple(unknown))


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
