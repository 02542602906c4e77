"""The sandbox's own addresses, below `/_sandbox/` on the AWS port.

It may touch the faults and the records of calls and leaves, and hand out credentials as the services of AWS would.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from sandbox.aws.faults import Calls, Fault, Faults
from sandbox.aws.iam import enforcement
from sandbox.aws.iam.permission_limits import put_service_control_policies
from sandbox.aws.moto_patches.ecs.services import let_tasks_end, running_tasks
from sandbox.aws.moto_patches.sts import task_credentials
from sandbox.aws.protocol import Answer, AwsError, json_answer, read_body
from sandbox.state import REGION

_JSON = "application/json"


class Control:
    """Who is there, faults, calls, and the credentials of an ECS task."""

    def __init__(self, *, nonce: str) -> None:
        self._nonce = nonce
        self.faults = Faults()
        self.calls = Calls()

    def answer(self, environ: dict[str, Any]) -> Answer:
        """Answer one request: `/`, `/faults`, `/calls` and `/leaves` (GET, POST, DELETE), `/task-credentials?role=`.

        `/tasks?cluster=&service=` (GET) tells the environment that the running tasks hold; POST there takes `exitCode`,
        with which the next `times` tasks end. `/service-control-policies` (PUT) takes the `policies` that
        the organization has in force for this account.
        """
        try:
            return self._route(environ)
        except AwsError as error:
            return json_answer({"code": error.code, "message": error.message}, error.status, _JSON)
        except (ValueError, TypeError) as error:
            return json_answer({"code": "BadRequest", "message": str(error)}, 400, _JSON)

    def _route(self, environ: dict[str, Any]) -> Answer:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix("/_sandbox/")
        body = read_body(environ)
        match method, path:
            case "GET", "":
                return json_answer({"nonce": self._nonce}, 200, _JSON)
            case "POST", "faults":
                self.faults.add(Fault(**json.loads(body)))
                return json_answer({}, 201, _JSON)
            case "DELETE", "faults":
                self.faults.clear()
                return json_answer({}, 200, _JSON)
            case "GET", "calls":
                return json_answer({"calls": self.calls.listing()}, 200, _JSON)
            case "DELETE", "calls":
                self.calls.clear()
                return json_answer({}, 200, _JSON)
            case "GET", "leaves":
                return json_answer({"leaves": enforcement.listing()}, 200, _JSON)
            case "DELETE", "leaves":
                enforcement.forget()
                return json_answer({}, 200, _JSON)
            case "PUT", "service-control-policies":
                put_service_control_policies(json.loads(body)["policies"])
                return json_answer({}, 200, _JSON)
            case "GET", "task-credentials":
                return json_answer(task_credentials(_query(environ, "role")), 200, _JSON)
            case "GET", "tasks":
                region = _query(environ, "region") or REGION
                found = running_tasks(_query(environ, "cluster"), _query(environ, "service"), region)
                return json_answer(found, 200, _JSON)
            case "POST", "tasks":
                told = json.loads(body)
                region, times = told.get("region", REGION), int(told["times"])
                let_tasks_end(told["cluster"], told["service"], region, int(told["exitCode"]), times)
                return json_answer({}, 200, _JSON)
        raise AwsError("NotFound", f"the sandbox has no {method} /_sandbox/{path}", 404)


def _query(environ: dict[str, Any], name: str) -> str:
    return str(parse_qs(environ.get("QUERY_STRING", "")).get(name, [""])[0])
