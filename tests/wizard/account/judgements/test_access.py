"""The checks of the application's access, over fakes: each fault alone, named by its cause, with its command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from components.policies import ci
from components.policies.evaluation.account import AccountIam, IamPolicy, IamPrincipal
from components.policies.stack import key_policy_of
from components.settings import ResourceKind, VercelIssuerMode
from tests.wizard.account.doctor_fixture import APP, KEY, DoctorFixture, wrapped
from tests.wizard.account.stacks import CheckedStack, all_passed, finding
from tests.wizard.fakes import clients
from tests.wizard.fakes.clients import ACCOUNT, APP_POLICY, CREDENTIALS, OTHER_KEY, key_fact, settings
from wizard.account.judgements import ACCESS_CHECKS, companion_variables, decryption, principal
from wizard.account.judgements.key import check_keys, check_settings
from wizard.account.judgements.key_policy import check_key_policies
from wizard.account.judgements.permission_limits import check_boundaries
from wizard.account.judgements.policies import check_ci_trust, check_reader_surplus, check_readers, check_vercel_tokens
from wizard.account.judgements.stack import check_stack
from wizard.account.judgements.trail import check_trail
from wizard.account.views import build_diagnosis
from wizard.commands.options import DoctorOptions
from wizard.core.errors import PermissionDenied, Unreachable
from wizard.core.models.access import StatementEvaluation, TokenSubject, VariableEntry
from wizard.core.models.delivery import StoredDataKey
from wizard.core.models.rotation import VersionOrigin
from wizard.core.models.stack import StackState, StateResource
from wizard.core.models.verification import AccessKey, ChildResult
from wizard.core.next_command import Command

DENIED = PermissionDenied("you may not", "have it allowed")
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.vercel.com/acme"
NAME = "ENCRYPTED_PHI_KEY"


def statement(effect: str, action: str, **more: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": "*", **more}]}


@pytest.fixture
def fixture() -> DoctorFixture:
    return DoctorFixture(settings())


@pytest.fixture
def on_ecs() -> DoctorFixture:
    return DoctorFixture(settings(deploy_targets=("ecs",), vercel_team=None, vercel_project=None))


def test_a_stack_that_is_well_is_well_in_every_look(fixture: DoctorFixture) -> None:
    diagnosis = fixture.diagnosis()
    assert (diagnosis.findings, diagnosis.not_checked, diagnosis.exit_code) == ((), (), 0)
    assert any("enabled" in what for what in diagnosis.passed)
    assert any("by its comment" in what for what in diagnosis.passed)
    # Nothing is written, and nothing is asked twice.
    log = fixture.aws.log
    assert not [each for each in log if each.startswith(("cloud.make", "cloud.write", "cloud.deliver"))]
    assert log.count("cloud.key_policy") == 1 and log.count("cloud.access_diagnostics.principal") == 1


def test_a_stack_on_ecs_that_is_well_is_well(on_ecs: DoctorFixture) -> None:
    diagnosis = on_ecs.diagnosis()
    assert (diagnosis.findings, diagnosis.not_checked) == ((), ())
    assert any("execution role" in what for what in diagnosis.passed)


# --- the key


def test_a_key_whose_guard_was_taken_out_is_saved_and_guarded_by_one_command() -> None:
    stand = CheckedStack()
    stand.aws.keys[KEY] = key_fact(state="PendingDeletion")
    guarded = key_policy_of(stand.settings)
    allowed = [statement for statement in guarded["Statement"] if statement["Effect"] == "Allow"]
    stand.aws.key_policies[KEY] = {**guarded, "Statement": allowed}
    diagnosis = build_diagnosis("production", [*stand.notices(check_keys, check_key_policies)])
    assert [each.code for each in diagnosis.findings] == ["key-pending-deletion"]
    assert [each.code for each in diagnosis.consequences] == ["deletion-unguarded"]
    cancel, enable, update = diagnosis.findings[0].command.split(" && ")
    assert "cancel-key-deletion" in cancel and "enable-key" in enable
    assert "pulumi up --refresh" in update and update.rstrip("'").endswith("kms/key:Key::phi-key")


def test_a_key_whose_policy_was_left_as_found_is_saved_alone(fixture: DoctorFixture) -> None:
    fixture.settings = settings(kept_as_found=("key",))
    fixture.aws.keys[KEY] = key_fact(state="PendingDeletion")
    fixture.aws.key_policies[KEY] = {"Version": "2012-10-17", "Statement": []}
    command = fixture.first().command
    assert "cancel-key-deletion" in command and "--repair" not in command and "pulumi up" not in command


def test_a_key_that_is_gone(fixture: DoctorFixture) -> None:
    del fixture.aws.keys[KEY]
    found = fixture.first()
    assert found.code == "key-missing" and "lookup-events" in found.command


def test_settings_of_another_region_explain_what_is_not_found_there(fixture: DoctorFixture) -> None:
    fixture.settings = settings(region="eu-west-1")
    fixture.aws.region = "eu-west-1"
    diagnosis = fixture.diagnosis()
    assert diagnosis.findings[0].code == "region-of-settings"
    assert diagnosis.findings[0].command == "pulumi config set aws:region us-east-1 --stack production"


def test_settings_of_another_application_explain_what_has_no_such_name(fixture: DoctorFixture) -> None:
    fixture.settings = settings(application="clinic")
    diagnosis = fixture.diagnosis()
    assert diagnosis.findings[0].code == "names-of-settings"
    assert diagnosis.findings[0].command == "pulumi config set eonpro-kms:application eonpro --stack production"


def test_settings_of_another_bucket_never_move_the_trail(fixture: DoctorFixture) -> None:
    bucket = StateResource(urn="urn::aws:s3/bucket:Bucket::audit-trail", type="aws:s3/bucket:Bucket", id="ours")
    fixture.engine.stack_state = replace(fixture.engine.stack_state, resources=(bucket,))
    diagnosis = fixture.diagnosis((check_settings, check_trail))
    assert [finding.code for finding in diagnosis.findings] == ["names-of-settings"]
    assert diagnosis.findings[0].command == "pulumi config set eonpro-kms:trailBucket ours --stack production"


# --- the application's rights


def deleted(fixture: DoctorFixture) -> None:
    fixture.change(policies=())
    del fixture.access_diagnostics.versions[APP_POLICY]
    del fixture.aws.documents[APP_POLICY]


def policy(name: str, *given: Any) -> IamPolicy:
    """A managed policy of the account, or an inline one of the application."""
    named = f"arn:aws:iam::{ACCOUNT}:policy/{name}" if name[0].isupper() else f"{name} of role/eonpro-app-role"
    return IamPolicy(name=named, document=statement(*given))


def also(more: IamPolicy) -> Callable[[DoctorFixture], Any]:
    """The application's role has a policy more."""
    return lambda fixture: fixture.change(policies=(*fixture.access_diagnostics.principals[APP].policies, more))


def role(**changes: Any) -> Callable[[DoctorFixture], Any]:
    return lambda fixture: fixture.change(**changes)


UP, IAM = "pulumi up --refresh", "aws iam "
FAULTS: dict[str, tuple[str, Callable[[DoctorFixture], Any], str]] = {
    "gone": ("principal-missing", lambda fixture: fixture.access_diagnostics.principals.pop(APP), UP),
    "detached": ("policy-detached", role(policies=()), f"{IAM}attach-role-policy"),
    "deleted": ("policy-missing", deleted, UP),
    "edited": ("policy-edited",
        role(policies=(IamPolicy(name=APP_POLICY, document=statement("Allow", "kms:DescribeKey")),)),
        f"{IAM}set-default-policy-version"),
    "denied inline": ("explicit-deny", also(policy("freeze", "Deny", "kms:*")),
        f"{IAM}delete-role-policy --role-name eonpro-app-role --policy-name freeze"),
    "denied by a managed policy": ("explicit-deny", also(policy("Quarantine", "Deny", "kms:*")),
        f"{IAM}detach-role-policy --role-name eonpro-app-role --policy-arn arn:aws:iam::{ACCOUNT}:policy/Quarantine"),
    # Somebody's own: who set it is asked, and it is not taken off.
    "bounded": ("boundary-denies", role(boundary=policy("Edge", "Allow", "s3:*")),
        "aws cloudtrail lookup-events --lookup-attributes "
        "AttributeKey=EventName,AttributeValue=PutRolePermissionsBoundary --region us-east-1"),
    "not trusted": ("trust-changed",
        role(trust=statement("Allow", "sts:AssumeRole", Principal={"Service": "ec2"})), UP),
    "without a provider": ("provider-missing", lambda fixture: fixture.access_diagnostics.providers.clear(), UP),
    "without the audience": ("provider-audience",
        lambda fixture: fixture.access_diagnostics.providers.update({PROVIDER: ("https://vercel.com/other",)}),
        f"{IAM}add-client-id-to-open-id-connect-provider --cli-input-json"),
    "with a second managed policy": ("policy-foreign", also(policy("Admin", "Allow", "ssm:*")),
        f"{IAM}detach-role-policy --role-name eonpro-app-role --policy-arn arn:aws:iam::{ACCOUNT}:policy/Admin"),
    "with a second inline policy": ("policy-foreign", also(policy("more", "Allow", "ssm:*")),
        f"{IAM}delete-role-policy --role-name eonpro-app-role --policy-name more"),
}  # fmt: skip


def widened(trust: Any, **changes: Any) -> dict[str, Any]:
    """The stack's trust with the changes in its first statement, after its own."""
    statements = list(trust["Statement"])
    return {**trust, "Statement": [*statements, {**statements[0], "Sid": "Other", **changes}]}


STRANGER = "arn:aws:iam::999988887777:root"
STRANGERS: dict[str, Callable[[Any], Any]] = {
    "another account": lambda trust: widened(trust, Principal={"AWS": STRANGER}, Action="sts:AssumeRole", Condition={}),
    "another service": lambda trust: widened(
        trust, Principal={"Service": "ec2.amazonaws.com"}, Action="sts:AssumeRole", Condition={}
    ),
    "every deployment of the team": lambda trust: {
        **trust,
        "Statement": [{**each, "Condition": {"StringLike": {"x:sub": "*"}}} for each in trust["Statement"]],
    },
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_trust_that_lets_in_a_stranger_is_not_well(fixture: DoctorFixture, stranger: str) -> None:
    fixture.change(trust=STRANGERS[stranger](fixture.access_diagnostics.principals[APP].trust))
    diagnosis = fixture.diagnosis()
    assert [each.code for each in diagnosis.findings] == ["trust-widened"]
    assert diagnosis.findings[0].command.startswith("pulumi up --refresh")
    assert not [what for what in diagnosis.passed if "trusts the application" in what]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_keeps_the_application_out_is_named(fixture: DoctorFixture, fault: str) -> None:
    cause, seed, command = FAULTS[fault]
    seed(fixture)
    diagnosis = fixture.diagnosis()
    assert ([each.code for each in diagnosis.findings], diagnosis.not_checked) == ([cause], ())
    assert diagnosis.findings[0].command.startswith(command)


def test_a_boundary_of_the_settings_is_put_back(fixture: DoctorFixture) -> None:
    edge = f"arn:aws:iam::{ACCOUNT}:policy/TheirEdge"
    fixture.settings = settings(permissions_boundary_arn=edge)
    fixture.aws.evaluation = replace(clients.DENIED, by_boundary=False)
    fixture.change(boundary=IamPolicy(name=f"arn:aws:iam::{ACCOUNT}:policy/Other", document=None))
    diagnosis = fixture.diagnosis()
    assert [each.code for each in diagnosis.findings] == ["boundary-denies"]
    assert f"put-role-permissions-boundary --role-name eonpro-app-role --permissions-boundary {edge}" in (
        diagnosis.findings[0].command
    )


@pytest.mark.parametrize("evaluation", [clients.ALLOWED, replace(clients.UNDECIDED, by_boundary=False)], ids=str)
def test_a_boundary_that_cannot_be_read_or_depends_on_something_unknown_is_not_called_a_denial(
    fixture: DoctorFixture, evaluation: StatementEvaluation
) -> None:
    fixture.aws.evaluation = evaluation
    fixture.change(boundary=IamPolicy(name=f"arn:aws:iam::{ACCOUNT}:policy/Edge", document=None))
    assert fixture.diagnosis().findings == ()


def test_an_organization_explains_the_denial(fixture: DoctorFixture) -> None:
    fixture.aws.evaluation = replace(clients.DENIED, by_organization=False)
    diagnosis = fixture.diagnosis()
    assert [each.code for each in diagnosis.findings] == ["service-control-policy"]
    assert {each.code for each in diagnosis.consequences} == {"identity-denied"}
    assert "management account" in diagnosis.findings[0].advice


@pytest.mark.parametrize(("part", "fault"), [("application-policy", "simulator"), ("key", "key policy")])
def test_no_update_is_offered_for_ever_that_leaves_a_part_as_it_was_found(
    fixture: DoctorFixture, part: str, fault: str
) -> None:
    fixture.settings = settings(kept_as_found=(part,))
    if fault == "simulator":
        fixture.aws.evaluation = clients.DENIED
    else:
        denial = statement("Deny", "kms:*", Principal={"AWS": APP})["Statement"]
        policy: dict[str, Any] = dict(fixture.aws.key_policies[KEY])
        fixture.aws.key_policies[KEY] = {**policy, "Statement": [*policy["Statement"], *denial]}
    assert fixture.first().command == f"python -m wizard setup --stack production --repair {part} --yes"


@pytest.mark.parametrize("kept", [(), ("application-role",)])
def test_a_role_that_was_imported_and_then_deleted_is_created_and_not_imported_for_ever(
    fixture: DoctorFixture, kept: tuple[str, ...]
) -> None:
    fixture.settings = settings(adopted=(f"{ResourceKind.APPLICATION_ROLE}=eonpro-app-role",), kept_as_found=kept)
    del fixture.access_diagnostics.principals[APP]
    finding = fixture.first()
    assert finding.code == "principal-missing"
    forget = "pulumi config rm --stack production eonpro-kms:adopted && pulumi up --refresh --yes"
    assert finding.command.startswith(forget) and "--target" not in finding.command


EKS = {"deploy_targets": ("eks",), "eks_cluster": "clinic", "vercel_team": None, "vercel_project": None}
ECS = {"deploy_targets": ("ecs",), "vercel_team": None, "vercel_project": None}
READERS = pytest.mark.parametrize(
    ("changes", "name"), [(ECS, "eonpro-execution-role"), (EKS, "eonpro-secrets-role")], ids=["ecs", "eks"]
)


@READERS
def test_a_platform_that_cannot_read_the_variables_is_told(changes: dict[str, Any], name: str) -> None:
    stand, role = CheckedStack(settings=settings(**changes)), f"arn:aws:iam::{ACCOUNT}:role/{name}"
    assert all_passed(stand.notices(check_readers))
    stand.aws.access_diagnostics.change(role, policies=())
    found = finding(stand.notices(check_readers), "execution-role-denied")
    assert name in found.what and "attach-role-policy" in found.command
    del stand.aws.access_diagnostics.principals[role]
    assert "does not exist" in finding(stand.notices(check_readers), "execution-role-denied").what


@READERS
def test_whoever_gets_at_the_variables_through_their_reader_is_told(changes: dict[str, Any], name: str) -> None:
    stand, arn = CheckedStack(settings=settings(**changes)), f"arn:aws:iam::{ACCOUNT}:role/{name}"
    roles = stand.aws.access_diagnostics
    as_made = roles.principals[arn]
    foreign = statement("Allow", "sts:AssumeRole", Principal={"AWS": "999988887777"})["Statement"]
    roles.change(arn, trust={**(as_made.trust or {}), "Statement": [*(as_made.trust or {})["Statement"], *foreign]})
    found = finding(stand.notices(check_reader_surplus), "trust-widened")
    assert "999988887777" in found.what and "can read the variables" in found.why
    more = IamPolicy(name=f"more of role/{name}", document=statement("Allow", "kms:*"))
    roles.change(arn, trust=as_made.trust, policies=(*as_made.policies, more))
    assert finding(stand.notices(check_reader_surplus), "policy-foreign").command.startswith(
        "aws iam delete-role-policy "
    )
    reading, *others = as_made.policies
    roles.change(arn, policies=(replace(reading, document=statement("Allow", "ssm:*")), *others))
    assert "EONPROParameterAccess" in finding(stand.notices(check_reader_surplus), "policy-widened").what


@pytest.mark.parametrize(
    "method", ["access_diagnostics.principal", "simulate", "access_diagnostics.provider", "key_policy"]
)
def test_what_may_not_be_looked_at_is_unknown_and_no_fault(fixture: DoctorFixture, method: str) -> None:
    fixture.aws.failures[method] = DENIED
    diagnosis = fixture.diagnosis()
    assert diagnosis.findings == ()
    if method != "key_policy":  # Told by the check of the key's policy, which is among the rest.
        assert diagnosis.not_checked and diagnosis.exit_code == 3 and not diagnosis.healthy


# --- the variables

ALIAS = f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/eonpro-phi-key"


@pytest.mark.parametrize(
    ("name", "value", "cause"),
    [
        ("AWS_KMS_KEY_ID", ALIAS, "key-id-alias"),
        ("AWS_KMS_KEY_ID", "alias/eonpro-phi-key", "key-id-alias"),
        ("AWS_KMS_KEY_ID", KEY.rpartition("/")[2], "key-id-bare"),
        ("AWS_KMS_KEY_ID", KEY.replace("us-east-1", "eu-west-1"), "key-id-other-region"),
        ("AWS_KMS_KEY_ID", KEY.replace(ACCOUNT, "999988887777"), "key-id-other-account"),
        ("AWS_KMS_KEY_ID", OTHER_KEY, "key-id-other-key"),
        ("AWS_KMS_KEY_ID", "", "variable-empty"),
        ("AWS_KMS_KEY_ID", f'"{KEY}"', "variable-quoted"),
        ("AWS_REGION", "eu-west-1", "region-wrong"),
        ("AWS_REGION", " us-east-1\n", "variable-quoted"),
        ("AWS_REGION", None, "variable-missing"),
        ("AWS_KMS_KEY_ID", None, "variable-missing"),
        (NAME, None, "variable-missing"),
        (NAME, "", "variable-empty"),
        (NAME, f"'{wrapped().value}'", "variable-quoted"),
        (NAME, wrapped().value[:64], "variable-truncated"),
        (NAME, "bm8=", "variable-truncated"),
        (NAME, "not base64 at all", "variable-malformed"),
        (NAME, wrapped("two").value, "data-key-foreign"),
        (NAME, wrapped().value, "variable-type"),
    ],
)
def test_a_variable_on_vercel_that_is_wrong(fixture: DoctorFixture, name: str, value: str | None, cause: str) -> None:
    fixture.vercel.sensitive = False
    fixture.vercel.named = ""
    if value is None:
        del fixture.vercel.variables[name]
    else:
        fixture.vercel.variables[name] = value
    # The fake tells every value, as Vercel does of one that is not sensitive: that is the last to be notices.
    causes = [each.code for each in fixture.diagnosis().findings if each.code != "variable-type" or cause == each.code]
    assert causes == [cause]
    assert fixture.first().command.startswith("python -m wizard push --stack production")


@pytest.mark.parametrize(("name", "value"), [("AWS_REGION", "eu-west-1"), ("AWS_KMS_KEY_ID", OTHER_KEY)])
def test_a_wrong_variable_that_previews_share_is_left_to_them_and_production_gets_its_own(
    fixture: DoctorFixture, name: str, value: str
) -> None:
    shared = VariableEntry(name=name, place="Vercel", elsewhere=("preview",), value=value, id="env_1")
    del fixture.vercel.variables[name]
    fixture.vercel.outside = (shared,)
    assert "push --stack production --rename-existing env_1 --confirm production" in fixture.first().command


def test_a_key_from_before_beside_the_data_key_is_a_mix_until_it_is_kept_and_re_encrypted(
    fixture: DoctorFixture,
) -> None:
    fixture.vercel.variables["ENCRYPTION_KEY"] = "ab" * 32
    found = fixture.first()
    assert found.code == "former-key-beside" and "production of Vercel project" in found.what
    assert found.command.startswith("python -m wizard adopt --stack production ")
    fixture.aws.key_rotation.keep(
        settings(), wrapped("former"), key_arn=KEY, origin=VersionOrigin.ADOPTED, at=datetime.now(UTC)
    )
    kept = fixture.first()
    assert (kept.code, kept.command) == ("former-key-beside", "")
    assert wrapped("former").fingerprint in kept.advice and "ab" * 32 not in repr(fixture.diagnosis())


def test_a_key_from_before_that_was_wrapped_as_the_data_key_is_no_mix(fixture: DoctorFixture) -> None:
    fixture.vercel.variables["ENCRYPTION_KEY"] = "ab" * 32
    fixture.aws.key_rotation.keep(
        settings(), wrapped(), key_arn=KEY, origin=VersionOrigin.ADOPTED, at=datetime.now(UTC)
    )
    assert fixture.diagnosis().findings == ()


def test_no_value_of_a_variable_is_ever_told(fixture: DoctorFixture) -> None:
    fixture.vercel.sensitive = False
    fixture.vercel.variables |= {NAME: "a-secret-pasted-by-mistake", "AWS_KMS_KEY_ID": "another-secret-value"}
    notices = repr(fixture.diagnosis())
    assert "a-secret-pasted" not in notices and "another-secret" not in notices


def test_a_data_key_that_only_previews_have(fixture: DoctorFixture) -> None:
    del fixture.vercel.variables[NAME]
    fixture.vercel.outside = (VariableEntry(name=NAME, place="Vercel", in_scope=False, elsewhere=("preview",)),)
    assert fixture.first().code == "variable-wrong-environment"
    # What is not deployed has nothing to push.
    fixture.engine.stack_state = StackState(exists=True, has_key=False)
    fixture.aws.aliases.clear()
    diagnosis = fixture.diagnosis((check_stack, *ACCESS_CHECKS))
    assert [finding.code for finding in diagnosis.findings] == ["stack-not-built"]
    assert not any("None" in each.what for each in diagnosis.not_checked)


def test_an_earlier_version_is_out_of_step_and_pushed_anew(fixture: DoctorFixture) -> None:
    fixture.vercel.sensitive = False
    fixture.vercel.variables[NAME] = wrapped("two").value
    before = wrapped("two")
    fixture.aws.key_rotation.entries[before.fingerprint] = replace(
        fixture.aws.key_rotation.versions(settings())[0], wrapped=before, current=False
    )
    found = fixture.first()
    assert found.code == "variable-outdated" and "--rename-existing" not in found.command


@pytest.mark.parametrize(("claimed", "causes"), [(wrapped().fingerprint, []), (None, ["variable-unreadable"])])
def test_a_companion_that_somebody_made_sensitive_is_known_by_its_comment(
    fixture: DoctorFixture, claimed: str | None, causes: list[str]
) -> None:
    del fixture.vercel.variables["AWS_KMS_KEY_ID"]
    hidden = VariableEntry(name="AWS_KMS_KEY_ID", place="Vercel", type="sensitive", claimed=claimed, id="env_1")
    fixture.vercel.outside = (hidden,)
    assert [each.code for each in fixture.diagnosis().findings] == causes


@pytest.mark.parametrize("name", [NAME, "AWS_KMS_KEY_ID"])
def test_a_sensitive_variable_that_was_changed_since_its_delivery_is_not_called_right(
    fixture: DoctorFixture, name: str
) -> None:
    del fixture.vercel.variables[name]
    changed = VariableEntry(
        name=name, place="Vercel", type="sensitive", claimed=wrapped().fingerprint, id="env_1", is_changed=True
    )
    fixture.vercel.outside = (changed,)
    (finding,) = fixture.diagnosis().findings
    assert finding.code == "variable-changed"
    # The new value may be another data key, and Vercel shows it to nobody: it is renamed, not overwritten.
    assert ("--rename-existing env_1 --confirm production" in finding.command) == (name == NAME)


@pytest.mark.parametrize("name", ["AWS_KMS_KEY_ID", "AWS_REGION"])
def test_a_parameter_beside_the_stored_data_key_that_is_gone(on_ecs: DoctorFixture, name: str) -> None:
    del on_ecs.aws.parameters[f"/eonpro/production/{name}"]
    assert [each.code for each in on_ecs.diagnosis().findings] == ["parameter-missing"]


# --- the stored data key, and the proof


def kept_and_opened(fixture: DoctorFixture) -> None:
    """The data key has its entry, and its key check value, as after a first proof."""
    aws, of = fixture.aws, settings()
    value = replace(wrapped(), check_value=aws.check_value(wrapped()))
    at = datetime(2026, 11, 1, tzinfo=UTC)
    aws.key_rotation.keep(of, value, key_arn=KEY, origin=VersionOrigin.FIRST, at=at, was_current=True)
    aws.key_rotation.record_check_value(of, value)


def test_another_data_key_in_the_store_with_fitting_tags_is_seen_by_its_check_value(fixture: DoctorFixture) -> None:
    kept_and_opened(fixture)
    fixture.aws.credentials = CREDENTIALS
    name, other = "/eonpro/production/ENCRYPTED_PHI_KEY", wrapped("another stack's")
    fixture.aws.wrapped_by[other.fingerprint] = KEY
    fixture.aws.stored_keys[name] = StoredDataKey(parameter=name, wrapped=other, key_arn=KEY, version=2)
    found = fixture.first()
    assert found.code == "key-check-value-differs" and fixture.aws.check_value(other) in found.what
    assert f"--version {wrapped().fingerprint}" in found.command


def test_a_recorded_check_value_that_another_version_of_the_same_key_contradicts(fixture: DoctorFixture) -> None:
    kept_and_opened(fixture)
    again = replace(wrapped("wrapped again"), check_value="0" * 16)
    at = datetime(2026, 11, 2, tzinfo=UTC)
    of_first = {"origin": VersionOrigin.REENCRYPTED, "same_as": wrapped().fingerprint, "key_arn": KEY, "at": at}
    fixture.aws.key_rotation.keep(settings(), again, **of_first)  # type: ignore[arg-type]
    found = next(each for each in fixture.diagnosis(decryption.OTHER_CHECKS).findings)
    assert found.code == "key-check-value-differs" and "should be the same key" in found.what
    # Which of the two is right is not known: no command that replaces the data key can be pasted.
    assert "verify --stack production --full" in found.command


def test_a_check_value_that_the_settings_ask_for_is_looked_for_and_compared_at_the_target() -> None:
    fixture = CheckedStack(settings=settings(key_check_value=True))
    checks = companion_variables.check_delivered_check_values
    (missing,) = fixture.notices(checks)
    assert missing.code == "variable-missing" and "ENCRYPTED_PHI_KEY_CHECK_VALUE is not set" in missing.what
    name = "/eonpro/production/ENCRYPTED_PHI_KEY"
    stored = fixture.aws.stored_keys[name]
    fixture.aws.stored_keys[name] = replace(stored, wrapped=replace(stored.wrapped, check_value="0" * 16))
    fixture.vercel.variables["ENCRYPTED_PHI_KEY_CHECK_VALUE"] = "f" * 16
    (wrong,) = fixture.notices(checks)
    assert wrong.code == "key-check-value-differs" and " push " in wrong.command
    fixture.vercel.variables["ENCRYPTED_PHI_KEY_CHECK_VALUE"] = "0" * 16
    assert fixture.notices(checks) == ()


def test_a_stored_data_key_of_another_kms_key(fixture: DoctorFixture) -> None:
    name = "/eonpro/production/ENCRYPTED_PHI_KEY"
    fixture.aws.stored_keys[name] = StoredDataKey(parameter=name, wrapped=wrapped(), key_arn=OTHER_KEY, version=1)
    found = fixture.first()
    assert (found.code, OTHER_KEY in found.what) == ("stored-key-of-another-kms-key", True)


def test_a_stored_data_key_that_is_gone_is_restored_and_never_made_anew(fixture: DoctorFixture) -> None:
    fixture.aws.stored_keys.clear()
    found = fixture.first()
    assert found.code == "stored-key-missing" and "restore" in found.command and "push" not in found.command


@pytest.mark.parametrize(
    ("verdict", "cause"),
    [
        ("WrongLength", "data-key-wrong-length"),
        ("WrongKey", "unwrap-failed"),
        ("InvalidCiphertext", "unwrap-failed"),
        ("AccessDenied", "access-denied"),
        ("BadCredentials", "proof-failed"),
    ],
)
def test_a_proof_that_fails_and_nothing_explains(fixture: DoctorFixture, verdict: str, cause: str) -> None:
    fixture.aws.credentials = CREDENTIALS
    fixture.prover.verdict = ChildResult(
        proved=False, principal=APP, fingerprint="", cause=verdict, message="it says so"
    )
    assert [each.code for each in fixture.diagnosis().findings] == [cause]


@pytest.mark.parametrize(
    ("cause", "message", "causes", "not_checked"),
    [
        ("", "", ["stored-key-missing"], 0),
        ("AccessDenied", "it says so", ["access-denied", "stored-key-missing"], 0),
        (
            "AccessDenied",
            "A resource control policy of the organization denies it",
            ["resource-control-policy", "stored-key-missing"],
            0,
        ),
        ("Unsupported", "the endpoint does not know it", ["stored-key-missing"], 1),
    ],
)
def test_a_restored_data_key_that_the_application_could_not_open_is_known_before_it_is_restored(
    fixture: DoctorFixture, cause: str, message: str, causes: list[str], not_checked: int
) -> None:
    fixture.aws.credentials = CREDENTIALS
    fixture.aws.stored_keys.clear()
    fixture.prover.permission = ChildResult(
        proved=not cause, principal=APP, fingerprint="", cause=cause, message=message
    )
    diagnosis = fixture.diagnosis()
    assert sorted(each.code for each in diagnosis.findings) == causes
    assert [each.why for each in diagnosis.not_checked if "may decrypt" in each.what] == [message] * not_checked
    assert any("no data key was at hand" in each for each in diagnosis.passed) is (not cause)


# --- what cannot be asked


def test_vercel_that_does_not_answer_is_a_finding_with_its_way_out(fixture: DoctorFixture) -> None:
    fixture.vercel.failures["find_project"] = Unreachable("it does not answer", "env | grep -i proxy")
    found = fixture.first()
    assert (found.code, found.advice) == ("vercel-unreachable", "env | grep -i proxy")


def test_an_endpoint_that_does_not_answer_is_a_finding_with_its_command(fixture: DoctorFixture) -> None:
    way_out = Command("env | grep -i proxy", advice="check NO_PROXY")
    fixture.aws.failures["identify"] = Unreachable("the proxy does not answer", way_out)
    code, notices = DoctorOptions(quick=True).run(*fixture.run())
    assert code == 1
    [found] = notices["findings"]
    assert (found["cause"], found["command"], found["advice"]) == (
        "account-unreachable",
        str(way_out),
        "check NO_PROXY",
    )


def test_a_backend_that_does_not_answer_leaves_the_account_to_be_looked_at(fixture: DoctorFixture) -> None:
    fixture.engine.failures["state"] = Unreachable("the backend does not answer", "pulumi login")
    fixture.aws.keys[KEY] = key_fact(state="Disabled")
    assert fixture.first().code == "key-disabled"


def test_a_data_key_of_another_length_makes_way_for_the_one_before(fixture: DoctorFixture) -> None:
    fixture.aws.credentials = CREDENTIALS
    fixture.prover.verdict = ChildResult(
        proved=False, principal=APP, fingerprint="", cause="WrongLength", message="16 bytes"
    )
    fixture.access_diagnostics.former = (wrapped("before").value,)
    found = fixture.first()
    assert found.code == "data-key-wrong-length"
    assert "restore --stack production --versions-only && " in found.command
    assert f"--version {wrapped('before').fingerprint} " in found.command
    assert wrapped("before").value not in found.command


# --- an application that is an IAM user


def test_of_several_before_it_is_the_last_one_that_is_put_back(fixture: DoctorFixture) -> None:
    fixture.aws.credentials = CREDENTIALS
    fixture.prover.verdict = ChildResult(
        proved=False, principal=APP, fingerprint="", cause="WrongLength", message="16 bytes"
    )
    fixture.access_diagnostics.former = tuple(wrapped(seed).value for seed in ("right", "wrong", "right"))
    assert f"--version {wrapped('right').fingerprint} " in fixture.first().command


@pytest.fixture
def as_user() -> DoctorFixture:
    fixture = DoctorFixture(settings(vercel_access="user"))
    fixture.aws.iam.make_access_key("eonpro-app-user")
    fixture.vercel.access_key = AccessKey(id="AKIAMADENUMBER000001", secret="never notices")
    return fixture


def test_an_access_key_that_works_is_well(as_user: DoctorFixture) -> None:
    diagnosis = as_user.diagnosis((principal.check_access_key,))
    assert (diagnosis.findings, len(diagnosis.passed)) == ((), 1)


def test_an_access_key_that_was_deleted_is_replaced(as_user: DoctorFixture) -> None:
    as_user.aws.access_keys.clear()
    found = as_user.first((principal.check_access_key,))
    replaced, _, delivered = found.command.partition(" && ")
    assert (found.code, replaced) == ("access-key-deleted", "python -m wizard access-key rotate --stack production")
    assert delivered.startswith("python -m wizard push"), "what runs has the key that was deleted"


# --- Vercel's tokens


def test_an_access_key_that_was_never_pushed_is_pushed(as_user: DoctorFixture) -> None:
    as_user.vercel.access_key = None
    found = as_user.first((principal.check_access_key,))
    assert found.code == "access-key-missing" and found.command.startswith("python -m wizard push")


def on_vercel(fixture: DoctorFixture, **project: Any) -> None:
    fixture.vercel.project = replace(fixture.vercel.project, **project)


def test_a_project_that_gives_no_tokens_is_named_with_the_command_that_turns_them_on(fixture: DoctorFixture) -> None:
    on_vercel(fixture, gives_tokens=False, issuer_mode=VercelIssuerMode.TEAM)
    found = fixture.first([check_vercel_tokens])
    assert found.code == "vercel-oidc-off"
    assert "vercel api /v9/projects/prj_1 --method PATCH --input - --scope acme" in found.command


def test_tokens_of_another_issuer_than_the_trusted_one_are_named(fixture: DoctorFixture) -> None:
    on_vercel(fixture, gives_tokens=True, issuer_mode=VercelIssuerMode.GLOBAL)
    found = fixture.first([check_vercel_tokens])
    assert found.code == "vercel-issuer-changed"
    assert "come from oidc.vercel.com, but the role trusts oidc.vercel.com/acme" in found.what
    assert found.command == "python -m wizard setup --stack production --yes"


@pytest.mark.parametrize("known", [{"gives_tokens": True, "issuer_mode": VercelIssuerMode.TEAM}, {}])
def test_tokens_that_the_role_trusts_and_an_endpoint_that_says_nothing_are_no_fault(
    fixture: DoctorFixture, known: dict[str, Any]
) -> None:
    on_vercel(fixture, **known)
    assert not fixture.diagnosis([check_vercel_tokens]).findings


# --- CI


def trusted_by_ci(
    fixture: DoctorFixture,
    *repositories: str,
    subjects: tuple[str, ...] = ("environment:previews", "ref:refs/heads/main"),
) -> None:
    """The role that reads exists, and trusts these."""
    statements = [
        statement
        for repository in repositories
        for statement in ci.github_trust_policy(
            oidc_provider_arn=ci.github_oidc_provider_arn(account_id=ACCOUNT), repository=repository, subjects=subjects
        )["Statement"]
    ]
    role = IamPrincipal(arn=f"arn:aws:iam::{ACCOUNT}:role/eonpro-ci-read", trust={"Statement": statements})
    fixture.aws.access.account = AccountIam(principals=(role,))


@pytest.mark.parametrize("former", ["clinic/eonpro", "clinic@9/eonpro@9"])
def test_ci_that_nobody_lets_in_any_more_after_a_rename_is_named_with_the_new_trust(
    fixture: DoctorFixture, former: str
) -> None:
    trusted_by_ci(fixture, former)
    fixture.github = lambda name: TokenSubject(repository="clinic@123/eonpro@456")
    found = fixture.first([check_ci_trust])

    assert found.code == "ci-trust-outdated"
    assert f"trusts repo:{former}, but GitHub sends repo:clinic@123/eonpro@456" in found.what
    words = shlex.split(found.command)
    assert words[:5] == ["aws", "iam", "update-assume-role-policy", "--role-name", "eonpro-ci-read"]
    document = json.loads(words[words.index("--policy-document") + 1])
    assert ci.github_subjects(document) == {"clinic@123/eonpro@456": ("environment:previews", "ref:refs/heads/main")}


def test_each_role_without_the_boundary_of_the_settings_is_named_with_the_command(fixture: DoctorFixture) -> None:
    edge = f"arn:aws:iam::{ACCOUNT}:policy/EONPROBoundary"
    fixture.settings = settings(permissions_boundary_arn=edge)
    bounded = IamPrincipal(arn=APP, boundary=IamPolicy(name=edge, document=None))
    fixture.aws.access.account = AccountIam(principals=(bounded,))
    assert fixture.diagnosis([check_boundaries]).passed == (
        f"every role and user of the stack has the permissions boundary {edge}",
    )

    for boundary in (None, IamPolicy(name=f"arn:aws:iam::{ACCOUNT}:policy/Other", document=None)):
        fixture.aws.access.account = AccountIam(principals=(replace(bounded, boundary=boundary),))
        found = fixture.first([check_boundaries])
        assert found.code == "boundary-missing"
        assert (
            f"put-role-permissions-boundary --role-name eonpro-app-role --permissions-boundary {edge}" in found.command
        )


def test_ci_that_github_lets_in_passes_and_a_second_form_is_said(fixture: DoctorFixture) -> None:
    trusted_by_ci(fixture, "clinic/eonpro", "clinic@123/eonpro@456")
    fixture.github = lambda name: TokenSubject(repository="clinic@123/eonpro@456")
    diagnosis = fixture.diagnosis([check_ci_trust])

    assert not diagnosis.findings
    assert diagnosis.passed == (
        "eonpro-ci-read trusts repo:clinic@123/eonpro@456, as GitHub sends it, and also repo:clinic/eonpro, which it "
        "does not send",
    )


def test_without_a_token_for_github_the_trust_of_ci_is_not_checked_and_that_is_no_fault(fixture: DoctorFixture) -> None:
    trusted_by_ci(fixture, "clinic/eonpro")
    notices = fixture.diagnosis([check_ci_trust])
    assert notices.healthy and "there is no GH_TOKEN" in notices.skipped[0]

    def silent(name: str) -> TokenSubject:
        raise Unreachable("GitHub does not answer", "")

    fixture.github = silent
    assert not fixture.diagnosis([check_ci_trust]).healthy


def test_a_template_of_the_repositorys_own_and_a_wildcard_get_a_command_that_runs(fixture: DoctorFixture) -> None:
    trusted_by_ci(fixture, "clinic/eonpro")
    fixture.github = lambda name: TokenSubject(repository=name, is_default=False)
    assert fixture.first([check_ci_trust]).command.startswith("gh api --method PUT repos/clinic/eonpro/actions/oidc")

    (role,) = fixture.aws.access.account.principals
    wide = json.loads(json.dumps(role.trust).replace("environment:previews", "*"))
    fixture.aws.access.account = AccountIam(principals=(replace(role, trust=wide),))
    fixture.github = lambda name: TokenSubject(repository="clinic@123/eonpro@456")
    assert "policy ci" in fixture.first([check_ci_trust]).command
