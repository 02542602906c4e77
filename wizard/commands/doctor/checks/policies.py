"""Whether the key's own policy lets the application in, as the settings mean it to.

Pure: reads through the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from components import policies
from components.policies.evaluation import KeyPolicyDecision, decide_by_key_policy
from components.policies.evaluation.account import IamPrincipal
from components.policies.evaluation.statements import Request, evaluate_policies
from components.policies.stack import application_trust_of, key_policy_of
from components.settings import ImportGroup, ResourceKind, SecretStore
from wizard.commands.doctor import fixes
from wizard.commands.doctor.checks.principal import KEY, REFUSED, RESTART, ROLE
from wizard.commands.doctor.context import CheckContext
from wizard.commands.doctor.diagnosis import Check, Finding, NotChecked, Passed, Skipped, Told
from wizard.core.errors import SetupError
from wizard.core.key_access import administrators_of, documents_of
from wizard.core.models.account import Difference, DiscoveredResource, DiscoveredSetup, KeyFact
from wizard.data_key.storage import region_of
from wizard.setup.importing.differences import differences_of
from wizard.setup.importing.policies import rights

_WEIGHT = {
    KeyPolicyDecision.DENIED: 0,
    KeyPolicyDecision.NONE: 1,
    KeyPolicyDecision.THROUGH_IAM: 2,
    KeyPolicyDecision.NAMED: 3,
}


def the_key_policy_and_the_application(evidence: CheckContext) -> Iterator[Told]:
    """Whether the key's policy gives the application what the settings mean it to have."""
    if not isinstance(evidence.key, KeyFact):
        return
    policy = evidence.key_policy
    if isinstance(policy, SetupError):
        return  # Told by the check of the key's policy.
    wanted: Mapping[str, Any] = key_policy_of(evidence.settings, evidence.principals)
    for arn in evidence.principals:
        yield _granted(evidence, arn, policy, wanted)


def _granted(evidence: CheckContext, arn: str, policy: Mapping[str, Any], wanted: Mapping[str, Any]) -> Told:
    actions = policies.APPLICATION_ACTIONS
    found = {action: decide_by_key_policy(policy, arn, action) for action in actions}
    denied = [action for action, grant in found.items() if grant is KeyPolicyDecision.DENIED]
    if denied:
        return Finding(
            cause="key-policy-denies",
            what=f"the key's policy denies {arn} {', '.join(denied)}",
            why=f"{REFUSED}, “with an explicit deny in a resource-based policy”, whatever IAM allows",
            command=fixes.by_the_stack(evidence, KEY),
            then=RESTART,
        )
    less = [action for action in actions if _WEIGHT[found[action]] < _WEIGHT[decide_by_key_policy(wanted, arn, action)]]
    # Left as it was found on purpose: then it is enough that IAM has the say.
    is_kept = ImportGroup.KEY in evidence.settings.kept_as_found
    if not less or (is_kept and all(grant is KeyPolicyDecision.THROUGH_IAM for grant in found.values())):
        return Passed(what=f"the key's policy lets {arn} use the key")
    through_iam = all(found[action] is KeyPolicyDecision.THROUGH_IAM for action in less)
    return Finding(
        cause="key-policy-without-application",
        what=f"the key's policy no longer lets {arn} do {', '.join(less)}",
        why="now only IAM's policies let it in; one change there, and KMS answers AccessDeniedException"
        if through_iam
        else f"{REFUSED}, “because no resource-based policy allows” it, whatever IAM allows",
        command=fixes.by_the_stack(evidence, KEY),
        then=RESTART,
    )


KEY_RESOURCE = "aws:kms/key:Key::phi-key"
APPLICATION_POLICY = "aws:iam/policy:Policy::app-access"

_TOLD = 3
"""Differences that are told in one sentence."""


def of_the_key_policies(evidence: CheckContext) -> Iterator[Told]:
    """The policy of the key and of each replica, as `components` makes it of the settings."""
    if ImportGroup.KEY in evidence.settings.kept_as_found:
        return  # On purpose.
    if isinstance(evidence.key, KeyFact):  # If not, that is told by the check of the key.
        yield from _judged(evidence, evidence.key, evidence.key_policy, "the key's policy", KEY_RESOURCE)
    for arn in evidence.outputs.replica_key_arns if evidence.outputs else ():
        region = region_of(arn)
        key = evidence.replica(arn)
        if isinstance(key, KeyFact):
            policy = evidence.once(f"policy {arn}", partial(evidence.aws.with_region(region).kms.key_policy, arn))
            whose = f"the policy of the replica in {region}"
            yield from _judged(evidence, key, policy, whose, f"aws:kms/replicaKey:ReplicaKey::phi-key-{region}")


def administrators_who_decrypt(evidence: CheckContext) -> Iterator[Told]:
    """Which key administrators can decrypt: through IAM, by a grant, or not at all."""
    key, access = evidence.key, evidence.aws.access
    if not isinstance(key, KeyFact) or isinstance(evidence.key_policy, SetupError):
        return  # The check of the key, or of its policy, says so.
    documents = documents_of(
        key.arn,
        policy=evidence.key_policy,
        grants=evidence.once("grants", lambda: access.grants(key.arn)),
        iam=evidence.once("iam", access.iam),
        key=key,
    )
    administrators = administrators_of(documents, evidence.settings)
    # The settings allow either, so that it is no finding; `review` compares each right with the settings.
    yield (
        Skipped(what=administrators.description) if administrators.unknown else Passed(what=administrators.description)
    )


def _judged(
    evidence: CheckContext, key: KeyFact, policy: Mapping[str, object] | SetupError, whose: str, resource: str
) -> Iterator[Told]:
    if isinstance(policy, SetupError):
        yield NotChecked.of(whose, policy)
        return
    told = [
        each
        for each in differences_of(DiscoveredSetup(key=key, key_policy=policy), evidence.settings)
        if each.what.startswith("key policy")
    ]
    unguarded = [each for each in told if each.what == "key policy, deletion"]
    changed = [each for each in told if each not in unguarded]
    if unguarded:
        yield Finding(
            cause="deletion-unguarded",
            what=f"{whose} lets it be deleted: {_in_words(unguarded)}",
            why="with the key every record is lost; the settings say who may schedule its deletion",
            command=fixes.by_the_stack(evidence, resource),
        )
    if changed:
        yield Finding(
            cause="key-policy-changed",
            what=f"{whose} is not what the settings mean: {_in_words(changed)}",
            why="who may use and administer the key was changed beside the stack",
            command=fixes.by_the_stack(evidence, resource),
        )
    if not told:
        yield Passed(what=f"{whose} is what the settings mean")


def of_the_application_policy(evidence: CheckContext) -> Iterator[Told]:
    """Whether the application's policy gives it more than the key."""
    outputs, key = evidence.outputs, evidence.key
    if (
        outputs is None
        or not isinstance(key, KeyFact)
        or ImportGroup.APPLICATION_POLICY in evidence.settings.kept_as_found
    ):
        return
    arn = outputs.app_policy_arn
    policy = evidence.once("application policy", lambda: evidence.aws.iam.policy_document(arn))
    if isinstance(policy, SetupError):
        # That it is gone is told by the check of the application's rights.
        yield NotChecked.of(f"the application's policy {arn}", policy)
        return
    attached = DiscoveredResource(thing=ResourceKind.POLICY_ATTACHMENT, id=arn, arn=arn)
    discovered = DiscoveredSetup(things=(attached,), key=key, policy_arn=arn, policy=policy)
    wider = [
        each
        for each in differences_of(discovered, evidence.settings)
        if each.part is ImportGroup.APPLICATION_POLICY
        and each.wanted == "nothing of the kind"
        and "allows" in each.found
    ]
    if wider:
        yield Finding(
            cause="policy-widened",
            what=f"the application's policy {arn} gives it more than the key: {_in_words(wider)}",
            why="whoever takes the application over has these rights too",
            command=fixes.by_the_stack(evidence, APPLICATION_POLICY),
        )
    else:
        yield Passed(what="the application's policy gives it the use of the key and nothing else")


def _in_words(told: Sequence[Difference]) -> str:
    words = [f"{each.what.removeprefix('key policy, ')}: {each.found}, and not {each.wanted}" for each in told]
    more = [f"and {len(words) - _TOLD} more"] if len(words) > _TOLD else []
    return "; ".join([*words[:_TOLD], *more])


# --- trust and the execution role ------------------------------------------------------------------------------------

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


ACCESS_CHECKS: tuple[Check, ...] = (
    the_key_policy_and_the_application,
    the_execution_role,
    the_trust_of_the_role,
    the_oidc_provider,
)
OTHER_CHECKS: tuple[Check, ...] = (
    of_the_key_policies,
    administrators_who_decrypt,
    of_the_application_policy,
)
