"""AWS's errors as one readable line, in the words of the real provider, and retries of unknown principals.

Pure.
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf import struct_pb2

from sandbox.pulumi_plugins.provider.values import Properties

Result = TypeVar("Result")


class ProviderError(Exception):
    """An operation that failed for a reason the user can read."""


class NotReadyError(ProviderError):
    """A resource was created, and a later step of its creation failed."""

    def __init__(self, reason: str, *, resource_id: str, state: Properties, inputs: struct_pb2.Struct) -> None:
        """`state` and `inputs`: the engine records them under `resource_id`."""
        super().__init__(reason)
        self.resource_id = resource_id
        self.state = state
        self.inputs = inputs


def aws_errors() -> tuple[type[Exception], ...]:
    """The exceptions of boto3 for AWS errors, unreachable endpoints and missing credentials."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    return ClientError, BotoCoreError, Boto3Error


def code_of(error: Exception) -> str:
    """The code of an AWS error, "" for anything else."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def none_if_missing(call: Callable[[], Result], *absent: str) -> Result | None:
    """The result of a call, or None when AWS answers one of the codes for a missing resource."""
    from botocore.exceptions import ClientError

    try:
        return call()
    except ClientError as error:
        if code_of(error) in absent:
            return None
        raise


def error_message(error: Exception, *, action: str, display_name: str, name: str = "") -> str:
    """One line of the form `creating KMS Key (name): operation error CreateKey, …, api error Code: message`."""
    subject = f"{action} {display_name}" + (f" ({name})" if name else "")
    response: Any = getattr(error, "response", None)
    if not isinstance(response, dict):
        return f"{subject}: {error}"
    details = response.get("Error", {})
    metadata = response.get("ResponseMetadata", {})
    operation = getattr(error, "operation_name", "")
    return (
        f"{subject}: operation error {operation}, "
        f"https response error StatusCode: {metadata.get('HTTPStatusCode', 0)}, "
        f"RequestID: {metadata.get('RequestId', '')}, "
        f"api error {details.get('Code', 'Unknown')}: {details.get('Message', '')}"
    )


# The real provider waits up to two minutes; most principals are visible within five seconds.
PAUSES_SECONDS = (0.5, 1.0, 2.0, 4.0)


def retry_unknown_principals(call: Callable[[], Result]) -> Result:
    """Repeat a call that fails because AWS does not see a principal in its policy yet."""
    from botocore.exceptions import ClientError

    for pause in PAUSES_SECONDS:
        try:
            return call()
        except ClientError as error:
            # KMS says MalformedPolicyDocumentException, IAM MalformedPolicyDocument, S3 MalformedPolicy.
            if not code_of(error).startswith("MalformedPolicy") or "principal" not in str(error).lower():
                raise
        time.sleep(pause)
    return call()
