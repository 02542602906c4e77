"""The diagnosis of a stack: every check side by side, causes before their consequences, the unknown never called well.

Pure: reads through the edges' Protocols. A check is a plain function of the evidence, in a file `of_the_<thing>.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from wizard.commands.deployed_stack import DeployedStack
from wizard.commands.doctor import check_codes
from wizard.commands.doctor.context import CheckContext
from wizard.core import next_command
from wizard.core.errors import CredentialsError, SetupError
from wizard.setup.steps import Clients


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One cause of trouble, and the command that mends it."""

    cause: str
    """A name that programs rely on: `key-disabled`, `variable-truncated`; the table of causes orders them."""
    what: str
    """What is wrong, in one sentence, with the name of the thing."""
    why: str
    """What follows from it for the application or the audit, and how it is known."""
    command: str
    """The command that fixes the cause, executable as it is; empty where there is none."""
    advice: str = ""
    """What else to do, in words: a failed key load is cached until the application restarts."""


def next_step(error: SetupError) -> dict[str, str]:
    """An error's hint as the `command` or the `advice` of a finding."""
    return {name: text or "" for name, text in next_command.document(error.hint).items()}


@dataclass(frozen=True, kw_only=True)
class NotChecked:
    """One thing that could not be looked at; never taken for good."""

    what: str
    why: str
    is_denied: bool = False
    """Whether the caller's own credentials or rights are why."""

    @classmethod
    def of(cls, what: str, error: SetupError) -> NotChecked:
        """What an edge's error kept from being seen."""
        return cls(what=what, why=error.message, is_denied=isinstance(error, CredentialsError))


@dataclass(frozen=True, kw_only=True)
class Passed:
    """One thing that was looked at and is as it should be."""

    what: str


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """One thing that nobody can see from here, or that the caller did not want to be looked at: told, and no fault."""

    what: str


CheckResult = Finding | NotChecked | Passed | Skipped
"""What a check tells."""

Check = Callable[[CheckContext], Iterable[CheckResult]]

AT_ONCE = 8
"""Checks that run side by side."""

CREDENTIALS = frozenset({"operator-credentials", "vercel-token-refused"})
"""Causes that are the doctor's own lack of credentials: exit code 3."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What was found, root causes first."""

    stack: str
    findings: tuple[Finding, ...] = ()
    consequences: tuple[Finding, ...] = ()
    """What was found too and follows from a finding: it goes when that is mended."""
    not_checked: tuple[NotChecked, ...] = ()
    passed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    """What nobody can see from here, and what the caller did not want to be looked at."""

    @property
    def healthy(self) -> bool:
        """Whether everything was looked at and all of it is well."""
        return not self.findings and not self.not_checked

    @property
    def exit_code(self) -> int:
        """0 healthy; 3 where the doctor's own credentials or rights are what is wrong; else 1."""
        if self.healthy:
            return 0
        first = self.findings[0].cause in CREDENTIALS if self.findings else False
        denied = not self.findings and any(each.is_denied for each in self.not_checked)
        return 3 if first or denied else 1


def diagnose(
    deployed: DeployedStack, clients: Clients, checks: Sequence[Check], *, last: Sequence[tuple[str, Check]] = ()
) -> Diagnosis:
    """What ails the stack, by these checks; and by the last, each with what it looks at, if these found nothing.

    The last take long, and would tell in other words what was found already.
    """
    context = CheckContext(deployed, clients)

    def run(check: Check) -> tuple[CheckResult, ...]:
        try:
            return tuple(check(context))
        except SetupError as error:
            # A check that did not think of it: what it would have said is unknown.
            return (NotChecked.of(check.__name__.replace("_", " "), error),)

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        results = [each for answers in pool.map(run, checks) for each in answers]
    if not any(isinstance(each, Finding) for each in results):
        results += [each for _, check in last for each in run(check)]
    else:
        results += [NotChecked(what=what, why="that is looked at when nothing else is wrong") for what, _ in last]
    return build_diagnosis(deployed.stack, results)


def build_diagnosis(stack: str, results: Iterable[CheckResult]) -> Diagnosis:
    """Findings in the table's order, each said once; what follows from one is told apart."""
    results = tuple(dict.fromkeys(results))
    findings = sorted(
        (each for each in results if isinstance(each, Finding)), key=lambda finding: check_codes.place(finding.cause)
    )
    explained = check_codes.implied_by({finding.cause for finding in findings})
    return Diagnosis(
        stack=stack,
        findings=tuple(each for each in findings if each.cause not in explained),
        consequences=tuple(each for each in findings if each.cause in explained),
        not_checked=tuple(each for each in results if isinstance(each, NotChecked)),
        passed=tuple(each.what for each in results if isinstance(each, Passed)),
        skipped=tuple(each.what for each in results if isinstance(each, Skipped)),
    )
