"""Patches of key rotation: its period, the rules and the quota of rotations on demand, and the key material.

Writes the period to moto's key, and remembers which key material made a ciphertext, in this process.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from sandbox.aws.iam.principals import Principal
from sandbox.aws.moto_patches.kms.ciphertext import key_id_of
from sandbox.aws.moto_patches.kms.named_keys import named_key
from sandbox.aws.protocol import AwsError, Call, Response, json_response

DEFAULT_DAYS = 365
SHORTEST_DAYS, LONGEST_DAYS = 90, 2560


def record_rotation_period(call: Call, caller: Principal | None) -> None:
    """AWS rotates every RotationPeriodInDays: 90 to 2,560 days, 365 by default. Moto forgets the period.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html
    """
    days = call.parameters.get("RotationPeriodInDays", DEFAULT_DAYS)
    if not isinstance(days, int) or not SHORTEST_DAYS <= days <= LONGEST_DAYS:
        message = f"RotationPeriodInDays must be between {SHORTEST_DAYS} and {LONGEST_DAYS}: {days}"
        raise AwsError("ValidationException", message)
    key: Any = named_key(call)
    if key is None:
        return
    if key.key_spec != "SYMMETRIC_DEFAULT" or key.origin != "AWS_KMS":
        raise AwsError("UnsupportedOperationException", f"{key.arn} cannot be rotated automatically.")
    key.rotation_days, key.rotation_since = days, datetime.now(UTC)


def add_rotation_period(call: Call, response: Response) -> Response:
    """AWS returns the key's ARN and, while rotation is enabled, its period and next date; moto only yes or no.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyRotationStatus.html
    """
    key: Any = named_key(call)
    payload = json.loads(response.body) | {"KeyId": key.arn}
    if payload["KeyRotationEnabled"]:
        days = getattr(key, "rotation_days", DEFAULT_DAYS)
        since = getattr(key, "rotation_since", datetime.fromtimestamp(key.creation_date, UTC))
        payload |= {
            "RotationPeriodInDays": days,
            "NextRotationDate": (since + timedelta(days=days)).timestamp(),
        }
    return replace(response, body=json_response(payload).body)


ON_DEMAND = 25
"""https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html#on-demand-rotation-resource-quota"""


def limit_on_demand_rotations(call: Call, caller: Principal | None) -> None:
    """AWS rejects the 26th rotation on demand, and any of a replica, an asymmetric key or imported key material.

    Moto rotates every key. https://docs.aws.amazon.com/kms/latest/APIReference/API_RotateKeyOnDemand.html
    """
    key: Any = named_key(call)
    if key is None:
        return
    primary = key.multi_region_configuration["PrimaryKey"]["Arn"] if key.multi_region else key.arn
    if key.key_spec != "SYMMETRIC_DEFAULT" or key.origin != "AWS_KMS" or primary != key.arn:
        raise AwsError("UnsupportedOperationException", f"{key.arn} cannot be rotated on demand.")
    if sum(rotation["RotationType"] == "ON_DEMAND" for rotation in key.rotations) >= ON_DEMAND:
        raise AwsError("LimitExceededException", f"The key has been rotated on demand {ON_DEMAND} times.")


_material_of_ciphertext: dict[str, str] = {}
"""By the ciphertext in base64; a ciphertext that is not here is older than the sandbox's first rotation of its key."""


def add_key_material(call: Call, response: Response) -> Response:
    """AWS names the key material: a rotation gives new one, and a ciphertext is opened by the one that made it.

    A replica has its primary's. Moto has none. https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html
    """
    payload = json.loads(response.body)
    key: Any = named_key(replace(call, parameters={"KeyId": payload["KeyId"]}))
    if key.key_spec != "SYMMETRIC_DEFAULT":
        return response
    read = call.parameters.get("CiphertextBlob", "")
    source = _material_of_ciphertext.get(read) or _material(key_id_of(read), 0)
    if call.operation == "Decrypt":
        payload["KeyMaterialId"] = source
    else:
        current = _material(key.id, len(key.rotations))
        if key.rotations:
            _material_of_ciphertext[payload["CiphertextBlob"]] = current
        if call.operation == "ReEncrypt":
            payload |= {"SourceKeyMaterialId": source, "DestinationKeyMaterialId": current}
        elif call.operation != "Encrypt":
            payload["KeyMaterialId"] = current
    return replace(response, body=json_response(payload).body)


def _material(key_id: str, rotations: int) -> str:
    return sha256(f"{key_id} {rotations}".encode()).hexdigest()


def list_kms_quotas(call: Call, caller: Principal | None) -> Response | None:
    """AWS lists the quotas of KMS, with the one of rotations on demand; moto has only those of VPC.

    https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html
    """
    if call.parameters.get("ServiceCode") != "kms":
        return None
    names = {"AWS KMS keys": 100_000, "Aliases per KMS key": 50, "On-demand rotation": ON_DEMAND}
    quotas = [
        {"ServiceCode": "kms", "QuotaName": name, "Value": float(value), "Adjustable": name != "On-demand rotation"}
        for name, value in names.items()
    ]
    return json_response({"Quotas": quotas})
