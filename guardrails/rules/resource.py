"""A resource as the engine sends it to the pack, and the values of its properties, of which any may be unknown.

Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .settings import Settings

UNKNOWN = object()
"""A value that is not known during a preview."""


class UnknownValue(Exception):
    """A rule needs a value that is not known during a preview: it is checked again in the update, before the change."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource of the stack: its inputs as they will be, for a stack rule its outputs.

    The engine has already put the old value in the place of an input with `ignoreChanges`, where there is an old one.
    """

    type: str
    urn: str
    props: Mapping[str, Any]
    """By name; UNKNOWN, at any depth, for a value that is not known yet."""
    protected: bool = False
    ignored: frozenset[str] = frozenset()
    """Inputs with `ignoreChanges`."""
    aliases: tuple[str, ...] = ()
    """Former URNs: the engine takes what it has under one of them for this resource."""
    provider: str | None = None
    """URN of the provider that makes it; None for a component, which makes nothing, and for a provider."""
    refers_to: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each input, the URNs of the resources it comes from; known even when the value is not."""
    settings: Settings | None = None
    """The settings of the stack; None where they cannot be read."""
    configuration: Mapping[str, str] = field(default_factory=dict)
    """The stack's configuration by full key, which the providers have their options from."""
    unreadable: str = ""
    """Why the settings cannot be read."""
    made: Mapping[str, Collection[str]] | None = None
    """For each type, patterns of the names of what the program registered before it; None where that is not known."""

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.rpartition("::")[2]

    @property
    def stack(self) -> str:
        """The name of the stack."""
        return self.urn.split(":")[2]

    def value(self, name: str) -> Any:
        """The value of a property. Raises UnknownValue."""
        return plain(self.props.get(name))

    def known(self, name: str) -> Any:
        """The value of a property; UNKNOWN where it, or a part of it, is not known during a preview."""
        try:
            return self.value(name)
        except UnknownValue:
            return UNKNOWN


def plain(value: Any) -> Any:
    """A value of the engine's as the table has it. Raises UnknownValue for an unknown part.

    Without names that begin with `__`: Pulumi's bridge writes `__defaults` into every object of the inputs, and the
    engine removes such names at the top only. Without members that are null or an empty list, as which the provider
    records what is not set.
    """
    if value is UNKNOWN:
        raise UnknownValue
    if isinstance(value, Mapping):
        members = {name: plain(value[name]) for name in value if not name.startswith("__")}
        return {name: member for name, member in members.items() if member is not None and member != []}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(each) for each in value]
    return value


def check_all(checks: Iterable[Iterable[str]]) -> Iterator[str]:
    """What every check says; an unknown value hides no other: UnknownValue is raised at the end."""
    is_unknown = False
    for check in checks:
        try:
            yield from check
        except UnknownValue:
            is_unknown = True
    if is_unknown:
        raise UnknownValue
