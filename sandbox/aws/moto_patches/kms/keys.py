"""Corrections about KMS keys: how they are named, who may use them, and what their state allows.

It may read the emulator's keys in this process.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from moto.kms.models import Key, KmsBackend, kms_backends

from sandbox.aws.iam import enforcement, permission_limits
from sandbox.aws.iam.policy import (
    Decision,
    Request,
    Statement,
    applies,
    evaluate,
    names_principal,
    of_its_own_key,
    statements,
)
from sandbox.aws.iam.principals import Principal, identity_statements
from sandbox.aws.moto_patches.kms import grants
from sandbox.aws.moto_patches.kms.ciphertext import key_id_of
from sandbox.aws.protocol import Answer, AwsError, Call, json_answer
from sandbox.state import ACCOUNT

CRYPTOGRAPHIC = frozenset(
    [
        "Decrypt",
        "DeriveSharedSecret",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
        "GenerateDataKeyWithoutPlaintext",
        "GenerateMac",
        "ReEncrypt",
        "Sign",
        "Verify",
        "VerifyMac",
    ]
)
_REFUSED_WHILE_DISABLED = CRYPTOGRAPHIC | {"EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand"}
_REFUSED_WHILE_PENDING_DELETION = _REFUSED_WHILE_DISABLED | frozenset(
    [
        "CreateAlias",
        "CreateGrant",
        "DisableKey",
        "EnableKey",
        "ReplicateKey",
        "ScheduleKeyDeletion",
        "TagResource",
        "UntagResource",
        "UpdateAlias",
        "UpdateKeyDescription",
    ]
)
_NAMES = ("KeyId", "TargetKeyId", "DestinationKeyId", "SourceKeyId")


def backend(call: Call) -> KmsBackend:
    """The emulator's KMS of the call's region."""
    return kms_backends[ACCOUNT][call.region]


def named_key(call: Call, parameter: str = "KeyId") -> Key | None:
    """The key that a parameter names by id, ARN, alias or alias ARN; `None` when there is no such key."""
    name = call.parameters.get(parameter)
    if not isinstance(name, str):
        return None
    kms = backend(call)
    alias = kms.get_alias_name(name)
    key_id = kms.get_key_id_from_alias(alias) if alias.startswith("alias/") else kms.get_key_id(name)
    return kms.keys.get(key_id or "")


def touched(call: Call) -> tuple[tuple[str, Key], ...]:
    """The keys that a call is about, each with the action that it needs there."""
    operation = call.operation
    source = backend(call).keys.get(key_id_of(str(call.parameters.get("CiphertextBlob", ""))))
    if operation == "ReEncrypt":
        found = [("ReEncryptFrom", source), ("ReEncryptTo", named_key(call, "DestinationKeyId"))]
    elif operation in ("CreateAlias", "UpdateAlias"):
        found = [(operation, named_key(call, "TargetKeyId"))]
    elif operation == "Decrypt":
        found = [(operation, named_key(call) or source)]
    else:
        found = [(operation, named_key(call))]
    return tuple((f"kms:{action}", key) for action, key in found if key is not None)


def an_arn_of_another_region_is_not_found(call: Call, who: Principal | None) -> None:
    """AWS answers NotFoundException "Invalid arn" for the ARN of a key in another region or of no such form.

    The emulator looks at the id alone. https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html
    """
    for parameter in _NAMES:
        name = call.parameters.get(parameter)
        if isinstance(name, str) and name.startswith("arn:"):
            parts = name.split(":")
            if len(parts) != 6 or parts[2] != "kms" or parts[3] != call.region:
                raise AwsError("NotFoundException", f"Invalid arn {parts[3] if len(parts) > 3 else name}")


def a_call_needs_the_key_policys_leave(call: Call, who: Principal | None) -> None:
    """AWS lets a principal do what the key policy allows it, or what IAM allows it when the policy lets IAM speak.

    A deny in either is final. The organization limits both; a permissions boundary that allows nothing limits what a
    role is allowed, and not what a key policy allows to a user or to a role's session by name. The emulator looks at
    none of them. So does a grant, by itself.
    https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html#access_policies_boundaries-eval-logic
    """
    if who is None:
        return
    for action, key in touched(call):
        request = Request(action=action, resource=key.arn, context=who.context | _context(call, key))
        identity = evaluate(identity_statements(who.identity), request)
        policy = statements(json.loads(key.policy))
        about = [one for one in policy if applies(of_its_own_key(one), request)]
        named = [one for one in about if names_principal(one, "AWS", (who.arn, who.identity))]
        delegated = [one for one in about if names_principal(one, "AWS", who.names)]
        denied = identity is Decision.EXPLICIT_DENY or any(one["Effect"] == "Deny" for one in delegated)
        by_itself = any(one["Effect"] == "Allow" for one in named)
        by_iam = identity is Decision.ALLOWED and any(one["Effect"] == "Allow" for one in delegated)
        by_itself |= grants.gives_leave(key, who, action, call.parameters.get("EncryptionContext") or {})
        _meet_the_limits(who, request, is_named=any(_names_user_or_session(one, who) for one in named))
        if denied or not (by_itself or by_iam):
            why = (
                "with an explicit deny" if denied
                else "because no identity-based policy allows the action" if delegated
                else "because no resource-based policy allows the action"
            )  # fmt: skip
            what = f"User: {who.arn} is not authorized to perform: {action} on resource: {key.arn} {why}"
            raise AwsError("AccessDeniedException", what)
        by = enforcement.BY_KEY_POLICY if by_itself else enforcement.BY_IAM
        enforcement.remember(call, who, action=action, resource=key.arn, by=by)


def _names_user_or_session(statement: Statement, who: Principal) -> bool:
    names = (who.arn,) if ":assumed-role/" in who.arn or ":user/" in who.arn else ()
    return statement["Effect"] == "Allow" and names_principal(statement, "AWS", names) in names


def _meet_the_limits(who: Principal, request: Request, *, is_named: bool) -> None:
    for refused in permission_limits.refusals(who.identity, request):
        is_final = refused.decision is Decision.EXPLICIT_DENY
        if refused.limit is permission_limits.Limit.BOUNDARY and is_named and not is_final:
            continue
        tail = "" if is_final else f" {request.action} action"
        what = f"User: {who.arn} is not authorized to perform: {request.action} on resource: {request.resource}"
        raise AwsError("AccessDeniedException", f"{what} {refused.why}{tail}")


def _context(call: Call, key: Key) -> dict[str, tuple[str, ...]]:
    """The condition keys of KMS (https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html)."""
    given = call.parameters.get("EncryptionContext") or {}
    tags = backend(call).tagger.get_tag_dict_for_resource(key.id)
    window = call.parameters.get("PendingWindowInDays", 30)
    return {
        **{f"kms:EncryptionContext:{name}": (str(value),) for name, value in given.items()},
        **{f"aws:ResourceTag/{name}": (str(value),) for name, value in tags.items()},
        **({"kms:EncryptionContextKeys": tuple(given)} if given else {}),
        **({"kms:ResourceAliases": tuple(key.aliases)} if key.aliases else {}),
        "kms:KeySpec": (key.key_spec,),
        "kms:KeyUsage": (key.key_usage or "ENCRYPT_DECRYPT",),
        "kms:KeyOrigin": (key.origin,),
        "kms:MultiRegion": (str(bool(key.multi_region)).lower(),),
        "kms:ScheduleKeyDeletionPendingWindowInDays": (str(window),),
    }


def a_keys_state_decides_what_works(call: Call, who: Principal | None) -> None:
    """AWS answers DisabledException for the use of a disabled key, KMSInvalidStateException while deletion is due.

    The emulator encrypts and decrypts regardless.
    https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
    """
    for _, key in touched(call):
        if key.key_state == "PendingDeletion" and call.operation in _REFUSED_WHILE_PENDING_DELETION:
            raise AwsError("KMSInvalidStateException", f"{key.arn} is pending deletion.")
        if key.key_state == "Disabled" and call.operation in _REFUSED_WHILE_DISABLED:
            raise AwsError("DisabledException", f"{key.arn} is disabled.")
        if key.key_state != "PendingDeletion" and call.operation == "CancelKeyDeletion":
            raise AwsError("KMSInvalidStateException", f"{key.arn} is not pending deletion.")


def deletion_takes_7_to_30_days(call: Call, who: Principal | None) -> None:
    """AWS refuses a waiting period outside 7 to 30 days; the emulator answers without doing anything.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html
    """
    days = call.parameters.get("PendingWindowInDays", 30)
    if not isinstance(days, int) or not 7 <= days <= 30:
        raise AwsError("ValidationException", f"PendingWindowInDays must be between 7 and 30: {days}")


def decrypting_under_another_key_is_refused(call: Call, who: Principal | None) -> None:
    """AWS answers IncorrectKeyException when KeyId is not the key of the ciphertext; the emulator denies access.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html
    """
    key = named_key(call)
    made_under = key_id_of(str(call.parameters.get("CiphertextBlob", "")))
    if key is not None and made_under and key.id != made_under:
        what = "The key ID in the request does not identify a CMK that can perform this operation."
        raise AwsError("IncorrectKeyException", what)


def re_encrypting_from_another_key_is_refused(call: Call, who: Principal | None) -> None:
    """AWS answers IncorrectKeyException when SourceKeyId is not the key of the ciphertext; the emulator passes it over.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_ReEncrypt.html
    """
    key = named_key(call, "SourceKeyId")
    made_under = key_id_of(str(call.parameters.get("CiphertextBlob", "")))
    if key is not None and made_under and key.id != made_under:
        what = "The key ID in the request does not identify a CMK that can perform this operation."
        raise AwsError("IncorrectKeyException", what)


def a_key_arn_is_as_good_as_a_key_id(call: Call, who: Principal | None) -> dict[str, Any] | None:
    """AWS takes a key's ARN wherever it takes its id; the emulator fails on it in DisableKey and others.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_DisableKey.html
    """
    given = call.parameters
    short = {name: backend(call).get_key_id(given[name]) for name in _NAMES if ":key/" in str(given.get(name, ""))}
    return given | short if short else None


def a_new_key_has_the_documented_defaults(call: Call, who: Principal | None) -> dict[str, Any]:
    """AWS makes a key for one Region, and a symmetric one for ENCRYPT_DECRYPT, unless told otherwise, and tells so.

    The emulator's key tells neither. https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html
    """
    given = {"MultiRegion": False} | call.parameters
    spec = given.get("KeySpec") or given.get("CustomerMasterKeySpec") or "SYMMETRIC_DEFAULT"
    # Any other spec needs its usage said.
    return {"KeyUsage": "ENCRYPT_DECRYPT"} | given if spec == "SYMMETRIC_DEFAULT" else given


def deletion_answers_with_the_arn(call: Call, answer: Answer) -> Answer:
    """AWS answers with the key's ARN, and for ScheduleKeyDeletion with its state and waiting period.

    The emulator gives back the id. https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html
    """
    key = named_key(call)
    if key is None:
        return answer
    found = json.loads(answer.body) | {"KeyId": key.arn}
    if call.operation == "ScheduleKeyDeletion":
        found |= {
            "KeyState": key.key_state,
            "PendingWindowInDays": call.parameters.get("PendingWindowInDays", 30),
        }
    return replace(answer, body=json_answer(found).body)


def a_replica_has_its_own_policy_alias_and_tags(call: Call, answer: Answer) -> Answer:
    """AWS gives a replica the policy, description and tags of the request (or the defaults) and no alias.

    The emulator copies the primary's. https://docs.aws.amazon.com/kms/latest/APIReference/API_ReplicateKey.html
    """
    given, found = call.parameters, json.loads(answer.body)
    there = kms_backends[ACCOUNT][given["ReplicaRegion"]]
    replica = there.keys[found["ReplicaKeyMetadata"]["KeyId"]]
    replica.policy = given.get("Policy") or replica.generate_default_policy()
    replica.description = given.get("Description", "")
    replica.aliases, replica.grants = {}, {}
    if given.get("Tags"):
        there.tagger.tag_resource(replica.id, given["Tags"])
    metadata = replica.to_dict()["KeyMetadata"]
    shared = {**metadata["MultiRegionConfiguration"], "MultiRegionKeyType": "REPLICA"}
    found = {
        "ReplicaKeyMetadata": {**metadata, "MultiRegionConfiguration": shared},
        "ReplicaPolicy": replica.policy,
        "ReplicaTags": given.get("Tags", []),
    }
    return replace(answer, body=json_answer(found).body)


def a_primary_stays_the_primary(call: Call, answer: Answer) -> Answer:
    """AWS tells the primary of a multi-Region key from its replicas; the emulator calls both what it saw last.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html
    """
    key = named_key(call)
    if key is None or not key.multi_region:
        return answer
    found = json.loads(answer.body)
    about = found["KeyMetadata"]["MultiRegionConfiguration"]
    about["MultiRegionKeyType"] = "PRIMARY" if about["PrimaryKey"]["Arn"] == key.arn else "REPLICA"
    return replace(answer, body=json_answer(found).body)
