"""Where drafts are kept: a file for each stack, that only its owner can read, replaced whole.

Touches `.wizard/` in the project's folder. A draft that cannot be kept costs a few questions, and no run.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from urllib.parse import quote

from wizard import drafts


class DraftFiles:
    """The drafts of one project. Implements `wizard.drafts.Drafts`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / ".wizard"

    def load(self, stack: str) -> drafts.Draft | None:
        """The stack's draft; None where there is none that can be read."""
        try:
            return drafts.read(self._file(stack).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return None

    def save(self, stack: str, draft: drafts.Draft) -> None:
        """Replace the stack's draft: it is there whole, as it was or as it is now, whenever the machine stops."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._folder, prefix=".draft-")
            try:
                # `mkstemp` makes it readable by its owner alone (0600).
                with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                    stream.write(drafts.text(draft))
                os.replace(name, self._file(stack))
            except OSError:
                os.unlink(name)

    def remove(self, stack: str) -> None:
        """Forget the stack's draft."""
        with contextlib.suppress(OSError):
            self._file(stack).unlink()

    def _file(self, stack: str) -> Path:
        # A stack may be called `organization/project/name`.
        return self._folder / f"{quote(stack, safe='')}.json"
