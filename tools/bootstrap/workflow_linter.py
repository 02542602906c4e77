"""actionlint, which the tests hold the recipes for GitHub Actions against, built here from its pinned source.

It may write `.cache/linters/actionlint-<key>/` and the Go folders of `.cache/`.
"""

from __future__ import annotations

import platform
from pathlib import Path

from tools.bootstrap.go import Go
from tools.bootstrap.machine import Machine, put_in_place, remove, temporary
from tools.bootstrap.pins import fingerprint, module_version
from tools.bootstrap.places import Places
from tools.bootstrap.running import Job

_MODULE = "github.com/rhysd/actionlint"


def program(places: Places) -> Path:
    """Where the build of these pins is, or will be."""
    module = places.workflow_linter_module
    key = fingerprint(module / "go.mod", module / "go.sum", f"{platform.system()} {platform.machine()}")
    return places.linters / f"actionlint-{key}" / "actionlint"


def build(machine: Machine, go: Go) -> str:
    """Builds it: 10 seconds with a Go whose own library is compiled already, about a minute without."""
    final = program(machine.places)
    module = machine.places.workflow_linter_module
    version = module_version(module / "go.mod", _MODULE)
    made = temporary(final.parent)
    made.mkdir(parents=True)
    flags = f"-s -w -X {_MODULE}.version={version}"
    argv = (str(go.program), "build", "-ldflags", flags, "-o", str(made / final.name), f"{_MODULE}/cmd/actionlint")
    machine.run(Job(argv=argv, environment=go.environment, log="actionlint", seconds=900, cwd=module))
    put_in_place(made, final.parent)
    for folder in go.leftovers:
        remove(folder)
    return f"{version}, with {go.described}"
