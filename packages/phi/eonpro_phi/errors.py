"""Every error of this package, as one tree.

Touches nothing: a message is fixed text and never holds a key, a plaintext or a part of a record.
"""

from typing import Any, Self


class PhiError(Exception):
    """Any error of this package; catch this one to catch them all."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Let pickle take the error from a worker process to its parent, without calling __init__ again."""
        return _restore, (self._kind(), self.args), self.__dict__

    @classmethod
    def _kind(cls) -> "type[PhiError]":
        return cls


def _restore(kind: type[PhiError], args: tuple[object, ...]) -> PhiError:
    return kind.__new__(kind, *args)


class DecryptionError(PhiError):
    """A record that cannot be decrypted. It never says why: the reason would help an attacker."""

    def __init__(self) -> None:
        super().__init__("The record cannot be decrypted.")


class NotBound(DecryptionError):
    """A record that is not bound as its reader asks. The message says what was found and what to do; whoever can change
    records knows as much.
    """

    def __init__(
        self,
        message: str = "The record is genuine, and bound to no place where this call names one. Decrypt it without a "
        "context, and write it again with one.",
    ) -> None:
        PhiError.__init__(self, message)


class InvalidText(PhiError):
    """A text that UTF-8 cannot encode (a lone surrogate), or longer than AES-GCM accepts (2 GiB)."""

    def __init__(self, message: str = "The text cannot be encoded as UTF-8, or exceeds 2 GiB.") -> None:
        super().__init__(message)


class NotText(InvalidText, TypeError):
    """A value that is not a text: a number, a date, bytes."""

    def __init__(self) -> None:
        super().__init__("Only text can be encrypted. Convert the value to text first.")


class InvalidBytes(PhiError):
    """Bytes that cannot be encrypted: more than AES-GCM accepts at once (2 GiB), or for a place that is not UTF-8."""

    def __init__(self, message: str = "The bytes exceed 2 GiB, or their context cannot be encoded as UTF-8.") -> None:
        super().__init__(message)


class NotBytes(InvalidBytes, TypeError):
    """A value that is neither bytes, a bytearray nor a memoryview."""

    def __init__(self) -> None:
        super().__init__("Only bytes can be encrypted as bytes. For a text there is `encrypt`.")


class InvalidValue(PhiError, ValueError):
    """A value of another type than its field's, or a stored text that is not of that type; never with the value."""


class InvalidTenant(PhiError):
    """A tenant's id that is empty or no text in UTF-8; a number is converted by the caller, always in the same way."""

    def __init__(self) -> None:
        super().__init__("The id of a tenant is a text that is not empty: for_tenant(str(clinic.id)).")


class AlreadyEncrypted(InvalidText):
    """A field that holds a record of this key."""

    def __init__(self) -> None:
        super().__init__("A field is encrypted already. It would be encrypted twice.")


class InvalidValues(PhiError, TypeError):
    """A single value, or a single field's name, where several are expected."""

    def __init__(self) -> None:
        super().__init__("A list or another iterable of values is expected, not a single value or a mapping.")


class InvalidDataKey(PhiError):
    """A data key that is not exactly 32 bytes."""

    def __init__(self) -> None:
        super().__init__("A data key is exactly 32 bytes.")


class InvalidEncryptionKey(PhiError):
    """A former ENCRYPTION_KEY that is not 64 hex digits; the message has the fault and never the key."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}.")


class CipherUnsupported(PhiError):
    """A build of the cryptography library that refuses the 16-byte IVs of the record format."""

    def __init__(self) -> None:
        super().__init__(
            "This build of OpenSSL refuses AES-GCM with 16-byte IVs, as some FIPS builds do. "
            "It can neither write nor read PHI records. Use a build that accepts them."
        )


class UnwrapError(PhiError):
    """AWS KMS did not return the data key; `cause` is the reason in one word.

    Each kind is either transient or terminal, by its base class: see TransientUnwrapError, TerminalUnwrapError.
    """

    @property
    def cause(self) -> str:
        """The name of this class, as `python -m eonpro_phi prove` prints it."""
        return type(self).__name__

    @property
    def transient(self) -> bool:
        """Whether a cached key may stay in use for a while."""
        return isinstance(self, TransientUnwrapError)

    def copy(self) -> Self:
        """The same error without traceback and cause: those would keep alive, and show, another caller's frames."""
        copy = type(self).__new__(type(self), *self.args)
        copy.__dict__.update(self.__dict__)
        return copy


class TransientUnwrapError(UnwrapError):
    """KMS made no decision: a cached key may stay in use for a while."""


class TerminalUnwrapError(UnwrapError):
    """KMS denied the request, or the key is not the expected one: a cached key is dropped at once."""


class MissingVariable(TerminalUnwrapError):
    """An environment variable is not set or empty."""


class MalformedVariable(TerminalUnwrapError):
    """An environment variable has a value of another form than expected."""


class BadCredentials(TerminalUnwrapError):
    """AWS does not accept the credentials: unknown, expired or wrongly signed."""


class NoCredentials(TransientUnwrapError):
    """No AWS credentials are available now: the metadata or token service returned none."""

    @property
    def cause(self) -> str:
        """The word of BadCredentials: the reader has the same things to check."""
        return BadCredentials.__name__


class AccessDenied(TerminalUnwrapError):
    """The principal is not allowed to use the key, or to see the key that wrapped the data key."""


class NotFound(TerminalUnwrapError):
    """No such KMS key in this account and Region."""


class Disabled(TerminalUnwrapError):
    """The KMS key exists but is disabled, pending deletion or not usable now."""


class InvalidCiphertext(TerminalUnwrapError):
    """The wrapped key is corrupted or truncated, or it was wrapped with an encryption context."""


class WrongKey(TerminalUnwrapError):
    """The wrapped key was wrapped by another KMS key than AWS_KMS_KEY_ID."""


class WrongLength(TerminalUnwrapError):
    """The wrapped key can be decrypted, but holds something else than 32 bytes."""


class WrongKeyCheckValue(TerminalUnwrapError):
    """The wrapped key opens to another key than the one whose check value the environment has."""


class Unreachable(TransientUnwrapError):
    """The endpoint did not answer in time, or not at all."""


class InvalidResponse(TransientUnwrapError):
    """The response is not one of KMS: it cannot be read, or has no key in it. A proxy may have answered."""


class Throttled(TransientUnwrapError):
    """AWS throttles these requests."""


class RequestRejected(TerminalUnwrapError):
    """AWS rejected the request with a code that has no class of its own here."""
