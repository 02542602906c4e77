"""Who else can use the key: those with a right that the settings do not give, each with the command that removes it.

Reads through the facts. The key policy and the grants are judged in `key_policy`; here IAM counts too, and a person
can accept a right by signing a review of this key. A review of another key, stack or account counts for nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components import policies
from components.policies.evaluation.key_access import ADMINISTER, DELETE, SourceKind
from components.policies.evaluation.principals import PrincipalKind
from components.policies.statements import PolicyStatement, as_tuple, normalized, written_statements
from components.settings.arn import Arn
from wizard.account import fixes
from wizard.account.access.rights import KeyRights, PrincipalRights, Way
from wizard.account.access.stored_reviews import VALID_DAYS, Acceptance
from wizard.account.facts import StackFacts
from wizard.account.judgements.key_policy import key_resource
from wizard.account.judgements.principal import ROLE
from wizard.account.key_access import foreign
from wizard.account.notices import Judgement, Notice, judgement, needed
from wizard.core.errors import CredentialsError, SetupError, known_or
from wizard.core.models.access import SignOff
from wizard.core.next_command import NO_COMMAND, Command, Text, chain
from wizard.core.safe_text import all_of, first_of

_MOST = 3
"""The most names in one sentence."""

_OPENS = frozenset(("kms:Decrypt", "kms:ReEncryptFrom", "kms:CreateGrant"))
"""The actions with which a principal, or somebody to whom it passes them on, can open the data key."""

_DENIED = {"use": policies.USE_ACTIONS, "administer": ADMINISTER, "delete": DELETE}
"""What a denial takes from a principal, by the right."""


@judgement("key-use-by-others", opens="others")
def check_others(facts: StackFacts) -> Iterator[Notice]:
    """Who has a right on the key that the settings do not give, and whether a signed review accepts it."""
    rights = needed("who else can use the key", facts.rights)
    reviews, others = facts.reviews, rights.surplus
    acceptance = Acceptance(reviews.accepted(facts.at), rights.principals)
    accepted = []
    for principal in others:
        if is_open(principal):
            yield open_role(facts, principal)
        elif acceptance.covers(principal):
            accepted.append(principal)
        else:
            yield not_accepted(facts, principal)
    yield from _unknown(facts, rights)
    if accepted and reviews.signed is not None and reviews.signed.sign_off is not None:
        yield _accepted(accepted, reviews.signed.sign_off)
    if not rights.undecided and all(_is_other(facts, principal) for principal in others):
        nobody = "nobody but the application can use the key"
        what = nobody if others else "nobody has a right on the key that the settings do not give"
        yield Notice.good(what, requirements=("key-use-by-others",))


def is_open(principal: PrincipalRights) -> bool:
    """Whether it is a role outside the settings that can open the data key, and that another account can assume."""
    return not principal.is_expected and bool(principal.actions & _OPENS) and bool(foreign(principal.paths))


def not_accepted(facts: StackFacts, principal: PrincipalRights) -> Notice:
    beyond = "more than the settings give it" if principal.is_expected else "and the settings do not name it"
    command, advice = removal(facts, principal)
    return Notice.wrong(
        "key-use-by-others",
        what=f"{principal.arn} can {all_of(principal.surplus)} the key, {beyond}",
        why="; ".join(way.text for way in principal.ways[:_MOST]),
        command=command,
        advice=advice,
        requirements=("access-review",) if _is_other(facts, principal) else (),
    )


def _is_other(facts: StackFacts, principal: PrincipalRights) -> bool:
    """Whether it cannot use the key: its policy keeps that to the application. IAM decides who administers the key."""
    return facts.settings.exclusive_use and "use" not in principal.surplus


def open_role(facts: StackFacts, role: PrincipalRights) -> Notice:
    others = first_of([path.description for path in foreign(role.paths)], _MOST, separator="; ")
    command, _ = removal(facts, role)
    return Notice.wrong(
        "role-trusts-other-account",
        what=f"the role {role.arn} can {all_of(role.surplus)} the key ({role.ways[0].text}), and can be assumed by "
        f"{others}",
        why="whoever assumes it and has the wrapped data key can read every record; the settings do not name it",
        command=command,
        advice=Text(
            "it denies the role the use of this key only. To allow the use of the key to the application alone: ",
            fixes.eonpro(facts, "setup", "--exclusive-use", "yes"),
        ),
    )


def _accepted(accepted: Sequence[PrincipalRights], sign_off: SignOff) -> Notice:
    names = first_of([f"{each.arn} ({', '.join(each.surplus)})" for each in accepted], _MOST)
    return Notice.good(f"{sign_off.signer} accepted on {sign_off.at:%Y-%m-%d} the rights of {names}")


def _unknown(facts: StackFacts, rights: KeyRights) -> Iterator[Notice]:
    names = ["everybody else" if "*" in principal.arn else principal.arn for principal in rights.undecided]
    if not names:
        return
    parts: list[tuple[str, object]] = [("the account's IAM", facts.iam)]
    for reading in facts.key_readings:
        parts += [(f"the policy of {reading.arn}", reading.policy), (f"the grants of {reading.arn}", reading.grants)]
    unread = [(what, answer) for what, answer in parts if isinstance(answer, SetupError)]
    why = "; ".join(f"{what} could not be read: {error.message}" for what, error in unread[:_MOST])
    yield Notice.unknown(
        f"what {first_of(names, _MOST)} can do with the key",
        why or "a policy could not be read",
        is_denied=any(isinstance(error, CredentialsError) for _, error in unread) or not unread,
    )


# --- the command that removes a right


def removal(facts: StackFacts, principal: PrincipalRights) -> tuple[Command, str]:
    """The command that takes from a principal its rights beyond the settings, or empty; and what else to do."""
    ways = [way for way in principal.ways if way.rights & {*principal.surplus}]
    # A replica that the settings do not name has a finding of its own, with the command that deletes it.
    elsewhere = dict.fromkeys(
        Arn.parse(way.key_arn).region for way in ways if way.key_arn and not _is_named(facts, way)
    )
    own = [way for way in ways if not way.key_arn or _is_named(facts, way)]
    commands, denied, advice = [], [], []
    if resources := [_resource(facts, way.key_arn) for way in own if way.kind is SourceKind.KEY_POLICY]:
        commands.append(fixes.pulumi_up(facts, *dict.fromkeys(resources)))
    if any(way.kind is SourceKind.GRANT for way in own):
        commands += _revocations(facts, principal.arn)
    if any(way.kind is SourceKind.IAM for way in own):
        actions = tuple(action for right in principal.surplus for action in _DENIED[right])
        denied.append((actions, facts.key_arns))
    for role in _assumed(facts, own):
        if role.arn in facts.expectation.application:
            commands.append(fixes.pulumi_up(facts, ROLE))
        elif not role.is_expected:
            advice.append(f"it ends when the role {role.arn} has no right on the key any more")
        elif is_changeable(principal):
            denied.append((("sts:AssumeRole",), (role.arn,)))
        elif trusted := _without(facts, role, principal.arn):
            commands.append(trusted)
    if denied and is_changeable(principal):
        commands.append(_denial(facts, principal, denied))
    elif denied and "use" in principal.surplus:
        commands.append(fixes.eonpro(facts, "setup", "--exclusive-use", "yes"))
        advice.append("it denies the use of the key to all but the application, whatever IAM allows")
    elif denied:
        advice.append("IAM Identity Center or AWS manages this role: change its permission set there")
    advice += [f"it ends when the replica in {region} is deleted" for region in elsewhere]
    accept = fixes.eonpro(facts, "review", "--sign", "NAME")
    ends = "".join(f"{each}; " for each in advice)
    return chain(*dict.fromkeys(commands)), Text(ends, "to accept the right instead: ", accept)


def is_changeable(principal: PrincipalRights) -> bool:
    """Whether it is a user or role of the account whose policies IAM lets somebody change."""
    managed = (":role/aws-reserved/", ":role/aws-service-role/")
    return principal.kind is PrincipalKind.PRINCIPAL and not any(path in principal.arn for path in managed)


def _is_named(facts: StackFacts, way: Way) -> bool:
    return way.key_arn in facts.key_arns


def _resource(facts: StackFacts, key_arn: str) -> str:
    return next(key_resource(facts, reading) for reading in facts.key_readings if reading.arn == key_arn)


def _assumed(facts: StackFacts, ways: Sequence[Way]) -> Iterator[PrincipalRights]:
    """The roles that are assumed, each once."""
    rights, roles = facts.rights, dict.fromkeys(way.role for way in ways if way.role)
    return (role for arn in roles if not isinstance(rights, SetupError) and (role := rights.find(arn)))


def _revocations(facts: StackFacts, grantee: str) -> Iterator[Command]:
    for reading in facts.key_readings:
        for grant in known_or(reading.grants, ()):
            if grant.grantee == grantee:
                revoke = ("kms", "revoke-grant", "--key-id", reading.arn, "--grant-id", grant.id)
                yield fixes.aws(facts, *revoke, region=reading.region)


def _denial(
    facts: StackFacts, principal: PrincipalRights, denied: Sequence[tuple[Sequence[str], Sequence[str]]]
) -> Command:
    statements = [
        {"Effect": "Deny", "Action": list(actions), "Resource": list(resources)} for actions, resources in denied
    ]
    kind = "role" if ":role/" in principal.arn else "user"
    name = f"NoUseOfThe{facts.settings.application.capitalize()}Key"
    put = ("iam", f"put-{kind}-policy", f"--{kind}-name", Arn.parse(principal.arn).name, "--policy-name", name)
    return fixes.aws(facts, *put, "--policy-document", {"Version": "2012-10-17", "Statement": statements})


def _without(facts: StackFacts, role: PrincipalRights, principal: str) -> Command:
    """The command that takes a principal out of the trust policy of a role; empty where it is not in it."""
    iam = facts.iam
    holder = None if isinstance(iam, SetupError) else iam.find(role.arn)
    statements = [path.statement for path in role.paths if path.principal == principal and not path.through]
    if holder is None or holder.trust is None or not statements:
        return NO_COMMAND
    kept = [rest for each in written_statements(holder.trust) if (rest := _narrowed(each, principal, statements))]
    update = ("iam", "update-assume-role-policy", "--role-name", holder.name)
    document = {**holder.trust, "Statement": kept}
    return fixes.aws(facts, *update, "--policy-document", document) if kept else NO_COMMAND


def _narrowed(
    statement: Mapping[str, Any], name: str, statements: Sequence[PolicyStatement | None]
) -> Mapping[str, Any] | None:
    """A statement without a principal of that name; None if it names nobody else."""
    principal = statement.get("Principal")
    is_one = normalized(statement) in statements
    if not is_one or not isinstance(principal, Mapping):
        return None if is_one else statement
    kept = {kind: [each for each in as_tuple(names) if each != name] for kind, names in principal.items()}
    named = {kind: names for kind, names in kept.items() if names}
    return {**statement, "Principal": named} if named else None


@judgement("access-review")
def check_review(facts: StackFacts) -> Iterator[Notice]:
    """Whether a person has signed a review of the key, and recently enough."""
    reviews = facts.reviews
    sign = fixes.eonpro(facts, "review", "--sign", "NAME")
    folder = facts.sources.reviews
    for fault in reviews.faults:
        # A report has no path of this machine.
        told = fault.replace(f"{folder.parent}/", "") if folder else fault
        yield Notice.person(f"a saved review is damaged: {told}", command=sign)
    signed, age = reviews.signed, reviews.age_days(facts.at)
    if signed is None or signed.sign_off is None or age is None:
        yield Notice.person(
            "no review of this key is signed yet: every three months a person reviews who can use it, and signs",
            command=sign,
        )
        return
    when = {0: "today", 1: "yesterday"}.get(max(age, 0), f"{age} days ago")
    what = f"signed by {signed.sign_off.signer} {when}"
    if reviews.accepted(facts.at) is None:
        yield Notice.person(f"{what}: a review is valid for {VALID_DAYS} days", command=sign)
    else:
        yield Notice.good(what)


OTHER_CHECKS: tuple[Judgement, ...] = (check_others, check_review)
