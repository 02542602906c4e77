"""What an application's code lacks to use its data key: file, line and sentence of each part."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from components.settings.variables import VariableNames
from wizard.inputs.application.parts import KeyUse, missing_parts

FIXTURES = Path(__file__).parent / "fixtures"
NEXT = json.dumps({"dependencies": {"next": "^16.2.3"}})
BY_USER = KeyUse(trusts_vercel=False)
LOADER = """import { DecryptCommand, GenerateDataKeyCommand, KMSClient } from '@aws-sdk/client-kms';
const region = process.env.AWS_REGION || 'us-east-1';
const kms = new KMSClient({ region });
export async function initializeEncryption() {
  const wrapped = process.env.ENCRYPTED_PHI_KEY;
  // Not here: new GenerateDataKeyCommand(
  if (!wrapped) return kms.send(new GenerateDataKeyCommand({}));
}
"""
"""The interface of an application that makes itself a key, written for this test."""
CIPHER = """import { initializeEncryption } from './kms';
export const key = () => Buffer.from(process.env.ENCRYPTION_KEY ?? '', 'hex');
export const decryptPHI = (iv) => crypto.createDecipheriv('aes-256-gcm', key(), iv);
"""
OWN_LIBRARY = """import { createDecipheriv } from 'node:crypto';
const region = process.env.AWS_REGION, keyId = process.env.AWS_KMS_KEY_ID, wrapped = process.env.ENCRYPTED_PHI_KEY;
const more = process.env.ENCRYPTED_PHI_KEYS_FOR_READING;
const kms = new KMSClient({ region, credentials: awsCredentialsProvider({ roleArn: process.env.AWS_ROLE_ARN }) });
export async function startWithKey() {}
export function withKey(handler) { return handler; }
export function decryptPHI(record) { return createDecipheriv('aes-256-gcm', key, record); }
"""
STARTS = """export async function register() {
  const { startWithKey } = await import('./phi');
  await startWithKey();
}
"""


def application(folder: Path, files: dict[str, str]) -> Path:
    for name, text in {"package.json": NEXT, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_an_application_that_would_write_under_another_key_is_told_each_file_and_line(tmp_path: Path) -> None:
    files = {
        "src/instrumentation.ts": "import { logger } from '@/lib/logger';\nexport async function register() {}\n",
        "src/lib/security/kms.ts": LOADER,
        "src/lib/security/phi-encryption.ts": CIPHER,
        "node_modules/x/index.js": LOADER,
        "src/lib/security/kms.test.ts": LOADER,
    }
    assert missing_parts(application(tmp_path, files), KeyUse()) == (
        "src/instrumentation.ts:2: register() does not load the data key",
        "src/lib/security/kms.ts:7: can make a data key of its own, which decrypts no earlier record",
        "src/lib/security/kms.ts:2: goes on without a variable that it needs",
        "src/lib/security/kms.ts:3: takes no role by Vercel's OIDC token",
        "src/lib/security/phi-encryption.ts:2: uses ENCRYPTION_KEY: records may be written under either key",
        "src/lib/security/phi-encryption.ts:3: reads with one key only: not the other one in a rotation",
        "package.json: does not name @eonpro/phi, @aws-sdk/client-kms, @vercel/oidc-aws-credentials-provider",
    )
    assert not any("OIDC" in part or "oidc" in part for part in missing_parts(tmp_path, BY_USER))


def test_an_application_with_a_library_of_its_own_lacks_nothing_and_without_its_start_it_lacks_that(
    tmp_path: Path,
) -> None:
    files = {"src/instrumentation.ts": STARTS, "src/phi.ts": OWN_LIBRARY}
    assert missing_parts(application(tmp_path, files), KeyUse()) == ()
    (tmp_path / "src" / "instrumentation.ts").unlink()
    [part] = missing_parts(tmp_path, KeyUse())
    assert part.startswith("instrumentation.ts: does not exist")


def test_an_application_that_reads_no_wrapped_key_is_told_so_and_a_server_without_phi_is_left_alone(
    tmp_path: Path,
) -> None:
    assert missing_parts(application(tmp_path, {"src/page.tsx": "export default null"}), KeyUse()) == (
        f"{tmp_path.name}: no file reads ENCRYPTED_PHI_KEY",
    )
    (tmp_path / "package.json").write_text(json.dumps({"dependencies": {"express": "5"}}))
    assert missing_parts(tmp_path, KeyUse()) == ()


def test_a_server_listens_after_the_key_is_loaded() -> None:
    on_ecs = KeyUse(trusts_vercel=False, builds_with_variables=False)
    parts = missing_parts(FIXTURES / "express", on_ecs)
    assert "server.js:8: the server listens before the data key is loaded" in parts
    assert "lib/records.js:5: uses ENCRYPTION_KEY: records may be written under either key" in parts


@pytest.mark.parametrize(
    ("file", "change", "part"),
    [
        ("package.json", ("npx @eonpro/phi check", "true"), "package.json: the build does not check the variables"),
        ("package.json", ('"@eonpro/phi": "0.2.0",', ""), "package.json: does not name @eonpro/phi"),
        ("instrumentation.js", ("'@eonpro/phi'", "'./phi'"), "instrumentation.js:1: register() does not load"),
        (
            "app/api/patients/route.js",
            ("withKey(async (request", "((async (request"),
            "route.js:3: no withKey() around POST",
        ),
    ],
)
def test_with_the_library_each_part_of_its_use_is_missed(
    tmp_path: Path, file: str, change: tuple[str, str], part: str
) -> None:
    files = {
        str(each.relative_to(FIXTURES / "right")): each.read_text() for each in (FIXTURES / "right").rglob("*.js*")
    }
    assert missing_parts(application(tmp_path, files), KeyUse()) == ()
    (tmp_path / file).write_text(files[file].replace(*change))
    [missed] = missing_parts(tmp_path, KeyUse())
    assert part in missed


@pytest.mark.parametrize(
    ("name", "text", "is_named"),
    [
        ("app/api/a/route.ts", "import '../../../phi';\nexport const GET = withKey(handler);", False),
        ("app/api/a/route.ts", "import '../../../phi';\nconst read = withKey(x);\nexport { read as GET };", False),
        ("app/api/a/route.ts", "import '../../../phi';\nexport { read as GET };", True),
        ("app/api/a/route.ts", "import '../../../phi';\n// export const GET = read;", False),
        ("app/api/a/route.ts", "// import '../../../phi';\nexport const GET = read;", False),
        ("app/api/a/route.ts", "import type { A } from '../../../phi';\nexport const GET = read;", False),
        ("app/api/a/route.ts", "import '@/lib/b';\nexport const GET = read;", True),
        ("pages/api/a.js", "const phi = require('../../phi');\nexport default async function (a, b) {}", True),
        ("pages/a.js", "import '../phi';\nexport default function Page() {}", False),
        ("app/a/page.tsx", "'use client';\nimport '../../phi';\nexport default function Page() {}", False),
        ("app/a/page.tsx", "import '../../phi';\nexport default async function Page() {}", True),
        ("app/actions.ts", "'use server';\nimport '../phi';\nexport async function add() {}", True),
        ("lib/actions.ts", "import '../phi';\nexport async function add() {}", False),
    ],
)
def test_a_handler_is_named_where_it_reaches_phi_and_the_key_may_be_missing(
    tmp_path: Path, name: str, text: str, is_named: bool
) -> None:
    files = {"instrumentation.ts": STARTS, "phi.ts": OWN_LIBRARY, "lib/b.ts": "export * from '../phi';", name: text}
    parts = missing_parts(application(tmp_path, files), KeyUse())
    assert [part.partition(":")[0] for part in parts] == [name] * is_named
    assert missing_parts(tmp_path, BY_USER) == ()


def test_under_other_names_those_are_looked_for(tmp_path: Path) -> None:
    text = OWN_LIBRARY.replace("ENCRYPTED_PHI_KEY,", "CLINIC_KEY,").replace("ENCRYPTED_PHI_KEY;", "CLINIC_KEY;")
    files = {"instrumentation.ts": STARTS, "phi.ts": text}
    names = VariableNames.of(("ENCRYPTED_PHI_KEY=CLINIC_KEY",))
    assert missing_parts(application(tmp_path, files), KeyUse(delivered_names=names)) == ()


def test_a_file_behind_a_link_and_one_that_is_no_text_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder = application(tmp_path / "app", {"instrumentation.ts": STARTS})
    application(tmp_path / "elsewhere", {"kms.ts": LOADER})
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "kms.ts").symlink_to(tmp_path / "elsewhere" / "kms.ts")
    (folder / "other.ts").write_bytes(LOADER.encode("utf-16"))
    assert missing_parts(folder, KeyUse()) == ("app: no file reads ENCRYPTED_PHI_KEY",)


@pytest.mark.parametrize("text", ["`" + "${a} " * 20_000, "/[" * 20_000, "/*" * 20_000, "import {a, b\n" * 5_000])
def test_a_text_with_a_bracket_that_nobody_closes_is_read_once(tmp_path: Path, text: str) -> None:
    started = time.process_time()
    missing_parts(
        application(tmp_path, {"phi.ts": f"process.env.ENCRYPTED_PHI_KEY; createDecipheriv {text}"}), KeyUse()
    )
    # Of the processor; each takes some 0.2 s. With backtracking it would be minutes.
    assert time.process_time() - started < 5
