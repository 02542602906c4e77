"""What the edge of AWS can tell of the application's rights and of the stores' contents, by which the doctor knows it.

Pure. `wizard/aws/symptoms.py` implements it; it reads and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from components.contract import SecretStore
from wizard.facts_iam import IamPrincipal
from wizard.facts_symptoms import FormerText, ProviderFact, Weighed


class Symptoms(Protocol):
    """AWS, asked what keeps the application from its key. In one Region; IAM is the account's.

    Every method raises `PermissionDenied` where the caller may not look, `Unsupported` where the endpoint cannot tell,
    and the other errors of `wizard.protocols.Cloud`.
    """

    def principal(self, arn: str) -> IamPrincipal | None:
        """One user or role with its policies, boundary and trust; None where there is none of that ARN."""
        ...

    def provider(self, arn: str) -> ProviderFact | None:
        """One OIDC provider; None where the account has none of that ARN."""
        ...

    def weigh(self, principal_arn: str, actions: Sequence[str], resource: str) -> tuple[Weighed, ...]:
        """What IAM's simulator says of each action, and which limit had the say."""
        ...

    def policy_versions(self, policy_arn: str) -> Mapping[str, Mapping[str, object]] | None:
        """The documents of a managed policy by their versions, the default one first; None where it is gone."""
        ...

    def held(self, names: Sequence[str], store: SecretStore) -> Mapping[str, str]:
        """The text under each of those names that are there, whatever it is."""
        ...

    def history(self, name: str, store: SecretStore) -> tuple[FormerText, ...]:
        """Every text that is still kept under the name, the oldest first."""
        ...
