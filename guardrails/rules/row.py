"""A row of the table: one resource that the stack may contain, and what it has to be.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Principal = tuple[str, str]
"""Type and name: ("AWS", "arn:…"), ("Service", "ecs-tasks.amazonaws.com"); everybody is ("*", "*")."""


@dataclass(frozen=True, kw_only=True)
class May:
    """What a policy document may allow at most: one line.

    An identity policy allows it its holder, so that `who` is None; an empty `who` is nobody. A statement may give less.
    """

    actions: tuple[str, ...]
    on: tuple[str, ...] = ()
    """Resources; empty in a trust policy, which is about its own role."""
    who: tuple[Principal, ...] | None = None
    when: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    """Conditions that the statement must have, at least as narrow: operator, key, values."""
    in_full: bool = False
    """Whether the document has to name each resource in full, without wildcards."""
    setting: str = ""
    """The setting that names the principals."""
    without: str = ""
    """What happens where the document does not give all of it; empty where less is no harm."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """The one condition of a denial besides the principals that it exempts."""

    operator: str
    key: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Denied:
    """What a policy document has to deny to everybody but `but`, whatever else allows it."""

    actions: tuple[str, ...]
    on: tuple[str, ...] = ("*",)
    but: tuple[str, ...] = ()
    """ARNs of users and roles that it does not have to be denied to."""
    bound: Bound | None = None
    is_least: bool = False
    """Whether the document may deny more: to fewer exempted principals, with a further numeric bound, or without it."""
    what: str = ""
    """What is denied, in words."""
    setting: str = ""
    """The setting that names those of `but`."""
    rule: str = "listed-access"


@dataclass(frozen=True, kw_only=True)
class Document:
    """A policy document: who may do what at most, and what has to be denied."""

    may: tuple[May, ...]
    denied: tuple[Denied, ...] = ()


@dataclass(frozen=True, kw_only=True)
class By:
    """A value that comes from a setting, by the setting's name."""

    setting: str
    value: Any


@dataclass(frozen=True, kw_only=True)
class OneOf:
    """One of several values; None stands for a property that is not set."""

    values: tuple[Any, ...]


def unless_set(value: Any) -> OneOf:
    """The value, or none at all, which is the same: it is the default."""
    return OneOf(values=(None, value))


@dataclass(frozen=True, kw_only=True)
class Check:
    """A property that is more than one value: what is wrong with it, in words that follow its name."""

    faults: Callable[[Any], Iterable[str]]


ANY = Check(faults=lambda _: ())
"""A property whose every value is harmless."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A resource that the stack has, by its type and its name in the program, and what it has to be.

    A property that no row names may only be empty. `description` and further tags are free.
    """

    type: str
    name: str
    must: Mapping[str, Any] = field(default_factory=dict)
    """Properties by name: the value, `By` a setting, `OneOf` several, or a `Check`."""
    documents: Mapping[str, Document] = field(default_factory=dict)
    """Properties that are policy documents."""
    keys: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """Properties that name keys of this stack: exactly these, by type and name."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags that it has to have."""
    region: str | None = None
    """Its Region; None for a resource of IAM."""
    protected: bool = False
    kept: frozenset[str] = frozenset()
    """Properties that the settings leave as they were found (`keptAsFound`)."""
    ignores: frozenset[str] = frozenset()
    """Properties that no update changes, in any stack."""
    rule: str = "listed-resources"
    """The name of the rule for its properties."""
    rules: Mapping[str, str] = field(default_factory=dict)
    """The names of other rules, by property."""

    def rule_of(self, name: str) -> str:
        """The name of the rule that a property belongs to."""
        return self.rules.get(name, self.rule)
