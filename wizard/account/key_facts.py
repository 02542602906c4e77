"""The facts of a stack's key and its replicas: policies, grants, who can use and administer them, and the application.

Reads through the clients, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING

from components import policies
from components.policies.evaluation import AccountIam, GrantFact
from components.policies.evaluation.account import IamPrincipal
from components.settings.arn import Arn
from wizard.account.access import rights, stored_reviews
from wizard.account.access.rights import KeyRights
from wizard.account.access.stored_reviews import StoredReviews
from wizard.account.fact_reader import FactReader
from wizard.account.key_access import Expectation, KeyReading, arns_of, expectation_of, read_keys
from wizard.core.errors import SetupError, Unsupported, known_or
from wizard.core.models.access import AccessKeyAge, History, KeyEvents, KeyUse, Simulation, documents_of
from wizard.core.models.account import KeyFact
from wizard.core.next_command import plain_name, shell
from wizard.core.retry import together

if TYPE_CHECKING:
    from wizard.aws.access_diagnostics import AccessDiagnostics
    from wizard.aws.client import AwsClient


class KeyFacts(FactReader):
    """The facts that rest on the stack's key."""

    # --- the key

    @property
    def alias_target(self) -> KeyFact | SetupError | None:
        return self.once("alias", lambda: self.aws.kms.describe_key(self.settings.names.alias))

    @property
    def key_arn(self) -> str | None:
        """The stack's key: from its outputs, else from its alias; None if both are unknown."""
        if self.outputs is not None:
            return self.outputs.key_arn
        target = self.alias_target
        return target.arn if isinstance(target, KeyFact) else None

    @property
    def key(self) -> KeyFact | SetupError | None:
        """The stack's key; None if it does not exist."""
        arn = self.key_arn
        if arn is None or self.outputs is None:
            return self.alias_target
        return self.once("key", lambda: self.aws.kms.describe_key(arn))

    @property
    def key_policy(self) -> Mapping[str, object] | SetupError:
        arn = self.key_arn
        if arn is None:
            return self._no_key()
        return self.once("key policy", lambda: self.aws.kms.key_policy(arn))

    @property
    def grants(self) -> tuple[GrantFact, ...] | SetupError:
        arn = self.key_arn
        if arn is None:
            return self._no_key()
        return self.once("grants", lambda: self.aws.access.grants(arn))

    @property
    def iam(self) -> AccountIam | SetupError:
        return self.once("iam", self.aws.access.iam)

    def replica(self, arn: str) -> KeyFact | SetupError | None:
        """The key of that ARN, in its own Region."""
        return self.once(f"key {arn}", lambda: self.aws.with_region(Arn.parse(arn).region).kms.describe_key(arn))

    @property
    def key_readings(self) -> tuple[KeyReading, ...]:
        """The key and its replicas, each with its policy and grants, those that the settings do not name last."""
        readings = self.once("keys", lambda: read_keys(self.key_arns, self.key_reading))
        return known_or(readings, ())

    @property
    def key_arns(self) -> tuple[str, ...]:
        """The ARNs of the key and of the stack's replicas, by the outputs or else by the alias; empty if unknown."""
        if self.outputs is not None:
            return self.outputs.key_arns
        return arns_of(self.key_arn, self.settings) if self.key_arn else ()

    def key_reading(self, arn: str) -> KeyReading:
        """What is read of one key, each part once."""
        if arn == self.key_arn:
            key, policy, grants = together(lambda: self.key, lambda: self.key_policy, lambda: self.grants)
        else:
            key, policy, grants = together(
                lambda: self.replica(arn), lambda: self.policy_of(arn), lambda: self.grants_of(arn)
            )
        return KeyReading(arn=arn, key=key, policy=policy, grants=grants)

    def policy_of(self, arn: str) -> Mapping[str, object] | SetupError:
        """The policy of another key than the stack's PHI key, in the key's own Region."""
        return self.once(f"policy {arn}", lambda: self._in_region_of(arn).kms.key_policy(arn))

    def grants_of(self, arn: str) -> tuple[GrantFact, ...] | SetupError:
        """The grants of another key than the stack's PHI key, in the key's own Region."""
        return self.once(f"grants {arn}", lambda: self._in_region_of(arn).access.grants(arn))

    def _no_key(self) -> SetupError:
        return Unsupported(
            "the key is not known", shell("aws", "kms", "list-aliases", "--region", self.settings.region)
        )

    # --- who can use and administer the key

    @property
    def rights(self) -> KeyRights | SetupError:
        """Who has which right on the key and its replicas, by their policies, their grants and the account's IAM."""
        if not self.key_arns:
            return self._no_key()
        return self.once("rights", self._evaluate_rights)

    def _evaluate_rights(self) -> KeyRights:
        readings, iam = together(lambda: self.key_readings, lambda: self.iam)
        counting = [reading for reading in readings if not rights.is_ending(reading, self.key_arns)]
        aliases = together(*(partial(self.aliases, reading.arn) for reading in counting))
        documents = [
            documents_of(each.arn, policy=each.policy, grants=each.grants, iam=iam, key=each.key, aliases=names)
            for each, names in zip(counting, aliases, strict=True)
        ]
        found = rights.evaluate(documents, self.expectation)
        roles = found.by_account_access
        people = together(*(partial(self.assigned_people, role) for role in roles))
        return rights.with_people(found, dict(zip(roles, people, strict=True)))

    @cached_property
    def expectation(self) -> Expectation:
        """The rights that the settings give."""
        return expectation_of(self.settings, self.outputs)

    @property
    def reviews(self) -> StoredReviews:
        """The stored reviews of the stack; of another key or stack only the files are in it."""
        read = self.once("reviews", self._read_reviews)
        return known_or(read, StoredReviews())

    def _read_reviews(self) -> StoredReviews:
        folder = self.sources.reviews
        stored = stored_reviews.read(folder, self.stack) if folder else ()
        return StoredReviews(files=stored, stack=plain_name(self.stack), key_arn=self.key_arn or "")

    def _in_region_of(self, arn: str) -> AwsClient:
        region = Arn.parse(arn).region
        return self.aws if region == self.aws.region else self.aws.with_region(region)

    def assigned_people(self, role: str) -> tuple[str, ...] | SetupError:
        """Who is assigned to a role in AWS account access."""
        return self.once(f"people of {role}", lambda: self.aws.access.assigned_people(role))

    def aliases(self, arn: str) -> tuple[str, ...] | SetupError:
        """The names of a key's aliases."""
        return self.once(f"aliases of {arn}", lambda: self._in_region_of(arn).kms.aliases_of(arn))

    def last_use(self, arn: str) -> KeyUse | SetupError:
        """When a key was last used."""
        return self.once(f"last use of {arn}", lambda: self._in_region_of(arn).access.last_use(arn))

    def events(self, arn: str, since: datetime) -> tuple[History, tuple[KeyEvents, ...]] | SetupError:
        """CloudTrail's event history of a key, by principal."""
        read = self._in_region_of(arn).access.events
        return self.once(f"events of {arn} since {since:%Y-%m-%d}", lambda: read(arn, since=since))

    def is_user(self, arn: str) -> bool:
        """Whether it is an IAM user of the stack's account."""
        return arn.startswith(f"arn:{self.settings.partition}:iam::{self.settings.account_id}:user/")

    def access_keys(self, arn: str) -> tuple[AccessKeyAge, ...] | SetupError:
        """The access keys of a user of the account."""
        user = Arn.parse(arn).name
        return self.once(f"access keys of {arn}", lambda: self.aws.access.access_keys(user, now=self.at))

    # --- the application's permissions

    @property
    def principals(self) -> tuple[str, ...]:
        """The ARNs of all roles and users of the application."""
        return self.outputs.app_principal_arns if self.outputs else self.settings.app_principal_arns

    def principal(self, arn: str) -> IamPrincipal | SetupError | None:
        return self.once(f"principal {arn}", lambda: self.access_diagnostics.principal(arn))

    def simulate(self, arn: str) -> Simulation | SetupError:
        """The result of IAM's policy simulator for the principal and the stack's key."""
        key = self.key_arn
        if key is None:
            return self._no_key()
        actions = policies.APPLICATION_ACTIONS
        return self.once(f"simulation {arn}", lambda: self.aws.permissions.simulate(arn, actions, key))

    @property
    def application_policy(self) -> Mapping[str, object] | SetupError | None:
        """The document of the application's policy; None if it does not exist, or the stack is not deployed."""
        outputs = self.outputs
        if outputs is None:
            return None
        return self.once("application policy", lambda: self.aws.iam.policy_document(outputs.app_policy_arn))

    @property
    def access_diagnostics(self) -> AccessDiagnostics:
        """The reader of the application's permissions and variables, in the stack's own Region."""
        return self.aws.access_diagnostics
