"""What `documents encrypt --json` prints, for the schema: a plan, a move with all that can be left, a batch job."""

from __future__ import annotations

from typing import Any

from tests.wizard.commands.documents.test_encrypt import LEFT, MOVED, ROLE, S3_MANAGED, encrypt, world_of


def documents_of_moves() -> dict[str, Any]:
    """By what they are of."""
    objects: dict[str, Any] = {"a": S3_MANAGED, "b": MOVED, **LEFT}
    return {
        "plan": encrypt(world_of(**objects), "--dry-run", yes=False)[1],
        "move": encrypt(world_of(**objects))[1],
        "batch": encrypt(world_of(), "--batch", ROLE, yes=False)[1],
    }
