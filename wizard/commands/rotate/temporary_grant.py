"""Leave for a use of the key that nobody has: how to give it for one command, and how to take it away again.

Pure: words for an operator; grants nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from wizard.commands.rotate.data_key_versions import DataKeyStore
from wizard.core.models.account import Identity


def temporary_grant(data_keys: DataKeyStore, statements: Sequence[Mapping[str, str]], *, name: str) -> str:
    """What gives the caller these rights, by IAM where the key's policy lets IAM speak, and what ends them."""
    settings, stack = data_keys.settings, data_keys.stack
    if settings.strict_key_policy:
        principal = {"AWS": data_keys.found.identity.principal_arn}
        added = [{**each, "Principal": principal, "Resource": "*"} for each in statements]
        return (
            "the key's policy leaves nothing to IAM here (strict): an administrator adds to it, by aws kms "
            f"put-key-policy, {json.dumps(added)}; run the same command again; pulumi up --stack {stack} takes it away"
        )
    first = ""
    if settings.exclusive_use:
        first = (
            "the key's policy denies its use to all but the application: first pulumi config set --stack "
            f"{stack} eonpro-kms:exclusiveUse false && pulumi up --stack {stack} (and back afterwards), then "
        )
    kind, principal_name = _principal(data_keys.found.identity)
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    return (
        f"{first}aws iam put-{kind}-policy --{kind}-name {principal_name} --policy-name {name} --policy-document "
        f"'{document}'   # run the same command again, then: aws iam delete-{kind}-policy --{kind}-name "
        f"{principal_name} --policy-name {name}"
    )


def _principal(identity: Identity) -> tuple[str, str]:
    kind = "user" if ":user/" in identity.principal_arn else "role"
    return kind, identity.principal_arn.rpartition("/")[2]
