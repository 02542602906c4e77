"""What a key policy gives to whom: the judgement that stands between the wizard and a lockout."""

from __future__ import annotations

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


def _statement(effect: str = "Allow", principal: Any = None, **others: Any) -> dict[str, Any]:
    statement = {"Effect": effect, "Principal": principal or {"AWS": ADMIN}, "Action": PUT, "Resource": "*"}
    return {**statement, **others}


def _decision(*statements: dict[str, Any], principal: str = ADMIN, action: str = PUT) -> KeyPolicyDecision:
    return decide_by_key_policy({"Version": "2012-10-17", "Statement": list(statements)}, principal, action)


@pytest.mark.parametrize(
    ("principal", "action", "decision"),
    [
        (ADMIN, "kms:PutKeyPolicy", KeyPolicyDecision.NAMED),
        (ADMIN, "kms:GenerateDataKeyWithoutPlaintext", KeyPolicyDecision.NAMED),
        (ADMIN, "kms:CancelKeyDeletion", KeyPolicyDecision.NAMED),
        (ADMIN, "kms:ScheduleKeyDeletion", KeyPolicyDecision.DENIED),
        (ADMIN, "kms:Decrypt", KeyPolicyDecision.THROUGH_IAM),
        (ADMIN, "kms:GenerateDataKey", KeyPolicyDecision.THROUGH_IAM),
        (ADMIN, "kms:CreateGrant", KeyPolicyDecision.THROUGH_IAM),
        (APP, "kms:Decrypt", KeyPolicyDecision.NAMED),
        (APP, "kms:GenerateDataKey", KeyPolicyDecision.NAMED),
        (APP, "kms:DescribeKey", KeyPolicyDecision.NAMED),
        (APP, "kms:ScheduleKeyDeletion", KeyPolicyDecision.DENIED),
        (ROOT, "kms:ScheduleKeyDeletion", KeyPolicyDecision.DENIED),
        (APP, "kms:PutKeyPolicy", KeyPolicyDecision.THROUGH_IAM),
        (OTHER, "kms:PutKeyPolicy", KeyPolicyDecision.THROUGH_IAM),
        (ROOT, "kms:PutKeyPolicy", KeyPolicyDecision.NAMED),
        (STRANGER, "kms:Decrypt", KeyPolicyDecision.NONE),
        (STRANGER, "kms:PutKeyPolicy", KeyPolicyDecision.NONE),
    ],
)
def test_who_may_do_what_by_the_product_s_own_policy(principal: str, action: str, decision: KeyPolicyDecision) -> None:
    policy = policies.key_policy(account_id=ACCOUNT, administrators=(ADMIN,), app_principal_arns=(APP,))
    assert decide_by_key_policy(policy, principal, action) is decision


def test_without_the_root_statement_who_is_not_named_is_locked_out() -> None:
    statements = [policies.administration_statement(administrators=(ADMIN,))]
    assert _decision(*statements, principal=ADMIN) is KeyPolicyDecision.NAMED
    assert _decision(*statements, principal=OTHER) is KeyPolicyDecision.NONE
    assert _decision(*statements, principal=ROOT) is KeyPolicyDecision.NONE


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": ADMIN}, {"AWS": [OTHER, ADMIN]}])
def test_a_principal_is_named_as_a_string_in_a_list_or_with_everybody(principal: Any) -> None:
    assert _decision(_statement(principal=principal)) is KeyPolicyDecision.NAMED


@pytest.mark.parametrize("principal", [{"AWS": ROOT}, {"AWS": ACCOUNT}, {"AWS": [STRANGER, ROOT]}])
def test_the_account_is_named_by_its_root_or_its_number(principal: Any) -> None:
    assert _decision(_statement(principal=principal)) is KeyPolicyDecision.THROUGH_IAM


def test_being_named_outweighs_the_way_through_the_account() -> None:
    through, named = _statement(principal={"AWS": ROOT}), _statement()
    assert _decision(through, named) is KeyPolicyDecision.NAMED
    assert _decision(named, through) is KeyPolicyDecision.NAMED


@pytest.mark.parametrize("principal", [{"AWS": "arn:aws:iam::999999999999:root"}, {"Service": "ecs"}, {}])
def test_somebody_else_s_grant_is_none(principal: Any) -> None:
    assert (
        _decision({"Effect": "Allow", "Principal": principal, "Action": PUT, "Resource": "*"}) is KeyPolicyDecision.NONE
    )


@pytest.mark.parametrize("action", ["kms:*", "*", "KMS:putkeypolicy", "kms:Put*", ["kms:Get*", "kms:?utKeyPolicy"]])
def test_an_action_is_matched_by_wildcards_and_in_any_case(action: Any) -> None:
    assert _decision(_statement(Action=action)) is KeyPolicyDecision.NAMED


@pytest.mark.parametrize("action", ["kms:Put", "kms:PutKey", "s3:*", [], ["kms:Decrypt"]])
def test_an_action_that_does_not_match_is_not_granted(action: Any) -> None:
    assert _decision(_statement(Action=action)) is KeyPolicyDecision.NONE


def test_a_deny_wins_wherever_it_stands() -> None:
    assert _decision(_statement("Deny"), _statement()) is KeyPolicyDecision.DENIED
    assert _decision(_statement(), _statement("Deny", principal="*")) is KeyPolicyDecision.DENIED
    assert _decision(_statement(), _statement("Deny", principal={"AWS": ROOT})) is KeyPolicyDecision.DENIED


def test_a_deny_of_somebody_or_something_else_does_not_matter() -> None:
    assert _decision(_statement(), _statement("Deny", principal={"AWS": OTHER})) is KeyPolicyDecision.NAMED
    assert _decision(_statement(), _statement("Deny", Action="kms:Decrypt")) is KeyPolicyDecision.NAMED


def test_what_depends_on_a_condition_that_nobody_knows_is_neither_allowed_nor_denied() -> None:
    condition = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    maybe_allow, maybe_deny = _statement(Condition=condition), _statement("Deny", Condition=condition)
    assert _decision(maybe_allow) is KeyPolicyDecision.UNKNOWN
    assert _decision(_statement(), maybe_deny) is KeyPolicyDecision.UNKNOWN
    assert _decision(_statement(principal={"AWS": ROOT}), maybe_deny) is KeyPolicyDecision.UNKNOWN
    assert _decision(maybe_deny) is KeyPolicyDecision.NONE
    assert _decision(_statement(), maybe_deny, _statement("Deny")) is KeyPolicyDecision.DENIED


def test_what_a_statement_excepts_is_evaluated_to_be_on_the_safe_side() -> None:
    everybody_but_other = {"Effect": "Allow", "NotPrincipal": {"AWS": OTHER}, "Action": PUT, "Resource": "*"}
    assert _decision(everybody_but_other) is KeyPolicyDecision.NONE
    assert _decision(_statement(), {**everybody_but_other, "Effect": "Deny"}) is KeyPolicyDecision.DENIED
    spared = {**everybody_but_other, "Effect": "Deny", "NotPrincipal": {"AWS": ADMIN}}
    assert _decision(_statement(), spared) is KeyPolicyDecision.NAMED
    everything_but = {"Effect": "Allow", "Principal": {"AWS": ADMIN}, "Resource": "*"}
    assert _decision({**everything_but, "NotAction": "kms:Decrypt"}) is KeyPolicyDecision.NAMED
    assert _decision({**everything_but, "NotAction": PUT}) is KeyPolicyDecision.NONE


def test_a_statement_on_another_resource_grants_nothing() -> None:
    other = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/other"
    assert _decision(_statement(Resource=other)) is KeyPolicyDecision.NONE
    assert _decision(_statement(), _statement("Deny", Resource=other)) is KeyPolicyDecision.DENIED


@pytest.mark.parametrize(
    ("session", "decision"),
    [
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/alice", KeyPolicyDecision.NAMED),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/administrator/alice", KeyPolicyDecision.THROUGH_IAM),
        ("arn:aws:sts::999999999999:assumed-role/admin/alice", KeyPolicyDecision.NONE),
        ("arn:aws-us-gov:sts::999999999999:assumed-role/admin/alice", KeyPolicyDecision.NONE),
    ],
)
def test_a_role_s_session_has_what_the_role_has(session: str, decision: KeyPolicyDecision) -> None:
    statements = [_statement(), _statement(principal={"AWS": ROOT})]
    assert _decision(*statements, principal=session) is decision


@pytest.mark.parametrize("policy", [{}, {"Statement": []}, {"Statement": {"Effect": "Allow"}}])
def test_an_empty_policy_grants_nothing(policy: dict[str, Any]) -> None:
    assert decide_by_key_policy(policy, ADMIN, PUT) is KeyPolicyDecision.NONE


# Conditions about the principal.

BY_ARN = "aws:PrincipalArn"


def _if(operator: str, value: Any, key: str = BY_ARN) -> dict[str, Any]:
    return {"Condition": {operator: {key: value}}}


@pytest.mark.parametrize(
    ("operator", "value", "holds"),
    [
        ("ArnLike", f"arn:aws:iam::{ACCOUNT}:role/team/*", True),
        ("ArnLike", f"arn:aws:iam::{ACCOUNT}:role/*/admi?", True),
        ("ArnLike", [OTHER, ADMIN], True),
        ("ArnEquals", ADMIN, True),
        ("ArnEquals", "arn:aws:iam::*:role/team/admin", True),
        ("StringEquals", ADMIN, True),
        ("StringLike", "*admin", True),
        ("ArnNotEquals", OTHER, True),
        ("ArnNotLike", f"arn:aws:iam::{ACCOUNT}:user/*", True),
        ("ArnLikeIfExists", ADMIN, True),
        ("ForAnyValue:StringLike", ADMIN, True),
        ("Null", "false", True),
        ("Null", "true", False),
        ("StringNotEquals", OTHER, True),
        ("StringNotLike", "*user/*", True),
        ("ArnLike", f"arn:aws:iam::{ACCOUNT}:role/admin*", False),
        ("ArnLike", "arn:aws:iam::*", False),
        ("ArnLike", "*", False),
        ("ArnLike", f"arn:aws:iam::{ACCOUNT}:role/team/[a]dmin", False),
        ("ArnEquals", STRANGER, False),
        ("StringEquals", f"arn:aws:iam::{ACCOUNT}:role/team/*", False),
        ("StringLike", "admin", False),
        ("ArnNotEquals", ADMIN, False),
        ("ArnNotEquals", [OTHER, ADMIN], False),
        ("ArnNotLike", "arn:aws:iam::*:role/*", False),
        ("StringNotLike", "*admin", False),
    ],
)
def test_a_condition_on_the_principal_s_arn_is_evaluated(operator: str, value: Any, holds: bool) -> None:
    assert _decision(_statement(**_if(operator, value))) is (
        KeyPolicyDecision.NAMED if holds else KeyPolicyDecision.NONE
    )
    denied = _decision(_statement(), _statement("Deny", principal="*", **_if(operator, value)))
    assert denied is (KeyPolicyDecision.DENIED if holds else KeyPolicyDecision.NAMED)


@pytest.mark.parametrize("key", ["aws:PrincipalAccount", "kms:CallerAccount", "AWS:PRINCIPALACCOUNT"])
def test_a_condition_on_the_principal_s_account_is_evaluated_in_any_case_of_its_key(key: str) -> None:
    assert _decision(_statement(**_if("StringEquals", ACCOUNT, key))) is KeyPolicyDecision.NAMED
    assert _decision(_statement(**_if("StringEquals", "999999999999", key))) is KeyPolicyDecision.NONE


def test_the_account_s_grant_under_a_pattern_is_through_the_account_for_whom_it_fits() -> None:
    by_pattern = _statement(principal={"AWS": ROOT}, **_if("ArnLike", f"arn:aws:iam::{ACCOUNT}:role/team/*"))
    assert _decision(by_pattern) is KeyPolicyDecision.THROUGH_IAM
    assert _decision(by_pattern, principal=OTHER) is KeyPolicyDecision.NONE
    # The root user is named by the statement, but fits no pattern of roles.
    assert _decision(by_pattern, principal=ROOT) is KeyPolicyDecision.NONE


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
    assert _decision(_statement(Condition=condition)) is KeyPolicyDecision.UNKNOWN
    assert _decision(_statement(), _statement("Deny", Condition=condition)) is KeyPolicyDecision.UNKNOWN


def test_one_condition_that_fails_for_certain_settles_it_whatever_the_others_are() -> None:
    condition = {"ArnLike": {BY_ARN: OTHER}, "Bool": {"aws:MultiFactorAuthPresent": "false"}}
    assert _decision(_statement(), _statement("Deny", Condition=condition)) is KeyPolicyDecision.NAMED


def test_of_a_session_the_role_s_path_is_unknown_so_that_no_pattern_is_relied_on() -> None:
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/alice"
    fits = _if("ArnLike", f"arn:aws:iam::{ACCOUNT}:role/*")
    assert _decision(_statement(**fits), principal=session) is KeyPolicyDecision.UNKNOWN
    assert _decision(_statement(), _statement("Deny", **fits), principal=session) is KeyPolicyDecision.UNKNOWN
    by_account = _if("StringEquals", ACCOUNT, "aws:PrincipalAccount")
    assert _decision(_statement(**by_account), principal=session) is KeyPolicyDecision.NAMED


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
EACH_MODE = tuple(MODES)
STRICT = tuple(mode for mode in MODES if mode.startswith("strict"))
LENIENT = tuple(mode for mode in MODES if mode not in STRICT)
NAMING_ADMIN = tuple(mode for mode in MODES if mode != "sso alone")


def _future_policy(mode: str) -> policies.Policy:
    least = {
        "account_id": ACCOUNT,
        "region": "us-east-1",
        "administrators": (ADMIN,),
        "deploy_targets": ("ecs",),
    }
    return key_policy_of(Settings.read({**least, **MODES[mode]}))


@pytest.mark.parametrize("mode", NAMING_ADMIN)
@pytest.mark.parametrize("caller", [ADMIN, ADMIN_SESSION])
def test_a_named_administrator_is_never_locked_out(mode: str, caller: str) -> None:
    assert decide_by_key_policy(_future_policy(mode), caller, PUT) is KeyPolicyDecision.NAMED


@pytest.mark.parametrize("mode", LENIENT)
@pytest.mark.parametrize("caller", [OTHER, SSO_ROLE, SSO_ROLE_HOME, SSO_SESSION, DELETER])
def test_whoever_is_not_named_depends_on_iam_where_the_policy_delegates(mode: str, caller: str) -> None:
    assert decide_by_key_policy(_future_policy(mode), caller, PUT) is KeyPolicyDecision.THROUGH_IAM


@pytest.mark.parametrize("mode", STRICT)
@pytest.mark.parametrize("caller", [OTHER, ROOT, DELETER, f"arn:aws:sts::{ACCOUNT}:assumed-role/other/eve"])
def test_whoever_is_not_named_is_locked_out_by_a_strict_policy_the_root_user_too(mode: str, caller: str) -> None:
    # The path of a session's role decides whether a pattern fits it.
    is_known = ":sts:" not in caller or "sso" not in mode
    expected = KeyPolicyDecision.NONE if is_known else KeyPolicyDecision.UNKNOWN
    assert decide_by_key_policy(_future_policy(mode), caller, PUT) is expected


@pytest.mark.parametrize("caller", [SSO_ROLE, SSO_ROLE_HOME])
def test_an_sso_role_that_fits_the_pattern_depends_on_its_permission_set_in_strict_mode_too(caller: str) -> None:
    assert decide_by_key_policy(_future_policy("strict, sso"), caller, PUT) is KeyPolicyDecision.THROUGH_IAM
    assert decide_by_key_policy(_future_policy("strict"), caller, PUT) is KeyPolicyDecision.NONE


def test_an_sso_session_whose_role_could_not_be_looked_up_is_not_relied_on_in_strict_mode() -> None:
    assert decide_by_key_policy(_future_policy("strict, sso"), SSO_SESSION, PUT) is KeyPolicyDecision.UNKNOWN


@pytest.mark.parametrize(
    "role",
    [
        SSO_ROLE.replace("KeyAdmin", "Developer"),
        SSO_ROLE.replace(f"{SSO_PATH}/eu-west-1/", ""),
        SSO_ROLE.replace(ACCOUNT, "999999999999"),
    ],
)
def test_a_role_that_only_looks_like_the_pattern_s_is_locked_out(role: str) -> None:
    assert decide_by_key_policy(_future_policy("strict, sso"), role, PUT) is KeyPolicyDecision.NONE


@pytest.mark.parametrize("mode", EACH_MODE)
@pytest.mark.parametrize("caller", [STRANGER, STRANGER.replace("role/admin", "root")])
def test_another_account_is_locked_out_in_every_mode(mode: str, caller: str) -> None:
    assert decide_by_key_policy(_future_policy(mode), caller, PUT) is KeyPolicyDecision.NONE


@pytest.mark.parametrize("mode", EACH_MODE)
@pytest.mark.parametrize("caller", [ADMIN, ADMIN_SESSION, SSO_ROLE, SSO_SESSION, APP, OTHER, ROOT, STRANGER])
def test_the_key_s_deletion_is_denied_in_every_mode_to_all_but_the_deletion_administrators(
    mode: str, caller: str
) -> None:
    # The denial spares deletion administrators by their ARN, which a session's does not show in full.
    is_known = ":sts:" not in caller or mode != "deletion"
    expected = KeyPolicyDecision.DENIED if is_known else KeyPolicyDecision.UNKNOWN
    assert decide_by_key_policy(_future_policy(mode), caller, "kms:ScheduleKeyDeletion") is expected


def test_a_deletion_administrator_may_delete_an_unused_key_and_do_nothing_else_of_the_administrators() -> None:
    policy = _future_policy("deletion")
    assert decide_by_key_policy(policy, DELETER, "kms:ScheduleKeyDeletion") is KeyPolicyDecision.NAMED
    assert decide_by_key_policy(policy, DELETER, "kms:CancelKeyDeletion") is KeyPolicyDecision.THROUGH_IAM


USED = {"kms:trailingdayswithoutkeyusage": ("89",)}


@pytest.mark.parametrize("mode", EACH_MODE)
@pytest.mark.parametrize("caller", [ADMIN, DELETER, ROOT])
@pytest.mark.parametrize("action", ["kms:DisableKey", "kms:ScheduleKeyDeletion"])
def test_nobody_can_disable_or_delete_the_key_while_records_need_it(mode: str, caller: str, action: str) -> None:
    assert decide_by_key_policy(_future_policy(mode), caller, action, known=USED) is KeyPolicyDecision.DENIED


@pytest.mark.parametrize("days", [("90",), ()], ids=["unused", "a Region without the condition key"])
def test_an_administrator_can_disable_a_key_that_nobody_uses(days: tuple[str, ...]) -> None:
    known = {"kms:trailingdayswithoutkeyusage": days}
    assert (
        decide_by_key_policy(_future_policy("default"), ADMIN, "kms:DisableKey", known=known) is KeyPolicyDecision.NAMED
    )


def test_an_incident_responder_can_disable_a_key_in_use_but_not_delete_it() -> None:
    policy = _future_policy("incident")
    assert decide_by_key_policy(policy, OTHER, "kms:DisableKey", known=USED) is KeyPolicyDecision.NAMED
    assert decide_by_key_policy(policy, OTHER, "kms:ScheduleKeyDeletion", known=USED) is KeyPolicyDecision.DENIED
    assert decide_by_key_policy(policy, ADMIN, "kms:DisableKey", known=USED) is KeyPolicyDecision.DENIED


def test_a_short_waiting_period_is_denied() -> None:
    known = {**USED, "kms:trailingdayswithoutkeyusage": ("99",), "kms:schedulekeydeletionpendingwindowindays": ("29",)}
    told = decide_by_key_policy(_future_policy("deletion"), DELETER, "kms:ScheduleKeyDeletion", known=known)
    assert told is KeyPolicyDecision.DENIED


@pytest.mark.parametrize("mode", EACH_MODE)
@pytest.mark.parametrize("action", ["kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt", "kms:CreateGrant"])
@pytest.mark.parametrize("caller", [ADMIN, SSO_ROLE])
def test_no_administrator_is_named_for_a_use_in_any_mode(mode: str, action: str, caller: str) -> None:
    told = decide_by_key_policy(_future_policy(mode), caller, action)
    assert told is not KeyPolicyDecision.NAMED
    assert (told is KeyPolicyDecision.DENIED) == ("exclusive" in mode)


@pytest.mark.parametrize("mode", EACH_MODE)
def test_the_application_may_decrypt_in_every_mode(mode: str) -> None:
    assert decide_by_key_policy(_future_policy(mode), APP, "kms:Decrypt") is KeyPolicyDecision.NAMED


@pytest.mark.parametrize(
    ("condition", "decision"),
    [
        pytest.param(
            {"Bool": {"aws:SecureTransport": "false"}}, KeyPolicyDecision.NAMED, id="KMS answers over TLS only"
        ),
        pytest.param(
            {"StringNotEquals": {"aws:ResourceAccount": ACCOUNT}}, KeyPolicyDecision.NAMED, id="keys of other accounts"
        ),
        pytest.param(
            {"StringNotEquals": {"aws:SourceVpce": "vpce-01234567"}}, KeyPolicyDecision.UNKNOWN, id="not known"
        ),
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
