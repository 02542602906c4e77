"""AWS's protocols: the call in a request, and responses and errors in the form of each protocol.

Touches only the request that is passed to it.
"""

import io
import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

_CREDENTIAL = re.compile(r"Credential=([^/,]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
_PRESIGNED = re.compile(r"([^/]+)/\d{8}/([^/]+)/([^/]+)/")
# Services with the query protocol answer XML; no SDK needs the namespace, but AWS sends it.
_QUERY = {
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
    "iam": "https://iam.amazonaws.com/doc/2010-05-08/",
    "sns": "http://sns.amazonaws.com/doc/2010-03-31/",
    "monitoring": "http://monitoring.amazonaws.com/doc/2010-08-01/",
}
_BOTH = frozenset(("monitoring",))
"""Services that newer SDKs speak to in JSON: the answer is in the protocol of the call."""
_REST_JSON_ROUTES = {
    ("account", "/listRegions"): "ListRegions",
    ("account", "/getRegionOptStatus"): "GetRegionOptStatus",
    ("access-analyzer", "/policy/validation"): "ValidatePolicy",
    ("access-analyzer", "/policy/check-no-public-access"): "CheckNoPublicAccess",
    ("access-analyzer", "/policy/check-no-new-access"): "CheckNoNewAccess",
}


_ENCRYPTION_OF_UPLOAD = {
    "ServerSideEncryption": "HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION",
    "SSEKMSKeyId": "HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION_AWS_KMS_KEY_ID",
    "SSECustomerAlgorithm": "HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION_CUSTOMER_ALGORITHM",
}
"""The parameters of an upload to S3 that a bucket's policy may have conditions on, by their headers."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One AWS call: service, operation, caller and parameters."""

    service: str
    operation: str
    region: str
    access_key_id: str
    session_token: str = field(default="", repr=False)
    path: str = ""
    user_agent: str = ""
    parameters: dict[str, Any] = field(default_factory=dict, repr=False)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts: of a JSON body, or of the query protocol: `Name.member.1`, `Name.member.2`, …"""
        if isinstance(listed := self.parameters.get(name), list):
            return tuple(map(str, listed))
        pattern = re.compile(rf"{re.escape(name)}\.member\.(\d+)")
        members = {
            int(match[1]): str(value)
            for parameter, value in self.parameters.items()
            if (match := pattern.fullmatch(parameter))
        }
        return tuple(members[position] for position in sorted(members))


@dataclass(frozen=True, kw_only=True)
class Response:
    status: int
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()


class AwsError(Exception):
    """An error that AWS documents: its code, its HTTP status and its message."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def read_call(environ: dict[str, Any]) -> Call:
    """Read a request without consuming it; what cannot be determined is empty."""
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    credential = _CREDENTIAL.search(authorization)
    key, region, service = credential.groups() if credential else ("", "", "")
    asked = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    query = {name: values[0] for name, values in asked.items()}
    if not credential and (signed := _PRESIGNED.match(query.get("X-Amz-Credential", ""))):
        key, region, service = signed.groups()
    token = environ.get("HTTP_X_AMZ_SECURITY_TOKEN", query.get("X-Amz-Security-Token", ""))
    parameters = {} if service.startswith("s3") else _parameters(environ)
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    operation = target.rpartition(".")[2] or str(parameters.get("Action", query.get("Action", "")))
    if not service and operation.startswith("AssumeRoleWith"):
        service = "sts"  # The two STS calls that are not signed.
    operation = operation or _REST_JSON_ROUTES.get((service, environ.get("PATH_INFO", "")), "")
    if service == "s3" and environ["REQUEST_METHOD"] == "PUT" and "encryption" in query and "/" in _key(environ):
        operation, parameters = "UpdateObjectEncryption", _new_encryption(query, read_body(environ))
    elif service == "s3":
        parameters = {name: environ[header] for name, header in _ENCRYPTION_OF_UPLOAD.items() if header in environ}
    return Call(
        service=service,
        operation=operation or _routed(service, environ),
        region=region,
        access_key_id=key,
        session_token=token,
        # WSGI gives the bytes of a path as Latin-1.
        path=environ.get("PATH_INFO", "").encode("latin-1", "replace").decode("utf-8", "replace"),
        user_agent=environ.get("HTTP_USER_AGENT", ""),
        parameters=parameters,
    )


def read_body(environ: dict[str, Any]) -> bytes:
    """The request's body, which can be read again afterwards."""
    length = environ.get("CONTENT_LENGTH") or "0"
    body: bytes = environ["wsgi.input"].read(int(length)) if length.isdigit() else b""
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def replace_parameters(environ: dict[str, Any], parameters: dict[str, Any]) -> None:
    body = json.dumps(parameters).encode()
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))


def json_response(value: object, status: int = 200, content_type: str = "application/x-amz-json-1.1") -> Response:
    return Response(status=status, body=json.dumps(value).encode(), content_type=content_type)


def xml_response(call: Call, result: str) -> Response:
    """A response of a query service; `result` is XML."""
    name = call.operation
    body = (
        f'<{name}Response xmlns="{_QUERY[call.service]}"><{name}Result>{result}</{name}Result>'
        f"<ResponseMetadata><RequestId>{secrets.token_hex(16)}</RequestId></ResponseMetadata></{name}Response>"
    )
    return Response(status=200, body=body.encode(), content_type="text/xml")


def error_response(call: Call, error: AwsError) -> Response:
    """An error in the protocol of this call's service."""
    request_id = secrets.token_hex(16)
    inner = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    if call.service in _QUERY and ("Action" in call.parameters or call.service not in _BOTH):
        fault = "Sender" if error.status < 500 else "Receiver"
        body = (
            f'<ErrorResponse xmlns="{_QUERY[call.service]}"><Error><Type>{fault}</Type>{inner}</Error>'
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        return Response(status=error.status, body=body.encode(), content_type="text/xml")
    if call.service.startswith("s3"):
        body = f"<Error>{inner}<RequestId>{request_id}</RequestId></Error>"
        return Response(status=error.status, body=body.encode(), content_type="application/xml")
    return Response(
        status=error.status,
        body=json.dumps({"__type": error.code, "message": error.message}).encode(),
        content_type="application/x-amz-json-1.1",
        headers=(("x-amzn-ErrorType", error.code), ("x-amzn-RequestId", request_id)),
    )


def _key(environ: dict[str, Any]) -> str:
    """`BUCKET/KEY` of a request to S3; `BUCKET` of one about the bucket."""
    return str(environ.get("PATH_INFO", "")).strip("/")


def _new_encryption(query: dict[str, str], body: bytes) -> dict[str, Any]:
    """The parameters of UpdateObjectEncryption: the version, the key and the flag in its query and its body."""
    text = body.decode("utf-8", "replace")
    found = {name: re.search(rf"<{name}>([^<]*)</{name}>", text) for name in ("KMSKeyArn", "BucketKeyEnabled")}
    version = {"VersionId": query["versionId"]} if query.get("versionId") else {}
    return {**{name: match[1] for name, match in found.items() if match}, **version}


def _parameters(environ: dict[str, Any]) -> dict[str, Any]:
    body = read_body(environ)
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        form = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
        return {name: values[0] for name, values in form.items()}
    try:
        parameters = json.loads(body) if body else {}
    except ValueError:
        return {}
    return parameters if isinstance(parameters, dict) else {}


def _routed(service: str, environ: dict[str, Any]) -> str:
    """The operation of a REST service, from botocore's service model; "" when it is unknown."""
    if not service:
        return ""
    from botocore.exceptions import UnknownServiceError
    from moto.core.request import Request
    from moto.core.routing import get_service_router
    from werkzeug.exceptions import NotFound

    try:
        operation, _ = get_service_router(service).match(Request(environ.copy()))
    except (NotFound, NotImplementedError, UnknownServiceError):
        return ""
    return str(operation.name)
