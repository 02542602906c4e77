"""Event patterns of EventBridge, held against the ones that the table spells out.

Pure. A pattern passes if it says the same, or if it matches more by one of two rules: a list may have more values, and
`eventName` may be missing, which is every call. A part that the table does not have makes it match less.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .statements import unique

Pattern = Mapping[str, Any]

KEY_ID = r"mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KEY_ID = re.compile(rf"(?<![\w-])(?:{KEY_ID})(?![\w-])")


def key_ids(text: str) -> frozenset[str]:
    """The ids of KMS keys in a text."""
    return frozenset(_KEY_ID.findall(text))


def narrower(text: Any, expected: Callable[[Sequence[str]], Pattern], keys: int) -> Iterator[str]:
    """What a pattern, in JSON, misses of the table's for the key ids that it names; they have to be as many as `keys`.

    Which ids they are is known of the whole stack alone.
    """
    try:
        pattern = json.loads(text, object_pairs_hook=unique)
    except (TypeError, ValueError) as error:
        yield f"is no event pattern ({error})"
        return
    ids = sorted(key_ids(text))
    if len(ids) != keys:
        yield f"names {len(ids)} keys, wanted {keys}, so that it misses changes of others"
        return
    yield from _misses(pattern, expected(ids), "")


def _misses(found: Any, wanted: Pattern, where: str) -> Iterator[str]:
    if not isinstance(found, Mapping):
        yield f"has {_shown(found)} at {where or 'its top'}, wanted {_shown(wanted)}"
        return
    for name in found:
        if name not in wanted:
            yield f"has {where}{name} {_shown(found[name])}, wanted none: the rule would match fewer calls"
    for name, value in wanted.items():
        if name not in found:
            if name != "eventName":
                yield f"has no {where}{name}, wanted {_shown(value)}"
        elif isinstance(value, Mapping):
            yield from _misses(found[name], value, f"{where}{name}.")
        elif not isinstance(found[name], list):
            yield f"has {where}{name} {_shown(found[name])}, wanted {_shown(value)}"
        elif name == "$or":
            yield from _missed_parts(found[name], value, where)
        else:
            texts = {_text(each) for each in found[name]}
            if lacking := [each for each in value if _text(each) not in texts]:
                yield f"has {where}{name} {_shown(found[name])}, wanted {_shown(lacking)} too"


def _missed_parts(found: Sequence[Any], wanted: Sequence[Pattern], where: str) -> Iterator[str]:
    """The parts of the table's `$or` that no part of the pattern has; one with more values or in two parts is there."""
    for part in wanted:
        for single in _single_values(part):
            if not any(not list(_misses(each, single, "")) for each in found):
                yield f"matches none of {where}$or {_shown(single)}: nobody would be told; add it again"


def _single_values(part: Pattern) -> Iterator[Pattern]:
    """A part of `$or` as one part for each value of what it names: the same, spelled longer."""
    for name, value in part.items():
        if isinstance(value, Mapping):
            for single in _single_values(value):
                yield {**part, name: single}
            return
        if name not in ("eventSource", "eventName"):
            for each in value:
                yield {**part, name: [each]}
            return
    yield part


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)[:300]
