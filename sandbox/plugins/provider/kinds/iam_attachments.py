"""IAM's attachments: a managed policy on a role or on a user; the id is `principal/policy-arn`.

May touch IAM at the endpoint of the region it is handed.
"""

from __future__ import annotations

from typing import ClassVar

from sandbox.plugins.provider.endpoint import Region
from sandbox.plugins.provider.errors import found
from sandbox.plugins.provider.kind import Kind
from sandbox.plugins.provider.values import Properties

_GONE = "NoSuchEntity"


class _Attachment(Kind):
    principal: ClassVar[str]

    def create(self, region: Region, inputs: Properties) -> str:
        """Attach."""
        name = inputs[self.principal]
        call = getattr(region.iam, f"attach_{self.principal}_policy")
        call(**{f"{self.principal.title()}Name": name, "PolicyArn": inputs["policyArn"]})
        return f"{name}/{inputs['policyArn']}"

    def read(self, region: Region, ident: str, known: Properties) -> Properties | None:
        """The attachment, found in the principal's list."""
        name, _, arn = ident.partition("/")
        pages = region.iam.get_paginator(f"list_attached_{self.principal}_policies")
        attached = found(
            lambda: [
                policy["PolicyArn"]
                for page in pages.paginate(**{f"{self.principal.title()}Name": name})
                for policy in page["AttachedPolicies"]
            ],
            _GONE,
        )
        return {self.principal: name, "policyArn": arn} if attached and arn in attached else None

    def update(self, region: Region, ident: str, old: Properties, new: Properties, changed: frozenset[str]) -> None:
        """Every input replaces it: there is nothing to update."""

    def delete(self, region: Region, ident: str, state: Properties) -> None:
        """Detach."""
        call = getattr(region.iam, f"detach_{self.principal}_policy")
        arguments = {
            f"{self.principal.title()}Name": state[self.principal],
            "PolicyArn": state["policyArn"],
        }
        found(lambda: call(**arguments), _GONE)


class RolePolicyAttachment(_Attachment):
    """A managed policy on a role."""

    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    what = "IAM Role Policy Attachment"
    force_new = frozenset({"policyArn", "role"})
    principal = "role"


class UserPolicyAttachment(_Attachment):
    """A managed policy on a user."""

    token = "aws:iam/userPolicyAttachment:UserPolicyAttachment"
    what = "IAM User Policy Attachment"
    force_new = frozenset({"policyArn", "user"})
    principal = "user"


KINDS = (RolePolicyAttachment, UserPolicyAttachment)
