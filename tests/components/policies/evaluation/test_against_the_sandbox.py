"""The judgement against another evaluator: the sandbox's, which decides one request at a time, over generated policies.

A judgement speaks of every request; the sandbox of one. So what the sandbox allows to any request may be no `no`, and
what is a yes without terms the sandbox allows to every request.
"""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from components.policies.evaluation.account import AccountIam, IamPolicy, IamPrincipal, KeyPermission
from components.policies.evaluation.key_access import (
    RIGHTS,
    KeyAccessDocuments,
    evaluate_access,
    evaluate_actions,
    key_context,
)
from components.policies.evaluation.principals import caller_of
from sandbox.aws.iam.policy import Decision, Request, applies, evaluate, names_principal, statements, without_resource
from tests.components.policies.evaluation.policy_documents import (
    ADA,
    LEAVES_IT_TO_IAM,
    ROLE,
    ROOT,
    STRANGER,
    allow,
    document,
    grant,
    named,
)
from tests.wizard.fakes.clients import ACCOUNT, KEY, OTHER_KEY

ACTIONS = ("Decrypt", "PutKeyPolicy", "ScheduleKeyDeletion")
OPEN = {
    "aws:MultiFactorAuthPresent": ("true", "false"),
    "kms:ViaService": ("s3.us-east-1.amazonaws.com", "ssm.us-east-1.amazonaws.com"),
    "kms:EncryptionContext:app": ("eonpro", "other"),
}
"""What a request may bring, each with its values; or it does not bring it."""

conditions = st.one_of(
    st.none(),
    st.builds(
        lambda operator, key, values: {operator: {key: values}},
        st.sampled_from(
            (
                "StringEquals",
                "StringNotEquals",
                "StringLike",
                "StringNotLike",
                "StringEqualsIfExists",
                "StringNotEqualsIfExists",
                "ForAnyValue:StringEquals",
                "ForAllValues:StringEquals",
            )
        ),
        st.sampled_from(sorted(OPEN)),
        st.lists(st.sampled_from(("true", "false", "s3.*", "s3.us-east-1.amazonaws.com", "eonpro")), min_size=1),
    ),
    st.builds(
        lambda operator, values: {operator: {"aws:PrincipalArn": values}},
        st.sampled_from(("ArnLike", "ArnNotLike", "ArnEquals", "ArnNotEquals", "StringLike", "StringNotEquals")),
        st.lists(
            st.sampled_from((ADA, ROLE, f"arn:aws:iam::{ACCOUNT}:role/*", "arn:aws:iam::*:user/?da", "*")), min_size=1
        ),
    ),
    st.builds(
        lambda key, value: {"Null": {key: value}}, st.sampled_from(sorted(OPEN)), st.sampled_from(("true", "false"))
    ),
    st.just({"Bool": {"aws:SecureTransport": "true"}}),
    st.just({"StringEquals": {"kms:CallerAccount": ACCOUNT}}),
)
actions = st.sampled_from(("kms:Decrypt", "kms:*", "*", "kms:De*", "kms:Put*", "kms:schedulekeydeletion", "s3:*"))
about_actions = st.builds(
    lambda kind, found: {kind: found},
    st.sampled_from(("Action", "Action", "NotAction")),
    st.one_of(actions, st.lists(actions, min_size=1, max_size=3)),
)
resources = st.builds(
    lambda kind, found: {kind: found},
    st.sampled_from(("Resource", "Resource", "NotResource")),
    st.sampled_from(("*", KEY, OTHER_KEY, f"arn:aws:kms:*:{ACCOUNT}:key/*", [KEY, OTHER_KEY])),
)
effects = st.sampled_from(("Allow", "Allow", "Deny"))


def _statement(effect: str, about: dict[str, Any], rest: dict[str, Any], condition: Any) -> dict[str, Any]:
    return {"Effect": effect, **about, **rest, **({"Condition": condition} if condition else {})}


identity_statements = st.builds(_statement, effects, about_actions, resources, conditions)
key_statements = st.builds(
    _statement,
    effects,
    about_actions,
    st.sampled_from(([ROOT], [ADA], [ROLE], [ROOT, ROLE], [STRANGER], [ACCOUNT])).map(
        lambda names: {"Principal": {"AWS": names}, "Resource": "*"}
    ),
    conditions,
)
documents = st.builds(
    lambda found, usual: document(*found, *usual),
    st.lists(identity_statements, max_size=3),
    st.sampled_from(((), (allow("kms:*"),))),
)
key_policies = st.builds(
    lambda found, usual: document(*found, *usual),
    st.lists(key_statements, max_size=3),
    st.sampled_from(((), (LEAVES_IT_TO_IAM,), (named(ROLE, "kms:*"),))),
)
contexts = st.fixed_dictionaries({key: st.sampled_from((None, *values)) for key, values in OPEN.items()})


def allowed(arn: str, action: str, key_policy: Any, own: Any, boundary: Any, more: dict[str, tuple[str, ...]]) -> bool:
    """What the sandbox (`sandbox.aws.moto_patches.kms.keys`) does with a request, its IAM given as documents."""
    context = {
        **key_context(KEY),
        "aws:PrincipalArn": (arn,),
        "aws:PrincipalAccount": (ACCOUNT,),
        "kms:CallerAccount": (ACCOUNT,),
        **more,
    }
    request = Request(action=f"kms:{action}", resource=KEY, context=context)
    identity = evaluate(statements(own), request)
    about = [one for one in statements(key_policy) if applies(without_resource(one), request)]
    delegated = [one for one in about if names_principal(one, "AWS", (arn, ROOT, ACCOUNT))]
    named = [one for one in about if names_principal(one, "AWS", (arn,))]
    if identity is Decision.EXPLICIT_DENY or any(one["Effect"] == "Deny" for one in delegated):
        return False
    by_name = any(one["Effect"] == "Allow" for one in named)
    by_iam = identity is Decision.ALLOWED and any(one["Effect"] == "Allow" for one in delegated)
    if boundary is not None:
        limit = evaluate(statements(boundary), request)
        if limit is Decision.EXPLICIT_DENY:
            return False
        if limit is Decision.IMPLICIT_DENY:
            return by_name and ":user/" in arn
    return by_name or by_iam


@settings(max_examples=400)
@given(
    arn=st.sampled_from((ADA, ROLE)),
    action=st.sampled_from(ACTIONS),
    key_policy=key_policies,
    own=documents,
    boundary=st.one_of(st.none(), documents),
    context=contexts,
)
def test_no_request_that_is_allowed_is_judged_a_no_and_every_plain_yes_is_allowed(
    arn, action, key_policy, own, boundary, context
):
    brought: dict[str, tuple[str, ...]] = {key: (value,) for key, value in context.items() if value is not None}
    is_allowed = allowed(arn, action, key_policy, own, boundary, brought)
    one = IamPrincipal(
        arn=arn,
        policies=(IamPolicy(name="own", document=own),),
        boundary=IamPolicy(name="limit", document=boundary) if boundary is not None else None,
    )
    read = KeyAccessDocuments(
        arn=KEY,
        account=ACCOUNT,
        policy=key_policy,
        grants=(),
        iam=AccountIam(principals=(one,)),
        context=key_context(KEY),
    )
    decision = evaluate_access(read, read.caller(arn), f"kms:{action}")
    assert decision.permission is not KeyPermission.UNKNOWN
    if is_allowed:
        assert decision.permission is KeyPermission.YES
    if any(not way.terms for way in decision.sources):
        assert is_allowed
    if decision.permission is KeyPermission.NO:
        assert not is_allowed


@settings(max_examples=200)
@given(
    key_policy=key_policies,
    own=documents,
    lost=st.sets(st.sampled_from(("policy", "iam", "grants", "own", "boundary")), min_size=1),
    boundary=st.one_of(st.none(), documents),
    arn=st.sampled_from((ADA, ROLE)),
    action=st.sampled_from(ACTIONS),
)
def test_what_is_lost_makes_no_answer_a_no_that_was_a_yes(key_policy, own, lost, boundary, arn, action):
    def judged(missing: frozenset[str]) -> KeyPermission:
        limit = IamPolicy(name="limit", document=None if "boundary" in missing else boundary)
        one = IamPrincipal(
            arn=arn,
            policies=(IamPolicy(name="own", document=None if "own" in missing else own),),
            boundary=limit if boundary is not None else None,
        )
        read = KeyAccessDocuments(
            arn=KEY,
            account=ACCOUNT,
            policy=None if "policy" in missing else key_policy,
            grants=None if "grants" in missing else (),
            iam=None if "iam" in missing else AccountIam(principals=(one,)),
            context=key_context(KEY),
        )
        return evaluate_access(
            read, caller_of(arn, account=ACCOUNT, context=read.context, iam=read.iam), action
        ).permission

    whole, partly = judged(frozenset()), judged(frozenset(lost))
    assert (whole, partly) != (KeyPermission.YES, KeyPermission.NO)


EVERY_ACTION = tuple(action for actions_ in RIGHTS.values() for action in actions_)


@settings(max_examples=300)
@given(
    arn=st.sampled_from((ADA, ROLE, STRANGER, ROOT, "*")),
    key_policy=st.one_of(st.none(), key_policies),
    own=st.one_of(st.none(), documents),
    boundary=st.one_of(st.just("no boundary"), st.none(), documents),
    granted=st.sampled_from((None, (), ("Decrypt",), ("GenerateDataKey", "CreateGrant", "DescribeKey"))),
    everybody=st.booleans(),
)
def test_actions_that_are_evaluated_together_get_the_answer_that_each_gets_alone(
    arn: str, key_policy: Any, own: Any, boundary: Any, granted: Any, everybody: bool
) -> None:
    limit = None if boundary == "no boundary" else IamPolicy(name="boundary", document=boundary)
    holder = IamPrincipal(arn=arn, policies=(IamPolicy(name="own", document=own),), boundary=limit)
    read = KeyAccessDocuments(
        arn=KEY,
        account=ACCOUNT,
        policy=key_policy,
        grants=None if granted is None else (grant(arn, *granted),) if granted else (),
        iam=AccountIam(principals=(holder,)),
        context=key_context(KEY),
    )
    caller = read.caller(arn)
    together = evaluate_actions(read, caller, EVERY_ACTION, include_everybody=everybody)
    assert together == {
        action: evaluate_access(read, caller, action, include_everybody=everybody) for action in EVERY_ACTION
    }
