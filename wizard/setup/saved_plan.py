"""A plan kept in a file, to be carried out later, perhaps by somebody else: what it says, and whether it still fits.

Pure. JSON without a secret in it; who keeps it, and who looks at the world again, is the caller's business.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from components.settings import Settings
from wizard.core.errors import UsageError
from wizard.core.models.delivery import StackState
from wizard.core.models.stack import Step
from wizard.setup.plan import QUIET, Plan, word

KIND = "eonpro-kms plan"
VERSION = 1
"""Of the document; one of another version is not read."""

_KEYS = frozenset(
    "kind version engine at stack account region targets settings steps dataKey adopts state sha256".split()
)


@dataclass(frozen=True, kw_only=True)
class SavedPlan:
    """A plan as it was shown and saved."""

    name: str
    """Of the file."""
    at: datetime
    engine: str
    """The version of Pulumi that worked it out."""
    stack: str
    account: str
    region: str
    targets: tuple[str, ...]
    """Where it delivers to."""
    settings: Mapping[str, Any]
    """The stack's configuration, by full key."""
    steps: tuple[Step, ...]
    """What Pulumi would change; what stays as it is, is not among it."""
    data_key: str | None
    """The fingerprint of the stored data key; None where there was none, and one was to be made."""
    adopts: str | None
    """The fingerprint of the data key in use that was to be imported."""
    state: str
    """The digest of the stack's state."""


def document(planned: Plan, state: StackState, *, at: datetime, version: str) -> dict[str, Any]:
    """The plan as JSON. `at` in UTC; `version` is the engine's. `sha256` is over all the rest.

    It guards against a slip, not against a forger: what is carried out is worked out again and has to be equal.
    """
    content: dict[str, Any] = {
        "kind": KIND,
        "version": VERSION,
        "engine": version,
        "at": at.isoformat(timespec="seconds"),
        "stack": planned.stack,
        "account": planned.identity.account_id,
        "region": planned.settings.region,
        "targets": sorted(planned.targets),
        "settings": planned.settings.to_config(),
        "steps": [_told(step) for step in _changing(planned.steps)],
        "dataKey": planned.stored_data_key.wrapped.fingerprint if planned.stored_data_key else None,
        "adopts": planned.imported_data_key.fingerprint if planned.imported_data_key else None,
        "state": state.digest,
    }
    # Twice through JSON: what is hashed is what a reader has.
    content = json.loads(json.dumps(content))
    return {**content, "sha256": _checksum(content)}


def read(text: str, name: str) -> SavedPlan:
    """The plan that a file holds. Raises UsageError for what is no plan, was changed, or is of another version."""
    again = "save one: python -m wizard preview --save-plan FILE"
    try:
        found = json.loads(text)
    except ValueError:
        raise UsageError(f"{name} is no saved plan: it is not JSON", again) from None
    if not isinstance(found, dict) or found.get("kind") != KIND:
        raise UsageError(f"{name} is no saved plan", again)
    if found.get("version") != VERSION:
        raise UsageError(f"{name} was saved by another version of the wizard (plan {found.get('version')!r})", again)
    content = {key: value for key, value in found.items() if key != "sha256"}
    if found.keys() != _KEYS or found["sha256"] != _checksum(content):
        raise UsageError(f"{name} is not as it was saved: its checksum does not fit", again)
    try:
        return SavedPlan(
            name=name,
            at=datetime.fromisoformat(found["at"]),
            engine=found["engine"],
            stack=found["stack"],
            account=found["account"],
            region=found["region"],
            targets=tuple(found["targets"]),
            settings=dict(found["settings"]),
            steps=tuple(Step(**{**step, "changed": tuple(step["changed"])}) for step in found["steps"]),
            data_key=found["dataKey"],
            adopts=found["adopts"],
            state=found["state"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{name} is no saved plan: its checksum fits, and its content does not", again) from error


def moved(saved: SavedPlan, planned: Plan, state: StackState, *, version: str | None = None) -> tuple[str, ...]:
    """Each way in which the world is not the saved plan's any more, in words; empty where it still fits.

    `version` is that of the engine now, None where it does not matter. How old the plan is does not matter either.
    """
    told = [
        f"{what} is {now}, and was {was}"
        for what, was, now in (
            ("the stack", saved.stack, planned.stack),
            ("the account", saved.account, planned.identity.account_id),
            ("Pulumi", saved.engine, version or saved.engine),
            ("the delivery", _listed(saved.targets), _listed(sorted(planned.targets))),
        )
        if was != now
    ]
    told += settings_moved(saved, planned.settings)
    if saved.state != state.digest:
        told.append("the stack was changed since: another update was applied, or its state was edited")
    told += _data_key(saved, planned)
    told += _steps(saved.steps, _changing(planned.steps))
    return tuple(told)


def settings_moved(saved: SavedPlan, settings: Settings) -> tuple[str, ...]:
    """Each setting that is not the saved plan's, in words."""
    return tuple(_settings(saved.settings, json.loads(json.dumps(settings.to_config()))))


def _settings(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        f"the setting {key.rpartition(':')[2]} is {_value(now.get(key))}, and was {_value(was.get(key))}"
        for key in sorted({*was, *now})
        if was.get(key) != now.get(key)
    ]


def _data_key(saved: SavedPlan, planned: Plan) -> list[str]:
    now = planned.stored_data_key.wrapped.fingerprint if planned.stored_data_key else None
    adopts = planned.imported_data_key.fingerprint if planned.imported_data_key else None
    told = []
    if saved.data_key != now:
        told.append(f"the stored data key is {now or 'none'}, and was {saved.data_key or 'none'}")
    if saved.adopts != adopts:
        told.append(f"the data key to be imported is {adopts or 'none'}, and was {saved.adopts or 'none'}")
    return told


def _steps(was: Iterable[Step], now: Iterable[Step]) -> list[str]:
    before, after = _by_resource(was), _by_resource(now)
    told = []
    for resource in sorted({*before, *after}):
        old, new = before.get(resource, ()), after.get(resource, ())
        if old != new:
            name = resource.rsplit("::", 1)[-1]
            told.append(f"{name}: Pulumi would now {_in_words(new)}, and the plan was to {_in_words(old)}")
    return told


def _by_resource(steps: Iterable[Step]) -> dict[str, tuple[Step, ...]]:
    # By resource: the engine works on many at once, and their order varies.
    found: dict[str, tuple[Step, ...]] = {}
    for step in steps:
        found[step.urn] = (*found.get(step.urn, ()), step)
    return found


def _in_words(steps: tuple[Step, ...]) -> str:
    told = [word(step) + (f" ({', '.join(step.changed)})" if step.changed else "") for step in steps]
    return " and ".join(told) or "leave it as it is"


def _changing(steps: Iterable[Step]) -> tuple[Step, ...]:
    # The halves of a replacement are told in any order: the word is for the whole.
    return tuple(replace(step, op=word(step), physical_name="") for step in steps if step.op not in QUIET)


def _told(step: Step) -> dict[str, Any]:
    return {
        "op": step.op,
        "type": step.type,
        "name": step.name,
        "urn": step.urn,
        "changed": list(step.changed),
    }


def _value(value: Any) -> str:
    return "not set" if value is None else _listed(value) if isinstance(value, list) else str(value)


def _listed(values: Iterable[str]) -> str:
    return ", ".join(values) or "none"


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
