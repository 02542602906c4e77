"""The checks of what gives access: policies of the application, grants, trust, and who reads the variables.

Reads through the facts.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from components.policies import ci
from components.policies import stack as of_stack
from components.policies.evaluation import KeyPolicyDecision
from components.policies.evaluation.account import IamPrincipal
from components.policies.evaluation.statements import Request, evaluate_policies
from components.policies.key import APPLICATION_ACTIONS
from components.settings import DATA_KEY_VARIABLE, ImportGroup, ResourceKind, SecretStore, VercelIssuerMode
from components.targets.platform import NewRole, Reader
from components.targets.vercel import issuer_of, provider_arn_of, vercel_audience, vercel_issuer
from wizard.account import fixes
from wizard.account.comparison.differences import differences_of
from wizard.account.comparison.policies import application_trust, compare_trust, own_readers
from wizard.account.facts import StackFacts
from wizard.account.judgements.key_policy import summary, unread_key
from wizard.account.judgements.principal import KEY, POLICY, REFUSED, RESTART, ROLE, surplus_of
from wizard.account.notices import Judgement, Notice, judgement, needed
from wizard.core.errors import SetupError
from wizard.core.models.access import TokenSubject
from wizard.core.models.account import DiscoveredResource, DiscoveredSetup, KeyFact
from wizard.core.models.vercel import VercelProject
from wizard.core.next_command import Command
from wizard.core.retry import together
from wizard.targets.vercel import enable_tokens, tokens_off

_WEIGHT = {
    KeyPolicyDecision.DENIED: 0,
    KeyPolicyDecision.NONE: 1,
    KeyPolicyDecision.UNKNOWN: 2,
    KeyPolicyDecision.THROUGH_IAM: 3,
    KeyPolicyDecision.NAMED: 4,
}


@judgement("key-policy")
def check_application_grants(facts: StackFacts) -> Iterator[Notice]:
    """Whether the key's policy allows the application what the settings say."""
    if not isinstance(facts.key, KeyFact):
        yield from unread_key(facts.key_arn, facts.key)
        return
    policy = facts.key_policy
    if isinstance(policy, SetupError):
        return  # Reported by check_key_policies.
    expected: Mapping[str, Any] = of_stack.key_policy_of(facts.settings, facts.principals)
    for arn in facts.principals:
        yield _granted(facts, arn, policy, expected)


def _granted(facts: StackFacts, arn: str, policy: Mapping[str, Any], expected: Mapping[str, Any]) -> Notice:
    actions = APPLICATION_ACTIONS
    decisions = {action: of_stack.decide_by_key_policy_of(facts.settings, policy, arn, action) for action in actions}
    denied = [action for action, grant in decisions.items() if grant is KeyPolicyDecision.DENIED]
    if denied:
        return Notice.wrong(
            "key-policy-denies",
            what=f"the key's policy denies {arn} {', '.join(denied)}",
            why=f"{REFUSED}, “with an explicit deny in a resource-based policy”, whatever IAM allows",
            command=fixes.pulumi_up(facts, KEY),
            advice=RESTART,
        )
    less = [
        action
        for action in actions
        if policy != expected
        and _WEIGHT[decisions[action]]
        < _WEIGHT[of_stack.decide_by_key_policy_of(facts.settings, expected, arn, action)]
    ]
    # An imported key policy that was kept on purpose: it is enough if the policy delegates to IAM.
    is_kept = ImportGroup.KEY in facts.settings.kept_as_found
    if not less or (is_kept and all(grant is KeyPolicyDecision.THROUGH_IAM for grant in decisions.values())):
        return Notice.good(f"the key's policy allows {arn} to use the key")
    worst = min((decisions[action] for action in less), key=_WEIGHT.__getitem__)
    return Notice.wrong(
        "key-policy-without-application",
        what=f"the key's policy no longer allows {arn} {', '.join(less)}",
        why={
            KeyPolicyDecision.THROUGH_IAM: "now only IAM policies allow it; after one change there KMS returns "
            "AccessDeniedException",
            KeyPolicyDecision.UNKNOWN: "now it depends on conditions that are not known here; where they do not hold, "
            "KMS returns AccessDeniedException",
        }.get(worst, f"{REFUSED}, “because no resource-based policy allows” it, whatever IAM allows"),
        command=fixes.pulumi_up(facts, KEY),
        advice=RESTART,
    )


@judgement("application-policy", opens="account")
def check_application_policy(facts: StackFacts) -> Iterator[Notice]:
    """Whether the application's policy allows more than the use of the key."""
    if facts.outputs is None:
        return
    arn, is_kept = facts.outputs.app_policy_arn, ImportGroup.APPLICATION_POLICY in facts.settings.kept_as_found
    key, policy = together(lambda: facts.key, lambda: facts.application_policy)
    if not isinstance(key, KeyFact):
        yield from unread_key(facts.key_arn, key)
        return
    policy = needed(f"the application's policy {arn}", policy)
    if policy is None:
        return  # Reported by check_principals.
    attached = DiscoveredResource(thing=ResourceKind.POLICY_ATTACHMENT, id=arn, arn=arn)
    discovered = DiscoveredSetup(things=(attached,), key=key, policy_arn=arn, policy=policy)
    differences = [
        difference
        for difference in differences_of(discovered, facts.settings)
        if difference.part is ImportGroup.APPLICATION_POLICY
    ]
    wider = [each for each in differences if each.desired == "no such statement" and "allows" in each.actual]
    if is_kept and differences:
        what = f"the application's policy {arn} differs from the settings: {summary(differences)}"
        repair = fixes.eonpro(facts, "setup", "--repair", ImportGroup.APPLICATION_POLICY, "--yes")
        yield Notice.person(f"{what}; it was left as it was found", command=repair)
    elif wider:
        yield Notice.wrong(
            "policy-widened",
            what=f"the application's policy {arn} allows more than the use of the key: {summary(wider)}",
            why="an attacker in the application has these permissions, too",
            command=fixes.pulumi_up(facts, POLICY),
        )
    else:
        yield Notice.good("the application's policy allows the use of the key and nothing else")


# --- trust, and who reads the variables

PROVIDER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider::app-principal-vercel"


@judgement("application-policy", opens="account")
def check_role_trust(facts: StackFacts) -> Iterator[Notice]:
    """Whether the stack's role trusts every platform of the settings, and nobody else."""
    settings = facts.settings
    if not settings.makes_role or ImportGroup.APPLICATION_ROLE in settings.kept_as_found:
        return
    arn = settings.arn("iam", f"role/{settings.names.app_role}")
    role = facts.principal(arn)
    if not isinstance(role, IamPrincipal):
        return  # Reported by check_principals.
    yield from _trust(
        facts,
        role,
        application_trust(settings),
        resource=ROLE,
        lacking="without the role the application has no credentials",
        surplus="whoever assumes this role can decrypt the data key and every record",
    )


def _trust(
    facts: StackFacts, role: IamPrincipal, wanted: Mapping[str, Any], *, resource: str, lacking: str, surplus: str
) -> Iterator[Notice]:
    """Compare a role's trust both ways; `lacking` and `surplus` say why either matters."""
    arn, (untrusted, strangers) = role.arn, compare_trust(role.trust, wanted)
    widened = f"trusts {'; '.join(strangers)}" if strangers else ""
    if untrusted:
        principals = ", ".join(untrusted)
        yield Notice.wrong(
            "trust-changed",
            what=f"the role {arn} no longer trusts its platform ({principals})"
            + (f", and {widened}" if widened else ""),
            why="STS returns AccessDenied: Not authorized to perform sts:AssumeRole(WithWebIdentity); " + lacking,
            command=fixes.pulumi_up(facts, resource),
            advice=RESTART,
        )
    elif widened:
        yield Notice.wrong(
            "trust-widened",
            what=f"beyond the settings, the role {arn} {widened}",
            why=surplus,
            command=fixes.pulumi_up(facts, resource),
        )
    else:
        yield Notice.good(f"{arn} trusts its platform and nobody else")


@judgement()
def check_ci_trust(facts: StackFacts) -> Iterator[Notice]:
    """Whether the roles of CI trust the subject that GitHub sends: names, or since 2026-07-15 names with ids."""
    if isinstance(facts.iam, SetupError):
        return  # Reported by check_others.
    arn = facts.settings.arn("iam", "role/")
    roles = [
        role for name in ci.roles_of(facts.settings.application) if (role := facts.iam.find(f"{arn}{name}")) is not None
    ]
    github = facts.sources.github
    for role in roles:
        trusted = ci.github_subjects(role.trust or {})
        for repository in (name for name, subjects in trusted.items() if ci.UNREVIEWED in subjects):
            yield Notice.wrong(
                "ci-trust-unreviewed",
                what=f"the role {role.name} trusts every pull request of {repository}",
                why="a pull request runs code that nobody has read yet, with all that the role may read",
                command=_trusting(facts, role, repository, trusted[repository]),
                advice="docs/commands.md says how a pull request that was reviewed gets its preview",
            )
        for name in dict.fromkeys(map(ci.without_ids, trusted)):
            if github is None:
                yield Notice.person(f"whether GitHub sends the subject that {role.name} trusts: there is no GH_TOKEN")
                continue
            sent = facts.once(f"GitHub {name}", partial(github, name))
            if isinstance(sent, SetupError):
                yield Notice.unread(f"whether GitHub sends the subject that {role.name} trusts", sent)
            elif sent.is_default and sent.repository in trusted:
                others = [other for other in trusted if ci.without_ids(other) == name and other != sent.repository]
                also = f", and also repo:{others[0]}, which it does not send" if others else ""
                yield Notice.good(f"{role.name} trusts repo:{sent.repository}, as GitHub sends it{also}")
            else:
                yield _outdated_trust(facts, role, name, trusted, sent)


def _outdated_trust(
    facts: StackFacts, role: IamPrincipal, name: str, trusted: Mapping[str, Sequence[str]], sent: TokenSubject
) -> Notice:
    why = "STS returns AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity; CI cannot run"
    former = next(repository for repository in trusted if ci.without_ids(repository) == name)
    if not sent.is_default:
        return Notice.wrong(
            "ci-trust-outdated",
            what=f"the repository {name} sends a subject of a template of its own, which {role.name} does not trust",
            why=why,
            command=fixes.use_default_subject(name),
        )
    return Notice.wrong(
        "ci-trust-outdated",
        what=f"the role {role.name} trusts repo:{former}, but GitHub sends repo:{sent.repository}",
        why=why,
        command=_trusting(facts, role, sent.repository, trusted[former]),
    )


def _trusting(facts: StackFacts, role: IamPrincipal, repository: str, trusted: Sequence[str]) -> Command:
    """The command that trusts these subjects of the repository, but no pull request that nobody has read."""
    subjects = [each for each in trusted if each != ci.UNREVIEWED]
    if not subjects or any("*" in each or "?" in each for each in subjects):
        return fixes.eonpro(facts, "policy", "--repository", repository, action="ci")
    settings = facts.settings
    provider = ci.github_oidc_provider_arn(account_id=settings.account_id, partition=settings.partition)
    trust = ci.github_trust_policy(oidc_provider_arn=provider, repository=repository, subjects=subjects)
    return fixes.aws(facts, "iam", "update-assume-role-policy", "--role-name", role.name, "--policy-document", trust)


@judgement("application-tested")
def check_oidc_provider(facts: StackFacts) -> Iterator[Notice]:
    """Whether the account has the OIDC provider of Vercel, with the audience of its tokens."""
    settings, arn = facts.settings, provider_arn_of(facts.settings)
    if not settings.trusts_vercel or arn is None or settings.vercel_team is None:
        return
    read = facts.once("provider", lambda: facts.access_diagnostics.audiences(arn))
    audiences = needed(f"the OIDC provider {arn}", read)
    audience = vercel_audience(team=settings.vercel_team)
    if audiences is None:
        yield Notice.wrong(
            "provider-missing",
            what=f"the OIDC provider {arn} does not exist",
            why="STS returns InvalidIdentityToken: No OpenIDConnect provider found in your account",
            command=fixes.pulumi_up(facts, PROVIDER),
            advice=RESTART,
        )
    elif audience not in audiences:
        request = {"OpenIDConnectProviderArn": arn, "ClientID": audience}
        yield Notice.wrong(
            "provider-audience",
            what=f"the OIDC provider {arn} does not accept tokens for {audience}",
            why="STS returns InvalidIdentityToken: Incorrect token audience",
            # As JSON: an older AWS CLI downloads an argument that is a URL.
            command=fixes.aws(facts, "iam", "add-client-id-to-open-id-connect-provider", "--cli-input-json", request),
            advice=RESTART,
        )
    else:
        yield Notice.good(f"the OIDC provider {arn} has the audience {audience}")


@judgement("application-tested")
def check_vercel_tokens(facts: StackFacts) -> Iterator[Notice]:
    """Whether the project on Vercel gives its deployments a token, from the issuer that the role trusts."""
    settings, project = facts.settings, facts.project
    trusted = issuer_of(settings)
    if not settings.trusts_vercel or trusted is None or not isinstance(project, VercelProject):
        return  # check_vercel reports a project that cannot be read.
    mode = project.issuer_mode
    issuer = vercel_issuer(team=settings.vercel_team or "", is_global=mode is VercelIssuerMode.GLOBAL)
    if project.gives_tokens is False:
        off, tokens = tokens_off(settings, project), enable_tokens(project, settings)
        yield Notice.wrong("vercel-oidc-off", what=off.what, why=off.why, command=tokens, advice=RESTART)
    elif mode is not None and issuer != trusted:
        yield Notice.wrong(
            "vercel-issuer-changed",
            what=f"the tokens of the Vercel project {project.name} come from {issuer}, but the role trusts {trusted}",
            why="STS returns InvalidIdentityToken: No OpenIDConnect provider found in your account, or AccessDenied",
            command=fixes.eonpro(facts, "setup", "--yes"),
            advice=RESTART,
        )
    elif project.gives_tokens:
        yield Notice.good(f"the Vercel project {project.name} gives its deployments tokens of {trusted}")


@judgement("application-policy")
def check_readers(facts: StackFacts) -> Iterator[Notice]:
    """Whether each role that reads the variables is allowed to."""
    for reader in of_stack.readers_of(facts.settings):
        if reader.role is None:
            continue  # The application itself: check_principals.
        role = facts.principal(reader.arn)
        if isinstance(role, SetupError):
            yield Notice.unread(f"the {reader.title} {reader.arn}", role)
            continue
        yield from _reading(facts, reader, role, _endings(facts, reader))


@judgement("application-policy", opens="account")
def check_reader_surplus(facts: StackFacts) -> Iterator[Notice]:
    """Whether each role of the stack that reads the variables has and trusts no more than the settings give it."""
    own = {each.arn: each for each in own_readers(facts.settings)}
    for reader in of_stack.readers_of(facts.settings):
        role = facts.principal(reader.arn) if reader.arn in own else None
        if not isinstance(role, IamPrincipal):
            continue  # Not the stack's own, or reported by check_readers.
        endings = _endings(facts, reader)
        yield from _trust(
            facts,
            role,
            own[reader.arn].trust or {},
            resource=endings[0],
            lacking=reader.without,
            surplus="whoever assumes this role can read the variables, the wrapped data key among them",
        )
        yield from surplus_of(facts, role, own[reader.arn], *endings)


def _endings(facts: StackFacts, reader: Reader) -> tuple[str, ...]:
    """The ends of the URNs of the role, its inline policy, the policy that reads the variables and its attachment."""
    is_secret = facts.settings.secret_store is SecretStore.SECRETS_MANAGER
    logical = "delivery-secrets" if is_secret else "delivery-parameters"
    # The stack has no resource of an existing role.
    role = f"delivery-{reader.role.logical_name if isinstance(reader.role, NewRole) else ''}"
    return (
        f"aws:iam/role:Role::{role}",
        f"aws:iam/rolePolicy:RolePolicy::{role}",
        f"aws:iam/policy:Policy::{logical}",
        f"aws:iam/rolePolicyAttachment:RolePolicyAttachment::{logical}{reader.attachment}",
    )


def _reading(
    facts: StackFacts, reader: Reader, role: IamPrincipal | None, endings: tuple[str, ...]
) -> Iterator[Notice]:
    settings, arn = facts.settings, reader.arn
    if role is None:
        yield Notice.wrong(
            "execution-role-denied",
            what=f"the {reader.title} {arn} does not exist",
            why=reader.without,
            command=fixes.pulumi_up(facts, *endings),
        )
        return
    policy = settings.arn("iam", f"policy/{of_stack.reading_policy_of(settings)[0]}")
    if settings.secret_store is SecretStore.SECRETS_MANAGER:
        action = "secretsmanager:GetSecretValue"
    else:
        action = "ssm:GetParameter" if reader.one_by_one else "ssm:GetParameters"
    # A secret's ARN ends with six random characters.
    ending = "-AbCdEf" if settings.secret_store is SecretStore.SECRETS_MANAGER else ""
    resource = of_stack.variable_arns_of(settings, settings.region)[DATA_KEY_VARIABLE] + ending
    evaluation = evaluate_policies(
        role.policies, Request(action=action, resource=resource, context={"aws:principalarn": (arn,)})
    )
    if evaluation.is_allowed:
        yield Notice.good(f"the {reader.title} {arn} is allowed to read the variables")
    elif evaluation.unread:
        yield Notice.unknown(f"the policies of {arn}", why=f"{', '.join(evaluation.unread)} could not be read")
    else:
        is_detached = policy not in {attached_policy.name for attached_policy in role.policies}
        versions = facts.once(f"versions of {policy}", lambda: facts.access_diagnostics.policy_versions(policy))
        attach = ("iam", "attach-role-policy", "--role-name", role.name, "--policy-arn", policy)
        yield Notice.wrong(
            "execution-role-denied",
            what=f"the {reader.title} {arn} is not allowed to read {settings.names.stored_data_key}",
            why=reader.without,
            command=fixes.aws(facts, *attach)
            if is_detached and not evaluation.denies and versions is not None
            else fixes.pulumi_up(facts, *endings),
        )


ACCESS_CHECKS: tuple[Judgement, ...] = (
    check_application_grants,
    check_readers,
    check_reader_surplus,
    check_role_trust,
    check_oidc_provider,
    check_vercel_tokens,
)
OTHER_CHECKS: tuple[Judgement, ...] = (check_application_policy, check_ci_trust)
