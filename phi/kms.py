"""The KMS door: the one place of this package that talks to AWS.

Touches KMS (Decrypt, Encrypt) and STS (GetCallerIdentity) through botocore, boto3's own engine, which is loaded when
a door opens, not before.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from phi.cipher import DATA_KEY_BYTES
from phi.environment import Credentials, WrappedKey
from phi.errors import (
    AccessDenied,
    BadCredentials,
    Disabled,
    InvalidCiphertext,
    MalformedVariable,
    NotFound,
    Refused,
    Throttled,
    Unreachable,
    UnwrapError,
    WrongKey,
    WrongLength,
)

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

CONNECT_SECONDS = 2
READ_SECONDS = 3
ATTEMPTS = 2
"""At most 2 x (2 + 3) seconds and one back-off; botocore's own would keep a request waiting for minutes."""

_Answer = TypeVar("_Answer")

# Error codes of https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#API_Decrypt_Errors and
# .../CommonErrors.html. Messages are ours: AWS quotes headers in signature errors, the session token too.
_CODES: Mapping[str, tuple[type[UnwrapError], str]] = {
    "AccessDeniedException": (
        AccessDenied,
        "The principal may not decrypt with this key, or the wrapped key is not its own",
    ),
    "AccessDenied": (AccessDenied, "The principal is denied"),
    "NotFoundException": (NotFound, "The key does not exist in this account and region"),
    "DisabledException": (Disabled, "The key is disabled"),
    "KMSInvalidStateException": (Disabled, "The key is disabled, pending deletion or not usable now"),
    "InvalidCiphertextException": (
        InvalidCiphertext,
        "The wrapped key is corrupted, truncated, or bound to an encryption context",
    ),
    "IncorrectKeyException": (WrongKey, "The wrapped key was wrapped by another KMS key"),
    "InvalidKeyUsageException": (WrongKey, "The KMS key is not one that encrypts and decrypts"),
    "ValidationException": (MalformedVariable, "KMS cannot read the request"),
    "InvalidArnException": (MalformedVariable, "KMS cannot read the key's ARN"),
    "UnrecognizedClientException": (BadCredentials, "AWS does not know these credentials"),
    "InvalidClientTokenId": (BadCredentials, "AWS does not know these credentials"),
    "AuthFailure": (BadCredentials, "AWS does not accept these credentials"),
    "ExpiredTokenException": (BadCredentials, "The credentials have expired"),
    "ExpiredToken": (BadCredentials, "The credentials have expired"),
    "SignatureDoesNotMatch": (
        BadCredentials,
        "The secret access key does not fit, or this machine's clock is wrong",
    ),
    "InvalidSignatureException": (
        BadCredentials,
        "The secret access key does not fit, or this machine's clock is wrong",
    ),
    "MissingAuthenticationTokenException": (BadCredentials, "The request carried no credentials"),
    "ThrottlingException": (Throttled, "AWS asks for fewer requests"),
    "DependencyTimeoutException": (Unreachable, "KMS is not available now"),
    "KeyUnavailableException": (Unreachable, "KMS is not available now"),
    "KMSInternalException": (Unreachable, "KMS is not available now"),
}


class KmsKeySource:
    """A KeySource that unwraps with AWS KMS at every call; wrap it in a CachedKey."""

    def __init__(self, wrapped: WrappedKey, *, credentials: Credentials | None = None) -> None:
        """Open the door in the wrapped key's region; without credentials botocore's own chain finds them."""
        self._wrapped = wrapped
        self._kms = _client("kms", wrapped.region, credentials)
        logging.getLogger("botocore.parsers").addFilter(_drop_while_unwrapping)

    def data_key(self) -> bytes:
        """Decrypt the wrapped key, without an encryption context; raises an UnwrapError naming the cause."""
        expected = self._wrapped.key_arn
        _quiet.unwrapping = True
        try:
            answer = _asked(lambda: self._kms.decrypt(KeyId=expected, CiphertextBlob=self._wrapped.blob), of=self._kms)
        finally:
            _quiet.unwrapping = False
        if answer["KeyId"] != expected:
            raise WrongKey("The wrapped key was wrapped by another KMS key.")
        key: bytes = answer["Plaintext"]
        if len(key) != DATA_KEY_BYTES:
            raise WrongLength(f"The wrapped key holds {len(key)} bytes; a data key is {DATA_KEY_BYTES}.")
        return key

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


def _client(service: str, region: str, credentials: Credentials | None) -> Any:
    import botocore.config
    import botocore.session
    from botocore.exceptions import BotoCoreError

    settings = botocore.config.Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
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
        return session.create_client(service, region_name=region, config=settings, **given)
    except BotoCoreError as error:
        raise _translated_local(error, f"{service} in {region}") from error
    except ValueError as error:  # how botocore refuses an endpoint URL that is none
        raise MalformedVariable("AWS_ENDPOINT_URL is not a URL.") from error


def _asked(call: Callable[[], _Answer], *, of: Any) -> _Answer:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return call()
    except ClientError as error:
        raise _translated(error) from error
    except BotoCoreError as error:
        raise _translated_local(error, str(of.meta.endpoint_url)) from error


def _translated(error: ClientError) -> UnwrapError:
    code = str(error.response.get("Error", {}).get("Code", "no code"))
    kind, message = _CODES.get(code, (Refused, "AWS refused"))
    return kind(f"{message} ({code} from {error.operation_name}).")


def _translated_local(error: BotoCoreError, where: str) -> UnwrapError:
    from botocore import exceptions

    name = type(error).__name__
    if isinstance(error, (exceptions.NoCredentialsError, exceptions.CredentialRetrievalError)):
        return BadCredentials(f"No usable AWS credentials were found ({name}).")
    if isinstance(error, (exceptions.ConnectionError, exceptions.HTTPClientError)):
        return Unreachable(f"{where} did not answer ({name}).")
    return Refused(f"{where} could not be asked ({name}).")


_quiet = threading.local()


def _drop_while_unwrapping(_: logging.LogRecord) -> bool:
    # At level DEBUG botocore logs whole response bodies, and the body of Decrypt is the data key.
    return not getattr(_quiet, "unwrapping", False)
