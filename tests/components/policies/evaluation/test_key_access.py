"""Who may do what with the key, over many documents: every grant beside its refusal, and what could not be read."""

from __future__ import annotations

from typing import Any

import pytest

from components.policies.evaluation.account import IamPolicy, KeyPermission
from components.policies.evaluation.key_access import (
    RIGHTS,
    AccessDecision,
    KeyAccessDocuments,
    KeyPolicyDecision,
    decide_by_key_policy,
    evaluate_access,
)
from components.policies.stack import key_policy_of
from tests.components.policies.evaluation.policy_documents import (
    ADA,
    LEAVES_IT_TO_IAM,
    ROLE,
    ROOT,
    STRANGER,
    allow,
    deny,
    document,
    documents,
    grant,
    limit,
    named,
    principal,
)
from tests.wizard.fakes.clients import ACCOUNT, ADMIN, APP, KEY, OTHER_ACCOUNT, OTHER_KEY, SECOND, settings

ALIAS = f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/eonpro-phi-key"
MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
NO_MFA = {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}


def asked(read: KeyAccessDocuments, arn: str = ADA, action: str = "Decrypt") -> AccessDecision:
    return evaluate_access(read, read.caller(arn), action if ":" in action else f"kms:{action}")


def through_iam(*statements: dict[str, Any], arn: str = ADA, **more: Any) -> KeyAccessDocuments:
    """A key that leaves it to IAM, and one principal with these statements."""
    return documents(LEAVES_IT_TO_IAM, iam=[principal(arn, *statements, **more)])


ALLOWED = {
    "IAM allows the action": through_iam(allow()),
    "IAM allows every action": through_iam(allow("*")),
    "IAM allows it by a pattern": through_iam(allow("kms:De*")),
    "in another case": through_iam(allow("KMS:decrypt")),
    "on this key": through_iam(allow(Resource=KEY)),
    "on every key of the account": through_iam(allow(Resource=f"arn:aws:kms:*:{ACCOUNT}:key/*")),
    "on all but another key": through_iam({"Effect": "Allow", "Action": "kms:*", "NotResource": OTHER_KEY}),
    "all but another action": through_iam({"Effect": "Allow", "NotAction": "kms:Encrypt", "Resource": "*"}),
    "a condition on the caller holds": through_iam(allow(Condition={"ArnLike": {"aws:PrincipalArn": ADA}})),
    "a condition on the key's tags holds": through_iam(
        allow(Condition={"StringEquals": {"aws:ResourceTag/Application": "EONPRO"}})
    ),
    "a condition on the key's aliases holds": through_iam(
        allow(Condition={"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/eonpro-phi-key"}})
    ),
    "a denial of another action": through_iam(allow(), deny("kms:Encrypt")),
    "a denial on another key": through_iam(allow(), deny(Resource=OTHER_KEY)),
    "a denial whose condition does not hold": through_iam(
        allow(), deny(Condition={"ArnNotEquals": {"aws:PrincipalArn": ADA}})
    ),
    "a single statement without a list": documents(
        LEAVES_IT_TO_IAM,
        iam=[principal(ADA, policies=(IamPolicy(name="own", document={"Statement": allow()}),))],
    ),
    "a boundary that lets it through": through_iam(allow(), boundary=limit(allow("kms:*"))),
    "the key policy names the user": documents(named(ADA), iam=[principal(ADA)]),
    "the key policy names the user, whom a boundary limits": documents(
        named(ADA), iam=[principal(ADA, boundary=limit(allow("s3:*")))]
    ),
    "the key policy names everybody who fits": documents(
        named("*", Condition={"StringEquals": {"aws:PrincipalArn": ADA}}), iam=[principal(ADA)]
    ),
    "the account by its bare id": documents(named(ACCOUNT, "kms:*"), iam=[principal(ADA, allow())]),
    "a grant, whatever the key policy leaves out": documents(iam=[principal(ADA)], grants=(grant(ADA),)),
}
REFUSED = {
    "IAM allows nothing": through_iam(),
    "IAM allows another action": through_iam(allow("kms:Encrypt")),
    "IAM allows another service": through_iam(allow("s3:*")),
    "on another key": through_iam(allow(Resource=OTHER_KEY)),
    "on an alias, which is no key": through_iam(allow(Resource=ALIAS)),
    "on all but this key": through_iam({"Effect": "Allow", "Action": "kms:*", "NotResource": KEY}),
    "all but this action": through_iam({"Effect": "Allow", "NotAction": "kms:Decrypt", "Resource": "*"}),
    "a condition on the caller does not hold": through_iam(
        allow(Condition={"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/*"}})
    ),
    "a condition on the key's tags does not hold": through_iam(
        allow(Condition={"StringEquals": {"aws:ResourceTag/Application": "OTHER"}})
    ),
    "a condition on the aliases of another key": through_iam(
        allow(Condition={"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/eonpro-audit-key"}})
    ),
    "a condition on another Region": through_iam(
        allow(Condition={"StringEquals": {"aws:RequestedRegion": "eu-central-1"}})
    ),
    "IAM denies it": through_iam(allow("*"), deny()),
    "IAM denies everything but": through_iam(allow("*"), {"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"}),
    "a group's policy denies it": documents(
        LEAVES_IT_TO_IAM,
        iam=[
            principal(
                ADA,
                policies=(
                    IamPolicy(name="own", document=document(allow("*"))),
                    IamPolicy(name="deny of the group", document=document(deny("kms:*"))),
                ),
            )
        ],
    ),
    "a boundary does not let it through": through_iam(allow("*"), boundary=limit(allow("s3:*"))),
    "a boundary denies it to whom the key policy names": documents(
        named(ADA), iam=[principal(ADA, boundary=limit(allow("*"), deny()))]
    ),
    "the key policy does not leave it to IAM": documents(named(ROLE), iam=[principal(ADA, allow("*"))]),
    "the key policy leaves it to IAM for others": documents(
        named(ROOT, "kms:*", Condition={"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/x"}}),
        iam=[principal(ADA, allow("*"))],
    ),
    "the key policy denies it, whatever IAM and grants say": documents(
        LEAVES_IT_TO_IAM,
        named(ADA),
        named("*", effect="Deny"),
        iam=[principal(ADA, allow("*"))],
        grants=(grant(ADA),),
    ),
    "the key policy denies it to the account": documents(
        LEAVES_IT_TO_IAM, named(ROOT, effect="Deny"), iam=[principal(ADA, allow("*"))]
    ),
    "a statement on another key than its own": documents(named(ADA, Resource=OTHER_KEY), iam=[principal(ADA)]),
    "a grant to somebody else": documents(iam=[principal(ADA)], grants=(grant(ROLE),)),
    "a grant of another operation": documents(iam=[principal(ADA)], grants=(grant(ADA, "Encrypt"),)),
    "everybody but this one": documents(
        {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "NotPrincipal": {"AWS": ADA}},
        iam=[principal(ADA)],
    ),
}


@pytest.mark.parametrize("why", ALLOWED)
def test_allowed_without_a_condition(why):
    decision = asked(ALLOWED[why])
    assert decision.permission is KeyPermission.YES
    assert any(not way.terms for way in decision.sources)


@pytest.mark.parametrize("why", REFUSED)
def test_refused(why):
    assert asked(REFUSED[why]) == AccessDecision(permission=KeyPermission.NO)


CONDITIONAL = {
    "IAM, with MFA": (through_iam(allow(Condition=MFA)), ("aws:MultiFactorAuthPresent is true",)),
    "the key policy, through a service": (
        documents(named(ADA, Condition={"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}})),
        ("kms:ViaService is s3.us-east-1.amazonaws.com",),
    ),
    "a denial without MFA": (
        through_iam(allow(), deny("*", Condition=NO_MFA)),
        ("not (aws:MultiFactorAuthPresent is false), by own",),
    ),
    "a boundary with MFA": (
        through_iam(allow(), boundary=limit(allow("*", Condition=MFA))),
        ("aws:MultiFactorAuthPresent is true",),
    ),
    "the root statement in an encryption context": (
        documents(
            named(ROOT, "kms:*", Condition={"StringEquals": {"kms:EncryptionContext:app": "x"}}),
            iam=[principal(ADA, allow())],
        ),
        ("kms:EncryptionContext:app is x",),
    ),
    "a resource with a variable": (
        through_iam(allow(Resource=f"arn:aws:kms:us-east-1:{ACCOUNT}:key/${{aws:username}}")),
        (f"Resource arn:aws:kms:us-east-1:{ACCOUNT}:key/${{aws:username}} means the key",),
    ),
    "a grant with an encryption context": (
        documents(grants=(grant(ADA, constraints=("EncryptionContextEquals app=x",)),)),
        ("EncryptionContextEquals app=x",),
    ),
}


@pytest.mark.parametrize("why", CONDITIONAL)
def test_a_condition_on_the_request_is_a_yes_on_its_terms(why):
    read, terms = CONDITIONAL[why]
    decision = asked(read)
    assert (decision.permission, [way.terms for way in decision.sources]) == (KeyPermission.YES, [terms])


def test_a_role_that_is_named_is_held_by_its_boundary():
    held = documents(named(ROLE), iam=[principal(ROLE, boundary=limit(allow("s3:*")))])
    free = documents(named(ROLE), iam=[principal(ROLE, boundary=limit(allow("kms:*")))])
    assert (asked(held, ROLE).permission, asked(free, ROLE).permission) == (KeyPermission.NO, KeyPermission.YES)


def test_the_root_user_needs_no_iam_policy_and_is_denied_like_everybody():
    assert asked(documents(LEAVES_IT_TO_IAM), ROOT).permission is KeyPermission.YES
    assert asked(documents(LEAVES_IT_TO_IAM, named("*", effect="Deny")), ROOT).permission is KeyPermission.NO
    assert asked(documents(named(ADA)), ROOT).permission is KeyPermission.NO


def test_another_account_is_let_in_by_name_only():
    assert asked(documents(named(STRANGER)), STRANGER).permission is KeyPermission.YES
    assert asked(documents(named(OTHER_ACCOUNT)), OTHER_ACCOUNT).permission is KeyPermission.YES
    assert asked(documents(LEAVES_IT_TO_IAM), STRANGER).permission is KeyPermission.NO


def test_everybody_is_let_in_by_a_star_and_by_an_exception_from_everybody():
    assert asked(documents(named("*")), "*").permission is KeyPermission.YES
    assert asked(documents({**named("*"), "Principal": {"AWS": "*"}}), "*").permission is KeyPermission.YES
    but = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "NotPrincipal": {"AWS": ADA}}
    assert asked(documents(but), "*").permission is KeyPermission.YES
    assert asked(documents(LEAVES_IT_TO_IAM), "*").permission is KeyPermission.NO


# What could not be read.

UNKNOWN = {
    "the key policy": (documents(policy=None, iam=[principal(ADA, allow("*"))]), ADA, "Decrypt"),
    "the key policy, and IAM gives nothing": (documents(policy=None, iam=[principal(ADA)]), ADA, "PutKeyPolicy"),
    "IAM, where the key policy leaves it to it": (documents(LEAVES_IT_TO_IAM, iam=None), ADA, "Decrypt"),
    "a policy of the user's": (
        documents(LEAVES_IT_TO_IAM, iam=[principal(ADA, policies=(IamPolicy(name="own", document=None),))]),
        ADA,
        "ScheduleKeyDeletion",
    ),
    "the boundary of one whom IAM allows it": (
        through_iam(allow(), boundary=IamPolicy(name="limit", document=None)),
        ADA,
        "Decrypt",
    ),
    "the boundary of a role that the key policy names": (
        documents(named(ROLE), iam=[principal(ROLE, boundary=IamPolicy(name="limit", document=None))]),
        ROLE,
        "Decrypt",
    ),
    "the grants": (documents(LEAVES_IT_TO_IAM, iam=[principal(ADA)], grants=None), ADA, "Decrypt"),
}
KNOWN_ALL_THE_SAME = {
    "a denial by IAM, without the key policy": (
        documents(policy=None, iam=[principal(ADA, allow("*"), deny("kms:*"))]),
        ADA,
        "Decrypt",
        KeyPermission.NO,
    ),
    "a denial by the key policy, without IAM and grants": (
        documents(LEAVES_IT_TO_IAM, named("*", effect="Deny"), iam=None, grants=None),
        ADA,
        "Decrypt",
        KeyPermission.NO,
    ),
    "a key policy that leaves nothing to IAM, without IAM": (
        documents(named(ROLE), iam=None),
        ADA,
        "Decrypt",
        KeyPermission.NO,
    ),
    "no grant gives the key's policy away": (
        documents(LEAVES_IT_TO_IAM, iam=[principal(ADA)], grants=None),
        ADA,
        "PutKeyPolicy",
        KeyPermission.NO,
    ),
    "a boundary that could not be read, of one whom IAM gives nothing": (
        through_iam(boundary=IamPolicy(name="limit", document=None)),
        ADA,
        "Decrypt",
        KeyPermission.NO,
    ),
    "the key policy names the user, without IAM": (documents(named(ADA), iam=None), ADA, "Decrypt", KeyPermission.YES),
    "a grant, without the key policy": (
        documents(policy=None, iam=[principal(ADA)], grants=(grant(ADA),)),
        ADA,
        "Decrypt",
        KeyPermission.YES,
    ),
    "IAM allows it, and another policy could not be read": (
        documents(
            LEAVES_IT_TO_IAM,
            iam=[
                principal(
                    ADA,
                    policies=(
                        IamPolicy(name="own", document=document(allow())),
                        IamPolicy(name="other", document=None),
                    ),
                )
            ],
        ),
        ADA,
        "Decrypt",
        KeyPermission.YES,
    ),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_what_hangs_on_what_could_not_be_read_is_unknown(what):
    read, arn, action = UNKNOWN[what]
    assert asked(read, arn, action) == AccessDecision(permission=KeyPermission.UNKNOWN)


@pytest.mark.parametrize("what", KNOWN_ALL_THE_SAME)
def test_what_does_not_hang_on_it_is_still_known(what):
    read, arn, action, may = KNOWN_ALL_THE_SAME[what]
    assert asked(read, arn, action).permission is may


# The product's own key policy, and its own evaluate_access of it.

STACKS = {
    "default": settings(administrators=(ADMIN, SECOND)),
    "strict": settings(administrators=(ADMIN, SECOND), strict_key_policy=True),
    "exclusive": settings(administrators=(ADMIN, SECOND), exclusive_use=True),
    "deletion": settings(administrators=(ADMIN, SECOND), deletion_administrators=(SECOND,)),
}


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("arn", [APP, ADMIN, SECOND, ADA, ROOT, STRANGER])
def test_it_says_of_the_products_key_policy_what_the_products_own_judge_says(stack, arn):
    policy = key_policy_of(STACKS[stack])
    read = documents(policy=policy)
    for actions in RIGHTS.values():
        for action in actions:
            found = decide_by_key_policy(policy, arn, action)
            assert (asked(read, arn, action).permission is KeyPermission.YES) == (found is KeyPolicyDecision.NAMED), (
                action
            )
