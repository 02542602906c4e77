"""Nested properties between the SDK's spelling (`kmsMasterKeyId`) and that of the S3 API (`KMSMasterKeyID`).

May touch nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TO_AWS = {
    "and": "And",
    "id": "ID",
    "kmsMasterKeyId": "KMSMasterKeyID",
    "sseAlgorithm": "SSEAlgorithm",
    "transitions": "Transitions",
    "noncurrentVersionTransitions": "NoncurrentVersionTransitions",
    "tags": "Tags",
    "uri": "URI",
}
_FROM_AWS = {aws: name for name, aws in _TO_AWS.items()}


def to_aws(value: Any) -> Any:
    """Nested properties in the spelling of the S3 API, zero values left out."""
    if isinstance(value, Mapping):
        return {
            _TO_AWS.get(name, name[0].upper() + name[1:]): _tags_to_aws(name, part)
            for name, part in value.items()
            if part is not None and part != ""
        }
    if isinstance(value, list):
        return [to_aws(element) for element in value]
    return value


def _tags_to_aws(name: str, part: Any) -> Any:
    if name == "tags" and isinstance(part, Mapping):
        return [{"Key": key, "Value": text} for key, text in part.items()]
    return to_aws(part)


def from_aws(value: Any) -> Any:
    """Nested properties in the spelling of the SDK."""
    if isinstance(value, Mapping):
        return {
            _FROM_AWS.get(name, name[0].lower() + name[1:]): _tags_from_aws(name, part) for name, part in value.items()
        }
    if isinstance(value, list):
        return [from_aws(element) for element in value]
    if hasattr(value, "isoformat"):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value


def _tags_from_aws(name: str, part: Any) -> Any:
    if name == "Tags" and isinstance(part, list):
        return {tag["Key"]: tag["Value"] for tag in part}
    return from_aws(part)
