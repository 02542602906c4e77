"""`python -m tools.bench.mutation`: how many small changes of the cipher and of the key cache the tests of phi find.

Touches .cache/mutation/, where mutmut changes a copy, and docs/mutation.md.
"""

from __future__ import annotations

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

CHANGED = ("cipher", "record", "usage", "batches", "key_cache", "cache_entry", "refresh", "fields")
"""The files of phi/ that are changed: the cipher and what it is made of, the cached key and what it is made of."""

TESTS = ("cipher", "key_cache", "fields")
"""The folders of the tests that judge a change, in tests/phi."""

SHARED = ("key_sources", "scripted_kms")
"""What these tests share."""

ELSEWHERE = ("test_interoperability.py",)
"""Tests against other implementations, which are not in mutmut's environment."""

UNUSED = "not node and not importing"
"""Tests that start other programs are left out: they take long, and say of this code what others say too."""

AT_LEAST = 0.95
"""Share of the changes that a test must find: docs/decisions/0026."""

EQUIVALENT = PROJECT / "tools" / "bench" / "equivalent_mutants.toml"
_FOUND = frozenset({"killed", "timeout", "segfault"})
"""mutmut's words for a change that did not pass: a test failed, never ended, or the interpreter did."""


@dataclass(frozen=True, kw_only=True)
class Survivor:
    """A change that no test found: where, what stood there, what stood there instead, and why it changes nothing."""

    file: str
    function: str
    was: str
    became: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Score:
    """Of one file: how many changes were made, and how many of them a test found."""

    file: str
    made: int
    found: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.found / self.made if self.made else 1.0


def main(arguments: Sequence[str]) -> int:
    """Change, test, tell; 1 when fewer are found than there must be, or one survives that nobody has explained."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.mutation")
    parser.add_argument("--again", action="store_true", help="go on from what the last run left in .cache/mutation")
    given = parser.parse_args(arguments)
    folder = CACHE / "mutation"
    if not given.again:
        laid_out(folder)
    mutmut(folder, "run", "--max-children", str(os.cpu_count() or 1), shown=True)
    scores, survivors = judged(folder)
    text = page(scores, survivors)
    print(text)
    (PROJECT / "docs" / "mutation.md").write_text(text, encoding="utf-8")
    unexplained = [one for one in survivors if not one.why]
    return int(total(scores).share < AT_LEAST or bool(unexplained))


def laid_out(folder: Path) -> None:
    """A copy of phi and of the tests that judge it, and of nothing that takes long to load."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(
        PROJECT / "phi", folder / "phi", ignore=shutil.ignore_patterns("__pycache__", "adapters", "reencryption")
    )
    tests = folder / "tests" / "phi"
    tests.mkdir(parents=True)
    source = PROJECT / "tests" / "phi"
    for name in TESTS:
        shutil.copytree(source / name, tests / name, ignore=shutil.ignore_patterns("__pycache__", *ELSEWHERE))
    for name in SHARED:
        shutil.copy(source / f"{name}.py", tests)
    changed = [f"phi/{name}.py" for name in CHANGED]
    (folder / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\n"
        'pythonpath = ["."]\n'
        'addopts = "--import-mode=importlib"\n'
        'markers = ["thorough: a longer variant"]\n'
        "[tool.mutmut]\n"
        'source_paths = ["phi/"]\n'
        f"only_mutate = {json.dumps(changed)}\n"
        'pytest_add_cli_args_test_selection = ["tests/phi"]\n'
        f"pytest_add_cli_args = {json.dumps(['-m', 'not thorough', '-p', 'no:cacheprovider', '-k', UNUSED])}\n",
        encoding="utf-8",
    )


def mutmut(folder: Path, *arguments: str, shown: bool = False) -> str:
    """Run it in that folder; what it said, unless it says it to whoever watches."""
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


def judged(folder: Path) -> tuple[list[Score], list[Survivor]]:
    """What came of each change."""
    statuses: dict[str, str] = {}
    for line in mutmut(folder, "results", "--all", "true").splitlines():
        name, _, status = line.strip().rpartition(": ")
        if name:
            statuses[name] = status
    scores = []
    for file in CHANGED:
        of_file = [status for name, status in statuses.items() if name.startswith(f"phi.{file}.")]
        scores.append(
            Score(file=f"phi/{file}.py", made=len(of_file), found=sum(status in _FOUND for status in of_file))
        )
    known = explained()
    lived = [name for name, status in statuses.items() if status not in _FOUND]
    return scores, [survivor(name, mutmut(folder, "show", name), known) for name in lived]


def survivor(name: str, shown: str, known: Mapping[tuple[str, str, str], str]) -> Survivor:
    """A change by its diff, with the reason why it changes nothing, where one is known."""
    _, file, mangled = name.split(".", 2)
    # `xǁClassǁmethod` or `x_function`, and which change of it.
    function = mangled.rpartition("__mutmut_")[0][2:].replace("ǁ", ".")
    lines = [line for line in shown.splitlines() if not line.startswith(("---", "+++", "@@", "#"))]
    was = " ".join(line[1:].strip() for line in lines if line.startswith("-"))
    became = " ".join(line[1:].strip() for line in lines if line.startswith("+"))
    why = known.get((f"phi/{file}.py", was, became), "")
    return Survivor(file=f"phi/{file}.py", function=function, was=was, became=became, why=why)


def explained() -> dict[tuple[str, str, str], str]:
    """The changes that change nothing, by file and by what stood there and stands there instead."""
    entries = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["mutant"]
    return {(one["file"], one["was"], one["became"]): one["why"] for one in entries}


def total(scores: Sequence[Score]) -> Score:
    """All files together."""
    return Score(file="all", made=sum(one.made for one in scores), found=sum(one.found for one in scores))


def page(scores: Sequence[Score], survivors: Sequence[Survivor]) -> str:
    """The page of the documentation."""
    return "\n".join([*_opening(), *_table(scores), "", *_survivors(survivors), ""])


def _opening() -> Iterator[str]:
    yield "# Mutation testing of the cipher and the key cache"
    yield ""
    yield "Written by `make mutation`: mutmut changes the code of `phi/` in every small way it knows, one at a time,"
    yield "and runs the tests that reach the changed function. A change that no test finds survives. The command fails"
    yield f"below {AT_LEAST:.0%}, and when one survives of which nobody has said why it changes nothing. mutmut changes"
    yield "the bodies of functions; properties and constants it leaves alone."
    yield ""


def _table(scores: Sequence[Score]) -> Iterator[str]:
    yield "| file | changes | found | |"
    yield "|---|---:|---:|---:|"
    for one in [*scores, total(scores)]:
        yield f"| {one.file} | {one.made} | {one.found} | {one.share:.1%} |"


def _survivors(survivors: Sequence[Survivor]) -> Iterator[str]:
    if not survivors:
        yield "None survived."
        return
    yield "Those that survived:"
    yield ""
    for one in survivors:
        yield f"- `{one.file}`, {one.function}: {one.why or 'NOT EXPLAINED'}"
        yield ""
        yield f"      - {one.was}"
        yield f"      + {one.became}"
        yield ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
