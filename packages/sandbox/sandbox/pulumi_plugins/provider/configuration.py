"""The provider's configuration (`aws:region`, `aws:allowedAccountIds`, …), and the check of its account.

Touches STS at the configured endpoint, to read the caller's identity.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.pulumi_plugins.provider.endpoint import Endpoint, EndpointSettings, Secret
from sandbox.pulumi_plugins.provider.errors import ProviderError
from sandbox.pulumi_plugins.provider.schema import provider_inputs
from sandbox.pulumi_plugins.provider.values import Properties, Unknown

_UNSUPPORTED = frozenset({"assumeRoles", "assumeRoleWithWebIdentity", "ignoreTags", "tagPolicyCompliance"})
_ALWAYS_ALLOWED = frozenset({"version", "pluginDownloadURL"})


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """The configured state of the provider."""

    endpoint: Endpoint
    default_tags: dict[str, str]

    @staticmethod
    def failures(inputs: Properties) -> Iterator[tuple[str, str]]:
        """Configuration keys that the SDK's provider does not have, or that this one does not support."""
        known = provider_inputs()
        for name, value in inputs.items():
            if name in _UNSUPPORTED and _decoded(value):
                yield name, f"The sandbox's AWS provider does not support 'aws:{name}'."
            elif name not in known and name not in _ALWAYS_ALLOWED:
                yield name, f"Invalid or unknown key 'aws:{name}'."


def configure(arguments: Properties, environment: Mapping[str, str]) -> Configuration:
    """The configuration; raises ProviderError where no region is named or the account is not allowed."""
    options = {name: _decoded(value) for name, value in arguments.items() if not isinstance(value, Unknown)}
    region = options.get("region") or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or ""
    if not region:
        raise ProviderError("missing AWS region: set it with `pulumi config set aws:region <region>` or AWS_REGION")
    secret, token = options.get("secretKey"), options.get("token")
    endpoint = Endpoint(
        EndpointSettings(
            region=region,
            profile=options.get("profile") or None,
            access_key=options.get("accessKey") or None,
            secret_key=Secret(secret) if secret else None,
            token=Secret(token) if token else None,
            path_style=bool(options.get("s3UsePathStyle")),
        )
    )
    allowed = _account_ids(options.get("allowedAccountIds"))
    forbidden = _account_ids(options.get("forbiddenAccountIds"))
    if allowed or forbidden or not options.get("skipCredentialsValidation"):
        account = endpoint.identity["Account"]
        if (allowed and account not in allowed) or account in forbidden:
            raise ProviderError(f"AWS Account ID not allowed: {account}")
    tags = (options.get("defaultTags") or {}).get("tags") or {}
    return Configuration(endpoint=endpoint, default_tags={name: str(text) for name, text in tags.items()})


def _decoded(value: Any) -> Any:
    """Configuration values are strings: lists, objects and booleans are JSON."""
    if isinstance(value, str) and (value[:1] in ("[", "{") or value in ("true", "false")):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _account_ids(value: Any) -> frozenset[str]:
    if value is None:
        return frozenset()
    ids = value if isinstance(value, list) else [value]
    # A list that was parsed as a number lost leading zeros; an account id has twelve digits.
    return frozenset(str(account_id).zfill(12) for account_id in ids if account_id not in ("", None))
