"""Several doors to one key: which is tried when, and what is said when none opens."""

from __future__ import annotations

import pytest

from phi import FailoverKeySource, RegionFailed, UnwrapError
from phi.errors import AccessDenied, NotFound, Throttled, Unreachable
from tests.phi.key_sources import KEY, OTHER_KEY, CountingSource, EventRecorder


def test_the_first_door_that_answers_is_the_last_that_is_asked() -> None:
    here, there = CountingSource(), CountingSource(OTHER_KEY)
    told = EventRecorder()
    assert FailoverKeySource({"us-east-1": here, "us-west-2": there}, on_event=told).data_key() == KEY
    assert (here.unwraps, there.unwraps, told.rest()) == (1, 0, [])


def test_a_door_that_does_not_answer_is_passed_by_told_and_asked_first_again() -> None:
    here, there, told = CountingSource(), CountingSource(), EventRecorder()
    here.failure = Throttled("Fewer requests.")
    doors = FailoverKeySource({"us-east-1": here, "us-west-2": there}, on_event=told)
    assert doors.data_key() == KEY
    assert told.rest() == [RegionFailed(region="us-east-1", cause="Throttled")]
    here.failure = None
    assert doors.data_key() == KEY
    assert (here.unwraps, there.unwraps, told.rest()) == (2, 1, [])


def test_where_no_door_answers_the_failure_is_the_first_doors_and_names_them_all() -> None:
    here, there, told = CountingSource(), CountingSource(), EventRecorder()
    here.failure, there.failure = Unreachable("The first was away."), Throttled("The second was busy.")
    with pytest.raises(Unreachable) as refused:
        FailoverKeySource({"us-east-1": here, "us-west-2": there}, on_event=told).data_key()
    assert str(refused.value) == "The first was away. The second was busy."
    assert refused.value.__cause__ is here.failure and str(here.failure) == "The first was away."
    assert told.rest() == [
        RegionFailed(region="us-east-1", cause="Unreachable"),
        RegionFailed(region="us-west-2", cause="Throttled"),
    ]


@pytest.mark.parametrize("failure", [AccessDenied("Denied."), NotFound("Not there.")])
def test_what_a_door_says_for_good_is_believed_and_no_other_is_asked(failure: UnwrapError) -> None:
    first, second, third = CountingSource(), CountingSource(), CountingSource()
    first.failure, second.failure = Unreachable("Away."), failure
    told = EventRecorder()
    with pytest.raises(type(failure)) as refused:
        FailoverKeySource({"a": first, "b": second, "c": third}, on_event=told).data_key()
    assert refused.value is failure and third.unwraps == 0
    assert told.rest() == [RegionFailed(region="a", cause="Unreachable")]


def test_no_door_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^A data key needs a door\.$"):
        FailoverKeySource({})


def test_the_doors_show_their_regions() -> None:
    assert repr(FailoverKeySource({"us-east-1": CountingSource(), "us-west-2": CountingSource()})) == (
        "FailoverKeySource(us-east-1, us-west-2)"
    )
