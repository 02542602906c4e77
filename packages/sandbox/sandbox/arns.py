"""An Amazon Resource Name as a value, for the servers and the provider of the sandbox.

Pure.
"""

from typing import NamedTuple


class Arn(NamedTuple):
    """The six fields of an ARN, in their order."""

    scheme: str
    partition: str
    service: str
    region: str
    account: str
    resource: str

    @property
    def path(self) -> str:
        """The resource without its kind: `eonpro-app-role` of a role, `mrk-…` of a key."""
        return self.resource.partition("/")[2]


def fields_of(text: str) -> tuple[str, ...]:
    """The fields of an ARN, or of a pattern of ARNs; fewer than six where it is neither."""
    return tuple(text.split(":", 5))


def parse(text: str) -> Arn:
    """Raises TypeError for a text with fewer fields."""
    return Arn(*fields_of(text))


def name_of(name_or_arn: object) -> str:
    """The last part of an ARN, or of a path; a name is returned unchanged."""
    return str(name_or_arn).rpartition("/")[2]
