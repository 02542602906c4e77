"""The checks of `doctor`, by what they inspect; each module lists its own.

Pure.
"""

from collections.abc import Iterator

from wizard.account.facts import StackFacts
from wizard.account.judgements import (
    alerts,
    backup,
    companion_variables,
    decryption,
    key,
    key_policy,
    others,
    period,
    permission_limits,
    policies,
    principal,
    runtime,
    s3_documents,
    stack,
    stored_data_key,
    strangers,
    trail,
    variables,
)
from wizard.account.notices import Judgement, Notice, judgement, opening


@judgement("data-key-stored", "application-tested", "data-key-backup")
def check_values_beside(facts: StackFacts) -> Iterator[Notice]:
    """The checks of the data key, for each other stored value."""
    for value in facts.beside:
        for check in (
            stored_data_key.check_stored_data_key,
            variables.check_data_key_on_vercel,
            companion_variables.check_parameters,
            stored_data_key.check_versions,
            backup.check_backup,
            key.check_replica_data_keys,
        ):
            yield from check(value)


ACCESS_CHECKS: tuple[Judgement, ...] = (
    # The check that takes longest comes first.
    *decryption.ACCESS_CHECKS,
    *stored_data_key.ACCESS_CHECKS,
    *key.ACCESS_CHECKS,
    *principal.ACCESS_CHECKS,
    *permission_limits.ACCESS_CHECKS,
    *policies.ACCESS_CHECKS,
    *variables.ACCESS_CHECKS,
    *companion_variables.ACCESS_CHECKS,
    *runtime.ACCESS_CHECKS,
    check_values_beside,
)
"""Whether the application can decrypt its data key: run after a failed verification."""

RIGHTS_CHECKS: tuple[Judgement, ...] = opening()
"""What lets somebody use the key, become the application, or read or delete the logs, beyond the settings: for
`verify`, which fails on it."""

KEY_RIGHTS_CHECKS: tuple[Judgement, ...] = opening("key")
"""Those of the key's policies, grants and Regions: for `push`, whose caller may read neither IAM nor the logs."""

ALL_CHECKS: tuple[Judgement, ...] = (
    *ACCESS_CHECKS,
    *stack.OTHER_CHECKS,
    *stored_data_key.OTHER_CHECKS,
    *decryption.OTHER_CHECKS,
    *backup.OTHER_CHECKS,
    *key.OTHER_CHECKS,
    *key_policy.OTHER_CHECKS,
    *others.OTHER_CHECKS,
    *permission_limits.OTHER_CHECKS,
    *policies.OTHER_CHECKS,
    *strangers.OTHER_CHECKS,
    *trail.OTHER_CHECKS,
    *alerts.OTHER_CHECKS,
    *s3_documents.OTHER_CHECKS,
    *runtime.OTHER_CHECKS,
)

REPORT_CHECKS: tuple[Judgement, ...] = (*period.REPORT_CHECKS, *ALL_CHECKS)
"""All checks, with those of a period: the event history and the log files of it are read, which takes a while."""
