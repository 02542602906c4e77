"""The last steps of a run: store the data key, deliver it to every target, verify that the application can decrypt.

Writes AWS and the targets through their clients. The data key is stored before it is delivered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from components.settings import DATA_KEY_VARIABLE, Outputs, Settings
from components.settings.arn import Arn
from wizard.core.clients import Clients
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import PermissionDenied, UsageError
from wizard.core.models.account import Identity
from wizard.core.models.delivery import Delivered, DeliveryState, FormerKey, StoredDataKey
from wizard.core.models.inputs import Mark
from wizard.core.models.verification import Verification, VerificationState
from wizard.core.next_command import Command, Text, chain, eonpro, shell
from wizard.core.target_context import TargetContext
from wizard.data_key import delivery, opening, proof, storage
from wizard.setup import confirmation
from wizard.setup.importing.data_key import verify_before_storing
from wizard.setup.steps import PreparedRun
from wizard.targets.port import DeliveredAccessKey, deploy_target, deploy_targets

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient
    from wizard.terminal.terminal import Terminal

_PROOF_MARKS = {
    VerificationState.PROVED: Mark.OK,
    VerificationState.SIMULATED: Mark.WARN,
    VerificationState.UNPROVEN: Mark.WARN,
    VerificationState.FAILED: Mark.FAIL,
}


def context_of(ready: PreparedRun, outputs: Outputs) -> TargetContext:
    return TargetContext(
        stack=ready.stack,
        settings=ready.settings,
        aws=ready.aws,
        targets=ready.targets,
        outputs=outputs,
        vercel=ready.vercel,
        project=ready.findings.project,
        replaces=ready.replaces,
    )


@dataclass(frozen=True, kw_only=True)
class DeliveryResult:
    """The stored data key, its deliveries and their verifications."""

    stored_data_key: StoredDataKey
    beside: Mapping[str, StoredDataKey]
    """The other stored values, by their variables."""
    delivered: tuple[Delivered, ...]
    proofs: tuple[Verification, ...]
    access_key: DeliveredAccessKey | None = None


def deliver_and_verify(clients: Clients, ready: PreparedRun, outputs: Outputs, *, yes: bool) -> DeliveryResult:
    """Store the data key, deliver it to every target, and verify each delivery."""
    ui, settings = clients.ui, ready.settings
    ui.section("Data key")
    ui.working("reading the stored data key")
    context = context_of(ready, outputs)
    adopted, is_former = ready.findings.imported_data_key, ready.former_key is FormerKey.WRAP
    if is_former:
        ui.line("a child process reads the ENCRYPTION_KEY, and KMS wraps it; it is never shown")
        adopted = wrap_former_key(clients, ready.aws, settings, ready.identity, outputs, ready.stack)
    if adopted is not None:
        adopted = _verify_imported_data_key(clients, ready, outputs, adopted)
    # The check value is delivered with the key, and nobody else opens it.
    key = ensure_credentials(clients, context, yes=yes) if settings.key_check_value else None
    open_key = opener(clients, context, access_key=key)
    stored, beside = ensure_stored(
        ui,
        ready.aws,
        settings,
        outputs,
        adopted=adopted,
        is_former=is_former,
        known={DATA_KEY_VARIABLE: ready.findings.stored_data_key, **ready.findings.beside},
        open_key=open_key,
    )
    delivered = delivery.deliver(context, stored.wrapped, on_delivered=lambda result: show_delivered(ui, result))
    key = key or ensure_credentials(clients, context, yes=yes)
    proofs = prove(clients, context, delivered, stored.wrapped, access_key=key)
    return DeliveryResult(stored_data_key=stored, beside=beside, delivered=delivered, proofs=proofs, access_key=key)


def wrap_former_key(
    clients: Clients, aws: AwsClient, settings: Settings, identity: Identity, outputs: Outputs, stack: str
) -> WrappedDataKey:
    """The application's ENCRYPTION_KEY, wrapped by the stack's key; a person who mistypes it is asked again.

    Raises UsageError for a text that is no such key, PermissionDenied with the temporary policy that allows it.
    """
    assert clients.wrapper is not None
    key_arn, ui = outputs.key_arn, clients.ui
    while True:
        try:
            return clients.wrapper.wrap(aws.environment(), key_arn=key_arn, prompt=ui.interactive)
        except UsageError as error:
            if not ui.interactive:
                adopt = eonpro("adopt", "--encryption-key", "--stack", stack, "--confirm", stack)
                raise UsageError(error.message, Command('printf %s "$ENCRYPTION_KEY" | ', adopt)) from error
            ui.line(error.message, mark=Mark.FAIL)
            if not ui.confirm("Enter it again?"):
                raise
        except PermissionDenied as error:
            statements = [{"Effect": "Allow", "Action": "kms:Encrypt", "Resource": key_arn}]
            raise PermissionDenied(
                f"the caller has no permission kms:Encrypt for {key_arn}: the key's policy allows it to nobody; "
                "no data key was stored",
                temporary_grant(settings, identity, stack, statements, name="eonpro-adopt"),
            ) from error


def temporary_grant(
    settings: Settings, identity: Identity, stack: str, statements: Sequence[Mapping[str, str]], *, name: str
) -> Text:
    """How to give the caller these permissions for one command, and how to remove them again."""
    if settings.strict_key_policy:
        added = [
            {**statement, "Principal": {"AWS": identity.principal_arn}, "Resource": "*"} for statement in statements
        ]
        return Text(
            "the key's policy delegates nothing to IAM (strict): an administrator adds to it with kms:PutKeyPolicy: "
            f"{json.dumps(added)}; run the same command again; ",
            *(shell("pulumi", "up", "--stack", stack), " removes it"),
        )
    kind, principal_name = (
        "user" if ":user/" in identity.principal_arn else "role",
        Arn.parse(identity.principal_arn).name,
    )
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    of = (f"--{kind}-name", principal_name, "--policy-name", name)
    put = shell("aws", "iam", f"put-{kind}-policy", *of, "--policy-document", document)
    then = ("   # run the same command again, then: ", shell("aws", "iam", f"delete-{kind}-policy", *of))
    if not settings.exclusive_use:
        return Text(put, *then)
    opened = chain(
        shell("pulumi", "config", "set", "--stack", stack, "eonpro-kms:exclusiveUse", "false"),
        shell("pulumi", "up", "--stack", stack),
    )
    first = "the key's policy allows its use only to the application: first "
    return Text(first, opened, " (and undo it afterwards), then ", put, *then)


def opener(
    clients: Clients, context: TargetContext, *, access_key: DeliveredAccessKey | None = None
) -> opening.OpenKey:
    """How the application opens a wrapped key of the stack, at the first target whose credentials are at hand."""

    def open_key(wrapped: WrappedDataKey) -> WrappedDataKey:
        answer = opening.as_application(
            context.aws,
            clients.prover,
            context.settings,
            context.require_outputs(),
            wrapped,
            targets=deploy_targets(context.settings.deploy_targets),
            access_key=access_key.key if access_key else None,
            unchanged="nothing was delivered",
        )
        return opening.opened(wrapped, answer[1].check_values) if answer else wrapped

    return open_key


def ensure_stored(
    ui: Terminal,
    aws: AwsClient,
    settings: Settings,
    outputs: Outputs,
    *,
    adopted: WrappedDataKey | None = None,
    is_former: bool = False,
    keeps_versions: bool = True,
    known: Mapping[str, StoredDataKey | None] = MappingProxyType({}),
    open_key: opening.OpenKey,
) -> tuple[StoredDataKey, Mapping[str, StoredDataKey]]:
    """The data key and the other stored values of the settings, by variable, each made where there never was one.

    Prints where they are. `adopted`, `is_former`: of the data key; the rest as `ensure_data_key` takes it.
    """
    values = {}
    for of_key in settings.of_each_key:
        variable = of_key.names.variable
        is_data_key = variable == DATA_KEY_VARIABLE
        stored = values[variable] = storage.ensure_data_key(
            aws,
            of_key,
            outputs,
            adopted=adopted if is_data_key else None,
            is_former=is_former and is_data_key,
            keeps_versions=keeps_versions,
            known=known.get(variable),
            open_key=open_key,
        )
        word = "generated, and stored once" if stored.is_new else "unchanged"
        ui.line(f"{stored.parameter.rpartition('/')[2]} {stored.wrapped.fingerprint}: {word}", mark=Mark.OK)
        for arn in outputs.replica_key_arns:
            ui.line(f"and in {Arn.parse(arn).region}, with the replica", mark=Mark.OK)
    return values.pop(DATA_KEY_VARIABLE), values


def show_delivered(ui: Terminal, result: Delivered) -> None:
    """Print one delivery."""
    state = "written, and read back" if result.state is DeliveryState.WRITTEN else "has it already"
    ui.line(f"{result.place}: {state}", mark=Mark.OK)
    if result.plain:
        ui.line(
            f"the wrapped data key there is a parameter of type {result.plain}, not SecureString: whoever can read "
            "parameters reads it without KMS. AWS cannot change the type; the value is still valid",
            mark=Mark.WARN,
        )


def _verify_imported_data_key(
    clients: Clients, ready: PreparedRun, outputs: Outputs, wrapped: WrappedDataKey
) -> WrappedDataKey:
    """Verify that the key opens the imported data key, before it is stored for good; the key with its check value."""
    verification = verify_before_storing(
        aws=ready.aws,
        prover=clients.prover,
        settings=ready.settings,
        outputs=outputs,
        targets=ready.targets,
        wrapped=wrapped,
    )
    clients.ui.line(verification.message, mark=Mark.OK if verification.proved else Mark.WARN)
    if ready.findings.data_key_hidden and ready.vercel is not None and ready.findings.project is not None:
        # Before it is stored: after a crash between the two, the next run asks for the same data key.
        ready.vercel.name_data_key(ready.findings.project, wrapped)
    return verification.wrapped


def ensure_credentials(clients: Clients, context: TargetContext, *, yes: bool) -> DeliveredAccessKey | None:
    """The application's access key; created and delivered if a target needs one and has none."""
    ui = clients.ui
    if context.settings.makes_user:
        ui.working(f"reading the access keys of {context.settings.names.app_user}")
    for target in map(deploy_target, context.targets):
        ensured = target.ensure_credentials(
            context,
            on_message=lambda line: ui.line(line, mark=Mark.OK),
            on_warning=lambda line: ui.line(line, mark=Mark.WARN),
            consent=confirmation.consent(ui, yes=yes),
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
    access_key: DeliveredAccessKey | None = None,
    check_again: bool = False,
    full: bool = False,
    credentials: Callable[[], proof.Searches] | None = None,
) -> tuple[Verification, ...]:
    """Whether the application can decrypt what was delivered.

    `check_again`: read the variables of the targets again, which a delivery of this run has just done. `full`: a round
    trip with the data key, for what was not written now, too. `credentials`: as `proof.prove` takes them.
    """
    clients.ui.working("becoming the application, and opening the key")
    proofs = proof.prove(
        context if check_again else replace(context, vercel=None),
        delivered,
        wrapped,
        prover=clients.prover,
        access_key=access_key.key if access_key else None,
        full=full,
        credentials=credentials,
    )
    for each in proofs:
        words = each.brief or each.detail
        clients.ui.line(f"{each.target}: {each.state}: {words}", mark=_PROOF_MARKS[each.state])
    return proofs
