"""What a second stack in the same environment is told: which backend has the first one."""

from __future__ import annotations

from tests.wizard.fakes.clients import settings
from wizard.account.resource_conflicts import claim_of, foreign_claim

HERE = "s3://state"


def test_a_second_stack_of_the_same_backend_is_not_sent_to_another_login() -> None:
    problem = foreign_claim(settings(), claim_of("production", HERE), claim_of("prod2", HERE))
    assert problem is not None and problem.next.startswith("python -m wizard setup --stack production")
    assert "login" not in problem.next and "--stack prod2 --environment NAME" in str(
        getattr(problem.next, "advice", "")
    )


def test_a_stack_of_another_backend_is_reached_by_its_login() -> None:
    problem = foreign_claim(settings(), claim_of("production", "s3://theirs"), claim_of("prod2", HERE))
    assert problem is not None and problem.next.startswith("pulumi login s3://theirs")
