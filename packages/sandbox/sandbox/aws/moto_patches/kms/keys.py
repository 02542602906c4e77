"""Patches of KMS keys: names, permissions, effects of their state, and replicas.

Reads moto's keys in this process.
"""

import json
from dataclasses import replace
from typing import Any

from moto.kms.models import Key, kms_backends
from moto.s3.models import FakeKey, s3_backends

from sandbox.arns import fields_of
from sandbox.arns import parse as parse_arn
from sandbox.aws.iam import enforcement, permission_limits
from sandbox.aws.iam.policy import (
    Decision,
    Request,
    Statement,
    applies,
    evaluate,
    names_principal,
    statements,
    without_resource,
)
from sandbox.aws.iam.principals import Principal, identity_statements
from sandbox.aws.moto_patches import event_history
from sandbox.aws.moto_patches.kms import grants
from sandbox.aws.moto_patches.kms.ciphertext import key_id_of
from sandbox.aws.moto_patches.kms.named_keys import CRYPTOGRAPHIC, PARAMETERS, backend, keys_of_call, named_key
from sandbox.aws.protocol import AwsError, Call, Response, json_response
from sandbox.state import ACCOUNT

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


def refuse_arn_of_other_region(call: Call, caller: Principal | None) -> None:
    """AWS answers NotFoundException "Invalid arn" for a malformed ARN or the ARN of a key in another region.

    Moto reads only the id. https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html
    """
    for parameter in PARAMETERS:
        name = call.parameters.get(parameter)
        if isinstance(name, str) and name.startswith("arn:"):
            parts = fields_of(name)
            if len(parts) != 6 or parts[2] != "kms" or parts[3] != call.region:
                raise AwsError("NotFoundException", f"Invalid arn {parts[3] if len(parts) > 3 else name}")


def enforce_key_policy(call: Call, caller: Principal | None) -> None:
    """AWS allows a request that the key policy allows, or that IAM allows if the key policy delegates to the account.

    A deny in either is final. A grant allows by itself. Service control policies limit everything. A permissions
    boundary limits a role, but not what a key policy allows to a user or to a role's session by name. Moto evaluates
    none of them.
    https://docs.aws.amazon.com/kms/latest/developerguide/policy-evaluation.html
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html#access_policies_boundaries-eval-logic
    """
    if caller is None:
        return
    for action, key in keys_of_call(call):
        _enforce(call, caller, action, key, _context(call, key))


def _enforce(call: Call, caller: Principal, action: str, key: Key, context: dict[str, tuple[str, ...]]) -> None:
    request = Request(action=action, resource=key.arn, context=caller.context | context)
    identity = evaluate(identity_statements(caller.identity), request)
    policy = statements(json.loads(key.policy))
    applying = [statement for statement in policy if applies(without_resource(statement), request)]
    named = [statement for statement in applying if names_principal(statement, "AWS", (caller.arn, caller.identity))]
    delegated = [statement for statement in applying if names_principal(statement, "AWS", caller.names)]
    denied = identity is Decision.EXPLICIT_DENY or any(statement["Effect"] == "Deny" for statement in delegated)
    by_itself = any(statement["Effect"] == "Allow" for statement in named)
    by_iam = identity is Decision.ALLOWED and any(statement["Effect"] == "Allow" for statement in delegated)
    by_itself |= grants.is_granted(key, caller, action, call.parameters.get("EncryptionContext") or {})
    _enforce_limits(caller, request, is_named=any(_names_user_or_session(statement, caller) for statement in named))
    if denied or not (by_itself or by_iam):
        reason = (
            "with an explicit deny" if denied
            else "because no identity-based policy allows the action" if delegated
            else "because no resource-based policy allows the action"
        )  # fmt: skip
        message = f"User: {caller.arn} is not authorized to perform: {action} on resource: {key.arn} {reason}"
        enforcement.record_refusal(call, caller, action=action, resource=key.arn)
        raise AwsError("AccessDeniedException", message)
    source = enforcement.BY_KEY_POLICY if by_itself else enforcement.BY_IAM
    enforcement.record_permission(call, caller, action=action, resource=key.arn, by=source)


CONTEXT_OF_OBJECT = "encryption_context"
"""The attribute of an object of moto's S3 with the encryption context that its writer named."""


def enforce_key_of_object(call: Call, caller: Principal | None) -> None:
    """S3 decrypts an object for its reader, who needs kms:Decrypt on its key, through S3. Moto checks nothing.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    """
    bucket, _, name = call.path.lstrip("/").partition("/")
    stored = s3_backends[ACCOUNT]["aws"].buckets.get(bucket)
    item = stored.keys.get(name) if stored else None
    if caller is None or not isinstance(item, FakeKey) or not str(item.kms_key_id).startswith("arn:"):
        return  # Nobody reads it, there is no object, or it is under a key of S3's own.
    enforce_through_s3(call, caller, ("kms:Decrypt",), str(item.kms_key_id), item)


def enforce_through_s3(call: Call, caller: Principal, actions: tuple[str, ...], key_arn: str, item: FakeKey) -> None:
    """S3 uses a key in the caller's name, with the object as the encryption context, or its bucket with a Bucket Key.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
    """
    region, bucket = parse_arn(key_arn).region, f"arn:aws:s3:::{item.bucket_name}"
    of_bucket = str(item.bucket_key_enabled).lower() == "true"
    context = {
        "aws:s3:arn": bucket if of_bucket else f"{bucket}/{item.name}",
        **vars(item).get(CONTEXT_OF_OBJECT, {}),
    }
    request = replace(
        call, service="kms", operation="Decrypt", region=region, parameters={"EncryptionContext": context}
    )
    # Its writer may have named an alias.
    key = named_key(replace(request, parameters={"KeyId": key_arn}))
    if key is None:
        return
    via = {"kms:ViaService": (f"s3.{region}.amazonaws.com",), "kms:CallerAccount": (ACCOUNT,)}
    if not key.enabled:
        raise AwsError("KMS.DisabledException", f"{key.arn} is disabled.")
    try:
        for action in actions:
            _enforce(request, caller, action, key, _context(request, key) | via)
    except AwsError as error:
        raise AwsError("AccessDenied", error.message, 403) from error


def _names_user_or_session(statement: Statement, caller: Principal) -> bool:
    names = (caller.arn,) if ":assumed-role/" in caller.arn or ":user/" in caller.arn else ()
    return statement["Effect"] == "Allow" and names_principal(statement, "AWS", names) in names


def _enforce_limits(caller: Principal, request: Request, *, is_named: bool) -> None:
    for denial in permission_limits.denials(caller.identity, request, caller.scopes):
        is_final = denial.decision is Decision.EXPLICIT_DENY
        if denial.limit is permission_limits.Limit.BOUNDARY and is_named and not is_final:
            continue
        tail = "" if is_final else f" {request.action} action"
        message = f"User: {caller.arn} is not authorized to perform: {request.action} on resource: {request.resource}"
        raise AwsError("AccessDeniedException", f"{message} {denial.reason}{tail}")


def _context(call: Call, key: Key) -> dict[str, tuple[str, ...]]:
    """The condition keys of KMS (https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html)."""
    parameters = call.parameters.get("EncryptionContext") or {}
    tags = backend(call).tagger.get_tag_dict_for_resource(key.id)
    window = call.parameters.get("PendingWindowInDays", 30)
    return {
        **{f"kms:EncryptionContext:{name}": (str(value),) for name, value in parameters.items()},
        **{f"aws:ResourceTag/{name}": (str(value),) for name, value in tags.items()},
        **({"kms:EncryptionContextKeys": tuple(parameters)} if parameters else {}),
        **({"kms:ResourceAliases": tuple(key.aliases)} if key.aliases else {}),
        **_tags_of(call),
        "kms:KeySpec": (key.key_spec,),
        "kms:KeyUsage": (key.key_usage or "ENCRYPT_DECRYPT",),
        "kms:KeyOrigin": (key.origin,),
        "kms:MultiRegion": (str(bool(key.multi_region)).lower(),),
        "kms:ScheduleKeyDeletionPendingWindowInDays": (str(window),),
        "kms:TrailingDaysWithoutKeyUsage": (str(event_history.days_without_use(call, key)),),
    }


def _tags_of(call: Call) -> dict[str, tuple[str, ...]]:
    """The tags that TagResource gives a key, or that UntagResource takes from it."""
    tags = [tag for tag in call.parameters.get("Tags") or () if isinstance(tag, dict)]
    names = call.parameters.get("TagKeys") or [tag["TagKey"] for tag in tags]
    values = {f"aws:RequestTag/{tag['TagKey']}": (str(tag.get("TagValue", "")),) for tag in tags}
    return {**values, "aws:TagKeys": tuple(names)} if names else {}


def enforce_key_state(call: Call, caller: Principal | None) -> None:
    """AWS answers DisabledException for a disabled key, KMSInvalidStateException while its deletion is pending.

    Moto encrypts and decrypts regardless.
    https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
    """
    for _, key in keys_of_call(call):
        if key.key_state == "PendingDeletion" and call.operation in _REFUSED_WHILE_PENDING_DELETION:
            raise AwsError("KMSInvalidStateException", f"{key.arn} is pending deletion.")
        if key.key_state == "Disabled" and call.operation in _REFUSED_WHILE_DISABLED:
            raise AwsError("DisabledException", f"{key.arn} is disabled.")
        if key.key_state != "PendingDeletion" and call.operation == "CancelKeyDeletion":
            raise AwsError("KMSInvalidStateException", f"{key.arn} is not pending deletion.")


def check_deletion_window(call: Call, caller: Principal | None) -> None:
    """AWS rejects a waiting period outside 7 to 30 days; moto answers success and does nothing.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html
    """
    days = call.parameters.get("PendingWindowInDays", 30)
    if not isinstance(days, int) or not 7 <= days <= 30:
        raise AwsError("ValidationException", f"PendingWindowInDays must be between 7 and 30: {days}")


def check_decrypt_key(call: Call, caller: Principal | None) -> None:
    """AWS answers IncorrectKeyException when KeyId is not the key of the ciphertext; moto denies access.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html
    """
    key = named_key(call)
    ciphertext_key_id = key_id_of(str(call.parameters.get("CiphertextBlob", "")))
    if key is not None and ciphertext_key_id and key.id != ciphertext_key_id:
        message = "The key ID in the request does not identify a CMK that can perform this operation."
        raise AwsError("IncorrectKeyException", message)


def check_source_key(call: Call, caller: Principal | None) -> None:
    """AWS answers IncorrectKeyException when SourceKeyId is not the key of the ciphertext; moto ignores it.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_ReEncrypt.html
    """
    key = named_key(call, "SourceKeyId")
    ciphertext_key_id = key_id_of(str(call.parameters.get("CiphertextBlob", "")))
    if key is not None and ciphertext_key_id and key.id != ciphertext_key_id:
        message = "The key ID in the request does not identify a CMK that can perform this operation."
        raise AwsError("IncorrectKeyException", message)


def replace_key_arns_by_ids(call: Call, caller: Principal | None) -> dict[str, Any] | None:
    """AWS accepts a key's ARN wherever it accepts its id; moto fails in DisableKey and others.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_DisableKey.html
    """
    parameters = call.parameters
    short = {
        name: backend(call).get_key_id(parameters[name])
        for name in PARAMETERS
        if ":key/" in str(parameters.get(name, ""))
    }
    return parameters | short if short else None


def set_new_key_defaults(call: Call, caller: Principal | None) -> dict[str, Any]:
    """AWS creates a single-Region key by default, a symmetric one for ENCRYPT_DECRYPT, and returns both.

    Moto returns neither. https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html
    """
    parameters = {"MultiRegion": False} | call.parameters
    spec = parameters.get("KeySpec") or parameters.get("CustomerMasterKeySpec") or "SYMMETRIC_DEFAULT"
    # Any other KeySpec requires a KeyUsage.
    return {"KeyUsage": "ENCRYPT_DECRYPT"} | parameters if spec == "SYMMETRIC_DEFAULT" else parameters


def add_deletion_details(call: Call, response: Response) -> Response:
    """AWS returns the key's ARN, and for ScheduleKeyDeletion its state and waiting period.

    Moto returns the id. https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html
    """
    key = named_key(call)
    if key is None:
        return response
    payload = json.loads(response.body) | {"KeyId": key.arn}
    if call.operation == "ScheduleKeyDeletion":
        window = call.parameters.get("PendingWindowInDays", 30)
        payload |= {"KeyState": key.key_state, "PendingWindowInDays": window}
    return replace(response, body=json_response(payload).body)


def separate_replica_from_primary(call: Call, response: Response) -> Response:
    """AWS gives a replica the request's policy, description and tags (or the defaults) and no alias.

    Moto copies the primary's. https://docs.aws.amazon.com/kms/latest/APIReference/API_ReplicateKey.html
    """
    parameters, payload = call.parameters, json.loads(response.body)
    replica_backend = kms_backends[ACCOUNT][parameters["ReplicaRegion"]]
    replica = replica_backend.keys[payload["ReplicaKeyMetadata"]["KeyId"]]
    replica.policy = parameters.get("Policy") or replica.generate_default_policy()
    replica.description = parameters.get("Description", "")
    replica.aliases, replica.grants = {}, {}
    if parameters.get("Tags"):
        replica_backend.tagger.tag_resource(replica.id, parameters["Tags"])
    metadata = replica.to_dict()["KeyMetadata"]
    shared = {**metadata["MultiRegionConfiguration"], "MultiRegionKeyType": "REPLICA"}
    replicated = {
        "ReplicaKeyMetadata": {**metadata, "MultiRegionConfiguration": shared},
        "ReplicaPolicy": replica.policy,
        "ReplicaTags": parameters.get("Tags", []),
    }
    return replace(response, body=json_response(replicated).body)


def correct_multi_region_key_type(call: Call, response: Response) -> Response:
    """AWS distinguishes a multi-Region primary key from its replicas; moto gives both the type that it set last.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html
    """
    key = named_key(call)
    if key is None or not key.multi_region:
        return response
    payload = json.loads(response.body)
    configuration = payload["KeyMetadata"]["MultiRegionConfiguration"]
    configuration["MultiRegionKeyType"] = "PRIMARY" if configuration["PrimaryKey"]["Arn"] == key.arn else "REPLICA"
    return replace(response, body=json_response(payload).body)


def refuse_second_replica(call: Call, caller: Principal | None) -> None:
    """AWS answers AlreadyExistsException for a second replica in one Region; moto replaces the first.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_ReplicateKey.html
    """
    key: Any = named_key(call)
    region = call.parameters.get("ReplicaRegion")
    if key is not None and key.multi_region and region in _multi_region_arns(key):
        raise AwsError("AlreadyExistsException", f"{key.id} already exists in {region}.")


def update_primary_region(call: Call, caller: Principal | None) -> Response | None:
    """AWS makes the replica in PrimaryRegion the primary, and the primary a replica. Moto lacks the call.

    Only a primary can be moved, and only to a Region that has a replica of it. The two are done at once here; AWS
    leaves both in the state Updating for a moment.
    https://docs.aws.amazon.com/kms/latest/APIReference/API_UpdatePrimaryRegion.html
    """
    key: Any = named_key(call)
    region = str(call.parameters.get("PrimaryRegion") or "")
    if key is None:
        raise AwsError("NotFoundException", f"Key '{call.parameters.get('KeyId')}' does not exist")
    if not key.multi_region or key.multi_region_configuration["PrimaryKey"]["Arn"] != key.arn:
        raise AwsError("UnsupportedOperationException", f"{key.arn} is not a multi-Region primary key.")
    replica = kms_backends[ACCOUNT][region].keys.get(key.id) if region in _multi_region_arns(key) else None
    if replica is None or replica is key:
        raise AwsError("NotFoundException", f"{key.id} has no replica in {region}.")
    # Moto's primary and replicas share this one object.
    configuration = key.multi_region_configuration
    configuration["ReplicaKeys"] = [
        {"Arn": key.arn, "Region": call.region} if each["Region"] == region else each
        for each in configuration["ReplicaKeys"]
    ]
    configuration["PrimaryKey"] = {"Arn": replica.arn, "Region": region}
    return json_response({})


def _multi_region_arns(key: Any) -> dict[str, str]:
    """The ARN of the primary and of each replica, by its Region."""
    configuration = key.multi_region_configuration
    return {each["Region"]: each["Arn"] for each in (configuration["PrimaryKey"], *configuration["ReplicaKeys"])}
