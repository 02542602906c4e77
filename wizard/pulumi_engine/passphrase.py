"""The passphrase of a stack in a self-managed backend: read, created once, verified.

Part of the client of Pulumi: touches one file for each stack in the user's configuration folder, which only
its owner can read.
"""

import base64
import hashlib
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from wizard.core import files
from wizard.core.errors import SetupError, UsageError
from wizard.core.models.inputs import FILE_VARIABLE, VARIABLE
from wizard.core.next_command import plain_name, shell
from wizard.core.state_backend import ENTER_PASSPHRASE

_ITERATIONS = 1_000_000
"""Iterations of PBKDF2-HMAC-SHA256, as the engine derives the key (pulumi/pkg/v3/secrets/passphrase, state version v1).
"""


def path_of(environ: Mapping[str, str], stack: str) -> Path:
    """The file for a stack's passphrase: `eonpro-kms/STACK.passphrase` in the user's configuration folder."""
    config = environ.get("XDG_CONFIG_HOME")
    home = Path(config) if config else Path(environ.get("HOME") or Path.home()) / ".config"
    return home / "eonpro-kms" / f"{plain_name(stack)}.passphrase"


def find(environ: Mapping[str, str], stack: str) -> Path | None:
    """The file of an earlier run; None without one.

    Raises SetupError for a file that others can read, or that holds nothing.
    """
    file = path_of(environ, stack)
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SetupError(f"the passphrase's file cannot be read: {error}", shell("ls", "-l", file)) from error
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise SetupError(f"others can read the passphrase of {stack}: {file}", shell("chmod", "600", file))
    if not _read(file):
        raise SetupError(f"the passphrase file of {stack} is empty: {file}", shell("rm", file))
    return file


def create(environ: Mapping[str, str], stack: str) -> Path:
    """A new passphrase in its file, written atomically; an existing one stays. It is never printed.

    Raises SetupError where it cannot be stored, or cannot be read again.
    """
    file = path_of(environ, stack)
    new = secrets.token_urlsafe(32)
    try:
        files.make_folder(file.parent)
        # Of two runs at once one passphrase stays.
        files.create(file, f"{new}\n".encode("ascii"))
    except OSError as error:
        raise SetupError(
            f"the stack's passphrase cannot be stored in {file}: {error.strerror}",
            f"export {FILE_VARIABLE}=<a file only you can read>",
        ) from error
    if find(environ, stack) is None:
        raise SetupError(f"the passphrase just stored in {file} cannot be read again", shell("ls", "-l", file))
    return file


def variable(environ: Mapping[str, str]) -> str | None:
    """The variable from which the engine would take the passphrase; None where neither is set."""
    if VARIABLE in environ:
        return VARIABLE
    return FILE_VARIABLE if environ.get(FILE_VARIABLE) else None


def read(environ: Mapping[str, str], folder: Path) -> str | None:
    """The passphrase that the engine would use in a folder: the variable, else the file; None without either.

    Raises UsageError for a file that cannot be read. An empty passphrase is one.
    """
    source = variable(environ)
    if source is None or source == VARIABLE:
        return environ.get(VARIABLE)
    file = folder / environ[FILE_VARIABLE]
    try:
        return _read(file)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(
            f"the stack's passphrase cannot be read: {FILE_VARIABLE} names {file} ({why})",
            f"export {FILE_VARIABLE}=<a file only you can read>",
        ) from error


def opens(passphrase: str, salt: str) -> bool:
    """Whether a passphrase is the stack's, tried on the `encryptionsalt` of its settings as the engine tries it.

    The CLI tries it only when it runs the program. A salt of an unknown form proves nothing: True.
    """
    # Imported here, because the import is slow and most runs do not need it.
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    parts = salt.split(":")
    if len(parts) != 5 or parts[0] != "v1" or parts[2] != "v1":
        return True
    try:
        salted, nonce, sealed = (base64.b64decode(parts[index], validate=True) for index in (1, 3, 4))
    except ValueError:
        return True
    key = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salted, _ITERATIONS, 32)
    try:
        return AESGCM(key).decrypt(nonce, sealed, None) == b"pulumi"
    except (InvalidTag, ValueError):
        return False


def check(environ: Mapping[str, str], folder: Path, *, stack: str, salt: str) -> None:
    """Raises UsageError where the passphrase of a stack is missing, cannot be read, or is not the stack's."""
    passphrase = read(environ, folder)
    if passphrase is None:
        missing = f"the passphrase of the stack {stack} is missing: {FILE_VARIABLE} is not set"
        raise UsageError(missing, ENTER_PASSPHRASE)
    if not opens(passphrase, salt):
        wrong = f"the passphrase of {variable(environ)} does not open the stack {stack}"
        raise UsageError(wrong, ENTER_PASSPHRASE)


def _read(file: Path) -> str:
    # As the engine reads it: without the white space around it.
    return files.read_text(file).strip()
