"""What a store of named values can do, whichever it is, and the tags of the data key in it.

Pure. `parameter_store` and `secrets_manager` implement the Protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

from components.settings import SecretStore
from wizard.aws.auth.errors import code_of
from wizard.aws.auth.session import Session, tags_of
from wizard.core import retry
from wizard.core.errors import PermissionDenied, ResourceError, Unsupported
from wizard.core.next_command import Command
from wizard.core.retry import Clock, Reason

KEY_ARN_TAG = "eonpro:key-arn"
FINGERPRINT_TAG = "eonpro:fingerprint"
NEXT_KEY_ARN_TAG = "eonpro:next-key-arn"
NEXT_FINGERPRINT_TAG = "eonpro:next-fingerprint"
"""What a replacement under way is about to put there (`wizard.aws.data_keys.versions`); until it is over, either value is right."""
MADE_BY_TAG = "eonpro:made-by"
MADE_BY = "eonpro-kms wizard"
SECURE = "SecureString"
"""The type of a parameter that is encrypted where it is kept."""

DESCRIPTION = (
    "EONPRO PHI data key, wrapped; the tags say by which key. Never delete or overwrite it: PHI is lost with it."
)
"""Of a stored data key, whichever version it holds: Secrets Manager keeps it through a change of the value."""

READ_BACK_SECONDS = 3.0
"""In which what was just written is read again: for a moment the old value may be answered."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a store has under a name."""

    value: str = field(repr=False)
    """Empty where it is no text, or where there is a name without a value."""
    version: int = 1
    type: str = ""
    """The parameter's; a secret has none."""


class Store(Protocol):
    """A store of named values in one Region. Its methods raise errors of `wizard.core.errors` only."""

    kind: SecretStore
    noun: str
    """`parameter` or `secret`."""
    title: str

    @property
    def clock(self) -> Clock:
        """For `wizard.core.retry`."""
        ...

    def read(self, names: Sequence[str]) -> Mapping[str, Held]:
        """The values of those names that are there, decrypted."""
        ...

    def tags(self, name: str) -> Mapping[str, str]:
        """Its tags; empty where the caller may not see them."""
        ...

    def create(self, name: str, value: str, *, secret: bool, description: str, tags: Mapping[str, str]) -> bool:
        """False when the name is taken; what is there is then untouched."""
        ...

    def overwrite(self, name: str, value: str, there: Held, *, description: str) -> None:
        """Another value for a name that is taken. Of a stored data key, the one replacement of `versions` alone calls it."""
        ...

    def under(self, folder: str) -> Mapping[str, Held]:
        """All names under a folder, with their values, decrypted."""
        ...

    def tag(self, name: str, tags: Mapping[str, str]) -> None:
        """Tags for a name that is taken, beside those it has; its value is left alone."""
        ...

    def untag(self, name: str, keys: Sequence[str]) -> None:
        """Take tags away; those it does not have are no error."""
        ...

    def history_command(self, name: str) -> str:
        """What a person types to see which values the name has had."""
        ...

    def listing_command(self, prefix: str) -> str:
        """What a person types to see the names under the prefix."""
        ...


@dataclass(frozen=True)
class ParameterStore:
    """The parameters of the session's Region: a `wizard.aws.data_keys.stores.Store`."""

    session: Session
    kind = SecretStore.PARAMETER_STORE
    noun = "parameter"
    title = "Parameter Store"

    @property
    def clock(self) -> Clock:
        """The session's."""
        return self.session.clock

    def read(self, names: Sequence[str]) -> Mapping[str, Held]:
        """The values of those parameters that are there, decrypted; all in one call."""
        answer = self.session.call("ssm", "GetParameters", Names=list(names), WithDecryption=True)
        return {
            str(found["Name"]): Held(value=str(found["Value"]), type=str(found["Type"]), version=int(found["Version"]))
            for found in answer["Parameters"]
        }

    def tags(self, name: str) -> Mapping[str, str]:
        """The parameter's tags; empty where the caller may not see them."""
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
        """PutParameter that overwrites nothing. False when the name is taken."""
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
            Tags=[{"Key": key, "Value": text} for key, text in tags.items()],
        )
        return answer is not None

    def overwrite(self, name: str, value: str, there: Held, *, description: str) -> None:
        """Another version of the parameter. An overwrite takes neither another type nor tags."""
        self.session.call(
            "ssm",
            "PutParameter",
            Name=name,
            Value=value,
            Type=there.type or "String",
            Overwrite=True,
            Description=description,
        )

    def under(self, folder: str) -> Mapping[str, Held]:
        """All parameters under the path, decrypted, page by page."""
        found = self.session.pages("ssm", "GetParametersByPath", "Parameters", Path=folder, WithDecryption=True)
        return {
            str(each["Name"]): Held(value=str(each["Value"]), type=str(each["Type"]), version=int(each["Version"]))
            for each in found
        }

    def tag(self, name: str, tags: Mapping[str, str]) -> None:
        """AddTagsToResource, which takes the place of a tag of the same key."""
        pairs = [{"Key": key, "Value": text} for key, text in tags.items()]
        self.session.call("ssm", "AddTagsToResource", ResourceType="Parameter", ResourceId=name, Tags=pairs)

    def untag(self, name: str, keys: Sequence[str]) -> None:
        """RemoveTagsFromResource; a key that is not there is no error."""
        self.session.call(
            "ssm", "RemoveTagsFromResource", ResourceType="Parameter", ResourceId=name, TagKeys=list(keys)
        )

    def history_command(self, name: str) -> str:
        """What a person types to see the parameter's versions."""
        return f"aws ssm get-parameter-history --name {name}"

    def listing_command(self, prefix: str) -> str:
        """What a person types to see the parameters under the prefix."""
        return f"aws ssm get-parameters-by-path --path {prefix}"


_SERVICE = "secretsmanager"
_ABSENT = ("ResourceNotFoundException",)


@dataclass(frozen=True)
class SecretsManager:
    """The secrets of the session's Region: a `wizard.aws.data_keys.stores.Store`."""

    session: Session
    kind = SecretStore.SECRETS_MANAGER
    noun = "secret"
    title = "Secrets Manager"

    @property
    def clock(self) -> Clock:
        """The session's."""
        return self.session.clock

    def read(self, names: Sequence[str]) -> Mapping[str, Held]:
        """The values of those secrets that are there. Raises ResourceError for one that is scheduled for deletion."""
        found = self.session.together(*(lambda name=name: self._read(name) for name in names))
        return {name: held for name, held in zip(names, found, strict=True) if held is not None}

    def _read(self, name: str) -> Held | None:
        with self._telling_of_deletion(name):
            answer = self.session.find(_SERVICE, "GetSecretValue", absent=_ABSENT, SecretId=name)
        if answer is not None:
            return Held(value=str(answer.get("SecretString") or ""))
        # A secret without a current value gets the same answer as none; it takes the name all the same.
        described = self._describe(name)
        if described is None:
            return None
        if described.get("DeletedDate"):
            raise self._scheduled_for_deletion(name)
        return Held(value="")

    def _describe(self, name: str) -> Any | None:
        try:
            return self.session.find(_SERVICE, "DescribeSecret", absent=_ABSENT, SecretId=name)
        except (PermissionDenied, Unsupported):
            return None

    def tags(self, name: str) -> Mapping[str, str]:
        """The secret's tags; empty where the caller may not see them."""
        return tags_of((self._describe(name) or {}).get("Tags") or ())

    def create(self, name: str, value: str, *, secret: bool, description: str, tags: Mapping[str, str]) -> bool:
        """CreateSecret, which overwrites nothing. False when the name is taken.

        Raises ResourceError when a secret of that name is scheduled for deletion.
        """
        with self._telling_of_deletion(name):
            answer = self.session.find(
                _SERVICE,
                "CreateSecret",
                absent=("ResourceExistsException",),
                Name=name,
                SecretString=value,
                # One for all tries of this call: a try whose answer was lost is not made twice, nor called taken.
                ClientRequestToken=str(uuid4()),
                Description=description,
                Tags=[{"Key": key, "Value": text} for key, text in tags.items()],
            )
        self._await(name)
        return answer is not None

    def _await(self, name: str) -> None:
        # What was made a moment ago, by us or by who was faster, may not be answered yet.
        for _ in retry.attempts(Reason.CONSISTENCY, clock=self.clock, seconds=READ_BACK_SECONDS):
            if self._read(name) is not None:
                return

    def overwrite(self, name: str, value: str, there: Held, *, description: str) -> None:
        """Another version of the secret; the one before is kept as AWSPREVIOUS. Its description stays.

        A token of its own each time: Secrets Manager passes over a value that comes with a token it has had before.
        """
        with self._telling_of_deletion(name):
            self.session.call(
                _SERVICE, "PutSecretValue", SecretId=name, SecretString=value, ClientRequestToken=str(uuid4())
            )

    def under(self, folder: str) -> Mapping[str, Held]:
        """All secrets whose names begin with the folder's, page by page.

        The list may lag some minutes behind; a secret that is known by its name is rather read by it.
        https://docs.aws.amazon.com/secretsmanager/latest/APIReference/API_ListSecrets.html
        """
        filters = [{"Key": "name", "Values": [f"{folder}/"]}]
        listed = self.session.pages(_SERVICE, "ListSecrets", "SecretList", Filters=filters)
        return self.read([str(each["Name"]) for each in listed if str(each["Name"]).startswith(f"{folder}/")])

    def tag(self, name: str, tags: Mapping[str, str]) -> None:
        """TagResource, which takes the place of a tag of the same key."""
        pairs = [{"Key": key, "Value": text} for key, text in tags.items()]
        self.session.call(_SERVICE, "TagResource", SecretId=name, Tags=pairs)

    def untag(self, name: str, keys: Sequence[str]) -> None:
        """UntagResource; a key that is not there is no error."""
        self.session.call(_SERVICE, "UntagResource", SecretId=name, TagKeys=list(keys))

    @contextmanager
    def _telling_of_deletion(self, name: str) -> Iterator[None]:
        try:
            yield
        except ResourceError as error:
            cause: Any = error.__cause__
            if code_of(cause) == "InvalidRequestException" and self._is_dying(name, str(cause)):
                raise self._scheduled_for_deletion(name) from cause
            raise

    def _is_dying(self, name: str, said: str) -> bool:
        described = self._describe(name)
        # CreateSecret may know of it a while after DescribeSecret has forgotten it, or is denied.
        return bool((described or {}).get("DeletedDate")) or "delet" in said.lower()

    def _scheduled_for_deletion(self, name: str) -> ResourceError:
        return ResourceError(
            f"the secret {name} is scheduled for deletion; nothing was overwritten and no other was made in its place",
            Command(
                f"aws secretsmanager restore-secret --secret-id {name} --region {self.session.region}",
                advice="then run the same command again",
            ),
        )

    def history_command(self, name: str) -> str:
        """What a person types to see the secret's versions."""
        return f"aws secretsmanager list-secret-version-ids --secret-id {name} --include-deprecated"

    def listing_command(self, prefix: str) -> str:
        """What a person types to see the secrets under the prefix."""
        return f"aws secretsmanager list-secrets --filters Key=name,Values={prefix}/"
