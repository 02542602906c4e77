"""Secrets Manager as a store of the stored data key and of the two variables beside it.

Reads and writes the secrets it is given the names of, never deletes or restores one; `wizard.aws.data_keys.stored` says when.
They are encrypted under the account's own `aws/secretsmanager`, which every reader in the account may use.
https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from components.settings import SecretStore
from wizard.aws.auth.errors import code_of
from wizard.aws.auth.session import Session, tags_of
from wizard.aws.data_keys.store import READ_BACK_SECONDS, Held
from wizard.core import retry
from wizard.core.errors import PermissionDenied, ResourceError, Unsupported
from wizard.core.next_command import Command
from wizard.core.retry import Clock, Reason

_SERVICE = "secretsmanager"
_ABSENT = ("ResourceNotFoundException",)


@dataclass(frozen=True)
class SecretsManager:
    """The secrets of the session's Region: a `wizard.aws.data_keys.store.Store`."""

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
