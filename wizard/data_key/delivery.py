"""The way of the data key from its escrow to each target, and the proof that the application can open it there.

Pure: acts through the edges' Protocols.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from components import policies
from components.policies.evaluation import KeyPolicyDecision, decide_by_key_policy
from components.settings import Outputs, Settings, Target
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import DataKeyConflict, SetupError, Unsupported
from wizard.core.models.delivery import (
    AccessKey,
    AppCredentials,
    AppVariables,
    ChildResult,
    CredentialsSearch,
    Delivered,
    VercelProject,
    Verification,
    VerificationState,
)
from wizard.core.models.vercel_environment import PRODUCTION, Scope
from wizard.core.next_command import wizard
from wizard.core.ports.run import AwsClient, DecryptVerifier, VercelClient
from wizard.data_key.storage import region_of


def batches(settings: Settings, outputs: Outputs, wrapped: WrappedDataKey) -> dict[str, AppVariables]:
    """The three variables for each Region that has the key; the wrapped data key is the same in all of them."""
    return {
        region_of(arn): AppVariables(region=region_of(arn), key_arn=arn, wrapped=wrapped) for arn in outputs.key_arns
    }


def deliver(
    *,
    aws: AwsClient,
    vercel: VercelClient | None,
    project: VercelProject | None,
    settings: Settings,
    outputs: Outputs,
    targets: tuple[Target, ...],
    wrapped: WrappedDataKey,
    tell: Callable[[Delivered], None],
    replaceable: frozenset[str] = frozenset(),
    scopes: tuple[Scope, ...] = (PRODUCTION,),
) -> tuple[Delivered, ...]:
    """The three variables, together, to every target of this run, in every Region; each checked after writing.

    `replaceable` are the fingerprints of escrowed versions: of data keys that may make way on Vercel. `scopes` are the
    environments there, each with variables of its own.
    """
    done: list[Delivered] = []
    by_region = batches(settings, outputs, wrapped)

    def keep(result: Delivered, region: str) -> None:
        if result.fingerprint != wrapped.fingerprint:
            raise DataKeyConflict(
                f"{result.place} holds the data key {result.fingerprint}, not the escrowed {wrapped.fingerprint}",
                wizard("push"),
            )
        there = f" in {region}" if len(by_region) > 1 and result.target != Target.VERCEL else ""
        result = replace(result, region=region, place=f"{result.place}{there}")
        tell(result)
        done.append(result)

    for target in targets:
        if target is Target.VERCEL:
            assert vercel is not None and project is not None
            # A project's variables are one set; the first Region's are what it runs with.
            for scope in scopes:
                batch = by_region[settings.region]
                result = vercel.deliver(project, batch, replaceable=replaceable, scope=scope)
                keep(replace(result, environment=scope.words), settings.region)
            continue
        for region, batch in by_region.items():
            result = aws.with_region(region).stored_data_keys.deliver_parameters(
                settings.names.parameter_prefix,
                batch,
                tags=settings.tags,
                target=target,
                store=settings.secret_store,
            )
            keep(result, region)
    return tuple(done)


def prove(
    *,
    aws: AwsClient,
    prover: DecryptVerifier,
    settings: Settings,
    outputs: Outputs,
    delivered: tuple[Delivered, ...],
    wrapped: WrappedDataKey,
    vercel: VercelClient | None = None,
    project: VercelProject | None = None,
    access_key: AccessKey | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> tuple[Verification, ...]:
    """One proof for each delivery: as the application, or else what its policies say, and that it is only that.

    With `vercel` and `project`, what Vercel lists is looked at again; a delivery of this run has just done so.
    `access_key` is one that was made in this run for the application on Vercel.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    by_region = batches(settings, outputs, wrapped)
    proofs = []
    for delivery in delivered:
        region = delivery.region or settings.region
        batch, regional = by_region[region], aws.with_region(region)
        principal = outputs.principal_of(delivery.target)
        own = access_key if principal == outputs.app_user_arn else None
        gap = _gap(regional, vercel, project, settings, delivery.target, batch)
        # What the target will hand to the application is what counts, whatever the escrow's key could do.
        state, detail = (
            (VerificationState.FAILED, gap)
            if gap
            else _judge(regional, prover, principal, batch, delivery.target, _credentials(own), pause)
        )
        if len(by_region) > 1:
            detail = f"in {region}: {detail}"
        proofs.append(Verification(target=delivery.target, state=state, principal=principal, detail=detail, at=now))
    return tuple(proofs)


def _credentials(key: AccessKey | None) -> AppCredentials | None:
    if key is None:
        return None
    return AppCredentials(
        how=f"its access key {key.id}, made just now", access_key_id=key.id, secret_access_key=key.secret
    )


def _gap(
    aws: AwsClient,
    vercel: VercelClient | None,
    project: VercelProject | None,
    settings: Settings,
    target: str,
    batch: AppVariables,
) -> str | None:
    """What the target lacks of the batch, in words; None when nothing is known to be wrong."""
    if target != Target.VERCEL:
        if aws.stored_data_keys.check_parameters(settings.names.parameter_prefix, batch, store=settings.secret_store):
            return None
        return f"what is under {settings.names.parameter_prefix} is not what was delivered"
    return vercel.check(project, batch) if vercel and project else None


def _judge(
    aws: AwsClient,
    prover: DecryptVerifier,
    principal: str,
    batch: AppVariables,
    target: str,
    given: AppCredentials | None,
    pause: Callable[[float], None],
) -> tuple[VerificationState, str]:
    search = (
        CredentialsSearch(found=given)
        if given
        else aws.application_credentials.app_credentials(principal, target=target)
    )
    credentials = search.found
    if credentials is not None:
        verdict = _once_known(prover, credentials, batch, is_new=given is not None, pause=pause)
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


_WAITS = (1.0, 2.0, 4.0, 8.0, 8.0)
"""Seconds between the tries."""

_NOT_KNOWN_YET = ("BadCredentials", "AccessDenied")
"""What `phi` says of a user or an access key that AWS does not know everywhere, or whose policies it does not."""


def _once_known(
    prover: DecryptVerifier,
    credentials: AppCredentials,
    batch: AppVariables,
    *,
    is_new: bool,
    pause: Callable[[float], None],
) -> ChildResult:
    """The verdict; an access key made a moment ago is tried again while AWS does not know it everywhere.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
    """
    verdict = prover.prove(credentials, batch)
    for seconds in _WAITS if is_new else ():
        if verdict.proved or verdict.cause not in _NOT_KNOWN_YET:
            break
        pause(seconds)
        verdict = prover.prove(credentials, batch)
    return verdict


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
