"""A new file in the place of a path, only when it is whole: a draft beside it is renamed.

Touches the folder of the path.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write. After the block it stands at the path, on the disk, readable by its owner only; if the block
    raises, the path is as it was before, and the draft is gone.
    """
    place = Path(path)
    descriptor, draft = tempfile.mkstemp(prefix=f".{place.name[:100]}.", suffix=".draft", dir=place.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, place)
        if hasattr(os, "O_DIRECTORY"):  # the new name, too, is on the disk
            folder = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(draft)
        raise
