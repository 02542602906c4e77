"""The table of stored values: each key that KMS wraps, and that is stored, versioned, delivered and backed up.

Pure. The laws of the data key are those of every row. A row is all that the program knows of a value, besides the field
of the settings that asks for it, the input of that field, and the field of its variable's name.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Carrying:
    """What is left to do about what exists, before the application has the value for the first time."""

    what: str
    command: str
    short: str
    """The same for a plan: what becomes wrong, and its remedy."""


@dataclass(frozen=True, kw_only=True)
class StoredValue:
    variable: str
    """The guide's name of the variable; also the last part of the stored value's name."""
    reading: str
    """The variable with the versions that the application tries beside the current one, if it reads that."""
    noun: str
    setting: str | None
    """The field of the settings that asks for it; None: every application has it."""
    variable_field: str
    """The field of `VariableNames` with the name that its variable has where the application runs."""
    json_name: str
    """In documents: `dataKey` of a report, `hashKeyVersions` of a backup."""
    last_backup: str
    """The last part of the parameter that says where its last backup is."""
    without: str
    """What happens without it, in a few words."""
    anew: str
    """What a new one in its place does."""
    under_another: str
    """What is lost under another one than {which}."""
    missing: str
    """What the application does where its variable is missing."""
    not_created: str
    """Why it is wrong that none was created yet."""
    replaced: str
    """What the application can no longer do after another one was restored."""
    title: str = ""
    """Its row of the summary, which says that it is a key of its own."""
    unread: str = ""
    """What happens if it is made, and the application does not read it."""
    kept: str = ""
    """Why a set-up never takes it away again."""
    unchanged: str = ""
    """What a rotation of the data key leaves as it is, because of it."""
    opens: str = ""
    """What it is the key of, for a backup's instructions."""
    carrying: Carrying | None = None

    @property
    def option(self) -> str:
        """The option that asks for it, and that names it: `--hash-key`; empty for the data key."""
        return f"--{self.setting.replace('_', '-')}" if self.setting else ""

    @property
    def check_value(self) -> str:
        """The variable with its key check value."""
        return f"{self.variable}_CHECK_VALUE"

    @property
    def versions(self) -> str:
        """The last part of the folder of its versions: `hash-keys`."""
        return f"{self.noun.replace(' ', '-')}s"


DATA_KEY = StoredValue(
    variable="ENCRYPTED_PHI_KEY",
    reading="ENCRYPTED_PHI_KEYS_FOR_READING",
    noun="data key",
    setting=None,
    variable_field="data_key",
    json_name="dataKey",
    last_backup="backup",
    without="PHI is lost with it",
    anew="a new one would decrypt no record",
    under_another="a new data key could not open the records under {which}",
    missing="the application says “Encryption key not initialized”; with AWS_KMS_KEY_ID set and no ENCRYPTED_PHI_KEY "
    "it creates a new data key, which decrypts no record",
    not_created="the stack is deployed, but no data key was created; the application would create its own",
    replaced="the application can no longer read records of another data key, nor find it by its search hashes",
)

HASH_KEY = StoredValue(
    variable="ENCRYPTED_PHI_HASH_KEY",
    noun="hash key",
    setting="hash_key",
    variable_field="hash_key",
    json_name="hashKey",
    last_backup="hash-key-backup",
    without="no search hash matches without it",
    anew="under a new one no search hash matches",
    under_another="under a new hash key no search hash under {which} matches",
    missing="the application derives its search hashes from the data key, and finds nothing by those under the hash "
    "key",
    not_created="the settings ask for a hash key, and none was created; until then the hashes depend on the data key",
    replaced="the application finds nothing by search hashes under another hash key",
    title="search hashes",
    unread="the application goes on with the hashes that it has, and phi searches by others",
    kept="without it the application derives other search hashes, and finds nothing by those that exist",
    unchanged="no search hash changes with the data key",
    opens="the search hashes",
    carrying=Carrying(
        what="carry the search hashes of each table. Those that exist match nothing under it (docs/application.md).",
        command="python -m eonpro_phi reencrypt --dsn postgresql://HOST/DATABASE --table TABLE --columns COLUMN,COLUMN "
        "--key-column id --hash-columns email:emailHash,dob:dobHash",
        short="the search hashes (emailHash, dobHash) that exist match nothing under it: carry them with phi reencrypt "
        "--hash-columns before the application is deployed with it",
    ),
    reading="ENCRYPTED_PHI_HASH_KEYS_FOR_READING",
)

STORED_VALUES = (DATA_KEY, HASH_KEY)
"""The data key first."""

OPTIONAL_VALUES = tuple(value for value in STORED_VALUES if value.setting)
WRAPPED_KEYS = tuple(value.variable for value in STORED_VALUES)
"""The variables that hold a key which KMS wrapped."""

BY_VARIABLE = {value.variable: value for value in STORED_VALUES}
DATA_KEY_VARIABLE, HASH_KEY_VARIABLE = DATA_KEY.variable, HASH_KEY.variable
