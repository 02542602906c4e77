"""The difference between state and inputs, and the state to record after AWS was read.

Pure.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sandbox.pulumi_plugins.provider import shapes
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
    resource_type: ResourceType,
    schema: ResourceSchema,
    state: Properties,
    inputs: Properties,
    ignored: Collection[str] = (),
) -> tuple[Change, ...]:
    """The changes from the recorded state to the inputs, without the ignored ones, in the schema's order."""
    result: list[Change] = []
    for name in (name for name in schema.inputs if name not in ignored):
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
            if name == "tags":
                result.extend(
                    replace(change, name="tagsAll", path=change.path.replace("tags", "tagsAll", 1))
                    for change in tuple(result)
                    if change.name == "tags"
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


def planned(
    resource_type: ResourceType, schema: ResourceSchema, inputs: Properties, state: Properties | None = None
) -> Properties:
    """The outputs that a creation plans, or an update of `state`; what only AWS knows is unknown."""
    chosen_by_aws = {*schema.outputs.keys() - schema.inputs.keys(), *resource_type.computed, resource_type.prefix_input}
    given = {**inputs, "tagsAll": inputs.get("tags")}
    outputs: Properties = {"id": UNKNOWN, **dict.fromkeys(schema.outputs, UNKNOWN)} if state is None else dict(state)
    for name, expected in schema.outputs.items():
        is_planned = given.get(name) is not None or name not in chosen_by_aws
        is_kept = state is not None and resource_type.is_same(name, state.get(name), given.get(name))
        if is_planned and not is_kept:
            outputs[name] = shapes.planned(given.get(name), expected)
    return _with_documents(resource_type, outputs)


def known(plan: Properties) -> Properties:
    """A plan as it is recorded of a creation that failed half-way: without what only AWS knows."""
    return {name: value for name, value in plan.items() if not is_unknown(value)}


def state_to_record(
    resource_type: ResourceType, schema: ResourceSchema, current: Properties, known: Properties
) -> Properties:
    """The state to record: AWS's values, or the known ones where both are equivalent."""
    state: Properties = {}
    for name, expected in schema.outputs.items():
        value, known_value = current.get(name), known.get(name)
        if name in resource_type.write_only:
            state[name] = known_value if value is None else value
            continue
        if (
            known_value is not None
            and name not in resource_type.rewritten
            and resource_type.is_same(name, known_value, value)
        ):
            value = known_value
        state[name] = shapes.completed(value, expected)
    if "tagsAll" in schema.outputs:
        state["tagsAll"] = state["tags"]
    return _with_documents(resource_type, state)


def _with_documents(resource_type: ResourceType, outputs: Properties) -> Properties:
    """The outputs with their documents as the provider writes them."""
    documents = {name: outputs[name] for name in resource_type.documents if isinstance(outputs.get(name), str)}
    return {**outputs, **{name: resource_type.spelled(text) for name, text in documents.items()}}


def with_planned_nulls(state: Properties, plan: Properties) -> Properties:
    """The state after a change: an empty list or map that was planned as null is null until the next refresh."""
    nulls = [name for name, value in state.items() if value in ([], {}) and plan.get(name, value) is None]
    return {**state, **dict.fromkeys(nulls)}


def refreshed_inputs(
    resource_type: ResourceType,
    schema: ResourceSchema,
    state: Properties,
    recorded: Properties,
    filled_in: frozenset[str],
) -> Properties:
    """The recorded inputs, corrected by AWS's values; `filled_in`: the names of the provider's own.

    As the real provider: it corrects no document, and nothing that the program does not name.
    """
    result: Properties = {}
    for name, value in recorded.items():
        is_same = name not in resource_type.rewritten and resource_type.is_same(name, value, state.get(name))
        is_kept = is_same or name in resource_type.documents | resource_type.write_only
        result[name] = value if is_kept else shapes.refreshed(value, state[name])
    result = {name: value for name, value in result.items() if value is not None}
    return shapes.marked(result, schema.inputs, {name for name in filled_in if result.get(name) == recorded[name]})


def imported_inputs(resource_type: ResourceType, schema: ResourceSchema, state: Properties) -> Properties:
    """The inputs that an import records: what is not empty, and not the provider's default."""
    result: Properties = {}
    for name in schema.inputs:
        current, default = state.get(name), resource_type.defaults.get(name)
        if name in resource_type.defaults and current is None:
            result[name] = None
        elif not is_zero(current) and not equivalent(current, default):
            result[name] = shapes.without_empty(current)
    return shapes.marked(result, None)
