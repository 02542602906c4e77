"""How a resource that was set up by hand becomes the stack's: taken in by its id, left as found where that is wanted.

Touches nothing: it makes options for resources.
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.contract import Part, Settings, Thing


def taken_in(
    settings: Settings, thing: Thing, *, part: Part | None = None, properties: Sequence[str] = ()
) -> pulumi.ResourceOptions:
    """Options under which the engine imports the thing, where the settings know it by its id, instead of making it.

    Where the settings leave the `part` as it was found, no update changes any of these `properties`.
    """
    ids = dict(adopted.split("=", 1) for adopted in settings.adopted)
    return pulumi.ResourceOptions(
        import_=ids.get(thing), ignore_changes=list(properties) if part in settings.kept_as_found else []
    )
