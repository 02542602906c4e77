"""`phi check --models`: the columns that an application binds, as it declares them, and what is told of them.

Touches folders of its own and processes that it starts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eonpro_phi.binding import Form
from eonpro_phi.declarations import read
from tests.phi.node.test_check import GOOD
from tools.bootstrap.places import PROJECT

SQLALCHEMY = """
import sqlalchemy as sa
from eonpro_phi.adapters.sqlalchemy import EncryptedText

def cipher(): raise RuntimeError("no key is needed")

def table(name, *columns):
    key = sa.Column("id", sa.Integer, primary_key=True)
    return sa.Table(name, sa.MetaData(), key, sa.Column("clinic", sa.Integer), *columns)

table("patient", sa.Column("email", EncryptedText(cipher, bound="row", tenant="clinic", reads="unbound")),
      sa.Column("note", EncryptedText(cipher)), sa.Column("city", EncryptedText(cipher, tenant="clinic")))
table("visit", sa.Column("mail", EncryptedText(cipher, bound=True, place="patient.email")))
"""
DJANGO = """
from uuid import uuid4
from django.db import models
from eonpro_phi.adapters.django import EncryptedTextField

class Patient(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid4)
    clinic = models.IntegerField(db_column="clinic_no")
    email = EncryptedTextField(null=True, bound="row", tenant="clinic", reads=["unbound"], db_column="mail")
    note = EncryptedTextField(null=True)
"""
EXPECTED = {"table": "patient", "column": "email", "place": "patient.email", "form": "tenant+row", "reads": ["unbound"]}


def checked(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**GOOD, "PATH": os.environ["PATH"], "PYTHONPATH": f"{folder}:{PROJECT}", **more}
    command = [sys.executable, "-P", "-m", "eonpro_phi", "check", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_columns_of_sqlalchemy_are_listed_and_what_is_loose_is_told(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(SQLALCHEMY)
    done = checked(tmp_path, "--models", "models", "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["checked"]) == (0, True), done.stderr
    assert document["columns"][0] == EXPECTED | {"tenantColumn": "clinic"}
    assert [each["form"] for each in document["columns"]] == ["tenant+row", "tenant", "column"]
    moving, shared = document["notices"]
    assert "patient.email still reads records of an earlier form (unbound)" in moving
    assert "patient.email and visit.mail have one name for keys" in shared
    shown = checked(tmp_path, "--models", "models")
    assert (shown.returncode, shown.stdout.count("Attention: ")) == (0, 2)
    (tmp_path / "columns.json").write_text(done.stdout)
    first, *_ = read(str(tmp_path / "columns.json"))
    assert (first.binding.form, first.binding.reads, first.tenant_column) == (
        Form.TENANT_ROW,
        (Form.UNBOUND,),
        "clinic",
    )


def test_the_columns_of_django_are_named_as_the_database_has_them(tmp_path: Path) -> None:
    (tmp_path / "clinic").mkdir()
    (tmp_path / "clinic" / "__init__.py").touch()
    (tmp_path / "clinic" / "models.py").write_text(DJANGO)
    (tmp_path / "settings.py").write_text('INSTALLED_APPS = ["clinic"]\n')
    done = checked(tmp_path, "--models", "clinic.models", "--json", DJANGO_SETTINGS_MODULE="settings")
    [column] = json.loads(done.stdout)["columns"]
    names = {"table": "clinic_patient", "column": "mail", "place": "clinic_patient.mail", "tenantColumn": "clinic_no"}
    assert column == EXPECTED | names


@pytest.mark.parametrize("source", ["nowhere", "no.json"])
def test_what_cannot_be_read_is_a_problem_beside_the_others(tmp_path: Path, source: str) -> None:
    done = checked(tmp_path, "--models", source, "--json", AWS_REGION="")
    problems = json.loads(done.stdout)["problems"]
    assert (done.returncode, len(problems)) == (1, 2) and source in problems[1]
