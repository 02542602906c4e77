"""Two toy applications move off a plain column by docs/phi/migrate.md alone, while one instance after another writes.

Touches a database of its own, a folder of its own, and processes that it starts.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from eonpro_phi import PhiCipher
from tests.phi.reencryption.command_process import ROOT, Operator
from tests.phi.reencryption.patients import OLD
from tests.phi.reencryption.postgres import TIMEOUT_SECONDS

PAGE = (ROOT / "docs" / "phi" / "migrate.md").read_text()
BLOCKS = dict(re.findall(r"^```python\n# step 1: (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
[SQL] = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [line for line in re.findall(r"^\$ (python .*)$", PAGE, re.MULTILINE) if "guests_guest" in line]
CONNECTION = "postgresql://clinic@db/clinic"
AT_LEAST = 30
"""Writes of an instance, before and after each step."""

SETTINGS = """
import os
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["TOY_DATABASE"],
                         "USER": "postgres", "HOST": os.environ["TOY_HOST"]}}
INSTALLED_APPS = ["guests"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
EONPRO_PHI_FIELDS = "keys.fields"
"""
KEYS = "from eonpro_phi import PhiFields\n\nfields = PhiFields.from_environment()\n"
BEFORE_DJANGO = (
    "from django.db import models\n\n\nclass Guest(models.Model):\n    email = models.TextField(null=True)\n"
)
INITIAL = """
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            name="Guest",
            fields=[
                ("id", models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("email", models.TextField(null=True)),
            ],
        ),
    ]
"""
BEFORE_SQLALCHEMY = """
from sqlalchemy import Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Guest(Base):
    __tablename__ = "guests_guest"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str | None] = mapped_column(Text)
"""

# What an instance does until its standard input is closed: new guests, and other addresses for those of its own. Each
# line is a row that was committed.
WRITER = """
import itertools, json, select, sys

own, name = [], sys.argv[1]
for number in itertools.count():
    if select.select([sys.stdin], [], [], 0.004)[0]:  # some 200 rows a second
        break
    email = f"{name}.{number}@example.org"
    if own and number % 3 == 0:
        key = own[number % len(own)]
        change(key, email)
    else:
        key = insert(email)
        own.append(key)
    print(json.dumps([key, email]), flush=True)
"""
DJANGO = """
import django
django.setup()
from guests.models import Guest

def insert(email):
    return Guest.objects.create(email=email).pk

def change(key, email):
    guest = Guest.objects.get(pk=key)
    guest.email = email
    guest.save()

def texts():
    return [*Guest.objects.order_by("pk").values_list("pk", "email")]

def found(email):
    return [*Guest.objects.filter(email=email).values_list("pk", flat=True)]
"""
SQLALCHEMY = """
import os
from guests import Guest
from sqlalchemy import URL, create_engine, select
from sqlalchemy.orm import Session

place = {"username": "postgres", "database": os.environ["TOY_DATABASE"], "query": {"host": os.environ["TOY_HOST"]}}
session = Session(create_engine(URL.create("postgresql+psycopg", **place), hide_parameters=True))

def insert(email):
    guest = Guest(email=email)
    session.add(guest)
    session.commit()
    return guest.id

def change(key, email):
    session.get_one(Guest, key).email = email
    session.commit()

def texts():
    return [(guest.id, guest.email) for guest in session.scalars(select(Guest).order_by(Guest.id))]

def found(email):
    return [*session.scalars(select(Guest.id).where(Guest.email == email))]
"""
CHECK = """
import json, sys
print(json.dumps([texts(), [found(email) for _, email in json.load(sys.stdin)]]))
"""


@dataclass
class Toy:
    """An application in a folder, and the rows that its instances have committed."""

    folder: Path
    operator: Operator
    program: str
    models: Path
    rows: dict[int, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        server = self.operator.patients.server
        paths = {"PYTHONPATH": os.pathsep.join([str(self.folder), str(ROOT)]), "DJANGO_SETTINGS_MODULE": "settings"}
        return {
            **self.operator.environment,
            **paths,
            "TOY_DATABASE": self.operator.patients.database,
            "TOY_HOST": str(server.folder),
        }

    def run(self, *command: str, stdin: str = "") -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def follow(self, command: str) -> str:
        """A command of the page, with this database and this Python in the place of the page's."""
        words = shlex.split(command)
        assert words[:4] == ["python", "-P", "-m", "eonpro_phi"] and words.count(CONNECTION) == 1
        words = [self.operator.patients.dsn if word == CONNECTION else word for word in words[1:]]
        return self.run(sys.executable, *words)

    def instance(self, name: str) -> Instance:
        """A deployed instance with the models of now."""
        process = subprocess.Popen(
            [sys.executable, "-c", self.program + WRITER, name],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return Instance(process=process, rows=self.rows)

    def change_models(self, change: Callable[[str], str]) -> None:
        before = self.models.read_text()
        self.models.write_text(change(before))
        assert self.models.read_text() != before

    def check(self) -> None:
        """Every row has the text that was committed last, and is found by it."""
        asked = json.dumps(sorted(self.rows.items()))
        texts, found = json.loads(self.run(sys.executable, "-c", self.program + CHECK, stdin=asked))
        assert texts == [list(row) for row in sorted(self.rows.items())]
        assert found == [[key] for key in sorted(self.rows)]


@dataclass
class Instance:
    """A process that writes until it is stopped."""

    process: subprocess.Popen[str]
    rows: dict[int, str]

    def write(self, rows: int = AT_LEAST) -> None:
        """Wait for so many rows that it has committed."""
        assert self.process.stdout and self.process.stderr
        for _ in range(rows):
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            self._add(line)

    def stop(self) -> None:
        """End it after its last row."""
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.process.stdin.close()
        for line in self.process.stdout:
            self._add(line)
        errors = self.process.stderr.read()
        assert self.process.wait(TIMEOUT_SECONDS) == 0, errors

    def _add(self, line: str) -> None:
        key, email = json.loads(line)
        self.rows[key] = email


def toy(operator: Operator, folder: Path, kind: str) -> tuple[Toy, Callable[..., None], Callable[..., None]]:
    """The application before the move, how its table changes in step 1, and how its plain column is dropped."""
    if kind == "django":
        files = {
            "settings.py": SETTINGS,
            "keys.py": KEYS,
            "guests/__init__.py": "",
            "guests/models.py": BEFORE_DJANGO,
            "guests/migrations/__init__.py": "",
            "guests/migrations/0001_initial.py": INITIAL,
        }
    else:
        files = {"guests.py": BEFORE_SQLALCHEMY}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    made = Toy(
        folder=folder,
        operator=operator,
        program=DJANGO if kind == "django" else SQLALCHEMY,
        models=folder / ("guests/models.py" if kind == "django" else "guests.py"),
    )
    admin = (sys.executable, "-m", "django")

    def migrate() -> None:
        if kind == "sqlalchemy":
            operator.patients.run(SQL.split(";")[0])
            operator.patients.run(SQL.split(";")[1])
            return
        (folder / "guests/migrations/0002_encrypt.py").write_text(BLOCKS["guests/migrations/0002_encrypt.py"])
        made.run(*admin, "migrate")

    def drop(status: str) -> None:
        if kind == "sqlalchemy":
            [statement] = [line.strip() for line in status.splitlines() if "do $$" in line]
            operator.patients.run(statement)
            return
        output = made.run(*admin, "makemigrations", "guests")
        assert re.findall(r"^    [-+~] (.*)$", output, re.MULTILINE) == ["Remove field email_plain from guest"]
        made.run(*admin, "migrate")

    if kind == "django":
        made.run(*admin, "migrate")
    else:
        operator.patients.run("create table guests_guest (id serial primary key, email text)")
    return made, migrate, drop


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["django", "sqlalchemy"])
def test_a_toy_application_moves_from_a_plain_column_to_a_searched_ciphertext_by_the_page(
    operator: Operator, tmp_path: Path, kind: str
) -> None:
    app, migrate, drop = toy(operator, tmp_path, kind)
    fill, status, index = COMMANDS
    before = app.instance("before")
    before.write()
    migrate()
    before.write()  # an instance of before goes on with the new columns in its table
    name = "guests/models.py" if kind == "django" else "guests.py"
    app.change_models(lambda _: BLOCKS[name])
    if kind == "django":
        assert "No changes detected" in app.run(sys.executable, "-m", "django", "makemigrations", "--dry-run")
    both = app.instance("both")
    both.write()
    before.write()
    before.stop()
    app.follow(fill)
    both.write()
    assert "0 plain only" in app.follow(status)
    app.follow(index)
    both.write()

    app.change_models(lambda text: re.sub(r"(PlainColumn\(\"email[^)\n]*)\)", r"\1, switched=True)", text))
    switched = app.instance("switched")
    switched.write()
    both.stop()
    switched.write()
    assert "0 both and different" in (last := app.follow(status))

    app.change_models(lambda text: re.sub(r"    email_plain.*\n", "", text))
    final = app.instance("final")
    final.write()
    switched.stop()
    assert "0 plain only" in (last := app.follow(status))
    drop(last)
    final.write()
    final.stop()
    app.check()
    columns: list[Any] = operator.patients.run(
        "select column_name from information_schema.columns where table_name = 'guests_guest' order by 1"
    )
    assert columns == [("email_encrypted",), ("email_search",), ("id",)]
    records = operator.patients.run("select id, email_encrypted from guests_guest order by id")
    assert [(key, PhiCipher(OLD).decrypt(record)) for key, record in records] == sorted(app.rows.items())


@pytest.mark.thorough
def test_the_commands_of_the_page_move_rows_of_every_kind_and_leave_one_column(
    operator: Operator, tmp_path: Path
) -> None:
    """A sample of the test above: one instance of each kind has written, and none is running."""
    app, migrate, drop = toy(operator, tmp_path, "sqlalchemy")
    operator.patients.run("insert into guests_guest (email) values ('a@example.org'), (null)")
    migrate()
    fill, status, index = COMMANDS
    app.follow(fill)
    assert "0 plain only, 1 both and equal" in (last := app.follow(status))
    app.follow(index)
    drop(last)
    app.models.write_text(re.sub(r"    email_plain.*\n", "", BLOCKS["guests.py"]))
    asked = json.dumps([[1, "A@example.org"]])
    texts, found = json.loads(app.run(sys.executable, "-c", app.program + CHECK, stdin=asked))
    assert (texts, found) == ([[1, "a@example.org"], [2, None]], [[1]])
