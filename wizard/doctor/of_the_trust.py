"""Whether the application's platform can become its role: trust, OIDC provider, audience; and the proof that it opens.

Pure: reads through the evidence. The proof is a child process with the application's credentials, where these are had.
"""

from __future__ import annotations

from collections.abc import Iterator

from components import policies
from components.contract import Part, Target
from components.stack_policies import application_trust_of
from wizard.adoption_documents import rights
from wizard.doctor import remedies
from wizard.doctor.evidence import Evidence
from wizard.doctor.finding import Finding, Told, Unlooked, Well
from wizard.doctor.of_the_access import RESTART, ROLE
from wizard.doctor.of_the_escrow import former_data_key
from wizard.errors import SetupError
from wizard.facts import Batch, Escrow, KeyFact, Verdict
from wizard.facts_iam import IamPrincipal

PROVIDER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider::app-principal-vercel"


def the_trust_of_the_role(evidence: Evidence) -> Iterator[Told]:
    """Whether the role that the stack made still lets every platform of the settings in."""
    settings = evidence.settings
    if not settings.makes_role or Part.APPLICATION_ROLE in settings.kept_as_found:
        return
    arn = f"arn:{settings.partition}:iam::{settings.account_id}:role/{settings.names.app_role}"
    found = evidence.principal(arn)
    if not isinstance(found, IamPrincipal):
        return  # Told by the check of the principals.
    wanted = rights(application_trust_of(settings, vercel_provider_arn=_provider_arn(evidence)))
    lacking = wanted - rights(found.trust)
    if not lacking:
        yield Well(what=f"{arn} lets the application's platform in")
        return
    whom = ", ".join(sorted({right.principal for right in lacking}))
    yield Finding(
        cause="trust-changed",
        what=f"the role {arn} no longer lets the application in as it runs ({whom})",
        why="STS answers AccessDenied: Not authorized to perform sts:AssumeRole(WithWebIdentity); without the role the "
        "application has no credentials",
        command=remedies.by_the_stack(evidence, ROLE),
        then=RESTART,
    )


def _provider_arn(evidence: Evidence) -> str | None:
    settings = evidence.settings
    if settings.vercel_team is None:
        return None
    return settings.vercel_oidc_provider_arn or policies.vercel_oidc_provider_arn(
        account_id=settings.account_id, team=settings.vercel_team, partition=settings.partition
    )


def the_oidc_provider(evidence: Evidence) -> Iterator[Told]:
    """Whether the account knows Vercel's issuer, and the audience of its tokens."""
    settings, arn = evidence.settings, _provider_arn(evidence)
    takes_role = Target.VERCEL in settings.deploy_targets and settings.makes_role and not settings.makes_user
    if not takes_role or arn is None or settings.vercel_team is None:
        return
    found = evidence.once("provider", lambda: evidence.symptoms.provider(arn))
    audience = policies.vercel_audience(team=settings.vercel_team)
    if isinstance(found, SetupError):
        yield Unlooked.of(f"the OIDC provider {arn}", found)
    elif found is None:
        yield Finding(
            cause="provider-missing",
            what=f"the OIDC provider {arn} is gone",
            why="STS answers InvalidIdentityToken: No OpenIDConnect provider found in your account",
            command=remedies.by_the_stack(evidence, PROVIDER),
            then=RESTART,
        )
    elif audience not in found.audiences:
        given = {"OpenIDConnectProviderArn": arn, "ClientID": audience}
        yield Finding(
            cause="provider-audience",
            what=f"the OIDC provider {arn} does not take tokens for {audience}",
            why="STS answers InvalidIdentityToken: Incorrect token audience",
            # In JSON: an older AWS CLI takes a word that is a URL for a page to be fetched.
            command=remedies.aws(
                evidence, "iam", "add-client-id-to-open-id-connect-provider", "--cli-input-json", given
            ),
            then=RESTART,
        )
    else:
        yield Well(what=f"the OIDC provider {arn} knows the audience {audience}")


# --- the proof ----------------------------------------------------------------------------------------------------


def the_proof(evidence: Evidence) -> Iterator[Told]:
    """Whether the application opens its data key: asked as the application, where its credentials can be had."""
    escrow, key, settings = evidence.escrow, evidence.key, evidence.settings
    if not isinstance(escrow, Escrow) or not isinstance(key, KeyFact):
        return
    batch = Batch(region=settings.region, key_arn=key.arn, wrapped=escrow.wrapped)
    principals: dict[str, Target] = {}
    for target in settings.deploy_targets:
        arn = evidence.outputs.principal_of(target) if evidence.outputs else settings.app_principal_arns[0]
        principals.setdefault(arn, target)
    for arn, target in principals.items():
        if (verdict := _verdict(evidence, arn, target, batch)) is None:
            continue  # What its policies say is told by the checks of the access.
        if isinstance(verdict, SetupError):
            yield Unlooked.of("the proof as the application", verdict)
        elif verdict.proved:
            yield Well(what=f"as {verdict.principal}, the data key {verdict.fingerprint} opens")
        else:
            yield _failed(evidence, arn, verdict, batch)


def _verdict(evidence: Evidence, arn: str, target: str, batch: Batch) -> Verdict | SetupError | None:
    search = evidence.once(f"credentials {arn}", lambda: evidence.cloud.app_credentials(arn, target=target))
    if isinstance(search, SetupError) or search.found is None:
        return None
    credentials = search.found
    # Nothing was made a moment ago that would have to settle: what is refused now is refused.
    return evidence.once(f"proof {arn}", lambda: evidence.doors.prover.prove(credentials, batch, patient=False))


_BY_VERDICT = {
    "WrongLength": "data-key-wrong-length",
    "WrongKey": "unwrap-failed",
    "InvalidCiphertext": "unwrap-failed",
    "AccessDenied": "access-denied",
}


def _failed(evidence: Evidence, arn: str, verdict: Verdict, batch: Batch) -> Finding:
    cause = _BY_VERDICT.get(verdict.cause, "proof-failed")
    denied = ("cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=EventName,AttributeValue=Decrypt")
    look = remedies.aws(evidence, *denied, "--max-results", "10")
    if cause in ("data-key-wrong-length", "unwrap-failed"):
        look = former_data_key(evidence, batch.wrapped)
    return Finding(
        cause=cause,
        what=f"as {verdict.principal or arn}, the data key {batch.wrapped.fingerprint} does not open: {verdict.cause}",
        why=verdict.message,
        command=look,
        then=RESTART,
    )
