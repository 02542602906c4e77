"""Where the alias points to, and how the key rotates.

Pure: reads through the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator

from wizard.doctor import remedies
from wizard.doctor.evidence import Evidence
from wizard.doctor.finding import Finding, Told, Unlooked, Well
from wizard.errors import SetupError
from wizard.facts import KeyFact


def of_the_alias(evidence: Evidence) -> Iterator[Told]:
    """The alias, against the key that the stack tells."""
    outputs, target = evidence.outputs, evidence.alias_target
    if outputs is None:
        return
    alias, key = outputs.alias_name, outputs.key_arn
    if isinstance(target, SetupError):
        yield Unlooked.of(f"the alias {alias}", target)
        return
    to_the_key = ("--alias-name", alias, "--target-key-id", outputs.key_id)
    if target is None:
        yield Finding(
            cause="alias-missing",
            what=f"{alias} points to no key",
            why=f"whoever names the key by its alias is refused; the stack's key is {key}",
            command=remedies.aws(evidence, "kms", "create-alias", *to_the_key),
        )
    elif target.arn != key:
        yield Finding(
            cause="alias-moved",
            what=f"{alias} points to {target.arn}, not to the stack's key {key}",
            why="whoever names the key by its alias uses a key that does not open the data key",
            command=remedies.aws(evidence, "kms", "update-alias", *to_the_key),
        )
    else:
        yield Well(what=f"{alias} points to the stack's key")


def of_the_rotation(evidence: Evidence) -> Iterator[Told]:
    """Whether KMS gives the key new material, and how often."""
    key, wanted = evidence.key, evidence.settings.rotation_period_days
    if not isinstance(key, KeyFact):
        return  # Told by the check of the key.
    arn = key.arn
    rotate = remedies.aws(
        evidence, "kms", "enable-key-rotation", "--key-id", arn, "--rotation-period-in-days", str(wanted)
    )
    if key.rotation_enabled is None:
        if key.state == "Enabled":
            yield Unlooked(what="the rotation of the key", why="KMS does not tell it", is_denied=True)
    elif not key.rotation_enabled:
        yield Finding(
            cause="rotation-off",
            what=f"the key {arn} does not rotate",
            why=f"the settings say every {wanted} days; prowler and an auditor look for it",
            command=rotate,
        )
    elif key.rotation_period_days is None:
        yield Unlooked(what="how often the key rotates", why="KMS does not tell it")
    elif key.rotation_period_days != wanted:
        yield Finding(
            cause="rotation-period",
            what=f"the key {arn} rotates every {key.rotation_period_days} days",
            why=f"the settings say every {wanted} days",
            command=rotate,
            then="if the settings were changed and not applied, Pulumi's state follows with the next `pulumi up`",
        )
    else:
        yield Well(what=f"the key rotates every {wanted} days")
