"""The sandbox's one server process: the AWS emulator and the Vercel stand-in, each on a loopback port of its own.

It may bind loopback ports and write the state file and the deployment's identity token of its directory.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from wsgiref.types import WSGIApplication

import botocore.session
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from sandbox.oidc import deployment_token
from sandbox.state import LOOPBACK, SandboxPaths, State, save_state, write_private


def _share_service_descriptions() -> None:
    """Let all sessions of this process share what they have read; to be called before moto is loaded.

    moto makes sessions in dozens of places, and each would list 400 services and read the same megabytes of JSON: half
    of the server's start.
    """
    botocore.session.create_loader = cache(botocore.session.create_loader)


_share_service_descriptions()

from moto.moto_server.werkzeug_app import MotoRequestHandler  # noqa: E402

from sandbox.aws.app import AwsApp, seed_account  # noqa: E402

VERCEL_TEAM = "eonpro"
VERCEL_PROJECT = "eonpro"


def serve(paths: SandboxPaths, ready_descriptor: int) -> None:
    """Serve until SIGTERM; a byte on the descriptor `tell` says that both ports answer and the state is written."""
    stopped = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopped.set())
    nonce, token = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    aws_app = AwsApp(nonce=nonce)
    operator = seed_account()
    aws = _listen(aws_app, MotoRequestHandler)
    os.environ["MOTO_PORT"] = str(aws.server_port)
    vercel = _listen(_vercel(token), WSGIRequestHandler)
    for server in (aws, vercel):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    write_private(paths.web_identity_token, deployment_token(team=VERCEL_TEAM, project=VERCEL_PROJECT))
    save_state(
        paths,
        State(
            pid=os.getpid(),
            nonce=nonce,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            aws_port=aws.server_port,
            vercel_port=vercel.server_port,
            access_key_id=operator.access_key_id,
            secret_access_key=operator.secret_access_key,
            vercel_token=token,
        ),
    )
    os.write(ready_descriptor, b".")
    os.close(ready_descriptor)
    # The end of the process closes both ports and cuts what is still under way, so that `stop` is quick.
    stopped.wait()


def _listen(app: WSGIApplication, handler: type[WSGIRequestHandler]) -> BaseWSGIServer:
    server = make_server(LOOPBACK, 0, app, threaded=True, request_handler=handler)
    # A client that keeps its connection open must not hold up the end of the process.
    server.daemon_threads = True  # type: ignore[attr-defined]
    return server


def _vercel(token: str) -> WSGIApplication:
    from sandbox.vercel import create_app

    return create_app(token=token, team=VERCEL_TEAM, project=VERCEL_PROJECT)


if __name__ == "__main__":
    serve(SandboxPaths(root=Path(sys.argv[1])), int(sys.argv[2]))
