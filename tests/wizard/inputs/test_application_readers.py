"""What is said of an application's other code that reads the stack's variables, or the key from before."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.wizard.fakes.clients import settings
from wizard.inputs import application_readers
from wizard.inputs.application_readers import SEARCH, ApplicationCode, before_removal, read_code

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


def test_each_other_reader_is_named_with_file_line_and_what_it_gets(tmp_path: Path) -> None:
    others = code(tmp_path, APPLICATION).others(settings())
    assert [(other.place, other.variable) for other in others] == [
        ("src/lib/s3Config.ts:2", "AWS_REGION"),
        ("src/lib/s3Config.ts:3", "AWS_KMS_KEY_ID"),
        ("src/lib/ses.ts:2", "AWS_REGION"),
    ]
    region, key, _ = (other.line for other in others)
    assert region.endswith("reads AWS_REGION too: it gets us-east-1")
    assert "S3 refuses uploads with AES256 (InvalidArgument)" in key


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.ts", "const x = 1;\nconst r = process.env.AWS_REGION;", 2),
        ("a.ts", "const r = process.env['AWS_REGION'];", 1),
        ("a.ts", "const r = process.env?.AWS_REGION ?? 'us-east-1';", 1),
        ("a.ts", "const {\n  PORT,\n  AWS_REGION: region = 'x',\n} = process.env;", 3),
        ("a.ts", "const { AWS_REGION } = process.env as NodeJS.ProcessEnv;", 1),
        ("a.ts", "const needed = ['PORT', 'AWS_REGION'];\nneeded.map((n) => process.env[n]);", 1),
        ("a.tsx", "if (process.env.AWS_REGION === 'us-east-1') {}", 1),
        ("a.ts", "const r = z.object({ AWS_REGION: z.string() }).parse(process.env);\nuse(r.AWS_REGION);", 2),
        ("next.config.js", "module.exports = {\n  env: { AWS_REGION: process.env.AWS_REGION },\n};", 2),
        ("a.py", "import os\nr = os.environ.get('AWS_REGION')", 2),
        ("schema.prisma", 'datasource db {\n  url = env("AWS_REGION")\n}', 2),
        ("run.sh", "#!/bin/sh\naws s3 ls --region ${AWS_REGION}", 2),
        ("package.json", '{"scripts": {"up": "aws s3 sync . --region $AWS_REGION"}}', 1),
        ("docker-compose.yml", "services:\n  web:\n    environment:\n      - AWS_REGION", 4),
    ],
)
def test_a_reader_is_found_with_its_line(tmp_path: Path, name: str, text: str, line: int) -> None:
    [other] = code(tmp_path, {"Dockerfile": "", f"src/{name}": text}).others(settings())
    assert other.place == f"src/{name}:{line}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.ts", "// process.env.AWS_REGION"),
        ("a.ts", "/*\n * process.env.AWS_REGION\n */"),
        ("a.ts", "use(process.env.AWS_REGION_OTHER, process.env.MY_AWS_REGION);"),
        ("a.ts", "const AWS_REGION = 'us-east-1';"),
        ("env.ts", "export default z.object({\n  AWS_REGION: z.string() });"),
        ("a.py", "class Settings(BaseSettings):\n    AWS_REGION: str"),
        (".env", "export AWS_REGION='us-east-2'"),
        (".env.example", "AWS_REGION"),
        ("compose.yaml", "services:\n  web:\n    environment:\n      AWS_REGION: us-east-2"),
        ("run.sh", "# $AWS_REGION"),
        ("README.md", "process.env.AWS_REGION"),
        ("types.d.ts", "process.env.AWS_REGION"),
        ("a.test.ts", "process.env.AWS_REGION"),
        ("test_a.py", "os.environ['AWS_REGION']"),
        ("node_modules/x/index.js", "process.env.AWS_REGION"),
        (".next/server/app.js", "process.env.AWS_REGION"),
        ("e2e/a.ts", "process.env.AWS_REGION"),
        ("infra/kms/wizard/a.py", "os.environ['AWS_REGION']"),
        ("key.ts", "new KMSClient({ region: process.env.AWS_REGION })"),
    ],
)
def test_what_only_looks_like_another_reader_is_none(tmp_path: Path, name: str, text: str) -> None:
    files = {"Dockerfile": "", "infra/kms/Pulumi.yaml": "name: eonpro-kms\nruntime: python\n", name: text}
    assert code(tmp_path, files).others(settings()) == ()


def test_no_link_is_followed_and_no_pipe_is_waited_for(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.ts").write_text("process.env.AWS_REGION")
    folder = tmp_path / "application"
    files = {"Dockerfile": "", "a.ts": "process.env.AWS_KMS_KEY_ID"}
    code(folder, files)
    (folder / "linked").symlink_to(outside)
    (folder / "secret.ts").symlink_to(outside / "secret.ts")
    (folder / "loop").symlink_to(folder)
    (folder / "broken.ts").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.ts")
    read = code(folder, files)
    assert ([each.place for each in read.others(settings())], read.unread) == (["a.ts:1"], ())


def test_what_was_not_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = code(
        tmp_path,
        {
            "Makefile": "",
            "requirements.txt": "",
            "big.ts": "process.env.AWS_REGION" + " " * application_readers.LARGEST,
            "small.ts": "process.env.AWS_REGION",
        },
    )
    assert [each.file for each in read.named] == ["small.ts"]
    assert read.unread == ("not read, larger than 1 MB or unreadable: big.ts",)
    times = iter([0.0, 0.0, 9.0])
    slow = read_code(tmp_path, settings(), clock=lambda: next(times))
    assert slow is not None and "first 5 s only" in slow.unread[-1]
    monkeypatch.setattr(application_readers, "MOST_FILES", 1)
    assert "first 1 files only" in code(tmp_path, {}).unread[-1]


def test_text_that_no_decoder_or_pattern_likes_ends_at_once(tmp_path: Path) -> None:
    files = {
        "Dockerfile": "",
        "a.ts": "AWS_REGION " + "{" * 50_000 + "'" * 50_001 + "`" * 50_001 + "/*" * 50_000,
        "c.ts": "const {" + "a, " * 100_000 + "AWS_REGION = 1",
        "d.ts": "AWS_REGION" + " " * 200_000 + "\n" + "x." * 100_000,
    }
    (tmp_path / "b.ts").write_bytes(b"\xff\xfe process.env.AWS_REGION \x00")
    started = time.process_time()
    assert "b.ts:1" in [each.place for each in code(tmp_path, files).others(settings())]
    # Of the processor, so that a busy machine fails nothing.
    assert time.process_time() - started < 4


def test_before_a_former_key_is_removed_each_reader_is_named(tmp_path: Path) -> None:
    words, command = before_removal(code(tmp_path, APPLICATION))
    assert command == ""
    for said in (
        "src/env.ts:2: names ENCRYPTION_KEY: what it encrypted stays encrypted, and it may fail without its key",
        "src/lib/two-factor.ts:1: names ENCRYPTION_KEY",
        "src/lib/cards.ts:1: names PHI_ENCRYPTION_KEY",
    ):
        assert said in words
    (tmp_path / "clean").mkdir()
    words, command = before_removal(code(tmp_path / "clean", {"package.json": "{}"}))
    assert words.startswith("Nothing in ") and command == ""


def test_without_the_applications_folder_the_search_is_a_command_to_paste(tmp_path: Path) -> None:
    assert read_code(tmp_path, settings()) is None
    words, command = before_removal(None)
    assert "First look for other code" in words and command == SEARCH
    assert command.startswith("grep -rnwE 'ENCRYPTION_KEY|PHI_ENCRYPTION_KEY' ") and command.endswith(" .")


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
