"""Policy documents in a normal form, held against the lines of the table.

Pure. Nothing is tried with requests: a statement passes if a line of the table says the same, or if it is stricter by a
rule that stands here. Sids, order, the number of statements, and the case of actions and condition keys do not count.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from .row import Bound, Denied, Document, May, Principal
from .settings import any_of, fields_of

_ELEMENTS = frozenset("Sid Effect Principal NotPrincipal Action NotAction Resource NotResource Condition".split())
_ACCOUNT = re.compile(r"arn:(?:aws|aws-cn|aws-us-gov):iam::([0-9]{12}):root")
_NOT_PLAIN = re.compile(r"[*?]|\$\{")
EVERYBODY: Principal = ("*", "*")

_AS_NARROW: Mapping[str, frozenset[str]] = {
    "stringequals": frozenset(("stringequals", "stringlike")),
    "stringlike": frozenset(("stringequals", "stringlike")),
    "arnequals": frozenset(("arnequals", "arnlike", "stringequals", "stringlike")),
    "arnlike": frozenset(("arnequals", "arnlike", "stringequals", "stringlike")),
}
"""For an operator of the table: those that hold for no other request, with values that the table has."""
_EXEMPTIONS = frozenset(("stringnotequals", "arnnotequals", "arnnotlike"))
"""The operators of a denial that exempt principals, each in full."""
_WHO = "aws:principalarn"


class DocumentError(ValueError):
    """The text is not a policy document that AWS accepts, or that everybody reads in the same way."""


@dataclass(frozen=True, kw_only=True)
class Test:
    """One condition: operator and key in lower case, the values as a set."""

    operator: str
    key: str
    values: frozenset[str]
    words: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement; what it does not name is empty."""

    sid: str
    effect: str
    principals: frozenset[Principal]
    actions: Mapping[str, str]
    """As they are written, by their lower case."""
    resources: frozenset[str]
    tests: frozenset[Test]
    inverted: tuple[str, ...]
    """Its NotPrincipal, NotAction, NotResource, by name: no line of the table has one."""

    def __str__(self) -> str:
        return f"statement {self.sid!r}" if self.sid else "a statement without a Sid"


# --- reading


def read(document: Any) -> tuple[Statement, ...]:
    """The statements of a policy document, given as text. Raises DocumentError."""
    if not isinstance(document, str):
        raise DocumentError("is not the text of a policy document")
    try:
        parsed = json.loads(document, object_pairs_hook=unique)
    except ValueError as error:
        raise DocumentError(f"is not JSON: {error}") from error
    if not isinstance(parsed, dict) or "Statement" not in parsed or set(parsed) - {"Version", "Id", "Statement"}:
        raise DocumentError("is not an object of Version, Id and Statement")
    if not json.dumps(parsed, ensure_ascii=False).isascii():
        # A letter of another alphabet can become one of ours in lower case, and means nothing to AWS.
        raise DocumentError("has letters that are not ASCII")
    elements = parsed["Statement"]
    return tuple(_statement(each) for each in (elements if isinstance(elements, list) else [elements]))


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Raises ValueError for two equal names: parsers differ in which of them they use."""
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("the same name twice in one object")
    return dict(pairs)


def _statement(element: Any) -> Statement:
    if not isinstance(element, dict):
        raise DocumentError("has a Statement that is not an object")
    if unknown := sorted(set(element) - _ELEMENTS):
        raise DocumentError(f"has the unknown element {unknown[0]!r} in a statement")
    if element.get("Effect") not in ("Allow", "Deny"):
        raise DocumentError("has a statement whose Effect is neither Allow nor Deny")
    if "Action" not in element and "NotAction" not in element:
        raise DocumentError("has a statement without an Action")
    return Statement(
        sid=str(element.get("Sid") or ""),
        effect=element["Effect"],
        principals=frozenset(_principals(element["Principal"])) if "Principal" in element else frozenset(),
        actions={each.lower(): each for each in _texts(element, "Action")},
        resources=frozenset(_texts(element, "Resource")),
        tests=frozenset(_tests(element.get("Condition", {}))),
        inverted=tuple(name for name in ("NotPrincipal", "NotAction", "NotResource") if name in element),
    )


def _texts(element: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The values of an element; none where it is not there."""
    value = element.get(name, [])
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str) and each for each in values) or (name in element and not values):
        raise DocumentError(f"has a {name} that is not text")
    return tuple(values)


def _principals(value: Any) -> Iterator[Principal]:
    named = value if isinstance(value, dict) else {"*": value}
    if not named:
        raise DocumentError("has a Principal that names nobody")
    for kind in named:
        for name in _texts(named, kind):
            yield canonical((kind, name))


def canonical(principal: Principal) -> Principal:
    """The one spelling of a principal: an account by its id, everybody as ("*", "*")."""
    kind, name = principal
    if kind == "AWS":
        root = _ACCOUNT.fullmatch(name)
        return EVERYBODY if name == "*" else (kind, root[1] if root else name)
    return principal


def _tests(condition: Any) -> Iterator[Test]:
    if not (isinstance(condition, dict) and all(isinstance(each, dict) for each in condition.values())):
        raise DocumentError("has a Condition that is not an object")
    for names in (condition, *condition.values()):
        if len({name.lower() for name in names}) != len(names):
            raise DocumentError("has the same condition operator or key twice")
    for operator, keys in condition.items():
        yield from (test(operator, key, values) for key, values in keys.items())


def test(operator: str, key: str, value: Any) -> Test:
    """A condition in its normal form. Raises DocumentError."""
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not values or not all(isinstance(each, str | bool | int | float) for each in values):
        raise DocumentError("has a condition whose values are not text")
    texts = [str(each).lower() if isinstance(each, bool) else str(each) for each in values]
    words = f"{operator} {key} {' or '.join(texts)}"
    return Test(operator=operator.lower(), key=key.lower(), values=frozenset(texts), words=words)


# --- what it may allow at most


def excess(statements: Iterable[Statement], document: Document) -> Iterator[str]:
    """What the Allow statements give that no line of the table gives; without the wildcard principals."""
    for statement in statements:
        if statement.effect != "Allow":
            continue
        yield from _inverted(statement)
        given: dict[Principal | None, list[tuple[str, str]]] = defaultdict(list)
        for who, action, resource in _atoms(statement):
            if who and is_wildcard(who[1]):
                continue
            if not any(_allows(line, statement.tests, who, action, resource) for line in document.may):
                given[who].append((action, resource))
        for who in sorted(given, key=str):
            yield _gives(statement, who, given[who], document)


def _inverted(statement: Statement) -> Iterator[str]:
    for name in statement.inverted[-1:]:
        yield f"{statement} has {name}: found all but some, wanted each in full"


def everybody(statements: Iterable[Statement]) -> Iterator[str]:
    """The Allow statements that name a principal with a wildcard, or all principals but some."""
    for statement in statements:
        if statement.effect == "Allow" and "NotPrincipal" in statement.inverted:
            yield f"{statement} allows everybody but some principals (NotPrincipal): name each in full"
        for _, name in sorted(statement.principals) if statement.effect == "Allow" else ():
            if is_wildcard(name):
                yield f"{statement} allows the principal {name}: name each principal in full, without wildcards"


def strangers(statements: Iterable[Statement], document: Document) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Whom the Allow statements name and no line of the table does, with the actions: for what is deployed already."""
    named = {canonical(who) for line in document.may for who in line.who or ()}
    for statement in statements:
        if statement.effect != "Allow":
            continue
        actions = tuple(statement.actions.values()) or ("all but some actions",)
        if "NotPrincipal" in statement.inverted:
            yield "everybody but some principals", actions
        for kind, name in sorted(statement.principals - named):
            # IAM shows a deleted user or role by its id, which no later one gets.
            if kind != "AWS" or not name.startswith(("AIDA", "AROA")):
                yield name, actions


def is_wildcard(name: str) -> bool:
    """Whether a principal's name stands for several."""
    return "*" in name or "?" in name


def absent(statements: Sequence[Statement], document: Document) -> Iterator[str]:
    """The lines that have to be there, and of which the document lacks something: an action, or by a condition."""
    for line in document.may:
        wanted = frozenset(test(*each) for each in _conditions(line))
        for who in ((None,) if line.who is None else line.who) if line.without else ():
            actions = {action.lower(): action for action in line.actions}
            for each in statements:
                is_of_it = each.effect == "Allow" and not each.inverted and each.resources >= set(line.on)
                is_to = ({canonical(who)} if who else set()) <= each.principals
                if is_of_it and is_to and _say_the_same(each.tests, wanted):
                    actions = {action: name for action, name in actions.items() if action not in each.actions}
            if actions:
                where = f" where {_and(wanted)}" if wanted else ""
                to = f"{_who(who)} {', '.join(actions.values())}{where}"
                yield f"does not allow {to}, without which {line.without}: add that statement again"


def _atoms(statement: Statement) -> Iterator[tuple[Principal | None, str, str]]:
    who: Sequence[Principal | None] = sorted(statement.principals) or [None]
    return product(who, sorted(statement.actions), sorted(statement.resources) or [""])


def _allows(line: May, tests: frozenset[Test], who: Principal | None, action: str, resource: str) -> bool:
    """Whether a line of the table gives all that a part of a statement gives."""
    return (
        _is_of(line, who)
        and _listed(action, [each.lower() for each in line.actions])
        and (_listed(resource, line.on, in_full=line.in_full) if resource else not line.on)
        and all(any(_narrows(given, test(*wanted)) for given in tests) for wanted in _conditions(line))
    )


def _is_of(line: May, who: Principal | None) -> bool:
    return line.who is None if who is None else canonical(who) in map(canonical, line.who or ())


def _conditions(line: May) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    return ((operator, key, values) for operator, keys in line.when.items() for key, values in keys.items())


def _narrows(given: Test, wanted: Test) -> bool:
    """Whether a condition lets nothing through but what the table's lets through."""
    if given.key != wanted.key or given.operator not in _AS_NARROW.get(wanted.operator, {wanted.operator}):
        return False
    patterns = wanted.values if wanted.operator.endswith("like") else frozenset[str]()
    return all(
        value in wanted.values or (not _NOT_PLAIN.search(value) and any(matches(each, value) for each in patterns))
        for value in given.values
    )


def _say_the_same(given: frozenset[Test], wanted: frozenset[Test]) -> bool:
    return len(given) == len(wanted) and all(
        any(_narrows(one, other) and one.values == other.values for one in given) for other in wanted
    )


def _listed(text: str, patterns: Sequence[str], *, in_full: bool = False) -> bool:
    """Whether the table has the text as it stands, or a pattern of it; a wildcard has to be there as it stands."""
    if _NOT_PLAIN.search(text):
        return not in_full and text in patterns
    return text in patterns or any(matches(each, text) for each in patterns)


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern of the table has a text: in the first five fields of an ARN `*` ends at a colon."""
    is_arn = pattern.startswith("arn:")
    fields, values = (fields_of(each) if is_arn else [each] for each in (pattern, text))
    return len(fields) == len(values) and all(map(_matches, fields, values))


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text, re.DOTALL) is not None


def _gives(statement: Statement, who: Principal | None, atoms: Sequence[tuple[str, str]], document: Document) -> str:
    actions, resources = (list(dict.fromkeys(each)) for each in zip(*atoms, strict=True))
    given, on = ", ".join(statement.actions[each] for each in actions), " or ".join(filter(None, resources))
    text = f"{statement} gives {_who(who)} {given}{f' on {on}' if on else ''}"
    if statement.tests:
        text += f" where {_and(statement.tests)}"
    lines = [line for line in document.may if any(_listed(each, [a.lower() for a in line.actions]) for each in actions)]
    if own := [line for line in lines if _is_of(line, who)]:
        where = "; ".join(filter(None, (_and(test(*each) for each in _conditions(line)) for line in own)))
        wanted = f"on {' or '.join(own[0].on)}" if own[0].on else "as the table has it"
        return f"{text}; wanted {wanted}{f', where {where}' if where else ''}: write it so"
    if settings := any_of(line.setting for line in lines if line.setting):
        return f"{text}; wanted nothing for it: to allow it, name them in {settings}"
    return f"{text}; no line of the table has that, and no setting allows it: take it out"


# --- what it has to deny


def undenied(statements: Sequence[Statement], denied: Denied) -> Iterator[str]:
    """What of a denial of the table the document lacks."""
    missing = [
        (action, resource)
        for action, resource in product(denied.actions, denied.on)
        if not any(
            action.lower() in each.actions and resource in each.resources and _denies(each, denied)
            for each in statements
        )
    ]
    if missing:
        actions = list(dict.fromkeys(action for action, _ in missing))
        near = [
            each for each in statements if each.effect == "Deny" and {a.lower() for a in actions} & set(each.actions)
        ]
        found = "; ".join(f"{each} where {_and(each.tests) or 'nothing else is asked'}" for each in near) or "none"
        yield f"does not deny {denied.what}; found {found}; wanted {in_words(denied, actions)}"


def overdone(statements: Sequence[Statement], document: Document) -> Iterator[str]:
    """The denials that the table does not have: one of them can lock the account out of its key or end its records."""
    for statement in statements:
        if statement.effect != "Deny":
            continue
        yield from _inverted(statement)
        more = [
            action
            for _, action, resource in _atoms(statement)
            if not any(
                action in {each.lower() for each in line.actions} and resource in line.on and _denies(statement, line)
                for line in document.denied
            )
        ]
        if more:
            where = f" where {_and(statement.tests)}" if statement.tests else ""
            lines = [each for each in document.denied if set(more) & {action.lower() for action in each.actions}]
            wanted = "; ".join(in_words(each) for each in lines) or "no such denial"
            actions = ", ".join(statement.actions[each] for each in dict.fromkeys(more))
            yield f"{statement} denies {actions}{where}; wanted {wanted}: others can lock out"


def _denies(statement: Statement, denied: Denied) -> bool:
    """Whether a statement says what a denial of the table says, or is stricter where the table lets it be.

    Stricter: fewer principals are exempted, the bound is further, or there is no bound.
    """
    if statement.effect != "Deny" or statement.inverted or statement.principals != {EVERYBODY}:
        return False
    exempted: set[str] = set()
    bounds = []
    for each in statement.tests:
        if each.key == _WHO and each.operator in _EXEMPTIONS:
            exempted |= each.values
        else:
            bounds.append(each)
    if denied.is_least:
        is_bound = not bounds or (len(bounds) == 1 and denied.bound is not None and _reaches(bounds[0], denied.bound))
        return exempted <= set(denied.but) and is_bound
    exactly = {test(denied.bound.operator, denied.bound.key, denied.bound.value)} if denied.bound else set()
    return exempted == set(denied.but) and set(bounds) == exactly


def _reaches(given: Test, bound: Bound) -> bool:
    """Whether a numeric bound is as far as the table's, or further."""
    [value] = given.values if len(given.values) == 1 else [""]
    is_numeric = given.operator == bound.operator.lower() == "numericlessthan" and given.key == bound.key.lower()
    return is_numeric and re.fullmatch(r"[0-9]{1,6}", value) is not None and int(value) >= int(bound.value)


def in_words(denied: Denied, actions: Sequence[str] = ()) -> str:
    """A denial of the table, for a message."""
    bound = f" where {denied.bound.operator} {denied.bound.key} {denied.bound.value}" if denied.bound else ""
    but = f" but {', '.join(denied.but)} (ArnNotEquals aws:PrincipalArn)" if denied.but else ""
    return f"Deny {', '.join(actions or denied.actions)} on {', '.join(denied.on)} to everybody{but}{bound}"


def _who(principal: Principal | None) -> str:
    if principal is None:
        return "its holder"
    kind, name = canonical(principal)
    return f"the account {name}" if kind == "AWS" and name.isdigit() else name


def _and(tests: Iterable[Test]) -> str:
    return " and ".join(sorted(map(str, tests)))
