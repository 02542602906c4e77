"""Programs are bounded, logged, redacted, and never left behind."""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

import pytest

from tools.bootstrap.running import CommandFailed, Job, Processes


@pytest.fixture
def signs() -> list[tuple[float, str]]:
    return []


@pytest.fixture
def processes(tmp_path: Path, signs: list[tuple[float, str]]) -> Processes:
    return Processes(logs=tmp_path, alive=lambda seconds, last: signs.append((seconds, last)), every=0.2)


def python(program: str, *, seconds: float = 30, private: bool = False, total: int = 0) -> Job:
    return Job(
        argv=(sys.executable, "-c", program),
        environment=dict(os.environ),
        log="job",
        seconds=seconds,
        private=private,
        total=total,
    )


def test_a_failure_carries_the_code_the_last_lines_and_the_log(processes: Processes, tmp_path: Path):
    with pytest.raises(CommandFailed) as failed:
        processes(python("print(*range(40), sep='\\n'); raise SystemExit(7)"))
    assert failed.value.reason == "ended with exit code 7"
    assert failed.value.tail[-1] == "39"
    assert len(failed.value.tail) <= 15
    assert failed.value.log == tmp_path / "job.log"
    assert (tmp_path / "job.log").read_text().splitlines()[0] == "0"


@pytest.mark.parametrize("children", ["sleep 60", "trap '' TERM; sleep 60 & sleep 60"], ids=["plain", "ignore-sigterm"])
def test_a_program_that_takes_too_long_is_ended_with_its_children(processes: Processes, children: str):
    program = f"({children}) & echo $!; wait"
    job = Job(argv=("/bin/sh", "-c", program), environment=dict(os.environ), log="job", seconds=2)
    with pytest.raises(CommandFailed, match="took longer than 2 s and was ended") as failed:
        processes(job)
    assert _ends(int(failed.value.tail[0]))


def _ends(process: int) -> bool:
    """Whether the process ends; one that was signalled closes its output a moment before it is gone."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 10)[0])
    finally:
        os.close(descriptor)


def test_a_slow_program_gives_signs_of_life_with_its_last_line(processes: Processes, signs: list[tuple[float, str]]):
    processes(python("import time; print('compiling', flush=True); time.sleep(0.7)"))
    assert len(signs) >= 2
    assert signs[-1][1] == "compiling"
    assert signs == sorted(signs)


def test_a_program_that_says_how_much_there_is_gives_n_of_m(processes: Processes, signs: list[tuple[float, str]]):
    printed = "go: downloading x v1\\none\\ntwo"
    processes(python(f"import time; print('{printed}', flush=True); time.sleep(0.7)", total=7))
    assert signs[-1][1] == "2 of 7  two"


def test_a_password_in_a_url_is_shown_nowhere(processes: Processes, tmp_path: Path):
    with pytest.raises(CommandFailed) as failed:
        processes(python("print('from https://me:hunter2@mirror.example/simple'); raise SystemExit(1)"))
    assert "hunter2" not in "".join(failed.value.tail) + str(failed.value) + (tmp_path / "job.log").read_text()
    assert failed.value.tail == ("from https://***@mirror.example/simple",)


def test_private_output_is_returned_whole_and_written_nowhere(processes: Processes, tmp_path: Path):
    assert "hunter2" in processes(python("print('https://me:' + 'hunter' + '2@mirror.example')", private=True))
    assert not list(tmp_path.iterdir())


def test_a_program_that_is_not_there_is_said_to_be_so(processes: Processes):
    job = Job(argv=("/nowhere/go",), environment={}, log="job", seconds=5)
    with pytest.raises(CommandFailed, match="could not be started: No such file"):
        processes(job)
