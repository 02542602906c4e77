"""The report in its two forms, against golden files; and nothing secret in any form of anything it is made of."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from components.policies.requirements import Topic
from components.settings import SecretStore
from tests.golden import as_json, compare, differences
from tests.wizard.account.stacks import CheckedStack
from tests.wizard.fakes.clients import (
    ACCOUNT,
    APP,
    CREDENTIALS,
    IDENTITY,
    KEY,
    KEY_ID,
    MULTI_OUTPUTS,
    OUTPUTS,
    REPLICA_REGION,
    SECRET_OF_ACCESS_KEY,
    STORED_KEY,
    TOKEN,
    USER_OUTPUTS,
    FakeUserInterface,
    multi_region,
    settings,
    step,
    wrapped,
)
from wizard.account.facts import StackFacts
from wizard.account.views import ChecklistEntry, ItemState
from wizard.cli.parser import CommandLine, parse
from wizard.core.clients import Answer, Request, Source
from wizard.core.models.delivery import AppVariables, Delivered, DeliveryState, StoredDataKey
from wizard.core.models.deployment import Deployment, Instances
from wizard.core.models.rotation import LastBackup
from wizard.core.models.stack import Step
from wizard.core.models.vercel import VercelVariable
from wizard.core.models.verification import AccessKey, Verification, VerificationState
from wizard.setup.document import of_report as document
from wizard.setup.importing.discovery import ImportRequest
from wizard.setup.report import Report, made, next_steps, repeat_command, running_in
from wizard.setup.workflow import show_report
from wizard.targets.port import DeliveredAccessKey

GOLDEN = Path(__file__).parent / "golden"
EARLIER = datetime(2026, 1, 1, tzinfo=UTC)
SECRETS = tuple(f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/eonpro/production/{name}" for name in ("A", "B"))


def delivered(target: str, state: DeliveryState = DeliveryState.WRITTEN) -> Delivered:
    place = {"vercel": "Vercel project acme/portal, production"}.get(target, "Parameter Store /eonpro/production")
    return Delivered(
        target=target, place=place, state=state, fingerprint=wrapped().fingerprint, checked_by="values read back"
    )


def proof(target: str, state: VerificationState = VerificationState.PROVED) -> Verification:
    return Verification(target=target, state=state, principal=APP, detail="as told", at="2026-01-01T00:00:00+00:00")


def report(*targets: str, **changes: Any) -> Report:
    values: dict[str, Any] = {
        "stack": "production",
        "settings": settings(),
        "identity": IDENTITY,
        "outputs": OUTPUTS,
        "stored_data_key": StoredDataKey(parameter=STORED_KEY, wrapped=wrapped(), key_arn=KEY, version=1, is_new=True),
        "changed": (step(),),
        "delivered": tuple(delivered(target) for target in targets),
        "proofs": tuple(proof(target) for target in targets),
        "checklist": (
            ChecklistEntry(topic=Topic.KEY, state=ItemState.DONE, evidence="as required"),
            ChecklistEntry(topic=Topic.TRAIL, state=ItemState.UNKNOWN, evidence="could not be read: denied"),
            ChecklistEntry(topic=Topic.REVIEW, state=ItemState.PERSON, evidence="a person reviews it"),
        ),
        "seconds": 12.34,
    }
    return Report(**{**values, **changes})


ECS = report(
    "ecs",
    settings=settings(deploy_targets=("ecs", "vercel"), ecs_cluster="clinic", ecs_service="web"),
    outputs=replace(OUTPUTS, task_secrets=(("AWS_KMS_KEY_ID", SECRETS[0]), ("AWS_REGION", SECRETS[1]))),
    stored_data_key=StoredDataKey(parameter=STORED_KEY, wrapped=wrapped(), key_arn=KEY, version=1),
)
USER = report(
    "vercel",
    settings=settings(vercel_access="user"),
    outputs=USER_OUTPUTS,
    access_key=DeliveredAccessKey(
        key_id="AKIAMADENUMBER000001",
        is_new=True,
        age_days=0,
        key=AccessKey(id="AKIAMADENUMBER000001", secret=SECRET_OF_ACCESS_KEY),
    ),
)
EKS = report(
    "eks",
    settings=settings(deploy_targets=("eks",), eks_cluster="clinic", secret_store="secrets-manager"),
    outputs=replace(OUTPUTS, secrets_role_arn=f"arn:aws:iam::{ACCOUNT}:role/eonpro-secrets-role"),
    stored_data_key=StoredDataKey(
        parameter=STORED_KEY, wrapped=wrapped(), key_arn=KEY, version=1, is_new=True, store=SecretStore.SECRETS_MANAGER
    ),
)
REPLICATED = report(
    "ecs",
    settings=multi_region(deploy_targets=("ecs",)),
    outputs=MULTI_OUTPUTS,
    delivered=(
        replace(delivered("ecs"), region="us-east-1", place="Parameter Store /eonpro/production in us-east-1"),
        replace(delivered("ecs"), region=REPLICA_REGION, place=f"Parameter Store in {REPLICA_REGION}"),
    ),
)
ADOPTED = report(
    "vercel",
    settings=settings(adopted=(f"key={KEY_ID}",), kept_as_found=("bucket",)),
    changed=(step("import"), step("update", changed=("enableKeyRotation",))),
    stored_data_key=StoredDataKey(parameter=STORED_KEY, wrapped=wrapped(), key_arn=KEY, version=1),
)
REPORTS = {
    "report-vercel": report("vercel"),
    "report-ecs": ECS,
    "report-vercel-user": USER,
    "report-eks": EKS,
    "report-multi-region": REPLICATED,
    "report-adopted": ADOPTED,
}


def shown(of: Report) -> str:
    ui = FakeUserInterface()
    show_report(ui, of)
    return "\n".join(ui.said) + "\n"


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_is_the_one_that_was_reviewed(name: str) -> None:
    """To take a change over: UPDATE_GOLDEN=1, which fails for every file it changes; then review the diff."""
    compare(GOLDEN / f"{name}.txt", shown(REPORTS[name]))


@pytest.mark.parametrize("name", REPORTS)
def test_a_document_is_the_one_that_was_reviewed(name: str) -> None:
    """To take a change over: UPDATE_GOLDEN=1, which fails for every file it changes; then review the diff."""
    base, own = document(REPORTS["report-vercel"]), document(REPORTS[name])
    compare(GOLDEN / f"{name}.json", as_json(own if name == "report-vercel" else differences(base, own)))


def test_the_documents_outputs_are_the_stacks_own_names() -> None:
    names = "keyArn keyId aliasName appPolicyArn appPrincipalArn trailArn trailBucket parameterPrefix".split()
    assert list(document(report("vercel"))["outputs"]) == names
    assert list(document(ECS)["outputs"]) == [*names, "taskSecrets"]
    assert list(document(USER)["outputs"]) == [*names, "appUserArn"]
    assert list(document(EKS)["outputs"]) == [*names, "secretsRoleArn"]
    assert list(document(REPLICATED)["outputs"]) == [*names, "replicaKeyArns"]


@pytest.mark.parametrize("state", list(VerificationState))
def test_only_a_failed_proof_is_not_ok(state) -> None:
    of = report("vercel", proofs=(proof("vercel"), proof("ecs", state)))
    assert document(of)["ok"] is (state is not VerificationState.FAILED)
    assert len(of.failed) == (state is VerificationState.FAILED)


def test_nothing_secret_is_in_any_form_of_a_report() -> None:
    for of in REPORTS.values():
        for text in (shown(of), json.dumps(document(of)), repr(of)):
            assert wrapped().value[:16] not in text
            assert SECRET_OF_ACCESS_KEY not in text


# --- what is left to do


def test_a_backup_is_asked_for_until_one_has_the_data_key_in_use() -> None:
    of = report("ecs")
    command = "python -m wizard backup --stack production --to production.backup.json"
    assert command in [todo.verbatim for todo in next_steps(of)]
    last = LastBackup(
        at=datetime(2026, 11, 1, tzinfo=UTC), fingerprint=wrapped("earlier").fingerprint, place="s3://a/b"
    )
    assert command in [todo.verbatim for todo in next_steps(replace(of, last_backup=last))]
    last = replace(last, fingerprint=of.stored_data_key.wrapped.fingerprint)
    assert command not in [todo.verbatim for todo in next_steps(replace(of, last_backup=last))]


def test_who_gets_the_alerts_is_a_step_until_somebody_does() -> None:
    of = report("vercel")
    add = "Add who gets the alerts (python -m wizard setup --stack production --alert-emails ADDRESS). Commit "
    assert next_steps(of)[-1].what.startswith(add)
    subscribed = replace(of, settings=of.settings.model_copy(update={"alert_emails": ("a@clinic.example",)}))
    assert next_steps(subscribed)[-1].what.startswith("Commit ")
    made = Step(
        urn="urn:pulumi:production::eonpro-kms::x::alerts-a",
        op="create",
        type="aws:sns/topicSubscription:TopicSubscription",
        name="alerts-a",
    )
    (*_, step) = next_steps(replace(subscribed, changed=(made,)))
    assert step.what.startswith("Confirm both mails from AWS at a@clinic.example: ")


def test_each_replica_is_told_with_its_region() -> None:
    assert f"alias/eonpro-phi-key, alias/eonpro-phi-key in {REPLICA_REGION}" in made(REPLICATED.outputs, is_first=True)
    assert REPLICA_REGION not in made(ECS.outputs, is_first=True)


def test_an_update_does_not_say_that_it_made_what_it_found() -> None:
    assert made(ECS.outputs, is_first=False).startswith("in the account: alias/eonpro-phi-key, ")


def test_ecs_gets_the_secrets_and_both_roles() -> None:
    todo = next(todo for todo in next_steps(ECS) if "task role" in todo.what)
    assert APP in todo.what and f"arn:aws:iam::{ACCOUNT}:role/eonpro-execution-role" in todo.what
    assert json.loads(todo.verbatim)["secrets"][0] == {"name": "AWS_KMS_KEY_ID", "valueFrom": SECRETS[0]}


def test_what_runs_with_the_delivered_values_is_not_deployed_again() -> None:
    redeploy = "python -m wizard push --redeploy --stack production"
    of = report("vercel", "ecs", settings=ECS.settings, outputs=ECS.outputs)
    assert [redeploy, redeploy] == [each.verbatim for each in next_steps(of) if "Re" in each.what]
    on_vercel = replace(of, running=frozenset({"vercel"}))
    assert [redeploy] == [each.verbatim for each in next_steps(on_vercel) if "Re" in each.what]
    on_both = next_steps(replace(of, running=frozenset({"vercel", "ecs"})))
    assert not [each for each in on_both if "deploy" in each.what or "task role" in each.what]


@pytest.mark.parametrize(
    ("states", "stale", "running"),
    [
        ("unchanged", False, {"vercel"}),
        ("unchanged", True, set()),
        ("unchanged", None, set()),
        ("unchanged written", False, set()),
        ("written", False, set()),
    ],
)
def test_what_runs_has_the_values_where_nothing_was_written_and_its_start_is_later(
    states: str, stale: bool | None, running: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Deployment(target="vercel", id="dpl_1", name="portal", made=EARLIER, state="READY")
    instances = (Instances(target="vercel", deployment=runs, stale=stale),)
    monkeypatch.setattr(StackFacts, "instances", instances)
    deliveries = [delivered("vercel", DeliveryState(state)) for state in states.split()]
    assert running_in(CheckedStack().context(), deliveries) == running


# --- again


def repeated(of: Report) -> CommandLine:
    program = shlex.split(repeat_command(of))
    assert program[:3] == ["python", "-m", "wizard"]
    return parse(program[3:])


def test_the_command_that_repeats_a_run_is_one_the_wizard_takes() -> None:
    line = repeated(report("vercel", "ecs"))
    options = line.run
    assert (options.command, options.stack, options.yes, options.non_interactive) == ("setup", "production", True, True)
    assert options.inputs["target"] == ["vercel,ecs"]


# --- nothing secret has a repr


@pytest.mark.parametrize(
    "holder",
    [
        CREDENTIALS,
        AccessKey(id="AKIAMADENUMBER000001", secret=SECRET_OF_ACCESS_KEY),
        USER.access_key,
        ImportRequest(data_key=wrapped().value),
        AppVariables(region="us-east-1", key_arn=KEY, wrapped=wrapped()),
        Answer(value=TOKEN, source=Source.ENVIRONMENT, where="VERCEL_TOKEN", secret=True),
        Request(
            stack="production",
            answers={"vercel_token": Answer(value=TOKEN, source=Source.ASKED, where="prompt", secret=True)},
        ),
        VercelVariable(
            id="1", key="ENCRYPTED_PHI_KEY", type="encrypted", targets=(), comment="", value=wrapped().value
        ),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_what_holds_a_secret_does_not_show_it(holder) -> None:
    secrets = (
        CREDENTIALS.access_key_id,
        CREDENTIALS.secret_access_key,
        str(CREDENTIALS.session_token),
        wrapped().value[:16],
        SECRET_OF_ACCESS_KEY,
        TOKEN,
    )
    assert not [secret for secret in secrets if secret in repr(holder) or secret in str(holder)]


def test_what_is_not_met_is_named_last_with_the_command_that_finds_its_cause() -> None:
    item = ChecklistEntry(topic=Topic.TRAIL, state=ItemState.OPEN, evidence="the trail records nothing")
    assert shown(report("vercel", checklist=(item,))).endswith(
        f"not met: {Topic.TRAIL}. The cause and its repair:\npython -m wizard doctor --stack production\n"
    )
