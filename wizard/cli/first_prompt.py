"""The first question, asked before anything heavy is loaded.

Pure, and light: nothing that it loads knows AWS, Pulumi or the settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from wizard.core.clients import Draft
from wizard.core.models.inputs import Choice, InputType, Question
from wizard.inputs import answers_file
from wizard.inputs.registry import by_key, heading

if TYPE_CHECKING:
    from wizard.terminal.terminal import Terminal

AFRESH = "\0afresh"
"""No stack is called so."""


INTRODUCTION = """\
Creates a KMS key, the application's identity and an audit trail; and a data
key for the records, wrapped: encrypted by the KMS key.
Needs an AWS sign-in that may create them and, for Vercel, a sign-in there.
Nothing is created before the last page, where you confirm the plan."""


@dataclass(frozen=True, kw_only=True)
class EarlyAnswers:
    """What was known or answered before anything was loaded."""

    draft: Mapping[str, Any] = field(default_factory=dict)
    """The answers of the run that is gone on with."""
    asked: tuple[str, ...] = ()
    target: tuple[str, ...] | None = None
    """The answer to the first question; None where it was not put."""
    copied: str | None = None
    """The stack whose settings are taken as a start; None for none."""


def begin(
    *,
    stack: str,
    ui: Terminal,
    draft: Draft | None,
    is_target_known: bool,
    is_first: bool,
    suggested: Sequence[tuple[str, str]],
    now: datetime,
    others: Sequence[str] = (),
) -> EarlyAnswers:
    """Offer to go on with a run that was left, then ask where the application runs, unless that is known.

    `suggested` are the targets that the application's folder speaks for, each with what says so. `others` are the
    stacks whose settings a new stack can start from. `is_first`: whether the stack has no settings yet.
    """
    if is_first:
        ui.line(INTRODUCTION)
    opening = EarlyAnswers()
    if draft is not None and draft.stage in (answers_file.REVIEWED, answers_file.PLANNED):
        # What could be saved is saved: there is nothing to offer but the rest.
        opening = EarlyAnswers(draft=draft.answers)
    elif draft is not None and draft.asked and ui.ask(_resume(stack, draft, now)) == "go on":
        opening = EarlyAnswers(draft=draft.answers, asked=draft.asked)
    if is_target_known or "target" in opening.draft:
        return opening
    if others and not opening.draft and (copied := ui.ask(_start(stack, others))) != AFRESH:
        return replace(opening, copied=copied)
    ui.section(*heading(1))
    target = ui.ask(first_question(suggested))
    return replace(opening, target=tuple(target), asked=("target", *opening.asked))


def first_question(suggested: Sequence[tuple[str, str]] = ()) -> Question:
    """Where the application runs; what the folder speaks for is ticked, with what says so."""
    says = dict(reversed(list(suggested)))
    question = by_key["target"].question(default=tuple(says) or None)
    return replace(
        question,
        choices=tuple(
            replace(choice, note=f"found: {says[choice.value]}") if choice.value in says else choice
            for choice in question.choices
        ),
    )


def _start(stack: str, others: Sequence[str]) -> Question:
    return Question(
        key="from",
        kind=InputType.SELECT,
        prompt=f"Where does the new stack {stack} start from?",
        why="The settings of another stack are a start: only what each needs for itself is asked for.",
        choices=(
            *(Choice(value=other, title=f"The settings of {other}") for other in others),
            Choice(value=AFRESH, title="The defaults"),
        ),
        default=others[0],
        explanation="Each stack has a key, a data key and names of its own: staging never reads production's data.\n\n"
        "It can also be given as --from STACK.",
    )


def _resume(stack: str, draft: Draft, now: datetime) -> Question:
    answers = "1 answer" if len(draft.asked) == 1 else f"{len(draft.asked)} answers"
    return Question(
        key="resume",
        kind=InputType.SELECT,
        prompt="Go on with it?",
        why=f"A run for the stack {stack} was left {_ago(draft.at, now)}, after {answers}.",
        choices=(
            Choice(value="go on", title="Go on where it was left", words=("y", "yes", "go on")),
            Choice(value="start again", title="Start again", words=("s", "start again")),
        ),
        default="go on",
        explanation="The answers were kept in a file that only you can read, and no secret among them.\n\n"
        "No question that was answered is put again; any answer can still be changed on the last page.",
    )


def _ago(at: datetime, now: datetime) -> str:
    minutes = int((now - at).total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 120:
        return "a minute ago" if minutes == 1 else f"{minutes} minutes ago"
    return f"{minutes // 60} hours ago" if minutes < 48 * 60 else f"on {at:%Y-%m-%d}"
