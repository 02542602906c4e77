"""The proof that the application opens what was delivered: as the application, or else by its policies.

Reads AWS and the targets through their clients; records a key check value that was not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from components import policies
from components.policies.evaluation import KeyPolicyDecision
from components.policies.stack import decide_by_key_policy_of
from components.settings import Outputs, Settings
from wizard.core.data_key import WrappedDataKey
from wizard.core.errors import SetupError, Unsupported, attempted
from wizard.core.models.delivery import AppVariables, Delivered, DeliveryState
from wizard.core.models.verification import AccessKey, CredentialsSearch, Proof, Verification, VerificationState
from wizard.core.retry import SCHEDULES, Reason, together
from wizard.core.target_context import TargetContext
from wizard.data_key import opening
from wizard.data_key.delivery import variables_of
from wizard.targets.port import deploy_target

if TYPE_CHECKING:
    from wizard.aws.client import AwsClient
    from wizard.data_key.verification import DecryptVerifier

NEW_KEY_SECONDS = 40.0
"""How long a new access key takes to be known everywhere; longer than a role."""


Searches = Mapping[tuple[str, str], CredentialsSearch]
"""The application's credentials by target and principal."""


def find_credentials(context: TargetContext, targets: Iterable[str]) -> Searches:
    """The application's credentials at these targets, from this machine."""
    outputs = context.require_outputs()
    wanted = [(target, outputs.principal_of(target)) for target in dict.fromkeys(targets)]
    found = together(
        *(
            partial(
                context.aws.application_credentials.app_credentials,
                principal,
                container_first=deploy_target(target).container_credentials_first,
            )
            for target, principal in wanted
        )
    )
    return dict(zip(wanted, found, strict=True))


def prove(
    context: TargetContext,
    delivered: tuple[Delivered, ...],
    wrapped: WrappedDataKey,
    *,
    prover: DecryptVerifier,
    access_key: AccessKey | None = None,
    full: bool = False,
    credentials: Callable[[], Searches] | None = None,
) -> tuple[Verification, ...]:
    """One verification for each delivery: as the application, or else by its policies.

    As the application it is a dry run of KMS; a full round trip for what was written now, for all if `full`, and where
    the key check value of a stored value is not known yet, which is then recorded.
    `access_key`: the application's, created in this run. `credentials`: of `find_credentials`, which was begun earlier.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    outputs, variables = context.require_outputs(), variables_of(context, wrapped)
    record = partial(_record, context, outputs)
    regions = [delivery.region or context.settings.region for delivery in delivered]
    searches, *gaps = together(
        credentials or partial(find_credentials, context, [delivery.target for delivery in delivered]),
        *(
            partial(deploy_target(delivery.target).missing, context, {region: variables[region]})
            for delivery, region in zip(delivered, regions, strict=True)
        ),
    )
    proofs = []
    for delivery, region, gap in zip(delivered, regions, gaps, strict=True):
        principal, state = outputs.principal_of(delivery.target), VerificationState.FAILED
        created = access_key if principal == outputs.app_user_arn else None
        proof = Verification(target=delivery.target, state=state, principal=principal, detail=gap, at=now)
        is_known = all(key.check_value for _, key in variables[region].wrapped_keys)
        # What the target gives to the application decides, whatever the stored data key is.
        if not gap:
            proof = _verify(
                proof,
                context.aws.with_region(region),
                context.settings,
                prover,
                variables[region],
                opening.created(created) if created else searches[delivery.target, principal],
                record=record,
                seconds=NEW_KEY_SECONDS if created else SCHEDULES[Reason.PROPAGATION].seconds,
                full=full or delivery.state is DeliveryState.WRITTEN or not is_known,
            )
        proofs.append(replace(proof, detail=f"in {region}: {proof.detail}") if len(variables) > 1 else proof)
    return tuple(proofs)


def _verify(
    proof: Verification,
    aws: AwsClient,
    settings: Settings,
    prover: DecryptVerifier,
    app_variables: AppVariables,
    search: CredentialsSearch,
    *,
    record: Callable[[AppVariables, Mapping[str, str]], str],
    seconds: float,
    full: bool,
) -> Verification:
    """The proof with its state, how that is known, and the id of the key material that opened the data key."""
    credentials = search.credentials
    if credentials is None:
        state, detail = _simulated(aws, settings, proof.principal, app_variables.key_arn, search.tried)
        return replace(proof, state=state, detail=detail)
    result = prover.prove(credentials, app_variables, retry_seconds=seconds, full=full)
    who = f"as {result.principal or proof.principal}"
    if not result.is_answer:
        why = f"could not be verified: KMS did not answer ({result.cause}: {result.message}); try again later"
        return replace(proof, state=VerificationState.UNPROVEN, detail=f"{who}: {why}")
    if not result.proved:
        return replace(proof, detail=f"{who}: {result.cause}: {result.message}")
    if result.fingerprint != app_variables.wrapped.fingerprint:
        opened = f"the application opened {result.fingerprint}, not {app_variables.wrapped.fingerprint}"
        return replace(proof, detail=opened)
    recorded = attempted(record, app_variables, result.check_values)
    if isinstance(recorded, SetupError):
        return replace(proof, detail=f"as {result.principal}: {recorded.message}")
    how, note = _DONE.get(result.how, "KMS decrypts the data key"), deploy_target(proof.target).proof_note
    return replace(
        proof,
        state=VerificationState.PROVED,
        detail=f"as {result.principal}, by {credentials.how}: {how}" + (f", {note}" if note else "") + recorded,
        key_material=result.key_material,
        brief=f"{proof.principal} {_BRIEF.get(result.how, 'opens it')}",
    )


def _record(
    context: TargetContext, outputs: Outputs, app_variables: AppVariables, check_values: Mapping[str, str]
) -> str:
    """Record the key check values that were not known, or of which the tags say another: so in words, or "".

    Raises DataKeyConflict where a stored value opens to another key than its versions.
    """
    wrong = ""
    for variable, wrapped in app_variables.wrapped_keys:
        opened = opening.opened(wrapped, check_values)
        if opened.check_value in (None, wrapped.check_value):
            continue
        of_key = context.settings.of_key(variable)
        versions = attempted(context.aws.key_rotation.versions, of_key)
        if not isinstance(versions, SetupError):
            is_kept = any(version.fingerprint == wrapped.fingerprint and version.kept for version in versions)
            known = opening.corrected(versions, check_values)
            opening.refuse(opening.another_key(opened, known, is_new=not is_kept), of_key)
        is_recorded = opening.record(context.aws, of_key, outputs, opened)
        if wrapped.check_value:
            wrong += f"; {variable} opens to the key {opened.check_value}: its tag, which somebody has changed, said "
            wrong += f"{wrapped.check_value}" + (", and is right again" if is_recorded else "")
    return wrong


_DONE: Mapping[Proof | None, str] = {
    Proof.ROUND_TRIP: "32 bytes unwrapped under the key, one record encrypted and decrypted",
    Proof.DRY_RUN: "KMS would decrypt this data key: a dry run, which returns no key (verify --full decrypts it)",
    Proof.DECRYPTED: "KMS decrypts this data key: the endpoint ignores dry runs (verify --full also encrypts a record)",
}
_BRIEF: Mapping[Proof | None, str] = {
    Proof.ROUND_TRIP: "opened it, and encrypted and decrypted a record",
    Proof.DRY_RUN: "may open it, by KMS's dry run",
    Proof.DECRYPTED: "opened it",
}


def _simulated(
    aws: AwsClient, settings: Settings, principal: str, key_arn: str, tried: tuple[str, ...]
) -> tuple[VerificationState, str]:
    """What the policies say, where the application's credentials are not available: only its platform has its role."""
    reason = "the application's credentials are not available here, so this was not run as the application"
    if tried:
        reason += f" (tried: {'; '.join(tried)})"
    try:
        policy = aws.kms.key_policy(key_arn)
        simulation = aws.permissions.simulate(principal, policies.APPLICATION_ACTIONS, key_arn)
    except Unsupported as error:
        return VerificationState.UNPROVEN, f"{reason}; nor could its policies be evaluated ({error.message})"
    except SetupError as error:
        return VerificationState.UNPROVEN, f"{reason}; nor could its policies be read ({error.message})"
    key_decision = decide_by_key_policy_of(settings, policy, principal, "kms:Decrypt")
    if simulation.allowed is False or key_decision in (KeyPolicyDecision.NONE, KeyPolicyDecision.DENIED):
        return (
            VerificationState.FAILED,
            f"{reason}; its policies refuse it: key policy {key_decision}, IAM {simulation.detail}",
        )
    if key_decision is KeyPolicyDecision.UNKNOWN:
        return (
            VerificationState.UNPROVEN,
            f"{reason}; whether the key policy allows it depends on conditions that are not known here",
        )
    if simulation.allowed is None:
        return (
            VerificationState.UNPROVEN,
            f"{reason}; the key policy allows it ({key_decision}), what IAM allows is not known: {simulation.detail}",
        )
    return VerificationState.SIMULATED, f"{reason}; IAM's policy simulator and the key policy ({key_decision}) allow it"
