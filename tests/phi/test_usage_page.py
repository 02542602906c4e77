"""The usage page, docs/phi.md: its examples run unchanged against an emulated KMS, and it is complete.

Touches a folder of its own and a port of this machine.
"""

from __future__ import annotations

import base64
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

import phi.errors
from phi import PhiCipher
from phi.__main__ import main
from phi.errors import PhiError, TerminalUnwrapError, TransientUnwrapError, UnwrapError

PAGE = Path(__file__).parents[2] / "docs" / "phi.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w/]+\.py)\n")
ON_SPARK = "# on Spark\n"
"""The first line of what tests/phi/spark runs."""

# In a process of its own: the page configures Django, and its examples share one namespace, in their order.
RUNNER = """
import doctest, json, pathlib, sys

names = {"__name__": "docs_phi"}
checker = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL, verbose=False)
for kind, line, file, source in json.load(sys.stdin):
    if file:
        path = pathlib.Path(file)
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
        if path.name == "models.py":  # what `manage.py migrate` does
            import os, django
            os.environ["DJANGO_SETTINGS_MODULE"] = "clinic.settings"
            django.setup()
            from django.apps import apps
            from django.db import connection
            with connection.schema_editor() as editor:
                for model in apps.get_models():
                    editor.create_model(model)
    elif kind == "pycon":
        test = doctest.DocTestParser().get_doctest(source, names, "docs/phi.md", "docs/phi.md", line)
        checker.run(test, clear_globs=False)
        names.update(test.globs)
    else:
        exec(compile("\\n" * line + source, "docs/phi.md", "exec"), names)
print(json.dumps(checker.summarize(verbose=False)))
"""


def blocks(*kinds: str) -> list[tuple[str, int, str]]:
    """The page's code blocks of these kinds: kind, the number of lines above its source, source."""
    text = PAGE.read_text()
    code = [(each[1], text.count("\n", 0, each.start(2)), each[2]) for each in BLOCK.finditer(text)]
    return [block for block in code if block[0] in kinds]


@pytest.fixture(scope="module")
def service(moto_url: str) -> dict[str, str]:
    """The environment of a service whose data key is about to be replaced."""
    credentials = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    kms = boto3.client("kms", region_name="us-east-1", endpoint_url=moto_url, **credentials)
    key = kms.create_key()["KeyMetadata"]["Arn"]
    former, new = (
        kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")["CiphertextBlob"] for _ in range(2)
    )
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DJANGO_"))},
        "AWS_ENDPOINT_URL": moto_url,
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "s3cret",
        "AWS_REGION": "us-east-1",
        "AWS_KMS_KEY_ID": key,
        "ENCRYPTED_PHI_KEY": base64.b64encode(former).decode(),
        "NEW_ENCRYPTED_PHI_KEY": base64.b64encode(new).decode(),
        "PYTHONPATH": os.pathsep.join([str(PAGE.parents[1]), "."]),
    }


def test_every_python_example_runs_unchanged(service: dict[str, str], tmp_path: Path):
    steps = [
        (kind, line, file[1] if (file := FILE.match(source)) else None, source)
        for kind, line, source in blocks("pycon", "python")
        if not source.startswith(ON_SPARK)
    ]
    # The job on Spark is not run here; the module that it imports is.
    steps.append(("python", 0, None, "import clinic_keys as k; k.new_key().encrypt('a'), k.old_key().encrypt('a')"))
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps(steps),
        cwd=tmp_path,
        env=service,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    failed, attempted, *_ = json.loads(done.stdout.splitlines()[-1])
    assert failed == 0, done.stdout
    assert attempted == sum(source.count(">>>") for _, _, source in blocks("pycon")) > 20


@pytest.mark.needs("node")
def test_the_node_example_and_python_read_one_another_s_records(tmp_path: Path):
    ((_, _, source),) = blocks("js")
    key, texts = bytes(range(32)), ["Jane", "Jöhn Dœ, 患者 🩺", "a" * 1000]
    module = tmp_path / "record.mjs"
    module.write_text(source)
    program = """
        const { encrypt, decrypt } = await import(process.argv[1]);
        const { key, records, texts } = JSON.parse((await import("node:fs")).readFileSync(0, "utf8"));
        const bytes = Buffer.from(key, "hex");
        const read = records.map((record) => decrypt(record, bytes));
        console.log(JSON.stringify([read, texts.map((text) => encrypt(text, bytes))]));
    """
    arguments = {"key": key.hex(), "records": PhiCipher(key).encrypt_many(texts), "texts": texts}
    command = ["node", "--input-type=module", "-e", program, str(module)]
    done = subprocess.run(command, input=json.dumps(arguments), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    read, written = json.loads(done.stdout)
    assert read == texts == PhiCipher(key).decrypt_many(written)


def test_the_commands_have_the_options_that_the_page_gives_them(capsys: pytest.CaptureFixture[str]):
    lines = [line for _, _, source in blocks("console") for line in source.splitlines() if " -m phi " in line]
    named = re.findall(r"`python -m phi (\w+)`", PAGE.read_text())
    assert lines and named
    for command, line in [
        *((text.split(" -m phi ")[1].split()[0], text) for text in lines),
        *((n, "") for n in named),
    ]:
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        output = capsys.readouterr().out
        assert ended.value.code == 0
        assert [option for option in re.findall(r"--[\w-]+", line) if option not in output] == []


def test_the_table_of_errors_names_each_of_them_and_no_other():
    kinds = {PhiError, UnwrapError, TransientUnwrapError, TerminalUnwrapError}
    raised = {
        name
        for name, kind in inspect.getmembers(phi.errors, inspect.isclass)
        if issubclass(kind, PhiError) and kind not in kinds
    }
    rows = [line.split("|")[1] for line in PAGE.read_text().splitlines() if re.match(r"\| `[A-Z]", line)]
    assert sorted(re.findall(r"`([A-Z]\w+)`", "".join(rows))) == sorted(raised)


def test_what_the_page_links_to_on_itself_is_there():
    text = PAGE.read_text()
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("#")[1:]).lower().replace(" ", "-")
        for line in text.splitlines()
        if line.startswith(("## ", "### "))
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= headings
