"""`policy`: the least IAM policies for each role, a boundary, and CI's trust.

Reads the answers, the environment and the stack's settings, prints documents, calls no AWS API. The measured
permissions are in `wizard.core.required_permissions`; the auditor can run status, verify, doctor, review, report, cost.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from components.policies import ci, document_buckets
from components.policies.boundary import keeping_key_statements
from components.policies.ci import GITHUB_AUDIENCE, GITHUB_ISSUER
from components.policies.documents import Policy, Statement, policy
from components.settings import DEFAULT_APPLICATION
from components.settings.arn import Arn
from wizard.account.fixes import use_default_subject
from wizard.commands.policy import operator
from wizard.commands.policy.operator import in_parts, statements_of
from wizard.core import json_documents
from wizard.core.clients import GitHub, Offline
from wizard.core.errors import MissingAnswers, SetupError, UsageError
from wizard.core.next_command import Result, Text, eonpro, shell
from wizard.core.required_permissions.resources import (
    COPIES,
    LOGS_KEY,
    REPLICAS_ELSEWHERE,
    Setup,
    kept_keys_of,
    resources_of,
    variables_of,
)
from wizard.core.required_permissions.table import load, measured_actions, read_elsewhere
from wizard.inputs.answers_file import read_answers
from wizard.inputs.registry import by_key
from wizard.targets.port import deploy_targets

_NO_READERS = ("new keys",)
REPAIR_READS = (
    ("service deployments", "ecs:DescribeServiceDeployments"),
    ("account", "account-access:ListApplications"),
    ("account", "account-access:ListEntitlements"),
    ("account", "servicequotas:ListAWSDefaultServiceQuotas"),
)
"""Not used on every stack: doctor reads how far a deployment in stages is, and who is assigned to a role that AWS
account access can assume; the report reads the default of a quota that the account has no value of its own for."""
_APPLICATION = ("application's role", "application's user", "existing application role", "existing application user")


def auditor_policies(setup: Setup) -> dict[str, Policy]:
    """The auditor's policy by its name; several if one would be too long for IAM."""
    return in_parts("Auditor", setup, statements_of(setup, known=resources_read(setup), actions_on=_read))


def resources_read(setup: Setup) -> dict[str, tuple[str, ...]]:
    """The ARNs that the auditor's commands read, by the name of the resource."""
    settings = setup.settings
    arns_by_resource = {name: arns for name, arns in resources_of(setup).items() if name not in _NO_READERS}
    # An auditor is not an administrator of the keys, so the key policies delegate the permission to IAM.
    arns_by_resource["keys"] = resources_of(replace(setup, operator=""))["keys"]
    # The policy simulator is called only for the principals of the application.
    arns_by_resource["callers"] = tuple(arn for name in _APPLICATION for arn in arns_by_resource.get(name, ()))
    # The report shows how every user with a permission on the key signs in, and validates the audit logs.
    arns_by_resource["users"] = (settings.arn("iam", "user/*"),)
    arns_by_resource["audit logs"] = (settings.arn("s3", f"{settings.names.trail_bucket}/*"),)
    if settings.makes_trail and settings.trail_key:
        keys = settings.arn("kms", "key/*")
        arns_by_resource[LOGS_KEY] = (keys,)
    return {**arns_by_resource, **_services(setup)}


def _services(setup: Setup) -> dict[str, tuple[str, ...]]:
    targets = deploy_targets(setup.settings.deploy_targets)
    return {name: arns for target in targets for name, arns in target.resources(setup.settings).items()}


def _read(setup: Setup, thing: str) -> set[str]:
    elsewhere = (*read_elsewhere(), (REPLICAS_ELSEWHERE, "kms:GetKeyLastUsage"))
    extra = {action for name, action in (*refresh_reads(), *REPAIR_READS, *elsewhere) if name == thing}
    return measured_actions(setup, "auditor", thing) | extra


def refresh_reads() -> set[tuple[str, str]]:
    """The (resource, action) pairs that the AWS provider reads in the refresh of doctor's drift check."""
    return {
        (thing, action)
        for thing, actions in load("provider reads").items()
        for action in actions
        if action != "iam:ListPolicyVersions"
    }


def remarks(setup: Setup) -> tuple[str, ...]:
    """The limits of the auditor's policy, in words."""
    settings, lines = setup.settings, []
    if settings.strict_key_policy:
        lines.append(
            "the key's policy delegates nothing to IAM (strictKeyPolicy): only its administrators can read the key. "
            "For everybody else, status, verify, doctor, review and report show what depends on the key as unknown"
        )
    if settings.kept_as_found:
        tags = " and ".join(f"{name}={value}" for name, value in settings.tags.items())
        lines.append(f"it finds keys by their tags, {tags}: an imported key that was kept unchanged needs them")
    if not settings.makes_trail:
        lines.append(
            f"not in the policy: kms:Decrypt on the key of {settings.existing_trail_arn}, if it has one, which report "
            "needs to compare the log files with their signed digests; without it that item is unknown"
        )
    lines.append(
        "not enough for `backup drill`, the only command of an audit that does not only read: it opens the backup with "
        f"the application's credentials, and writes ssm:PutParameter on {settings.names.last_drill}"
    )
    lines.append(
        "not in the policy: for a state in a bucket, s3:ListBucket on the bucket and s3:GetObject on its objects, and "
        "kms:Decrypt on the key that encrypts the stack's secrets"
    )
    return tuple(lines)


_READING = ("ref:refs/heads/main",)
"""The workflows that can assume the role that reads; examples/ci/github has them.

A pull request runs unreviewed code, so it gets no role at all.
"""

_APPLYING = ("environment:production",)
"""Those that can assume the role that applies. The GitHub environment has to be protected: with reviewers, and main as
the only branch.
"""

PULL_REQUESTS = "environment:pull-requests"
"""The subject of a pull request's job that the reviewers of this GitHub environment let run.

GitHub makes an environment without reviewers when a workflow first names it: so it is trusted on request only.
"""

_NAMES = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38}){at}/[A-Za-z0-9._-]{1,100}{at}"
_REPOSITORY = re.compile("|".join(_NAMES.replace("{at}", ids) for ids in ("", r"@[1-9][0-9]{0,19}")))
_COMMAND = eonpro("policy", "ci", "--repository", "OWNER/NAME", "--account", "111122223333")


def for_repository(
    repository: str | None,
    *,
    account_id: str | None,
    partition: str = "aws",
    with_pull_requests: bool = False,
    application: str = DEFAULT_APPLICATION,
) -> dict[str, Policy]:
    """The trust policies by the names of the roles. Raises MissingAnswers without repository or account."""
    values = {"repository": repository, "account": account_id}
    if missing := tuple(name for name, value in values.items() if not value):
        raise MissingAnswers(
            f"the trust policies need these values, which are missing: {', '.join(missing)}", _COMMAND, missing
        )
    assert repository and account_id
    if not _REPOSITORY.fullmatch(repository):
        raise UsageError(
            f"--repository: {repository!r} is not a GitHub repository OWNER/NAME, and not with its ids "
            "OWNER@OWNER_ID/NAME@REPOSITORY_ID",
            _COMMAND,
        )
    provider = ci.github_oidc_provider_arn(account_id=account_id, partition=partition)
    reading = (*_READING, *([PULL_REQUESTS] if with_pull_requests else []))
    return {
        role: ci.github_trust_policy(oidc_provider_arn=provider, repository=repository, subjects=subjects)
        for role, subjects in zip(ci.roles_of(application), (reading, _APPLYING), strict=True)
    }


def _next_steps(account_id: str, application: str) -> tuple[str, ...]:
    """The commands that use the documents; each trust policy is saved in a file with the role's name."""
    reading, applying = ci.roles_of(application)
    return (
        Text(
            shell(
                *("aws", "iam", "create-open-id-connect-provider", "--url", f"https://{GITHUB_ISSUER}"),
                *("--client-id-list", GITHUB_AUDIENCE),
            ),
            f"   # once in the account {account_id}",
        ),
        *(
            shell(
                *("aws", "iam", "create-role", "--role-name", role),
                *("--assume-role-policy-document", f"file://{role}.json"),
            )
            for role in (reading, applying)
        ),
        f"then attach the output of `policy auditor` to {reading}, and that of `policy operator` to {applying}",
    )


def documents_remarks(setup: Setup) -> tuple[str, ...]:
    """What the policies of the documents are for, in words."""
    return (
        f"{setup.settings.names.label}Documents opens the documents: attach it, beside what `policy auditor` prints, "
        "for the time of `documents encrypt`, to nobody who runs the platform: the key refuses its administrators",
        "the buckets are the application's: add the statements to the policy that each has. `doctor` prints the "
        "command with both",
    )


def delivery_policies(setup: Setup) -> Mapping[str, Policy]:
    """What `push` needs: it reads the stored keys and writes the other variables."""
    return in_parts("Delivery", setup, _delivering(setup, "delivery", variables_of(setup.settings)))


def promotion_policies(setup: Setup) -> Mapping[str, Policy]:
    """What `rotate --promote` and `restore` need: a delivery, and to replace the stored keys: no other policy may."""
    known = {**variables_of(setup.settings), **kept_keys_of(setup.settings)}
    known.pop(COPIES, None)  # They are stored keys, of other Regions.
    known["callers"] = (setup.settings.arn("iam", "user/*"), setup.settings.arn("iam", "role/*"))
    statements = [*_delivering(setup, "promotion", known), *keeping_key_statements(setup.settings)]
    return in_parts("Promotion", setup, statements)


def promotion_remarks(setup: Setup) -> tuple[str, ...]:
    """How the policy is meant to be used, in words."""
    return (
        "attach it for the time of `rotate --promote` or `restore`, and detach it: its holder can overwrite the stored "
        "keys, but no version of them",
    )


def _delivering(setup: Setup, role: str, known: Mapping[str, tuple[str, ...]]) -> Iterator[Statement]:
    def actions_on(setup: Setup, resource: str) -> set[str]:
        actions = measured_actions(setup, "delivery", resource) | measured_actions(setup, role, resource)
        return actions | {action for name, action in read_elsewhere() if name == resource}

    yield from statements_of(setup, known=known, actions_on=actions_on)
    for target in deploy_targets(setup.settings.deploy_targets):
        yield from target.redeploy_statements(setup.settings)


_REMARKS: Mapping[str, Callable[[Setup], tuple[str, ...]]] = {
    "auditor": remarks,
    "documents": documents_remarks,
    "operator": operator.remarks,
    "promotion": promotion_remarks,
}

_REVIEWERS = (
    f"first protect the GitHub environment {PULL_REQUESTS.partition(':')[2]} with required reviewers: without them, "
    "code that nobody has read takes the role"
)

_OTHERS = {
    "auditor": auditor_policies,
    "boundary": operator.boundary_policies,
    "delivery": delivery_policies,
    "promotion": promotion_policies,
}


def for_documents(setup: Setup, key_arn: str | None) -> dict[str, Policy]:
    """What `documents encrypt` needs, and with a key what to add to the policy of each bucket. Raises UsageError."""
    settings = setup.settings
    if not settings.documents_key:
        raise UsageError(
            "the settings ask for no key of the documents",
            eonpro("setup", "--document-buckets", "NAME", "--documents-key", "yes"),
        )
    moving = document_buckets.moving_policy(
        account_id=settings.account_id,
        region=settings.region,
        buckets=settings.document_buckets,
        key_alias=settings.names.documents_key_alias,
        partition=settings.partition,
    )
    name = f"{settings.names.label}Documents"
    if key_arn is None:
        return {name: moving}
    arn = Arn.find(key_arn)
    if arn is None or arn.service != "kms" or not arn.resource.startswith("key/"):
        raise UsageError(
            f"--documents-key-arn: {key_arn!r} is not the ARN of a KMS key",
            shell("pulumi", "stack", "output", "documentsKeyArn"),
        )
    statements = {
        f"bucket {name}": policy(
            document_buckets.bucket_statements(bucket=name, key_arn=key_arn, partition=settings.partition)
        )
        for name in settings.document_buckets
    }
    return {name: moving, **statements}


def _printed(document: Mapping[str, object], offline: Offline) -> Result:
    offline.print(json.dumps(document, indent=2))
    return 0, json_documents.policy(document)


def print_for_principal(offline: Offline, principal: str, with_removal: bool, documents_key_arn: str | None) -> Result:
    """Print the policy of one of `POLICIES`. Raises SetupError."""

    def policies(setup: Setup) -> Mapping[str, Policy]:
        if principal == "documents":
            return for_documents(setup, documents_key_arn)
        for remark in _REMARKS[principal](setup) if principal in _REMARKS else ():
            print(remark, file=sys.stderr)
        if principal == "operator":
            return operator.policies_of(setup, with_removal=with_removal)
        return _OTHERS[principal](setup)

    document = operator.for_values(
        offline.run.inputs,
        os.environ,
        file=read_answers(offline.run.answers),
        file_name=str(offline.run.answers or ""),
        saved=offline.saved(),
        saved_name=offline.saved_name,
        adopt=offline.run.adopt,
        build=policies,
        command=eonpro("policy", principal),
    )
    if "Statement" not in document and principal != "documents":
        print(
            f"too long for one managed policy: attach all {len(document)} documents to the {principal}",
            file=sys.stderr,
        )
    return _printed(document, offline)


def print_for_ci(offline: Offline, repository: str | None, *, with_pull_requests: bool) -> Result:
    """Print the roles of a CI's jobs. Raises SetupError."""
    saved = offline.saved()
    account = offline.run.inputs["account"] or os.environ.get(by_key["account"].variable)
    account = account or (saved.account_id if saved else None)
    named = by_key["application"]
    application = offline.run.inputs["application"] or os.environ.get(named.variable)
    try:
        application = named.parse(application) if application else saved.application if saved else DEFAULT_APPLICATION
    except ValueError as error:
        raise UsageError(f"{named.flag}: {error}", _COMMAND) from error
    repository, remark = _as_sent(repository, offline.github)
    documents = for_repository(
        repository,
        account_id=account,
        partition=saved.partition if saved else "aws",
        with_pull_requests=with_pull_requests,
        application=application,
    )
    for line in (
        remark,
        *_next_steps(str(account), application),
        *([_REVIEWERS] if with_pull_requests else []),
    ):
        print(line, file=sys.stderr)
    return _printed(documents, offline)


def _as_sent(repository: str | None, github: GitHub | None) -> tuple[str | None, str]:
    """The repository as GitHub names it in its tokens, as far as that is known, and what to say about it.

    Raises UsageError for a repository whose tokens have a subject of its own making.
    """
    if not repository or not _REPOSITORY.fullmatch(repository):
        return repository, ""  # `for_repository` refuses it.
    name = ci.without_ids(repository)
    question = shell("gh", "api", f"repos/{name}/actions/oidc/customization/sub")
    why = "there is no GH_TOKEN"
    if github is not None:
        try:
            sent = github(name)
        except SetupError as error:
            why = error.message
        else:
            if not sent.is_default:
                raise UsageError(
                    f"the repository {name} has a subject template of its own, which these policies do not trust",
                    use_default_subject(name),
                )
            return sent.repository, f"GitHub sends the subject repo:{sent.repository}:…; only that form is trusted"
    other = (
        f"a repository that was created, renamed or transferred since 2026-07-15 sends its ids: "
        f"--repository {name.replace('/', '@OWNER_ID/')}@REPOSITORY_ID"
        if name == repository
        else f"an older repository sends its names: --repository {name}"
    )
    return repository, Text(
        f"only the subject repo:{repository}:… is trusted. Whether GitHub sends it was not checked ({why}); {other}. "
        "To see it: ",
        question,
    )
