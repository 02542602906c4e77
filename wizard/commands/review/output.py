"""Everybody who has some right on a key, each with what gives it: the judgement of all, gathered.

Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from components.policies.evaluation.account import KeyPermission
from components.policies.evaluation.key_access import RIGHTS, AccessDecision, KeyAccessDocuments, evaluate_access
from components.policies.evaluation.principals import Caller, PrincipalKind, allowed_principals, caller_of, kind_of
from components.policies.evaluation.statements import Request, evaluate_policies
from wizard.commands.review import storage
from wizard.commands.review.baseline import Differences
from wizard.core import json_documents
from wizard.core.models.access import AccessKeyAge, AccessReview, PrincipalAccess, SignOff
from wizard.core.models.progress import Mark
from wizard.core.next_command import wizard
from wizard.core.ports.run import UserInterface

_STRONGER = (KeyPermission.NO, KeyPermission.UNKNOWN, KeyPermission.YES)


@dataclass(frozen=True, kw_only=True)
class Rights:
    """What one has on the key and its replicas together."""

    arn: str
    kind: PrincipalKind
    may: Mapping[str, KeyPermission]
    """By the right: use, administer, delete."""
    ways: tuple[str, ...] = ()
    direct: frozenset[str] = field(default_factory=frozenset)
    """The rights that do not come through the account's IAM alone."""

    @property
    def has_some(self) -> bool:
        """Whether one of the rights is a yes."""
        return KeyPermission.YES in self.may.values()

    def with_more(self, other: Rights) -> Rights:
        """Both together: the stronger word counts."""
        return Rights(
            arn=self.arn,
            kind=self.kind,
            may={right: max(self.may[right], other.may[right], key=_STRONGER.index) for right in RIGHTS},
            ways=tuple(dict.fromkeys((*self.ways, *other.ways))),
            direct=self.direct | other.direct,
        )


def everybody_else(account: str, partition: str) -> str:
    """The pattern that stands for whom nothing was read of."""
    return f"arn:{partition}:iam::{account}:*"


def rights_on(papers: KeyAccessDocuments, *, expected: Collection[str], where: str = "") -> Iterator[Rights]:
    """Everybody with a right on one key, and of whom something is unknown; those that are expected in any case.

    `where` is told with each way: the Region, where there are several keys.
    """
    for who in _subjects(papers, expected):
        found = _rights(papers, who, where)
        if found.has_some or who.arn in expected or _is_in_doubt(papers, who, found):
            yield found
    if None in (papers.policy, papers.grants, papers.iam):
        # Whom nobody named may be let by what was not read.
        name = everybody_else(papers.account, papers.arn.split(":")[1])
        somebody = caller_of(name, account=papers.account, context=papers.context, kind=PrincipalKind.PRINCIPAL)
        known = {key: value for key, value in somebody.context.items() if key not in ("aws:principalarn",)}
        rest = _rights(papers, Caller(arn=name, kind=PrincipalKind.PRINCIPAL, context=known), where)
        if KeyPermission.UNKNOWN in rest.may.values():
            yield Rights(arn=name, kind=PrincipalKind.OTHER, may=rest.may, ways=tuple(_not_read(papers, where)))


def _subjects(papers: KeyAccessDocuments, expected: Collection[str]) -> Iterator[Caller]:
    names: dict[str, PrincipalKind] = {}
    for arn in (*expected, *(each.arn for each in (papers.iam.principals if papers.iam else ()))):
        names.setdefault(arn, kind_of(arn, papers.account))
    names |= dict(allowed_principals(papers.policy, papers.account))
    for grant in papers.grants or ():
        service = "Service" if grant.grantee.endswith(".amazonaws.com") else "AWS"
        names.setdefault(grant.grantee, kind_of(grant.grantee, papers.account, service))
    for name in sorted(names):
        yield caller_of(name, account=papers.account, context=papers.context, iam=papers.iam, kind=names[name])


def _rights(papers: KeyAccessDocuments, who: Caller, where: str) -> Rights:
    decisions = {
        (right, action): evaluate_access(papers, who, action, include_everybody=False)
        for right in RIGHTS
        for action in RIGHTS[right]
    }
    may = {
        right: max((decisions[right, action].permission for action in RIGHTS[right]), key=_STRONGER.index)
        for right in RIGHTS
    }
    direct = frozenset(
        right for (right, _), decision in decisions.items() if any(not way.through_iam for way in decision.sources)
    )
    return Rights(arn=who.arn, kind=who.kind, may=may, ways=tuple(_told(decisions, who, where)), direct=direct)


def _told(decisions: Mapping[tuple[str, str], AccessDecision], who: Caller, where: str) -> Iterator[str]:
    """Each source once, with the rights that it gives and the terms it hangs on."""
    given: dict[tuple[str, tuple[str, ...]], dict[str, list[str]]] = {}
    for (right, action), decision in decisions.items():
        for way in decision.sources:
            given.setdefault((way.source, way.terms), {}).setdefault(right, []).append(action)
    for (source, terms), actions in given.items():
        told = "; ".join(_in_words(right, found) for right, found in actions.items())
        in_region = f" in {where}" if where else ""
        # A stranger's own account has to let them as well, which nobody can see from here.
        and_theirs = ("their own account allows it",) if who.kind is PrincipalKind.OTHER_ACCOUNT else ()
        hanging = " and ".join((*terms, *and_theirs))
        yield f"{source} ({told}){in_region}{f' if {hanging}' if hanging else ''}"


def _in_words(right: str, actions: Iterable[str]) -> str:
    found = list(actions)
    # Named by the right where the action is among them that is meant by it; else by what little it is.
    return (
        right if RIGHTS[right][0] in found else f"{right}: {', '.join(action.removeprefix('kms:') for action in found)}"
    )


def _is_in_doubt(papers: KeyAccessDocuments, who: Caller, found: Rights) -> bool:
    """Whether something of this one's own is unknown, beyond what is unknown of everybody."""
    if KeyPermission.UNKNOWN not in found.may.values() or who.kind is PrincipalKind.EVERYBODY:
        return False
    if papers.policy is None or (who.iam and who.iam.boundary and who.iam.boundary.document is None):
        return who.iam is not None and _iam_speaks(papers, who)
    return who.iam is not None and any(policy.document is None for policy in who.iam.policies)


def _iam_speaks(papers: KeyAccessDocuments, who: Caller) -> bool:
    """Whether one of their own policies allows something of the three rights."""
    policies = who.iam.policies if who.iam else ()
    return any(
        evaluate_policies(policies, Request(action=action, resource=papers.arn, context=who.context)).is_allowed
        for actions in RIGHTS.values()
        for action in actions
    )


def _not_read(papers: KeyAccessDocuments, where: str) -> Iterator[str]:
    in_region = f" in {where}" if where else ""
    if papers.policy is None:
        yield f"the key policy could not be read{in_region}"
    if papers.iam is None:
        yield "the account's IAM could not be read"
    if papers.grants is None:
        yield f"the grants could not be read{in_region}"


def together(found: Iterable[Rights]) -> dict[str, Rights]:
    """The rights on several keys, by ARN."""
    merged: dict[str, Rights] = {}
    for one in found:
        merged[one.arn] = merged[one.arn].with_more(one) if one.arn in merged else one
    return merged


OLD_KEY_DAYS = 90
"""Days after which an access key should have been changed (CIS AWS Foundations Benchmark, 1.14)."""

_SIGNS = {KeyPermission.YES: "yes", KeyPermission.NO: "no", KeyPermission.UNKNOWN: "?"}


def show(ui: UserInterface, outcome: ReviewResult) -> None:
    """The whole review."""
    review = outcome.review
    ui.section("Who can use and who can administer the key", review.key_arn)
    rows = [_row(each, account=review.key_arn.split(":")[4]) for each in review.principals]
    ui.table(rows, headings=("who", "use", "admin", "delete", "uses", "last use"))
    ui.section("By what")
    alarming = {each.arn for each in outcome.not_accepted}
    for each in review.principals:
        ui.line(_title(each), mark=_mark(each, alarming))
        for line in _details(each):
            ui.line(f"    {line}")
    _show_grants(ui, review)
    _show_use(ui, review)
    _show_differences(ui, outcome.differences)
    _show_what_is_wrong(ui, outcome)


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


def _show_grants(ui: UserInterface, review: AccessReview) -> None:
    ui.section("Grants")
    if review.grants is None:
        ui.line("unknown: they could not be read", mark=Mark.WARN)
    elif not review.grants:
        ui.line("none", mark=Mark.OK)
    for grant in review.grants or ():
        made = f", made {_date(grant.made)}" if grant.made else ""
        ui.line(f"{grant.grantee}: {', '.join(grant.operations)}{made}", mark=Mark.WARN)
        ui.line(f"    {grant.id}{f' ({grant.name})' if grant.name else ''}{', '.join(('', *grant.constraints))}")


def _show_use(ui: UserInterface, review: AccessReview) -> None:
    ui.section("Use", f"the last {review.window_days} days, by CloudTrail's event history")
    for arn, use in (
        (review.key_arn, review.last_use),
        *((each.arn, each.use) for each in review.replicas),
    ):
        if use is None:
            ui.line(f"{arn}: when it was last used is unknown", mark=Mark.WARN)
        elif use.at is None:
            since = f" since {_date(use.tracked_since)}" if use.tracked_since else ""
            ui.line(f"{arn}: not used{since}", mark=Mark.INFO)
        else:
            ui.line(f"{arn}: last used {_date(use.at)}, {use.operation}", mark=Mark.OK)
    if review.history is None:
        ui.line("who used it is unknown: the event history could not be read", mark=Mark.WARN)
    elif review.history.is_cut_off:
        ui.line(
            f"only the newest {review.history.events} events were read, back to {_date(review.history.since)}: "
            "every count is a lower bound; the whole is in the trail's bucket",
            mark=Mark.WARN,
        )


def _show_differences(ui: UserInterface, differences: Differences | None) -> None:
    if differences is None:
        ui.section("Since the last review", "this is the first")
        return
    ui.section("Since the last review", differences.since)
    if differences.is_nothing:
        ui.line("nothing changed", mark=Mark.OK)
    for arn in differences.came:
        ui.line(f"came: {arn}", mark=Mark.WARN)
    for arn in differences.went:
        ui.line(f"went: {arn}", mark=Mark.INFO)
    for arn in differences.first_seen:
        ui.line(f"seen for the first time; the review before could not look: {arn}", mark=Mark.WARN)
    for arn in differences.out_of_sight:
        ui.line(f"out of sight, and may have its rights still: {arn}", mark=Mark.WARN)
    for each in differences.changed:
        ui.line(each.arn, mark=Mark.WARN if each.gained or each.newly_assumed_by or each.new_ways else Mark.INFO)
        for word, told in (
            ("gained", each.gained),
            ("lost", each.lost),
            ("new", each.new_ways),
            ("gone", each.gone_ways),
            ("may now be assumed by", each.newly_assumed_by),
            ("may no longer be assumed by", each.no_longer_assumed_by),
        ):
            for one in told:
                ui.line(f"    {word}: {one}")
        if each.used_again:
            ui.line("    used the key, and had not before")
    for grant in differences.new_grants:
        ui.line(f"new grant: {grant}", mark=Mark.WARN)
    for grant in differences.gone_grants:
        ui.line(f"gone grant: {grant}", mark=Mark.INFO)


def _show_what_is_wrong(ui: UserInterface, outcome: ReviewResult) -> None:
    ui.section("Outcome")
    for fault in outcome.faults:
        ui.line(fault, mark=Mark.FAIL)
    for unread in outcome.review.unread:
        ui.line(f"not read: {unread.what}: {unread.why}", mark=Mark.WARN)
    for each in outcome.not_accepted:
        surplus = ", ".join(each.beyond if each.is_expected else sorted(each.rights))
        ui.line(f"neither the settings nor a signed review give {each.arn} this: {surplus}", mark=Mark.FAIL)
    if outcome.review.undecided:
        ui.line("what is unknown is not taken for good; may the reviewer read it? the rights it takes:", mark=Mark.WARN)
        ui.verbatim(wizard("policy", "auditor"))
    if outcome.ok:
        ui.line("nobody has a right that was not given or accepted", mark=Mark.OK)
    if outcome.not_accepted:
        ui.line("remove the right, or accept it:")
        ui.verbatim(f"python -m wizard review --stack {outcome.review.stack} --sign NAME")


@dataclass(frozen=True, kw_only=True)
class ReviewResult:
    """All that a run of `review` found."""

    review: AccessReview
    file: str
    digest: str
    differences: Differences | None = None
    """None: there is no earlier review."""
    accepted: AccessReview | None = None
    """The review that was signed last: whom it shows, somebody looked at and left. None: none was signed."""
    sign_off: SignOff | None = None
    """Of this review."""
    faults: tuple[str, ...] = ()
    """What is wrong with the reviews that are kept."""

    @property
    def not_accepted(self) -> tuple[PrincipalAccess, ...]:
        """Who has more than the settings give, and than the last signed review shows."""
        if self.sign_off is not None:
            return ()
        before = {each.arn: each for each in self.accepted.principals} if self.accepted else {}
        return tuple(each for each in self.review.principals if _surplus(each) - _surplus_before(before.get(each.arn)))

    @property
    def ok(self) -> bool:
        """Whether nobody has more than was given or accepted, nothing that matters is unknown, no file was changed."""
        return not (self.not_accepted or self.review.undecided or self.faults)


def _surplus(principal: PrincipalAccess) -> frozenset[str]:
    return frozenset(principal.beyond) if principal.is_expected else principal.rights


def _surplus_before(principal: PrincipalAccess | None) -> frozenset[str]:
    # One that the settings named then, and do not any more, was accepted with what it was named for.
    return frozenset() if principal is None else principal.rights


def document(outcome: ReviewResult) -> json_documents.Document:
    """The document of `--json`."""
    return {
        **json_documents.head("review", ok=outcome.ok),
        "stack": outcome.review.stack,
        "review": storage.plain(outcome.review),
        "file": outcome.file,
        "digest": outcome.digest,
        "unexpected": [each.arn for each in outcome.review.unexpected],
        "notAccepted": [each.arn for each in outcome.not_accepted],
        "undecided": [each.arn for each in outcome.review.undecided],
        "differences": _plain(outcome.differences),
        "signOff": storage.plain(outcome.sign_off) if outcome.sign_off else None,
        "faults": list(outcome.faults),
    }


def _plain(differences: Differences | None) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = storage.plain(differences) if differences else None
    return found
