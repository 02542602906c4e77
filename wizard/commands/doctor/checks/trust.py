"""Whether the application's platform can become its role: trust, OIDC provider, audience; and the proof that it opens.

Pure: reads through the evidence. The proof is a child process with the application's credentials, where these are had.
"""

from __future__ import annotations

from collections.abc import Iterator

from components import policies
from components.policies.evaluation.account import IamPrincipal
from components.policies.evaluation.statements import Request, evaluate_policies
from components.policies.stack import application_trust_of
from components.settings import ImportGroup, SecretStore
from wizard.commands.doctor import fixes
from wizard.commands.doctor.checks.principal import RESTART, ROLE
from wizard.commands.doctor.checks.stored_data_key import former_data_key
from wizard.commands.doctor.context import CheckContext
from wizard.commands.doctor.finding import Finding, NotChecked, Passed, Told
from wizard.core.errors import SetupError
from wizard.core.models.account import KeyFact
from wizard.core.models.delivery import AppVariables, ChildResult, StoredDataKey
from wizard.setup.importing.policies import rights
from wizard.targets.port import DeployTarget, deploy_targets

PROVIDER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider::app-principal-vercel"


def the_trust_of_the_role(evidence: CheckContext) -> Iterator[Told]:
    """Whether the role that the stack made still lets every platform of the settings in."""
    settings = evidence.settings
    if not settings.makes_role or ImportGroup.APPLICATION_ROLE in settings.kept_as_found:
        return
    arn = f"arn:{settings.partition}:iam::{settings.account_id}:role/{settings.names.app_role}"
    found = evidence.principal(arn)
    if not isinstance(found, IamPrincipal):
        return  # Told by the check of the principals.
    wanted = rights(application_trust_of(settings, vercel_provider_arn=_provider_arn(evidence)))
    lacking = wanted - rights(found.trust)
    if not lacking:
        yield Passed(what=f"{arn} lets the application's platform in")
        return
    whom = ", ".join(sorted({right.principal for right in lacking}))
    yield Finding(
        cause="trust-changed",
        what=f"the role {arn} no longer lets the application in as it runs ({whom})",
        why="STS answers AccessDenied: Not authorized to perform sts:AssumeRole(WithWebIdentity); without the role the "
        "application has no credentials",
        command=fixes.by_the_stack(evidence, ROLE),
        then=RESTART,
    )


def _provider_arn(evidence: CheckContext) -> str | None:
    settings = evidence.settings
    if settings.vercel_team is None:
        return None
    return settings.vercel_oidc_provider_arn or policies.vercel_oidc_provider_arn(
        account_id=settings.account_id, team=settings.vercel_team, partition=settings.partition
    )


def the_oidc_provider(evidence: CheckContext) -> Iterator[Told]:
    """Whether the account knows Vercel's issuer, and the audience of its tokens."""
    settings, arn = evidence.settings, _provider_arn(evidence)
    if not settings.trusts_vercel or arn is None or settings.vercel_team is None:
        return
    found = evidence.once("provider", lambda: evidence.access_diagnostics.provider(arn))
    audience = policies.vercel_audience(team=settings.vercel_team)
    if isinstance(found, SetupError):
        yield NotChecked.of(f"the OIDC provider {arn}", found)
    elif found is None:
        yield Finding(
            cause="provider-missing",
            what=f"the OIDC provider {arn} is gone",
            why="STS answers InvalidIdentityToken: No OpenIDConnect provider found in your account",
            command=fixes.by_the_stack(evidence, PROVIDER),
            then=RESTART,
        )
    elif audience not in found.audiences:
        given = {"OpenIDConnectProviderArn": arn, "ClientID": audience}
        yield Finding(
            cause="provider-audience",
            what=f"the OIDC provider {arn} does not take tokens for {audience}",
            why="STS answers InvalidIdentityToken: Incorrect token audience",
            # In JSON: an older AWS CLI takes a word that is a URL for a page to be fetched.
            command=fixes.aws(evidence, "iam", "add-client-id-to-open-id-connect-provider", "--cli-input-json", given),
            then=RESTART,
        )
    else:
        yield Passed(what=f"the OIDC provider {arn} knows the audience {audience}")


# --- the proof ----------------------------------------------------------------------------------------------------


def the_proof(evidence: CheckContext) -> Iterator[Told]:
    """Whether the application opens its data key: asked as the application, where its credentials can be had."""
    stored_data_key, key, settings = evidence.stored_data_key, evidence.key, evidence.settings
    if not isinstance(stored_data_key, StoredDataKey) or not isinstance(key, KeyFact):
        return
    batch = AppVariables(region=settings.region, key_arn=key.arn, wrapped=stored_data_key.wrapped)
    principals: dict[str, DeployTarget] = {}
    for target in deploy_targets(settings.deploy_targets):
        arn = evidence.outputs.principal_of(target.name) if evidence.outputs else settings.app_principal_arns[0]
        principals.setdefault(arn, target)
    for arn, target in principals.items():
        if (verdict := _verdict(evidence, arn, target, batch)) is None:
            continue  # What its policies say is told by the checks of the access.
        if isinstance(verdict, SetupError):
            yield NotChecked.of("the proof as the application", verdict)
        elif verdict.proved:
            yield Passed(what=f"as {verdict.principal}, the data key {verdict.fingerprint} opens")
        else:
            yield _failed(evidence, arn, verdict, batch)


def _verdict(
    evidence: CheckContext, arn: str, target: DeployTarget, batch: AppVariables
) -> ChildResult | SetupError | None:
    container_first = target.container_credentials_first
    search = evidence.once(
        f"credentials {arn}",
        lambda: evidence.aws.application_credentials.app_credentials(arn, container_first=container_first),
    )
    if isinstance(search, SetupError) or search.found is None:
        return None
    credentials = search.found
    # Nothing was made a moment ago that would have to settle: what is refused now is refused.
    return evidence.once(f"proof {arn}", lambda: evidence.clients.prover.prove(credentials, batch, patient=False))


_BY_VERDICT = {
    "WrongLength": "data-key-wrong-length",
    "WrongKey": "unwrap-failed",
    "InvalidCiphertext": "unwrap-failed",
    "AccessDenied": "access-denied",
}


def _failed(evidence: CheckContext, arn: str, verdict: ChildResult, batch: AppVariables) -> Finding:
    cause = _BY_VERDICT.get(verdict.cause, "proof-failed")
    denied = ("cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=EventName,AttributeValue=Decrypt")
    look = fixes.aws(evidence, *denied, "--max-results", "10")
    if cause in ("data-key-wrong-length", "unwrap-failed"):
        look = former_data_key(evidence, batch.wrapped)
    return Finding(
        cause=cause,
        what=f"as {verdict.principal or arn}, the data key {batch.wrapped.fingerprint} does not open: {verdict.cause}",
        why=verdict.message,
        command=look,
        then=RESTART,
    )


def the_execution_role(evidence: CheckContext) -> Iterator[Told]:
    """Whether the role that ECS reads the variables with may read them."""
    settings, names = evidence.settings, evidence.settings.names
    arn = settings.execution_role_arn
    if arn is None:
        return
    iam = f"arn:{settings.partition}:iam::{settings.account_id}"
    found = evidence.principal(arn)
    if isinstance(found, SetupError):
        yield NotChecked.of(f"the execution role {arn}", found)
        return
    is_secret = settings.secret_store is SecretStore.SECRETS_MANAGER
    logical = "delivery-secrets" if is_secret else "delivery-parameters"
    endings = (
        "aws:iam/role:Role::delivery-execution",
        "aws:iam/rolePolicy:RolePolicy::delivery-execution",
        f"aws:iam/policy:Policy::{logical}",
        f"aws:iam/rolePolicyAttachment:RolePolicyAttachment::{logical}",
    )
    why = "ECS starts no task whose secrets it cannot read: ResourceInitializationError, AccessDeniedException"
    if found is None:
        yield Finding(
            cause="execution-role-denied",
            what=f"the execution role {arn} is gone",
            why=why,
            command=fixes.by_the_stack(evidence, *endings),
        )
        return
    policy = f"{iam}:policy/{names.secret_policy if is_secret else names.parameter_policy}"
    action = "secretsmanager:GetSecretValue" if is_secret else "ssm:GetParameters"
    make = policies.secret_arn if is_secret else policies.parameter_arn
    resource = make(
        account_id=settings.account_id, region=settings.region, name=names.stored_data_key, partition=settings.partition
    ) + ("-AbCdEf" if is_secret else "")
    says = evaluate_policies(
        found.policies, Request(action=action, resource=resource, context={"aws:principalarn": (arn,)})
    )
    if says.is_allowed:
        yield Passed(what=f"the execution role {arn} may read the variables")
    elif says.unread:
        yield NotChecked(what=f"the policies of {arn}", why=f"{', '.join(says.unread)} could not be read")
    else:
        is_detached = policy not in {each.name for each in found.policies}
        there = evidence.once(f"versions of {policy}", lambda: evidence.access_diagnostics.policy_versions(policy))
        attach = ("iam", "attach-role-policy", "--role-name", found.name, "--policy-arn", policy)
        yield Finding(
            cause="execution-role-denied",
            what=f"the execution role {arn} may not read {names.stored_data_key}",
            why=why,
            command=fixes.aws(evidence, *attach)
            if is_detached and not says.denies and there is not None
            else fixes.by_the_stack(evidence, *endings),
        )
