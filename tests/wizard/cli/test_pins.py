"""A project names the program by the hash of its release, and the action by the commit of it; no registry's name.

Serves the files of a release on loopback, and starts the installers.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from components import installation
from components.installation import origin
from tests.installed.customer import Quiet, uv
from tests.selection import first
from wizard import SOURCE_FOLDER, version
from wizard.cli import init, pins, project_environment, virtual_environment
from wizard.core import requirements_file
from wizard.core.errors import SetupError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BOTH = pytest.mark.parametrize("installer", ["uv", "pip"])


@dataclass(frozen=True, kw_only=True)
class Release:
    """A repository whose release has the wheel of this version."""

    site: Path
    folder: Path
    url: str

    @property
    def wheel(self) -> Path:
        return self.folder / f"eonpro_kms-{version()}-py3-none-any.whl"

    @property
    def address(self) -> str:
        return f"{self.url}/releases/download/v{version()}/{self.wheel.name}"

    def build(self, commit: str) -> None:
        info = f"eonpro_kms-{version()}.dist-info"
        contents = {
            "eonpro_kms/__init__.py": "",
            "eonpro_kms/commit": f"{commit}\n",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: eonpro-kms\nVersion: {version()}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": "",
        }
        with zipfile.ZipFile(self.wheel, "w") as archive:
            for path, text in contents.items():
                archive.writestr(path, text)

    def installed_from(self, **direct: object) -> None:
        """The program is installed from there."""
        (self.site / f"eonpro_kms-{version()}.dist-info" / "direct_url.json").write_text(json.dumps(direct))

    def by_git(self, commit: str = COMMIT, tag: str | None = None) -> None:
        revision = {"requested_revision": tag} if tag else {}
        self.installed_from(url=f"{self.url}.git", vcs_info={"vcs": "git", "commit_id": commit, **revision})


@pytest.fixture
def installer() -> str:
    return "uv"


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installer: str) -> Iterator[Release]:
    for name in [name for name in os.environ if name.startswith(("UV", "PIP_"))]:
        monkeypatch.delenv(name)
    for name, value in {
        **({"UV": str(uv())} if installer == "uv" else {"PATH": os.defpath}),
        **{"UV_CACHE_DIR": str(tmp_path / "cache"), "NO_PROXY": "127.0.0.1", "HOME": str(tmp_path / "home")},
        **{"PIP_DISABLE_PIP_VERSION_CHECK": "1", "UV_NO_INDEX": "1", "PIP_NO_INDEX": "1"},
    }.items():
        monkeypatch.setenv(name, value)
    site = tmp_path / "site-packages"
    (site / f"eonpro_kms-{version()}.dist-info").mkdir(parents=True)
    monkeypatch.setattr(installation, "SOURCE", str(site / "eonpro_kms"))
    monkeypatch.setattr(installation, "IS_INSTALLED", True)
    monkeypatch.setattr(installation, "version", version)
    folder = tmp_path / "served" / "clinic" / "kms" / "releases" / "download" / f"v{version()}"
    folder.mkdir(parents=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served")))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    release = Release(site=site, folder=folder, url="http://{}:{}/clinic/kms".format(*server.server_address))
    release.build(COMMIT)
    yield release
    server.shutdown()
    server.server_close()
    thread.join()


@BOTH
@pytest.mark.parametrize("origin", ["git", "wheel"])
def test_the_package_is_the_wheel_of_the_release_with_its_hash(
    release: Release, tmp_path: Path, origin: str, installer: str
):
    if origin == "git":
        release.by_git(tag=f"v{version()}")
    else:
        release.installed_from(url=release.address, archive_info={})
    content = pins.requirements()
    digest = hashlib.sha256(release.wheel.read_bytes()).hexdigest()
    assert content.decode().splitlines()[1:3] == [
        f"eonpro-kms @ {release.address} \\",
        f"    --hash=sha256:{digest}",
    ]
    assert requirements_file.fault(content) == ""
    (tmp_path / "requirements.txt").write_bytes(content)
    assert project_environment.pinned(tmp_path) == version()


@pytest.mark.thorough
@BOTH
@pytest.mark.parametrize("built", ["f" * 40, "not of a release"])
def test_a_release_of_another_commit_is_not_pinned(release: Release, built: str, installer: str):
    release.by_git()
    release.build(built)
    with pytest.raises(SetupError, match="was built from the commit") as refused:
        pins.requirements()
    assert refused.value.hint == f"uvx --from 'eonpro-kms @ git+{release.url}.git@v{version()}' eonpro-kms"


@BOTH
def test_without_a_release_nothing_is_pinned_and_the_address_is_said(release: Release, installer: str):
    release.by_git()
    release.wheel.unlink()
    with pytest.raises(SetupError, match="cannot be had") as refused:
        pins.requirements()
    assert release.address in refused.value.message and "UV_INDEX" in refused.value.hint


@pytest.mark.parametrize("installer", first(1, ["uv", "pip"]))
def test_a_wheel_on_this_machine_is_pinned_by_its_hash_and_installed_from_there(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installer: str
):
    release.installed_from(url=release.wheel.as_uri(), archive_info={})
    digest = hashlib.sha256(release.wheel.read_bytes()).hexdigest()
    lines = pins.requirements().decode().splitlines()
    assert lines[1:3] == [f"eonpro-kms=={version()} \\", f"    --hash=sha256:{digest}"]
    (tmp_path / "requirements.txt").write_text("\n".join(lines[:3]))
    with virtual_environment.held(tmp_path) as draft:
        draft.build((tmp_path / "requirements.txt").read_bytes())
        assert list(draft.environment.glob("lib/python3*/site-packages/eonpro_kms/commit"))


def uses(text: str) -> set[str]:
    return {
        line.strip().removeprefix("- ") for line in text.splitlines() if re.search(r"uses: \S*/kms/|uses: eonpro", line)
    }


def test_the_workflows_use_the_action_at_the_commit(release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    release.by_git(tag=f"v{version()}")
    monkeypatch.setattr(project_environment, "install", lambda folder: None)
    folder = tmp_path / "project"
    init.make(folder)
    used = f"uses: clinic/kms/packages/action@{COMMIT} # v{version()}"
    workflows = sorted((folder / ".github/workflows").glob("*.yml"))
    assert set().union(*(uses(each.read_text()) for each in workflows)) == {used}
    for page in (folder / "README.md", folder / ".github/workflows/eonpro-review.yml"):
        assert f"uvx --from 'eonpro-kms @ git+{release.url}.git@v{version()}' eonpro-kms" in page.read_text()


def test_an_upgrade_moves_them_in_the_whole_repository(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    repository = tmp_path / "repository"
    (repository / ".git").mkdir(parents=True)
    (repository / ".github/workflows").mkdir(parents=True)
    (project := repository / "kms").mkdir()
    workflow = repository / ".github/workflows/kms.yaml"
    others = "- uses: actions/checkout@abc # v6\n- uses: someone/kms@v1\n"
    before = f"- uses: clinic/kms@{'f' * 40} # v0.9.0\n- uses: eonpro/eonpro-kms/packages/action@v0.9.0\n"
    workflow.write_text(others + before)
    release.by_git()
    pins.move(project)
    used = f"- uses: clinic/kms/packages/action@{COMMIT} # v{version()}\n"
    assert workflow.read_text() == others + 2 * used


def test_without_a_known_commit_the_tag_is_used(release: Release):
    assert origin.origin().commit == ""
    used = "  - uses: eonpro/eonpro-kms/packages/action@v"
    assert pins.named(f"{used}0.1.0") == f"{used}{version()}"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/clinic/kms.git", "clinic/kms"),
        ("ssh://git@github.com/clinic/kms", "clinic/kms"),
        ("file:///home/jane/eonpro-kms", "eonpro/eonpro-kms"),
    ],
)
def test_the_action_is_the_repositorys(url: str, name: str):
    assert origin.Origin(url=url, revision="v1").name == name


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://github.com/clinic/kms.git", "https://github.com/clinic/kms"),
        ("ssh://git@github.com/clinic/kms", origin.REPOSITORY),
    ],
)
def test_the_wheel_has_no_pages_and_names_their_address(url: str, expected: str, monkeypatch: pytest.MonkeyPatch):
    assert origin.pages() == "docs/"
    monkeypatch.setattr(installation, "IS_INSTALLED", True)
    monkeypatch.setattr(origin, "origin", lambda: origin.Origin(url=url, revision="v1"))
    assert origin.pages() == f"{expected}/blob/v{version()}/docs/"


# --- the pages

_PROGRAMS = ("packages/phi/eonpro_phi/**/*.py", "packages/phi-node/src/*.ts", "wizard/**/*.py")
PAGES = [
    path
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "examples/**/*",
        "packages/action/action.yml",
        "packages/*/*.md",
        *_PROGRAMS,
    )
    for path in sorted(SOURCE_FOLDER.glob(pattern))
    if path.is_file() and path.suffix in (".md", ".yml", ".yaml", ".sh", ".json", ".py", ".ts")
    if "node_modules" not in path.parts
]
# npx asks the registry for what is not installed.
_OURS = r"(?:--\S+ )*'?(?:eonpro-(?:kms|phi)|@eonpro/phi)(?!(?:\[\w+\])? @)"
REGISTRY = re.compile(rf"(?:uvx|uv tool install|uv add|uv pip install|pipx? install|npm (?:install|i)|npx) {_OURS}")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(SOURCE_FOLDER)))
def test_no_page_names_a_package_of_a_registry(page: Path):
    text = page.read_text()
    assert REGISTRY.findall(text) == []
    for command in re.findall(r"uvx --from '(eonpro-kms\S* @ [^']+)'", text):
        assert re.fullmatch(rf"eonpro-kms(\[sandbox\])? @ git\+{origin.REPOSITORY}@v{version()}", command)
