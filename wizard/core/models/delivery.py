"""Facts of a delivery: the stored data key, the application's variables, its former key, the result.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from components.settings import (
    DATA_KEY_VARIABLE,
    KEY_ID_VARIABLE,
    REGION_VARIABLE,
    SecretStore,
    VariableNames,
)
from wizard.core.data_key import WrappedDataKey
from wizard.core.variable_ownership import OwnValues


@dataclass(frozen=True, kw_only=True)
class StoredDataKey:
    """The wrapped data key as the parameter holds it."""

    parameter: str
    wrapped: WrappedDataKey
    key_arn: str | None
    """The key that wraps it, by the parameter's tags; None where they do not say."""
    version: int
    """Version of the parameter; 1 for a secret, whose versions have no numbers."""
    overwrites: int | None = 0
    """How often somebody else has stored a value there since this program did, at least; None: not recorded."""
    is_new: bool = False
    store: SecretStore = SecretStore.PARAMETER_STORE
    type: str = ""
    """Type of the parameter, `SecureString` unless somebody else created it; a secret has none."""


@dataclass(frozen=True, kw_only=True)
class AppVariables:
    """The variables of the application: three, one more for each optional stored value, and those that go with them.
    They travel together.
    """

    region: str
    key_arn: str
    wrapped: WrappedDataKey
    beside: tuple[tuple[str, WrappedDataKey], ...] = ()
    """(the guide's name, wrapped key) of each stored value beside the data key."""
    optional: tuple[tuple[str, str], ...] = ()
    """(the guide's name, value) of the key check values and the keys for reading, where the settings ask for them."""
    names: VariableNames = VariableNames()
    """The names of the variables where the application runs."""
    own: OwnValues | None = field(default=None, compare=False)
    """The stack's values, to recognize its own variables; None: these alone."""
    replaces: frozenset[str] = field(default=frozenset(), compare=False)
    """The names whose value may be replaced although it is somebody else's: a person agreed to it."""

    @property
    def own_values(self) -> OwnValues:
        """The stack's values, in this Region."""
        return self.own or OwnValues(region=self.region, key_arns=(self.key_arn,))

    @property
    def wrapped_keys(self) -> tuple[tuple[str, WrappedDataKey], ...]:
        """(the guide's name, wrapped key) of each, the data key first."""
        return ((DATA_KEY_VARIABLE, self.wrapped), *self.beside)

    @property
    def stored_values(self) -> tuple[tuple[str, str], ...]:
        """(the guide's name, which its parameter has, value) of each; the data key first, as `values`."""
        return (
            *((name, key.value) for name, key in self.wrapped_keys),
            (KEY_ID_VARIABLE, self.key_arn),
            (REGION_VARIABLE, self.region),
            *self.optional,
        )

    @property
    def values(self) -> tuple[tuple[str, str], ...]:
        """(name, value) of each, the data key first, so that no reader sees a key without it."""
        return tuple((self.names[variable], value) for variable, value in self.stored_values)

    @property
    def delivered_keys(self) -> tuple[tuple[str, WrappedDataKey], ...]:
        """(name, wrapped key) of each, the data key first."""
        return tuple((self.names[variable], key) for variable, key in self.wrapped_keys)


FORMER_KEY_VARIABLE = "ENCRYPTION_KEY"
"""The variable with the application's key before it had a wrapped one: 64 hex digits, in the clear."""

FORMER_KEY_VARIABLES = (FORMER_KEY_VARIABLE, "PHI_ENCRYPTION_KEY")
"""The names under which an application reads such a key."""


class FormerKey(StrEnum):
    """The treatment of the application's ENCRYPTION_KEY at its first wrapped data key."""

    WRAP = "wrap"
    """KMS wraps it: it is the data key from then on, and every record stays readable."""
    NEW = "new"
    """Another data key is generated, which decrypts no earlier record."""


class DeliveryState(StrEnum):
    """The result of a delivery."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """A target has the three variables; checked after writing."""

    target: str
    """`vercel` or `ecs`."""
    place: str
    """The place: `Vercel project eonpro/eonpro, production` or `Parameter Store /eonpro/production`."""
    state: DeliveryState
    fingerprint: str
    checked_by: str
    """The evidence: `values read back` or `listing and fingerprint`."""
    region: str = ""
    """The Region whose key the delivered values name; empty: the stack's own."""
    plain: str = ""
    """The type of the data key's parameter, where it is not SecureString; the type of a parameter cannot be changed."""
    environment: str = ""
    """On Vercel, the environment in words; empty elsewhere."""
