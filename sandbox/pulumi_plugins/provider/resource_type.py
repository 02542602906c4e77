"""The base class of resource types: what the provider needs to check, diff, create, read, update and delete.

Touches nothing itself; the operations touch the endpoint of the region that is passed to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from sandbox.pulumi_plugins.provider.documents import equivalent_documents, is_document
from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.values import Properties, Unknown, is_zero

NONE: frozenset[str] = frozenset()


class ResourceType:
    """One resource type; subclasses declare what differs and implement five operations."""

    token: ClassVar[str]
    display_name: ClassVar[str]
    """Its name in errors: "KMS Key"."""
    force_new: ClassVar[frozenset[str]] = NONE
    """Inputs whose change replaces the resource (ForceNew in the Terraform provider)."""
    computed: ClassVar[frozenset[str]] = NONE
    """Inputs for which AWS chooses a value when they are absent: their absence is no change."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Defaults of the real provider."""
    documents: ClassVar[frozenset[str]] = NONE
    """Inputs that must be JSON objects."""
    sets: ClassVar[frozenset[str]] = NONE
    """List inputs whose order has no meaning."""
    write_only: ClassVar[frozenset[str]] = NONE
    """Inputs that AWS never returns: the state keeps the input."""
    unsupported: ClassVar[frozenset[str]] = NONE
    """Inputs of the real provider that this one does not support."""
    changed_by_update: ClassVar[frozenset[str]] = NONE
    """Outputs that any update changes."""
    name_input: ClassVar[str] = ""
    """The input that gets a generated name when it is absent."""
    name_prefix: ClassVar[str] = ""
    name_limit: ClassVar[int] = 64
    name_is_lowercase: ClassVar[bool] = False

    def create(self, region: Region, inputs: Properties) -> str:
        """Create it and return its id; later steps belong in `complete`."""
        raise NotImplementedError

    def complete(self, region: Region, resource_id: str, inputs: Properties) -> None:
        """The steps after creation; when they fail, the resource is recorded as created but not ready."""

    def created_secrets(self, resource_id: str) -> Properties:
        """Outputs that AWS returns at creation only, to be recorded also when `complete` fails."""
        return {}

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """Its properties in AWS, None where it does not exist; `known` is the recorded state."""
        raise NotImplementedError

    def update(
        self, region: Region, resource_id: str, old: Properties, new: Properties, changed: frozenset[str]
    ) -> None:
        """Apply the changed inputs."""
        raise NotImplementedError

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        """Delete it; one that does not exist is no error."""
        raise NotImplementedError

    def recorded_id(self, resource_id: str, state: Properties) -> str:
        """The id to record, where an import id has another form."""
        return resource_id

    def validate(self, inputs: Properties) -> Iterator[tuple[str, str]]:
        """Failures of inputs with correct types: input and reason. Unknown values are absent."""
        return iter(())

    def is_same(self, name: str, old: Any, new: Any) -> bool:
        """Whether two values of an input are equivalent."""
        if name in self.sets and isinstance(old, list) and isinstance(new, list):
            return equivalent(sorted(old, key=repr), sorted(new, key=repr))
        return equivalent(old, new)


def equivalent(old: Any, new: Any) -> bool:
    """Whether two values are equivalent: zero values equal absent ones, policy documents compare by meaning."""
    if isinstance(old, Unknown) or isinstance(new, Unknown):
        return False
    if old == new or (is_zero(old) and is_zero(new)):
        return True
    if isinstance(old, dict) and isinstance(new, dict):
        return all(equivalent(old.get(key), new.get(key)) for key in old.keys() | new.keys())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(equivalent(before, after) for before, after in zip(old, new, strict=True))
    if is_document(old) and is_document(new):
        return equivalent_documents(old, new)
    if isinstance(old, bool) or isinstance(new, bool):
        return str(old).lower() == str(new).lower()
    return not isinstance(old, dict | list) and not isinstance(new, dict | list) and str(old) == str(new)


def tag_list(tags: Mapping[str, str] | None, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Tags in the form of most AWS calls."""
    return [{key: name, value: text} for name, text in (tags or {}).items()]


def tag_map(tags: list[dict[str, str]] | None, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """Tags from the form of most AWS responses, without those of AWS itself."""
    return {tag[key]: tag.get(value, "") for tag in tags or [] if not tag[key].startswith("aws:")}


def tag_changes(old: Properties, new: Properties) -> tuple[list[str], dict[str, str]]:
    """The names of the tags to remove, and the tags to add or change."""
    before: dict[str, str] = old.get("tags") or {}
    after: dict[str, str] = new.get("tags") or {}
    removed = [name for name in before if name not in after]
    return removed, {name: text for name, text in after.items() if before.get(name) != text}


def without_none(**arguments: Any) -> dict[str, Any]:
    """The arguments that are not None: boto3 does not accept None."""
    return {name: value for name, value in arguments.items() if value is not None}
