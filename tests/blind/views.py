"""`python -m tests.blind.views`: for every fault, what each view of a deployed stack says of each item of the evidence.

    --only NAME,...   these faults
    --out FOLDER      the text of every answer, in a file for each fault and view

A view is a command as a person runs it, with `--json`. A fault is seeded once, in a world of its own, and all views are
asked about that world; `setup` is asked last, because it changes what it can. No two may disagree, and what a fault
makes untrue is told.
Starts and ends the processes of the sandbox and the engine; writes to a temporary folder.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.policies.requirements import BY_ID, Topic
from tests.blind.__main__ import Nights
from tests.blind.faults import FAULTS, NOTHING
from tests.blind.night import Night
from tests.blind.outcomes import Fault
from tests.chaos.__main__ import WORKERS, progress
from tests.chaos.histories import Stage
from tests.chaos.world import empty_world
from tests.day_two.doctor_fixture import deliver_logs

States = Mapping[str, str]
"""What a view says: the state of each requirement by its id, of each item of the evidence by its short name, or of each
row of `status`; `OTHER` for what bears on no requirement."""
GOOD, WRONG, PERSON, UNKNOWN = "good", "wrong", "person", "unknown"
WORST_FIRST = (WRONG, UNKNOWN, PERSON, GOOD)
MARKS = {GOOD: "✓", WRONG: "✗", PERSON: "☞", UNKNOWN: "?"}
OTHER, SAME = "stack", "·"

NAMES: Mapping[Topic, str] = {
    Topic.KEY: "key",
    Topic.KEY_POLICY: "key-policy",
    Topic.OTHERS: "others",
    Topic.APPLICATION_POLICY: "app-policy",
    Topic.ROTATION: "rotation",
    Topic.TRAIL: "trail",
    Topic.DATA_KEY: "data-key",
    Topic.APPLICATION: "application",
    Topic.REVIEW: "review",
    Topic.BACKUP: "backup",
    Topic.LOGS: "logs",
    Topic.SIGN_IN: "sign-in",
    Topic.ALERTS: "alerts",
    Topic.DOCUMENTS: "documents",
}
_BY_TITLE = {str(topic): name for topic, name in NAMES.items()}
_STATES = {GOOD: GOOD, WRONG: WRONG, UNKNOWN: UNKNOWN, "needs a person": PERSON}
_CHECKLIST = {"done": GOOD, "open": WRONG, "unknown": UNKNOWN, "needs a person": PERSON, "a person": PERSON}
TRAIL_ITSELF = ("trail-logging", "trail-all-regions", "trail-global-events", "trail-validation", "trail-kms-events")
STATUS_ROWS: Mapping[str, tuple[str, ...]] = {
    "key": ("key-enabled",),
    "rotation": ("key-rotation",),
    "access": ("key-policy",),
    "trail": TRAIL_ITSELF,
}
"""The requirements that a row of `status` is about. Other rows are about a part of one: the current version of the data
key, the variables of a target."""
PARTLY: Mapping[str, tuple[str, ...]] = {
    "access": (
        *("key-deletion-window", "key-use-by-others", "application-policy", "bucket-private", "trail-encryption"),
        *("documents-encrypted", "documents-private"),
    )
}
"""The requirements of which a row of `status` has a part: whom they let in beyond the settings."""


def worst(states: Iterable[str]) -> str:
    return min(states, key=WORST_FIRST.index, default=GOOD)


def _gathered(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for name, state in pairs:
        found.setdefault(name, []).append(state)
    return {name: worst(states) for name, states in found.items()}


def of_status(document: Mapping[str, Any]) -> dict[str, str] | None:
    [stack] = document["stacks"]
    return _gathered((check["what"], check["status"]) for check in stack["checks"]) or None


def _of_notices(entries: Iterable[tuple[Mapping[str, Any], str]]) -> Iterator[tuple[str, str]]:
    """The requirements that findings bear on, each with its state."""
    return ((id_, state) for entry, state in entries for id_ in entry["requirements"] or (OTHER,))


def _parts(document: Mapping[str, Any], **states: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    return ((entry, state) for part, state in states.items() for entry in document[part])


def of_doctor(document: Mapping[str, Any]) -> dict[str, str] | None:
    """The requirements that it has checked, and what it found that bears on none."""
    found = _parts(document, findings=WRONG, consequences=WRONG, notChecked=UNKNOWN)
    others = [(OTHER, state) for entry, state in found if not entry["requirements"]]
    return _gathered([*((each["id"], _STATES[each["state"]]) for each in document["requirements"]), *others])


def of_verify(document: Mapping[str, Any]) -> dict[str, str] | None:
    proofs = {"proved": GOOD, "failed": WRONG, "unproven": UNKNOWN}
    pairs = [("application-tested", proofs.get(proof["state"], PERSON)) for proof in document["proofs"]]
    return _gathered([*pairs, *_of_notices(_parts(document, findings=WRONG, notChecked=UNKNOWN))])


def of_review(document: Mapping[str, Any]) -> dict[str, str] | None:
    return _gathered(_of_notices((entry, _STATES[entry["state"]]) for entry in document["notices"]))


def of_checklist(document: Mapping[str, Any]) -> dict[str, str] | None:
    return _gathered((_BY_TITLE[item["title"]], _CHECKLIST[item["state"]]) for item in document["checklist"])


def items(states: States) -> dict[str, str]:
    """The states of requirements as those of the items of the evidence that they belong to."""
    return _gathered((NAMES[BY_ID[id_].topic], state) for id_, state in states.items() if id_ in BY_ID)


@dataclass(frozen=True, kw_only=True)
class View:
    """A command that says how a deployed stack is."""

    name: str
    words: tuple[str, ...]
    read: Callable[[Mapping[str, Any]], dict[str, str] | None]
    field: str
    """The field that only the command's own document has."""
    is_of_items: bool = False
    """Whether it says the states of the items of the evidence, not of the requirements."""


VIEWS = (
    View(name="status", words=("status",), read=of_status, field="stacks"),
    View(name="verify", words=("verify",), read=of_verify, field="proofs"),
    View(name="doctor", words=("doctor",), read=of_doctor, field="findings"),
    View(name="review", words=("review",), read=of_review, field="notices"),
    View(name="report", words=("report", "--out", "views"), read=of_checklist, field="checklist", is_of_items=True),
    View(name="setup", words=("setup", "--yes"), read=of_checklist, field="checklist", is_of_items=True),
)
REPORT = next(view for view in VIEWS if view.name == "report")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a view said."""

    view: View
    code: int
    states: States | None
    """None: it could not say; its exit code and message say why."""
    text: str = field(default="", repr=False)


EXAMPLES = {"replica": "multi-region", "ecs": "ecs", "user": "vercel-user"}
"""The answers that a kind of world was set up with; all others with examples/vercel.yaml."""


def asked(night: Night, view: View, fault: Fault) -> Answer:
    """The view, asked as a person asks it, in a world for that fault."""
    words = (*view.words, "--quick") if view.name == "doctor" and not fault.whole else view.words
    if view.name == "setup":
        words = (*words, "--answers", f"examples/{EXAMPLES.get(fault.world, 'vercel')}.yaml")
    ended = night.wizard(*map(shlex.quote, words), "--stack", "production", "--json", "--non-interactive")
    document = ended.document
    states = view.read(document) if view.field in document else None
    return Answer(view=view, code=ended.code, states=states, text=f"{ended.out}\n{ended.err}")


def turned(answer: Answer, right: Answer) -> States | None:
    """What is not as it was before the fault, of all that the view says now; None where it could not say."""
    if answer.states is None or right.states is None:
        return None
    return {name: state for name, state in sorted(answer.states.items()) if state != right.states.get(name, GOOD)}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A fault, and what turned in each view."""

    fault: Fault
    answers: tuple[Answer, ...]
    right: Mapping[str, Answer]
    """What each view said before the fault, by its name."""
    after_setup: Answer | None = None
    """The report after `setup`, which changes what it can; None if setup said what the report had said."""

    def turned(self, view: str) -> States | None:
        answer = next(answer for answer in self.answers if answer.view.name == view)
        return turned(answer, self.right[view])

    @property
    def disagreements(self) -> tuple[str, ...]:
        """Whatever two views say differently, in words."""
        doctor, report = self._said("doctor"), self._said("report")
        setup, then = self._said("setup"), self._after_setup()
        return (
            *_compared({"doctor": doctor, "report": report}),
            *_compared({"setup": setup, "report": then}),
            *self._rows_of_status(),
            *self._beyond("verify"),
            *self._beyond("review"),
        )

    def _answer(self, view: str) -> Answer:
        return next(answer for answer in self.answers if answer.view.name == view)

    def _said(self, view: str) -> Said | None:
        """What a view said of each item, before the fault and now; None if it could not say one of them."""
        return _said(self.right[view], self._answer(view))

    def _after_setup(self) -> Said | None:
        return _said(self.right["report"], self.after_setup or self._answer("report"))

    def _rows_of_status(self) -> Iterator[str]:
        """A row of `status` that differs from what doctor says of its requirements."""
        status, doctor = self._answer("status").states, self._answer("doctor").states
        if status is None or doctor is None:
            return
        for row, ids in STATUS_ROWS.items():
            said, told = status.get(row, GOOD), worst(doctor.get(id_, GOOD) for id_ in ids)
            partly = worst(doctor.get(id_, GOOD) for id_ in (*ids, *PARTLY.get(row, ())))
            if {said, told} <= {GOOD, PERSON} or said in (told, partly):
                continue
            yield f"{row}: status {MARKS[said]}, doctor {MARKS[told]}"

    def _beyond(self, part: str) -> Iterator[str]:
        """What a view of a part finds, and doctor or the report calls good."""
        found = self._answer(part).states or {}
        doctor, report = self._answer("doctor").states, self._answer("report").states
        for id_ in (id_ for id_, state in found.items() if state == WRONG and id_ in BY_ID):
            if doctor is not None and doctor.get(id_) != WRONG:
                yield f"{id_}: {part} ✗, doctor {MARKS[doctor.get(id_, GOOD)]}"
            name = NAMES[BY_ID[id_].topic]
            if report is not None and report[name] != WRONG:
                yield f"{name}: {part} ✗, report {MARKS[report[name]]}"

    @property
    def cells(self) -> tuple[str, ...]:
        return tuple(self._cell(answer) for answer in self.answers)

    def _cell(self, answer: Answer) -> str:
        changed = self.turned(answer.view.name)
        if changed is None:
            return f"exit {answer.code}"
        text = _words(changed)
        if answer.view.name == "setup" and self.after_setup is not None:
            text += " (after its changes)"
        return text


Said = Mapping[str, tuple[str, str]]
"""The state of each item before the fault, and now."""


def _said(right: Answer, answer: Answer) -> Said | None:
    if right.states is None or answer.states is None:
        return None
    before, now = (each if answer.view.is_of_items else items(each) for each in (right.states, answer.states))
    return {name: (state, now[name]) for name, state in before.items() if name in now}


def _compared(said: Mapping[str, Said | None]) -> Iterator[str]:
    """The items of which the two views say different things; none if one of them could not say."""
    (one, of_one), (other, of_other) = said.items()
    if of_one is None or of_other is None:
        return
    for name in NAMES.values():
        if name in of_one and name in of_other and _disagree(of_one[name], of_other[name]):
            yield f"{name}: {one} {MARKS[of_one[name][1]]}, {other} {MARKS[of_other[name][1]]}"


def _disagree(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two views say different things of one item, each as (before the fault, now).

    Those that said the same before have to say the same now; no other two may call it wrong and good.
    """
    if one[0] == other[0]:
        return one[1] != other[1]
    return {one[1], other[1]} == {WRONG, GOOD}


ITEMS: Mapping[str, set[str]] = {
    # What an item was "done" with, although it was not so; what opens what.
    "rotation-off": {"rotation"},
    "rotation-of-seven-years": {"rotation"},
    "rotation-unreadable": {"rotation"},
    "alias-moved": {"key"},
    "trail-without-the-events-of-kms": {"trail"},
    "trail-stopped": {"trail"},
    "key-policy-of-another-account": {"key-policy"},
    "replica-of-somebody-else": {"key-policy"},
    "bucket-open-to-another-account": {"trail"},
    "access-logs-open-to-another-account": {"trail"},
    "bucket-of-old-tls": {"trail"},
    "lock-of-a-day": {"trail"},
    "logs-key-rotation-off": {"rotation"},
    "logs-key-disabled": {"trail"},
    "logs-key-of-another-account": {"trail"},
    "logs-key-grant-of-another-account": {"trail"},
    "key-policy-without-the-window": {"key"},
    "key-policy-without-the-guards": {"key", "key-policy"},
    "key-policy-without-the-root": {"key-policy"},
    "policy-detached": {"app-policy", "application"},
    "versions-deleted": {"data-key"},
    "backup-deleted": {"backup"},
    "backup-of-junk": {"backup"},
    "alerts-that-nobody-receives": {"alerts"},
    "documents-public": {"documents"},
    "documents-open-to-another-account": {"documents"},
    "documents-under-s3s-keys": {"documents"},
    "role-of-a-vendor": {"others"},
}
"""The items of the evidence that are wrong or unknown with a fault, and no other. Who can delete the key is a question
to its policy; how long ahead is one of the key."""
OPEN_AGAIN = ("role-that-a-service-assumes", "role-of-account-access")
"""The faults that leave everything as it was but the people who can use the key: a person decides about them again."""

OPENING = (
    "key-policy-of-another-account",
    "grant-of-another-account",
    "replica-of-somebody-else",
    "trust-of-every-project",
    "application-is-administrator",
    "bucket-open-to-another-account",
    "access-logs-open-to-another-account",
    "logs-key-of-another-account",
    "logs-key-grant-of-another-account",
    "documents-public",
    "documents-open-to-another-account",
)
"""The faults that let somebody use the key, become the application, or read or delete the logs or documents."""
UNREAD: Mapping[str, set[str]] = {"logs-key-disabled": {"logs"}}
"""The items that the report alone cannot tell then: it reads the log files, which are encrypted."""


def untold(row: Row) -> Iterator[str]:
    """The views that name fewer items than the fault makes untrue, or more."""
    name, doctor, report = row.fault.name, row.turned("doctor") or {}, row.turned("report") or {}
    if name in ITEMS:
        requirements = {NAMES[BY_ID[id_].topic] for id_ in _not_done(doctor) if id_ in BY_ID}
        for view, found, expected in (
            ("doctor", requirements, ITEMS[name]),
            ("report", _not_done(report), ITEMS[name] | UNREAD.get(name, set())),
        ):
            if found != expected:
                yield f"{view} has {sorted(found)} as not done, not {sorted(expected)}"
    again = ({"others": PERSON}, {"key-use-by-others": PERSON}, {"key-use-by-others": PERSON})
    if name in OPEN_AGAIN and (report, doctor, row.turned("review")) != again:
        yield "who else can use the key is not open again for a person, or more is"
    if name in OPENING and WRONG not in (row.turned("verify") or {}).values():
        yield "verify passes, although somebody is let in"


def _not_done(states: States) -> set[str]:
    return {name for name, state in states.items() if state in (WRONG, UNKNOWN)}


UNDELIVERED = ("replica",)
"""The kinds of world where nothing was delivered yet."""


def prepared(night: Night, world: str) -> None:
    """What an owner has done by then, so that each item can be good: delivered, backed up, opened the backup; and
    CloudTrail has delivered logs."""
    deliver_logs(night.cloud)
    pushed = (("push", "--redeploy", "--yes"),) if world in UNDELIVERED else ()
    for words in (*pushed, ("backup", "--to", "backup.json"), ("backup", "drill")):
        night.wizard(*words, "--stack", "production", "--non-interactive")


def row_of(night: Night, fault: Fault, right: Mapping[str, Answer]) -> Row:
    """The fault is done, and every view is asked."""
    prepared(night, fault.world)
    night.typed = f"{fault.typed}\n"
    fault.do(night)
    answers = tuple(asked(night, view, fault) for view in VIEWS)
    row = Row(fault=fault, answers=answers, right=right)
    if row.turned("setup") is None or row.turned("setup") == {
        name: state for name, state in (row.turned("report") or {}).items() if name in (right["setup"].states or {})
    }:
        return row
    return Row(fault=fault, answers=answers, right=right, after_setup=asked(night, REPORT, fault))


class Baselines:
    """What each view says of a world without a fault, asked once for each kind of world."""

    def __init__(self, nights: Nights) -> None:
        self._nights, self._lock = nights, threading.Lock()
        self.known: dict[str, Mapping[str, Answer]] = {}

    def __call__(self, world: str) -> Mapping[str, Answer]:
        with self._lock:
            if world not in self.known:
                none = Fault(name="none", do=NOTHING, world=world)
                with self._nights(none) as night:
                    prepared(night, world)
                    self.known[world] = {view.name: asked(night, view, none) for view in VIEWS}
            return self.known[world]


def _words(states: States) -> str:
    return " ".join(f"{name.replace(' ', '-')}{MARKS[state]}" for name, state in states.items()) or SAME


HEADINGS = ("fault", *(view.name for view in VIEWS), "what is wrong")
NONE = "no"


def cells_of(row: Row) -> tuple[str, ...]:
    return (*row.cells, "; ".join((*row.disagreements, *untold(row))) or NONE)


def lines(rows: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """The table: a row a fault, a column a view; then the counts."""
    table = [HEADINGS, *((name, *cells) for name, cells in rows.items())]
    widths = [max(len(row[number]) for row in table) for number in range(len(table[0]))]
    for cells in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
    yield ""
    answers = [cell for cells in rows.values() for cell in cells[:-1]]
    said = [cell for cell in answers if not cell.startswith("exit ")]
    yield (
        f"{len(rows)} faults, {len(answers)} answers: {sum(cell != SAME for cell in said)} turned, "
        f"{sum(cell == SAME for cell in said)} as before, {len(answers) - len(said)} could not say. "
        f"Of {sum(cells[-1] != NONE for cells in rows.values())} faults two views disagree, or one is silent."
    )


SEEDED = tuple(fault for fault in FAULTS if fault.do is not NOTHING)
"""Every fault of a deployed stack."""


def main() -> int:
    """The exit code: 1 where two views disagree, or one is silent."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.blind.views", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if sys.platform != "linux":
        print("the table of the views needs Linux: its worlds are forked")
        return 0
    names = {name for name in options.only.split(",") if name}
    chosen = [fault for fault in SEEDED if not names or fault.name in names]
    root, began = Path(tempfile.mkdtemp(prefix="views-", dir="/tmp")), time.monotonic()
    found: dict[str, tuple[str, ...]] = {}
    try:
        with ExitStack() as stack:
            nights = Nights(Stage(root=root, empty=stack.enter_context(empty_world(root))))
            right = Baselines(nights)

            def one(fault: Fault) -> Row:
                before = right(fault.world)
                with nights(fault) as night:
                    return row_of(night, fault, before)

            pool = ThreadPoolExecutor(WORKERS)
            stack.callback(pool.shutdown, cancel_futures=True)
            jobs = [pool.submit(one, fault) for fault in chosen]
            for number, job in enumerate(as_completed(jobs)):
                row = job.result()
                found[row.fault.name] = cells_of(row)
                if (told := found[row.fault.name][-1]) != NONE:
                    print(f"✗ {row.fault.name}: {told}", flush=True)
                for answer in (*row.answers, *((row.after_setup,) if row.after_setup else ())) if options.out else ():
                    options.out.mkdir(parents=True, exist_ok=True)
                    (options.out / f"{row.fault.name}.{answer.view.name}.txt").write_text(answer.text)
                progress(number + 1, len(jobs))
            for world, said in right.known.items():
                words = (f"{view}: {_words(answer.states or {})}" for view, answer in said.items())
                print(f"Before a fault, in the world {world}: {'; '.join(words)}")
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print("\n".join(lines({fault.name: found[fault.name] for fault in chosen})))
    print(f"{time.monotonic() - began:.0f} s")
    return int(any(cells[-1] != NONE for cells in found.values()))


if __name__ == "__main__":
    sys.exit(main())
