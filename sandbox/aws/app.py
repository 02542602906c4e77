"""The AWS side of the sandbox: moto's server behind the sandbox's corrections, faults and record of calls.

It may touch the emulator in this process, and nothing on disk.
"""

from __future__ import annotations

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
from sandbox.aws.protocol import Answer, AwsError, Call, error_answer, read_call, replace_parameters
from sandbox.state import ACCOUNT, REGION


class Cloud:
    """A WSGI application that answers as AWS does, for every service moto has."""

    def __init__(self, *, nonce: str) -> None:
        moto_patches.mend_emulator()
        self._moto = DomainDispatcherApplication(create_backend_app)
        # moto looks and then writes without a lock; AWS's conditional writes (SSM's Overwrite=False) are atomic.
        self._turn = threading.Lock()
        self._control = Control(nonce=nonce)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/_sandbox/"):
            with self._turn:
                return _send(self._control.answer(environ), start_response)
        call = read_call(environ)
        self._control.calls.add(call)
        fault = self._control.faults.take(call)
        if fault is not None and (answer := self._misbehave(fault, call, environ)) is not None:
            return _send(answer, start_response)
        with self._turn:
            return self._answer(call, environ, start_response)

    def _answer(self, call: Call, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        try:
            changed = moto_patches.before(call)
        except AwsError as error:
            return _send(error_answer(call, error), start_response)
        if isinstance(changed, Answer):
            return _send(changed, start_response)
        if changed is not None:
            replace_parameters(environ, changed)
        amend = moto_patches.after(call)
        if amend is None:
            return list(self._moto(environ, start_response))
        answer = _collect(self._moto, environ)
        try:
            return _send(amend(call, answer) if answer.status == HTTPStatus.OK else answer, start_response)
        except AwsError as error:
            return _send(error_answer(call, error), start_response)

    def _misbehave(self, fault: Fault, call: Call, environ: dict[str, Any]) -> Answer | None:
        """Fail on demand; `None` when the call was only held up and now goes its way."""
        if fault.kind == "hang":
            self._control.faults.hold(fault.seconds)
            return None
        if fault.kind == "drop":
            connection: socket.socket = environ["werkzeug.socket"]
            connection.shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError("dropped on demand")
        return error_answer(call, AwsError(fault.error, fault.message, fault.status))


def _collect(app: Any, environ: dict[str, Any]) -> Answer:
    """The answer of a WSGI application, whole."""
    said: list[Any] = []
    body = b"".join(app(environ, lambda status, headers, exc_info=None: said.extend((status, headers))))
    status, headers = said
    kind = next((value for name, value in headers if name.lower() == "content-type"), "")
    return Answer(status=int(status.split()[0]), body=body, content_type=kind)


def _send(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    reason = HTTPStatus(answer.status).phrase
    headers = [
        ("Content-Type", answer.content_type),
        ("Content-Length", str(len(answer.body))),
        *answer.headers,
    ]
    start_response(f"{answer.status} {reason}", headers)
    return [answer.body]


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
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


def seed() -> AccessKey:
    """Fill the account and return the operator's access key."""
    iam = iam_backends[ACCOUNT]["aws"]
    iam.create_account_alias(ACCOUNT_ALIAS)
    iam.create_user(REGION, OPERATOR)
    iam.put_user_policy(OPERATOR, "AdministratorAccess", _ADMINISTRATOR_POLICY)
    iam.create_user(REGION, COLLEAGUE)
    iam.create_role(ADMIN_ROLE, _OWN_ACCOUNT_TRUST, "/", None, "Administers the clinic's platform", [], "3600")
    iam.put_role_policy(ADMIN_ROLE, "AdministratorAccess", _ADMINISTRATOR_POLICY)
    return iam.create_access_key(OPERATOR)
