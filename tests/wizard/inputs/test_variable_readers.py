"""Which files of an application read a variable: every way to write it, and nothing that only looks like it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from wizard.inputs import variable_readers
from wizard.inputs.variable_readers import FoundReaders, How, find_readers

REGION, KEY, FORMER = "AWS_REGION", "AWS_KMS_KEY_ID", "ENCRYPTION_KEY"


def put(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def read(folder: Path, *variables: str) -> FoundReaders:
    return find_readers(folder, variables or (REGION, KEY, FORMER))


@pytest.mark.parametrize(
    ("name", "text", "line", "how"),
    [
        ("a.ts", "const x = 1;\nconst r = process.env.AWS_REGION;", 2, How.READS),
        ("a.ts", "const r = process.env['AWS_REGION'];", 1, How.READS),
        ("a.ts", 'const r = process.env["AWS_REGION"]!;', 1, How.READS),
        ("a.ts", "const r = process.env?.AWS_REGION ?? 'us-east-1';", 1, How.READS),
        ("a.ts", "const e = process.env;\n\nuse(e.AWS_REGION);", 3, How.READS),
        ("a.mjs", "const r = import.meta.env.AWS_REGION", 1, How.READS),
        ("a.ts", "const {\n  PORT,\n  AWS_REGION: region = 'x',\n} = process.env;", 3, How.READS),
        ("a.ts", "const { AWS_REGION } = process.env as NodeJS.ProcessEnv;", 1, How.READS),
        ("a.ts", "import { env } from '@/env';\nuse(env.AWS_REGION);", 2, How.READS),
        ("a.ts", "const needed = ['PORT', 'AWS_REGION'];\nneeded.map((n) => process.env[n]);", 1, How.READS),
        (
            "a.ts",
            "const r = needed('AWS_REGION');\nfunction needed(n) { return process.env[n]; }",
            1,
            How.READS,
        ),
        ("a.tsx", "<p>don't</p>;\nuse(`in ${process.env.AWS_REGION}`);", 2, How.READS),
        ("a.ts", "const u = 'https://x/y'; use(process.env.AWS_REGION);", 1, How.READS),
        ("a.ts", "/* a\n b */ use(process.env.AWS_REGION);", 2, How.READS),
        (
            "env.ts",
            "import { z } from 'zod';\nexport default z.object({\n  AWS_REGION: z.string() });",
            3,
            How.DECLARES,
        ),
        ("env.mjs", "export const env = createEnv({ server: { AWS_REGION: z.string() } });", 1, How.DECLARES),
        ("next.config.js", "module.exports = {\n  env: { AWS_REGION: process.env.AWS_REGION },\n};", 2, How.PUBLISHES),
        ("a.py", "import os\nr = os.environ.get('AWS_REGION')", 2, How.READS),
        ("a.py", 'from os import getenv\nr = getenv("AWS_REGION")', 2, How.READS),
        ("schema.prisma", 'datasource db {\n  url = env("AWS_REGION")\n}', 2, How.READS),
        ("run.sh", "#!/bin/sh\naws s3 ls --region ${AWS_REGION}", 2, How.READS),
        ("package.json", '{"scripts": {"up": "aws s3 sync . --region $AWS_REGION"}}', 1, How.READS),
        (".env", "A=1\nexport AWS_REGION='us-east-2'", 2, How.SETS),
        (".env.production", "AWS_REGION=us-east-2", 1, How.SETS),
        ("Dockerfile", "FROM node\nENV A=1 AWS_REGION=us-east-2", 2, How.SETS),
        ("Dockerfile", "FROM node\nARG AWS_REGION", 2, How.SETS),
        ("docker-compose.yml", "services:\n  web:\n    environment:\n      - AWS_REGION", 4, How.PASSES),
        ("compose.yaml", "services:\n  web:\n    environment:\n      AWS_REGION: us-east-2", 4, How.PASSES),
    ],
)
def test_a_reader_is_found_with_its_line(tmp_path: Path, name: str, text: str, line: int, how: How) -> None:
    put(tmp_path, f"src/{name}", text)
    assert [(each.file, each.line, each.how) for each in read(tmp_path, REGION).readers] == [(f"src/{name}", line, how)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.ts", "// process.env.AWS_REGION"),
        ("a.ts", "/*\n * process.env.AWS_REGION\n */"),
        ("a.ts", "throw new Error('AWS_REGION is not set');"),
        ("a.ts", "use(process.env.AWS_REGION_OTHER, process.env.MY_AWS_REGION);"),
        ("a.ts", "const AWS_REGION = 'us-east-1';"),
        ("a.py", "# os.environ['AWS_REGION']"),
        (".env", "#AWS_REGION=us-east-2\nAWS_REGION="),
        (".env.example", "AWS_REGION=us-east-2"),
        (".env.local", "AWS_REGION=us-east-2"),
        ("run.sh", "# $AWS_REGION"),
        ("README.md", "process.env.AWS_REGION"),
        ("types.d.ts", "process.env.AWS_REGION"),
        ("a.test.ts", "process.env.AWS_REGION"),
        ("test_a.py", "os.environ['AWS_REGION']"),
        ("node_modules/x/index.js", "process.env.AWS_REGION"),
        (".next/server/app.js", "process.env.AWS_REGION"),
        ("dist/app.js", "process.env.AWS_REGION"),
        ("e2e/a.ts", "process.env.AWS_REGION"),
        ("infra/kms/wizard/a.py", "os.environ['AWS_REGION']"),
    ],
)
def test_what_only_looks_like_a_reader_is_none(tmp_path: Path, name: str, text: str) -> None:
    put(tmp_path, "infra/kms/Pulumi.yaml", "name: eonpro-kms\nruntime: python\n")
    put(tmp_path, name, text)
    assert read(tmp_path, REGION) == FoundReaders()


def test_what_it_prefers_and_what_it_does_without_the_variable_is_read_from_the_lines(tmp_path: Path) -> None:
    put(tmp_path, "a.ts", "const r = process.env.AWS_S3_REGION || process.env.AWS_REGION || 'us-east-1';")
    put(tmp_path, "b.ts", "const k = process.env.ENCRYPTION_KEY;\nif (!k) {\n  throw new Error('missing');\n}")
    put(tmp_path, "c.ts", "const k = process.env.ENCRYPTION_KEY;\nif (!k) return null;\nthrow new Error('later');")
    put(tmp_path, "d.ts", "const k = process.env.ENCRYPTION_KEY;\nuse(k);")
    found = {each.file: each for each in read(tmp_path).readers}
    assert (found["a.ts"].preferred, found["a.ts"].without) == ("AWS_S3_REGION", "goes on with another value")
    assert [found[name].without for name in ("b.ts", "c.ts", "d.ts")] == ["throws", "answers null", ""]


def test_no_link_is_followed_and_no_pipe_is_waited_for(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    put(outside, "secret.ts", "process.env.AWS_REGION")
    folder = tmp_path / "application"
    put(folder, "a.ts", "process.env.AWS_KMS_KEY_ID")
    (folder / "linked").symlink_to(outside)
    (folder / "secret.ts").symlink_to(outside / "secret.ts")
    (folder / "loop").symlink_to(folder)
    (folder / "broken.ts").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.ts")
    assert [each.place for each in read(folder).readers] == ["a.ts:1"]
    assert read(folder).unread == ()
    assert read(tmp_path / "missing") == FoundReaders()


def test_what_was_not_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "big.ts", "process.env.AWS_REGION" + " " * variable_readers.LARGEST)
    put(tmp_path, "small.ts", "process.env.AWS_REGION")
    found = read(tmp_path)
    assert [each.file for each in found.readers] == ["small.ts"]
    assert found.unread == ("not read, larger than 1 MB or unreadable: big.ts",)
    monkeypatch.setattr(variable_readers, "MOST_FILES", 1)
    assert "first 1 files only" in read(tmp_path).unread[-1]
    monkeypatch.undo()
    times = iter([0.0, 0.0, 9.0])
    slow = find_readers(tmp_path, (REGION,), clock=lambda: next(times))
    assert "first 5 s only" in slow.unread[-1]


def test_text_that_no_decoder_or_pattern_likes_ends_at_once(tmp_path: Path) -> None:
    put(tmp_path, "a.ts", "AWS_REGION " + "{" * 50_000 + "'" * 50_001 + "`" * 50_001 + "/*" * 50_000)
    (tmp_path / "b.ts").write_bytes(b"\xff\xfe process.env.AWS_REGION \x00")
    put(tmp_path, "c.ts", "const {" + "a, " * 100_000 + "AWS_REGION = 1")
    put(tmp_path, "d.ts", "AWS_REGION" + " " * 200_000 + "\n" + "x." * 100_000)
    started = time.process_time()
    assert "b.ts" in [each.file for each in read(tmp_path).readers]
    # Of the processor, so that a busy machine fails nothing.
    assert time.process_time() - started < 4
