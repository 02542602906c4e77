"""botocore's exceptions, translated into the error tree: what happened, and the next command to type.

Pure but for botocore's exception classes. What a service says is repeated, but never of a credentials
failure: the message of SignatureDoesNotMatch quotes the signed request, session token included.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from wizard.aws.auth.http import wrong_clock
from wizard.aws.auth.profiles import SignIn
from wizard.core.errors import (
    CredentialsError,
    PermissionDenied,
    ResourceError,
    SetupError,
    SignInNeeded,
    Throttled,
    Unreachable,
    Unsupported,
    UsageError,
)
from wizard.core.next_command import Command

EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
REJECTED = frozenset(
    {
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidAccessKeyId",
        "AuthFailure",
        "InvalidToken",
        "MissingAuthenticationToken",
    }
    | {"MissingAuthenticationTokenException", "NotAuthorized", "OptInRequired"}
)
MISSIGNED = frozenset(
    {
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "IncompleteSignature",
        "IncompleteSignatureException",
    }
)
SKEWED = frozenset({"RequestTimeTooSkewed", "RequestInTheFuture", "RequestExpired"})
DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "AuthorizationError",
        "AuthorizationErrorException",
        "403",
        "Forbidden",
        "ForbiddenException",
    }
)
UNKNOWN_OPERATION = frozenset(
    {"404", "405", "501", "UnknownOperationException", "UnknownOperation", "InvalidAction", "NotImplemented"}
)
THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "SlowDown",
        "TooManyUpdates",
    }
)


BOTOCORE_ERRORS = (boto.BotoCoreError, boto.ClientError, ResponseParserError)
"""Everything that botocore raises of its own; they have no common base."""


@dataclass(frozen=True, kw_only=True)
class ErrorSource:
    """What the words of an error need to know of the session: no credentials in it."""

    region: str
    profile: str | None = None
    source: str = "the default chain"
    endpoint: str | None = None
    """The endpoint that AWS_ENDPOINT_URL or its like names; None for AWS itself."""
    sign_in: SignIn | None = None
    """What the credentials hang on, where a person has to sign in."""


def code_of(error: boto.ClientError) -> str:
    """The service's error code, without the namespaces that some protocols put around it."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code.rsplit("#", 1)[-1].split(":", 1)[0]


def translate(error: Exception, *, action: str, origin: ErrorSource) -> SetupError:
    """The error of our tree for one of botocore's. `action` in IAM's spelling, `kms:CreateKey`."""
    if isinstance(error, boto.ClientError):
        # Any call may be the one before which a role is assumed.
        action = _TO_HAVE_CREDENTIALS.get(str(error.operation_name), action)
        return _answered(error, action, origin)
    if isinstance(error, (boto.HTTPClientError, boto.ConnectionError)):
        return _unreachable(error, action, origin)
    if isinstance(error, (boto.SSOError, boto.TokenRetrievalError, boto.LoginError)):
        return _signed_out(error, origin)
    if isinstance(error, boto.MissingDependencyException):
        # `aws login` keeps a key pair, for which botocore wants another library.
        return CredentialsError(
            f"the credentials from {origin.source} can only be had through the AWS CLI",
            f'eval "$(aws configure export-credentials{_by_profile(origin)} --format env)"',
        )
    if isinstance(error, boto.RefreshWithMFAUnsupportedError):
        return CredentialsError(
            f"the session from {origin.source} has ended, and a new one takes another code of the MFA device",
            "run the same command again",
        )
    if isinstance(error, boto.PartialCredentialsError):
        missing = error.kwargs.get("cred_var", "a part")
        return CredentialsError(
            f"the credentials from {origin.source} are incomplete: {missing} is missing",
            "give both the access key id and its secret, or name another profile with AWS_PROFILE",
        )
    if isinstance(error, boto.ProfileNotFound):
        return CredentialsError(
            f"there is no AWS profile {error.kwargs.get('profile')}",
            Command("aws configure list-profiles", advice="then set AWS_PROFILE to one of them"),
        )
    if isinstance(error, boto.NoCredentialsError):
        return CredentialsError(
            "no AWS credentials were found",
            Command("aws configure", advice="or: aws configure sso, then set AWS_PROFILE"),
        )
    if isinstance(
        error,
        (boto.ConfigNotFound, boto.ConfigParseError, boto.InvalidConfigError, boto.UnknownCredentialError),
    ):
        return CredentialsError(
            f"the AWS configuration cannot be used: {error}",
            "mend ~/.aws/config and ~/.aws/credentials, then: aws configure list",
        )
    if isinstance(
        error,
        (boto.CredentialRetrievalError, boto.MetadataRetrievalError),
    ):
        # The message may quote what a credential_process wrote; only its kind is told.
        return CredentialsError(
            f"credentials could not be had from {origin.source} ({type(error).__name__})",
            _try_profile(origin),
        )
    if isinstance(error, (boto.InvalidRegionError, boto.NoRegionError)):
        return UsageError(f"{origin.region!r} is not an AWS Region", "set AWS_REGION to a Region such as us-east-1")
    if isinstance(error, (ResponseParserError, boto.UnknownServiceError)):
        return Unsupported(f"{action}: {_place(origin)} did not answer as AWS does", _other_endpoint(origin))
    return ResourceError(f"{action} failed: {error}", "see the message; nothing else was changed by this call")


_TO_HAVE_CREDENTIALS = {
    "AssumeRole": "sts:AssumeRole",
    "AssumeRoleWithWebIdentity": "sts:AssumeRoleWithWebIdentity",
    "GetRoleCredentials": "sso:GetRoleCredentials",
}


def _answered(error: boto.ClientError, action: str, origin: ErrorSource) -> SetupError:
    code = code_of(error)
    text = str(error.response.get("Error", {}).get("Message") or "").strip()
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if code in EXPIRED:
        return CredentialsError(f"the credentials from {origin.source} have expired", _try_profile(origin))
    if code in MISSIGNED | SKEWED and (wrong := wrong_clock(error.response)):
        return wrong
    if code in MISSIGNED:
        return CredentialsError(
            f"AWS refused the signature of the credentials from {origin.source} ({code})",
            "check the secret access key and this machine's clock, then: aws sts get-caller-identity",
        )
    if code in SKEWED:
        return CredentialsError(
            f"this machine's clock is too far from AWS's ({code})",
            "set the clock (timedatectl set-ntp true), then run again",
        )
    if code in REJECTED:
        return CredentialsError(
            f"AWS does not accept the credentials from {origin.source} in {origin.region} ({code})",
            Command(
                "aws sts get-caller-identity", advice="the key deleted, its session token missing, or the Region off?"
            ),
        )
    if code in DENIED and action == "sts:AssumeRole" and "MultiFactorAuthentication failed" in text:
        return CredentialsError(
            f"AWS did not take the code of the MFA device (the credentials from {origin.source})",
            "run the same command again, with the device's next code: AWS takes each one once",
        )
    if code in DENIED or status == 403 and code in ("", "Unknown"):
        return _denied(text, action, origin)
    if code in UNKNOWN_OPERATION or status == 501 or status == 500 and _says_not_implemented(text):
        return Unsupported(f"{_place(origin)} has no {action}", _other_endpoint(origin))
    if code in THROTTLED:
        return Throttled(
            f"AWS limits the rate of {action} ({code}: {text})",
            "wait a minute, then run the same command again",
        )
    if status is not None and status >= 500:
        return Throttled(
            f"{action} failed inside {_place(origin)} ({code}: {text})",
            "wait a minute, then run the same command again",
        )
    return ResourceError(f"{action} failed ({code}: {text})", "see the message; nothing else was changed by this call")


def _denied(text: str, action: str, origin: ErrorSource) -> PermissionDenied:
    hint = f"have {action} allowed for the caller ({origin.source}), or use a profile that may: AWS_PROFILE=…"
    if "service control policy" in text:
        hint = f"the organization's service control policy forbids {action}; ask its administrators"
    elif "permissions boundary" in text:
        hint = f"the caller's permissions boundary does not allow {action}; ask who set it"
    return PermissionDenied(f"the caller may not do {action}" + (f": {text}" if text else ""), hint)


def _unreachable(error: Exception, action: str, origin: ErrorSource) -> Unreachable:
    if isinstance(error, boto.ProxyConnectionError):
        return Unreachable(
            f"the proxy on the way to {_place(origin)} does not answer ({action})",
            "check HTTPS_PROXY and NO_PROXY",
        )
    if isinstance(error, boto.SSLError):
        return Unreachable(
            f"no trusted TLS connection to {_place(origin)} ({action})",
            "check AWS_CA_BUNDLE and the proxy's certificate",
        )
    url = str(getattr(error, "kwargs", {}).get("endpoint_url") or "")
    host = urlsplit(url).netloc if url else ""
    where = f"AWS_ENDPOINT_URL={origin.endpoint}" if origin.endpoint else (host or f"AWS in {origin.region}")
    hint = (
        "start what serves it, or unset AWS_ENDPOINT_URL to use AWS itself"
        if origin.endpoint
        else "check the network and the Region's name"
    )
    return Unreachable(f"{where} does not answer ({action})", hint)


def _signed_out(error: Exception, origin: ErrorSource) -> SignInNeeded:
    command = "login" if isinstance(error, boto.LoginError) else "sso login"
    needed = origin.sign_in or SignIn(profile=origin.profile or "default", command=command)
    return SignInNeeded(
        f"the sign-in behind {origin.source} has expired or was never made", needed.line, needed.profile
    )


def _by_profile(origin: ErrorSource) -> str:
    return f" --profile {origin.profile}" if origin.profile else ""


def _try_profile(origin: ErrorSource) -> str:
    if origin.sign_in:
        return f"{origin.sign_in.line}   # then run the same command again"
    if origin.profile:
        return f"aws sso login --profile {origin.profile}   # or renew that profile's credentials your own way"
    return "get new credentials (aws sso login --profile …), then run the same command again"


def _says_not_implemented(text: str) -> bool:
    return any(
        words in text.lower()
        for words in ("not implemented", "not yet implemented", "not been implemented", "not supported")
    )


def _place(origin: ErrorSource) -> str:
    return origin.endpoint or f"AWS in {origin.region}"


def _other_endpoint(origin: ErrorSource) -> str:
    return (
        "use an endpoint that has it"
        if origin.endpoint
        else f"choose a Region that has the service ({origin.region} lacks it)"
    )
