"""Parameter Store as a store of the stored data key and of the two variables beside it.

Reads and writes the SSM parameters it is given the names of; `wizard.aws.data_keys.stored` says when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.settings import SecretStore
from wizard.aws.auth.session import Session, tags_of
from wizard.aws.data_keys.store import SECURE, Held
from wizard.core.errors import PermissionDenied, Unsupported
from wizard.core.retry import Clock


@dataclass(frozen=True)
class ParameterStore:
    """The parameters of the session's Region: a `wizard.aws.data_keys.store.Store`."""

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
