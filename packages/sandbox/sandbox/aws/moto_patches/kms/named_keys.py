"""The keys that a call names.

Reads moto's keys.
"""

from moto.kms.models import Key, KmsBackend, kms_backends

from sandbox.aws.moto_patches.kms.ciphertext import key_id_of
from sandbox.aws.protocol import Call
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
PARAMETERS = ("KeyId", "TargetKeyId", "DestinationKeyId", "SourceKeyId")


def backend(call: Call) -> KmsBackend:
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


def keys_of_call(call: Call) -> tuple[tuple[str, Key], ...]:
    """The keys that a call uses, each with the action that it needs; no key policy decides about a list of aliases.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_ListAliases.html
    """
    operation = call.operation
    if operation == "ListAliases":
        return ()
    source = backend(call).keys.get(key_id_of(str(call.parameters.get("CiphertextBlob", ""))))
    if operation == "ReEncrypt":
        used = [("ReEncryptFrom", source), ("ReEncryptTo", named_key(call, "DestinationKeyId"))]
    elif operation in ("CreateAlias", "UpdateAlias"):
        used = [(operation, named_key(call, "TargetKeyId"))]
    elif operation == "Decrypt":
        used = [(operation, named_key(call) or source)]
    else:
        used = [(operation, named_key(call))]
    return tuple((f"kms:{action}", key) for action, key in used if key is not None)
