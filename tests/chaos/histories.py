"""The kinds of histories: crashes, faults, races; each history by its name, which repeats it.

Starts and ends the processes of worlds below the folder that it is given.
"""

from __future__ import annotations

import itertools
import random
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.commands import ANSWERS, CHECK_VALUES, COMMANDS, CONFIRMED, HASH_KEY, Command
from tests.chaos.judge import Judge, Verdict
from tests.chaos.server import TIME_OUT_SECONDS
from tests.chaos.world import SECONDS, World

PHASES = ("before", "during", "after")
FAST = {"jumps": True, "timeOut": TIME_OUT_SECONDS}


@dataclass(kw_only=True)
class Template:
    """A world that histories begin in, and what its account had."""

    world: World
    account: Mapping[str, Any]


@dataclass(kw_only=True)
class Stage:
    """Where histories are run: the templates, each made when it is first needed."""

    root: Path
    empty: World
    is_baseline: bool = False
    templates: dict[str, Template] = field(default_factory=dict)
    effects: dict[str, list[tuple[str, int, str]]] = field(default_factory=dict)
    """By command: `http` or `file`, the number, and what it is."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    locks: dict[str, threading.Lock] = field(default_factory=dict)
    """By template, while it is made."""
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def template(self, name: str) -> Template:
        """A world of that kind."""
        with self.lock:
            lock = self.locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self.templates:
                world = self._made(name)
                self.templates[name] = Template(world=world, account=world.account())
            return self.templates[name]

    def whole(self) -> Mapping[str, Any]:
        """The account as a set-up leaves it."""
        return self.template("vercel").account

    def _made(self, name: str) -> World:
        former, steps = WORLDS[name]
        world = (self.empty if former == "" else self.template(former).world).fork(self.root / f"of-{name}")
        for words in steps:
            if words[0] == "by hand":
                world.by_hand(words[1])
                continue
            command = Command(name="step", words=words, check=lambda *_: [])
            ended = world.run(*command.arguments(world.account()))
            assert ended.code == 0, f"{name}: {words} ended with {ended.code}\n{ended.output}"
        if former == "" and steps:
            world.record_engine()
        world.runs.clear()
        return world

    @contextmanager
    def fork(self, name: str, *, seed: int = 0) -> Iterator[tuple[World, Mapping[str, Any]]]:
        """A world of that kind for one history, and its account."""
        template = self.template(name)
        world = template.world.fork(self.root / f"h{next(self.numbers)}", seed=seed)
        try:
            yield world, template.account
        finally:
            world.stop()

    def client(self, **more: Any) -> dict[str, Any]:
        """The orders of a client of this stage."""
        return {**({"baseline": True} if self.is_baseline else {}), **more}

    def side_effects(self, command: Command) -> list[tuple[str, int, str]]:
        """Every change that the command makes when nothing fails: calls of AWS and Vercel, and of files."""
        with self.lock:
            known = self.effects.get(command.name)
        if known is None:
            with self.fork(command.world) as (world, _):
                listing = world.root / "effects.txt"
                ended = world.run(
                    *command.arguments(world.account()),
                    client=self.client(listFiles=str(listing)),
                    typed=command.typed,
                )
                assert ended.code == 0, f"{command.name} ended with {ended.code}\n{ended.output}"
                files = listing.read_text().splitlines() if listing.exists() else []
                changes = world.account()["changes"]
            known = [("http", number, what) for number, what in enumerate(changes)]
            known += [("file", number, re.sub(r"\.[0-9a-f]{8}$", "", what)) for number, what in enumerate(files)]
            with self.lock:
                self.effects[command.name] = known
        return known


WORLDS: Mapping[str, tuple[str, tuple[tuple[str, ...], ...]]] = {
    "empty": ("", ()),
    "vercel": (
        "",
        (
            ("setup", *ANSWERS),
            ("push", "--redeploy", "--yes"),
            ("review", "--sign", "The first", "--confirm", "production"),
        ),
    ),
    "hash-key": ("vercel", (("setup", *ANSWERS, *HASH_KEY),)),
    "ecs-hash-key": ("", (("setup", "--answers", "examples/ecs.yaml", "--yes", *HASH_KEY),)),
    "ecs-unchecked": ("ecs-hash-key", tuple(("by hand", place) for place in CHECK_VALUES)),
    "undelivered": ("vercel", (("by hand", "vercel/all"),)),
    "pending": ("vercel", (("rotate", "--data-key", *CONFIRMED),)),
    "promoted": (
        "pending",
        (("rotate", "--promote", "{pending}", "--no-hash-columns", "--no-records", "--redeploy", *CONFIRMED),),
    ),
    "user": ("", (("setup", "--answers", "examples/vercel-user.yaml", "--yes"), ("push", "--redeploy", "--yes"))),
    "ecs": ("", (("setup", "--answers", "examples/ecs.yaml", "--yes"), ("push", "--redeploy", "--yes"))),
    "replica": ("", (("setup", "--answers", "examples/multi-region.yaml", "--yes"),)),
    "replica-lost": ("replica", (("by hand", "us-west-2/eonpro/production/ENCRYPTED_PHI_KEY"),)),
    "replica-pending": ("replica", (("rotate", "--data-key", *CONFIRMED),)),
    "secrets": ("", (("setup", "--answers", "examples/ecs-secrets-manager.yaml", "--yes"),)),
    "secrets-pending": ("secrets", (("rotate", "--data-key", *CONFIRMED),)),
    "user-rotated": ("user", (("access-key", "rotate", "--yes"), ("push", "--redeploy", "--yes"))),
}
"""Each kind of world: the one that it is forked from, and what is done there."""


# --- crashes: NAME is COMMAND/EFFECT/PHASE, and a second /EFFECT/PHASE for a crash of the repair


def crash(stage: Stage, name: str) -> Verdict:
    """The machine loses its power at a side effect of a command; the same command is typed again."""
    command_name, *points = name.split("/")
    command = COMMANDS[command_name]
    with stage.fork(command.world) as (world, template):
        judge = Judge(f"crashes:{name}", world, stage.whole() if command.world == "empty" else template)
        judge_template_of_empty(judge, template)
        arguments = command.arguments(template)
        for number, (point, phase) in enumerate(zip(points[::2], points[1::2], strict=True)):
            judge.about_to_run(command, again=number > 0)
            side, at = point[:4], int(point[4:])
            orders = {"kill": [at, phase]} if side == "http" else {}
            client = {"killFile": [at, phase]} if side == "file" else {}
            ended = world.run(
                *arguments,
                orders={**orders, "watched": sorted(world.secrets)},
                client=stage.client(**client),
                typed=command.typed,
            )
            judge.ended(command, ended)
        judge.about_to_run(command, again=True)
        ended = world.run(*arguments, client=stage.client(later=command.later), typed=command.typed)
        judge.ended(command, ended)
        judge.converged(command, ended)
        return judge.sentence()


def judge_template_of_empty(judge: Judge, template: Mapping[str, Any]) -> None:
    """What an empty account had is compared with for what was made; the promise of a set-up with a whole one."""
    if not template["events"]:
        judge.template = {**judge.template, "events": [], "accessKeys": [], "dataKeys": {}, "deployedKey": None}


def crashes(stage: Stage, names: list[str], chance: random.Random | None, count: int) -> list[str]:
    """The names of crashes: all of these commands' (chance is None), or a sample."""
    found, pairs = [], []
    for name in names:
        command = COMMANDS[name]
        effects = stage.side_effects(command)
        for side, number, _ in effects:
            # A file's change has no answer: before it, and when it has happened.
            for phase in PHASES if side == "http" else PHASES[::2]:
                found.append(f"{name}/{side}{number}/{phase}")
        if chance and effects:
            for _ in range(2):
                first, second = chance.choice(effects), chance.choice(effects)
                pair = [f"{each[0]}{each[1]}/{chance.choice(PHASES)}" for each in (first, second)]
                pairs.append(f"{name}/{pair[0]}/{pair[1]}")
        elif effects:
            points = [f"{side}{number}/{phase}" for side, number, _ in effects for phase in ("before", "during")]
            pairs += [f"{name}/{first}/{second}" for first in points for second in points[:: max(1, len(points) // 8)]]
    if chance is None:
        return found + pairs
    return chance.sample(found, min(count, len(found))) + chance.sample(pairs, min(count // 4, len(pairs)))


# --- plug-ins: NAME is COMMAND/EFFECT/PHASE, as a crash of the plug-in alone, and more of them for the runs after it

DURATIONS = 0.02
"""The part of the real durations that a creation takes: a key a quarter of a second, a lifecycle more than half."""


def plugin(stage: Stage, name: str, *, durations: float = DURATIONS) -> Verdict:
    """The AWS plug-in alone is killed at a change, while creations take their time; the same command is typed again."""
    command_name, *points = name.split("/")
    command = COMMANDS[command_name]
    env = {"PULUMI_SANDBOX_DURATIONS": str(durations)}
    # At full length a set-up takes a minute.
    seconds = SECONDS + 120 * durations
    with stage.fork(command.world) as (world, template):
        judge = Judge(f"plugins:{name}", world, stage.whole() if command.world == "empty" else template)
        judge_template_of_empty(judge, template)
        arguments = command.arguments(template)
        for number, (point, phase) in enumerate(zip(points[::2], points[1::2], strict=True)):
            judge.about_to_run(command, again=number > 0)
            orders = {"kill": [int(point.removeprefix("http")), phase], "victim": "plugin"}
            ended = world.run(
                *arguments, orders={**orders, "watched": sorted(world.secrets)}, client=stage.client(), env=env,
                typed=command.typed, seconds=seconds,
            )  # fmt: skip
            judge.ended(command, ended)
        judge.about_to_run(command, again=True)
        ended = world.run(
            *arguments, client=stage.client(later=command.later), env=env, typed=command.typed, seconds=seconds
        )
        judge.ended(command, ended)
        judge.converged(command, ended)
        return judge.sentence()


def at_full_length(stage: Stage, name: str) -> Verdict:
    """The same with the real durations."""
    return plugin(stage, name, durations=1.0)


def plugins(stage: Stage, chance: random.Random, count: int) -> list[str]:
    """The names of such histories: one end of the plug-in each, and for every third another in the run after it."""
    effects = [number for side, number, what in stage.side_effects(COMMANDS["setup"]) if side == "http"]
    points = [f"http{number}/{phase}" for number in effects for phase in ("before", "during")]
    chosen = chance.sample(points, min(count, len(points)))
    return [
        f"setup/{point}" + (f"/{chance.choice(points)}" if number % 3 == 0 else "")
        for number, point in enumerate(chosen)
    ]


# --- faults: NAME is COMMAND/NUMBER, by which probability and faults are drawn; COMMAND may be empty, then it is, too.
# COMMAND/NUMBER/KIND has faults of that kind alone.

_FOR_FAULTS = {
    "push": 8, "push-again": 5, "push-redeploy": 4, "verify": 3, "doctor": 2, "status": 1, "backup": 5, "rotate-cmk": 4,
    "rotate-data-key": 8, "promote": 4, "restore": 3, "rewrap": 3, "adopt": 4, "review": 3, "report": 1,
    "access-key-rotate": 3, "access-key-retire": 3, "setup": 0.02, "setup-again": 0.02,
    "replica-push": 2, "replica-rotate-data-key": 2, "replica-promote": 2,
    "secrets-push": 2, "secrets-rotate-data-key": 2, "secrets-promote": 2,
}  # fmt: skip


DISKS = {"disk-full": "full", "disk-read-only": "read-only"}


def fault(stage: Stage, name: str) -> Verdict:
    """A command whose calls fail in every way; then the same command, when nothing fails any more."""
    chance = random.Random(f"faults/{name}")
    chosen, number, kind = (*name.split("/"), "")[:3]
    drawn = chance.choices(list(_FOR_FAULTS), list(_FOR_FAULTS.values()))[0]
    command = COMMANDS[chosen or drawn]
    disk = chance.choices(("", "full", "read-only"), (18, 1, 1))[0]
    probability = chance.choice((0.05, 0.1, 0.2, 0.3))
    orders = {"probability": probability, "seed": chance.randrange(1 << 30), "watched": []}
    if kind in DISKS:
        disk, orders["probability"] = DISKS[kind], 0.0
    elif kind:
        disk, orders["kinds"], orders["probability"] = "", [kind], 0.5
    client: dict[str, Any] = {**FAST, **({"disk": disk, "diskFrom": chance.randrange(3)} if disk else {})}
    debug = ("--debug",) if chance.random() < 0.2 else ()
    with stage.fork(command.world, seed=int(number)) as (world, template):
        judge = Judge(f"faults:{name}", world, stage.whole() if command.world == "empty" else template)
        judge_template_of_empty(judge, template)
        arguments = command.arguments(template)
        judge.about_to_run(command)
        ended = world.run(*arguments, *debug, orders=orders, client=stage.client(**client), typed=command.typed)
        judge.ended(command, ended)
        if ended.code != 0:
            judge.about_to_run(command, again=True)
            again = world.run(*arguments, client=stage.client(**FAST, later=command.later), typed=command.typed)
            judge.ended(command, again)
            judge.converged(command, again)
        return judge.sentence()


# --- slow answers: NAME is WAY/COMMAND/NUMBER

WAYS = ("slow-body", "slow-headers", "interim", "pages")
STALLED_SECONDS = 0.4
"""The time without progress after which the product ends a command in these histories."""


def slow(stage: Stage, name: str) -> Verdict:
    """A command whose calls trickle in, or list without an end; then the same command, when nothing does any more."""
    way, chosen, number = name.split("/")
    command, chance = COMMANDS[chosen], random.Random(f"slow/{name}")
    orders = {"probability": chance.choice((0.1, 0.4, 1.0)), "seed": chance.randrange(1 << 30), "kinds": [way]}
    with stage.fork(command.world, seed=int(number)) as (world, template):
        judge = Judge(f"slow:{name}", world, template)
        arguments = command.arguments(template)
        judge.about_to_run(command)
        client = stage.client(**FAST, stalled=STALLED_SECONDS)
        ended = world.run(*arguments, orders=orders, client=client, typed=command.typed)
        judge.ended(command, ended)
        if ended.code not in command.done:
            judge.about_to_run(command, again=True)
            again = world.run(*arguments, client=stage.client(**FAST, later=command.later), typed=command.typed)
            judge.ended(command, again)
            judge.converged(command, again)
        return judge.sentence()


def slows(names: list[str], seed: int, count: int) -> list[str]:
    """The names of histories with slow answers: each way in its turn, each command in its turn."""
    chance = random.Random(f"slow/{seed}")
    commands = chance.sample(names, len(names))
    return [f"{WAYS[number % 4]}/{commands[number % len(commands)]}/{seed * 1000 + number}" for number in range(count)]


# --- races: NAME is COMMAND+COMMAND/PLACE/NUMBER

PLACES = ("one-folder", "two-folders", "two-backends")


def race(stage: Stage, name: str) -> Verdict:
    """Two commands at the same moment; then each again, alone, unless it ended well."""
    pair, place, number = name.split("/")
    commands = [COMMANDS[each] for each in pair.split("+")]
    chance = random.Random(f"races/{name}")
    kind = next((each.world for each in commands if each.world not in ("vercel",)), "vercel")
    with stage.fork(kind, seed=int(number)) as (world, template):
        judge = Judge(f"races:{name}", world, stage.whole() if kind == "empty" else template)
        judge_template_of_empty(judge, template)
        folders = [world.folder, world.folder]
        backends: list[dict[str, str]] = [{}, {}]
        if place != "one-folder":
            folders[1] = world.another_folder()
        if place == "two-backends":
            backends[1] = {"PULUMI_BACKEND_URL": f"file://{world.other_backend(empty=kind == 'empty')}"}
        for command in dict.fromkeys(commands):
            judge.about_to_run(command)
        if commands[0] is commands[1] and commands[0].name == "rotate-cmk":
            judge.about_to_run(commands[1], again=True)
        # Each has read what it decides by and has not written, or the other ran from start to end in between.
        meetings = [what for each in commands for side, _, what in stage.side_effects(each) if side == "http"]
        # The record does not tell two writers apart: it goes by the one of them that may write most.
        first = max(commands, key=lambda each: (each.replaces, each.new_keys))
        world.order(who=" ".join(first.words[:2]), hold=[chance.choice(meetings or ["none"]), 2])
        begun = [
            world.begin(
                *each.arguments(template), folder=folder, env=env, client=stage.client(), typed=each.typed, fresh=False
            )
            for each, folder, env in zip(commands, folders, backends, strict=True)
        ]
        ended = [each.wait() for each in begun]
        world.runs += ended
        judge.both_ended(commands, ended)
        if place != "two-backends":
            for command, run in zip(commands, ended, strict=True):
                if run.code not in command.done:
                    judge.about_to_run(command, again=True)
                    again = world.run(
                        *command.arguments(template), client=stage.client(later=command.later), typed=command.typed
                    )
                    judge.both_ended([command], [again], among=commands)
                    # The doctor rightly finds that what runs is older than what the other one has delivered.
                    if command.name != "doctor":
                        judge.converged(command, again)
        return judge.sentence()


def races(names: list[str], chance: random.Random | None, count: int) -> list[str]:
    """The names of races."""
    pairs = [f"{a}+{b}" for a, b in itertools.combinations_with_replacement(names, 2) if _meet(a, b)]
    found = [f"{pair}/{place}/{number}" for number in range(3) for pair in pairs for place in PLACES]
    return found if chance is None else chance.sample(found, min(count, len(found)))


def _meet(first: str, second: str) -> bool:
    kinds = {COMMANDS[name].world for name in (first, second)}
    # The others are judged by what is on Vercel.
    is_on_ecs = any(kind.startswith(("ecs", "replica", "secrets")) for kind in kinds)
    return len(kinds if is_on_ecs else kinds - {"vercel"}) <= 1
