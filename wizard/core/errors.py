"""The tree of errors. Each has a message and the next command to type.

Pure. A client translates its library's exception into one of these, `from` the cause; `wizard/cli/main.py` prints it.
The exit codes are Pulumi's own table (https://www.pulumi.com/docs/iac/cli/exit-codes/).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from wizard.core.next_command import Command, Text, chain


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """A problem that was detected before anything was created."""

    what: str
    """The fault, in one sentence that names the object."""
    why: str
    """Why it stops the set-up."""
    next: str
    """The next command to type, or the next thing to do."""
    exit_code: int = 1
    action: str = ""
    """The call of AWS that failed, in IAM's spelling; empty for any other fault."""


class SetupError(Exception):
    """A failure with its message and the next step. Subclasses set `exit_code`."""

    exit_code = 1
    action = ""
    """The call of AWS that failed, in IAM's spelling: `kms:CreateKey`. Empty for any other failure."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SetupError):
    """The command line or an answer cannot be used."""

    exit_code = 2


class MissingAnswers(UsageError):
    """Answers are missing and nobody can be asked. `missing` holds their keys."""

    def __init__(self, message: str, hint: str, missing: tuple[str, ...]) -> None:
        super().__init__(message, hint)
        self.missing = missing


class CredentialsError(SetupError):
    """Credentials are missing, expired, or lack a permission."""

    exit_code = 3


class SignInNeeded(CredentialsError):
    """The profile's sign-in to IAM Identity Center has expired, or there was none. `profile` is its name."""

    def __init__(self, message: str, hint: str, profile: str) -> None:
        super().__init__(message, hint)
        self.profile = profile


class PermissionDenied(CredentialsError):
    """The service answered that the caller is not allowed to do this."""


def limit_of(refusal: str, action: str) -> str:
    """What to do about a refusal of AWS by a limit that no policy of the caller changes; empty for any other."""
    if kind := next((kind for kind in ("service", "resource") if f"{kind} control policy" in refusal), None):
        return f"the organization's {kind} control policy forbids {action}; ask its administrators"
    if "session policy" in refusal:
        return f"the policy of the caller's session does not allow {action}; ask who narrowed the session"
    if "permissions boundary" in refusal:
        return f"the caller's permissions boundary does not allow {action}; ask who set it"
    return ""


class ResourceError(SetupError):
    """The engine or a service could not create or change a resource."""

    exit_code = 4


class Throttled(ResourceError):
    """The service cannot answer now: too many calls, or an internal error. The same call may succeed later."""


class PolicyRefusal(SetupError):
    """A policy pack refused the plan."""

    exit_code = 5


class StackNotFound(SetupError):
    exit_code = 6


class Cancelled(SetupError):
    """The user declined, or the run was cancelled."""

    exit_code = 8


class Unreachable(SetupError):
    """An endpoint did not answer."""


class UnreadableAnswer(Unreachable):
    """An endpoint answered, but the answer is cut off, foreign, or lacks required members: it gives no information."""


class OutcomeUnknown(SetupError):
    """A call that must not happen twice was sent once, and its answer was lost. The account shows what happened."""


class TargetMissing(SetupError):
    """The platform of the application does not exist: a project on Vercel. `create`, `others`: the commands that
    create it, and that list others.
    """

    def __init__(self, message: str, create: str, others: Command | None = None) -> None:
        renamed = Text("was it renamed? Then name it: --vercel-project NAME; if there is none: ", create)
        super().__init__(message, chain(others, advice=renamed) if others else create)
        self.create, self.others = create, others


class Unsupported(SetupError):
    """The endpoint answered that it has no such operation (an emulator, or a Region without the service)."""


class DataKeyConflict(SetupError):
    """There is another data key where only one can be; nothing was overwritten."""


class NoBackend(SetupError):
    """Pulumi is logged in to no state backend, and none is named."""


class SharedSecretRefused(DataKeyConflict):
    """Vercel's team does not let another environment have production's Secret."""


class StackBusy(SetupError):
    """Another run holds the stack's lock."""


class StackHeld(StackBusy):
    """The lock is older than any update takes: nobody waits for it."""


class CorruptStateFile(StackBusy):
    """A killed run left a corrupt file in the backend; it was removed, and a second try succeeds."""


class DamagedState(ResourceError):
    """The stack's state or a lock of it cannot be read; the hint puts a copy back."""


class StalePlan(SetupError):
    """A saved plan no longer fits: the account, the settings or the stack changed since it was saved."""


class PreflightFailed(SetupError):
    """All problems that were detected before anything was created."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        # Missing credentials (3) decide the exit code: other problems often follow from them.
        self.exit_code = 3 if any(problem.exit_code == 3 for problem in problems) else problems[0].exit_code
        count = "1 problem was" if len(problems) == 1 else f"{len(problems)} problems were"
        super().__init__(
            f"{count} found; nothing was created or changed",
            "fix what is listed, then run the same command again",
        )


T = TypeVar("T")
Default = TypeVar("Default")


def attempted(call: Callable[..., T], *arguments: Any, **options: Any) -> T | SetupError:
    """The value of the call, or the SetupError that it raised."""
    try:
        return call(*arguments, **options)
    except SetupError as error:
        return error


def known(value: T | SetupError) -> T:
    """The value. Raises the SetupError that it is instead."""
    if isinstance(value, SetupError):
        raise value
    return value


def known_or(value: T | SetupError, default: Default) -> T | Default:
    """The value; the default where it is a SetupError instead."""
    return default if isinstance(value, SetupError) else value
