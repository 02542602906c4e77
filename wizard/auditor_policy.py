"""The least IAM policy of who only reads the stack: an auditor, or CI at night.

Pure: a set-up in, documents out; asks AWS nothing. `wizard.auditor_actions` is the measurement of the reader; what
status, verify, preview, doctor, review, report and cost ask is in it, and nothing that changes anything.

A key whose policy leaves nothing to IAM can be read by its administrators alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from components.contract import Target
from wizard.operator_policy import in_parts, statements_of
from wizard.operator_things import FEATURES, Setup, things

if TYPE_CHECKING:
    from components.documents import Policy

AUDITOR = "auditor"
"""The word of `policy`."""

_NO_READERS = ("new keys",)


def policies_of(setup: Setup) -> dict[str, Policy]:
    """The reader's policy by its name; several where one is longer than IAM takes."""
    return in_parts("EONPROAuditor", setup, statements_of(setup, known=things_read(setup), wanting=_read))


def things_read(setup: Setup) -> dict[str, tuple[str, ...]]:
    """The ARNs of everything that a reader looks at, by the name of the thing."""
    settings = setup.settings
    iam = f"arn:{settings.partition}:iam::{settings.account_id}"
    found = {name: arns for name, arns in things(setup).items() if name not in _NO_READERS}
    # The review tells the age of the access keys of every user that has a right on the key.
    return {**found, "users": (f"{iam}:user/*",), **_services(setup)}


def _services(setup: Setup) -> dict[str, tuple[str, ...]]:
    settings = setup.settings
    if Target.ECS not in settings.deploy_targets or not settings.ecs_cluster:
        return {}
    ecs = f"arn:{settings.partition}:ecs:{settings.region}:{settings.account_id}"
    return {
        "service": (f"{ecs}:service/{settings.ecs_cluster}/{settings.ecs_service or '*'}",),
        "tasks": (f"{ecs}:task/{settings.ecs_cluster}/*",),
        "container instances": (f"{ecs}:container-instance/{settings.ecs_cluster}/*",),
    }


def _read(setup: Setup, thing: str) -> set[str]:
    from wizard.auditor_actions import AUDITED

    return {
        action
        for one, action, features in AUDITED
        if one == thing and (not features or any(FEATURES[feature](setup) for feature in features))
    }


def remarks(setup: Setup, whose: str) -> tuple[str, ...]:
    """What no policy of IAM can give, in words."""
    if whose != AUDITOR:
        return ()
    strict = (
        "the key's policy leaves nothing to IAM (strictKeyPolicy): only its administrators can read the key, so that "
        "for anybody else doctor, review and report tell what hangs on it as unknown"
    )
    state = (
        "not in it: where the state is in a bucket, s3:ListBucket on it and s3:GetObject on what it holds, and "
        "kms:Decrypt on the key that seals the stack's secrets"
    )
    return (strict, state) if setup.settings.strict_key_policy else (state,)


WRITTEN: Mapping[str, Callable[[Setup], Mapping[str, Policy]]] = {AUDITOR: policies_of}
"""By the word of `policy`."""
