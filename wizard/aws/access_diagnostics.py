"""What keeps the application from its key: its rights as IAM has them, and what the stores hold under its names.

Asks IAM, SSM and Secrets Manager; changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.policies.evaluation.account import IamPolicy, IamPrincipal
from components.settings import SecretStore
from wizard.aws import iam
from wizard.aws.auth.session import Session
from wizard.aws.data_keys.stored import store_of
from wizard.core.errors import PermissionDenied, ResourceError, Unsupported
from wizard.core.models.diagnostics import FormerText, ProviderFact, Ruling, StatementEvaluation

_ABSENT = ("NoSuchEntity", "NoSuchEntityException")


class AwsAccessDiagnostics:
    """A `wizard.core.ports.aws.AccessDiagnostics`, which says what is raised."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def principal(self, arn: str) -> IamPrincipal | None:
        """One user or role, its groups' policies with its own."""
        kind, name = ("User" if ":user/" in arn else "Role"), arn.rpartition("/")[2]
        found = self._session.find("iam", f"Get{kind}", absent=_ABSENT, **{f"{kind}Name": name})
        if found is None or found[kind]["Arn"] != arn:
            return None
        told = found[kind]
        holders = [(kind, name)]
        if kind == "User":
            groups = self._session.pages("iam", "ListGroupsForUser", "Groups", UserName=name)
            holders += [("Group", str(each["GroupName"])) for each in groups]
        policies = self._session.together(*(lambda one=one: self._policies(*one) for one in holders))
        boundary = (told.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
        return IamPrincipal(
            arn=str(told["Arn"]),
            policies=tuple(policy for each in policies for policy in each),
            boundary=IamPolicy(name=str(boundary), document=self._document(str(boundary))) if boundary else None,
            trust=_read(told.get("AssumeRolePolicyDocument")),
        )

    def _policies(self, kind: str, name: str) -> tuple[IamPolicy, ...]:
        of = {f"{kind}Name": name}
        attached, inline = self._session.together(
            lambda: list(self._session.pages("iam", f"ListAttached{kind}Policies", "AttachedPolicies", **of)),
            lambda: list(self._session.pages("iam", f"List{kind}Policies", "PolicyNames", **of)),
        )
        found: tuple[IamPolicy, ...] = self._session.together(
            *(
                lambda arn=str(each["PolicyArn"]): IamPolicy(name=arn, document=self._document(arn))
                for each in attached
            ),
            *(lambda own=str(each): self._inline(kind, name, own) for each in inline),
        )
        return found

    def _inline(self, kind: str, name: str, policy: str) -> IamPolicy:
        holder = f"{kind.lower()}/{name}"
        try:
            found = self._session.call("iam", f"Get{kind}Policy", PolicyName=policy, **{f"{kind}Name": name})
        except PermissionDenied:
            return IamPolicy(name=f"{policy} of {holder}", document=None)
        return IamPolicy(name=f"{policy} of {holder}", document=_read(found["PolicyDocument"]))

    def _document(self, policy_arn: str) -> Mapping[str, Any] | None:
        try:
            return iam.Iam(self._session).policy_document(policy_arn)
        except (PermissionDenied, ResourceError, Unsupported):
            return None

    def provider(self, arn: str) -> ProviderFact | None:
        """One OIDC provider."""
        found = self._session.find("iam", "GetOpenIDConnectProvider", absent=_ABSENT, OpenIDConnectProviderArn=arn)
        if found is None:
            return None
        return ProviderFact(arn=arn, audiences=tuple(map(str, found.get("ClientIDList") or ())))

    def weigh(self, principal_arn: str, actions: Sequence[str], resource: str) -> tuple[StatementEvaluation, ...]:
        """SimulatePrincipalPolicy, with what each limit said.

        https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html
        """
        results = self._session.pages(
            "iam",
            "SimulatePrincipalPolicy",
            "EvaluationResults",
            PolicySourceArn=principal_arn,
            ActionNames=list(actions),
            ResourceArns=[resource],
        )
        return tuple(_weighed(each) for each in results)

    def policy_versions(self, policy_arn: str) -> Mapping[str, Mapping[str, object]] | None:
        """The documents of a managed policy by version, the default one first, then the newest."""
        if self._session.find("iam", "GetPolicy", absent=_ABSENT, PolicyArn=policy_arn) is None:
            return None
        listed = list(self._session.pages("iam", "ListPolicyVersions", "Versions", PolicyArn=policy_arn))
        listed.sort(key=lambda each: (not each["IsDefaultVersion"], -int(str(each["VersionId"]).removeprefix("v"))))
        names = [str(each["VersionId"]) for each in listed]
        found = self._session.together(*(lambda name=name: self._version(policy_arn, name) for name in names))
        return {name: document for name, document in zip(names, found, strict=True) if document is not None}

    def _version(self, policy_arn: str, name: str) -> Mapping[str, object] | None:
        answer = self._session.call("iam", "GetPolicyVersion", PolicyArn=policy_arn, VersionId=name)
        return _read(answer["PolicyVersion"]["Document"])

    # --- the stores

    def held(self, names: Sequence[str], store: SecretStore) -> Mapping[str, str]:
        """The text under each of those names that are there."""
        return {name: found.value for name, found in store_of(self._session, store).read(names).items()}

    def history(self, name: str, store: SecretStore) -> tuple[FormerText, ...]:
        """Every text that is kept: a parameter's last hundred versions; a secret's current and previous.

        https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html
        """
        if store is SecretStore.SECRETS_MANAGER:
            stages = ("AWSPREVIOUS", "AWSCURRENT")
            told = self._session.together(*(lambda stage=stage: self._secret(name, stage) for stage in stages))
            return tuple(each for each in told if each is not None)
        if not store_of(self._session, store).read([name]):
            return ()
        found = self._session.pages("ssm", "GetParameterHistory", "Parameters", Name=name, WithDecryption=True)
        return tuple(
            FormerText(version=str(each["Version"]), text=str(each["Value"]))
            for each in sorted(found, key=lambda each: int(each["Version"]))
        )

    def _secret(self, name: str, stage: str) -> FormerText | None:
        answer = self._session.find(
            "secretsmanager",
            "GetSecretValue",
            absent=("ResourceNotFoundException",),
            SecretId=name,
            VersionStage=stage,
        )
        if not answer:
            return None
        return FormerText(version=str(answer["VersionId"]), text=str(answer.get("SecretString") or ""))


def _read(document: Any) -> Mapping[str, Any] | None:
    # botocore has decoded it; what is no object is nothing that could be judged.
    return document if isinstance(document, dict) else None


def _weighed(result: Mapping[str, Any]) -> StatementEvaluation:
    boundary = result.get("PermissionsBoundaryDecisionDetail") or {}
    organization = result.get("OrganizationsDecisionDetail") or {}
    return StatementEvaluation(
        action=str(result["EvalActionName"]),
        ruling=Ruling(str(result["EvalDecision"])),
        by_boundary=boundary.get("AllowedByPermissionsBoundary"),
        by_organization=organization.get("AllowedByOrganizations"),
        depends_on=tuple(map(str, result.get("MissingContextValues") or ())),
    )
