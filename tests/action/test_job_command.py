"""What the action runs: `pulumi preview` and `pulumi up` in every spelling with the guardrails, nothing else of Pulumi.

The names and forms of the options are those of the engine's own help.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import job_command
from job_command import OPTIONS, Refused, words
from tools.bootstrap.places import HERE

PACKAGE = ".venv/lib/python3.13/site-packages/eonpro_kms"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / 'the "clinic", main'
    (folder / PACKAGE).mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    "command",
    [
        *("preview", "pre --diff", "up --yes", "update --yes", "up -y -f", "-C . up", "--cwd . up", "--cwd=. update"),
        *("--logtostderr up", "--logtostderr -v 9 --logflow up --yes", "--color always up", "-Q -e preview"),
        *("up --yes --skip-preview --plan plan.json", "preview --diff --save-plan plan.json", "up --refresh=true"),
        *("up --message 'import destroy' --target urn:x", "--verbose=3 pre --stack import", "up -r -t 'a b'"),
        *("up --policy-pack other", "preview --expect-no-changes -p 1"),
    ],
)
def test_every_spelling_of_a_preview_and_an_update_has_the_guardrails(project: Path, command: str) -> None:
    made = words(f"pulumi {command}", "production", project)
    assert made[0] == "pulumi"
    pack = made[made.index("--non-interactive") :]
    quoted = str(project / PACKAGE / "guardrails").replace('"', '""')
    assert pack == ["--non-interactive", "--color", "never", "--policy-pack", f'"{quoted}"']
    assert made[-7:-5] == ["--stack", "production"]


REFUSED = """
import aws:kms/key:Key k id
destroy --yes
refresh --yes
stack rm --force
state delete x
watch
config set x y
new
install
plugin install resource aws
login s3://other
policy enable x
-h
-C . import
--yes import up
-y destroy
--logtostderr
--help
up https://example.org/program
up aws-python
up destroy
-- up
up -- --yes
up -
-C . -- import
--diff import up
up --replace urn
up --target-replace urn
up --ignore-protect
up --client 127.0.0.1:1
up --remote
up --config-file other.yaml
up -c aws:region=x
up --show-secrets
up --exec-kind x
up -yf
up -C.
up --attach-debugger
up --disable-integrity-checking
up --policy-pack-config x
up --secrets-provider x
up --message
up -s
up --policy-pack
--cwd
-C
up --Yes
Up
up --yes='a
up 'preview
"""


@pytest.mark.parametrize("command", ["", *REFUSED.split("\n")[1:-1]])
def test_anything_else_of_pulumi_is_refused_with_words(project: Path, command: str) -> None:
    with pytest.raises(Refused, match="pulumi|cannot be read"):
        words(f"pulumi {command}", "production", project)


def test_a_command_of_eonpro_kms_is_run_by_the_projects_program(project: Path) -> None:
    made = words("report --prepared-by 'Ann O Nymous'", "production", project)
    assert made[:3] == [".venv/bin/eonpro-kms", "report", "--prepared-by"] and made[3] == "Ann O Nymous"
    assert made[4:] == ["--json", "--non-interactive", "--stack", "production"]
    assert words("schema doctor", "", project)[-1] == "--non-interactive"


@pytest.mark.parametrize("command", ["", " ", "--yes", "'' status"])
def test_without_a_command_nothing_is_set_up(project: Path, command: str) -> None:
    with pytest.raises(Refused, match="has to begin with a command"):
        words(command, "production", project)


def test_without_the_guardrails_there_is_no_update(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"\.venv has no eonpro-kms"):
        words("pulumi up", "production", tmp_path)


def test_the_options_are_those_of_the_engine_in_their_forms() -> None:
    """An option that took a value, or none, against this table would let another word be the command."""
    texts = [
        subprocess.run([str(HERE.engine()), verb, "--help"], capture_output=True, text=True, check=True).stdout
        for verb in ("up", "preview")
    ]
    known: dict[str, bool] = {"--plan": True}  # The engine does not show it before it is told to.
    for text in texts:
        for short, name, value in re.findall(r"(?m)^  (?:  |(-\w), |    )\s*(--[\w-]+)(?: (\S+))?  ", text):
            # `string[="true"]` may have a value after `=` alone.
            known |= dict.fromkeys(filter(None, (short, name)), bool(value) and "[=" not in value)
    assert {name: known.get(name) for name in OPTIONS} == OPTIONS


def run(folder: Path, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(Path(job_command.__file__)), *argv]
    environment = {"PATH": os.defpath, "HOME": str(folder), **environment}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_words_are_written_for_the_shell_and_a_refusal_for_the_runner(project: Path) -> None:
    done = run(project, "words", COMMAND="status --log 'a\nb'", STACK="production")
    assert done.stdout.split("\0")[:4] == [".venv/bin/eonpro-kms", "status", "--log", "a\nb"]
    done = run(project, "words", COMMAND="pulumi destroy '\n::set-output name=x::y'", STACK="production")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("::error::`pulumi destroy") and done.stderr.count("\n") == 1


def test_requirements_with_another_index_are_refused_before_pip_reads_them(project: Path) -> None:
    file = project / "requirements.txt"
    file.write_text("--index-url https://example.org\n")
    done = run(project, "requirements")
    assert done.returncode == 2 and "::error::requirements.txt has in line 1" in done.stderr
    file.write_bytes((HERE.project / "requirements.txt").read_bytes())
    assert (done := run(project, "requirements")).returncode == 0 and done.stderr == ""
    file.unlink()
    assert "cannot be read" in run(project, "requirements").stderr
