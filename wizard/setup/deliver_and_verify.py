"""The last steps of a run: the data key to its store and to every target, and the proof that it opens there.

Pure: runs over the edges' Protocols. The data key is made wrapped, and stored before anything is told of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from components.settings import Outputs
from wizard.core.data_key import WrappedDataKey
from wizard.core.models.delivery import (
    AccessKey,
    Delivered,
    DeliveryState,
    StoredDataKey,
    Verification,
)
from wizard.core.models.stack import Mark
from wizard.core.ports.run import UserInterface
from wizard.data_key import delivery
from wizard.data_key import delivery as storage
from wizard.setup import report
from wizard.setup.importing.data_key import prove_beforehand
from wizard.setup.steps import Clients, PreparedRun
from wizard.targets.port import TargetContext, deploy_target
from wizard.targets.vercel.access_key import DeliveredAccessKey


def context_of(ready: PreparedRun, outputs: Outputs) -> TargetContext:
    """The targets of a run whose every precondition holds."""
    return TargetContext(
        stack=ready.stack,
        settings=ready.settings,
        aws=ready.aws,
        targets=ready.targets,
        outputs=outputs,
        vercel=ready.vercel,
        project=ready.findings.project,
    )


@dataclass(frozen=True, kw_only=True)
class DeliveryResult:
    """The data key where it belongs: stored, delivered, proved."""

    stored_data_key: StoredDataKey
    delivered: tuple[Delivered, ...]
    proofs: tuple[Verification, ...]
    access_key: DeliveredAccessKey | None = None


def deliver_and_verify(clients: Clients, ready: PreparedRun, outputs: Outputs) -> DeliveryResult:
    """The data key to its store and to every target, and the proof of it."""
    ui, settings = clients.ui, ready.settings
    ui.section("Data key")
    ui.working("reading the stored data key")
    if ready.findings.imported_data_key is not None:
        _prove_beforehand(clients, ready, outputs, ready.findings.imported_data_key)
    kept = storage.ensure_data_key(ready.aws, settings, outputs, adopted=ready.findings.imported_data_key)
    show_stored_data_key(ui, kept, outputs)
    context = context_of(ready, outputs)
    delivered = delivery.deliver(context, kept.wrapped, on_delivered=lambda result: tell_delivered(ui, result))
    key = ensure_credentials(clients, context)
    proofs = prove(clients, context, delivered, kept.wrapped, access_key=key.key if key else None)
    return DeliveryResult(stored_data_key=kept, delivered=delivered, proofs=proofs, access_key=key)


def show_stored_data_key(ui: UserInterface, kept: StoredDataKey, outputs: Outputs) -> None:
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
    """That the key opens the data key in use, before it is stored, which happens once."""
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
        # Before it is stored: whichever of the two a crash leaves out, the next run asks for the same data key.
        ready.vercel.name_data_key(ready.findings.project, wrapped)


def ensure_credentials(clients: Clients, context: TargetContext) -> DeliveredAccessKey | None:
    """The application's access key, made and delivered where a target needs one and has none."""
    ui = clients.ui
    if context.settings.makes_user:
        ui.working(f"reading the access keys of {context.settings.names.app_user}")
    for target in map(deploy_target, context.targets):
        ensured = target.ensure_credentials(
            context,
            on_message=lambda line: ui.line(line, mark=Mark.OK),
            on_warning=lambda line: ui.line(line, mark=Mark.WARN),
        )
        if ensured is not None:
            return ensured
    return None


def prove(
    clients: Clients,
    context: TargetContext,
    delivered: tuple[Delivered, ...],
    wrapped: WrappedDataKey,
    *,
    access_key: AccessKey | None = None,
    check_again: bool = False,
) -> tuple[Verification, ...]:
    """Whether the application can decrypt what was delivered.

    With `check_again` a target that keeps the variables itself is read again; a delivery of this run has just done so.
    """
    clients.ui.section("Proof")
    clients.ui.working("becoming the application, and opening the key")
    proofs = delivery.prove(
        context if check_again else replace(context, vercel=None),
        delivered,
        wrapped,
        prover=clients.prover,
        access_key=access_key,
    )
    for proof in proofs:
        clients.ui.line(f"{proof.target}: {proof.state}, {proof.detail}", mark=report.PROOF_MARKS[proof.state])
    return proofs
