"""No IV is used twice under a key: not by threads, not by a parent and its children, not within a batch."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

from eonpro_phi import PhiCipher

CHILDREN = 4
THREADS = 4
ROUNDS = 150
BATCH_SIZE = 25


def iv_of(record: str | None) -> str:
    assert record is not None
    return record[:24]


def ivs_of_threads(cipher: PhiCipher) -> list[str]:
    """IVs of records that several threads write, one at a time and in batches."""
    ivs: list[str] = []
    begin = threading.Barrier(THREADS)

    def write() -> None:
        begin.wait(timeout=60)
        for _ in range(ROUNDS):
            ivs.append(iv_of(cipher.encrypt("same")))
            ivs.extend(map(iv_of, cipher.encrypt_many(["same"] * BATCH_SIZE)))

    threads = [threading.Thread(target=write) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ivs) == THREADS * ROUNDS * (1 + BATCH_SIZE)
    return ivs


def in_a_child(work: Callable[[], list[str]]) -> Callable[[], list[str]]:
    """Fork now and do the work in the child; the returned function waits for its result."""
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

    def result() -> list[str]:
        with os.fdopen(reading) as text:
            lines = text.read().splitlines()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        return lines

    return result


def test_no_iv_is_used_twice_by_threads_of_a_parent_and_of_its_children() -> None:
    cipher = PhiCipher(os.urandom(32))
    ivs = ivs_of_threads(cipher)
    children = [in_a_child(lambda: ivs_of_threads(cipher)) for _ in range(CHILDREN)]
    ivs += ivs_of_threads(cipher)
    for child in children:
        ivs += child()
    assert len(ivs) == (CHILDREN + 2) * THREADS * ROUNDS * (1 + BATCH_SIZE)
    assert len(set(ivs)) == len(ivs)


def test_children_forked_while_threads_write_use_none_of_their_ivs() -> None:
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
        in_a_child(lambda: [iv_of(record) for record in (cipher.encrypt("same"), *cipher.encrypt_many(["same"] * 50))])
        for _ in range(20)
    ]
    ended.set()
    for thread in threads:
        thread.join()
    for child in children:
        ivs += child()
    assert len(set(ivs)) == len(ivs) > 20 * 51


def test_after_a_fork_during_a_batch_parent_and_child_use_different_ivs() -> None:
    cipher = PhiCipher(os.urandom(32))
    reading, writing = os.pipe()
    child = -1

    def texts() -> Iterator[str]:
        nonlocal child
        yield from ["same"] * 10
        child = os.fork()
        yield from ["same"] * 10

    try:
        ivs = [iv_of(record) for record in cipher.encrypt_many(texts())]
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


def test_the_ivs_of_a_batch_of_several_chunks_are_all_different() -> None:
    cipher = PhiCipher(os.urandom(32))
    ivs = [iv_of(record) for record in cipher.encrypt_many(["same"] * 5000)]
    assert len(set(ivs)) == 5000
