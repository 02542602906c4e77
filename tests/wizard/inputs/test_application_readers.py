"""What is said of an application's other code that reads the stack's variables, or the key from before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.wizard.fakes.clients import settings
from wizard.inputs.application_readers import ApplicationCode, before_removal, read_code, search_command

KMS = """import { KMSClient } from '@aws-sdk/client-kms';
const kms = new KMSClient({ region: process.env.AWS_REGION });
export const keyId = process.env.AWS_KMS_KEY_ID;
"""
S3 = """export const s3Config = {
  region: process.env.AWS_S3_REGION || process.env.AWS_REGION || 'us-east-1',
  kmsKeyId: process.env.AWS_KMS_KEY_ID,
};
"""
"""As the application's S3 client reads them, written for this test."""
APPLICATION = {
    "package.json": json.dumps({"dependencies": {"next": "16"}}),
    "src/env.ts": "import { z } from 'zod';\nz.object({ AWS_REGION: z.string(), ENCRYPTION_KEY: z.string() });",
    "src/lib/kms-client.ts": KMS,
    "src/lib/phi.ts": "const wrapped = process.env.ENCRYPTED_PHI_KEY;\nconst keyId = process.env.AWS_KMS_KEY_ID;",
    "src/lib/s3Config.ts": S3,
    "src/lib/ses.ts": "import { SESClient } from 'aws';\nnew SESClient({ region: process.env.AWS_REGION });",
    "src/lib/two-factor.ts": "const key = process.env.ENCRYPTION_KEY;\nif (!key) throw new Error('no key');",
    "src/lib/cards.ts": "const key = process.env.PHI_ENCRYPTION_KEY;\nif (!key) return null;",
}


def code(folder: Path, files: dict[str, str], **changes: object) -> ApplicationCode:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    read = read_code(folder, settings(**changes))
    assert read is not None
    return read


def test_each_other_reader_is_named_with_file_line_and_what_changes_for_it(tmp_path: Path) -> None:
    others = code(tmp_path, APPLICATION).others(settings())
    assert [(other.place, other.variable, other.is_harmed) for other in others] == [
        ("src/lib/s3Config.ts:2", "AWS_REGION", False),
        ("src/lib/s3Config.ts:3", "AWS_KMS_KEY_ID", True),
        ("src/lib/ses.ts:2", "AWS_REGION", False),
    ]
    region, key, ses = (other.line for other in others)
    assert "S3 asks in us-east-1" in region and region.endswith("unless AWS_S3_REGION is set")
    assert "refuses every upload with AES256 (InvalidArgument)" in key
    assert "SES sends from us-east-1" in ses


def test_under_other_names_nothing_is_shared(tmp_path: Path) -> None:
    names = ("AWS_REGION=EONPRO_AWS_REGION", "AWS_KMS_KEY_ID=EONPRO_KMS_KEY_ID")
    assert code(tmp_path, APPLICATION, variable_names=names).others(settings(variable_names=names)) == ()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("s3.ts", "new S3Client({}); put({ ServerSideEncryption: 'AES256', k: process.env.AWS_KMS_KEY_ID })", "AES256"),
        ("jobs.ts", "sign(process.env.AWS_KMS_KEY_ID)", "nothing but PHI"),
        ("next.config.js", "module.exports = { env: { AWS_KMS_KEY_ID: process.env.AWS_KMS_KEY_ID } }", "browsers"),
        ("compose.yaml", "services:\n  worker:\n    environment:\n      - AWS_KMS_KEY_ID", "passes AWS_KMS_KEY_ID on"),
        (".env.production", "AWS_KMS_KEY_ID=alias/uploads", "the platform's value counts"),
    ],
)
def test_what_changes_depends_on_what_the_file_does(tmp_path: Path, name: str, text: str, words: str) -> None:
    [other] = code(tmp_path, {"package.json": "{}", name: text}).others(settings())
    assert words in other.line


def test_before_a_former_key_is_removed_each_reader_is_named_with_what_happens_to_it(tmp_path: Path) -> None:
    words, command = before_removal(code(tmp_path, APPLICATION))
    assert command == ""
    for said in (
        "src/env.ts:2: requires ENCRYPTION_KEY",
        "src/lib/two-factor.ts:1: reads ENCRYPTION_KEY, for two-factor secrets: without it it throws",
        "src/lib/cards.ts:1: reads PHI_ENCRYPTION_KEY, for cards: without it it answers null",
    ):
        assert said in words
    (tmp_path / "clean").mkdir()
    words, command = before_removal(code(tmp_path / "clean", {"package.json": "{}"}))
    assert words.startswith("Nothing in ") and command == ""


def test_without_the_applications_folder_the_search_is_a_command_to_paste(tmp_path: Path) -> None:
    assert read_code(tmp_path, settings()) is None
    words, command = before_removal(None)
    assert "First look for other code" in words and command == search_command()
    assert command.startswith("grep -rnwE 'ENCRYPTION_KEY|PHI_ENCRYPTION_KEY' ") and command.endswith(" .")


def test_whether_anything_reads_the_hash_key_is_known(tmp_path: Path) -> None:
    assert not code(tmp_path, APPLICATION).reads("ENCRYPTED_PHI_HASH_KEY")
    more = {**APPLICATION, "src/hash.ts": "const wrapped = process.env.ENCRYPTED_PHI_HASH_KEY;"}
    assert code(tmp_path, more).reads("ENCRYPTED_PHI_HASH_KEY")


def test_a_file_name_of_somebody_else_is_one_line(tmp_path: Path) -> None:
    [other] = code(tmp_path, {"package.json": "{}", "a\nb.ts": "sign(process.env.AWS_KMS_KEY_ID)"}).others(settings())
    assert "\n" not in other.line


PHI = '{"dependencies": {"@eonpro/phi": "0.2.0"}, "scripts": {"build": "next build"}}'


def test_the_library_reads_every_variable_by_itself_in_node_as_in_python(tmp_path: Path) -> None:
    for name, file in (("package.json", PHI), ("requirements.txt", "eonpro-phi==0.2.0\n")):
        folder = tmp_path / name
        folder.mkdir()
        assert code(folder, {name: file}).reads("ENCRYPTED_PHI_HASH_KEY")


@pytest.mark.parametrize(
    "files",
    [
        {"package.json": PHI.replace("next build", "npx @eonpro/phi check && next build")},
        {"package.json": PHI, "Dockerfile": 'CMD ["sh", "-c", "npx @eonpro/phi check && exec node server.js"]'},
        {"package.json": PHI.replace("next build", "phi check && next build")},
        {"package.json": PHI, "Dockerfile": 'CMD ["sh", "-c", "node_modules/.bin/phi check && exec node server.js"]'},
        {"package.json": PHI, "Dockerfile.web": 'RUN ["phi", "check"]'},
        {"requirements.txt": "eonpro-phi\n", "entrypoint.sh": "python -m eonpro_phi check && exec gunicorn clinic\n"},
        {"requirements.txt": "eonpro-phi\n", "Procfile": "web: python -m eonpro_phi check && gunicorn clinic\n"},
    ],
)
def test_a_check_of_the_key_before_the_start_is_seen_where_it_stands(tmp_path: Path, files: dict[str, str]) -> None:
    read = code(tmp_path, files)
    assert (read.checks_key, read.lacks_check) == (True, False)


def test_without_the_library_it_is_not_known_whether_a_check_is_missing(tmp_path: Path) -> None:
    read = code(tmp_path, {"package.json": '{"scripts": {"build": "graphi checkout"}}'})
    assert (read.checks_key, read.lacks_check) == (False, False)
    assert code(tmp_path, {"package.json": PHI}).lacks_check
