"""Everything that the application's side of PHI encryption can refuse, as one tree.

Touches nothing: messages are fixed words, never a key, a plaintext or a byte of a record.
"""

from __future__ import annotations

from typing import Any, Self


class PhiError(Exception):
    """Any refusal of this package; catch this one to catch them all."""

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle, by which an error in a worker process reaches the parent: without calling __init__ again."""
        return _anew, (self._kind(), self.args), self.__dict__

    @classmethod
    def _kind(cls) -> type[PhiError]:
        return cls


def _anew(kind: type[PhiError], args: tuple[object, ...]) -> PhiError:
    return kind.__new__(kind, *args)


class RecordRefused(PhiError):
    """A record that does not open; the reason is withheld, because an attacker learns from reasons."""

    def __init__(self) -> None:
        super().__init__("The record was refused.")


class TextRefused(PhiError):
    """A text that UTF-8 cannot carry (a lone surrogate), or longer than AES-GCM takes at once (2 GiB)."""

    def __init__(self, why: str = "The text cannot be written as UTF-8, or exceeds 2 GiB.") -> None:
        super().__init__(why)


class NotText(TextRefused, TypeError):
    """A value that is no text: a number, a date, bytes."""

    def __init__(self) -> None:
        super().__init__("Only text can be encrypted: write another value as text first.")


class AlreadyEncrypted(TextRefused):
    """A field that holds a record of this very key."""

    def __init__(self) -> None:
        super().__init__("A field is encrypted already: it would be encrypted twice.")


class ValuesRefused(PhiError, TypeError):
    """One value, or one field's name, where several are asked for."""

    def __init__(self) -> None:
        super().__init__("A list, a mapping or another iterable of values is asked for, not a single one.")


class KeyRefused(PhiError):
    """A data key that is not exactly 32 bytes."""

    def __init__(self) -> None:
        super().__init__("A data key is exactly 32 bytes.")


class EncryptionKeyRefused(PhiError):
    """A former ENCRYPTION_KEY that is not 64 hex digits; the message says why and never repeats it."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}.")


class CipherUnsupported(PhiError):
    """A build of the cryptography library that refuses the 16-byte IVs of the record format."""

    def __init__(self) -> None:
        super().__init__(
            "This build of OpenSSL refuses AES-GCM with 16-byte IVs, as some FIPS builds do: "
            "it can neither write nor read PHI records. Run with a build that accepts them."
        )


class UnwrapError(PhiError):
    """The data key could not be had from AWS KMS; `cause` names why in one word.

    Each kind is either transient or terminal, by its base class: see TransientUnwrapError, TerminalUnwrapError.
    """

    @property
    def cause(self) -> str:
        """The name of this class: the word that the verdict of the proof carries."""
        return type(self).__name__

    @property
    def transient(self) -> bool:
        """Whether a key that is held already may go on serving for a while."""
        return isinstance(self, TransientUnwrapError)

    def again(self) -> Self:
        """The same refusal anew, without traceback and cause: those would keep alive, and show, another's frames."""
        anew = type(self).__new__(type(self), *self.args)
        anew.__dict__.update(self.__dict__)
        return anew


class TransientUnwrapError(UnwrapError):
    """KMS did not get to decide: a key that is held already may go on serving for a while."""


class TerminalUnwrapError(UnwrapError):
    """The answer was no, or the key is another than it was said to be: a key that is held is dropped at once."""


class MissingVariable(TerminalUnwrapError):
    """An environment variable is absent or empty."""


class MalformedVariable(TerminalUnwrapError):
    """An environment variable holds something else than its name promises."""


class BadCredentials(TerminalUnwrapError):
    """AWS does not accept the credentials: unknown, expired or wrongly signed."""


class NoCredentials(TransientUnwrapError):
    """No AWS credentials could be fetched now: the metadata or token service did not hand any over."""

    @property
    def cause(self) -> str:
        """The word of BadCredentials: who reads the verdict has the same to look after."""
        return BadCredentials.__name__


class AccessDenied(TerminalUnwrapError):
    """The principal may not use the key, or the wrapped key belongs to a key it may not see."""


class NotFound(TerminalUnwrapError):
    """No such KMS key in this account and region."""


class Disabled(TerminalUnwrapError):
    """The KMS key exists but is disabled, pending deletion or not usable now."""


class InvalidCiphertext(TerminalUnwrapError):
    """KMS finds the wrapped key corrupted or truncated, or it was wrapped with an encryption context."""


class WrongKey(TerminalUnwrapError):
    """The wrapped key was wrapped by another KMS key than the one named."""


class WrongLength(TerminalUnwrapError):
    """The wrapped key opens, but what is inside is not 32 bytes."""


class Unreachable(TransientUnwrapError):
    """The endpoint did not answer in time, or not at all."""


class Garbled(TransientUnwrapError):
    """Something answered in place of KMS: a body that cannot be read, or one without a key in it."""


class Throttled(TransientUnwrapError):
    """AWS asks for fewer requests."""


class Refused(TerminalUnwrapError):
    """AWS refused for a reason that has no class of its own here."""
