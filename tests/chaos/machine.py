"""Random sequences of commands, crashes, faults and deletions by hand, against a model with the laws of the data key.

Starts and ends the processes of worlds below the stage's folder. NAME is the seed of three sequences.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.chaos.commands import ANSWERS, COMMANDS, CONFIRMED, STORED, UNKEPT, VERSIONS, Command, stored
from tests.chaos.histories import FAST, PHASES, Stage
from tests.chaos.judge import Judge, Verdict, is_stored

SEQUENCES, STEPS = 3, 8
_SETTINGS = settings(
    max_examples=SEQUENCES,
    stateful_step_count=STEPS,
    database=None,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=[*HealthCheck],
    verbosity=Verbosity.quiet,
)
_HAPPENS: Any = st.one_of(
    st.none(),
    st.none(),
    st.tuples(st.just("kill"), st.integers(0, 6), st.sampled_from(PHASES)),
    st.tuples(st.just("faults"), st.integers(0, 1 << 30), st.sampled_from((0.05, 0.1, 0.2, 0.3))),
)
SIMPLE = ("push", "push-redeploy", "verify-full", "doctor", "backup", "rotate-cmk", "rewrap", "review")
DELETED = ("vercel/all", "vercel/ENCRYPTED_PHI_KEY", STORED, f"{VERSIONS}*")


def sequences(stage: Stage, name: str) -> Verdict:
    """The sequences of one seed, judged together."""
    verdict = Verdict(history=f"machine:{name}")
    run_state_machine_as_test(seed(int(name))(_machine(stage, verdict)), settings=_SETTINGS)
    return verdict


def _machine(stage: Stage, verdict: Verdict) -> type[RuleBasedStateMachine]:
    class Sequence(RuleBasedStateMachine):
        """What holds all the while is judged after each step, and at the end."""

        @initialize(kind=st.sampled_from(("vercel", "vercel", "pending", "undelivered")))
        def begin(self, kind: str) -> None:
            self.block = stage.fork(kind)
            self.world, template = self.block.__enter__()
            self.account = self.begun = template
            self.judge = Judge(verdict.history, self.world, template)
            self.pending, self.keeps_nothing = kind == "pending", False

        @rule(name=st.sampled_from(SIMPLE), happens=_HAPPENS)
        def run(self, name: str, happens: Any) -> None:
            command = COMMANDS[name]
            if name == "rotate-cmk":
                # Within an hour of the first rotation another one is none, so the first one counts.
                check = command.check
                command = replace(command, check=lambda world, account, _: check(world, account, self.begun))
            self._run(command, happens)

        @rule(happens=_HAPPENS)
        def rotate_the_data_key(self, happens: Any) -> None:
            before = {*self.account["dataKeys"].values()}
            # One that waits for its promotion is all that there may be.
            command = COMMANDS["rotate-data-key"]
            self._run(replace(command, new_keys=0 if self.pending else 1, check=stored), happens)
            self.pending = self.pending or not before >= {*self.account["dataKeys"].values()}

        @rule(
            happens=_HAPPENS, number=st.integers(0, 5), word=st.sampled_from(("rotate --promote", "restore --version"))
        )
        def put_a_version_in_its_place(self, happens: Any, number: int, word: str) -> None:
            names = sorted(
                place for place in self.account["dataKeys"] if place.startswith(VERSIONS) and "/new/" not in place
            )
            if not names:
                return
            chosen = names[number % len(names)].removeprefix(VERSIONS)
            said = ("--no-hash-columns", "--no-records") if word.startswith("rotate") else ()
            words = (*word.split(), f"sha256:{chosen}", *said, "--no-redeploy", *CONFIRMED)
            self._run(Command(name="promote", words=words, check=stored, replaces=True), happens)
            # Whether it waits for its promotion still, its slot says.
            self.pending = self._waits()

        @precondition(lambda self: not self.judge.by_hand)
        @rule(what=st.sampled_from(DELETED))
        def delete_by_hand(self, what: str) -> None:
            self.world.by_hand(what)
            self.judge.by_hand = True
            self.keeps_nothing = what.startswith(VERSIONS)
            self.account = self.world.account()

        @rule()
        def set_up_without_the_engine_having_anything_to_do(self) -> None:
            if not verdict.outputs:
                verdict.outputs.append("a set-up")
                self._run(Command(name="setup", words=("setup", *ANSWERS), check=stored, runs_engine=True), None)

        def _waits(self) -> bool:
            # One that was in use once, and was put back, waits for nothing: the next rotation makes another.
            used = {event["new"] for event in self.account["events"] if is_stored(event["what"])}
            return any("/new/" in place and key not in used for place, key in self.account["dataKeys"].items())

        def _run(self, command: Command, happens: Any) -> None:
            if "Traceback" in str(verdict.not_converged):
                return
            if self.keeps_nothing and command.name.startswith(("push", "verify")):
                # They may not create a version: the policy of a delivery does not allow it. The doctor says so.
                check = command.check
                command = replace(
                    command, check=lambda *asked: [each for each in check(*asked) if not each.startswith(UNKEPT)]
                )
            arguments = command.arguments(self.account)
            client, before = {} if command.runs_engine else FAST, self.account
            if happens is not None:
                kind, first, second = happens
                orders = {"kill": [first, second]} if kind == "kill" else {"seed": first, "probability": second}
                self.judge.about_to_run(command)
                ended = self.world.run(*arguments, orders=orders, client=stage.client(**client), typed=command.typed)
                self.account = self.judge.ended(command, ended, before=before)
                command = replace(command, new_keys=0)
            self.judge.about_to_run(command)
            ended = self.world.run(*arguments, client=stage.client(**client), typed=command.typed)
            self.account = self.judge.ended(command, ended, before=before)

        def teardown(self) -> None:
            if hasattr(self, "judge"):
                found = self.judge.sentence()
                for column in ("not_converged", "duplicated", "overwritten", "leaked", "wrong", "outputs"):
                    getattr(verdict, column).extend(getattr(found, column))
                self.block.__exit__(None, None, None)

    return Sequence
