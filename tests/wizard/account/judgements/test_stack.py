"""What the doctor says of settings, state, key and policies out of step; over fakes."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from components import policies
from components.policies.evaluation.account import GrantFact
from components.policies.stack import key_policy_of
from tests.wizard.account.stacks import RESOURCES, CheckedStack, all_passed, causes, finding, not_checked
from tests.wizard.fakes.clients import (
    ACCOUNT,
    ADMIN,
    APP,
    APP_POLICY,
    KEY,
    KEY_ID,
    OTHER_KEY,
    REPLICA_REGION,
    SECOND,
    STORED_KEY,
    key_fact,
    multi_region,
    settings,
    step,
    wrapped,
)
from tests.wizard.fakes.diagnostics import FakeAccessDiagnostics
from wizard.account import fixes
from wizard.account.facts import StackFacts
from wizard.account.judgements.key import check_alias, check_replica_data_keys, check_rotation
from wizard.account.judgements.key_policy import check_grants, check_key_policies, check_key_surplus
from wizard.account.judgements.policies import check_application_policy
from wizard.account.judgements.stack import COMPARISON, check_drift, check_stack
from wizard.account.judgements.stored_data_key import check_overwrites, check_stored_data_key, check_versions
from wizard.account.judgements.variables import check_vercel_access
from wizard.account.notices import Judgement, Notice, State
from wizard.account.resource_conflicts import claim_of
from wizard.account.views import Diagnosis, diagnose
from wizard.core.data_key import MalformedDataKey
from wizard.core.errors import (
    DamagedState,
    DataKeyConflict,
    NoBackend,
    PermissionDenied,
    StackBusy,
    TargetMissing,
    Unreachable,
    UsageError,
)
from wizard.core.models.access import FormerText
from wizard.core.models.account import Existing
from wizard.core.models.delivery import StackState
from wizard.core.models.rotation import DataKeyVersion, LastBackup, VersionOrigin, file_name_of
from wizard.core.models.stack import Drift, DriftKind, StateResource
from wizard.core.next_command import Command, shell

ROLE = "urn:pulumi:production::eonpro-kms::eonpro:kms:AppPrincipal$aws:iam/role:Role::app-principal"
DENIED = PermissionDenied("you may not", "ask for it")
AWAY = Unreachable("s3://state does not answer", shell("pulumi", "login", "s3://state"))


@pytest.fixture
def stand() -> CheckedStack:
    return CheckedStack()


def drift(kind: DriftKind, *properties: str, urn: str = ROLE) -> Drift:
    return Drift(urn=urn, type="aws:iam/role:Role", name=urn.rsplit("::", 1)[-1], kind=kind, properties=properties)


def built_state(stand: CheckedStack) -> StackState:
    assert isinstance(stand.state, StackState)
    return stand.state


# --- the stack


def test_a_backend_that_does_not_answer_is_a_fault_with_its_way_out(stand: CheckedStack):
    stand.state = AWAY
    assert finding(stand.notices(check_stack), "backend-unreachable").command == "pulumi login s3://state"


def test_a_machine_that_does_not_know_where_the_state_is_learns_it_from_the_account(stand: CheckedStack):
    stand.state = NoBackend("Pulumi has no state backend", shell("pulumi", "login"))
    assert finding(stand.notices(check_stack), "backend-unreachable").command == "pulumi login"
    stand.aws.claims["/eonpro/production/claim"] = "stack production, state in s3://clinic-state"
    command = finding(stand.notices(check_stack), "backend-unreachable").command
    assert command == "pulumi login s3://clinic-state && export PULUMI_BACKEND_URL=s3://clinic-state"


@pytest.mark.parametrize("error", [DENIED, StackBusy("another run holds it", "wait")])
def test_a_state_that_may_not_or_cannot_be_read_just_now_is_unknown(stand: CheckedStack, error: Any):
    stand.state = error
    assert len(not_checked(stand.notices(check_stack))) == 1


def test_a_passphrase_that_does_not_open_the_stack_is_never_well(stand: CheckedStack):
    stand.engine.failures["check_backend"] = UsageError("the passphrase does not open it", Command("export X"))
    assert finding(stand.notices(check_stack), "backend-unreachable").command == "export X"


def test_settings_without_resources_are_to_be_built(stand: CheckedStack):
    stand.state = StackState(exists=False, has_key=False)
    stand.aws.aliases.clear()
    command = finding(stand.notices(check_stack), "stack-not-built").command
    assert command == "python -m wizard setup --stack production --yes"


def test_a_set_up_that_was_interrupted_is_gone_on_with(stand: CheckedStack):
    """Interrupted twice, it leaves neither a pending operation nor outputs."""
    assert isinstance(stand.state, StackState)
    stand.state = replace(stand.state, outputs=None, pending=())
    found = finding(stand.notices(check_stack), "stack-not-built")
    assert "was interrupted" in found.what
    assert found.command == "python -m wizard setup --stack production --yes"


def test_a_key_that_the_state_does_not_know_is_a_state_that_was_lost(stand: CheckedStack):
    stand.state = StackState(exists=False, has_key=False)
    found = finding(stand.notices(check_stack), "stack-state-lost")
    assert KEY in found.what and found.command.endswith("--adopt --repair all --yes")


def test_an_empty_backend_leads_to_the_one_that_has_the_stack_and_to_no_second_owner(stand: CheckedStack):
    stand.state = StackState(exists=False, has_key=False)
    stand.aws.claims["/eonpro/production/claim"] = "stack production, state in s3://clinic-state"
    found = finding(stand.notices(check_stack), "stack-elsewhere")
    assert found.command == "pulumi login s3://clinic-state && export PULUMI_BACKEND_URL=s3://clinic-state"


def test_an_update_after_a_destroy_never_moves_alias_or_data_key_to_the_second_key(stand: CheckedStack):
    second = StateResource(urn="urn::aws:kms/key:Key::phi-key", type="aws:kms/key:Key", id="second")
    stand.state = replace(built_state(stand), owned=("second",), outputs=None, resources=(second,))
    found = finding(stand.notices(check_stack), "stack-second-key")
    assert found.command == (
        "pulumi stack rm --force --yes --preserve-config --stack production && "
        "python -m wizard setup --stack production --adopt --repair all --yes"
    )
    assert "second" in found.advice and "update-alias" not in found.command


def test_an_emptied_stack_is_never_updated_to_repair_what_it_lacks(stand: CheckedStack):
    stand.state = StackState(exists=True, has_key=False)
    assert fixes.pulumi_up(stand.context()) == "python -m wizard setup --stack production --adopt --repair all --yes"


def test_a_project_that_is_gone_is_a_cause_with_the_command_that_creates_it(stand: CheckedStack):
    gone = TargetMissing("there is no project eonpro in the Vercel team eonpro", shell("vercel", "project", "add"))
    stand.project = gone
    deliver = "python -m wizard push --stack production --yes --redeploy"
    assert finding(stand.notices(check_vercel_access), "target-missing").command == f"vercel project add && {deliver}"


def test_a_project_that_may_have_another_name_now_is_looked_for_before_one_is_created(stand: CheckedStack):
    others, create = shell("vercel", "project", "ls"), shell("vercel", "project", "add")
    stand.project = TargetMissing("there is no project eonpro in the Vercel team eonpro; it has portal", create, others)
    found = finding(stand.notices(check_vercel_access), "target-missing")
    assert found.command == "vercel project ls"
    assert "python -m wizard setup --stack production --vercel-project NAME; if it was deleted" in found.advice


def test_the_own_claim_of_a_state_that_was_lost_leads_nowhere_else(stand: CheckedStack):
    stand.state = StackState(exists=False, has_key=False)
    stand.aws.claims["/eonpro/production/claim"] = claim_of("production", stand.engine.check_backend("production"))
    assert finding(stand.notices(check_stack), "stack-state-lost")


def test_a_state_that_was_cut_is_its_own_cause_with_the_command_that_puts_a_copy_back(stand: CheckedStack):
    stand.state = DamagedState("the state is damaged", shell("cp", "copy", "state"))
    assert finding(stand.notices(check_stack), "stack-state-damaged").command == "cp copy state"


def test_a_lock_that_nobody_gives_back_is_a_cause(stand: CheckedStack):
    stand.state = replace(built_state(stand), stale_lock="ada@laptop (process 12) since 2026-01-01")
    assert finding(stand.notices(check_stack), "stack-locked").command == "pulumi cancel --yes --stack production"


def test_what_an_interrupted_update_left_is_named(stand: CheckedStack):
    stand.state = replace(built_state(stand), pending=(step("creating", "aws:cloudtrail/trail:Trail", "audit-trail"),))
    found = finding(stand.notices(check_stack), "stack-pending-operations")
    assert "creating audit-trail" in found.what and "what of these the account has" in found.why


# --- the alias and the rotation


def test_an_alias_that_was_moved_is_put_back_by_one_call(stand: CheckedStack):
    stand.aws.keys[OTHER_KEY] = key_fact(OTHER_KEY)
    stand.aws.aliases["alias/eonpro-phi-key"] = OTHER_KEY
    found = finding(stand.notices(check_alias), "alias-moved")
    wanted = f"aws kms update-alias --alias-name alias/eonpro-phi-key --target-key-id {KEY_ID} --region us-east-1"
    assert found.command == wanted and OTHER_KEY in found.what


def test_an_alias_that_is_gone_is_made(stand: CheckedStack):
    stand.aws.aliases.clear()
    assert "create-alias" in finding(stand.notices(check_alias), "alias-missing").command


def test_commands_are_for_the_profile_that_was_named(stand: CheckedStack):
    stand.aws.profile = "the clinic"
    stand.aws.aliases.clear()
    assert finding(stand.notices(check_alias), "alias-missing").command.endswith("--profile 'the clinic'")
    stand.aws.key_policies[KEY] = policies.policy([])
    command = next(each for each in stand.notices(check_key_policies) if each.state is State.WRONG).command
    assert command.startswith("AWS_PROFILE='the clinic' pulumi up ")


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"rotation_enabled": False, "rotation_period_days": None}, "rotation-off"),
        ({"rotation_period_days": 2560}, "rotation-period"),
    ],
)
def test_a_rotation_that_is_not_the_settings_is_put_right(stand: CheckedStack, fields: dict[str, Any], cause: str):
    stand.aws.keys[KEY] = key_fact(**fields)
    command = finding(stand.notices(check_rotation), cause).command
    assert command == (f"aws kms enable-key-rotation --key-id {KEY} --rotation-period-in-days 365 --region us-east-1")


# --- the policies


def test_a_key_policy_without_the_denial_of_deletion_is_a_fault_of_its_own(stand: CheckedStack):
    policy = key_policy_of(stand.settings)
    kept = [each for each in policy["Statement"] if each["Effect"] == "Allow"]
    stand.aws.key_policies[KEY] = {**policy, "Statement": kept}
    found = finding(stand.notices(check_key_policies), "deletion-unguarded")
    assert "nobody may schedule it" in found.what and "for 90 days after a use" in found.what
    assert shlex.split(found.command)[-1].endswith("$aws:kms/key:Key::phi-key")


@pytest.mark.parametrize("check", [check_key_policies, check_key_surplus])
def test_a_key_policy_that_was_left_as_it_was_found_is_told_and_no_fault(check: Judgement):
    stand = CheckedStack(settings=settings(kept_as_found=("key",)))
    stand.aws.key_policies[KEY] = policies.policy([])
    [notice] = [each for each in stand.notices(check) if each.requirements == ("key-deletion-window",)]
    assert causes(stand.notices(check)) == []
    assert notice.state is State.PERSON and "deletion: not denied" in notice.what
    assert notice.what.endswith("it was left as it was found")
    assert notice.command == "python -m wizard setup --stack production --repair key --yes"


STRICT = {"administrators": (ADMIN, SECOND), "strict_key_policy": True}


@pytest.mark.parametrize(
    ("kept", "command"), [((), "$aws:kms/key:Key::phi-key"), (("key",), "setup --stack production --repair key --yes")]
)
def test_a_strict_key_policy_that_any_user_with_kms_can_change_is_told(kept: tuple[str, ...], command: str):
    stand = CheckedStack(settings=settings(**STRICT, kept_as_found=kept))
    assert causes(stand.notices(check_key_policies)) == []
    stand.aws.key_policies[KEY] = key_policy_of(settings(administrators=(ADMIN, SECOND)))
    found = next(each for each in stand.notices(check_key_policies) if each.state is State.WRONG)
    assert found.code == "key-policy-not-strict" and f"arn:aws:iam::{ACCOUNT}:root" in found.what
    assert " ".join(shlex.split(found.command)).endswith(command)


def test_a_key_policy_that_may_not_be_read_is_unknown(stand: CheckedStack):
    stand.aws.failures["key_policy"] = DENIED
    assert [each.is_denied for each in not_checked(stand.notices(check_key_policies))] == [True]


def test_a_grant_that_lets_somebody_else_decrypt_is_found_and_one_for_the_application_is_not(stand: CheckedStack):
    assert all_passed(stand.notices(check_grants))
    foreign = GrantFact(id="g1", grantee=ADMIN, operations=("Encrypt", "Decrypt"), made=None, retiring=None)
    harmless = GrantFact(id="g2", grantee=ADMIN, operations=("DescribeKey",), made=None, retiring=None)
    own = GrantFact(id="g3", grantee=APP, operations=("Decrypt",), made=None, retiring=None)
    stand.aws.who_has_access.granted = {KEY: (harmless, own, foreign)}
    found = finding(stand.notices(check_grants), "grant-foreign")
    assert ADMIN in found.what and "Decrypt" in found.what
    assert found.command == f"aws kms revoke-grant --key-id {KEY} --grant-id g1 --region us-east-1"


def test_an_application_policy_that_gives_more_is_told_and_one_that_gives_less_is_not(stand: CheckedStack):
    own = policies.application_policy(key_arns=[KEY])
    more = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    stand.aws.documents[APP_POLICY] = {**own, "Statement": [*own["Statement"], more]}
    assert "s3:*" in finding(stand.notices(check_application_policy), "policy-widened").what
    stand.aws.documents[APP_POLICY] = policies.policy([])
    assert causes(stand.notices(check_application_policy)) == []


# --- the replicas


def test_a_replica_without_a_copy_of_the_stored_data_key_gets_one_and_another_data_key_is_told():
    stand = CheckedStack(settings=multi_region())
    assert all_passed(stand.notices(check_replica_data_keys))
    there = stand.aws.with_region(REPLICA_REGION).stored_keys
    copy = there.pop(STORED_KEY)
    assert " push " in finding(stand.notices(check_replica_data_keys), "stored-key-replica-missing").command
    there[STORED_KEY] = replace(copy, wrapped=wrapped("another"))
    found = finding(stand.notices(check_replica_data_keys), "stored-key-replica-differs")
    assert f"restore --stack production --version {copy.wrapped.fingerprint} --confirm production" in found.command


def test_a_replicas_stored_key_that_is_no_data_key_is_wrong_and_not_unknown():
    stand = CheckedStack(settings=multi_region())
    junk = DataKeyConflict(f"{STORED_KEY} holds a value that is not a wrapped data key; nothing was overwritten", "")
    stand.aws.with_region(REPLICA_REGION).failures = {"read_stored_data_key": junk}
    found = finding(stand.notices(check_replica_data_keys), "stored-key-replica-differs")
    assert "not a wrapped data key" in found.what and " restore " in found.command


@pytest.mark.parametrize(
    ("cause", "code"), [(MalformedDataKey("no base64"), "stored-key-malformed"), (None, "stored-key-replaced")]
)
def test_a_stored_key_that_is_known_to_be_wrong_is_wrong_where_its_history_cannot_be_read(cause, code):
    stand = CheckedStack(settings=settings())
    conflict = DataKeyConflict(f"the parameter {STORED_KEY} holds something else", "")
    conflict.__cause__ = cause
    stand.aws.failures["read_stored_data_key"] = conflict
    stand.aws.key_rotation.failures["stored_key"] = PermissionDenied("not allowed", "ask")
    assert "holds something else" in finding(stand.notices(check_stored_data_key), code).what


def test_a_data_key_that_only_a_replicas_region_has_is_copied_back():
    stand = CheckedStack(settings=multi_region())
    stand.aws.stored_keys.clear()
    found = finding(stand.notices(check_stored_data_key), "stored-key-missing")
    assert " push " in found.command and wrapped().fingerprint in found.advice


# --- a stored data key that is gone: the first copy that exists


def recovery(stand: CheckedStack) -> Notice:
    stand.aws.stored_keys.clear()
    return finding(stand.notices(check_stored_data_key), "stored-key-missing")


def kept_version(stand: CheckedStack, seed: str = "") -> str:
    """A version of the account that was the stored data key once."""
    data_key = wrapped(seed) if seed else wrapped()
    version = DataKeyVersion(
        wrapped=data_key,
        key_arn=KEY,
        parameter="/eonpro/production/data-keys/…",
        origin=VersionOrigin.FIRST,
        kept_at=None,
        same_as=data_key.fingerprint,
        current=False,
        was_current=True,
    )
    stand.aws.key_rotation.entries[data_key.fingerprint] = version
    return data_key.fingerprint


def test_the_version_in_the_account_comes_first(stand: CheckedStack):
    back_up(stand)
    fingerprint = kept_version(stand)
    assert f"restore --stack production --version {fingerprint} --confirm production" in recovery(stand).command


def test_which_of_two_versions_was_in_use_is_never_guessed(stand: CheckedStack):
    stand.vercel.variables.clear()
    one, two = kept_version(stand), kept_version(stand, "another")
    found = recovery(stand)
    assert (
        found.command == "python -m wizard restore --stack production" and one in found.advice and two in found.advice
    )


def test_a_version_whose_value_somebody_replaced_is_taken_from_the_history(stand: CheckedStack):
    stand.vercel.variables.clear()
    entry = f"/eonpro/production/data-keys/{wrapped().fingerprint.removeprefix('sha256:')}"
    stand.aws.key_rotation.altered_entries = (entry,)
    stand.aws.access_diagnostics.former = (wrapped().value,)
    found = recovery(stand)
    assert found.command == "python -m wizard restore --stack production --versions-only"


VERSION = f"/eonpro/production/data-keys/{wrapped().fingerprint.removeprefix('sha256:')}"


def test_a_version_that_is_lost_is_told_while_the_data_key_is_still_stored(stand: CheckedStack):
    found = finding(stand.notices(check_versions), "data-key-version-lost")
    assert VERSION in found.what
    assert f"restore --stack production --version {wrapped().fingerprint} --confirm production" in found.command
    kept_version(stand)
    assert all_passed(stand.notices(check_versions))


def test_a_version_whose_value_somebody_replaced_is_told_while_the_data_key_is_still_stored(stand: CheckedStack):
    kept_version(stand, "earlier")
    entry = f"/eonpro/production/data-keys/{wrapped('earlier').fingerprint[7:]}"
    stand.aws.key_rotation.altered_entries = (VERSION, entry)
    stand.aws.access_diagnostics.former = (wrapped("earlier").value,)
    notices = stand.notices(check_versions)
    commands = {each.what: str(each.command) for each in notices if each.code == "data-key-version-lost"}
    of_today, earlier = (next(commands[what] for what in commands if name in what) for name in (VERSION, entry))
    assert of_today.endswith(f"restore --stack production --version {wrapped().fingerprint} {KEEPS}")
    assert earlier == "python -m wizard restore --stack production --versions-only"


KEEPS = "--confirm production --no-redeploy"


def test_what_somebody_else_has_written_and_put_back_is_told(stand: CheckedStack):
    kept_version(stand)
    kept_version(stand, "earlier")
    assert all_passed(stand.notices(check_overwrites))
    entries = stand.aws.key_rotation.entries
    for fingerprint, each in entries.items():
        name = f"/eonpro/production/data-keys/{fingerprint[7:]}"
        entries[fingerprint] = replace(each, overwrites=1, parameter=name)
    stand.aws.stored_keys[STORED_KEY] = replace(stand.aws.stored_keys[STORED_KEY], version=4, overwrites=3)
    notices = stand.notices(check_overwrites)
    assert {each.code for each in notices} == {"stored-key-overwritten"}
    stored, of_today, earlier = sorted(notices, key=lambda it: (STORED_KEY not in it.what, VERSION not in it.what))
    assert "at least 3 times" in stored.what and "at least once" in of_today.what
    assert stored.command == of_today.command
    assert str(stored.command).endswith(f"restore --stack production --version {wrapped().fingerprint} {KEEPS}")
    assert earlier.command == "python -m wizard restore --stack production --versions-only"


@pytest.mark.parametrize(("overwrites", "version"), [(1, 2), (3, 4)])
def test_a_foreign_data_key_whose_tags_fit_is_not_called_right_nor_kept_as_a_version(
    stand: CheckedStack, monkeypatch: pytest.MonkeyPatch, overwrites: int, version: int
):
    """Nobody here holds the application's credentials: no key check value tells."""
    ours = kept_version(stand)
    foreign = wrapped("another stack's")
    stand.aws.stored_keys[STORED_KEY] = replace(
        stand.aws.stored_keys[STORED_KEY], wrapped=foreign, version=version, overwrites=overwrites
    )
    values = [wrapped().value, *["junk"] * (version - 2), foreign.value]
    history = tuple(FormerText(version=str(number), text=text) for number, text in enumerate(values, 1))
    monkeypatch.setattr(FakeAccessDiagnostics, "history", lambda _, name, store: history)
    notices = [*stand.notices(check_versions), *stand.notices(check_overwrites)]
    (found,) = (each for each in notices if each.code)
    assert found.code == "stored-key-replaced" and foreign.fingerprint in found.what
    assert f"restore --stack production --version {ours} --confirm production" in found.command


def test_a_foreign_data_key_in_a_secret_whose_values_have_no_numbers_is_told_too(stand: CheckedStack) -> None:
    ours, foreign = kept_version(stand), wrapped("another stack's")
    stored = stand.aws.stored_keys[STORED_KEY]
    stand.aws.stored_keys[STORED_KEY] = replace(stored, wrapped=foreign, version=1, overwrites=1)
    (found,) = (each for check in (check_versions, check_overwrites) for each in stand.notices(check) if each.code)
    assert found.code == "stored-key-replaced"
    assert f"restore --stack production --version {ours} --confirm production" in found.command


def test_a_value_that_was_put_back_is_right_although_its_version_was_deleted(
    stand: CheckedStack, monkeypatch: pytest.MonkeyPatch
):
    """The store's history says that this program wrote it last; before the rotation it was another one."""
    kept_version(stand, "earlier")
    stand.aws.stored_keys[STORED_KEY] = replace(stand.aws.stored_keys[STORED_KEY], version=4, overwrites=2)
    values = (wrapped("earlier").value, wrapped().value, "junk", wrapped().value)
    history = tuple(FormerText(version=str(number), text=text) for number, text in enumerate(values, 1))
    monkeypatch.setattr(FakeAccessDiagnostics, "history", lambda _, name, store: history)
    notices = [*stand.notices(check_versions), *stand.notices(check_overwrites)]
    found = {each.code: str(each.command) for each in notices if each.code}
    assert set(found) == {"data-key-version-lost", "stored-key-overwritten"}
    assert all(command.endswith(f"--version {wrapped().fingerprint} {KEEPS}") for command in found.values())


@pytest.mark.parametrize(
    ("values", "is_explained"),
    [
        (("earlier", ""), True),
        (("", "earlier", ""), True),
        (("", "junk", ""), False),
        (("", ""), False),
        (("", "never in use", ""), False),
    ],
)
def test_what_no_tag_says_is_told_by_the_values_that_were_stored(
    stand: CheckedStack, monkeypatch: pytest.MonkeyPatch, values: tuple[str, ...], is_explained: bool
):
    """A release before this one replaced the stored key without a record of it: only by a key that was in use."""
    kept_version(stand)
    kept_version(stand, "earlier")
    kept_version(stand, "never in use")
    entries = stand.aws.key_rotation.entries
    never = wrapped("never in use").fingerprint
    entries[never] = replace(entries[never], was_current=False)
    keys = {value: (wrapped(value) if value else wrapped()).value for value in values} | {"junk": "junk"}
    texts = (keys[value] for value in values)
    history = tuple(FormerText(version=str(number), text=text) for number, text in enumerate(texts, 1))
    monkeypatch.setattr(FakeAccessDiagnostics, "history", lambda _, name, store: history)
    stored = replace(stand.aws.stored_keys[STORED_KEY], version=len(values), overwrites=None)
    stand.aws.stored_keys[STORED_KEY] = stored
    assert all_passed(stand.notices(check_overwrites)) is is_explained


@pytest.mark.parametrize("current", ["other", ""], ids=["of before the rotation", "of today"])
def test_a_lost_version_without_a_copy_here_is_taken_from_the_backup(stand: CheckedStack, current: str):
    """And only the version: a backup of before the rotation has another data key than the one in use."""
    kept_version(stand)
    stand.aws.key_rotation.altered_entries = (f"/eonpro/production/data-keys/{wrapped('other').fingerprint[7:]}",)
    assert finding(stand.notices(check_versions), "data-key-version-lost").advice.startswith(
        "no copy of it is known here"
    )
    back_up(stand, "s3://clinic/a", wrapped(current).fingerprint, wrapped("other").fingerprint)
    found = finding(stand.notices(check_versions), "data-key-version-lost")
    assert found.command == ("python -m wizard restore --stack production --from-backup s3://clinic/a --versions-only")


def test_an_earlier_version_that_is_gone_is_told_by_the_last_backup(stand: CheckedStack):
    kept_version(stand)
    back_up(stand, "s3://clinic/a", wrapped().fingerprint, wrapped("earlier").fingerprint, wrapped().fingerprint)
    found = finding(stand.notices(check_versions), "data-key-version-lost")
    assert wrapped("earlier").fingerprint[7:] in found.what
    assert found.command.endswith("restore --stack production --from-backup s3://clinic/a --versions-only")


def test_an_earlier_version_that_is_gone_is_told_by_the_history_of_the_stored_data_key(
    stand: CheckedStack, monkeypatch: pytest.MonkeyPatch
):
    kept_version(stand)
    stand.aws.stored_keys[STORED_KEY] = replace(stand.aws.stored_keys[STORED_KEY], version=2)
    values = (wrapped("earlier").value, wrapped().value)
    history = tuple(FormerText(version=str(number), text=text) for number, text in enumerate(values, 1))
    monkeypatch.setattr(FakeAccessDiagnostics, "history", lambda _, name, store: history if name == STORED_KEY else ())
    found = finding(stand.notices(check_versions), "data-key-version-lost")
    assert wrapped("earlier").fingerprint[7:] in found.what
    assert found.command == "python -m wizard restore --stack production --versions-only"


def test_versions_that_cannot_be_read_are_not_called_well(stand: CheckedStack):
    stand.aws.key_rotation.failures["altered"] = DENIED
    assert [each.is_denied for each in not_checked(stand.notices(check_versions))] == [True]


def test_the_copy_that_the_target_shows_comes_before_a_backup(stand: CheckedStack):
    back_up(stand)
    stand.vercel.sensitive = False
    stand.vercel.variables["ENCRYPTED_PHI_KEY"] = wrapped().value
    assert recovery(stand).command.endswith("restore --stack production --from-target --confirm production")


def back_up(stand: CheckedStack, place: str = "s3://clinic/a.json", current: str = "", *versions: str) -> None:
    fingerprint = current or wrapped().fingerprint
    last = LastBackup(at=datetime(2026, 11, 1, tzinfo=UTC), fingerprint=fingerprint, place=place, versions=versions)
    stand.aws.claims["/eonpro/production/backup"] = last.text


def test_the_backup_that_the_account_records_is_named_with_its_place(stand: CheckedStack):
    back_up(stand)
    found = recovery(stand)
    assert found.command.endswith("restore --stack production --from-backup s3://clinic/a.json --confirm production")
    assert "2026-11-01" in found.advice


def test_a_backup_in_the_projects_folder_is_named_by_its_whole_path(
    stand: CheckedStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    stand.vercel.variables["ENCRYPTED_PHI_KEY"] = wrapped().value
    monkeypatch.chdir(tmp_path)
    (tmp_path / file_name_of("eonpro", "production", wrapped().fingerprint)).write_text("{}")
    stand.vercel.variables["ENCRYPTED_PHI_KEY"] = wrapped().value
    assert f" --from-backup {tmp_path}/eonpro-production-" in recovery(stand).command


def test_a_backup_on_another_machine_is_named_and_no_command_is_made_up(stand: CheckedStack):
    back_up(stand, "laptop:/home/ada/a.json")
    found = recovery(stand)
    assert "“/home/ada/a.json” of the machine “laptop”" in found.advice and "--from-backup" not in found.command


def test_without_any_copy_here_the_running_application_has_the_last_one(stand: CheckedStack):
    stand.vercel.variables["ENCRYPTED_PHI_KEY"] = wrapped().value
    found = recovery(stand)
    assert (
        found.command.startswith("printf 'ENCRYPTED_PHI_KEY: ' >&2 && read -rs ")
        and "do not redeploy it" in found.advice
    )


# --- the drift


def test_what_agrees_is_well_and_a_comparison_that_fails_is_unknown(stand: CheckedStack):
    assert all_passed(stand.notices(check_drift))
    stand.engine.failures["compare"] = AWAY
    assert [each.what for each in not_checked(stand.notices(check_drift))] == [COMPARISON]


def test_what_was_changed_beside_the_stack_is_put_back_and_nothing_else(stand: CheckedStack):
    stand.engine.drifts = (
        drift(DriftKind.CHANGED, "tags.Environment"),
        drift(DriftKind.GONE, urn=ROLE.replace("app-principal", "gone")),
    )
    found = finding(stand.notices(check_drift), "stack-drifted")
    assert "Role app-principal (tags.Environment)" in found.what and "Role gone (gone)" in found.what
    assert found.command.count("--target") == 2


def test_settings_that_were_not_applied_are_the_whole_stacks_business(stand: CheckedStack):
    stand.engine.drifts = (drift(DriftKind.UNAPPLIED, "maxSessionDuration"), drift(DriftKind.UNKNOWN))
    command = finding(stand.notices(check_drift), "stack-behind").command
    assert command == "pulumi up --refresh --yes --skip-preview --stack production"


def test_what_the_account_has_and_the_state_lost_is_taken_in_not_made_twice(stand: CheckedStack):
    stand.engine.drifts = (drift(DriftKind.UNKNOWN),)
    stand.aws.existing = Existing(found={"app_role": "arn:aws:iam::111122223333:role/eonpro-app-role"})
    stand.state = replace(built_state(stand), owned=())
    found = finding(stand.notices(check_drift), "stack-state-lost")
    assert "role/eonpro-app-role" in found.what and "--adopt --repair all" in found.command


def test_many_resources_are_not_named_one_by_one(stand: CheckedStack):
    stand.engine.drifts = tuple(drift(DriftKind.GONE, urn=f"{ROLE}-{number}") for number in range(20))
    found = finding(stand.notices(check_drift), "stack-drifted")
    assert "and 14 more" in found.what and "--target" not in found.command


# --- the comparison beside other findings

ROTATION_OFF = Notice.wrong(
    "rotation-off", what="it does not rotate", why="so", command=shell("aws", "kms", "enable-key-rotation")
)
KEY_URN, POLICY_URN = RESOURCES[4], RESOURCES[2]


def ill(facts: StackFacts) -> tuple[Notice, ...]:
    return (ROTATION_OFF,)


def compared(stand: CheckedStack, *checks: Judgement) -> Diagnosis:
    """A diagnosis by these checks and the comparison."""
    return diagnose(stand.context(), checks, compare=check_drift)


def test_a_bucket_policy_that_somebody_changed_is_reported_while_something_else_is_wrong(stand: CheckedStack):
    stand.engine.drifts = (drift(DriftKind.CHANGED, "policy", urn=POLICY_URN),)
    diagnosis = compared(stand, ill)
    assert [each.code for each in diagnosis.findings] == ["rotation-off", "stack-drifted"]
    assert POLICY_URN in diagnosis.findings[1].command


def test_a_resource_that_another_finding_is_about_is_not_reported_twice(stand: CheckedStack):
    stand.engine.drifts = (drift(DriftKind.CHANGED, "enableKeyRotation", urn=KEY_URN),)
    diagnosis = compared(stand, ill)
    assert diagnosis.findings == (ROTATION_OFF,)
    assert diagnosis.passed == ("settings, state and account agree in every other resource",)


@pytest.mark.parametrize("properties", [("description",), ("enableKeyRotation", "policy"), ()])
def test_another_change_of_the_same_resource_is_reported(stand: CheckedStack, properties: tuple[str, ...]):
    stand.engine.drifts = (drift(DriftKind.CHANGED, *properties, urn=KEY_URN),)
    assert [each.code for each in compared(stand, ill).findings] == ["rotation-off", "stack-drifted"]


def test_two_findings_together_explain_the_two_properties_of_one_resource(stand: CheckedStack):
    def stopped(facts: StackFacts) -> tuple[Notice, ...]:
        codes = ("trail-stopped", "trail-validation-off")
        return tuple(Notice.wrong(code, what=code, why="so", command=shell("aws", "cloudtrail")) for code in codes)

    stand.engine.drifts = (drift(DriftKind.CHANGED, "enableLogging", "enableLogFileValidation", urn=RESOURCES[0]),)
    assert [each.code for each in compared(stand, stopped).findings] == ["trail-stopped", "trail-validation-off"]


def test_a_resource_that_another_findings_command_updates_is_not_reported_twice(stand: CheckedStack):
    def widened(facts: StackFacts) -> tuple[Notice, ...]:
        command = fixes.pulumi_up_urns(facts, [POLICY_URN])
        return (Notice.wrong("bucket-tls-policy-missing", what="no TLS", why="so", command=command),)

    stand.engine.drifts = (
        drift(DriftKind.CHANGED, "policy", urn=POLICY_URN),
        drift(DriftKind.CHANGED, "isMultiRegionTrail", urn=RESOURCES[0]),
    )
    bucket, drifted = compared(stand, widened).findings
    assert (bucket.code, drifted.code) == ("bucket-tls-policy-missing", "stack-drifted")
    assert RESOURCES[0] in drifted.command and POLICY_URN not in drifted.command


def test_a_comparison_that_fails_is_unknown_beside_what_is_wrong(stand: CheckedStack):
    stand.engine.failures["compare"] = StackBusy("another run is using it", "wait")
    diagnosis = compared(stand, ill)
    assert diagnosis.findings == (ROTATION_OFF,) and [each.what for each in diagnosis.not_checked] == [COMPARISON]


def test_a_stack_without_outputs_is_not_compared(stand: CheckedStack):
    stand.state = StackState(exists=True, has_key=False)
    assert compared(stand, ill).findings == (ROTATION_OFF,) and stand.engine.log == []
