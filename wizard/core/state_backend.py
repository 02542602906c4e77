"""Where Pulumi keeps the stack's state, and what opens it: from the answers and what was found to what is to be done.

Pure. No file, no service and no program is touched; who asks brings what they say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from wizard.core.errors import Problem
from wizard.core.models.discovery import BackendFact, BackendKind

CLOUD, LOCAL, S3 = "cloud", "local", "s3"
"""Words for a backend: Pulumi Cloud, files of this user, a bucket that the set-up makes."""

CHOSEN = "chosen"
"""The source of what was answered."""

CLOUD_URL = "https://api.pulumi.com"
LOCAL_URL = "file://~"

DEFAULT, PASSPHRASE = "default", "passphrase"
"""Words for a secrets provider: Pulumi Cloud's own, a passphrase."""

KEY_ALIAS = "alias/eonpro-pulumi-state"
"""The KMS key of this alias, where the account has one, encrypts what a new stack keeps secret."""

VARIABLE, FILE_VARIABLE = "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"

_SCHEMES = ("https", "http", "s3", "file", "gs", "azblob", "postgres")
"""Of the backends that the engine knows (https://www.pulumi.com/docs/iac/concepts/state-and-backends/)."""

_PROVIDERS = ("awskms", "azurekeyvault", "gcpkms", "hashivault")
"""Of the secrets providers that take a URL (https://www.pulumi.com/docs/iac/concepts/secrets/)."""

_BUCKET = re.compile(
    r"(?!xn--|sthree-)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?<!-s3alias)(?<!--ol-s3)"
)
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What was found about the state and what opens it; no secret among it."""

    account: str
    region: str
    detected: BackendFact | None = None
    provider: str | None = None
    """The secrets provider of the stack, by its settings file; None for a stack that is new."""
    key_found: bool = False
    """Whether the account has a key of the alias KEY_ALIAS that the caller may describe."""
    given: str | None = None
    """The variable that already holds the passphrase, or its file."""
    file: str | None = None
    """The file with a passphrase that an earlier run made for this stack."""
    interactive: bool = False
    """Whether somebody is there to be told where a new passphrase is kept."""


@dataclass(frozen=True, kw_only=True)
class StateBackend:
    """Where the state goes, and what has to be done for it."""

    url: str
    """Empty where none was chosen and none was found."""
    source: str
    """In words: `chosen`, `PULUMI_BACKEND_URL`, `the login of the Pulumi CLI`."""
    make_bucket: str | None = None
    """The bucket to be made, or brought up to what a state needs, first (Cloud.make_state_bucket)."""
    secrets_provider: str | None = None
    """For the stack if it is made now; None leaves it to the backend."""
    make_passphrase: bool = False
    """Whether a passphrase is to be made and kept in a file (engine_passphrase.make); FILE_VARIABLE names it then."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What the engine's environment lacks: the backend's URL, the passphrase or its file."""
    sentences: tuple[str, ...] = ()
    """What a person is told: where the state is and what opens it, each with its source."""
    problems: tuple[Problem, ...] = ()

    @property
    def kind(self) -> BackendKind:
        """What kind of backend it is."""
        return BackendFact(url=self.url, source=self.source).kind


def bucket_name(account: str, region: str) -> str:
    """The bucket that the set-up makes for the state of every stack of an account's Region."""
    return f"eonpro-pulumi-state-{account}-{region}"


def url_of(backend: str, *, account: str, region: str) -> str:
    """The URL that an answer stands for. A bucket's holds its Region, whatever Region the caller's profile has."""
    words = {
        CLOUD: CLOUD_URL,
        LOCAL: LOCAL_URL,
        S3: f"s3://{bucket_name(account, region)}?region={region}",
    }
    return words.get(backend, backend)


def in_words(url: str) -> str:
    """A backend's URL as a person reads it, without its options."""
    plain = url.partition("?")[0].rstrip("/")
    if plain == CLOUD_URL:
        return "Pulumi Cloud"
    kind = BackendFact(url=url, source="").kind
    if kind is BackendKind.LOCAL:
        return f"files of this machine ({plain.removeprefix('file://')}/.pulumi)"
    return plain


def accept_backend(text: str) -> None:
    """The rule of the answer `backend`. Raises ValueError in words, which never repeat a password."""
    if text in (CLOUD, LOCAL, S3):
        return
    try:
        parts = urlsplit(text)
        has_password = parts.password is not None
    except ValueError:
        raise ValueError("is not a URL") from None
    if has_password:
        raise ValueError("has a password in it: leave it out, and give it by the backend's own variable")
    if "://" not in text or parts.scheme not in _SCHEMES:
        raise ValueError(f"{text!r} is neither {CLOUD}, {LOCAL}, {S3}, nor a backend's URL such as s3://bucket")
    if parts.scheme == "s3" and not (_BUCKET.fullmatch(parts.netloc) and ".." not in parts.netloc):
        raise ValueError(f"{parts.netloc!r} is no name of an S3 bucket")
    if parts.scheme in ("https", "http", "gs", "azblob") and not parts.netloc:
        raise ValueError(f"{text!r} has no place in it")


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


def accept_passphrase(text: str) -> None:
    """The rule of a passphrase: anything but nothing. Raises ValueError in words."""
    if not text.strip():
        raise ValueError("is empty")


def resolve(values: Mapping[str, Any], found: Circumstances) -> StateBackend:
    """What is to be done, of the answers `backend`, `secrets_provider` and `passphrase`, and of what was found.

    A stack that is there keeps its own secrets provider: another one would be a change of the stack, not a choice.
    """
    url, source, bucket = _backend(values, found)
    if not url:
        return StateBackend(url="", source="", problems=(_no_backend(),))
    # What was found, the engine finds too.
    environment = {"PULUMI_BACKEND_URL": url} if source == CHOSEN else {}
    kind = BackendFact(url=url, source=source).kind
    told = [f"state: {in_words(url)} ({source})"]
    provider, why = _provider(values, found, kind)
    problems = []
    if provider == DEFAULT and kind is not BackendKind.CLOUD:
        problems.append(_no_default(url))
    making = False
    if provider == PASSPHRASE:
        opened = _passphrase(values, found)
        if opened is not None:
            environment |= opened[0]
            told.append(opened[1])
        elif found.provider is None and found.interactive:
            making = True
            told.append("its secrets: encrypted under a passphrase that is made now and kept in a file of yours")
        else:
            problems.append(_no_passphrase(found))
    else:
        told.append(f"its secrets: encrypted by {_provider_in_words(provider)} ({why})")
    return StateBackend(
        url=url,
        source=source,
        make_bucket=bucket,
        secrets_provider=None if found.provider is not None or provider == DEFAULT else provider,
        make_passphrase=making,
        environment=environment,
        sentences=tuple(told),
        problems=tuple(problems),
    )


def _backend(values: Mapping[str, Any], found: Circumstances) -> tuple[str, str, str | None]:
    chosen = values.get("backend")
    if chosen and not (found.detected and chosen == found.detected.url):
        url = url_of(chosen, account=found.account, region=found.region)
        made = bucket_name(found.account, found.region) if chosen == S3 else None
        return url, CHOSEN, made
    if found.detected:
        return found.detected.url, found.detected.source, None
    return "", "", None


def _provider(values: Mapping[str, Any], found: Circumstances, kind: BackendKind) -> tuple[str, str]:
    if found.provider is not None:
        return found.provider, "the stack's own"
    if chosen := values.get("secrets_provider"):
        return str(chosen), CHOSEN
    if found.key_found:
        return f"awskms://{KEY_ALIAS}?region={found.region}", f"the account has {KEY_ALIAS}"
    return (DEFAULT, "its own") if kind is BackendKind.CLOUD else (PASSPHRASE, "there is no key for it")


def _passphrase(values: Mapping[str, Any], found: Circumstances) -> tuple[dict[str, str], str] | None:
    """What the environment lacks for it, and the sentence; None where nobody has it."""
    if given := values.get("passphrase"):
        # Beside both variables the engine takes this one.
        return {VARIABLE: str(given)}, "its secrets: encrypted under the passphrase that was given"
    if found.given:
        return {}, f"its secrets: encrypted under the passphrase of {found.given}"
    if found.file:
        return {FILE_VARIABLE: found.file}, f"its secrets: encrypted under the passphrase in {found.file}"
    return None


def _provider_in_words(provider: str) -> str:
    if provider == DEFAULT:
        return "Pulumi Cloud"
    scheme, _, rest = provider.partition("://")
    return f"the KMS key {rest.partition('?')[0].lstrip('/')}" if scheme == "awskms" else provider.partition("?")[0]


def _no_backend() -> Problem:
    return Problem(
        what="Pulumi has no backend: nobody is logged in, and PULUMI_BACKEND_URL is not set",
        why="the stack's state says what was made; without it nothing could be changed or taken away later",
        next="--backend s3 (a bucket is made for it)   or: --backend cloud   or: --backend local",
        exit_code=2,
    )


def _no_default(url: str) -> Problem:
    return Problem(
        what=f"the secrets provider {DEFAULT} is Pulumi Cloud's, and the state is kept in {in_words(url)}",
        why="a backend of one's own encrypts nothing by itself",
        next=f"--secrets-provider {PASSPHRASE}   or: --secrets-provider awskms://alias/NAME?region=REGION",
        exit_code=2,
    )


def _no_passphrase(found: Circumstances) -> Problem:
    made = found.provider is not None
    return Problem(
        what="the stack's passphrase is not known" if made else "the new stack has no passphrase, and nobody is asked",
        why=(
            "its configuration is encrypted under it, and Pulumi opens no stack without it"
            if made
            else "a backend of one's own encrypts a stack's configuration under a passphrase"
        ),
        next=f"export {FILE_VARIABLE}=<a file only you can read>   or: export {VARIABLE}=...   "
        + ("or: --passphrase-file FILE" if made else f"or: --secrets-provider awskms://{KEY_ALIAS}?region=REGION"),
        exit_code=2,
    )
