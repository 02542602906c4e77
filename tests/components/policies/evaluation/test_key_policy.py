"""What a key policy gives to whom: the judgement that stands between the wizard and a lockout."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

import pytest

from components import policies
from components.policies.evaluation import KeyPolicyDecision, decide_by_key_policy
from components.policies.stack import decide_by_key_policy_of, key_policy_of
from components.settings import Settings

ACCOUNT = "111122223333"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/team/admin"
OTHER = f"arn:aws:iam::{ACCOUNT}:user/other"
STRANGER = "arn:aws:iam::999999999999:role/admin"
APP = f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role"
PUT = "kms:PutKeyPolicy"
NAMED, DENIED, NONE, UNKNOWN = (
    KeyPolicyDecision.NAMED,
    KeyPolicyDecision.DENIED,
    KeyPolicyDecision.NONE,
    KeyPolicyDecision.UNKNOWN,
)
BY_IAM = KeyPolicyDecision.THROUGH_IAM


def _statement(effect: str = "Allow", principal: Any = None, **others: Any) -> dict[str, Any]:
    statement = {"Effect": effect, "Principal": principal or {"AWS": ADMIN}, "Action": PUT, "Resource": "*"}
    return {**statement, **others}


def _decision(*statements: dict[str, Any], principal: str = ADMIN, action: str = PUT) -> KeyPolicyDecision:
    return decide_by_key_policy({"Version": "2012-10-17", "Statement": list(statements)}, principal, action)


OWN = policies.key_policy(account_id=ACCOUNT, administrators=(ADMIN,), app_principal_arns=(APP,))["Statement"]
BY_NAME = policies.administration_statement(administrators=(ADMIN,))
ALLOW, DENY = _statement(), _statement("Deny")
TO_ROOT = _statement(principal={"AWS": ROOT})
ALL_BUT_OTHER = {"Effect": "Allow", "NotPrincipal": {"AWS": OTHER}, "Action": PUT, "Resource": "*"}
ALL_BUT_ONE = {"Effect": "Allow", "Principal": {"AWS": ADMIN}, "Resource": "*"}
ANOTHER_KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/other"
WITH_MFA: dict[str, Any] = {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}
IF_MFA, NOT_IF_MFA = _statement(**WITH_MFA), _statement("Deny", **WITH_MFA)
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/alice"

DECISIONS: dict[str, tuple[KeyPolicyDecision, list[dict[str, Any]], str, str]] = {
    **{
        f"the product's own policy: {who} {action}": (decision, OWN, arn, action)
        for decision, who, arn, actions in (
            (NAMED, "an administrator", ADMIN, (PUT, "kms:GenerateDataKeyWithoutPlaintext", "kms:CancelKeyDeletion")),
            (DENIED, "an administrator", ADMIN, ("kms:ScheduleKeyDeletion",)),
            (BY_IAM, "an administrator", ADMIN, ("kms:Decrypt", "kms:GenerateDataKey", "kms:CreateGrant")),
            (NAMED, "the application", APP, ("kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey")),
            (DENIED, "the application", APP, ("kms:ScheduleKeyDeletion",)),
            (BY_IAM, "the application", APP, (PUT,)),
            (DENIED, "the root user", ROOT, ("kms:ScheduleKeyDeletion",)),
            (NAMED, "the root user", ROOT, (PUT,)),
            (BY_IAM, "another user", OTHER, (PUT,)),
            (NONE, "a stranger", STRANGER, ("kms:Decrypt", PUT)),
        )
        for action in actions
    },
    "without the root statement who is named stays": (NAMED, [BY_NAME], ADMIN, PUT),
    "without the root statement another is locked out": (NONE, [BY_NAME], OTHER, PUT),
    "without the root statement the root user is locked out": (NONE, [BY_NAME], ROOT, PUT),
    **{
        f"the principal {principal}": (decision, [{**ALLOW, "Principal": principal}], ADMIN, PUT)
        for decision, principals in (
            (NAMED, ("*", {"AWS": "*"}, {"AWS": ADMIN}, {"AWS": [OTHER, ADMIN]})),
            (BY_IAM, ({"AWS": ROOT}, {"AWS": ACCOUNT}, {"AWS": [STRANGER, ROOT]})),
            (NONE, ({"AWS": "arn:aws:iam::999999999999:root"}, {"Service": "ecs"}, {})),
        )
        for principal in principals
    },
    **{
        f"the action {action}": (decision, [_statement(Action=action)], ADMIN, PUT)
        for decision, actions in (
            (NAMED, ("kms:*", "*", "KMS:putkeypolicy", "kms:Put*", ["kms:Get*", "kms:?utKeyPolicy"])),
            (NONE, ("kms:Put", "kms:PutKey", "s3:*", [], ["kms:Decrypt"])),
        )
        for action in actions
    },
    "the account is named, then the caller": (NAMED, [TO_ROOT, ALLOW], ADMIN, PUT),
    "the caller is named, then the account": (NAMED, [ALLOW, TO_ROOT], ADMIN, PUT),
    "a denial before an allowance": (DENIED, [DENY, ALLOW], ADMIN, PUT),
    "a denial of everybody": (DENIED, [ALLOW, _statement("Deny", principal="*")], ADMIN, PUT),
    "a denial of the account": (DENIED, [ALLOW, _statement("Deny", principal={"AWS": ROOT})], ADMIN, PUT),
    "a denial of somebody else": (NAMED, [ALLOW, _statement("Deny", principal={"AWS": OTHER})], ADMIN, PUT),
    "a denial of something else": (NAMED, [ALLOW, _statement("Deny", Action="kms:Decrypt")], ADMIN, PUT),
    "an allowance that may hold": (UNKNOWN, [IF_MFA], ADMIN, PUT),
    "a denial that may hold": (UNKNOWN, [ALLOW, NOT_IF_MFA], ADMIN, PUT),
    "a denial that may hold, of one through the account": (UNKNOWN, [TO_ROOT, NOT_IF_MFA], ADMIN, PUT),
    "a denial that may hold, of nothing allowed": (NONE, [NOT_IF_MFA], ADMIN, PUT),
    "a denial that may hold, and one that does": (DENIED, [ALLOW, NOT_IF_MFA, DENY], ADMIN, PUT),
    "an allowance for all but another": (NONE, [ALL_BUT_OTHER], ADMIN, PUT),
    "a denial of all but another": (DENIED, [ALLOW, {**ALL_BUT_OTHER, "Effect": "Deny"}], ADMIN, PUT),
    "a denial of all but the caller": (
        NAMED,
        [ALLOW, {**ALL_BUT_OTHER, "Effect": "Deny", "NotPrincipal": {"AWS": ADMIN}}],
        ADMIN,
        PUT,
    ),
    "every action but another": (NAMED, [{**ALL_BUT_ONE, "NotAction": "kms:Decrypt"}], ADMIN, PUT),
    "every action but this one": (NONE, [{**ALL_BUT_ONE, "NotAction": PUT}], ADMIN, PUT),
    "an allowance on another key": (NONE, [_statement(Resource=ANOTHER_KEY)], ADMIN, PUT),
    "a denial on another key is taken for one": (DENIED, [ALLOW, _statement("Deny", Resource=ANOTHER_KEY)], ADMIN, PUT),
    "a session of the named role": (NAMED, [ALLOW, TO_ROOT], SESSION, PUT),
    "a session of a role whose name begins alike": (
        BY_IAM,
        [ALLOW, TO_ROOT],
        SESSION.replace("/admin/", "/administrator/"),
        PUT,
    ),
    "a session in another account": (NONE, [ALLOW, TO_ROOT], SESSION.replace(ACCOUNT, "999999999999"), PUT),
    "a session in another partition": (
        NONE,
        [ALLOW, TO_ROOT],
        "arn:aws-us-gov:sts::999999999999:assumed-role/admin/alice",
        PUT,
    ),
    "a policy without a statement": (NONE, [], ADMIN, PUT),
    "a statement that says nothing": (NONE, [{"Effect": "Allow"}], ADMIN, PUT),
}


@pytest.mark.parametrize("case", DECISIONS)
def test_a_key_policy_names_somebody_leaves_it_to_iam_denies_or_gives_nothing(case: str) -> None:
    decision, statements, principal, action = DECISIONS[case]
    assert _decision(*statements, principal=principal, action=action) is decision


@pytest.mark.parametrize("policy", [{}, {"Statement": {"Effect": "Allow"}}])
def test_a_policy_may_have_no_list_of_statements(policy: dict[str, Any]) -> None:
    assert decide_by_key_policy(policy, ADMIN, PUT) is NONE


# Conditions about the principal.

BY_ARN = "aws:PrincipalArn"


def _if(operator: str, value: Any, key: str = BY_ARN) -> dict[str, Any]:
    return {"Condition": {operator: {key: value}}}


@pytest.mark.parametrize(
    ("operator", "value", "holds"),
    [
        ("ArnLike", f"arn:aws:iam::{ACCOUNT}:role/team/*", True),
        ("ArnLike", f"arn:aws:iam::{ACCOUNT}:role/*/admi?", True),
        ("ArnEquals", ADMIN, True),
        ("ArnEquals", "arn:aws:iam::*:role/team/admin", True),
        ("ArnNotEquals", OTHER, True),
        ("ArnNotLike", f"arn:aws:iam::{ACCOUNT}:user/*", True),
        ("ArnLikeIfExists", ADMIN, True),
        ("ForAnyValue:StringLike", ADMIN, True),
        ("StringNotEquals", OTHER, True),
        ("StringNotLike", "*user/*", True),
        ("ArnLike", f"arn:aws:iam::{ACCOUNT}:role/admin*", False),
        ("ArnLike", "arn:aws:iam::*", False),
        ("ArnLike", f"arn:aws:iam::{ACCOUNT}:role/team/[a]dmin", False),
        ("ArnEquals", STRANGER, False),
        ("StringLike", "admin", False),
        ("ArnNotEquals", ADMIN, False),
        ("ArnNotEquals", [OTHER, ADMIN], False),
        ("ArnNotLike", "arn:aws:iam::*:role/*", False),
        ("StringNotLike", "*admin", False),
    ],
)
def test_a_condition_on_the_principal_s_arn_is_evaluated(operator: str, value: Any, holds: bool) -> None:
    assert _decision(_statement(**_if(operator, value))) is (NAMED if holds else NONE)
    denied = _decision(_statement(), _statement("Deny", principal="*", **_if(operator, value)))
    assert denied is (DENIED if holds else NAMED)


@pytest.mark.parametrize("key", ["aws:PrincipalAccount", "kms:CallerAccount", "AWS:PRINCIPALACCOUNT"])
def test_a_condition_on_the_principal_s_account_is_evaluated_in_any_case_of_its_key(key: str) -> None:
    assert _decision(_statement(**_if("StringEquals", ACCOUNT, key))) is NAMED
    assert _decision(_statement(**_if("StringEquals", "999999999999", key))) is NONE


def test_the_account_s_grant_under_a_pattern_is_through_the_account_for_whom_it_fits() -> None:
    by_pattern = _statement(principal={"AWS": ROOT}, **_if("ArnLike", f"arn:aws:iam::{ACCOUNT}:role/team/*"))
    assert _decision(by_pattern) is BY_IAM
    assert _decision(by_pattern, principal=OTHER) is NONE
    # The root user is named by the statement, but fits no pattern of roles.
    assert _decision(by_pattern, principal=ROOT) is NONE


@pytest.mark.parametrize(
    "condition",
    [
        {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
        {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}},
        {"ArnLike": {BY_ARN: ADMIN}, "Bool": {"aws:SecureTransport": "true"}},
        {"ArnLike": {BY_ARN: ADMIN, "aws:SourceArn": "*"}},
    ],
)
def test_a_condition_that_cannot_be_known_neither_grants_nor_spares(condition: dict[str, Any]) -> None:
    assert _decision(_statement(Condition=condition)) is UNKNOWN
    assert _decision(_statement(), _statement("Deny", Condition=condition)) is UNKNOWN


def test_one_condition_that_fails_for_certain_settles_it_whatever_the_others_are() -> None:
    condition = {"ArnLike": {BY_ARN: OTHER}, "Bool": {"aws:MultiFactorAuthPresent": "false"}}
    assert _decision(_statement(), _statement("Deny", Condition=condition)) is NAMED


def test_of_a_session_the_role_s_path_is_unknown_so_that_no_pattern_is_relied_on() -> None:
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/alice"
    fits = _if("ArnLike", f"arn:aws:iam::{ACCOUNT}:role/*")
    assert _decision(_statement(**fits), principal=session) is UNKNOWN
    assert _decision(_statement(), _statement("Deny", **fits), principal=session) is UNKNOWN
    by_account = _if("StringEquals", ACCOUNT, "aws:PrincipalAccount")
    assert _decision(_statement(**by_account), principal=session) is NAMED


# The lockout: may whoever sets the stack up change the future policy again?

SSO_PATH = "aws-reserved/sso.amazonaws.com"
SSO_ROLE = f"arn:aws:iam::{ACCOUNT}:role/{SSO_PATH}/eu-west-1/AWSReservedSSO_KeyAdmin_0123456789abcdef"
SSO_ROLE_HOME = SSO_ROLE.replace("/eu-west-1", "")
SSO_SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_KeyAdmin_0123456789abcdef/ada@clinic.example"
PATTERN = f"arn:aws:iam::{ACCOUNT}:role/{SSO_PATH}/*AWSReservedSSO_KeyAdmin_*"
ADMIN_SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/alice"
DELETER = f"arn:aws:iam::{ACCOUNT}:user/deleter"
TWO = (ADMIN, f"arn:aws:iam::{ACCOUNT}:user/ops/second")

MODES: dict[str, dict[str, Any]] = {
    "default": {},
    "several Regions": {"multi_region": True, "replica_regions": ("us-west-2",)},
    "exclusive": {"exclusive_use": True},
    "deletion": {"deletion_administrators": (DELETER,)},
    "incident": {"incident_responders": (OTHER,)},
    "sso": {"administrator_patterns": (PATTERN,)},
    "sso alone": {"administrators": (), "administrator_patterns": (PATTERN,)},
    "strict": {"administrators": TWO, "strict_key_policy": True},
    "strict, sso": {"administrators": TWO, "strict_key_policy": True, "administrator_patterns": (PATTERN,)},
    "strict, exclusive": {"administrators": TWO, "strict_key_policy": True, "exclusive_use": True},
}
STRICT = tuple(mode for mode in MODES if mode.startswith("strict"))
LENIENT = tuple(mode for mode in MODES if mode not in STRICT)


@cache
def _future_policy(mode: str) -> policies.Policy:
    least = {
        "account_id": ACCOUNT,
        "region": "us-east-1",
        "administrators": (ADMIN,),
        "deploy_targets": ("ecs",),
    }
    return key_policy_of(Settings.read({**least, **MODES[mode]}))


USED = {"kms:trailingdayswithoutkeyusage": ("89",)}
UNUSED = {"kms:trailingdayswithoutkeyusage": ("90",)}
NO_SUCH_KEY: dict[str, tuple[str, ...]] = {"kms:trailingdayswithoutkeyusage": ()}
SOON = {"kms:trailingdayswithoutkeyusage": ("99",), "kms:schedulekeydeletionpendingwindowindays": ("29",)}
DELETE, DISABLE, DECRYPT = "kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:Decrypt"
USES = (DECRYPT, "kms:GenerateDataKey", "kms:Encrypt", "kms:CreateGrant")
ANYBODY = (ADMIN, SSO_ROLE, APP, OTHER, ROOT, STRANGER)
SESSIONS = (ADMIN_SESSION, SSO_SESSION)
STRANGER_ROOT = STRANGER.replace("role/admin", "root")
OTHER_SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/other/eve"
LOOKALIKES = (
    SSO_ROLE.replace("KeyAdmin", "Developer"),
    SSO_ROLE.replace(f"{SSO_PATH}/eu-west-1/", ""),
    SSO_ROLE.replace(ACCOUNT, "999999999999"),
)


def _but(*modes: str) -> tuple[str, ...]:
    return tuple(mode for mode in MODES if mode not in modes)


FUTURE: dict[str, tuple[KeyPolicyDecision, tuple[str, ...], tuple[str, ...], tuple[str, ...], Any]] = {
    "a named administrator is never locked out": (NAMED, _but("sso alone"), (ADMIN, ADMIN_SESSION), (PUT,), None),
    "who is not named depends on IAM where the policy delegates": (
        *(BY_IAM, LENIENT, (OTHER, SSO_ROLE, SSO_ROLE_HOME, SSO_SESSION, DELETER), (PUT,), None),
    ),
    "who is not named is locked out by a strict policy, the root user too": (
        *(NONE, STRICT, (OTHER, ROOT, DELETER), (PUT,), None),
    ),
    "so is a session": (NONE, ("strict", "strict, exclusive"), (OTHER_SESSION,), (PUT,), None),
    "the path of a session's role decides whether a pattern fits it": (
        *(UNKNOWN, ("strict, sso",), (OTHER_SESSION, SSO_SESSION), (PUT,), None),
    ),
    "a role that fits the pattern depends on its permission set": (
        *(BY_IAM, ("strict, sso",), (SSO_ROLE, SSO_ROLE_HOME), (PUT,), None),
    ),
    "without a pattern it is locked out": (NONE, ("strict",), (SSO_ROLE, SSO_ROLE_HOME), (PUT,), None),
    "so is a role that only looks like the pattern's": (NONE, ("strict, sso",), LOOKALIKES, (PUT,), None),
    "another account is locked out": (NONE, tuple(MODES), (STRANGER, STRANGER_ROOT), (PUT,), None),
    "nobody deletes the key but who may": (DENIED, tuple(MODES), ANYBODY, (DELETE,), None),
    "no session does": (DENIED, _but("deletion"), SESSIONS, (DELETE,), None),
    # The denial spares deletion administrators by their ARN, which a session's does not show in full.
    "a session may be who may": (UNKNOWN, ("deletion",), SESSIONS, (DELETE,), None),
    "a deletion administrator may": (NAMED, ("deletion",), (DELETER,), (DELETE,), None),
    "and does nothing else of the administrators": (
        BY_IAM,
        ("deletion",),
        (DELETER,),
        ("kms:CancelKeyDeletion",),
        None,
    ),
    "a short waiting period is denied": (DENIED, ("deletion",), (DELETER,), (DELETE,), SOON),
    "nobody disables or deletes the key while records need it": (
        *(DENIED, tuple(MODES), (ADMIN, DELETER, ROOT), (DISABLE, DELETE), USED),
    ),
    "an administrator disables a key that nobody uses": (NAMED, ("default",), (ADMIN,), (DISABLE,), UNUSED),
    "and one in a Region without the condition key": (NAMED, ("default",), (ADMIN,), (DISABLE,), NO_SUCH_KEY),
    "an incident responder disables a key in use": (NAMED, ("incident",), (OTHER,), (DISABLE,), USED),
    "but does not delete it": (DENIED, ("incident",), (OTHER,), (DELETE,), USED),
    "nor does an administrator disable it": (DENIED, ("incident",), (ADMIN,), (DISABLE,), USED),
    "no administrator uses an exclusive key": (
        *(DENIED, ("exclusive", "strict, exclusive"), (ADMIN, SSO_ROLE), USES, None),
    ),
    "none is named for a use of another": (
        *(BY_IAM, tuple(each for each in LENIENT if each != "exclusive"), (ADMIN, SSO_ROLE), USES, None),
    ),
    "no administrator uses the key by a strict policy": (
        *(NONE, ("strict", "strict, sso"), (ADMIN, SSO_ROLE), USES, None),
    ),
    "the application may decrypt": (NAMED, tuple(MODES), (APP,), (DECRYPT,), None),
}
"""The decision, in these modes, for each of these callers and actions, where this is known of the request."""


@pytest.mark.parametrize("sentence", FUTURE)
def test_of_the_future_policy(sentence: str) -> None:
    decision, modes, callers, actions, known = FUTURE[sentence]
    for mode, caller, action in product(modes, callers, actions):
        more = {} if known is None else {"known": known}
        assert decide_by_key_policy(_future_policy(mode), caller, action, **more) is decision, (mode, caller, action)


@pytest.mark.parametrize(
    ("condition", "decision"),
    [
        pytest.param({"Bool": {"aws:SecureTransport": "false"}}, NAMED, id="KMS answers over TLS only"),
        pytest.param({"StringNotEquals": {"aws:ResourceAccount": ACCOUNT}}, NAMED, id="keys of other accounts"),
        pytest.param({"StringNotEquals": {"aws:SourceVpce": "vpce-01234567"}}, UNKNOWN, id="not known"),
    ],
)
def test_a_denial_is_decided_by_what_the_settings_say_of_every_request(
    condition: dict[str, Any], decision: KeyPolicyDecision
) -> None:
    settings = Settings(
        account_id=ACCOUNT,
        region="us-east-1",
        administrators=(ADMIN,),
        deploy_targets=("ecs",),  # type: ignore[arg-type]
    )
    statements = [_statement(), _statement("Deny", Condition=condition)]
    policy = {"Version": "2012-10-17", "Statement": statements}
    assert decide_by_key_policy_of(settings, policy, ADMIN, PUT) is decision
