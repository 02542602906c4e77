"""Chooses the place of the stack's state and the encryption of its secrets, from answers and circumstances.

Pure. The caller reads the files and asks the services.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from wizard.core.errors import Problem
from wizard.core.models.inputs import APPLICATION, CLOUD, DEFAULT, FILE_VARIABLE, LOCAL, PASSPHRASE, S3, VARIABLE
from wizard.core.next_command import Command

CHOSEN = "chosen"
"""The source of an answer."""

CLOUD_URL = "https://api.pulumi.com"
LOCAL_URL = "file://~"


def key_alias(application: str) -> str:
    """The KMS key of this alias, where the account has one, encrypts the secrets of a new stack."""
    return f"alias/{application}-pulumi-state"


ENTER_PASSPHRASE = Command(
    f"printf 'passphrase of the stack: ' >&2 && read -rs {VARIABLE} && export {VARIABLE}",
    advice=f"or, from a file that only you can read: export {FILE_VARIABLE}=FILE. Ask who set the stack up: the wizard "
    "made the file ~/.config/eonpro-kms/STACK.passphrase there. Lost, it loses nothing: docs/real-account.md, Where "
    "Pulumi keeps the state, has the commands by which the stack takes another",
)
"""The command that asks for the passphrase, which is then in no command line; it has precedence over a file."""


class BackendKind(StrEnum):
    """The place of a stack's state."""

    CLOUD = "cloud"
    S3 = "s3"
    LOCAL = "local"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class BackendFact:
    """The backend that Pulumi would use, and where that is configured. No request was made."""

    url: str
    """`https://api.pulumi.com`, `s3://bucket`, `file://~`."""
    source: str
    """In words: `PULUMI_BACKEND_URL`, `the login of the Pulumi CLI`, `Pulumi.yaml`."""

    @property
    def kind(self) -> BackendKind:
        """The kind of the URL's backend."""
        scheme = self.url.partition("://")[0]
        kinds = {"https": BackendKind.CLOUD, "http": BackendKind.CLOUD, "s3": BackendKind.S3, "file": BackendKind.LOCAL}
        return kinds.get(scheme, BackendKind.OTHER)


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """The known facts about the state and its encryption; no secret."""

    account: str
    region: str
    application: str = APPLICATION
    detected: BackendFact | None = None
    provider: str | None = None
    """The secrets provider of the stack, by its settings file; None for a stack that is new."""
    key_found: bool = False
    """Whether the account has a key with the alias `key_alias` that the caller can describe."""
    passphrase_variable: str | None = None
    """The variable that already holds the passphrase, or names its file."""
    file: str | None = None
    """The file with a passphrase that an earlier run created for this stack."""
    interactive: bool = False
    """Whether a person can see the place of a new passphrase."""


@dataclass(frozen=True, kw_only=True)
class StateBackend:
    """The place of the state, and the steps that it needs."""

    url: str
    """Empty where none was chosen or detected."""
    source: str
    """In words: `chosen`, `PULUMI_BACKEND_URL`, `the login of the Pulumi CLI`."""
    make_bucket: str | None = None
    """The bucket to create or correct first (`StateStorage.make_state_bucket`)."""
    secrets_provider: str | None = None
    """For a new stack; None leaves it to the backend."""
    make_passphrase: bool = False
    """Whether to create a passphrase in a file (`pulumi_engine.passphrase.create`), which FILE_VARIABLE then names."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The variables that the engine's environment lacks: the backend's URL, the passphrase or its file."""
    sentences: tuple[str, ...] = ()
    """The place of the state and the encryption of its secrets, with the sources, for a person."""
    problems: tuple[Problem, ...] = ()

    @property
    def kind(self) -> BackendKind:
        return BackendFact(url=self.url, source=self.source).kind


def bucket_name(account: str, region: str, application: str = APPLICATION) -> str:
    """The bucket that the set-up creates for the state of all stacks of an application in an account's Region."""
    return f"{application}-pulumi-state-{account}-{region}"


def url_of(backend: str, *, account: str, region: str, application: str = APPLICATION) -> str:
    """The URL for an answer. A bucket's URL names its Region, because the caller's profile may have another."""
    words = {
        CLOUD: CLOUD_URL,
        LOCAL: LOCAL_URL,
        S3: f"s3://{bucket_name(account, region, application)}?region={region}",
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


def resolve(values: Mapping[str, Any], circumstances: Circumstances) -> StateBackend:
    """The steps, from the answers `backend`, `secrets_provider` and `passphrase` and the circumstances.

    An existing stack keeps its secrets provider: another one would be a change of the stack, not a choice.
    """
    url, source, bucket = _backend(values, circumstances)
    if not url:
        return StateBackend(url="", source="", problems=(_no_backend(),))
    # The engine detects a backend itself; only a chosen one has to be passed.
    environment = {"PULUMI_BACKEND_URL": url} if source == CHOSEN else {}
    kind = BackendFact(url=url, source=source).kind
    sentences = [f"state: {in_words(url)} ({source})"]
    provider, why = _provider(values, circumstances, kind)
    problems = []
    if provider == DEFAULT and kind is not BackendKind.CLOUD:
        problems.append(_no_default(url))
    creates_passphrase = False
    if provider == PASSPHRASE:
        opened = _passphrase(values, circumstances)
        if opened is not None:
            environment |= opened[0]
            sentences.append(opened[1])
        elif circumstances.provider is None and circumstances.interactive:
            creates_passphrase = True
            sentences.append("its secrets: encrypted under a passphrase that is made now and kept in a file of yours")
        else:
            problems.append(_no_passphrase(circumstances))
    else:
        sentences.append(f"its secrets: encrypted by {_provider_in_words(provider)} ({why})")
    return StateBackend(
        url=url,
        source=source,
        make_bucket=bucket,
        secrets_provider=None if circumstances.provider is not None or provider == DEFAULT else provider,
        make_passphrase=creates_passphrase,
        environment=environment,
        sentences=tuple(sentences),
        problems=tuple(problems),
    )


def _backend(values: Mapping[str, Any], circumstances: Circumstances) -> tuple[str, str, str | None]:
    chosen = values.get("backend")
    if chosen and not (circumstances.detected and chosen == circumstances.detected.url):
        account, region, application = circumstances.account, circumstances.region, circumstances.application
        url = url_of(chosen, account=account, region=region, application=application)
        bucket = bucket_name(account, region, application) if chosen == S3 else None
        return url, CHOSEN, bucket
    if circumstances.detected:
        return circumstances.detected.url, circumstances.detected.source, None
    return "", "", None


def _provider(values: Mapping[str, Any], circumstances: Circumstances, kind: BackendKind) -> tuple[str, str]:
    if circumstances.provider is not None:
        return circumstances.provider, "the stack's own"
    if chosen := values.get("secrets_provider"):
        return str(chosen), CHOSEN
    if circumstances.key_found:
        alias = key_alias(circumstances.application)
        return f"awskms://{alias}?region={circumstances.region}", f"the account has {alias}"
    return (DEFAULT, "its own") if kind is BackendKind.CLOUD else (PASSPHRASE, "there is no key for it")


def _passphrase(values: Mapping[str, Any], circumstances: Circumstances) -> tuple[dict[str, str], str] | None:
    """The missing environment variables and the sentence; None where the passphrase is unknown."""
    if passphrase := values.get("passphrase"):
        # Where both variables are set the engine uses this one.
        return {VARIABLE: str(passphrase)}, "its secrets: encrypted under the passphrase that was given"
    if circumstances.passphrase_variable:
        return {}, f"its secrets: encrypted under the passphrase of {circumstances.passphrase_variable}"
    if circumstances.file:
        return {
            FILE_VARIABLE: circumstances.file
        }, f"its secrets: encrypted under the passphrase in {circumstances.file}"
    return None


def _provider_in_words(provider: str) -> str:
    if provider == DEFAULT:
        return "Pulumi Cloud"
    scheme, _, rest = provider.partition("://")
    return f"the KMS key {rest.partition('?')[0].lstrip('/')}" if scheme == "awskms" else provider.partition("?")[0]


def _no_backend() -> Problem:
    return Problem(
        what="Pulumi has no backend: nobody is logged in, and PULUMI_BACKEND_URL is not set",
        why="the stack's state lists what was created; without it nothing could be changed or deleted later",
        next="--backend s3 (creates a bucket)   or: --backend cloud   or: --backend local",
        exit_code=2,
    )


def _no_default(url: str) -> Problem:
    return Problem(
        what=f"the secrets provider {DEFAULT} is Pulumi Cloud's, and the state is kept in {in_words(url)}",
        why="a self-managed backend does not encrypt secrets by itself",
        next=f"--secrets-provider {PASSPHRASE}   or: --secrets-provider awskms://alias/NAME?region=REGION",
        exit_code=2,
    )


def _no_passphrase(circumstances: Circumstances) -> Problem:
    exists = circumstances.provider is not None
    return Problem(
        what="the stack's passphrase is unknown"
        if exists
        else "the new stack has no passphrase, and nobody can be asked",
        why=(
            "its configuration is encrypted with it, and Pulumi opens no stack without it"
            if exists
            else "a self-managed backend encrypts a stack's configuration with a passphrase"
        ),
        next=ENTER_PASSPHRASE
        if exists
        else f"export {FILE_VARIABLE}=<a file only you can read>   or: export {VARIABLE}=...   "
        f"or: --secrets-provider awskms://{key_alias(circumstances.application)}?region=REGION",
        exit_code=2,
    )
