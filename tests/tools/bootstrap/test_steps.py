"""What a person sees of the steps, and that a second run starts nothing."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.tools.bootstrap.module_cache import download
from tools.bootstrap import programs
from tools.bootstrap.cli import run
from tools.bootstrap.engine import LANGUAGE_HOST, Kind
from tools.bootstrap.go import actionlint
from tools.bootstrap.machine import base_python
from tools.bootstrap.packages import TOOLS, launcher
from tools.bootstrap.places import Places
from tools.bootstrap.progress import Progress, Step, StepFailed
from tools.bootstrap.running import CommandFailed, Job

PROJECT = Path(__file__).parents[3]
COPIED = (
    "pyproject.toml",
    "uv.lock",
    "tools/bootstrap/go_modules/engine/go.mod",
    "tools/bootstrap/go_modules/engine/go.sum",
    "tools/bootstrap/go_modules/actionlint/go.mod",
    "tools/bootstrap/go_modules/actionlint/go.sum",
)


OFFLINE = "global.no-index='true'\nglobal.find-links='/wheels'"


@dataclass
class Bare:
    """A checkout on a machine with pip, Go and nothing else, whose programs are played by `run`."""

    places: Places
    started: list[Job] = field(default_factory=list)
    breaks: str = ""
    shown: io.StringIO = field(default_factory=io.StringIO)

    def run(self, job: Job) -> str:
        self.started.append(job)
        words = " ".join(job.argv)
        if self.breaks and self.breaks in words:
            raise CommandFailed(words, "ended with exit code 1", ("connection refused",), Path("/logs/x.log"))
        if "get.pulumi.com" in words:
            raise CommandFailed("probe", "ended with exit code 1")
        if " pip install " in words and "--target" in words:
            _program(Path(job.argv[job.argv.index("--target") + 1]) / "bin" / "uv")
        if " sync --locked " in words:
            folder = Path(job.environment["UV_PROJECT_ENVIRONMENT"])
            for name in ("python", "aws", "../lib/python3/site-packages/go/bin/go"):
                _program(folder / "bin" / name)
        if " download " in words:
            return download(self.places.project.parent / "modules", job.argv[-1])
        if " build " in words:
            _program(Path(job.argv[job.argv.index("-o") + 1]))
        if "sandbox prepare" in words:
            (self.places.project / ".sandbox").mkdir(exist_ok=True)
            _program(self.places.engine().with_name(LANGUAGE_HOST))
        if job.argv[-1] == "version":
            return "go version go1.30.0" if job.argv[0].endswith("go") else "v3.259.0"
        return ""

    def set_up(self, *, tests: bool = False, tools: Sequence[str] = ()) -> bool:
        self.started.clear()
        self.shown = io.StringIO()
        on_path = {"PATH": str(self.places.project.parent / "tools")}
        progress = Progress(self.shown)
        return run(self.places, on_path, progress, self.run, Kind.AUTO, tests=tests, tools=tools)


def _program(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    places = Places(project=tmp_path / 'it\'s a "clinic" – Zürich' / "checkout")
    for name in COPIED:
        (places.project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, places.project / name)
    _program(places.project.parent / "tools" / "go")
    return Bare(places=places)


def test_a_bare_machine_gets_everything_and_is_told_each_step(bare: Bare):
    assert bare.set_up()
    lines = bare.shown.getvalue()
    assert "[1/8] Python … " in lines
    assert "[8/8] Sandbox plug-ins … " in lines
    assert lines.splitlines()[-1].startswith("Ready in ")
    assert bare.places.engine().is_file()
    folder = bare.places.awscli_bin()
    assert folder is not None
    assert os.listdir(folder) == ["aws"]


def test_packages_are_installed_only_as_they_are_locked(bare: Bare):
    bare.set_up()
    installs = [job.argv for job in bare.started if {"sync", "install"} & set(job.argv)]
    assert len(installs) == 3
    assert all({"--require-hashes", "--locked"} & set(argv) for argv in installs)


def test_the_console_script_is_written_with_the_environment(bare: Bare):
    bare.set_up()
    script = bare.places.venv / "bin" / "eonpro-kms"
    assert os.access(script, os.X_OK)
    assert "from wizard.__main__ import main" in script.read_text()
    assert f"sys.path.insert(0, {str(bare.places.project)!r})" in script.read_text()


@pytest.mark.parametrize("name", ['it\'s a "clinic" – Zürich', r"C:\new $HOME `x`", "''", 150 * "long"[:1]])
def test_a_console_script_starts_from_any_folder_and_imports_nothing_from_it(tmp_path: Path, name: str):
    project, elsewhere = tmp_path / name, tmp_path / "elsewhere"
    for folder in (project / "bin", elsewhere):
        folder.mkdir(parents=True)
    (project / "bin" / "python").symlink_to(base_python())
    (project / "started.py").write_text("import json\ndef main():\n    print(json.dumps('started'))\n    return 3\n")
    script = project / "bin" / "eonpro-kms"
    script.write_text(launcher(project / "bin" / "python", project, "started", "main"))
    script.chmod(0o755)
    link = elsewhere / "linked"
    link.symlink_to(script)
    for trap in ("json.py", "started.py", "sitecustomize.py"):
        (elsewhere / trap).write_text("raise SystemExit('imported from the folder of the shell')\n")
    for called in (script, link):
        # An empty part, as `PYTHONPATH=$PYTHONPATH:/more` leaves it, is the folder of the shell too.
        for path in ("", ".", ":/usr/share", str(elsewhere)):
            environment = {"PATH": os.defpath, "PYTHONPATH": path}
            done = subprocess.run([called], cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=30)
            assert (done.returncode, done.stdout, done.stderr) == (3, '"started"\n', "")


@pytest.mark.parametrize(
    ("variables", "pip"),
    [({"UV_DEFAULT_INDEX": "https://mirror/"}, ""), ({}, "global.index-url='https://mirror/'"), ({}, OFFLINE)],
)
def test_a_machine_with_an_index_of_its_own_gets_the_locked_versions_from_it(
    bare: Bare, variables: dict[str, str], pip: str
):
    def with_a_mirror(job: Job) -> str:
        output = bare.run(job)
        if " venv " in " ".join(job.argv):
            _program(Path(job.argv[-1]) / "bin" / "python")
            _program(Path(job.argv[-1]) / "bin" / "aws")
        return pip if "config" in job.argv else output

    path = {"PATH": str(bare.places.project.parent / "tools"), **variables}
    assert run(bare.places, path, Progress(bare.shown), with_a_mirror, Kind.AUTO)
    installs = [job.argv for job in bare.started if "sync" in job.argv]
    assert len(installs) == 2
    assert all("--require-hashes" in argv and "--locked" not in argv for argv in installs)
    exports = [job.argv for job in bare.started if "export" in job.argv]
    assert [argv[-1] for argv in exports] == [argv[-1] for argv in installs]
    assert all("--frozen" in argv for argv in exports)


def test_the_linters_are_no_part_of_the_set_up(bare: Bare):
    bare.set_up()
    assert not bare.places.linters.exists()
    assert not any({"policies", "checkov"} & set(job.argv) for job in bare.started)


def test_what_the_tests_need_is_installed_alone_each_linter_in_an_environment_of_its_own(
    bare: Bare, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(programs, "missing", lambda: ())
    assert bare.set_up(tests=True)
    environments, linter = ["checkov", "policies"], actionlint(bare.places)
    assert sorted(os.listdir(bare.places.linters)) == sorted([*environments, linter.parent.name])
    assert linter.is_file()
    assert not bare.places.venv.exists()
    installs = [job.argv for job in bare.started if "sync" in job.argv]
    assert [argv[-2:] for argv in installs] == [("--only-group", "policies"), ("--only-group", "checkov")]
    assert all("--locked" in argv for argv in installs)
    assert bare.set_up(tests=True)
    assert bare.started == []


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_is_installed_alone_and_only_when_asked_for(bare: Bare, name: str):
    bare.set_up()
    assert not bare.places.tools.exists()
    assert bare.set_up(tools=[name])
    assert os.listdir(bare.places.tools) == [name]
    installs = [job.argv for job in bare.started if "sync" in job.argv]
    assert [argv[-2:] for argv in installs] == [("--only-group", name)]
    assert "--locked" in installs[0]
    assert bare.set_up(tools=[name])
    assert bare.started == []


def test_a_second_run_starts_no_program(bare: Bare):
    bare.set_up()
    assert bare.set_up()
    assert bare.started == []
    assert bare.shown.getvalue().count("already there") >= 4


def test_a_changed_lock_updates_the_packages_and_keeps_the_engine(bare: Bare):
    bare.set_up()
    sign = bare.places.venv / "sign"
    sign.touch()
    with bare.places.lock.open("a") as file:
        file.write("# changed\n")
    assert bare.set_up()
    assert any("sync" in job.argv for job in bare.started)
    assert sign.exists()
    assert not any("build" in job.argv for job in bare.started)


def test_a_moved_checkout_gets_a_new_environment(bare: Bare):
    bare.set_up()
    moved = bare.places.project.with_name("moved")
    bare.places.project.rename(moved)
    bare.places = Places(project=moved)
    assert bare.set_up()
    assert any("sync" in job.argv for job in bare.started)
    assert str(moved) in json.loads((moved / ".venv/setup.json").read_text())["place"]


def test_an_engine_that_was_deleted_is_built_again_and_gets_its_language_host_again(bare: Bare):
    bare.set_up()
    shutil.rmtree(bare.places.cache / "engine")
    assert bare.set_up()
    assert bare.places.engine().with_name(LANGUAGE_HOST).is_file()


@pytest.mark.parametrize("name", ["a:b", "a\nb", "a\udcfcb"])
def test_a_folder_that_no_path_can_hold_is_refused_before_anything_is_installed(bare: Bare, name: str):
    refused = Bare(places=Places(project=bare.places.project.parent / name))
    assert not refused.set_up()
    assert refused.started == []
    assert "give the folder another name" in refused.shown.getvalue()


def test_an_interrupted_installation_is_done_again(bare: Bare):
    bare.breaks = " sync "
    assert not bare.set_up()
    bare.breaks = ""
    assert bare.set_up()
    assert bare.places.python in {
        Path(job.environment.get("UV_PROJECT_ENVIRONMENT", "/")) / "bin/python" for job in bare.started
    }


def test_a_failed_step_is_named_with_why_and_what_to_do_and_ends_the_run(bare: Bare):
    bare.breaks = " sync "
    assert not bare.set_up()
    shown = bare.shown.getvalue()
    assert "[3/8] Python packages (.venv) … failed after" in shown
    assert "| connection refused" in shown
    assert "ended with exit code 1 (all of its output: /logs/x.log)" in shown
    assert "What to do: check that the package registry answers" in shown
    assert "[4/8]" not in shown
    assert not any("build" in job.argv for job in bare.started)


def test_a_python_without_pip_and_venv_is_told_which_debian_packages_bring_them(bare: Bare):
    bare.breaks = " -m "
    assert not bare.set_up()
    assert "apt-get install python3-pip python3-venv" in bare.shown.getvalue()


def test_a_python_without_pip_but_with_venv_borrows_the_pip_of_a_temporary_one(bare: Bare):
    bare.breaks = " -m pip --version"
    assert bare.set_up()
    fetch = next(job.argv for job in bare.started if "--target" in job.argv)
    assert not Path(fetch[0]).exists()


def test_a_go_that_is_too_old_is_replaced_by_the_pinned_one(bare: Bare):
    def old(job: Job) -> str:
        said = Bare.run(bare, job)
        if "GOMODCACHE" in job.environment:
            Path(job.environment["GOMODCACHE"]).mkdir(parents=True, exist_ok=True)
        return "go version go1.21.3" if job.argv[-1] == "version" and job.argv[0].endswith("tools/go") else said

    progress = Progress(bare.shown)
    tools = bare.places.project.parent / "tools"
    assert run(bare.places, {"PATH": str(tools)}, progress, old, Kind.AUTO)
    build = next(job for job in bare.started if "build" in job.argv)
    assert Path(build.argv[0]).is_relative_to(bare.places.cache)
    modules = Path(build.environment["GOMODCACHE"])
    assert modules.is_relative_to(bare.places.cache)
    assert not modules.parent.exists()
    assert "is 1.21.3, 1.25.11 or newer is needed" in bare.shown.getvalue()


def test_a_sign_of_life_stands_on_a_line_of_its_own():
    shown = io.StringIO()
    progress = Progress(shown)

    def slow() -> str:
        progress.alive(10.2, "compiling\n")
        return "built"

    assert progress.run((Step(title="Engine", do=slow, advice=""),))
    assert shown.getvalue().splitlines()[:2] == ["[1/1] Engine … ", "      … 10 s  compiling"]


def test_a_long_step_keeps_to_one_line_of_a_terminal():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    progress = Progress(shown)

    def slow() -> str:
        progress.alive(10.2, "compiling\n")
        progress.say("the first build takes minutes")
        progress.alive(20.2, "linking\n")
        raise StepFailed("the disk is full", "make room")

    assert not progress.run((Step(title="Engine", do=slow, advice=""),))
    rows = [row.rpartition("\r\x1b[K")[2] for row in shown.getvalue().split("\n")]
    assert rows[:2] == ["      the first build takes minutes", "[1/1] Engine … failed after 0.0 s"]
    assert "\r\x1b[K[1/1] Engine … 20 s  linking\r" in shown.getvalue()


def test_a_step_may_say_itself_what_to_do():
    shown = io.StringIO()

    def refuse() -> str:
        raise StepFailed("there is no pip", "install pip")

    assert not Progress(shown).run((Step(title="uv", do=refuse, advice="other"),))
    assert shown.getvalue().endswith("uv: there is no pip\nWhat to do: install pip\n")
