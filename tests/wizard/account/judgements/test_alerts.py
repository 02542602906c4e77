"""Alerts that are there and would not arrive: each is compared with what the settings make, by what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from components.policies.alerts import pattern_of
from components.policies.event_patterns import covers
from tests.wizard.account.doctor_fixture import DoctorFixture
from tests.wizard.fakes.clients import LOGS_KEY, alerts_fact, outputs_of, settings, trail_fact
from wizard.account.judgements.alerts import check_alerts
from wizard.account.notices import State
from wizard.core.models.trail import AlertsFact, RuleFact

KINDS = ("key-changes", "trail-changes", "denied-use", "access-changes", "alert-changes", "fallback")


SETTINGS = settings()


@pytest.fixture
def fixture() -> DoctorFixture:
    made = DoctorFixture(SETTINGS)
    made.aws.trails = (trail_fact(key_arn=LOGS_KEY),)
    return made


def changed(alerts: AlertsFact, kind: str, change: Callable[[RuleFact], RuleFact]) -> AlertsFact:
    rules = tuple(change(fact) if fact.rule.kind == kind else fact for fact in alerts.rules)
    return replace(alerts, rules=rules)


def narrowed(fact: RuleFact, **detail: Any) -> RuleFact:
    pattern = dict(fact.pattern or {})
    return replace(fact, pattern={**pattern, "detail": {**pattern["detail"], **detail}})


def said(fixture: DoctorFixture) -> list[tuple[State, str, str]]:
    return [(notice.state, notice.code, notice.what) for notice in fixture.diagnosis([check_alerts]).notices]


@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_with_one_condition_more_is_none(fixture: DoctorFixture, kind: str) -> None:
    """As one that matches the events of the settings' own samples, and of no other caller."""
    sample = {"userIdentity": {"arn": ["arn:aws:iam::123456789012:user/sample"]}}
    fixture.aws.alerts = changed(alerts_fact(SETTINGS), kind, lambda fact: narrowed(fact, **sample))
    [(state, code, what)] = said(fixture)
    assert (state, code) == (State.WRONG, "alerts-rule-off")
    assert "does not match all the events of the settings" in what


def test_a_rule_that_sees_no_use_of_the_key_counts_no_denial(fixture: DoctorFixture) -> None:
    fixture.aws.alerts = changed(alerts_fact(SETTINGS), "denied-use", lambda fact: replace(fact, state="ENABLED"))
    [(_, code, what)] = said(fixture)
    assert code == "alerts-rule-off" and "matches no use of the key" in what


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ActionsEnabled": False}, "is switched off"),
        ({"Threshold": 1e6}, "waits for 1e+06 denied uses; the settings say 5"),
        ({"Period": 10}, "counts something else: its Period"),
        ({"EvaluationPeriods": 100}, "its EvaluationPeriods"),
        ({"Dimensions": []}, "its Dimensions"),
        ({"MetricName": "Invocations"}, "its MetricName"),
        ({"AlarmActions": []}, "does not publish to"),
        ({"AlarmActions": ["arn:aws:sns:us-east-1:999999999999:other"]}, "does not publish to"),
    ],
)
def test_an_alarm_that_does_not_ring_is_found(fixture: DoctorFixture, change: Any, words: str) -> None:
    alerts = alerts_fact(SETTINGS)
    fixture.aws.alerts = replace(alerts, alarm={**(alerts.alarm or {}), **change})
    [(state, code, what)] = said(fixture)
    assert (state, code) == (State.WRONG, "alerts-rule-off") and words in what


def test_an_alarm_that_is_gone_is_found_and_a_stricter_one_is_good(fixture: DoctorFixture) -> None:
    alerts = alerts_fact(SETTINGS)
    fixture.aws.alerts = replace(alerts, alarm=None)
    assert ["does not exist" in what for _, _, what in said(fixture)] == [True]
    more = [*(alerts.alarm or {})["AlarmActions"], "arn:aws:sns:us-east-1:123456789012:pager"]
    fixture.aws.alerts = replace(alerts, alarm={**(alerts.alarm or {}), "Threshold": 1.0, "AlarmActions": more})
    assert [state for state, _, _ in said(fixture)] == [State.GOOD]


@pytest.mark.parametrize("kind", KINDS)
def test_a_pattern_covers_itself_and_no_part_of_it_may_go(kind: str) -> None:
    of_settings = settings()
    expected = pattern_of(of_settings, kind, key_arns=outputs_of(of_settings).key_arns, logs_key_arn=LOGS_KEY)
    assert covers(expected, expected)
    for number in range(len(expected["detail"]["$or"])):
        alternatives = [each for position, each in enumerate(expected["detail"]["$or"]) if position != number]
        assert not covers({**expected, "detail": {**expected["detail"], "$or": alternatives}}, expected)
    assert not covers({**expected, "account": ["999999999999"]}, expected)
    assert not covers({**expected, "source": expected["source"][1:]}, expected)
