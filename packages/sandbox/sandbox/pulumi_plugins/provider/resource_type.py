"""The base class of resource types: check, diff, create, read, update and delete.

Touches nothing itself; the operations touch the endpoint of the region that is passed to them.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from sandbox.pulumi_plugins.provider.documents import equivalent_documents, is_document, normal_form
from sandbox.pulumi_plugins.provider.endpoint import Region
from sandbox.pulumi_plugins.provider.errors import none_if_missing
from sandbox.pulumi_plugins.provider.values import Properties, Unknown, is_zero

Names = frozenset[str]
NONE: Names = frozenset()


class ResourceType:
    """One resource type; subclasses declare the differences and implement five operations."""

    token: ClassVar[str]
    display_name: ClassVar[str]
    """Its name in errors: "KMS Key"."""
    not_found: ClassVar[tuple[str, ...]] = ()
    """The codes with which AWS answers where the resource does not exist."""
    force_new: ClassVar[Names] = NONE
    """Inputs whose change replaces the resource (ForceNew in the Terraform provider)."""
    computed: ClassVar[Names] = NONE
    """Inputs for which AWS chooses a value when they are absent: their absence is no change."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Defaults of the real provider."""
    documents: ClassVar[Names] = NONE
    """Inputs that must be JSON objects."""
    sets: ClassVar[Names] = NONE
    """List inputs whose order has no meaning."""
    write_only: ClassVar[Names] = NONE
    """Inputs that AWS never returns: the state keeps the input."""
    unsupported: ClassVar[Names] = NONE
    """Inputs of the real provider that this one does not support."""
    rewritten: ClassVar[Names] = NONE
    """Inputs that a refresh records in AWS's words, although they mean the same."""
    creation_seconds: ClassVar[float] = 0.0
    """Seconds in which the real provider creates it, its waits included."""
    name_input: ClassVar[str] = ""
    """The input that gets a generated name when it is absent."""
    name_prefix: ClassVar[str] = ""
    name_limit: ClassVar[int] = 64
    name_is_lowercase: ClassVar[bool] = False

    @property
    def prefix_input(self) -> str:
        """The input that a generated name begins with."""
        return f"{self.name_input}Prefix"

    def create(self, region: Region, inputs: Properties) -> str:
        """Create it and return its id; later steps belong in `complete`."""
        self.put(region, inputs)
        return self.recorded_id("", inputs)

    def put(self, region: Region, inputs: Properties) -> None:
        """Create it or replace all its settings, where AWS has one call for both."""
        raise NotImplementedError

    def complete(self, region: Region, resource_id: str, inputs: Properties) -> None:
        """The steps after creation; when they fail, the resource is recorded as created but not ready."""

    def read(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """Its properties in AWS, None or `not_found` where it does not exist; `known` is the recorded state."""
        raise NotImplementedError

    def current(self, region: Region, resource_id: str, known: Properties) -> Properties | None:
        """The result of `read`; None if the resource does not exist."""
        return none_if_missing(lambda: self.read(region, resource_id, known), *self.not_found)

    def update(self, region: Region, resource_id: str, old: Properties, new: Properties, changed: Names) -> None:
        """Apply the changed inputs."""
        self.put(region, new)

    def delete(self, region: Region, resource_id: str, state: Properties) -> None:
        """Delete it; `not_found` is no error."""
        raise NotImplementedError

    def recorded_id(self, resource_id: str, state: Properties) -> str:
        """The id to record, where an import id has another form."""
        return resource_id

    def validate(self, inputs: Properties) -> Iterator[tuple[str, str]]:
        """Failures of inputs with correct types: input and reason. Unknown values are absent."""
        return iter(())

    def spelled(self, document: str) -> str:
        """A document as the provider records it."""
        return normal_form(document)

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


def change_tags(
    old: Properties,
    new: Properties,
    remove: Callable[..., Any],
    add: Callable[..., Any],
    names: tuple[str, str] = ("Key", "Value"),
    **resource: str,
) -> None:
    """Remove and add tags, with the calls and the form of most services."""
    removed, added = tag_changes(old, new)
    if removed:
        remove(**resource, TagKeys=removed)
    if added:
        add(**resource, Tags=tag_list(added, *names))


def tag_changes(old: Properties, new: Properties) -> tuple[list[str], dict[str, str]]:
    """The names of the tags to remove, and the tags to add or change."""
    before: dict[str, str] = old.get("tags") or {}
    after: dict[str, str] = new.get("tags") or {}
    removed = [name for name in before if name not in after]
    return removed, {name: text for name, text in after.items() if before.get(name) != text}


def without_none(**arguments: Any) -> dict[str, Any]:
    """The arguments that are not None: boto3 does not accept None."""
    return {name: value for name, value in arguments.items() if value is not None}


_TO_AWS = {
    "and": "And",
    "id": "ID",
    "kmsMasterKeyId": "KMSMasterKeyID",
    "sseAlgorithm": "SSEAlgorithm",
    "transitions": "Transitions",
    "noncurrentVersionTransitions": "NoncurrentVersionTransitions",
    "tags": "Tags",
    "uri": "URI",
    "okActions": "OKActions",
    "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile",
}
_FROM_AWS = {aws: name for name, aws in _TO_AWS.items()}


def to_aws(value: Any) -> Any:
    """Nested properties with the names of the AWS API, without empty values."""
    if isinstance(value, Mapping):
        return {
            _TO_AWS.get(name, name[0].upper() + name[1:]): _tags_to_aws(name, part)
            for name, part in value.items()
            if part is not None and part != ""
        }
    if isinstance(value, list):
        return [to_aws(element) for element in value]
    return value


def _tags_to_aws(name: str, part: Any) -> Any:
    if name == "tags" and isinstance(part, Mapping):
        return [{"Key": key, "Value": text} for key, text in part.items()]
    return to_aws(part)


def from_aws(value: Any) -> Any:
    """Nested properties with the names of the SDK."""
    if isinstance(value, Mapping):
        return {
            _FROM_AWS.get(name, name[0].lower() + name[1:]): _tags_from_aws(name, part) for name, part in value.items()
        }
    if isinstance(value, list):
        return [from_aws(element) for element in value]
    if hasattr(value, "isoformat"):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value


def _tags_from_aws(name: str, part: Any) -> Any:
    if name == "Tags" and isinstance(part, list):
        return {tag["Key"]: tag["Value"] for tag in part}
    return from_aws(part)
