"""The distribution `eonpro-phi`: built from packages/phi and installed into a new environment, as by a service.

Touches a folder of its own. Only a thorough test downloads; the others link the packages that the distribution needs,
and no others, from this environment.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest

from tools.bootstrap.environment import cleaned
from tools.bootstrap.installer import Installer
from tools.bootstrap.machine import Machine
from tools.bootstrap.places import HERE
from tools.bootstrap.running import Processes

PROJECT = Path(__file__).parents[2]
PHI = PROJECT / "packages" / "phi"
SHIPPED = sorted(
    file.relative_to(PHI).as_posix() for file in PHI.rglob("*") if file.suffix == ".py" or file.name == "py.typed"
)

ROUND_TRIP = """
import sys
from eonpro_phi import PhiCipher
cipher = PhiCipher(bytes(range(32)))
record = cipher.encrypt("Jane")
assert cipher.decrypt(record) == "Jane" != record
for name in ("boto3", "botocore", "psycopg", "pulumi", "django", "sqlalchemy"):
    assert name not in sys.modules, name
import eonpro_phi
print(eonpro_phi.__file__)
"""

CONSUMER = """
from collections.abc import Mapping
from typing import Any, assert_type

from eonpro_phi import PHI_FIELDS, PhiCipher, PhiFields, DecryptionError


def check(cipher: PhiCipher | PhiFields, patient: Mapping[str, Any]) -> None:
    assert_type(cipher.encrypt("Jane"), str | None)
    assert_type(cipher.encrypt_many(["Jane", None]), list[str | None])
    assert_type(cipher.decrypt_many(text for text in ("a", "b")), list[str | None])
    assert_type(cipher.encrypt_fields(patient, PHI_FIELDS), dict[str, Any])
    try:
        cipher.decrypt("no record")
    except DecryptionError as error:
        assert_type(error.args, tuple[Any, ...])
    cipher.encrypt(1)  # type: ignore[arg-type]
"""


def run(*command: str | Path, cwd: Path, expect: int = 0, **more: str) -> str:
    """The output of a program, which must end with `expect`; this checkout is not on its path."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AWS_"))}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment | more, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout if expect == 0 else done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source distribution and the wheel, by the pinned build backend."""
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "hatchling", "build", "-d", folder, cwd=PHI)
    (source,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return source, wheel


@pytest.fixture(scope="module")
def uv(tmp_path_factory: pytest.TempPathFactory) -> Installer:
    """The installer of the set-up."""
    runner = Processes(logs=tmp_path_factory.mktemp("logs"), alive=lambda seconds, line: None)
    return Installer(Machine(places=HERE, environment=cleaned(os.environ), run=runner, say=lambda line: None))


@pytest.fixture(scope="module")
def service(built: tuple[Path, Path], uv: Installer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment with the wheel and its requirements."""
    folder = tmp_path_factory.mktemp("service") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    python = folder / "bin" / "python"
    install = ("pip", "install", "--offline", "--no-deps", "--python", str(python))
    uv.run(*install, str(built[1]), log="install", seconds=60)
    (site,) = folder.glob("lib/*/site-packages")
    for required in requirements(Distribution.at(next(site.glob("eonpro_phi-*.dist-info")))):
        for top in {file.parts[0] for file in required.files or () if file.parts[0] not in ("..", "__pycache__")}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(required.locate_file(top))))
    return python


def requirements(package: Distribution) -> list[Distribution]:
    """The requirements of a distribution without extras, and theirs, as installed in this environment."""
    packages = []
    for line in package.requires or ():
        if "extra ==" not in line:
            name = re.match(r"[\w.-]+", line)
            assert name is not None
            packages += [required := distribution(name[0]), *requirements(required)]
    return packages


def test_the_wheel_holds_phi_and_nothing_else(built: tuple[Path, Path]):
    names = zipfile.ZipFile(built[1]).namelist()
    assert sorted(name for name in names if ".dist-info/" not in name) == SHIPPED
    assert "eonpro_phi/py.typed" in SHIPPED and "eonpro_phi/adapters/sqlalchemy/__init__.py" in SHIPPED


def test_the_source_distribution_builds_the_same_wheel(built: tuple[Path, Path], tmp_path: Path):
    source, wheel = built
    with tarfile.open(source) as archive:
        # The safe filter, which the first versions of Python 3.11 do not have.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
        archive.extractall(tmp_path)
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=next(tmp_path.glob("eonpro*/")))
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


def test_an_installed_service_encrypts_and_decrypts_and_loads_nothing_else(service: Path, tmp_path: Path):
    where = Path(run(service, "-c", ROUND_TRIP, cwd=tmp_path).strip())
    assert where.is_relative_to(service.parents[1]), "phi of the checkout was imported, not the installed one"


def test_the_installed_command_line_lists_its_commands_without_the_extras(service: Path, tmp_path: Path):
    output = run(service, "-m", "eonpro_phi", "--help", cwd=tmp_path)
    assert all(command in output for command in ("prove", "wrap", "reencrypt"))


def test_the_former_name_is_the_same_module_and_warns(service: Path, tmp_path: Path):
    both = (
        "import phi.adapters.values, phi, eonpro_phi\n"
        "from phi.cipher import PhiCipher\n"
        "assert phi is eonpro_phi and PhiCipher is eonpro_phi.PhiCipher\n"
        "assert phi.adapters.values.__name__ == 'eonpro_phi.adapters.values' == phi.adapters.values.__spec__.name\n"
        "print(PhiCipher(bytes(32)).encrypt('Jane').count(':'))"
    )
    assert run(service, "-W", "ignore::FutureWarning", "-c", both, cwd=tmp_path) == "2\n"
    refused = run(service, "-W", "error::FutureWarning", "-c", "import phi", cwd=tmp_path, expect=1)
    assert "the module phi is called eonpro_phi" in refused
    assert "reencrypt" in run(service, "-W", "ignore", "-m", "phi", "--help", cwd=tmp_path)


def test_a_package_phi_of_somebody_else_is_left_as_it_is(service: Path, tmp_path: Path):
    (ours,) = service.parents[1].glob("lib/*/site-packages/phi.py")
    shutil.copy(ours, tmp_path)
    (tmp_path / "phi").mkdir()
    (tmp_path / "phi" / "__init__.py").write_text("whose = 'theirs'\n")
    said = run(service, "-c", "import phi, eonpro_phi; print(phi.whose, eonpro_phi.__name__)", cwd=tmp_path)
    assert said == "theirs eonpro_phi\n"


def test_its_licence_is_the_project_s():
    assert (PHI / "LICENSE").read_bytes() == (PROJECT / "LICENSE").read_bytes()


def test_each_requirement_allows_the_version_that_the_tests_use():
    project = tomllib.loads((PHI / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]
    lock = tomllib.loads((PROJECT / "uv.lock").read_text())["package"]
    versions = {package["name"]: package["version"] for package in lock if "version" in package}
    for one in asked:
        name, least, below = re.fullmatch(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)(?:,<([\d.]+))?", one).groups()  # type: ignore[union-attr]
        locked = numbers(versions[name.lower()])
        assert numbers(least) <= locked, one
        assert below is None or locked < numbers(below), one


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@pytest.mark.thorough
def test_a_typed_service_sees_the_types_of_every_form(service: Path, tmp_path: Path):
    (tmp_path / "consumer.py").write_text(CONSUMER)
    options = ("--strict", "--python-executable", str(service), "--cache-dir", str(tmp_path / "cache"))
    assert "Success" in run(sys.executable, "-m", "mypy", *options, "consumer.py", cwd=tmp_path)


@pytest.mark.thorough
def test_the_minimum_versions_work(built: tuple[Path, Path], uv: Installer, tmp_path: Path):
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    minimum = ("--resolution", "lowest-direct", "--only-binary", ":all:", "--python", str(python))
    uv.run(
        "pip",
        "install",
        *minimum,
        f"eonpro-phi[kms,postgres,django,sqlalchemy] @ file://{built[1]}",
        "pytest>=9.2",
        "hypothesis>=6",
        *("sqlalchemy[asyncio]", "djangorestframework>=3.18", "django-filter>=26.2"),
        log="minimum",
        seconds=300,
    )
    for tests in ("cipher/test_cipher.py", "cipher/test_record.py", "adapters"):
        folder = PROJECT / "tests" / "phi"
        # The fixtures of the other packages need libraries that are not installed here.
        only = ("-m", "not thorough", "--confcutdir", folder)
        run(python, "-m", "pytest", "-q", *only, folder / tests, cwd=PROJECT)
