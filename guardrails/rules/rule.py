"""What a guardrail is: a name, a demand, and a check that finds what breaks the demand.

Touches nothing: a resource in, sentences out; the pack around them is `__main__.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pulumi_policy.proxy import UnknownValueError

Props = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource as the engine shows it to a policy: its inputs for a rule, its outputs for a stack rule.

    To read a value that a preview cannot know yet raises UnknownValueError: the engine then says which rule
    could not be judged, and judges it again in the update, before the resource is touched.
    """

    type: str
    urn: str
    props: Props
    protected: bool = False
    ignored: frozenset[str] = frozenset()
    """Inputs whose changes the engine ignores: the resource keeps what it had before it was the stack's."""
    refers_to: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each input, the URNs of the resources it comes from; known even when the value is not."""

    def is_within(self, component: str) -> bool:
        """Whether a component of this type is among the resource's parents, whose types its URN has."""
        parts = self.urn.split("::")
        return len(parts) > 2 and component in parts[2].split("$")[:-1]


Check = Callable[[Resource], Iterator[str]]
StackCheck = Callable[[Sequence[Resource]], Iterator[tuple[str, str]]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One guardrail on each resource of some types."""

    name: str
    demand: str
    types: frozenset[str]
    check: Check

    def violations(self, resource: Resource) -> Iterator[str]:
        """A sentence for each violation. Raises UnknownValueError after what is known has been judged."""
        if resource.type in self.types:
            yield from self.check(resource)


@dataclass(frozen=True, kw_only=True)
class StackRule:
    """One guardrail on the stack as a whole; a violation is the URN it is about, and a sentence."""

    name: str
    demand: str
    check: StackCheck


def each(judge: Callable[[T], Iterable[str]], items: Iterable[T]) -> Iterator[str]:
    """Judge every item; one that is unknown yet hides no other: its UnknownValueError is raised at the end."""
    unknown: UnknownValueError | None = None
    for item in items:
        try:
            yield from judge(item)
        except UnknownValueError as error:
            unknown = unknown or error
    if unknown is not None:
        raise unknown


def each_of(judge: Callable[[Any], Iterable[str]], values: Sequence[Any] | None) -> Iterator[str]:
    """Judge every value of a list, in which any may be unknown yet."""
    listed = values or ()
    return each(lambda index: judge(listed[index]), range(len(listed)))
