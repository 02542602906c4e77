"""What a stack that is there already does not let change, and what a crashed run left of it.

Pure: facts in, problems out; asks the cloud what an interrupted run made.
"""

from __future__ import annotations

from components.contract import Settings
from wizard.errors import Problem
from wizard.escrow import region_of
from wizard.existing import crashed
from wizard.facts import Existing, StackState
from wizard.preflight_attempt import attempt, problem
from wizard.protocols import Cloud


def left_behind(
    settings: Settings, existing: Existing, state: StackState, cloud: Cloud
) -> tuple[dict[str, str], list[Problem]]:
    if not state.pending:
        return {}, []
    found, error = attempt(crashed, settings, existing, state, cloud)
    if error is not None:
        return {}, [problem(error, "what an interrupted run made has to be found before more is made")]
    return found or {}, []


def moved(settings: Settings, saved: Settings, stack: str, state: StackState) -> list[Problem]:
    """A key never leaves its Region, and its names carry the environment: neither can change under a stack.

    The replicas are those of the stack's state: the saved settings may hold some that nobody confirmed.
    """
    problems = []
    keys = [region_of(arn) for arn in state.owned if ":kms:" in arn and ":key/mrk-" in arn]
    replicas = sorted(set(keys) - {saved.region})
    if settings.multi_region != saved.multi_region:
        was = "a multi-Region key" if saved.multi_region else "a key of one Region"
        problems.append(
            Problem(
                what=f"the stack {stack} has {was}, and that cannot be changed",
                why="it is decided when a key is created: another one would be made, and could not open the data key",
                next=f"leave it: --multi-region {'yes' if saved.multi_region else 'no'}   "
                "or set up another stack: --stack NAME",
                exit_code=2,
            )
        )
    for region in sorted(set(replicas) - set(settings.replica_regions)):
        problems.append(
            Problem(
                what=f"the replica in {region} would be dropped",
                why="an application there could not open the data key any more, so the set-up drops none",
                next=f"leave it: --replica-regions {','.join(sorted({*replicas, *settings.replica_regions}))}",
                exit_code=2,
            )
        )
    return problems + [
        Problem(
            what=f"the stack {stack} is built in the {what} {was}, not {wanted}",
            why="the key cannot move: another one would be made, and could not open the data key",
            next=f"leave it: --{what} {was}   or set up another stack: --stack NAME",
            exit_code=2,
        )
        for what, was, wanted in (
            ("region", saved.region, settings.region),
            ("environment", saved.environment, settings.environment),
        )
        if was != wanted
    ]
