"""The judgement of the whole stack: everything that the settings ask for is there, once, and with the stack's keys.

Pure. A rule for a resource cannot fail when the resource is removed, and no input says which key an id belongs to.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .judgement import NAMED_BY, NEEDS, SET_OF, document_faults, is_component, not_of_own, set_it, title
from .patterns import key_ids
from .resource import UNKNOWN, Resource
from .row import Check, Row
from .settings import Settings
from .table import rows_of
from .table.outputs import Made, outputs_of

Stack = Mapping[tuple[str, str], Sequence[Resource]]


def required_resources(resources: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    """The URN of a resource, and what is wrong with the stack."""
    settings = next((each.settings for each in resources if each.settings is not None), None)
    if settings is None:
        # Then every resource is refused.
        return
    rows, found = rows_of(settings), defaultdict(list)
    for each in resources:
        # A component can have any type, and is nothing in the account.
        if not is_component(each):
            found[each.type, each.name].append(each)
    for row in rows.values():
        own = found[row.type, row.name]
        if not own:
            setting = NEEDS.get(row.type)
            how = f", or {set_it(resources[0], setting)}" if setting else ""
            name = f"{row.type.rpartition(':')[2]} {row.name}"
            yield resources[0].urn, f"The stack has no {name}, which its settings ask for: add it again{how}."
        for second in own[1:]:
            yield second.urn, f"{title(second)} is there twice: take one out."
        for resource in own[:1]:
            yield from ((resource.urn, fault) for fault in _keys(resource, row, found))
            yield from ((resource.urn, fault) for fault in _kept(resource, row))
            yield from ((resource.urn, fault) for fault in _read(resource, row))
    others = [each for each in resources if (each.type, each.name) not in rows and not is_component(each)]
    for each in others:
        if each.type in SET_OF:
            yield from ((each.urn, fault) for fault in _foreign(each, others))
    for root in (each for each in resources if each.type == "pulumi:pulumi:Stack"):
        yield from ((root.urn, fault) for fault in _outputs(root, settings, found))


def _foreign(setting: Resource, others: Sequence[Resource]) -> Iterator[str]:
    """A fault of what is set of a bucket or a topic, if it is not one that the stack makes beside its own.

    It has to name it by its output: what has the same name without that is set even if the making is refused, because
    the account has one of that name.
    """
    named_by, (type_, identity) = NAMED_BY[setting.type], SET_OF[setting.type]
    name, sources = setting.known(named_by), setting.refers_to.get(named_by, ())
    made = [each for each in others if each.type == type_ and each.urn in sources]
    if not any(name is UNKNOWN or name == each.known(identity) for each in made):
        yield not_of_own(setting, "not known yet" if name is UNKNOWN else str(name))


def _outputs(root: Resource, settings: Settings, stack: Stack) -> Iterator[str]:
    """The outputs that name something else than what the stack makes."""
    for name, expected in outputs_of(settings).items():
        value = root.known(name)
        if value is UNKNOWN and isinstance(expected, Check):
            # The settings say it in full: what the update computes would be stored before it is refused.
            yield f"The stack's output {name} is not known yet, wanted what the settings say: export the component's."
        made = [_of(each, stack) for each in (expected if isinstance(expected, list) else [expected])]
        if value is None and not isinstance(expected, (str, Check)) and any(made):
            # Without it the wizard calls the stack's own a stranger's.
            yield f"The stack's output {name} is missing, which this stack made: export it."
        if value is None or value is UNKNOWN:
            continue
        if isinstance(expected, Check):
            is_right = not list(expected.faults(value))
        elif isinstance(expected, list):
            is_right = isinstance(value, list) and set(map(str, value)) == set(map(str, made))
        else:
            is_right = [value] == made
        if not is_right:
            yield f"The stack's output {name} is {value}, which this stack did not make: export what it made."


def _of(expected: Made | Check | str, stack: Stack) -> Any:
    if not isinstance(expected, Made):
        return expected
    return next((each.known(expected.property) for each in stack[expected.of]), None)


def _keys(resource: Resource, row: Row, stack: Stack) -> Iterator[str]:
    """Whether each property that names keys names exactly those of its row."""
    for name, keys in row.keys.items():
        if name in row.kept & resource.ignored:
            continue
        value = resource.known(name)
        own = [key for each in keys for key in stack[each][:1]]
        ids = {key.known("keyId") for key in own}
        if value is not UNKNOWN and UNKNOWN not in ids:
            text = value if isinstance(value, str) else json.dumps(value)
            is_right = key_ids(text) == ids
        else:
            # The engine knows the dependency during a preview, before the value is known.
            is_right = {*resource.refers_to.get(name, ())} == {key.urn for key in own}
        if not is_right:
            names = " and ".join(sorted(f"{type_.rpartition(':')[2]} {key}" for type_, key in keys))
            yield f"{title(resource)}: its {name} has to name the {names}, and no other key."


def _read(resource: Resource, row: Row) -> Iterator[str]:
    """What a resource is that the program only reads: no rule for a resource is asked of it, and it has no options."""
    if row.protected and not resource.protected:
        yield f"{title(resource)} is not a protected resource of this stack: create it, with the option protect."
    for name in row.documents:
        if resource.known(name) not in (UNKNOWN, None):
            yield from document_faults(resource, row, name)


def _kept(resource: Resource, row: Row) -> Iterator[str]:
    """`keptAsFound` is for what was found: what is yet to be made has no value to keep."""
    if row.kept & resource.ignored and resource.known("arn") is UNKNOWN:
        yield (
            f"{title(resource)} is a new one, and the settings would leave it as it was found: name its id in the "
            "setting adopted, or take its group out of keptAsFound."
        )
