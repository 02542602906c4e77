"""`@eonpro/phi/prisma` under real Prisma clients of two major versions on PostgreSQL; the package from its tarball.

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
    create table visits (id text primary key, "clinicId" integer not null, note_text text,
      "patientId" integer references "Patient");
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


@pytest.mark.parametrize("packages", ["prisma", "prisma6"])
def test_a_real_client_stores_records_and_reads_texts_and_phi_reads_them_too(
    packages: str, server: Server, tmp_path: Path
) -> None:
    folder = tmp_path / "application"
    shutil.copytree(FOLDER, folder)
    modules = node_package.packages(FOLDER.with_name(packages), [node_package.tarball()])
    (folder / "node_modules").symlink_to(modules)
    if packages == "prisma6":  # which wants the URL in the schema
        schema = folder / "schema.prisma"
        schema.write_text(schema.read_text().replace('"postgresql"', '"postgresql"\n  url = "postgresql://none"'))
    # Prisma would download an engine that only migrations need.
    environment = {"PATH": os.environ["PATH"], "PRISMA_SCHEMA_ENGINE_BINARY": "/bin/true", "HOME": str(tmp_path)}
    database = server.copy_of("clinic")
    for command in (
        ["node", "node_modules/prisma/build/index.js", "generate"],
        ["node", "node_modules/esbuild/bin/esbuild", "generated/client.ts", "--bundle", "--packages=external"]
        + ["--format=esm", "--platform=node", "--outfile=client.mjs"],
        ["node", "run.mjs", KEY.hex(), str(server.folder), database],
    ):
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr + done.stdout
    assert PhiCipher(KEY).decrypt(json.loads(done.stdout.splitlines()[-1])) == "Jane@Example.org"
