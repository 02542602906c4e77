"""A project's environment is built beside, checked and renamed: with uv and with pip, killed at any time, failing.

Serves a package index of small packages on loopback, and starts the installers.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import random
import signal
import subprocess
import sys
import threading
import time
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.installed.customer import Quiet, uv
from tests.selection import first
from wizard.cli import project_environment, virtual_environment
from wizard.core.errors import SetupError

FILES = 150
"""Modules of a package: enough to be killed among them."""
PACKAGES = ("eonpro_kms", "part_one", "part_two")
INSTALL = "import sys, pathlib; from wizard.cli import project_environment as p; p.install(pathlib.Path(sys.argv[1]))"


def wheel(folder: Path, name: str, version: str, *needed: str) -> str:
    """A wheel with a program that prints its version; the line of it in requirements.txt."""
    info = f"{name}-{version}.dist-info"
    project = name.replace("_", "-")
    needs = "".join(f"Requires-Dist: {each}\n" for each in needed)
    contents = {f"{name}/module_{number}.py": f"# {version} {number}\n" * 20 for number in range(FILES)} | {
        f"{name}/__init__.py": f"def main():\n    print('{name} {version}')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{project} = {name}:main\n",
    }
    record = "".join(f"{path},{_digest(text.encode())},{len(text)}\n" for path, text in contents.items())
    contents[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    (page := folder / "simple" / project).mkdir(parents=True, exist_ok=True)
    file = page / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for path, text in contents.items():
            archive.writestr(path, text)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    with open(page / "index.html", "a") as index:
        index.write(f'<a href="{file.name}#sha256={digest}">{file.name}</a>\n')
    return f"{project}=={version} \\\n    --hash=sha256:{digest}\n"


def _digest(content: bytes) -> str:
    return "sha256=" + urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


@pytest.fixture(scope="module")
def requirements(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The address of an index, and the requirements.txt of two versions."""
    folder = tmp_path_factory.mktemp("index")
    parts = "".join(wheel(folder, name, "1.0.0") for name in PACKAGES[1:])
    needed = [name.replace("_", "-") for name in PACKAGES[1:]]
    texts = {version: wheel(folder, "eonpro_kms", version, *needed) + parts for version in ("1.0.0", "2.0.0")}
    texts["3.0.0"] = wheel(folder, "eonpro_kms", "3.0.0", *needed) + parts.partition("part-two")[0]
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield "http://{}:{}/simple".format(*server.server_address), texts
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def installer() -> str:
    return "uv"


@pytest.fixture
def project(
    requirements: tuple[str, Mapping[str, str]], installer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A project of version 1.0.0, without an environment."""
    for name in [name for name in os.environ if name.startswith(("UV", "PIP_"))]:
        monkeypatch.delenv(name)
    for name, value in {
        **({"UV": str(uv())} if installer == "uv" else {"PATH": os.defpath}),
        **{"UV_DEFAULT_INDEX": requirements[0], "UV_CACHE_DIR": str(tmp_path / "cache"), "NO_PROXY": "127.0.0.1"},
        **{"PIP_INDEX_URL": requirements[0], "PIP_DISABLE_PIP_VERSION_CHECK": "1", "HOME": str(tmp_path / "home")},
    }.items():
        monkeypatch.setenv(name, value)
    # pip's programs do not start in a folder whose name the shell would take apart.
    folder = tmp_path / ("the clinic's keys" if installer == "pip" else 'the "clinic"\'s $HOME, keys')
    folder.mkdir()
    pin(folder, requirements, "1.0.0")
    return folder


def pin(project: Path, requirements: tuple[str, Mapping[str, str]], version: str) -> None:
    (project / "requirements.txt").write_text(requirements[1][version])


def check(project: Path, version: str) -> None:
    """The environment is whole, by a count of its own; its programs run; nothing else is left."""
    (packages,) = (project / ".venv").glob("lib/python3.*/site-packages")
    for name in PACKAGES:
        assert len(list((packages / name).glob("*.py"))) == FILES + 1
    programs = [project / ".venv" / "bin" / name.replace("_", "-") for name in PACKAGES]
    for program, expected in zip(programs, (version, "1.0.0", "1.0.0"), strict=True):
        done = subprocess.run([program], capture_output=True, text=True, check=True)
        assert done.stdout.split()[1] == expected
        # Of the installers, too: what they uninstall or check is what is there.
        (record,) = packages.glob(f"{program.name.replace('-', '_')}-*.dist-info/RECORD")
        (row,) = (line for line in record.read_text().splitlines() if line.startswith("../") and "bin/" in line)
        assert row.split(",")[1] == _digest(program.read_bytes())
    for path in ((project / ".venv" / "pyvenv.cfg"), *(project / ".venv" / "bin").iterdir()):
        assert path.is_symlink() or b".cache/environment" not in path.read_bytes()
    assert [path.name for path in (project / ".cache").iterdir()] == ["environment.lock"]


@pytest.mark.parametrize("installer", first(1, ("uv", "pip")))
def test_it_is_made_and_replaced_by_another_version(project: Path, requirements: tuple[str, Mapping[str, str]]) -> None:
    project_environment.install(project)
    check(project, "1.0.0")
    pin(project, requirements, "2.0.0")
    project_environment.install(project)
    check(project, "2.0.0")


def test_a_whole_one_is_not_made_again_and_a_damaged_one_is(project: Path) -> None:
    project_environment.install(project)
    before = (project / ".venv").stat().st_ino
    project_environment.install(project)
    assert (project / ".venv").stat().st_ino == before
    (packages,) = (project / ".venv").glob("lib/python3.*/site-packages")
    for damage in ("part_one/module_7.py", "part_two-1.0.0.dist-info/RECORD", "part_two/module_3.py"):
        if "module_3" in damage:
            # Another file: that of an installer's cache may be the same one.
            (packages / damage).unlink()
            (packages / damage).write_text("# changed")
        else:
            (packages / damage).unlink()
        project_environment.install(project)
        check(project, "1.0.0")


def test_a_package_that_another_needs_is_missed(project: Path, requirements: tuple[str, Mapping[str, str]]) -> None:
    project_environment.install(project)
    pin(project, requirements, "3.0.0")
    with pytest.raises(SetupError, match="part-two"):
        project_environment.install(project)
    pin(project, requirements, "1.0.0")
    check(project, "1.0.0")


def test_the_environment_stays_where_the_new_one_cannot_be_made(
    project: Path, requirements: tuple[str, Mapping[str, str]]
) -> None:
    project_environment.install(project)
    for text in (
        requirements[1]["2.0.0"].replace("==2.0.0", "==9.9.9"),
        f"{'x' * 9}==1 \\\n    --hash=sha256:{'0' * 64}",
    ):
        (project / "requirements.txt").write_text(text)
        with pytest.raises(SetupError) as failed:
            project_environment.install(project)
        assert "run the same command again" in failed.value.hint
        check(project, "1.0.0")


@pytest.mark.parametrize("installer", first(1, ("uv", "pip")))
def test_neither_settings_nor_modules_of_the_current_folder_are_read(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "uv.toml").write_text('[[index]]\nurl = "http://127.0.0.1:9/simple"\ndefault = true\n')
    for name in ("pip", "venv", "json"):
        (project / f"{name}.py").write_text("raise SystemExit('executed')")
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    monkeypatch.setenv("UV_INDEX", os.environ["PIP_INDEX_URL"])
    monkeypatch.chdir(project)
    project_environment.install(project)
    for name in ("pip", "venv", "json"):
        (project / f"{name}.py").unlink()
    check(project, "1.0.0")


def test_a_draft_that_came_with_the_folder_is_not_taken_for_one_of_a_killed_run(
    project: Path, requirements: tuple[str, Mapping[str, str]]
) -> None:
    with virtual_environment.held(project) as draft:
        draft.build((project / "requirements.txt").read_bytes())
        os.rename(draft.folder, project / ".cache/kept")
    os.rename(project / ".cache/kept", project / ".cache/environment")
    program = project / ".cache/environment/.venv/bin/eonpro-kms"
    program.unlink(missing_ok=True)
    program.write_text("theirs")
    project_environment.install(project)
    assert not any(path.is_file() and path.read_bytes() == b"theirs" for path in (project / ".venv/bin").iterdir())


@pytest.mark.parametrize(
    ("name", "content", "is_same"),
    [
        ("own.py", b"theirs", False),
        ("__pycache__/own.cpython-311.pyc", importlib.util.MAGIC_NUMBER + bytes(4), True),
        ("__pycache__/own.cpython-311.pyc", importlib.util.MAGIC_NUMBER + b"\x01\0\0\0", False),
    ],
    ids=["a module", "byte code that Python wrote", "byte code that Python would not compare with its source"],
)
def test_the_fingerprint_of_an_environment_is_that_of_what_python_would_run(
    tmp_path: Path, name: str, content: bytes, is_same: bool
) -> None:
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "own.py").write_bytes(b"ours")
    before = virtual_environment.fingerprint(tmp_path)
    (tmp_path / name).write_bytes(content)
    assert (virtual_environment.fingerprint(tmp_path) == before) is is_same


def test_an_environment_that_cannot_be_renamed_stays(
    project: Path, requirements: tuple[str, Mapping[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    project_environment.install(project)
    pin(project, requirements, "2.0.0")
    rename = os.rename

    def refused(source: str, target: str) -> None:
        if "environment/.venv" in str(source):
            raise OSError(16, "Device or resource busy")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refused)
    with pytest.raises(SetupError, match="cannot be replaced"):
        project_environment.install(project)
    check(project, "1.0.0")


def test_a_folder_that_leads_elsewhere_is_not_written_through(project: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (project / ".cache").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SetupError, match="symbolic link, not a folder"):
        project_environment.install(project)
    assert not list((tmp_path / "elsewhere").iterdir())


def started(project: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-c", INSTALL, str(project)],
        env={**os.environ, "PYTHONPATH": str(Path(project_environment.__file__).parents[2])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_two_runs_at_once_make_one(project: Path) -> None:
    runs = [started(project) for _ in range(3)]
    assert [(run.wait(), run.stdout.read()) for run in runs if run.stdout] == [(0, "")] * 3
    check(project, "1.0.0")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("installer", "times"),
    first(1, (("uv", 5), ("uv", 30), ("pip", 5))),
)
def test_killed_at_any_time_there_is_no_environment_or_a_whole_one(
    project: Path, requirements: tuple[str, Mapping[str, str]], installer: str, times: int
) -> None:
    chance = random.Random(f"{installer} {times}")
    versions = ["1.0.0", "2.0.0"]
    began = time.monotonic()
    project_environment.install(project)
    seconds = time.monotonic() - began
    last = "1.0.0"
    for _ in range(times):
        pinned = chance.choice(versions)
        pin(project, requirements, pinned)
        run = started(project)
        with suppress(subprocess.TimeoutExpired):
            run.wait(timeout=chance.uniform(0, 2 * seconds))
        with suppress(ProcessLookupError):
            # The program alone, whose installer then goes on; or both.
            run.kill() if chance.random() < 0.4 else os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        if (project / ".venv").exists():
            (there,) = {project_environment.installed(project)} & {last, pinned}
            check_files(project, there)
        project_environment.install(project)
        check(project, pinned)
        last = pinned


def check_files(project: Path, version: str) -> None:
    (packages,) = (project / ".venv").glob("lib/python3.*/site-packages")
    for name in PACKAGES:
        assert len(list((packages / name).glob("*.py"))) == FILES + 1
    program = project / ".venv" / "bin" / "eonpro-kms"
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()[1] == version
