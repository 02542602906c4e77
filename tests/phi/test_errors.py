"""The error tree: what holds of each of its kinds.

Touches a process of its own.
"""

from __future__ import annotations

import inspect
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest

import phi.errors
from phi import DecryptionError, PhiCipher
from phi.errors import PhiError

KINDS = [kind for _, kind in inspect.getmembers(phi.errors, inspect.isclass) if issubclass(kind, PhiError)]


def made(kind: type[PhiError]) -> PhiError:
    """An error of this kind; some have words of their own and take none."""
    try:
        return kind("why")
    except TypeError:
        return kind()


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_the_same_after_a_pickle(kind: type[PhiError]):
    error = made(kind)
    error.problems = ("one",)  # type: ignore[attr-defined]
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))


def test_a_refusal_in_a_worker_process_reaches_the_parent():
    with ProcessPoolExecutor(1) as workers, pytest.raises(DecryptionError, match="The record was refused"):
        workers.submit(_refuse).result(timeout=60)


def _refuse() -> None:
    PhiCipher(bytes(32)).decrypt("no record")
