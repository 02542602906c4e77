"""IAM's policy simulator. moto has none, so its answers are written here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from components.policies import named_resources as named
from components.policies.stack import PolicyKind, StackPolicy
from tests.selection import first
from tests.wizard.commands.policy.test_operator import listed
from wizard.commands.policy.operator import policies_of
from wizard.core.models.account import PermissionsFact
from wizard.core.required_permissions.resources import Setup
from wizard.core.required_permissions.table import UNCHECKED, load

ACCOUNT = "123456789012"
ADMIN = f"arn:aws:iam::{ACCOUNT}:user/admin"
SOMEBODY = f"arn:aws:iam::{ACCOUNT}:user/somebody"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/eonpro-app-role"


ACTIONS = {
    action for role in ("operator", "provider reads", "unmeasured") for row in load(role).values() for action in row
}


def decisions(otherwise: str = "implicitDeny", **by_action: str) -> str:
    by_action = {**{action.replace(":", "_"): otherwise for action in ACTIONS}, **by_action}
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
    assert aws.iam.policy_document(f"{arn}-deleted") is None


def allow(action: str) -> dict[str, str]:
    return {"Effect": "Allow", "Action": action, "Resource": "*"}


def entries_of(form: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """The context entries of a simulation, each with its first value."""
    for name, key in form.items():
        if name.endswith(".ContextKeyName"):
            yield key[0], form[name.replace(".ContextKeyName", ".ContextKeyValues.member.1")][0]


UNCLEAR = decisions("allowed", kms_CreateKey="implicitDeny").replace(
    "</EvalDecision>",
    "</EvalDecision><MissingContextValues><member>aws:MultiFactorAuthPresent</member></MissingContextValues>",
)


def test_a_right_that_hangs_on_an_unknown_condition_is_not_called_missing(script, scripted, settings):
    script.say_who(ADMIN)
    script.answer("SimulatePrincipalPolicy", UNCLEAR)
    found = scripted.permissions.check_permissions(settings)
    assert "kms:CreateKey" not in found.denied
    assert "kms:CreateKey" in found.unknown
    assert found.why_unknown == "it depends on aws:MultiFactorAuthPresent"


def simulated(script) -> list[tuple[str, dict[str, list[str]]]]:
    """Each action that IAM's simulator was asked about, with its request."""
    return [
        (value[0], form)
        for form in script.requests
        if "PolicySourceArn" in form
        for name, value in form.items()
        if name.startswith("ActionNames.member.")
    ]


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
    weighed = {(action, form["ResourceArns.member.1"][0]) for action, form in simulated(script)}
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
    weighed = {(action, dict(entries_of(form)).get("aws:RequestedRegion")) for action, form in simulated(script)}
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


SETUPS: dict[str, dict[str, Any]] = {
    "vercel": {"deploy_targets": ["vercel"]},
    "vercel with a user": {"deploy_targets": ["vercel"], "vercel_access": "user"},
    "vercel with an existing identity provider": {
        "deploy_targets": ["vercel"],
        "vercel_oidc_provider_arn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/eonpro",
    },
    "ecs": {"deploy_targets": ["ecs"]},
    "ecs and vercel": {},
    "eks": {"deploy_targets": ["eks"], "eks_cluster": "clinic"},
    "secrets": {"secret_store": "secrets-manager"},
    "replicas": {"multi_region": True, "replica_regions": ["eu-west-1"]},
    "existing trail": {
        "existing_trail_arn": f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/theirs",
        "trail_bucket": "theirs-too",
    },
    "existing role": {"app_principal_arn": f"arn:aws:iam::{ACCOUNT}:role/theirs"},
    "alerts by e-mail and logs": {"alert_emails": ["a@b.example"], "cloudwatch_logs": True},
    "as little as possible": {"trail_key": False, "trail_lock": "none", "access_logging": False, "alerts": False},
    "imported": {
        "adopted": [
            "key=1234abcd-12ab-34cd-56ef-1234567890ab",
            "alias=alias/eonpro-phi-key",
            "application-role=eonpro-app-role",
            f"application-policy=arn:aws:iam::{ACCOUNT}:policy/EONPROKMSAccess",
            "trail=eonpro-audit-trail",
        ]
    },
}


@pytest.mark.parametrize("caller", first(1, [SOMEBODY, ADMIN]))
@pytest.mark.parametrize("setup", SETUPS)
def test_the_preflight_checks_exactly_the_actions_that_policy_operator_grants(
    script, scripted, settings_of, setup, caller
):
    settings = settings_of(**SETUPS[setup])
    script.say_who(caller)
    script.answer("SimulatePrincipalPolicy", decisions())
    scripted.permissions.check_permissions(settings)
    checked = {action for action, _ in simulated(script)}
    documents = policies_of(Setup(settings=settings, operator=caller)).values()
    granted = {
        action
        for document in documents
        for statement in document["Statement"]
        for action in listed(statement["Action"])
        # A replica that nobody named is read, where there is one.
        if statement["Effect"] == "Allow" and ":key/mrk-*" not in str(statement["Resource"])
    }
    # The set-up can do without IAM Access Analyzer. An administrator may list grants by the key policy.
    administers = Setup(settings=settings, operator=caller).administers
    by_others = {"kms:ListGrants"} if administers else set()
    # A boundary is put on what the stack makes.
    kinds = {row.type for row in named.named_resources(settings) if row.is_made}
    unmade = {
        f"iam:Put{name}PermissionsBoundary"
        for name, kind in (("Role", named.ROLE), ("User", named.USER))
        if kind not in kinds
    }
    assert checked == granted - UNCHECKED and granted >= UNCHECKED - by_others - unmade


def test_what_the_policys_conditions_ask_for_is_passed_to_the_simulator(script, scripted, settings_of):
    """Without it the simulator could only answer that the decision depends on the tags of the new key."""
    script.say_who(SOMEBODY)
    script.answer("SimulatePrincipalPolicy", decisions())
    scripted.permissions.check_permissions(settings_of(cloudwatch_logs=True))
    passed = {(action, *entry) for action, form in simulated(script) for entry in entries_of(form)}
    assert {
        ("kms:CreateKey", "aws:RequestTag/Application", "EONPRO"),
        ("kms:EnableKeyRotation", "aws:ResourceTag/Environment", "Production"),
        ("iam:PassRole", "iam:PassedToService", "cloudtrail.amazonaws.com"),
        ("iam:AttachRolePolicy", "iam:PolicyARN", f"arn:aws:iam::{ACCOUNT}:policy/EONPROParameterAccess"),
    } <= passed


def test_every_alert_address_is_simulated(script, scripted, settings_of):
    """The policy that an administrator gave names the addresses of then."""
    script.say_who(SOMEBODY)
    script.answer("SimulatePrincipalPolicy", decisions())
    scripted.permissions.check_permissions(settings_of(alert_emails=["a@clinic.example", "b@clinic.example"]))
    asked = {dict(entries_of(form))["sns:Endpoint"] for action, form in simulated(script) if action == "sns:Subscribe"}
    assert asked == {"a@clinic.example", "b@clinic.example"}


def test_an_action_that_the_policy_lacks_is_denied_although_aws_lists_the_keys_of_all_its_statements(
    script, scripted, settings_of
):
    settings = settings_of(
        alert_emails=["a@clinic.example"],
        cloudwatch_logs=True,
        permissions_boundary_arn=f"arn:aws:iam::{ACCOUNT}:policy/Edge",
    )
    documents = policies_of(Setup(settings=settings, operator=SOMEBODY)).values()
    conditions = [each.get("Condition", {}) for document in documents for each in document["Statement"]]
    keys = {key for condition in conditions for tested in condition.values() for key in tested}
    listed_keys = "".join(f"<member>{key}</member>" for key in sorted(keys))
    script.say_who(SOMEBODY)
    script.answer(
        "SimulatePrincipalPolicy",
        decisions().replace(
            "</EvalDecision>", f"</EvalDecision><MissingContextValues>{listed_keys}</MissingContextValues>"
        ),
    )
    found = scripted.permissions.check_permissions(settings)
    assert {"kms:CreateKey", "s3:CreateBucket", "sns:Subscribe", "iam:CreateRole"} <= set(found.denied)
    assert found.unknown == ()


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
    "not authorized to perform: kms:X on resource: Y with an explicit deny in a resource control policy",
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
    assert found.why_unknown == "the present policy of the key alias/eonpro-phi-key does not allow it"


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


# --- IAM Access Analyzer


def planned(**documents: dict[str, Any]) -> list[StackPolicy]:
    """A policy for each kind that is named."""
    return [StackPolicy(name=kind, kind=PolicyKind[kind], document=document) for kind, document in documents.items()]


VALIDATION, PUBLIC, NEW = (
    f"POST /policy/{check}" for check in ("validation", "check-no-public-access", "check-no-new-access")
)
OPEN: dict[str, Any] = {"Statement": [allow("kms:*")]}
SHUT: dict[str, Any] = {"Statement": []}


def test_every_policy_is_judged_by_what_it_is_for_and_by_what_it_was(script, scripted):
    error = {"findingType": "ERROR", "issueCode": "INVALID_ACTION", "findingDetails": "no such action"}
    suggestion = {"findingType": "SUGGESTION", "issueCode": "EMPTY_ARRAY_ACTION", "findingDetails": "is empty"}
    fail = {"result": "FAIL", "reasons": [{"description": "everybody"}]}
    script.answer(VALIDATION, {"findings": [error, suggestion]})
    script.answer(PUBLIC, fail)
    script.answer(NEW, fail)

    said = scripted.policy_analyzer.judge(planned(KEY=OPEN, IDENTITY=OPEN, TRUST=OPEN), planned(KEY=SHUT, TRUST=OPEN))

    assert said.not_asked == ""
    assert sorted((finding.policy, finding.kind) for finding in said.findings) == [
        ("IDENTITY", "error"),
        ("KEY", "error"),
        ("KEY", "new-access"),
        ("KEY", "public-access"),
        ("TRUST", "error"),
        ("TRUST", "public-access"),
    ]
    asked = [(call.rpartition("/")[2], body) for call, body in zip(script.calls, script.requests, strict=True)]
    assert sorted(body["resourceType"] for call, body in asked if call == "check-no-public-access") == [
        "AWS::IAM::AssumeRolePolicyDocument",
        "AWS::KMS::Key",
    ]
    assert [body for call, body in asked if call == "check-no-new-access"] == [
        {
            "newPolicyDocument": json.dumps(OPEN),
            "existingPolicyDocument": json.dumps(SHUT),
            "policyType": "RESOURCE_POLICY",
        }
    ]


def test_moto_has_no_access_analyzer_and_that_is_said(aws):
    said = aws.policy_analyzer.judge(planned(KEY=OPEN), ())
    assert said.findings == () and said.not_asked


def test_a_check_that_says_neither_yes_nor_no_is_no_yes(script, scripted):
    script.answer(VALIDATION, {"findings": []})
    script.answer(PUBLIC, {"message": "another emulator"})
    assert "neither" in scripted.policy_analyzer.judge(planned(KEY=OPEN), ()).not_asked


def test_a_right_that_is_missing_takes_nothing_from_what_was_said(script, scripted):
    script.answer(VALIDATION, {"findings": []})
    script.refuse(PUBLIC, "AccessDeniedException", status=403)
    script.answer(NEW, {"result": "FAIL", "reasons": [], "message": "more than before"})
    said = scripted.policy_analyzer.judge(planned(KEY=OPEN), planned(KEY=SHUT))
    assert [finding.text for finding in said.findings] == ["more than before"]
    assert "access-analyzer:CheckNoPublicAccess" in said.not_asked
