"""The data key's way: into its escrow once, from there to each target, and the proof that the application can open it.

Pure: acts through the edges' Protocols. The laws of the data key are kept here, whatever an edge would allow.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from components import policies
from components.contract import Outputs, Settings, Target
from wizard.errors import DataKeyConflict, ResourceError, SetupError, Unsupported
from wizard.facts import Batch, Delivered, Escrow, Proof, ProofState, VercelProject
from wizard.protocols import Cloud, Hosting, Prover


def ensure_data_key(cloud: Cloud, settings: Settings, key_arn: str) -> Escrow:
    """The escrowed data key: the one that is there, or a new one. Two runs at once end with the same.

    Raises DataKeyConflict when the escrow's key is wrapped by another KMS key.
    """
    parameter = settings.names.escrow
    escrow = cloud.read_escrow(parameter)
    if escrow is None:
        wrapped = cloud.make_data_key(key_arn)
        made_now = cloud.write_escrow(parameter, wrapped, key_arn=key_arn, tags=settings.tags)
        # Read back in any case: whoever wrote first, what the parameter holds is the data key.
        escrow = cloud.read_escrow(parameter)
        if escrow is None:
            raise ResourceError(
                f"{parameter} was written and is not there", f"aws ssm get-parameter --name {parameter}"
            )
        if made_now:
            if escrow.wrapped.fingerprint != wrapped.fingerprint:
                raise DataKeyConflict(
                    f"{parameter} holds {escrow.wrapped.fingerprint}, not {wrapped.fingerprint}, just written to it",
                    f"nothing was delivered; look who writes it: aws ssm get-parameter-history --name {parameter}",
                )
            escrow = Escrow(
                parameter=escrow.parameter,
                wrapped=escrow.wrapped,
                key_arn=escrow.key_arn,
                version=escrow.version,
                made_now=True,
            )
    if escrow.key_arn not in (None, key_arn):
        raise DataKeyConflict(
            f"the data key in {parameter} is wrapped by {escrow.key_arn}, not by the stack's key {key_arn}",
            "nothing was overwritten or delivered; use the stack that made it: --stack NAME",
        )
    return escrow


def deliver(
    *,
    cloud: Cloud,
    hosting: Hosting | None,
    project: VercelProject | None,
    settings: Settings,
    targets: tuple[Target, ...],
    batch: Batch,
    tell: Callable[[Delivered], None],
) -> tuple[Delivered, ...]:
    """The three variables, together, to every target of this run; each checked after writing."""
    done = []
    for target in targets:
        if target is Target.ECS:
            result = cloud.deliver_parameters(settings.names.parameter_prefix, batch, tags=settings.tags)
        else:
            assert hosting is not None and project is not None
            result = hosting.deliver(project, batch)
        if result.fingerprint != batch.wrapped.fingerprint:
            raise DataKeyConflict(
                f"{result.place} holds the data key {result.fingerprint}, not the escrowed {batch.wrapped.fingerprint}",
                "python -m wizard push",
            )
        tell(result)
        done.append(result)
    return tuple(done)


def prove(
    *,
    cloud: Cloud,
    prover: Prover,
    settings: Settings,
    outputs: Outputs,
    delivered: tuple[Delivered, ...],
    batch: Batch,
    hosting: Hosting | None = None,
    project: VercelProject | None = None,
) -> tuple[Proof, ...]:
    """One proof for each delivery: as the application, or else what its policies say, and that it is only that.

    With `hosting` and `project`, what Vercel lists is looked at again; a delivery of this run has just done so.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    proofs = []
    for delivery in delivered:
        gap = _gap(cloud, hosting, project, settings, delivery.target, batch)
        # What the target will hand to the application is what counts, whatever the escrow's key could do.
        state, detail = (ProofState.FAILED, gap) if gap else _judge(cloud, prover, outputs, batch, delivery.target)
        proofs.append(
            Proof(
                target=delivery.target,
                state=state,
                principal=outputs.app_principal_arn,
                detail=detail,
                at=now,
            )
        )
    return tuple(proofs)


def _gap(
    cloud: Cloud,
    hosting: Hosting | None,
    project: VercelProject | None,
    settings: Settings,
    target: str,
    batch: Batch,
) -> str | None:
    """What the target lacks of the batch, in words; None when nothing is known to be wrong."""
    if target == Target.ECS:
        if cloud.check_parameters(settings.names.parameter_prefix, batch):
            return None
        return f"the parameters under {settings.names.parameter_prefix} are not what was delivered"
    return hosting.check(project, batch) if hosting and project else None


def _judge(cloud: Cloud, prover: Prover, outputs: Outputs, batch: Batch, target: str) -> tuple[ProofState, str]:
    search = cloud.app_credentials(outputs.app_principal_arn, target=target)
    credentials = search.found
    if credentials is not None:
        verdict = prover.prove(credentials, batch)
        if not verdict.proved:
            return (
                ProofState.FAILED,
                f"as {verdict.principal or outputs.app_principal_arn}: {verdict.cause}: {verdict.message}",
            )
        if verdict.fingerprint != batch.wrapped.fingerprint:
            return (
                ProofState.FAILED,
                f"the application opened {verdict.fingerprint}, not {batch.wrapped.fingerprint}",
            )
        return (
            ProofState.PROVED,
            f"as {verdict.principal}, by {credentials.how}: 32 bytes unwrapped under the key, "
            "one record encrypted and decrypted",
        )
    return _simulated(cloud, outputs, search.tried)


def _simulated(cloud: Cloud, outputs: Outputs, tried: tuple[str, ...]) -> tuple[ProofState, str]:
    """What the policies say, when nobody here can be the application: only Vercel or ECS can take its role."""
    apart = "the application's credentials cannot be had from here, so this was not run as the application"
    if tried:
        apart += f" (tried: {'; '.join(tried)})"
    try:
        policy = cloud.key_policy(outputs.key_arn)
        simulation = cloud.simulate(outputs.app_principal_arn, policies.APPLICATION_ACTIONS, outputs.key_arn)
    except Unsupported as error:
        return ProofState.UNPROVEN, f"{apart}; nor could its policies be evaluated ({error.message})"
    except SetupError as error:
        return ProofState.UNPROVEN, f"{apart}; nor could its policies be read ({error.message})"
    by_key = policies.grants(policy, outputs.app_principal_arn, "kms:Decrypt")
    if simulation.allowed is False or by_key in (policies.Grant.NONE, policies.Grant.DENIED):
        return (
            ProofState.FAILED,
            f"{apart}; its policies refuse it: key policy {by_key}, IAM {simulation.detail}",
        )
    if simulation.allowed is None:
        return (
            ProofState.UNPROVEN,
            f"{apart}; the key policy allows it ({by_key}), IAM's simulator could not be asked ({simulation.detail})",
        )
    return ProofState.SIMULATED, f"{apart}; IAM's policy simulator and the key policy ({by_key}) allow it"
