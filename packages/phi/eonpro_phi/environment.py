"""The application's environment variables: the three of the wrapped key, the optional ones, and AWS credentials.

Touches the mapping passed to it and nothing else; reports all problems at once.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from eonpro_phi.errors import MalformedVariable, MissingVariable
from eonpro_phi.record import strict_base64

REGION = "AWS_REGION"
KEY_ID = "AWS_KMS_KEY_ID"
WRAPPED = "ENCRYPTED_PHI_KEY"
HASH_KEY = "ENCRYPTED_PHI_HASH_KEY"
FOR_READING = "ENCRYPTED_PHI_KEYS_FOR_READING"
HASH_KEYS_FOR_READING = "ENCRYPTED_PHI_HASH_KEYS_FOR_READING"
DERIVED = "derived"
"""In place of a wrapped key there: the hash keys that are derived from the data keys."""
CHECK_VALUE = "_CHECK_VALUE"
"""After the name of a variable with a wrapped key: the one with that key's check value, `eonpro_phi.record.key_id`."""
NAMES = "PHI_VARIABLE_NAMES"
"""`AWS_KMS_KEY_ID=EONPRO_KMS_KEY_ID,…`: other names for the first four and the check values, as the set-up's
`variableNames` has them."""
ACCESS_KEY_ID = "AWS_ACCESS_KEY_ID"
SECRET_ACCESS_KEY = "AWS_SECRET_ACCESS_KEY"

KEY_ARN = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):[0-9]{12}:key/(?:mrk-[0-9a-f]{32}|[0-9a-f-]{36})")
"""A key's ARN; an alias or a key id is refused, because the response of KMS has the ARN to compare with."""

_RENAMED = (REGION, KEY_ID, WRAPPED, HASH_KEY, WRAPPED + CHECK_VALUE, HASH_KEY + CHECK_VALUE)
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-[0-9]+")
_BLOB_LIMIT = 6144  # https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html, CiphertextBlob


@dataclass(frozen=True, kw_only=True)
class WrappedKey:
    """A wrapped data key together with the KMS key that decrypts it.

    >>> WrappedKey.from_environment({"AWS_REGION": "us-east-1", "AWS_KMS_KEY_ID": ""})
    Traceback (most recent call last):
    eonpro_phi.errors.MissingVariable: AWS_KMS_KEY_ID is empty; ENCRYPTED_PHI_KEY is not set.
    """

    region: str
    key_arn: str
    blob: bytes = field(repr=False)
    check_value: str | None = None
    """The check value of the data key that it has to open to; None: not known, and not compared."""

    @property
    def fingerprint(self) -> str:
        """`sha256:` and the first 16 hex digits over the wrapped bytes; reveals nothing about the data key."""
        return f"sha256:{hashlib.sha256(self.blob).hexdigest()[:16]}"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "WrappedKey":
        """Read the three variables; raises MissingVariable or MalformedVariable naming all that are wrong.

        `ENCRYPTED_PHI_KEY_CHECK_VALUE` is read where it is set. They may have other names: `PHI_VARIABLE_NAMES`.
        """
        with _reading_by_name(environment) as environment:
            return cls._read(environment)

    @classmethod
    def _read(cls, environment: Mapping[str, str]) -> "WrappedKey":
        _require(environment, REGION, KEY_ID, WRAPPED)
        region, key_arn, wrapped = environment[REGION], environment[KEY_ID], environment[WRAPPED]
        blob = strict_base64(wrapped)
        problems = []
        arn = KEY_ARN.fullmatch(key_arn)
        if not _REGION.fullmatch(region):
            problems.append(f"{REGION} is not the name of a Region{_mistake(region)}")
        elif arn and arn[1] != region:
            problems.append(f"{KEY_ID} is a key in {arn[1]} while {REGION} is {region}")
        if not arn:
            problems.append(f"{KEY_ID} is not the ARN of a KMS key{_mistake(key_arn)}")
        if blob is None or not 0 < len(blob) <= _BLOB_LIMIT:
            problems.append(f"{WRAPPED} is not the base64 of a wrapped key{_mistake(wrapped)}")
        check_value = _check_value(environment, WRAPPED, problems)
        if problems or blob is None:
            raise MalformedVariable("; ".join(problems) + ".")
        return cls(region=region, key_arn=key_arn, blob=blob, check_value=check_value)


@dataclass(frozen=True, kw_only=True)
class WrappedKeys:
    """All wrapped data keys of the application: the current one, and those that only decrypt."""

    current: WrappedKey
    reading_keys: tuple[WrappedKey, ...]
    hash_key: WrappedKey | None = None
    """The key of the search hashes; None where they are derived from the data key."""
    former_hash_keys: tuple[WrappedKey, ...] = ()
    """Other keys that search values may be under: lookups try them too."""
    derived_hash_keys: bool = False
    """Whether, although there is a hash key, search values may still be under those that the data keys give."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "WrappedKeys":
        """Read the three variables and, where they are set, the optional ones.

        `ENCRYPTED_PHI_KEYS_FOR_READING`: wrapped keys separated by white space. `ENCRYPTED_PHI_HASH_KEY`: the wrapped
        key of the search hashes. `ENCRYPTED_PHI_HASH_KEYS_FOR_READING`: further wrapped keys for lookups, and the word
        "derived" where values may still be under the keys that the data keys give.
        `ENCRYPTED_PHI_KEY_CHECK_VALUE`, `ENCRYPTED_PHI_HASH_KEY_CHECK_VALUE`: the check values that the two keys have
        to have. `PHI_VARIABLE_NAMES`: other names of the three, the hash key and the check values. Raises
        MissingVariable or MalformedVariable naming all that are wrong.
        """
        with _reading_by_name(environment) as environment:
            return cls._read(environment)

    @classmethod
    def _read(cls, environment: Mapping[str, str]) -> "WrappedKeys":
        problems = []
        current = None
        try:
            current = WrappedKey.from_environment(environment)
        except MissingVariable:
            raise
        except MalformedVariable as error:
            problems.append(str(error).removesuffix("."))
        blobs = _blobs(FOR_READING, environment.get(FOR_READING, "").split(), problems)
        former = environment.get(HASH_KEYS_FOR_READING, "").split()
        former_blobs = _blobs(HASH_KEYS_FOR_READING, [word for word in former if word != DERIVED], problems)
        hash_key = strict_base64(environment.get(HASH_KEY, ""))
        if environment.get(HASH_KEY) and (hash_key is None or len(hash_key) > _BLOB_LIMIT):
            problems.append(f"{HASH_KEY} is not the base64 of a wrapped key{_mistake(environment[HASH_KEY])}")
        hash_check_value = _check_value(environment, HASH_KEY, problems)
        if hash_check_value and not hash_key:
            # A hash key derived from the data key would find nothing by the hashes of the one that is meant.
            problems.append(f"{HASH_KEY}{CHECK_VALUE} is set, but {HASH_KEY} is not")
        if problems or current is None:
            raise MalformedVariable("; ".join(problems) + ".")
        other = replace(current, check_value=None)
        return cls(
            current=current,
            reading_keys=tuple(replace(other, blob=blob) for blob in blobs if blob != current.blob),
            hash_key=replace(current, blob=hash_key, check_value=hash_check_value) if hash_key else None,
            former_hash_keys=tuple(replace(other, blob=blob) for blob in former_blobs if blob != hash_key),
            derived_hash_keys=DERIVED in former,
        )


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Explicit AWS credentials: no profile, file or metadata service is used."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(repr=False, default=None)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Credentials":
        """Read the standard AWS variables; raises MissingVariable naming all that are missing."""
        _require(environment, ACCESS_KEY_ID, SECRET_ACCESS_KEY)
        return cls(
            access_key_id=environment[ACCESS_KEY_ID],
            secret_access_key=environment[SECRET_ACCESS_KEY],
            session_token=environment.get("AWS_SESSION_TOKEN") or None,
        )


def with_usual_names(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The environment with the variables under their usual names, where `PHI_VARIABLE_NAMES` gives them others.

    Then a variable of the usual name is somebody else's, and is not read. Raises MalformedVariable.
    """
    names = renamed_variables(environment.get(NAMES, ""))
    if not names:
        return environment
    others = {name: value for name, value in environment.items() if name not in (*names, NAMES)}
    return others | {usual: environment[name] for usual, name in names.items() if name in environment}


def renamed_variables(value: str) -> dict[str, str]:
    """The name of each variable that has another than the usual one, by the usual one."""
    pairs = [pair.strip() for pair in value.split(",") if pair.strip()]
    if not all(re.fullmatch(rf"(?:{'|'.join(_RENAMED)})=[A-Za-z_][A-Za-z0-9_]*", pair) for pair in pairs):
        raise MalformedVariable(f"{NAMES} is not a list such as {KEY_ID}=EONPRO_KMS_KEY_ID, separated by commas.")
    names = dict(pair.split("=") for pair in pairs)
    read = {usual: usual for usual in _RENAMED} | names
    if len(names) < len(pairs) or len(set(read.values())) < len(read):
        raise MalformedVariable(f"{NAMES} names a variable twice, or two variables alike.")
    return {usual: name for usual, name in names.items() if usual != name}


@contextmanager
def _reading_by_name(environment: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """The environment with the usual names; the errors have the names that the variables have."""
    names = renamed_variables(environment.get(NAMES, ""))
    try:
        yield with_usual_names(environment)
    except (MissingVariable, MalformedVariable) as error:
        if not names:
            raise
        text = re.sub(r"\w+", lambda word: names.get(word[0], word[0]), str(error))
        raise type(error)(text) from None


def _require(environment: Mapping[str, str], *names: str) -> None:
    missing = [
        f"{name} is {'empty' if name in environment else 'not set'}" for name in names if not environment.get(name)
    ]
    if missing:
        raise MissingVariable("; ".join(missing) + ".")


def _check_value(environment: Mapping[str, str], wrapped: str, problems: list[str]) -> str | None:
    """The check value of the wrapped key in that variable; None where none is set."""
    name = wrapped + CHECK_VALUE
    value = environment.get(name, "")
    if value and not re.fullmatch("[0-9a-f]{16}", value):
        problems.append(f"{name} is not a key check value, 16 hex digits{_mistake(value)}")
    return value or None


def _blobs(name: str, values: Sequence[str], problems: list[str]) -> tuple[bytes, ...]:
    """The wrapped keys of the variable, without duplicates."""
    blobs = dict[bytes, None]()
    for number, wrapped in enumerate(values, 1):
        blob = strict_base64(wrapped)
        if blob is None or not 0 < len(blob) <= _BLOB_LIMIT:
            problems.append(f"{name}: number {number} is not the base64 of a wrapped key{_mistake(wrapped)}")
        else:
            blobs[blob] = None
    return tuple(blobs)


def _mistake(value: str) -> str:
    """The usual mistake in a pasted value, without showing the value."""
    if value[:1] in "\"'" or value[-1:] in "\"'":
        return " (it has quotation marks around it)"
    if value != value.strip():
        return " (it has white space around it)"
    return ""
