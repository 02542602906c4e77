"""The least IAM policy of who only reads the stack: an auditor, or CI at night.

Pure: a setup in, documents out; asks AWS nothing. `wizard.core.required_permissions` has the measured permissions: what
status, verify, doctor, review, report and cost ask, and nothing that changes anything.

A key whose policy leaves nothing to IAM can be read by its administrators alone.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from components.policies import ci
from components.policies.ci import GITHUB_AUDIENCE, GITHUB_ISSUER
from components.policies.documents import Policy
from wizard.commands.policy import PolicyOptions, operator
from wizard.commands.policy.operator import in_parts, statements_of
from wizard.core import json_documents
from wizard.core.errors import MissingAnswers, UsageError
from wizard.core.next_command import Offline, Result, wizard
from wizard.core.required_permissions.resources import Setup, resources_of, variables_of
from wizard.core.required_permissions.table import load, measured_actions
from wizard.inputs.answers_file import read_answers
from wizard.inputs.registry import by_key
from wizard.targets.port import deploy_targets

if TYPE_CHECKING:
    from components.policies.documents import Statement


_NO_READERS = ("new keys",)
WHERE_IT_IS_SPOILT = (("parameters", "ssm:GetParameterHistory"),)
"""What no healthy stack is asked: the doctor looks for the former value where the escrow was written over. In Secrets
Manager the right that reads the value reads the former one too."""
_APPLICATION = ("application's role", "application's user", "existing application role", "existing application user")


def auditor_policies(setup: Setup) -> dict[str, Policy]:
    """The reader's policy by its name; several where one is longer than IAM takes."""
    return in_parts("EONPROAuditor", setup, statements_of(setup, known=things_read(setup), actions_on=_read))


def things_read(setup: Setup) -> dict[str, tuple[str, ...]]:
    """The ARNs of everything that a reader looks at, by the name of the thing."""
    settings = setup.settings
    iam = f"arn:{settings.partition}:iam::{settings.account_id}"
    found = {name: arns for name, arns in resources_of(setup).items() if name not in _NO_READERS}
    # A reader administers no key, so that the key policies leave it to IAM.
    found["keys"] = resources_of(replace(setup, operator=""))["keys"]
    # Of whom the simulator is asked: as whom the application runs, and nobody else.
    found["callers"] = tuple(arn for name in _APPLICATION for arn in found.get(name, ()))
    # The review tells the age of the access keys of every user that has a right on the key.
    return {**found, "users": (f"{iam}:user/*",), **_services(setup)}


def _services(setup: Setup) -> dict[str, tuple[str, ...]]:
    targets = deploy_targets(setup.settings.deploy_targets)
    return {name: arns for target in targets for name, arns in target.resources(setup.settings).items()}


def _read(setup: Setup, thing: str) -> set[str]:
    also = {action for name, action in (*refreshed(), *WHERE_IT_IS_SPOILT) if name == thing}
    return measured_actions(setup, "auditor", thing) | also


def refreshed() -> set[tuple[str, str]]:
    """What the real provider reads of a thing when the doctor has Pulumi compare: more than the stand-in, and no more
    than that; before an update it reads other things besides."""
    return {
        (thing, action)
        for thing, actions in load("provider reads").items()
        for action in actions
        if action != "iam:ListPolicyVersions"
    }


def remarks(setup: Setup) -> tuple[str, ...]:
    """What no policy of IAM can give, in words."""
    told = []
    if setup.settings.strict_key_policy:
        told.append(
            "the key's policy leaves nothing to IAM (strictKeyPolicy): only its administrators can read the key, so "
            "that for anybody else doctor, review and report tell what hangs on it as unknown"
        )
    if setup.settings.kept_as_found:
        tags = " and ".join(f"{name}={value}" for name, value in setup.settings.tags.items())
        told.append(f"keys are known to it by their tags, {tags}: one that was kept as it was found has to bear them")
    told.append(
        "not in it: where the state is in a bucket, s3:ListBucket on it and s3:GetObject on what it holds, and "
        "kms:Decrypt on the key that seals the stack's secrets"
    )
    return tuple(told)


def delivery_policies(setup: Setup) -> Mapping[str, Policy]:
    """The policy by its name."""
    return in_parts("EONPRODelivery", setup, _statements(setup))


def _statements(setup: Setup) -> Iterator[Statement]:
    def actions_on(setup: Setup, resource: str) -> set[str]:
        return measured_actions(setup, "delivery", resource)

    yield from statements_of(setup, known=variables_of(setup.settings), actions_on=actions_on)
    for target in deploy_targets(setup.settings.deploy_targets):
        yield from target.redeploy_statements(setup.settings)


READ_ROLE, APPLY_ROLE = "eonpro-ci-read", "eonpro-ci-apply"

SUBJECTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # A pull request runs code that nobody has read yet, so that this role may do no harm.
        READ_ROLE: ("pull_request", "ref:refs/heads/main"),
        # Of an environment that is protected: reviewers, and main as the only branch.
        APPLY_ROLE: ("environment:production",),
    }
)
"""Which workflows may take each role; examples/ci/github has them."""

_REPOSITORY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9._-]{1,100}")
_COMMAND = "python -m wizard policy ci --repository OWNER/NAME --account 111122223333"


def for_repository(repository: str | None, *, account_id: str | None, partition: str = "aws") -> dict[str, Policy]:
    """The trust policies by the names of the roles. Raises MissingAnswers without repository or account."""
    told = {"repository": repository, "account": account_id}
    if missing := tuple(name for name, value in told.items() if not value):
        raise MissingAnswers(
            f"the trust of the roles names them, and nothing tells: {', '.join(missing)}", _COMMAND, missing
        )
    assert repository and account_id
    if not _REPOSITORY.fullmatch(repository):
        raise UsageError(f"--repository: {repository!r} is no repository of GitHub, OWNER/NAME", _COMMAND)
    provider = ci.github_oidc_provider_arn(account_id=account_id, partition=partition)
    return {
        role: ci.github_trust_policy(oidc_provider_arn=provider, repository=repository, subjects=subjects)
        for role, subjects in SUBJECTS.items()
    }


def to_do(account_id: str) -> tuple[str, ...]:
    """What is done with the documents, as lines to type; each role's trust in a file of its name."""
    return (
        f"aws iam create-open-id-connect-provider --url https://{GITHUB_ISSUER} --client-id-list {GITHUB_AUDIENCE}"
        f"   # once in the account {account_id}",
        *(
            f"aws iam create-role --role-name {role} --assume-role-policy-document file://{role}.json"
            for role in SUBJECTS
        ),
        f"then attach to {READ_ROLE} what `policy auditor` prints, to {APPLY_ROLE} what `policy operator` prints",
    )


_OTHERS = {"auditor": auditor_policies, "delivery": delivery_policies}


def run(options: PolicyOptions, offline: Offline) -> Result:
    """Print the policy. Raises SetupError."""
    document = _for_ci(options, offline) if options.action == "ci" else _for_person(options, offline)
    offline.print(json.dumps(document, indent=2))
    return 0, json_documents.policy(document)


def _for_person(options: PolicyOptions, offline: Offline) -> Mapping[str, object]:
    def policies(setup: Setup) -> Mapping[str, Policy]:
        for remark in remarks(setup) if options.action == "auditor" else ():
            print(remark, file=sys.stderr)
        return _OTHERS[options.action](setup)

    document = operator.for_values(
        offline.run.inputs,
        os.environ,
        file=read_answers(offline.run.answers),
        file_name=str(offline.run.answers or ""),
        saved=offline.saved(),
        saved_name=offline.saved_name,
        adopt=offline.run.adopt,
        with_removal=options.with_removal,
        written=policies if options.action in _OTHERS else None,
        command=wizard("policy", options.action),
    )
    if "Statement" not in document:
        print(
            f"more than one managed policy may hold: {len(document)} documents, each to be attached to the "
            f"{options.action}",
            file=sys.stderr,
        )
    return document


def _for_ci(options: PolicyOptions, offline: Offline) -> Mapping[str, object]:
    saved = offline.saved()
    account = offline.run.inputs["account"] or os.environ.get(by_key["account"].variable)
    account = account or (saved.account_id if saved else None)
    documents = for_repository(options.repository, account_id=account, partition=saved.partition if saved else "aws")
    for line in to_do(str(account)):
        print(line, file=sys.stderr)
    return documents
