"""The WSGI application of the sandbox's AWS: moto's server with patches, faults and a record of calls.

Touches moto in this process; nothing on disk.
"""

import json
import socket
import threading
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from wsgiref.types import StartResponse

from moto.iam.models import AccessKey, iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from sandbox.aws import moto_patches
from sandbox.aws.control import Control
from sandbox.aws.faults import Fault
from sandbox.aws.moto_patches.ecs.services import seed_service
from sandbox.aws.protocol import AwsError, Call, Response, error_response, read_call, replace_parameters
from sandbox.state import ACCOUNT, REGION


class AwsApp:
    """A WSGI application that answers as AWS does, for every service that moto has."""

    def __init__(self, *, nonce: str) -> None:
        moto_patches.patch_moto()
        self._moto = DomainDispatcherApplication(create_backend_app)
        # Moto checks and then writes without a lock; AWS's conditional writes (SSM's Overwrite=False) are atomic.
        self._lock = threading.Lock()
        self._control = Control(nonce=nonce)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/_sandbox/"):
            with self._lock:
                return _send(self._control.respond(environ), start_response)
        call = read_call(environ)
        self._control.calls.add(call)
        fault = self._control.faults.take(lambda fault: fault.matches_call(call))
        if fault is not None and (response := self._apply_fault(fault, call, environ)) is not None:
            return _send(response, start_response)
        with self._lock:
            return self._respond(call, environ, start_response)

    def _respond(self, call: Call, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        try:
            changed = moto_patches.patch_request(call)
        except AwsError as error:
            return _send(error_response(call, error), start_response)
        if isinstance(changed, Response):
            return _send(changed, start_response)
        if changed is not None:
            replace_parameters(environ, changed)
        patches = moto_patches.response_patches(call)
        if not patches:
            return list(self._moto(environ, start_response))
        response = _collect(self._moto, environ)
        if response.status == HTTPStatus.OK:
            try:
                for patch in patches:
                    response = patch(call, response)
            except AwsError as error:
                response = error_response(call, error)
        return _send(response, start_response)

    def _apply_fault(self, fault: Fault, call: Call, environ: dict[str, Any]) -> Response | None:
        """The failure that a test ordered; None when the call was only delayed and now continues."""
        if fault.kind == "hang":
            self._control.faults.hold(fault.seconds)
            return None
        if fault.kind == "drop":
            connection: socket.socket = environ["werkzeug.socket"]
            connection.shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError("dropped on demand")
        return error_response(call, AwsError(fault.error, fault.message, fault.status))


def _collect(app: Any, environ: dict[str, Any]) -> Response:
    """The complete response of a WSGI application."""
    status_and_headers: list[Any] = []
    body = b"".join(app(environ, lambda status, headers, exc_info=None: status_and_headers.extend((status, headers))))
    status, headers = status_and_headers
    kind = next((value for name, value in headers if name.lower() == "content-type"), "")
    return Response(status=int(status.split()[0]), body=body, content_type=kind)


def _send(response: Response, start_response: StartResponse) -> Iterable[bytes]:
    reason = HTTPStatus(response.status).phrase
    headers = [("Content-Type", response.content_type), ("Content-Length", str(len(response.body)))]
    start_response(f"{response.status} {reason}", [*headers, *response.headers])
    return [response.body]


OPERATOR = "clinic-admin"
COLLEAGUE = "security-officer"
ADMIN_ROLE = "platform-admin"
ACCOUNT_ALIAS = "eonpro-sandbox"

_ADMINISTRATOR_POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)
_OWN_ACCOUNT_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
        ],
    }
)


def seed_account(*, service: str) -> AccessKey:
    """Create the account's first users, role and ECS `service`, and return the operator's access key."""
    seed_service(service)
    iam = iam_backends[ACCOUNT]["aws"]
    iam.create_account_alias(ACCOUNT_ALIAS)
    iam.create_user(REGION, OPERATOR)
    iam.put_user_policy(OPERATOR, "AdministratorAccess", _ADMINISTRATOR_POLICY)
    iam.create_user(REGION, COLLEAGUE)
    iam.create_role(ADMIN_ROLE, _OWN_ACCOUNT_TRUST, "/", None, "Administers the clinic's platform", [], "3600")
    iam.put_role_policy(ADMIN_ROLE, "AdministratorAccess", _ADMINISTRATOR_POLICY)
    return iam.create_access_key(OPERATOR)
