"""Another cloud than the sandbox: moto as it is, and a Vercel that tells no more than it must; a program of its own.

Listens on two loopback ports until its standard input ends; prints their addresses as JSON.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from moto.server import ThreadedMotoServer

TOKEN = "another-clouds-token"
VARIABLES: list[dict[str, Any]] = []
_ENV = re.compile(r"/v\d+/projects/(?:eonpro|prj_other)/env(?:/(?P<id>\w+))?")
_PROJECT = re.compile(r"/v\d+/projects/(?:eonpro|prj_other)")


class Vercel(BaseHTTPRequestHandler):
    """Two endpoints, in another dialect: no teams, targets as one word, a POST that answers with nothing."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if not self._known():
            return
        if found := _ENV.fullmatch(path):
            one = next((each for each in VARIABLES if each["id"] == found["id"]), None)
            self._say(200, one or {"envs": [self._listed(each) for each in VARIABLES]})
        elif _PROJECT.fullmatch(path):
            self._say(200, {"id": "prj_other", "name": "eonpro", "accountId": "team_other"})
        else:
            self._say(404, {"error": {"code": "not_found"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._known():
            return
        for wanted in body:
            VARIABLES[:] = [each for each in VARIABLES if each["key"] != wanted["key"]]
            VARIABLES.append({**wanted, "id": f"env{len(VARIABLES)}{wanted['key'][-3:]}"})
        self._say(201, {})

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test reads what counts."""

    def _listed(self, variable: dict[str, Any]) -> dict[str, Any]:
        shown = {**variable, "target": variable["target"][0]}
        return {**shown, "value": ""} if variable["type"] == "sensitive" else shown

    def _known(self) -> bool:
        known = self.headers["Authorization"] == f"Bearer {TOKEN}"
        if not known:
            self._say(401, {})
        return known

    def _say(self, status: int, body: object) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


if __name__ == "__main__":
    aws = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    aws.start()
    vercel = ThreadingHTTPServer(("127.0.0.1", 0), Vercel)
    threading.Thread(target=vercel.serve_forever, daemon=True).start()
    host, port = aws.get_host_and_port()
    addresses = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "VERCEL_API_URL": f"http://127.0.0.1:{vercel.server_port}",
    }
    print(json.dumps(addresses | {"VERCEL_TOKEN": TOKEN}), flush=True)
    sys.stdin.read()
