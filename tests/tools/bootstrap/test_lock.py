"""The lock is whole: every package with hashes, public addresses alone, and its exports as it is."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tools.bootstrap.packages import LINTERS, TOOLS

PROJECT = Path(__file__).parents[3]
EXPORTED = ("requirements.txt", "tools/bootstrap/requirements-uv.txt")
PIN = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;\\]+)", re.MULTILINE)


@pytest.fixture(scope="module")
def packages() -> list[dict[str, Any]]:
    """The packages of the lock, without the project itself and those in packages/."""
    lock = tomllib.loads((PROJECT / "uv.lock").read_text())
    return [package for package in lock["package"] if not {"virtual", "editable"} & set(package["source"])]


@pytest.fixture(scope="module")
def asked() -> dict[str, list[str]]:
    """What pyproject.toml asks for: the names of the packages of each group; `project` are its own."""
    content = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    groups = {"project": content["project"]["dependencies"], **content["dependency-groups"]}
    return {group: [re.split(r"[\[<>=]", one)[0].lower() for one in listed] for group, listed in groups.items()}


def requirements(name: str) -> list[str]:
    """Each requirement of a file with its continuation lines, without comments."""
    lines = [line for line in (PROJECT / name).read_text().splitlines() if not line.lstrip().startswith("#")]
    return re.sub(r"\\\n", " ", "\n".join(lines)).splitlines()


@pytest.mark.parametrize("name", EXPORTED)
def test_every_requirement_is_one_version_with_hashes(name: str):
    assert requirements(name)
    for requirement in requirements(name):
        assert PIN.match(requirement), requirement
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", requirement), requirement


@pytest.mark.parametrize("name", [*EXPORTED, "tools/bootstrap/go_modules/engine/go.sum"])
def test_no_host_and_no_path_of_a_machine_is_written_down(name: str):
    content = (PROJECT / name).read_text()
    assert "://" not in content
    assert not re.search(r"(?m)(?:^|\s)/\w+/", content)
    assert not re.search(r"--(?:extra-)?index-url|--find-links|--trusted-host", content)


def test_the_lock_names_the_public_index_and_nothing_else(packages: list[dict[str, Any]]):
    content = (PROJECT / "uv.lock").read_text()
    hosts = set(re.findall(r"https?://([^/\"]+)", content))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}
    assert {str(package["source"]) for package in packages} == {"{'registry': 'https://pypi.org/simple'}"}


@pytest.mark.parametrize(("name", "group"), [(EXPORTED[0], "project"), (EXPORTED[1], "uv")])
def test_an_exported_file_has_the_versions_of_the_lock(
    name: str, group: str, asked: dict[str, list[str]], packages: list[dict[str, Any]]
):
    locked = {(package["name"], package["version"]) for package in packages}
    exported = {(package.lower(), version) for package, version in PIN.findall("\n".join(requirements(name)))}
    assert exported <= locked
    assert {package for package, _ in exported} >= set(asked[group])


def test_each_environment_of_the_setup_is_a_group(asked: dict[str, list[str]]):
    assert {"dev", "awscli", "go", "uv", *LINTERS, *TOOLS} == asked.keys() - {"project"}


def test_a_tool_measures_and_tests_phi_over_the_libraries_that_the_product_has(packages: list[dict[str, Any]]):
    for name, versions in (("cryptography", 2), ("cffi", 1), ("pybase64", 1)):
        # The second cryptography is for a platform that has no wheel of the first.
        assert len([package for package in packages if package["name"] == name]) == versions


def test_a_package_of_the_workspace_is_locked_as_its_project_file_says():
    """Where it is not, `make setup` ends with an error of uv on a machine that asks the public index."""
    lock = tomllib.loads((PROJECT / "uv.lock").read_text())["package"]
    members = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]
    assert members == ["packages/phi", "packages/sandbox"]
    for folder in members:
        project = tomllib.loads((PROJECT / folder / "pyproject.toml").read_text())["project"]
        (locked,) = [package for package in lock if folder in package["source"].values()]
        # For a version that is not written down uv builds the package, and leaves files in its folder.
        assert (locked["name"], locked["version"]) == (project["name"], project["version"])
        extras = project.get("optional-dependencies", {}).values()
        wanted = map(Requirement, [*project["dependencies"], *(each for extra in extras for each in extra)])
        found = {(each["name"], SpecifierSet(each["specifier"])) for each in locked["metadata"]["requires-dist"]}
        assert found == {(canonicalize_name(each.name), each.specifier) for each in wanted}


def test_the_extra_of_the_wheel_is_what_the_sandbox_needs():
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    sandbox = tomllib.loads((PROJECT / "packages" / "sandbox" / "pyproject.toml").read_text())
    assert extras["sandbox"] == sandbox["project"]["dependencies"]


@pytest.mark.parametrize(
    ("script", "says"), [("eonpro-kms", "exit codes:"), ("eonpro-sandbox", "bin/eonpro-sandbox env")]
)
def test_the_console_scripts_start_the_wizard_and_the_sandbox(script: str, says: str):
    pyproject = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    scripts = pyproject["tool"]["checkout"]["scripts"]
    assert scripts.keys() == pyproject["project"]["scripts"].keys() == {"eonpro-kms", "eonpro-sandbox"}
    module, _, function = scripts[script].partition(":")
    command = [sys.executable, "-c", f"import sys; from {module} import {function}; sys.exit({function}())", "--help"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert says in done.stdout.replace("'", "")
