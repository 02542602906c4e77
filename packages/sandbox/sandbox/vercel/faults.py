"""Fault injection of the Vercel API, and the count of its calls.

Touches memory, and the socket of a request whose connection a fault drops.
"""

import socket
import threading
from collections import Counter
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

import flask

from sandbox.faults import Faults


class FaultKind(StrEnum):
    STATUS = "status"
    """The request is answered with an error status and does nothing."""
    TIMEOUT = "timeout"
    """No answer for `seconds`, then the connection is closed."""
    DROP = "drop"
    """The connection is closed without an answer; with `applied`, after the request was processed."""
    HOLD = "hold"
    """The request waits for `seconds`, or until the faults are cleared, and is then processed."""
    HALF = "half"
    """The `nth` variable of a batch (from 1), or the one called `name`, is refused, the others are written."""
    BUILD = "build"
    """A deployment is created, and its build fails."""
    STUCK = "stuck"
    """A deployment is created, and its build never ends."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault. `path` is any part of the request's path; `skip` requests succeed before it."""

    kind: FaultKind
    method: str
    path: str
    times: int
    skip: int
    status: int
    retry_after: int | None
    seconds: float
    nth: int
    applied: bool
    code: str
    name: str = ""
    """Name of the refused variable, in a batch or in an update of its own; empty: the `nth` of a batch."""

    @property
    def continues(self) -> bool:
        """Whether the request is processed, at least in part."""
        return self.kind in (FaultKind.HALF, FaultKind.BUILD, FaultKind.STUCK) or (
            self.kind is FaultKind.DROP and self.applied
        )

    @classmethod
    def read(cls, body: Any) -> "Fault":
        """A fault from the body of `POST /_sandbox/faults`. Raises ValueError for an invalid one."""
        if not isinstance(body, dict):
            raise ValueError("a fault is an object")
        names = {field_.name for field_ in fields(cls)} - {"retry_after"} | {"retryAfter"}
        if unknown := sorted(set(body) - names):
            raise ValueError(f"a fault has no {', '.join(unknown)}; it may have {', '.join(sorted(names))}")
        status = int(body.get("status", 500))
        default = {429: "rate_limited", 403: "forbidden", 404: "not_found"}.get(status, "internal_server_error")
        return cls(
            kind=FaultKind(body.get("kind", "status")),
            method=str(body.get("method", "*")).upper(),
            path=str(body.get("path", "")),
            times=int(body.get("times", 1)),
            skip=int(body.get("skip", 0)),
            status=status,
            retry_after=None if body.get("retryAfter") is None else int(body["retryAfter"]),
            seconds=float(body.get("seconds", 30)),
            nth=int(body.get("nth", 1)),
            applied=bool(body.get("applied", False)),
            code=str(body.get("code", default)),
            name=str(body.get("name", "")),
        )

    def refuses(self, key: str, position: int | None = None) -> bool:
        """Whether a `half` refuses this variable; `position` is its place in a batch."""
        return self.kind is FaultKind.HALF and (key == self.name if self.name else position == self.nth)


class Calls:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()

    def add(self, method: str, path: str) -> None:
        with self._lock:
            self._calls[f"{method} {path}"] += 1

    def counts(self) -> dict[str, Any]:
        """The calls since the last reset by method and path, and the numbers of reads and writes."""
        with self._lock:
            writes = sum(count for call, count in self._calls.items() if not call.startswith("GET "))
            total = sum(self._calls.values())
            return {"total": total, "reads": total - writes, "writes": writes, "calls": dict(self._calls)}


def take(faults: Faults[Fault], method: str, path: str) -> Fault | None:
    """The fault for a request, which counts as used; one that only delays is over when this returns."""
    fault = faults.take(lambda fault: fault.method in ("*", method) and fault.path in path)
    if fault is None or fault.kind is not FaultKind.HOLD:
        return fault
    faults.hold(fault.seconds)
    return None


def fault_routes(faults: Faults[Fault], calls: Calls) -> flask.Blueprint:
    routes = flask.Blueprint("sandbox", __name__, url_prefix="/_sandbox")

    @routes.post("/faults")
    def add() -> tuple[dict[str, Any], int]:
        try:
            faults.add(Fault.read(flask.request.get_json(force=True)))
        except (TypeError, ValueError) as error:
            return {"error": {"code": "bad_request", "message": str(error)}}, 400
        return {"ordered": True}, 201

    @routes.delete("/faults")
    def clear_faults() -> tuple[str, int]:
        faults.clear()
        return "", 204

    @routes.get("/calls")
    def counts() -> dict[str, Any]:
        return calls.counts()

    @routes.delete("/calls")
    def clear_calls() -> tuple[str, int]:
        calls.clear()
        return "", 204

    return routes


def fault_response(fault: Fault) -> flask.Response:
    """The response to a request with a fault. Not for `half`, which the batch handles."""
    if fault.kind is FaultKind.STATUS:
        response = flask.jsonify(error={"code": fault.code, "message": f"A fault on order: {fault.status}."})
        response.status_code = fault.status
        if fault.retry_after is not None:
            response.headers["Retry-After"] = str(fault.retry_after)
        return response
    if fault.kind is FaultKind.TIMEOUT:
        threading.Event().wait(fault.seconds)
    return drop_connection()


def drop_connection() -> flask.Response:
    """Close the connection of this request without an answer."""
    connection: socket.socket | None = flask.request.environ.get("werkzeug.socket")
    if connection is not None:
        connection.shutdown(socket.SHUT_RDWR)
    # Not received when the socket was closed; the closest thing where the server gives no access to it.
    return flask.Response(status=502)
