"""No IV is used twice under a key: not by threads, not by a parent and its children, not within a batch."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from phi import PhiCipher

CHILDREN = 4
THREADS = 4
ROUNDS = 150
IN_A_BATCH = 25


def iv_of(record: str | None) -> str:
    assert record is not None
    return record[:24]


def ivs_of_threads(cipher: PhiCipher) -> list[str]:
    """What several threads write at once, one at a time and in batches."""
    found: list[str] = []
    begin = threading.Barrier(THREADS)

    def write() -> None:
        begin.wait(timeout=60)
        for _ in range(ROUNDS):
            found.append(iv_of(cipher.encrypt("same")))
            found.extend(map(iv_of, cipher.encrypt_many(["same"] * IN_A_BATCH)))

    threads = [threading.Thread(target=write) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == THREADS * ROUNDS * (1 + IN_A_BATCH)
    return found


def in_a_child(work: Callable[[], list[str]]) -> Callable[[], list[str]]:
    """Fork now, and let the child do it; what is given back waits for its answer."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.close(reading)
            with os.fdopen(writing, "w") as stream:
                stream.write("\n".join(work()))
            code = 0
        finally:
            os._exit(code)
    os.close(writing)

    def answer() -> list[str]:
        with os.fdopen(reading) as text:
            lines = text.read().splitlines()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        return lines

    return answer


def test_no_iv_is_used_twice_by_threads_of_a_parent_and_of_its_children() -> None:
    cipher = PhiCipher(os.urandom(32))
    ivs = ivs_of_threads(cipher)
    children = [in_a_child(lambda: ivs_of_threads(cipher)) for _ in range(CHILDREN)]
    ivs += ivs_of_threads(cipher)
    for child in children:
        ivs += child()
    assert len(ivs) == (CHILDREN + 2) * THREADS * ROUNDS * (1 + IN_A_BATCH)
    assert len(set(ivs)) == len(ivs)


def test_children_that_are_forked_while_threads_write_use_none_of_theirs() -> None:
    cipher = PhiCipher(os.urandom(32))
    ivs: list[str] = []
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            ivs.extend(map(iv_of, cipher.encrypt_many(["same"] * 500)))

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    children = [
        in_a_child(lambda: [iv_of(one) for one in (cipher.encrypt("same"), *cipher.encrypt_many(["same"] * 50))])
        for _ in range(20)
    ]
    ended.set()
    for thread in threads:
        thread.join()
    for child in children:
        ivs += child()
    assert len(set(ivs)) == len(ivs) > 20 * 51


@pytest.mark.parametrize("form", ["list", "columns"])
def test_a_fork_while_a_batch_is_being_collected_leaves_both_sides_ivs_of_their_own(form: str) -> None:
    cipher = PhiCipher(os.urandom(32))
    reading, writing = os.pipe()
    child = -1

    def texts() -> Iterator[str]:
        nonlocal child
        yield from ["same"] * 10
        child = os.fork()
        yield from ["same"] * 10

    columns: Any = {"first": ["same"] * 5, "second": texts()}
    try:
        records = cipher.encrypt_many(texts()) if form == "list" else cipher.encrypt_many(columns)["second"]
        ivs = [iv_of(record) for record in records]
        if not child:
            os.write(writing, "\n".join(ivs).encode())
    finally:
        if not child:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        theirs = stream.read().splitlines()
    os.waitpid(child, 0)
    assert len(ivs) == len(theirs) == 20
    assert len({*ivs, *theirs}) == 40


def test_the_ivs_of_a_batch_are_all_its_own_over_several_steps() -> None:
    cipher = PhiCipher(os.urandom(32))
    ivs = [iv_of(record) for record in cipher.encrypt_many(["same"] * 5000)]
    assert len(set(ivs)) == 5000
