"""The table of packages: which package may import which, and which outside libraries, read from the imports themselves.

Touches the source tree, which it only reads, and starts the wizard once for its `--help`.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from wizard.targets.port import all_targets

ROOT = Path(__file__).resolve().parents[1]
ANY = ("*",)
INSTALLATION = "components.installation.*"
PURE_COMPONENTS = ("components.settings.*", "components.targets.*", "components.policies.*")
CORE = ("wizard.core.*", *PURE_COMPONENTS)
BELOW_ACCOUNT = (*CORE, "wizard.inputs.*", "wizard.data_key.*", "wizard.targets.*")
STEPS = (*BELOW_ACCOUNT, "wizard.account.*")
EDGES = ("wizard.aws.*", "wizard.vercel.*", "wizard.pulumi_engine.*", "wizard.terminal.*")
FOR_ADAPTERS = (
    *(
        "eonpro_phi.adapters.*",
        "eonpro_phi.binding",
        "eonpro_phi.constraint",
        "eonpro_phi.declarations",
        "eonpro_phi.errors",
        "eonpro_phi.record",
    ),
    "eonpro_phi.search.indexes",
)
"""An adapter knows the errors, places, the definitions of indexes and what it was given, never a key or a cipher."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table: the files of this pattern may import these outside libraries and these modules of ours.

    `types`: modules that they may import under TYPE_CHECKING alone, for the annotations of what they are given.
    """

    files: tuple[str, ...]
    outside: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    pure: bool = False
    lines: int | None = None


# The first row that fits a file is its row. Everybody may import the standard library, but pure rows not its EFFECTS.
TABLE = (
    Row(files=("__main__.py",), outside=("pulumi",), ours=("components.*",), lines=60),
    # The first import of a program: it has to be readable by a Python that is too old.
    Row(files=("components/installation/__init__.py",), ours=(INSTALLATION,), lines=100),
    Row(files=("components/installation/*.py",), ours=(INSTALLATION,)),
    Row(files=("components/settings/*.py",), outside=("pydantic",), ours=("components.settings.*",), pure=True),
    # The registry finds the targets in its package, so that a new one is one file.
    Row(
        files=("components/targets/platform.py",),
        outside=("a module chosen at run time",),
        ours=("components.targets.*", "components.settings.*", "components.policies.documents"),
        pure=True,
    ),
    Row(
        files=("components/targets/*.py",),
        ours=("components.targets.*", "components.settings.*", "components.policies.documents"),
        pure=True,
    ),
    Row(files=("components/policies/*.py",), ours=PURE_COMPONENTS, pure=True),
    Row(files=("components/*.py",), outside=("pulumi", "pulumi_aws"), ours=("components.*",)),
    # The table of commands loads the package of the one command that is parsed.
    Row(
        files=("wizard/cli/commands.py",),
        outside=("a module chosen at run time",),
        ours=("wizard.*", *PURE_COMPONENTS),
        pure=True,
    ),
    Row(files=("wizard/__main__.py",), ours=(INSTALLATION, "wizard.cli.*")),
    Row(
        files=("wizard/cli/*.py",),
        outside=("argcomplete", "packaging"),
        ours=(INSTALLATION, "wizard.*", *PURE_COMPONENTS),
    ),
    Row(files=("wizard/__init__.py",), ours=(INSTALLATION,), pure=True),
    # They hold the clients of a run.
    Row(
        files=("wizard/core/clients.py", "wizard/core/target_context.py"),
        ours=CORE,
        types=(*EDGES, "wizard.data_key.verification", "wizard.inputs.*"),
        pure=True,
    ),
    Row(files=("wizard/core/*.py",), ours=CORE, pure=True),
    # The clients: one outside library each, and pydantic for the shape of an answer; none knows another.
    Row(files=("wizard/terminal/*.py",), outside=("questionary", "prompt_toolkit"), ours=("wizard.terminal.*", *CORE)),
    # The digests of the audit logs are signed.
    Row(files=("wizard/aws/log_validation.py",), outside=("cryptography",), ours=("wizard.aws.*", *CORE)),
    Row(files=("wizard/aws/*.py",), outside=("boto3", "botocore", "pydantic"), ours=("wizard.aws.*", *CORE)),
    Row(files=("wizard/vercel/*.py",), outside=("urllib3", "certifi", "pydantic"), ours=("wizard.vercel.*", *CORE)),
    # A passphrase is tried as the engine tries it, because the engine itself does so only when it is too late.
    Row(
        files=("wizard/pulumi_engine/*.py",),
        outside=("pulumi", "yaml", "cryptography"),
        ours=(INSTALLATION, "wizard.pulumi_engine.*", *CORE),
    ),
    # The registry finds the targets in its package, so that a new one is one file.
    Row(
        files=("wizard/targets/port.py",),
        outside=("a module chosen at run time",),
        ours=("wizard.targets.*", *CORE),
        types=EDGES,
        pure=True,
    ),
    Row(files=("wizard/targets/*.py",), outside=("yaml",), ours=("wizard.targets.*", *CORE), types=EDGES, pure=True),
    Row(
        files=("wizard/inputs/*.py",),
        outside=("yaml",),
        ours=(INSTALLATION, "wizard.inputs.*", "wizard.targets.*", *CORE),
        types=EDGES,
    ),
    # The application's side (phi) is reached as a child process, never imported.
    Row(files=("wizard/data_key/*.py",), ours=("wizard.data_key.*", "wizard.targets.*", *CORE), types=EDGES),
    # The one place that asks the guardrails.
    Row(files=("wizard/account/strangers.py",), ours=("guardrails.rules.*", "components.settings.*"), pure=True),
    # How a deployed stack is, and whether that is good.
    Row(files=("wizard/account/*.py",), ours=("wizard.account.*", *BELOW_ACCOUNT), types=EDGES, pure=True),
    Row(files=("wizard/setup/*.py",), outside=("yaml",), ours=("wizard.setup.*", *STEPS), types=EDGES, pure=True),
    Row(
        files=("wizard/commands/*.py",),
        outside=("jinja2", "markupsafe"),
        ours=("wizard", "wizard.commands.*", "wizard.setup.*", *STEPS),
        types=EDGES,
        pure=True,
    ),
    Row(files=("packages/phi/eonpro_phi/kms.py",), outside=("boto3", "botocore"), ours=("eonpro_phi.*",)),
    # The application's models say how their columns are bound.
    Row(
        files=("packages/phi/eonpro_phi/declarations.py",),
        outside=("a module chosen at run time", "django"),
        ours=("eonpro_phi.binding", "eonpro_phi.record"),
    ),
    *(
        Row(files=(files,), outside=libraries, ours=FOR_ADAPTERS)
        for files, libraries in (
            ("packages/phi/eonpro_phi/adapters/sqlalchemy/*.py", ("sqlalchemy",)),
            ("packages/phi/eonpro_phi/adapters/django/*.py", ("django",)),
        )
    ),
    Row(files=("packages/phi/eonpro_phi/adapters/*.py",), ours=FOR_ADAPTERS, pure=True),
    Row(
        files=("packages/phi/eonpro_phi/reencryption/*.py",),
        outside=("psycopg", "cryptography", "pybase64"),
        ours=("eonpro_phi.*",),
    ),
    Row(files=("packages/phi/eonpro_phi/*.py",), outside=("cryptography", "pybase64"), ours=("eonpro_phi.*",)),
    # The former name imports its modules under their new one.
    Row(files=("packages/phi/phi.py",), outside=("a module chosen at run time",), pure=True),
    Row(files=("packages/sandbox/*.py",), outside=ANY, ours=(INSTALLATION, "sandbox.*")),
    # Run by the runner's Python, from a checkout of the repository.
    Row(files=("packages/action/*.py",), ours=("wizard.core.requirements_file",)),
    # What the pack decides by is its own, and the standard library's: no file of the program can widen it.
    Row(files=("guardrails/rules/*.py",), ours=("guardrails.rules.*",), pure=True),
    # The engine runs the pack's directory as a program, so that its own files are top-level modules there.
    Row(
        files=("guardrails/*.py",),
        outside=("pulumi", "pulumi_policy", "rules", "stack_settings"),
    ),
    # The customer's project, and the two files that the wheel adds.
    Row(
        files=("examples/project/*.py", "tools/release/eonpro_kms/*.py"),
        outside=("eonpro_kms",),
        ours=("wizard.*", "sandbox.*"),
    ),
    # It runs before anything is installed.
    Row(files=("tools/bootstrap/*.py",), ours=(INSTALLATION, "tools.bootstrap.*")),
    Row(files=("tests/*.py", "tools/*.py"), outside=ANY, ours=ANY),
)

EFFECTS = ("subprocess", "socket", "ssl", "http.*", "urllib.request", "multiprocessing", "ctypes")
NAMELESS = frozenset({"util", "utils", "helper", "helpers", "common", "manager"})
RUN_TIME_IMPORTS = frozenset({"import_module", "__import__"})


def python_files(root: Path) -> Iterator[Path]:
    """Every .py of the tree, relative to it; hidden directories and virtual environments are no room."""
    for entry in sorted(root.iterdir()):
        if entry.name.startswith(".") or entry.name in ("__pycache__", "node_modules"):
            continue
        if entry.is_dir() and not (entry / "pyvenv.cfg").exists():
            yield from (Path(entry.name) / below for below in python_files(entry))
        elif entry.suffix == ".py":
            yield Path(entry.name)


def module_name(file: Path) -> str:
    """The dotted name of a file: `a/b.py` is a.b, `a/__init__.py` is a; a package of packages/ begins at its own."""
    parts = _importable(file).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _importable(file: Path) -> Path:
    # packages/NAME is on the module search path.
    return Path(*file.parts[2:]) if file.parts[0] == "packages" else file


def imports(file: Path, source: str, modules: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Line and absolute name of each module a file imports, at any depth, lazily or by name at run time."""
    for node in ast.walk(ast.parse(source, str(file))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = _importable(file).parent.parts
            package = above[: len(above) - node.level + 1] if node.level else ()
            origin = ".".join((*package, *([node.module] if node.module else [])))
            for alias in node.names:
                dotted = f"{origin}.{alias.name}" if origin else alias.name
                yield node.lineno, dotted if dotted in modules or not origin else origin
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
            if called in RUN_TIME_IMPORTS:
                match node.args:
                    case [ast.Constant(value=str(name)), *_]:
                        yield node.lineno, name
                    case _:
                        yield node.lineno, "a module chosen at run time"


def lines_for_types(source: str) -> frozenset[int]:
    """The lines that a type checker reads and no run does: those under `if TYPE_CHECKING`, without its `else`."""
    blocks = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.If))
    return frozenset(
        line
        for block in blocks
        if isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in block.body
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    )


def findings(root: Path, table: tuple[Row, ...]) -> list[str]:
    """What the tree does that the table does not allow, as sentences; empty when the table holds."""
    files = list(python_files(root))
    modules = frozenset(module_name(file) for file in files) | {".".join(_importable(f).parent.parts) for f in files}
    packages = {name.partition(".")[0] for name in modules} - {"", "__main__"}
    found = []
    for file in files:
        row = next((row for row in table if fits(file.as_posix(), row.files)), None)
        if row is None:
            found.append(f"{file.as_posix()} is in no row of the table")
            continue
        source = (root / file).read_text(encoding="utf-8")
        for_types = lines_for_types(source) if row.types else frozenset[int]()
        # Half of the tree may import what it likes.
        for line, name in () if row.ours == row.outside == ANY else imports(file, source, modules):
            top = name.partition(".")[0]
            if top in packages:
                allowed = fits(name, (*row.ours, *row.types) if line in for_types else row.ours)
            elif top in sys.stdlib_module_names:
                allowed = not (row.pure and fits(name, EFFECTS))
            else:
                allowed = fits(top, row.outside)
            if not allowed:
                found.append(f"{file.as_posix()}:{line} imports {name}")
        if row.lines and source.count("\n") > row.lines:
            found.append(f"{file.as_posix()} has more than {row.lines} lines")
    return list(dict.fromkeys(found))


def idle_rows(root: Path, table: tuple[Row, ...]) -> list[tuple[str, ...]]:
    """The rows that no file of the tree has; a table that speaks of nothing there is out of date."""
    files = [file.as_posix() for file in python_files(root)]
    return [row.files for row in table if not any(fits(file, row.files) for file in files)]


def fits(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a name is one of the patterns, `x.*` meaning x as well as everything in it."""
    return any(fnmatchcase(name, one) or fnmatchcase(f"{name}.", one) for one in patterns)


def test_every_import_of_this_tree_follows_the_table() -> None:
    assert findings(ROOT, TABLE) == []


def test_every_row_of_the_table_speaks_of_a_file_that_is_there() -> None:
    assert idle_rows(ROOT, TABLE) == []


@pytest.mark.parametrize(
    "file", ["__main__.py", "components/key.py", "wizard/core/errors.py", "packages/phi/eonpro_phi/kms.py"]
)
def test_the_table_is_held_against_a_tree_that_is_really_there(file: str) -> None:
    assert Path(file) in set(python_files(ROOT))


def test_the_root_has_no_other_folders() -> None:
    """What stands on its own is in packages/."""
    made = ("__pycache__", "dist", "node_modules")
    folders = [entry for entry in ROOT.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    # What git leaves of a folder that has moved is compiled code.
    found = {
        entry.name
        for entry in folders
        if entry.name not in made and not (entry / "pyvenv.cfg").exists()
        if any(file.is_file() and file.suffix != ".pyc" for file in entry.rglob("*"))
    }
    assert found == {"components", "docs", "examples", "guardrails", "packages", "tests", "tools", "wizard"}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an archive has what was committed, and no list of it")
def test_no_settings_of_a_stack_are_committed() -> None:
    """Whoever clones the repository has no stack yet: `make demo` would go on with these."""
    tracked = subprocess.run(["git", "ls-files", "Pulumi*"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert tracked.stdout.splitlines() == ["Pulumi.yaml"]


def test_tests_are_no_package() -> None:
    assert [file.as_posix() for file in python_files(ROOT / "tests") if file.name == "__init__.py"] == []


def test_a_folder_of_the_wizard_has_a_package_file_only_for_code() -> None:
    """What a folder holds, the table of docs/ARCHITECTURE.md says."""
    files = [ROOT / file for file in python_files(ROOT) if file.parts[0] == "wizard" and file.name == "__init__.py"]
    code = {file: [node for node in ast.parse(file.read_text("utf-8")).body if not is_text(node)] for file in files}
    assert [file for file, nodes in code.items() if not nodes] == []


def is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def test_no_file_hides_behind_a_name_that_means_nothing() -> None:
    named = [file for file in python_files(ROOT) for part in file.with_suffix("").parts if nameless(part)]
    assert named == []


def nameless(part: str) -> bool:
    """Whether any word of a file's or directory's name is one that could hold anything."""
    # AWS Secrets Manager is a product's name.
    return not NAMELESS.isdisjoint(part.lower().replace("secrets_manager", "").split("_"))


def test_the_help_of_the_wizard_loads_no_heavy_library() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "wizard", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    timed = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert done.returncode == 0, [line for line in done.stderr.splitlines() if line not in timed]
    assert "usage" in done.stdout.lower()
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in timed}
    assert "wizard" in loaded or "argparse" in loaded
    heavy = {"boto3", "botocore", "pulumi", "pulumi_aws", "prompt_toolkit", "pydantic", "httpx", "yaml"}
    assert loaded & heavy == set()


# The checker itself, on small trees made up for it.


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, source in {
        "__main__.py": "import pulumi\nfrom components import PhiKey\n",
        "components/__init__.py": "",
        "components/settings/values.py": "from pydantic import BaseModel\n",
        "components/policies/key.py": "from components.settings import values\n",
        "components/key.py": "import pulumi_aws\nfrom .policies import key\n",
        "wizard/__init__.py": "",
        "wizard/cli/main.py": "def main():\n    from wizard.terminal import screen\n    import wizard.aws\n",
        "wizard/core/errors.py": "",
        "wizard/inputs/answers.py": "",
        "wizard/terminal/screen.py": "import prompt_toolkit.styles\nfrom wizard.core import errors\n",
        "wizard/aws/__init__.py": "from wizard.aws.client import Client\n",
        "wizard/aws/client.py": "from . import iam\nfrom ..core.errors import SetupError\n",
        "wizard/aws/iam.py": "def ask():\n    import boto3\n",
        "wizard/setup/plan.py": "from components.policies import key\nfrom wizard.core.errors import SetupError\n",
        "wizard/commands/push/command.py": "from wizard.setup import plan\n",
        "packages/phi/eonpro_phi/__init__.py": "from eonpro_phi.kms import KmsKeySource\n",
        "packages/phi/eonpro_phi/kms.py": "def decrypt():\n    import botocore.session\n",
        "tests/wizard/setup/test_plan.py": "import anything, sandbox, wizard.setup.plan\n",
        "packages/sandbox/sandbox/cloud.py": "import moto.server\nfrom sandbox import ports\n",
        "packages/sandbox/sandbox/ports.py": "",
        ".venv/lib/forbidden.py": "import wizard\n",
        "venv/pyvenv.cfg": "",
        "venv/lib/forbidden.py": "import wizard\n",
    }.items():
        write(tmp_path, name, source)
    return tmp_path


def write(tree: Path, name: str, source: str) -> None:
    file = tree / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source, encoding="utf-8")


def test_a_tree_that_follows_the_table_has_no_findings(tree: Path) -> None:
    assert findings(tree, TABLE) == []


PLAN, SCREEN, CLIENT = "wizard/setup/plan.py", "wizard/terminal/screen.py", "wizard/aws/client.py"


@pytest.mark.parametrize(
    ("file", "source", "finding"),
    [
        ("components/settings/values.py", "import pulumi\n", "1 imports pulumi"),
        ("components/key.py", "import wizard.core.errors\n", "1 imports wizard.core.errors"),
        ("components/key.py", "from eonpro_phi import kms\n", "1 imports eonpro_phi.kms"),
        ("components/policies/key.py", "from .. import key\n", "1 imports components.key"),
        ("components/policies/key.py", "from ..key import x\n", "1 imports components.key"),
        (PLAN, "\ndef f():\n    import boto3\n", "3 imports boto3"),
        (PLAN, "class A:\n  def f(self):\n    from rich import x\n", "3 imports rich"),
        (PLAN, "from wizard.terminal import screen\n", "1 imports wizard.terminal.screen"),
        (PLAN, "from ..terminal import screen as s\n", "1 imports wizard.terminal.screen"),
        (PLAN, "from ..commands.push import command\n", "1 imports wizard.commands.push.command"),
        (PLAN, "import wizard.aws.client as c\n", "1 imports wizard.aws.client"),
        (PLAN, "from components.key import X\n", "1 imports components.key"),
        (PLAN, "from components import *\n", "1 imports components"),
        (PLAN, "import subprocess\n", "1 imports subprocess"),
        (PLAN, "import http.client\n", "1 imports http.client"),
        (PLAN, "from urllib.request import x\n", "1 imports urllib.request"),
        (PLAN, "if TYPE_CHECKING:\n    import rich\n", "2 imports rich"),
        (PLAN, "if TYPE_CHECKING:\n    pass\nelse:\n    import wizard.aws.client\n", "4 imports wizard.aws.client"),
        (
            PLAN,
            "if TYPE_CHECKING:\n    import wizard.commands.push.command\n",
            "2 imports wizard.commands.push.command",
        ),
        (SCREEN, "if TYPE_CHECKING:\n    from wizard.aws import client\n", "2 imports wizard.aws.client"),
        (PLAN, "try:\n    import rich\nexcept ImportError: ...\n", "2 imports rich"),
        (PLAN, "import importlib\nimportlib.import_module('rich')\n", "2 imports rich"),
        (PLAN, "x = __import__('rich')\n", "1 imports rich"),
        (PLAN, "__import__(name)\n", "1 imports a module chosen at run time"),
        ("wizard/core/errors.py", "from wizard.inputs import answers\n", "1 imports wizard.inputs.answers"),
        (CLIENT, "from ..terminal import screen\n", "1 imports wizard.terminal.screen"),
        (CLIENT, "from ..setup.plan import x\n", "1 imports wizard.setup.plan"),
        (SCREEN, "from wizard.aws import x\n", "1 imports wizard.aws"),
        (SCREEN, "import httpx\n", "1 imports httpx"),
        ("wizard/data_key/verification.py", "from eonpro_phi import PhiCipher\n", "1 imports eonpro_phi"),
        ("wizard/cli/main.py", "import sandbox.cloud\n", "1 imports sandbox.cloud"),
        ("wizard/cli/main.py", "import rich\n", "1 imports rich"),
        ("packages/phi/eonpro_phi/__main__.py", "import boto3\n", "1 imports boto3"),
        ("packages/phi/eonpro_phi/cipher.py", "import wizard\n", "1 imports wizard"),
        ("packages/sandbox/sandbox/cloud.py", "from eonpro_phi import kms\n", "1 imports eonpro_phi.kms"),
        ("packages/sandbox/sandbox/cloud.py", "import wizard.core\n", "1 imports wizard.core"),
        ("tools/bootstrap/__main__.py", "import rich\n", "1 imports rich"),
        ("tools/bootstrap/__main__.py", "from sandbox import ports\n", "1 imports sandbox.ports"),
        ("guardrails/__main__.py", "import wizard.core\n", "1 imports wizard.core"),
        ("guardrails/stack_settings.py", "from components.settings import Settings\n", "1 imports components.settings"),
        ("guardrails/rules/judgement.py", "import pulumi_policy\n", "1 imports pulumi_policy"),
        (
            "guardrails/rules/table/keys.py",
            "from components.policies import key\n",
            "1 imports components.policies.key",
        ),
    ],
)
def test_what_the_table_forbids_is_found(tree: Path, file: str, source: str, finding: str) -> None:
    write(tree, file, source)
    assert findings(tree, TABLE) == [f"{file}:{finding}"]


@pytest.mark.parametrize("file", ["wizard/attic.py", "attic/__init__.py", "top.py"])
def test_a_file_outside_the_packages_is_found(tree: Path, file: str) -> None:
    write(tree, file, "")
    assert findings(tree, TABLE) == [f"{file} is in no row of the table"]


def test_a_program_that_is_too_long_is_found(tree: Path) -> None:
    write(tree, "__main__.py", "pass\n" * 61)
    assert findings(tree, TABLE) == ["__main__.py has more than 60 lines"]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        (PLAN, "if TYPE_CHECKING:\n    from wizard.aws.client import Client\n"),
        (PLAN, "from urllib.parse import urlsplit\nimport importlib.metadata\n"),
        ("wizard/inputs/answers.py", "import yaml\nfrom ..core.errors import SetupError\n"),
        ("wizard/vercel/client.py", "import urllib3\nfrom wizard.core import errors\n"),
        ("wizard/pulumi_engine/engine.py", "from pulumi import automation\n"),
        ("guardrails/__main__.py", "from pulumi_policy import PolicyPack\nfrom rules import RULES\n"),
        ("tools/screens.py", "import sandbox, wizard.core, whatever\n"),
    ],
)
def test_what_the_table_allows_is_not_found(tree: Path, file: str, source: str) -> None:
    write(tree, file, source)
    assert findings(tree, TABLE) == []


def test_a_row_without_a_file_is_found(tree: Path) -> None:
    assert idle_rows(tree, (Row(files=("attic/*.py",)),)) == [("attic/*.py",)]


# --- deploy targets


def target_comparisons(file: Path, source: str, names: frozenset[str]) -> list[str]:
    """Where a file tells deploy targets apart itself: a member of `Target`, or a comparison with a target's name."""
    found = []
    for node in ast.walk(ast.parse(source, str(file))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Target":
            found.append(f"{file.as_posix()}:{node.lineno} names Target.{node.attr}")
        elif isinstance(node, ast.Compare | ast.MatchValue):
            constants = {
                each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)
            }
            if constants & names:
                found.append(f"{file.as_posix()}:{node.lineno} compares with {', '.join(sorted(constants & names))}")
    return found


def test_only_the_targets_and_the_components_tell_deploy_targets_apart() -> None:
    names = frozenset(target.name for target in all_targets())
    found = [
        finding
        for file in python_files(ROOT)
        if file.parts[0] == "wizard" and file.parts[1] != "targets"
        for finding in target_comparisons(file, (ROOT / file).read_text(encoding="utf-8"), names)
    ]
    assert found == []


def test_a_new_target_changes_no_file_of_the_stack_but_its_settings_and_its_own() -> None:
    """The outputs of Vercel, ECS and EKS are contracts of their own; another target has none of them."""
    own = {"components/settings/application.py", "components/settings/outputs.py", "components/delivery.py"}
    naming = {
        file.as_posix()
        for file in python_files(ROOT)
        if file.parts[0] == "components"
        if any(" names Target." in each for each in target_comparisons(file, (ROOT / file).read_text(), frozenset()))
    }
    assert {file for file in naming if not file.startswith("components/targets/")} == own


@pytest.mark.parametrize(
    "source",
    [
        "if target is Target.VERCEL: pass",
        "kept = {Target.ECS, Target.EKS} & set(settings.deploy_targets)",
        "PLACES = {Target.VERCEL: 'production'}",
        "match target:\n    case Target.ECS: pass",
        "match target:\n    case 'ecs': pass",
        "if 'vercel' in target.value: pass",
        "if target == 'eks': pass",
    ],
)
def test_each_way_of_telling_targets_apart_is_found(source: str) -> None:
    assert target_comparisons(Path("a.py"), source, frozenset({"vercel", "ecs", "eks"})) != []


# --- ARNs

ARN_MODULES = ("components/settings/arn.py", "guardrails/rules/settings.py", "packages/sandbox/sandbox/arns.py")
"""They alone take an ARN apart; the guardrails share no code with the program."""
SPLITS = frozenset({"split", "rsplit", "partition", "rpartition"})


def hand_splits_of_arns(file: Path, source: str) -> list[str]:
    """Where a file splits an ARN itself: the name of what is split says so, or the separator, or the number of it."""
    found = []
    for node in ast.walk(ast.parse(source, str(file))):
        match node:
            case ast.Call(func=ast.Attribute(value=text, attr=name), args=[ast.Constant(value=str(separator)), *most]):
                if name not in SPLITS:
                    continue
                is_arn = re.search(r"(?i)arn(s|\b|_)", ast.unparse(text)) and separator in (":", "/")
                is_one = separator.endswith(":::") or re.fullmatch(r":[a-z-]+/", separator)
                is_cut = separator == ":" and [ast.unparse(each) for each in most] == ["5"]
                if is_arn or is_one or is_cut:
                    found.append(f"{file.as_posix()}:{node.lineno} splits an ARN")
            case ast.Subscript(
                value=ast.Call(func=ast.Attribute(attr="split"), args=[ast.Constant(value=":"), *_]),
                slice=ast.Constant(value=3 | 4),
            ):
                found.append(f"{file.as_posix()}:{node.lineno} splits an ARN")
    return found


def test_no_module_but_that_of_arns_takes_an_arn_apart() -> None:
    found = [
        finding
        for file in python_files(ROOT)
        if file.parts[0] in ("wizard", "components", "guardrails", "packages", "tools", "__main__.py")
        and file.as_posix() not in ARN_MODULES
        for finding in hand_splits_of_arns(file, (ROOT / file).read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "region = key_arn.split(':')[3]",
        "region = text.split(':')[3]",
        "account = text.split(':')[4]",
        "name = role.arn.rpartition('/')[2]",
        "issuer = provider.partition(':oidc-provider/')[2]",
        "bucket = resource.partition(':::')[2]",
        "head, _, tail = name.partition(':role/')",
        "fields = text.split(':', 5)",
        "names = [arn.rsplit('/', 1)[-1] for arn in arns]",
    ],
)
def test_each_way_of_splitting_an_arn_is_found(source: str) -> None:
    assert hand_splits_of_arns(Path("a.py"), source) != []


@pytest.mark.parametrize(
    "source", ["urn.rsplit('::', 1)", "path.rpartition('/')", "learned.split(',')", "x.split(':')"]
)
def test_a_split_of_something_else_is_none(source: str) -> None:
    assert hand_splits_of_arns(Path("a.py"), source) == []


def test_no_default_argument_is_the_environment() -> None:
    """`help()` prints default arguments: the environment's secrets would be on the screen."""
    texts = {file: (ROOT / file).read_text("utf-8") for file in python_files(ROOT)}
    for file, text in texts.items():
        for function in ast.walk(ast.parse(text)) if "os.environ" in text else ():
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                defaults = [*function.args.defaults, *(each for each in function.args.kw_defaults if each)]
                assert "os.environ" not in map(ast.unparse, defaults), f"{file}:{function.lineno}"
