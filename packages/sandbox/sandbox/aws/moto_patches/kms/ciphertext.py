"""Patches of the format of KMS ciphertexts.

Replaces moto's functions in this process.
"""

import base64
import binascii
from typing import Any

from moto.kms import models, utils
from moto.kms.exceptions import NotFoundException
from moto.kms.responses import KmsResponse

_KEY_ID_BYTES = 36


def keep_multi_region_key_ids() -> None:
    """AWS decrypts with a multi-Region key, whose id is `mrk-` and 32 hexadecimal digits.

    Moto gives such keys an id of 40 characters with dashes, accepts no other form, and keeps 36 of them in
    its ciphertexts, so that Decrypt finds no key.
    https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html
    """
    single = utils.generate_key_id

    def key_id(multi_region: bool = False) -> str:
        return f"mrk-{single().replace('-', '')}" if multi_region else single()

    def must_exist(response: Any, name: str) -> None:
        if response.kms_backend.get_key_id(name) not in response.kms_backend.keys:
            raise NotFoundException(f"Key '{response._display_arn(name)}' does not exist")

    vars(models)["generate_key_id"] = key_id
    vars(utils)["_serialize_ciphertext_blob"] = _pack
    vars(utils)["_deserialize_ciphertext_blob"] = _unpack
    setattr(KmsResponse, "_validate_cmk_id", must_exist)  # noqa: B010 - an assignment would not be typed


def _pack(ciphertext: Any) -> bytes:
    head: bytes = ciphertext.key_id.encode().ljust(_KEY_ID_BYTES)
    return head + bytes(ciphertext.iv + ciphertext.tag + ciphertext.ciphertext)


def _unpack(ciphertext_blob: bytes) -> Any:
    blob = ciphertext_blob
    iv, tag = _KEY_ID_BYTES + utils.IV_LEN, _KEY_ID_BYTES + utils.IV_LEN + utils.TAG_LEN
    if len(blob) <= tag:
        raise ValueError("too short for a ciphertext")
    return utils.Ciphertext(
        key_id=blob[:_KEY_ID_BYTES].decode().rstrip(),
        iv=blob[_KEY_ID_BYTES:iv],
        tag=blob[iv:tag],
        ciphertext=blob[tag:],
    )


def key_id_of(blob: str) -> str:
    """The id of the key that encrypted a ciphertext; "" when it is no ciphertext."""
    try:
        key_id: str = _unpack(base64.b64decode(blob)).key_id
    except (ValueError, binascii.Error):
        return ""
    return key_id
