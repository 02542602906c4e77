"""Runs the Pulumi program against a monitor that answers as the engine does, and records all it is asked."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import runpy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks, resource, rpc, set_all_config, stack
from pulumi.runtime.proto import source_pb2
from pulumi.runtime.settings import set_root_resource

from components.settings import partition_of
from tests.components.configurations import ACCOUNT, CONFIG, CONFIGURATIONS, REGION, as_text

PROGRAM = Path(__file__).parents[2] / "__main__.py"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
TRAIL_KEY_ID = "5678efab-12ab-34cd-56ef-1234567890ab"
DOCUMENTS_KEY_ID = "9012cdef-12ab-34cd-56ef-1234567890ab"

# The lines of the program that made each resource are for the engine's own messages: a third of the time of a run.
vars(resource)["_get_stack_trace"] = source_pb2.StackTrace


@dataclass(frozen=True, kw_only=True)
class Registration:
    """One resource as the engine was asked for it."""

    type: str
    name: str
    urn: str
    parent: str
    inputs: dict[str, Any]
    protected: bool
    retained: bool
    is_custom: bool
    """Whether a provider makes it; else it is a component."""
    imported: str | None
    """Id of what is taken in instead of being made."""
    ignored: frozenset[str]
    """Properties that no update changes."""
    depends_on: frozenset[str]
    """Types of the resources it waits for."""
    refers_to: dict[str, tuple[str, ...]]
    """For each input, the URNs of the resources that it comes from."""
    outputs: dict[str, Any]
    """The inputs, and what the cloud adds to them."""
    aliases: tuple[str, ...]
    """Names that the resource had before, with their types where they differ: `type::name`."""

    @property
    def policy(self) -> dict[str, Any]:
        """The policy document that it carries."""
        return dict(json.loads(self.inputs["policy"]))


@dataclass(kw_only=True)
class Recording:
    """What a run of the program asked of the engine, in any order; `log` is what it said to the person."""

    resources: list[Registration] = field(default_factory=list)
    component_outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    @property
    def stack_outputs(self) -> dict[str, Any]:
        return self.component_outputs["pulumi:pulumi:Stack"]

    @property
    def types(self) -> list[str]:
        return sorted(resource.type for resource in self.resources)

    def all(self, type_: str) -> list[Registration]:
        return [resource for resource in self.resources if resource.type == type_]

    def one(self, type_: str) -> Registration:
        (resource,) = self.all(type_)
        return resource

    def called(self, type_: str, name: str) -> Registration:
        """The one of a type by its name in the stack, which is a part of its URN."""
        (resource,) = (one for one in self.all(type_) if one.name == name)
        return resource

    def named(self, physical_name: str) -> Registration:
        (resource,) = (one for one in self.resources if one.inputs.get("name") == physical_name)
        return resource


class _Cloud(mocks.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        name = args.inputs.get("name", args.name)
        region = args.inputs.get("region") or pulumi.runtime.get_config("aws:region") or REGION
        aws = f"arn:{partition_of(region)}"
        others = {"audit-trail-key": TRAIL_KEY_ID, "documents-key": DOCUMENTS_KEY_ID}
        key_id = others.get(args.name, KEY_ID)
        regional = f"{region}:{ACCOUNT}"
        arn = {
            "aws:kms/key:Key": f"{aws}:kms:{regional}:key/{key_id}",
            "aws:kms/replicaKey:ReplicaKey": f"{aws}:kms:{regional}:key/{key_id}",
            "aws:iam/role:Role": f"{aws}:iam::{ACCOUNT}:role/{name}",
            "aws:iam/user:User": f"{aws}:iam::{ACCOUNT}:user/{name}",
            "aws:iam/policy:Policy": f"{aws}:iam::{ACCOUNT}:policy/{name}",
            "aws:cloudtrail/trail:Trail": f"{aws}:cloudtrail:{regional}:trail/{name}",
            "aws:cloudwatch/logGroup:LogGroup": f"{aws}:logs:{regional}:log-group:{name}",
            "aws:sns/topic:Topic": f"{aws}:sns:{regional}:{name}",
        }.get(args.typ)
        state = {**args.inputs, **({"arn": arn} if arn else {})}
        if args.typ in ("aws:kms/key:Key", "aws:kms/replicaKey:ReplicaKey"):
            state["keyId"] = key_id
        return args.inputs.get("bucket", args.name) if args.typ.startswith("aws:s3") else args.name, state

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        raise AssertionError(f"the program looks nothing up, yet called {args.token}")


class _Monitor(mocks.MockMonitor):
    def __init__(self, recording: Recording) -> None:
        super().__init__(_Cloud())
        self._recording = recording
        self._types: dict[str, str] = {}

    def RegisterResource(self, request: Any) -> Any:
        answer: Any = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.type != "pulumi:pulumi:Stack":
            self._types[answer.urn] = request.type
            self._recording.resources.append(
                Registration(
                    type=request.type,
                    name=request.name,
                    urn=answer.urn,
                    parent=self._types.get(request.parent, "pulumi:pulumi:Stack"),
                    inputs=rpc.deserialize_properties(request.object),
                    protected=request.protect,
                    retained=request.retainOnDelete,
                    is_custom=request.custom,
                    imported=request.importId or None,
                    ignored=frozenset(request.ignoreChanges),
                    depends_on=frozenset(self._types.get(urn, urn) for urn in request.dependencies),
                    refers_to={name: tuple(each.urns) for name, each in request.propertyDependencies.items()},
                    outputs=rpc.deserialize_properties(answer.object),
                    aliases=tuple(
                        each.urn or f"{each.spec.type or request.type}::{each.spec.name or request.name}"
                        for each in request.aliases
                    ),
                )
            )
        return answer

    def RegisterResourceOutputs(self, request: Any) -> Any:
        type_ = self._types.get(request.urn, "pulumi:pulumi:Stack")
        self._recording.component_outputs[type_] = rpc.deserialize_properties(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


def _program() -> None:
    with warnings.catch_warnings():
        # The generated S3 module deprecates its own older classes on import.
        warnings.simplefilter("ignore", DeprecationWarning)
        runpy.run_path(str(PROGRAM), run_name="__main__")


def _run(config: Mapping[str, Any], recording: Recording, program: Callable[[], None] = _program) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    logger = logging.Logger("program")
    logger.addHandler(_Lines(recording.log))
    try:
        mocks.set_mocks(
            _Cloud(),
            project="eonpro-kms",
            stack="production",
            preview=False,
            logger=logger,
            monitor=_Monitor(recording),
        )
        # The mocks begin with a stack that is finished already: no place for the program's outputs.
        set_root_resource(None)  # type: ignore[arg-type]
        # The engine gives every value as text, lists and numbers in JSON.
        set_all_config(as_text(config))
        loop.run_until_complete(stack.run_in_stack(program))
    finally:
        loop.close()
        asyncio.set_event_loop(None)


class _Lines(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno > logging.DEBUG:
            self._lines.append(record.getMessage())


@pytest.fixture
def recording() -> Recording:
    """An empty recording, to hand to a run that is refused and so returns none."""
    return Recording()


@pytest.fixture(scope="session")
def run_program() -> Callable[..., Recording]:
    """Runs the program to its end with CONFIG and the changes to it (its own keys bare; None unsets)."""

    def run(recording: Recording | None = None, /, **changes: Any) -> Recording:
        named = {key if ":" in key else f"eonpro-kms:{key}": value for key, value in changes.items()}
        config = {**CONFIG, **named}
        recording = recording or Recording()
        # A context of its own: Pulumi keeps the run's settings in context variables.
        contextvars.copy_context().run(
            _run, {key: value for key, value in config.items() if value is not None}, recording
        )
        return recording

    return run


@pytest.fixture(scope="session")
def recorded(run_program: Callable[..., Recording]) -> Callable[[str], Recording]:
    """The recording of a configuration by its name, which is run once."""
    recordings: dict[str, Recording] = {}

    def of(name: str) -> Recording:
        if name not in recordings:
            recordings[name] = run_program(**CONFIGURATIONS[name])
        return recordings[name]

    return of
