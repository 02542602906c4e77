"""Which AWS provider a sandbox's PULUMI_HOME gets: the stand-in, Pulumi's own, or a program that was built.

Touches temporary directories and a server of its own on loopback; the engine is a script.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest

from sandbox.pulumi_plugins.install import CHOICE, OFFICIAL, PLUGIN, InstallError, install, installed_provider

ENGINE = """#!/bin/sh
# pulumi plugin install resource aws VERSION [--reinstall --file FILE]
to="$PULUMI_HOME/plugins/resource-aws-v$5"
mkdir -p "$to"
case "$6" in
  --reinstall) cp "$8" "$to/" ;;
  *) [ -z "$NOTHING_COMES" ] || exit 1
     echo "Downloading plugin"
     printf '#!/bin/sh\\necho Pulumi itself\\n' > "$to/pulumi-resource-aws"
     chmod +x "$to/pulumi-resource-aws" ;;
esac
rm -f "$to.partial"
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home without plug-ins; nothing is chosen."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PULUMI_HOME", raising=False)
    monkeypatch.delenv(CHOICE, raising=False)
    # A port that nobody listens on.
    monkeypatch.setattr("sandbox.pulumi_plugins.install._DOWNLOADS", "http://127.0.0.1:9/plugins")
    return tmp_path / "home"


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    return program(tmp_path / "engine/pulumi", ENGINE)


@pytest.fixture
def download(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The paths that were asked for at the vendor's site, which has a file of 187 MB."""
    asked: list[str] = []

    class Site(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "187400000")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr("sandbox.pulumi_plugins.install._DOWNLOADS", f"http://127.0.0.1:{server.server_port}/plugins")
    yield asked
    server.shutdown()
    server.server_close()


def program(path: Path, text: str = '#!/bin/sh\necho "$HTTP_PROXY $*"\n') -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def plugin(home: Path) -> Path:
    [found] = home.glob(f"plugins/resource-aws-v*/{PLUGIN}")
    return found


def of_the_user(home: Path) -> Path:
    """Where the user has Pulumi's own plug-in of the pinned version."""
    return home / ".pulumi/plugins" / f"resource-aws-v{version('pulumi-aws')}" / PLUGIN


def started(path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    given = {"PATH": os.defpath, "AWS_ENDPOINT_URL": "http://127.0.0.1:4566", **variables}
    return subprocess.run([path, "127.0.0.1:1"], env=given, capture_output=True, text=True, check=False)


def test_nothing_chosen_is_the_stand_in_and_so_it_is_after_another_was(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, mine = program(tmp_path / "out" / PLUGIN), tmp_path / "mine"
    for choice in ("", str(built), "standin", ""):
        monkeypatch.setenv(CHOICE, choice)
        install(engine, mine, Path(sys.executable))
        expected = str(built) if choice == str(built) else "the sandbox's stand-in"
        assert installed_provider(mine) == expected
        assert ("sandbox.pulumi_plugins.provider.__main__" in plugin(mine).read_text()) == (choice != str(built))


def test_a_program_that_was_built_is_run_with_the_endpoint_as_its_proxy(
    engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bucket's tags are asked of ACCOUNT.127.0.0.1, which has no address."""
    program(tmp_path / "it's out" / PLUGIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CHOICE, f"it's out/{PLUGIN}")
    install(engine, tmp_path / "mine", Path(sys.executable))
    assert started(plugin(tmp_path / "mine"), HTTP_PROXY="http://proxy").stdout == "http://127.0.0.1:4566 127.0.0.1:1\n"


def test_a_program_that_is_not_there_is_said_with_what_else_there_is(engine: Path, tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="no AWS provider to run at .*/offical") as refused:
        install(engine, tmp_path / "mine", Path(sys.executable), choice="offical")
    assert refused.value.hint == "PROVIDER=standin, PROVIDER=official, or PROVIDER=PATH of a program"
    assert not (tmp_path / "mine").exists()


def test_a_program_that_goes_later_is_said_by_the_plugin_itself(engine: Path, tmp_path: Path) -> None:
    built = program(tmp_path / "out" / PLUGIN)
    install(engine, tmp_path / "mine", Path(sys.executable), choice=str(built))
    built.unlink()
    done = started(plugin(tmp_path / "mine"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{built} is gone. The stand-in: EONPRO_PROVIDER=standin ")


def test_pulumis_own_is_taken_from_the_users_plugins_which_stay_as_they_are(
    engine: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = program(of_the_user(home), "#!/bin/sh\necho Pulumi itself\n")
    before = own.stat().st_mtime_ns
    monkeypatch.setenv(CHOICE, OFFICIAL)
    install(engine, tmp_path / "mine", Path(sys.executable))
    assert installed_provider(tmp_path / "mine").endswith(f", {own}")
    assert started(plugin(tmp_path / "mine")).stdout == "Pulumi itself\n"
    # In a shell that uses a sandbox, PULUMI_HOME is the sandbox's.
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "mine"))
    install(engine, tmp_path / "other", Path(sys.executable))
    assert installed_provider(tmp_path / "other").endswith(f", {own}")
    # Also where its files were removed.
    shutil.rmtree(tmp_path / "mine")
    install(engine, tmp_path / "mine", Path(sys.executable))
    assert installed_provider(tmp_path / "mine").endswith(f", {own}")
    assert own.stat().st_mtime_ns == before


def test_pulumis_own_is_downloaded_once_to_the_users_plugins_with_its_size(
    engine: Path,
    tmp_path: Path,
    download: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "users"))
    for name in ("mine", "other"):
        install(engine, tmp_path / name, Path(sys.executable), choice=OFFICIAL)
        assert started(plugin(tmp_path / name)).stdout == "Pulumi itself\n"
    [path] = download
    assert path.startswith("/plugins/pulumi-resource-aws-v7.") and path.endswith(("amd64.tar.gz", "arm64.tar.gz"))
    first, second = capfd.readouterr().err.splitlines()
    assert first.endswith(f": 187 MB to download, into {tmp_path / 'users'}") and second == "Downloading plugin"


@pytest.mark.parametrize("partial", [False, True])
def test_a_site_that_does_not_answer_is_said_at_once_with_both_ways_out(
    engine: Path, home: Path, tmp_path: Path, partial: bool
) -> None:
    if partial:
        folder = program(of_the_user(home)).parent
        folder.with_name(f"{folder.name}.partial").touch()
    with pytest.raises(
        InstallError, match=r"not in .*/home/\.pulumi, and 127.0.0.1:9 does not give it \(.*refused"
    ) as refused:
        install(engine, tmp_path / "mine", Path(sys.executable), choice=OFFICIAL)
    assert "pulumi plugin install resource aws 7." in refused.value.hint and "PROVIDER=standin" in refused.value.hint


def test_a_download_that_fails_is_said_too(
    engine: Path, tmp_path: Path, download: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTHING_COMES", "1")
    with pytest.raises(InstallError, match="could not download"):
        install(engine, tmp_path / "mine", Path(sys.executable), choice=OFFICIAL)
    assert not (tmp_path / "mine").exists()
