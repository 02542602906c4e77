"""Documents of one account for the tests of the judgement: a key, its policy, users and roles."""

from __future__ import annotations

from typing import Any

from components.policies.evaluation.account import AccountIam, GrantFact, IamPolicy, IamPrincipal
from components.policies.evaluation.key_access import KeyAccessDocuments, key_context
from tests.wizard.fakes.clients import ACCOUNT, KEY, OTHER_ACCOUNT

ADA = f"arn:aws:iam::{ACCOUNT}:user/ada"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/work"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
STRANGER = f"arn:aws:iam::{OTHER_ACCOUNT}:root"


def statement(effect: str, actions: Any = "kms:Decrypt", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": actions, "Resource": "*", **more}


def allow(actions: Any = "kms:Decrypt", **more: Any) -> dict[str, Any]:
    return statement("Allow", actions, **more)


def deny(actions: Any = "kms:Decrypt", **more: Any) -> dict[str, Any]:
    return statement("Deny", actions, **more)


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def named(who: Any, actions: Any = "kms:Decrypt", *, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    """A key policy's statement for somebody."""
    return statement(effect, actions, Principal=who if who == "*" else {"AWS": who}, **more)


LEAVES_IT_TO_IAM = named(ROOT, "kms:*", Sid="Enable IAM policies")


def principal(arn: str, *statements: dict[str, Any], **more: Any) -> IamPrincipal:
    """A user or role with one policy, called `own`."""
    policies = (IamPolicy(name="own", document=document(*statements)),) if statements else ()
    return IamPrincipal(**{"arn": arn, "policies": policies, **more})


def limit(*statements: dict[str, Any]) -> IamPolicy:
    return IamPolicy(name="limit", document=document(*statements))


def grant(grantee: str, *operations: str, **more: Any) -> GrantFact:
    return GrantFact(
        **{"id": "g1", "grantee": grantee, "operations": operations or ("Decrypt",), "made": None, "retiring": None}
        | more
    )


def documents(*key_policy: dict[str, Any], iam: Any = (), **more: Any) -> KeyAccessDocuments:
    """A key's documents; `iam` None: IAM could not be read."""
    values: dict[str, Any] = {
        "arn": KEY,
        "account": ACCOUNT,
        "policy": document(*key_policy),
        "grants": (),
        "iam": None if iam is None else AccountIam(principals=tuple(iam)),
        "context": key_context(KEY, tags={"Application": "EONPRO"}, aliases=("alias/eonpro-phi-key",)),
    }
    return KeyAccessDocuments(**values | more)
