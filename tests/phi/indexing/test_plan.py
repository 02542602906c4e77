"""`phi index --plan`: what an index costs and shows, counted on known patients."""

from __future__ import annotations

import pytest

from eonpro_phi.search.words import row_terms
from tests.phi.indexing import clinic_group
from tests.phi.indexing.clinic_group import CLINICS, SOURCES, patient
from tests.phi.reencryption.command_process import Operator, wait_for
from tests.phi.reencryption.patients import OLD, THIRD

pytestmark = pytest.mark.needs("postgresql")

COUNT = 1200


def test_the_plan_counts_what_somebody_with_the_table_sees(operator: Operator) -> None:
    patients = operator.patients
    patients.run('drop table "Patient"')
    clinic_group.fill(patients.connection, COUNT, key=OLD)
    patients.run('alter table "Patient" add dob text')
    patients.run("update \"Patient\" set dob = '1980-01-' || lpad((id % 28 + 1)::text, 2, '0')")
    before = patients.versions()
    where = ("--dsn", patients.dsn, "--table", "Patient", "--key-column", "id", "--clinic-column", "clinic")
    columns = ("--words", f"{'+'.join(SOURCES)}:tokens:16", "--exact", "email:emailSearch:email,dob:dobSearch:date:8")
    done = wait_for(operator.start_bare(*where, *columns, "--plan", "--json", command="index"))
    assert done.code == 0, done.stderr
    assert patients.versions() == before, "the search columns need not exist"
    plan = done.document
    assert (plan["rows"], plan["clinics"], plan["unreadableValues"]) == (COUNT, CLINICS, 0)
    rows = [patient(number) for number in range(1, COUNT + 1)]
    words, email, dob = (plan["searchColumns"][name] for name in ("tokens", "emailSearch", "dobSearch"))
    terms = [row_terms(row.texts) for row in rows]
    assert words["tokensPerRow"] == pytest.approx(sum(map(len, terms)) / COUNT, rel=0.01)
    assert words["distinctTerms"] == pytest.approx(len(set().union(*terms)), rel=0.01)
    largest = max(range(CLINICS), key=lambda clinic: sum(row.clinic == clinic for row in rows))
    of_largest = [len(each) for each, row in zip(terms, rows, strict=True) if row.clinic == largest]
    assert words["expectedFalseHits"] == pytest.approx(sum(of_largest) / 2**16, rel=0.01)
    assert words["warning"] is None
    keys = [(row.clinic, row.texts[2].lower()) for row in rows]
    assert email["distinct"] == len(set(keys)) and email["bytesPerRow"] == 33 and email["warning"] is None
    assert email["rowsThatShareTheirValue"] == sum(keys.count(key) > 1 for key in keys)
    assert "thirty thousand" in dob["warning"] and dob["rows"] == COUNT
    assert dob["expectedFalseHits"] == pytest.approx(len(of_largest) / 256, rel=0.01)
    assert "rows share their value with another" in done.stderr


@pytest.mark.thorough
def test_the_plan_says_what_it_could_not_read_and_warns_of_too_few_bits(operator: Operator) -> None:
    patients = operator.patients
    patients.run('drop table "Patient"')
    clinic_group.fill(patients.connection, 700, key=THIRD)
    where = ("--dsn", patients.dsn, "--table", "Patient", "--key-column", "id")
    columns = ("--words", "searchIndex+email:tokens:8", "--exact", "email:emailSearch:email")
    done = wait_for(operator.start_bare(*where, *columns, "--plan", command="index"))
    assert done.code == 0 and "Texts that no key decrypts, not counted: 1,400." in done.stdout
    assert "bits are enough for this table" in done.stdout and "emailSearch (exact, email): 0 rows" in done.stdout
