"""The control door of the stand-in for Vercel: faults to order, and a count of the calls that came.

Touches memory, and for a dropped connection the socket of the request it is asked to drop.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

import flask


class FaultKind(StrEnum):
    """What goes wrong."""

    STATUS = "status"
    """The request is answered with an error status and does nothing."""
    TIMEOUT = "timeout"
    """No answer for `seconds`, then the connection is closed."""
    DROP = "drop"
    """The connection is closed without an answer; with `applied`, after the request has done its work."""
    HOLD = "hold"
    """The request is held up for `seconds`, or until the faults are forgotten, and then does its work."""
    HALF = "half"
    """A batch loses its `nth` variable (from 1): it comes back in `failed`, the others are created."""
    BUILD = "build"
    """A deployment is made, and its build fails."""
    STUCK = "stuck"
    """A deployment is made, and its build never ends."""


@dataclass(kw_only=True)
class Fault:
    """One fault on order. `path` is any part of the request's path; `skip` requests pass before it."""

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
    released: threading.Event = field(default_factory=threading.Event, init=False)
    """Set when the faults are forgotten."""

    @property
    def continues(self) -> bool:
        """Whether the request does its work, or some of it, all the same."""
        return self.kind in (FaultKind.HALF, FaultKind.BUILD, FaultKind.STUCK) or (
            self.kind is FaultKind.DROP and self.applied
        )

    @classmethod
    def read(cls, body: Any) -> Fault:
        """A fault from the body of `POST /_sandbox/faults`. Raises ValueError for what cannot be one."""
        if not isinstance(body, dict):
            raise ValueError("a fault is an object")
        names = {field_.name for field_ in fields(cls) if field_.init} - {"retry_after"} | {"retryAfter"}
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
        )


class FaultInjector:
    """Faults on order and calls counted, behind one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._calls: Counter[str] = Counter()
        self._released = threading.Event()

    def add(self, fault: Fault) -> None:
        """One more fault."""
        with self._lock:
            fault.released = self._released
            self._faults.append(fault)

    def clear_faults(self) -> None:
        """No more faults; requests that are held up go on."""
        with self._lock:
            self._faults.clear()
            self._released.set()
            self._released = threading.Event()

    def clear_calls(self) -> None:
        """Count from nought."""
        with self._lock:
            self._calls.clear()

    def count(self, method: str, path: str) -> None:
        """One call came."""
        with self._lock:
            self._calls[f"{method} {path}"] += 1

    def counts(self) -> dict[str, Any]:
        """The calls since the last reset: by method and path, and how many of them write."""
        with self._lock:
            writes = sum(count for call, count in self._calls.items() if not call.startswith("GET "))
            total = sum(self._calls.values())
            return {"total": total, "reads": total - writes, "writes": writes, "calls": dict(self._calls)}

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that a request meets, used once; one that only holds it up is over when this returns."""
        fault = self._take(method, path)
        if fault is None or fault.kind is not FaultKind.HOLD:
            return fault
        fault.released.wait(fault.seconds)
        return None

    def _take(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.method in ("*", method) and fault.path in path:
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                    return fault
        return None


def fault_routes(injector: FaultInjector) -> flask.Blueprint:
    """The routes `/_sandbox/faults` and `/_sandbox/calls`."""
    routes = flask.Blueprint("sandbox", __name__, url_prefix="/_sandbox")

    @routes.post("/faults")
    def add() -> tuple[dict[str, Any], int]:
        try:
            injector.add(Fault.read(flask.request.get_json(force=True)))
        except (TypeError, ValueError) as error:
            return {"error": {"code": "bad_request", "message": str(error)}}, 400
        return {"ordered": True}, 201

    @routes.delete("/faults")
    def clear_faults() -> tuple[str, int]:
        injector.clear_faults()
        return "", 204

    @routes.get("/calls")
    def calls() -> dict[str, Any]:
        return injector.counts()

    @routes.delete("/calls")
    def clear_calls() -> tuple[str, int]:
        injector.clear_calls()
        return "", 204

    return routes


def fault_response(fault: Fault) -> flask.Response:
    """What a request that meets the fault gets. Not for `half`, which is the batch's own affair."""
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
    # Nobody hears this, but where the server keeps its sockets to itself it is the nearest thing.
    return flask.Response(status=502)
