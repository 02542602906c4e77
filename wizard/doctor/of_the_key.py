"""The key as the stack and the application's variables name it: whether it is there, works, and is the one they mean.

Pure: reads through the evidence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from wizard.doctor import remedies
from wizard.doctor.evidence import Evidence
from wizard.doctor.finding import Finding, Told, Unlooked, Well
from wizard.doctor.variables import Expected, expected, framed
from wizard.errors import SetupError
from wizard.escrow import region_of
from wizard.facts import KeyFact

_ARN = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]+):([0-9]{12}):(key|alias)/.+")

_RESTART = "start the application anew: it remembers a load of its key that failed"


def the_region_of_the_settings(evidence: Evidence) -> Iterator[Told]:
    """Whether the settings name the Region that the stack was built in."""
    outputs, settings = evidence.outputs, evidence.settings
    if outputs is None or region_of(outputs.key_arn) == settings.region:
        return
    there = region_of(outputs.key_arn)
    yield Finding(
        cause="region-of-settings",
        what=f"the settings name {settings.region}, and the stack was built in {there}",
        why=f"KMS in {settings.region} knows no key of {there}: it answers NotFoundException, or AccessDeniedException",
        command=f"pulumi config set aws:region {there} --stack {evidence.stack}",
    )


def the_key_and_its_replicas(evidence: Evidence) -> Iterator[Told]:
    """Whether the stack's key is there and enabled, in each of its Regions."""
    arns = evidence.outputs.key_arns if evidence.outputs else tuple(filter(None, (evidence.key_arn,)))
    for arn in arns:
        key = evidence.key if arn == evidence.key_arn else evidence.replica(arn)
        if isinstance(key, SetupError):
            yield Unlooked.of(f"the key {arn}", key)
        elif key is None:
            yield _missing(arn)
        else:
            yield _state(key)
    if not arns and isinstance(target := evidence.alias_target, SetupError):
        yield Unlooked.of("the key", target)


def _missing(arn: str) -> Finding:
    region = region_of(arn)
    return Finding(
        cause="key-missing",
        what=f"there is no key {arn}",
        why="it was deleted, or these credentials are of another account; without it no record can be opened",
        command=f"aws cloudtrail lookup-events --region {region} "
        f"--lookup-attributes AttributeKey=ResourceName,AttributeValue={arn}",
        then="what it tells is who ended the key, and when; a replica or a backup under another key opens the data key",
    )


def _state(key: KeyFact) -> Told:
    region = region_of(key.arn)
    where = f"--key-id {key.arn} --region {region}"
    if key.state == "Enabled":
        return Well(what=f"the key {key.arn} is there and enabled")
    if key.state == "PendingDeletion":
        return Finding(
            cause="key-pending-deletion",
            what=f"the key {key.arn} is going to be deleted",
            why="KMS answers KMSInvalidStateException to every use, and when its time is over every record is lost",
            command=f"aws kms cancel-key-deletion {where} && aws kms enable-key {where}",
            then=f"find out who scheduled it, then {_RESTART}",
        )
    if key.state == "Disabled":
        return Finding(
            cause="key-disabled",
            what=f"the key {key.arn} is disabled",
            why="KMS answers DisabledException to every use, so the application cannot open its data key",
            command=f"aws kms enable-key {where}",
            then=_RESTART,
        )
    return Finding(
        cause="key-unavailable",
        what=f"the key {key.arn} cannot be used: {key.state}",
        why="KMS answers KMSInvalidStateException to every use until that is over",
        command=f"aws kms describe-key {where}",
    )


# --- AWS_KMS_KEY_ID ------------------------------------------------------------------------------------------------


def the_key_id_as_delivered(evidence: Evidence) -> Iterator[Told]:
    """Whether AWS_KMS_KEY_ID is the key's ARN wherever it was delivered."""
    for one in expected(evidence, "AWS_KMS_KEY_ID"):
        if one.value is None or one.wanted is None:
            continue
        yield _key_id(evidence, one, one.value, one.wanted)


def _key_id(evidence: Evidence, one: Expected, value: str, wanted: str) -> Told:
    if value == wanted:
        return Well(what=f"AWS_KMS_KEY_ID in {one.place} is the key's ARN")
    if (damaged := framed(evidence, one, value)) is not None:
        return damaged
    cause, why = _how_it_differs(value, wanted)
    return Finding(
        cause=cause,
        what=f"AWS_KMS_KEY_ID in {one.place} is {_shown(value)}, not {wanted}",
        why=why,
        command=remedies.push(evidence),
        then=f"deploy anew; {_RESTART}",
    )


def _how_it_differs(value: str, wanted: str) -> tuple[str, str]:
    found = _ARN.fullmatch(value)
    if value.startswith("alias/") or (found and found[3] == "alias"):
        return "key-id-alias", (
            "a policy that names the key grants nothing on an alias, and an alias may come to point elsewhere; "
            "the application compares what KMS answers with the key's ARN"
        )
    if value == wanted.rpartition("/")[2]:
        return "key-id-bare", "a bare id is looked up in whatever account and Region the credentials are of"
    if found and found[1] != region_of(wanted):
        return "key-id-other-region", f"KMS in {region_of(wanted)} answers NotFoundException: Invalid arn {found[1]}"
    if found and found[2] != wanted.split(":")[4]:
        return "key-id-other-account", f"it is a key of the account {found[2]}, whose policy does not let us in"
    return "key-id-other-key", "KMS answers IncorrectKeyException, or AccessDeniedException: that key wrapped nothing"


def _shown(value: str) -> str:
    # No secret; but whatever was pasted there by mistake might be one.
    return value if _ARN.fullmatch(value) or re.fullmatch(r"(alias/[\w/-]+|(mrk-)?[0-9a-f-]{32,36})", value) else "…"
