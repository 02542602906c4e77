"""One environment variable, and the validation of requests that create or change one.

Reads the clock and random numbers only.
"""

import base64
import hashlib
import re
import secrets
import string
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TARGETS = ("production", "preview", "development")
TYPES = ("plain", "encrypted", "sensitive", "secret", "system")
MAX_COMMENT_CHARACTERS = 500
"""Characters (https://vercel.com/docs/rest-api/projects/create-one-or-more-environment-variables)."""
MAX_ENVIRONMENT_BYTES = 64 * 1024
"""Bytes of all names and values of one environment (https://vercel.com/docs/environment-variables)."""
RESERVED_NAMES = frozenset(
    (
        "AWS_SECRET_KEY",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "NOW_REGION",
        "TZ",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    )
)
"""https://vercel.com/docs/environment-variables/reserved-environment-variables"""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ALPHABET = string.ascii_letters + string.digits


class ApiError(Exception):
    """An error response of Vercel's API: `{"error": {"code", "message", …}}` and a status."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error: dict[str, Any] = {"code": code, "message": message, **more}


def stable_id(prefix: str, name: str, length: int) -> str:
    """An id with the length of Vercel's that is the same after every start."""
    digest = hashlib.sha512(f"{prefix}{name}".encode()).digest()
    return prefix + "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:length])


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One environment variable of a project. Times are milliseconds since 1970."""

    id: str
    key: str
    type: str
    targets: tuple[str, ...]
    custom_environments: tuple[str, ...]
    git_branch: str | None
    comment: str
    created_at: int
    updated_at: int
    value: str = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes that count for the limit."""
        return len(self.key.encode()) + len(self.value.encode())

    def overlaps(self, other: "Variable") -> bool:
        """Whether one deployment would get both, and neither overrides the other."""
        return (
            self.key == other.key
            and self.git_branch == other.git_branch
            and bool({*self.targets, *self.custom_environments} & {*other.targets, *other.custom_environments})
        )

    def same_environments(self, other: "Variable") -> bool:
        own = {*self.targets, *self.custom_environments}
        return self.overlaps(other) and own == {*other.targets, *other.custom_environments}

    def to_json(self, *, decrypted: bool) -> dict[str, Any]:
        """The variable as the API answers it: no sensitive value, and an encrypted one only when `decrypted`."""
        if self.type == "sensitive":
            value, decrypted = "", False
        elif self.type == "plain" or decrypted:
            value, decrypted = self.value, True
        else:
            # Vercel lists its own ciphertext; any opaque text will do.
            value = base64.b64encode(hashlib.sha512(f"{self.id}{self.value}".encode()).digest()).decode()
        document: dict[str, Any] = {
            "id": self.id,
            "key": self.key,
            "type": self.type,
            "visibility": "secret" if self.type == "sensitive" else "config",
            "target": list(self.targets),
            "value": value,
            "decrypted": decrypted,
            "comment": self.comment,
            "configurationId": None,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "createdBy": USER_ID,
            "updatedBy": USER_ID,
            "customEnvironmentIds": list(self.custom_environments),
        }
        if self.git_branch is not None:
            document["gitBranch"] = self.git_branch
        return document


USER_ID = stable_id("", "sandbox", 24)


def check_schema(requested: Any) -> None:
    """Validate a request against the API's schema. Raises ApiError 400 `bad_request`."""
    if not isinstance(requested, Mapping):
        raise ApiError(400, "bad_request", "Invalid request: should be object.")
    for name in ("key", "value", "type"):
        if name not in requested:
            raise ApiError(400, "bad_request", f"Invalid request: missing required property `{name}`.")
        if not isinstance(requested[name], str):
            raise ApiError(400, "bad_request", f"Invalid request: `{name}` should be string.")
    if requested["type"] not in TYPES:
        raise ApiError(400, "bad_request", "Invalid request: `type` should be equal to one of the allowed values.")
    if not requested.get("target") and not requested.get("customEnvironmentIds"):
        raise ApiError(400, "bad_request", "Invalid request: missing required property `target`.")
    comment = requested.get("comment")
    if comment is not None and (not isinstance(comment, str) or len(comment) > MAX_COMMENT_CHARACTERS):
        raise ApiError(
            400,
            "bad_request",
            f"Invalid request: `comment` should NOT be longer than {MAX_COMMENT_CHARACTERS} characters.",
        )


def parse_variable(requested: Mapping[str, Any]) -> Variable:
    """The variable of a request. Raises ApiError 400."""
    check_schema(requested)
    key = requested["key"]
    target = requested.get("target") or []
    targets = (target,) if isinstance(target, str) else tuple(dict.fromkeys(target))
    branch = requested.get("gitBranch") or None
    if not _NAME.fullmatch(key):
        message = (
            "The name contains invalid characters. Only letters, digits, and underscores are allowed,"
            " and it may not start with a digit."
        )
        raise ApiError(400, "BAD_REQUEST", message, envVarKey=key, key=key)
    if key in RESERVED_NAMES or key.startswith("VERCEL_"):
        message = "The name of your Environment Variable is reserved. Please choose another name."
        raise ApiError(400, "BAD_REQUEST", message, envVarKey=key, key=key)
    if not set(targets) <= set(TARGETS):
        raise ApiError(400, "bad_request", "Invalid request: `target` should be equal to one of the allowed values.")
    if branch and targets != ("preview",):
        message = "The `gitBranch` can only be set for the target preview."
        raise ApiError(400, "BAD_REQUEST", message, envVarKey=key, key=key)
    kind = requested["type"]
    if requested.get("visibility") == "secret" and targets != ("development",):
        # Of both the CLI sends `visibility` too; a Secret of development can be pulled, so it is no sensitive one.
        kind = "sensitive"
    if kind == "sensitive" and "development" in targets:
        message = "You cannot set a Sensitive Environment Variable's target to development."
        raise ApiError(400, "BAD_REQUEST", message, envVarKey=key, key=key)
    created_at = now()
    return Variable(
        id="".join(secrets.choice(_ALPHABET) for _ in range(16)),
        key=key,
        type=kind,
        targets=targets,
        custom_environments=tuple(requested.get("customEnvironmentIds") or ()),
        git_branch=branch,
        comment=requested.get("comment") or "",
        created_at=created_at,
        updated_at=created_at,
        value=requested["value"],
    )


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
