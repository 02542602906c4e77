"""`python -m tools.bench.mutation`: how many small changes of the cipher and the key cache the tests of phi detect.

Touches .cache/mutation/, where mutmut changes a copy.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from tools.bootstrap.places import CACHE, PROJECT, tool

CHANGED = ("cipher", "raw_record", "record", "batches", "key_cache", "cache_entry", "fields")
"""The files of eonpro_phi/ that are changed: the cipher and the cached key, with the modules they use."""

TESTS = ("cipher", "key_cache", "fields")
"""The folders of tests/phi whose tests run for each change."""

SHARED = ("key_sources", "scripted_kms")
"""The modules that these tests share."""

ELSEWHERE = ("test_interoperability.py",)
"""Tests against other implementations, which are not in mutmut's environment."""

UNUSED = "not node and not importing and not help"
"""Tests that start other programs are skipped: they are slow, and other tests cover the same code."""

AT_LEAST = 0.95
"""Share of the changes that the tests must detect: a line that no test notices may be wrong."""

EQUIVALENT = PROJECT / "tools" / "bench" / "equivalent_mutants.toml"
_KILLED = frozenset({"killed", "timeout", "segfault"})
"""mutmut's statuses of a detected change: a test failed or did not end, or the interpreter crashed."""


def main(arguments: Sequence[str]) -> int:
    """Run mutmut and print the result; 1 below the required share, or when a survivor has no explanation."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.mutation")
    parser.add_argument("--again", action="store_true", help="continue the last run, from .cache/mutation")
    options = parser.parse_args(arguments)
    folder = CACHE / "mutation"
    if not options.again:
        copy_sources(folder)
    mutmut(folder, "run", "--max-children", str(os.cpu_count() or 1), shown=True)
    results = mutmut(folder, "results", "--all", "true").splitlines()
    statuses = {name: status for name, _, status in (line.strip().rpartition(": ") for line in results) if name}
    survivors = [name for name, status in statuses.items() if status not in _KILLED]
    known, unexplained = equivalents(), 0
    for name in survivors:
        change = survivor(name, mutmut(folder, "show", name))
        unexplained += change not in known
        print("{}\n      - {}\n      + {}".format(*change), known.get(change, "NOT EXPLAINED"), sep="\n")
    share = 1 - len(survivors) / len(statuses)
    print(f"{len(statuses)} changes, {share:.1%} found by a test; {unexplained} of the others are not explained")
    return int(share < AT_LEAST or unexplained > 0)


def copy_sources(folder: Path) -> None:
    """Copy phi and its tests, without modules that are slow to load."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(
        PROJECT / "packages" / "phi" / "eonpro_phi",
        folder / "eonpro_phi",
        ignore=shutil.ignore_patterns("__pycache__", "adapters"),
    )
    tests = folder / "tests" / "phi"
    tests.mkdir(parents=True)
    source = PROJECT / "tests" / "phi"
    for name in TESTS:
        shutil.copytree(source / name, tests / name, ignore=shutil.ignore_patterns("__pycache__", *ELSEWHERE))
    for name in SHARED:
        shutil.copy(source / f"{name}.py", tests)
    changed = [f"eonpro_phi/{name}.py" for name in CHANGED]
    (folder / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\n"
        'pythonpath = ["."]\n'
        'addopts = "--import-mode=importlib"\n'
        'markers = ["thorough: a longer variant"]\n'
        "[tool.mutmut]\n"
        'source_paths = ["eonpro_phi/"]\n'
        f"only_mutate = {json.dumps(changed)}\n"
        'pytest_add_cli_args_test_selection = ["tests/phi"]\n'
        f"pytest_add_cli_args = {json.dumps(['-m', 'not thorough', '-p', 'no:cacheprovider', '-k', UNUSED])}\n",
        encoding="utf-8",
    )


def mutmut(folder: Path, *arguments: str, shown: bool = False) -> str:
    """Run mutmut in the folder; returns its output, unless it is `shown`."""
    done = subprocess.run(
        [str(tool("mutation")), "-m", "mutmut", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=None if shown else subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"mutmut {' '.join(arguments)} ended with {done.returncode}")
    return done.stdout or ""


def survivor(name: str, shown: str) -> tuple[str, str, str]:
    """A change that no test detected, parsed from its diff: file, code before and code after."""
    lines = [line for line in shown.splitlines() if not line.startswith(("---", "+++", "@@", "#"))]
    was, became = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return f"eonpro_phi/{name.split('.')[1]}.py", was, became


def equivalents() -> dict[tuple[str, str, str], str]:
    """The reason why a change changes nothing, by file, code before and code after."""
    entries = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["mutant"]
    return {(entry["file"], entry["was"], entry["became"]): entry["why"] for entry in entries}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
