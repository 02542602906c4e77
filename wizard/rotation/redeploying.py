"""The start of the application anew after its data key was changed: offered, or named as what is left to do.

Pure: acts through the edges' Protocols, by way of the push.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wizard.rotation.delivering import Handed
from wizard.rotation.holding import Holding
from wizard.steps import Doors


@dataclass(frozen=True, kw_only=True)
class Redeployed:
    """What became of the offer."""

    document: dict[str, Any] | None
    next: tuple[str, ...] = ()


def offer(doors: Doors, holding: Holding, handed: Handed, *, wanted: bool | None) -> Redeployed:
    """Running instances keep what they were started with: offer a new deployment, or say that one is needed."""
    if not any(each.state == "written" for each in handed.delivered):
        return Redeployed(document=None)
    return Redeployed(
        document=None,
        next=(
            f"python -m wizard push --redeploy --stack {holding.stack}"
            "   # running instances hold the data key that they were started with",
        ),
    )
