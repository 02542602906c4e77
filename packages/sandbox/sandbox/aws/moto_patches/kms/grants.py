"""Patches of grants: validation, permissions, list, and dry runs.

Reads moto's grants, and adds their dates, in this process.
"""

import time
from collections.abc import Mapping
from typing import Any

from moto.kms.models import Key, kms_backends

from sandbox.aws.iam.principals import Principal, find
from sandbox.aws.protocol import AwsError, Call, Response, json_response
from sandbox.state import ACCOUNT

OPERATIONS = frozenset(
    [
        "CreateGrant",
        "Decrypt",
        "DescribeKey",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
        "GenerateDataKeyWithoutPlaintext",
        "ReEncryptFrom",
        "ReEncryptTo",
        "RetireGrant",
    ]
)
"""The operations that a grant on a symmetric key can allow.
https://docs.aws.amazon.com/kms/latest/developerguide/grants.html
"""

_PAGE, _LONGEST_PAGE = 50, 100


def is_granted(key: Key, caller: Principal, action: str, context: Mapping[str, Any]) -> bool:
    """Whether a grant on the key allows an action to a caller in an encryption context.

    https://docs.aws.amazon.com/kms/latest/developerguide/grants.html#terms-grants
    """
    return any(
        grant.grantee_principal in (caller.arn, caller.identity)
        and action.removeprefix("kms:") in grant.operations
        and _fits(grant.constraints or {}, context)
        for grant in tuple(key.grants.values())
    )


def _fits(constraints: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    exactly, at_least = constraints.get("EncryptionContextEquals"), constraints.get("EncryptionContextSubset")
    return (exactly is None or dict(exactly) == dict(context)) and (
        at_least is None or dict(at_least).items() <= dict(context).items()
    )


def check_grant(call: Call, caller: Principal | None) -> None:
    """AWS answers InvalidArnException for a grantee of the account that does not exist. Moto accepts it.

    AWS answers ValidationException for operations that no symmetric key's grant can allow. Moto accepts them.
    https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html
    """
    for name in ("GranteePrincipal", "RetiringPrincipal"):
        arn = str(call.parameters.get(name) or "")
        in_account = arn.startswith((f"arn:aws:iam::{ACCOUNT}:user/", f"arn:aws:iam::{ACCOUNT}:role/"))
        if in_account and find(arn) is None:
            raise AwsError("InvalidArnException", f"ARN does not refer to a valid principal: {arn}")
    unknown = sorted(set(call.parameters.get("Operations") or ()) - OPERATIONS)
    if unknown or not call.parameters.get("Operations"):
        raise AwsError("ValidationException", f"Operations cannot be granted on a symmetric key: {unknown}")


def record_grant_date(call: Call, response: Response) -> Response:
    """AWS returns a grant's CreationDate; moto does not record it.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_GrantListEntry.html
    """
    for key in kms_backends[ACCOUNT][call.region].keys.values():
        for grant in key.grants.values():
            grant.__dict__.setdefault("created_at", time.time())
    return response


def list_grants(call: Call, caller: Principal | None) -> Response:
    """AWS returns a key's grants in pages of 50 or of Limit, each with its date and the key's ARN.

    Moto returns all of them at once, with the key's id and without dates.
    https://docs.aws.amazon.com/kms/latest/APIReference/API_ListGrants.html
    """
    parameters = call.parameters
    backend = kms_backends[ACCOUNT][call.region]
    key = backend.keys.get(backend.get_key_id(str(parameters.get("KeyId", ""))))
    if key is None:
        raise AwsError("NotFoundException", f"Key '{parameters.get('KeyId')}' does not exist")
    limit, marker = int(parameters.get("Limit") or _PAGE), str(parameters.get("Marker") or "0")
    if not 1 <= limit <= _LONGEST_PAGE:
        raise AwsError("ValidationException", f"Limit must be between 1 and {_LONGEST_PAGE}: {limit}")
    if not marker.isdigit():
        raise AwsError("InvalidMarkerException", "The marker is not valid.")
    matching = [
        grant
        for grant in key.grants.values()
        if parameters.get("GrantId") in (None, grant.id)
        and parameters.get("GranteePrincipal") in (None, grant.grantee_principal)
    ]
    start = int(marker)
    page = [_grant_entry(grant, key) for grant in matching[start : start + limit]]
    is_more = start + limit < len(matching)
    return json_response(
        {"Grants": page, "Truncated": is_more, **({"NextMarker": str(start + limit)} if is_more else {})}
    )


def _grant_entry(grant: Any, key: Key) -> dict[str, Any]:
    entry = {
        "KeyId": key.arn,
        "GrantId": grant.id,
        "Name": grant.name,
        "CreationDate": getattr(grant, "created_at", None),
        "GranteePrincipal": grant.grantee_principal,
        "RetiringPrincipal": grant.retiring_principal,
        "IssuingAccount": f"arn:aws:iam::{ACCOUNT}:root",
        "Operations": grant.operations,
        "Constraints": grant.constraints,
    }
    return {name: value for name, value in entry.items() if value}


# The operations that change nothing: moto performs them, which checks them, and the result is discarded.
DRY_RUNS = ("Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateMac", "ReEncrypt",
            "Sign", "Verify", "VerifyMac")  # fmt: skip


def end_dry_run_without_ciphertext(call: Call, caller: Principal | None) -> None:
    """AWS only evaluates the permission in a dry run with IGNORE_CIPHERTEXT, which needs no ciphertext.

    The modifier applies only to a dry run, and is the only one.
    https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#KMS-Decrypt-request-DryRunModifiers
    """
    if "IGNORE_CIPHERTEXT" in (call.parameters.get("DryRunModifiers") or ()):
        if call.parameters.get("DryRun") is not True:
            raise AwsError("ValidationException", "DryRunModifiers requires DryRun to be true.")
        end_dry_run(call)


def answer_dry_run(call: Call, response: Response) -> Response:
    """Moto ignores DryRun and performs the call."""
    end_dry_run(call)
    return response


def end_dry_run(call: Call) -> None:
    """AWS answers DryRunOperationException, HTTP 412, when a call with DryRun would have succeeded.

    It creates and revokes no grant in a dry run; moto does.
    https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html
    """
    if call.parameters.get("DryRun") is True:
        message = "The request would have succeeded, but the DryRun option is set."
        raise AwsError("DryRunOperationException", message, 412)
