"""The tables of authorizations, row by row, against the policies that the program makes."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from sandbox.aws.iam.policy import Decision, Request, applies, evaluate, names_principal, statements, without_resource
from tools.documents.authorizations.__main__ import PAGE, TABLES, page
from tools.documents.authorizations.principals import ACCOUNT
from tools.documents.authorizations.rows import OWN_IAM, Kind, Policy, Row, Statement, Table

ROWS = [(table, row) for table in TABLES for row in table.rows]


def in_words(part: object) -> str:
    """A part of a test's name: a table by its title, a row by what it asks."""
    if isinstance(part, Table):
        return part.title
    return f"{part.who.name} {part.action} {part.how or part.resource or ''}" if isinstance(part, Row) else ""


def answer(table: Table, row: Row, policy: Policy | None = None) -> tuple[bool, str | None]:
    """Whether the policy allows what the row asks, and the Sid of the statement that says so."""
    found = [statement for statement in statements(policy or table.policy) if _fits(table, row, statement)]
    denies = [statement for statement in found if statement["Effect"] == "Deny" and _reaches(statement, row)]
    if denies:
        return False, denies[0]["Sid"]
    allows = [statement for statement in found if statement["Effect"] == "Allow"]
    if table.kind is Kind.IDENTITY:
        return (True, allows[0]["Sid"]) if allows else (False, None)
    named = [statement for statement in allows if names_principal(statement, row.who.kind, row.who.names)]
    if named:
        return True, named[0]["Sid"]
    own = evaluate(row.who.iam, _request(table, row)) is Decision.ALLOWED
    if table.kind is Kind.KEY:
        delegating = [statement for statement in allows if names_principal(statement, "AWS", _root(row))]
        return (True, delegating[0]["Sid"]) if delegating and own else (False, None)
    at_home = row.who.account == ACCOUNT
    return (True, OWN_IAM) if table.kind is Kind.RESOURCE and at_home and own else (False, None)


def _fits(table: Table, row: Row, statement: Statement) -> bool:
    assert "NotPrincipal" not in statement
    asked = without_resource(statement) if table.kind is Kind.KEY else statement
    return applies(asked, _request(table, row))


def _request(table: Table, row: Row) -> Request:
    return Request(action=row.action, resource=row.resource or table.resource, context=row.request_context)


def _reaches(statement: Statement, row: Row) -> bool:
    if "Principal" not in statement:
        return True
    names = (*row.who.names, *_root(row))
    return names_principal(statement, row.who.kind, names) is not None


def _root(row: Row) -> tuple[str, ...]:
    return (f"arn:aws:iam::{row.who.account}:root", row.who.account) if row.who.kind == "AWS" else ()


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


@pytest.mark.parametrize(("table", "row"), ROWS, ids=in_words)
def test_a_policy_answers_as_its_table_says(table: Table, row: Row) -> None:
    assert answer(table, row) == (row.allowed, row.by)


@pytest.mark.parametrize(("table", "row"), [(table, row) for table, row in ROWS if row.but], ids=in_words)
def test_a_refusal_for_want_of_a_condition_hangs_on_that_condition_and_no_other(table: Table, row: Row) -> None:
    allowed, _ = answer(table, row, _without(table.policy, row.but))
    assert allowed
    for spared in row.but if len(row.but) > 1 else ():
        allowed, _ = answer(table, row, _without(table.policy, [key for key in row.but if key != spared]))
        assert not allowed, f"{spared} is not needed"


@pytest.mark.parametrize("table", TABLES, ids=in_words)
def test_a_policy_is_shown_to_refuse_as_often_as_it_grants(table: Table) -> None:
    granted = [row for row in table.rows if row.allowed]
    assert 0 < len(granted) <= len(table.rows) - len(granted)


@pytest.mark.parametrize("table", TABLES, ids=in_words)
def test_every_statement_decides_a_row_here_or_where_it_stands_word_for_word(table: Table) -> None:
    decided = [
        statement
        for other in TABLES
        for statement in statements(other.policy)
        if statement["Sid"] in {row.by for row in other.rows}
    ]
    assert [statement["Sid"] for statement in statements(table.policy) if statement not in decided] == []


def test_the_page_is_what_the_tables_say() -> None:
    """To write it anew: python -m tools.documents.authorizations."""
    assert PAGE.read_text(encoding="utf-8") == page()
