"""IAM's policy simulator. moto has none, so its answers are written here."""

from __future__ import annotations

import json

import pytest

from wizard.core.errors import ResourceError
from wizard.core.models.delivery import Simulation
from wizard.core.models.discovery import PermissionsFact

ACCOUNT = "123456789012"
ADMIN = f"arn:aws:iam::{ACCOUNT}:user/admin"
SOMEBODY = f"arn:aws:iam::{ACCOUNT}:user/somebody"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"


def decisions(**by_action: str) -> str:
    members = "".join(
        f"<member><EvalActionName>{action.replace('_', ':')}</EvalActionName>"
        f"<EvalDecision>{decision}</EvalDecision></member>"
        for action, decision in by_action.items()
    )
    return (
        "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult>"
        f"<EvaluationResults>{members}</EvaluationResults><IsTruncated>false</IsTruncated>"
        "</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
    )


def test_a_policys_document_is_that_of_its_default_version(boto, aws):
    first, second = ({"Version": "2012-10-17", "Statement": [allow(action)]} for action in ("s3:*", "kms:Decrypt"))
    iam = boto("iam")
    arn = iam.create_policy(PolicyName="p", PolicyDocument=json.dumps(first))["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(second), SetAsDefault=True)
    assert aws.iam.policy_document(arn) == second


def test_a_policy_that_does_not_exist_is_an_error_and_no_empty_document(aws):
    with pytest.raises(ResourceError, match="NoSuchEntity"):
        aws.iam.policy_document(f"arn:aws:iam::{ACCOUNT}:policy/none")


def allow(action: str) -> dict[str, str]:
    return {"Effect": "Allow", "Action": action, "Resource": "*"}


def test_what_the_policies_allow_is_allowed(script, scripted):
    script.answer("SimulatePrincipalPolicy", decisions(kms_Decrypt="allowed", kms_DescribeKey="allowed"))
    simulation = scripted.permissions.simulate(ROLE, ["kms:Decrypt", "kms:DescribeKey"], KEY)
    assert simulation.allowed is True
    assert script.requests[0]["PolicySourceArn"] == [ROLE]
    assert script.requests[0]["ResourceArns.member.1"] == [KEY]


@pytest.mark.parametrize("decision", ["implicitDeny", "explicitDeny"])
def test_one_action_that_is_denied_denies_all_and_is_named(script, scripted, decision):
    script.answer("SimulatePrincipalPolicy", decisions(kms_Decrypt=decision, kms_DescribeKey="allowed"))
    simulation = scripted.permissions.simulate(ROLE, ["kms:Decrypt", "kms:DescribeKey"], KEY)
    assert simulation.allowed is False
    assert "kms:Decrypt" in simulation.detail and "kms:DescribeKey" not in simulation.detail


UNCLEAR = decisions(kms_CreateKey="implicitDeny").replace(
    "</EvalDecision>",
    "</EvalDecision><MissingContextValues><member>aws:MultiFactorAuthPresent</member></MissingContextValues>",
)


def test_a_denial_that_hangs_on_an_unknown_condition_is_no_finding(script, scripted):
    script.answer("SimulatePrincipalPolicy", UNCLEAR)
    simulation = scripted.permissions.simulate(ADMIN, ["kms:CreateKey"], "*")
    assert (simulation.allowed, "aws:MultiFactorAuthPresent" in simulation.detail) == (None, True)


def test_a_right_that_hangs_on_an_unknown_condition_is_not_called_missing(script, scripted, settings):
    script.say_who(ADMIN)
    script.answer("SimulatePrincipalPolicy", UNCLEAR)
    found = scripted.permissions.check_permissions(settings)
    assert "kms:CreateKey" not in found.denied
    assert "kms:CreateKey" in found.unknown
    assert found.why_unknown == "it depends on aws:MultiFactorAuthPresent"


def test_an_action_that_the_simulator_passes_over_is_not_allowed(script, scripted):
    script.answer("SimulatePrincipalPolicy", decisions(kms_DescribeKey="allowed"))
    assert scripted.permissions.simulate(ROLE, ["kms:Decrypt", "kms:DescribeKey"], KEY).allowed is False


@pytest.mark.parametrize(
    ("code", "status"), [("AccessDenied", 403), ("NoSuchEntity", 404), ("InvalidInput", 400), ("InternalFailure", 501)]
)
def test_a_simulator_that_will_not_say_leaves_it_open(script, scripted, code, status):
    script.refuse("SimulatePrincipalPolicy", code, "not implemented", status=status)
    assert scripted.permissions.simulate(ROLE, ["kms:Decrypt"], KEY).allowed is None


def test_moto_has_no_simulator_and_that_is_said(aws):
    simulation = aws.permissions.simulate(ROLE, ["kms:Decrypt"], KEY)
    assert isinstance(simulation, Simulation)
    assert (simulation.allowed, "could not be asked" in simulation.detail) == (None, True)


def test_actions_that_the_caller_lacks_are_listed_once_each(script, scripted, settings):
    script.say_who(ADMIN)
    script.answer("SimulatePrincipalPolicy", decisions(kms_CreateKey="allowed", kms_CreateAlias="implicitDeny"))
    missing = scripted.permissions.check_permissions(settings).denied
    assert "kms:CreateAlias" in missing and "kms:CreateKey" not in missing
    assert list(missing) == sorted(set(missing))


def test_each_action_is_weighed_on_the_resource_it_is_for(script, scripted, settings):
    script.say_who(ADMIN)
    script.answer("SimulatePrincipalPolicy", decisions())
    scripted.permissions.check_permissions(settings)
    weighed = {
        (form["ActionNames.member.1"][0], form["ResourceArns.member.1"][0])
        for form in script.requests
        if "PolicySourceArn" in form
    }
    parameter = "parameter/eonpro/production/ENCRYPTED_PHI_KEY"
    assert {
        ("kms:CreateAlias", f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/eonpro-phi-key"),
        ("ssm:PutParameter", f"arn:aws:ssm:us-east-1:{ACCOUNT}:{parameter}"),
        ("cloudtrail:CreateTrail", f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/eonpro-audit-trail"),
    } <= weighed


def test_each_action_is_weighed_in_the_region_where_it_happens(script, scripted, settings_of):
    """A policy that is bound to Regions is found wanting in the others, and in no other way."""
    script.say_who(ADMIN)
    script.answer("SimulatePrincipalPolicy", decisions())
    scripted.permissions.check_permissions(settings_of(multi_region=True, replica_regions=["eu-west-1"]))
    weighed = {
        (form["ActionNames.member.1"][0], form["ContextEntries.member.1.ContextKeyValues.member.1"][0])
        for form in script.requests
        if form.get("ContextEntries.member.1.ContextKeyName") == ["aws:RequestedRegion"]
    }
    assert {
        ("kms:CreateKey", "us-east-1"),
        ("kms:CreateKey", "eu-west-1"),
        ("iam:CreatePolicy", "us-east-1"),
    } <= weighed
    assert ("cloudtrail:CreateTrail", "eu-west-1") not in weighed


def test_an_administrator_of_the_key_needs_no_policy_to_make_the_data_key(script, scripted, settings):
    """The key's own policy gives it; the simulator does not weigh that."""
    script.say_who(ADMIN)
    script.answer("SimulatePrincipalPolicy", decisions())
    assert "kms:GenerateDataKeyWithoutPlaintext" not in scripted.permissions.check_permissions(settings).denied


def test_a_caller_who_is_no_administrator_needs_a_policy_to_make_the_data_key(script, scripted, settings):
    script.say_who(f"arn:aws:iam::{ACCOUNT}:user/somebody")
    script.answer("SimulatePrincipalPolicy", decisions())
    assert "kms:GenerateDataKeyWithoutPlaintext" in scripted.permissions.check_permissions(settings).denied


def test_the_accounts_root_lacks_nothing_and_is_not_asked_about(script, scripted, settings):
    script.say_who(f"arn:aws:iam::{ACCOUNT}:root")
    assert scripted.permissions.check_permissions(settings) == PermissionsFact()
    assert script.calls == ["GetCallerIdentity", "ListAccountAliases"]


def test_without_a_simulator_every_action_is_unknown_and_none_is_called_missing(aws, settings):
    found = aws.permissions.check_permissions(settings)
    assert found.denied == ()
    assert {"kms:CreateKey", "iam:CreatePolicy", "s3:CreateBucket", "cloudtrail:CreateTrail"} <= set(found.unknown)
    assert "simulator could not be asked" in found.why_unknown


# --- what KMS itself says, by a dry run --------------------------------------------------------------------------

MAKE = "kms:GenerateDataKeyWithoutPlaintext"


@pytest.fixture
def asked(script, scripted, settings):
    """Checks the permissions with what the simulator, and KMS to the dry run, say of the making of a data key."""

    def check(
        kms_says: str, message: str = "said by the test", *, caller: str = ADMIN, simulated: str = ""
    ) -> PermissionsFact:
        script.say_who(caller)
        script.answer("SimulatePrincipalPolicy", decisions(**{MAKE.replace(":", "_"): simulated or "implicitDeny"}))
        script.refuse("GenerateDataKeyWithoutPlaintext", kms_says, message)
        found: PermissionsFact = scripted.permissions.check_permissions(settings)
        return found

    return check


def test_a_dry_run_asks_for_a_data_key_under_the_stacks_alias_and_for_nothing_else(asked, script):
    asked("DryRunOperationException")
    (sent,) = [form for form in script.requests if "KeySpec" in form]
    assert sent == {"KeyId": "alias/eonpro-phi-key", "KeySpec": "AES_256", "DryRun": True}


@pytest.mark.parametrize("caller", [ADMIN, SOMEBODY])
def test_what_kms_allows_is_allowed_whatever_the_simulator_says(asked, caller):
    found = asked("DryRunOperationException", caller=caller)
    assert MAKE not in (*found.denied, *found.unknown)


ABOVE = [
    "not authorized to perform: kms:X on resource: Y with an explicit deny in a service control policy",
    "not authorized to perform: kms:X on resource: Y because no permissions boundary allows the kms:X action",
    "not authorized to perform: kms:X on resource: Y with an explicit deny in an identity-based policy",
]


@pytest.mark.parametrize("message", ABOVE)
@pytest.mark.parametrize("simulated", ["allowed", "implicitDeny"])
def test_what_a_policy_above_the_keys_refuses_is_denied(asked, message, simulated):
    found = asked("AccessDeniedException", message, simulated=simulated)
    assert MAKE in found.denied
    assert MAKE not in found.unknown


@pytest.mark.parametrize(("caller", "simulated"), [(ADMIN, "implicitDeny"), (SOMEBODY, "allowed")])
def test_what_the_keys_policy_of_today_refuses_is_open_since_the_set_up_puts_another_on_it(asked, caller, simulated):
    found = asked("AccessDeniedException", caller=caller, simulated=simulated)
    assert MAKE not in found.denied
    assert found.unknown == (MAKE,)
    assert found.why_unknown == "the policy of the key behind alias/eonpro-phi-key refuses it as it is today"


def test_what_neither_kms_nor_the_simulator_allows_is_denied(asked):
    found = asked("AccessDeniedException", caller=SOMEBODY)
    assert (MAKE in found.denied, found.unknown) == (True, ())


@pytest.mark.parametrize("code", ["NotFoundException", "KMSInvalidStateException"])
def test_without_a_key_that_can_be_used_a_dry_run_says_nothing(asked, code):
    found = asked(code)
    assert MAKE not in (*found.denied, *found.unknown)


def test_a_dry_run_speaks_where_the_simulator_may_not_be_asked(asked, script, scripted, settings):
    asked("DryRunOperationException", caller=SOMEBODY)
    script.refuse("SimulatePrincipalPolicy", "AccessDenied", status=403)
    found = scripted.permissions.check_permissions(settings)
    assert MAKE not in found.unknown
    assert "kms:CreateKey" in found.unknown and "iam:SimulatePrincipalPolicy" in found.why_unknown


def test_nothing_but_reads_and_a_dry_run_is_asked(asked, script):
    asked("AccessDeniedException")
    asking = {"GetCallerIdentity", "ListAccountAliases", "SimulatePrincipalPolicy"}
    assert set(script.calls) == {*asking, "GenerateDataKeyWithoutPlaintext"}
