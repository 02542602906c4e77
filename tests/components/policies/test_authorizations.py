"""docs/reference/authorizations.md, request by request, against the policies that the program makes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.aws.iam.policy import (
    Decision,
    Request,
    applies,
    evaluate,
    names_principal,
    statements,
    without_resource,
)
from tests.components.policies.requests import (
    ACCOUNT,
    CIRCUMSTANCES,
    POLICIES,
    WHO,
    Answering,
    Kind,
    Policy,
    Statement,
    Who,
)

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "authorizations.md"


@dataclass(frozen=True)
class Row:
    """A request to a policy, and how the page says that it ends."""

    title: str
    caller: str
    action: str
    resource: str | None
    ending: str
    """`` `Sid` allows``, `` `Sid`, with IAM, allows``, `` `Sid` denies``, `IAM alone allows` or `Nothing allows`."""
    but: tuple[str, ...]
    """The condition keys that cause a refusal: without these conditions the request would be allowed."""

    @property
    def answering(self) -> Answering:
        return POLICIES[self.title]

    @property
    def who(self) -> Who:
        return WHO[_named(self.caller)]

    @property
    def request(self) -> Request:
        circumstances = self.caller.removeprefix(_named(self.caller)).strip()
        context = {**self.who.request_context, **(CIRCUMSTANCES[circumstances] if circumstances else {})}
        given = {key: (value,) for key, value in context.items() if value is not None}
        return Request(action=self.action, resource=self.resource or self.answering.resource, context=given)


def _named(caller: str) -> str:
    """The caller without the circumstances: of two names that fit, the longer."""
    return max((name for name in WHO if f"{caller} ".startswith(f"{name} ")), key=len)


def _allows(ending: str) -> bool:
    return ending.endswith(" allows") and ending != "Nothing allows"


def rows() -> Iterator[Row]:
    """Every request of the page: of each line the callers, what they ask, and how it ends."""
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, *lines = section.splitlines()
        for line in lines:
            if not line.startswith("- "):
                assert "`: " not in line and " allows: " not in line, line
                continue
            ending, _, callers = line.removeprefix("- ").partition(": ")
            but = tuple(re.findall("`(.+?)`", ending)) if ending.endswith("refuses") else ()
            assert re.fullmatch(r"((, )?[^(),]+)+ \([^()]+\)(, ((, )?[^(),]+)+ \([^()]+\))*", callers), line
            for names, asked in re.findall(r"([^()]+) \(([^()]+)\)", callers):
                for request in asked.split("; "):
                    actions, _, resources = request.partition(" on ")
                    for caller in names.removeprefix(", ").split(", "):
                        for resource in re.findall("`(.+?)`", resources) or [None]:
                            for action in re.findall("`(.+?)`", actions):
                                yield Row(title, caller, action, resource, "Nothing allows" if but else ending, but)


ROWS = tuple(rows())


def in_words(part: object) -> str:
    return f"{part.title}: {part.caller} {part.action} {part.resource or ''}" if isinstance(part, Row) else str(part)


def answer(row: Row, policy: Policy | None = None) -> str:
    """How the request ends under the policy, in the page's words."""
    kind, who = row.answering.kind, row.who
    found = [statement for statement in statements(policy or row.answering.policy) if _fits(row, statement)]
    for statement in found:
        if statement["Effect"] == "Deny" and _reaches(statement, who):
            return f"`{statement['Sid']}` denies"
    allows = [statement for statement in found if statement["Effect"] == "Allow"]
    for statement in allows:
        if kind is Kind.IDENTITY or names_principal(statement, who.kind, who.names):
            return f"`{statement['Sid']}` allows"
    if evaluate(who.iam, row.request) is Decision.ALLOWED:
        for statement in allows if kind is Kind.KEY else ():
            if names_principal(statement, "AWS", _root(who)):
                return f"`{statement['Sid']}`, with IAM, allows"
        if kind is Kind.RESOURCE and who.account == ACCOUNT:
            return "IAM alone allows"
    return "Nothing allows"


def _fits(row: Row, statement: Statement) -> bool:
    assert "NotPrincipal" not in statement
    return applies(without_resource(statement) if row.answering.kind is Kind.KEY else statement, row.request)


def _reaches(statement: Statement, who: Who) -> bool:
    return "Principal" not in statement or names_principal(statement, who.kind, (*who.names, *_root(who))) is not None


def _root(who: Who) -> tuple[str, ...]:
    return (f"arn:aws:iam::{who.account}:root", who.account) if who.kind == "AWS" else ()


def _without(policy: Policy, keys: Iterable[str]) -> Policy:
    """The policy whose grants have no condition on these keys."""
    changed = []
    for statement in statements(policy):
        conditions = statement.get("Condition") or {}
        if statement["Effect"] == "Allow":
            conditions = {
                operator: {key: value for key, value in wanted.items() if key not in keys}
                for operator, wanted in conditions.items()
            }
        changed.append({**statement, "Condition": conditions})
    return {**policy, "Statement": changed}


@pytest.mark.parametrize("row", ROWS, ids=in_words)
def test_a_policy_answers_as_the_page_says(row: Row) -> None:
    assert answer(row) == row.ending


@pytest.mark.parametrize("row", [row for row in ROWS if row.but], ids=in_words)
def test_a_refusal_for_want_of_a_condition_hangs_on_that_condition_and_no_other(row: Row) -> None:
    assert _allows(answer(row, _without(row.answering.policy, row.but)))
    for spared in row.but if len(row.but) > 1 else ():
        others = [key for key in row.but if key != spared]
        assert answer(row, _without(row.answering.policy, others)) == "Nothing allows", f"{spared} is not needed"


@pytest.mark.parametrize("title", POLICIES)
def test_a_policy_is_shown_to_refuse_as_often_as_it_grants(title: str) -> None:
    mine = [row for row in ROWS if row.title == title]
    granted = [row for row in mine if _allows(row.ending)]
    assert 0 < len(granted) <= len(mine) - len(granted)


@pytest.mark.parametrize("title", POLICIES)
def test_every_statement_decides_a_request_here_or_where_it_stands_word_for_word(title: str) -> None:
    decided = [
        statement
        for other, answering in POLICIES.items()
        for statement in statements(answering.policy)
        if any(row.title == other and row.ending.startswith(f"`{statement['Sid']}`") for row in ROWS)
    ]
    assert [each["Sid"] for each in statements(POLICIES[title].policy) if each not in decided] == []
