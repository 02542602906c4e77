"""A plan saved in a file, to be applied later: its JSON form, and whether it still fits.

Writes the file of a plan, in place of an earlier plan only; reads a text. The plan holds no secret.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from components.settings import ContractError, Settings
from wizard.core import files, safe_text
from wizard.core.errors import UsageError
from wizard.core.models.delivery import FORMER_KEY_VARIABLE
from wizard.core.models.stack import SavedPlan, StackState, Step
from wizard.core.next_command import eonpro
from wizard.setup.plan import QUIET, Plan, word

KIND = "eonpro-kms plan"
VERSION = 1
"""Of the document; other versions are refused."""

_KEYS = frozenset(
    "kind version engine at stack account region targets settings steps dataKey adopts state sha256".split()
)


def document(planned: Plan, state: StackState, *, at: datetime, version: str) -> dict[str, Any]:
    """The plan as JSON. `at` in UTC; `version` is the engine's. `sha256` is over all other fields.

    The checksum detects accidents, not forgery: a new plan is made before the update, and must be equal.
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
        "steps": [_step_document(step) for step in _changing(planned.steps)],
        "dataKey": planned.stored_data_key.wrapped.fingerprint if planned.stored_data_key else None,
        "adopts": _adopts(planned),
        "state": state.digest,
    }
    # Through JSON, so that the checksum is over what a reader has.
    content = json.loads(json.dumps(content))
    return {**content, "sha256": _checksum(content)}


def write(file: Path, plan_document: Mapping[str, Any]) -> None:
    """Write the plan as a whole, in place of an earlier plan only. Raises UsageError."""
    another = "name another file: --save-plan FILE"
    try:
        if file.is_symlink() or (file.exists() and not _is_plan(file)):
            raise UsageError(f"{file} is not a saved plan, and is not overwritten", another)
        files.replace(file, f"{json.dumps(plan_document, indent=2)}\n".encode())
    except OSError as error:
        raise UsageError(f"the plan cannot be written: {error}", another) from error


def _is_plan(file: Path) -> bool:
    try:
        content = safe_text.parse_json(files.read(file, links=False))
    except ValueError:
        return False
    return isinstance(content, dict) and content.get("kind") == KIND


def read_file(file: Path) -> SavedPlan:
    """The plan in a file, which may be a pipe. Raises UsageError."""
    try:
        return read(files.read_text(file, streams=True), str(file))
    except (OSError, UnicodeDecodeError) as error:
        again = eonpro("preview", "--save-plan", file)
        raise UsageError(f"the plan {file} cannot be read: {error}", again) from error


def settings_of(plan: SavedPlan, as_text: Callable[[Any], str]) -> Settings:
    """The settings of a plan, whose values `as_text` writes as the engine does. Raises UsageError for a bad one."""
    try:
        return Settings.from_config({key: as_text(value) for key, value in plan.settings.items()})
    except ContractError as error:
        again = eonpro("preview", "--save-plan", "FILE", advice="saves another")
        raise UsageError(f"the settings of the plan {plan.name} cannot be used: {error}", again) from error


def read(text: str, name: str) -> SavedPlan:
    """The plan in a file. Raises UsageError if it is not a plan, was changed, or has another version."""
    again = eonpro("preview", "--save-plan", "FILE", advice="saves one")
    try:
        plan_document = safe_text.parse_json(text)
    except ValueError:
        raise UsageError(f"{name} is not a saved plan: it is not JSON", again) from None
    if not isinstance(plan_document, dict) or plan_document.get("kind") != KIND:
        raise UsageError(f"{name} is not a saved plan", again)
    if plan_document.get("version") != VERSION:
        raise UsageError(
            f"{name} was saved by another version of the wizard (plan {plan_document.get('version')!r})", again
        )
    content = {key: value for key, value in plan_document.items() if key != "sha256"}
    if plan_document.keys() != _KEYS or plan_document["sha256"] != _checksum(content):
        raise UsageError(f"{name} was changed after it was saved: its checksum does not match", again)
    try:
        return SavedPlan(
            name=name,
            at=datetime.fromisoformat(plan_document["at"]),
            engine=plan_document["engine"],
            stack=plan_document["stack"],
            account=plan_document["account"],
            region=plan_document["region"],
            targets=tuple(plan_document["targets"]),
            settings=dict(plan_document["settings"]),
            steps=tuple(Step(**{**step, "changed": tuple(step["changed"])}) for step in plan_document["steps"]),
            data_key=plan_document["dataKey"],
            adopts=plan_document["adopts"],
            state=plan_document["state"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{name} is not a saved plan: its checksum matches, but its content is not valid", again
        ) from error


def changes(saved: SavedPlan, planned: Plan, state: StackState, *, version: str | None = None) -> tuple[str, ...]:
    """What has changed since the plan was saved, as text; empty if it still fits.

    `version` is that of the engine now; None: not compared. The age of the plan is not compared.
    """
    texts = [
        f"{what} is {now}, and was {was}"
        for what, was, now in (
            ("the stack", saved.stack, planned.stack),
            ("the account", saved.account, planned.identity.account_id),
            ("Pulumi", saved.engine, version or saved.engine),
            ("the delivery", _listed(saved.targets), _listed(sorted(planned.targets))),
        )
        if was != now
    ]
    texts += settings_changes(saved, planned.settings)
    if saved.state != state.digest:
        texts.append("the stack was changed since: another update was applied, or its state was edited")
    texts += _data_key(saved, planned)
    texts += _steps(saved.steps, _changing(planned.steps))
    return tuple(texts)


def settings_changes(saved: SavedPlan, settings: Settings) -> tuple[str, ...]:
    """Each setting that differs from the saved plan, as text."""
    was, now = saved.settings, json.loads(json.dumps(settings.to_config()))
    return tuple(
        f"the setting {key.rpartition(':')[2]} is {_value(now.get(key))}, and was {_value(was.get(key))}"
        for key in sorted({*was, *now})
        if was.get(key) != now.get(key)
    )


def _adopts(planned: Plan) -> str | None:
    """The earlier data key that is kept: its fingerprint, or what becomes of ENCRYPTION_KEY, which has none."""
    if planned.imported_data_key:
        return planned.imported_data_key.fingerprint
    return f"{FORMER_KEY_VARIABLE} ({planned.former_key})" if planned.former_key else None


def _data_key(saved: SavedPlan, planned: Plan) -> list[str]:
    now = planned.stored_data_key.wrapped.fingerprint if planned.stored_data_key else None
    adopts = _adopts(planned)
    texts = []
    if saved.data_key != now:
        texts.append(f"the stored data key is {now or 'none'}, and was {saved.data_key or 'none'}")
    if saved.adopts != adopts:
        texts.append(f"the data key to be imported is {adopts or 'none'}, and was {saved.adopts or 'none'}")
    return texts


def _steps(was: Iterable[Step], now: Iterable[Step]) -> list[str]:
    before, after = _by_resource(was), _by_resource(now)
    texts = []
    for resource in sorted({*before, *after}):
        old, new = before.get(resource, ()), after.get(resource, ())
        if old != new:
            name = resource.rsplit("::", 1)[-1]
            texts.append(f"{name}: Pulumi would now {_in_words(new)}, and the plan was to {_in_words(old)}")
    return texts


def _by_resource(steps: Iterable[Step]) -> dict[str, tuple[Step, ...]]:
    # By resource, because the order of the engine's steps varies.
    by_resource: dict[str, tuple[Step, ...]] = {}
    for step in steps:
        by_resource[step.urn] = (*by_resource.get(step.urn, ()), step)
    return by_resource


def _in_words(steps: tuple[Step, ...]) -> str:
    words = [word(step) + (f" ({', '.join(step.changed)})" if step.changed else "") for step in steps]
    return " and ".join(words) or "leave it unchanged"


def _changing(steps: Iterable[Step]) -> tuple[Step, ...]:
    # The steps of a replacement come in any order: one word for all of them.
    return tuple(replace(step, op=word(step), physical_name="") for step in steps if step.op not in QUIET)


def _step_document(step: Step) -> dict[str, Any]:
    return {"op": step.op, "type": step.type, "name": step.name, "urn": step.urn, "changed": list(step.changed)}


def _value(value: Any) -> str:
    return "not set" if value is None else _listed(value) if isinstance(value, list) else str(value)


def _listed(values: Iterable[str]) -> str:
    return ", ".join(values) or "none"


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
