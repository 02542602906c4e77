"""The page of authorizations: `python -m docs.authorizations` writes who may and who may not do what, policy by policy.

Touches `docs/authorizations.md` only. Its rows are held against the policies themselves by the tests.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from docs.authorizations import of_the_application, of_the_key, of_the_trail, of_the_trust
from docs.authorizations.rows import OWN_IAM, Row, Table

PAGE = Path(__file__).resolve().parents[1] / "authorizations.md"

TABLES: tuple[Table, ...] = (
    *of_the_key.TABLES,
    *of_the_application.TABLES,
    *of_the_trust.TABLES,
    *of_the_trail.TABLES,
)

_HEAD = """\
# Who may do what

<!-- Written by `python -m docs.authorizations` from the tables in docs/authorizations/. Do not edit it here. -->

Every policy that this product makes, and what it answers to friends and foes. Each row is a request that the tests
evaluate against the very policy the program makes, by the rules of IAM; where a refusal hangs on a condition, they
evaluate it again without the condition and it is allowed. A policy has at least as many refusals here as grants.

The stack of these tables is in the account `111122223333`, Region `us-east-1`, environment `production`; the other
account is `999988887777`.
"""


def page() -> str:
    """The whole page, in Markdown."""
    contents = [f"- [{table.title}](#{_anchor(table.title)})" for table in TABLES]
    return "\n".join([_HEAD, *contents, "", *(_section(table) for table in TABLES)])


def _section(table: Table) -> str:
    lines = [f"## {table.title}", "", table.about, ""]
    for title, allowed in (("May", True), ("May not", False)):
        lines += [f"| Who | {title} | Because |", "| --- | --- | --- |"]
        rows = (row for row in table.rows if row.allowed is allowed)
        for (who, on, because), alike in groupby(rows, key=lambda row: (_who(row), row.resource, _because(table, row))):
            actions = ", ".join(f"`{row.action}`" for row in alike)
            where = f" on `{on}`" if on not in (None, "*") else ""
            lines.append(f"| {who} | {actions}{where} | {because} |")
        lines.append("")
    return "\n".join(lines)


def _who(row: Row) -> str:
    if row.how:
        return f"{row.who.name}, {row.how}"
    return ", ".join((row.who.name, *(f"with `{name}` = `{value}`" for name, value in row.context.items())))


def _because(table: Table, row: Row) -> str:
    if row.by == OWN_IAM:
        return "an IAM policy of their own"
    if row.allowed:
        return f"`{row.by}`{' and an IAM policy of their own' if _delegates(table, row) else ''}"
    if row.by:
        return f"denied by `{row.by}`"
    if row.but:
        return f"condition on {' and '.join(f'`{key}`' for key in row.but)}"
    return "nothing allows it"


def _delegates(table: Table, row: Row) -> bool:
    """Whether the deciding statement is for the whole account, which the row's is not: IAM has to allow it too."""
    named = next(one.get("Principal", {}) for one in table.policy["Statement"] if one["Sid"] == row.by)
    account = f":iam::{row.who.account}:root"
    return str(named.get("AWS", "")).strip("[']").endswith(account) and not row.who.identity.endswith(account)


def _anchor(title: str) -> str:
    return "".join(char for char in title.lower().replace(" ", "-") if char.isalnum() or char == "-")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
