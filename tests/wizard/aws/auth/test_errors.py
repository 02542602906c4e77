"""botocore's exceptions as errors of the wizard: each class of trouble with its own way out."""

from __future__ import annotations

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from wizard.aws.auth.errors import ErrorSource, translate
from wizard.core.errors import (
    CredentialsError,
    PermissionDenied,
    ResourceError,
    SignInNeeded,
    Throttled,
    Unreachable,
    Unsupported,
    UsageError,
)
from wizard.core.next_command import Command

RENEWAL = "aws sso login --profile clinic"
AWS = ErrorSource(
    region="eu-west-1", profile="clinic", source="the profile clinic", renewal=Command(RENEWAL, advice="then again")
)
EMULATOR = ErrorSource(region="us-east-1", source="environment variables", endpoint="http://127.0.0.1:5000")


def said(code: str, message: str = "said by the service", status: int = 400) -> boto.ClientError:
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto.ClientError(response, "CreateKey")


CASES = [
    (boto.NoCredentialsError(), SignInNeeded, "no AWS credentials", RENEWAL),
    (boto.PartialCredentialsError(provider="env", cred_var="secret_key"), CredentialsError, "secret_key", RENEWAL),
    (boto.ProfileNotFound(profile="x"), CredentialsError, "profile x", "list-profiles"),
    (boto.ConfigParseError(path="/c", error="e"), CredentialsError, "configuration", "~/.aws/config"),
    (boto.SSOTokenLoadError(error_msg="e"), SignInNeeded, "sign-in", "aws sso login --profile clinic"),
    (boto.UnauthorizedSSOTokenError(), SignInNeeded, "sign-in", "aws sso login --profile clinic"),
    (
        boto.TokenRetrievalError(provider="sso", error_msg="e"),
        SignInNeeded,
        "sign-in",
        "aws sso login --profile clinic",
    ),
    (boto.LoginTokenLoadError(error_msg="e"), SignInNeeded, "sign-in", "aws login --profile clinic"),
    (boto.CredentialRetrievalError(provider="p", error_msg="e"), CredentialsError, "the profile clinic", "clinic"),
    (said("ExpiredToken"), CredentialsError, "expired", "aws sso login --profile clinic"),
    (said("ExpiredTokenException"), CredentialsError, "expired", "aws sso login --profile clinic"),
    (said("InvalidClientTokenId", status=403), CredentialsError, "does not accept", RENEWAL),
    (said("UnrecognizedClientException"), CredentialsError, "eu-west-1", "Region is off"),
    (said("InvalidAccessKeyId", status=403), CredentialsError, "does not accept", RENEWAL),
    (said("AuthFailure", status=401), CredentialsError, "does not accept", RENEWAL),
    (said("SignatureDoesNotMatch", status=403), CredentialsError, "signature", "clock"),
    (said("InvalidSignatureException"), CredentialsError, "signature", "clock"),
    (said("RequestTimeTooSkewed", status=403), CredentialsError, "clock", "clock"),
    (said("RequestExpired"), CredentialsError, "clock", "clock"),
    (boto.RefreshWithMFAUnsupportedError(), CredentialsError, "another code of the MFA device", "again"),
    (boto.MissingDependencyException(msg="m"), CredentialsError, "AWS CLI", "export-credentials --profile clinic"),
    (said("AccessDenied", status=403), PermissionDenied, "kms:CreateKey", "kms:CreateKey"),
    (said("AccessDeniedException"), PermissionDenied, "kms:CreateKey", "kms:CreateKey"),
    (said("UnauthorizedOperation", status=403), PermissionDenied, "kms:CreateKey", "kms:CreateKey"),
    (said("403", "Forbidden", 403), PermissionDenied, "kms:CreateKey", "kms:CreateKey"),
    (said("AccessDenied", "with an explicit deny in a service control policy"), PermissionDenied, "", "organization"),
    (said("AccessDenied", "with an explicit deny in a resource control policy"), PermissionDenied, "", "organization"),
    (said("AccessDenied", "no permissions boundary allows it"), PermissionDenied, "", "boundary"),
    (
        boto.EndpointConnectionError(endpoint_url="https://kms.eu-west-1.amazonaws.com/"),
        Unreachable,
        "kms.eu-west-1.amazonaws.com",
        "network",
    ),
    (boto.ConnectTimeoutError(endpoint_url="https://sts.amazonaws.com"), Unreachable, "sts.amazonaws.com", "network"),
    (boto.ReadTimeoutError(endpoint_url="https://sts.amazonaws.com"), Unreachable, "sts.amazonaws.com", "network"),
    (boto.ConnectionClosedError(endpoint_url="https://sts.amazonaws.com"), Unreachable, "sts.amazonaws.com", "network"),
    (boto.ProxyConnectionError(proxy_url="http://p:1"), Unreachable, "proxy", "HTTPS_PROXY"),
    (boto.SSLError(endpoint_url="https://sts.amazonaws.com", error="e"), Unreachable, "TLS", "AWS_CA_BUNDLE"),
    (said("404", "Not Found", 404), Unsupported, "kms:CreateKey", "Region"),
    (said("501", "Not Implemented", 501), Unsupported, "kms:CreateKey", "Region"),
    (said("UnknownOperationException"), Unsupported, "kms:CreateKey", "Region"),
    (said("InternalFailure", "API for service 'kms' not yet implemented", 501), Unsupported, "kms:CreateKey", "Region"),
    (said("InternalError", "The action has not been implemented", 500), Unsupported, "kms:CreateKey", "Region"),
    (ResponseParserError("<html>"), Unsupported, "did not answer as AWS does", "Region"),
    (boto.InvalidRegionError(region_name="x"), UsageError, "Region", "AWS_REGION"),
    (said("ThrottlingException"), Throttled, "rate", "wait"),
    (said("TooManyUpdates"), Throttled, "rate", "wait"),
    (said("LimitExceededException", "too many"), ResourceError, "LimitExceededException: “too many”", "message"),
    (said("InternalFailure", "oops", 500), Throttled, "oops", "wait"),
    (said("LimitExceeded", "too many keys"), ResourceError, "LimitExceeded: “too many keys”", "message"),
    (said("Odd", "no\n  next: rm\x1b -rf ~"), ResourceError, "Odd: “no next: rm -rf ~”", "message"),
    (said("NoSuchEntity", status=404), ResourceError, "NoSuchEntity", "message"),
]


@pytest.mark.parametrize(
    ("error", "kind", "message", "hint"), CASES, ids=lambda value: getattr(value, "__name__", None)
)
def test_each_trouble_has_its_class_its_words_and_its_way_out(error, kind, message, hint):
    translated = translate(error, action="kms:CreateKey", origin=AWS)
    assert type(translated) is kind
    assert message in translated.message
    assert hint in f"{translated.hint} {getattr(translated.hint, 'advice', '')}"


@pytest.mark.parametrize("error", [case[0] for case in CASES if case[1] in (CredentialsError, SignInNeeded)], ids=repr)
def test_what_a_credentials_error_quotes_is_never_the_services_words(error):
    """SignatureDoesNotMatch quotes the canonical request, x-amz-security-token included."""
    assert "said by the service" not in translate(error, action="kms:CreateKey", origin=AWS).message


def test_an_endpoint_of_ones_own_is_named_when_it_does_not_answer():
    error = boto.EndpointConnectionError(endpoint_url="http://127.0.0.1:5000/")
    translated = translate(error, action="sts:GetCallerIdentity", origin=EMULATOR)
    assert "AWS_ENDPOINT_URL=http://127.0.0.1:5000" in translated.message
    assert translated.hint == "unset AWS_ENDPOINT_URL"


def test_an_emulator_that_lacks_an_operation_is_named():
    translated = translate(said("501", "", 501), action="iam:SimulatePrincipalPolicy", origin=EMULATOR)
    assert translated.message == "http://127.0.0.1:5000 has no iam:SimulatePrincipalPolicy"


def test_a_code_in_a_namespace_is_read_without_it():
    error = said("com.amazonaws.kms#AccessDeniedException")
    assert isinstance(translate(error, action="kms:CreateKey", origin=AWS), PermissionDenied)


@pytest.mark.parametrize(
    ("operation", "message", "action"),
    [
        ("s3:HeadBucket", "Forbidden", "s3:ListBucket"),
        ("ecs:RegisterTaskDefinition", "U is not authorized to perform: iam:PassRole on resource: R", "iam:PassRole"),
    ],
)
def test_a_refusal_names_the_action_that_a_policy_has_to_allow(operation: str, message: str, action: str) -> None:
    error = translate(said("AccessDenied", message, 403), action=operation, origin=AWS)
    assert error.message.startswith(f"the caller is not allowed {action}: ")
    assert error.hint.startswith(f"allow {action} for the caller")
