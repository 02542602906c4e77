"""docs/phi/search.md: the worked example runs as it stands, against a clinic group with a plain search column."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.phi.indexing import clinic_group, leak
from tests.phi.indexing.clinic_group import by_plain_text, by_tokens, fields_of
from tests.phi.reencryption.command_process import Operator, wait_for
from tests.phi.reencryption.patients import OLD

PAGE = (Path(__file__).parents[3] / "docs" / "phi" / "search.md").read_text()
STEP = re.compile(r"^   ```(console|sql)\n(.*?)^   ```$", re.MULTILINE | re.DOTALL)
LEAK = Path(__file__).parent / "leak.json"
TOLERANCE = 0.01
"""Of a share: one more patient of a hundred. The seeds give the same figures each time; the last digits of logarithms
may not be the same on another machine.
"""


@pytest.mark.needs("postgresql")
def test_the_way_off_the_plain_search_column_runs_as_the_page_has_it(operator: Operator) -> None:
    patients, count = operator.patients, 300
    patients.run('drop table "Patient"')
    clinic_group.fill(patients.connection, count, key=OLD)
    searches = {
        search: by_plain_text(patients.connection, search) for search in clinic_group.searches(40, count, seed=1)
    }
    patients.run('alter table "Patient" rename clinic to "clinicId"')
    outputs = []
    for kind, source in STEP.findall(PAGE):
        if kind == "sql":
            for statement in source.strip().splitlines():
                patients.run(statement.strip())
            continue
        words = shlex.split(source.strip().removeprefix("$ "))
        assert words[:5] == ["python", "-P", "-m", "eonpro_phi", "index"]
        done = wait_for(
            operator.start_bare(
                *(patients.dsn if word.startswith("postgresql:") else word for word in words[5:]), command=words[4]
            )
        )
        assert done.code == 0, done.stderr
        outputs.append(done.stdout)
    assert "Rows written: 300" in outputs[0]
    assert "searchIndex" not in [
        name for (name,) in patients.run("select attname from pg_attribute where not attisdropped")
    ]
    patients.run('alter table "Patient" rename "clinicId" to clinic')
    assert sum(map(len, searches.values())) > 20
    assert {search: by_tokens(patients.connection, fields_of(OLD), search) for search in searches} == searches


def test_the_page_has_the_figures_that_were_measured() -> None:
    shown: dict[str, dict[str, str]] = {}
    columns: list[str] = []
    for line in PAGE[PAGE.index("## What it leaks") : PAGE.index("## What it costs")].splitlines():
        if line.startswith("| "):
            name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            if name:
                shown[name] = {of: cell for of, cell in zip(columns, cells, strict=True) if cell}
            else:
                columns = cells
    assert shown == {
        name: {of: f"{share * 100:.1f}%" for of, share in shares.items()}
        for name, shares in json.loads(LEAK.read_text()).items()
    }


@pytest.mark.thorough
@pytest.mark.timeout(1800)
def test_the_stored_figures_are_those_of_the_program() -> None:
    measured, stored = leak.measured(), json.loads(LEAK.read_text())
    assert {name: pytest.approx(shares, abs=TOLERANCE) for name, shares in stored.items()} == measured


@pytest.mark.thorough
def test_the_joint_attack_names_many() -> None:
    """A table of a tenth of the patients, in seconds."""
    patients = [clinic_group.patient(number) for number in range(1, 2001)]
    public = leak.Statistics([clinic_group.patient(number, seed=1) for number in range(1, 6001)])
    assert leak.word_shares(patients, public, 20) == pytest.approx(
        {"first name": 0.384, "last name": 0.254}, abs=TOLERANCE
    )


def test_frequent_names_are_recovered_from_an_exact_column_and_unique_ones_are_not() -> None:
    rows = ["Ann"] * 50 + ["Bob"] * 30 + ["Zoe"] * 5
    assert leak.matched(rows, ["Ann"] * 400 + ["Bob"] * 300 + ["Eve"] * 5 + ["Zoe"] * 4) == 80 / 85
    assert leak.matched(["a", "b", "c"], ["d", "e", "f"]) == 0
