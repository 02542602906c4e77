"""A store of named values: the Protocol, Parameter Store, and the tags of the data key in a store.

Calls SSM.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from components.settings import OPTIONAL_VALUES, SecretStore
from components.settings.names import label_of
from components.settings.stored_values import DATA_KEY
from wizard.aws.auth.session import Session
from wizard.aws.auth.session_client import tags_of, utc
from wizard.core import retry
from wizard.core.data_key import CHECK_VALUE, WrappedDataKey
from wizard.core.errors import OutcomeUnknown, PermissionDenied, Unreachable, Unsupported
from wizard.core.next_command import Command, shell
from wizard.core.retry import Clock, Reason

KEY_ARN_TAG = "eonpro:key-arn"
FINGERPRINT_TAG = "eonpro:fingerprint"
NEXT_KEY_ARN_TAG = "eonpro:next-key-arn"
NEXT_FINGERPRINT_TAG = "eonpro:next-fingerprint"
"""The value that a replacement in progress is about to write (`wizard.aws.data_keys.versions`). Until it has ended, the
old and the new value are both right."""
VERSION_TAG = "eonpro:version"
"""The number of the parameter's version, or the id of the secret's, that this program stored or checked last: a later
one is somebody else's.
"""
CHECK_VALUE_TAG = "eonpro:key-check-value"
CREATED_BY_TAG = "eonpro:made-by"
CREATED_BY = "eonpro-kms wizard"
SECURE = "SecureString"
"""The type of a parameter that is stored encrypted."""


def application_in(name: str) -> str:
    """The application that the name of a stored value begins with, as descriptions write it."""
    return label_of(name.split("/")[1])


def description_of(name: str) -> str:
    """Description of the stored key of that name. It does not change with the version."""
    value = next((each for each in OPTIONAL_VALUES if name.endswith(f"/{each.variable}")), DATA_KEY)
    return (
        f"{application_in(name)} PHI {value.noun}, wrapped; the tags say by which key. "
        f"Never delete or overwrite it: {value.without}."
    )


def check_value_tag(wrapped: WrappedDataKey) -> dict[str, str]:
    """The tag with the key check value of the wrapped key; none where that is not known.

    It names the wrapped key too: beside a newer value, which another version of this program wrote, it says nothing.
    """
    return {CHECK_VALUE_TAG: f"{wrapped.check_value} of {wrapped.fingerprint}"} if wrapped.check_value else {}


def with_check_value(wrapped: WrappedDataKey, tags: Mapping[str, str]) -> WrappedDataKey:
    """The wrapped key with the key check value that the tags have of it, if any."""
    value, _, fingerprint = tags.get(CHECK_VALUE_TAG, "").partition(" of ")
    is_known = fingerprint == wrapped.fingerprint and CHECK_VALUE.fullmatch(value)
    return replace(wrapped, check_value=value) if is_known else wrapped


BACKUP_DESCRIPTION = "When and where eonpro-kms last backed up the data key of this environment."

CLAIM_DESCRIPTION = "Which stack of eonpro-kms this environment belongs to. Delete it only if that stack is gone."

READ_BACK_SECONDS = 3.0
"""Time for reading a new value again: the old one may be returned for a moment."""


@dataclass(frozen=True, kw_only=True)
class StoredValue:
    """The value under a name."""

    value: str = field(repr=False)
    """Empty where it is not text, or where the name exists without a value."""
    version: int = 1
    id: str = "1"
    """The version of a parameter, the id of a secret's value."""
    type: str = ""
    """The parameter's type; a secret has none."""
    at: datetime | None = None
    """UTC; when the store got this value."""


def overwrites_of(stored: StoredValue, wrapped: WrappedDataKey | None, tags: Mapping[str, str]) -> int | None:
    """How often somebody else has stored a value since this program did; None where the tags do not say.

    At least: of a secret, whose values have no numbers, 1 stands for any number.
    """
    mark = tags.get(VERSION_TAG)
    if mark is None:
        return None
    if mark == stored.id or (wrapped is not None and tags.get(NEXT_FINGERPRINT_TAG) == wrapped.fingerprint):
        return 0
    is_counted = mark.isdecimal() and stored.id.isdecimal()
    return max(1, int(stored.id) - int(mark)) if is_counted else 1


class Store(Protocol):
    """A store of named values in one Region. Its methods raise errors of `wizard.core.errors` only."""

    kind: SecretStore
    noun: str
    """`parameter` or `secret`."""

    @property
    def session(self) -> Session: ...

    @property
    def clock(self) -> Clock:
        """The session's clock, for `wizard.core.retry`."""

    def read(self, names: Sequence[str]) -> Mapping[str, StoredValue]:
        """The values of those names that exist, decrypted."""

    def tags(self, name: str) -> Mapping[str, str]:
        """The tags of an entry; empty where the caller is not allowed to see them."""

    def create(self, name: str, value: str, *, secret: bool, description: str, tags: Mapping[str, str]) -> bool:
        """Create an entry. False when the name exists already; its value is then unchanged."""

    def overwrite(self, name: str, value: str, existing: StoredValue, *, description: str) -> None:
        """Write another value for a name that exists. For the stored data key only `versions` calls it."""

    def under(self, folder: str) -> Mapping[str, StoredValue]:
        """All names under a folder, at any depth, with their decrypted values."""

    def tag(self, name: str, tags: Mapping[str, str]) -> None:
        """Add tags to a name that exists; its value stays."""

    def untag(self, name: str, keys: Sequence[str]) -> None:
        """Remove tags; a tag that it does not have is no error."""

    def history_command(self, name: str) -> Command:
        """The command that lists the name's earlier values."""

    def listing_command(self, prefix: str) -> Command:
        """The command that lists the names under the prefix."""


def read_with_tags(store: Store, name: str) -> tuple[StoredValue | None, Mapping[str, str]]:
    """The value, None where there is no such name, and its tags; asked for together."""
    values, tags = store.session.together(lambda: store.read([name]), lambda: store.tags(name))
    return values.get(name), tags


@dataclass(frozen=True)
class OfSession:
    """A store that works with a session."""

    session: Session

    @property
    def clock(self) -> Clock:
        return self.session.clock


def tag_pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """The tags as requests of AWS have them."""
    return [{"Key": key, "Value": text} for key, text in tags.items()]


class ParameterStore(OfSession):
    """The parameters of the session's Region: a `wizard.aws.data_keys.stores.Store`."""

    kind = SecretStore.PARAMETER_STORE
    noun = "parameter"

    def read(self, names: Sequence[str]) -> Mapping[str, StoredValue]:
        """The values of those parameters that exist, decrypted, in one call.

        A parameter that this run has created, or was told that it exists, may not be visible yet: it is read again.
        """
        values: Mapping[str, StoredValue] = {}
        for _ in retry.attempts(Reason.CONSISTENCY, clock=self.clock):
            answer = self.session.call("ssm", "GetParameters", Names=list(names), WithDecryption=True)
            values = _values(answer["Parameters"])
            if all(name in values for name in names if (self.session.region, name) in self._existing):
                break
        return values

    @property
    def _existing(self) -> set[tuple[str, str]]:
        """Region and name of the parameters of which this run knows that they exist."""
        existing: set[tuple[str, str]] = self.session.once("existing parameters", set)
        return existing

    def tags(self, name: str) -> Mapping[str, str]:
        """The parameter's tags; empty where the caller is not allowed to see them."""
        try:
            answer = self.session.find(
                "ssm",
                "ListTagsForResource",
                absent=("InvalidResourceId",),
                ResourceType="Parameter",
                ResourceId=name,
            )
        except (PermissionDenied, Unsupported):
            return {}
        return tags_of((answer or {}).get("TagList", ()))

    def create(self, name: str, value: str, *, secret: bool, description: str, tags: Mapping[str, str]) -> bool:
        """PutParameter that overwrites nothing. False when the name exists already."""
        answer = self.session.find(
            "ssm",
            "PutParameter",
            absent=("ParameterAlreadyExists",),
            Name=name,
            Value=value,
            Type=SECURE if secret else "String",
            Tier="Standard",
            Overwrite=False,
            Description=description,
            Tags=tag_pairs({**tags, VERSION_TAG: "1"} if secret else tags),
        )
        self._existing.add((self.session.region, name))
        return answer is not None

    def overwrite(self, name: str, value: str, existing: StoredValue, *, description: str) -> None:
        """Another version of the parameter. An overwrite can change neither the type nor the tags.

        It is sent once: a lost answer is no error if the parameter has the value, and Unreachable if it has not.
        """
        try:
            self.session.call(
                "ssm",
                "PutParameter",
                Name=name,
                Value=value,
                Type=existing.type or "String",
                Overwrite=True,
                Description=description,
            )
        except OutcomeUnknown as error:
            for _ in retry.attempts(Reason.CONSISTENCY, clock=self.clock, seconds=READ_BACK_SECONDS):
                if (stored := self.read([name]).get(name)) and stored.value == value:
                    return
            raise Unreachable(
                f"AWS did not answer the write of {name}, which still has its former value ({error.message})",
                "run the same command again",
            ) from error

    def under(self, folder: str) -> Mapping[str, StoredValue]:
        """All parameters under the path, at any depth, decrypted, page by page."""
        return _values(
            self.session.pages(
                "ssm", "GetParametersByPath", "Parameters", Path=folder, Recursive=True, WithDecryption=True
            )
        )

    def tag(self, name: str, tags: Mapping[str, str]) -> None:
        """AddTagsToResource, which replaces a tag of the same key."""
        self.session.call("ssm", "AddTagsToResource", ResourceType="Parameter", ResourceId=name, Tags=tag_pairs(tags))

    def untag(self, name: str, keys: Sequence[str]) -> None:
        """RemoveTagsFromResource; a missing tag is no error."""
        self.session.call(
            "ssm", "RemoveTagsFromResource", ResourceType="Parameter", ResourceId=name, TagKeys=list(keys)
        )

    def history_command(self, name: str) -> Command:
        """The command that lists the parameter's versions."""
        return shell("aws", "ssm", "get-parameter-history", "--name", name)

    def listing_command(self, prefix: str) -> Command:
        """The command that lists the parameters under the prefix."""
        return shell("aws", "ssm", "get-parameters-by-path", "--path", prefix)


def _values(parameters: Iterable[Mapping[str, Any]]) -> Mapping[str, StoredValue]:
    return {
        str(entry["Name"]): StoredValue(
            value=str(entry["Value"]),
            type=str(entry["Type"]),
            version=int(entry["Version"]),
            id=str(entry["Version"]),
            at=utc(entry.get("LastModifiedDate")),
        )
        for entry in parameters
    }
