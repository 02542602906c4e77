"""An application with the patch, in the sandbox: its types, its build, its start, its records, its uploads.

Touches the deployments that are set up once, and changes nothing in them but a bucket of its own.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.day_two import patched_application as fixture
from tests.day_two.patched_application import (
    ON_VERCEL,
    S3,
    answers,
    application,
    commands,
    driven,
    followed,
    patched,
    run,
)
from tests.day_two.the_application import ROLE
from tests.onboarding.deployment import Deployment
from tools import application as platforms
from tools.application import Platform

pytestmark = [pytest.mark.needs("node"), pytest.mark.needs("npm")]

TEXTS = ("Jane", "Jöhn Dœ", "患者 🩺" * 40)
DRIVE = """import * as module from '@/lib/security/phi-encryption';
if (process.env.ENCRYPTED_PHI_KEY) await module.initializeEncryption();
const [name, ...texts] = process.argv.slice(2);
const values = texts.map((text) => (module as unknown as Record<string, (text: string) => unknown>)[name](text));
console.log(JSON.stringify(await Promise.all(values)));
"""
SERVE = """import { register } from '@/instrumentation';
import { GET, POST } from '@/app/api/patients/route';
const headers = { 'x-user': 'doctor', 'x-vercel-oidc-token': process.env.TOKEN };
let context: unknown;
Object.assign(globalThis, { [Symbol.for('@vercel/request-context')]: { get: () => context } });
const request = () => new Request('http://clinic', { method: 'POST', headers, body: '{"email": "jane@example.org"}' });
await register(); // It has no token, and leaves the key to the first request.
context = { headers };
const added = await POST(request() as never);
const read = (await (await GET(new Request('http://clinic', { headers }) as never)).json()) as { email: string }[];
console.log(JSON.stringify([added.status, ...read.map((patient) => patient.email)]));
"""
UPLOAD = """import { upload } from '@/lib/integrations/aws/s3Service';
await upload('a-document', new Uint8Array([1]));
"""

LAYOUT = """export default function Layout({ children }: { children: React.ReactNode }) {
  return <html lang="en"><body>{children}</body></html>;
}
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
        # Next.js prints it behind a name.
        yield next(found[0] for line in lines if (found := re.search(r"http://(?:localhost|127\.0\.0\.1):\d+", line)))
    finally:
        subprocess.run(["kill", "--", f"-{child.pid}"], check=False)
        child.wait()
        child.stdout.close()


def ask(address: str, route: str, *texts: str) -> list[str]:
    request = urllib.request.Request(f"{address}/patients/{route}", data=json.dumps(texts).encode())
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        found: list[str] = json.loads(answer.read())
        return found


def test_its_types_are_right_before_and_after(tmp_path: Path) -> None:
    for folder in (application("next", tmp_path / "before"), patched("next", tmp_path / "after", ON_VERCEL)):
        checked = run(folder, "node", "node_modules/typescript/bin/tsc", "--noEmit")
        assert (checked.stdout, checked.returncode) == ("", 0)


def test_the_page_is_followed_and_the_build_fails_without_the_key(onboarded: Deployment, tmp_path: Path) -> None:
    folder, variables = application("next", tmp_path), onboarded.deployed()
    built = folder / "built"
    assert followed(folder, "Patch it", variables={}) == []
    for lost in variables:
        command, error = followed(folder, "Build and run it on Vercel", variables={**variables, lost: ""})
        assert (command, built.exists()) == ("npm run build", False) and lost in error
    assert followed(folder, "Build and run it on Vercel", variables=variables) == [] and built.exists()


def test_a_container_starts_with_its_key_alone_and_its_records_survive_a_rotation(
    on_ecs: Deployment, on_task: Platform, tmp_path: Path
) -> None:
    folder = application("express", tmp_path)
    lost = {**on_task.variables, "ENCRYPTED_PHI_KEY": ""}
    command, error = followed(folder, "Patch it", "Run it in a container", variables=lost)
    assert command == "npm start" and "ENCRYPTED_PHI_KEY" in error
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


def test_on_vercel_the_key_is_loaded_by_the_first_request_that_has_a_token(
    onboarded: Deployment, tmp_path: Path
) -> None:
    platform = platforms.on_vercel(onboarded.deployed(), ROLE, onboarded.environment)
    folder = patched("next", tmp_path, ON_VERCEL)
    given = {**platform.variables, "NEXT_RUNTIME": "nodejs", "TOKEN": platform.token or ""}
    assert answers(folder, driven(folder, SERVE), variables=given) == [201, "jane@example.org"]


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


@pytest.mark.thorough
def test_next_itself_builds_it_with_the_packages_of_the_registry_and_serves_patients(
    on_task: Platform, tmp_path: Path
) -> None:
    folder = tmp_path / "clinic"
    shutil.copytree(fixture.FIXTURES / "next", folder)
    shutil.rmtree(folder / "types")  # The packages' own types take their place.
    (folder / "src" / "app" / "layout.tsx").write_text(LAYOUT)
    packages = json.loads((folder / "package.json").read_text())
    packages["dependencies"]["react-dom"] = packages["dependencies"]["react"]
    packages["devDependencies"] = {"typescript": "5.9.3", "@types/node": "20.19.0", "@types/react": "^19.0.0"}
    (folder / "package.json").write_text(json.dumps(packages, indent=2))
    install = fixture.from_registry(shutil.which("npm") or "npm")
    quiet = {"NEXT_TELEMETRY_DISABLED": "1", "CI": "1"}
    command, error = followed(folder, "Patch it", "Build and run it on Vercel", variables=quiet, install=install)
    assert command == "npm run build" and "ENCRYPTED_PHI_KEY" in error, error
    variables = {**on_task.variables, **quiet}
    assert followed(folder, "Build and run it on Vercel", variables=variables) == []
    for chunk in (folder / ".next" / "static").rglob("*.js"):
        assert "createDecipheriv" not in chunk.read_text() and "ENCRYPTED_PHI_KEY" not in chunk.read_text()
    with started(folder, {**variables, "PORT": "0", "NODE_ENV": "production"}) as address:
        assert patients(address, b'{"email": "jane@example.org"}') == {"added": True}
        assert [patient["email"] for patient in patients(address)] == ["jane@example.org"]


def patients(address: str, data: bytes | None = None) -> Any:
    headers = {"x-user": "doctor", "content-type": "application/json"}
    request = urllib.request.Request(f"{address}/api/patients", data=data, headers=headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        return json.loads(answer.read())
