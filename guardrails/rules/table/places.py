"""The ARNs of what the stack uses: its own, or existing ones that the settings name.

Pure.
"""

from components.settings import Settings


def trail_arn(settings: Settings) -> str:
    """The trail that records the use of the key."""
    return settings.existing_trail_arn or settings.arn("cloudtrail", f"trail/{settings.names.trail}")


def imported(settings: Settings, kind: str, otherwise: str) -> str:
    """The id of an imported resource, where the settings name one."""
    return dict(each.split("=", 1) for each in settings.adopted).get(kind, otherwise)
