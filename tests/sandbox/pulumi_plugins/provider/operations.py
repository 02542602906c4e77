"""Every operation of an AWS provider on one resource of each type, with its answers and the calls that it makes.

`python -m tests.sandbox.pulumi_plugins.provider.operations PROGRAM` has the real provider do them, in a sandbox of its
own, and writes `recordings/operations.json`, which the stand-in is compared with. Touches the sandbox that it is given.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import struct_pb2
from google.protobuf.json_format import MessageToDict

from sandbox.pulumi_plugins.protocol import provider_pb2, provider_pb2_grpc
from sandbox.pulumi_plugins.provider.values import to_struct
from tests.sandbox.conftest import RunningSandbox, exported, sandbox
from tests.sandbox.pulumi_plugins.provider.resource_cases import ResourceCase
from tests.sandbox.pulumi_plugins.provider.test_resources import BY_TOKEN, existing, filled
from tests.sandbox.pulumi_plugins.provider_client import Context, ProviderFailure

RECORDED = Path(__file__).with_name("recordings") / "operations.json"
REPLICA = ResourceCase(
    token="aws:kms/replicaKey:ReplicaKey",
    inputs={"primaryKeyArn": "{primary}", "region": "us-west-2", "deletionWindowInDays": 7, "tags": {"a": "b"}},
    update={"tags": {"a": "c"}},
)
CASES = {**BY_TOKEN, REPLICA.token: REPLICA}
# What differs between two runs: identifiers, names of versions, times.
_CHANCE = (
    (re.compile(r"\b(mrk-)?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\b"), r"\1ID"),
    (re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
)
_CHOSEN_BY_CHANCE = ("uniqueId", "policyId")
_BRIDGE = ("__meta", "__pulumi_raw_state_delta")
_SECRET = "4dabf18193072939515e22adb298388d"

Call = Callable[[str, Any], Any]
"""An operation of a provider, by name, with its request; raises ProviderFailure or RpcError."""


def in_process(provider: Any) -> Call:
    """The operations of a provider that is served in this process."""
    return lambda name, request: getattr(provider, name)(request, Context())


def of_program(program: str) -> tuple[subprocess.Popen[bytes], Call]:
    """A plug-in's process, configured, and its operations."""
    process = subprocess.Popen([program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    stub: Any = provider_pb2_grpc.ResourceProviderStub(
        grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}")
    )
    settings = {"region": "us-east-1", "skipMetadataApiCheck": "true"}
    variables = {f"aws:config:{name}": value for name, value in settings.items()}
    stub.Configure(provider_pb2.ConfigureRequest(variables=variables, args=to_struct(settings)))
    return process, lambda name, request: getattr(stub, name)(request)


def plain(struct: struct_pb2.Struct) -> Any:
    """The properties of a message without what is left to chance, and without what the bridge writes for itself."""
    text = json.dumps({name: part for name, part in MessageToDict(struct).items() if name not in _BRIDGE})
    for pattern, name in _CHANCE:
        text = pattern.sub(name, text)
    return {name: "ID" if name in _CHOSEN_BY_CHANCE else _revealed(part) for name, part in json.loads(text).items()}


def _revealed(value: Any) -> Any:
    return value.get("value") if isinstance(value, dict) and _SECRET in value else value


def differences(recorded: Any, other: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where a value differs from the recorded one: path, recorded, other; None for what is not there."""
    if isinstance(recorded, dict) and isinstance(other, dict):
        for name in sorted({*recorded, *other}):
            yield from differences(recorded.get(name), other.get(name), f"{path}.{name}")
    elif isinstance(recorded, list) and isinstance(other, list) and len(recorded) == len(other):
        for before, after in zip(recorded, other, strict=True):
            yield from differences(before, after, f"{path}[]")
    elif recorded != other:
        yield path, recorded, other


def operations(token: str, surroundings: Mapping[str, str], call: Call, cloud: RunningSandbox) -> dict[str, Any]:
    """All operations on one resource, by name: each with its answer, and the calls that it made, each once."""
    case = CASES[token]
    urn = f"urn:pulumi:dev::project::{token}::it"
    inputs, same, update, replace, import_id = (
        filled(each, dict(surroundings)) for each in (case.inputs, case.same, case.update, case.replace, case.import_id)
    )
    inputs = {**inputs} if token.startswith("aws:iam/") else {"region": "us-east-1", **inputs}
    done: dict[str, Any] = {}

    def check(changes: Mapping[str, Any], old: Any = None) -> Any:
        wanted = to_struct({**inputs, **changes})
        return call("Check", provider_pb2.CheckRequest(urn=urn, news=wanted, olds=old, randomSeed=b"seed" * 8)).inputs

    def diff(resource_id: str, read: Any, wanted: Any) -> Any:
        request = provider_pb2.DiffRequest(
            id=resource_id, urn=urn, olds=read.properties, news=wanted, old_inputs=read.inputs
        )
        answer = call("Diff", request)
        return {"diffs": sorted(answer.diffs), "replaces": sorted(answer.replaces)}

    def record(name: str, **answer: Any) -> None:
        made = {f"{each['service']}:{each['operation']}" for each in cloud.ask("GET", "calls")[1]["calls"]}
        cloud.ask("DELETE", "calls")
        done[name] = {**answer, **({"calls": sorted(made)} if made else {})}

    cloud.ask("DELETE", "calls")
    checked = check({})
    record("check", inputs=plain(checked))
    create = provider_pb2.CreateRequest(urn=urn, properties=checked)
    planned = call("Create", provider_pb2.CreateRequest(urn=urn, properties=checked, preview=True))
    record("plan", outputs=plain(planned.properties))
    created = call("Create", create)
    record("create", outputs=plain(created.properties))
    state = {"id": created.id, "urn": urn}
    read = call("Read", provider_pb2.ReadRequest(**state, properties=created.properties, inputs=checked))
    record("refresh", outputs=plain(read.properties), inputs=plain(read.inputs))
    record("diff", **diff(created.id, read, check(same, read.inputs)))
    try:
        imported = call("Read", provider_pb2.ReadRequest(urn=urn, id=import_id or created.id))
        record("import", outputs=plain(imported.properties), inputs=plain(imported.inputs))
        record("diff of an import", **diff(created.id, imported, checked))
    except (grpc.RpcError, ProviderFailure):
        record("import", fails=True)
    if replace:
        record("diff of a replacement", **diff(created.id, read, check(replace, read.inputs)))
    if update:
        wanted = check(update, read.inputs)
        record("diff of an update", **diff(created.id, read, wanted))
        change = {**state, "olds": read.properties, "news": wanted, "old_inputs": read.inputs}
        updated = call("Update", provider_pb2.UpdateRequest(**change, preview=True))
        record("plan of an update", outputs=plain(updated.properties))
        updated = call("Update", provider_pb2.UpdateRequest(**change))
        record("update", outputs=plain(updated.properties))
        read = call("Read", provider_pb2.ReadRequest(**state, properties=updated.properties, inputs=wanted))
        cloud.ask("DELETE", "calls")
    call("Delete", provider_pb2.DeleteRequest(**state, properties=read.properties, old_inputs=checked))
    record("delete")
    return done


def main() -> None:
    """Record the operations of a program."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder, "sandbox")
        sandbox(directory, "start").check_returncode()
        try:
            cloud = RunningSandbox(variables=exported(sandbox(directory, "env").stdout))
            os.environ.update({name: value for name, value in cloud.variables.items() if name.startswith("AWS_")})
            process, call = of_program(sys.argv[1])
            surroundings = existing(cloud.client)
            recorded = {}
            for token in sorted(CASES):
                print(token, file=sys.stderr)
                recorded[token] = operations(token, surroundings, call, cloud)
            process.terminate()
        finally:
            sandbox(directory, "stop")
    rows = (f" {json.dumps(token)}: {{\n  " + ",\n  ".join(_rows(done)) + "\n }" for token, done in recorded.items())
    RECORDED.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


def _rows(done: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{json.dumps(name)}: {json.dumps(answer, sort_keys=True)}" for name, answer in done.items())


if __name__ == "__main__":
    main()
