"""The WSGI application of the sandbox's AWS: moto's server with patches, faults, a record of calls and a control API.

Touches moto in this process; nothing on disk.
"""

import json
import socket
import threading
from collections.abc import Iterable
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs
from wsgiref.types import StartResponse

from moto.core import loaders, responses, utils
from moto.iam.models import AccessKey, iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from sandbox.aws import moto_patches, protocol
from sandbox.aws.faults import Calls, Fault
from sandbox.aws.iam import enforcement
from sandbox.aws.iam.permission_limits import put_resource_control_policies, put_service_control_policies
from sandbox.aws.moto_patches.cloudtrail import deliver_logs
from sandbox.aws.moto_patches.ecs.services import end_next_tasks, running_tasks, seed_service
from sandbox.aws.moto_patches.event_delivery import deliver_events, sent_messages
from sandbox.aws.moto_patches.sts import task_credentials
from sandbox.faults import Faults
from sandbox.state import ACCOUNT, REGION, SERVICES

_JSON = "application/json"


class Control:
    """The routes of the control API, below `/_sandbox/`."""

    def __init__(self, *, nonce: str) -> None:
        self._nonce = nonce
        self.faults = Faults[Fault]()
        self.calls = Calls()

    def respond(self, environ: dict[str, Any]) -> protocol.Response:
        """Answer one request.

        `/` returns the nonce. `/faults` takes POST and DELETE, `/calls` and `/permissions` GET and DELETE;
        the last has what was allowed and what was refused.
        `/task-credentials?role=` returns the credentials of an ECS task. `/tasks?cluster=&service=` returns the
        environment of the running tasks; a POST there takes `exitCode`, with which the next `times` tasks exit.
        `/service-control-policies` (PUT) takes the `policies` that the organization applies to this account;
        `/resource-control-policies` those that it applies to the account's resources.
        `/logs` (POST) takes `hours`: so many digests, each with a log file, are delivered for each trail.
        `/messages` returns what reached a topic of SNS through EventBridge, with the addresses that got it.
        """
        try:
            return self._route(environ)
        except protocol.AwsError as error:
            return protocol.json_response({"code": error.code, "message": error.message}, error.status, _JSON)
        except (ValueError, TypeError) as error:
            return protocol.json_response({"code": "BadRequest", "message": str(error)}, 400, _JSON)

    def _route(self, environ: dict[str, Any]) -> protocol.Response:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix("/_sandbox/")
        body = protocol.read_body(environ)
        answer: Any = {}
        match method, path:
            case "GET", "":
                answer = {"nonce": self._nonce}
            case "POST", "faults":
                self.faults.add(Fault(**json.loads(body)))
            case "DELETE", "faults":
                self.faults.clear()
            case "GET", "calls":
                answer = {"calls": self.calls.listing()}
            case "DELETE", "calls":
                self.calls.clear()
            case "GET", "permissions":
                answer = {"permissions": enforcement.permissions(), "refusals": enforcement.refusals()}
            case "DELETE", "permissions":
                enforcement.clear_permissions()
            case "PUT", "service-control-policies":
                put_service_control_policies(json.loads(body)["policies"])
            case "PUT", "resource-control-policies":
                put_resource_control_policies(json.loads(body)["policies"])
            case "POST", "logs":
                answer = {"trails": deliver_logs(int(json.loads(body)["hours"]))}
            case "GET", "messages":
                answer = {"messages": sent_messages()}
            case "GET", "task-credentials":
                answer = task_credentials(_query(environ, "role"))
            case "GET", "tasks":
                region = _query(environ, "region") or REGION
                answer = running_tasks(_query(environ, "cluster"), _query(environ, "service"), region)
            case "POST", "tasks":
                order = json.loads(body)
                region, times = order.get("region", REGION), int(order["times"])
                end_next_tasks(order["cluster"], order["service"], region, int(order["exitCode"]), times)
            case _:
                raise protocol.AwsError("NotFound", f"the sandbox has no {method} /_sandbox/{path}", 404)
        return protocol.json_response(answer, 201 if (method, path) == ("POST", "faults") else 200, _JSON)


def _query(environ: dict[str, Any], name: str) -> str:
    return str(parse_qs(environ.get("QUERY_STRING", "")).get(name, [""])[0])


@cache
def remember_lookups() -> None:
    """Make moto cache, in this process, its look-ups for each call or each service."""
    backend_for_host = cache(DomainDispatcherApplication.get_backend_for_host)
    # It lists its own folder and tries two hundred patterns for each call: a third of the time of an answer.
    setattr(DomainDispatcherApplication, "get_backend_for_host", backend_for_host)  # noqa: B010
    vars(responses)["method_names_from_class"] = cache(utils.method_names_from_class)
    # It looks through all of botocore's folders for each service that is first asked for: 20 ms.
    vars(utils)["create_loader"] = cache(loaders.create_loader)


def read_descriptions() -> None:
    """Load botocore's models of the services: else the first call of one waits up to 80 ms."""
    for service in SERVICES:
        utils.get_service_model(service)


class AwsApp:
    """A WSGI application that answers as AWS does, for every service that moto has."""

    def __init__(self, *, nonce: str) -> None:
        moto_patches.patch_moto()
        remember_lookups()
        self._moto = DomainDispatcherApplication(create_backend_app)
        # Moto checks and then writes without a lock; AWS's conditional writes (SSM's Overwrite=False) are atomic.
        self._lock = threading.Lock()
        self._control = Control(nonce=nonce)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/_sandbox/"):
            with self._lock:
                return _send(self._control.respond(environ), start_response)
        call = protocol.read_call(environ)
        self._control.calls.add(call)
        fault = self._control.faults.take(lambda fault: fault.matches_call(call))
        if fault is not None and (response := self._apply_fault(fault, call, environ)) is not None:
            return _send(response, start_response)
        with self._lock:
            answer = self._respond(call, environ, start_response)
            deliver_events()
            return answer

    def _respond(self, call: protocol.Call, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        try:
            changed = moto_patches.patch_request(call)
        except protocol.AwsError as error:
            return _send(protocol.error_response(call, error), start_response)
        if isinstance(changed, protocol.Response):
            return _send(changed, start_response)
        if changed is not None:
            protocol.replace_parameters(environ, changed)
        patches = moto_patches.response_patches(call)
        if not patches:
            return list(self._moto(environ, start_response))
        response = _collect(self._moto, environ)
        if response.status == HTTPStatus.OK:
            try:
                for patch in patches:
                    response = patch(call, response)
            except protocol.AwsError as error:
                response = protocol.error_response(call, error)
        return _send(response, start_response)

    def _apply_fault(self, fault: Fault, call: protocol.Call, environ: dict[str, Any]) -> protocol.Response | None:
        """The failure that a test ordered; None when the call was only delayed and now continues."""
        if fault.kind == "hang":
            self._control.faults.hold(fault.seconds)
            return None
        if fault.kind == "drop":
            connection: socket.socket = environ["werkzeug.socket"]
            connection.shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError("dropped on demand")
        return protocol.error_response(call, protocol.AwsError(fault.error, fault.message, fault.status))


def _collect(app: Any, environ: dict[str, Any]) -> protocol.Response:
    """The complete response of a WSGI application."""
    status_and_headers: list[Any] = []
    body = b"".join(app(environ, lambda status, headers, exc_info=None: status_and_headers.extend((status, headers))))
    status, headers = status_and_headers
    kind = next((value for name, value in headers if name.lower() == "content-type"), "")
    return protocol.Response(status=int(status.split()[0]), body=body, content_type=kind)


def _send(response: protocol.Response, start_response: StartResponse) -> Iterable[bytes]:
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
