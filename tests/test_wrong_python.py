"""A Python that cannot run a program of this folder says so in one sentence, which names the one that can.

Runs copies of the programs with each Python that this machine has, from 2.7 on, and with this one without its packages.
"""

from __future__ import annotations

import ast
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.bootstrap.machine import base_python

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = ("wizard", "sandbox")
READ_BY_ANY_PYTHON = (
    *(
        "components/__init__.py",
        "components/installation/__init__.py",
        "wizard/__init__.py",
        "packages/sandbox/sandbox/__init__.py",
    ),
    *("tools/__init__.py", "tools/bootstrap/__init__.py", "tools/bootstrap/__main__.py"),
)


def interpreters() -> list[str]:
    """The Pythons of this machine that are too old or, without site-packages, have no package."""
    on_path = [shutil.which(f"python{version}") for version in ("2.7", *(f"3.{minor}" for minor in range(4, 15)))]
    of_pyenv = sorted(Path.home().glob(".pyenv/versions/*/bin/python"))
    found = [*(path for path in on_path if path and ".pyenv/shims" not in path), *map(str, of_pyenv)]
    return list(dict.fromkeys([base_python(), *found]))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs in a folder of their own: an old Python writes its bytecode beside the sources."""
    folder = tmp_path_factory.mktemp("wrong") / "it's a checkout"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("components", "wizard", "packages/sandbox", "packages/phi", "tools"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.fixture
def set_up(checkout: Path):
    """The checkout with its environment."""
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    # Not a link: which Python finds its packages through one is a matter of its build.
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    yield checkout
    shutil.rmtree(checkout / ".venv")


def run(python: str, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    # -S: without site-packages, whatever is installed there, and so without what the set-up puts on the path.
    environment = {"PATH": "/nowhere", "PYTHONPATH": f"{folder}/packages/sandbox"}
    return subprocess.run(
        [python, "-S", *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("python", interpreters())
def test_a_wrong_python_is_refused_in_one_sentence_that_names_the_right_one(set_up: Path, python: str) -> None:
    done = run(python, "-m", "wizard", "scan", "--stack", "a b", folder=set_up)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1), done.stderr
    assert python in done.stderr and ".venv/bin/python" in done.stderr


@pytest.mark.parametrize("python", interpreters())
def test_the_printed_command_is_the_one_that_was_typed_with_the_right_python(set_up: Path, python: str) -> None:
    done = run(python, "-m", "wizard", "schema", "failure", folder=set_up)
    typed = ["sh", "-c", done.stderr.partition("; run: ")[2].replace("schema", "--version", 1).replace("failure", "")]
    assert subprocess.run(typed, cwd=set_up, capture_output=True, text=True).stdout.startswith("eonpro-kms ")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_folder_that_is_not_set_up_is_told_to_be(checkout: Path, program: str) -> None:
    done = run(base_python(), "-m", program, "start", folder=checkout)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1), done.stderr
    assert "make -C " in done.stderr


@pytest.mark.parametrize("python", interpreters())
def test_the_set_up_takes_a_python_that_is_new_enough_or_says_that_there_is_none(checkout: Path, python: str) -> None:
    done = run(python, "-m", "tools.bootstrap", "--help", folder=checkout)
    assert "Traceback" not in done.stderr and "SyntaxError" not in done.stderr
    assert (done.returncode, "usage:" in done.stdout) == (0, True) or "needs Python 3.11 or newer" in done.stderr


@pytest.mark.parametrize("name", READ_BY_ANY_PYTHON)
def test_what_a_wrong_python_reads_first_has_the_syntax_of_all_of_them(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text.isascii()
    for node in ast.walk(ast.parse(text)):
        assert not isinstance(node, ast.JoinedStr | ast.AnnAssign | ast.NamedExpr | ast.Starred | ast.Match)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            assert node.returns is None and [each for each in arguments if each.annotation] == []
            assert not node.args.kwonlyargs and not node.args.posonlyargs
        assert not (isinstance(node, ast.ImportFrom) and node.module == "__future__")
