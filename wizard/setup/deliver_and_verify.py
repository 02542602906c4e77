"""The last steps of a run: the data key to its escrow and to every target, and the proof that it opens there.

Pure: runs over the edges' Protocols. The data key is made wrapped, and escrowed before anything is told of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from components.settings import Outputs, Settings, Target
from wizard.core.data_key import WrappedDataKey
from wizard.core.models.delivery import (
    AccessKey,
    Delivered,
    DeliveryState,
    StoredDataKey,
    VercelProject,
    Verification,
)
from wizard.core.models.progress import Mark
from wizard.core.ports.run import AwsClient, UserInterface, VercelClient
from wizard.data_key import access_key, delivery, storage
from wizard.setup import report
from wizard.setup.importing.data_key import prove_beforehand
from wizard.setup.steps import Clients, PreparedRun


@dataclass(frozen=True, kw_only=True)
class Application:
    """The application of a stack: where it runs, and what a run reaches it by."""

    stack: str
    settings: Settings
    aws: AwsClient
    targets: tuple[Target, ...]
    vercel: VercelClient | None = None
    project: VercelProject | None = None


def application_of(ready: PreparedRun) -> Application:
    """The application, of a run whose every precondition holds."""
    return Application(
        stack=ready.stack,
        settings=ready.settings,
        aws=ready.aws,
        targets=ready.targets,
        vercel=ready.vercel,
        project=ready.findings.project,
    )


@dataclass(frozen=True, kw_only=True)
class DeliveryResult:
    """The data key where it belongs: escrowed, delivered, proved."""

    stored_data_key: StoredDataKey
    delivered: tuple[Delivered, ...]
    proofs: tuple[Verification, ...]
    access_key: access_key.Ensured | None = None


def deliver_and_verify(clients: Clients, ready: PreparedRun, outputs: Outputs) -> DeliveryResult:
    """The data key to its escrow and to every target, and the proof of it."""
    ui, settings = clients.ui, ready.settings
    ui.section("Data key")
    ui.working("looking for it in its escrow")
    if ready.findings.adopted_data_key is not None:
        _prove_beforehand(clients, ready, outputs, ready.findings.adopted_data_key)
    kept = storage.ensure_data_key(ready.aws, settings, outputs, adopted=ready.findings.adopted_data_key)
    tell_escrow(ui, kept, outputs)
    delivered = delivery.deliver(
        aws=ready.aws,
        vercel=ready.vercel,
        project=ready.findings.project,
        settings=settings,
        outputs=outputs,
        targets=ready.targets,
        wrapped=kept.wrapped,
        tell=lambda result: tell_delivered(ui, result),
    )
    application = application_of(ready)
    key = access_key_of(clients, application)
    proofs = prove(clients, application, outputs, delivered, kept.wrapped, access_key=key.key if key else None)
    return DeliveryResult(stored_data_key=kept, delivered=delivered, proofs=proofs, access_key=key)


def tell_escrow(ui: UserInterface, kept: StoredDataKey, outputs: Outputs) -> None:
    """Where the data key is kept, in words."""
    word = "made, wrapped by the key; kept" if kept.made_now else "exists and is kept as it is,"
    ui.line(f"{kept.wrapped.fingerprint} {word} in {kept.parameter}", mark=Mark.OK)
    for arn in outputs.replica_key_arns:
        ui.line(f"and in {storage.region_of(arn)}, beside the replica", mark=Mark.OK)


def tell_delivered(ui: UserInterface, result: Delivered) -> None:
    """One delivery, in words."""
    did = "written" if result.state is DeliveryState.WRITTEN else "there already"
    ui.line(f"{result.place}: {did}; checked by {result.checked_by}", mark=Mark.OK)
    if result.plain:
        ui.line(
            f"the wrapped data key there is a parameter of type {result.plain}, not SecureString: whoever may read "
            "parameters reads it without KMS. AWS changes no parameter's type; its value is as good as ever",
            mark=Mark.WARN,
        )


def _prove_beforehand(clients: Clients, ready: PreparedRun, outputs: Outputs, wrapped: WrappedDataKey) -> None:
    """That the key opens the data key in use, before the escrow, which is written once, has it."""
    told = prove_beforehand(
        aws=ready.aws,
        prover=clients.prover,
        settings=ready.settings,
        outputs=outputs,
        targets=ready.targets,
        wrapped=wrapped,
    )
    clients.ui.line(told.words, mark=Mark.OK if told.proved else Mark.WARN)
    if ready.findings.data_key_hidden and ready.vercel is not None and ready.findings.project is not None:
        # Before the escrow: whichever of the two a crash leaves out, the next run asks for the same data key.
        ready.vercel.name_data_key(ready.findings.project, wrapped)


def access_key_of(clients: Clients, application: Application) -> access_key.Ensured | None:
    """The access key of the application on Vercel, where it is an IAM user; made and pushed where it has none."""
    settings, vercel, project = application.settings, application.vercel, application.project
    if not settings.makes_user or Target.VERCEL not in application.targets or vercel is None or project is None:
        return None
    user, stack = settings.names.app_user, application.stack
    clients.ui.working(f"looking at the access keys of {user}")
    ensured = access_key.ensure(
        application.aws,
        vercel,
        project,
        user,
        tell=lambda line: clients.ui.line(of_stack(line, stack), mark=Mark.OK),
    )
    if warning := access_key.age_warning(application.aws.list_access_keys(user), datetime.now(UTC)):
        clients.ui.line(of_stack(warning, stack), mark=Mark.WARN)
    return ensured


def of_stack(line: str, stack: str) -> str:
    """The line, its commands about the access key meant for one stack: who made the line knows of none."""
    for command in (access_key.ROTATE, access_key.RETIRE):
        line = line.replace(command, f"{command} --stack {stack}")
    return line


def prove(
    clients: Clients,
    application: Application,
    outputs: Outputs,
    delivered: tuple[Delivered, ...],
    wrapped: WrappedDataKey,
    *,
    access_key: AccessKey | None = None,
    look_again: bool = False,
) -> tuple[Verification, ...]:
    """Whether the application can open what was delivered."""
    clients.ui.section("Proof")
    clients.ui.working("becoming the application, and opening the key")
    proofs = delivery.prove(
        aws=application.aws,
        prover=clients.prover,
        settings=application.settings,
        outputs=outputs,
        delivered=delivered,
        wrapped=wrapped,
        vercel=application.vercel if look_again else None,
        project=application.project,
        access_key=access_key,
    )
    for proof in proofs:
        clients.ui.line(f"{proof.target}: {proof.state}, {proof.detail}", mark=report.PROOF_MARKS[proof.state])
    return proofs
