"""Records a fixture: runs a command against a sandbox, and writes down each call that changes something.

It may listen on two loopback ports, start the command, and write to the folder of the fixture. README.md has its use.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model

from tests.previous_version.fixture import BASES, HERE, SAME, request, state

_CREDENTIAL = re.compile(r"Credential=[^/,]+/\d{8}/([^/]+)/([^/]+)/aws4_request")
_READS = ("Get", "List", "Describe", "Head", "Lookup", "Simulate", "Assume", "Decrypt", "Encrypt", "Generate",
          "Validate", "CheckNo")  # fmt: skip
_SERVICES = {"monitoring": "cloudwatch"}
_DROPPED = ("stackTrace", "sourcePosition", "created", "modified")
"""Of a resource: where and when this machine made it. The engine does not compare them."""


def read_call(method: str, path: str, headers: Any, body: bytes) -> dict[str, Any] | None:
    """The AWS call of a request, with its parameters as boto3 takes them; None for one that changes nothing."""
    signed = _CREDENTIAL.search(headers.get("Authorization", ""))
    if signed is None:
        return None
    region, service = signed.groups()
    model = get_service_model(_SERVICES.get(service, service))
    sent = Request.from_primitives(method, f"http://127.0.0.1{path}", headers, body)
    operation = headers.get("X-Amz-Target", "").rpartition(".")[2] or sent.values.get("Action", "")
    in_path: Any = {}
    if model.protocol.startswith("rest"):
        routed, in_path = get_service_router(model.service_name).match(sent)
        operation = routed.name
    if not operation or operation.startswith(_READS):
        return None
    protocol = determine_request_protocol(model, sent.content_type)
    parts = {"method": method, "values": sent.values, "headers": sent.headers, "body": sent.data}
    parser = PROTOCOL_PARSERS[protocol](model.operation_model(operation))
    parameters = parser.parse({**parts, "url_path": sent.path, "url_params": in_path})  # type: ignore[typeddict-item]
    # boto3 adds it by itself.
    parameters.pop("ChecksumAlgorithm", None)
    if parameters.get("DryRun"):
        return None
    call = {"service": model.service_name, "region": region, "operation": operation, "parameters": parameters}
    return {"seed": secrets.randbits(32), **call}


def proxy(upstream: str, one_at_a_time: threading.Lock, found: list[dict[str, Any]], *, is_aws: bool) -> str:
    """The address of a server that passes everything to `upstream`, and adds each change that succeeds to `found`."""
    host = urlsplit(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            call = None
            if is_aws:
                call = read_call(self.command, self.path, self.headers, body)
            elif self.command != "GET":
                parameters = json.loads(body or b"null")
                call = {"service": "vercel", "operation": self.command, "path": self.path, "parameters": parameters}
            with one_at_a_time:
                if call and is_aws:
                    request("POST", f"{upstream}/moto-api/seed?a={call['seed']}")
                connection = http.client.HTTPConnection(host.hostname or "", host.port)
                connection.request(self.command, self.path, body, dict(self.headers.items()))
                answer = connection.getresponse()
                content = answer.read()
                if call and answer.status < 300:
                    found.append(call)
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "connection", "server", "date"):
                    self.send_header(name, value)
            self.send_header("Content-Length", answer.getheader("Content-Length", str(len(content))))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _pass

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the command has the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def compact(exported: dict[str, Any], folder: str) -> str:
    """A stack's export, a resource a line, without what `fixture.state` adds again and without paths.

    The engine writes dependencies in no order; here they are sorted, so that equal resources are equal lines.
    """
    base = {each["urn"]: each for each in state(BASES[folder])["deployment"]["resources"]} if folder in BASES else {}
    lines = []
    for exact in exported["deployment"].pop("resources"):
        each = {name: value for name, value in exact.items() if name not in _DROPPED}
        if "dependencies" in each:
            each["dependencies"].sort()
        for dependencies in each.get("propertyDependencies", {}).values():
            (dependencies or []).sort()
        inputs = each.get("inputs", {})
        outputs = {
            name: SAME if value and json.dumps(inputs.get(name)) == json.dumps(value) else value
            for name, value in each.get("outputs", {}).items()
        }
        short = each | ({"outputs": outputs} if outputs else {})
        lines.append(json.dumps(each["urn"] if base.get(each["urn"]) == each else short))
    head = json.dumps(exported, indent=1).removesuffix("\n }\n}")
    return head + ',\n  "resources": [\n' + ",\n".join(lines) + "\n]}}\n"


def main(folder: str, stack: str, *command: str) -> int:
    """Add the calls of a command to a folder, and write the state and the settings of the stack as they are then."""
    found: list[dict[str, Any]] = []
    one_at_a_time = threading.Lock()
    through = {
        name: proxy(os.environ[name], one_at_a_time, found, is_aws=name.startswith("AWS"))
        for name in ("AWS_ENDPOINT_URL", "VERCEL_API_URL")
    }
    code = subprocess.run(command, env=os.environ | through, check=False).returncode
    to = HERE / folder
    to.mkdir(exist_ok=True)
    with (to / "calls.jsonl").open("a") as out:
        out.writelines(json.dumps(call) + "\n" for call in found)
    export = subprocess.run(["pulumi", "stack", "export", "--stack", stack], capture_output=True, text=True)
    if export.returncode == 0:
        (to / "state.json").write_text(compact(json.loads(export.stdout), folder))
        settings = f"Pulumi.{stack}.yaml"
        (to / settings).write_text((HERE.parents[1] / settings).read_text())
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
