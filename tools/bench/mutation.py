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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.bootstrap.places import CACHE, PROJECT, tool

CHANGED = ("cipher", "record", "batches", "key_cache", "cache_entry", "fields")
"""The files of eonpro_phi/ that are changed: the cipher and the cached key, with the modules they use."""

TESTS = ("cipher", "key_cache", "fields")
"""The folders of tests/phi whose tests run for each change."""

SHARED = ("key_sources", "scripted_kms")
"""The modules that these tests share."""

ELSEWHERE = ("test_interoperability.py",)
"""Tests against other implementations, which are not in mutmut's environment."""

UNUSED = "not node and not importing"
"""Tests that start other programs are skipped: they are slow, and other tests cover the same code."""

AT_LEAST = 0.95
"""Share of the changes that the tests must detect: a line that no test notices may be wrong."""

EQUIVALENT = PROJECT / "tools" / "bench" / "equivalent_mutants.toml"
_KILLED = frozenset({"killed", "timeout", "segfault"})
"""mutmut's statuses of a detected change: a test failed or did not end, or the interpreter crashed."""


@dataclass(frozen=True, kw_only=True)
class Survivor:
    """A change that no test detected: its place, the code before and after it, and why it changes nothing."""

    file: str
    function: str
    was: str
    became: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Score:
    """The score of one file: how many mutants it has, and how many of them a test killed."""

    file: str
    mutants: int
    killed: int

    @property
    def share(self) -> float:
        """Killed mutants, from 0 to 1."""
        return self.killed / self.mutants if self.mutants else 1.0


def main(arguments: Sequence[str]) -> int:
    """Run mutmut and print the result; 1 below the required share, or when a survivor has no explanation."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.mutation")
    parser.add_argument("--again", action="store_true", help="continue the last run, from .cache/mutation")
    options = parser.parse_args(arguments)
    folder = CACHE / "mutation"
    if not options.again:
        copy_sources(folder)
    mutmut(folder, "run", "--max-children", str(os.cpu_count() or 1), shown=True)
    scores, survivors = read_results(folder)
    print("\n".join([*_table(scores), "", *_survivors(survivors)]))
    unexplained = [survivor for survivor in survivors if not survivor.why]
    return int(total(scores).share < AT_LEAST or bool(unexplained))


def copy_sources(folder: Path) -> None:
    """Copy phi and its tests, without modules that are slow to load."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(
        PROJECT / "packages" / "phi" / "eonpro_phi",
        folder / "eonpro_phi",
        ignore=shutil.ignore_patterns("__pycache__", "adapters", "reencryption"),
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


def read_results(folder: Path) -> tuple[list[Score], list[Survivor]]:
    """The scores of the files, and the changes that survived."""
    statuses: dict[str, str] = {}
    for line in mutmut(folder, "results", "--all", "true").splitlines():
        name, _, status = line.strip().rpartition(": ")
        if name:
            statuses[name] = status
    scores = []
    for file in CHANGED:
        of_file = [status for name, status in statuses.items() if name.startswith(f"phi.{file}.")]
        scores.append(
            Score(
                file=f"eonpro_phi/{file}.py", mutants=len(of_file), killed=sum(status in _KILLED for status in of_file)
            )
        )
    known = equivalents()
    lived = [name for name, status in statuses.items() if status not in _KILLED]
    return scores, [survivor(name, mutmut(folder, "show", name), known) for name in lived]


def survivor(name: str, shown: str, known: Mapping[tuple[str, str, str], str]) -> Survivor:
    """A change, parsed from its diff, with the known reason why it changes nothing."""
    _, file, mangled = name.split(".", 2)
    # `xǁClassǁmethod` or `x_function`, and which change of it.
    function = mangled.rpartition("__mutmut_")[0][2:].replace("ǁ", ".")
    lines = [line for line in shown.splitlines() if not line.startswith(("---", "+++", "@@", "#"))]
    was = " ".join(line[1:].strip() for line in lines if line.startswith("-"))
    became = " ".join(line[1:].strip() for line in lines if line.startswith("+"))
    why = known.get((f"eonpro_phi/{file}.py", was, became), "")
    return Survivor(file=f"eonpro_phi/{file}.py", function=function, was=was, became=became, why=why)


def equivalents() -> dict[tuple[str, str, str], str]:
    """The reason why a change changes nothing, by file, code before and code after."""
    entries = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["mutant"]
    return {(entry["file"], entry["was"], entry["became"]): entry["why"] for entry in entries}


def total(scores: Sequence[Score]) -> Score:
    return Score(
        file="all", mutants=sum(score.mutants for score in scores), killed=sum(score.killed for score in scores)
    )


def _table(scores: Sequence[Score]) -> Iterator[str]:
    yield "| file | changes | found | |"
    yield "|---|---:|---:|---:|"
    for score in [*scores, total(scores)]:
        yield f"| {score.file} | {score.mutants} | {score.killed} | {score.share:.1%} |"


def _survivors(survivors: Sequence[Survivor]) -> Iterator[str]:
    if not survivors:
        yield "None survived."
        return
    yield "Those that survived:"
    yield ""
    for change in survivors:
        yield f"- `{change.file}`, {change.function}: {change.why or 'NOT EXPLAINED'}"
        yield ""
        yield f"      - {change.was}"
        yield f"      + {change.became}"
        yield ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
