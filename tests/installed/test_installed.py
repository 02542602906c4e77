"""The wheel in an empty folder: a project of one's own, the whole onboarding, plain Pulumi, a colleague, an upgrade.

Builds two wheels, serves them, installs them with uv into folders of its own, and runs a sandbox of the wheel.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.installed import customer
from tests.installed.customer import PROJECT, Person
from wizard import version

NEXT = "7.0.0"
ARCHIVE = "trail_archive_days: int = Field(default=365"
NOTE = "Audit logs move to cheaper storage after 400 days: reviews look back thirteen months."
ANSWERS = str(PROJECT / "examples" / "vercel.yaml")
UNATTENDED = ("--yes", "--non-interactive")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A package index with this version, and with a later one that has another default."""
    root = tmp_path_factory.mktemp("wheels")
    changes = {
        "pyproject.toml": (f'version = "{version()}"', f'version = "{NEXT}"'),
        "components/settings/settings.py": (ARCHIVE, ARCHIVE.replace("365", "400")),
        "CHANGELOG.md": ("## [Unreleased]\n", f"## [{NEXT}] - 2030-01-01\n\n### Upgrade\n\n- {NOTE}\n"),
    }
    wheels = [
        customer.build(customer.copy(root / name, each), root / f"wheel-{name}")
        for name, each in (("this", {}), ("next", changes))
    ]
    with customer.served(wheels, root / "index") as address:
        yield address


@pytest.fixture(scope="module")
def newcomer(index: str, tmp_path_factory: pytest.TempPathFactory) -> Person:
    return customer.newcomer(tmp_path_factory.mktemp("customer"), index)


def uvx(one: str = version()) -> tuple[str, ...]:
    return ("uvx", "--quiet", f"eonpro-kms@{one}")


@pytest.fixture(scope="module")
def clinic(newcomer: Person) -> Iterator[Person]:
    """A person with a project, in the shell of a sandbox that came with the wheel; everything is set up."""
    sandbox = ("uvx", "--quiet", "--from", f"eonpro-kms[sandbox]=={version()}", "eonpro-sandbox")
    newcomer.types(*uvx(), "init")
    newcomer.types(*sandbox, "start")
    person = newcomer.with_variables(newcomer.types(*sandbox, "env"))
    person.types(str(person.folder / ".venv/bin/eonpro-kms"), "--answers", ANSWERS, *UNATTENDED)
    yield person
    newcomer.types(*sandbox, "stop")


def program(person: Person) -> str:
    return str(person.folder / ".venv" / "bin" / "eonpro-kms")


def commit(person: Person) -> None:
    if not (person.folder / ".git").exists():
        person.types("git", "init", "--quiet")
    person.types("git", "add", "--all")
    person.types("git", "commit", "--quiet", "--allow-empty", "--message", "the key for PHI")


# --- before there is a project


def test_in_an_empty_folder_the_wizard_offers_a_project_and_goes_on_in_it(newcomer: Person, tmp_path: Path):
    folder = tmp_path / "an empty folder"
    folder.mkdir()
    run = pexpect.spawn(
        "uvx",
        list(uvx()[1:]),
        cwd=str(folder),
        env={**newcomer.environment, "TERM": "xterm"},
        dimensions=(40, 100),
        timeout=customer.SECONDS,
        encoding="utf-8",
    )
    run.expect("Make it in")
    assert list(folder.iterdir()) == []
    run.send("y\r")
    run.expect("Where does the application run")
    run.sendcontrol("c")
    run.expect(pexpect.EOF)
    run.close()
    assert run.exitstatus == 130
    assert (folder / "Pulumi.yaml").exists() and (folder / ".venv/bin/eonpro-kms").exists()


@pytest.mark.thorough
def test_a_folder_with_other_things_stays_as_it_is(newcomer: Person, tmp_path: Path):
    (tmp_path / "package.json").write_text("{}")
    printed = newcomer.at(tmp_path).types(*uvx(), *UNATTENDED, code=2)
    assert " init eonpro-kms" in " ".join(printed.split())
    assert [path.name for path in tmp_path.iterdir()] == ["package.json"]


# --- a folder of somebody else


def said(printed: str) -> str:
    return " ".join(printed.split())


@pytest.fixture
def strange(newcomer: Person, tmp_path: Path) -> Person:
    """A person below a folder in which somebody has laid a project that does its own thing."""
    below, program = tmp_path / "strange" / "below", tmp_path / "strange" / ".venv" / "bin" / "eonpro-kms"
    for folder in (below, program.parent):
        folder.mkdir(parents=True)
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(PROJECT / "examples/project" / name, below.parent)
    (below.parent / "requirements.txt").write_text(f"eonpro-kms=={version()} \\\n    --hash=sha256:{'0' * 64}\n")
    program.write_text('#!/bin/sh\necho "executed with $VERCEL_TOKEN"\n')
    program.chmod(0o755)
    program.with_name("python").symlink_to(sys.executable)
    dist_info = program.parents[1] / "lib/python3.11/site-packages" / f"eonpro_kms-{version()}.dist-info"
    dist_info.mkdir(parents=True)
    return newcomer.at(below, VERCEL_TOKEN="a token")


COMMANDS: tuple[tuple[str, ...], ...] = (
    ("status",),
    ("doctor",),
    ("cost",),
    ("report", "verify", "x"),
    ("push",),
    ("--yes",),
)


@pytest.mark.thorough
def test_nothing_in_a_folder_is_executed_unasked(strange: Person):
    folder = strange.folder.parent
    for words in COMMANDS:
        printed = said(strange.types(*uvx(), *words, code=2))
        assert f"nothing in the project {folder} is executed" in printed
        assert f"/bin/eonpro-kms init --trust {folder}" in printed
    # Nor where that folder belongs to another user, or can be written to by others; that is said first.
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    else:
        folder.chmod(0o777)
    for words in (*COMMANDS, ("policy", "operator"), ("init", "--trust", str(folder)), ("init", str(folder))):
        printed = said(strange.types(*uvx(), *words, code=2))
        assert "nothing in the project is executed" in printed and str(folder) in printed
    # Not looked for above the root of a repository.
    (strange.folder / ".git").mkdir()
    assert f"{strange.folder} is in no project" in said(strange.types(*uvx(), "status", code=2))


@pytest.mark.thorough
def test_a_person_is_asked_once_whether_a_project_runs(strange: Person):
    folder, made = strange.folder.parent, strange.folder.parent.with_name("made")
    strange.types(*uvx(), "init", str(made))
    shutil.copy(made / "requirements.txt", folder)

    def typed(answer: str) -> str:
        run = pexpect.spawn(
            "uvx",
            [*uvx()[1:], "status"],
            cwd=str(strange.folder),
            env={**strange.environment, "TERM": "dumb"},
            dimensions=(40, 100),
            timeout=customer.SECONDS,
            encoding="utf-8",
        )
        run.expect("Run it")
        run.send(f"{answer}\r")
        run.expect(pexpect.EOF)
        run.close()
        return str(run.before)

    assert "nothing in the project was executed" in said(typed("n"))
    # What came in `.venv` was not built on this machine: it is replaced, never executed.
    for printed in (typed("y"), strange.types(*uvx(), "status", code=2)):
        assert "has no settings" in said(printed) and "executed with" not in printed
    (folder / "json.py").write_text("print('executed')")
    assert "json.py changed since you allowed it" in said(strange.types(*uvx(), "status", code=2))


# --- the project


@pytest.mark.thorough
def test_only_what_a_person_wants_to_commit_is_left_by_the_onboarding(clinic: Person):
    commit(clinic)
    committed = clinic.types("git", "ls-files").splitlines()
    assert [name for name in committed if not name.startswith(".github/workflows/")] == [
        *(".gitignore", "AGENTS.md", "Pulumi.production.yaml", "Pulumi.yaml", "README.md", "__main__.py"),
        *("requirements.txt", "reviews/README.md"),
    ]


@pytest.mark.thorough
def test_plain_pulumi_finds_nothing_to_change_and_the_guardrails_of_the_package(clinic: Person):
    package = clinic.types(
        *(str(clinic.folder / ".venv/bin/python"), "-c", "import eonpro_kms; print(eonpro_kms.__path__[0])")
    ).strip()
    printed = clinic.types(
        *("pulumi", "preview", "--stack", "production", "--expect-no-changes", "--non-interactive"),
        *("--policy-pack", f'"{package}/guardrails"'),
    )
    assert "eonpro-kms-guardrails" in printed
    outputs = json.loads(clinic.types("pulumi", "stack", "output", "--json", "--stack", "production"))
    assert outputs["programVersion"] == version()


@pytest.mark.thorough
def test_nothing_of_it_is_written_into_the_installed_package(clinic: Person):
    site = next((clinic.folder / ".venv").glob("lib/python3.*/site-packages/eonpro_kms"))
    recorded = next(site.parent.glob("eonpro_kms-*.dist-info")).joinpath("RECORD").read_text()
    present = {
        str(path.relative_to(site.parent))
        for path in site.rglob("*")
        if path.is_file() and path.suffix != ".pyc"  # Python's own cache
    }
    assert present == {line.split(",")[0] for line in recorded.splitlines() if line.startswith("eonpro_kms/")}


@pytest.mark.thorough
def test_a_colleague_with_a_clone_and_another_home_goes_on(clinic: Person, tmp_path: Path):
    commit(clinic)
    home, clone = tmp_path / "home", tmp_path / "clone of it"
    home.mkdir()
    clinic.types("git", "clone", "--quiet", str(clinic.folder), str(clone))
    colleague = clinic.at(clone, HOME=str(home))
    assert "it is new on this machine" in said(colleague.types(*uvx(), "status", code=2))
    colleague.types(*uvx(), "init", "--trust")
    assert "has the three variables" in " ".join(colleague.types(*uvx(), "status", code=1).split())
    colleague.types(program(colleague), "verify")
    # Nobody has deployed the application since.
    assert "push --redeploy" in colleague.types(program(colleague), "doctor", "--quick", code=1)
    colleague.types(program(colleague), "push", "--no-redeploy", *UNATTENDED)
    assert colleague.types("git", "status", "--short") == ""


# --- another version


@pytest.mark.thorough
def test_a_newer_version_says_what_it_changes_and_becomes_the_projects_with_the_update(clinic: Person, tmp_path: Path):
    commit(clinic)
    before = tmp_path / "before"
    shutil.copytree(clinic.folder, before, ignore=shutil.ignore_patterns(".venv", ".sandbox"))
    shown = " ".join(clinic.types(*uvx(NEXT), "preview", "--non-interactive").split())
    assert f"the last update was made by eonpro-kms {version()}; this is {NEXT}" in shown and NOTE in shown
    assert "resources ~ BucketLifecycleConfiguration audit-trail (rules[0]." in shown
    assert clinic.types("git", "status", "--short") == ""
    assert version() in clinic.types(program(clinic), "--version")

    clinic.types(*uvx(NEXT), "setup", *UNATTENDED)
    changed = clinic.types("git", "status", "--short").split("\n")
    workflows = [f" M .github/workflows/eonpro-{name}.yml" for name in ("apply", "doctor", "preview", "review")]
    assert changed == [*workflows, " M requirements.txt", ""]
    apply = (clinic.folder / ".github/workflows/eonpro-apply.yml").read_text()
    assert f"uses: eonpro/eonpro-kms/packages/action@v{NEXT}" in apply and f"action@v{version()}" not in apply
    assert NEXT in clinic.types(program(clinic), "--version")
    clinic.types("pulumi", "preview", "--stack", "production", "--expect-no-changes", "--non-interactive")

    # An older program in the project: the project's own version runs.
    assert "has the three variables" in " ".join(clinic.types(*uvx(), "status", code=1).split())
    # A clone from before, whose version is the older one: it is refused.
    old = clinic.at(before)
    old.types(*uvx(), "init", "--trust")
    refused = " ".join(old.types(*uvx(), "preview", "--non-interactive", code=2).split())
    assert f"the stack was updated by eonpro-kms {NEXT}; this is {version()}" in refused


def other_pythons() -> list[str]:
    """The other Pythons of this machine that the program supports."""
    names = [f"3.{minor}" for minor in range(11, 15) if minor != sys.version_info.minor]
    of_pyenv = (sorted(Path.home().glob(f".pyenv/versions/{name}.*/bin/python")) for name in names)
    on_path = (shutil.which(f"python{name}") for name in names)
    found = [*(str(paths[-1]) for paths in of_pyenv if paths), *(path for path in on_path if path)]
    return [path for path in found if ".pyenv/shims" not in path]


@pytest.mark.thorough
def test_without_uv_pip_does_the_same(newcomer: Person, index: str, tmp_path: Path):
    path = "/usr/local/bin:/usr/bin:/bin"
    person = newcomer.at(tmp_path, PATH=path, PIP_EXTRA_INDEX_URL=index, PIP_DISABLE_PIP_VERSION_CHECK="1")
    person.types(sys.executable, "-m", "venv", "environment")
    person.types("environment/bin/pip", "install", "--quiet", f"eonpro-kms=={version()}")
    (tmp_path / "project").mkdir()
    at_home = person.at(tmp_path / "project")
    at_home.types(str(tmp_path / "environment/bin/eonpro-kms"), "init")
    assert "--hash=sha256:" in (at_home.folder / "requirements.txt").read_text().splitlines()[2]
    assert "does not exist" in at_home.types(program(at_home), "status")


@pytest.mark.thorough
@pytest.mark.parametrize("python", other_pythons())
def test_another_python_runs_it(newcomer: Person, tmp_path: Path, python: str):
    person = newcomer.at(tmp_path, UV_PYTHON=python)
    person.types(*uvx(), "init")
    wanted = person.types(python, "--version")
    assert person.types(str(tmp_path / ".venv/bin/python"), "--version") == wanted
    assert "does not exist" in person.types(program(person), "status")
