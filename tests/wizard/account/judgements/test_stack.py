"""What the doctor says of settings, state, key and policies out of step; over fakes."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from components import policies
from components.policies.stack import key_policy_of
from components.settings import SecretStore
from tests.wizard.account.stacks import RESOURCES, CheckedStack, all_passed, causes, finding, not_checked
from tests.wizard.fakes.clients import (
    ACCOUNT,
    ADMIN,
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
from wizard.account.judgements.key_policy import check_key_policies, check_key_surplus
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
    SetupError,
    StackBusy,
    TargetMissing,
    Unreachable,
    UsageError,
)
from wizard.core.models.access import FormerText
from wizard.core.models.account import Existing
from wizard.core.models.rotation import DataKeyVersion, LastBackup, StoredKey, VersionOrigin, file_name_of
from wizard.core.models.stack import Drift, DriftKind, StackState, StateResource
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


Seed = Callable[[CheckedStack], object]
EMPTY, NOWHERE = StackState(exists=False, has_key=False), NoBackend("Pulumi has no backend", shell("pulumi", "login"))
CLAIM = "/eonpro/production/claim"
LOGIN = "pulumi login s3://clinic-state && export PULUMI_BACKEND_URL=s3://clinic-state"
SETUP = "python -m wizard setup --stack production --yes"
ROTATE = f"aws kms enable-key-rotation --key-id {KEY} --rotation-period-in-days 365 --region us-east-1"
GONE = TargetMissing("there is no project eonpro in the Vercel team eonpro", shell("vercel", "project", "add"))


@pytest.mark.parametrize("error", [DENIED, StackBusy("another run holds it", "wait")])
def test_a_state_that_may_not_or_cannot_be_read_just_now_is_unknown(stand: CheckedStack, error: Any):
    stand.state = error
    assert len(not_checked(stand.notices(check_stack))) == 1


def both(*seeds: Seed) -> Seed:
    return lambda stand: [seed(stand) for seed in seeds]


def state(value: StackState | SetupError) -> Seed:
    return lambda stand: setattr(stand, "state", value)


def state_with(**changes: Any) -> Seed:
    return lambda stand: setattr(stand, "state", replace(built_state(stand), **changes))


def claimed(stand: CheckedStack) -> None:
    stand.aws.claims[CLAIM] = "stack production, state in s3://clinic-state"


def claimed_by_itself(stand: CheckedStack) -> None:
    stand.aws.claims[CLAIM] = claim_of("production", stand.engine.check_backend("production"))


def fails(edge: str, **failures: SetupError) -> Seed:
    return lambda stand: getattr(stand, edge).failures.update(failures)


def without_alias(stand: CheckedStack) -> None:
    stand.aws.aliases.clear()


def moved(stand: CheckedStack) -> None:
    stand.aws.keys[OTHER_KEY] = key_fact(OTHER_KEY)
    stand.aws.aliases["alias/eonpro-phi-key"] = OTHER_KEY


def key(**fields: Any) -> Seed:
    return lambda stand: stand.aws.keys.update({KEY: key_fact(**fields)})


def fits(command: str, expected: str) -> bool:
    """Whether the command is the expected one, or begins with it where the expected one ends in “…”."""
    return command.startswith(expected[:-1]) if expected.endswith("…") else command == expected


def drifts(*those: Drift) -> Seed:
    return lambda stand: setattr(stand.engine, "drifts", those)


FAULTS: dict[str, tuple[Seed, Judgement, str, str, str]] = {
    "a backend that does not answer": (state(AWAY), check_stack, "backend-unreachable", "pulumi login s3://state", ""),
    "a machine without a backend": (state(NOWHERE), check_stack, "backend-unreachable", "pulumi login", ""),
    "the account names the backend": (both(state(NOWHERE), claimed), check_stack, "backend-unreachable", LOGIN, ""),
    "a passphrase that does not open the stack": (
        fails("engine", check_backend=UsageError("the passphrase does not open it", Command("export X"))),
        check_stack, "backend-unreachable", "export X", ""),
    "settings without resources": (both(state(EMPTY), without_alias), check_stack, "stack-not-built", SETUP, ""),
    # Interrupted twice, it leaves neither a pending operation nor outputs.
    "a set-up that was interrupted": (state_with(outputs=None, pending=()), check_stack, "stack-not-built", SETUP,
        "was interrupted"),
    "a key that the state does not know": (state(EMPTY), check_stack, "stack-state-lost",
        "python -m wizard setup --stack production --adopt --repair all --yes", KEY),
    "its own claim leads nowhere else": (both(state(EMPTY), claimed_by_itself), check_stack, "stack-state-lost",
        "…", KEY),
    "an empty backend makes no second owner": (both(state(EMPTY), claimed), check_stack, "stack-elsewhere", LOGIN, ""),
    "a state that was cut": (state(DamagedState("the state is damaged", shell("cp", "copy", "state"))), check_stack,
        "stack-state-damaged", "cp copy state", ""),
    "a lock that nobody gives back": (state_with(stale_lock="ada@laptop (process 12) since 2026-01-01"), check_stack,
        "stack-locked", "pulumi cancel --yes --stack production", ""),
    "what an interrupted update left": (
        state_with(pending=(step("creating", "aws:cloudtrail/trail:Trail", "audit-trail"),)), check_stack,
        "stack-pending-operations", SETUP, "creating audit-trail"),
    "a project that is gone": (lambda stand: setattr(stand, "project", GONE), check_vercel_access, "target-missing",
        "vercel project add && python -m wizard push --stack production --yes --redeploy", ""),
    "an alias that was moved": (moved, check_alias, "alias-moved",
        f"aws kms update-alias --alias-name alias/eonpro-phi-key --target-key-id {KEY_ID} --region us-east-1",
        OTHER_KEY),
    "an alias that is gone": (without_alias, check_alias, "alias-missing", "aws kms create-alias…", ""),
    "a rotation that is off": (key(rotation_enabled=False, rotation_period_days=None), check_rotation, "rotation-off",
        ROTATE, ""),
    "a rotation that is too slow": (key(rotation_period_days=2560), check_rotation, "rotation-period", ROTATE, ""),
    "settings that were not applied": (
        drifts(drift(DriftKind.UNAPPLIED, "maxSessionDuration"), drift(DriftKind.UNKNOWN)), check_drift,
        "stack-behind", "pulumi up --refresh --yes --skip-preview --stack production", ""),
    "a change beside the stack": (drifts(drift(DriftKind.CHANGED, "tags.Environment")), check_drift, "stack-drifted",
        "pulumi up --refresh…", "Role app-principal (tags.Environment)"),
    "a resource that is gone": (drifts(drift(DriftKind.GONE)), check_drift, "stack-drifted", "…",
        "app-principal (gone)"),
    "many resources": (drifts(*(drift(DriftKind.GONE, urn=f"{ROLE}-{number}") for number in range(20))), check_drift,
        "stack-drifted", "…", "and 14 more"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_cause_and_its_command(stand: CheckedStack, fault: str):
    seed, check, cause, command, what = FAULTS[fault]
    seed(stand)
    found = finding(stand.notices(check), cause)
    assert fits(found.command, command) and what in found.what
    assert found.command.count("--target ") == (fault in ("a change beside the stack", "a resource that is gone"))


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


def test_a_project_that_may_have_another_name_now_is_looked_for_before_one_is_created(stand: CheckedStack):
    others, create = shell("vercel", "project", "ls"), shell("vercel", "project", "add")
    stand.project = TargetMissing("there is no project eonpro in the Vercel team eonpro; it has portal", create, others)
    found = finding(stand.notices(check_vercel_access), "target-missing")
    assert found.command == "vercel project ls"
    assert "python -m wizard setup --stack production --vercel-project NAME; if it was deleted" in found.advice


def test_commands_are_for_the_profile_that_was_named(stand: CheckedStack):
    stand.aws.profile = "the clinic"
    stand.aws.aliases.clear()
    assert finding(stand.notices(check_alias), "alias-missing").command.endswith("--profile 'the clinic'")
    stand.aws.key_policies[KEY] = policies.policy([])
    command = next(each for each in stand.notices(check_key_policies) if each.state is State.WRONG).command
    assert command.startswith("AWS_PROFILE='the clinic' pulumi up ")


# --- the policies


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


@pytest.mark.parametrize(
    ("store", "numbers", "code"),
    [
        ("parameter-store", range(1, 2), "stored-key-tag-changed"),
        ("parameter-store", range(3, 103), "stored-key-replaced"),
        ("secrets-manager", range(1, 2), "stored-key-tag-changed"),
        ("secrets-manager", range(1, 3), "stored-key-replaced"),
    ],
)
def test_one_value_written_until_the_history_has_no_other_is_not_taken_for_the_first_one(
    monkeypatch: pytest.MonkeyPatch, store: str, numbers: range, code: str
):
    """The printed command would make it the stack's data key: it writes the tag, and every delivery takes it."""
    stand = CheckedStack(settings=settings(secret_store=SecretStore(store)))
    kept_version(stand)
    junk, ours = wrapped("junk"), wrapped().fingerprint
    history = tuple(FormerText(version=str(number), text=junk.value) for number in numbers)
    monkeypatch.setattr(FakeAccessDiagnostics, "history", lambda _, name, store: history)
    stored = StoredKey(parameter=STORED_KEY, version=numbers[-1], value=junk.value, wrapped=junk, tagged=ours)
    monkeypatch.setattr(stand.aws.key_rotation, "stored_key", lambda settings: stored)
    stand.aws.failures["read_stored_data_key"] = DataKeyConflict("its tag names another data key", "")
    found = finding(stand.notices(check_stored_data_key), code)
    assert ("add-tags" in found.command or "tag-resource" in found.command) is (code == "stored-key-tag-changed")


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


ONE, TWO = wrapped().fingerprint, wrapped("another").fingerprint
OF_TODAY = f"/eonpro/production/data-keys/{ONE.removeprefix('sha256:')}"


def replaced(stand: CheckedStack) -> None:
    """Somebody replaced the value of the version; the store's history has it."""
    stand.vercel.variables.clear()
    stand.aws.key_rotation.altered_entries = (OF_TODAY,)
    stand.aws.access_diagnostics.former = (wrapped().value,)


def two_versions(stand: CheckedStack) -> None:
    stand.vercel.variables.clear()
    kept_version(stand), kept_version(stand, "another")


def shown(stand: CheckedStack) -> None:
    stand.vercel.sensitive = False
    stand.vercel.variables["ENCRYPTED_PHI_KEY"] = wrapped().value


def running(stand: CheckedStack) -> None:
    stand.vercel.variables["ENCRYPTED_PHI_KEY"] = wrapped().value


def backed_up(place: str = "s3://clinic/a.json") -> Seed:
    return lambda stand: back_up(stand, place)


RESTORE = "python -m wizard restore --stack production"
READ = "printf 'ENCRYPTED_PHI_KEY: ' >&2 && read -rs …"
COPIES: dict[str, tuple[Seed, str, tuple[str, ...]]] = {
    "a version in the account comes first": (both(backed_up(), lambda stand: kept_version(stand)),
        f"{RESTORE} --version {ONE} --confirm production…", ()),
    "of two versions none is guessed": (two_versions, RESTORE, (ONE, TWO)),
    "the store's history has it": (replaced, f"{RESTORE} --versions-only", ()),
    "the target shows it, before a backup": (both(backed_up(), shown),
        f"{RESTORE} --from-target --confirm production", ()),
    "the backup of the account's record": (backed_up(),
        f"{RESTORE} --from-backup s3://clinic/a.json --confirm production", ("2026-11-01",)),
    "a backup on another machine": (backed_up("laptop:/home/ada/a.json"), READ,
        ("“/home/ada/a.json” of the machine “laptop”",)),
    "the running application alone": (running, READ, ("do not redeploy it",)),
}  # fmt: skip


@pytest.mark.parametrize("copy", COPIES)
def test_a_stored_data_key_that_is_gone_comes_back_from_the_first_copy_that_exists(stand: CheckedStack, copy: str):
    seed, command, advice = COPIES[copy]
    seed(stand)
    found = recovery(stand)
    assert fits(found.command, command) and all(words in found.advice for words in advice)


def test_a_data_key_that_only_a_replicas_region_has_is_copied_back():
    found = recovery(CheckedStack(settings=multi_region()))
    assert " push " in found.command and wrapped().fingerprint in found.advice


VERSION = f"/eonpro/production/data-keys/{wrapped().fingerprint.removeprefix('sha256:')}"


def test_a_version_that_is_lost_is_told_while_the_data_key_is_still_stored(stand: CheckedStack):
    found = finding(stand.notices(check_versions), "data-key-version-lost")
    assert VERSION in found.what
    assert f"restore --stack production --version {wrapped().fingerprint} --confirm production" in found.command
    kept_version(stand)
    assert all_passed(stand.notices(check_versions))


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


def back_up(stand: CheckedStack, place: str = "s3://clinic/a.json", current: str = "", *versions: str) -> None:
    fingerprint = current or wrapped().fingerprint
    last = LastBackup(at=datetime(2026, 11, 1, tzinfo=UTC), fingerprint=fingerprint, place=place, versions=versions)
    stand.aws.claims["/eonpro/production/backup"] = last.text


def test_a_backup_in_the_projects_folder_is_named_by_its_whole_path(
    stand: CheckedStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    stand.vercel.variables["ENCRYPTED_PHI_KEY"] = wrapped().value
    monkeypatch.chdir(tmp_path)
    (tmp_path / file_name_of("eonpro", "production", wrapped().fingerprint)).write_text("{}")
    stand.vercel.variables["ENCRYPTED_PHI_KEY"] = wrapped().value
    assert f" --from-backup {tmp_path}/eonpro-production-" in recovery(stand).command


# --- the drift


def test_what_the_account_has_and_the_state_lost_is_taken_in_not_made_twice(stand: CheckedStack):
    stand.engine.drifts = (drift(DriftKind.UNKNOWN),)
    stand.aws.existing = Existing(found={"app_role": "arn:aws:iam::111122223333:role/eonpro-app-role"})
    stand.state = replace(built_state(stand), owned=())
    found = finding(stand.notices(check_drift), "stack-state-lost")
    assert "role/eonpro-app-role" in found.what and "--adopt --repair all" in found.command


# --- the comparison beside other findings


def test_what_agrees_is_well(stand: CheckedStack):
    assert all_passed(stand.notices(check_drift))


ROTATION_OFF = Notice.wrong(
    "rotation-off", what="it does not rotate", why="so", command=shell("aws", "kms", "enable-key-rotation")
)
KEY_URN, POLICY_URN = RESOURCES[4], RESOURCES[2]


def ill(facts: StackFacts) -> tuple[Notice, ...]:
    return (ROTATION_OFF,)


def compared(stand: CheckedStack, *checks: Judgement) -> Diagnosis:
    """A diagnosis by these checks and the comparison."""
    return diagnose(stand.context(), checks, compare=check_drift)


CHANGED = partial(drift, DriftKind.CHANGED)
BUSY = StackBusy("another run is using it", "wait")
AGREES = ("settings, state and account agree in every other resource",)


@pytest.mark.parametrize(
    ("seed", "causes", "unknown", "passed"),
    [
        (drifts(CHANGED("policy", urn=POLICY_URN)), ["rotation-off", "stack-drifted"], [], ()),
        (drifts(CHANGED("enableKeyRotation", urn=KEY_URN)), ["rotation-off"], [], AGREES),
        (drifts(CHANGED("description", urn=KEY_URN)), ["rotation-off", "stack-drifted"], [], ()),
        (drifts(CHANGED("enableKeyRotation", "policy", urn=KEY_URN)), ["rotation-off", "stack-drifted"], [], ()),
        (drifts(CHANGED(urn=KEY_URN)), ["rotation-off", "stack-drifted"], [], ()),
        (fails("engine", compare=BUSY), ["rotation-off"], [COMPARISON], ()),
        (state(StackState(exists=True, has_key=False)), ["rotation-off"], [], ()),
    ],
    ids=[
        *("another resource", "what a finding is about", "another property", "one property more", "no property told"),
        *("a comparison that fails", "a stack without outputs"),
    ],
)
def test_what_was_changed_is_reported_beside_a_finding_and_never_twice(
    stand: CheckedStack, seed: Seed, causes: list[str], unknown: list[str], passed: tuple[str, ...]
):
    seed(stand)
    diagnosis = compared(stand, ill)
    assert [each.code for each in diagnosis.findings] == causes
    assert [each.what for each in diagnosis.not_checked] == unknown
    assert diagnosis.passed == passed
    if "stack-drifted" in causes:
        assert "--target" in diagnosis.findings[1].command


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
