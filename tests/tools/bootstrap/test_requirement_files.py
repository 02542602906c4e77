"""The pinned files are whole: every package with hashes, no host, no path of a machine, one version."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.bootstrap.packages import TOOLS
from tools.bootstrap.requirement_files import FILES

PROJECT = Path(__file__).parents[3]
PIN = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;\\]+)", re.MULTILINE)


def text(name: str) -> str:
    return (PROJECT / f"{name}.txt").read_text()


def requirements(name: str) -> list[str]:
    """Each requirement of a file with its continuation lines, without comments."""
    lines = [line for line in text(name).splitlines() if not line.lstrip().startswith("#")]
    return re.sub(r"\\\n", " ", "\n".join(lines)).splitlines()


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_is_one_version_with_hashes(name: str):
    found = requirements(name)
    assert found
    for requirement in found:
        assert PIN.match(requirement), requirement
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", requirement), requirement


@pytest.mark.parametrize("name", [*FILES, "tools/bootstrap/go_modules/engine/go.sum"])
def test_no_host_and_no_path_of_a_machine_is_written_down(name: str):
    content = (PROJECT / name).read_text() if name.endswith("go.sum") else text(name)
    assert "://" not in content
    assert not re.search(r"(?m)(?:^|\s)/\w+/", content)
    assert not re.search(r"--(?:extra-)?index-url|--find-links|--trusted-host", content)


def test_what_two_files_pin_they_pin_alike():
    product, tools = (dict(PIN.findall(text(name))) for name in ("requirements", "requirements-dev"))
    both = product.keys() & tools.keys()
    assert {"boto3", "pulumi", "cryptography"} <= both
    assert {name: product[name] for name in both} == {name: tools[name] for name in both}


@pytest.mark.parametrize("name", [f"requirements-{name}" for name in TOOLS])
def test_a_tool_measures_and_tests_phi_over_the_libraries_that_the_product_has(name: str):
    product, tool = (dict(PIN.findall(text(one))) for one in ("requirements", name))
    shared = {"cryptography", "cffi", "pybase64"}
    assert {one: product[one] for one in shared} == {one: tool[one] for one in shared}


@pytest.mark.parametrize("name", FILES)
def test_every_package_asked_for_is_pinned(name: str):
    asked = re.findall(r"(?m)^([A-Za-z][\w.-]*)", (PROJECT / f"{name}.in").read_text())
    pinned = {package.lower() for package, _ in PIN.findall(text(name))}
    assert asked
    assert {package.lower() for package in asked} <= pinned


def test_each_package_asked_for_has_its_reason_beside_it():
    tools = (f"requirements-{name}" for name in TOOLS)
    for name in ("requirements", "requirements-dev", "requirements-linters", "requirements-checkov", *tools):
        lines = (PROJECT / f"{name}.in").read_text().splitlines()
        assert all("  # " in line for line in lines if re.match(r"[A-Za-z]", line)), name
