"""How the program is called where nothing is installed: from what it was installed from, and from no registry."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components import installation
from components.installation import origin
from sandbox import environment
from wizard import version
from wizard.cli import project_environment, request
from wizard.core.errors import UsageError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GIT: dict[str, Any] = {"url": "https://git.clinic.example/kms", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}
WHEEL = {"url": "file:///tmp/dist/eonpro_kms-1.0.0-py3-none-any.whl", "archive_info": {"hashes": {"sha256": "00"}}}


@pytest.fixture
def of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any] | None], None]:
    """Installs the wheel in an environment of `uvx`, from this origin."""
    site = tmp_path / "archive-v0" / "abc" / "lib" / "python3.11" / "site-packages"
    info = site / f"eonpro_kms-{version()}.dist-info"
    info.mkdir(parents=True)
    program = tmp_path / "archive-v0" / "abc" / "bin" / "python"
    program.parent.mkdir()
    for name in ("python", "eonpro-sandbox", "eonpro-kms"):
        program.with_name(name).touch()
    monkeypatch.setattr(installation, "SOURCE", str(site / "eonpro_kms"))
    monkeypatch.setattr(installation, "IS_INSTALLED", True)
    monkeypatch.setattr(origin, "IS_TEMPORARY", True)
    monkeypatch.setattr(installation, "VENV", str(tmp_path / ".venv"))
    monkeypatch.setattr(installation, "version", lambda: version())
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(environment, "SOURCE", site / "eonpro_kms")

    def write(direct: dict[str, Any] | None) -> None:
        (info / "direct_url.json").unlink(missing_ok=True)
        if direct is not None:
            (info / "direct_url.json").write_text(json.dumps(direct))

    return write


@pytest.mark.parametrize(
    ("direct", "called"),
    [
        (GIT, f"git+https://git.clinic.example/kms@{COMMIT}"),
        (
            {**GIT, "vcs_info": {**GIT["vcs_info"], "requested_revision": "v1.0.0"}},
            "git+https://git.clinic.example/kms@v1.0.0",
        ),
        (WHEEL, WHEEL["url"]),
    ],
)
def test_it_is_called_from_what_it_was_installed_from(
    of: Callable[[dict[str, Any] | None], None], direct: dict[str, Any], called: str
):
    of(direct)
    assert request.program() == f"uvx --from 'eonpro-kms @ {called}' eonpro-kms"
    assert environment.program().endswith(f"uvx --from 'eonpro-kms[sandbox] @ {called}' eonpro-sandbox")


def test_of_an_index_it_is_called_by_its_path(
    of: Callable[[dict[str, Any] | None], None], monkeypatch: pytest.MonkeyPatch
):
    of(None)
    folder = Path(sys.executable).parent
    (folder / "eonpro-kms").chmod(0o755)
    # As `uvx` does, for this process alone.
    monkeypatch.setenv("PATH", str(folder))
    assert request.program() == str(folder / "eonpro-kms")
    assert environment.program().endswith(str(folder / "eonpro-sandbox"))


@pytest.mark.parametrize(("direct", "url"), [(GIT, GIT["url"]), (WHEEL, origin.REPOSITORY), (None, origin.REPOSITORY)])
def test_another_version_is_a_tag_of_the_repository(
    of: Callable[[dict[str, Any] | None], None], direct: dict[str, Any] | None, url: str
):
    of(direct)
    with pytest.raises(UsageError) as refused:
        project_environment.check_version("99.0.0")
    assert refused.value.hint == f"uvx --from 'eonpro-kms @ git+{url}@v99.0.0' eonpro-kms status"


def test_the_environment_of_a_project_is_repaired_without_pip(
    of: Callable[[dict[str, Any] | None], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    of(GIT)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    monkeypatch.setattr(installation, "PROJECT", str(tmp_path))
    for path, begins in (("/nowhere", f"{sys.executable} -m ensurepip && "), (None, "uv pip sync --reinstall ")):
        if path:
            monkeypatch.setenv("PATH", path)
        else:
            (tmp_path / "uv").write_text("#!/bin/sh\n")
            (tmp_path / "uv").chmod(0o755)
            monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(SystemExit) as ended:
            origin.require_package("wizard", "no_such_package")
        command = str(ended.value).partition("; run: ")[2]
        assert command.startswith(begins) and str(tmp_path / "requirements.txt") in command


def test_any_other_environment_is_made_again_from_its_origin(
    of: Callable[[dict[str, Any] | None], None], monkeypatch: pytest.MonkeyPatch
):
    of(GIT)
    monkeypatch.setattr(sys, "argv", ["eonpro-sandbox", "start"])
    with pytest.raises(SystemExit) as ended:
        origin.require_package("sandbox", "no_such_package")
    command = str(ended.value).partition("; run: ")[2]
    assert command == f"uvx --reinstall --from 'eonpro-kms[sandbox] @ git+{GIT['url']}@{COMMIT}' eonpro-sandbox start"
