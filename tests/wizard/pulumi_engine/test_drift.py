"""Settings, state and account against each other, by the engine's events of a preview that reads the account anew."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.recordings import stacks as recordings
from wizard.core.models.stack import Drift, DriftKind
from wizard.pulumi_engine.events import Comparison

AN_OBJECT = SimpleNamespace(outputs={})


def event(op: str, name: str, *, type_: str = "aws:iam/role:Role", new: Any = AN_OBJECT, **parts: Any) -> Any:
    """What the engine tells when a step of its preview is over."""
    urn = f"urn:pulumi:production::eonpro-kms::{type_}::{name}"
    metadata = SimpleNamespace(urn=urn, op=op, type=type_, new=new, detailed_diff=None, diffs=None)
    return SimpleNamespace(res_outputs_event=SimpleNamespace(metadata=SimpleNamespace(**{**vars(metadata), **parts})))


def compared(*events: Any) -> list[tuple[str, DriftKind, tuple[str, ...]]]:
    comparison = Comparison()
    for each in events:
        comparison(each)
    return [(drift.name, drift.kind, drift.properties) for drift in comparison.drifts]


def test_what_agrees_is_no_drift():
    assert compared(event("refresh", "role"), event("same", "role")) == []


def test_a_property_that_somebody_changed_is_named():
    refreshed = event("refresh", "role", detailed_diff={"tags.Environment": None, "path": None})
    assert compared(refreshed, event("update", "role", diffs=["tags"])) == [
        ("role", DriftKind.CHANGED, ("path", "tags.Environment"))
    ]


def test_what_somebody_changed_and_no_update_would_touch_is_no_drift():
    assert compared(event("refresh", "role", diffs=["maxSessionDuration"]), event("same", "role")) == []


def test_what_somebody_deleted_is_gone_and_not_new():
    assert compared(event("refresh", "role", new=None), event("create", "role")) == [("role", DriftKind.GONE, ())]


def test_what_only_the_settings_changed_is_wanted():
    assert compared(event("refresh", "role"), event("update", "role", diffs=["description"])) == [
        ("role", DriftKind.UNAPPLIED, ("description",))
    ]
    assert compared(event("refresh", "role"), event("delete", "role")) == [("role", DriftKind.UNAPPLIED, ())]


def test_what_the_state_does_not_have_is_unknown_to_it():
    assert compared(event("create", "role")) == [("role", DriftKind.UNKNOWN, ())]


def test_a_replacement_is_one_drift_of_one_resource():
    steps = (event(op, "role", diffs=["name"]) for op in ("create-replacement", "replace", "delete-replaced"))
    assert compared(event("refresh", "role"), *steps) == [("role", DriftKind.UNAPPLIED, ("name",))]


def test_the_drift_that_the_real_provider_tells_of_an_account_is_what_was_done_to_it():
    """A recorded preview of the stack of `examples/vercel.yaml`, after eight changes of its account."""
    told = json.loads((Path(recordings.__file__).with_name("drift.json")).read_text())
    events = (
        event(
            each["op"],
            each["urn"].rpartition("::")[2],
            type_=each["type"],
            new=AN_OBJECT if each["is_there"] else None,
            diffs=each.get("diffs"),
            detailed_diff=each.get("detailed_diff"),
        )
        for each in told
    )

    assert sorted(compared(*events)) == [
        ("alerts-denied-use", DriftKind.CHANGED, ("actionsEnabled",)),
        ("alerts-key-changes", DriftKind.CHANGED, ("description", "eventPattern")),
        ("alerts-trail-changes", DriftKind.GONE, ()),
        ("app-principal", DriftKind.CHANGED, ("tags.Owner",)),
        ("audit-trail-access", DriftKind.CHANGED, ("versioningConfiguration.status",)),
        ("phi-key", DriftKind.CHANGED, ("enableKeyRotation", "policy")),
        ("phi-key", DriftKind.GONE, ()),
    ]


def test_components_and_the_engines_own_are_no_resources():
    component = event("create", "phi-key", type_="eonpro:kms:PhiKey")
    assert compared(component, event("update", "stack", type_="pulumi:pulumi:Stack")) == []
    assert compared(SimpleNamespace(res_outputs_event=None)) == []


def test_several_are_told_in_one_order():
    comparison = Comparison()
    for name in ("b", "a"):
        comparison(event("create", name))
    assert [drift.name for drift in comparison.drifts] == ["a", "b"]
    assert all(isinstance(drift, Drift) for drift in comparison.drifts)
