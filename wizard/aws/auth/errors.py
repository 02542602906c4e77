"""Translates botocore's exceptions into `wizard.core.errors`: the event, and the next command to type.

Reads the clock. A service's message is repeated, except for a credentials failure: the message of SignatureDoesNotMatch
quotes the signed request, session token included.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from wizard.aws.auth.answers import UnreadableResponse
from wizard.aws.auth.http import wrong_clock
from wizard.aws.auth.limits import EndlessAnswer
from wizard.aws.auth.profiles import BY_LOGIN, BY_SSO, SignIn
from wizard.core.call_limit import CHECK_PROXY
from wizard.core.errors import (
    CredentialsError,
    PermissionDenied,
    ResourceError,
    SetupError,
    SignInNeeded,
    Throttled,
    Unreachable,
    UnreadableAnswer,
    Unsupported,
    UsageError,
    limit_of,
)
from wizard.core.next_command import WITHOUT_PROXY, Command, shell
from wizard.core.safe_text import clean, quoted

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
"""The exceptions of botocore, which have no common base class."""


LOGIN = shell("aws", "login", advice="with IAM Identity Center: aws configure sso, then set AWS_PROFILE")


@dataclass(frozen=True, kw_only=True)
class ErrorSource:
    """The facts about the session that an error message names; no credentials."""

    region: str
    profile: str | None = None
    source: str = "the default chain"
    endpoint: str | None = None
    """The endpoint that the environment names; None for AWS itself."""
    endpoint_variable: str = "AWS_ENDPOINT_URL"
    sign_in: SignIn | None = None
    """The sign-in behind the credentials, where a person has to sign in."""
    renewal: Command = LOGIN
    """The command that gives new credentials."""


def code_of(error: BaseException | None) -> str:
    """The service's error code, without the namespaces that some protocols put around it; empty where it gave none."""
    if not isinstance(error, boto.ClientError):
        return ""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code.rsplit("#", 1)[-1].split(":", 1)[0]


def translate(error: Exception, *, action: str, origin: ErrorSource) -> SetupError:
    """The error of `wizard.core.errors` for one of botocore's. `action` in IAM's spelling, `kms:CreateKey`."""
    if isinstance(error, boto.ClientError):
        # botocore may assume a role before any call.
        action = _CREDENTIAL_ACTIONS.get(str(error.operation_name), action)
    translated = _translated(error, action, origin)
    translated.action = action
    return translated


def _translated(error: Exception, action: str, origin: ErrorSource) -> SetupError:
    if isinstance(error, boto.ClientError):
        return _from_response(error, action, origin)
    if isinstance(error, EndlessAnswer):
        return Unreachable(f"{action}: {_endpoint_name(origin)} was not waited for: {error}", CHECK_PROXY)
    if isinstance(error, (UnreadableResponse, boto.IncompleteReadError)):
        return UnreadableAnswer(
            f"{action}: the answer of {_endpoint_name(origin)} cannot be read: {_unreadable(error)}", CHECK_PROXY
        )
    if isinstance(error, boto.PaginationError):
        return UnreadableAnswer(
            f"{action}: {_endpoint_name(origin)} names the page as the next one that it has just sent", CHECK_PROXY
        )
    if isinstance(error, (boto.HTTPClientError, boto.ConnectionError)):
        return _unreachable(error, action, origin)
    if (credentials_error := _of_credentials(error, origin)) is not None:
        return credentials_error
    if isinstance(error, (boto.InvalidRegionError, boto.NoRegionError)):
        return UsageError(f"{origin.region!r} is not an AWS Region", "set AWS_REGION to a Region such as us-east-1")
    if isinstance(error, (ResponseParserError, boto.UnknownServiceError)):
        return Unsupported(f"{action}: {_endpoint_name(origin)} did not answer as AWS does", _other_endpoint(origin))
    return ResourceError(f"{action} failed: {quoted(str(error))}", "read the message; this call changed nothing else")


def _of_credentials(error: Exception, origin: ErrorSource) -> SetupError | None:
    """The error where credentials are missing, unusable or at their end; None for any other."""
    if isinstance(error, (boto.SSOError, boto.TokenRetrievalError, boto.LoginError)):
        return _sign_in_needed(error, origin)
    if isinstance(error, boto.MissingDependencyException):
        # The sign-in of `aws login` uses a key pair, for which botocore needs another library.
        by_profile = ("--profile", origin.profile) if origin.profile else ()
        return CredentialsError(
            f"the credentials from {origin.source} can only be loaded by the AWS CLI",
            Command('eval "$(', shell("aws", "configure", "export-credentials", *by_profile, "--format", "env"), ')"'),
        )
    if isinstance(error, boto.RefreshWithMFAUnsupportedError):
        return CredentialsError(
            f"the session from {origin.source} has ended; a new session needs another code of the MFA device",
            "run the same command again",
        )
    if isinstance(error, boto.PartialCredentialsError):
        missing = error.kwargs.get("cred_var", "a part")
        return CredentialsError(
            f"the credentials from {origin.source} are incomplete: {missing} is missing",
            origin.renewal,
        )
    if isinstance(error, boto.ProfileNotFound):
        return CredentialsError(
            f"there is no AWS profile {error.kwargs.get('profile')}",
            shell("aws", "configure", "list-profiles", advice="then set AWS_PROFILE to one of them"),
        )
    if isinstance(error, boto.NoCredentialsError):
        return SignInNeeded("no AWS credentials were found", origin.renewal, origin.profile or "default")
    if isinstance(
        error,
        (boto.ConfigNotFound, boto.ConfigParseError, boto.InvalidConfigError, boto.UnknownCredentialError),
    ):
        return CredentialsError(
            f"the AWS configuration cannot be used: {quoted(str(error))}",
            "fix ~/.aws/config and ~/.aws/credentials, then: aws configure list",
        )
    if isinstance(
        error,
        (boto.CredentialRetrievalError, boto.MetadataRetrievalError),
    ):
        # The message may quote what a credential_process wrote; only its type is reported.
        return CredentialsError(
            f"credentials could not be loaded from {origin.source} ({type(error).__name__})",
            origin.renewal,
        )
    return None


def _unreadable(error: UnreadableResponse | boto.IncompleteReadError) -> str:
    if isinstance(error, boto.IncompleteReadError):
        return f"it ended after {error.kwargs['actual_bytes']} of {error.kwargs['expected_bytes']} bytes"
    return str(error.kwargs["what"])


_CREDENTIAL_ACTIONS = {
    "AssumeRole": "sts:AssumeRole",
    "AssumeRoleWithWebIdentity": "sts:AssumeRoleWithWebIdentity",
    "GetRoleCredentials": "sso:GetRoleCredentials",
}


def _from_response(error: boto.ClientError, action: str, origin: ErrorSource) -> SetupError:
    code = code_of(error)
    text = str(error.response.get("Error", {}).get("Message") or "").strip()
    if text[:14].lower().startswith(("<!doctype html", "<html")):
        # In the protocols with JSON botocore takes the whole page for the message.
        text = "a web page, perhaps of a proxy"
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if code in EXPIRED:
        return CredentialsError(f"the credentials from {origin.source} have expired", origin.renewal)
    if code in MISSIGNED | SKEWED and (wrong := wrong_clock(error.response)):
        return wrong
    if code in MISSIGNED:
        return CredentialsError(
            f"AWS refused the signature of the credentials from {origin.source} ({code})",
            Command(origin.renewal, advice="the secret access key is another one's, or this machine's clock is wrong"),
        )
    if code in SKEWED:
        return CredentialsError(
            f"this machine's clock is too far from AWS's ({code})",
            "set the clock (timedatectl set-ntp true), then run again",
        )
    if code in REJECTED:
        return CredentialsError(
            f"AWS does not accept the credentials from {origin.source} in {origin.region} ({code})",
            Command(origin.renewal, advice="the key was deleted, its session token is missing, or the Region is off"),
        )
    if code in DENIED and action == "sts:AssumeRole" and "MultiFactorAuthentication failed" in text:
        return CredentialsError(
            f"AWS did not accept the code of the MFA device (the credentials from {origin.source})",
            "run the same command again, with the device's next code: AWS accepts each code only once",
        )
    if code in DENIED or status == 403 and code in ("", "Unknown"):
        return _denied(text, action, origin)
    if code in UNKNOWN_OPERATION or status == 501 or status == 500 and _says_not_implemented(text):
        return Unsupported(f"{_endpoint_name(origin)} has no {action}", _other_endpoint(origin))
    if code in THROTTLED:
        return Throttled(
            f"AWS limits the rate of {action} ({clean(code)}: {quoted(text)})",
            "wait a minute, then run the same command again",
        )
    if status is not None and status >= 500:
        return Throttled(
            f"{action} failed inside {_endpoint_name(origin)} ({clean(code)}: {quoted(text)})",
            "wait a minute, then run the same command again",
        )
    return ResourceError(
        f"{action} failed ({clean(code)}: {quoted(text)})", "read the message; this call changed nothing else"
    )


_NAMED = re.compile(r"not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)")

_IN_POLICIES = {
    **dict.fromkeys(("s3:HeadBucket", "s3:ListObjects", "s3:ListObjectsV2"), "s3:ListBucket"),
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
}
"""The action of a policy that allows an operation of another name. S3 does not always say it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
"""


def _denied(text: str, action: str, origin: ErrorSource) -> PermissionDenied:
    # A call may need an action of another service, too: iam:PassRole.
    named = _NAMED.search(text)
    action = named[1] if named else _IN_POLICIES.get(action, action)
    allow = f"allow {action} for the caller ({origin.source}), or use a profile that is allowed: AWS_PROFILE=…"
    hint = limit_of(text, action) or allow
    return PermissionDenied(f"the caller is not allowed {action}" + (f": {quoted(text)}" if text else ""), hint)


def _unreachable(error: Exception, action: str, origin: ErrorSource) -> Unreachable:
    if isinstance(error, boto.ProxyConnectionError):
        return Unreachable(
            f"the proxy on the way to {_endpoint_name(origin)} does not answer ({action})",
            WITHOUT_PROXY,
        )
    if isinstance(error, boto.SSLError):
        return Unreachable(
            f"no trusted TLS connection to {_endpoint_name(origin)} ({action})",
            "check AWS_CA_BUNDLE and the proxy's certificate",
        )
    url = str(getattr(error, "kwargs", {}).get("endpoint_url") or "")
    host = urlsplit(url).netloc if url else ""
    where = f"{origin.endpoint_variable}={origin.endpoint}" if origin.endpoint else (host or f"AWS in {origin.region}")
    hint = (
        shell(
            "unset",
            origin.endpoint_variable,
            advice="AWS itself is used then; to use that endpoint, start its server instead",
        )
        if origin.endpoint
        else "check the network and the Region's name"
    )
    return Unreachable(f"{where} does not answer ({action})", hint)


def _sign_in_needed(error: Exception, origin: ErrorSource) -> SignInNeeded:
    command = BY_LOGIN if isinstance(error, boto.LoginError) else BY_SSO
    needed = origin.sign_in or SignIn(profile=origin.profile or "default", command=command)
    return SignInNeeded(f"there is no sign-in for {origin.source}, or it has expired", needed.line, needed.profile)


def _says_not_implemented(text: str) -> bool:
    return any(
        phrase in text.lower()
        for phrase in ("not implemented", "not yet implemented", "not been implemented", "not supported")
    )


def _endpoint_name(origin: ErrorSource) -> str:
    return origin.endpoint or f"AWS in {origin.region}"


def _other_endpoint(origin: ErrorSource) -> str:
    return (
        "use an endpoint that has it"
        if origin.endpoint
        else f"choose a Region that has the service ({origin.region} lacks it)"
    )
