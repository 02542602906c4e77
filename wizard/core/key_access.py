"""The documents of one key's access for the evaluator, from what was read of the account.

Pure. What could not be read is an error here, and None for the evaluator: never an empty document.
"""

from __future__ import annotations

from components.policies.evaluation import AccountIam, Document, GrantFact, KeyAccessDocuments
from components.policies.evaluation.administrators import DecryptingAdministrators, decrypting_administrators
from components.policies.evaluation.key_access import key_context
from components.settings import Settings
from wizard.core.errors import SetupError
from wizard.core.models.account import KeyFact


def documents_of(
    arn: str,
    *,
    policy: Document | SetupError | None,
    grants: tuple[GrantFact, ...] | SetupError | None,
    iam: AccountIam | SetupError | None,
    key: KeyFact | SetupError | None,
) -> KeyAccessDocuments:
    """Everything that was read about the access to the key of this ARN."""
    return KeyAccessDocuments(
        arn=arn,
        account=arn.split(":")[4],
        policy=None if isinstance(policy, SetupError) else policy,
        grants=None if isinstance(grants, SetupError) else grants,
        iam=None if isinstance(iam, SetupError) else iam,
        context=key_context(arn, tags=key.tags if isinstance(key, KeyFact) else None),
    )


def administrators_of(documents: KeyAccessDocuments, settings: Settings) -> DecryptingAdministrators:
    """Which of the settings' key administrators can decrypt."""
    return decrypting_administrators(
        documents, administrators=settings.administrators, patterns=settings.administrator_patterns
    )
