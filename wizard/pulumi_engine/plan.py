"""The engine's update plan, to which an update is bound; and the state, with what the stack made and it lacks.

Part of the client of Pulumi: touches one file in a folder of its own, which exists only while the engine runs.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from components.settings import ContractError, Outputs
from wizard.core.errors import ResourceError, StalePlan
from wizard.core.models.account import UnrecordedResource
from wizard.core.models.stack import REHEARSAL, StackState, StateResource, Step
from wizard.core.next_command import eonpro, plain_name

if TYPE_CHECKING:
    from pulumi.automation import EngineEvent


_DEVIATES = re.compile(r"violates plan|is not allowed by the plan: |no plan for resource \S+")
_UNDONE = re.compile(r"expected resource operations for \S+ but none were seen")
_WOULD = re.compile(r"(\S+) is not allowed by the plan: (?:this resource is constrained to (\S+)|no)")
_URN = re.compile(r"urn:pulumi:\S+")
_PROPERTY = re.compile(r"(?:^|, )[-+~=]{2}([A-Za-z_]\w*)(?=[\[,]|$)")


class StoredPlan:
    """The engine's own plan of the last preview, for one update (https://www.pulumi.com/docs/iac/concepts/update-plans/).

    Between the two it stays in memory, because a person may take an hour to confirm.
    """

    def __init__(self) -> None:
        self._stack = ""
        self._content: bytes | None = None

    def forget(self) -> None:
        """Drop the plan: it was applied, or is no longer valid."""
        self._content = None

    @contextmanager
    def written(self, stack: str) -> Iterator[str]:
        """The path for a preview to save its plan at; the plan is stored if the preview succeeds."""
        self.forget()
        with _private_file() as file:
            yield str(file)
            self._stack, self._content = stack, file.read_bytes()

    @contextmanager
    def read(self, stack: str) -> Iterator[str | None]:
        """The path of the stored plan; None where this stack was not previewed."""
        if self._content is None or self._stack != stack:
            yield None
            return
        with _private_file() as file:
            file.write_bytes(self._content)
            yield str(file)


@contextmanager
def _private_file() -> Iterator[Path]:
    # The folder is its owner's alone (mode 0700), whatever mode the engine writes the file with.
    with TemporaryDirectory(prefix="eonpro-kms-") as folder:
        yield Path(folder) / "plan.json"


def deviation(stack: str, complaints: Sequence[tuple[str, str]]) -> StalePlan | None:
    """The refusal of a step that was not planned, of the engine's complaints (URN, text); None where none is one.

    The engine prints planned and actual values of each property: here only the name is repeated.
    """
    refused = [complaint for complaint in complaints if _DEVIATES.search(complaint[1])]
    if not refused and all(_UNDONE.search(text) for _, text in complaints):
        refused = list(complaints)
    if not refused:
        return None
    return _refusal(stack, dict.fromkeys(_describe(urn, text) for urn, text in refused))


def changed_outputs(stack: str) -> StalePlan:
    """The refusal of stack outputs that were not planned; the engine (3.259) fails without an explanation."""
    return _refusal(stack, ["the stack's outputs would differ from the plan"])


def made_meanwhile(stack: str) -> StalePlan:
    """The refusal of a plan whose secrets the stack no longer opens: a run in another folder has made the stack."""
    return StalePlan(
        f"stopped before anything was changed: another run has set up the stack {stack} since the plan was shown",
        f"run the same command again: it shows the current plan (stack {stack})",
    )


def _refusal(stack: str, deviations: Iterable[str]) -> StalePlan:
    return StalePlan(
        "stopped before a change that the plan did not show: " + "; ".join(deviations),
        f"run the same command again: it shows the current plan (stack {stack})",
    )


def _describe(urn: str, text: str) -> str:
    match = _URN.search(text)
    name = (match.group() if match else urn).rsplit("::", 1)[-1] or "a resource"
    if would := _WOULD.search(text):
        planned = f"not {would.group(2)} as planned" if would.group(2) else "which the plan did not have"
        return f"{name} would get the operation {would.group(1)}, {planned}"
    if "none were seen" in text:
        return f"{name} would not be changed, although the plan changes it"
    names = dict.fromkeys(_PROPERTY.findall(text.partition("properties changed: ")[2]))
    properties = f" ({', '.join(names)})" if names else ""
    return f"{name} would differ from the plan{properties}"


def stack_state(deployment: Mapping[str, Any]) -> StackState:
    """The facts of an exported deployment."""
    resources = deployment.get("resources") or []
    outputs: dict[str, Any] = next((r.get("outputs", {}) for r in resources if r["type"] == "pulumi:pulumi:Stack"), {})
    try:
        read_outputs = Outputs.read(outputs)
    except ContractError:
        read_outputs = None
    values = (value for r in resources for value in (r.get("id"), r.get("outputs", {}).get("arn")))
    return StackState(
        exists=True,
        # The logs have a key of their own, which says nothing of the PHI key.
        has_key=any(r["urn"].endswith("aws:kms/key:Key::phi-key") for r in resources),
        owned=tuple(filter(None, values)),
        pending=pending_steps(deployment),
        outputs=read_outputs,
        resources=tuple(
            StateResource(
                urn=str(r["urn"]),
                type=str(r["type"]),
                id=str(r.get("id") or ""),
                is_retained=bool(r.get("retainOnDelete")),
            )
            for r in resources
        ),
        digest=digest(deployment),
    )


_KEYS = ("aws:kms/key:Key", "aws:kms/replicaKey:ReplicaKey")
_BUCKET = "aws:s3/bucket:Bucket"
SHORTEST_WINDOW_DAYS = 7
"""Days between ScheduleKeyDeletion and the loss of a rehearsal's key: the fewest that KMS offers."""


def without_protection(stack: str, deployment: Mapping[str, Any]) -> dict[str, Any]:
    """The state of a rehearsal as one that a removal deletes: keys after 7 days, buckets with their objects.

    Raises ResourceError where the stack or one resource of it belongs to any other environment.
    """
    resources = []
    for resource in deployment.get("resources") or ():
        type_, tags = resource["type"], (resource.get("inputs") or {}).get("tags") or {}
        is_own = resource["urn"].startswith(f"urn:pulumi:{REHEARSAL}::") and plain_name(stack) == REHEARSAL
        # A bucket whose creation was interrupted has no tags yet.
        is_named = type_ not in _KEYS and (type_ != _BUCKET or REHEARSAL in resource["id"])
        if not is_own or not (tags.get("Environment") == REHEARSAL.capitalize() or (is_named and not tags)):
            name = resource["urn"].rsplit("::", 1)[-1]
            raise ResourceError(f"nothing was deleted: {name} of the stack {stack} is no rehearsal's", eonpro("status"))
        deletion: dict[str, Any] = {"deletionWindowInDays": SHORTEST_WINDOW_DAYS} if type_ in _KEYS else {}
        deletion |= {"forceDestroy": True} if type_ == _BUCKET else {}
        values = {part: {**(resource.get(part) or {}), **deletion} for part in ("inputs", "outputs") if deletion}
        resources.append({**resource, **values, "protect": False, "retainOnDelete": False})
    return {**deployment, "resources": resources}


def names_of(deployment: Mapping[str, Any]) -> list[tuple[str, dict[str, list[str]]]]:
    """The type of each resource, and the names, without a value, of the inputs and outputs that the provider keeps."""
    resources = [resource for resource in deployment["resources"] if resource["type"].startswith("aws:")]
    return [
        (each["type"], {part: sorted(each.get(part) or ()) for part in ("inputs", "outputs")}) for each in resources
    ]


def pending_steps(deployment: Mapping[str, Any]) -> tuple[Step, ...]:
    """The unfinished operations, and the resources whose state may differ from the account.

    `importing`: imported, and not read yet. `incomplete`: a creation or an update failed half-way; the AWS provider
    then records the planned values with the error (`initErrors`), so a plan from the state would miss the difference.
    """
    unfinished = [pending_step(operation) for operation in deployment.get("pending_operations") or ()]
    unread = [
        pending_step({"type": "importing", "resource": resource})
        for resource in deployment.get("resources") or ()
        if resource.get("custom") and resource.get("id") and not set(resource.get("outputs") or ()) - {"region"}
    ]
    incomplete = [
        pending_step({"type": "incomplete", "resource": resource})
        for resource in deployment.get("resources") or ()
        if resource.get("initErrors")
    ]
    return (*unfinished, *unread, *incomplete)


def pending_step(operation: Mapping[str, Any]) -> Step:
    resource = operation["resource"]
    inputs = resource.get("inputs", {})
    return Step(
        urn=resource["urn"],
        op=operation["type"],
        type=resource["type"],
        name=resource["urn"].rsplit("::", 1)[-1],
        physical_name=str(inputs.get("name") or inputs.get("bucket") or ""),
    )


def with_imports(deployment: Mapping[str, Any], created: Mapping[str, str]) -> dict[str, Any]:
    """The deployment with each pending creation in `created` (URN → id) as a resource; a refresh reads it later.

    The operation has all of the resource but its id and outputs; the other operations are dropped.
    """
    resources = list(deployment.get("resources") or ())
    for operation in deployment.get("pending_operations") or ():
        if operation["type"] == "creating" and operation["resource"]["urn"] in created:
            inputs = operation["resource"].get("inputs", {})
            imported = {
                **operation["resource"],
                "id": created[operation["resource"]["urn"]],
                # The refresh needs the Region only.
                "outputs": {key: value for key, value in inputs.items() if key == "region"},
            }
            resources = with_resource(resources, imported)
    return {**deployment, "resources": resources, "pending_operations": []}


def with_resource(resources: Sequence[dict[str, Any]], new: dict[str, Any]) -> list[dict[str, Any]]:
    """The resources of a state with one that AWS has already, in place of the one that it replaces.

    The former one leaves the state if it is retained; the next update deletes it otherwise. What the state has already,
    under this id, stays as it is.
    """
    index = next((i for i, each in enumerate(resources) if each["urn"] == new["urn"] and not each.get("delete")), None)
    if index is None:
        # Last: the dependencies of a resource come before it.
        return [*resources, new]
    former = resources[index]
    if former.get("id") == new.get("id"):
        return list(resources)
    ended = [] if former.get("retainOnDelete") else [{**former, "delete": True}]
    return [*resources[:index], new, *resources[index + 1 :], *ended]


_COUNTED = frozenset(
    (
        *("urn", "type", "id", "custom", "external", "inputs", "parent", "provider"),
        *("protect", "retainOnDelete", "delete", "pendingReplacement", "initErrors"),
    )
)
"""The part of the state that determines an update. The rest differs between two exports, machines or reads of one
stack.

Outputs follow from the inputs; the first refresh after an update drops `propertyDependencies` (engine 3.259).
"""


def digest(deployment: Mapping[str, Any]) -> str:
    """`sha256:` and 16 hex digits of the state of all resources, in any order; empty for none.

    A refresh without changes keeps it; an update with changes does not.
    """
    resources = deployment.get("resources") or []
    pending = deployment.get("pending_operations") or []
    if not resources and not pending:
        return ""
    entries = sorted(
        json.dumps({key: _normal(entry, key) for key in entry if key in _COUNTED}, sort_keys=True)
        for entry in (*resources, *({"pending": operation["type"], **operation["resource"]} for operation in pending))
    )
    return "sha256:" + hashlib.sha256("\n".join(entries).encode()).hexdigest()[:16]


def _normal(entry: Mapping[str, Any], key: str) -> Any:
    """The value without the engine's names, and with a provider's URL as the program has it: a refresh records AWS's
    form, without the scheme."""
    value = _without_engine_names(entry[key])
    if key == "inputs" and entry.get("type") == "aws:iam/openIdConnectProvider:OpenIdConnectProvider":
        url = (value or {}).get("url")
        return {**value, "url": f"https://{url.removeprefix('https://')}"} if isinstance(url, str) else value
    return value


def _without_engine_names(value: Any) -> Any:
    """The value without names that begin with `__`, at any depth: Pulumi's bridge writes `__defaults` into objects."""
    if isinstance(value, dict):
        return {name: _without_engine_names(part) for name, part in value.items() if not name.startswith("__")}
    return [_without_engine_names(part) for part in value] if isinstance(value, list) else value


_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The engine's placeholder for a value that is known after an update (`plugin.UnknownStringValue`)."""


_CREATES = ("create", "create-replacement")
"""Replacements count: a resource that an earlier update replaced and retained is in the account under its name."""


class Creations:
    """The resources that a preview would create, in the program's order, as its state would have them."""

    def __init__(self) -> None:
        self.resources: list[dict[str, Any]] = []

    def __call__(self, event: EngineEvent) -> None:
        metadata: Any = event.resource_pre_event.metadata if event.resource_pre_event else None
        if metadata is None or getattr(metadata.op, "value", metadata.op) not in _CREATES or metadata.new is None:
            return
        new = metadata.new
        known = {name: value for name, value in (new.inputs or {}).items() if _UNKNOWN not in json.dumps(value)}
        resource = {
            "urn": new.urn,
            "custom": bool(new.custom),
            "type": new.type,
            "inputs": known,
            "parent": new.parent,
            "provider": new.provider,
            "protect": bool(new.protect),
            "retainOnDelete": bool(new.retain_on_delete),
        }
        always = ("custom", "inputs")
        self.resources.append({name: value for name, value in resource.items() if value or name in always})


def with_unrecorded(
    deployment: Mapping[str, Any], creations: Sequence[Mapping[str, Any]], unrecorded: Iterable[UnrecordedResource]
) -> dict[str, Any]:
    """The deployment with each creation that the account has already; a refresh reads it later.

    In a replacement the new resource takes the place of the former one. Resources that a preview would not create are
    left out: the program no longer has them.
    """
    own: dict[tuple[str, str], list[UnrecordedResource]] = {}
    for each in unrecorded:
        own.setdefault((each.type, each.name), []).append(each)
    resources = list(deployment.get("resources") or ())
    recorded = {resource["urn"]: str(resource.get("id") or "") for resource in resources}

    def add(resource: dict[str, Any]) -> None:
        resources[:] = with_resource(resources, resource)
        recorded[resource["urn"]] = str(resource.get("id") or "")

    for creation in creations:
        is_provider = creation["type"].startswith("pulumi:providers:")
        # What is recorded would be replaced; a protected resource never is.
        if creation["urn"] in recorded and (is_provider or not creation["custom"] or creation.get("protect")):
            continue
        if is_provider:
            # Of a stack whose state is empty: the engine gives its providers random ids, too.
            add({**creation, "id": str(uuid.uuid4()), "outputs": creation["inputs"]})
            continue
        if not creation["custom"]:
            # A parent comes before its children.
            add(dict(creation))
            continue
        inputs = creation["inputs"]
        match = [
            each
            for each in own.get((creation["type"], _name(creation["type"], inputs)), ())
            if inputs.get("region") in (None, each.region)
        ]
        if match and creation.get("parent") in (None, *recorded):
            # The refresh needs the Region only.
            outputs = {"region": inputs["region"]} if "region" in inputs else {}
            provider = str(creation["provider"]).rpartition("::")[0]
            reference = f"{provider}::{recorded.get(provider, '')}"
            add({**creation, "id": match[0].id, "outputs": outputs, "provider": reference})
    return {**deployment, "resources": resources}


def _name(type_: str, inputs: Mapping[str, Any]) -> str:
    """The name by which the inputs identify the resource: `UnrecordedResource.name`."""
    if type_ == "aws:kms/key:Key":
        return str((inputs.get("tags") or {}).get("Purpose") or "")
    return str(inputs.get("name") or inputs.get("bucket") or inputs.get("url") or "").removeprefix("https://")
