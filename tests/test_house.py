"""The house rules: who may import whom, room by room, read from the imports themselves.

Touches the source tree, which it only reads, and starts the wizard once for its `--help`.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ANY = ("*",)
POLICIES = tuple(
    f"components.{name}" for name in "documents grants key_policies access_policies trail_policies ci_policies".split()
)
PURE_COMPONENTS = (
    "components.settings.settings",
    "components.settings.values",
    "components.settings.names",
    "components.settings.outputs",
    "components.policies",
    "components.policies.stack",
    "components.policies.event_patterns",
    *POLICIES,
)
PURE_WIZARD = tuple(
    f"wizard.{name}"
    for name in (
        "questions input interview answers answers_file account existing preflight plan journey delivery report "
        "account_limits account_principals account_trail preflight_attempt preflight_edges preflight_stack "
        "facts_account facts_found by_hand adoption_offer preflight_data_key checklist identity_patterns "
        "facts_progress manifests escrow steps cost prices kept trail_requirements "
        "operator_policy operator_things operator_actions operator_reads auditor_policy auditor_actions "
        "questions_key questions_application questions_trail questions_state "
        "state_backend state_step saved_plan review offers detection agreement opening drafts handing_over "
        "access_key access_key_standing "
        "adoption adoption_data_key adoption_differences adoption_documents "
        "adoption_obstacles adoption_proof adoption_trail "
        "as_typed command_line documents redaction "
        "status status_facts status_table "
        "facts_symptoms protocols_doctor "
        "facts_backup protocols_backup protocols_spending ci_policy "
        "standing facts_scope facts_rotation facts_access facts_iam facts_usage facts_deployment facts_fleet "
        "facts_audit facts_drift protocols_rotation protocols_deployment protocols_audit protocols_access "
        "errors facts protocols datakey"
    ).split()
)
EDGE_MAY = (
    "wizard.core.errors",
    "wizard.core.data_key",
    "components.settings.settings",
    *(f"wizard.{name}" for name in "facts facts_progress".split()),
    *(
        f"wizard.facts_{name}"
        for name in "backup symptoms rotation access iam usage deployment fleet scope audit drift".split()
    ),
)
DAY_TWO = tuple(f"wizard.{name}.*" for name in "push doctor rotation backup access_review compliance spending".split())
"""The commands for a stack that stands: a room each."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table: these files may import these outside libraries and these modules of ours."""

    files: tuple[str, ...]
    outside: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()
    pure: bool = False
    lines: int | None = None


# The first row that fits a file is its row. The standard library is everybody's, less EFFECTS in pure rows.
TABLE = (
    Row(files=("__main__.py",), outside=("pulumi",), ours=("components.*",), lines=60),
    Row(
        files=tuple(f"components/{name}.py" for name in ("contract", "values", "outputs")),
        outside=("pydantic",),
        ours=("components.settings.values", "components.settings.names", "components.settings.outputs"),
        pure=True,
    ),
    Row(
        files=tuple(f"components/{name}.py" for name in ("names", "documents", "grants", "event_patterns")),
        pure=True,
    ),
    Row(
        files=tuple(f"components/{name}_policies.py" for name in ("key", "access", "trail", "ci")),
        ours=("components.policies.documents", "components.policies.key"),
        pure=True,
    ),
    Row(files=("components/policies/__init__.py",), ours=POLICIES, pure=True),
    Row(
        files=("components/policies/stack.py",), ours=("components.policies", "components.settings.settings"), pure=True
    ),
    Row(files=("components/__init__.py",), ours=PURE_COMPONENTS, pure=True),
    Row(
        files=tuple(f"components/{name}.py" for name in ("adoption", "configuration")),
        outside=("pulumi",),
        ours=("components.settings.settings",),
    ),
    Row(
        files=tuple(f"components/{name}.py" for name in "key access delivery audit trail_buckets alerts".split()),
        outside=("pulumi", "pulumi_aws"),
        ours=(*PURE_COMPONENTS, "components.configuration", "components.audit", "components.trail_buckets"),
    ),
    Row(
        files=("wizard/cli/main.py", "wizard/cli/dispatch.py", "wizard/cli/request.py", "wizard/cli/clients.py"),
        ours=("wizard.*", *PURE_COMPONENTS),
    ),
    Row(files=("wizard/__init__.py",), pure=True),
    Row(
        files=("wizard/inputs/answers.py", "wizard/inputs/answers_file.py", "wizard/setup/report.py"),
        outside=("yaml",),
        ours=(*PURE_WIZARD, *PURE_COMPONENTS),
        pure=True,
    ),
    Row(
        files=tuple(name.replace(".", "/") + ".py" for name in PURE_WIZARD),
        ours=(*PURE_WIZARD, *PURE_COMPONENTS),
        pure=True,
    ),
    Row(
        files=tuple(f"{name[:-2].replace('.', '/')}/*.py" for name in DAY_TWO),
        ours=(*PURE_WIZARD, *PURE_COMPONENTS, *DAY_TWO),
        pure=True,
    ),
    # An edge may be several files, the others named after it; they know each other and no other edge.
    Row(
        files=("wizard/terminal/terminal.py", "wizard/terminal_*.py"),
        outside=("questionary", "prompt_toolkit"),
        # Questions are data; what a question is stands in wizard.core.models.inputs.
        ours=(*EDGE_MAY, "wizard.core.models.inputs", "wizard.terminal_*"),
    ),
    Row(
        files=("wizard/aws.py", "wizard/aws/*.py"),
        outside=("boto3", "botocore"),
        ours=(*EDGE_MAY, "wizard.aws.*"),
    ),
    Row(
        files=("wizard/vercel/client.py", "wizard/vercel_*.py"),
        outside=("httpx", "httpcore"),  # which comes with httpx
        ours=(*EDGE_MAY, "wizard.vercel_*", "wizard.inputs.application_folder"),
    ),
    Row(files=("wizard/inputs/saved_progress.py",), ours=("wizard.inputs.saved_progress",)),
    # Read before the first prompt: the standard library alone.
    Row(files=("wizard/inputs/application_folder.py",)),
    # A passphrase is tried as the engine tries it, because the engine itself does so only when it is too late.
    Row(files=("wizard/pulumi_engine/passphrase.py",), outside=("cryptography",), ours=EDGE_MAY),
    # What was found is handed over as the question of where the state is wants it.
    Row(
        files=("wizard/pulumi_engine/backend.py",),
        ours=(
            "wizard.pulumi_engine.backend",
            "wizard.pulumi_engine.passphrase",
            "wizard.core.models.discovery",
            "wizard.inputs.state_backend",
        ),
    ),
    # Stack settings are YAML files of the engine's, so reading them is part of its edge.
    Row(
        files=("wizard/pulumi_engine/engine.py", "wizard/engine_*.py"),
        outside=("pulumi", "yaml"),
        ours=(*EDGE_MAY, "wizard.core.models.discovery", "wizard.engine_*", "wizard.core.models.stack_status"),
    ),
    # Of everybody's: what is written there, nobody reads back.
    Row(files=("wizard/cli/run_log.py",), ours=("wizard.core.errors", "wizard.cli.redaction")),
    # What a shell waits for at every TAB: nothing but the tables.
    Row(
        files=("wizard/cli/completion.py", "wizard/cli/completion.py"),
        ours=("wizard.cli.parser", "wizard.cli.completion", "wizard.core.models.inputs", "wizard.inputs.registry"),
    ),
    # The application's side is reached as a child process, never imported.
    Row(files=("wizard/data_key/verification.py", "wizard/data_key/wrapping.py"), ours=EDGE_MAY),
    Row(files=("phi/kms.py",), outside=("boto3", "botocore"), ours=("phi.*",)),
    # An adapter knows the errors and what it was given, never a key or a cipher.
    *(
        Row(files=(f"phi/adapters/{name}.py",), outside=libraries, ours=("phi.adapters.*", "phi.errors"))
        for name, libraries in (
            ("sqlalchemy", ("sqlalchemy",)),
            ("django", ("django",)),
            # A column of Spark's is a series of pandas'.
            ("spark", ("pyspark", "pandas")),
        )
    ),
    Row(files=("phi/adapters/*.py",), ours=("phi.adapters.*", "phi.errors"), pure=True),
    Row(files=("phi/cipher.py",), outside=("cryptography", "pybase64"), ours=("phi.*",)),
    Row(
        files=("phi/reencryption/database.py", "phi/reencryption/statements.py"), outside=("psycopg",), ours=("phi.*",)
    ),
    Row(files=("phi/reencryption/reencryptor.py",), outside=("cryptography", "pybase64"), ours=("phi.*",)),
    Row(files=("phi/reencryption/*.py",), ours=("phi.*",)),
    Row(files=("phi/*.py",), outside=("cryptography",), ours=("phi.*",)),
    Row(files=("sandbox/*.py",), outside=ANY, ours=("sandbox.*",)),
    # The engine runs the pack's directory as a program, so that its own files are top-level modules there.
    Row(files=("guardrails/*.py",), outside=("pulumi", "pulumi_policy", "rules"), ours=("guardrails.*",)),
    Row(files=("tools/__init__.py",), pure=True),
    Row(files=("tools/bootstrap/*.py",), ours=("tools.bootstrap.*",)),
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
    """The dotted name of a file: `a/b.py` is a.b, `a/__init__.py` is a."""
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(file: Path, source: str, modules: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Line and absolute name of each module a file imports, at any depth, lazily or by name at run time."""
    for node in ast.walk(ast.parse(source, str(file))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = file.parent.parts[: len(file.parent.parts) - node.level + 1] if node.level else ()
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


def findings(root: Path, table: tuple[Row, ...]) -> list[str]:
    """What the tree does that the table does not allow, as sentences; empty when the house is in order."""
    files = list(python_files(root))
    modules = frozenset(module_name(file) for file in files) | {".".join(f.parent.parts) for f in files}
    rooms = {name.partition(".")[0] for name in modules} - {"", "__main__"}
    found = []
    for file in files:
        row = next((row for row in table if fits(file.as_posix(), row.files)), None)
        if row is None:
            found.append(f"{file.as_posix()} is in no row of the table")
            continue
        source = (root / file).read_text(encoding="utf-8")
        for line, name in imports(file, source, modules):
            top = name.partition(".")[0]
            if top in rooms:
                allowed = fits(name, row.ours)
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
    "room", ["__main__.py", "components/settings/settings.py", "wizard/core/errors.py", "phi/kms.py"]
)
def test_the_table_is_held_against_a_tree_that_is_really_there(room: str) -> None:
    assert Path(room) in set(python_files(ROOT))


def test_tests_are_no_package() -> None:
    assert [file.as_posix() for file in python_files(ROOT / "tests") if file.name == "__init__.py"] == []


def test_no_file_hides_behind_a_name_that_means_nothing() -> None:
    named = [file for file in python_files(ROOT) for part in file.with_suffix("").parts if nameless(part)]
    assert named == []


def nameless(part: str) -> bool:
    """Whether any word of a file's or directory's name is one that could hold anything."""
    return not NAMELESS.isdisjoint(part.lower().split("_"))


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
        "components/settings/settings.py": "import json\nfrom pydantic import BaseModel\n",
        "components/policies/__init__.py": "",
        "components/key.py": "import pulumi_aws\nfrom . import policies\nfrom .contract import Settings\n",
        "wizard/__init__.py": "",
        "wizard/cli/main.py": "def main():\n    from wizard import terminal\n    import wizard.aws\n",
        "wizard/setup/plan.py": "from components import contract\nfrom wizard.core.errors import SetupError\n",
        "wizard/core/errors.py": "",
        "wizard/terminal/terminal.py": "import prompt_toolkit.styles\nfrom wizard import errors\n",
        "wizard/aws/__init__.py": "from wizard.aws.client import Client\n",
        "wizard/aws/client.py": "from . import identity\nfrom ..errors import SetupError\n",
        "wizard/aws/iam.py": "def ask():\n    import boto3\n",
        "phi/__init__.py": "from phi.kms import KmsKeySource\n",
        "phi/kms.py": "def door():\n    import botocore.session\n",
        "tests/wizard/setup/test_plan.py": "import anything, sandbox, wizard.setup.plan\n",
        "sandbox/cloud.py": "import moto.server\nfrom sandbox import ports\n",
        "sandbox/ports.py": "",
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


def test_a_tree_in_order_has_no_findings(tree: Path) -> None:
    assert findings(tree, TABLE) == []


@pytest.mark.parametrize(
    ("file", "source", "finding"),
    [
        ("components/settings/settings.py", "import pulumi\n", "components/settings/settings.py:1 imports pulumi"),
        ("components/key.py", "import wizard.core.errors\n", "components/key.py:1 imports wizard.core.errors"),
        ("components/key.py", "from phi import kms\n", "components/key.py:1 imports phi.kms"),
        (
            "components/policies/__init__.py",
            "from . import key\n",
            "components/policies/__init__.py:1 imports components.key",
        ),
        (
            "components/policies/__init__.py",
            "from .key import x\n",
            "components/policies/__init__.py:1 imports components.key",
        ),
        ("wizard/setup/plan.py", "\ndef f():\n    import boto3\n", "wizard/setup/plan.py:3 imports boto3"),
        (
            "wizard/setup/plan.py",
            "class A:\n  def f(self):\n    from rich import x\n",
            "wizard/setup/plan.py:3 imports rich",
        ),
        (
            "wizard/setup/plan.py",
            "from wizard import errors, terminal\n",
            "wizard/setup/plan.py:1 imports wizard.terminal.terminal",
        ),
        (
            "wizard/setup/plan.py",
            "from . import terminal as t\n",
            "wizard/setup/plan.py:1 imports wizard.terminal.terminal",
        ),
        ("wizard/setup/plan.py", "import wizard.aws.client as c\n", "wizard/setup/plan.py:1 imports wizard.aws.client"),
        ("wizard/setup/plan.py", "from components.key import X\n", "wizard/setup/plan.py:1 imports components.key"),
        ("wizard/setup/plan.py", "from components import *\n", "wizard/setup/plan.py:1 imports components"),
        ("wizard/setup/plan.py", "import yaml\n", "wizard/setup/plan.py:1 imports yaml"),
        ("wizard/setup/plan.py", "import subprocess\n", "wizard/setup/plan.py:1 imports subprocess"),
        ("wizard/setup/plan.py", "import http.client\n", "wizard/setup/plan.py:1 imports http.client"),
        ("wizard/setup/plan.py", "from urllib.request import x\n", "wizard/setup/plan.py:1 imports urllib.request"),
        ("wizard/setup/plan.py", "if TYPE_CHECKING:\n    import rich\n", "wizard/setup/plan.py:2 imports rich"),
        (
            "wizard/setup/plan.py",
            "try:\n    import rich\nexcept ImportError: ...\n",
            "wizard/setup/plan.py:2 imports rich",
        ),
        (
            "wizard/setup/plan.py",
            "import importlib\nimportlib.import_module('rich')\n",
            "wizard/setup/plan.py:2 imports rich",
        ),
        ("wizard/setup/plan.py", "x = __import__('rich')\n", "wizard/setup/plan.py:1 imports rich"),
        ("wizard/setup/plan.py", "__import__(name)\n", "wizard/setup/plan.py:1 imports a module chosen at run time"),
        (
            "wizard/aws/client.py",
            "from .. import terminal\n",
            "wizard/aws/client.py:1 imports wizard.terminal.terminal",
        ),
        ("wizard/aws/client.py", "from ..plan import x\n", "wizard/aws/client.py:1 imports wizard.setup.plan"),
        (
            "wizard/terminal/terminal.py",
            "from wizard.aws import x\n",
            "wizard/terminal/terminal.py:1 imports wizard.aws",
        ),
        (
            "wizard/pulumi_engine/engine.py",
            "import wizard.aws\n",
            "wizard/pulumi_engine/engine.py:1 imports wizard.aws",
        ),
        (
            "wizard/pulumi_engine/engine.py",
            "from wizard import plan\n",
            "wizard/pulumi_engine/engine.py:1 imports wizard.setup.plan",
        ),
        ("wizard/terminal/terminal.py", "import httpx\n", "wizard/terminal/terminal.py:1 imports httpx"),
        (
            "wizard/data_key/verification.py",
            "from phi import PhiCipher\n",
            "wizard/data_key/verification.py:1 imports phi",
        ),
        ("wizard/cli/main.py", "import sandbox.cloud\n", "wizard/cli/main.py:1 imports sandbox.cloud"),
        ("wizard/cli/main.py", "import rich\n", "wizard/cli/main.py:1 imports rich"),
        ("phi/__main__.py", "import boto3\n", "phi/__main__.py:1 imports boto3"),
        ("phi/cipher.py", "import wizard\n", "phi/cipher.py:1 imports wizard"),
        ("sandbox/cloud.py", "from phi import kms\n", "sandbox/cloud.py:1 imports phi.kms"),
        ("sandbox/cloud.py", "import wizard.plan\n", "sandbox/cloud.py:1 imports wizard.plan"),
        ("tools/bootstrap/__main__.py", "import rich\n", "tools/bootstrap/__main__.py:1 imports rich"),
        (
            "tools/bootstrap/__main__.py",
            "from sandbox import ports\n",
            "tools/bootstrap/__main__.py:1 imports sandbox.ports",
        ),
        (
            "guardrails/rules.py",
            "import components.policies\n",
            "guardrails/rules.py:1 imports components.policies",
        ),
        ("wizard/attic.py", "", "wizard/attic.py is in no row of the table"),
        ("attic/__init__.py", "", "attic/__init__.py is in no row of the table"),
        ("top.py", "", "top.py is in no row of the table"),
        ("__main__.py", "x = 1\n" * 61, "__main__.py has more than 60 lines"),
    ],
)
def test_what_the_table_forbids_is_found(tree: Path, file: str, source: str, finding: str) -> None:
    write(tree, file, source)
    assert findings(tree, TABLE) == [finding]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("wizard/setup/plan.py", "from urllib.parse import urlsplit\nimport importlib.metadata\n"),
        ("wizard/inputs/answers.py", "import yaml\nfrom .errors import SetupError\n"),
        ("wizard/vercel/client.py", "import httpx\nfrom wizard import errors\n"),
        ("wizard/pulumi_engine/engine.py", "from pulumi import automation\n"),
        ("guardrails/__main__.py", "from pulumi_policy import PolicyPack\nfrom rules import RULES\n"),
        ("tools/screens.py", "import sandbox, wizard.plan, whatever\n"),
        ("__main__.py", "x = 1\n" * 60),
    ],
)
def test_what_the_table_allows_is_not_found(tree: Path, file: str, source: str) -> None:
    write(tree, file, source)
    assert findings(tree, TABLE) == []


def test_a_row_without_a_file_is_found(tree: Path) -> None:
    rows = (Row(files=("phi/kms.py", "phi/gone.py")), Row(files=("attic/*.py",)))
    assert idle_rows(tree, rows) == [("attic/*.py",)]


@pytest.mark.parametrize(
    ("part", "expected"),
    [("utils", True), ("state_manager", True), ("Common", True), ("commonplace", False), ("kms", False)],
)
def test_names_that_mean_nothing_are_known(part: str, expected: bool) -> None:
    assert nameless(part) is expected
