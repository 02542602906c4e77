"""An application with the patch, in the sandbox: its types, its build, its start, its records, its uploads.

Touches the deployments that are set up once, and changes nothing in them but a bucket of its own.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.day_two import patched_application as fixture
from tests.day_two.patched_application import ON_ECS, ON_VERCEL, S3, answers, application, driven, patched, run
from tests.onboarding.deployment import Deployment
from tools import application as platforms
from tools.application import Platform
from tools.bootstrap.places import PROJECT

pytestmark = [pytest.mark.needs("node"), pytest.mark.needs("npm")]

TEXTS = ("Jane", "Jöhn Dœ", "患者 🩺" * 40)
DRIVE = """import * as module from '@/lib/security/phi-encryption';
if (process.env.ENCRYPTED_PHI_KEY) await module.initializeEncryption();
const [name, ...texts] = process.argv.slice(2);
const values = texts.map((text) => (module as unknown as Record<string, (text: string) => unknown>)[name](text));
console.log(JSON.stringify(await Promise.all(values)));
"""
UPLOAD = """import { upload } from '@/lib/integrations/aws/s3Service';
await upload('a-document', new Uint8Array([1]));
"""


@pytest.fixture
def on_task(on_ecs: Deployment) -> Platform:
    """What a task of the application finds."""
    stored = {name.rpartition("/")[2]: value for name, value in on_ecs.parameters().items()}
    names = ("AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTED_PHI_KEY")
    return platforms.in_container({name: stored[name] for name in names}, on_ecs.environment)


def rotated(platform: Platform, deployment: Deployment) -> Platform:
    """The platform after a rotation of the data key, while the former one is read."""
    [key] = deployment.keys()
    made = deployment.client("kms").generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")
    former = platform.variables["ENCRYPTED_PHI_KEY"]
    new = base64.b64encode(made["CiphertextBlob"]).decode()
    names = {"ENCRYPTED_PHI_KEY": new, "ENCRYPTED_PHI_KEYS_FOR_READING": former}
    return replace(platform, variables={**platform.variables, **names})


@contextmanager
def started(folder: Path, variables: Mapping[str, str]) -> Iterator[str]:
    """The address of the server, started by the command of the page for a container."""
    [command] = commands("Run it in a container")
    child = subprocess.Popen(
        command,
        shell=True,
        cwd=folder,
        env=fixture.environment(folder, variables),
        text=True,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdout is not None
    try:
        lines = iter(child.stdout.readline, "")
        yield next(line.strip() for line in lines if line.startswith("http://"))
    finally:
        subprocess.run(["kill", "--", f"-{child.pid}"], check=False)
        child.wait()
        child.stdout.close()


def ask(address: str, route: str, *texts: str) -> list[str]:
    request = urllib.request.Request(f"{address}/patients/{route}", data=json.dumps(texts).encode())
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        found: list[str] = json.loads(answer.read())
        return found


def commands(section: str) -> list[str]:
    """The commands of a section of docs/application.md, as they are typed."""
    page = (PROJECT / "docs" / "application.md").read_text()
    text = page.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"(?m)^\$ (.+)$", text)


def test_its_types_are_right_before_and_after(tmp_path: Path) -> None:
    for folder in (application("next", tmp_path / "before"), patched("next", tmp_path / "after", ON_VERCEL)):
        checked = run(folder, "node", "node_modules/typescript/bin/tsc", "--noEmit")
        assert (checked.stdout, checked.returncode) == ("", 0)


def test_the_build_fails_without_the_key_and_is_made_with_it(onboarded: Deployment, tmp_path: Path) -> None:
    folder = patched("next", tmp_path, ON_VERCEL)
    [build] = commands("Build and run it on Vercel")
    variables = onboarded.deployed()
    for lost in variables:
        without = run(folder, *build.split(), variables={**variables, lost: ""})
        assert without.returncode == 1 and "built" not in without.stdout.split() and lost in without.stderr
    done = run(folder, *build.split(), variables=variables)
    assert done.returncode == 0 and "built" in done.stdout.split(), done.stderr


def test_a_container_starts_with_its_key_alone_and_its_records_survive_a_rotation(
    on_ecs: Deployment, on_task: Platform, tmp_path: Path
) -> None:
    folder = patched("express", tmp_path, ON_ECS)
    [command] = commands("Run it in a container")
    lost = run(folder, *command.split(), variables={**on_task.variables, "ENCRYPTED_PHI_KEY": ""})
    assert lost.returncode == 1 and "http://" not in lost.stdout and "ENCRYPTED_PHI_KEY" in lost.stderr
    with started(folder, on_task.variables) as address:
        records = ask(address, "encrypt", *TEXTS)
    after = rotated(on_task, on_ecs)
    assert platforms.phi(after, "decrypt", *records) == [*TEXTS]
    with started(folder, after.variables) as address:
        assert ask(address, "decrypt", *platforms.phi(after, "encrypt", *TEXTS)) == [*TEXTS]
        assert ask(address, "decrypt", *records) == [*TEXTS]


def test_records_hashes_and_plain_text_of_before_are_read_after_it(
    on_ecs: Deployment, on_task: Platform, tmp_path: Path
) -> None:
    wrapped = base64.b64decode(on_task.variables["ENCRYPTED_PHI_KEY"])
    key = on_ecs.client("kms").decrypt(CiphertextBlob=wrapped)["Plaintext"].hex()
    before, after = application("next", tmp_path / "before"), patched("next", tmp_path / "after", ON_VERCEL)
    old, new = driven(before, DRIVE), driven(after, DRIVE)
    records = answers(before, old, "encryptPHI", *TEXTS, variables={"ENCRYPTION_KEY": key})
    spaced = [f" {record} ".replace(":", " : ") for record in records if record]
    given = {**on_task.variables, "ENCRYPTION_KEY": "ab" * 32}  # Another key: nothing reads it any more.
    texts = [*map(str, records), *spaced, "plain text of a column"]
    assert answers(after, new, "decryptPHI", *texts, variables=given) == [*TEXTS, *TEXTS, texts[-1]]
    addresses = ("Jane@Example.org ", "j@example.org")
    hashes = answers(before, old, "emailHash", *addresses, variables={"ENCRYPTION_KEY": key})
    assert answers(after, new, "emailHash", *addresses, variables=given) == hashes
    for name in ("encryptPHI", "encryptPHIAsync"):
        made = answers(after, new, name, *TEXTS, variables=given)
        assert platforms.phi(on_task, "decrypt", *map(str, made)) == [*TEXTS]


@pytest.mark.parametrize("own_key", ["", "the key of documents"])
def test_the_upload_that_s3_refused_is_accepted(
    on_ecs: Deployment, on_task: Platform, tmp_path: Path, own_key: str
) -> None:
    before, after = application("next", tmp_path / "before"), patched("next", tmp_path / "after", ON_VERCEL)
    s3, bucket = on_ecs.client("s3"), "documents-of-a-patched-application"
    own = {"AWS_S3_KMS_KEY_ID": on_task.variables["AWS_KMS_KEY_ID"]} if own_key else {}
    sent = []
    for folder in (before, after):
        (folder / "node_modules" / "@aws-sdk-s3.mjs").write_text(S3)
        program = driven(folder, UPLOAD)
        # The stand-in takes the place of the client.
        program.write_text(program.read_text().replace('"@aws-sdk/client-s3"', '"./node_modules/@aws-sdk-s3.mjs"'))
        done = run(folder, "node", str(program), variables={**on_task.variables, **own})
        sent.append({**json.loads(done.stdout), "Bucket": bucket, "Body": b"a scan"})
    s3.create_bucket(Bucket=bucket)
    try:
        with pytest.raises(ClientError, match="InvalidArgument"):
            s3.put_object(**sent[0])
        s3.put_object(**sent[1])
        stored = s3.head_object(Bucket=bucket, Key="a-document")
        assert stored["ServerSideEncryption"] == ("aws:kms" if own_key else "AES256")
        s3.delete_object(Bucket=bucket, Key="a-document")
    finally:
        s3.delete_bucket(Bucket=bucket)
