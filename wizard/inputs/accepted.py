"""The rules of answers that are typed freely: a backend, a secrets provider, a backup, a name, a passphrase.

Pure.
"""

import re
from urllib.parse import parse_qs, urlsplit

from wizard.core.models.inputs import CLOUD, DEFAULT, LOCAL, PASSPHRASE, S3

_SCHEMES = ("https", "http", "s3", "file", "gs", "azblob", "postgres")
"""URL schemes of the engine's backends (https://www.pulumi.com/docs/iac/concepts/state-and-backends/)."""

_PROVIDERS = ("awskms", "azurekeyvault", "gcpkms", "hashivault")
"""URL schemes of the secrets providers (https://www.pulumi.com/docs/iac/concepts/secrets/)."""

_BUCKET = r"(?!xn--|sthree-)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?<!-s3alias)(?<!--ol-s3)"
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""


def accept_backend(text: str) -> None:
    """The rule of the answer `backend`. Raises ValueError with a text that never repeats a password."""
    if text in (CLOUD, LOCAL, S3):
        return
    try:
        parts = urlsplit(text)
        has_password = parts.password is not None
    except ValueError:
        raise ValueError("is not a URL") from None
    if has_password:
        raise ValueError("has a password in it: leave it out, and set it with the backend's own variable")
    if "://" not in text or parts.scheme not in _SCHEMES:
        raise ValueError(f"{text!r} is neither {CLOUD}, {LOCAL}, {S3}, nor a backend's URL such as s3://bucket")
    if parts.scheme == "s3" and not (re.fullmatch(_BUCKET, parts.netloc) and ".." not in parts.netloc):
        raise ValueError(f"{parts.netloc!r} is not a name of an S3 bucket")
    if parts.scheme in ("https", "http", "gs", "azblob") and not parts.netloc:
        raise ValueError(f"{text!r} names no host or bucket")


def is_region(text: str) -> bool:
    """Whether it has the form of a Region's name."""
    return re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", text) is not None


def accept_backup_place(text: str) -> None:
    """The rule of the answer `backup_to`: a file, s3://BUCKET/KEY, a Region, or `later`. Raises ValueError in words."""
    if "://" not in text:
        return
    scheme, _, place = text.partition("://")
    bucket, _, key = place.partition("/")
    if scheme != "s3" or not re.fullmatch(_BUCKET, bucket) or not key:
        raise ValueError(f"{text!r} is not s3://BUCKET/KEY")


def accept_secrets_provider(text: str) -> None:
    """The rule of the answer `secrets_provider`. Raises ValueError in words."""
    if text in (DEFAULT, PASSPHRASE):
        return
    parts = urlsplit(text)
    if "://" not in text or parts.scheme not in _PROVIDERS:
        raise ValueError(f"{text!r} is neither {PASSPHRASE}, {DEFAULT}, nor a key's URL such as awskms://alias/NAME")
    key = parts.netloc + parts.path
    if parts.scheme == "awskms":
        if not key.strip("/"):
            raise ValueError("has no key in it")
        if "region" not in parse_qs(parts.query) and not parts.path.lstrip("/").startswith("arn:"):
            raise ValueError("has no Region: add ?region=REGION")


def accept_variable_name(text: str) -> None:
    """The rule of the name of a variable. Raises ValueError in words."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text, re.ASCII):
        raise ValueError(f"{text!r} is not the name of a variable")


def accept_passphrase(text: str) -> None:
    """The rule of a passphrase: it is not blank. Raises ValueError in words."""
    if not text.strip():
        raise ValueError("is empty")
