"""The sandbox's server process: AWS and Vercel, each on its own loopback port.

Binds loopback ports; writes the state file and the deployment's OIDC token.
"""

import os
import secrets
import signal
import sys
import threading
from functools import cache
from pathlib import Path
from typing import IO, Any, cast
from wsgiref.simple_server import ServerHandler
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import botocore.session
from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wsgi import LimitedStream

from sandbox.oidc import deployment_token
from sandbox.state import LOOPBACK, SandboxPaths, State, save_state, write_private


def _share_service_descriptions() -> None:
    """Let all botocore sessions of this process share their service models; called before moto is imported.

    Moto creates sessions in dozens of places, and each would list 400 services and read the same megabytes of JSON:
    half of the server's start.
    """
    botocore.session.create_loader = cache(botocore.session.create_loader)


_share_service_descriptions()

from moto.moto_server.werkzeug_app import MotoRequestHandler  # noqa: E402

from sandbox.aws.app import AwsApp, read_descriptions, seed_account  # noqa: E402

VERCEL_TEAM = "eonpro"
VERCEL_PROJECT = "eonpro"
ECS_SERVICE = "eonpro"
"""And of its cluster and task definition."""


class _WsgiCall(ServerHandler):
    """One request to a WSGI application; its environ does not contain the process's environment variables."""

    http_version = "1.1"
    os_environ: dict[str, str] = {}
    request_handler: WSGIRequestHandler
    """Logs the request."""


class KeepAliveHandler(MotoRequestHandler):
    """Serves many requests on one connection, as AWS and Vercel do; werkzeug's own handler closes it after each."""

    protocol_version = "HTTP/1.1"
    # Headers and body are two writes: on an open connection Nagle's algorithm would delay the second.
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        """Answer one request, and read its body to the end: the rest would be parsed as the next request."""
        self.environ = environ = self.make_environ()
        length = int(self.headers.get("Content-Length") or 0)
        is_chunked = "wsgi.input_terminated" in environ
        body: Any = environ["wsgi.input"] if is_chunked else LimitedStream(environ["wsgi.input"], length)
        call = _WsgiCall(body, cast("IO[bytes]", self.wfile), sys.stderr, environ)
        call.request_handler = self
        call.run(self._application)
        try:
            while body.read(65_536):
                pass
        except ClientDisconnected:
            self.close_connection = True

    def _application(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        """The server's application with its response in one piece: the length must be known before it is sent."""
        return [b"".join(self.server.app(environ, start_response))]


class Sandbox:
    """The account and the team, as they are seeded, and the two applications that stand for AWS and Vercel."""

    def __init__(self) -> None:
        from sandbox.vercel import create_app

        self.nonce = secrets.token_urlsafe(24)
        # Letters and digits only: the Vercel CLI refuses a token with any other character.
        self.token = secrets.token_hex(24)
        self.aws = AwsApp(nonce=self.nonce)
        self.operator = seed_account(service=ECS_SERVICE)
        self.vercel = create_app(token=self.token, team=VERCEL_TEAM, project=VERCEL_PROJECT)
        self.servers: tuple[BaseWSGIServer, ...] = ()

    def serve(self, paths: SandboxPaths, ready_descriptor: int) -> None:
        """Serve until SIGTERM; writes a byte to `ready_descriptor` when both ports answer and the state is written."""
        stopped = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stopped.set())
        aws, vercel = self.servers = (_listen(self.aws), _listen(self.vercel))
        os.environ["MOTO_PORT"] = str(aws.server_port)
        for server in self.servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        write_private(paths.web_identity_token, deployment_token(team=VERCEL_TEAM, project=VERCEL_PROJECT))
        save_state(
            paths,
            State(
                pid=os.getpid(),
                nonce=self.nonce,
                aws_port=aws.server_port,
                vercel_port=vercel.server_port,
                access_key_id=self.operator.access_key_id,
                secret_access_key=self.operator.secret_access_key,
                vercel_token=self.token,
            ),
        )
        threading.Thread(target=read_descriptions, daemon=True).start()
        os.write(ready_descriptor, b".")
        os.close(ready_descriptor)
        # The end of the process closes both ports and all connections, so that `stop` is quick.
        stopped.wait()


def _listen(app: WSGIApplication) -> BaseWSGIServer:
    server = make_server(LOOPBACK, 0, app, threaded=True, request_handler=KeepAliveHandler)
    # Open connections must not delay the end of the process.
    server.daemon_threads = True  # type: ignore[attr-defined]
    return server


if __name__ == "__main__":
    Sandbox().serve(SandboxPaths(root=Path(sys.argv[1])), int(sys.argv[2]))
