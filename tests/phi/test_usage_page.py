"""The usage pages, docs/phi.md and docs/phi/: their examples run unchanged against an emulated KMS; they are complete.

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

import eonpro_phi.errors
from eonpro_phi.__main__ import main
from eonpro_phi.errors import PhiError, TerminalUnwrapError, TransientUnwrapError, UnwrapError

PROJECT = Path(__file__).parents[2]
PAGES = [PROJECT / "docs" / "phi.md", *sorted((PROJECT / "docs" / "phi").glob("*.md"))]
WITH_EXAMPLES = [page for page in PAGES if re.search(r"^```pycon$", page.read_text(), re.MULTILINE)]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w/]+\.py)\n")
STEP = "# step "
"""The beginning of what tests/phi/reencryption/test_move_by_the_page.py runs."""

# In a process of its own: a page can configure Django, and its examples share one namespace, in their order.
RUNNER = """
import doctest, json, pathlib, sys

names = {"__name__": "docs_phi"}
page = sys.argv[1]
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
        test = doctest.DocTestParser().get_doctest(source, names, page, page, line)
        checker.run(test, clear_globs=False)
        names.update(test.globs)
    else:
        exec(compile("\\n" * line + source, page, "exec"), names)
print(json.dumps(checker.summarize(verbose=False)))
"""


def blocks(page: Path, *kinds: str) -> list[tuple[str, int, str]]:
    """The page's code blocks of these kinds: kind, the number of lines above its source, source."""
    text = page.read_text()
    code = [(each[1], text.count("\n", 0, each.start(2)), each[2]) for each in BLOCK.finditer(text)]
    return [block for block in code if block[0] in kinds]


def headings(page: Path) -> set[str]:
    """The anchors of the page's headings."""
    lines = [line for line in page.read_text().splitlines() if line.startswith(("## ", "### "))]
    return {re.sub(r"[^\w -]", "", line.lstrip("#")[1:]).lower().replace(" ", "-") for line in lines}


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
        "PYTHONPATH": os.pathsep.join([str(PROJECT), "."]),
    }


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: page.stem)
def test_every_python_example_runs_unchanged(page: Path, service: dict[str, str], tmp_path: Path):
    steps = [
        (kind, line, file[1] if (file := FILE.match(source)) else None, source)
        for kind, line, source in blocks(page, "pycon", "python")
        if not source.startswith(STEP)
    ]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, page.relative_to(PROJECT).as_posix()],
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
    assert attempted == sum(source.count(">>>") for _, _, source in blocks(page, "pycon")) > 0


def test_the_commands_have_the_options_that_the_pages_give_them(capsys: pytest.CaptureFixture[str]):
    consoles = [source for page in PAGES for _, _, source in blocks(page, "console")]
    lines = [line for source in consoles for line in source.splitlines() if " -m eonpro_phi " in line]
    named = [name for page in PAGES for name in re.findall(r"`python -m eonpro_phi (\w+)`", page.read_text())]
    assert lines and named
    for command, line in [
        *((re.match(r"[a-z ]+", text.split(" -m eonpro_phi ")[1])[0].split(), text) for text in lines),  # type: ignore[index]
        *(([name], "") for name in named),
    ]:
        with pytest.raises(SystemExit) as ended:
            main([*command, "--help"])
        output = capsys.readouterr().out
        assert ended.value.code == 0
        assert [option for option in re.findall(r"--[\w-]+", line) if option not in output] == []


def test_the_table_of_errors_names_each_of_them_and_no_other():
    kinds = {PhiError, UnwrapError, TransientUnwrapError, TerminalUnwrapError}
    raised = {
        name
        for name, kind in inspect.getmembers(eonpro_phi.errors, inspect.isclass)
        if issubclass(kind, PhiError) and kind not in kinds
    }
    page = PROJECT / "docs" / "phi" / "encrypt.md"
    rows = [line.split("|")[1] for line in page.read_text().splitlines() if re.match(r"\| `[A-Z]", line)]
    assert sorted(re.findall(r"`([A-Z]\w+)`", "".join(rows))) == sorted(raised)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_links_to_on_these_pages_is_there(page: Path):
    links = re.findall(r"\]\(([\w/-]+\.md)?#([\w-]+)\)", page.read_text())
    targets = [(page.parent / name if name else page, anchor) for name, anchor in links]
    assert [(file.name, anchor) for file, anchor in targets if file in PAGES and anchor not in headings(file)] == []
