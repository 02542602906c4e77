"""`push` from the command line to its end.

Touches what the steps touch: the escrow, where none was made yet, and the targets.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from wizard import documents, journey
from wizard.steps import Doors, Request


def run(options: argparse.Namespace, request: Request, doors: Doors) -> tuple[int, Mapping[str, Any]]:
    """Deliver the escrowed data key. Raises SetupError."""
    return 0, documents.push(options.stack, journey.push(request, doors))
