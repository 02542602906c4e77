"""`Platform`: a deploy target as the stack sees it: who becomes the application there, and who reads its variables.

Pure.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from components import targets
from components.policies.documents import Policy, Statement
from components.settings import ResourceKind, Settings, Target


@dataclass(frozen=True, kw_only=True)
class NewRole:
    """A role of the stack that reads the variables for a platform."""

    name: str
    logical_name: str
    """The end of the logical name, after the component's name."""
    description: str
    trust: Policy
    kind: ResourceKind
    inline_policy: tuple[str, Policy] | None = None
    """Name and document of the role's inline policy."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """The role that reads the variables from the stack's store for a deploy target."""

    target: Target
    role: NewRole | str | None = None
    """The role of the stack, or the name of an existing one; None: the application's own principal."""
    arn: str = ""
    """ARN of the role; empty for the application's own principal."""
    title: str = ""
    """The role's name in messages."""
    without: str = ""
    """The consequence if it cannot read the variables."""
    attachment: str = ""
    """The end of the attachment's logical name."""
    one_by_one: bool = False
    """Whether it reads each parameter in a request of its own."""


class Platform(ABC):
    """A deploy target: the trust in it, its reader, and the permissions that it needs."""

    name: ClassVar[Target]
    """The value in the settings (`deployTargets`)."""
    services: ClassVar[tuple[str, ...]] = ()
    """The services of AWS that only this target needs: a command that only reads may read them."""
    feature: ClassVar[str] = ""
    """Its name in the table of permissions, where it needs some of its own; empty: it needs none."""

    def trust(self, settings: Settings) -> list[Statement]:
        """The statements by which the application here assumes its role."""
        return []

    def reader(self, settings: Settings) -> Reader | None:
        """The role that reads the variables from the stack's store; None where the target stores them itself."""
        return None

    def existing(self, settings: Settings) -> Mapping[str, str | None]:
        """The ARNs of resources of somebody else that the settings name, by their name in the table of permissions."""
        return {}


@cache
def platforms() -> Mapping[Target, Platform]:
    """Every deploy target by its name, in the order of `Target`: the TARGET of each module of this package."""
    names = (f"{targets.__name__}.{module.name}" for module in pkgutil.iter_modules(targets.__path__))
    modules = map(importlib.import_module, names)
    known = {module.TARGET.name: module.TARGET for module in modules if hasattr(module, "TARGET")}
    return {name: known[name] for name in Target}


def platforms_of(settings: Settings) -> tuple[Platform, ...]:
    """The platforms of the settings, in the order of `Target`."""
    return tuple(each for name, each in platforms().items() if name in settings.deploy_targets)
