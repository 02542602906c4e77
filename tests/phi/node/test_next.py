"""`@eonpro/phi` in an application of Next.js: its server's build has all that it needs, its browsers' code has nothing.

Touches a folder of its own; npm installs Next.js once, as its lock file says.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tools import node_package

pytestmark = [pytest.mark.needs("node"), pytest.mark.needs("npm"), pytest.mark.thorough]

FOLDER = Path(__file__).with_name("next")
IN_A_BROWSER = """"use client";
import { encryptPHI } from "@eonpro/phi";

export default function Page() {
  return <p>{encryptPHI("Jane")}</p>;
}
"""


@pytest.fixture
def application(tmp_path: Path) -> Path:
    folder = tmp_path / "application"
    shutil.copytree(FOLDER, folder)
    modules = node_package.packages(FOLDER, [node_package.tarball()])
    # Turbopack follows no link out of the folder.
    shutil.copytree(modules, folder / "node_modules", symlinks=True, copy_function=os.link)
    return folder


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder.parent), "NEXT_TELEMETRY_DISABLED": "1", "CI": "1"}
    command = ["node", "node_modules/next/dist/bin/next", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_its_build_holds_the_provider_of_vercel_and_it_does_not_start_without_its_key(application: Path) -> None:
    built = run(application, "build")
    assert built.returncode == 0, built.stdout + built.stderr
    server = [file.read_text() for file in (application / ".next" / "server").rglob("*.js")]
    assert any("getVercelOidcToken" in text for text in server)
    browsers = [file.read_text() for file in (application / ".next" / "static").rglob("*.js")]
    assert browsers and not any("ENCRYPTED_PHI_KEY" in text for text in browsers)
    started = run(application, "start", "--port", "0")
    assert started.returncode == 1
    assert (
        "does not start without its data key: MissingVariable: AWS_REGION is not set" in started.stdout + started.stderr
    )


def test_a_component_for_browsers_that_imports_it_fails_the_build(application: Path) -> None:
    (application / "app" / "page.tsx").write_text(IN_A_BROWSER)
    built = run(application, "build")
    assert built.returncode == 1
    assert "must-not-be-in-code-for-browsers" in built.stdout + built.stderr
