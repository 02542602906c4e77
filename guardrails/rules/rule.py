"""A guardrail: a name, a description, and a check that finds violations.

Pure: a resource in, messages out. `__main__.py` builds the policy pack from the rules.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pulumi_policy.proxy import UnknownValueError

from components.settings import Settings

Props = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource as the engine sends it to a policy: its inputs for a rule, its outputs for a stack rule.

    Reading a value that is unknown during a preview raises UnknownValueError: the engine then reports which rule could
    not be checked, and checks it again in the update, before it changes the resource.
    """

    type: str
    urn: str
    props: Props
    protected: bool = False
    ignored: frozenset[str] = frozenset()
    """Inputs with `ignoreChanges`: the resource keeps the values that it had when it was imported."""
    refers_to: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each input, the URNs of the resources it comes from; known even when the value is not."""
    settings: Settings | None = None
    """The settings of the stack; None where they cannot be read."""

    def is_within(self, component: str) -> bool:
        """Whether the resource has a parent component of this type; the URN lists the types of the parents."""
        parts = self.urn.split("::")
        return len(parts) > 2 and component in parts[2].split("$")[:-1]


Check = Callable[[Resource], Iterator[str]]
StackCheck = Callable[[Sequence[Resource]], Iterator[tuple[str, str]]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A guardrail for each resource of some types."""

    name: str
    description: str
    types: frozenset[str]
    check: Check

    def violations(self, resource: Resource) -> Iterator[str]:
        """A message for each violation. Raises UnknownValueError after all known values were checked."""
        if resource.type in self.types:
            yield from self.check(resource)


@dataclass(frozen=True, kw_only=True)
class StackRule:
    """A guardrail for the whole stack; a violation is the URN of a resource and a message."""

    name: str
    description: str
    check: StackCheck


def has(name: str, accepted: tuple[object, ...], message: str) -> Callable[[Props], Iterator[str]]:
    """A check that an input has one of these values; None accepts one without a value, which the provider sets."""

    def check(props: Props) -> Iterator[str]:
        value = props.get(name)
        # 1 equals True, and is another value.
        if not any(type(value) is type(item) and value == item for item in accepted):
            yield message

    return check


def check_all(check: Callable[[T], Iterable[str]], items: Iterable[T]) -> Iterator[str]:
    """Check every item; an unknown one hides no other: its UnknownValueError is raised at the end."""
    unknown: UnknownValueError | None = None
    for item in items:
        try:
            yield from check(item)
        except UnknownValueError as error:
            unknown = unknown or error
    if unknown is not None:
        raise unknown


def check_values(check: Callable[[Any], Iterable[str]], values: Sequence[Any] | None) -> Iterator[str]:
    """Check every value of a list, of which any may be unknown."""
    items = values or ()
    return check_all(lambda index: check(items[index]), range(len(items)))
