"""The settings of an environment: `Settings` in, `Outputs` out, with the types of their values and all names.

Pure.
"""

from components.settings.names import DATA_KEY_VARIABLE, Names
from components.settings.outputs import Outputs
from components.settings.settings import (
    APPLICATION_VARIABLES,
    CONFIG_KEYS,
    DEFAULT_RETENTION_DAYS,
    DELETION_WINDOW_DAYS,
    LISTS,
    PROJECT,
    REMOVED_KEYS,
    ROTATION_DAYS,
    SHORTEST_RETENTION_DAYS,
    Settings,
    correction,
    partition_of,
)
from components.settings.values import (
    ContractError,
    EksIdentity,
    ImportGroup,
    ObjectLock,
    ResourceKind,
    SecretStore,
    Target,
    VercelAccess,
)

__all__ = [
    "APPLICATION_VARIABLES",
    "CONFIG_KEYS",
    "DATA_KEY_VARIABLE",
    "DEFAULT_RETENTION_DAYS",
    "DELETION_WINDOW_DAYS",
    "LISTS",
    "PROJECT",
    "REMOVED_KEYS",
    "ROTATION_DAYS",
    "SHORTEST_RETENTION_DAYS",
    "ContractError",
    "EksIdentity",
    "ImportGroup",
    "Names",
    "ObjectLock",
    "Outputs",
    "ResourceKind",
    "SecretStore",
    "Settings",
    "Target",
    "VercelAccess",
    "correction",
    "partition_of",
]
