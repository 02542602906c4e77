"""A rotation of the data key by the printed lines alone, while the application reads: no read of it fails.

Touches a deployment with a fresh cloud, and a PostgreSQL server of its own. The readers are processes of the `phi`
library, each with the variables that were there when its deployment was made.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.day_two import the_application
from tests.day_two.doctor_fixture import redeployed
from tests.onboarding.deployment import PROJECT, TIMEOUT_SECONDS, Deployment
from tests.onboarding.loaded import loaded_python
from tests.phi.reencryption.postgres import running

pytestmark = pytest.mark.needs("postgresql")

READING = "ENCRYPTED_PHI_KEYS_FOR_READING"
TEXTS = tuple(f"patient{number}@example.org" for number in range(40))

_READER = """
import json, os, select, sys
import psycopg
from eonpro_phi import PhiFields
from eonpro_phi.errors import PhiError
fields, reads, failed = PhiFields.from_environment(), 0, []
with psycopg.connect(sys.argv[1], autocommit=True) as database:
    print("reads", flush=True)
    while not select.select([sys.stdin], [], [], 0.02)[0]:
        for (record,) in database.execute("select email from patients"):
            try:
                fields.decrypt(record)
                reads += 1
            except PhiError as error:
                failed.append(repr(error))
print(json.dumps({"reads": reads, "failed": failed}))
"""


@dataclass(kw_only=True)
class Readers:
    """The application's instances: that of the present deployment reads until the next one does."""

    deployment: Deployment
    dsn: str
    deployed: str = ""
    process: subprocess.Popen[str] | None = None
    ended: list[dict[str, Any]] = field(default_factory=list)

    def follow(self) -> None:
        """The instance of a new deployment reads before the one of the former ends."""
        runs = self.deployment.runs()
        if runs["deployment"] == self.deployed:
            return
        former, self.deployed = self.process, runs["deployment"]
        mine = the_application.credentials(self.deployment)
        environment = {
            "AWS_ENDPOINT_URL": self.deployment.environment["AWS_ENDPOINT_URL"],
            "AWS_ACCESS_KEY_ID": mine["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": mine["SecretAccessKey"],
            "AWS_SESSION_TOKEN": mine["SessionToken"],
            "PATH": self.deployment.environment["PATH"],
            **runs["environment"],
        }
        command = [str(loaded_python()), "-c", _READER, self.dsn]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=PROJECT, env=environment, text=True, stdin=pipe, stdout=pipe)
        assert self.process.stdout is not None and self.process.stdout.readline() == "reads\n"
        self._end(former)

    def _end(self, process: subprocess.Popen[str] | None) -> None:
        if process is not None:
            out, _ = process.communicate("\n", timeout=TIMEOUT_SECONDS)
            self.ended.append(json.loads(out))

    def stop(self) -> None:
        process, self.process = self.process, None
        self._end(process)


@contextmanager
def readers(deployment: Deployment, dsn: str) -> Iterator[Readers]:
    found = Readers(deployment=deployment, dsn=dsn)
    try:
        found.follow()
        yield found
    finally:
        found.stop()


@dataclass(kw_only=True)
class Person:
    """Types each printed command in order, and deploys the application where one says so."""

    deployment: Deployment
    dsn: str
    exported: tuple[str, ...] = ()
    typed: list[str] = field(default_factory=list)

    def type(self, command: str) -> list[dict[str, Any]] | None:
        """One command; the steps that it printed, where it is the one that goes on with the rotation."""
        self.typed.append(command)
        if command.startswith("export "):
            # The shell stays open, with the application's own credentials.
            mine = the_application.credentials(self.deployment)
            names = {"ACCESS_KEY_ID": "AccessKeyId", "SECRET_ACCESS_KEY": "SecretAccessKey"}
            names |= {"SESSION_TOKEN": "SessionToken"}
            self.exported = (command, *(f"export AWS_{name}={mine[key]}" for name, key in names.items()))
            return None
        if "-m eonpro_phi" in command:
            command = command.replace("postgresql://HOST/DATABASE", f"'{self.dsn}'")
            self.deployment.run(["bash", "-ec", "\n".join((*self.exported, command))])
            return None
        if "rotate --data-key" in command:
            words = shlex.split(command)
            steps: list[dict[str, Any]] = self.deployment.wizard(*words[words.index("rotate") :], "--json").document[
                "next"
            ]
            return steps
        # Which tables hold records is an answer of the set-up, too.
        answers = " --record-tables patients.id=email --yes" if " setup " in command else ""
        self.deployment.run(["bash", "-ec", command + answers])
        redeployed(self.deployment)
        return None


@pytest.mark.thorough
@pytest.mark.onboarded("vercel")
def test_no_read_fails_from_the_first_printed_line_to_the_last(deployment: Deployment) -> None:
    records = the_application.write(deployment, deployment.deployed(), *TEXTS)
    redeployed(deployment)
    with running("fsync=off") as server, server.connect() as patients:
        patients.execute("create table patients (id int primary key, email text)")
        for number, record in enumerate(records, 1):
            patients.execute("insert into patients values (%s, %s)", (number, record))
        person = Person(deployment=deployment, dsn=server.dsn())
        with readers(deployment, server.dsn()) as reading:
            before = deployment.runs()["environment"]
            steps = deployment.wizard("rotate", "--data-key", "--confirm", "production", "--json").document["next"]
            while steps:
                if command := steps.pop(0)["command"]:
                    steps = person.type(str(command)) or steps
                    reading.follow()
            after = deployment.runs()["environment"]
            carried = [record for (record,) in patients.execute("select email from patients order by id")]
    assert after["ENCRYPTED_PHI_KEY"] != before["ENCRYPTED_PHI_KEY"] == after[READING]
    assert not set(records) & set(carried)
    # At least: before the rotation, with the key for reading, after the promotion.
    assert len(reading.ended) >= 3 and all(each["reads"] for each in reading.ended)
    assert [each["failed"] for each in reading.ended] == [[]] * len(reading.ended)
