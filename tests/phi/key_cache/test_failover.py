"""Failover between Regions: which is tried when, and the error when all fail."""

from __future__ import annotations

import pytest

from eonpro_phi import FailoverKeySource, RegionFailed, UnwrapError
from eonpro_phi.errors import AccessDenied, NotFound, Throttled, Unreachable
from tests.phi.key_sources import KEY, OTHER_KEY, CountingSource, EventRecorder


def test_the_first_region_that_answers_is_the_last_one_asked() -> None:
    here, there = CountingSource(), CountingSource(OTHER_KEY)
    events = EventRecorder()
    assert FailoverKeySource({"us-east-1": here, "us-west-2": there}, on_event=events).data_key() == KEY
    assert (here.unwraps, there.unwraps, events.rest()) == (1, 0, [])


def test_a_region_that_fails_is_reported_and_tried_first_again() -> None:
    here, there, events = CountingSource(), CountingSource(), EventRecorder()
    here.failure = Throttled("Fewer requests.")
    source = FailoverKeySource({"us-east-1": here, "us-west-2": there}, on_event=events)
    assert source.data_key() == KEY
    assert events.rest() == [RegionFailed(region="us-east-1", cause="Throttled")]
    here.failure = None
    assert source.data_key() == KEY
    assert (here.unwraps, there.unwraps, events.rest()) == (2, 1, [])


def test_where_all_regions_fail_the_error_is_the_first_with_all_messages() -> None:
    here, there, events = CountingSource(), CountingSource(), EventRecorder()
    here.failure, there.failure = Unreachable("The first was away."), Throttled("The second was busy.")
    with pytest.raises(Unreachable) as caught:
        FailoverKeySource({"us-east-1": here, "us-west-2": there}, on_event=events).data_key()
    assert str(caught.value) == "The first was away. The second was busy."
    assert caught.value.__cause__ is here.failure and str(here.failure) == "The first was away."
    assert events.rest() == [
        RegionFailed(region="us-east-1", cause="Unreachable"),
        RegionFailed(region="us-west-2", cause="Throttled"),
    ]


@pytest.mark.parametrize("failure", [AccessDenied("Denied."), NotFound("Not there.")])
def test_a_terminal_failure_is_final(failure: UnwrapError) -> None:
    first, second, third = CountingSource(), CountingSource(), CountingSource()
    first.failure, second.failure = Unreachable("Away."), failure
    events = EventRecorder()
    with pytest.raises(type(failure)) as caught:
        FailoverKeySource({"a": first, "b": second, "c": third}, on_event=events).data_key()
    assert caught.value is failure and third.unwraps == 0
    assert events.rest() == [RegionFailed(region="a", cause="Unreachable")]


def test_an_empty_list_of_sources_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^At least one key source is required\.$"):
        FailoverKeySource({})


def test_its_repr_shows_the_regions() -> None:
    assert repr(FailoverKeySource({"us-east-1": CountingSource(), "us-west-2": CountingSource()})) == (
        "FailoverKeySource(us-east-1, us-west-2)"
    )
