"""An Amazon Resource Name as a value: its fields, and the same ARN in another Region.

Pure. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""

from dataclasses import dataclass, replace
from functools import lru_cache

FIELDS = 6
"""arn, partition, service, Region, account, resource; only the resource may hold a colon."""


def fields_of(text: str) -> tuple[str, ...]:
    """The fields of an ARN, or of a pattern of ARNs; fewer than six where it is neither."""
    return tuple(text.split(":", FIELDS - 1))


@dataclass(frozen=True, kw_only=True, slots=True)
class Arn:
    partition: str
    service: str
    region: str
    """Empty where the service is global: IAM, S3."""
    account: str
    """12 digits; empty for a bucket."""
    resource: str
    """`role/path/name`, `key/id`, `root`, `log-group:name`."""

    @classmethod
    def parse(cls, text: str) -> "Arn":
        """The ARN that the text is. Raises ValueError."""
        found = cls.find(text)
        if found is None:
            raise ValueError(f"{text!r} is not an ARN")
        return found

    @classmethod
    def find(cls, text: str) -> "Arn | None":
        """The ARN that the text is; None where it is none, such as a bare id, a name or an alias."""
        return _find(text)

    @property
    def kind(self) -> str:
        """`role`, `user`, `key`, `trail`; `root` for an account's root user."""
        return min(self.resource.partition("/")[0], self.resource.partition(":")[0], key=len)

    @property
    def path(self) -> str:
        """The resource without its kind: `path/name` of a role, an OIDC provider's issuer; empty without a kind."""
        return self.resource[len(self.kind) + 1 :]

    @property
    def name(self) -> str:
        """The last part of the resource, without a path: a role's name, a key's id, `root`."""
        return self.resource.rpartition("/")[2]

    def with_region(self, region: str) -> "Arn":
        """The ARN of the resource of the same name in another Region: a replica of a multi-Region key."""
        return replace(self, region=region)

    def with_resource(self, resource: str) -> "Arn":
        """The ARN of another resource of the same service in the same account and Region."""
        return replace(self, resource=resource)

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


@lru_cache(maxsize=4096)
def _find(text: str) -> Arn | None:
    # An account of 5,000 roles is asked for the same ones again and again.
    fields = fields_of(text)
    if len(fields) < FIELDS or fields[0] != "arn":
        return None
    _, partition, service, region, account, resource = fields
    return Arn(partition=partition, service=service, region=region, account=account, resource=resource)


def resource_name(text: str) -> str:
    """The name of an ARN's resource, without a path; a name or an ID is returned unchanged."""
    arn = Arn.find(text)
    return arn.name if arn else text


def resource_of(text: str) -> str:
    """An ARN without its first five fields: `role/eonpro-app-role`; any other text is returned unchanged."""
    arn = Arn.find(text)
    return arn.resource if arn else text
