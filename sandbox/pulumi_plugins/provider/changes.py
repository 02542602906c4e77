"""What a change of inputs comes to, updated or replaced; and what a reading of AWS comes to.

May touch nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sandbox.pulumi_plugins.provider.resource_type import Kind, alike
from sandbox.pulumi_plugins.provider.schema import ResourceSchema
from sandbox.pulumi_plugins.provider.values import UNKNOWN, Properties, Unknown, is_unknown, is_zero


class Action(StrEnum):
    """What happens to one property."""

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


def changes(kind: Kind, schema: ResourceSchema, state: Properties, inputs: Properties) -> tuple[Change, ...]:
    """The changes from recorded state to wanted inputs, in the schema's order."""
    found: list[Change] = []
    for name in schema.inputs:
        old, new = state.get(name), inputs.get(name)
        if new is None and (name in kind.computed or name in (kind.name_input, "region")):
            continue
        if new is not None and is_zero(new) and name in kind.computed and not isinstance(new, bool | int):
            continue
        if is_unknown(new) or not kind.same(name, old, new):
            replaces = name in kind.force_new or name == "region"
            found.extend(
                Change(name=name, path=path, action=action, replaces=replaces)
                for path, action in _paths(kind, name, old, new)
            )
    return tuple(found)


def _paths(kind: Kind, name: str, old: Any, new: Any) -> Iterator[tuple[str, Action]]:
    exact = list(_differences(name, old, new))
    # An order-free list may differ as a whole where no single element does.
    yield from exact or [(name, Action.UPDATE)]


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
    elif not alike(old, new):
        if old is None:
            yield path, Action.ADD
        else:
            yield path, Action.DELETE if new is None else Action.UPDATE


def planned_creation(kind: Kind, schema: ResourceSchema, inputs: Properties) -> Properties:
    """The outputs a creation will have, those AWS decides as unknown."""
    outputs: Properties = dict(inputs)
    for name in schema.outputs:
        if outputs.get(name) is None and (name not in schema.inputs or name in kind.computed):
            outputs[name] = UNKNOWN
    if "tagsAll" in schema.outputs:
        outputs["tagsAll"] = inputs.get("tags") or {}
    return {name: outputs[name] for name in schema.outputs if outputs.get(name) is not None}


def planned_update(kind: Kind, schema: ResourceSchema, state: Properties, inputs: Properties) -> Properties:
    """The outputs an update will have: the recorded ones under the wanted inputs."""
    outputs: Properties = {}
    for name in schema.outputs:
        kept = name not in schema.inputs or name in kind.computed or name == kind.name_input
        value = inputs.get(name, state.get(name) if kept else None)
        outputs[name] = UNKNOWN if name in kind.changes_on_update else value
    if "tagsAll" in schema.outputs:
        outputs["tagsAll"] = inputs.get("tags") or {}
    return outputs


def settled(kind: Kind, schema: ResourceSchema, told: Properties, known: Properties) -> Properties:
    """The state to record: what AWS told, in the spelling already known where both mean the same."""
    state: Properties = {}
    for name in schema.outputs:
        value = told.get(name)
        if name in kind.write_only:
            value = known.get(name, kind.defaults.get(name)) if value is None else value
        elif known.get(name) is not None and kind.same(name, known[name], value):
            value = known[name]
        state[name] = value
    if "tagsAll" in schema.outputs:
        state["tags"] = state.get("tags") or None
        state["tagsAll"] = state["tags"] or {}
    return {name: value for name, value in state.items() if value is not None}


def inputs_told(kind: Kind, schema: ResourceSchema, state: Properties, recorded: Properties) -> Properties:
    """The inputs that would make what AWS told: the recorded ones corrected, or on import all that say a thing."""
    result: Properties = {}
    for name in schema.inputs:
        told, had = state.get(name), recorded.get(name)
        if name == "arn" and had is None:
            continue
        if had is not None and name not in kind.write_only and not kind.same(name, had, told):
            result[name] = told
        elif had is not None:
            result[name] = had
        elif recorded and name in kind.computed:
            continue
        elif told is not None and (name in kind.defaults or not is_zero(told)):
            result[name] = told
    return {name: value for name, value in result.items() if value is not None}
