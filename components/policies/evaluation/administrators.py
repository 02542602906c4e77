"""Which key administrators can decrypt, as one sentence for setup's evidence, `doctor` and the report.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from components.policies.evaluation.account import KeyPermission
from components.policies.evaluation.conditions import matches
from components.policies.evaluation.key_access import DECRYPT, KeyAccessDocuments, evaluate_access


@dataclass(frozen=True, kw_only=True)
class DecryptingAdministrators:
    """The key administrators that can decrypt, and those of whom that is unknown."""

    able: tuple[tuple[str, str], ...] = ()
    """ARN, and the source of the permission."""
    unknown: tuple[str, ...] = ()
    """ARNs, or patterns of ARNs where the account's roles could not be read."""

    @property
    def description(self) -> str:
        """As a person reads it."""
        texts = [f"{_short(arn)} can decrypt ({source})" for arn, source in self.able]
        if self.unknown:
            names = ", ".join(map(_short, self.unknown))
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


def _short(arn: str) -> str:
    return arn.split(":", 5)[-1]
