"""The measurement counts what a reader would count, on small trees."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools import measure
from tools.measure import Tree, main

SOURCES = {
    "wizard/key_policy.py": "from wizard import key_names\n",
    "wizard/key_names.py": "NAME = 1\n",
    "wizard/plan.py": "from wizard.core import clients\n",
    "wizard/core/clients.py": "\n" * (measure.SMALL + 1),
    "tests/wizard/test_plan.py": "import wizard.key_names\n",
}


@pytest.fixture
def tree() -> Tree:
    return Tree([*SOURCES, "README.md", ".ci/run"], SOURCES)


def test_modules_of_a_folder_that_share_a_prefix_are_a_family(tree: Tree):
    assert tree.families == {"wizard/key_": ["key_names.py", "key_policy.py"]}


def test_a_short_module_with_one_importer_is_named_with_it_and_tests_import_nothing(tree: Tree):
    assert tree.small == {"wizard/key_names.py": "wizard/key_policy.py"}


def test_a_folder_of_too_many_modules_is_counted():
    names = [f"wizard/m{number}.py" for number in range(measure.LARGE_FOLDER + 1)]
    assert Tree(names, dict.fromkeys(names, "")).large_folders == {"wizard": measure.LARGE_FOLDER + 1}


def test_prose_is_counted_apart_from_reference_and_stored_data_without_locks():
    tree = Tree(
        texts := {
            "docs/phi.md": "",
            "docs/reference/inputs.md": "",
            "tests/a/golden/key.json": "",
            "tests/a/package-lock.json": "",
            "tests/a/requirements-django6.txt": "",
            "tests/a/test_key.py": "",
        },
        texts,
    )
    assert (list(tree.prose), len(tree.pages), list(tree.stored)) == (["docs/phi.md"], 2, ["tests/a/golden/key.json"])


def test_a_function_is_long_from_its_fifty_first_line():
    function = "def {name}():\n" + "    x = 1\n" * (measure.LONG_FUNCTION - 1)
    source = function.format(name="short") + function.format(name="long") + "    x = 1\n"
    assert Tree(["wizard/keys.py"], {"wizard/keys.py": source}).long_functions == ["wizard/keys.py:51 long"]


def test_the_entries_of_the_root_are_folders_and_files(tree: Tree):
    assert tree.root == {"wizard", "tests", "README.md", ".ci"}


def test_it_prints_a_revision_beside_the_working_tree_where_a_package_has_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def git(*arguments: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments], cwd=tmp_path, check=True
        )

    monkeypatch.setattr(measure, "PROJECT", tmp_path)
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox" / "keys.py").write_text("one = 1\n")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    (tmp_path / "packages").mkdir()
    (tmp_path / "sandbox").rename(tmp_path / "packages" / "sandbox")
    (tmp_path / "packages" / "sandbox" / "keys.py").write_text("key = 1\n\n\n")
    assert main(["--before", "HEAD"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["Figures", "HEAD", "now"] in lines
    assert ["sandbox:", "lines", "1", "3"] in lines
