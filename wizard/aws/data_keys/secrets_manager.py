"""The store of named values in Secrets Manager.

Calls Secrets Manager.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from components.settings import SecretStore
from wizard.aws.auth.errors import code_of
from wizard.aws.auth.session_client import tags_of, utc
from wizard.aws.data_keys.stores import READ_BACK_SECONDS, VERSION_TAG, OfSession, StoredValue, tag_pairs
from wizard.core import retry
from wizard.core.errors import PermissionDenied, ResourceError, Unsupported
from wizard.core.next_command import Command, shell
from wizard.core.retry import Reason

_SERVICE = "secretsmanager"
_ABSENT = ("ResourceNotFoundException",)


class SecretsManager(OfSession):
    """The secrets of the session's Region: a `wizard.aws.data_keys.stores.Store`."""

    kind = SecretStore.SECRETS_MANAGER
    noun = "secret"

    def read(self, names: Sequence[str]) -> Mapping[str, StoredValue]:
        """The values of those secrets that exist. Raises ResourceError for one that is scheduled for deletion."""
        values = self.session.together(*(lambda name=name: self._read(name) for name in names))
        return {name: value for name, value in zip(names, values, strict=True) if value is not None}

    def _read(self, name: str) -> StoredValue | None:
        with self._reporting_deletion(name):
            answer = self.session.find(_SERVICE, "GetSecretValue", absent=_ABSENT, SecretId=name)
        if answer is not None:
            text, id = str(answer.get("SecretString") or ""), str(answer.get("VersionId") or "")
            return StoredValue(value=text, id=id, at=utc(answer.get("CreatedDate")))
        # A secret without a current value gets the same answer as a missing one, but its name exists.
        described = self._describe(name)
        if described is None:
            return None
        if described.get("DeletedDate"):
            raise self._scheduled_for_deletion(name)
        return StoredValue(value="")

    def _describe(self, name: str) -> Any | None:
        try:
            return self.session.find(_SERVICE, "DescribeSecret", absent=_ABSENT, SecretId=name)
        except (PermissionDenied, Unsupported):
            return None

    def tags(self, name: str) -> Mapping[str, str]:
        """The secret's tags; empty where the caller is not allowed to see them."""
        return tags_of((self._describe(name) or {}).get("Tags") or ())

    def create(self, name: str, value: str, *, secret: bool, description: str, tags: Mapping[str, str]) -> bool:
        """CreateSecret, which overwrites nothing. False when the name exists already.

        Raises ResourceError when a secret of that name is scheduled for deletion.
        """
        # The same token for all tries of this call: a repeat after a lost answer creates no second secret. It is the id
        # of the secret's value.
        token = str(uuid4())
        with self._reporting_deletion(name):
            answer = self.session.find(
                _SERVICE,
                "CreateSecret",
                absent=("ResourceExistsException",),
                Name=name,
                SecretString=value,
                ClientRequestToken=token,
                Description=description,
                Tags=tag_pairs({**tags, VERSION_TAG: token} if secret else tags),
            )
        self._await(name)
        return answer is not None

    def _await(self, name: str) -> None:
        # A secret that was created a moment ago, here or by another run, may not be visible yet.
        for _ in retry.attempts(Reason.CONSISTENCY, clock=self.clock, seconds=READ_BACK_SECONDS):
            if self._read(name) is not None:
                return

    def overwrite(self, name: str, value: str, existing: StoredValue, *, description: str) -> None:
        """Another version of the secret; the one before is kept as AWSPREVIOUS. Its description stays.

        Each call has a new token: Secrets Manager ignores a value whose token it has already had.
        """
        with self._reporting_deletion(name):
            self.session.call(
                _SERVICE, "PutSecretValue", SecretId=name, SecretString=value, ClientRequestToken=str(uuid4())
            )

    def under(self, folder: str) -> Mapping[str, StoredValue]:
        """All secrets whose names begin with the folder's, page by page.

        Raises ResourceError for one that is scheduled for deletion: it can still be restored, so it is not absent.
        The list may be some minutes behind; a secret whose name is known is better read by that name.
        https://docs.aws.amazon.com/secretsmanager/latest/APIReference/API_ListSecrets.html
        """
        filters = [{"Key": "name", "Values": [f"{folder}/"]}]
        listed = self.session.pages(_SERVICE, "ListSecrets", "SecretList", IncludePlannedDeletion=True, Filters=filters)
        return self.read([name for entry in listed if (name := str(entry["Name"])).startswith(f"{folder}/")])

    def tag(self, name: str, tags: Mapping[str, str]) -> None:
        """TagResource, which replaces a tag of the same key."""
        self.session.call(_SERVICE, "TagResource", SecretId=name, Tags=tag_pairs(tags))

    def untag(self, name: str, keys: Sequence[str]) -> None:
        """UntagResource; a missing tag is no error."""
        self.session.call(_SERVICE, "UntagResource", SecretId=name, TagKeys=list(keys))

    @contextmanager
    def _reporting_deletion(self, name: str) -> Iterator[None]:
        try:
            yield
        except ResourceError as error:
            cause: Any = error.__cause__
            # CreateSecret may still refuse the name when DescribeSecret no longer knows the deletion, or is denied.
            if code_of(cause) == "InvalidRequestException" and (
                (self._describe(name) or {}).get("DeletedDate") or "delet" in str(cause).lower()
            ):
                raise self._scheduled_for_deletion(name) from cause
            raise

    def _scheduled_for_deletion(self, name: str) -> ResourceError:
        return ResourceError(
            f"the secret {name} is scheduled for deletion; nothing was overwritten and no other secret was created",
            shell(
                *("aws", "secretsmanager", "restore-secret", "--secret-id", name, "--region", self.session.region),
                advice="then run the same command again",
            ),
        )

    def history_command(self, name: str) -> Command:
        """The command that lists the secret's versions."""
        return shell("aws", "secretsmanager", "list-secret-version-ids", "--secret-id", name, "--include-deprecated")

    def listing_command(self, prefix: str) -> Command:
        """The command that lists the secrets under the prefix."""
        return shell("aws", "secretsmanager", "list-secrets", "--filters", f"Key=name,Values={prefix}/")
