"""Everybody who has some right on a key, each with what gives it: the judgement of all, gathered.

Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from wizard.access_review.judgement import RIGHTS, KeyPapers, Verdict, judge
from wizard.access_review.statements import Asked, weigh
from wizard.access_review.subjects import EVERYBODY, Kind, Subject, kind_of, named_in, subject
from wizard.facts_access import May

_STRONGER = (May.NO, May.UNKNOWN, May.YES)


@dataclass(frozen=True, kw_only=True)
class Rights:
    """What one has on the key and its replicas together."""

    arn: str
    kind: Kind
    may: Mapping[str, May]
    """By the right: use, administer, delete."""
    ways: tuple[str, ...] = ()
    direct: frozenset[str] = field(default_factory=frozenset)
    """The rights that do not come through the account's IAM alone."""

    @property
    def has_some(self) -> bool:
        """Whether one of the rights is a yes."""
        return May.YES in self.may.values()

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


def rights_on(papers: KeyPapers, *, expected: Collection[str], where: str = "") -> Iterator[Rights]:
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
        somebody = subject(name, account=papers.account, facts=papers.facts, kind=Kind.PRINCIPAL)
        known = {key: value for key, value in somebody.known.items() if key not in ("aws:principalarn",)}
        rest = _rights(papers, Subject(arn=name, kind=Kind.PRINCIPAL, known=known), where)
        if May.UNKNOWN in rest.may.values():
            yield Rights(arn=name, kind=Kind.OTHER, may=rest.may, ways=tuple(_not_read(papers, where)))


def _subjects(papers: KeyPapers, expected: Collection[str]) -> Iterator[Subject]:
    names: dict[str, Kind] = {}
    for arn in (*expected, *(each.arn for each in (papers.iam.principals if papers.iam else ()))):
        names.setdefault(arn, kind_of(arn, papers.account))
    names |= dict(named_in(papers.policy, papers.account))
    for grant in papers.grants or ():
        service = "Service" if grant.grantee.endswith(".amazonaws.com") else "AWS"
        names.setdefault(grant.grantee, kind_of(grant.grantee, papers.account, service))
    for name in sorted(names):
        yield subject(name, account=papers.account, facts=papers.facts, iam=papers.iam, kind=names[name])


def _rights(papers: KeyPapers, who: Subject, where: str) -> Rights:
    verdicts = {(right, action): judge(papers, who, action) for right in RIGHTS for action in RIGHTS[right]}
    may = {
        right: max((verdicts[right, action].may for action in RIGHTS[right]), key=_STRONGER.index) for right in RIGHTS
    }
    direct = frozenset(
        right for (right, _), verdict in verdicts.items() if any(not way.through_iam for way in verdict.ways)
    )
    return Rights(arn=who.arn, kind=who.kind, may=may, ways=tuple(_told(verdicts, who, where)), direct=direct)


def _told(verdicts: Mapping[tuple[str, str], Verdict], who: Subject, where: str) -> Iterator[str]:
    """Each source once, with the rights that it gives and the terms it hangs on."""
    given: dict[tuple[str, tuple[str, ...]], dict[str, list[str]]] = {}
    for (right, action), verdict in verdicts.items():
        for way in verdict.ways:
            given.setdefault((way.source, way.terms), {}).setdefault(right, []).append(action)
    for (source, terms), actions in given.items():
        told = "; ".join(_in_words(right, found) for right, found in actions.items())
        in_region = f" in {where}" if where else ""
        # A stranger's own account has to let them as well, which nobody can see from here.
        and_theirs = ("their own account allows it",) if who.kind is Kind.STRANGER else ()
        hanging = " and ".join((*terms, *and_theirs))
        yield f"{source} ({told}){in_region}{f' if {hanging}' if hanging else ''}"


def _in_words(right: str, actions: Iterable[str]) -> str:
    found = list(actions)
    # Named by the right where the action is among them that is meant by it; else by what little it is.
    return right if RIGHTS[right][0] in found else f"{right}: {', '.join(found)}"


def _is_in_doubt(papers: KeyPapers, who: Subject, found: Rights) -> bool:
    """Whether something of this one's own is unknown, beyond what is unknown of everybody."""
    if May.UNKNOWN not in found.may.values() or who.kind is Kind.EVERYBODY:
        return False
    if papers.policy is None or (who.iam and who.iam.boundary and who.iam.boundary.document is None):
        return who.iam is not None and _iam_speaks(papers, who)
    return who.iam is not None and any(policy.document is None for policy in who.iam.policies)


def _iam_speaks(papers: KeyPapers, who: Subject) -> bool:
    """Whether one of their own policies allows something of the three rights."""
    policies = who.iam.policies if who.iam else ()
    return any(
        weigh(policies, Asked(action=f"kms:{action}", resource=papers.arn, known=who.known)).is_allowed
        for actions in RIGHTS.values()
        for action in actions
    )


def _not_read(papers: KeyPapers, where: str) -> Iterator[str]:
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


__all__ = ["EVERYBODY", "Rights", "everybody_else", "rights_on", "together"]
