"""The wrapped data key's escrow in Parameter Store, and the two variables beside it.

Reads and writes the SSM parameters it is given the names of. An escrow is only created, never overwritten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.contract import DATA_KEY_VARIABLE
from wizard.aws.session import Session, tags_of
from wizard.datakey import FINGERPRINT, MalformedDataKey, WrappedDataKey
from wizard.errors import DataKeyConflict, PermissionDenied, ResourceError, Unsupported
from wizard.facts import Batch, Delivered, DeliveryState, Escrow

KEY_ARN_TAG = "eonpro:key-arn"
FINGERPRINT_TAG = "eonpro:fingerprint"
MADE_BY_TAG = "eonpro:made-by"
MADE_BY = "eonpro-kms wizard"

_READ_BACK = (0.2, 0.6, 1.5)
"""Seconds between readings of what was just written: for a moment the old value may be answered."""


@dataclass(frozen=True, kw_only=True)
class _Parameter:
    value: str = field(repr=False)
    type: str
    version: int


def _read(session: Session, names: Sequence[str]) -> dict[str, _Parameter]:
    answer = session.call("ssm", "GetParameters", Names=list(names), WithDecryption=True)
    return {
        str(found["Name"]): _Parameter(
            value=str(found["Value"]), type=str(found["Type"]), version=int(found["Version"])
        )
        for found in answer["Parameters"]
    }


def read_escrow(session: Session, parameter: str) -> Escrow | None:
    """The wrapped data key that the parameter holds; None when there is no such parameter.

    Raises DataKeyConflict when it holds anything else, or another key than its tags say.
    """
    found = _read(session, [parameter]).get(parameter)
    if found is None:
        return None
    history = f"aws ssm get-parameter-history --name {parameter}"
    try:
        wrapped = WrappedDataKey(value=found.value)
    except MalformedDataKey as error:
        raise DataKeyConflict(
            f"the parameter {parameter} holds something that is no wrapped data key ({error}); nothing was overwritten",
            f"{history}   # find what wrote it, and restore the version that was a wrapped key",
        ) from error
    tags = _tags(session, parameter)
    told = tags.get(FINGERPRINT_TAG)
    if told is not None and (not FINGERPRINT.fullmatch(told) or told != wrapped.fingerprint):
        raise DataKeyConflict(
            f"the parameter {parameter} holds the data key {wrapped.fingerprint}, but its tag says {told}: "
            "somebody replaced its value; nothing was overwritten",
            f"{history}   # find out which of the two the application's records are under",
        )
    return Escrow(parameter=parameter, wrapped=wrapped, key_arn=tags.get(KEY_ARN_TAG), version=found.version)


def parameter_exists(session: Session, parameter: str) -> bool:
    """Whether there is a parameter of that name."""
    return parameter in _read(session, [parameter])


def _tags(session: Session, parameter: str) -> dict[str, str]:
    try:
        answer = session.find(
            "ssm",
            "ListTagsForResource",
            absent=("InvalidResourceId",),
            ResourceType="Parameter",
            ResourceId=parameter,
        )
    except (PermissionDenied, Unsupported):
        return {}
    return tags_of((answer or {}).get("TagList", ()))


def write_escrow(
    session: Session, parameter: str, wrapped: WrappedDataKey, *, key_arn: str, tags: Mapping[str, str]
) -> bool:
    """Create the escrow. False when the parameter is there already, whoever made it; it is untouched."""
    own = {KEY_ARN_TAG: key_arn, FINGERPRINT_TAG: wrapped.fingerprint, MADE_BY_TAG: MADE_BY}
    return _create(
        session,
        parameter,
        wrapped.value,
        kind="SecureString",
        description=f"EONPRO PHI data key {wrapped.fingerprint}, wrapped by {key_arn}. "
        "Never delete or overwrite: PHI is lost with it.",
        tags={**tags, **own},
    )


def _create(session: Session, name: str, value: str, *, kind: str, description: str, tags: Mapping[str, str]) -> bool:
    answer = session.find(
        "ssm",
        "PutParameter",
        absent=("ParameterAlreadyExists",),
        Name=name,
        Value=value,
        Type=kind,
        Tier="Standard",
        Overwrite=False,
        Description=description,
        Tags=[{"Key": key, "Value": text} for key, text in tags.items()],
    )
    return answer is not None


def deliver_parameters(session: Session, prefix: str, batch: Batch, *, tags: Mapping[str, str]) -> Delivered:
    """The key's ARN and the Region beside the escrow, then all three read back and compared.

    Raises DataKeyConflict, before anything is written, unless the escrow holds the batch's data key under the
    batch's key; ResourceError when what is read back differs.
    """
    _check_escrow(session, prefix, batch)
    beside = {f"{prefix}/{name}": value for name, value in batch.values if name != DATA_KEY_VARIABLE}
    there = _read(session, list(beside))
    kept = [DATA_KEY_VARIABLE]
    for name, value in beside.items():
        if name in there and there[name].value == value:
            kept.append(name.removeprefix(f"{prefix}/"))
            continue
        _put(session, name, value, there.get(name), tags)
    if not _reads_back(session, prefix, batch):
        raise ResourceError(
            f"the parameters under {prefix} do not read back as they were written",
            f"aws ssm get-parameters-by-path --path {prefix}   # then run the same command again",
        )
    return Delivered(
        target="ecs",
        place=f"Parameter Store {prefix}",
        state=DeliveryState.UNCHANGED if len(kept) == len(batch.values) else DeliveryState.WRITTEN,
        fingerprint=batch.wrapped.fingerprint,
        checked_by="values read back",
        kept=tuple(kept),
    )


def _check_escrow(session: Session, prefix: str, batch: Batch) -> None:
    parameter = f"{prefix}/{DATA_KEY_VARIABLE}"
    escrow = read_escrow(session, parameter)
    way_out = "run the set-up again: it reads the escrow first and delivers what it holds"
    if escrow is None:
        raise DataKeyConflict(f"there is no escrow {parameter} to deliver beside; nothing was written", way_out)
    if escrow.wrapped != batch.wrapped:
        raise DataKeyConflict(
            f"the escrow {parameter} holds the data key {escrow.wrapped.fingerprint}, "
            f"not {batch.wrapped.fingerprint}; nothing was written",
            way_out,
        )
    if escrow.key_arn not in (None, batch.key_arn):
        raise DataKeyConflict(
            f"the data key in {parameter} is wrapped by {escrow.key_arn}, "
            f"not by {batch.key_arn}, which could not open it; nothing was written",
            way_out,
        )


def _put(session: Session, name: str, value: str, there: _Parameter | None, tags: Mapping[str, str]) -> None:
    description = "Of EONPRO's three variables: goes with the wrapped data key beside it."
    if there is None and _create(
        session, name, value, kind="String", description=description, tags={**tags, MADE_BY_TAG: MADE_BY}
    ):
        return
    # No secret, and an old one beside the data key would be worse. An overwrite takes neither type nor tags.
    kind = there.type if there else "String"
    session.call("ssm", "PutParameter", Name=name, Value=value, Type=kind, Overwrite=True, Description=description)


def _reads_back(session: Session, prefix: str, batch: Batch) -> bool:
    for seconds in _READ_BACK:
        if check_parameters(session, prefix, batch):
            return True
        session.pause(seconds)
    return check_parameters(session, prefix, batch)


def check_parameters(session: Session, prefix: str, batch: Batch) -> bool:
    """Whether the three parameters under the prefix are the batch, read with decryption."""
    found = _read(session, [f"{prefix}/{name}" for name, _ in batch.values])
    values: dict[str, Any] = {name: parameter.value for name, parameter in found.items()}
    return values == {f"{prefix}/{name}": value for name, value in batch.values}
