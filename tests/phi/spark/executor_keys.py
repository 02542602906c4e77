"""The functions that the executors of the tests' cluster call for their keys; each unwrap writes a file.

Touches the folder that the environment names.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from eonpro_phi import PhiFields
from eonpro_phi.key_cache import CachedKey

FOLDER = "UNWRAP_LOG_FOLDER"


class _NamedKey:
    """A fake of KMS: the key is derived from its name, and each unwrap writes a file."""

    def __init__(self, name: str) -> None:
        self._name = name

    def data_key(self) -> bytes:
        if folder := os.environ.get(FOLDER):
            Path(folder, f"{self._name} {os.getpid()} {uuid.uuid4()}").touch()
        return self._name.ljust(32, "*").encode()


def _fields(name: str) -> PhiFields:
    return PhiFields(CachedKey(_NamedKey(name)))


def new_key() -> PhiFields:
    return _fields("new")


def old_key() -> PhiFields:
    return _fields("old")


def another_key() -> PhiFields:
    return _fields("another")
