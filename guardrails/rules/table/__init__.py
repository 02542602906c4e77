"""What the stack may contain: each resource that the settings ask for, and nothing else.

Pure. Nothing here comes from the functions that write the policies or register the resources: where the two say
different things, the plan is refused.
"""

from collections.abc import Mapping
from functools import lru_cache

from ..row import Row
from ..settings import Settings
from . import alerts, application, keys, trail


@lru_cache(maxsize=8)
def rows_of(settings: Settings) -> Mapping[tuple[str, str], Row]:
    """The rows of the stack with these settings, by type and name: each exactly once."""
    rows = [row for part in (keys, application, trail, alerts) for row in part.rows(settings)]
    return {(row.type, row.name): row for row in rows}
