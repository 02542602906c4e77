"""The diagnosis of a stack: the checks run concurrently, causes come before consequences, unknown is not passed.

Reads through the facts. A check is a function of the facts; `checks/` has them.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from wizard.account import codes as check_codes
from wizard.account.deployed_stack import DeployedStack
from wizard.account.facts import FactSources, StackFacts
from wizard.core import next_command
from wizard.core.errors import CredentialsError, SetupError
from wizard.core.retry import Threads, give_way


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One cause of a fault, and the command that fixes it."""

    cause: str
    """A name that programs rely on: `key-disabled`, `variable-truncated`; `check_codes.TABLE` orders them."""
    what: str
    """What is wrong, in one sentence, with the name of the resource."""
    why: str
    """The consequence for the application or the audit, and how it is known."""
    command: str
    """The command that fixes the cause, ready to run; empty if there is none."""
    advice: str = ""
    """What else to do, in words."""


def next_step(hint: str) -> dict[str, str]:
    """An error's hint as the `command` and the `advice` of a finding."""
    return {name: text or "" for name, text in next_command.document(hint).items()}


def plain(finding: Finding) -> dict[str, str | None]:
    """The JSON fields of a finding."""
    return {
        "cause": finding.cause,
        "what": finding.what,
        "why": finding.why,
        "command": finding.command or None,
        "advice": finding.advice or None,
    }


@dataclass(frozen=True, kw_only=True)
class NotChecked:
    """One thing that could not be checked; it never counts as passed."""

    what: str
    why: str
    is_denied: bool = False
    """Whether the reason is the caller's own credentials or permissions."""

    @classmethod
    def of(cls, what: str, error: SetupError) -> "NotChecked":
        return cls(what=what, why=error.message, is_denied=isinstance(error, CredentialsError))


@dataclass(frozen=True, kw_only=True)
class Passed:
    what: str


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """One thing that cannot be checked from here, or that was not requested; not a fault."""

    what: str


CheckResult = Finding | NotChecked | Passed | Skipped
"""The result of a check."""

Check = Callable[[StackFacts], Iterable[CheckResult]]


CREDENTIALS = frozenset({"operator-credentials", "vercel-token-missing", "vercel-token-refused"})
"""The causes that are missing credentials of the doctor itself: exit code 3."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The results of the checks, root causes first."""

    stack: str
    findings: tuple[Finding, ...] = ()
    consequences: tuple[Finding, ...] = ()
    """Findings that follow from another finding: they disappear when it is fixed."""
    not_checked: tuple[NotChecked, ...] = ()
    passed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    """What cannot be checked from here, and what was not requested; the advisories in words."""
    advisories: tuple[Finding, ...] = ()
    """Findings about a decision of the settings, for the report: nothing is broken."""

    @property
    def healthy(self) -> bool:
        """Whether everything was checked and passed."""
        return not self.findings and not self.not_checked

    @property
    def exit_code(self) -> int:
        """0 healthy; 3 if the doctor's own credentials or permissions are the problem; else 1."""
        if self.healthy:
            return 0
        first = self.findings[0].cause in CREDENTIALS if self.findings else False
        denied = not self.findings and any(entry.is_denied for entry in self.not_checked)
        return 3 if first or denied else 1


def diagnose(
    deployed: DeployedStack, sources: FactSources, checks: Sequence[Check], *, last: Sequence[tuple[str, Check]] = ()
) -> Diagnosis:
    """The diagnosis by these checks; then by the last ones, each with its subject, if there is no finding yet: they
    would repeat the findings of the others. What they wait for begins with the others, and is ended with a finding.
    """
    facts = StackFacts(deployed, sources)

    def run(check: Check) -> tuple[CheckResult, ...]:
        try:
            return tuple(check(facts))
        except SetupError as error:
            # The check did not handle the error: its result is unknown.
            return (NotChecked.of(check.__name__.replace("_", " "), error),)

    is_compared = last and facts.outputs is not None
    with deployed.engine.comparing(deployed.stack) if is_compared else nullcontext():
        # Each waits for answers: none has to wait for a thread too.
        with Threads(max_workers=max(1, len(checks)), initializer=give_way) as pool:
            results = [result for answers in pool.map(run, checks) for result in answers]
        if not any(isinstance(result, Finding) and result.cause not in check_codes.ADVISORY for result in results):
            results += [result for _, check in last for result in run(check)]
        else:
            results += [NotChecked(what=what, why="it is checked only if nothing else is wrong") for what, _ in last]
    return build_diagnosis(deployed.stack, results)


def first_of(words: Sequence[str], most: int, *, separator: str = ", ") -> str:
    """The first of them in one sentence, and how many more there are."""
    return separator.join([*words[:most], *([f"and {len(words) - most} more"] if len(words) > most else [])])


def build_diagnosis(stack: str, results: Iterable[CheckResult]) -> Diagnosis:
    """The diagnosis without duplicates: findings in the table's order, consequences separately."""
    results = tuple(dict.fromkeys(results))
    ordered = sorted(
        (result for result in results if isinstance(result, Finding)),
        key=lambda finding: check_codes.place(finding.cause),
    )
    advisories = tuple(finding for finding in ordered if finding.cause in check_codes.ADVISORY)
    findings = [finding for finding in ordered if finding not in advisories]
    implied = check_codes.implied_by({finding.cause for finding in findings})
    return Diagnosis(
        stack=stack,
        findings=tuple(result for result in findings if result.cause not in implied),
        consequences=tuple(result for result in findings if result.cause in implied),
        not_checked=tuple(result for result in results if isinstance(result, NotChecked)),
        passed=tuple(result.what for result in results if isinstance(result, Passed)),
        skipped=(
            *(result.what for result in results if isinstance(result, Skipped)),
            *(f"{finding.what}; {finding.advice}" for finding in advisories),
        ),
        advisories=advisories,
    )
