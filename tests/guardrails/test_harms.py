"""Each harmful change of the program is refused by its rule, and each harmless one passes, on a planned stack."""

from __future__ import annotations

import contextvars
import warnings
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import pytest

from tests.components import conftest
from tests.components.configurations import ACCOUNT, CONFIG
from tests.components.conftest import Recording
from tests.guardrails.harms import LISTED, OWN, Harm, with_account
from tests.guardrails.harms_by_meaning import ALL, FURTHER, HARMLESS
from tests.guardrails.planned import Stack, planned, refusals, root_of

OF_EACH_RULE = 20
"""How many harms that one rule refuses every run does; `make check` does them all."""


def settings_of(harm: Harm) -> dict[str, Any]:
    """The settings of the stack that a harm is done to, with the account's id."""
    return {name: with_account(value, ACCOUNT) for name, value in harm.config.items()}


def run_changed(harm: Harm) -> Stack:
    """The stack that the changed program registers, against the mock of the engine."""
    recording, changes = Recording(), settings_of(harm)
    names: dict[str, Any] = {"__name__": "__main__"}

    def program() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            exec(compile(harm.program(), harm.name, "exec"), names)

    config = {**CONFIG, **{f"eonpro-kms:{name}": value for name, value in changes.items()}}
    try:
        contextvars.copy_context().run(conftest._run, config, recording, program)
    finally:
        for owner, name, value in reversed(names.get("_PATCHED", [])):
            setattr(owner, name, value)
    return [*planned(recording, **changes), root_of(recording, **changes)]


def few_of_each(harms: Iterable[Harm]) -> Iterator[Any]:
    """Every harm as a parameter: of each rule some, evenly chosen, and the rest as `thorough`."""
    for _, found in groupby(sorted(harms, key=lambda harm: harm.rule), key=lambda harm: harm.rule):
        of_rule = list(found)
        step = -(-len(of_rule) // OF_EACH_RULE)
        for number, harm in enumerate(of_rule):
            yield pytest.param(harm, marks=pytest.mark.thorough if number % step else (), id=harm.name)


@pytest.fixture(params=few_of_each(ALL))
def harm(request: pytest.FixtureRequest) -> Iterator[Harm]:
    yield request.param


def test_a_harmful_change_of_the_program_is_refused_by_its_rule(harm: Harm) -> None:
    found = list(refusals(run_changed(harm)))
    assert harm.rule in {rule for rule, _ in found}, found


@pytest.mark.parametrize("change", HARMLESS, ids=lambda change: change.name)
def test_a_harmless_change_of_the_program_passes(change: Harm) -> None:
    stack, plain = run_changed(change), run_changed(Harm(name="nothing", config=change.config))
    assert [each.props for each in stack] != [each.props for each in plain]
    assert list(refusals(stack)) == []


def test_there_are_as_many_of_them_as_were_tried_and_no_two_have_one_name() -> None:
    assert len(LISTED) >= 72 and min(len(OWN), len(FURTHER)) >= 40 and len(HARMLESS) >= 15
    names = [change.name for change in (*ALL, *HARMLESS)]
    assert len(set(names)) == len(names)
