"""docs/reliability.md: each sentence of its tables names the test that holds it. The tests that pages name exist."""

import re

import pytest

from tests.onboarding.deployment import PROJECT

TEXT = (PROJECT / "docs" / "reliability.md").read_text()
PAGES = "\n".join(page.read_text() for page in (PROJECT / "docs").rglob("*.md"))
NAMED = sorted(set(re.findall(r"(tests/[\w/]+\.py)::(test_\w+)", PAGES)))
DRILLS = sorted(file.name for file in (PROJECT / "examples" / "drills").glob("*-*.sh"))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_every_test_that_holds_a_promise_exists(file: str, name: str) -> None:
    source = PROJECT / file
    assert source.exists() and re.search(rf"^(async )?def {name}\(", source.read_text(), re.MULTILINE)


def test_no_promise_is_without_a_test() -> None:
    prose = re.sub(r"<!-- (\w+) -->.*?<!-- /\1 -->", "", TEXT, flags=re.DOTALL)
    rows = [line for line in prose.splitlines() if line.startswith("| ") and not line.endswith("held by |")]
    assert rows and [row for row in rows if "::test_" not in row] == []


def test_every_drill_is_named() -> None:
    assert DRILLS and [name for name in DRILLS if f"`{name}" not in TEXT] == []


@pytest.mark.parametrize("name", ["chaos", "blind"])
def test_the_tables_that_a_run_writes_have_their_place(name: str) -> None:
    assert TEXT.count(f"<!-- {name} -->") == TEXT.count(f"<!-- /{name} -->") == 1
