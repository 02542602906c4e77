"""The durations of the real provider, which waits until AWS has a resource everywhere; none unless asked for.

Reads the environment variable `PULUMI_SANDBOX_DURATIONS`, and waits.
"""

import os
import time

from sandbox.pulumi_plugins.provider.resource_type import ResourceType

VARIABLE = "PULUMI_SANDBOX_DURATIONS"
"""A part of the real durations: 1 is all of them, 0.05 a twentieth; empty or 0 is none.

Named as the engine's own variables are: the wizard passes only those on to it.
"""


def take_time(resource_type: ResourceType) -> None:
    """Wait as long as the creation of such a resource takes; AWS has made it, and nobody has heard of it."""
    time.sleep(resource_type.creation_seconds * float(os.environ.get(VARIABLE) or 0))
