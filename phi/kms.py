"""The KMS door: the one place of this package that talks to AWS.

Touches KMS (Decrypt, Encrypt) and STS (GetCallerIdentity) through botocore, boto3's own engine, which is loaded when
a door opens, not before.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from phi.cipher import DATA_KEY_BYTES
from phi.environment import Credentials, WrappedKey
from phi.errors import (
    Garbled,
    MalformedVariable,
    NoCredentials,
    Refused,
    Unreachable,
    UnwrapError,
    WrongKey,
    WrongLength,
)
from phi.refusals import refusal

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

CONNECT_SECONDS = 2
READ_SECONDS = 3
ATTEMPTS = 2
"""At most 2 x (2 + 3) seconds and one back-off; botocore's own would keep a request waiting for minutes."""

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long KMS is waited for, in seconds and attempts; one unwrap takes their product and a short pause at most."""

    connect_seconds: float = CONNECT_SECONDS
    read_seconds: float = READ_SECONDS
    attempts: int = ATTEMPTS


class KmsKeySource:
    """A KeySource that unwraps with AWS KMS at every call, and blocks meanwhile; put a CachedKey in front of it."""

    def __init__(
        self, wrapped: WrappedKey, *, credentials: Credentials | None = None, patience: Patience | None = None
    ) -> None:
        """Ask nothing yet; without credentials botocore's own chain finds them, at the first call."""
        load()  # here, for an import that a fork interrupts in another thread never ends in the child
        self._wrapped = wrapped
        self._credentials = credentials
        self._patience = patience or Patience()
        self._door: tuple[int, Any] | None = None
        logging.getLogger("botocore.parsers").addFilter(_drop_while_unwrapping)

    def data_key(self) -> bytes:
        """Decrypt the wrapped key, without an encryption context; raises an UnwrapError naming the cause."""
        wrapped = self._wrapped
        kms = self._client()
        _quiet.unwrapping = True
        try:
            answer = _asked(lambda: kms.decrypt(KeyId=wrapped.key_arn, CiphertextBlob=wrapped.blob), of=kms)
        except NoCredentials:
            self._door = None  # the client would go on without: credentials are looked for when it is made
            raise
        finally:
            _quiet.unwrapping = False
        key, key_arn = answer.pop("Plaintext", None), answer.get("KeyId")
        # Whoever prints the frames of an error must not find the key in this one.
        if not isinstance(key, bytes) or not isinstance(key_arn, str):
            del key
            raise Garbled(f"{kms.meta.endpoint_url} gave an answer without a key in it.")
        if key_arn != wrapped.key_arn:
            del key
            raise WrongKey("The wrapped key was wrapped by another KMS key.")
        if len(key) != DATA_KEY_BYTES:
            length = len(key)
            del key
            raise WrongLength(f"The wrapped key holds {length} bytes; a data key is {DATA_KEY_BYTES}.")
        return key

    def _client(self) -> Any:
        # A child shares no connection and no lock of its parent's: two that read from one would get the other's answer.
        door = self._door
        if door is None or door[0] != os.getpid():
            door = self._door = (os.getpid(), _client("kms", self._wrapped.region, self._credentials, self._patience))
        return door[1]

    def __repr__(self) -> str:
        return f"KmsKeySource(key_arn={self._wrapped.key_arn!r}, fingerprint={self._wrapped.fingerprint!r})"


def encrypted(region: str, key_arn: str, key: bytearray) -> bytes:
    """The key as KMS wraps it, without an encryption context, for the caller of botocore's own chain.

    Raises an UnwrapError naming the cause.
    """
    kms = _client("kms", region, None)
    blob: bytes = _asked(lambda: kms.encrypt(KeyId=key_arn, Plaintext=key), of=kms)["CiphertextBlob"]
    return blob


def caller_arn(region: str, credentials: Credentials) -> str:
    """The ARN of the principal that owns the credentials; needs no permission. Raises an UnwrapError."""
    sts = _client("sts", region, credentials)
    arn: str = _asked(sts.get_caller_identity, of=sts)["Arn"]
    return arn


def load() -> None:
    """Load botocore now, so that the first door opens sooner."""
    import botocore.config
    import botocore.session  # noqa: F401


def _client(service: str, region: str, credentials: Credentials | None, patience: Patience | None = None) -> Any:
    import botocore.config
    import botocore.session
    from botocore.exceptions import BotoCoreError

    patience = patience or Patience()
    settings = botocore.config.Config(
        connect_timeout=patience.connect_seconds,
        read_timeout=patience.read_seconds,
        retries={"total_max_attempts": patience.attempts, "mode": "standard"},
    )
    given: dict[str, str | None] = {}
    files: dict[str, tuple[None, None, str | None, None]] = {}
    if credentials is not None:
        # The files of whoever runs this must not decide anything once the credentials are given.
        files = {
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
        given = {
            "aws_access_key_id": credentials.access_key_id,
            "aws_secret_access_key": credentials.secret_access_key,
            "aws_session_token": credentials.session_token,
        }
    try:
        session = botocore.session.Session(session_vars=files)
        session.register_component("data_loader", _models())
        return session.create_client(service, region_name=region, config=settings, **given)
    except BotoCoreError as error:
        raise _translated_local(error, f"{service} in {region}") from error
    except ValueError as error:  # how botocore refuses an endpoint URL that is none
        raise MalformedVariable("AWS_ENDPOINT_URL is not a URL.") from error


@cache
def _models() -> Any:
    """What botocore knows of the services; reading it takes five times as long as all else that opens a door."""
    import botocore.loaders

    return botocore.loaders.create_loader(os.environ.get("AWS_DATA_PATH"))


def _asked(call: Callable[[], _Answer], *, of: Any) -> _Answer:
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        return call()
    except ClientError as error:
        raise _translated(error, str(of.meta.region_name)) from error
    except BotoCoreError as error:
        raise _translated_local(error, str(of.meta.endpoint_url)) from error
    except (ResponseParserError, ValueError, TypeError, AttributeError, LookupError) as error:
        # How botocore's parser stumbles over a body that is no text, JSON that is no object, a blob that is no base64.
        kind = type(error).__name__
    # Raised outside the handler: the parser's errors and their frames hold the body, in which the key may be.
    raise Garbled(f"{of.meta.endpoint_url} gave an answer that cannot be read ({kind}).")


def _translated(error: ClientError, region: str) -> UnwrapError:
    code = str(error.response.get("Error", {}).get("Code", "no code"))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    kind, message = refusal(code, status)
    return kind(f"{message} ({code} from {error.operation_name} in {region}).")


def _translated_local(error: BotoCoreError, where: str) -> UnwrapError:
    from botocore import exceptions

    name = type(error).__name__
    if isinstance(error, _no_credentials()):
        return NoCredentials(f"No usable AWS credentials were found ({name}).")
    if isinstance(error, (exceptions.ConnectionError, exceptions.HTTPClientError)):
        return Unreachable(f"{where} did not answer ({name}).")
    return Refused(f"{where} could not be asked ({name}).")


def _no_credentials() -> tuple[type[BotoCoreError], ...]:
    from botocore import exceptions

    return (
        exceptions.NoCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.MetadataRetrievalError,
        exceptions.TokenRetrievalError,
    )


_quiet = threading.local()


def _drop_while_unwrapping(_: logging.LogRecord) -> bool:
    # At level DEBUG botocore logs whole response bodies, and the body of Decrypt is the data key.
    return not getattr(_quiet, "unwrapping", False)
