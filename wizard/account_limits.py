"""What AWS would refuse half-way: actions that the caller may not do, quotas that are used up, a clock that is wrong.

Pure: asks the cloud through its Protocol, reads only.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.contract import Settings
from wizard.errors import CredentialsError, Problem
from wizard.preflight_attempt import Told, attempt
from wizard.protocols import Cloud

SKEW_TO_TELL_SECONDS = 30.0
SKEW_TO_STOP_SECONDS = 240.0
"""AWS refuses a request that was signed more than five minutes off its own time; a run takes one of them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
"""

_SET_THE_CLOCK = "timedatectl set-ntp true   or on macOS: sudo sntp -sS time.apple.com"
_NAMED = 8
"""How many of the actions that could not be asked about are named; the policy has them all."""


@dataclass(frozen=True, kw_only=True)
class Rights(Told):
    """What is told of the caller's rights."""

    denied: tuple[str, ...] = ()
    """The actions that are known to be refused."""


def rights(settings: Settings, cloud: Cloud, stack: str) -> Rights:
    """What the caller may not do of what the set-up does, all of it in one problem; what nobody knows is a note."""
    policy = "python -m wizard policy operator" + ("" if stack == "production" else f" --stack {stack}")
    fact, error = attempt(cloud.check_permissions, settings)
    if fact is None:
        # A check that cannot be made is no finding: AWS itself will say what is not allowed.
        why = error.message if error else ""
        return Rights(notes=(f"what you may do could not be asked ({why}); what is needed: {policy}",))
    problems = []
    if fact.denied:
        problems.append(
            Problem(
                what=f"you are not allowed to do: {', '.join(fact.denied)}",
                why="the set-up would stop half-way",
                next=f"{policy}   prints the rights to ask for; or use other credentials: --profile NAME",
                exit_code=CredentialsError.exit_code,
            )
        )
    notes = []
    if fact.unknown:
        why = f" ({fact.why_unknown})" if fact.why_unknown else ""
        more = len(fact.unknown) - _NAMED
        listed = ", ".join(fact.unknown[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        notes.append(f"whether you may do it could not be asked{why}; needed are: {listed}; in full: {policy}")
    return Rights(problems=tuple(problems), notes=tuple(notes), denied=fact.denied)


def quotas(settings: Settings, cloud: Cloud) -> Told:
    """The account's limits that the set-up would run into."""
    found, error = attempt(cloud.check_quotas, settings)
    if found is None:
        return Told(notes=(f"the account's quotas could not be asked ({error.message if error else ''})",))
    return Told(
        problems=tuple(
            Problem(
                what=f"{quota.what}: {quota.used} of {quota.limit} are there, and {quota.needed} more would be made",
                why="AWS would refuse it half-way",
                next=quota.next,
            )
            for quota in found
            if quota.exceeded
        )
    )


def clock(cloud: Cloud) -> Told:
    """How far this machine's clock is from AWS's, which is known by the answer that told who the caller is."""
    skew, _ = attempt(cloud.clock_skew)
    if skew is None or abs(skew) < SKEW_TO_TELL_SECONDS:
        return Told()
    off = f"this machine's clock is {abs(skew):.0f} seconds {'ahead of' if skew > 0 else 'behind'} AWS's"
    if abs(skew) <= SKEW_TO_STOP_SECONDS:
        return Told(notes=(f"{off}; from 300 on AWS refuses every request: {_SET_THE_CLOCK}",))
    far = Problem(
        what=off, why="AWS refuses every request that was signed more than 300 seconds off", next=_SET_THE_CLOCK
    )
    return Told(problems=(far,))
