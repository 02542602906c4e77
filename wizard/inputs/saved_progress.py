"""The answers of an unfinished run, so that the next run can continue it.

Reads and writes `.wizard/STACK.json` in the project's folder. Never holds a secret.
"""

import contextlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from wizard.core import files, safe_text
from wizard.core.clients import Answer, Draft, Source
from wizard.inputs.registry import by_key

ANSWERING = "answering"
"""The questions were being answered."""
REVIEWED = "reviewed"
"""Everything is answered, and the plan is shown, but not confirmed."""
PLANNED = "planned"
"""The plan was made: the settings are in the stack's configuration."""

_SAVED_SOURCES = (Source.FLAG, Source.ENVIRONMENT, Source.FILE, Source.DRAFT, Source.COPIED, Source.ASKED)
"""Detected and default answers are found again by the next run; saved ones are saved already."""


def progress_from_answers(answers: Mapping[str, Answer], *, stage: str, at: datetime, asked: tuple[str, ...]) -> Draft:
    """The saved answers; after the plan only those that the stack's configuration does not have."""
    return Draft(
        stage=stage,
        at=at,
        answers={
            key: answer.value
            for key, answer in answers.items()
            if answer.source in _SAVED_SOURCES
            and not by_key[key].secret
            and not (stage == PLANNED and by_key[key].field is not None)
        },
        asked=tuple(key for key in asked if not by_key[key].secret),
    )


def text(draft: Draft) -> str:
    answers = {key: list(value) if isinstance(value, tuple) else value for key, value in draft.answers.items()}
    document = {"stage": draft.stage, "at": draft.at.isoformat(), "asked": list(draft.asked), "answers": answers}
    import json

    return json.dumps(document, indent=2) + "\n"


def read(content: str) -> Draft | None:
    """The draft in a text; None for anything else, since a bad draft must not stop a run."""
    try:
        document = safe_text.parse_json(content)
        return Draft(
            stage=str(document["stage"]),
            at=datetime.fromisoformat(document["at"]),
            asked=tuple(key for key in document["asked"] if key in by_key),
            # The values are checked with all other answers.
            answers={
                key: tuple(value) if isinstance(value, list) else value
                for key, value in document["answers"].items()
                if key in by_key and not by_key[key].secret
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


class DraftFiles:
    """The drafts of one project, as files. Implements `Drafts`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / ".wizard"

    def load(self, stack: str) -> Draft | None:
        try:
            return read(files.read_text(self._file(stack), links=False))
        except (OSError, UnicodeDecodeError):
            return None

    def save(self, stack: str, draft: Draft) -> None:
        """Replace the stack's draft atomically."""
        with contextlib.suppress(OSError):
            files.make_folder(self._folder, own=True)
            files.replace(self._file(stack), text(draft).encode())

    def remove(self, stack: str) -> None:
        with contextlib.suppress(OSError):
            self._file(stack).unlink()

    def _file(self, stack: str) -> Path:
        # A stack may be called `organization/project/name`.
        return self._folder / f"{quote(stack, safe='')}.json"
