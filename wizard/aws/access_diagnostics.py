"""Reads the possible obstacles to the application's use of its key: its IAM policies, and its stored variables.

Reads IAM, SSM and Secrets Manager; changes nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from components.policies.evaluation.account import IamPolicy, IamPrincipal
from components.settings import SecretStore
from components.settings.arn import Arn
from wizard.aws import iam
from wizard.aws.auth.session_client import SessionClient, utc
from wizard.aws.data_keys.stored import store_of
from wizard.core.errors import PermissionDenied
from wizard.core.models.access import FormerText

_ABSENT = ("NoSuchEntity", "NoSuchEntityException")


class AccessDiagnostics(SessionClient):
    """Reads obstacles to the application's use of its key, in one Region."""

    def principal(self, arn: str) -> IamPrincipal | None:
        """A user or role with its boundary and trust, its own policies and those of its groups; None without one."""
        kind, name = ("User" if ":user/" in arn else "Role"), Arn.parse(arn).name
        answer = self._session.find("iam", f"Get{kind}", absent=_ABSENT, **{f"{kind}Name": name})
        if answer is None or answer[kind]["Arn"] != arn:
            return None
        details = answer[kind]
        holders = [(kind, name)]
        if kind == "User":
            groups = self._session.pages("iam", "ListGroupsForUser", "Groups", UserName=name)
            holders += [("Group", str(group["GroupName"])) for group in groups]
        policies = self._session.together(*(lambda holder=holder: self._policies(*holder) for holder in holders))
        boundary = (details.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
        return IamPrincipal(
            arn=str(details["Arn"]),
            policies=tuple(policy for of_holder in policies for policy in of_holder),
            boundary=self._managed(str(boundary)) if boundary else None,
            trust=_read(details.get("AssumeRolePolicyDocument")),
        )

    def _policies(self, kind: str, name: str) -> tuple[IamPolicy, ...]:
        holder = {f"{kind}Name": name}
        attached, inline = self._session.together(
            lambda: list(self._session.pages("iam", f"ListAttached{kind}Policies", "AttachedPolicies", **holder)),
            lambda: list(self._session.pages("iam", f"List{kind}Policies", "PolicyNames", **holder)),
        )
        policies: tuple[IamPolicy, ...] = self._session.together(
            *(lambda arn=str(policy["PolicyArn"]): self._managed(arn) for policy in attached),
            *(lambda policy=str(policy): self._inline(kind, name, policy) for policy in inline),
        )
        return policies

    def _managed(self, arn: str) -> IamPolicy:
        return IamPolicy(name=arn, document=iam.document_or_none(self._session, arn))

    def _inline(self, kind: str, name: str, policy: str) -> IamPolicy:
        holder = f"{kind.lower()}/{name}"
        try:
            answer = self._session.call("iam", f"Get{kind}Policy", PolicyName=policy, **{f"{kind}Name": name})
        except PermissionDenied:
            return IamPolicy(name=f"{policy} of {holder}", document=None)
        return IamPolicy(name=f"{policy} of {holder}", document=_read(answer["PolicyDocument"]))

    def audiences(self, arn: str) -> tuple[str, ...] | None:
        """The audiences of an OIDC provider; None without one of that ARN."""
        answer = self._session.find("iam", "GetOpenIDConnectProvider", absent=_ABSENT, OpenIDConnectProviderArn=arn)
        return None if answer is None else tuple(map(str, answer.get("ClientIDList") or ()))

    def policy_versions(self, policy_arn: str) -> Mapping[str, Mapping[str, object]] | None:
        """The documents of a managed policy by version, the default one first, then the newest; None without the
        policy.
        """
        if self._session.find("iam", "GetPolicy", absent=_ABSENT, PolicyArn=policy_arn) is None:
            return None
        listed = list(self._session.pages("iam", "ListPolicyVersions", "Versions", PolicyArn=policy_arn))
        # `v10` is newer than `v9`.
        listed.sort(key=lambda version: (len(version["VersionId"]), version["VersionId"]), reverse=True)
        listed.sort(key=lambda version: not version["IsDefaultVersion"])
        names = [str(version["VersionId"]) for version in listed]
        documents = self._session.together(*(lambda name=name: self._version(policy_arn, name) for name in names))
        return {name: document for name, document in zip(names, documents, strict=True) if document is not None}

    def _version(self, policy_arn: str, name: str) -> Mapping[str, object] | None:
        answer = self._session.call("iam", "GetPolicyVersion", PolicyArn=policy_arn, VersionId=name)
        return _read(answer["PolicyVersion"]["Document"])

    # --- the stores

    def read_values(self, names: Sequence[str], store: SecretStore) -> Mapping[str, str]:
        """The value of each name that exists in the store, well formed or not."""
        return {name: stored.value for name, stored in store_of(self._session, store).read(names).items()}

    def history(self, name: str, store: SecretStore) -> tuple[FormerText, ...]:
        """Every stored version: a parameter's last hundred; a secret's current and previous one.

        https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html
        """
        if store is SecretStore.SECRETS_MANAGER:
            stages = ("AWSPREVIOUS", "AWSCURRENT")
            versions = self._session.together(*(lambda stage=stage: self._secret(name, stage) for stage in stages))
            return tuple(version for version in versions if version is not None)
        if not store_of(self._session, store).read([name]):
            return ()
        history = self._session.pages("ssm", "GetParameterHistory", "Parameters", Name=name, WithDecryption=True)
        return tuple(
            FormerText(
                version=str(version["Version"]),
                text=str(version["Value"]),
                at=utc(version.get("LastModifiedDate")),
            )
            for version in sorted(history, key=lambda version: int(version["Version"]))
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
        return FormerText(
            version=str(answer["VersionId"]),
            text=str(answer.get("SecretString") or ""),
            at=utc(answer.get("CreatedDate")),
        )


def _read(document: Any) -> Mapping[str, Any] | None:
    # botocore has decoded it; anything but an object cannot be evaluated.
    return document if isinstance(document, dict) else None
