"""KMS and STS: the only module of this package that talks to AWS.

Touches KMS (Decrypt, Encrypt) and STS (GetCallerIdentity) through botocore, which is loaded when a KmsKeySource is
created, not before.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from eonpro_phi import errors
from eonpro_phi.aws_errors import ERRORS_BY_CODE as ERRORS_BY_CODE
from eonpro_phi.aws_errors import error_for as error_for
from eonpro_phi.cipher import DATA_KEY_BYTES
from eonpro_phi.environment import Credentials, WrappedKey, WrappedKeys
from eonpro_phi.record import key_id

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

CONNECT_SECONDS = 2
READ_SECONDS = 3
ATTEMPTS = 2
"""2 x (2 + 3) seconds and one back-off; with botocore's defaults a request may wait for minutes."""

_KEY_MATERIAL_ID = re.compile("[0-9a-f]{64}")
"""https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#KMS-Decrypt-response-KeyMaterialId"""

_Response = TypeVar("_Response")


class KmsKeySource:
    """A KeySource that calls KMS for every key, and blocks meanwhile; put a CachedKey in front of it."""

    def __init__(self, wrapped: WrappedKey, *, credentials: Credentials | None = None) -> None:
        """No request yet; without credentials botocore's own chain finds them, at the first call."""
        load_botocore()  # here: a fork during an import in another thread leaves it unfinished in the child for ever
        self._wrapped = wrapped
        self._credentials = credentials
        self._client_of_process: tuple[int, Any] | None = None
        self.key_material_id = ""
        """Key material of the KMS key that opened the last `data_key` (KeyMaterialId of Decrypt), 64 hex digits; empty
        where the endpoint does not send it or an older botocore does not know it.
        """
        logging.getLogger("botocore.parsers").addFilter(_drop_while_unwrapping)

    def data_key(self) -> bytes:
        """Decrypt the wrapped key, without an encryption context; raises an UnwrapError naming the cause."""
        key = self._decrypt(dry_run=False)
        if key is None:
            raise errors.InvalidResponse("KMS answered a request for the key with a dry run.")
        return key

    def dry_run(self) -> bool:
        """Whether KMS only evaluated the decryption of this wrapped key, and would have done it.

        False where the endpoint ignores DryRun, as emulators do: the key was decrypted, and is dropped here. Raises an
        UnwrapError naming the cause. https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html
        """
        return self._decrypt(dry_run=True) is None

    def _decrypt(self, *, dry_run: bool) -> bytes | None:
        wrapped = self._wrapped
        kms = self._client()
        _log_filter.unwrapping = True
        try:
            request = {
                "KeyId": wrapped.key_arn,
                "CiphertextBlob": wrapped.blob,
                **({"DryRun": True} if dry_run else {}),
            }
            response = _call(lambda: _ask_to_decrypt(kms, request), client=kms)
            if response is None:
                return None
        except errors.NoCredentials:
            self._client_of_process = None  # a client looks for credentials once, when it is created
            raise
        finally:
            _log_filter.unwrapping = False
        key: object = response.pop("Plaintext", None)
        key_arn = response.get("KeyId")
        # Error reports with local variables must not show the key of this frame.
        if not isinstance(key, bytes) or not isinstance(key_arn, str):
            del key
            raise errors.InvalidResponse(f"The response of {kms.meta.endpoint_url} has no key in it.")
        if key_arn != wrapped.key_arn:
            del key
            raise errors.WrongKey("The wrapped key was wrapped by another KMS key.")
        if len(key) != DATA_KEY_BYTES:
            length = len(key)
            del key
            raise errors.WrongLength(f"The wrapped key holds {length} bytes; a data key is {DATA_KEY_BYTES}.")
        if wrapped.check_value not in (None, key_id(key)):
            check_value = key_id(key)
            del key
            raise errors.WrongKeyCheckValue(
                f"The wrapped key opens to another key: its check value is {check_value}, and the environment says "
                f"{wrapped.check_value}."
            )
        material = str(response.get("KeyMaterialId"))
        self.key_material_id = material if _KEY_MATERIAL_ID.fullmatch(material) else ""
        return key

    def _client(self) -> Any:
        # A child must not share a connection or a lock with its parent: each would read responses of the other.
        current = self._client_of_process
        if current is None or current[0] != os.getpid():
            client = _create_client("kms", self._wrapped.region, self._credentials)
            current = self._client_of_process = (os.getpid(), client)
        return current[1]

    def __repr__(self) -> str:
        return f"KmsKeySource(key_arn={self._wrapped.key_arn!r}, fingerprint={self._wrapped.fingerprint!r})"


def data_keys(keys: WrappedKeys) -> tuple[bytes, ...]:
    """The current data key, then those for reading, unwrapped with botocore's credentials."""
    return tuple(KmsKeySource(key).data_key() for key in (keys.current, *keys.reading_keys))


def encrypt(region: str, key_arn: str, key: bytes) -> bytes:
    """The key wrapped by KMS, without an encryption context, with the credentials of botocore's own chain.

    Raises an UnwrapError naming the cause.
    """
    kms = _create_client("kms", region, None)
    blob: bytes = _call(lambda: kms.encrypt(KeyId=key_arn, Plaintext=key), client=kms)["CiphertextBlob"]
    return blob


def may_decrypt(region: str, key_arn: str, credentials: Credentials) -> bool:
    """Whether KMS allows the decryption with this key, by a dry run without a wrapped key.

    False where the endpoint or botocore does not know such a dry run; no endpoint can answer it with a key. Raises the
    UnwrapError of a refusal. https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html
    """
    kms = _create_client("kms", region, credentials)
    request = {"KeyId": key_arn, "DryRun": True, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}
    try:
        return _call(lambda: _ask_to_decrypt(kms, request), client=kms) is None
    except (errors.MalformedVariable, errors.InvalidCiphertext, errors.RequestRejected, errors.InvalidResponse):
        return False


def caller_arn(region: str, credentials: Credentials) -> str:
    """The ARN of the principal that owns the credentials; needs no permission. Raises an UnwrapError."""
    sts = _create_client("sts", region, credentials)
    arn: str = _call(sts.get_caller_identity, client=sts)["Arn"]
    return arn


def load_botocore() -> None:
    """Load botocore now, so that the first client is created sooner."""
    import botocore.config
    import botocore.session  # noqa: F401


def prepare_clients() -> None:
    """Load the modules and models for clients of KMS and STS, before Region and credentials are known.

    Sends nothing.
    """
    nobody = Credentials(access_key_id="none", secret_access_key="none")
    for service in ("kms", "sts"):
        # The real client says what is wrong with the endpoint.
        with suppress(errors.UnwrapError):
            _create_client(service, "us-east-1", nobody)


def _create_client(service: str, region: str, credentials: Credentials | None) -> Any:
    import botocore.config
    import botocore.session
    from botocore.exceptions import BotoCoreError

    config = botocore.config.Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
    )
    arguments: dict[str, str | None] = {}
    session_vars: dict[str, tuple[None, None, str | None, None]] = {}
    if credentials is not None:
        # With explicit credentials the user's AWS files must have no effect.
        session_vars = {
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
        arguments = {
            "aws_access_key_id": credentials.access_key_id,
            "aws_secret_access_key": credentials.secret_access_key,
            "aws_session_token": credentials.session_token,
        }
    try:
        session = botocore.session.Session(session_vars=session_vars)
        session.register_component("data_loader", _data_loader())
        return session.create_client(service, region_name=region, config=config, **arguments)
    except BotoCoreError as error:
        raise _local_error(error, f"{service} in {region}") from error
    except ValueError as error:  # botocore raises it for an invalid endpoint URL
        raise errors.MalformedVariable("AWS_ENDPOINT_URL is not a URL.") from error


@cache
def _data_loader() -> Any:
    """botocore's service models, shared by all clients: loading them takes five times as long as all the rest."""
    import botocore.loaders

    return botocore.loaders.create_loader(os.environ.get("AWS_DATA_PATH"))


def _call(request: Callable[[], _Response], *, client: Any) -> _Response:
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        return request()
    except ClientError as error:
        raise _aws_error(error, str(client.meta.region_name)) from error
    except BotoCoreError as error:
        raise _local_error(error, str(client.meta.endpoint_url)) from error
    except (ResponseParserError, ValueError, TypeError, AttributeError, LookupError) as error:
        # botocore's parser raises these for a body that is no text, JSON that is no object, a blob that is no base64.
        kind = type(error).__name__
    # Raised outside the handler: the parser's errors and their frames hold the body, in which the key may be.
    raise errors.InvalidResponse(f"The response of {client.meta.endpoint_url} cannot be read ({kind}).")


def _aws_error(error: ClientError, region: str) -> errors.UnwrapError:
    code = str(error.response.get("Error", {}).get("Code", "no code"))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    kind, message = error_for(code, status)
    # No simulation of IAM shows this kind of policy: only the message of the denial names it.
    if kind is errors.AccessDenied and "resource control policy" in str(error.response["Error"].get("Message")):
        message = "A resource control policy of the organization denies it"
    return kind(f"{message} ({code} from {error.operation_name} in {region}).")


def _local_error(error: BotoCoreError, target: str) -> errors.UnwrapError:
    from botocore import exceptions

    name = type(error).__name__
    no_credentials = (
        exceptions.NoCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.MetadataRetrievalError,
        exceptions.TokenRetrievalError,
    )
    if isinstance(error, no_credentials):
        return errors.NoCredentials(f"No usable AWS credentials were found ({name}).")
    if isinstance(error, (exceptions.ConnectionError, exceptions.HTTPClientError)):
        return errors.Unreachable(f"{target} did not answer ({name}).")
    return errors.RequestRejected(f"The request to {target} could not be made ({name}).")


def _ask_to_decrypt(kms: Any, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """The answer of Decrypt; None for the answer to a dry run that would have succeeded."""
    from botocore.exceptions import ClientError

    try:
        answer: dict[str, Any] = kms.decrypt(**request)
    except ClientError as error:
        if "DryRun" in request and error.response.get("Error", {}).get("Code") == "DryRunOperationException":
            return None
        raise
    return answer


_log_filter = threading.local()


def _drop_while_unwrapping(_: logging.LogRecord) -> bool:
    # At level DEBUG botocore logs whole response bodies, and the body of Decrypt is the data key.
    return not getattr(_log_filter, "unwrapping", False)
