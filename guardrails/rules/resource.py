"""A resource as the engine sends it to the pack, and the values of its properties, of which any may be unknown.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pulumi_policy.proxy import UnknownValueError

from components.settings import Settings

UNKNOWN = object()
"""A value that is not known during a preview."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource of the stack: its inputs as they will be, for a stack rule its outputs.

    The engine has already put the old value in the place of an input with `ignoreChanges`, where there is an old one.
    Reading a value that is unknown during a preview raises UnknownValueError: the engine then reports which rule could
    not be checked, and checks it again in the update, before it changes the resource.
    """

    type: str
    urn: str
    props: Mapping[str, Any]
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

    @property
    def name(self) -> str:
        """Its name in the program."""
        return self.urn.rpartition("::")[2]

    @property
    def stack(self) -> str:
        """The name of the stack."""
        return self.urn.split(":")[2]

    def known(self, name: str) -> Any:
        """The value of a property; UNKNOWN where it, or a part of it, is not known during a preview."""
        try:
            return plain(self.props.get(name))
        except UnknownValueError:
            return UNKNOWN


def plain(value: Any) -> Any:
    """A value of the engine's as plain lists and dictionaries. Raises UnknownValueError for an unknown part.

    Without names that begin with `__`: Pulumi's bridge writes `__defaults` into every object of the inputs, and the
    engine removes such names at the top only.
    """
    if isinstance(value, Mapping):
        return {name: plain(value[name]) for name in value if not name.startswith("__")}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(value[index]) for index in range(len(value))]
    return value


def check_all(checks: Iterable[Iterable[str]]) -> Iterator[str]:
    """What every check says; an unknown value hides no other: its UnknownValueError is raised at the end."""
    unknown: UnknownValueError | None = None
    for check in checks:
        try:
            yield from check
        except UnknownValueError as error:
            unknown = unknown or error
    if unknown is not None:
        raise unknown
