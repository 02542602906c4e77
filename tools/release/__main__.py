"""`python -m tools.release` builds a release of HEAD into `dist/`; `--snapshot` builds the working tree as it is.

Writes `dist/`: wheels, source distributions, the package for Node, the SBOM, the notes of the version and SHA256SUMS.
Publishes nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.bootstrap.environment import cleaned
from tools.bootstrap.installer import Installer
from tools.bootstrap.machine import Machine, put_in_place, temporary
from tools.bootstrap.places import PROJECT, Places
from tools.bootstrap.progress import StepFailed
from tools.bootstrap.running import CommandFailed, Processes
from tools.node_package import NpmFailed
from tools.release.distributions import bill_of_materials, build
from tools.release.source import Refused, Source, notes, snapshot_notes

SUMS = "SHA256SUMS"


def release(source: Source, dist: Path, uv: Path) -> list[Path]:
    """Replace the folder `dist` by the files of the release; the files. Raises Refused before anything is written."""
    if not source.snapshot:
        source.check()
    version, name = source.metadata()["version"], source.metadata()["name"]
    changelog = (source.project / "CHANGELOG.md").read_text(encoding="utf-8")
    text = snapshot_notes(changelog, version) if source.snapshot else notes(changelog, version)
    epoch = source.written_at()
    draft = temporary(dist)
    draft.mkdir()
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        source.export(Path(folder))
        build(Path(folder), draft, epoch=epoch)
        (draft / f"{name}-{version}.cdx.json").write_text(bill_of_materials(Path(folder), uv, epoch=epoch))
    (draft / f"{name}-{version}.notes.md").write_text(text, encoding="utf-8")
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(draft.iterdir())]
    (draft / SUMS).write_text("".join(lines))
    put_in_place(draft, dist)
    return sorted(dist.iterdir())


def main(arguments: list[str] | None = None) -> int:
    """The command line; the exit code: 0, 1 for a failed program, 2 for a release that is refused."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__)
    parser.add_argument("--snapshot", action="store_true", help="the working tree as it is; not to be published")
    snapshot = parser.parse_args(arguments).snapshot
    places = Places(project=PROJECT)
    runner = Processes(logs=places.logs, alive=lambda seconds, line: None)
    machine = Machine(places=places, environment=cleaned(os.environ), run=runner, say=print)
    try:
        files = release(Source(project=PROJECT, snapshot=snapshot), PROJECT / "dist", Installer(machine).program)
    except Refused as refusal:
        print(f"No release: {refusal}.\nTo try it: make release ARGS=--snapshot", file=sys.stderr)
        return 2
    except (CommandFailed, StepFailed, NpmFailed) as error:
        print(f"No release: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"No release: {error}\n{error.stderr or ''}", file=sys.stderr)
        return 1
    for file in files:
        print(f"dist/{file.name}  {file.stat().st_size:,} bytes")
    if snapshot:
        print("A snapshot of the working tree: do not publish it.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
