"""The difference between state and inputs, and the state to record after AWS was read.

Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sandbox.pulumi_plugins.provider.resource_type import ResourceType, equivalent
from sandbox.pulumi_plugins.provider.schema import ResourceSchema
from sandbox.pulumi_plugins.provider.values import UNKNOWN, Properties, Unknown, is_unknown, is_zero


class Action(StrEnum):
    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One changed property: its input, the path into it, and whether it replaces the resource."""

    name: str
    path: str
    action: Action
    replaces: bool


def changes(
    resource_type: ResourceType, schema: ResourceSchema, state: Properties, inputs: Properties
) -> tuple[Change, ...]:
    """The changes from the recorded state to the inputs, in the schema's order."""
    result: list[Change] = []
    for name in schema.inputs:
        old, new = state.get(name), inputs.get(name)
        if new is None and (name in resource_type.computed or name in (resource_type.name_input, "region")):
            continue
        if new is not None and is_zero(new) and name in resource_type.computed and not isinstance(new, bool | int):
            continue
        if is_unknown(new) or not resource_type.is_same(name, old, new):
            replaces = name in resource_type.force_new or name == "region"
            result.extend(
                Change(name=name, path=path, action=action, replaces=replaces)
                for path, action in _paths(resource_type, name, old, new)
            )
    return tuple(result)


def _paths(resource_type: ResourceType, name: str, old: Any, new: Any) -> Iterator[tuple[str, Action]]:
    differences = list(_differences(name, old, new))
    # A list without order may differ as a whole where no single element does.
    yield from differences or [(name, Action.UPDATE)]


def _differences(path: str, old: Any, new: Any) -> Iterator[tuple[str, Action]]:
    if isinstance(new, Unknown):
        yield path, Action.ADD if old is None else Action.UPDATE
    elif isinstance(old, dict) and isinstance(new, dict) and old and new:
        for key in [*old, *(key for key in new if key not in old)]:
            step = f"{path}.{key}" if key.isidentifier() else f'{path}["{key}"]'
            yield from _differences(step, old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list) and old and new:
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else None
            after = new[index] if index < len(new) else None
            yield from _differences(f"{path}[{index}]", before, after)
    elif not equivalent(old, new):
        if old is None:
            yield path, Action.ADD
        else:
            yield path, Action.DELETE if new is None else Action.UPDATE


def planned_creation(resource_type: ResourceType, schema: ResourceSchema, inputs: Properties) -> Properties:
    """The outputs of a creation; those that AWS decides are unknown."""
    outputs: Properties = dict(inputs)
    for name in schema.outputs:
        if outputs.get(name) is None and (name not in schema.inputs or name in resource_type.computed):
            outputs[name] = UNKNOWN
    if "tagsAll" in schema.outputs:
        outputs["tagsAll"] = inputs.get("tags") or {}
    return {name: outputs[name] for name in schema.outputs if outputs.get(name) is not None}


def known_creation(resource_type: ResourceType, schema: ResourceSchema, inputs: Properties) -> Properties:
    """The planned outputs of a creation without those that AWS decides."""
    planned = planned_creation(resource_type, schema, inputs)
    return {name: value for name, value in planned.items() if not is_unknown(value)}


def planned_update(
    resource_type: ResourceType, schema: ResourceSchema, state: Properties, inputs: Properties
) -> Properties:
    """The outputs of an update: the recorded ones with the new inputs."""
    outputs: Properties = {}
    for name in schema.outputs:
        keeps_recorded = name not in schema.inputs or name in resource_type.computed or name == resource_type.name_input
        value = inputs.get(name, state.get(name) if keeps_recorded else None)
        outputs[name] = UNKNOWN if name in resource_type.changed_by_update else value
    if "tagsAll" in schema.outputs:
        outputs["tagsAll"] = inputs.get("tags") or {}
    return outputs


def known_update(
    resource_type: ResourceType, schema: ResourceSchema, state: Properties, inputs: Properties
) -> Properties:
    """The planned outputs of an update; those that AWS decides are the recorded ones."""
    planned = planned_update(resource_type, schema, state, inputs)
    known = {name: state.get(name) if is_unknown(value) else value for name, value in planned.items()}
    return {name: value for name, value in known.items() if value is not None}


def state_to_record(
    resource_type: ResourceType, schema: ResourceSchema, current: Properties, known: Properties
) -> Properties:
    """The state to record: AWS's values, or the known ones where both are equivalent."""
    state: Properties = {}
    for name in schema.outputs:
        value = current.get(name)
        if name in resource_type.write_only:
            value = known.get(name, resource_type.defaults.get(name)) if value is None else value
        elif (
            known.get(name) is not None
            and name not in resource_type.rewritten
            and resource_type.is_same(name, known[name], value)
        ):
            value = known[name]
        state[name] = value
    if "tagsAll" in schema.outputs:
        state["tags"] = state.get("tags") or None
        state["tagsAll"] = state["tags"] or {}
    return {name: value for name, value in state.items() if value is not None}


def inputs_from_state(
    resource_type: ResourceType, schema: ResourceSchema, state: Properties, recorded: Properties
) -> Properties:
    """The inputs that match AWS's values: the recorded ones corrected, or on import all that are not zero."""
    result: Properties = {}
    for name in schema.inputs:
        current, recorded_value = state.get(name), recorded.get(name)
        if name == "arn" and recorded_value is None:
            continue
        is_same = name not in resource_type.rewritten and resource_type.is_same(name, recorded_value, current)
        if recorded_value is not None and name not in resource_type.write_only and not is_same:
            result[name] = current
        elif recorded_value is not None:
            result[name] = recorded_value
        elif recorded and name in resource_type.computed:
            continue
        elif current is not None and (name in resource_type.defaults or not is_zero(current)):
            result[name] = current
    return {name: value for name, value in result.items() if value is not None}
