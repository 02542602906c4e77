"""The pinned requirement files: which there are and how they are written (`make lock`).

It may write the requirement files, through uv.
"""

from __future__ import annotations

from tools.bootstrap.installer import Installer
from tools.bootstrap.machine import Machine
from tools.bootstrap.progress import Step

# Source without its ending, in the order in which they constrain one another.
FILES = (
    "requirements",
    "requirements-dev",
    "requirements-awscli",
    "requirements-linters",
    "requirements-checkov",
    "requirements-bench",
    "requirements-mutation",
    "requirements-spark",
    "tools/bootstrap/requirements-uv",
    "tools/bootstrap/requirements-go",
)


def steps(machine: Machine, *, upgrade: bool) -> tuple[Step, ...]:
    """One step a file; without `upgrade`, versions that still fit stay as they are."""
    uv = Installer(machine)
    advice = "loosen the range in the .in file that the lines above name"

    def compile_one(name: str) -> str:
        options = "--quiet --universal --python-version 3.11 --generate-hashes"
        silent = "--no-emit-index-url --no-emit-find-links"
        how = [*silent.split(), *options.split(), "--custom-compile-command", "make lock"]
        if upgrade:
            how.append("--upgrade")
        uv.run("pip", "compile", *how, f"{name}.in", "--output-file", f"{name}.txt", log="lock", seconds=600)
        return f"{name}.txt"

    def step(name: str) -> Step:
        return Step(title=f"{name}.in", do=lambda: compile_one(name), advice=advice)

    return tuple(step(name) for name in FILES)
