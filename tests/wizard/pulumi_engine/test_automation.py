"""The private parts of Pulumi's Automation API that the wizard relies on: a version that lacks one is named here."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from pulumi import automation as api
from pulumi.automation import _stack

from wizard.pulumi_engine import automation


class Workspace(api.LocalWorkspace):
    """Records what a stack asks of its workspace."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def select_stack(self, stack_name: str) -> None:
        self.calls.append("select")

    def create_stack(self, stack_name: str) -> None:
        self.calls.append("create")


def test_the_ways_to_open_a_stack_are_where_they_were() -> None:
    assert {mode.name for mode in _stack.StackInitMode} >= {"CREATE", "SELECT"}
    assert list(inspect.signature(api.Stack.__init__).parameters) == ["self", "name", "workspace", "mode"]


def test_a_stack_that_is_only_read_has_every_attribute_of_one_that_is_selected() -> None:
    selected = automation.select("production", Workspace())
    read_only = automation.ReadOnlyStack("production", Workspace())
    assert vars(read_only).keys() == vars(selected).keys() == {"name", "workspace", "_mode"}


@pytest.mark.parametrize(("open_stack", "call"), [(automation.select, "select"), (automation.create, "create")])
def test_a_stack_is_selected_or_created_and_nothing_else(open_stack: Any, call: str) -> None:
    workspace = Workspace()
    assert isinstance(open_stack("production", workspace), automation.MinimalStack)
    assert workspace.calls == [call]


def test_an_update_asks_for_outputs_and_history_by_the_methods_that_are_replaced() -> None:
    assert {"outputs", "info"} <= set(api.Stack.up.__code__.co_names), "`up` would start the CLI for them again"
    assert inspect.signature(api.Stack.info).parameters.keys() == {"self", "show_secrets"}
