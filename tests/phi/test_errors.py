"""The error tree: what is true for every class.

Touches a process of its own.
"""

from __future__ import annotations

import inspect
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest

import eonpro_phi.errors
from eonpro_phi import DecryptionError, PhiCipher
from eonpro_phi.errors import PhiError

CLASSES = [kind for _, kind in inspect.getmembers(eonpro_phi.errors, inspect.isclass) if issubclass(kind, PhiError)]


def error_of(kind: type[PhiError]) -> PhiError:
    """An error of this class; some have a fixed message and take no argument."""
    try:
        return kind("a message")
    except TypeError:
        return kind()


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_is_the_same_after_a_pickle(kind: type[PhiError]):
    error = error_of(kind)
    error.problems = ("one",)  # type: ignore[attr-defined]
    restored = pickle.loads(pickle.dumps(error))
    assert type(restored) is kind
    assert (str(restored), restored.args, vars(restored)) == (str(error), error.args, vars(error))


def test_an_error_in_a_worker_process_reaches_the_parent():
    with ProcessPoolExecutor(1) as workers, pytest.raises(DecryptionError, match="The record cannot be decrypted"):
        workers.submit(_raise).result(timeout=60)


def _raise() -> None:
    PhiCipher(bytes(32)).decrypt("no record")
