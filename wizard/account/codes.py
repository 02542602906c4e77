"""The check codes: each is declared beside the judgement that finds it, with its place in the order of the findings.

Pure. The names are a contract (`docs/reference/check-codes.md`): programs act on them, and a name is never given
another meaning.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import import_module


class Category(StrEnum):
    """What a finding with the code means for the stack."""

    FAULT = "fault"
    DECISION = "decision"
    """An auditor asks about it: nothing is broken, so it does not make a stack unhealthy."""
    UNREAD = "unread"
    """Something could not be read: a finding of a diagnosis, and nothing known of the stack."""
    CREDENTIALS = "credentials"
    """The same, because the caller lacks credentials: exit code 3."""


@dataclass(frozen=True, kw_only=True)
class CheckCode:
    """The code of a cause; `implies` are the causes that follow from it and are not reported with it."""

    name: str
    category: Category
    implies: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class _Declaration:
    names: tuple[str, ...]
    after: str
    category: Category


DENIED = "access-denied proof-failed failure-remembered"
"""The results of a verification if the application is not allowed to use the key, or its role cannot be assumed."""

UNPROVEN = f"{DENIED} unwrap-failed"
"""The results of a verification that failed for any reason."""

WITHOUT_KEY = f"{UNPROVEN} rotation-off rotation-period"
"""What follows if the key cannot be used."""

ABSENT = "alias-missing alias-moved bucket-missing parameter-missing stored-key-missing trail-missing"
"""What a stack that is not there, or not in this Region, lacks."""

_declarations: list[_Declaration] = []
_consequences: dict[str, set[str]] = {}
_resources: list[tuple[frozenset[str], tuple[str, ...], frozenset[str]]] = []


def declare(names: str, *, after: str, category: Category = Category.FAULT) -> None:
    """Declare codes, a cause before its consequences. The names are separated by blanks.

    `after`: the code directly behind which they stand in the order of all findings; empty: they are the first.
    """
    _declarations.append(_Declaration(names=tuple(names.split()), after=after, category=category))


def implies(causes: str, consequences: str) -> None:
    """Declare that all of these consequences follow from each of these causes. The names are separated by blanks."""
    for cause in causes.split():
        _consequences.setdefault(cause, set()).update(consequences.split())


def about(causes: str, urns: str, properties: str = "") -> None:
    """Declare the resources that causes are about, where the command does not name them.

    `urns`: a part of the URN of each. `properties`: of the resources; empty: all. The names are separated by blanks.
    """
    _resources.append((frozenset(causes.split()), tuple(urns.split()), frozenset(properties.split())))


@cache
def table() -> Mapping[str, CheckCode]:
    """All codes by name, in the order of the findings. Raises KeyError for a code after one that nobody declares."""
    import_module("wizard.account.judgements")
    followers: dict[str, list[_Declaration]] = {}
    for declaration in _declarations:
        followers.setdefault(declaration.after, []).append(declaration)
    codes: dict[str, CheckCode] = {}

    def place_after(predecessor: str) -> None:
        # Each stands directly behind it: where another declaration already does, that one moves on.
        for declaration in reversed(followers.pop(predecessor, ())):
            for name in declaration.names:
                implied = frozenset(_consequences.get(name, ()))
                codes[name] = CheckCode(name=name, category=declaration.category, implies=implied)
                place_after(name)

    place_after("")
    if followers:
        raise KeyError(f"check codes after unknown ones: {', '.join(followers)}")
    return codes


def category_of(name: str) -> Category:
    """Raises KeyError for a name that no judgement declares."""
    return table()[name].category


def is_unread(name: str) -> bool:
    """Whether the finding says that something could not be read. False for no code."""
    return bool(name) and category_of(name) in (Category.UNREAD, Category.CREDENTIALS)


def explain(causes: Collection[str], urn: str, properties: Collection[str]) -> bool:
    """Whether causes that were found are about all of the resource, or together about each of these properties."""
    about = [
        names
        for which, parts, names in _resources
        if not which.isdisjoint(causes) and any(part in urn for part in parts)
    ]
    changed = {each.partition(".")[0].partition("[")[0] for each in properties}
    return frozenset() in about or (bool(changed) and changed <= frozenset().union(*about))


def place(name: str) -> int:
    """The position of a cause in the order. Raises KeyError for an unknown name."""
    return list(table()).index(table()[name].name)


def implied_by(names: Iterable[str]) -> frozenset[str]:
    """All causes that follow from these, directly or not."""
    implied: set[str] = set()
    pending = list(names)
    while pending:
        for name in table()[pending.pop()].implies:
            if name not in implied:
                implied.add(name)
                pending.append(name)
    return frozenset(implied)
