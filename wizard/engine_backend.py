"""What a killed engine can leave behind in a backend of local files, and how it is mended.

Part of the engine's edge: touches the sidecar files of one stack in one local backend, and only those that are empty.
"""

from __future__ import annotations

from pathlib import Path


def looks_torn(complaint: str) -> bool:
    """Whether the engine complains of a file that ends before it begins."""
    return complaint.rstrip().endswith("EOF")


def mend(backend: str, folder: Path, stack: str) -> bool:
    """Remove the stack's sidecar files that were torn; whether there was one. `backend` is the backend's URL.

    Beside `production.json`, and beside each lock, the backend keeps an `.attrs` file with content type and checksum.
    The file itself is written whole and then renamed; the sidecar is written in place, so that an engine killed at that
    moment leaves an empty one, and the next one cannot read the file, which is whole. Without a sidecar it can.
    """
    if not backend.startswith("file://"):
        return False
    place = folder / Path(backend.removeprefix("file://").partition("?")[0]).expanduser() / ".pulumi"
    torn = [
        file
        for file in (*place.glob(f"**/{stack}.json.attrs"), *place.glob(f"locks/**/{stack}/*.attrs"))
        # One that holds anything is not torn.
        if file.stat().st_size == 0
    ]
    for file in torn:
        file.unlink()
    return bool(torn)
