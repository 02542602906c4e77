"""`@eonpro/phi/prisma` under real Prisma clients, 6.16, 6.19 and 7, on PostgreSQL; the package from its tarball.

Touches a folder and a server of its own; npm installs each Prisma once, as its lock file says.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from eonpro_phi import PhiCipher
from tests.phi.reencryption.postgres import Server, running
from tools import node_package

pytestmark = [
    pytest.mark.needs("node"),
    pytest.mark.needs("npm"),
    pytest.mark.needs("postgresql"),
    pytest.mark.thorough,
]

FOLDER = Path(__file__).with_name("prisma")
KEY = bytes(range(32))
TABLES = """
    create table "Clinic" (id integer primary key, name text not null);
    create table "Patient" (id serial primary key, "firstName" text, email text, "emailHash" text unique, dob text,
      "dobHash" text, phone text, "lastFour" text, tokens integer[], tags text[], plan text, scan bytea, answers jsonb,
      "clinicId" integer references "Clinic");
    create table "Label" (id serial primary key, name text not null unique);
    create table "_LabelToPatient" ("A" integer references "Label" on delete cascade,
      "B" integer references "Patient" on delete cascade on update cascade, primary key ("A", "B"));
    create table visits (id text primary key, "clinicId" integer not null, note_text text,
      "patientId" integer references "Patient" on delete set null on update cascade);
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """PostgreSQL with the tables of the schema, empty, in its database `clinic`."""
    with running("fsync=off") as server:
        with server.connect() as connection:
            connection.execute("create database clinic")
        with server.connect("clinic") as connection:
            connection.execute(TABLES)
        yield server


@pytest.mark.parametrize("packages", ["prisma", "prisma6", "prisma616"])
def test_each_operation_of_a_real_client_is_right_or_refused_with_what_to_do_instead(
    packages: str, server: Server, tmp_path: Path
) -> None:
    folder = tmp_path / "application"
    shutil.copytree(FOLDER, folder)
    modules = node_package.packages(FOLDER.with_name(packages), [node_package.tarball()])
    (folder / "node_modules").symlink_to(modules)
    if packages != "prisma":  # Prisma 6 wants the URL in the schema
        schema = folder / "schema.prisma"
        schema.write_text(schema.read_text().replace('"postgresql"', '"postgresql"\n  url = "postgresql://none"'))
    # Prisma would download an engine that only migrations need.
    environment = {"PATH": os.environ["PATH"], "PRISMA_SCHEMA_ENGINE_BINARY": "/bin/true", "HOME": str(tmp_path)}
    database = server.copy_of("clinic")
    for command in (
        ["node", "node_modules/prisma/build/index.js", "generate"],
        ["node", "node_modules/esbuild/bin/esbuild", "generated/client.ts", "--bundle", "--packages=external"]
        + ["--format=esm", "--platform=node", "--outfile=client.mjs"],
        ["node", "operations.mjs", KEY.hex(), str(server.folder), database],
    ):
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr + done.stdout
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["failed"] == [] and told["right"] > 100 and told["refused"] > 50
    assert PhiCipher(KEY).decrypt(told["stored"]) == "zzana@x.org"
