"""A stand-in for GitHub's API in this process: the comments of one pull request, in pages, with GitHub's limit."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import job_page


@dataclass(kw_only=True)
class GitHub:
    """The comments of one pull request."""

    repository: str = "clinic/kms"
    number: int = 7
    token: str = "a-token"
    comments: list[dict[str, Any]] = field(default_factory=list)
    refuses: int = 0
    """The status with which it refuses to write; 0: it does not."""
    address: str = ""

    def add(self, login: str, body: str) -> None:
        self.comments.append({"id": len(self.comments) + 1, "user": {"login": login}, "body": body, "html_url": "u"})


@contextmanager
def github_api() -> Iterator[GitHub]:
    """The stand-in, while inside."""
    state = GitHub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *given: object) -> None:
            """Nothing."""

        def _answer(self, document: object, code: int = 200) -> None:
            data = json.dumps(document).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _body(self) -> str | None:
            assert self.headers["Authorization"] == f"Bearer {state.token}"
            text: str = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
            if state.refuses:
                self._answer({}, state.refuses)
            elif len(text) > 65_536:
                self._answer({"message": "Body is too long"}, 422)
            else:
                return text
            return None

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            assert parts.path == f"/repos/{state.repository}/issues/{state.number}/comments"
            query = parse_qs(parts.query)
            size, index = int(query["per_page"][0]), int(query["page"][0])
            self._answer(state.comments[(index - 1) * size : index * size])

        def do_POST(self) -> None:
            if (text := self._body()) is not None:
                state.add(job_page.AUTHOR, text)
                self._answer(state.comments[-1], 201)

        def do_PATCH(self) -> None:
            if (text := self._body()) is not None:
                comment = state.comments[int(self.path.rpartition("/")[2]) - 1]
                comment["body"] = text
                self._answer(comment)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.address = "http://{}:{}".format(*server.server_address)
    yield state
    server.shutdown()
    server.server_close()
    thread.join()
