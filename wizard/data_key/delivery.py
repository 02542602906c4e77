"""The way of the data key from its store to each target, and the proof that the application can open it there.

Pure: acts through the edges' Protocols.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from components import policies
from components.policies.evaluation import KeyPolicyDecision, decide_by_key_policy
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, SetupError, Unsupported
from wizard.core.models.delivery import (
    AccessKey,
    AppCredentials,
    AppVariables,
    CredentialsSearch,
    Delivered,
    Verification,
    VerificationState,
)
from wizard.core.models.vercel_environment import PRODUCTION, Scope
from wizard.core.next_command import wizard
from wizard.core.ports.run import AwsClient, DecryptVerifier
from wizard.core.retry import SCHEDULES, Reason
from wizard.data_key.storage import region_of
from wizard.targets.port import DeployTarget, TargetContext, deploy_target


def variables_of(context: TargetContext, wrapped: WrappedDataKey) -> dict[str, AppVariables]:
    """The three variables for each Region that has the key; the wrapped data key is the same in all of them."""
    return {
        region_of(arn): AppVariables(region=region_of(arn), key_arn=arn, wrapped=wrapped)
        for arn in context.require_outputs().key_arns
    }


def deliver(
    context: TargetContext,
    wrapped: WrappedDataKey,
    *,
    on_delivered: Callable[[Delivered], None],
    replaceable: frozenset[str] = frozenset(),
    scopes: tuple[Scope, ...] = (PRODUCTION,),
) -> tuple[Delivered, ...]:
    """The three variables, together, to every target of this run, in every Region; each checked after writing.

    `replaceable` are the fingerprints of stored versions: of data keys that may be replaced at a target. `scopes` are
    the environments of a target that has any.
    """
    done: list[Delivered] = []
    variables = variables_of(context, wrapped)
    for target in context.targets:
        for result in deploy_target(target).deliver(context, variables, replaceable=replaceable, scopes=scopes):
            if result.fingerprint != wrapped.fingerprint:
                raise DataKeyConflict(
                    f"{result.place} has the data key {result.fingerprint}, not the stored {wrapped.fingerprint}",
                    wizard("push", "--stack", context.stack),
                )
            on_delivered(result)
            done.append(result)
    return tuple(done)


def prove(
    context: TargetContext,
    delivered: tuple[Delivered, ...],
    wrapped: WrappedDataKey,
    *,
    prover: DecryptVerifier,
    access_key: AccessKey | None = None,
) -> tuple[Verification, ...]:
    """One verification for each delivery: as the application, or else by what its policies say.

    `access_key` is one that was made in this run for the application.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    outputs, variables = context.require_outputs(), variables_of(context, wrapped)
    proofs = []
    for delivery in delivered:
        target, region = deploy_target(delivery.target), delivery.region or context.settings.region
        batch, principal = variables[region], outputs.principal_of(delivery.target)
        own = access_key if principal == outputs.app_user_arn else None
        gap = target.missing(context, {region: batch})
        # What the target gives to the application is what counts, whatever the stored data key is.
        state, detail = (
            (VerificationState.FAILED, gap)
            if gap
            else _judge(context.aws.with_region(region), prover, principal, batch, target, _credentials(own))
        )
        if len(variables) > 1:
            detail = f"in {region}: {detail}"
        proofs.append(Verification(target=delivery.target, state=state, principal=principal, detail=detail, at=now))
    return tuple(proofs)


def _credentials(key: AccessKey | None) -> AppCredentials | None:
    if key is None:
        return None
    return AppCredentials(
        how=f"its access key {key.id}, made just now", access_key_id=key.id, secret_access_key=key.secret
    )


def _judge(
    aws: AwsClient,
    prover: DecryptVerifier,
    principal: str,
    batch: AppVariables,
    target: DeployTarget,
    given: AppCredentials | None,
) -> tuple[VerificationState, str]:
    search = (
        CredentialsSearch(found=given)
        if given
        else aws.application_credentials.app_credentials(principal, container_first=target.container_credentials_first)
    )
    credentials = search.found
    if credentials is not None:
        # An access key made a moment ago takes longer to be known everywhere than a role.
        seconds = NEW_KEY_SECONDS if given else SCHEDULES[Reason.PROPAGATION].seconds
        verdict = prover.prove(credentials, batch, retry_seconds=seconds)
        if not verdict.proved:
            return VerificationState.FAILED, f"as {verdict.principal or principal}: {verdict.cause}: {verdict.message}"
        if verdict.fingerprint != batch.wrapped.fingerprint:
            return (
                VerificationState.FAILED,
                f"the application opened {verdict.fingerprint}, not {batch.wrapped.fingerprint}",
            )
        return (
            VerificationState.PROVED,
            f"as {verdict.principal}, by {credentials.how}: 32 bytes unwrapped under the key, "
            "one record encrypted and decrypted",
        )
    return _simulated(aws, principal, batch.key_arn, search.tried)


NEW_KEY_SECONDS = 40.0
"""In which an access key that was just made becomes known everywhere."""


def _simulated(aws: AwsClient, principal: str, key_arn: str, tried: tuple[str, ...]) -> tuple[VerificationState, str]:
    """What the policies say, when nobody here can be the application: only its platform can take its role."""
    apart = "the application's credentials cannot be had from here, so this was not run as the application"
    if tried:
        apart += f" (tried: {'; '.join(tried)})"
    try:
        policy = aws.kms.key_policy(key_arn)
        simulation = aws.permissions.simulate(principal, policies.APPLICATION_ACTIONS, key_arn)
    except Unsupported as error:
        return VerificationState.UNPROVEN, f"{apart}; nor could its policies be evaluated ({error.message})"
    except SetupError as error:
        return VerificationState.UNPROVEN, f"{apart}; nor could its policies be read ({error.message})"
    by_key = decide_by_key_policy(policy, principal, "kms:Decrypt")
    if simulation.allowed is False or by_key in (KeyPolicyDecision.NONE, KeyPolicyDecision.DENIED):
        return (
            VerificationState.FAILED,
            f"{apart}; its policies refuse it: key policy {by_key}, IAM {simulation.detail}",
        )
    if simulation.allowed is None:
        return (
            VerificationState.UNPROVEN,
            f"{apart}; the key policy allows it ({by_key}), IAM's simulator could not be asked ({simulation.detail})",
        )
    return VerificationState.SIMULATED, f"{apart}; IAM's policy simulator and the key policy ({by_key}) allow it"
