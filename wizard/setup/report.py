"""The end of a run: the checklist of what the account says now, what exists, the next steps, and the command without
questions.

Reads the account through the facts of the stack, and changes nothing. Holds no secret.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from components.policies.requirements import Topic
from components.settings import Outputs, Settings
from components.settings.arn import Arn
from components.settings.stored_values import BY_VARIABLE
from wizard.account import judgements
from wizard.account.facts import StackFacts
from wizard.account.notices import Notice
from wizard.account.views import ChecklistEntry, Diagnosis, ItemState, diagnose, item_of, judgements_of
from wizard.core.clients import Clients
from wizard.core.errors import SetupError
from wizard.core.models.account import Identity
from wizard.core.models.delivery import Delivered, DeliveryState, FormerKey, StoredDataKey
from wizard.core.models.inputs import Mark
from wizard.core.models.rotation import LastBackup
from wizard.core.models.stack import Step
from wizard.core.models.verification import Verification, VerificationState
from wizard.core.next_command import Command, Text, eonpro, plain_name
from wizard.inputs.accepted import is_region
from wizard.inputs.application_readers import ApplicationCode, before_removal
from wizard.setup.steps import PreparedRun
from wizard.targets.port import DeliveredAccessKey, NextStep, deploy_targets

MARKS = {ItemState.DONE: Mark.OK, ItemState.OPEN: Mark.FAIL, ItemState.PERSON: Mark.INFO, ItemState.UNKNOWN: Mark.WARN}


@dataclass(frozen=True, kw_only=True)
class RefusedBackup:
    """A backup at the end of the set-up that was not made."""

    place: str
    """As it was answered: a file, s3://BUCKET/KEY, or a Region."""
    error: SetupError
    is_required: bool
    """Whether the run was started with it. One that a person chose at the end is optional."""

    def command(self, stack: str) -> Command:
        """Makes the backup alone."""
        if is_region(self.place):
            return eonpro("backup", "--stack", stack, "--to-region", self.place)
        place = self.place if self.place.startswith("s3://") else Path(self.place).expanduser()
        return eonpro("backup", "--stack", stack, "--to", place)


@dataclass(frozen=True, kw_only=True)
class Report:
    """The facts of a finished run."""

    stack: str
    settings: Settings
    identity: Identity
    outputs: Outputs
    stored_data_key: StoredDataKey
    changed: tuple[Step, ...]
    delivered: tuple[Delivered, ...]
    proofs: tuple[Verification, ...]
    checklist: tuple[ChecklistEntry, ...]
    seconds: float
    profile: str | None = None
    """The AWS profile of the run, if one was named."""
    last_backup: LastBackup | None = None
    """The last backup of the data key; None without one, or where that is not known."""
    refused_backup: RefusedBackup | None = None
    """The backup that was to be made and was not."""
    access_key: DeliveredAccessKey | None = None
    """The access key of the application on Vercel, where it is an IAM user."""
    beside: Mapping[str, StoredDataKey] = field(default_factory=dict)
    """The other stored values, by their variables."""
    former_key: FormerKey | None = None
    """What became of the application's ENCRYPTION_KEY in this run; None if it had none."""
    code: ApplicationCode | None = None
    """The application's code, as far as it reads the variables; None where its folder is not known."""
    running: frozenset[str] = frozenset()
    """The targets on which what runs has the delivered values."""

    @property
    def failed(self) -> tuple[Verification, ...]:
        """The verifications in which the application could not decrypt what was delivered."""
        return tuple(proof for proof in self.proofs if proof.state is VerificationState.FAILED)

    @property
    def unmet(self) -> tuple[ChecklistEntry, ...]:
        """The items that are not met. One that an import left so on request counts only for a strict key policy."""
        is_strict = self.settings.strict_key_policy
        return tuple(
            item
            for item in self.checklist
            if item.state is ItemState.OPEN and (not item.is_kept or (is_strict and item.topic is Topic.KEY_POLICY))
        )

    @property
    def is_done(self) -> bool:
        """Whether the set-up is done: no verification failed, and no item is unmet."""
        return not self.failed and not self.unmet

    @property
    def ok(self) -> bool:
        """Whether the set-up is done, with the backup that the run was started with."""
        return self.is_done and not (self.refused_backup and self.refused_backup.is_required)


def made(outputs: Outputs, *, is_first: bool) -> str:
    """The names of what the stack has in the account, in one sentence; `is_first`: this run made the key."""
    names = (
        *(
            f"{outputs.alias_name}{f' in {Arn.parse(arn).region}' if arn != outputs.key_arn else ''}"
            for arn in outputs.key_arns
        ),
        *outputs.app_principal_arns,
        outputs.app_policy_arn,
        outputs.trail_arn,
    )
    return f"{'made' if is_first else 'in the account'}: {', '.join(names)}"


def next_steps(report: Report) -> tuple[NextStep, ...]:
    """What a person has to do next, in order."""
    settings, outputs, key = report.settings, report.outputs, report.access_key
    names = [delivery.target for delivery in report.delivered]
    steps: list[NextStep] = []
    for target in deploy_targets(names):
        to_do = target.next_steps(settings, outputs, report.stack)
        steps += [step for step in to_do if not (step.deploys and target.name in report.running)]
    if key is not None:
        steps.append(
            NextStep(
                what=f"Rotate the access key {key.key_id} ({key.age_days} days old) every 90 days. "
                "With Vercel's OIDC token no access key is needed (--vercel-access oidc).",
                verbatim=eonpro("access-key", "rotate", "--stack", report.stack),
            )
        )
    steps += [
        *_carrying_steps(report),
        *_former_key_step(report),
        *_backup_step(report),
        NextStep(
            what=Text(
                *_alerts(report),
                f"Commit Pulumi.{plain_name(report.stack)}.yaml, it has no secret; each quarter ",
                eonpro("review", "--stack", report.stack),
            )
        ),
    ]
    return tuple(steps)


def _alerts(report: Report) -> Iterator[str]:
    """What is left to do until somebody gets the alerts."""
    addresses = report.settings.alert_emails
    kind = "aws:sns/topicSubscription:TopicSubscription"
    if report.settings.alerts and not addresses:
        yield "Add who gets the alerts ("
        yield eonpro("setup", "--stack", report.stack, "--alert-emails", "ADDRESS")
        yield "). "
    elif any((step.op, step.type) == ("create", kind) for step in report.changed):
        yield f"Confirm both mails from AWS at {', '.join(addresses)}: no alert arrives before. "


def has_backup(last: LastBackup | None, stored: StoredDataKey) -> bool:
    return last is not None and last.fingerprint == stored.wrapped.fingerprint


def _carrying_steps(report: Report) -> Iterator[NextStep]:
    """What is left to do about what exists, before the application has a value that is new to it."""
    for variable, stored in report.beside.items():
        value = BY_VARIABLE[variable]
        if value.carrying and stored.is_new and not report.stored_data_key.is_new:
            yield NextStep(
                what=f"Before the application is deployed with its new {value.noun}: {value.carrying.what}",
                verbatim=value.carrying.command,
            )


def _former_key_step(report: Report) -> Iterator[NextStep]:
    """What is left to do about the application's ENCRYPTION_KEY."""
    if report.former_key is FormerKey.WRAP:
        first, search = before_removal(report.code)
        yield NextStep(what=f"ENCRYPTION_KEY is the same key in the clear. {first}", verbatim=search)
        yield NextStep(
            what="Remove ENCRYPTION_KEY from the application's variables when no other code needs it, and the "
            f"application loads {report.settings.delivered_names.data_key} at its start (docs/application.md)."
        )
    elif report.former_key is FormerKey.NEW:
        yield NextStep(
            what="No record that is encrypted with ENCRYPTION_KEY is readable with the new data key. Keep "
            "ENCRYPTION_KEY. This keeps it as a version of the data key, and then `phi reencrypt` can re-encrypt them:",
            verbatim=eonpro("adopt", "--encryption-key", "--stack", report.stack, "--confirm", report.stack),
        )


def _backup_step(report: Report) -> Iterator[NextStep]:
    if refused := report.refused_backup:
        yield NextStep(
            what=f"Make the backup that was refused ({refused.error.message}). The set-up before it is done.",
            verbatim=refused.command(report.stack),
        )
    elif not has_backup(report.last_backup, report.stored_data_key):
        name = plain_name(report.stack)
        yield NextStep(
            what="Back up the wrapped data key: every copy of it is in this account.",
            verbatim=eonpro("backup", "--stack", report.stack, "--to", f"{name}.backup.json"),
        )


def repeat_command(report: Report) -> str:
    """The command that repeats this run without questions."""
    targets = ",".join(dict.fromkeys(delivery.target for delivery in report.delivered))
    profile = ("--profile", report.profile) if report.profile else ()
    return eonpro("--stack", report.stack, *profile, "--target", targets, "--yes", "--non-interactive")


TOPICS = (
    Topic.KEY,
    Topic.KEY_POLICY,
    Topic.OTHERS,
    Topic.APPLICATION_POLICY,
    Topic.ROTATION,
    Topic.TRAIL,
    Topic.DATA_KEY,
    Topic.REVIEW,
)
"""The items that the account, and the signed reviews, decide."""


def facts_of(clients: Clients, ready: PreparedRun, outputs: Outputs) -> StackFacts:
    """The facts of the stack after the update."""
    # As the update has left it: reading it again would take seconds.
    state = replace(ready.findings.state, exists=True, has_key=True, outputs=outputs)
    return StackFacts(
        stack=ready.stack,
        settings=ready.settings,
        aws=ready.aws,
        sources=clients,
        open_engine=lambda: ready.engine,
        vercel=ready.vercel,
        readers={"state": lambda: state, "project": lambda: ready.findings.project},
    )


def diagnosis_of(facts: StackFacts) -> Diagnosis:
    """What the account says, after the run, of the items that it decides."""
    return diagnose(facts, judgements_of(TOPICS, judgements.ALL_CHECKS))


def running_in(facts: StackFacts, delivered: Sequence[Delivered]) -> frozenset[str]:
    """The targets on which what runs has the delivered values. What was written just now, nothing that runs has."""
    written = {each.target for each in delivered if each.state is not DeliveryState.UNCHANGED}
    if written >= {each.target for each in delivered}:
        return frozenset()
    return frozenset(each.target for each in facts.instances if each.stale is False and each.deployment) - written


def checklist(
    diagnosis: Diagnosis, proofs: Sequence[Verification], settings: Settings, *, running: frozenset[str] = frozenset()
) -> tuple[ChecklistEntry, ...]:
    """The nine items of a set-up. `running`: the targets on which what runs has the delivered values."""
    notices = (*diagnosis.notices, *_of_this_run(proofs, running))
    return tuple(
        item_of(topic, notices, settings, diagnosis.stack) for topic in (*TOPICS[:-1], Topic.APPLICATION, Topic.REVIEW)
    )


def _of_this_run(proofs: Sequence[Verification], running: frozenset[str]) -> Iterator[Notice]:
    """The notices on what the run has verified: no verification replaces the application's own use of the key."""
    bears_on = ("application-tested",)
    is_deployed = bool(proofs) and running.issuperset(proof.target for proof in proofs)
    rest = "save a record in the application" if is_deployed else "deploy, and save a record in the application"
    failed = [proof for proof in proofs if proof.state is VerificationState.FAILED]
    incomplete = [proof for proof in proofs if proof.state is not VerificationState.PROVED]
    if failed:
        yield Notice.wrong("proof-failed", failed[0].detail, why="", requirements=bears_on)
    elif incomplete:
        yield Notice.person(f"{incomplete[0].target}: {incomplete[0].detail}; {rest}", requirements=bears_on)
    elif proofs:
        yield Notice.person(f"{rest}; verified as {proofs[0].principal} at {proofs[0].at}", requirements=bears_on)
    else:
        yield Notice.person(f"nothing was delivered in this run; {rest}", requirements=bears_on)
