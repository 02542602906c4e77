"""A fake of `AccessDiagnostics` in memory: the application's principals, the OIDC provider, what the stores hold.

It touches nothing but the fake cloud whose Region it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from components import policies
from components.policies.evaluation.account import IamPolicy, IamPrincipal
from components.policies.stack import application_trust_of, readers_of, reading_policy_of
from components.settings import SecretStore, Settings, Target
from components.targets import vercel
from components.targets.platform import NewRole
from wizard.aws.access_diagnostics import AccessDiagnostics
from wizard.core.models.access import FormerText

if TYPE_CHECKING:
    from tests.wizard.fakes.clients import FakeAwsClient


@dataclass(kw_only=True)
class FakeAccessDiagnostics(AccessDiagnostics):
    """One Region of an account."""

    aws: FakeAwsClient
    principals: dict[str, IamPrincipal] = field(default_factory=dict)
    providers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    versions: dict[str, dict[str, Mapping[str, object]]] = field(default_factory=dict)
    """Of managed policies, by ARN and version, the default one first."""
    texts: dict[str, str] = field(default_factory=dict)
    """What is under a name instead of what the fake cloud says."""
    former: tuple[str, ...] = ()
    """Texts that the stored data key had before what is held now."""

    def principal(self, arn: str) -> IamPrincipal | None:
        self.aws._call("access_diagnostics.principal")
        return self.principals.get(arn)

    def audiences(self, arn: str) -> tuple[str, ...] | None:
        self.aws._call("access_diagnostics.provider")
        return self.providers.get(arn)

    def policy_versions(self, policy_arn: str) -> Mapping[str, Mapping[str, object]] | None:
        self.aws._call("access_diagnostics.policy_versions")
        return self.versions.get(policy_arn)

    def read_values(self, names: Sequence[str], store: SecretStore) -> Mapping[str, str]:
        self.aws._call("access_diagnostics.held")
        there = {name: stored_data_key.wrapped.value for name, stored_data_key in self.aws._stored_keys(store).items()}
        there |= self.aws._values(store) | self.texts | self.aws.claims
        return {name: there[name] for name in names if name in there}

    def history(self, name: str, store: SecretStore) -> tuple[FormerText, ...]:
        self.aws._call("access_diagnostics.history")
        texts = (*self.former, *self.read_values([name], store).values())
        return tuple(FormerText(version=str(number), text=text) for number, text in enumerate(texts, 1))

    # --- how it is seeded

    def build(self, wanted: Settings, key_arns: Sequence[str]) -> None:
        """What `up` makes of IAM."""
        from tests.wizard.fakes.clients import ACCOUNT, APP_POLICY

        document: Any = policies.application_policy(key_arns=key_arns)
        self.versions[APP_POLICY] = {"v1": document}
        provider = None
        if Target.VERCEL in wanted.deploy_targets and wanted.vercel_team:
            provider = vercel.provider_arn_of(wanted.model_copy(update={"vercel_oidc_provider_arn": None}))
            assert provider is not None
            audience = vercel.vercel_audience(team=wanted.vercel_team)
            self.providers[provider] = (audience,)
        trust: Any = application_trust_of(wanted)
        for arn in wanted.app_principal_arns:
            self.principals[arn] = IamPrincipal(
                arn=arn,
                policies=(IamPolicy(name=APP_POLICY, document=document),),
                trust=trust if ":role/" in arn else None,
            )
        name, reading = reading_policy_of(wanted)
        variables = IamPolicy(name=f"arn:aws:iam::{ACCOUNT}:policy/{name}", document=reading)
        self.versions[variables.name] = {"v1": reading}
        for reader in readers_of(wanted):
            role = reader.role if isinstance(reader.role, NewRole) else None
            start = role.inline_policy if role else None
            inline = (IamPolicy(name=f"{start[0]} of role/{role.name}", document=start[1]),) if role and start else ()
            self.principals[reader.arn] = IamPrincipal(
                arn=reader.arn, policies=(variables, *inline), trust=role.trust if role else None
            )

    def change(self, arn: str, **changes: Any) -> None:
        """The principal otherwise than it was."""
        self.principals[arn] = replace(self.principals[arn], **changes)
