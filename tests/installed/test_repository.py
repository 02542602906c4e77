"""The program by uv from its git repository: the project that it makes pins the release's wheel, and the commit.

Serves a repository and its release on loopback, as a code host does, and starts uv.
"""

from __future__ import annotations

import hashlib
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.installed import customer
from tests.installed.customer import Person, Quiet
from tools.release.source import COMMIT
from wizard import version

# It builds the wheel twice, and installs it twice.
pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, str]]:
    """The address of the repository, the wheel of its release, and the commit."""
    root = tmp_path_factory.mktemp("host")
    source, served = customer.copy(root / "source", {}), root / "served"

    def git(*words: str, folder: Path = source) -> str:
        own = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main")
        return subprocess.run(["git", *own, *words], cwd=folder, check=True, capture_output=True, text=True).stdout

    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "a release")
    git("tag", f"v{version()}")
    (served / "clinic").mkdir(parents=True)
    git("clone", "--quiet", "--bare", str(source), str(served / "clinic/kms.git"))
    git("update-server-info", folder=served / "clinic/kms.git")
    commit = git("rev-parse", "HEAD").strip()
    # As `make release` writes it.
    (source / COMMIT).write_text(f"{commit}\n")
    wheel = customer.build(source, served / "clinic/kms/releases" / "download" / f"v{version()}")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield "http://{}:{}/clinic/kms".format(*server.server_address), wheel, commit
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def person(host: tuple[str, Path, str], tmp_path: Path) -> Person:
    newcomer = customer.newcomer(tmp_path, "")
    given = newcomer.environment["UV_INDEX"].strip()
    kept = {name: value for name, value in newcomer.environment.items() if name != "UV_INDEX"}
    return Person(folder=newcomer.folder, environment={**kept, **({"UV_INDEX": given} if given else {})})


def test_from_the_repository_to_a_project_that_is_pinned(host: tuple[str, Path, str], person: Person) -> None:
    address, wheel, commit = host
    named = f"eonpro-kms @ git+{address}.git@v{version()}"
    uvx = ("uvx", "--quiet", "--from", named, "eonpro-kms")
    printed = person.types(*uvx, "status", code=2)
    assert f"    uvx --from '{named}' eonpro-kms init " in printed
    person.types(*uvx, "init")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    pinned = f"eonpro-kms @ {address}/releases/download/v{version()}/{wheel.name} \\\n    --hash=sha256:{digest}\n"
    assert pinned in (person.folder / "requirements.txt").read_text()
    for name in ("apply", "doctor", "preview", "review"):
        workflow = (person.folder / f".github/workflows/eonpro-{name}.yml").read_text()
        assert f"uses: clinic/kms/packages/action@{commit} # v{version()}" in workflow
        assert "uses: eonpro/" not in workflow
    assert "does not exist" in person.types(".venv/bin/eonpro-kms", "status")
    # A colleague's way, and the project's own program: one version.
    assert person.types(*uvx, "--version") == person.types(".venv/bin/eonpro-kms", "--version")
