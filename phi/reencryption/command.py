"""`python -m phi reencrypt`: the keys it takes from the environment, its run, and the words it ends with.

Touches the environment, KMS by `phi.kms`, standard output and standard error, and what a run touches. Neither keys nor
wrapped keys are arguments: every user of a machine can see those.
"""

from __future__ import annotations

import argparse
import hmac
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from phi.environment import KEY_ID, REGION, WRAPPED, WrappedKey
from phi.errors import MalformedVariable, MissingVariable, PhiError
from phi.kms import KmsKeySource
from phi.reencryption import passes
from phi.reencryption.checkpoint import Checkpoint, Work
from phi.reencryption.database import Database, refuse_passwords
from phi.reencryption.facts import NAMED_AT_MOST, Assignment, Run
from phi.reencryption.inspection import inspect
from phi.reencryption.progress import Progress, spoken
from phi.reencryption.refusals import NotAsAsked, ReencryptionError


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The data keys of a run; in memory alone."""

    old: tuple[bytes, ...] = field(repr=False)
    new: bytes = field(repr=False)
    to: str
    """Fingerprint of the new one's wrapping."""


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Carry the command out: 0 done, 1 not all is done, 2 not as asked, 130 Ctrl-C, 143 SIGTERM."""
    progress = Progress(sys.stderr)
    try:
        done = _carried_out(options, environment, progress)
    except PhiError as error:
        progress.end()
        hint = error.hint if isinstance(error, ReencryptionError) else ""
        code = error.exit_code if isinstance(error, ReencryptionError) else 1
        problems = error.problems if isinstance(error, NotAsAsked) else (str(error),)
        for problem in problems:
            print(f"phi reencrypt: {problem}", file=sys.stderr)
        if hint:
            print(hint, file=sys.stderr)
        if options.json:
            told = {"cause": type(error).__name__, "message": str(error), "next": hint, "problems": list(problems)}
            print(json.dumps({"settled": False, **told}))
        return code
    except KeyboardInterrupt:
        # While workers are at work the signal is theirs to hear of; this is before, or after.
        progress.end()
        print("phi reencrypt: interrupted; no batch was under way", file=sys.stderr)
        return 130
    well, words = judged(done, allowed=options.allow_unreadable)
    if options.json:
        print(json.dumps({**done.as_json(), "ended": "well" if well else "short", "message": " ".join(words)}))
    for line in words:
        print(line, file=sys.stderr if options.json else sys.stdout)
    return 0 if well else 1


def _carried_out(options: argparse.Namespace, environment: Mapping[str, str], progress: Progress) -> Run:
    refuse_passwords(options.dsn)
    assignment = Assignment(
        table=options.table,
        columns=tuple(each for each in (each.strip() for each in options.columns.split(",")) if each),
        key_column=options.key_column,
    )
    keys = keys_from(environment, old=tuple(options.old or (WRAPPED,)), new=options.new)
    looking = Database(options.dsn, read_only=True)
    try:
        table = inspect(looking, assignment, write=not options.dry_run)
    finally:
        # Before the workers are forked: a connection is nobody's to share.
        looking.close()
    if table.triggers and not options.dry_run:
        progress.say(f"For every row that is written, the database runs: {', '.join(table.triggers)}.")
    return passes.reencrypt(
        options.dsn,
        table,
        old=keys.old,
        new=keys.new,
        processes=options.processes or passes.default_processes(),
        batch=options.batch,
        passes=options.passes,
        dry=options.dry_run,
        checkpoint=Checkpoint(options.checkpoint, Work(assignment=assignment, to=keys.to)),
        progress=progress,
    )


def keys_from(environment: Mapping[str, str], *, old: Sequence[str], new: str) -> Keys:
    """The keys that these variables hold, unwrapped by KMS. Raises NotAsAsked for variables that are absent, malformed
    or hold one and the same key, and an UnwrapError where KMS refuses."""
    wrapped: dict[str, WrappedKey] = {}
    problems: dict[str, None] = {}
    for name in (*old, new):
        given = {REGION: environment.get(REGION), KEY_ID: environment.get(KEY_ID), WRAPPED: environment.get(name)}
        try:
            wrapped[name] = WrappedKey.from_environment({each: text for each, text in given.items() if text})
        except (MissingVariable, MalformedVariable) as error:
            problems |= dict.fromkeys(str(error).replace(WRAPPED, name).removesuffix(".").split("; "))
    if problems:
        raise NotAsAsked(tuple(problems), "`python -m wizard rotate --data-key` tells where the wrapped keys are kept.")
    keys = {name: KmsKeySource(each).data_key() for name, each in wrapped.items()}
    same = [name for name in old if name == new or hmac.compare_digest(keys[name], keys[new])]
    if same:
        raise NotAsAsked([f"{same[0]} and {new} hold the same data key: there is nothing to move"])
    return Keys(old=tuple(keys[name] for name in dict.fromkeys(old)), new=keys[new], to=wrapped[new].fingerprint)


def judged(done: Run, *, allowed: int) -> tuple[bool, list[str]]:
    """Whether the run ended well, and what a person is told: counts, rows by their keys, the next step."""
    last = done.passes[-1]
    words = []
    for name, each in last.columns.items():
        words.append(
            f"{name}: {each.new:,} under the new key, {each.old:,} under the old one, {each.empty:,} empty, "
            f"{each.foreign:,} under neither, {each.no_record:,} no records"
        )
        if each.neither:
            more = f" and {each.neither - len(each.named):,} more" if each.neither > len(each.named) else ""
            words.append(f"  {done.assignment.key_column}: {', '.join(each.named)}{more}"[: 200 * NAMED_AT_MOST])
    if not done.dry:
        written = sum(each.written for each in done.passes)
        words.append(
            f"Rows written: {written:,}; read: {last.rows:,}; passes: {len(done.passes)}; time: {spoken(done.seconds)}"
        )
    bearable = done.neither <= allowed
    if not done.dry and last.left:
        words.append(
            f"Rows that were not written: {last.left:,}; other transactions kept holding or changing them, or a "
            "trigger drops what is written."
        )
    if not done.dry and not done.settled:
        words.append(
            "The last pass still found records under the old key. Where the application writes under it, let it write "
            "under the new one, or stop it; then run the same command again."
        )
    if not bearable:
        words.append(
            f"Values that open under neither key, left as they are: {done.neither:,}. Look whether a third key was in "
            f"use (--from may be repeated), mend them, or accept them: --allow-unreadable {done.neither}"
        )
    if done.dry:
        words.append("Nothing was written.")
    elif done.settled and bearable:
        words.append("No record of these columns needs the old key.")
    return bearable and (done.dry or done.settled), words
