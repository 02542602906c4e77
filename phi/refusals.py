"""What AWS refuses with: error codes and HTTP statuses, as the errors of this package.

Touches nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

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
)

# Error codes of https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#API_Decrypt_Errors and
# .../CommonErrors.html. Messages are ours: AWS quotes headers in signature errors, the session token too.
CODES: Mapping[str, tuple[type[UnwrapError], str]] = {
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
    "IncompleteSignature": (BadCredentials, "AWS cannot read the signature"),
    "RequestExpired": (BadCredentials, "The request came too late, or this machine's clock is wrong"),
    "OptInRequired": (AccessDenied, "The account has no access to KMS in this Region"),
    "NotAuthorized": (AccessDenied, "The principal is denied"),
    "MissingAuthenticationTokenException": (BadCredentials, "The request carried no credentials"),
    "ThrottlingException": (Throttled, "AWS asks for fewer requests"),
    "Throttling": (Throttled, "AWS asks for fewer requests"),
    "RequestThrottled": (Throttled, "AWS asks for fewer requests"),
    "TooManyRequestsException": (Throttled, "AWS asks for fewer requests"),
    "LimitExceededException": (Throttled, "AWS asks for fewer requests"),
    "InternalFailure": (Unreachable, "KMS is not available now"),
    "ServiceUnavailable": (Unreachable, "KMS is not available now"),
    "ServiceUnavailableException": (Unreachable, "KMS is not available now"),
    "RequestAbortedException": (Unreachable, "KMS is not available now"),
    "RequestTimeout": (Unreachable, "KMS is not available now"),
    "RequestTimeoutException": (Unreachable, "KMS is not available now"),
    "DependencyTimeoutException": (Unreachable, "KMS is not available now"),
    "KeyUnavailableException": (Unreachable, "KMS is not available now"),
    "KMSInternalException": (Unreachable, "KMS is not available now"),
}


def refusal(code: str, status: int) -> tuple[type[UnwrapError], str]:
    """The error and the words for a code; by the HTTP status where the code says nothing: new, or a proxy's answer."""
    if code in CODES:
        return CODES[code]
    if status >= 500:
        return Unreachable, "KMS is not available now"
    if status == 429:
        return Throttled, "AWS asks for fewer requests"
    return Refused, "AWS refused"
