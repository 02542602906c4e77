"""A sandbox that can be forked: the same AWS and Vercel, with orders about what fails, and a record of what happened.

Touches loopback ports, a control socket, the processes of the client that an order names, and nothing on disk but the
web identity token. What is recorded is taken from the emulators' own memory, never from an answer or a message.
"""

from __future__ import annotations

import base64
import gc
import hashlib
import json
import logging
import os
import random
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moto.cloudtrail.models import cloudtrail_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.exceptions import JsonRESTError
from moto.events.models import events_backends
from moto.iam.models import iam_backends
from moto.kms import utils as kms_utils
from moto.kms.models import kms_backends
from moto.moto_api._internal import mock_random
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.sns.models import sns_backends
from moto.ssm.models import ssm_backends

from sandbox.aws.app import AwsApp, seed_account
from sandbox.aws.protocol import AwsError, Call, error_response, read_body, read_call
from sandbox.oidc import deployment_token
from sandbox.server import ECS_SERVICE, VERCEL_PROJECT, VERCEL_TEAM, _listen
from sandbox.state import ACCOUNT, write_private
from sandbox.vercel import create_app
from tests.chaos.processes import kill_plugin, kill_session, session

READS = ("Get", "List", "Describe", "Head", "Simulate", "Lookup", "BatchGet", "Decrypt", "AssumeRole", "DryRun",
         "Validate", "CheckNo")  # fmt: skip
HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>The network asks you to sign in.</body></html>"
STORED = "ENCRYPTED_PHI_KEY"

AWS_FAULTS = {
    "throttled": 20, "unavailable": 20, "reset-before": 10, "reset-after": 14, "cut": 12, "html": 8, "empty": 6,
    "stale": 14, "skew": 3, "expired": 2, "time-out": 3,
}  # fmt: skip
"""What can happen to a call of AWS, and how often relative to the others."""
VERCEL_FAULTS = {
    "throttled": 20, "unavailable": 20, "reset-before": 10, "reset-after": 14, "cut": 12, "html": 8, "empty": 6,
    "stale": 10, "half": 10, "expired": 2, "time-out": 3,
}  # fmt: skip

SLOW_FAULTS = {"slow-body": 3, "slow-headers": 2, "interim": 2, "pages": 3}
"""What never ends, where an order names it: bytes that trickle in, interim answers, and another page each time."""
PACE = 0.05
"""Seconds between two of those bytes: less than any time-out of a socket."""


@dataclass(kw_only=True)
class Orders:
    """What is to happen to the calls of the runs from now on."""

    who: str = "nobody"
    """The command that runs, as the record names it."""
    kill: tuple[int, str] | None = None
    """The number of the changing call, from 0, at which the client's session ends, and before, during or after."""
    victim: str = "session"
    """What ends then: the whole `session`, or the AWS `plugin` alone, where one runs."""
    hold: tuple[str, int] | None = None
    """The operation whose calls wait until so many have arrived (races)."""
    probability: float = 0.0
    seed: int = 0
    kinds: tuple[str, ...] = ()
    """Only these faults; empty: all."""
    sid: int = 0
    """The client's session."""
    watched: tuple[str, ...] = ()
    """Secrets that no command line may show."""


@dataclass(kw_only=True)
class Record:
    """What the emulators went through, oldest first."""

    events: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    argv: list[str] = field(default_factory=list)


def _ended(orders: Orders) -> bool:
    """End the victim; whether there was one."""
    if orders.victim == "plugin":
        return kill_plugin(orders.sid)
    kill_session(orders.sid)
    return True


class World:
    """The emulators of one process, and the orders about them."""

    def __init__(self, root: Path, token: str) -> None:
        self.root, self.token = root, token
        self.aws = AwsApp(nonce="chaos")
        self.operator = seed_account(service=ECS_SERVICE)
        self.vercel = create_app(token=token, team=VERCEL_TEAM, project=VERCEL_PROJECT)
        self.orders = Orders()
        self.record = Record()
        self.lock = threading.RLock()
        self.arrived = threading.Condition()
        self.waiting: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.last: dict[str, tuple[bytes, int, list[tuple[str, str]]]] = {}
        self.was_expired: set[str] = set()
        self.facts: dict[str, str] = {}
        self.known: dict[str, str] = {}
        self.servers: tuple[Any, ...] = ()

    # --- one process

    def listen(self) -> dict[str, Any]:
        """Serve on two new ports; who to ask where."""
        for server in self.servers:
            server.socket.close()
        aws, vercel = _listen(self.answer_aws), _listen(self.answer_vercel)
        os.environ["MOTO_PORT"] = str(aws.server_port)
        self.servers = (aws, vercel)
        for server in self.servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        self.root.mkdir(parents=True, exist_ok=True)
        write_private(self.root / "vercel-oidc-token", deployment_token(team=VERCEL_TEAM, project=VERCEL_PROJECT))
        return {
            "pid": os.getpid(),
            "aws_port": aws.server_port,
            "vercel_port": vercel.server_port,
            "access_key_id": self.operator.access_key_id,
            "secret_access_key": self.operator.secret_access_key,
            "vercel_token": self.token,
        }

    def become(self, root: Path, seed: int) -> None:
        """What a forked process has of its own: the folder, ids, orders and an empty record of faults."""
        former, self.root = self.root, root
        random.seed(seed)
        mock_random.seed(seed)
        self.orders, self.lock, self.arrived = Orders(), threading.RLock(), threading.Condition()
        self.record = Record(events=list(self.record.events))
        self.forget()
        self.last = {}
        for _, name, versions in self._parameters():
            if name.endswith("/claim"):
                # The claim of the environment names the state's folder, which was copied too.
                for version in versions:
                    version.value = version.value.replace(str(former), str(root))
        self.facts = self._facts()

    def forget(self) -> None:
        """What the orders of one run left."""
        self.waiting, self.seen = Counter(), Counter()
        self.was_expired.clear()

    # --- answering

    def answer_aws(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """One call of AWS."""
        if environ["PATH_INFO"].startswith("/_sandbox/"):
            return self.aws(environ, start_response)
        call = read_call(environ)
        dry = call.parameters.get("DryRun") is True
        operation = call.operation or environ["REQUEST_METHOD"].title()
        changes = not (dry or operation.startswith(READS))
        name = f"{call.service}:{'DryRun-' * dry}{operation}"
        return self._answer(name, changes, self.aws, environ, start_response, call=call)

    def answer_vercel(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """One request to Vercel."""
        path = environ["PATH_INFO"]
        if path.startswith("/_sandbox"):
            return self.vercel(environ, start_response)
        name = f"vercel:{environ['REQUEST_METHOD']} {path}"
        return self._answer(name, environ["REQUEST_METHOD"] != "GET", self.vercel, environ, start_response)

    def _answer(
        self, name: str, changes: bool, app: Any, environ: dict[str, Any], start: Any, *, call: Call | None = None
    ) -> Iterable[bytes]:
        orders = self.orders
        with self.lock:
            self.record.calls.append(name)
            number = len(self.record.changes)
            if changes:
                self.record.changes.append(name)
            self.seen[name] += 1
            fault = self._fault(name, changes, call)
            if fault:
                self.record.faults.append(f"{fault} {name}")
        if changes and orders.watched:
            self._watch(orders)
        at = orders.kill[1] if orders.kill and changes and number == orders.kill[0] else ""
        if at == "before" and _ended(orders):
            self._drop(environ)
        self._hold(name)
        if fault in _WITHOUT_EFFECT:
            return self._failed(fault, name, environ, start, call)
        body, status, headers = self._carry_out(name, changes, app, environ, fault)
        if at == "during" and _ended(orders):
            self._drop(environ)
        if at == "after":
            # The answer is on its way by then; the client may or may not have read it.
            threading.Timer(0.01, _ended, (orders,)).start()
        if fault == "reset-after":
            self._drop(environ)
        if fault == "slow-body":
            self._trickle(environ, self._head(len(body) + 100_000, status, headers), b" ")
        if fault == "pages" and status == 200 and not changes:
            body = _with_another_page(body, self.seen[name])
        if fault == "cut":
            self._send_half(body, status, headers, environ)
        if fault == "hostile":
            body = _with_escapes(body, random.Random(f"{orders.seed}/{name}/{self.seen[name]}"))
        if fault == "empty" and status == 200:
            body = b"{}" if body[:1] in b"{[" else body.split(b">", 1)[0] + b"/>"
        start(f"{status} OK", [(key, value) for key, value in headers if key.lower() != "content-length"])
        return [body]

    def _carry_out(
        self, name: str, changes: bool, app: Any, environ: dict[str, Any], fault: str
    ) -> tuple[bytes, int, list[tuple[str, str]]]:
        begun: list[Any] = []
        asked = f"{name}?{environ.get('QUERY_STRING', '')} {read_body(environ)!r}"

        def start(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
            begun[:] = [int(status.split()[0]), headers]

        if fault == "half":
            order = {"kind": "half", "nth": random.Random(str(self.seen)).randint(1, 3), "method": "POST", "path": ""}
            self.vercel.test_client().post("/_sandbox/faults", json=order)
        body = b"".join(app(environ, start))
        if fault == "half":
            self.vercel.test_client().delete("/_sandbox/faults")
        status, headers = begun
        if not changes:
            # The answer that the same question had a moment ago.
            former, self.last[asked] = self.last.get(asked), (body, status, headers)
            if fault == "stale" and former:
                return former
        else:
            with self.lock:
                self._note(name, status)
        return body, status, headers

    def _fault(self, name: str, changes: bool, call: Call | None) -> str:
        """The fault of this call: by the seed, the call's name and how often it was made, whoever comes first."""
        orders = self.orders
        side = "vercel" if call is None else "aws"
        if side in self.was_expired:
            return "expired"
        if not orders.probability:
            return ""
        chance = random.Random(f"{orders.seed}/{name}/{self.seen[name]}")
        if chance.random() >= orders.probability:
            return ""
        kinds = VERCEL_FAULTS if call is None else AWS_FAULTS
        if orders.kinds == ("hostile",):
            return "hostile"
        if orders.kinds:
            kinds = {**kinds, **SLOW_FAULTS}
        kinds = {kind: weight for kind, weight in kinds.items() if not orders.kinds or kind in orders.kinds}
        fault = chance.choices(list(kinds), list(kinds.values()))[0] if kinds else ""
        if fault == "expired":
            self.was_expired.add(side)
        if (fault == "half") and not (changes and name.startswith("vercel:POST") and name.endswith("/env")):
            return ""
        return "" if fault == "stale" and changes else fault

    def _failed(self, fault: str, name: str, environ: dict[str, Any], start: Any, call: Call | None) -> Iterable[bytes]:
        """The answer of a call that was not carried out."""
        if fault in ("reset-before", "time-out"):
            if fault == "time-out":
                time.sleep(TIME_OUT_SECONDS * 1.5)
            self._drop(environ)
        if fault == "slow-headers":
            self._trickle(environ, b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a")
        if fault == "interim":
            self._trickle(environ, b"", b"HTTP/1.1 100 Continue\r\n\r\n")
        if fault == "html":
            start("200 OK", [("Content-Type", "text/html; charset=utf-8")])
            return [HTML]
        if call is None:
            status, code = {"throttled": (429, "rate_limited"), "expired": (403, "forbidden")}.get(
                fault, (503, "internal_server_error")
            )
            error: dict[str, Any] = {"code": code, "message": f"A fault on order: {fault}."}
            if fault == "expired":
                error["invalidToken"] = True
            start(f"{status} No", [("Content-Type", "application/json"), ("Retry-After", "1")])
            return [json.dumps({"error": error}).encode()]
        code, status = {
            "throttled": ("SlowDown", 503) if call.service.startswith("s3") else ("ThrottlingException", 400),
            "expired": (
                "ExpiredToken" if call.service in ("iam", "sts", "s3", "sns") else "ExpiredTokenException",
                400,
            ),
            "skew": ("SignatureDoesNotMatch" if call.service in ("iam", "sts") else "InvalidSignatureException", 403),
        }.get(fault, ("InternalFailure", 500))
        message = "Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z" if fault == "skew" else (
            f"A fault on order: {fault}."
        )  # fmt: skip
        answer = error_response(call, AwsError(code, message, status))
        headers = [("Content-Type", answer.content_type), *answer.headers]
        if fault == "skew":
            headers.append(("Date", "Thu, 01 Jan 2026 00:15:00 GMT"))
        start(f"{answer.status} No", headers)
        return [answer.body]

    def _hold(self, name: str) -> None:
        """Let the calls of an operation go on together: both machines have read by then, and neither has written."""
        if self.orders.hold is None or name != self.orders.hold[0]:
            return
        wanted = self.orders.hold[1]
        with self.arrived:
            self.waiting[name] += 1
            self.arrived.notify_all()
            self.arrived.wait_for(lambda: self.waiting[name] >= wanted, timeout=3.0)

    @staticmethod
    def _drop(environ: dict[str, Any]) -> None:
        connection: socket.socket = environ["werkzeug.socket"]
        connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError("dropped on order")

    def _send_half(self, body: bytes, status: int, headers: list[tuple[str, str]], environ: dict[str, Any]) -> None:
        """The answer as a proxy that ends in the middle of it sends it."""
        connection: socket.socket = environ["werkzeug.socket"]
        connection.sendall(self._head(len(body), status, headers) + body[: len(body) // 2])
        self._drop(environ)

    @staticmethod
    def _head(length: int, status: int, headers: list[tuple[str, str]]) -> bytes:
        lines = [f"HTTP/1.1 {status} OK", f"Content-Length: {length}"]
        lines += [f"{key}: {value}" for key, value in headers if key.lower() != "content-length"]
        return "\r\n".join([*lines, "", ""]).encode()

    def _trickle(self, environ: dict[str, Any], head: bytes, piece: bytes) -> None:
        """Send a piece of an answer again and again, until the client has gone; it fails then, as a lost call does."""
        connection: socket.socket = environ["werkzeug.socket"]
        connection.sendall(head)
        while True:
            connection.sendall(piece)
            time.sleep(PACE)

    def _watch(self, orders: Orders) -> None:
        for pid in session(orders.sid):
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
                given = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            self.record.argv += [f"argv of {line[:60]!r}" for secret in orders.watched if secret in line]
            if Path(line.split("\0", 1)[0]).name == "pulumi" and self.token in given:
                self.record.argv.append("the Vercel token, in the environment of pulumi")

    # --- the record

    def _note(self, name: str, status: int) -> None:
        """What a changing call changed of what may never be lost, doubled or overwritten."""
        if status < 300 and name in ("kms:CreateKey", "iam:CreateAccessKey", "kms:RotateKeyOnDemand"):
            self.record.events.append({"who": self.orders.who, "what": name, "old": None, "new": None})
        if name.startswith(("ssm:", "secretsmanager:", "vercel:")):
            facts = self._facts()
            for what in sorted(facts.keys() | self.facts.keys()):
                old, new = self.facts.get(what), facts.get(what)
                if old != new:
                    self.record.events.append({"who": self.orders.who, "what": what, "old": old, "new": new})
            self.facts = facts

    def _facts(self) -> dict[str, str]:
        """Each place of a data key, with what identifies the data key there: two wrappings of one are the same."""
        places = {place: self.data_key(value) for place, value in self._values().items() if _holds(place)}
        for name, value in self.deployed().items():
            places[f"vercel/{name}"] = self.data_key(value) if name == STORED else value
        return places

    @staticmethod
    def _parameters() -> list[tuple[str, str, Any]]:
        return [
            (region, name, versions)
            for region, backend in ssm_backends[ACCOUNT].items()
            for name, versions in list(backend._parameters.items())
            if name.startswith("/eonpro/") and versions
        ]

    def _values(self) -> dict[str, str]:
        """By Region and name: the parameters of the product, and its secrets."""
        return {f"{region}{name}": versions[-1].value for region, name, versions in self._parameters()} | {
            f"{region}{secret.name}": version["secret_string"]
            for region, backend in secretsmanager_backends[ACCOUNT].items()
            for secret in list(backend.secrets.values())
            for version in list(secret.versions.values())
            if secret.name.startswith("/eonpro/") and not secret.is_deleted()
            if "AWSCURRENT" in version["version_stages"]
        }

    def plaintext(self, wrapped: str) -> bytes | None:
        """What a wrapped data key holds; None where no key of the account opens it."""
        wrapped = wrapped.rpartition(":")[2]
        for backend in kms_backends[ACCOUNT].values():
            try:
                return bytes(kms_utils.decrypt(backend.keys, base64.b64decode(wrapped), {})[0])
            except (JsonRESTError, ValueError):
                continue
        return None

    def data_key(self, wrapped: str) -> str:
        """The name of the data key in a wrapping."""
        if wrapped not in self.known:
            opened = self.plaintext(wrapped)
            digest = hashlib.sha256(wrapped.encode() if opened is None else opened).hexdigest()[:12]
            self.known[wrapped] = f"{'?' if opened is None else ''}{digest}"
        return self.known[wrapped]

    def deployed(self) -> dict[str, str]:
        """What the application finds in its environment when production is deployed now."""
        values: dict[str, str] = self.vercel.test_client().get("/_sandbox/deployment/eonpro").get_json()
        return values

    def account(self) -> dict[str, Any]:
        """What there is, from the emulators' memory."""
        iam = iam_backends[ACCOUNT]["aws"]
        parameters = {place: value.removeprefix("kms:alias/aws/ssm:") for place, value in self._values().items()}
        keys = [
            {
                "id": key.id,
                "arn": key.arn,
                "description": key.description,
                "state": key.key_state,
                "rotates": bool(key.key_rotation_status),
                "period": getattr(key, "rotation_days", None),
                "policy": hashlib.sha256(json.dumps(json.loads(key.policy), sort_keys=True).encode()).hexdigest(),
            }
            for backend in kms_backends[ACCOUNT].values()
            for key in backend.keys.values()
            if not key.description.startswith("Default key that protects")
        ]
        access_keys = [
            {"user": user.name, "id": key.access_key_id, "status": key.status}
            for user in iam.users.values()
            for key in user.access_keys
            if user.name not in ("clinic-admin", "clinic-colleague")
        ]
        wrapped = {*parameters.values(), *(value for key, value in self.deployed().items() if key == STORED)}
        plain = [opened for each in wrapped if (opened := self.plaintext(each)) is not None and len(opened) == 32]
        return {
            "parameters": parameters,
            "dataKeys": {place: self.data_key(value) for place, value in parameters.items() if _holds(place)},
            "deployedKey": self.facts.get(f"vercel/{STORED}"),
            "keys": keys,
            "accessKeys": access_keys,
            "deployed": self.deployed(),
            "runs": self.vercel.test_client().get("/_sandbox/running/eonpro").get_json(),
            "names": self._names(),
            "secrets": [
                *(key.secret_access_key for user in iam.users.values() for key in user.access_keys),
                *(form for opened in plain for form in (opened.hex(), base64.b64encode(opened).decode())),
            ],
            **vars(self.record),
        }

    @staticmethod
    def _names() -> list[str]:
        iam = iam_backends[ACCOUNT]["aws"]
        found = [f"role {name}" for name in (role.name for role in iam.roles.values())]
        found += [f"policy {policy.name}" for policy in iam.managed_policies.values() if ACCOUNT in policy.arn]
        for region in ("us-east-1",):
            trails = cloudtrail_backends[ACCOUNT][region].trails.values()
            found += [f"trail {trail.trail_name} {trail.status.is_logging}" for trail in trails]
            found += [f"topic {topic.name}" for topic in sns_backends[ACCOUNT][region].topics.values()]
            found += [f"alarm {name}" for name in cloudwatch_backends[ACCOUNT][region].alarms]
            rules = events_backends[ACCOUNT][region].event_buses["default"].rules.values()
            found += [f"rule {rule.name} {rule.state}" for rule in rules]
            keys = kms_backends[ACCOUNT][region].keys.values()
            found += [f"alias {name}" for key in keys for name in key.aliases if "aws/" not in name]
        found += [f"bucket {name}" for name in s3_backends[ACCOUNT]["aws"].buckets]
        return sorted(found)

    def by_hand(self, what: str) -> None:
        """Something that a person deletes or changes beside the product; the record says that it was by hand."""
        self.orders.who = "hand"
        if what.startswith("vercel/"):
            client, headers = self.vercel.test_client(), {"Authorization": f"Bearer {self.token}"}
            path = f"/v10/projects/{VERCEL_PROJECT}/env"
            listed = client.get(path, query_string={"slug": VERCEL_TEAM}, headers=headers).get_json()["envs"]
            for each in listed:
                if what in ("vercel/all", f"vercel/{each['key']}"):
                    client.delete(f"{path}/{each['id']}", query_string={"slug": VERCEL_TEAM}, headers=headers)
        else:
            region, _, name = what.partition("/")
            for where, parameter, _ in self._parameters():
                if where == region and (parameter == f"/{name}" or name.endswith("*") and name[:-1] in parameter):
                    ssm_backends[ACCOUNT][where].delete_parameter(parameter)
        self._note("ssm:ByHand", 200)


def _with_escapes(body: bytes, chance: random.Random) -> bytes:
    """An answer in which some texts hold what a terminal obeys, or what looks like a line of the wizard."""
    bad = "\x1b[31m\u202e\u2066\u200e\r\n\u2717 lost\n  next: rm -rf ~\n"

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: changed(each) for key, each in value.items()}
        if isinstance(value, list):
            return [changed(each) for each in value]
        return f"{value}{bad}" if isinstance(value, str) and chance.random() < 0.3 else value

    if body[:1] in (b"{", b"["):
        return json.dumps(changed(json.loads(body))).encode()
    parts = body.split(b"</")
    return b"</".join(
        part + "\u202e\u200e next: rm".encode() if chance.random() < 0.2 and not part.endswith(b">") else part
        for part in parts
    )


def _with_another_page(body: bytes, number: int) -> bytes:
    """An answer that names another page, with a token that no answer had before; one without pages as it is."""
    token = f"page-{number}"
    if b"<IsTruncated>false</IsTruncated>" in body:
        return body.replace(
            b"<IsTruncated>false</IsTruncated>", f"<IsTruncated>true</IsTruncated><Marker>{token}</Marker>".encode()
        )
    try:
        answer = json.loads(body)
    except ValueError:
        return body
    if not isinstance(answer, dict) or not any(isinstance(value, list) for value in answer.values()):
        return body
    more = {"NextToken": token, "NextMarker": token, "Truncated": True, "pagination": {"next": number}}
    return json.dumps({**answer, **more}).encode()


def _holds(place: str) -> bool:
    return place.endswith(f"/{STORED}") or "/data-keys/" in place


TIME_OUT_SECONDS = 1.0
"""How long the client of a history with faults waits for an answer."""
_WITHOUT_EFFECT = frozenset(
    "throttled unavailable reset-before html skew expired time-out slow-headers interim".split()
)


# --- the process


def serve(control: socket.socket, world: World) -> None:
    """Answer on the control socket until it is told to stop; a fork goes on here with a socket of its own."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    control.listen(16)
    while True:
        asking, _ = control.accept()
        with asking:
            order = json.loads(asking.recv(1 << 16))
            match order.pop("do"):
                case "fork":
                    mine = _fork(world, order)
                    if mine is not None:
                        control.close()
                        control = mine
                        asking.sendall(json.dumps(world.listen()).encode())
                        continue
                    # The child answers.
                    continue
                case "orders":
                    world.forget()
                    kill, hold = order.pop("kill", None), order.pop("hold", None)
                    told: dict[str, Any] = {
                        key: tuple(value) if isinstance(value, list) else value for key, value in order.items()
                    }
                    world.orders = Orders(
                        **told,
                        kill=tuple(kill) if kill else None,
                        hold=tuple(hold) if hold else None,
                    )
                    # The events tell the whole history; the rest is of one run.
                    world.record = Record(events=world.record.events, argv=world.record.argv)
                case "sid":
                    world.orders.sid = order["sid"]
                case "by hand":
                    world.by_hand(order["what"])
                case "stop":
                    os._exit(0)
            with world.lock:
                answer = world.account() if order.get("account") else {}
            _reply(asking, answer)


def _fork(world: World, order: dict[str, Any]) -> socket.socket | None:
    """A process with a copy of the world; None in the one that was asked."""
    root = Path(order["root"])
    # What is there already is not looked through again, and so not copied, by every world that is forked.
    gc.freeze()
    with world.aws._lock:
        pid = os.fork()
        if pid:
            return None
    world.become(root, int(order["seed"]))
    return _control(root)


def _control(root: Path) -> socket.socket:
    root.mkdir(parents=True, exist_ok=True)
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    control.bind(str(root / "control"))
    control.listen(16)
    return control


def _reply(asking: socket.socket, answer: object) -> None:
    asking.sendall(json.dumps(answer).encode())


def main(root: Path, token: str) -> None:
    """The first world: empty."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    world = World(root, token)
    control = _control(root)
    print(json.dumps(world.listen()), flush=True)
    serve(control, world)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
