"""The result of `review`: what was not accepted, its text on the terminal, and its JSON document.

Pure, but for the lines that it shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from components.policies.evaluation import KeyPermission
from components.settings.arn import Arn
from wizard.account.access.stored_reviews import Acceptance
from wizard.account.notices import Notice, State
from wizard.account.views import plain
from wizard.commands.review.differences import Differences
from wizard.core import json_documents, next_command
from wizard.core.models.access import AccessKeyAge, AccessReview, PrincipalAccess, SignOff
from wizard.core.models.inputs import Mark
from wizard.core.next_command import Command, Text, eonpro
from wizard.core.safe_text import clean, counted

if TYPE_CHECKING:
    from wizard.terminal.terminal import Terminal

AUDITOR = eonpro(
    "policy", "auditor", advice="an unknown right is not accepted; to let the reviewer read it, attach this policy"
)
OLD_KEY_DAYS = 90
"""Days after which an access key should be replaced (CIS AWS Foundations Benchmark, 1.14)."""

_SIGNS = {KeyPermission.YES: "yes", KeyPermission.NO: "no", KeyPermission.UNKNOWN: "?"}


def show(ui: Terminal, result: ReviewResult, *, signs: bool, everything: bool = False) -> None:
    """Show the review; what a person `signs` for is accepted with it, and no failure.

    `everything`: with the policies and grants that give each right, and the commands that take them away.
    """
    review = result.review
    ui.section("Who can use and who can administer the key", review.key_arn)
    rows = [_row(principal, account=Arn.parse(review.key_arn).account) for principal in review.principals]
    ui.table(rows, headings=("who", "use", "admin", "delete", "uses", "last use"))
    if everything:
        ui.section("By which policy or grant")
        for principal in review.principals:
            ui.line(_title(principal), mark=_mark(principal))
            for line in _details(principal):
                ui.line(f"    {line}")
    else:
        for principal in review.principals:
            for key in principal.access_keys:
                if key.active and key.age_days > OLD_KEY_DAYS:
                    ui.line(f"{_access_key(key)}, of {principal.arn}", mark=Mark.WARN)
    ui.line()
    _show_grants(ui, review)
    _show_use(ui, review)
    _show_differences(ui, result.differences)
    _show_result(ui, result, signs, everything=everything)


def short(arn: str, *, account: str) -> str:
    """A principal as its row shows it: `role eonpro-app-role`, `root`; of another account `role x of 999988887777`."""
    parsed = Arn.find(arn)
    if parsed is None:
        return arn
    kind = "everybody else" if parsed.kind == "*" else parsed.kind
    name = f"{kind} {parsed.name}" if parsed.path else kind
    return name if parsed.account == account else f"{name} of {parsed.account}"


def _row(principal: PrincipalAccess, *, account: str) -> tuple[str, ...]:
    last_use = _date(principal.last_use) if principal.last_use else "?" if principal.events is None else "-"
    return (
        short(principal.arn, account=account),
        _SIGNS[principal.use],
        _SIGNS[principal.administer],
        _SIGNS[principal.delete],
        "?" if principal.events is None else str(principal.events),
        last_use,
    )


def _date(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")


def _title(principal: PrincipalAccess) -> str:
    arn = principal.arn
    if not principal.is_known:
        return f"{arn}: some of its rights are unknown"
    if not principal.is_expected:
        also = ", and another account can assume it" if principal.open_to else ""
        return f"{arn}: not named in the settings{also}" if principal.rights else f"{arn}: has no right on the key"
    if principal.beyond:
        return f"{arn}: has more rights than the settings give it: {', '.join(principal.beyond)}"
    return arn


def _mark(principal: PrincipalAccess) -> Mark:
    if not principal.is_known or principal.surplus:
        return Mark.WARN
    return Mark.OK if principal.rights else Mark.INFO


def _details(principal: PrincipalAccess) -> Iterator[str]:
    yield from (
        map(clean, principal.ways)
        if principal.ways
        else ("nothing gives it a right" if principal.is_known else "whether something gives it a right is unknown",)
    )
    if principal.assumed_by:
        yield f"can be assumed by: {'; '.join(principal.assumed_by)}"
    if principal.refused:
        yield f"refused {counted(principal.refused, 'time')}"
    if not principal.are_access_keys_known:
        yield "its access keys could not be listed"
    yield from map(_access_key, principal.access_keys)


def _access_key(key: AccessKeyAge) -> str:
    use = f"last used {_date(key.last_used)}" if key.last_used else "no known use"
    state = "" if key.active else ", inactive"
    advice = f": older than {OLD_KEY_DAYS} days, replace it" if key.active and key.age_days > OLD_KEY_DAYS else ""
    return f"access key {key.id}, {key.age_days} days old, {use}{state}{advice}"


def _show_grants(ui: Terminal, review: AccessReview) -> None:
    if review.grants is None:
        ui.line("grants: unknown, they could not be read", mark=Mark.WARN)
    elif not review.grants:
        ui.line("grants: none", mark=Mark.OK)
    for grant in review.grants or ():
        created = f", created {_date(grant.made)}" if grant.made else ""
        ui.line(f"grant to {grant.grantee}: {', '.join(grant.operations)}{created}", mark=Mark.WARN)
        ui.line(f"    {grant.id}{f' ({grant.name})' if grant.name else ''}{', '.join(('', *grant.constraints))}")


def _show_use(ui: Terminal, review: AccessReview) -> None:
    for arn, use in (
        (review.key_arn, review.last_use),
        *((replica.arn, replica.use) for replica in review.replicas),
    ):
        which = "the key" if arn == review.key_arn else f"the replica {arn}"
        if use is None:
            ui.line(f"{which}: the last use is unknown", mark=Mark.WARN)
        elif use.at is None:
            since = f" since {_date(use.tracked_since)}" if use.tracked_since else ""
            ui.line(f"{which} was not used{since}", mark=Mark.INFO)
        else:
            window = f"; who, in the last {counted(review.window_days, 'day')}, is above"
            ui.line(f"{which} was last used on {_date(use.at)}, {use.operation}{window}", mark=Mark.OK)
    if review.history is None:
        ui.line("who used it is unknown: the event history could not be read", mark=Mark.WARN)
    elif review.history.is_cut_off:
        ui.line(
            f"only the newest {review.history.events} events were read, back to {_date(review.history.since)}: "
            "every count is a lower bound; all events are in the trail's bucket",
            mark=Mark.WARN,
        )


def _show_differences(ui: Terminal, differences: Differences | None) -> None:
    if differences is None:
        ui.line("this is the first review", mark=Mark.INFO)
        return
    if differences.is_empty:
        ui.line(f"nothing changed since {differences.since}", mark=Mark.OK)
        return
    ui.section("Since the last review", differences.since)
    for arns, text, mark in (
        (differences.added, "added", Mark.WARN),
        (differences.removed, "removed", Mark.INFO),
        (differences.first_visible, "visible for the first time; the last review could not read it", Mark.WARN),
        (differences.no_longer_visible, "no longer visible; it may still have its rights", Mark.WARN),
    ):
        for arn in arns:
            ui.line(f"{text}: {arn}", mark=mark)
    for change in differences.changed:
        is_wider = change.gained or change.newly_assumed_by or change.new_ways
        ui.line(change.arn, mark=Mark.WARN if is_wider else Mark.INFO)
        for text, entries in (
            ("right added", change.gained),
            ("right removed", change.lost),
            ("new source", change.new_ways),
            ("removed source", change.removed_ways),
            ("can now be assumed by", change.newly_assumed_by),
            ("can no longer be assumed by", change.no_longer_assumed_by),
        ):
            for entry in entries:
                ui.line(f"    {text}: {entry}")
        if change.used_again:
            ui.line("    used the key, and had not used it before")
    for grant in differences.new_grants:
        ui.line(f"new grant: {grant}", mark=Mark.WARN)
    for grant in differences.removed_grants:
        ui.line(f"removed grant: {grant}", mark=Mark.INFO)


def _show_result(ui: Terminal, result: ReviewResult, signs: bool, *, everything: bool) -> None:
    ui.section("Result")
    for fault in result.faults:
        ui.line(fault, mark=Mark.FAIL)
    for unread in result.review.unread:
        ui.line(f"not read: {unread.what}: {unread.why}", mark=Mark.WARN)
    for notice in result.not_good:
        # A signature accepts a right, and makes no unknown one known.
        ui.line(notice.what, mark=Mark.FAIL if notice.state is State.WRONG and not signs else Mark.WARN)
        if notice.state is State.PERSON and not everything:
            continue
        ui.line(Text("  ", notice.why))
        if notice.command and not signs:
            ui.verbatim(notice.command)
        if notice.advice and not signs:
            ui.line(Text("  then: " if notice.command else "  ", notice.advice))
    for notice in result.notices:
        if notice.state is State.GOOD:
            ui.line(notice.what, mark=Mark.OK)
    if result.ok:
        ui.line("nobody has a right that was not given or accepted", mark=Mark.OK)
    if (result.not_accepted or result.not_accepted_keys) and signs:
        ui.line("your signature accepts these rights")
    if result.review.undecided:
        ui.line(Text(AUDITOR.advice, ":"))
        ui.verbatim(AUDITOR)
    if (result.not_accepted or result.not_accepted_keys) and not signs:
        ui.line("take the rights away (--all has the commands), or accept them by signing this review:")
        ui.verbatim(eonpro("review", "--stack", result.review.stack, "--sign", "NAME"))


@dataclass(frozen=True, kw_only=True)
class ReviewResult:
    review: AccessReview
    file: str
    digest: str
    differences: Differences | None = None
    """None: this is the first review."""
    accepted: AccessReview | None = None
    """The signed review of this key that holds, whose principals were accepted. None: there is none."""
    sign_off: SignOff | None = None
    """The sign-off of this review."""
    faults: tuple[str, ...] = ()
    """What is wrong with the stored reviews."""
    notices: tuple[Notice, ...] = ()
    """Who has a right that the settings do not give, and what gives it, as `doctor` says it."""

    @property
    def not_accepted(self) -> tuple[PrincipalAccess, ...]:
        """The principals with more rights than in the settings and in the signed review that holds."""
        if self.sign_off is not None:
            return ()
        # One that only called has no right to be judged for.
        acceptance = Acceptance(self.accepted, (each for each in self.review.principals if each.rights))
        return tuple(each for each in self.review.principals if each.surplus and not acceptance.covers(each))

    @property
    def not_accepted_keys(self) -> tuple[str, ...]:
        """The replicas, or the moved primary, that neither the settings nor the signed review that holds names."""
        accepted = self.accepted.elsewhere if self.accepted else ()
        return () if self.sign_off else tuple(arn for arn in self.review.elsewhere if arn not in accepted)

    @property
    def not_good(self) -> tuple[Notice, ...]:
        """What is wrong, is for a person or is unknown."""
        return tuple(notice for notice in self.notices if notice.state is not State.GOOD)

    @property
    def next(self) -> tuple[str, ...]:
        """The commands that take away what is not accepted, or advice, and the one that shows what is unknown."""
        steps = [
            Command(notice.command, advice=notice.advice) if notice.command else notice.advice
            for notice in self.not_good
            if self.sign_off is None and (notice.command or notice.advice)
        ]
        return (*dict.fromkeys(steps), *([AUDITOR] if self.review.undecided else []))

    @property
    def ok(self) -> bool:
        """Whether no right and no replica is unaccepted or unknown, nothing else is open, no stored file changed."""
        # Of the key itself a signature accepts the principals and the replicas.
        is_wide = any(each.state is State.WRONG and each.opens not in ("others", "key") for each in self.notices)
        return not (self.not_accepted or self.not_accepted_keys or self.review.undecided or self.faults or is_wide)


class OpenNotice(json_documents.Finding):
    state: State


class ReviewDocument(json_documents.Head):
    """Who can use and who can administer the key."""

    stack: str
    review: AccessReview
    file: str
    digest: json_documents.Digest
    unexpected: list[str]
    notAccepted: list[str]
    notAcceptedKeys: list[str]
    notices: list[OpenNotice]
    undecided: list[str]
    differences: Differences | None
    signOff: SignOff | None
    faults: list[str]
    next: list[next_command.Document]


def document(result: ReviewResult) -> ReviewDocument:
    return {
        **json_documents.head("review", ok=result.ok),
        "stack": result.review.stack,
        "review": json_documents.plain(result.review),
        "file": result.file,
        "digest": result.digest,
        "unexpected": [principal.arn for principal in result.review.unexpected],
        "notAccepted": [principal.arn for principal in result.not_accepted],
        "notAcceptedKeys": list(result.not_accepted_keys),
        "notices": [{**plain(each), "state": each.state} for each in result.not_good],
        "undecided": [principal.arn for principal in result.review.undecided],
        "differences": json_documents.plain(result.differences) if result.differences else None,
        "signOff": json_documents.plain(result.sign_off) if result.sign_off else None,
        "faults": list(result.faults),
        "next": [next_command.document(step) for step in result.next],
    }
