"""A rotation of the data key with its records: each next step is typed as the wizard prints it, up to the promotion.

Touches a deployment with a fresh cloud, and a PostgreSQL server of its own.
"""

from __future__ import annotations

import json

import pytest

from tests.day_two import the_application
from tests.onboarding.deployment import Deployment
from tests.phi.reencryption.postgres import running

pytestmark = pytest.mark.needs("postgresql")

TEXTS = ("jane@example.org", "jöhn@example.org", "患者@example.org")


@pytest.mark.thorough
@pytest.mark.onboarded("vercel")
def test_the_next_steps_of_a_new_data_key_are_typed_and_no_record_is_lost(deployment: Deployment) -> None:
    before = the_application.write(deployment, deployment.deployed(), *TEXTS)
    with running("fsync=off") as server, server.connect() as patients:
        patients.execute("create table patients (id int primary key, email text)")
        patients.execute("create table drafts (id int primary key, responses jsonb)")
        for number, record in enumerate(before, 1):
            patients.execute("insert into patients values (%s, %s)", (number, record))
            patients.execute("insert into drafts values (%s, %s)", (number, json.dumps({"answers": [{"a": record}]})))

        sure = ("--confirm", "production", "--application", "stopped", "--json")
        made = deployment.wizard("rotate", "--data-key", *sure).document
        fetching, moving, scanning, promoting, _ = (each["command"] for each in made["next"])
        for words, mine in (
            ("postgresql://HOST/DATABASE", f"'{server.dsn()}'"),
            ("--table TABLE --columns COLUMN,COLUMN", "--table patients --columns email"),
        ):
            assert words in moving
            moving = moving.replace(words, mine)
        scanning = scanning.replace("postgresql://HOST/DATABASE", f"'{server.dsn()}'")
        as_the_application = the_application.credentials(deployment)
        keys = [
            fetching,
            f"export AWS_ACCESS_KEY_ID={as_the_application['AccessKeyId']}",
            f"export AWS_SECRET_ACCESS_KEY={as_the_application['SecretAccessKey']}",
            f"export AWS_SESSION_TOKEN={as_the_application['SessionToken']}",
        ]

        def typed(*commands: str, code: int = 0) -> str:
            done = deployment.run(["sh", "-ec", "\n".join((*keys, *commands))], expect=code)
            return done.out + done.err

        said = typed(moving, moving.replace("--dry-run", ""))
        assert "email: 0 under the new key, 3 under the old key" in said
        assert "No record of these columns needs the old key." in said

        # The drafts were forgotten: the scan names them, and the promotion is refused until they are moved too.
        said = typed(scanning, code=1)
        assert "public.drafts.responses: 3 records under" in said
        [remedy] = [line.strip() for line in said.splitlines() if " -m eonpro_phi reencrypt --dsn" in line]
        refused = deployment.run(["sh", "-ec", promoting + "\n"], expect=5)
        assert "records under another data key: public.drafts.responses" in " ".join(
            (refused.out + refused.err).split()
        )
        typed(remedy)
        typed(scanning)
        deployment.run(["sh", "-ec", promoting + "\n"])
        after = [record for (record,) in patients.execute("select email from patients order by id")]
        drafts = [
            record for (record,) in patients.execute("select responses #>> '{answers,0,a}' from drafts order by id")
        ]
    assert not set(before) & {*after, *drafts}
    assert tuple(the_application.read(deployment, deployment.deployed(), *after)) == TEXTS
    assert tuple(the_application.read(deployment, deployment.deployed(), *drafts)) == TEXTS
