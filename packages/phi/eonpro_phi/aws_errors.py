"""Maps error codes of KMS and STS to the errors of this package. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from eonpro_phi import errors

_UNAVAILABLE = (errors.Unreachable, "KMS is not available now")
_THROTTLED = (errors.Throttled, "AWS throttles these requests")
_UNKNOWN_CREDENTIALS = (errors.BadCredentials, "AWS does not know these credentials")
_EXPIRED = (errors.BadCredentials, "The credentials have expired")
_WRONG_SIGNATURE = (errors.BadCredentials, "The secret access key is wrong, or this machine's clock is wrong")

# Error codes of https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#API_Decrypt_Errors and
# .../CommonErrors.html. AWS's own messages are not used: signature errors quote headers with the session token.
ERRORS_BY_CODE: Mapping[str, tuple[type[errors.UnwrapError], str]] = {
    "AccessDeniedException": (
        errors.AccessDenied,
        "The principal is not allowed to decrypt with this key, or another key wrapped the data key",
    ),
    "AccessDenied": (errors.AccessDenied, "The principal is denied"),
    "NotFoundException": (errors.NotFound, "The key does not exist in this account and Region"),
    "DisabledException": (errors.Disabled, "The key is disabled"),
    "KMSInvalidStateException": (errors.Disabled, "The key is disabled, pending deletion or not usable now"),
    "InvalidCiphertextException": (
        errors.InvalidCiphertext,
        "The wrapped key is corrupted, truncated, or bound to an encryption context",
    ),
    "IncorrectKeyException": (errors.WrongKey, "The wrapped key was wrapped by another KMS key"),
    "InvalidKeyUsageException": (errors.WrongKey, "The KMS key is not an encryption key"),
    "ValidationException": (errors.MalformedVariable, "KMS cannot read the request"),
    "InvalidArnException": (errors.MalformedVariable, "KMS cannot read the key's ARN"),
    "UnrecognizedClientException": _UNKNOWN_CREDENTIALS,
    "InvalidClientTokenId": _UNKNOWN_CREDENTIALS,
    "AuthFailure": (errors.BadCredentials, "AWS does not accept these credentials"),
    "ExpiredTokenException": _EXPIRED,
    "ExpiredToken": _EXPIRED,
    "SignatureDoesNotMatch": _WRONG_SIGNATURE,
    "InvalidSignatureException": _WRONG_SIGNATURE,
    "IncompleteSignature": (errors.BadCredentials, "AWS cannot read the signature"),
    "RequestExpired": (errors.BadCredentials, "The request arrived too late, or this machine's clock is wrong"),
    "OptInRequired": (errors.AccessDenied, "The account has no access to KMS in this Region"),
    "NotAuthorized": (errors.AccessDenied, "The principal is denied"),
    "MissingAuthenticationTokenException": (errors.BadCredentials, "The request carried no credentials"),
    "ThrottlingException": _THROTTLED,
    "Throttling": _THROTTLED,
    "RequestThrottled": _THROTTLED,
    "TooManyRequestsException": _THROTTLED,
    "LimitExceededException": _THROTTLED,
    "InternalFailure": _UNAVAILABLE,
    "ServiceUnavailable": _UNAVAILABLE,
    "ServiceUnavailableException": _UNAVAILABLE,
    "RequestAbortedException": _UNAVAILABLE,
    "RequestTimeout": _UNAVAILABLE,
    "RequestTimeoutException": _UNAVAILABLE,
    "DependencyTimeoutException": _UNAVAILABLE,
    "KeyUnavailableException": _UNAVAILABLE,
    "KMSInternalException": _UNAVAILABLE,
}


def error_for(code: str, status: int) -> tuple[type[errors.UnwrapError], str]:
    """The error and its message for a code of AWS; by the HTTP status for an unknown code, such as a proxy's."""
    if code in ERRORS_BY_CODE:
        return ERRORS_BY_CODE[code]
    if status >= 500:
        return _UNAVAILABLE
    if status == 429:
        return _THROTTLED
    return errors.RequestRejected, "AWS rejected the request"
