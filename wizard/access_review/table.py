"""The words of a review, for a person: a table of who may what, then each with what gives it.

Pure. Fits 80 columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from wizard.access_review.differences import Differences
from wizard.access_review.outcome import Outcome
from wizard.facts import Mark
from wizard.facts_access import AccessKeyAge, AccessReview, May, PrincipalAccess
from wizard.protocols import Talk

OLD_KEY_DAYS = 90
"""Days after which an access key should have been changed (CIS AWS Foundations Benchmark, 1.14)."""

_SIGNS = {May.YES: "yes", May.NO: "no", May.UNKNOWN: "?"}


def show(talk: Talk, outcome: Outcome) -> None:
    """The whole review."""
    review = outcome.review
    talk.section("Who can use and who can administer the key", review.key_arn)
    rows = [_row(each, account=review.key_arn.split(":")[4]) for each in review.principals]
    talk.table(rows, headings=("who", "use", "admin", "delete", "uses", "last use"))
    talk.section("By what")
    alarming = {each.arn for each in outcome.not_accepted}
    for each in review.principals:
        talk.line(_title(each), mark=_mark(each, alarming))
        for line in _details(each):
            talk.line(f"    {line}")
    _show_grants(talk, review)
    _show_use(talk, review)
    _show_differences(talk, outcome.differences)
    _show_what_is_wrong(talk, outcome)


def short(arn: str, *, account: str) -> str:
    """A principal as its row has it: `role/eonpro-app-role`, `root`; of another account `999988887777 role/theirs`."""
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return arn
    kind, _, rest = parts[5].partition("/")
    name = f"{kind}/{rest.rpartition('/')[2]}" if rest else "everybody else" if kind == "*" else kind
    return name if parts[4] == account else f"{parts[4]} {name}"


def _row(each: PrincipalAccess, *, account: str) -> tuple[str, ...]:
    return (
        short(each.arn, account=account),
        _SIGNS[each.use],
        _SIGNS[each.administer],
        _SIGNS[each.delete],
        "?" if each.events is None else str(each.events),
        _date(each.last_use) if each.last_use else "?" if each.events is None else "-",
    )


def _date(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")


def _title(each: PrincipalAccess) -> str:
    if not each.is_known:
        return f"{each.arn}: not all of it is known"
    if not each.is_expected:
        return f"{each.arn}: the settings do not name it" if each.rights else f"{each.arn}: has no right on the key"
    if each.beyond:
        return f"{each.arn}: has more than the settings give it: {', '.join(each.beyond)}"
    return each.arn


def _mark(each: PrincipalAccess, alarming: set[str]) -> Mark:
    if each.arn in alarming:
        return Mark.FAIL
    if not each.is_known or (not each.is_expected and each.rights):
        return Mark.WARN
    return Mark.OK if each.rights else Mark.INFO


def _details(each: PrincipalAccess) -> Iterator[str]:
    yield from each.ways or (
        "nothing gives it a right" if each.is_known else "what could give it a right is not known",
    )
    if each.assumed_by:
        yield f"who may become it: {'; '.join(each.assumed_by)}"
    if each.refused:
        yield f"refused {each.refused} times"
    if not each.are_access_keys_known:
        yield "its access keys may not be listed"
    yield from map(_access_key, each.access_keys)


def _access_key(key: AccessKeyAge) -> str:
    used = f"last used {_date(key.last_used)}" if key.last_used else "no use is known"
    state = "" if key.active else ", switched off"
    old = f": older than {OLD_KEY_DAYS} days, change it" if key.active and key.age_days > OLD_KEY_DAYS else ""
    return f"access key {key.id}, {key.age_days} days old, {used}{state}{old}"


def _show_grants(talk: Talk, review: AccessReview) -> None:
    talk.section("Grants")
    if review.grants is None:
        talk.line("unknown: they could not be read", mark=Mark.WARN)
    elif not review.grants:
        talk.line("none", mark=Mark.OK)
    for grant in review.grants or ():
        made = f", made {_date(grant.made)}" if grant.made else ""
        talk.line(f"{grant.grantee}: {', '.join(grant.operations)}{made}", mark=Mark.WARN)
        talk.line(f"    {grant.id}{f' ({grant.name})' if grant.name else ''}{', '.join(('', *grant.constraints))}")


def _show_use(talk: Talk, review: AccessReview) -> None:
    talk.section("Use", f"the last {review.window_days} days, by CloudTrail's event history")
    for arn, use in (
        (review.key_arn, review.last_use),
        *((each.arn, each.use) for each in review.replicas),
    ):
        if use is None:
            talk.line(f"{arn}: when it was last used is unknown", mark=Mark.WARN)
        elif use.at is None:
            since = f" since {_date(use.tracked_since)}" if use.tracked_since else ""
            talk.line(f"{arn}: not used{since}", mark=Mark.INFO)
        else:
            talk.line(f"{arn}: last used {_date(use.at)}, {use.operation}", mark=Mark.OK)
    if review.history is None:
        talk.line("who used it is unknown: the event history could not be read", mark=Mark.WARN)
    elif review.history.is_cut_off:
        talk.line(
            f"only the newest {review.history.events} events were read, back to {_date(review.history.since)}: "
            "every count is a lower bound; the whole is in the trail's bucket",
            mark=Mark.WARN,
        )


def _show_differences(talk: Talk, differences: Differences | None) -> None:
    if differences is None:
        talk.section("Since the last review", "this is the first")
        return
    talk.section("Since the last review", differences.since)
    if differences.is_nothing:
        talk.line("nothing changed", mark=Mark.OK)
    for arn in differences.came:
        talk.line(f"came: {arn}", mark=Mark.WARN)
    for arn in differences.went:
        talk.line(f"went: {arn}", mark=Mark.INFO)
    for arn in differences.first_seen:
        talk.line(f"seen for the first time; the review before could not look: {arn}", mark=Mark.WARN)
    for arn in differences.out_of_sight:
        talk.line(f"out of sight, and may have its rights still: {arn}", mark=Mark.WARN)
    for each in differences.changed:
        talk.line(each.arn, mark=Mark.WARN if each.gained or each.newly_assumed_by or each.new_ways else Mark.INFO)
        for word, told in (
            ("gained", each.gained),
            ("lost", each.lost),
            ("new", each.new_ways),
            ("gone", each.gone_ways),
            ("may now be assumed by", each.newly_assumed_by),
            ("may no longer be assumed by", each.no_longer_assumed_by),
        ):
            for one in told:
                talk.line(f"    {word}: {one}")
        if each.used_again:
            talk.line("    used the key, and had not before")
    for grant in differences.new_grants:
        talk.line(f"new grant: {grant}", mark=Mark.WARN)
    for grant in differences.gone_grants:
        talk.line(f"gone grant: {grant}", mark=Mark.INFO)


def _show_what_is_wrong(talk: Talk, outcome: Outcome) -> None:
    talk.section("Outcome")
    for fault in outcome.faults:
        talk.line(fault, mark=Mark.FAIL)
    for unread in outcome.review.unread:
        talk.line(f"not read: {unread.what}: {unread.why}", mark=Mark.WARN)
    for each in outcome.not_accepted:
        surplus = ", ".join(each.beyond if each.is_expected else sorted(each.rights))
        talk.line(f"neither the settings nor a signed review give {each.arn} this: {surplus}", mark=Mark.FAIL)
    if outcome.review.undecided:
        talk.line(
            "what is unknown is not taken for good; may the reviewer read it? the rights it takes:", mark=Mark.WARN
        )
        talk.line("    python -m wizard policy auditor")
    if outcome.ok:
        talk.line("nobody has a right that was not given or accepted", mark=Mark.OK)
    if outcome.not_accepted:
        talk.line(
            f"take the right away; or accept it: python -m wizard review --stack {outcome.review.stack} --sign NAME"
        )
