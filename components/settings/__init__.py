"""The settings of an environment: `Settings` in, `Outputs` out, with the types of their values and all names.

Pure.
"""

from components.settings.application import ROTATION_DAYS as ROTATION_DAYS
from components.settings.application import EksIdentity as EksIdentity
from components.settings.application import Target as Target
from components.settings.application import VercelAccess as VercelAccess
from components.settings.application import VercelIssuerMode as VercelIssuerMode
from components.settings.application import partition_of as partition_of
from components.settings.names import DEFAULT_APPLICATION as DEFAULT_APPLICATION
from components.settings.names import ImportGroup as ImportGroup
from components.settings.names import ResourceKind as ResourceKind
from components.settings.names import owner_of as owner_of
from components.settings.outputs import Outputs as Outputs
from components.settings.outputs import replaced_by as replaced_by
from components.settings.settings import APPLICATION_VARIABLES as APPLICATION_VARIABLES
from components.settings.settings import CONFIG_KEYS as CONFIG_KEYS
from components.settings.settings import DEFAULT_RETENTION_DAYS as DEFAULT_RETENTION_DAYS
from components.settings.settings import DELETION_WINDOW_DAYS as DELETION_WINDOW_DAYS
from components.settings.settings import LISTS as LISTS
from components.settings.settings import LOGS_KEY_ROTATION_DAYS as LOGS_KEY_ROTATION_DAYS
from components.settings.settings import POSSIBLE_VARIABLES as POSSIBLE_VARIABLES
from components.settings.settings import PROJECT as PROJECT
from components.settings.settings import REMOVED_KEYS as REMOVED_KEYS
from components.settings.settings import SHORTEST_RETENTION_DAYS as SHORTEST_RETENTION_DAYS
from components.settings.settings import Settings as Settings
from components.settings.settings import correction as correction
from components.settings.settings import correction_line as correction_line
from components.settings.stored_values import DATA_KEY_VARIABLE as DATA_KEY_VARIABLE
from components.settings.stored_values import OPTIONAL_VALUES as OPTIONAL_VALUES
from components.settings.stored_values import STORED_VALUES as STORED_VALUES
from components.settings.stored_values import WRAPPED_KEYS as WRAPPED_KEYS
from components.settings.stored_values import StoredValue as StoredValue
from components.settings.values import FOLLOWS_A_FAULT as FOLLOWS_A_FAULT
from components.settings.values import ContractError as ContractError
from components.settings.values import ObjectLock as ObjectLock
from components.settings.values import RecordTable as RecordTable
from components.settings.values import SecretStore as SecretStore
from components.settings.values import in_words as in_words
from components.settings.variables import KEY_ID_VARIABLE as KEY_ID_VARIABLE
from components.settings.variables import REGION_VARIABLE as REGION_VARIABLE
from components.settings.variables import VariableNames as VariableNames
