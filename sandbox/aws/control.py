"""The sandbox's control API, below `/_sandbox/` on the AWS port.

Touches the faults, the records of calls and permissions, and moto's ECS and STS in this process.
"""

import json
from typing import Any
from urllib.parse import parse_qs

from sandbox.aws.faults import Calls, Fault
from sandbox.aws.iam import enforcement
from sandbox.aws.iam.permission_limits import put_service_control_policies
from sandbox.aws.moto_patches.ecs.services import end_next_tasks, running_tasks
from sandbox.aws.moto_patches.sts import task_credentials
from sandbox.aws.protocol import AwsError, Response, json_response, read_body
from sandbox.faults import Faults
from sandbox.state import REGION

_JSON = "application/json"


class Control:
    """The routes of the control API."""

    def __init__(self, *, nonce: str) -> None:
        self._nonce = nonce
        self.faults = Faults[Fault]()
        self.calls = Calls()

    def respond(self, environ: dict[str, Any]) -> Response:
        """Answer one request.

        `/` returns the nonce. `/faults` takes POST and DELETE, `/calls` and `/permissions` GET and DELETE.
        `/task-credentials?role=` returns the credentials of an ECS task. `/tasks?cluster=&service=` returns the
        environment of the running tasks; a POST there takes `exitCode`, with which the next `times` tasks exit.
        `/service-control-policies` (PUT) takes the `policies` that the organization applies to this account.
        """
        try:
            return self._route(environ)
        except AwsError as error:
            return json_response({"code": error.code, "message": error.message}, error.status, _JSON)
        except (ValueError, TypeError) as error:
            return json_response({"code": "BadRequest", "message": str(error)}, 400, _JSON)

    def _route(self, environ: dict[str, Any]) -> Response:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix("/_sandbox/")
        body = read_body(environ)
        match method, path:
            case "GET", "":
                return json_response({"nonce": self._nonce}, 200, _JSON)
            case "POST", "faults":
                self.faults.add(Fault(**json.loads(body)))
                return json_response({}, 201, _JSON)
            case "DELETE", "faults":
                self.faults.clear()
                return json_response({}, 200, _JSON)
            case "GET", "calls":
                return json_response({"calls": self.calls.listing()}, 200, _JSON)
            case "DELETE", "calls":
                self.calls.clear()
                return json_response({}, 200, _JSON)
            case "GET", "permissions":
                return json_response({"permissions": enforcement.permissions()}, 200, _JSON)
            case "DELETE", "permissions":
                enforcement.clear_permissions()
                return json_response({}, 200, _JSON)
            case "PUT", "service-control-policies":
                put_service_control_policies(json.loads(body)["policies"])
                return json_response({}, 200, _JSON)
            case "GET", "task-credentials":
                return json_response(task_credentials(_query(environ, "role")), 200, _JSON)
            case "GET", "tasks":
                region = _query(environ, "region") or REGION
                tasks = running_tasks(_query(environ, "cluster"), _query(environ, "service"), region)
                return json_response(tasks, 200, _JSON)
            case "POST", "tasks":
                order = json.loads(body)
                region, times = order.get("region", REGION), int(order["times"])
                end_next_tasks(order["cluster"], order["service"], region, int(order["exitCode"]), times)
                return json_response({}, 200, _JSON)
        raise AwsError("NotFound", f"the sandbox has no {method} /_sandbox/{path}", 404)


def _query(environ: dict[str, Any], name: str) -> str:
    return str(parse_qs(environ.get("QUERY_STRING", "")).get(name, [""])[0])
